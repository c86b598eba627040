//! One session: the client's events in, the service's events out. Pure: time is an argument, and
//! what is to be sent waits in `outbox` for whoever owns the socket.

use std::borrow::Cow;
use std::collections::{BTreeSet, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::babble::Spoken;
use super::conversation::Conversation;
use super::detector::Detector;
use super::fault::{Failing, NONSENSE, RefusedField, TurnFault};
use super::hearing::{PendingWords, Utterance};
use super::reply::Reply;
use super::script::{ErrorBody, Script, Words};
use super::settings::{Conduct, Settings};
use super::shape::Refusal;
use super::voice::Voice;

/// What every session of a service goes by.
#[derive(Debug)]
pub(super) struct Manner {
    /// What is heard and said.
    pub(super) script: Script,
    /// When words come, where the script does not say.
    pub(super) words: Words,
    /// From the commit to the words.
    pub(super) words_delay: Duration,
    /// From a reply's request to its first audio, where the script does not say.
    pub(super) first_audio: Duration,
    /// How long a session may last.
    pub(super) session_limit: Duration,
    /// Speaks texts, once each.
    pub(super) voice: Voice,
    /// What goes wrong with responses, whichever session's they are.
    pub(super) failures: Mutex<Failures>,
}

/// What goes wrong with responses.
#[derive(Debug, Default)]
pub(super) struct Failures {
    /// With the next ones.
    pub(super) next: VecDeque<Failing>,
    /// With all others.
    pub(super) all: Option<ErrorBody>,
    /// Fields of `session.update`.
    pub(super) refused: Vec<RefusedField>,
    /// The turns whose fault was given.
    given: BTreeSet<usize>,
}

impl Manner {
    /// How the response now asked for fails.
    pub(super) fn take_failure(&self) -> Option<Failing> {
        let mut failures = self.failures.lock();
        let next = failures.next.pop_front();
        next.or_else(|| failures.all.clone().map(Failing::Error))
    }

    /// Why an update is refused although its shape is good.
    fn refused_setting(&self, change: &Value) -> Option<Refusal> {
        let failures = self.failures.lock();
        failures.refused.iter().find_map(|refused| refused.refusal(change))
    }

    /// What goes wrong with the reply to a turn, once.
    pub(super) fn take_fault(&self, turn: usize) -> Option<TurnFault> {
        let fault = self.script.turns.get(turn)?.fault?;
        let mut failures = self.failures.lock();
        failures.given.insert(turn).then_some(fault)
    }
}

/// Something to send.
#[derive(Debug, Clone)]
pub(super) enum Outgoing {
    /// An event.
    Event(Value),
    /// A piece of audio, whose event is written where it is sent: 99 of 100 bytes are these.
    Audio {
        /// The event's id.
        event_id: String,
        /// The response.
        response_id: Arc<str>,
        /// The item.
        item_id: Arc<str>,
        /// What is spoken.
        spoken: Arc<Spoken>,
        /// Which bytes of it.
        range: Range<usize>,
    },
    /// A message as it is, whatever it is.
    Raw(&'static str),
    /// End the socket with this code.
    Close(u16),
    /// End the socket without a word.
    Drop,
    /// Neither read nor write any more.
    Stall,
}

/// A turn of the script that was typed and not spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TypedTurn {
    /// Which of the script's.
    pub(super) index: usize,
    /// Whether it was replied to.
    pub(super) is_replied: bool,
}

/// One session's state.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) manner: Arc<Manner>,
    pub(super) settings: Settings,
    pub(super) conduct: Conduct,
    pub(super) conversation: Conversation,
    /// What is to be sent, oldest first.
    pub(super) outbox: VecDeque<Outgoing>,

    /// The time stamp in the last audio, in Unix microseconds, for whoever takes it.
    pub(super) heard_stamp: Option<u64>,

    pub(super) detector: Detector,
    pub(super) decoded: Vec<u8>,
    /// It hears nothing any more.
    pub(super) is_deaf: bool,
    /// Audio that no commit has taken yet, in bytes.
    pub(super) uncommitted_bytes: u64,
    /// Audio that has come and was not counted yet.
    pub(super) appended_bytes: u64,
    pub(super) utterance: Option<Utterance>,
    pub(super) pending_words: Vec<PendingWords>,

    /// Stretches of speech that are in the conversation, and how many of them were replied to.
    pub(super) heard_count: usize,
    pub(super) replied_count: usize,
    /// The turn whose words were typed since somebody spoke last, if they are a turn's.
    pub(super) typed: Option<TypedTurn>,
    /// The turn whose error was given.
    pub(super) failed_turn: Option<usize>,
    pub(super) has_spoken: bool,
    pub(super) replies: Vec<Reply>,

    pub(super) number: u64,
    names: u64,
    expires_at: Duration,
}

