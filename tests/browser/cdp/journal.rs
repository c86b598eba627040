//! What happened in a page: its requests, its errors, and how far it has loaded.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use frontdesk::clock::within;
use serde_json::Value;
use tokio::sync::watch;

use super::DEADLINE;

/// Requests and errors that are kept of a page. A page with more is broken.
const KEPT_MAX: usize = 2_000;

/// The function that a page's helper calls about a violation of its policy.
pub(super) const BINDING: &str = "frontdeskTestsViolation";

/// A request that a page made.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    id: String,
    pub(crate) url: String,
    /// Host and port, as in the URL. Empty for `data:` and the like.
    pub(crate) host: String,
    pub(crate) method: String,
    /// What it is for: `Document`, `Stylesheet`, `Script`, `Fetch`, `EventSource`, `WebSocket`, …
    pub(crate) kind: String,
    /// `None` as long as there is no answer.
    pub(crate) status: Option<u16>,
    /// What went over the wire, head and body. 0 when it came from the cache.
    pub(crate) bytes: u64,
    /// Whether it is over. A stream goes on.
    pub(crate) ended: bool,
    /// Why it failed or was blocked, if so.
    pub(crate) failed: Option<String>,
    /// Whether the browser itself wants the page's icon, at a time of its own.
    is_icon: bool,
}

impl Request {
    fn new(id: &str, url: &str, method: &str, kind: &str) -> Self {
        let parsed = url::Url::parse(url).ok();
        let host = parsed.as_ref().and_then(|url| match (url.host_str(), url.port()) {
            (Some(host), Some(port)) => Some(format!("{host}:{port}")),
            (host, _) => host.map(str::to_owned),
        });
        Self {
            id: id.to_owned(),
            url: url.to_owned(),
            host: host.unwrap_or_default(),
            method: method.to_owned(),
            kind: kind.to_owned(),
            status: None,
            bytes: 0,
            ended: false,
            failed: None,
            is_icon: false,
        }
    }

    /// Whether it goes on until the page or the server ends it.
    pub(super) fn is_stream(&self) -> bool {
        matches!(self.kind.as_str(), "EventSource" | "WebSocket" | "Media")
    }
}

/// What is known at a moment.
#[derive(Debug, Default)]
pub(super) struct State {
    requests: Vec<Request>,
    pub(super) errors: Vec<String>,
    pub(super) dialogs: Vec<String>,
    /// The documents that have loaded in the main frame, by the protocol's loader id.
    pub(super) loaded: HashSet<String>,
}

/// The journal of one page.
#[derive(Debug)]
pub(super) struct Journal {
    main_frame: String,
    state: Mutex<State>,
    changes: watch::Sender<()>,
}

