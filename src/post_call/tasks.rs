//! What does the owner have to do because of a call?
//!
//! Pure: from the call's row, and from what the summary found in it once that is there. Each task is
//! one short line in the owner's words. What a model says can only add to the list, or put something
//! at its top.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use serde_json::Value;

use crate::agent::Agent;
use crate::agent::function::Builtin;
use crate::agent::phone_number::caller_number;
use crate::call::question_key;
use crate::functions;
use crate::private::Private;
use crate::store::{EndedCall, Findings, NewTask, OnlyIf, TaskKind};

/// The longest words of somebody in a task, in characters. The call has all of them.
const QUOTED_CHARACTERS: usize = 300;
/// The most tasks of one kind: whoever has more to do reads the call.
const KIND_MAX: usize = 20;

/// It cannot wait; it is for today; soon; when there is time.
const NOW: u8 = 3;
const TODAY: u8 = 2;
const SOON: u8 = 1;
const SOME_TIME: u8 = 0;

/// Why an appointment that was spoken of is not written, where somebody has to look: caller and agent
/// may take it for agreed. Of every other reason there is nothing to do: it was not agreed, or is known.
const TO_BE_CHECKED: [&str; 11] = [
    "it is not clear which was agreed on",
    "it is not clear what was agreed on",
    "no day was said",
    "no time was said",
    "the business is closed then",
    "the hours of that day are not known",
    "the business's time zone is not known",
    "there is no such time",
    "the number is withheld",
    "a second look gave no answer",
    "a second look found it unclear",
];

/// What there is to do because of a call that is over; nothing because of a test call. `findings`: what
/// the summary came to, if it is there.
pub fn tasks(agent: &Agent, call: &EndedCall, findings: Option<&Findings>) -> Vec<NewTask> {
    let metadata = call.metadata.reveal();
    let is_test_sid = |sid: &str| sid.starts_with("FT");
    if metadata["test"] == true || metadata["call_sid"].as_str().is_some_and(is_test_sid) {
        return Vec::new();
    }
    let caller = caller_number(call.caller.reveal()).map(Private::new);
    let mut list = List { caller, tasks: Vec::new(), counts: BTreeMap::new() };
    if let Some(findings) = findings {
        list.urgent(call, findings);
    }
    list.messages(metadata);
    list.transfers(call, metadata);
    list.ends(call, metadata);
    if let Some(findings) = findings {
        list.claims(findings);
        list.bookings(findings);
    }
    list.gaps(metadata);
    list.functions(agent, metadata);
    list.tasks
}

/// Whether a message without a number, or a question, stands in a task of this text and kind whole.
pub fn says_whole(kind: TaskKind, task: &str, said: &str) -> bool {
    let is_cut = said.split_whitespace().collect::<Vec<_>>().join(" ") != shortened(said);
    match kind {
        TaskKind::Message => !is_cut && task == sentence("Message", &shortened(said)),
        TaskKind::Gap => !is_cut && task == asked(said),
        _ => false,
    }
}

/// The words of the task about something that the agent said and that nothing shows, one of
/// `metadata.unbacked_claims`.
pub fn claimed(claim: &Value) -> String {
    let not_so = match claim["claim"].as_str().unwrap_or_default() {
        "booked" => "no booking was made",
        "rescheduled" => "no appointment was moved",
        "cancelled" => "no appointment was cancelled",
        "text_sent" => "no text was sent",
        "message_taken" => "no message was written down",
        "transferred" => "the caller was not put through",
        _ => "nothing shows that it was done",
    };
    format!("Agent said “{}”, but {not_so}.", words(&claim["text"]))
}

struct List {
    /// E.164.
    caller: Option<Private<String>>,
    tasks: Vec<NewTask>,
    counts: BTreeMap<TaskKind, u32>,
}

impl List {
    fn add(&mut self, kind: TaskKind, urgency: u8, text: String) -> Option<&mut NewTask> {
        let ordinal = self.counts.get(&kind).copied().unwrap_or(0) + 1;
        if ordinal as usize > KIND_MAX {
            return None;
        }
        self.counts.insert(kind, ordinal);
        self.tasks.push(NewTask {
            kind,
            ordinal,
            text: text.into(),
            urgency,
            caller: self.caller.clone(),
            question_key: None,
            only_if: None,
        });
        self.tasks.last_mut()
    }

    /// Somebody at the business who took the call over knows.
    fn urgent(&mut self, call: &EndedCall, findings: &Findings) {
        let summary = findings.summary.reveal();
        if summary["urgent"] != true || call.status == "transferred" {
            return;
        }
        let words = [&summary["urgent_reason"], &summary["title"]].map(words);
        let why = words.into_iter().find(|why| !why.is_empty()).unwrap_or_default();
        self.add(TaskKind::Urgent, NOW, sentence("Urgent", &why));
    }

    fn messages(&mut self, metadata: &Value) {
        for message in list(&metadata["messages"]) {
            let mut text = sentence("Message", &words(&message["text"]));
            let callback = words(&message["callback"]);
            let is_callers = self.caller.as_ref().is_some_and(|own| *own.reveal() == callback);
            if !callback.is_empty() && !is_callers {
                text.push_str(&format!(" Call back: {callback}"));
            }
            self.add(TaskKind::Message, TODAY, text);
        }
        let voicemail = &metadata["voicemail"];
        if voicemail.is_object() {
            let text = match voicemail["seconds"].as_u64() {
                Some(1) => "Voicemail, 1 second.".to_owned(),
                Some(seconds) => format!("Voicemail, {seconds} seconds."),
                None => "Voicemail.".to_owned(),
            };
            self.add(TaskKind::Voicemail, TODAY, text);
        }
    }

