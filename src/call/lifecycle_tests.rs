//! The decisions as a table, one row for each way in which a call goes on or ends outside its
//! conversation. [`walk`] asks the questions at random.

use super::*;
use crate::call::{LogEvent, TransferTarget};

#[path = "lifecycle_walk.rs"]
mod walk;

fn record(events: &[LogEvent]) -> CallRecord {
    let mut record = CallRecord::new();
    for (at, event) in (0..).zip(events) {
        record.apply(at, event);
    }
    record
}

fn opened() -> LogEvent {
    LogEvent::LineOpened { stream_sid: "MZ1".to_owned() }
}

fn put_through() -> LogEvent {
    let target = TransferTarget { name: "Ann".into(), number: "+15559870009".to_owned().into() };
    LogEvent::TransferStarted { target }
}

fn at_fallback() -> LogEvent {
    LogEvent::MovedToFallback { why: "engine".to_owned() }
}

const GOODBYE: End = End { status: Status::Completed, ended_by: EndedBy::Agent };
const LEFT_UNHEARD: End = End { status: Status::NoAnswer, ended_by: EndedBy::Caller };
const TASK: Task =
    Task { has_left: false, onward: None, is_ending: false, is_past_stream: false, returns: 0 };

fn ends(end: End) -> Plan {
    Plan::Complete { end, certain: false, caller: Told::HangUp }
}

fn surely(end: End) -> Plan {
    Plan::Complete { end, certain: true, caller: Told::HangUp }
}

const SORRY: Plan = Plan::Complete { end: UNANSWERED, certain: false, caller: Told::Apology };
const ENDED: Question = Question::StreamEnded { over: false };
const UNANSWERED_DIAL: Question = Question::Dialled { answered: false, over: false };

#[test]
fn the_task_of_a_call_says_what_follows_its_stream() {
    let gone_on = |onward| Task { onward: Some(onward), ..TASK };
    for (what, task, over, expected) in [
        ("the stream is lost", TASK, false, Plan::Return),
        ("… for the second time", Task { returns: 1, ..TASK }, false, Plan::Return),
        (
            "… for the third time",
            Task { returns: 2, ..TASK },
            false,
            Plan::Fallback { why: Some(STREAM_LOST) },
        ),
        ("the caller hangs up", Task { has_left: true, ..TASK }, false, Plan::HangUp),
        ("… says Twilio", TASK, true, Plan::HangUp),
        ("the goodbye was said", Task { is_ending: true, ..TASK }, false, Plan::HangUp),
        ("put through", gone_on(Onward::Party), false, Plan::PutThrough),
        (
            "the engine is lost for good",
            gone_on(Onward::Fallback),
            false,
            Plan::Fallback { why: None },
        ),
        (
            "asked about a stream in whose place another one is",
            Task { is_past_stream: true, is_ending: true, ..TASK },
            false,
            Plan::Return,
        ),
    ] {
        let plan = next(Standing::Here(&task), Question::StreamEnded { over });
        assert_eq!(plan, expected, "{what}");
    }
}