impl Journal {
    pub(super) fn new(main_frame: &str) -> Self {
        let (changes, _) = watch::channel(());
        Self { main_frame: main_frame.to_owned(), state: Mutex::default(), changes }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // A test that panicked while it looked has changed nothing.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets what happened in the document that was there before.
    pub(super) fn turn_the_page(&self) {
        let mut state = self.state();
        state.requests.clear();
        state.errors.clear();
        state.dialogs.clear();
    }

    /// Waits until there is something to find; `None` when there was not within the deadline.
    pub(super) async fn until<T>(&self, mut find: impl FnMut(&State) -> Option<T>) -> Option<T> {
        let mut changes = self.changes.subscribe();
        let waits = async {
            loop {
                changes.borrow_and_update();
                if let Some(found) = find(&self.state()) {
                    return found;
                }
                changes.changed().await.expect("the journal holds the sender");
            }
        };
        within(DEADLINE, waits).await
    }

    /// Tells of what happens from now on.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Takes an event of the protocol.
    pub(super) fn hear(&self, method: &str, params: &Value) {
        let mut state = self.state();
        match method {
            "Page.lifecycleEvent"
                if params["name"] == "load" && params["frameId"] == self.main_frame.as_str() =>
            {
                state.loaded.insert(text(params, "/loaderId").to_owned());
            }
            "Page.javascriptDialogOpening" if state.dialogs.len() < KEPT_MAX => {
                state.dialogs.push(text(params, "/message").to_owned());
            }
            "Runtime.exceptionThrown" => state.err(exception(&params["exceptionDetails"])),
            "Runtime.consoleAPICalled" => state.called(params),
            "Runtime.bindingCalled" if params["name"] == BINDING => {
                state.err(format!("policy: {}", text(params, "/payload")));
            }
            "Log.entryAdded" => state.logged(&params["entry"]),
            _ => state.network(method, params),
        }
        drop(state);
        self.changes.send_replace(());
    }
}

/// What a script threw, with where.
pub(super) fn exception(details: &Value) -> String {
    let thrown = text(details, "/exception/description");
    let thrown =
        if thrown.is_empty() { details["exception"]["value"].to_string() } else { thrown.into() };
    format!("{} {thrown}", text(details, "/text"))
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

impl State {
    /// The requests that the page made.
    pub(super) fn requests_of_page(&self) -> impl DoubleEndedIterator<Item = &Request> {
        self.requests.iter().filter(|request| !request.is_icon)
    }

    fn err(&mut self, error: String) {
        if self.errors.len() < KEPT_MAX {
            self.errors.push(error);
        }
    }

    fn called(&mut self, params: &Value) {
        if params["type"] != "error" && params["type"] != "assert" {
            return;
        }
        let words =
            params["args"].as_array().into_iter().flatten().map(|argument| match argument["value"]
                .as_str()
            {
                Some(word) => word.to_owned(),
                None if argument["value"].is_null() => text(argument, "/description").to_owned(),
                None => argument["value"].to_string(),
            });
        self.err(words.collect::<Vec<_>>().join(" "));
    }

    /// An entry of the browser's own log. That the page itself has a status of an error is no
    /// fault of the page: [`super::Page::status`] tells. The icon may be asked for before or after
    /// a test looks.
    fn logged(&mut self, entry: &Value) {
        let url = text(entry, "/url");
        let id = text(entry, "/networkRequestId");
        let is_passed_over =
            |one: &Request| one.id == id && (one.kind == "Document" || one.is_icon);
        if entry["level"] != "error" || self.requests.iter().any(is_passed_over) {
            return;
        }
        self.err(format!("{}: {} ({url})", text(entry, "/source"), text(entry, "/text")));
    }

    fn network(&mut self, method: &str, params: &Value) {
        let id = text(params, "/requestId");
        match method {
            "Network.requestWillBeSent" => {
                if let Some(answer) = params.get("redirectResponse")
                    && let Some(redirected) = self.request(id)
                {
                    redirected.status = status(answer);
                    redirected.bytes = bytes(answer);
                    redirected.ended = true;
                }
                let request = &params["request"];
                let (url, method) = (text(request, "/url"), text(request, "/method"));
                let mut request = Request::new(id, url, method, text(params, "/type"));
                request.is_icon = request.kind == "Other" && params["initiator"]["type"] == "other";
                self.began(request);
            }
            "Network.webSocketCreated" => {
                self.began(Request::new(id, text(params, "/url"), "GET", "WebSocket"));
            }
            _ => {
                if let Some(request) = self.request(id) {
                    request.goes_on(method, params);
                }
            }
        }
    }

    fn began(&mut self, request: Request) {
        if self.requests.len() < KEPT_MAX {
            self.requests.push(request);
        }
    }

    /// The latest with this id: one that was redirected keeps its id.
    fn request(&mut self, id: &str) -> Option<&mut Request> {
        self.requests.iter_mut().rev().find(|request| request.id == id)
    }
}

impl Request {
    fn goes_on(&mut self, method: &str, params: &Value) {
        match method {
            "Network.responseReceived" => {
                self.status = status(&params["response"]);
                self.kind = text(params, "/type").to_owned();
            }
            "Network.webSocketHandshakeResponseReceived" => {
                self.status = status(&params["response"]);
            }
            "Network.loadingFinished" => {
                self.bytes = bytes(params);
                self.ended = true;
            }
            "Network.loadingFailed" => {
                let why = [text(params, "/errorText"), text(params, "/blockedReason")];
                self.failed = Some(why.join(" ").trim().to_owned());
                self.ended = true;
            }
            "Network.webSocketClosed" => self.ended = true,
            _ => {}
        }
    }
}

fn status(response: &Value) -> Option<u16> {
    response["status"].as_u64().and_then(|status| u16::try_from(status).ok())
}

/// Whole bytes, though the protocol has them as a number with a fraction.
fn bytes(value: &Value) -> u64 {
    let bytes = &value["encodedDataLength"];
    bytes.as_u64().or_else(|| bytes.as_f64().map(|bytes| bytes.max(0.0) as u64)).unwrap_or_default()
}
