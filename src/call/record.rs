//! What does the call come to? Folds what was written down into the completed row, the same way at
//! the end of a call and after a crash.

mod function;
mod reply;
mod transfers;
mod voicemail;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use self::function::{FunctionOutcome, FunctionRecord};
use self::reply::{Ground, Reply};
use self::transfers::Transfers;
use super::allowance::Written;
use super::{End, EndedBy, LogEvent, ReplyId, Retrieval, Role, Said, Status, TransferTarget};

/// The transcript's line for speech whose words never came.
const INAUDIBLE: &str = "[inaudible]";
/// Functions that a new engine session is told of: the last ones.
const HISTORY_FUNCTIONS: usize = 32;

/// A call's written events, folded.
#[derive(Default)]
pub struct CallRecord {
    stream_sids: Vec<String>,
    stream_errors: Vec<String>,
    refused_settings: Vec<String>,
    speech: BTreeMap<String, Speech>,
    keys: Vec<Keys>,
    replies: BTreeMap<u32, Reply>,
    functions: BTreeMap<u32, FunctionRecord>,
    grounds: BTreeMap<u32, Ground>,
    gaps: Vec<(u32, String)>,
    messages: Vec<Value>,
    voicemail: Option<Value>,
    transfers: Transfers,
    /// Why the caller has gone on to the agent's fallback, if they have.
    at_fallback: Option<String>,
    input_tokens: u64,
    output_tokens: u64,
    end: Option<End>,
    left_out: Vec<String>,
    written: Written,
}

struct Speech {
    turn: u32,
    started_ms: u64,
    text: Option<String>,
}

struct Keys {
    turn: u32,
    at_ms: u64,
    keys: String,
}

/// The highest numbers that were given in a call.
pub(super) struct LastNumbers {
    pub(super) reply: u32,
    pub(super) turn: u32,
    pub(super) run: u32,
    pub(super) key_groups: u32,
}

/// One line of the conversation.
struct Line {
    started_ms: u64,
    turn: Option<u32>,
    role: Role,
    text: String,
}

impl CallRecord {
    /// Nothing was written down yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Folds in one event, written `at_ms` milliseconds after the first stream's start. An end
    /// that something follows was none: a process that lost the call to another one wrote it.
    pub fn apply(&mut self, at_ms: u64, event: &LogEvent) {
        // Twilio's stream errors arrive at any time, also after the end.
        if let LogEvent::StreamFailed { code } = event {
            self.stream_errors.push(code.clone());
            return;
        }
        self.end = None;
        self.written.count(event);
        self.apply_talk(at_ms, event.clone());
    }

    fn apply_talk(&mut self, at_ms: u64, event: LogEvent) {
        match event {
            LogEvent::CallerSaid { utterance, turn, started_ms, text, .. } => {
                self.speech.insert(utterance, Speech { turn, started_ms, text });
            }
            LogEvent::ReplyRequested { reply, turn, purpose } => {
                let said = self.replies.entry(reply).or_default();
                (said.turn, said.purpose) = (turn, purpose);
            }
            LogEvent::FirstAudio { reply, turn, first_audio_ms, server_us } => {
                let said = self.replies.entry(reply).or_default();
                said.turn = turn;
                (said.first_audio_ms, said.server_us) = (Some(first_audio_ms), server_us);
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
                let said = self.replies.entry(reply).or_default();
                (said.turn, said.started_ms, said.generated) = (turn, started_ms, generated);
                (said.heard, said.heard_ms, said.interrupted) = (heard, heard_ms, interrupted);
            }
            LogEvent::ReplyCut { reply, why } => {
                self.replies.entry(reply).or_default().cut = Some(why);
            }
            LogEvent::KeysPressed { keys, turn } => self.keys.push(Keys { turn, at_ms, keys }),
            LogEvent::FunctionCalled { run, turn, name, arguments } => {
                let function = FunctionRecord { turn, name, arguments, row: None, outcome: None };
                self.functions.insert(run, function);
            }
            LogEvent::FunctionFinished { run, ok, took_ms, result, row } => {
                if let Some(function) = self.functions.get_mut(&run) {
                    function.row = row;
                    function.outcome = Some(FunctionOutcome { ok, result, took_ms, at_ms });
                }
            }
            LogEvent::Grounded { turn, retrieval, took_ms, chunks } => {
                self.grounds.insert(turn, Ground { retrieval, took_ms, chunks });
            }
            other => self.apply_course(other),
        }
    }

