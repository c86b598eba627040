//! The stand-in speech service on a real socket, against a client that knows nothing of it but
//! the wire.
#![expect(clippy::unwrap_used, reason = "a test says what failed by failing")]

mod chat;
mod client;
mod faults;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use frontdesk::clock::{Clock, unix_now, within};
use frontdesk::rehearsal::speech::script::{ErrorBody, Script, Words};
use frontdesk::rehearsal::speech::{Fault, Record, SAMPLES, SpeechOptions};
use frontdesk::rehearsal::stamp;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Error, Message};

use self::client::{Client, LIMIT, audio_bytes, client_driven, kinds, start, start_script};

#[tokio::test]
async fn a_turn_is_heard_transcribed_and_answered() {
    let speech = start(SpeechOptions { clock: Clock::faster(10), ..Default::default() }).await;
    let mut client = Client::ready(&speech, client_driven()).await;
    client.speak(SAMPLES[0]).await;

    let events = client.until("conversation.item.input_audio_transcription.completed").await;
    assert_eq!(
        kinds(&events),
        [
            "input_audio_buffer.speech_started",
            "input_audio_buffer.speech_stopped",
            "input_audio_buffer.committed",
            "conversation.item.added",
            "conversation.item.done",
            "conversation.item.input_audio_transcription.delta",
            "conversation.item.input_audio_transcription.delta",
            "conversation.item.input_audio_transcription.completed",
        ]
    );
    let item = &events[0]["item_id"];
    assert!(events[1..3].iter().all(|event| event["item_id"] == *item));
    let (start, end) = (&events[0]["audio_start_ms"], &events[1]["audio_end_ms"]);
    let spoken_ms = end.as_u64().unwrap() - start.as_u64().unwrap();
    assert!(spoken_ms.abs_diff(SAMPLES[0].len() as u64 / 8 + 500) < 250, "{spoken_ms} ms");
    let script = Script::default();
    assert_eq!(events[7]["transcript"], script.turns[0].heard.as_str());

    client.send(json!({"type": "response.create", "response": {"metadata": {"reply": "7"}}})).await;
    let events = client.until("response.done").await;
    assert_eq!(
        kinds(&events)[..4],
        [
            "response.created",
            "response.output_item.added",
            "conversation.item.added",
            "response.content_part.added",
        ]
    );
    assert_eq!(
        kinds(&events)[events.len() - 6..],
        [
            "response.output_audio.done",
            "response.output_audio_transcript.done",
            "response.content_part.done",
            "conversation.item.done",
            "response.output_item.done",
            "response.done",
        ]
    );
    assert_eq!(events[0]["response"]["metadata"], json!({"reply": "7"}));
    let done = &events.last().unwrap()["response"];
    assert_eq!((&done["status"], &done["metadata"]), (&json!("completed"), &json!({"reply": "7"})));
    assert_eq!(done["output"][0]["content"][0]["transcript"], script.turns[0].reply.as_str());
    assert!(done["usage"]["output_token_details"]["audio_tokens"].as_u64().unwrap() > 50);
    assert!(audio_bytes(&events) > 5 * 8_000, "over five seconds of speech");
    assert!(kinds(&events).contains(&"response.output_audio_transcript.delta"));
}

#[tokio::test]
async fn a_service_that_decides_itself_answers_and_is_interrupted() {
    let speech = start(SpeechOptions { clock: Clock::faster(4), ..Default::default() }).await;
    let mut client =
        Client::ready(&speech, json!({"type": "server_vad", "silence_duration_ms": 500})).await;
    client.speak(SAMPLES[1]).await;
    client.until("response.output_audio.delta").await;
    client.speak(SAMPLES[2]).await;
    let events = client.until("response.done").await;
    assert!(kinds(&events).contains(&"input_audio_buffer.speech_started"));
    let done = &events.last().unwrap()["response"];
    assert_eq!(done["status_details"], json!({"type": "cancelled", "reason": "turn_detected"}));
    // The `*.done` events come for what was cut off too.
    assert!(kinds(&events).contains(&"response.output_audio.done"));
    assert_eq!(done["output"][0]["status"], "incomplete");
    let next = client.until_last("response.done").await;
    assert_eq!(next["response"]["status"], "completed");
}

