//! What those who watch are told of an event: a line of the conversation, and what the agent is doing.

use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::call::LogEvent;
use crate::store::{EndedLive, EventRow, LiveCall};
use crate::web::deeds;

/// Who a line is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Who {
    /// The caller.
    Caller,
    /// The agent.
    Agent,
    /// A function that the agent used.
    Function,
    /// Something that happened to the call.
    Event,
}

/// A line of a live call. It is told again whenever there is more of it, and what was told of it before
/// does not count any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LiveLine {
    /// Its name within the call.
    pub id: String,
    /// Whose it is.
    pub who: Who,
    /// When it was begun, milliseconds since the answer.
    pub at_ms: i64,
    /// What was said; of the agent, what was heard.
    pub text: String,
    /// What the agent said beyond that and was not heard, or not yet.
    pub unheard: String,
    /// Whether the caller cut it off: what is unheard stays so.
    pub cut: bool,
}

/// `call.words`: something was said or done in a live call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CallWords {
    /// The call.
    pub call: Uuid,
    /// When it happened, milliseconds since the answer; null: before somebody began to watch.
    pub at_ms: Option<i64>,
    /// What the agent is doing now, in a few words; null: nothing is known.
    pub doing: Option<String>,
    /// The line; null where nothing was said.
    pub line: Option<LiveLine>,
}

/// `call.started`: a call is live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CallStarted {
    /// The call.
    pub call: Uuid,
    /// The agent that answers it.
    pub agent: Uuid,
    /// Who calls, as Twilio says.
    pub caller: String,
    /// When it began, milliseconds since the Unix epoch.
    pub started_ms: i64,
    /// Whether the caller is with another party or leaves a message.
    pub out: bool,
    /// Whether it is a test from the console.
    pub test: bool,
}

/// `call.ended`: a call is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CallEnded {
    /// The call.
    pub call: Uuid,
    /// How it ended: `completed`, `failed`, `voicemail`, `transferred` or `no-answer`.
    pub status: String,
    /// How long it was, in seconds.
    pub seconds: i64,
}

/// One message of the stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum LiveMessage {
    /// `call.started`.
    Started(CallStarted),
    /// `call.words`.
    Words(CallWords),
    /// `call.ended`.
    Ended(CallEnded),
}

impl LiveMessage {
    /// The name of its kind.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Started(_) => "call.started",
            Self::Words(_) => "call.words",
            Self::Ended(_) => "call.ended",
        }
    }

    /// The call that it is about.
    pub fn call(&self) -> Uuid {
        match self {
            Self::Started(CallStarted { call, .. })
            | Self::Words(CallWords { call, .. })
            | Self::Ended(CallEnded { call, .. }) => *call,
        }
    }
}

impl From<&LiveCall> for LiveMessage {
    fn from(call: &LiveCall) -> Self {
        Self::Started(CallStarted {
            call: call.id,
            agent: call.agent_id,
            caller: call.caller.reveal().clone(),
            started_ms: call.started_us / 1000,
            out: call.is_out,
            test: call.is_test(),
        })
    }
}

impl From<&EndedLive> for LiveMessage {
    fn from(call: &EndedLive) -> Self {
        Self::Ended(CallEnded { call: call.id, status: call.status.clone(), seconds: call.seconds })
    }
}

/// What is told of an event; none: nothing, or another version wrote it.
pub fn words_of(event: &EventRow) -> Option<CallWords> {
    let tagged = json!({"kind": event.kind, "data": event.data.reveal()});
    let known: LogEvent = serde_json::from_value(tagged).ok()?;
    let doing = doing(&known);
    let line = line(event.at_ms, known);
    (doing.is_some() || line.is_some()).then_some(CallWords {
        call: event.call_log_id,
        at_ms: Some(event.at_ms),
        doing,
        line,
    })
}

/// The last state of each line that was told of, in the order in which they were begun, and what the
/// agent is doing.
pub fn fold(events: &[EventRow]) -> (Vec<LiveLine>, Option<String>) {
    let (mut lines, mut doing): (Vec<LiveLine>, _) = (Vec::new(), None);
    for words in events.iter().filter_map(words_of) {
        doing = words.doing.or(doing);
        let Some(line) = words.line else { continue };
        // How a function ended stands behind what it is.
        let run = line.id.strip_prefix('r').map(|run| format!("f{run}"));
        if let Some(called) = run.and_then(|id| lines.iter_mut().find(|known| known.id == id)) {
            called.text = format!("{}: {}", called.text, line.text);
            continue;
        }
        match lines.iter_mut().find(|known| known.id == line.id) {
            Some(known) => *known = line,
            None => lines.push(line),
        }
    }
    lines.sort_by_key(|line| line.at_ms);
    (lines, doing)
}

fn doing(event: &LogEvent) -> Option<String> {
    let words = match event {
        LogEvent::LineOpened { .. } => "Listening".to_owned(),
        LogEvent::LineLost {} => "The line was lost; waiting for it".to_owned(),
        LogEvent::EngineLost { .. } => "Connecting to the voice again".to_owned(),
        LogEvent::CallerSaid { settled: false, .. } => "Listening".to_owned(),
        LogEvent::ReplyRequested { .. } => "Thinking".to_owned(),
        LogEvent::FirstAudio { .. } => "Speaking".to_owned(),
        LogEvent::AgentSaid { generated, heard, interrupted, .. } => {
            match *interrupted || generated == heard {
                true => "Listening".to_owned(),
                false => "Speaking".to_owned(),
            }
        }
        LogEvent::FunctionCalled { name, .. } => deeds::doing(name),
        LogEvent::FunctionFinished { .. } => "Thinking".to_owned(),
        LogEvent::TransferStarted { target } => format!("Put through to {}", target.name),
        LogEvent::TransferEnded { answered: false } => "Nobody answered there".to_owned(),
        LogEvent::MovedToFallback { .. } => WITHOUT_AGENT.to_owned(),
        LogEvent::Ended(_) => "The call is over".to_owned(),
        _ => return None,
    };
    Some(words)
}