    /// What is neither said nor done for a caller.
    fn apply_course(&mut self, event: LogEvent) {
        match event {
            LogEvent::LineOpened { stream_sid } => {
                self.at_fallback = None;
                if !stream_sid.is_empty() {
                    self.stream_sids.push(stream_sid);
                }
            }
            LogEvent::SettingRefused { field, .. } if !self.refused_settings.contains(&field) => {
                self.refused_settings.push(field);
            }
            LogEvent::TokensUsed { input, output } => {
                self.input_tokens = self.input_tokens.saturating_add(input);
                self.output_tokens = self.output_tokens.saturating_add(output);
            }
            LogEvent::Ended(end) => self.end = Some(end),
            LogEvent::LeftOut { what } => self.left_out.push(what),
            LogEvent::Gap { turn, question }
                if !self.gaps.iter().any(|(_, known)| *known == question) =>
            {
                self.gaps.push((turn, question));
            }
            LogEvent::MessageTaken { text, callback } => {
                self.messages.push(json!({"text": text, "callback": callback}));
            }
            LogEvent::VoicemailLeft { recording_url, seconds, own_account } => {
                self.voicemail = Some(voicemail::told(&recording_url, seconds, own_account));
            }
            LogEvent::TransferStarted { target } => self.transfers.begin(target),
            LogEvent::TransferEnded { answered } => self.transfers.end(answered),
            LogEvent::MovedToFallback { why } => self.at_fallback = Some(why),
            _ => {}
        }
    }

    /// The transcript: `[mm:ss] Agent: …` and `[mm:ss] Caller: …`, what was heard, in the order in
    /// which it was begun to be said.
    pub fn transcript(&self) -> String {
        let mut transcript = String::new();
        for line in self.lines() {
            let seconds = line.started_ms / 1_000;
            let who = if line.role == Role::Agent { "Agent" } else { "Caller" };
            let (minutes, seconds) = (seconds / 60, seconds % 60);
            transcript.push_str(&format!("[{minutes:02}:{seconds:02}] {who}: {}\n", line.text));
        }
        transcript
    }

    /// The conversation for a new engine session: what was heard and what functions returned,
    /// oldest first.
    pub fn history(&self) -> Vec<Said> {
        let mut lines = self.lines();
        let returned = self.functions.values().filter_map(FunctionRecord::line);
        let first = returned.clone().count().saturating_sub(HISTORY_FUNCTIONS);
        lines.extend(returned.skip(first));
        lines.sort_by_key(|line| line.started_ms);
        lines.into_iter().map(|Line { role, text, .. }| Said { role, text }).collect()
    }

    /// The functions that were called, oldest first.
    pub(crate) fn functions(&self) -> impl Iterator<Item = &FunctionRecord> {
        self.functions.values()
    }

    /// How much was written down.
    pub(super) fn written(&self) -> Written {
        self.written
    }

    /// Whether it was written that there was more of this.
    pub(super) fn has_left_out(&self, what: &str) -> bool {
        self.left_out.iter().any(|known| known == what)
    }

    /// How the call ended, if that was written.
    pub fn end(&self) -> Option<End> {
        self.end
    }

    /// Whom the caller was put through to, while nothing says how that went.
    pub fn transfer(&self) -> Option<&TransferTarget> {
        self.transfers.pending()
    }

    /// Whether the caller has gone on to the agent's fallback.
    pub fn is_at_fallback(&self) -> bool {
        self.at_fallback.is_some()
    }

    /// How the call ended if the caller hung up now: at the fallback they had nobody.
    pub fn end_by_caller(&self) -> End {
        let had_agent = self.heard_anything() && !self.is_at_fallback();
        let status = if had_agent { Status::Completed } else { Status::NoAnswer };
        End { status, ended_by: EndedBy::Caller }
    }

    /// Whether the caller heard any of the agent's audio.
    pub fn heard_anything(&self) -> bool {
        self.replies.values().any(|said| said.heard_ms > 0)
    }

    /// The keys of `call_logs.metadata` that events tell: `stream_sids`, `ended_by`, `turns`,
    /// `functions`, `usage`, `gaps`, `messages`, `voicemail`, `recording`, `transfers` and `prompts`,
    /// what the agent said outside turns. What a call does not have is there and empty, but for
    /// `fallback_reason` (a call that never had an agent has it from its webhook),
    /// `stream_errors`, Twilio's numbers for what was wrong with streams,
    /// `left_out`, what there was too much of to be written down, and `refused_settings`, what the
    /// speech service refused of the agent's settings.
    pub fn metadata(&self) -> Map<String, Value> {
        let mut metadata = Map::new();
        let mut set = |key: &str, value: Value| metadata.insert(key.to_owned(), value);
        set("stream_sids", json!(self.stream_sids));
        if !self.stream_errors.is_empty() {
            set("stream_errors", json!(self.stream_errors));
        }
        if !self.refused_settings.is_empty() {
            set("refused_settings", json!(self.refused_settings));
        }
        set("ended_by", json!(self.end.map(|end| end.ended_by)));
        set("turns", self.turns());
        set("prompts", self.prompts());
        set("functions", self.functions.values().map(FunctionRecord::row).collect());
        let usage = json!({"input_tokens": self.input_tokens, "output_tokens": self.output_tokens});
        set("usage", usage);
        set("gaps", self.gaps());
        set("messages", json!(self.messages));
        set("voicemail", json!(self.voicemail));
        set("recording", Value::Null);
        set("transfers", self.transfers.rows());
        if let Some(why) = &self.at_fallback {
            set("fallback_reason", json!(why));
        }
        if !self.left_out.is_empty() {
            set("left_out", json!(self.left_out));
        }
        metadata
    }

    /// Whether a media stream was ever open.
    pub fn has_opened(&self) -> bool {
        !self.stream_sids.is_empty()
    }

