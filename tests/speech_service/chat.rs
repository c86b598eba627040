//! Chat completions: made up by rules from the transcript that is asked about, or as the script says.

use frontdesk::rehearsal::speech::script::Script;
use frontdesk::rehearsal::speech::{Fault, Speech, SpeechOptions};
use serde_json::{Value, json};

use crate::client::{LIMIT, start};

async fn ask(speech: &Speech) -> (u16, Value) {
    let line = |speaker: &str, said: &str| json!({"at": "00:01", "speaker": speaker, "said": said});
    let record =
        json!({"transcript": [line("agent", "Hello."), line("caller", "Do you park cars?")]});
    let fields = json!({"title": {"type": "string"}, "mood": {"enum": ["calm", "cross"]},
        "claims": {"type": "array", "items": {"type": "string"}}});
    let body = json!({"model": "m", "messages": [
            {"role": "system", "content": "Sum up."}, {"role": "user", "content": record.to_string()}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "s", "strict": true,
            "schema": {"type": "object", "properties": fields}}}});
    let url = format!("{}/chat/completions", speech.base_url());
    let post = frontdesk::tls::http_client()
        .build()
        .unwrap()
        .post(url)
        .bearer_auth("k")
        .json(&body)
        .timeout(LIMIT);
    let answer = post.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

fn content(answer: &Value) -> Value {
    serde_json::from_str(answer["choices"][0]["message"]["content"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn chats_go_as_the_script_says_and_then_by_rules() {
    let script = r#"{"turns": [], "chats": [
        {"error": {"status": 429, "error": {"type": "t", "code": "insufficient_quota"}}},
        {"refusal": "I cannot."}, "cut_off", {"text": "Well."}, {"answer": {"title": "Other"}},
        "as_usual"]}"#;
    let script = Script::parse(script).unwrap();
    let speech = start(SpeechOptions { script, ..SpeechOptions::default() }).await;
    let (status, answer) = ask(&speech).await;
    assert_eq!((status, &answer["error"]["code"]), (429, &json!("insufficient_quota")));
    let (status, answer) = ask(&speech).await;
    let message = &answer["choices"][0]["message"];
    assert_eq!((status, &message["refusal"]), (200, &json!("I cannot.")));
    assert_eq!(message["content"], Value::Null);
    let (_, answer) = ask(&speech).await;
    assert_eq!(answer["choices"][0]["finish_reason"], "length");
    let cut = answer["choices"][0]["message"]["content"].as_str().unwrap();
    assert!(serde_json::from_str::<Value>(cut).is_err(), "{cut}");
    let (_, answer) = ask(&speech).await;
    assert_eq!(answer["choices"][0]["message"]["content"], "Well.");
    let (_, answer) = ask(&speech).await;
    assert_eq!(content(&answer), json!({"title": "Other", "mood": "calm", "claims": []}));
    for _ in 0..2 {
        let (_, answer) = ask(&speech).await;
        let expected = json!({"title": "Do you park cars?", "mood": "calm", "claims": []});
        assert_eq!(content(&answer), expected);
    }
    assert_eq!(speech.observer().chats().len(), 7);
}

#[tokio::test]
async fn chats_alone_can_be_refused() {
    let speech = start(SpeechOptions::default()).await;
    speech.command(Fault::RefuseChats { status: 503 });
    assert_eq!(ask(&speech).await.0, 503);
    speech.command(Fault::AcceptChats);
    assert_eq!(ask(&speech).await.0, 200);
}
