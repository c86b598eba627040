//! What was said and done in a call, in order: from what was written down as it happened, else from
//! what the row says of its turns, else from the lines of its transcript.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::call::{Chunk, LogEvent};
use crate::recovery::reconciler::log_event;
use crate::store::EventRow;
use crate::store::call_page::CallPage;

/// Something that was said or done.
#[derive(Debug)]
pub(super) struct Entry {
    /// When it began, milliseconds since the answer, if that is known.
    pub(super) at_ms: Option<u64>,
    /// What it was.
    pub(super) what: What,
    /// Its name in the live feed, if it had one.
    pub(super) name: Option<String>,
}

impl Entry {
    fn new(at_ms: Option<u64>, what: What) -> Self {
        Self { at_ms, what, name: None }
    }
}

/// See [`Entry`].
#[derive(Debug)]
pub(super) enum What {
    /// The caller's words; empty where they were not understood.
    Caller(String),
    /// Keys that the caller pressed.
    Keys(String),
    /// The agent's words.
    Agent(Said),
    /// A function that the agent used.
    Function(Run),
    /// Something else that an owner wants to know.
    Note(String),
}

/// What the agent said.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// The words that the caller heard.
    pub(super) heard: String,
    /// The words that were cut off.
    pub(super) unheard: String,
    /// Whether the caller interrupted it.
    pub(super) is_interrupted: bool,
    /// How long the caller waited for it, milliseconds.
    pub(super) answer_ms: Option<u64>,
    /// The passages that it was given, by their ids.
    pub(super) passages: Vec<i64>,
}

impl Said {
    fn new(heard: &str, generated: &str, is_interrupted: bool) -> Self {
        let (heard, generated) = (heard.trim(), generated.trim());
        // What is heard is the beginning of what was generated. Where it is not, both are shown.
        let unheard = generated.strip_prefix(heard).unwrap_or(generated).trim();
        Self {
            heard: heard.to_owned(),
            unheard: unheard.to_owned(),
            is_interrupted,
            ..Self::default()
        }
    }
}

/// A function that the agent used.
#[derive(Debug, Default)]
pub(super) struct Run {
    /// What it is called.
    pub(super) name: String,
    /// With what.
    pub(super) arguments: Value,
    /// Whether it did what was asked; none if it did not end.
    pub(super) is_ok: Option<bool>,
    /// How long it took.
    pub(super) took_ms: Option<u64>,
    /// What came of it.
    pub(super) result: Value,
}

/// All of a call, in order.
pub(super) fn entries(call: &CallPage, events: &[EventRow]) -> Vec<Entry> {
    let from_events = Folded::of(events).entries();
    if from_events.iter().any(|entry| matches!(entry.what, What::Caller(_) | What::Agent(_))) {
        return from_events;
    }
    let from_turns = of_turns(call.metadata.reveal());
    if !from_turns.is_empty() {
        return from_turns;
    }
    let lines = call.transcript.reveal().as_deref().map(of_transcript).unwrap_or_default();
    if lines.is_empty() { from_events } else { lines }
}

/// What was written down, with the last that was written of each.
#[derive(Default)]
struct Folded {
    speech: BTreeMap<String, (u64, String)>,
    replies: BTreeMap<u32, (u64, Said, Option<u32>)>,
    waited: BTreeMap<u32, u64>,
    runs: BTreeMap<u32, (u64, Run)>,
    grounds: BTreeMap<u32, Vec<Chunk>>,
    others: Vec<(u64, What)>,
}

impl Folded {
    fn of(events: &[EventRow]) -> Self {
        let mut folded = Self::default();
        for row in events {
            if let Some(event) = log_event(row) {
                folded.apply(u64::try_from(row.at_ms).unwrap_or_default(), event);
            }
        }
        folded
    }

    fn apply(&mut self, at_ms: u64, event: LogEvent) {
        match event {
            LogEvent::CallerSaid { utterance, started_ms, text, .. } => {
                self.speech.insert(utterance, (started_ms, text.unwrap_or_default()));
            }
            LogEvent::AgentSaid {
                reply,
                turn,
                started_ms,
                generated,
                heard,
                heard_ms,
                interrupted,
            } => {
                let mut said = Said::new(&heard, &generated, interrupted);
                if heard_ms > 0 && said.heard.is_empty() && said.unheard.is_empty() {
                    said.heard = "[inaudible]".to_owned();
                }
                self.replies.insert(reply, (started_ms, said, turn));
            }
            LogEvent::FirstAudio { reply, first_audio_ms, .. } => {
                self.waited.insert(reply, first_audio_ms);
            }
            LogEvent::FunctionCalled { run, name, arguments, .. } => {
                self.runs.insert(run, (at_ms, Run { name, arguments, ..Run::default() }));
            }
            LogEvent::FunctionFinished { run, ok, took_ms, result, .. } => {
                if let Some((_, known)) = self.runs.get_mut(&run) {
                    (known.is_ok, known.took_ms) = (Some(ok), Some(took_ms));
                    known.result = result;
                }
            }
            LogEvent::Grounded { turn, chunks, .. } => drop(self.grounds.insert(turn, chunks)),
            LogEvent::KeysPressed { keys, .. } => self.others.push((at_ms, What::Keys(keys))),
            other => {
                self.others.extend(note(&other).map(|text| (at_ms, What::Note(text))));
            }
        }
    }

