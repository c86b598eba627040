//! What happens in a run: how many call, what each of them does, and what breaks when.

use std::time::Duration;

use frontdesk::rehearsal::phone::{Sample, Step};
use frontdesk::rehearsal::speech::SAMPLES;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

use crate::proxy::Wire;

/// How long one round of faults takes.
const ROUND_S: u64 = 40;
/// Calls for each agent: enough to be in each other's way, and to find free times all the same.
const CALLS_PER_AGENT: usize = 12;

/// How the agent begins to say that something was done, in words that nothing else begins with.
pub(crate) const BOOKED: &str = "You are booked for";
pub(crate) const MOVED: &str = "Your appointment is now on";
pub(crate) const CANCELLED: &str = "Your appointment is cancelled.";
/// The name in every booking.
pub(crate) const NAME: &str = "Maria Lopez";

/// How large a run is.
#[derive(Debug, Clone)]
pub(crate) struct Size {
    pub(crate) calls: usize,
    /// Calls begin over so long.
    pub(crate) over: Duration,
    pub(crate) seed: u64,
    /// Whether a program that is told to end has its calls moved to the other, instead of waiting
    /// for their end.
    pub(crate) moves: bool,
}

impl Size {
    /// A short run, or what the environment says: `CHAOS_CALLS`, `CHAOS_SECONDS`, `CHAOS_SEED` and
    /// `CHAOS_MOVES`.
    pub(crate) fn from_environment() -> Self {
        let number = |name: &str| {
            let value = std::env::var(name).ok()?;
            Some(value.parse().unwrap_or_else(|_| panic!("{name}: a number is expected")))
        };
        Self {
            calls: number("CHAOS_CALLS").unwrap_or(24) as usize,
            over: Duration::from_secs(number("CHAOS_SECONDS").unwrap_or(25)),
            seed: number("CHAOS_SEED").unwrap_or_else(|| rand::rng().random_range(0..1_000_000)),
            moves: number("CHAOS_MOVES").unwrap_or(0) != 0,
        }
    }

    pub(crate) fn agents(&self) -> usize {
        self.calls.div_ceil(CALLS_PER_AGENT)
    }
}

/// What somebody calls for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Asks, looks for a time, books it, hangs up.
    Book,
    /// And has it moved.
    Change,
    /// And cancels it.
    Cancel,
    /// And says goodbye, so that the agent ends the call.
    SayGoodbye,
    /// Books, after speaking into the first answer.
    Interrupt,
    /// Hangs up in the middle of whatever it is.
    LeaveEarly,
}

/// One call.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) begins_at: Duration,
    pub(crate) purpose: Purpose,
    pub(crate) from: String,
    pub(crate) agent: usize,
    pub(crate) hangs_up_after: Option<Duration>,
}

/// Who calls, in the order in which they do.
pub(crate) fn callers(size: &Size) -> Vec<Caller> {
    use Purpose::*;
    let mut dice = StdRng::seed_from_u64(size.seed);
    let purposes =
        [Book, Book, Book, Change, Change, Cancel, SayGoodbye, Interrupt, Interrupt, LeaveEarly];
    let agents = size.agents();
    let mut callers: Vec<Caller> = (0..size.calls)
        .map(|n| {
            // Each purpose occurs, whatever the dice say.
            let purpose = match purposes.get(n) {
                Some(purpose) => *purpose,
                None => *purposes.choose(&mut dice).unwrap(),
            };
            let leaves = Duration::from_millis(dice.random_range(300..12_000));
            Caller {
                begins_at: size.over.mul_f64(dice.random()),
                purpose,
                from: format!("+1555123{n:04}"),
                agent: dice.random_range(0..agents),
                hangs_up_after: (purpose == LeaveEarly).then_some(leaves),
            }
        })
        .collect();
    callers.sort_by_key(|caller| caller.begins_at);
    callers
}

impl Caller {
    /// What they do, one after the other.
    pub(crate) fn steps(&self) -> Vec<Step> {
        use Purpose::*;
        let lines = match self.purpose {
            Book | Interrupt | LeaveEarly => 3,
            Change => 4,
            Cancel => 5,
            SayGoodbye => 6,
        };
        let mut steps = vec![Step::wait_for_agent()];
        for n in 0..lines {
            steps.push(Step::Say(line(n)));
            steps.push(match (self.purpose, n) {
                (Interrupt, 0) => Step::interrupt(Duration::from_millis(900)),
                _ => Step::wait_for_agent(),
            });
        }
        if self.purpose != SayGoodbye {
            steps.push(Step::HangUp);
        }
        steps
    }
}

