//! Twilio's REST side for the calls of this process: a live call is read, moved and ended, and
//! messages are taken.

use std::collections::{BTreeMap, HashMap};
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, StatusCode, header};
use parking_lot::{Mutex, MutexGuard};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::numbers::{self, Number};
use super::{CallOptions, random_sid};
use crate::clock::{Clock, spawn};
use crate::private::Private;
use crate::twilio::rest::{MAX_MESSAGE_CHARACTERS, MAX_TWIML_CHARACTERS};
use crate::web::serve::Limits;

/// Updates of one call that may wait. The policy at full: 429.
const UPDATES: usize = 4;
/// Messages that are kept; what is beyond it is taken and forgotten.
const MESSAGES: usize = 4_096;
/// Connections at once; more wait to be accepted.
const LIMITS: Limits =
    Limits { connections: 256, body_bytes: 64 * 1024, body_time: Duration::from_secs(10) };

/// A frame of MP3 in which nothing is heard (MPEG-1, layer III, 32 kbit/s, 44.1 kHz, one channel): its
/// head, so many zeros behind it, and how many of them are some three seconds.
const SILENT_FRAME: [u8; 4] = [0xff, 0xfb, 0x10, 0xc4];
const SILENT_FRAME_ZEROS: usize = 100;
const SILENT_FRAMES: usize = 115;

/// The interface. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Api {
    account_sid: Option<String>,
    auth_token: Option<Private<String>>,
    state: Arc<Mutex<Known>>,
}

/// What the interface knows.
#[derive(Debug, Default)]
pub(super) struct Known {
    calls: HashMap<String, PlacedLine>,
    messages: Vec<Message>,
    /// What callers left, by its name: the account that has it.
    recordings: HashMap<String, String>,
    pub(super) numbers: Vec<Number>,
    /// Whether accounts are trials.
    pub(super) is_trial: bool,
}

/// A message that was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Message {
    /// The number that it comes from.
    pub from: String,
    /// Whom it goes to.
    pub to: String,
    /// The text of the message.
    pub body: String,
}

/// A call that was placed. Over once nobody takes updates.
#[derive(Debug)]
struct PlacedLine {
    account_sid: String,
    from: Private<String>,
    to: Private<String>,
    is_answered: bool,
    /// How long it was, once it is over.
    seconds: Option<u64>,
    updates: mpsc::Sender<Update>,
}

/// What becomes of a live call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Update {
    /// It does what this document says.
    Document(String),
    /// It does what the document at this address says.
    Ask(String),
    /// It ends.
    HangUp,
}

/// A call's place in the interface. Dropped when the call is over.
#[derive(Debug)]
pub(super) struct Reachable {
    api: Api,
    call_sid: String,
    clock: Clock,
    answered_at: Option<Duration>,
    updates: mpsc::Receiver<Update>,
}

/// An error in Twilio's words.
pub(super) struct ApiError {
    status: StatusCode,
    code: u32,
    message: &'static str,
}

pub(super) type Answer = Result<(StatusCode, Json<Value>), ApiError>;

const fn refused(status: StatusCode, code: u32, message: &'static str) -> ApiError {
    ApiError { status, code, message }
}

const NOT_SIGNED_IN: ApiError = refused(StatusCode::UNAUTHORIZED, 20_003, "Authenticate");
pub(super) const NOT_FOUND: ApiError =
    refused(StatusCode::NOT_FOUND, 20_404, "The requested resource was not found");
const NOT_LIVE: ApiError =
    refused(StatusCode::BAD_REQUEST, 21_220, "Call is not in-progress. Cannot redirect.");
const TOO_MANY: ApiError = refused(StatusCode::TOO_MANY_REQUESTS, 20_429, "Too many requests");

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = json!({
            "code": self.code,
            "message": self.message,
            "more_info": format!("https://www.twilio.com/docs/errors/{}", self.code),
            "status": self.status.as_u16(),
        });
        (self.status, Json(body)).into_response()
    }
}

impl Api {
    /// An interface without calls. `account_sid` and `auth_token` are the only ones that are
    /// accepted; without one any is.
    pub fn new(account_sid: Option<String>, auth_token: Option<Private<String>>) -> Self {
        Self { account_sid, auth_token, state: Arc::default() }
    }