/// As much of an event as tells what it is. `audio` stays as it is in the text: parsing every
/// piece of audio into a tree would be most of the service's work.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    audio: Option<&'a RawValue>,
    #[serde(borrow)]
    event_id: Option<&'a RawValue>,
}

/// A JSON text, borrowed where it has no escapes. (serde's own `Option<Cow<str>>` always copies.)
#[derive(Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

impl Session {
    /// A new session, whose `session.created` is in the outbox.
    pub(super) fn new(
        number: u64,
        model: &str,
        now: Duration,
        unix: Duration,
        manner: Arc<Manner>,
    ) -> Self {
        let expires_at_s = (unix + manner.session_limit).as_secs();
        let settings = Settings::new(&format!("sess_{number}"), model, expires_at_s);
        let mut session = Self {
            conduct: settings.conduct(),
            expires_at: now + manner.session_limit,
            settings,
            manner,
            conversation: Conversation::default(),
            outbox: VecDeque::new(),
            heard_stamp: None,
            detector: Detector::default(),
            decoded: Vec::new(),
            is_deaf: false,
            uncommitted_bytes: 0,
            appended_bytes: 0,
            utterance: None,
            pending_words: Vec::new(),
            heard_count: 0,
            replied_count: 0,
            typed: None,
            failed_turn: None,
            has_spoken: false,
            replies: Vec::new(),
            number,
            names: 0,
        };
        let created = session.settings.session().clone();
        session.emit(json!({"type": "session.created", "session": created}));
        session
    }

    /// Takes in one message of the client. Gives its event for whoever records, except for audio.
    pub(super) fn receive(&mut self, now: Duration, text: &str) -> Option<Value> {
        if let Ok(head) = serde_json::from_str::<Head<'_>>(text)
            && head.kind.is_some_and(|kind| kind.0 == "input_audio_buffer.append")
        {
            let refusal = self.append(now, head.audio.map(RawValue::get)).err()?;
            let event_id = head.event_id.and_then(|id| serde_json::from_str(id.get()).ok());
            self.refuse(&refusal, event_id.unwrap_or_default());
            return None;
        }
        let event: Value = match serde_json::from_str(text) {
            Ok(event) => event,
            Err(error) => {
                let message = format!("The event is not valid JSON: {error}.");
                let refusal = Refusal { code: "invalid_event", message, param: None };
                self.refuse(&refusal, Value::Null);
                return None;
            }
        };
        if let Err(refusal) = self.handle(now, &event) {
            self.refuse(&refusal, event["event_id"].clone());
        }
        Some(event)
    }

    fn handle(&mut self, now: Duration, event: &Value) -> Result<(), Refusal> {
        let Some(kind) = event["type"].as_str() else {
            return Err(Refusal::missing("type"));
        };
        match kind {
            "session.update" => self.update(&event["session"]),
            "input_audio_buffer.commit" => self.commit_by_client(now),
            "input_audio_buffer.clear" => {
                self.clear_input();
                Ok(())
            }
            "conversation.item.create" => self.create_item(event),
            "conversation.item.retrieve" => self.retrieve_item(event),
            "conversation.item.delete" => {
                let id = item_id(event)?;
                self.conversation.delete(id)?;
                self.emit(json!({"type": "conversation.item.deleted", "item_id": id}));
                Ok(())
            }
            "conversation.item.truncate" => self.truncate_item(event),
            "response.create" => self.create_response(now, event.get("response")),
            "response.cancel" => self.cancel_by_client(event["response_id"].as_str()),
            other => Err(Refusal::value("type", &format!("'{other}' is not an event"))),
        }
    }

    fn update(&mut self, change: &Value) -> Result<(), Refusal> {
        if let Some(refusal) = self.manner.refused_setting(change) {
            return Err(refusal);
        }
        self.settings.update(change, self.has_spoken)?;
        self.conduct = self.settings.conduct();
        let session = self.settings.session().clone();
        self.emit(json!({"type": "session.updated", "session": session}));
        Ok(())
    }

