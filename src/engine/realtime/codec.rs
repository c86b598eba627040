//! Translates OpenAI Realtime's events into the core's language. Pure: it holds the ids that tell
//! whose a report is, and nothing else.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::outcome::outcome;
use super::wire::{ServerError, ServerEvent, ServerItem, ServerResponse, ServerSession, Text};
use crate::call::{Event, ReplyId, Usage, Words};
use crate::engine::Report;

/// The longest transcription of one stretch of speech that is kept, in bytes.
const WORDS_MAX: usize = 16 * 1024;
/// The most stretches of speech whose words may be outstanding.
const UTTERANCES_MAX: usize = 64;
/// The most function calls of one response. No model makes more; a call answers fewer.
const FUNCTIONS_MAX: usize = 128;

/// The state of one session, as far as translation needs it.
#[derive(Debug, Default)]
pub(super) struct Codec {
    /// Replies asked for whose response the service has not yet named.
    requested: VecDeque<ReplyId>,
    /// The last reply that was refused because another response is running.
    blocked: Option<ReplyId>,
    /// The reply that was blocked and now is not, until that is asked for.
    unblocked: Option<ReplyId>,
    /// The response that is being worked on.
    active: Option<ActiveResponse>,
    /// Words so far of stretches of speech whose words are not final.
    words: BTreeMap<String, String>,
    is_ready: bool,
    /// When the session ends, in seconds since the Unix epoch, if the service says so.
    expires_at_s: Option<u64>,
    /// Put before names of stretches of speech.
    utterance_prefix: String,
}

#[derive(Debug)]
struct ActiveResponse {
    id: String,
    reply: ReplyId,
    /// Whether some of its words have come.
    has_words: bool,
    /// Function calls reported, by the service's call id.
    reported: BTreeSet<String>,
    /// Arguments that are said to be complete, until the item or the response says so too.
    announced: BTreeMap<String, (String, String)>,
}

/// What the caller of [`Codec::read`] cannot use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread {
    /// Not JSON, or an event without its type.
    Malformed,
    /// A type that we do not act on.
    Ignored,
    /// An error that needs nothing done: a cancel that came too late, an item that is already gone,
    /// a request that must wait.
    Benign,
}

impl Codec {
    /// A new session, which puts this before its names for stretches of speech.
    pub(super) fn new(utterance_prefix: String) -> Self {
        Self { utterance_prefix, ..Self::default() }
    }

    /// A reply was asked for.
    pub(super) fn requested(&mut self, reply: ReplyId) {
        self.requested.push_back(reply);
    }

    /// A reply is no longer wanted.
    pub(super) fn cancelled(&mut self, reply: ReplyId) {
        self.blocked.take_if(|blocked| *blocked == reply);
    }

    /// The reply that must be asked for again, because the response in its way has ended.
    pub(super) fn take_unblocked(&mut self) -> Option<ReplyId> {
        self.unblocked.take()
    }

    /// The service's name for a reply's response, if it has given one.
    pub(super) fn response_id(&self, reply: ReplyId) -> Option<&str> {
        self.active.as_ref().filter(|active| active.reply == reply).map(|active| active.id.as_str())
    }

    /// When the session ends, in seconds since the Unix epoch, if the service says so.
    pub(super) fn expires_at_s(&self) -> Option<u64> {
        self.expires_at_s
    }

    fn read_expiry(&mut self, event: &ServerEvent<'_>) {
        let session = event.session.and_then(|raw| serde_json::from_str(raw.get()).ok());
        let ServerSession { expires_at } = session.unwrap_or_default();
        if let Some(at) = expires_at.filter(|at| at.is_finite() && *at > 0.0) {
            self.expires_at_s = Some(at as u64);
        }
    }

    /// Reads one server event; the reports it makes are appended to `reports`.
    pub(super) fn read(
        &mut self,
        message: &Utf8Bytes,
        reports: &mut VecDeque<Report>,
    ) -> Result<(), Unread> {
        let event: ServerEvent<'_> =
            serde_json::from_str(message).map_err(|_| Unread::Malformed)?;
        match &*event.kind.0 {
            "response.output_audio.delta" => self.audio(message, &event, reports),
            "response.output_audio_transcript.delta" => {
                self.reply_words(&event, event.delta.as_ref(), reports);
            }
            // Some services send the words of a reply only once.
            "response.output_audio_transcript.done"
                if self.active.as_ref().is_some_and(|active| !active.has_words) =>
            {
                self.reply_words(&event, event.transcript.as_ref(), reports);
            }
            "response.created" => self.response_created(&event, reports),
            "response.output_item.done" => self.item_done(&event, reports),
            "response.function_call_arguments.done" => self.arguments_done(&event),
            "response.done" => {
                self.unblocked = self.blocked.take();
                self.response_done(&event, reports);
            }
            "session.created" => self.read_expiry(&event),
            "session.updated" if !self.is_ready => {
                self.is_ready = true;
                self.read_expiry(&event);
                push(reports, Event::EngineReady { lasts_ms: None });
            }
            "error" => return self.error(&event, reports),
            kind => return self.caller_event(kind, &event, reports),
        }
        Ok(())
    }

