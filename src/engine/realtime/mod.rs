//! OpenAI Realtime over WebSocket (protocols 5): dialled, configured, spoken to and listened to.

mod backlog;
#[cfg(test)]
mod cancel_tests;
mod codec;
mod dial;
#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod lenient_tests;
mod outcome;
mod probe;
#[cfg(test)]
mod refusal_tests;
mod refusals;
mod response;
mod settings;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod trouble_tests;
mod wire;

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use metrics::counter;
use secrecy::SecretString;
use tokio::net::TcpStream;
use tokio_tungstenite::MaybeTlsStream;
use url::Url;
use uuid::Uuid;

use super::{Engine, FunctionSignature, Report};
use crate::call::{Event, ReplyId, ReplyOutcome, Role, Said};
use crate::clock;
use crate::socket::{Received, Socket};
use codec::{Codec, Order, Unread};
use dial::{Dialled, Refusal, dial};
pub use probe::probe;
pub use refusals::{Refusals, RefusedSetting};
use settings::Settings;
use wire::{ClientEvent, ServerError};

/// Messages in a row that make no sense, after which the service counts as lost.
const MALFORMED_IN_A_ROW: u32 = 32;
/// And in a whole session, in which some make sense: 60 minutes have 3,600 seconds.
const MALFORMED_MAX: u32 = 1_000;
/// What a session is configured with.
#[derive(Clone)]
pub struct RealtimeConfig {
    /// The service's base address, `https://…/v1`.
    pub base_url: Url,
    /// The key, if the service wants one.
    pub api_key: Option<SecretString>,
    /// The name of the speech model.
    pub model: String,
    /// The model that writes down what the caller says.
    pub transcription_model: String,
    /// The service's name for the voice.
    pub voice: String,
    /// The language, if it is known, as ISO 639-1.
    pub language: Option<String>,
    /// The system prompt of the session.
    pub instructions: String,
    /// What the model may call.
    pub functions: Vec<FunctionSignature>,
    /// What was said before, for a session that takes over.
    pub history: Vec<Said>,
    /// Put before the service's names for stretches of speech, which may be those of an earlier
    /// session again.
    pub utterance_prefix: String,
    /// Whose settings these are.
    pub agent_id: Uuid,
    /// What services refused of settings before.
    pub refusals: Refusals,
}

/// One connection to OpenAI Realtime. What is looked at for each frame of audio stands at the beginning.
#[repr(C)]
pub struct Realtime {
    /// μ-law bytes that were dropped and are owed as silence.
    silence_owed: usize,
    reports: VecDeque<Report>,
    state: State,
    codec: Codec,
    /// Messages that made no sense, in all and since the last that did.
    malformed: u32,
    malformed_in_a_row: u32,
    /// What it is configured with, until it is.
    settings: Option<Box<Settings>>,
    /// The reply asked for last and the message that asked for it.
    last_request: Option<(ReplyId, String)>,
    /// Our name for the item that is the context, and how many there were.
    context: Option<String>,
    contexts: u32,
    /// What waits for the connection to be there.
    waiting: VecDeque<String>,
    /// Audio among what waits, in base64 characters.
    backlog: usize,
}

#[expect(
    clippy::large_enum_variant,
    reason = "it is open nearly always, and a box is one more place that is cold"
)]
enum State {
    Dialling(Pin<Box<dyn Future<Output = Dialled> + Send>>),
    Open(Socket<MaybeTlsStream<TcpStream>>),
    Lost,
}

impl Realtime {
    /// Starts to dial. Audio and commands given from now on are sent when the service answers.
    pub fn dial(mut config: RealtimeConfig) -> Self {
        let codec = Codec::new(std::mem::take(&mut config.utterance_prefix));
        let history = std::mem::take(&mut config.history);
        let dialling = dial(dial::request(&config));
        let settings = Settings::new(config);
        let mut waiting = VecDeque::from([settings.update()]);
        waiting.extend(
            history.iter().map(|said| ClientEvent::message(said.role, &said.text).to_json()),
        );
        Self {
            codec,
            settings: Some(Box::new(settings)),
            state: State::Dialling(Box::pin(dialling)),
            reports: VecDeque::new(),
            last_request: None,
            context: None,
            contexts: 0,
            waiting,
            backlog: 0,
            silence_owed: 0,
            malformed: 0,
            malformed_in_a_row: 0,
        }
    }

