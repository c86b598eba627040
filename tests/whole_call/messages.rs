//! What is left of a call besides the talk: messages for the business, texts to the caller.

use frontdesk::rehearsal::phone::api::Message;
use serde_json::json;

use crate::booking::{act, call, lines};
use crate::harness::{House, NUMBER};

#[tokio::test]
async fn a_message_is_kept_and_a_text_reaches_the_caller_once() {
    let text = || call("send_sms", json!({"text": "Elm Street 5, ring twice."}));
    let message = call("take_message", json!({"text": "Late by ten minutes."}));
    let turns = vec![
        act("Tell them I am late, and text me the address.", vec![message, text()], "Done."),
        act("Once more, please.", vec![text()], "It is on its way."),
    ];
    let house = House::with(turns, json!({})).await;
    let (call, row) = house.call(lines(2)).await;
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
    let functions = vec![
        call("send_sms", json!({"text": "Elm Street 5."})),
        call("take_message", json!({"text": "Call."})),
    ];
    let turns = vec![act("Text me the address, and have them call me.", functions, "Done.")];
    let house = House::with(turns, json!({})).await;
    let mut options = house.options();
    options.from = "anonymous".to_owned().into();
    let call = house.place(options, lines(1)).ended().await;
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
    house.call(lines(0)).await;
    let told = house.speech.observer().received("session.update");
    let tools = told[0].event["session"]["tools"].as_array().unwrap();
    let names: Vec<_> = tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"take_message") && names.contains(&"send_sms"), "{names:?}");
}