    /// Serves it on `listener` for as long as the process lives.
    pub fn serve(&self, listener: TcpListener) -> JoinHandle<()> {
        let router = Router::new()
            .route("/2010-04-01/Accounts/{account}/Calls/{call}", get(read_call).post(update_call))
            .route("/2010-04-01/Accounts/{account}/Messages.json", post(take_message))
            .route(
                "/2010-04-01/Accounts/{account}/Recordings/{recording}",
                get(read_recording).delete(delete_recording),
            )
            .merge(numbers::router())
            .fallback(async || NOT_FOUND)
            .with_state(self.clone());
        spawn(crate::web::serve::serve(listener, router, LIMITS, pending()))
    }

    /// The messages that were taken, in order.
    pub fn messages(&self) -> Vec<Message> {
        self.known().messages.clone()
    }

    /// The recordings that there are, by their names.
    pub fn recordings(&self) -> Vec<String> {
        self.known().recordings.keys().cloned().collect()
    }

    /// Keeps what a caller left.
    pub fn keep(&self, account_sid: &str, recording_sid: &str) {
        self.known().recordings.insert(recording_sid.to_owned(), account_sid.to_owned());
    }

    /// Takes in a call that is being placed.
    pub(super) fn reach(&self, options: &CallOptions) -> Reachable {
        let (sender, updates) = mpsc::channel(UPDATES);
        let call = PlacedLine {
            account_sid: options.account_sid.clone(),
            from: options.from.clone(),
            to: options.to.clone(),
            is_answered: false,
            seconds: None,
            updates: sender,
        };
        self.known().calls.insert(options.call_sid.clone(), call);
        let (call_sid, clock) = (options.call_sid.clone(), options.clock);
        Reachable { api: self.clone(), call_sid, clock, answered_at: None, updates }
    }

    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.state.lock()
    }

    /// Checks who asks for something of `account`.
    pub(super) fn check(&self, account: &str, headers: &HeaderMap) -> Result<(), ApiError> {
        let credentials = headers.get(header::AUTHORIZATION).and_then(|value| {
            let encoded = value.to_str().ok()?.strip_prefix("Basic ")?;
            String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()
        });
        let credentials = credentials.ok_or(NOT_SIGNED_IN)?;
        let (user, token) = credentials.split_once(':').ok_or(NOT_SIGNED_IN)?;
        let is_signed_in = user == account
            && self.account_sid.as_ref().is_none_or(|own| own == account)
            && self.auth_token.as_ref().is_none_or(|own| own.reveal() == token);
        if is_signed_in { Ok(()) } else { Err(NOT_SIGNED_IN) }
    }
}

impl Reachable {
    /// The server took the call.
    pub(super) fn answered(&mut self) {
        self.answered_at.get_or_insert_with(|| self.clock.now());
        if let Some(call) = self.api.known().calls.get_mut(&self.call_sid) {
            call.is_answered = true;
        }
    }
}

impl Drop for Reachable {
    fn drop(&mut self) {
        let lasted = self.answered_at.map(|at| self.clock.now().saturating_sub(at));
        if let Some(call) = self.api.known().calls.get_mut(&self.call_sid) {
            call.seconds = Some(lasted.unwrap_or_default().as_millis().div_ceil(1_000) as u64);
        }
    }
}

/// The next update of a call; of one that cannot be reached, never.
pub(super) async fn next_update(reachable: &mut Option<Reachable>) -> Update {
    let next = match reachable {
        Some(reachable) => reachable.updates.recv().await,
        None => None,
    };
    match next {
        Some(update) => update,
        None => pending().await,
    }
}

impl PlacedLine {
    fn status(&self) -> &'static str {
        match (self.updates.is_closed(), self.is_answered) {
            (true, _) => "completed",
            (false, true) => "in-progress",
            (false, false) => "ringing",
        }
    }

    fn resource(&self, call_sid: &str) -> Value {
        json!({
            "sid": call_sid,
            "account_sid": self.account_sid,
            "api_version": "2010-04-01",
            "direction": "inbound",
            "from": self.from.reveal(),
            "to": self.to.reveal(),
            "status": self.status(),
            "duration": self.seconds.map(|seconds| seconds.to_string()),
            "uri": format!("/2010-04-01/Accounts/{}/Calls/{call_sid}.json", self.account_sid),
        })
    }
}