#[test]
fn a_call_that_no_task_has_goes_on_or_ends_by_its_row() {
    let fresh = record(&[opened()]);
    let transferring = record(&[opened(), put_through()]);
    let forwarded = record(&[opened(), at_fallback()]);
    let said_goodbye = record(&[opened(), LogEvent::Ended(GOODBYE)]);
    let live = |record| Standing::Live { record, is_out: false };
    let out = |record| Standing::Live { record, is_out: true };
    let complete = Standing::Complete { guessed: false };
    let guessed = Standing::Complete { guessed: true };
    let unread = Standing::Unread { returns: None };
    let answered = Question::Dialled { answered: true, over: true };
    let take_over = |otherwise| Plan::TakeOver { otherwise };
    let again = Plan::Fallback { why: None };
    for (what, standing, question, expected) in [
        ("the process dies, and another is asked", live(&fresh), ENDED, take_over(STREAM_LOST)),
        (
            "… and the caller is gone",
            live(&fresh),
            Question::StreamEnded { over: true },
            ends(LEFT_UNHEARD),
        ),
        ("… as it was to put the caller through", live(&transferring), ENDED, Plan::PutThrough),
        ("… asked again", out(&transferring), ENDED, Plan::PutThrough),
        ("… at the fallback", live(&forwarded), ENDED, Plan::Fallback { why: Some(STREAM_LOST) }),
        ("… out at the fallback", out(&forwarded), ENDED, again),
        (
            "a goodbye was heard, and another process is asked",
            live(&said_goodbye),
            ENDED,
            ends(GOODBYE),
        ),
        ("the call is complete", complete, ENDED, Plan::HangUp),
        ("the call has no row", Standing::Gone, ENDED, Plan::HangUp),
        ("the database is away", unread, ENDED, again),
        ("put through, and answered", out(&transferring), answered, surely(transferred())),
        ("… known after a guess", guessed, answered, surely(transferred())),
        ("… and complete", complete, answered, Plan::HangUp),
        ("… not answered", out(&transferring), UNANSWERED_DIAL, take_over(NOBODY_ANSWERED)),
        ("… asked again", Standing::Here(&TASK), UNANSWERED_DIAL, Plan::Return),
        (
            "… and the caller has left",
            out(&transferring),
            Question::Dialled { answered: false, over: true },
            ends(LEFT_UNHEARD),
        ),
        (
            "… while the database is away",
            Standing::Unread { returns: Some(1) },
            UNANSWERED_DIAL,
            Plan::Remember,
        ),
        ("… for the third time", Standing::Unread { returns: Some(2) }, UNANSWERED_DIAL, SORRY),
        ("… at another process", unread, UNANSWERED_DIAL, SORRY),
        ("the fallback forwards, and nobody answers", out(&forwarded), UNANSWERED_DIAL, SORRY),
        (
            "the fallback takes a voicemail",
            out(&forwarded),
            Question::Recorded,
            surely(voicemail()),
        ),
        ("… known after a guess", guessed, Question::Recorded, surely(voicemail())),
        ("… and nothing is said", out(&forwarded), Question::Unserved, ends(UNANSWERED)),
        ("… and the caller hangs up", out(&forwarded), Question::Over, ends(LEFT_UNHEARD)),
        (
            "a status callback of a call that nobody has",
            live(&fresh),
            Question::Over,
            ends(LEFT_UNHEARD),
        ),
        ("… that said goodbye", live(&said_goodbye), Question::Over, ends(GOODBYE)),
        ("… that is complete", guessed, Question::Over, Plan::HangUp),
        (
            "out at the fallback, and nothing heard",
            out(&forwarded),
            Question::Overdue,
            ends(UNANSWERED),
        ),
        ("put through, and nothing heard", out(&transferring), Question::Overdue, ends(LOST)),
    ] {
        assert_eq!(next(standing, question), expected, "{what}");
    }
}

#[test]
fn a_call_that_was_left_is_asked_about_before_it_is_given_up() {
    let fresh = record(&[opened()]);
    let said_goodbye = record(&[opened(), LogEvent::Ended(GOODBYE)]);
    let over = |answered, outlived| News::Over { answered, outlived };
    for (what, record, news, asks, expected) in [
        ("the caller is still there", &fresh, News::Live, 1, Plan::Wait),
        ("… and nobody asks what happens next", &fresh, News::Live, 2, Plan::GiveBack),
        ("… nor then", &fresh, News::Live, 3, Plan::GiveBack),
        ("… nor then", &fresh, News::Live, 4, ends(LOST)),
        ("the call is over", &fresh, over(true, false), 1, ends(LOST)),
        ("… while its process still lived", &fresh, over(true, true), 1, ends(LEFT_UNHEARD)),
        ("… before it was answered", &fresh, over(false, false), 1, ends(LEFT_UNHEARD)),
        ("… as was written", &said_goodbye, over(true, false), 1, ends(GOODBYE)),
        ("Twilio does not answer", &fresh, News::Silent, 1, Plan::Wait),
        ("… again", &fresh, News::Silent, 2, ends(LOST)),
        ("Twilio cannot be asked", &fresh, News::NoAccount, 1, ends(LOST)),
        ("… or refuses", &fresh, News::Refused, 1, ends(LOST)),
    ] {
        let standing = Standing::Live { record, is_out: false };
        assert_eq!(next(standing, Question::Abandoned { news, asks }), expected, "{what}");
    }
}

#[test]
fn a_row_says_who_has_its_call() {
    let (ours, theirs) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let owner = |instance_id, epoch, ended| Owner { instance_id, epoch, ended };
    for (what, row, [is_ours, is_surely_ours, is_gone, is_as_before]) in [
        ("as it was", owner(Some(ours), 5, false), [true, true, false, true]),
        ("complete", owner(Some(ours), 5, true), [false, true, true, true]),
        ("nobody's, written behind", owner(None, 5, false), [true, true, true, true]),
        ("taken by one that died", owner(None, 7, false), [false, false, true, false]),
        ("another's", owner(Some(theirs), 7, false), [false, false, true, false]),
        ("taken and given back", owner(Some(ours), 9, false), [false, false, false, false]),
    ] {
        assert_eq!(row.is_still(ours, Some(5), false), is_ours, "{what}");
        assert_eq!(row.is_still(ours, Some(5), true), is_surely_ours, "{what}, and it is over");
        assert_eq!(row.is_gone_from(ours), is_gone, "{what}, given up");
        let before = owner(Some(ours), 5, false);
        assert_eq!(row.is_as_before(before), is_as_before, "{what}, read");
    }
    // A row of its own, with an epoch of its own: only who has it counts.
    assert!(owner(Some(ours), 9, false).is_still(ours, None, false));
    assert!(!owner(Some(theirs), 9, false).is_still(ours, None, true));
}
