//! Callers who leave the agent, from their own side of the line: what Twilio asks while they are
//! out, the stand-in phone asks.

use frontdesk::rehearsal::phone::{CallReport, DialStatus, Ended, FarEnd, PhoneEventKind, Step};
use frontdesk::rehearsal::speech::SpeechOptions;
use frontdesk::rehearsal::speech::script::{Phrase, Script, Turn};
use serde_json::{Value, json};

use crate::booking::{act, call};
use crate::harness::{FALLBACK, House, NUMBER, Plan, Row, ms, say, script, turn};

const PARTY: &str = "+15550003333";
const HANDOVER: &str = "I am putting you through.";
const NOBODY: &str = "They do not answer.";

/// An agent that can put callers through to sales, and these settings.
pub(crate) async fn house(turns: Vec<Turn>, more: Value) -> House {
    let phrase = |instructed: &str, reply: &str| Phrase {
        instructed: instructed.to_owned(),
        reply: reply.to_owned(),
    };
    let said = [phrase("about to put the caller", HANDOVER), phrase("nobody answered", NOBODY)];
    let script = script(turns);
    let phrases = said.into_iter().chain(script.phrases).collect();
    let mut settings = json!({"transfer": {"targets": {"sales": PARTY}}});
    settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let speech = SpeechOptions { script: Script { phrases, ..script }, ..SpeechOptions::default() };
    House::open(Plan { speech, settings, ..Plan::default() }).await
}

pub(crate) fn wish() -> Turn {
    act("Sales, please.", vec![call("transfer_call", json!({"target": "sales"}))], "")
}

/// Places a call whose other party does this.
pub(crate) async fn place(house: &House, far_end: FarEnd, steps: Vec<Step>) -> (CallReport, Row) {
    let mut options = house.options();
    options.far_ends.insert(PARTY.to_owned(), far_end);
    let call = house.place(options, steps).ended().await;
    let row = house.row(&call.call_sid).await;
    (call, row)
}

/// Waits until the agent is back: what it says before it leaves is followed by no such silence.
pub(crate) fn wait_until_back() -> Step {
    Step::WaitForAgent { quiet: ms(3_000), limit: ms(60_000) }
}

fn dialled(call: &CallReport) -> Vec<(&str, DialStatus)> {
    call.dialled.iter().map(|dialled| (dialled.number.as_str(), dialled.status)).collect()
}

#[tokio::test]
async fn a_party_that_does_not_answer_gives_the_caller_back_to_the_conversation() {
    for (far_end, status) in
        [(FarEnd::Busy, DialStatus::Busy), (FarEnd::NoAnswer, DialStatus::NoAnswer)]
    {
        // The speech service begins its script anew with the session after the transfer.
        let house = house(vec![turn("Are you open?", "Until six."), wish()], json!({})).await;
        let steps = vec![
            Step::wait_for_agent(),
            say(0),
            Step::wait_for_agent(),
            say(1),
            wait_until_back(),
            say(2),
            Step::wait_for_agent(),
            Step::HangUp,
        ];
        let (call, row) = place(&house, far_end, steps).await;

        assert_eq!((&call.errors, call.ended), (&vec![], Ended::Caller), "{status:?}");
        assert_eq!(dialled(&call), [(PARTY, status)]);
        assert_eq!((row.end(), house.rows().await), (("completed", "caller"), 1));
        let said = [
            "Caller: Are you open?",
            "Agent: Until six.",
            "Caller: Sales, please.",
            &format!("Agent: {HANDOVER}"),
            &format!("Agent: {NOBODY}"),
            "Caller: Are you open?",
            "Agent: Until six.",
        ];
        assert_eq!(row.lines()[1..], said, "{status:?}");
        assert_eq!(row.metadata()["stream_sids"].as_array().unwrap().len(), 2);
        let kinds = house.kinds(&call.call_sid, "ended").await;
        let moves: Vec<_> = kinds.iter().filter(|kind| kind.starts_with("transfer")).collect();
        assert_eq!(moves, ["transfer_started", "transfer_ended"]);
    }
}

#[tokio::test]
async fn nobody_is_put_through_to_the_number_that_forwards_the_call() {
    let sorry = "I cannot put you through, sorry.";
    let wish =
        act("Sales, please.", vec![call("transfer_call", json!({"target": "sales"}))], sorry);
    let house = house(vec![wish], json!({})).await;
    let steps = vec![Step::wait_for_agent(), say(0), Step::wait_for_agent(), Step::HangUp];
    let mut options = house.options();
    options.forwarded_from = Some(PARTY.to_owned().into());
    let call = house.place(options, steps).ended().await;
    let row = house.row(&call.call_sid).await;
    assert_eq!((&call.errors, dialled(&call)), (&vec![], vec![]));
    assert_eq!(row.lines()[1..], ["Caller: Sales, please.", &format!("Agent: {sorry}")]);
    let function = &row.metadata()["functions"][0];
    let error = function["result"]["error"].as_str().unwrap();
    assert!(error.contains("that number forwards to this one"), "{error}");
}