/// That the agent could not go on, and the caller gets what is set for that.
const WITHOUT_AGENT: &str = "Went on without the agent, as you have set";

fn line(at_ms: i64, event: LogEvent) -> Option<LiveLine> {
    let whole = |id: String, who, at_ms, text| LiveLine {
        id,
        who,
        at_ms,
        text,
        unheard: String::new(),
        cut: false,
    };
    let ms = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
    Some(match event {
        LogEvent::CallerSaid { utterance, started_ms, text, settled, .. } => {
            let text =
                text.unwrap_or_else(|| if settled { "(not understood)" } else { "…" }.into());
            whole(format!("c{utterance}"), Who::Caller, ms(started_ms), text)
        }
        LogEvent::AgentSaid { reply, started_ms, generated, heard, interrupted, .. } => {
            let unheard = generated.strip_prefix(&heard).unwrap_or_default().to_owned();
            LiveLine {
                unheard,
                cut: interrupted,
                ..whole(format!("a{reply}"), Who::Agent, ms(started_ms), heard)
            }
        }
        LogEvent::KeysPressed { keys, .. } => {
            whole(format!("k{at_ms}"), Who::Caller, at_ms, format!("(pressed {keys})"))
        }
        LogEvent::FunctionCalled { run, name, .. } => {
            whole(format!("f{run}"), Who::Function, at_ms, deeds::doing(&name))
        }
        LogEvent::FunctionFinished { run, ok, .. } => {
            let text = if ok { "done" } else { "did not work" };
            whole(format!("r{run}"), Who::Function, at_ms, text.to_owned())
        }
        LogEvent::MessageTaken { text, .. } => {
            whole(format!("m{at_ms}"), Who::Event, at_ms, format!("Message taken: {text}"))
        }
        LogEvent::TransferStarted { target } => {
            whole(format!("t{at_ms}"), Who::Event, at_ms, format!("Put through to {}", target.name))
        }
        LogEvent::TransferEnded { answered } => {
            let text = if answered { "Somebody answered there" } else { "Nobody answered there" };
            whole(format!("t{at_ms}"), Who::Event, at_ms, text.to_owned())
        }
        LogEvent::MovedToFallback { .. } => {
            whole(format!("b{at_ms}"), Who::Event, at_ms, WITHOUT_AGENT.to_owned())
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(seq: i64, heard: &str, interrupted: bool) -> EventRow {
        let event = LogEvent::AgentSaid {
            reply: 1,
            turn: None,
            started_ms: 20,
            generated: "Good day, and welcome.".to_owned(),
            heard: heard.to_owned(),
            heard_ms: 1,
            interrupted,
        };
        EventRow::new(Uuid::nil(), 1, seq, 30, &event)
    }

    #[test]
    fn a_line_grows_and_what_was_not_heard_is_told_apart() {
        let (lines, doing) = fold(&[said(1, "Good", false), said(2, "Good day,", false)]);
        assert_eq!(lines.len(), 1);
        assert_eq!((&*lines[0].text, &*lines[0].unheard), ("Good day,", " and welcome."));
        assert_eq!((lines[0].cut, doing.as_deref()), (false, Some("Speaking")));
        let (lines, doing) = fold(&[said(1, "Good", false), said(2, "Good day,", true)]);
        assert_eq!((lines[0].cut, doing.as_deref()), (true, Some("Listening")));
    }

    #[test]
    fn what_is_done_is_told_in_an_owners_words() {
        for (name, words) in
            [("check_availability", "Looking for free times"), ("prices", "Using “Prices”")]
        {
            let called = json!({"run": 1, "turn": 1, "name": name, "arguments": {}});
            let event = EventRow {
                kind: "function_called".to_owned(),
                data: called.into(),
                ..said(1, "", false)
            };
            let told = words_of(&event).expect("it is known");
            assert_eq!(told.doing.as_deref(), Some(words));
        }
    }

    #[test]
    fn a_function_and_how_it_ended_are_one_line() {
        let event = |seq: i64, kind: &str, data: serde_json::Value| EventRow {
            kind: kind.to_owned(),
            data: data.into(),
            ..said(seq, "", false)
        };
        let called = json!({"run": 1, "turn": 1, "name": "check_availability", "arguments": {}});
        let finished = json!({"run": 1, "ok": true, "took_ms": 3, "result": {}});
        let events = [event(1, "function_called", called), event(2, "function_finished", finished)];
        assert!(words_of(&events[1]).is_some(), "it is read");
        let (lines, _) = fold(&events);
        let texts: Vec<&str> = lines.iter().map(|line| &*line.text).collect();
        assert_eq!(texts, ["Looking for free times: done"]);
    }

    #[test]
    fn what_another_version_wrote_is_left_out() {
        let odd = EventRow { kind: "sung".to_owned(), ..said(1, "", false) };
        assert_eq!(words_of(&odd), None);
    }
}