    fn entries(mut self) -> Vec<Entry> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut add = |at_ms, what, name| entries.push(Entry { at_ms: Some(at_ms), what, name });
        for (utterance, (at_ms, text)) in self.speech {
            add(at_ms, What::Caller(text), Some(format!("c{utterance}")));
        }
        for (reply, (at_ms, mut said, turn)) in self.replies {
            if said.heard.is_empty() && said.unheard.is_empty() {
                continue;
            }
            // They stand with the turn's first words.
            let ground = turn.and_then(|turn| self.grounds.remove(&turn)).unwrap_or_default();
            said.passages = ground.iter().map(|chunk| chunk.id).collect();
            said.answer_ms = turn.and_then(|_| self.waited.get(&reply).copied());
            add(at_ms, What::Agent(said), Some(format!("a{reply}")));
        }
        for (number, (at_ms, run)) in self.runs {
            add(at_ms, What::Function(run), Some(format!("f{number}")));
        }
        for (at_ms, what) in self.others {
            add(at_ms, what, None);
        }
        entries.sort_by_key(|entry| entry.at_ms);
        entries
    }
}

/// What an owner is told of something that was neither said nor done for the caller.
fn note(event: &LogEvent) -> Option<String> {
    let text = match event {
        LogEvent::TransferStarted { target } if !target.name.trim().is_empty() => {
            return Some(format!("The caller was being put through to {}.", target.name.trim()));
        }
        LogEvent::LineLost {} => "The connection to the caller was lost.",
        LogEvent::EngineLost { .. } => "The speech service was lost.",
        LogEvent::TransferStarted { .. } => "The caller was being put through.",
        LogEvent::TransferEnded { answered: true } => "The call with whoever took it is over.",
        LogEvent::TransferEnded { answered: false } => "Nobody took the call.",
        LogEvent::VoicemailLeft { .. } => "The caller left a recorded message.",
        LogEvent::MessageTaken { .. } => "The agent wrote a message down.",
        LogEvent::MovedToFallback { .. } => {
            "The agent could not go on: what you set for that happened."
        }
        LogEvent::Redirected {} => "The call went on without the agent.",
        LogEvent::LeftOut { .. } => "There was more than is written down of one call.",
        _ => return None,
    };
    Some(text.to_owned())
}

/// From `metadata.turns` and `metadata.prompts`, which do not say when the agent began to speak.
fn of_turns(metadata: &Value) -> Vec<Entry> {
    let list = |name: &str| metadata[name].as_array().into_iter().flatten();
    let mut runs: Vec<&Value> = list("functions").collect();
    let mut all: Vec<(u64, Entry)> = Vec::new();
    for prompt in list("prompts") {
        let at_ms = prompt["started_ms"].as_u64();
        let said = said(prompt);
        if !said.heard.is_empty() || !said.unheard.is_empty() {
            all.push((at_ms.unwrap_or_default(), Entry::new(at_ms, What::Agent(said))));
        }
    }
    for turn in list("turns") {
        let at_ms = turn["started_ms"].as_u64();
        let mut add = |at_ms: Option<u64>, what| {
            all.push((turn["started_ms"].as_u64().unwrap_or_default(), Entry::new(at_ms, what)));
        };
        if let Some(words) = turn["caller"].as_str().filter(|words| !words.is_empty()) {
            add(at_ms, What::Caller(words.to_owned()));
        }
        for name in turn["functions"].as_array().into_iter().flatten() {
            let place = runs.iter().position(|run| run["name"] == *name);
            let named =
                || Run { name: name.as_str().unwrap_or_default().to_owned(), ..Run::default() };
            add(None, What::Function(place.map_or_else(named, |at| run(runs.remove(at)))));
        }
        let mut said = said(turn);
        if !said.heard.is_empty() || !said.unheard.is_empty() {
            said.answer_ms = turn["latency_ms"]["first_audio"].as_u64();
            let chunks = turn["chunks"].as_array().into_iter().flatten();
            said.passages = chunks.filter_map(|chunk| chunk["id"].as_i64()).collect();
            add(None, What::Agent(said));
        }
    }
    // Words that are kept no more leave turns without any.
    if !all.iter().any(|(_, entry)| matches!(entry.what, What::Caller(_) | What::Agent(_))) {
        return Vec::new();
    }
    all.sort_by_key(|(order, _)| *order);
    all.into_iter().map(|(_, entry)| entry).collect()
}

fn said(of: &Value) -> Said {
    let text = |name: &str| of[name].as_str().unwrap_or_default();
    Said::new(text("heard"), text("agent"), of["interrupted"] == true)
}

fn run(of: &Value) -> Run {
    Run {
        name: of["name"].as_str().unwrap_or_default().to_owned(),
        arguments: of["arguments"].clone(),
        is_ok: of["ok"].as_bool(),
        took_ms: of["ms"].as_u64(),
        result: of["result"].clone(),
    }
}

/// From lines such as `[00:07] Caller: …`. One that is not like these belongs to the one before.
fn of_transcript(transcript: &str) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for text in transcript.lines().filter(|line| !line.trim().is_empty()) {
        match line(text) {
            Some(entry) => entries.push(entry),
            None => entries.push(Entry::new(None, What::Note(text.to_owned()))),
        }
    }
    entries
}

fn line(text: &str) -> Option<Entry> {
    let (time, rest) = text.strip_prefix('[')?.split_once("] ")?;
    let (minutes, seconds) = time.split_once(':')?;
    let (minutes, seconds): (u64, u64) = (minutes.parse().ok()?, seconds.parse().ok()?);
    let at_ms = minutes.checked_mul(60)?.checked_add(seconds)?.checked_mul(1000)?;
    let what = match rest.split_once(": ")? {
        ("Caller", words) => What::Caller(words.to_owned()),
        ("Agent", words) => What::Agent(Said::new(words, words, false)),
        _ => return None,
    };
    Some(Entry::new(Some(at_ms), what))
}

#[cfg(test)]
#[path = "timeline_tests.rs"]
mod tests;