    fn send(&mut self, event: &ClientEvent<'_>) {
        self.send_text(event.to_json());
    }

    fn send_text(&mut self, text: String) {
        match &mut self.state {
            State::Open(socket) => socket.send(text),
            State::Dialling(_) => self.waiting.push_back(text),
            State::Lost => {}
        }
    }

    fn lose(&mut self, fatal: bool, why: impl Into<String>) {
        self.state = State::Lost;
        let why = why.into();
        count_loss(fatal);
        self.reports.push_back(Report::Event(Event::EngineLost { fatal, why }));
    }

    fn poll_dial(&mut self, cx: &mut Context<'_>) {
        if let State::Dialling(dialling) = &mut self.state
            && let Poll::Ready(dialled) = dialling.as_mut().poll(cx)
        {
            match dialled {
                Ok(stream) => {
                    let mut socket = Socket::new(stream);
                    self.waiting.drain(..).for_each(|text| socket.send(text));
                    self.backlog = 0;
                    self.state = State::Open(socket);
                }
                Err(Refusal { fatal, why }) => self.lose(fatal, why),
            }
        }
    }

    fn received(&mut self, received: Received) {
        match received {
            Received::Text(text) => {
                let read = self.codec.read(&text, &mut self.reports);
                if read == Err(Unread::Malformed) {
                    return self.count_malformed();
                }
                self.malformed_in_a_row = 0;
                match read {
                    Err(Unread::Ignored) => counter!("frontdesk_engine_ignored_total").increment(1),
                    Err(Unread::Benign) => count_error("benign"),
                    Err(Unread::Settings(error)) => self.settings_refused(&error),
                    _ => {}
                }
                self.repeat_unblocked();
                while let Some(order) = self.codec.take_order() {
                    self.obey(&order);
                }
                self.look_at_reports();
            }
            Received::Binary => self.count_malformed(),
            Received::Control => {}
            Received::Closed(code) => {
                let why = code.map_or_else(|| "closed".to_owned(), |code| format!("closed {code}"));
                // 1008: the service refuses us by its policy, and would again.
                self.lose(code == Some(1008), why);
            }
            Received::Broken(why) => self.lose(false, why),
        }
    }

    /// The session is configured again without what is refused, unless no call can do without it.
    fn settings_refused(&mut self, error: &ServerError) {
        let without = self.settings.as_mut().and_then(|settings| settings.refuse(error));
        let Some(update) = without else { return self.lose(true, error.class_and_place()) };
        count_error("setting");
        // The service read the caller's audio so far in another format, so it is dropped.
        self.send(&ClientEvent::ClearInput { event_id: "clear" });
        self.send_text(update);
    }

    /// Sends what follows from what was read.
    fn obey(&mut self, order: &Order) {
        match order {
            Order::Cancel(id) => {
                self.send(&ClientEvent::CancelResponse {
                    event_id: "cancel",
                    response_id: Some(id),
                });
            }
            Order::Delete(item) => self.delete(item),
        }
    }

    /// The session is configured: what it is without is reported before that.
    fn report_refused(&mut self) {
        let refused = self.settings.take().into_iter().flat_map(|settings| {
            settings.accepted();
            let refused: Vec<_> = settings.refused().collect();
            refused
        });
        for RefusedSetting { field, value } in refused {
            self.reports.push_front(Report::Event(Event::SettingRefused { field, value }));
        }
    }

    /// A message that makes no sense is counted and survived, to a limit.
    fn count_malformed(&mut self) {
        counter!("frontdesk_engine_malformed_total").increment(1);
        self.malformed += 1;
        self.malformed_in_a_row += 1;
        if self.malformed_in_a_row >= MALFORMED_IN_A_ROW || self.malformed >= MALFORMED_MAX {
            self.lose(false, "too many malformed messages");
        }
    }