    fn create_item(&mut self, event: &Value) -> Result<(), Refusal> {
        let previous = event["previous_item_id"].as_str();
        let id = self.name("item");
        let (item, before) = self.conversation.create(event["item"].clone(), previous, || id)?;
        self.emit_item(&before, &item);
        self.take_typed(&item);
        Ok(())
    }

    /// What a client writes into the conversation for the caller is a turn of the script, if the words
    /// are; what it writes for the assistant is the reply to it.
    fn take_typed(&mut self, item: &Value) {
        match (item["role"].as_str(), item["content"][0]["text"].as_str()) {
            (Some("user"), Some(text)) => {
                let index = self.manner.script.turn_of(text);
                self.typed = index.map(|index| TypedTurn { index, is_replied: false });
            }
            (Some("assistant"), _) => {
                if let Some(typed) = &mut self.typed {
                    typed.is_replied = true;
                }
            }
            _ => {}
        }
    }

    /// A complete item is part of the conversation.
    pub(super) fn emit_item(&mut self, previous: &Value, item: &Value) {
        for kind in ["conversation.item.added", "conversation.item.done"] {
            self.emit(json!({"type": kind, "previous_item_id": previous, "item": item}));
        }
    }

    fn retrieve_item(&mut self, event: &Value) -> Result<(), Refusal> {
        let id = item_id(event)?;
        let Some(item) = self.conversation.get(id).cloned() else {
            return Err(Refusal {
                code: "item_retrieve_invalid_item_id",
                message: format!("No item '{id}' in the conversation."),
                param: Some("item_id".to_owned()),
            });
        };
        self.emit(json!({"type": "conversation.item.retrieved", "item": item}));
        Ok(())
    }

    fn truncate_item(&mut self, event: &Value) -> Result<(), Refusal> {
        let id = item_id(event)?;
        let number = |field: &str| event[field].as_u64().ok_or_else(|| Refusal::missing(field));
        let (content_index, end_ms) = (number("content_index")?, number("audio_end_ms")?);
        self.conversation.truncate(id, content_index, end_ms)?;
        self.emit(json!({"type": "conversation.item.truncated", "item_id": id,
            "content_index": content_index, "audio_end_ms": end_ms}));
        Ok(())
    }

    /// When [`Session::due`] has something to do next.
    pub(super) fn deadline(&self) -> Duration {
        let words = self.pending_words.iter().map(|words| words.at);
        let replies = self.replies.iter().filter_map(Reply::next_at);
        words.chain(replies).fold(self.expires_at, Duration::min)
    }

    /// Does what is due at `now`.
    pub(super) fn due(&mut self, now: Duration) {
        self.send_words(now);
        self.advance_replies(now);
        if now >= self.expires_at {
            self.error(&ErrorBody {
                kind: "invalid_request_error".to_owned(),
                code: Some("session_expired".to_owned()),
                message: "Your session hit the maximum duration.".to_owned(),
            });
            self.outbox.push_back(Outgoing::Close(1001));
            self.expires_at += self.manner.session_limit;
        }
    }

    /// Puts an event into the outbox, under an id of its own.
    pub(super) fn emit(&mut self, mut event: Value) {
        event["event_id"] = self.name("event").into();
        self.outbox.push_back(Outgoing::Event(event));
    }

    /// Puts an `error` event into the outbox that no event of the client caused.
    pub(super) fn error(&mut self, body: &ErrorBody) {
        self.emit(json!({"type": "error", "error": {"type": body.kind, "code": body.code,
            "message": body.message, "param": null, "event_id": null}}));
    }

    /// Puts messages into the outbox that make no sense.
    pub(super) fn talk_nonsense(&mut self, messages: u16) {
        let kinds = NONSENSE.iter().cycle().take(messages.into());
        self.outbox.extend(kinds.map(|text| Outgoing::Raw(text)));
    }

    fn refuse(&mut self, refusal: &Refusal, event_id: Value) {
        self.emit(json!({"type": "error", "error": {"type": "invalid_request_error",
            "code": refusal.code, "message": refusal.message, "param": refusal.param,
            "event_id": event_id}}));
    }

    /// A new id, unique in the service.
    pub(super) fn name(&mut self, kind: &str) -> String {
        self.names += 1;
        format!("{kind}_{}_{}", self.number, self.names)
    }
}

fn item_id(event: &Value) -> Result<&str, Refusal> {
    event["item_id"].as_str().ok_or_else(|| Refusal::missing("item_id"))
}