#[tokio::test]
async fn what_was_done_before_a_transfer_is_known_after_it_and_not_done_again() {
    let fill = call("sign_up", json!({"name": "Ada"}));
    let confirm = call("sign_up", json!({"confirmed": true}));
    // The speech service begins its script anew with the session after the transfer.
    let turns = vec![
        act("Sign me up.", vec![fill], "Ada, is that right?"),
        act("Yes.", vec![confirm], "Done."),
        wish(),
    ];
    let house = house(turns, json!({})).await;
    house
        .sql(&format!(
            "insert into functions (type, name, data, variables, assistant_id, save_data)
            values ('form', 'sign_up', '{{}}', '[{{\"name\": \"name\"}}]', '{}', true)",
            house.agent
        ))
        .await;
    let steps = vec![
        Step::wait_for_agent(),
        say(0),
        Step::wait_for_agent(),
        say(1),
        Step::wait_for_agent(),
        say(2),
        wait_until_back(),
        say(3),
        Step::wait_for_agent(),
        Step::HangUp,
    ];
    let (call, row) = place(&house, FarEnd::Busy, steps).await;
    assert_eq!(call.errors, [""; 0]);
    let functions = row.metadata()["functions"].as_array().unwrap();
    let last = functions.last().unwrap();
    assert_eq!((functions.len(), &last["name"]), (4, &json!("sign_up")), "{functions:?}");
    assert_eq!(last["result"]["note"], "it was handed in before", "{functions:?}");
    let kept: i64 = sqlx::query_scalar("select count(*) from scrapping_data")
        .fetch_one(&house.pool)
        .await
        .unwrap();
    assert_eq!(kept, 1);
    let items = house.speech.observer().received("conversation.item.create");
    let told = items.iter().filter_map(|item| item.event["item"]["content"][0]["text"].as_str());
    let mut done = told.filter(|text| text.starts_with("The function sign_up has returned: "));
    assert!(done.any(|text| text.contains("\"done\":true")));
}

#[tokio::test]
async fn a_caller_who_hangs_up_while_it_rings_is_gone() {
    let house = house(vec![wish()], json!({})).await;
    let mut options = house.options();
    options.far_ends.insert(PARTY.to_owned(), FarEnd::NoAnswer);
    options.hang_up_after = Some(ms(15_000));
    let mut placed = house.place(options, vec![Step::wait_for_agent(), say(0)]);
    placed.saw(|kind| matches!(kind, PhoneEventKind::Dialling { .. })).await;
    let call = placed.ended().await;
    assert_eq!((call.ended, dialled(&call)), (Ended::Caller, vec![(PARTY, DialStatus::Canceled)]));
    assert_eq!(house.row(&call.call_sid).await.end(), ("completed", "caller"));
}

/// A house whose agent is out of service, with this fallback.
pub(crate) async fn out_of_service(fallback: Value) -> House {
    let house = house(vec![], json!({"fallback": fallback})).await;
    house.change("update voice_agents set status = 'inactive'").await;
    house
}

#[tokio::test]
async fn a_message_is_recorded_where_nobody_answers() {
    let house = out_of_service(json!({"kind": "voicemail", "message": FALLBACK})).await;
    let wait = Step::WaitForAgent { quiet: ms(300), limit: ms(5_000) };
    let (call, row) = place(&house, FarEnd::default(), vec![wait, say(0), Step::HangUp]).await;
    assert_eq!((&call.errors, &call.said), (&vec![], &vec![FALLBACK.to_owned()]));
    assert_eq!(row.end(), ("voicemail", "caller"));
    let voicemail = &row.metadata()["voicemail"];
    assert_eq!(voicemail["seconds"], json!(call.recorded_s[0]));
    let url = voicemail["recording_url"].as_str().unwrap();
    assert!(url.contains("/Recordings/RE"), "{url}");
    assert_eq!(row.0["caller_number"], "+15551230001");
}

#[tokio::test]
async fn a_caller_who_leaves_no_message_was_not_answered() {
    let house = out_of_service(json!({"kind": "voicemail", "message": FALLBACK})).await;
    let (call, row) = place(&house, FarEnd::default(), vec![]).await;
    assert_eq!((&call.errors, call.ended), (&vec![], Ended::Server));
    assert_eq!((call.recorded_s.len(), row.end().0), (0, "no-answer"));
    assert_eq!(row.metadata()["voicemail"], Value::Null);
}

#[tokio::test]
async fn a_call_is_forwarded_where_the_agent_is_out_of_service() {
    for (far_end, end, said) in [
        (FarEnd::default(), ("transferred", "agent"), &[][..]),
        (FarEnd::Busy, ("no-answer", "agent"), &[FALLBACK.to_owned()]),
    ] {
        let fallback = json!({"kind": "forward", "number": PARTY, "message": FALLBACK});
        let house = out_of_service(fallback).await;
        let (call, row) = place(&house, far_end, vec![]).await;
        assert_eq!((&call.errors, call.ended), (&vec![], Ended::Server), "{far_end:?}");
        assert_eq!((&call.said[..], row.end()), (said, end), "{far_end:?}");
        assert_eq!(call.dialled[0].number, PARTY);
    }
}

#[tokio::test]
async fn a_fallback_that_would_call_the_agent_again_is_a_voicemail() {
    // The agent's own number, and a line of the business that forwards to it.
    for (number, forwarded_from) in [(NUMBER, None), (PARTY, Some(PARTY))] {
        let fallback = json!({"kind": "forward", "number": number, "message": FALLBACK});
        let house = out_of_service(fallback).await;
        let mut options = house.options();
        options.forwarded_from = forwarded_from.map(|number| number.to_owned().into());
        let call = house.place(options, vec![]).ended().await;
        let row = house.row(&call.call_sid).await;
        assert_eq!((&call.errors, dialled(&call)), (&vec![], vec![]), "{number}");
        assert_eq!((&call.said[..], row.end().0), (&[FALLBACK.to_owned()][..], "no-answer"));
    }
}