/// What a caller says in their `n`th turn.
pub(crate) fn line(n: usize) -> Sample {
    Sample::new(format!("line {n}"), SAMPLES[n])
}

/// The conversation that the speech service has with everybody.
pub(crate) fn script() -> Value {
    let offer = |n: u8, field: &str| format!("$(check_availability/offers/{n}/{field})");
    let asks = |name: &str, arguments: Value| json!([{"name": name, "arguments": arguments}]);
    let failed = "That did not work, I am sorry.";
    json!({
        "greeting": "Hello, how can I help you?",
        "phrases": [
            {"instructed": "say goodbye", "reply": "Thank you for calling. Goodbye!"},
            {"instructed": "still there", "reply": "Are you still there?"},
            {"instructed": "line was lost", "reply": "Sorry, the line was lost. Where were we?"},
            {"instructed": "it takes a moment", "reply": "One moment, please."}
        ],
        "turns": [
            {"heard": "Which insurance plans do you accept?", "reply":
                "We accept Delta Dental and Cigna, and we file the claim for you on the same day."},
            {"heard": "When could I come?", "functions": asks("check_availability", json!({})),
                "after_functions": format!("I could offer {} at {}.", offer(1, "weekday"), offer(1, "time")),
                "after_failure": failed},
            {"heard": format!("Great, the first one, for {NAME}."),
                "functions": asks("book_appointment", json!({"name": NAME, "service": "cleaning",
                    "date": offer(1, "date"), "time": offer(1, "time")})),
                "after_functions": format!("{BOOKED} $(book_appointment/booked/weekday)."),
                "after_failure": failed},
            {"heard": "Oh no, the second one.",
                "functions": asks("reschedule_appointment", json!({"name": NAME,
                    "new_date": offer(2, "date"), "new_time": offer(2, "time")})),
                "after_functions": format!("{MOVED} $(reschedule_appointment/rescheduled/weekday)."),
                "after_failure": failed},
            {"heard": "I have to cancel it after all.",
                "functions": asks("cancel_appointment", json!({"name": NAME})),
                "after_functions": CANCELLED, "after_failure": failed},
            {"heard": "That is all, goodbye.", "reply": "Thank you for calling. Goodbye!",
                "functions": asks("end_call", json!({"reason": "the caller said goodbye"}))}
        ]
    })
}

/// Something that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fault {
    /// The way to the database, for both programs.
    Database(Wire),
    /// The way to the speech service.
    Speech(Wire),
    /// Every session of the speech service ends at once.
    SpeechDrops,
    /// The way to the services of language: embeddings and completions.
    Language(Wire),
    /// A program is killed, and started again at the end.
    Kill,
    /// A program is told to end, and started again when it has.
    Terminate,
}

/// At second, what, for how many seconds. The faults of one line come one after the other; the
/// lines run beside each other.
type Line = &'static [(u64, Fault, u64)];

const fn slow(ms: u64) -> Wire {
    Wire::Slow(Duration::from_millis(ms))
}

/// One round.
const LINES: [Line; 4] = [
    &[
        (2, Fault::Database(slow(20)), 4),
        (9, Fault::Database(Wire::Stalled), 3),
        (20, Fault::Database(Wire::Cut), 4),
    ],
    &[
        (4, Fault::SpeechDrops, 0),
        // Whoever is on the line cannot be reconnected: calls of later on are to be held, and book.
        (8, Fault::Speech(Wire::Cut), 2),
        (20, Fault::Speech(Wire::Stalled), 2),
        (30, Fault::Speech(slow(150)), 3),
    ],
    &[
        (3, Fault::Language(slow(400)), 3),
        (11, Fault::Language(Wire::Cut), 4),
        (25, Fault::Language(Wire::Stalled), 4),
    ],
    &[(7, Fault::Kill, 3), (17, Fault::Terminate, 0)],
];

/// A fault with its times, counted from the beginning of the run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Due {
    pub(crate) round: usize,
    pub(crate) at: Duration,
    pub(crate) fault: Fault,
    pub(crate) lasts: Duration,
}

/// The faults of each line, for as long as calls begin; a round is never cut short.
pub(crate) fn timeline(size: &Size) -> Vec<Vec<Due>> {
    let rounds = size.over.as_secs().div_ceil(ROUND_S).max(1);
    let line = |line: Line| {
        let dues = (0..rounds).flat_map(|round| {
            line.iter().map(move |&(at_s, fault, for_s)| Due {
                round: round as usize,
                at: Duration::from_secs(round * ROUND_S + at_s),
                fault,
                lasts: Duration::from_secs(for_s),
            })
        });
        dues.collect()
    };
    LINES.into_iter().map(line).collect()
}
