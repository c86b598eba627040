//! Translates OpenAI Realtime's events into the core's language. Pure: it holds the ids that tell
//! whose a report is, and nothing else.

use std::borrow::Cow;
use std::collections::VecDeque;

use bytes::Bytes;
use serde_json::Value;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::refusals;
use super::response::ActiveResponse;
use super::settings;
use super::wire::{ServerError, ServerEvent, ServerItem, nested, text};
use crate::call::{Event, ReplyId, Usage, Words};
use crate::engine::Report;
use crate::service_json;

/// The longest transcription of one stretch of speech that is kept, in bytes.
const WORDS_MAX: usize = 16 * 1024;
/// The most stretches of speech whose words may be outstanding.
const UTTERANCES_MAX: usize = 64;

/// The state of one session, as far as translation needs it.
#[derive(Debug, Default)]
pub(super) struct Codec {
    /// Replies asked for whose response the service has not yet named.
    requested: VecDeque<ReplyId>,
    /// Those of them that are no longer wanted.
    cancelled_early: Vec<ReplyId>,
    /// The last reply that was refused because another response is running.
    blocked: Option<ReplyId>,
    /// The reply that was blocked and now is not, until that is asked for.
    unblocked: Option<ReplyId>,
    /// The response that is being worked on.
    active: Option<ActiveResponse>,
    /// Words so far of stretches of speech whose words are not final, oldest first.
    words: VecDeque<(String, String)>,
    /// What has to be sent.
    orders: VecDeque<Order>,
    is_ready: bool,
    /// When the session ends, in seconds since the Unix epoch, if the service says so.
    expires_at_s: Option<u64>,
    /// Put before names of stretches of speech.
    utterance_prefix: String,
}

/// What has to be sent because of what was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Order {
    /// Stop work on the response of this id.
    Cancel(String),
    /// Forget the item of this id, of which nothing was heard.
    Delete(String),
}