async fn read_call(
    State(api): State<Api>,
    Path((account, call)): Path<(String, String)>,
    headers: HeaderMap,
) -> Answer {
    api.check(&account, &headers)?;
    let call_sid = call.strip_suffix(".json").unwrap_or(&call);
    let known = api.known();
    let call = known.calls.get(call_sid).ok_or(NOT_FOUND)?;
    Ok((StatusCode::OK, Json(call.resource(call_sid))))
}

/// What a caller left, as Twilio gives it: here, silence.
async fn read_recording(
    State(api): State<Api>,
    Path((account, recording)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    api.check(&account, &headers)?;
    let sid = recording.strip_suffix(".mp3").ok_or(NOT_FOUND)?;
    if api.known().recordings.get(sid) != Some(&account) {
        return Err(NOT_FOUND);
    }
    let frames = SILENT_FRAME.iter().chain(&[0; SILENT_FRAME_ZEROS]).copied();
    let sound: Vec<u8> = frames.collect::<Vec<u8>>().repeat(SILENT_FRAMES);
    Ok(([(header::CONTENT_TYPE, "audio/mpeg")], sound).into_response())
}

async fn delete_recording(
    State(api): State<Api>,
    Path((account, recording)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    api.check(&account, &headers)?;
    let sid = recording.strip_suffix(".json").unwrap_or(&recording);
    let mut known = api.known();
    if known.recordings.get(sid) != Some(&account) {
        return Err(NOT_FOUND);
    }
    known.recordings.remove(sid);
    Ok(StatusCode::NO_CONTENT)
}

async fn update_call(
    State(api): State<Api>,
    Path((account, call)): Path<(String, String)>,
    headers: HeaderMap,
    Form(fields): Form<BTreeMap<String, String>>,
) -> Answer {
    api.check(&account, &headers)?;
    let call_sid = call.strip_suffix(".json").unwrap_or(&call);
    let known = api.known();
    let call = known.calls.get(call_sid).ok_or(NOT_FOUND)?;
    let update = read_update(&fields)?;
    let is_live = call.is_answered || update == Update::HangUp;
    if !is_live || call.updates.is_closed() {
        return Err(NOT_LIVE);
    }
    call.updates.try_send(update).map_err(|_| TOO_MANY)?;
    Ok((StatusCode::OK, Json(call.resource(call_sid))))
}

fn read_update(fields: &BTreeMap<String, String>) -> Result<Update, ApiError> {
    let field = |name: &str| fields.get(name).filter(|value| !value.is_empty());
    match (field("Twiml"), field("Url"), field("Status").map(String::as_str)) {
        (Some(twiml), None, None) if twiml.chars().count() <= MAX_TWIML_CHARACTERS => {
            Ok(Update::Document(twiml.clone()))
        }
        (None, Some(url), None) => Ok(Update::Ask(url.clone())),
        (None, None, Some("completed" | "canceled")) => Ok(Update::HangUp),
        _ => Err(refused(
            StatusCode::BAD_REQUEST,
            20_001,
            "Exactly one of Twiml (at most 4000 characters), Url and Status=completed",
        )),
    }
}

async fn take_message(
    State(api): State<Api>,
    Path(account): Path<String>,
    headers: HeaderMap,
    Form(fields): Form<BTreeMap<String, String>>,
) -> Answer {
    api.check(&account, &headers)?;
    let field = |name: &str, code, message| {
        let value = fields.get(name).filter(|value| !value.is_empty());
        value.cloned().ok_or(refused(StatusCode::BAD_REQUEST, code, message))
    };
    let to = field("To", 21_604, "A 'To' phone number is required.")?;
    let from = field("From", 21_603, "A 'From' phone number is required.")?;
    let body = field("Body", 21_602, "Message body is required.")?;
    if body.chars().count() > MAX_MESSAGE_CHARACTERS {
        let message = "The concatenated message body exceeds the 1600 character limit";
        return Err(refused(StatusCode::BAD_REQUEST, 21_617, message));
    }
    let resource = json!({
        "sid": random_sid("SM"),
        "account_sid": account,
        "api_version": "2010-04-01",
        "direction": "outbound-api",
        "from": from,
        "to": to,
        "body": body,
        "status": "queued",
    });
    let mut known = api.known();
    if known.messages.len() < MESSAGES {
        known.messages.push(Message { from, to, body });
    }
    Ok((StatusCode::CREATED, Json(resource)))
}