    /// Events about the caller's speech.
    fn caller_event(
        &mut self,
        kind: &str,
        event: &ServerEvent<'_>,
        reports: &mut VecDeque<Report>,
    ) -> Result<(), Unread> {
        let name = event.item_id.as_ref().map_or("", |id| &*id.0);
        let utterance = format!("{}{name}", self.utterance_prefix);
        match kind {
            "input_audio_buffer.speech_started" => {
                push(reports, Event::SpeechStarted { utterance });
            }
            "input_audio_buffer.speech_stopped" => {
                push(reports, Event::SpeechStopped { utterance });
            }
            "input_audio_buffer.committed" => push(reports, Event::SpeechCommitted { utterance }),
            "conversation.item.input_audio_transcription.delta" => {
                let delta = event.delta.as_ref().map_or("", |delta| &delta.0);
                if let Some(words) = self.append_words(&utterance, delta) {
                    push(reports, Event::CallerWords { utterance, words: Words::Partial(words) });
                }
            }
            "conversation.item.input_audio_transcription.completed" => {
                self.words.remove(&utterance);
                let words = Words::Final(owned(event.transcript.as_ref()));
                push(reports, Event::CallerWords { utterance, words });
            }
            "conversation.item.input_audio_transcription.failed" => {
                self.words.remove(&utterance);
                push(reports, Event::CallerWords { utterance, words: Words::Inaudible });
            }
            _ => return Err(Unread::Ignored),
        }
        Ok(())
    }

    fn append_words(&mut self, utterance: &str, delta: &str) -> Option<String> {
        if !self.words.contains_key(utterance) && self.words.len() >= UTTERANCES_MAX {
            self.words.pop_first();
        }
        let words = self.words.entry(utterance.to_owned()).or_default();
        if delta.is_empty() || words.len() + delta.len() > WORDS_MAX {
            return None;
        }
        words.push_str(delta);
        Some(words.clone())
    }

    fn audio(&self, message: &Utf8Bytes, event: &ServerEvent<'_>, reports: &mut VecDeque<Report>) {
        let (Some(reply), Some(delta)) = (self.reply_of(event), &event.delta) else { return };
        let payload = match &delta.0 {
            std::borrow::Cow::Borrowed(text) => {
                Bytes::from(message.clone()).slice_ref(text.as_bytes())
            }
            std::borrow::Cow::Owned(text) => Bytes::copy_from_slice(text.as_bytes()),
        };
        reports.push_back(Report::Audio { reply, item: owned(event.item_id.as_ref()), payload });
    }

    fn reply_words(
        &mut self,
        event: &ServerEvent<'_>,
        words: Option<&Text<'_>>,
        reports: &mut VecDeque<Report>,
    ) {
        if let (Some(reply), Some(words)) = (self.reply_of(event), words) {
            if let Some(active) = &mut self.active {
                active.has_words = true;
            }
            push(reports, Event::ReplyWords { reply, text: words.0.to_string() });
        }
    }

    /// Whose event this is: only the response that we asked for counts, so that what comes late
    /// from a cancelled one, or out of band, is not taken for it.
    fn reply_of(&self, event: &ServerEvent<'_>) -> Option<ReplyId> {
        let active = self.active.as_ref()?;
        match &event.response_id {
            Some(id) if id.0 != active.id => None,
            _ => Some(active.reply),
        }
    }

    fn response_created(&mut self, event: &ServerEvent<'_>, reports: &mut VecDeque<Report>) {
        let Some(response) = response(event) else { return };
        let named = response
            .metadata
            .as_ref()
            .and_then(|metadata| metadata.get("reply")?.as_str()?.parse().ok())
            .map(ReplyId);
        let reply = match named {
            Some(reply) => {
                self.requested.retain(|requested| *requested != reply);
                reply
            }
            // A service that does not echo metadata answers requests in their order.
            None => match self.requested.pop_front() {
                Some(reply) => reply,
                None => return,
            },
        };
        self.active = Some(ActiveResponse {
            id: response.id.unwrap_or_default(),
            reply,
            has_words: false,
            reported: BTreeSet::new(),
            announced: BTreeMap::new(),
        });
        push(reports, Event::ReplyStarted { reply });
    }

    fn item_done(&mut self, event: &ServerEvent<'_>, reports: &mut VecDeque<Report>) {
        if self.reply_of(event).is_none() {
            return;
        }
        let item = event.item.and_then(|raw| serde_json::from_str::<ServerItem>(raw.get()).ok());
        if let (Some(item), Some(active)) = (item, &mut self.active) {
            active.function_item(item, reports);
        }
    }

