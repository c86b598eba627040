//! Replies that are no longer wanted: their responses are stopped, and what nobody heard of them is
//! taken back.

use serde_json::{Value, json};

use super::Realtime;
use super::tests::config;
use crate::call::{Event, ReplyId};
use crate::engine::{Engine, Report};
use crate::socket::Received;

fn session() -> Realtime {
    let mut session = Realtime::dial(config("gpt-realtime-2.1"));
    session.waiting.clear();
    session
}

fn told(session: &mut Realtime, message: &Value) {
    session.received(Received::Text(message.to_string().into()));
}

/// What was sent since, but for the requests of replies.
fn sent(session: &mut Realtime) -> Vec<Value> {
    let sent = session.waiting.drain(..).map(|text| serde_json::from_str(&text).unwrap());
    sent.filter(|event: &Value| event["type"] != "response.create").collect()
}

/// The replies that have ended since.
fn ended(session: &mut Realtime) -> Vec<ReplyId> {
    let reports = std::iter::from_fn(|| session.reports.pop_front());
    reports
        .filter_map(|report| match report {
            Report::Event(Event::ReplyEnded { reply, .. }) => Some(reply),
            _ => None,
        })
        .collect()
}

fn created(id: &str, reply: u32) -> Value {
    json!({"type": "response.created",
        "response": {"id": id, "metadata": {"reply": reply.to_string()}}})
}

fn cancel(id: &str) -> Value {
    json!({"type": "response.cancel", "event_id": "cancel", "response_id": id})
}

fn delete(id: &str) -> Value {
    json!({"type": "conversation.item.delete", "event_id": "delete", "item_id": id})
}

fn audio(response: &str, item: &str) -> Value {
    json!({"type": "response.output_audio.delta", "response_id": response, "item_id": item,
        "delta": "/v7+"})
}

fn done(id: &str, items: &[&str]) -> Value {
    let items: Vec<Value> = items
        .iter()
        .map(|id| json!({"id": id, "type": "message", "role": "assistant", "status": "completed"}))
        .collect();
    json!({"type": "response.done",
        "response": {"id": id, "status": "completed", "output": items}})
}

#[test]
fn a_cancel_that_comes_before_the_response_is_sent_again_by_its_name() {
    let mut session = session();
    session.reply(ReplyId(1), None);
    session.cancel(ReplyId(1));
    let unnamed = json!({"type": "response.cancel", "event_id": "cancel"});
    assert_eq!(sent(&mut session), [unnamed]);
    let error = json!({"type": "error", "error": {"code": "response_cancel_not_active",
        "event_id": "cancel"}});
    told(&mut session, &error);
    assert_eq!(sent(&mut session), Vec::<Value>::new());
    told(&mut session, &created("resp_1", 1));
    assert_eq!(sent(&mut session), [cancel("resp_1")]);
    // It was too late for that, too: the model must not believe that it said this.
    told(&mut session, &audio("resp_1", "item_a"));
    told(&mut session, &done("resp_1", &["item_a"]));
    assert_eq!(sent(&mut session), [delete("item_a")]);
    // The next reply is not concerned.
    session.reply(ReplyId(2), None);
    told(&mut session, &created("resp_2", 2));
    told(&mut session, &audio("resp_2", "item_b"));
    told(&mut session, &done("resp_2", &["item_b"]));
    assert_eq!(sent(&mut session), Vec::<Value>::new());
}

#[test]
fn of_a_cancelled_response_only_what_was_passed_on_stays() {
    let mut session = session();
    session.reply(ReplyId(1), None);
    told(&mut session, &created("resp_1", 1));
    told(&mut session, &audio("resp_1", "item_a"));
    session.cancel(ReplyId(1));
    assert_eq!(sent(&mut session), [cancel("resp_1")]);
    told(&mut session, &audio("resp_1", "item_b"));
    let added = json!({"type": "response.output_item.added", "response_id": "resp_1",
        "item": {"id": "item_c", "type": "message"}});
    told(&mut session, &added);
    told(&mut session, &done("resp_1", &["item_a", "item_b"]));
    // What was heard of the first is the core's to say.
    assert_eq!(sent(&mut session), [delete("item_c"), delete("item_b")]);
}

#[test]
fn a_cancelled_request_that_is_refused_is_not_cancelled_later() {
    // The second is what a service says that makes one reply at a time.
    for code in ["server_error", "conversation_already_has_active_response"] {
        let mut session = session();
        session.reply(ReplyId(1), None);
        session.cancel(ReplyId(1));
        let refused = json!({"type": "error", "error": {"code": code, "event_id": "reply-1"}});
        told(&mut session, &refused);
        sent(&mut session);
        // It is over, and is not asked for again.
        assert_eq!(ended(&mut session), [ReplyId(1)], "{code}");
        told(&mut session, &done("resp_0", &[]));
        assert_eq!(session.waiting.len(), 0, "{code}");
        // One that is asked for under the same number is another one.
        session.reply(ReplyId(1), None);
        told(&mut session, &created("resp_1", 1));
        assert_eq!(sent(&mut session), Vec::<Value>::new(), "{code}");
        told(&mut session, &done("resp_1", &[]));
        assert_eq!(ended(&mut session), [ReplyId(1)], "{code}");
        // And so is one whose service does not say which reply it is for.
        session.reply(ReplyId(2), None);
        told(&mut session, &json!({"type": "response.created", "response": {"id": "resp_2"}}));
        assert_eq!(sent(&mut session), Vec::<Value>::new(), "{code}");
        told(&mut session, &done("resp_2", &[]));
        assert_eq!(ended(&mut session), [ReplyId(2)], "{code}");
    }
}
