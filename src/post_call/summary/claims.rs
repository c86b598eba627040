//! What the agent said that it did, and did not: decided from what functions did.

use std::collections::BTreeSet;

use jiff::civil::{Date, DateTime};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::answer::text;
use super::transcript::{Line, Speaker, Transcript};
use crate::agent::Agent;
use crate::agent::function::{Builtin, Work};
use crate::functions;

/// The most statements of a call that are flagged.
const CLAIMS_MAX: usize = 20;

/// What an agent can say that it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ClaimKind {
    /// It has booked an appointment.
    Booked,
    /// It has moved one.
    Rescheduled,
    /// It has cancelled one.
    Cancelled,
    /// It has sent a text.
    TextSent,
    /// It has written a message down.
    MessageTaken,
    /// It puts or has put the caller through.
    Transferred,
    /// It has done something else.
    Other,
}

/// A statement of the agent, as the model found it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Claim {
    pub(super) kind: ClaimKind,
    /// The number of the agent's line, from 1.
    pub(super) line: i64,
    pub(super) quote: String,
}

/// What was done in a call.
#[derive(Debug, Default)]
pub(super) struct Done {
    builtins: BTreeSet<Builtin>,
    /// Whether a function of the owner's own may have changed something: what that was only the
    /// owner knows.
    owners: bool,
    was_transferred: bool,
    /// The dates and times of appointments that were booked, moved from or to, or cancelled.
    known: BTreeSet<(String, String)>,
    /// The weekdays and times of those that were booked or moved to.
    placed: BTreeSet<(i8, String)>,
}

impl Done {
    /// From `metadata.functions` and `status`.
    pub(super) fn of(agent: &Agent, functions: &[Value], status: &str) -> Self {
        let mut done = Self { was_transferred: status == "transferred", ..Self::default() };
        for run in functions.iter().filter(|run| run["ok"] == true) {
            let name = run["name"].as_str().unwrap_or_default();
            match functions::builtin(agent, name) {
                Some(builtin) => {
                    done.builtins.insert(builtin);
                    let (result, told) = (&run["result"], ["booked", "rescheduled"]);
                    done.known.extend(times(result, &told));
                    done.known.extend(times(result, &["before", "cancelled"]));
                    done.placed.extend(times(result, &told).filter_map(|(date, time)| {
                        let date: Date = date.parse().ok()?;
                        Some((date.weekday().to_monday_zero_offset(), time))
                    }));
                }
                None => done.owners |= may_have_changed(agent, name, &run["result"]),
            }
            done.was_transferred |= !run["result"]["transfer"].is_null();
        }
        done
    }

    /// Whether a function of the owner's may have stored or changed something.
    pub(super) fn owners_may_have(&self) -> bool {
        self.owners
    }

    /// Whether an appointment at this time was the work of a function of the call; or at this time of
    /// this weekday: a model that is told of a Tuesday may take it for that of another week.
    pub(super) fn knows(&self, local: DateTime) -> bool {
        let time = local.strftime("%H:%M").to_string();
        let weekday = local.weekday().to_monday_zero_offset();
        self.placed.contains(&(weekday, time.clone()))
            || self.known.contains(&(local.date().to_string(), time))
    }

    /// Whether a function of the call has done this.
    fn has(&self, builtin: Builtin) -> bool {
        self.builtins.contains(&builtin)
    }

    /// Whether something that succeeded stands behind a claim of this kind.
    pub(super) fn backs(&self, kind: ClaimKind) -> bool {
        use Builtin::{
            BookAppointment, CancelAppointment, RescheduleAppointment, SendSms, TakeMessage,
            TransferCall,
        };
        match kind {
            ClaimKind::Booked => self.has(BookAppointment) || self.owners,
            // Cancelled and booked anew is moved to whoever hears it.
            ClaimKind::Rescheduled => {
                let is_booked_anew = self.has(BookAppointment) && self.has(CancelAppointment);
                self.has(RescheduleAppointment) || is_booked_anew || self.owners
            }
            ClaimKind::Cancelled => self.has(CancelAppointment) || self.owners,
            ClaimKind::TextSent => self.has(SendSms) || self.owners,
            ClaimKind::MessageTaken => self.has(TakeMessage) || self.owners,
            ClaimKind::Transferred => self.has(TransferCall) || self.was_transferred,
            ClaimKind::Other => self.owners,
        }
    }
}