    /// The highest numbers that were given.
    pub(super) fn last_numbers(&self) -> LastNumbers {
        let turns = self.speech.values().map(|speech| speech.turn);
        LastNumbers {
            reply: self.replies.keys().last().copied().unwrap_or(0),
            turn: turns.chain(self.keys.iter().map(|keys| keys.turn)).max().unwrap_or(0),
            run: self.functions.keys().last().copied().unwrap_or(0),
            key_groups: u32::try_from(self.keys.len()).unwrap_or(u32::MAX),
        }
    }

    /// Whether the caller heard any of this reply.
    pub(super) fn was_heard(&self, reply: ReplyId) -> bool {
        self.replies.get(&reply.0).is_some_and(|said| said.heard_ms > 0)
    }

    /// Everything that was heard, in the order in which it was begun to be said.
    fn lines(&self) -> Vec<Line> {
        let mut lines: Vec<Line> = self.caller_lines().collect();
        lines.extend(self.replies.values().filter_map(|said| {
            // Audio whose words never came was heard all the same.
            let wordless = said.heard_ms > 0 && said.generated.trim().is_empty();
            let text = if wordless { INAUDIBLE } else { said.heard.trim() };
            let (started_ms, turn) = (said.started_ms, said.turn);
            let line = Line { started_ms, turn, role: Role::Agent, text: one_line(text) };
            (!line.text.is_empty()).then_some(line)
        }));
        lines.sort_by_key(|line| line.started_ms);
        lines
    }

    fn caller_lines(&self) -> impl Iterator<Item = Line> {
        let speech = self.speech.values().map(|speech| Line {
            started_ms: speech.started_ms,
            turn: Some(speech.turn),
            role: Role::Caller,
            text: one_line(speech.text.as_deref().unwrap_or(INAUDIBLE)),
        });
        let keys = self.keys.iter().map(|keys| Line {
            started_ms: keys.at_ms,
            turn: Some(keys.turn),
            role: Role::Caller,
            text: format!("[pressed {}]", keys.keys),
        });
        speech.chain(keys)
    }

    fn turns(&self) -> Value {
        let mut turns: BTreeMap<u32, Vec<Line>> = BTreeMap::new();
        for line in self.caller_lines() {
            turns.entry(line.turn.unwrap_or_default()).or_default().push(line);
        }
        turns.into_iter().map(|(n, said)| self.turn(n, said)).collect()
    }

    fn turn(&self, n: u32, mut said: Vec<Line>) -> Value {
        said.sort_by_key(|line| line.started_ms);
        let replies: Vec<&Reply> = self.replies.values().filter(|r| r.turn == Some(n)).collect();
        let functions = self.functions.values().filter(|function| function.turn == Some(n));
        // The latency is that of the first words that were heard. A reply that the caller talked
        // over before it began answered something else.
        let timed = || replies.iter().filter(|reply| reply.first_audio_ms.is_some());
        let ground = self.grounds.get(&n);
        let first = timed().find(|reply| reply.heard_ms > 0).or_else(|| timed().next());
        let mut turn = json!({
            "n": n,
            "started_ms": said.first().map(|line| line.started_ms),
            "caller": joined(said.iter().map(|line| line.text.as_str())),
            "agent": joined(replies.iter().map(|reply| reply.generated.as_str())),
            "heard": joined(replies.iter().map(|reply| reply.heard.as_str())),
            "interrupted": replies.iter().any(|reply| reply.interrupted),
            "chunks": ground.map_or(&[][..], |ground| &ground.chunks),
            "functions": functions.map(|function| function.name.as_str()).collect::<Vec<_>>(),
            "retrieval": ground.map_or(Retrieval::Off, |ground| ground.retrieval),
            "latency_ms": {
                "retrieval": ground.and_then(|ground| ground.took_ms),
                "first_audio": first.and_then(|reply| reply.first_audio_ms),
                "server": first.map(|reply| (reply.server_us + 500) / 1_000),
            },
        });
        if let Some(why) = replies.iter().rev().find_map(|reply| reply.cut.as_ref()) {
            turn["cut"] = json!(why);
        }
        turn
    }

    /// The questions that neither a passage nor a function answered.
    fn gaps(&self) -> Value {
        let answers =
            |run: &FunctionRecord, turn| run.turn == Some(turn) && run.did_more_than_look();
        let is_open = |turn| !self.functions.values().any(|run| answers(run, turn));
        let open = self.gaps.iter().filter(|(turn, _)| is_open(*turn));
        open.map(|(_, question)| question.as_str()).collect()
    }

    fn prompts(&self) -> Value {
        let outside = |reply: &&Reply| reply.turn.is_none() && !reply.generated.is_empty();
        self.replies.values().filter(outside).map(Reply::prompt).collect()
    }
}

/// A text without line ends: what somebody says makes no line of the transcript of its own.
fn one_line(text: &str) -> String {
    text.replace(['\n', '\r', '\u{0b}', '\u{0c}', '\u{85}', '\u{2028}', '\u{2029}'], " ")
}

/// Texts as one, without empty ones.
fn joined<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    texts.map(str::trim).filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
