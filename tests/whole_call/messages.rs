//! What is left of a call besides the talk: messages for the business, texts to the caller.

use frontdesk::rehearsal::phone::Step;
use frontdesk::rehearsal::phone::api::Message;
use serde_json::json;

use crate::harness::{House, NUMBER, calls, ms, say};

/// The caller says so many things and hangs up after the last answer.
fn steps(turns: usize) -> Vec<Step> {
    let said = (0..turns).flat_map(|n| [Step::wait_for_agent(), say(n)]);
    said.chain([Step::wait_for_agent(), Step::HangUp]).collect()
}

#[tokio::test]
async fn a_message_is_kept_and_a_text_reaches_the_caller_once() {
    let text = json!({"text": "Elm Street 5, ring twice."});
    let house = House::with(
        vec![
            calls(
                "Tell them I am late, and text me the address.",
                &[
                    ("take_message", json!({"text": "Late by ten minutes."})),
                    ("send_sms", text.clone()),
                ],
            ),
            calls("Once more, please.", &[("send_sms", text)]),
        ],
        json!({}),
    )
    .await;
    let (call, row) = house.call(steps(2)).await;
    assert_eq!(call.errors, [""; 0]);

    let message = json!({"text": "Late by ten minutes.", "callback": "+15551230001"});
    assert_eq!(row.metadata()["messages"], json!([message]));
    let message = Message {
        from: NUMBER.to_owned(),
        to: "+15551230001".to_owned(),
        body: "Elm Street 5, ring twice.".to_owned(),
    };
    assert_eq!(house.twilio.messages(), [message], "the same text is not sent again");
    let functions = row.metadata()["functions"].as_array().unwrap();
    assert!(functions.iter().all(|function| function["ok"] == true), "{functions:?}");
    assert_eq!(functions[2]["result"], json!({"ok": true, "sent": true, "before": true}));
}

#[tokio::test]
async fn a_caller_who_withholds_their_number_is_not_texted_and_leaves_a_message() {
    let house = House::with(
        vec![calls(
            "Text me the address, and have them call me.",
            &[
                ("send_sms", json!({"text": "Elm Street 5."})),
                ("take_message", json!({"text": "Call."})),
            ],
        )],
        json!({}),
    )
    .await;
    let mut options = house.options();
    options.from = "anonymous".to_owned().into();
    let call = house.place(options, steps(1)).ended().await;
    assert_eq!(call.errors, [""; 0]);
    let row = house.row(&call.call_sid).await;
    let functions = row.metadata()["functions"].as_array().unwrap();
    assert_eq!((&functions[0]["ok"], &functions[1]["ok"]), (&json!(false), &json!(true)));
    assert!(functions[0]["result"]["error"].as_str().unwrap().contains("withheld"));
    assert_eq!(row.metadata()["messages"], json!([{"text": "Call.", "callback": null}]));
    assert_eq!(house.twilio.messages(), []);
}

#[tokio::test]
async fn the_model_is_offered_messages_and_texts() {
    let house = House::with(vec![], json!({})).await;
    house.call(vec![Step::Wait(ms(500)), Step::wait_for_agent(), Step::HangUp]).await;
    let told = house.speech.observer().received("session.update");
    let tools = told[0].event["session"]["tools"].as_array().unwrap();
    let names: Vec<_> = tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"take_message") && names.contains(&"send_sms"), "{names:?}");
}
