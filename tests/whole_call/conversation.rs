//! The conversation: interruptions, keys, words in all timings, functions.

use frontdesk::rehearsal::phone::{PhoneEvent, PhoneEventKind, Step};
use frontdesk::rehearsal::speech::script::{FunctionCall, Words};
use serde_json::{Value, json};

use crate::harness::{House, ms, say, turn};

/// A minute and a half of speech, made in a sixth of that: it is not all there when it is cut off.
fn long_reply() -> String {
    let words: Vec<_> = (1..=280).map(|n| format!("word{n}")).collect();
    words.join(" ") + "."
}

/// How much of the reply that was cleared the phone had played, and how much it had not, in ms.
fn cleared(seen: &[PhoneEvent]) -> (u64, u64) {
    let mut began = None;
    for event in seen {
        match event.kind {
            PhoneEventKind::AgentBegan => began = Some(event.at),
            PhoneEventKind::Cleared { unheard } => {
                let heard = event.at - began.unwrap();
                return (heard.as_millis() as u64, unheard.as_millis() as u64);
            }
            _ => {}
        }
    }
    panic!("nothing was cleared: {seen:?}");
}

#[tokio::test]
async fn a_caller_who_interrupts_is_listened_to_and_only_heard_words_count() {
    let turns = vec![turn("What is there?", &long_reply()), turn("Stop.", "Sorry.")];
    let house = House::with(turns, json!({})).await;
    let steps = vec![
        Step::wait_for_agent(),
        say(0),
        Step::interrupt(ms(1_500)),
        say(2),
        Step::wait_for_agent(),
        Step::HangUp,
    ];
    let (call, seen) = house.place(house.options(), steps).told().await;
    assert_eq!((&call.errors, call.clears), (&vec![], 1));

    let order: Vec<_> = house
        .speech
        .observer()
        .all_received()
        .into_iter()
        .map(|received| received.event)
        .filter(|event| {
            event["type"] == "response.cancel" || event["type"] == "conversation.item.truncate"
        })
        .collect();
    let [cancel, truncate] = &order[..] else { panic!("{order:?}") };
    assert_eq!(
        (&cancel["type"], &truncate["type"]),
        (&json!("response.cancel"), &json!("conversation.item.truncate"))
    );
    let told_ms = truncate["audio_end_ms"].as_u64().unwrap();
    let (heard_ms, unheard_ms) = cleared(&seen);
    assert!(told_ms.abs_diff(heard_ms) < 600, "told {told_ms} of {heard_ms} ms heard");
    assert!(told_ms <= heard_ms + unheard_ms, "told {told_ms} ms, more than was sent");

    let row = house.row(&call.call_sid).await;
    let (turn, next) = (&row.metadata()["turns"][0], &row.metadata()["turns"][1]);
    let (agent, heard) = (turn["agent"].as_str().unwrap(), turn["heard"].as_str().unwrap());
    assert_eq!((&turn["interrupted"], &next["interrupted"]), (&json!(true), &json!(false)));
    assert!(heard.starts_with("word1 word2") && agent.starts_with(heard), "{heard}");
    assert!(heard.len() + 50 < agent.len(), "{heard} of {agent}");
    let [_, _, line, caller, answer] = row.lines()[..] else { panic!("{:?}", row.lines()) };
    assert_eq!(
        (line, caller, answer),
        (&*format!("Agent: {heard}"), "Caller: Stop.", "Agent: Sorry.")
    );
}

#[tokio::test]
async fn a_greeting_is_heard_to_its_end_whatever_the_caller_says() {
    let greeting =
        "Good day, this call is taken by a machine that knows our opening hours by heart.";
    let house = House::with(vec![turn("Hello?", "Yes.")], json!({"greeting": greeting})).await;
    let steps = vec![
        Step::interrupt(ms(500)),
        say(0),
        Step::wait_for_agent(),
        Step::Wait(ms(2_000)),
        Step::HangUp,
    ];
    let (call, row) = house.call(steps).await;
    assert_eq!((&call.errors, call.clears), (&vec![], 0));
    assert!(house.speech.observer().received("conversation.item.truncate").is_empty());
    assert!(row.lines().contains(&&*format!("Agent: {greeting}")), "{:?}", row.lines());
    assert!(row.lines().contains(&"Agent: Yes."), "{:?}", row.lines());
}