    /// Counts the errors among what one message reported; a lost session is over. How long a new
    /// one lasts is told in the service's wall time.
    fn look_at_reports(&mut self) {
        let ends_s = self.codec.expires_at_s();
        let is_ready = |report: &Report| matches!(report, Report::Event(Event::EngineReady { .. }));
        if self.settings.is_some() && self.reports.iter().any(is_ready) {
            self.report_refused();
        }
        for report in &mut self.reports {
            match report {
                Report::Event(Event::EngineReady { lasts_ms }) => {
                    // An end in the past is a clock that is wrong.
                    let left =
                        |end_s: u64| Duration::from_secs(end_s).checked_sub(clock::unix_now());
                    *lasts_ms = ends_s
                        .and_then(left)
                        .map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX));
                }
                Report::Event(Event::EngineLost { fatal, .. }) => {
                    count_loss(*fatal);
                    self.state = State::Lost;
                }
                Report::Event(Event::ReplyEnded {
                    outcome: ReplyOutcome::Failed { fatal, .. },
                    ..
                }) => count_error(if *fatal { "fatal" } else { "refused" }),
                Report::Event(Event::ReplyEnded { outcome: ReplyOutcome::Busy { .. }, .. }) => {
                    count_error("busy")
                }
                _ => {}
            }
        }
    }

    /// Asks again for a reply that another response was in the way of.
    fn repeat_unblocked(&mut self) {
        if let Some(reply) = self.codec.take_unblocked()
            && let Some((last, request)) = &self.last_request
            && *last == reply
        {
            let request = request.clone();
            self.codec.requested(reply);
            self.send_text(request);
        }
    }
}

impl Engine for Realtime {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Report> {
        loop {
            if let Some(report) = self.reports.pop_front() {
                return Poll::Ready(report);
            }
            self.poll_write(cx);
            if self.reports.is_empty() {
                let State::Open(socket) = &mut self.state else { return Poll::Pending };
                match socket.poll_read(cx) {
                    Poll::Ready(received) => self.received(received),
                    Poll::Pending => return Poll::Pending,
                }
            }
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) {
        self.poll_dial(cx);
        if let State::Open(socket) = &mut self.state
            && let Err(why) = socket.poll_write(cx)
        {
            self.lose(false, why);
        }
    }

    fn hear(&mut self, payload: &str) {
        self.hear_audio(payload);
    }

    fn hear_silence(&mut self, bytes: usize) {
        // 0xFF is silence, and its base64 is all slashes but for the end.
        let end = ["", "/w==", "//8="][bytes % 3];
        self.hear(&("/".repeat(bytes / 3 * 4) + end));
    }

    fn reply(&mut self, reply: ReplyId, instructions: Option<&str>) {
        let request = ClientEvent::create_response(reply, instructions).to_json();
        self.last_request = Some((reply, request.clone()));
        self.codec.requested(reply);
        self.send_text(request);
    }

    fn cancel(&mut self, reply: ReplyId) {
        let response_id = self.codec.cancelled(reply);
        self.send(&ClientEvent::CancelResponse {
            event_id: "cancel",
            response_id: response_id.as_deref(),
        });
    }

    fn truncate(&mut self, item: &str, heard_ms: u64) {
        self.send(&ClientEvent::Truncate {
            event_id: "truncate",
            item_id: item,
            content_index: 0,
            audio_end_ms: heard_ms,
        });
    }

    fn delete(&mut self, item: &str) {
        self.send(&ClientEvent::Delete { event_id: "delete", item_id: item });
    }

    fn add_message(&mut self, role: Role, text: &str) {
        self.send(&ClientEvent::message(role, text));
    }

    fn set_context(&mut self, text: Option<&str>) {
        if let Some(former) = self.context.take() {
            self.send(&ClientEvent::Delete { event_id: "context", item_id: &former });
        }
        if let Some(text) = text {
            self.contexts += 1;
            let id = format!("context_{}", self.contexts);
            self.send(&ClientEvent::context(&id, text));
            self.context = Some(id);
        }
    }

    fn give_output(&mut self, engine_call_id: &str, output: &str) {
        self.send(&ClientEvent::output(engine_call_id, output));
    }

    fn is_flushed(&self) -> bool {
        matches!(&self.state, State::Open(socket) if socket.is_flushed())
    }
}

/// `fatal`: refused for good. `lost`: the connection is gone. `refused`: a reply was not made.
/// `busy`: one was not made because too much is asked for. `setting`: the session is configured
/// without something. `benign`: an error that needs nothing done.
fn count_error(class: &'static str) {
    counter!("frontdesk_engine_errors_total", "class" => class).increment(1);
}

fn count_loss(fatal: bool) {
    count_error(if fatal { "fatal" } else { "lost" });
}
