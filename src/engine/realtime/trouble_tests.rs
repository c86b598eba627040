//! A service in trouble: what ends a session, and what it may do without ending it.

use serde_json::{Value, json};

use super::tests::config;
use super::{MALFORMED_IN_A_ROW, MALFORMED_MAX, Realtime, State};
use crate::call::Event;
use crate::clock::unix_now;
use crate::engine::Report;
use crate::socket::Received;

fn session() -> Realtime {
    Realtime::dial(config("gpt-realtime-2.1"))
}

fn told(session: &mut Realtime, message: &str) {
    session.received(Received::Text(message.into()));
}

fn loss(session: &Realtime) -> Option<(bool, &str)> {
    session.reports.iter().find_map(|report| match report {
        Report::Event(Event::EngineLost { fatal, why }) => Some((*fatal, why.as_str())),
        _ => None,
    })
}

const SENSE: &str = r#"{"type":"rate_limits.updated"}"#;
const NONSENSE: [&str; 4] = ["{", "[1]", r#"{"type":7}"#, "nothing at all"];

#[test]
fn a_flood_of_nonsense_ends_the_session() {
    let mut session = session();
    for (count, message) in NONSENSE.iter().cycle().take(MALFORMED_IN_A_ROW as usize).enumerate() {
        assert_eq!(loss(&session), None, "after {count}");
        told(&mut session, message);
    }
    assert_eq!(loss(&session), Some((false, "too many malformed messages")));
    assert!(matches!(session.state, State::Lost));
}

#[test]
fn binary_messages_are_nonsense_too() {
    let mut session = session();
    (0..MALFORMED_IN_A_ROW).for_each(|_| session.received(Received::Binary));
    assert!(loss(&session).is_some());
}

#[test]
fn nonsense_among_sense_is_survived_to_a_limit() {
    let mut session = session();
    for count in 1..=MALFORMED_MAX {
        assert_eq!(loss(&session), None, "after {count}");
        told(&mut session, SENSE);
        told(&mut session, "{");
    }
    assert!(loss(&session).is_some());
}

#[test]
fn only_a_close_for_our_policy_is_for_good() {
    for code in [1000, 1001, 1005, 1006, 1011, 1012, 1013, 1015] {
        let mut session = session();
        session.received(Received::Closed(Some(code)));
        assert_eq!(loss(&session), Some((false, &*format!("closed {code}"))));
    }
    let mut session = session();
    session.received(Received::Closed(Some(1008)));
    assert_eq!(loss(&session), Some((true, "closed 1008")));
}

#[test]
fn each_word_for_an_empty_account_or_a_bad_key_is_for_good_as_code_or_type() {
    for word in [
        "insufficient_quota",
        "credit_balance_exhausted",
        "invalid_api_key",
        "account_deactivated",
        "billing_hard_limit_reached",
    ] {
        for error in [json!({"code": word, "type": "x"}), json!({"code": null, "type": word})] {
            let mut session = session();
            told(&mut session, &json!({"type": "error", "error": error}).to_string());
            assert!(loss(&session).is_some_and(|(fatal, _)| fatal), "{error}");
        }
    }
}

#[test]
fn what_comes_too_late_for_the_service_ends_nothing() {
    for (code, event_id) in [
        ("response_cancel_not_active", "cancel"),
        ("item_truncate_invalid_audio_end_ms", "truncate"),
        ("item_delete_invalid_item_id", "delete"),
        ("conversation_already_has_active_response", "reply-1"),
        ("session_expired", ""),
    ] {
        let mut session = session();
        let error = json!({"type": "error", "error": {"code": code, "event_id": event_id}});
        told(&mut session, &error.to_string());
        assert!(session.reports.is_empty(), "{code}: {:?}", session.reports);
    }
}

/// What is said of how long the session lasts, when it begins so.
fn lasts_ms(created: Value) -> Option<u64> {
    let mut session = session();
    told(&mut session, &json!({"type": "session.created", "session": created}).to_string());
    told(&mut session, r#"{"type":"session.updated","session":{}}"#);
    match session.reports.pop_front() {
        Some(Report::Event(Event::EngineReady { lasts_ms })) => lasts_ms,
        other => panic!("{other:?}"),
    }
}

#[test]
fn how_long_a_session_lasts_is_told_if_the_service_says_so() {
    let now_s = unix_now().as_secs();
    let lasts = lasts_ms(json!({"expires_at": now_s + 1_800})).expect("it says so");
    assert!(lasts > 1_700_000 && lasts <= 1_800_000, "{lasts}");
    for expires_at in [json!(null), json!("soon"), json!(now_s - 100), json!(-1), json!(0)] {
        assert_eq!(lasts_ms(json!({"expires_at": expires_at})), None, "{expires_at}");
    }
    assert_eq!(lasts_ms(json!({})), None);
}
