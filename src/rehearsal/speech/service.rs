//! What all sessions and requests of the service share, and how it refuses.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::{broadcast, watch};

use super::chat::Chats;
use super::fault::{Failing, Fault, RefusedField};
use super::observer::SpeechObserver;
use super::script::ErrorBody;
use super::session::Manner;
use super::voice::Voice;
use super::{Record, SpeechOptions};

/// Faults that a session may be behind; one that is further behind misses the oldest.
const FAULTS_MAX: usize = 16;

/// What all sessions and requests share.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) options: SpeechOptions,
    pub(super) manner: Arc<Manner>,
    pub(super) observer: SpeechObserver,
    faults: broadcast::Sender<Fault>,
    stalled: watch::Sender<bool>,
    pub(super) hanging: watch::Sender<bool>,
    pub(super) refusing: Mutex<Option<StatusCode>>,
    pub(super) chats: Chats,
    sessions: AtomicU64,
}

impl Service {
    pub(super) fn new(options: SpeechOptions) -> Self {
        let manner = Manner {
            script: options.script.clone(),
            words: options.words,
            words_delay: options.words_delay,
            first_audio: options.first_audio,
            session_limit: options
                .script
                .session_ms
                .map_or(options.session_limit, Duration::from_millis)
                .max(Duration::from_millis(1)),
            voice: Voice::default(),
            failures: Mutex::default(),
        };
        let chats = Chats::new(&options.script.chats);
        let faults = options.script.faults.clone();
        let service = Self {
            options,
            chats,
            manner: Arc::new(manner),
            observer: SpeechObserver::new(),
            faults: broadcast::Sender::new(FAULTS_MAX),
            stalled: watch::Sender::new(false),
            hanging: watch::Sender::new(false),
            refusing: Mutex::default(),
            sessions: AtomicU64::new(0),
        };
        faults.into_iter().for_each(|fault| service.command(fault));
        service
    }

    pub(super) fn command(&self, fault: Fault) {
        match fault {
            Fault::RefuseConnects { status } => *self.refusing.lock() = Some(refusal(status)),
            Fault::RefuseChats { status } => self.chats.set_refusing(Some(refusal(status))),
            Fault::AcceptChats => self.chats.set_refusing(None),
            Fault::HangConnects => {
                self.hanging.send_replace(true);
            }
            Fault::AcceptConnects => {
                *self.refusing.lock() = None;
                self.hanging.send_replace(false);
            }
            Fault::Stall => {
                self.stalled.send_replace(true);
            }
            Fault::Resume => {
                self.stalled.send_replace(false);
            }
            Fault::FailResponse { error } => {
                self.manner.failures.lock().next.push_back(Failing::Error(error));
            }
            Fault::MuteResponse => self.manner.failures.lock().next.push_back(Failing::Mute),
            Fault::FailResponses { error } => self.manner.failures.lock().all = error,
            Fault::RefuseSetting { field, unnamed } => {
                self.manner.failures.lock().refused.push(RefusedField { field, unnamed });
            }
            // An error means that no session is there to hear it.
            fault @ (Fault::DropSockets
            | Fault::CloseSockets { .. }
            | Fault::Deafen
            | Fault::Nonsense { .. }
            | Fault::Error { .. }) => {
                let _ = self.faults.send(fault);
            }
        }
    }

    pub(super) fn faults(&self) -> broadcast::Receiver<Fault> {
        self.faults.subscribe()
    }

    pub(super) fn stalled(&self) -> watch::Receiver<bool> {
        self.stalled.subscribe()
    }

    /// Counts a session, and gives its number, from 1.
    pub(super) fn open_session(&self) -> u64 {
        self.observer.count(|counts| {
            counts.opened += 1;
            counts.open += 1;
        });
        self.sessions.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(super) fn close_session(&self) {
        self.observer.count(|counts| counts.open -= 1);
    }

    pub(super) fn count_sent(&self, kind: &str) {
        self.observer.count(|counts| match counts.sent.get_mut(kind) {
            Some(count) => *count += 1,
            None => {
                counts.sent.insert(kind.to_owned(), 1);
            }
        });
    }

    /// Keeps what was asked of the chat.
    pub(super) fn record_chat(&self, request: &Value) {
        if self.options.record == Record::Events {
            self.observer.record_chat(request.clone());
        }
    }

    pub(super) fn accepts(&self, headers: &HeaderMap) -> bool {
        let token = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "))
            .map_or("", str::trim);
        match &self.options.key {
            Some(key) => token == key,
            None => !token.is_empty(),
        }
    }
}

/// The status of a refusal, which is no success.
fn refusal(status: u16) -> StatusCode {
    let status = StatusCode::from_u16(status).ok().filter(|status| !status.is_success());
    status.unwrap_or(StatusCode::SERVICE_UNAVAILABLE)
}

/// An answer that is no success, in OpenAI's shape (protocols 6.6).
#[derive(Debug)]
pub(super) struct HttpError {
    status: StatusCode,
    error: ErrorBody,
    param: Option<&'static str>,
}

impl HttpError {
    pub(super) fn new(status: StatusCode, code: &str, message: &str) -> Self {
        let kind = if status.is_server_error() { "server_error" } else { "invalid_request_error" };
        let error = ErrorBody {
            kind: kind.to_owned(),
            code: Some(code.to_owned()),
            message: message.to_owned(),
        };
        Self { status, error, param: None }
    }

    /// As a script has it.
    pub(super) fn scripted(status: u16, error: Option<ErrorBody>) -> Self {
        let status = refusal(status);
        match error {
            Some(error) => Self { status, error, param: None },
            None => Self::new(status, "refused", "The rehearsal refuses."),
        }
    }

    pub(super) fn bad(param: &'static str, message: &str) -> Self {
        let error = Self::new(StatusCode::BAD_REQUEST, "invalid_value", message);
        Self { param: Some(param), ..error }
    }
}

impl IntoResponse for HttpError {
    fn into_response(self) -> Response {
        let ErrorBody { kind, code, message } = self.error;
        let body = json!({"error": {"message": message, "type": kind, "code": code,
            "param": self.param}});
        (self.status, Json(body)).into_response()
    }
}