#[tokio::test]
async fn a_greeting_that_may_be_interrupted_is() {
    let greeting = long_reply();
    let settings = json!({"greeting": greeting, "interruptions": {"greeting": true}});
    let house = House::with(vec![turn("Hello?", "Yes.")], settings).await;
    let steps = vec![Step::interrupt(ms(500)), say(0), Step::wait_for_agent(), Step::HangUp];
    let (call, row) = house.call(steps).await;
    assert_eq!((&call.errors, call.clears), (&vec![], 1));
    assert_eq!(row.lines()[1..], ["Caller: Hello?", "Agent: Yes."]);
}

#[tokio::test]
async fn keys_reach_the_model_as_one_message() {
    let house = House::with(vec![], json!({})).await;
    let steps = vec![
        Step::wait_for_agent(),
        Step::Press("12*4#".into()),
        Step::wait_for_agent(),
        Step::HangUp,
    ];
    let (call, row) = house.call(steps).await;
    assert_eq!(call.errors, [""; 0]);
    let told = house.speech.observer().received("conversation.item.create");
    let [told] = &told[..] else { panic!("{told:?}") };
    assert_eq!(told.event["item"]["role"], "user");
    assert!(told.event.to_string().contains("1 2 * 4 "), "{}", told.event);
    assert_eq!(row.lines()[1], "Caller: [pressed 12*4]");
}

/// One exchange whose words come as `words` says; the transcript's lines of it.
async fn heard_with(words: Words) -> Vec<String> {
    let mut question = turn("Are you open?", "Yes.");
    question.words = Some(words);
    let house = House::with(vec![question], json!({})).await;
    let steps = vec![Step::wait_for_agent(), say(0), Step::wait_for_agent(), Step::HangUp];
    let (call, row) = house.call(steps).await;
    assert_eq!((call.errors, row.end()), (vec![], ("completed", "caller")));
    assert_eq!(row.metadata()["turns"].as_array().unwrap().len(), 1);
    row.lines()[1..].iter().map(|line| (*line).to_owned()).collect()
}

#[tokio::test]
async fn words_that_come_after_the_speech_are_in_the_transcript() {
    assert_eq!(heard_with(Words::AfterCommit).await, ["Caller: Are you open?", "Agent: Yes."]);
}

#[tokio::test]
async fn words_that_come_during_the_speech_are_in_the_transcript() {
    assert_eq!(heard_with(Words::During).await, ["Caller: Are you open?", "Agent: Yes."]);
}

#[tokio::test]
async fn words_that_never_come_are_inaudible_and_answered() {
    assert_eq!(heard_with(Words::Never).await, ["Caller: [inaudible]", "Agent: Yes."]);
}

#[tokio::test]
async fn words_that_cannot_be_written_down_are_inaudible_and_answered() {
    assert_eq!(heard_with(Words::Failed).await, ["Caller: [inaudible]", "Agent: Yes."]);
}

#[tokio::test]
async fn several_functions_of_one_reply_get_one_output_each_and_one_answer() {
    let function =
        |name: &str| FunctionCall { name: name.to_owned(), arguments: json!({"for": name}) };
    let mut question = turn("Are you open, and where?", "One moment.");
    question.functions = vec![function("hours"), function("address"), function("parking")];
    question.after_functions = Some("On Elm Street, until six.".to_owned());
    let house = House::with(vec![question], json!({})).await;
    let steps = vec![
        Step::wait_for_agent(),
        say(0),
        Step::WaitForAgent { quiet: ms(3_000), limit: ms(20_000) },
        Step::HangUp,
    ];
    let (call, row) = house.call(steps).await;
    assert_eq!(call.errors, [""; 0]);

    let sent = house.speech.observer().all_received();
    let is_output = |event: &Value| event["item"]["type"] == "function_call_output";
    let after: Vec<&Value> = sent
        .iter()
        .map(|received| &received.event)
        .skip_while(|event| !is_output(event))
        .filter(|event| is_output(event) || event["type"] == "response.create")
        .collect();
    assert_eq!(after.len(), 4, "three outputs, then one reply: {after:?}");
    assert_eq!(after[3]["type"], "response.create");
    let mut answered: Vec<_> = after[..3].iter().map(|event| &event["item"]["call_id"]).collect();
    answered.dedup();
    assert_eq!(answered.len(), 3, "{answered:?}");
    let functions = row.metadata()["functions"].as_array().unwrap();
    let names: Vec<_> = functions.iter().map(|function| &function["name"]).collect();
    assert_eq!(names, ["hours", "address", "parking"]);
    assert_eq!(functions[0]["arguments"], json!({"for": "hours"}));
    assert_eq!(row.lines().last().unwrap(), &"Agent: On Elm Street, until six.");
}