#[tokio::test]
async fn words_can_come_during_speech_fail_or_never_come() {
    let turn =
        |words: &str| format!(r#"{{"heard":"one two three {{session}}","words":"{words}"}}"#);
    let turns = ["during", "failed", "never", "after_commit"].map(turn).join(",");
    let speech = start_script(&format!(r#"{{"turns":[{turns}]}}"#)).await;
    let mut client = Client::ready(&speech, client_driven()).await;

    client.speak(SAMPLES[0]).await;
    let events = client.until("conversation.item.input_audio_transcription.completed").await;
    let delta = "conversation.item.input_audio_transcription.delta";
    assert_eq!(kinds(&events)[1], delta, "before speech stops");
    let words: String = events.iter().filter_map(|event| event["delta"].as_str()).collect();
    let session = words.strip_prefix("one two three ").unwrap();
    assert!(session.parse::<u64>().is_ok(), "{words}");

    client.speak(SAMPLES[0]).await;
    client.until("conversation.item.input_audio_transcription.failed").await;

    client.speak(SAMPLES[0]).await;
    client.speak(SAMPLES[0]).await;
    let events = client.until("conversation.item.input_audio_transcription.completed").await;
    let committed: Vec<_> =
        events.iter().filter(|event| event["type"] == "input_audio_buffer.committed").collect();
    assert_eq!(committed.len(), 2);
    assert_eq!(events.last().unwrap()["item_id"], committed[1]["item_id"]);
    assert_ne!(committed[0]["previous_item_id"], Value::Null);
}

#[tokio::test]
async fn a_reply_is_cancelled_truncated_and_deleted() {
    let speech = start(SpeechOptions::default()).await;
    let mut client = Client::ready(&speech, client_driven()).await;
    let long = format!("Say exactly: «{}»", "a rather long text that goes on ".repeat(12));
    client.send(json!({"type": "response.create", "response": {"instructions": long}})).await;
    let begun = client.until("response.output_audio.delta").await;
    let item = begun.last().unwrap()["item_id"].clone();
    client.send(json!({"type": "response.create", "event_id": "again"})).await;
    let error = client.error().await;
    assert_eq!(error["code"], "conversation_already_has_active_response");
    assert_eq!(error["event_id"], "again");

    client.send(json!({"type": "response.cancel"})).await;
    let done = client.until_last("response.done").await;
    assert_eq!(done["response"]["status"], "cancelled");
    assert_eq!(done["response"]["status_details"]["reason"], "client_cancelled");
    client.send(json!({"type": "response.cancel", "event_id": "c2"})).await;
    assert_eq!(client.error().await["code"], "response_cancel_not_active");

    let truncate = |ms: u64| {
        json!({"type": "conversation.item.truncate", "item_id": item,
        "content_index": 0, "audio_end_ms": ms})
    };
    client.send(truncate(600_000)).await;
    assert_eq!(client.error().await["param"], "audio_end_ms");
    client.send(truncate(80)).await;
    let truncated = client.until_last("conversation.item.truncated").await;
    assert_eq!((&truncated["item_id"], &truncated["audio_end_ms"]), (&item, &json!(80)));
    client.send(json!({"type": "conversation.item.retrieve", "item_id": item})).await;
    let retrieved = client.until_last("conversation.item.retrieved").await;
    assert_eq!(retrieved["item"]["content"][0]["transcript"], Value::Null);

    let delete = json!({"type": "conversation.item.delete", "item_id": item});
    client.send(delete.clone()).await;
    client.until("conversation.item.deleted").await;
    client.send(delete).await;
    assert_eq!(client.error().await["code"], "item_delete_invalid_item_id");
}

#[tokio::test]
async fn several_functions_are_called_and_answered_to() {
    let speech = start_script(
        r#"{"turns":[{"heard":"book","reply":"One moment.","after_functions":"It is done.",
            "functions":[{"name":"book","arguments":{"time":"19:00"}},{"name":"note"}]}]}"#,
    )
    .await;
    let mut client = Client::ready(&speech, client_driven()).await;
    client.speak(SAMPLES[0]).await;
    client.until("conversation.item.input_audio_transcription.completed").await;
    client.send(json!({"type": "response.create"})).await;
    let events = client.until("response.done").await;
    let arguments: Vec<_> = events
        .iter()
        .filter(|event| event["type"] == "response.function_call_arguments.done")
        .map(|event| (event["name"].as_str().unwrap(), event["arguments"].as_str().unwrap()))
        .collect();
    assert_eq!(arguments, [("book", r#"{"time":"19:00"}"#), ("note", "{}")]);
    let output = events.last().unwrap()["response"]["output"].as_array().unwrap().clone();
    assert_eq!(output.len(), 3);

    for call in &output[1..] {
        client
            .send(json!({"type": "conversation.item.create", "item": {
                "type": "function_call_output", "call_id": call["call_id"], "output": "{}"}}))
            .await;
        client.until("conversation.item.done").await;
    }
    client.send(json!({"type": "response.create"})).await;
    let done = client.until_last("response.done").await;
    let said = &done["response"]["output"][0]["content"][0]["transcript"];
    assert_eq!(*said, "It is done.");
    assert_eq!(speech.observer().received("conversation.item.create").len(), 2);
}

#[tokio::test]
async fn bad_events_are_refused_and_the_socket_stays() {
    let speech = start(SpeechOptions::default()).await;
    let mut client = Client::ready(&speech, json!(null)).await;
    client.0.send(Message::text("{\"type\":")).await.unwrap();
    assert_eq!(client.error().await["code"], "invalid_event");
    let cases = [
        (json!({}), "missing_required_parameter"),
        (json!({"type": "response.cancle"}), "invalid_value"),
        (
            json!({"type": "session.update", "session": {"instructions": "x"}}),
            "missing_required_parameter",
        ),
        (
            json!({"type": "session.update", "session": {"type": "realtime", "voice": "ash"}}),
            "unknown_parameter",
        ),
        (json!({"type": "input_audio_buffer.append", "audio": "no base64!"}), "invalid_value"),
        (json!({"type": "input_audio_buffer.append"}), "missing_required_parameter"),
        (json!({"type": "input_audio_buffer.commit"}), "input_audio_buffer_commit_empty"),
        (
            json!({"type": "conversation.item.retrieve", "item_id": "x"}),
            "item_retrieve_invalid_item_id",
        ),
    ];
    for (mut event, code) in cases {
        event["event_id"] = "mine".into();
        client.send(event.clone()).await;
        let error = client.error().await;
        assert_eq!((&error["code"], &error["event_id"]), (&json!(code), &json!("mine")), "{event}");
    }
    client.speak(SAMPLES[0]).await;
    client.send(json!({"type": "input_audio_buffer.commit"})).await;
    client.until("input_audio_buffer.committed").await;
}

#[tokio::test]
async fn who_may_not_come_in_is_told_by_status() {
    let speech = start(SpeechOptions::default()).await;
    for (query, token, expected) in [("?model=m", None, 401), ("", Some("k"), 400)] {
        match Client::try_connect(&speech, query, token).await {
            Err(Error::Http(response)) => assert_eq!(response.status(), expected),
            other => panic!("{:?}", other.err()),
        }
    }
    speech.command(Fault::RefuseConnects { status: 503 });
    match Client::try_connect(&speech, "?model=m", Some("k")).await {
        Err(Error::Http(response)) => assert_eq!(response.status(), 503),
        other => panic!("{:?}", other.err()),
    }
    speech.command(Fault::AcceptConnects);
    assert!(Client::try_connect(&speech, "?model=m", Some("k")).await.is_ok());
    assert_eq!(speech.observer().counts().refused, 2);
}

#[tokio::test]
async fn faults_happen_on_command() {
    let speech = start(SpeechOptions { words: Words::Never, ..Default::default() }).await;
    let error = |code: &str| ErrorBody {
        kind: code.to_owned(),
        code: Some(code.to_owned()),
        message: "rehearsed".to_owned(),
    };
    let mut client = Client::ready(&speech, client_driven()).await;
    speech.command(Fault::FailResponse { error: error("server_error") });
    client.send(json!({"type": "response.create"})).await;
    let done = client.until_last("response.done").await;
    assert_eq!(done["response"]["status"], "failed");
    assert_eq!(done["response"]["status_details"]["error"]["code"], "server_error");

    speech.command(Fault::Error { error: error("insufficient_quota") });
    assert_eq!(client.error().await["type"], "insufficient_quota");

    speech.command(Fault::Stall);
    client.send(json!({"type": "input_audio_buffer.clear"})).await;
    speech.command(Fault::Resume);
    client.until("input_audio_buffer.cleared").await;

    speech.command(Fault::CloseSockets { code: 1011 });
    let closed = within(LIMIT, client.0.next()).await.unwrap().unwrap().unwrap();
    assert!(matches!(closed, Message::Close(Some(frame)) if u16::from(frame.code) == 1011));

    let mut client = Client::ready(&speech, client_driven()).await;
    speech.command(Fault::DropSockets);
    let dropped = within(LIMIT, client.0.next()).await.unwrap();
    assert!(matches!(dropped, None | Some(Err(_))), "{dropped:?}");
}

#[tokio::test]
async fn embeddings_and_chat_answer_in_openais_shape() {
    let speech = start(SpeechOptions::default()).await;
    let client = frontdesk::tls::http_client().build().unwrap();
    let post = |path: &str, body: Value| {
        client.post(format!("{}{path}", speech.base_url())).bearer_auth("k").json(&body).send()
    };
    let body: Value = post("/embeddings", json!({"model": "m", "input": ["a b", "c"]}))
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(body["data"][1]["embedding"].as_array().unwrap().len(), 1_536);
    let body: Value = post(
        "/embeddings",
        json!({"model": "m", "input": "a",
        "encoding_format": "base64", "dimensions": 256}),
    )
    .await
    .unwrap()
    .json()
    .await
    .unwrap();
    let bytes = STANDARD.decode(body["data"][0]["embedding"].as_str().unwrap()).unwrap();
    assert_eq!(bytes.len(), 1_024);
    let empty = post("/embeddings", json!({"model": "m", "input": ""})).await.unwrap();
    assert_eq!(empty.status(), 400);

    let messages = json!([{"role": "user", "content": "hi"}]);
    let schema = json!({"type": "object", "properties": {"summary": {"type": "string"}}});
    let body: Value = post("/chat/completions", json!({"model": "m", "messages": messages,
        "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": schema}}}))
        .await.unwrap().json().await.unwrap();
    let content = body["choices"][0]["message"]["content"].as_str().unwrap();
    assert!(serde_json::from_str::<Value>(content).unwrap()["summary"].is_string());
    let stream = post(
        "/chat/completions",
        json!({"model": "m", "messages": messages,
        "stream": true, "stream_options": {"include_usage": true}}),
    )
    .await
    .unwrap()
    .text()
    .await
    .unwrap();
    let lines: Vec<_> = stream.lines().filter(|line| !line.is_empty()).collect();
    assert!(lines.iter().all(|line| line.starts_with("data: ")));
    assert!(lines[lines.len() - 2].contains("\"choices\":[]"));
    assert_eq!(lines[lines.len() - 1], "data: [DONE]");
}

#[tokio::test]
async fn under_load_stamps_are_read_and_written_and_are_not_heard() {
    let options = SpeechOptions { record: Record::Latency, ..SpeechOptions::default() };
    let speech = start(options).await;
    let mut client = Client::ready(&speech, client_driven()).await;
    for _ in 0..50 {
        let mut frame = [0xFF; 160];
        stamp::write(&mut frame, unix_now().as_micros() as u64);
        let audio = STANDARD.encode(frame);
        client.send(json!({"type": "input_audio_buffer.append", "audio": audio})).await;
    }
    client.send(json!({"type": "response.create"})).await;
    let events = client.until("response.output_audio.delta").await;
    assert!(!kinds(&events).contains(&"input_audio_buffer.speech_started"));
    let audio = STANDARD.decode(events.last().unwrap()["delta"].as_str().unwrap()).unwrap();
    assert!(stamp::read(&audio).unwrap().abs_diff(unix_now().as_micros() as u64) < 20_000_000);

    let url = format!("http://{}/rehearsal/latency", speech.address());
    let latency = async || -> Value {
        frontdesk::tls::http_client()
            .build()
            .unwrap()
            .get(&url)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    };
    let first = latency().await;
    assert_eq!(first["count"], 50);
    assert!(first["max_us"].as_u64().unwrap() < 20_000_000);
    frontdesk::tls::http_client().build().unwrap().delete(&url).send().await.unwrap();
    assert_eq!(latency().await["count"], 0);
}

/// Whoever types to the stand-in has its script by the words, and not by how often they spoke.
#[tokio::test]
async fn a_line_of_the_script_that_is_typed_is_that_turn() {
    let script = r#"{"otherwise": "I do not know that.", "reads": true, "turns": [
        {"heard": "Do you park cars?", "reply": "Yes, behind the house."},
        {"heard": "Book me a table.", "functions": [{"name": "book"}], "after_functions": "Done."}]}"#;
    let speech = start_script(script).await;
    let mut client = Client::ready(&speech, client_driven()).await;
    let item = |role: &str, text: &str| {
        let kind = if role == "assistant" { "output_text" } else { "input_text" };
        json!({"type": "conversation.item.create", "item": {"type": "message", "role": role,
            "content": [{"type": kind, "text": text}]}})
    };
    for (typed, said) in [
        ("Something else", "I do not know that."),
        (" do you PARK cars", "Yes, behind the house."),
        ("And bikes?", "I do not know that."),
        ("Do you park cars?", "Yes, behind the house."),
    ] {
        client.send(item("user", typed)).await;
        // What was looked up for it stands behind it.
        client.send(item("system", "Passages: none.")).await;
        client.send(json!({"type": "response.create"})).await;
        let done = client.until_last("response.done").await;
        assert_eq!(done["response"]["output"][0]["content"][0]["transcript"], said, "{typed}");
    }
    client.send(item("user", "Book me a table.")).await;
    client.send(json!({"type": "response.create"})).await;
    let done = client.until_last("response.done").await;
    let call = done["response"]["output"][0].clone();
    assert_eq!(call["name"], "book");
    let output =
        json!({"type": "function_call_output", "call_id": call["call_id"], "output": "{}"});
    client.send(json!({"type": "conversation.item.create", "item": output})).await;
    client.send(json!({"type": "response.create"})).await;
    let done = client.until_last("response.done").await;
    assert_eq!(done["response"]["output"][0]["content"][0]["transcript"], "Done.");
    // A line that was answered before the session began is not answered again.
    client.send(item("user", "Do you park cars?")).await;
    client.send(item("assistant", "Yes, behind the house.")).await;
    client.send(json!({"type": "response.create"})).await;
    let done = client.until_last("response.done").await;
    let said = &done["response"]["output"][0]["content"][0]["transcript"];
    assert_eq!(*said, "I do not know that.");
}