/// The dates and times that a function on appointments says of what it did.
fn times<'a>(
    result: &'a Value,
    told: &'a [&str],
) -> impl Iterator<Item = (String, String)> + use<'a> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    told.iter().filter_map(move |what| {
        let one = &result[*what];
        Some((text(&one["date"])?, text(&one["time"])?))
    })
}

/// Whether a run of an owner's function that succeeded can have changed anything: a question to a
/// service, or a form that is not handed in, cannot.
fn may_have_changed(agent: &Agent, name: &str, result: &Value) -> bool {
    let row = agent.functions.rows.iter().find(|row| row.name == name);
    match row.map(|row| &row.work) {
        Some(Work::JsonApi(api)) => !api.only_asks(),
        Some(Work::Form(_)) => result["done"] == true,
        // A flow may have called other functions, whether or not it has ended.
        Some(Work::Flow(_)) => true,
        Some(Work::Builtin(..)) => false,
        // Its row is gone since.
        None => true,
    }
}

/// The statements that nothing stands behind, for the owner: `text`, `claim`, `at`. A statement is in
/// a line of the agent's; what the model says that this line says counts only as far as it does.
pub(super) fn unbacked(claims: &[Claim], transcript: &Transcript, done: &Done) -> Vec<Value> {
    let mut seen = BTreeSet::new();
    let flagged = claims.iter().filter(|claim| !done.backs(claim.kind)).filter_map(|claim| {
        let line = transcript.line(claim.line).filter(|line| line.speaker == Speaker::Agent);
        let is_quoted = |line: &&Line| line.quotes(&claim.quote);
        // A number may be off by one where the words are right.
        let quoted = line.filter(is_quoted).or_else(|| {
            let mut of_agent =
                transcript.lines.iter().filter(|line| line.speaker == Speaker::Agent);
            of_agent.find(|line| line.quotes(&claim.quote))
        });
        let (line, said) = match (quoted, line) {
            (Some(line), _) => (line, &claim.quote),
            (None, Some(line)) => (line, &line.text),
            (None, None) => return None,
        };
        seen.insert((claim.kind, line.at.clone(), said.clone()))
            .then(|| json!({"text": text(said), "claim": claim.kind, "at": line.at}))
    });
    flagged.take(CLAIMS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::AgentSource;
    use crate::agent::function::FunctionSource;
    use uuid::Uuid;

    fn agent() -> Agent {
        let row = |name: &str, kind: &str, data: Value| FunctionSource {
            id: Uuid::new_v4(),
            kind: Some(kind.to_owned()),
            name: Some(name.to_owned()),
            data: data.into(),
            ..FunctionSource::default()
        };
        let agent = Agent::new(AgentSource {
            functions: vec![
                row("reserve_chair", "function", json!({"builtin": "book_appointment"})),
                row("look_up", "json_api", json!({"method": "GET", "url": "https://a.example/x"})),
                row("order", "json_api", json!({"method": "POST", "url": "https://a.example/x"})),
                FunctionSource {
                    variables: json!([{"name": "matter"}]).into(),
                    ..row("complaint", "form", json!({"title": "Complaint"}))
                },
            ],
            ..AgentSource::default()
        });
        assert_eq!(agent.functions.rows.len(), 4, "{:?}", agent.faults);
        agent
    }

    #[test]
    fn a_claim_is_backed_by_a_function_that_did_it() {
        use ClaimKind::{
            Booked, Cancelled, MessageTaken, Other, Rescheduled, TextSent, Transferred,
        };
        let all = [Booked, Rescheduled, Cancelled, TextSent, MessageTaken, Transferred, Other];
        let ok = |name: &str| json!({"name": name, "ok": true, "result": {"ok": true}});
        let owners: &[ClaimKind] = &[Booked, Rescheduled, Cancelled, TextSent, MessageTaken, Other];
        let cases: [(Value, &str, &[ClaimKind]); 14] = [
            (Value::Null, "completed", &[]),
            (ok("book_appointment"), "completed", &[Booked]),
            (ok("reserve_chair"), "completed", &[Booked]),
            (ok("reschedule_appointment"), "completed", &[Rescheduled]),
            (ok("cancel_appointment"), "completed", &[Cancelled]),
            (ok("send_sms"), "completed", &[TextSent]),
            (ok("take_message"), "completed", &[MessageTaken]),
            (ok("transfer_call"), "completed", &[Transferred]),
            (Value::Null, "transferred", &[Transferred]),
            (json!({"name": "reserve_chair", "ok": false}), "completed", &[]),
            (ok("look_up"), "completed", &[]),
            (ok("order"), "completed", owners),
            (ok("complaint"), "completed", &[]),
            (
                json!({"name": "complaint", "ok": true, "result": {"done": true}}),
                "completed",
                owners,
            ),
        ];
        let agent = agent();
        for (run, status, backed) in cases {
            let done = Done::of(&agent, std::slice::from_ref(&run), status);
            let found: Vec<ClaimKind> = all.into_iter().filter(|kind| done.backs(*kind)).collect();
            assert_eq!(found, backed, "{run} {status}");
        }
    }

    #[test]
    fn cancelled_and_booked_anew_is_moved() {
        let ok = |name: &str| json!({"name": name, "ok": true, "result": {}});
        let failed = json!({"name": "cancel_appointment", "ok": false, "result": {}});
        for (runs, expected) in [
            (vec![ok("book_appointment"), ok("cancel_appointment")], true),
            (vec![ok("reschedule_appointment")], true),
            (vec![ok("book_appointment"), failed], false),
            (vec![ok("cancel_appointment")], false),
        ] {
            let done = Done::of(&agent(), &runs, "completed");
            assert_eq!(done.backs(ClaimKind::Rescheduled), expected, "{runs:?}");
        }
    }

    #[test]
    fn what_is_flagged_was_heard_and_nothing_stands_behind_it() {
        let transcript = Transcript::read(
            "[00:01] Caller: You're booked, you said?\n\
             [00:05] Agent: Yes, you're booked for Monday. I have sent you a text.",
        );
        let claim = |kind, line, quote: &str| Claim { kind, line, quote: quote.to_owned() };
        let claims = [
            claim(ClaimKind::Booked, 2, "you're booked for Monday"),
            // Said by the caller, and by nobody else in these words.
            claim(ClaimKind::Booked, 1, "You're booked, you said"),
            // The number is that of the caller's line, the words are the agent's.
            claim(ClaimKind::Rescheduled, 1, "I have sent you"),
            claim(ClaimKind::TextSent, 2, "I have sent you a text"),
            claim(ClaimKind::Cancelled, 9, "I have cancelled it"),
            claim(ClaimKind::MessageTaken, 2, "I wrote it down"),
        ];
        let run = json!({"name": "send_sms", "ok": true, "result": {}});
        let done = Done::of(&agent(), &[run], "completed");
        assert_eq!(
            unbacked(&claims, &transcript, &done),
            [
                json!({"text": "you're booked for Monday", "claim": "booked", "at": "00:05"}),
                json!({"text": "I have sent you", "claim": "rescheduled", "at": "00:05"}),
                // Words that the line does not have: the owner reads those that it has.
                json!({"text": "Yes, you're booked for Monday. I have sent you a text.",
                    "claim": "message_taken", "at": "00:05"}),
            ]
        );
    }
}
