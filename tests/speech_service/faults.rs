//! What can be made to go wrong, by a script and while the service runs.

use frontdesk::clock::unix_now;
use frontdesk::rehearsal::speech::{Fault, SAMPLES, Speech};
use futures_util::StreamExt as _;
use serde_json::{Value, json};

use crate::client::{Client, audio_bytes, client_driven, kinds, start_script};

/// A service whose first turn goes wrong in this way, a client of it that has spoken, and asked for
/// a reply.
async fn asked(fault: &str) -> (Speech, Client) {
    let turn = |fault: &str| format!(r#"{{"heard":"a","reply":"One two three four."{fault}}}"#);
    let turns = [turn(&format!(r#","fault":"{fault}""#)), turn("")].join(",");
    let speech = start_script(&format!(r#"{{"turns":[{turns}]}}"#)).await;
    let mut client = Client::ready(&speech, client_driven()).await;
    client.speak(SAMPLES[0]).await;
    client.until("input_audio_buffer.committed").await;
    client.send(json!({"type": "response.create"})).await;
    (speech, client)
}

/// All that comes until the socket ends.
async fn rest(client: Client) -> Vec<Value> {
    let texts = client.0.filter_map(async |message| message.ok()?.into_text().ok());
    texts.map(|text| serde_json::from_str(&text).unwrap()).collect().await
}

#[tokio::test]
async fn a_reply_drops_half_way_and_not_again() {
    let (speech, client) = asked("drop").await;
    let events = rest(client).await;
    assert!(audio_bytes(&events) > 0);
    assert!(!kinds(&events).contains(&"response.done"));
    let mut client = Client::ready(&speech, client_driven()).await;
    client.speak(SAMPLES[0]).await;
    client.until("input_audio_buffer.committed").await;
    client.send(json!({"type": "response.create"})).await;
    client.until("response.done").await;
}

#[tokio::test]
async fn a_reply_is_completed_without_audio_and_then_with_it() {
    let (_speech, mut client) = asked("no_audio").await;
    let events = client.until("response.done").await;
    assert_eq!(audio_bytes(&events), 0);
    assert_eq!(events.last().unwrap()["response"]["status"], "completed");
    client.send(json!({"type": "response.create"})).await;
    assert!(audio_bytes(&client.until("response.done").await) > 0);
}

#[tokio::test]
async fn a_reply_that_never_begins_can_be_cancelled() {
    let (_speech, mut client) = asked("silence").await;
    client.until("response.created").await;
    client.send(json!({"type": "response.cancel"})).await;
    let done = client.until_last("response.done").await;
    assert_eq!(done["response"]["status"], "cancelled");
}

#[tokio::test]
async fn a_session_goes_deaf_with_its_reply() {
    let (_speech, mut client) = asked("deaf").await;
    client.until("response.done").await;
    client.speak(SAMPLES[0]).await;
    client.send(json!({"type": "input_audio_buffer.clear"})).await;
    let events = client.until("input_audio_buffer.cleared").await;
    assert!(!kinds(&events).contains(&"input_audio_buffer.speech_started"));
}

#[tokio::test]
async fn connects_hang_until_they_are_accepted() {
    let speech = start_script(r#"{"faults":[{"kind":"hang_connects"}],"turns":[]}"#).await;
    let counts = format!("http://{}/rehearsal/counts", speech.address());
    let others = async {
        // Who came later is answered meanwhile, again and again.
        for _ in 0..5 {
            frontdesk::tls::http_client()
                .build()
                .unwrap()
                .get(&counts)
                .send()
                .await
                .unwrap()
                .text()
                .await
                .unwrap();
        }
        assert_eq!(speech.observer().counts().opened, 0);
        speech.command(Fault::AcceptConnects);
    };
    let connecting = Client::try_connect(&speech, "?model=m", Some("k"));
    let (client, ()) = tokio::join!(connecting, others);
    assert_eq!(client.unwrap().next().await["type"], "session.created");
}

#[tokio::test]
async fn every_response_fails_until_none_does() {
    let script = r#"{"faults":[{"kind":"fail_responses","error":{"code":"rate_limit_exceeded"}}],
        "turns":[]}"#;
    let speech = start_script(script).await;
    let mut client = Client::ready(&speech, client_driven()).await;
    for _ in 0..2 {
        client.send(json!({"type": "response.create"})).await;
        let done = client.until_last("response.done").await;
        let error = &done["response"]["status_details"]["error"];
        assert_eq!(error["code"], "rate_limit_exceeded", "{done}");
    }
    speech.command(Fault::FailResponses { error: None });
    speech.command(Fault::MuteResponse);
    for is_heard in [false, true] {
        client.send(json!({"type": "response.create"})).await;
        assert_eq!(audio_bytes(&client.until("response.done").await) > 0, is_heard);
    }
}

#[tokio::test]
async fn nonsense_is_sent_and_the_session_goes_on() {
    let speech = start_script(r#"{"turns":[]}"#).await;
    let mut client = Client::ready(&speech, client_driven()).await;
    speech.command(Fault::Nonsense { messages: 5 });
    for _ in 0..5 {
        let message = client.0.next().await.unwrap().unwrap().into_text().unwrap();
        let event: Result<Value, _> = serde_json::from_str(&message);
        assert!(event.is_err() || !event.unwrap()["type"].is_string(), "{message}");
    }
    client.send(json!({"type": "input_audio_buffer.clear"})).await;
    client.until("input_audio_buffer.cleared").await;
}

#[tokio::test]
async fn a_session_lasts_as_long_as_the_script_says() {
    let speech = start_script(r#"{"session_ms":5000,"turns":[]}"#).await;
    let mut client = Client::try_connect(&speech, "?model=m", Some("k")).await.unwrap();
    let created = client.next().await;
    let left = created["session"]["expires_at"].as_u64().unwrap() - unix_now().as_secs();
    assert!(left <= 5, "{left} s");
    assert_eq!(client.error().await["code"], "session_expired");
}
