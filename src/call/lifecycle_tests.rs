//! The decisions as a table, one row for each way in which a call goes on or ends outside its
//! conversation, and a random walk of two processes that claim one call.

use proptest::prelude::*;

use super::*;
use crate::call::{LogEvent, TransferTarget};

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

fn questions() -> impl Strategy<Value = Question> {
    let news = prop_oneof![
        Just(News::NoAccount),
        Just(News::Live),
        (any::<bool>(), any::<bool>())
            .prop_map(|(answered, outlived)| News::Over { answered, outlived }),
        Just(News::Silent),
        Just(News::Refused),
    ];
    prop_oneof![
        any::<bool>().prop_map(|over| Question::StreamEnded { over }),
        (any::<bool>(), any::<bool>())
            .prop_map(|(answered, over)| Question::Dialled { answered, over }),
        Just(Question::Recorded),
        Just(Question::Unserved),
        Just(Question::Over),
        Just(Question::Overdue),
        (news, 1..6).prop_map(|(news, asks)| Question::Abandoned { news, asks }),
    ]
}

/// One call as two processes see it: who has a task of it, and what the row says.
#[derive(Debug, Default)]
struct Walk {
    tasks: [Option<i32>; 2],
    events: Vec<LogEvent>,
    returns: i32,
    is_out: bool,
    /// How the row was completed, and whether that was a guess while the caller was out.
    completed: Option<(End, bool)>,
    completions: usize,
}

impl Walk {
    /// A process is asked, by a webhook that may come again. `answered`: what the database does
    /// reaches it.
    fn ask(&mut self, process: usize, question: Question, reads: bool) {
        let record = record(&self.events);
        let task;
        let standing = match (self.tasks[process], self.completed) {
            (Some(returns), _) => {
                task = Task { returns, ..TASK };
                Standing::Here(&task)
            }
            (None, _) if !reads => Standing::Unread { returns: None },
            (None, Some((_, guessed))) => Standing::Complete { guessed },
            (None, None) => Standing::Live { record: &record, is_out: self.is_out },
        };
        let plan = next(standing, question);
        self.carry_out(process, plan, reads);
    }

    fn carry_out(&mut self, process: usize, plan: Plan, writes: bool) {
        match plan {
            Plan::TakeOver { .. } if writes => {
                // The row's claim: one statement, which the row's state guards.
                if self.completed.is_none() && may_return(self.returns) {
                    self.returns += 1;
                    self.is_out = false;
                    self.tasks = [None, None];
                    self.tasks[process] = Some(self.returns);
                    self.events.push(opened());
                } else if self.completed.is_none() {
                    self.leave(process, at_fallback());
                }
            }
            Plan::Return => {
                if let Some(returns) = &mut self.tasks[process] {
                    *returns += 1;
                    self.returns = self.returns.max(*returns);
                }
            }
            Plan::PutThrough => self.leave(process, put_through()),
            Plan::Fallback { why } if self.completed.is_none() && writes => match why {
                Some(_) => self.leave(process, at_fallback()),
                None => self.is_out = true,
            },
            Plan::Complete { end, certain, .. } if writes => {
                let replaces = matches!(self.completed, Some((_, true))) && certain;
                if self.completed.is_none() || replaces {
                    self.completed = Some((end, self.is_out && !certain));
                    self.completions += 1;
                    self.tasks = [None, None];
                }
            }
            _ => {}
        }
    }

    fn leave(&mut self, process: usize, event: LogEvent) {
        if self.completed.is_none() {
            self.tasks[process] = None;
            self.is_out = true;
            self.events.push(event);
        }
    }
}

proptest! {
    /// Whatever is asked, of whom, how often and in what order, and whatever does not reach the
    /// database: one process has the call, a caller is given back twice at most, a completed row is
    /// completed again only where a guess becomes certain, and the clock ends what is left.
    #[test]
    fn one_process_has_a_call_and_it_is_completed_once(
        steps in prop::collection::vec((0..2_usize, questions(), any::<bool>(), 0..6_u8), 1..40)
    ) {
        let mut walk = Walk { tasks: [Some(0), None], events: vec![opened()], ..Walk::default() };
        for (process, question, reads, chance) in steps {
            match chance {
                // The process dies.
                0 => walk.tasks[process] = None,
                // Its task puts the caller through, or gives the call up.
                1 if walk.tasks[process].is_some() => walk.leave(process, put_through()),
                2 if walk.tasks[process].is_some() => walk.leave(process, at_fallback()),
                _ => walk.ask(process, question, reads),
            }
            prop_assert!(walk.tasks.iter().flatten().count() <= 1, "{walk:?}");
            prop_assert!(walk.returns <= RETURNS_MAX, "{walk:?}");
            prop_assert!(walk.completions <= 2, "{walk:?}");
            if walk.completions == 2 {
                prop_assert!(matches!(walk.completed, Some((_, false))), "{walk:?}");
            }
        }
        if walk.completed.is_none() && walk.tasks == [None, None] {
            let question = match walk.is_out {
                true => Question::Overdue,
                false => Question::Abandoned { news: News::NoAccount, asks: 1 },
            };
            walk.ask(0, question, true);
            prop_assert!(walk.completed.is_some(), "{walk:?}");
        }
    }
}