    fn arguments_done(&mut self, event: &ServerEvent<'_>) {
        if self.reply_of(event).is_none() {
            return;
        }
        if let (Some(active), Some(call_id), Some(name), Some(arguments)) =
            (&mut self.active, &event.call_id, &event.name, &event.arguments)
            && active.announced.len() < FUNCTIONS_MAX
        {
            active
                .announced
                .insert(call_id.0.to_string(), (name.0.to_string(), arguments.0.to_string()));
        }
    }

    fn response_done(&mut self, event: &ServerEvent<'_>, reports: &mut VecDeque<Report>) {
        let Some(response) = response(event) else { return };
        let is_active = self
            .active
            .as_ref()
            .is_some_and(|active| response.id.as_ref().is_none_or(|id| *id == active.id));
        let Some(mut active) = self.active.take_if(|_| is_active) else { return };
        let status = response.status.as_deref().unwrap_or("completed");
        if !active.has_words {
            let reply = active.reply;
            let words = response.output.iter().flat_map(transcripts);
            words
                .for_each(|text| push(reports, Event::ReplyWords { reply, text: text.to_owned() }));
        }
        if status == "completed" {
            active.remaining_functions(response.output, reports);
        }
        let outcome = outcome(status, response.status_details);
        let usage = response.usage.map_or_else(Usage::default, |usage| Usage {
            input_tokens: usage.input_tokens.unwrap_or(0),
            output_tokens: usage.output_tokens.unwrap_or(0),
        });
        push(reports, Event::ReplyEnded { reply: active.reply, outcome, usage });
    }

    /// Errors do not end the session (protocols 5.8). What an error means depends on what it
    /// answers, which the `event_id` that we gave says.
    fn error(
        &mut self,
        event: &ServerEvent<'_>,
        reports: &mut VecDeque<Report>,
    ) -> Result<(), Unread> {
        let error: ServerError =
            event.error.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
        let refused = error.event_id.as_deref();
        if error.is_fatal() || refused == Some("session") {
            push(reports, Event::EngineLost { fatal: true, why: error.class() });
            return Ok(());
        }
        let reply = refused
            .and_then(|id| id.strip_prefix("reply-")?.parse().ok())
            .map(ReplyId)
            .filter(|reply| self.requested.contains(reply))
            // Too much was asked for, and it is not said what: what was asked for last.
            .or_else(|| self.requested.back().copied().filter(|_| error.is_rate_limit()))
            .ok_or(Unread::Benign)?;
        self.requested.retain(|requested| *requested != reply);
        // A cancelled response may still run: asking at once would be refused again.
        if error.is_busy() {
            self.blocked = Some(reply);
            return Err(Unread::Benign);
        }
        push(
            reports,
            Event::ReplyEnded { reply, outcome: error.outcome(), usage: Usage::default() },
        );
        Ok(())
    }
}

impl ActiveResponse {
    /// An item is complete. Arguments of an interrupted call are a fragment, so only a completed
    /// one counts (protocols 5.4).
    fn function_item(&mut self, item: ServerItem, reports: &mut VecDeque<Report>) {
        let is_complete = item.status.as_deref().is_none_or(|status| status == "completed");
        if item.kind.as_deref() != Some("function_call") || !is_complete {
            return;
        }
        if let (Some(call_id), Some(name)) = (item.call_id.or(item.id), item.name) {
            self.function(call_id, name, item.arguments.unwrap_or_default(), reports);
        }
    }

    fn function(
        &mut self,
        engine_call_id: String,
        name: String,
        arguments: String,
        reports: &mut VecDeque<Report>,
    ) {
        let has_place = self.reported.len() < FUNCTIONS_MAX;
        if has_place && self.reported.insert(engine_call_id.clone()) {
            let reply = self.reply;
            push(reports, Event::FunctionWanted { reply, engine_call_id, name, arguments });
        }
    }

    /// Calls that no item announced, from the response's output or from their arguments.
    fn remaining_functions(
        &mut self,
        output: Vec<serde_json::Value>,
        reports: &mut VecDeque<Report>,
    ) {
        for item in output {
            if let Ok(item) = serde_json::from_value(item) {
                self.function_item(item, reports);
            }
        }
        for (call_id, (name, arguments)) in std::mem::take(&mut self.announced) {
            self.function(call_id, name, arguments, reports);
        }
    }
}

/// The words of an item of a response's output.
fn transcripts(item: &serde_json::Value) -> impl Iterator<Item = &str> {
    let parts = item["content"].as_array().map(Vec::as_slice).unwrap_or_default();
    parts.iter().filter_map(|part| part["transcript"].as_str())
}

fn response(event: &ServerEvent<'_>) -> Option<ServerResponse> {
    serde_json::from_str(event.response?.get()).ok()
}

fn owned(text: Option<&Text<'_>>) -> String {
    text.map(|text| text.0.to_string()).unwrap_or_default()
}

fn push(reports: &mut VecDeque<Report>, event: Event) {
    reports.push_back(Report::Event(event));
}
