//! The connection to the browser: commands with their answers, and events for each page's journal.

use std::collections::HashMap;
use std::sync::Arc;

use frontdesk::clock::{self, within};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use super::DEADLINE;
use super::journal::Journal;

/// Commands that wait to be sent. Whoever sends more waits.
const ORDERS_MAX: usize = 64;

/// The largest message of the browser. A screenshot is one message.
const MESSAGE_BYTES_MAX: usize = 256 << 20;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;
/// What a command returns, or the browser's reason why not.
pub(super) type Answer = Result<Value, String>;

enum Order {
    Command {
        session: Option<String>,
        method: &'static str,
        params: Value,
        answer: Option<oneshot::Sender<Answer>>,
    },
    /// From now on this session's events go into this journal.
    Follow { session: String, journal: Arc<Journal> },
}

/// A handle of the connection, which closes with the last one.
#[derive(Debug, Clone)]
pub(super) struct Connection(mpsc::Sender<Order>);

impl Connection {
    pub(super) async fn open(address: &str) -> Self {
        let config = WebSocketConfig::default()
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX));
        let opens = Box::pin(connect_async_with_config(address, Some(config), true));
        let opened = within(DEADLINE, opens).await.expect("Chromium takes a connection");
        let (socket, _) = opened.expect("Chromium takes a connection");
        let (orders, taken) = mpsc::channel(ORDERS_MAX);
        clock::spawn(serve(socket, taken));
        Self(orders)
    }

    /// Sends a command and waits for its answer.
    pub(super) async fn call(
        &self,
        session: Option<&str>,
        method: &'static str,
        params: Value,
    ) -> Answer {
        let (answer, answered) = oneshot::channel();
        let session = session.map(str::to_owned);
        let order = Order::Command { session, method, params, answer: Some(answer) };
        let waits = async {
            self.0.send(order).await.ok()?;
            answered.await.ok()
        };
        let Some(answer) = within(DEADLINE, waits).await else {
            return Err(format!("no answer to {method} within {DEADLINE:?}"));
        };
        answer.unwrap_or_else(|| Err(format!("the browser was gone at {method}")))
    }

    /// Sends a command of which nobody waits for the answer, unless too many wait to be sent.
    pub(super) fn tell(&self, method: &'static str, params: Value) {
        let _ = self.0.try_send(Order::Command { session: None, method, params, answer: None });
    }

    /// Writes a session's events into a journal, from now on.
    pub(super) async fn follow(&self, session: &str, journal: &Arc<Journal>) {
        let order = Order::Follow { session: session.to_owned(), journal: Arc::clone(journal) };
        assert!(self.0.send(order).await.is_ok(), "the browser is gone");
    }
}

/// What the connection's task knows.
#[derive(Default)]
struct Desk {
    last_id: u64,
    waiting: HashMap<u64, oneshot::Sender<Answer>>,
    journals: HashMap<String, Arc<Journal>>,
}

async fn serve(mut socket: Socket, mut orders: mpsc::Receiver<Order>) {
    let mut desk = Desk::default();
    loop {
        let messages = tokio::select! {
            order = orders.recv() => match order {
                Some(order) => desk.take(order).into_iter().collect(),
                None => break,
            },
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => desk.hear(&text),
                Some(Ok(_)) => Vec::new(),
                Some(Err(_)) | None => break,
            },
        };
        for message in messages {
            if socket.send(Message::text(message)).await.is_err() {
                return;
            }
        }
    }
    // The browser may have gone first.
    let _ = socket.close(None).await;
}

impl Desk {
    /// The message that an order becomes, if any.
    fn take(&mut self, order: Order) -> Option<String> {
        match order {
            Order::Command { session, method, params, answer } => {
                let message = self.command(session.as_deref(), method, params);
                if let Some(answer) = answer {
                    self.waiting.insert(self.last_id, answer);
                }
                Some(message)
            }
            Order::Follow { session, journal } => {
                self.journals.insert(session, journal);
                None
            }
        }
    }

    fn command(&mut self, session: Option<&str>, method: &str, params: Value) -> String {
        self.last_id += 1;
        let mut message = json!({"id": self.last_id, "method": method, "params": params});
        if let Some(session) = session {
            message["sessionId"] = session.into();
        }
        message.to_string()
    }

    /// Passes on what the browser says. Gives what is to be sent in return.
    fn hear(&mut self, text: &str) -> Vec<String> {
        let mut message: Value = serde_json::from_str(text).expect("Chromium speaks JSON");
        if let Some(id) = message["id"].as_u64() {
            if let Some(waiting) = self.waiting.remove(&id) {
                let answer = match message["error"]["message"].as_str() {
                    Some(error) => Err(error.to_owned()),
                    None => Ok(message["result"].take()),
                };
                // Whoever asked may have given up.
                let _ = waiting.send(answer);
            }
            return Vec::new();
        }
        let session = message["sessionId"].as_str().unwrap_or_default().to_owned();
        let Some(journal) = self.journals.get(&session).map(Arc::clone) else { return Vec::new() };
        let method = message["method"].as_str().unwrap_or_default().to_owned();
        let params = message["params"].take();
        let replies = match method.as_str() {
            "Target.attachedToTarget" => self.attach(&params, &journal),
            "Target.detachedFromTarget" => {
                self.journals.remove(params["sessionId"].as_str().unwrap_or_default());
                Vec::new()
            }
            // A page stands still while it asks.
            "Page.javascriptDialogOpening" => vec![self.command(
                Some(&session),
                "Page.handleJavaScriptDialog",
                json!({"accept": true}),
            )],
            _ => Vec::new(),
        };
        journal.hear(&method, &params);
        replies
    }

    /// A worker or a frame of another site: what it loads belongs to its page. It waits until it
    /// is let run.
    fn attach(&mut self, params: &Value, journal: &Arc<Journal>) -> Vec<String> {
        let session = params["sessionId"].as_str().unwrap_or_default();
        self.journals.insert(session.to_owned(), Arc::clone(journal));
        ["Network.enable", "Log.enable", "Runtime.enable", "Runtime.runIfWaitingForDebugger"]
            .map(|method| self.command(Some(session), method, json!({})))
            .into()
    }
}