/// What the caller of [`Codec::read`] cannot use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unread {
    /// Not JSON, or an event without its type.
    Malformed,
    /// A type that we do not act on.
    Ignored,
    /// An error that needs nothing done: a cancel that came too late, an item that is already gone,
    /// a request that must wait.
    Benign,
    /// The session's settings are refused as they are, for this reason.
    Settings(Box<ServerError>),
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

    /// A reply is no longer wanted. Gives the service's name for its response, if there is one yet;
    /// if not, the order to cancel comes with the name.
    pub(super) fn cancelled(&mut self, reply: ReplyId) -> Option<String> {
        self.blocked.take_if(|blocked| *blocked == reply);
        if let Some(active) = self.active.as_mut().filter(|active| active.reply == reply) {
            active.cancelled = true;
            return Some(active.id.clone()).filter(|id| !id.is_empty());
        }
        if self.requested.contains(&reply) && !self.cancelled_early.contains(&reply) {
            self.cancelled_early.push(reply);
        }
        None
    }

    /// The next thing that has to be sent because of what was read.
    pub(super) fn take_order(&mut self) -> Option<Order> {
        self.orders.pop_front()
    }

    /// The reply that must be asked for again, because the response in its way has ended.
    pub(super) fn take_unblocked(&mut self) -> Option<ReplyId> {
        self.unblocked.take()
    }

    /// When the session ends, in seconds since the Unix epoch, if the service says so.
    pub(super) fn expires_at_s(&self) -> Option<u64> {
        self.expires_at_s
    }

    fn read_expiry(&mut self, event: &ServerEvent<'_>) {
        let session = event.session.and_then(|raw| service_json::from_str(raw.get()).ok());
        let expires_at = session.and_then(|session: Value| session["expires_at"].as_f64());
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
        if let Ok(event) = serde_json::from_str(message) {
            return self.act(message, &event, reports);
        }
        let repaired: Utf8Bytes = service_json::repaired(message).ok_or(Unread::Malformed)?.into();
        let event = serde_json::from_str(&repaired).map_err(|_| Unread::Malformed)?;
        self.act(&repaired, &event, reports)
    }

    /// Acts on an event that borrows from `message`.
    fn act(
        &mut self,
        message: &Utf8Bytes,
        event: &ServerEvent<'_>,
        reports: &mut VecDeque<Report>,
    ) -> Result<(), Unread> {
        match event.kind.get().ok_or(Unread::Malformed)? {
            "response.output_audio.delta" => self.audio(message, event, reports),
            "response.output_audio_transcript.delta" => {
                self.reply_words(event, event.delta.get(), reports);
            }
            // Some services send the words of a reply only once.
            "response.output_audio_transcript.done"
                if self.active.as_ref().is_some_and(|active| !active.has_words) =>
            {
                self.reply_words(event, event.transcript.get(), reports);
            }
            "response.created" => self.response_created(event, reports),
            "response.output_item.added" => self.item_added(event),
            "response.output_item.done" => self.item_done(event, reports),
            "response.function_call_arguments.done" => self.arguments_done(event),
            "response.done" => {
                self.unblocked = self.blocked.take();
                self.response_done(event, reports);
            }
            "session.created" => self.read_expiry(event),
            "session.updated" if !self.is_ready => {
                self.is_ready = true;
                self.read_expiry(event);
                push(reports, Event::EngineReady { lasts_ms: None });
            }
            "error" => return self.error(event, reports),
            kind => return self.caller_event(kind, event, reports),
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
        let name = event.item_id.or_empty();
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
                if let Some(words) = self.append_words(&utterance, event.delta.or_empty()) {
                    push(reports, Event::CallerWords { utterance, words: Words::Partial(words) });
                }
            }
            "conversation.item.input_audio_transcription.completed" => {
                self.forget_words(&utterance);
                let words = Words::Final(event.transcript.or_empty().to_owned());
                push(reports, Event::CallerWords { utterance, words });
            }
            "conversation.item.input_audio_transcription.failed" => {
                self.forget_words(&utterance);
                push(reports, Event::CallerWords { utterance, words: Words::Inaudible });
            }
            _ => return Err(Unread::Ignored),
        }
        Ok(())
    }

    fn append_words(&mut self, utterance: &str, delta: &str) -> Option<String> {
        let place = self.words.iter().position(|(name, _)| name == utterance);
        let place = place.unwrap_or_else(|| {
            if self.words.len() >= UTTERANCES_MAX {
                self.words.pop_front();
            }
            self.words.push_back((utterance.to_owned(), String::new()));
            self.words.len() - 1
        });
        let (_, words) = &mut self.words[place];
        if delta.is_empty() || words.len() + delta.len() > WORDS_MAX {
            return None;
        }
        words.push_str(delta);
        Some(words.clone())
    }

    fn forget_words(&mut self, utterance: &str) {
        self.words.retain(|(name, _)| name != utterance);
    }

    fn audio(
        &mut self,
        message: &Utf8Bytes,
        event: &ServerEvent<'_>,
        reports: &mut VecDeque<Report>,
    ) {
        let Some(delta) = event.delta.cow() else { return };
        let Some(active) = self.response_of(event) else { return };
        let item = event.item_id.or_empty();
        active.note_audio(item);
        let payload = match delta {
            Cow::Borrowed(text) => Bytes::from(message.clone()).slice_ref(text.as_bytes()),
            Cow::Owned(text) => Bytes::copy_from_slice(text.as_bytes()),
        };
        reports.push_back(Report::Audio { reply: active.reply, item: item.to_owned(), payload });
    }

    fn reply_words(
        &mut self,
        event: &ServerEvent<'_>,
        words: Option<&str>,
        reports: &mut VecDeque<Report>,
    ) {
        if let (Some(active), Some(words)) = (self.response_of(event), words) {
            active.has_words = true;
            push(reports, Event::ReplyWords { reply: active.reply, text: words.to_owned() });
        }
    }

    /// Whose event this is: only the response that we asked for counts, so that what comes late
    /// from a cancelled one, or out of band, is not taken for it.
    fn response_of(&mut self, event: &ServerEvent<'_>) -> Option<&mut ActiveResponse> {
        let id = event.response_id.get();
        self.active.as_mut().filter(|active| active.is_named(id))
    }

    /// A response that cannot be read is the one that was asked for first.
    fn response_created(&mut self, event: &ServerEvent<'_>, reports: &mut VecDeque<Report>) {
        let response = nested(event.response);
        // A service that does not echo metadata answers requests in their order.
        let Some(reply) = reply_of(&response).or_else(|| self.requested.front().copied()) else {
            return;
        };
        self.requested.retain(|requested| *requested != reply);
        let id = text(&response["id"]).unwrap_or_else(|| event.response_id.or_empty().to_owned());
        let mut active = ActiveResponse::new(id, reply);
        active.cancelled = self.cancelled_early.contains(&reply);
        if active.cancelled && !active.id.is_empty() {
            // The cancel that was sent before there was a response has stopped nothing.
            self.orders.push_back(Order::Cancel(active.id.clone()));
        }
        self.forget_early_cancels();
        self.active = Some(active);
        push(reports, Event::ReplyStarted { reply });
    }

    fn forget_early_cancels(&mut self) {
        let requested = &self.requested;
        self.cancelled_early.retain(|reply| requested.contains(reply));
    }

    fn item_added(&mut self, event: &ServerEvent<'_>) {
        if let Some(active) = self.response_of(event) {
            active.note_item(&ServerItem::from(&nested(event.item)));
        }
    }

    fn item_done(&mut self, event: &ServerEvent<'_>, reports: &mut VecDeque<Report>) {
        if let Some(active) = self.response_of(event) {
            let item = ServerItem::from(&nested(event.item));
            active.note_item(&item);
            active.function_item(item, reports);
        }
    }

    fn arguments_done(&mut self, event: &ServerEvent<'_>) {
        let (call_id, name) = (event.call_id.get(), event.name.get());
        if let (Some(active), Some(call_id), Some(name)) = (self.response_of(event), call_id, name)
        {
            active.note_arguments(call_id, name, event.arguments.or_empty());
        }
    }

    /// A response that cannot be read is the one that is being worked on.
    fn response_done(&mut self, event: &ServerEvent<'_>, reports: &mut VecDeque<Report>) {
        let response = nested(event.response);
        let id = text(&response["id"]).or_else(|| event.response_id.get().map(str::to_owned));
        let reply = reply_of(&response);
        if let Some(active) = self.active.take_if(|active| active.is(id.as_deref(), reply)) {
            active.ended(&response, reports, &mut self.orders);
        }
    }

    /// Errors do not end the session (protocols 5.8). What an error means depends on what it
    /// answers, which the `event_id` that we gave says.
    fn error(
        &mut self,
        event: &ServerEvent<'_>,
        reports: &mut VecDeque<Report>,
    ) -> Result<(), Unread> {
        let error = ServerError::from(&nested(event.error));
        // `model_not_found` may be said of the model that writes down what the caller says.
        let is_of_a_part =
            !self.is_ready && settings::is_about_them(&error) && refusals::names_a_part(&error);
        if error.is_fatal() && !is_of_a_part {
            push(reports, Event::EngineLost { fatal: true, why: error.class() });
            return Ok(());
        }
        if !self.is_ready && settings::is_about_them(&error) {
            // Nothing is wrong with them: they could not be taken just now.
            if settings::is_passing(&error) {
                push(reports, Event::EngineLost { fatal: false, why: error.class() });
                return Ok(());
            }
            return Err(Unread::Settings(Box::new(error)));
        }
        let named =
            error.event_id.as_deref().and_then(|id| id.strip_prefix("reply-")?.parse().ok());
        // The error does not always name its request; then it is about the latest one.
        let is_about_a_reply = error.is_rate_limit() || error.is_busy() && error.event_id.is_none();
        let reply = named
            .map(ReplyId)
            .filter(|reply| self.requested.contains(reply))
            .or_else(|| self.requested.back().copied().filter(|_| is_about_a_reply))
            .ok_or(Unread::Benign)?;
        self.requested.retain(|requested| *requested != reply);
        let is_wanted = !self.cancelled_early.contains(&reply);
        self.forget_early_cancels();
        // A cancelled response may still run: asking at once would be refused again.
        if error.is_busy() && is_wanted {
            self.blocked = Some(reply);
            return Err(Unread::Benign);
        }
        let (outcome, usage) = (error.outcome(), Usage::default());
        push(reports, Event::ReplyEnded { reply, outcome, usage });
        Ok(())
    }
}

/// The reply that a response says it is, where the service echoes what it was given.
fn reply_of(response: &Value) -> Option<ReplyId> {
    text(&response["metadata"]["reply"])?.parse().ok().map(ReplyId)
}

pub(super) fn push(reports: &mut VecDeque<Report>, event: Event) {
    reports.push_back(Report::Event(event));
}