    /// Whoever was put through in the end was helped.
    fn transfers(&mut self, call: &EndedCall, metadata: &Value) {
        if call.status == "transferred" {
            return;
        }
        let mut asked_for = BTreeSet::new();
        let unanswered = list(&metadata["transfers"]).filter(|one| one["answered"] != true);
        for target in unanswered.map(|one| words(&one["target"])) {
            if asked_for.insert(target.clone()) {
                let text = format!("Asked to be put through to {target}, and nobody answered.");
                self.add(TaskKind::TransferUnanswered, TODAY, text);
            }
        }
    }

    fn ends(&mut self, call: &EndedCall, metadata: &Value) {
        match call.status.as_str() {
            "failed" => {
                let text = "The call broke off: a problem on our side.";
                self.add(TaskKind::CallFailed, SOON, text.to_owned());
            }
            // Whoever left word is on the list already.
            "no-answer" if self.tasks.is_empty() => {
                let text = format!("Missed call: {}.", missed_because(metadata));
                self.add(TaskKind::Missed, SOON, text);
            }
            _ => {}
        }
    }

    fn claims(&mut self, findings: &Findings) {
        for claim in list(&findings.metadata.reveal()["unbacked_claims"]) {
            // An appointment that was written after the call stands for the claim that there is one.
            if let Some(task) = self.add(TaskKind::Claim, TODAY, claimed(claim))
                && claim["claim"] == "booked"
            {
                task.only_if = Some(OnlyIf::NoneWritten { none_written: true });
            }
        }
    }

    /// What becomes of one that can be written is known only when it is.
    fn bookings(&mut self, findings: &Findings) {
        for (place, one) in (1..).zip(list(findings.appointments.reveal())) {
            let what = appointment(&one["told"]);
            match one["why"].as_str() {
                None => {
                    for (outcome, why) in [
                        ("written", "agreed by telephone and put into the calendar"),
                        ("taken", "agreed by telephone, but that time is taken"),
                    ] {
                        let text = format!("Please check: {what} — {why}.");
                        if let Some(task) = self.add(TaskKind::BookingCheck, TODAY, text) {
                            task.only_if = Some(OnlyIf::Outcome { appointment: place, outcome });
                        }
                    }
                }
                Some(why) if TO_BE_CHECKED.contains(&why) => {
                    let text = format!("Please check: {what} — not booked: {why}.");
                    self.add(TaskKind::BookingCheck, TODAY, text);
                }
                Some(_) => {}
            }
        }
    }

    fn gaps(&mut self, metadata: &Value) {
        let mut keys = BTreeSet::new();
        for question in list(&metadata["gaps"]).filter_map(Value::as_str) {
            let key = question_key(question);
            if key.is_empty() || !keys.insert(key.clone()) {
                continue;
            }
            if let Some(task) = self.add(TaskKind::Gap, SOME_TIME, asked(question)) {
                task.question_key = Some(key.into());
            }
        }
    }

    /// Functions of the owner's, and texts. What another built-in one refuses is part of the talk: a
    /// time that is taken is no failure. What was called again and then did it has not failed.
    fn functions(&mut self, agent: &Agent, metadata: &Value) {
        let mut last: BTreeMap<String, bool> = BTreeMap::new();
        for run in list(&metadata["functions"]) {
            let name = run["name"].as_str().unwrap_or_default();
            let counts = match functions::builtin(agent, name) {
                Some(builtin) => builtin == Builtin::SendSms,
                // Without a row there is no such function: the model made the name up.
                None => run["id"].is_string(),
            };
            if let (true, Some(ok)) = (counts, run["ok"].as_bool()) {
                last.insert(name.to_owned(), ok);
            }
        }
        for name in last.into_iter().filter(|(_, ok)| !ok).map(|(name, _)| name) {
            let text = match functions::builtin(agent, &name) {
                Some(_) => "A text to the caller could not be sent.".to_owned(),
                None => format!("“{}” did not work in this call.", shortened(&name)),
            };
            self.add(TaskKind::FunctionFailed, SOON, text);
        }
    }
}

/// Why nobody had the caller, in the owner's words.
fn missed_because(metadata: &Value) -> &'static str {
    let why = metadata["fallback_reason"].as_str();
    match why {
        Some("the business is closed") => "the business was closed",
        Some("all lines taken" | "the business has its part of the lines") => {
            "all lines were taken"
        }
        Some("nobody answered, and the caller cannot come back once more") => "nobody answered",
        Some(_) => "the agent could not take it",
        None if metadata["ended_by"] == "caller" => "the caller hung up before anybody spoke",
        None => "nobody answered",
    }
}

/// An appointment as it was spoken of: who, what for, when.
fn appointment(told: &Value) -> String {
    let day = words(&told["date"]);
    let day = day.parse().map_or(day, |date: Date| date.strftime("%a %-d %b").to_string());
    let when = format!("{day} {}", words(&told["time"]));
    let parts = [words(&told["name"]), words(&told["service"]), when.trim().to_owned()];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join(", ")
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// What somebody said, on one line and not too long.
fn words(value: &Value) -> String {
    shortened(value.as_str().unwrap_or_default())
}

fn shortened(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(QUOTED_CHARACTERS) {
        Some((end, _)) => format!("{}…", text[..end].trim_end()),
        None => text,
    }
}

/// A question that nobody answered.
fn asked(question: &str) -> String {
    format!("Asked: “{}” — the agent had no answer.", shortened(question))
}

/// `Message: Late by ten minutes.`; without words the kind alone.
fn sentence(kind: &str, words: &str) -> String {
    match words {
        "" => format!("{kind}."),
        words if words.ends_with(['.', '!', '?', '…', '。']) => format!("{kind}: {words}"),
        words => format!("{kind}: {words}."),
    }
}

#[cfg(test)]
#[path = "tasks_tests.rs"]
mod tests;
