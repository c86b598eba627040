//! An owner's service that takes webhooks, on a real port: it answers as it is told and keeps what
//! it was sent.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use frontdesk::clock;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// How long a test waits for a message.
const DEADLINE: Duration = Duration::from_secs(30);

/// One message as it came.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) timestamp: String,
    pub(crate) signature: Option<String>,
    pub(crate) body: String,
}

impl Message {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// Whether it is signed with this key as Standard Webhooks has it, worked out from the hash
    /// alone (RFC 2104).
    pub(crate) fn is_signed_with(&self, key: &[u8]) -> bool {
        let mut block = [0_u8; 64];
        assert!(key.len() <= block.len(), "a longer key is hashed first");
        block[..key.len()].copy_from_slice(key);
        let padded = |with: u8| block.map(|byte| byte ^ with);
        let text = format!("{}.{}.{}", self.id, self.timestamp, self.body);
        let inner = Sha256::new().chain_update(padded(0x36)).chain_update(text).finalize();
        let outer = Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize();
        self.signature.as_deref() == Some(&format!("v1,{}", STANDARD.encode(outer)))
    }
}

/// The service.
pub(crate) struct Receiver {
    pub(crate) port: u16,
    came: watch::Receiver<Vec<Message>>,
}

impl Receiver {
    /// One that answers with these statuses in turn, and then with 204.
    pub(crate) async fn start(statuses: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (tell, came) = watch::channel(Vec::new());
        let statuses = Arc::new(Mutex::new(VecDeque::from(statuses.to_vec())));
        let take = async move |headers: HeaderMap, body: Bytes| {
            let header = |name: &str| Some(headers.get(name)?.to_str().unwrap().to_owned());
            assert_eq!(header("content-type").as_deref(), Some("application/json"));
            let message = Message {
                id: header("webhook-id").unwrap(),
                timestamp: header("webhook-timestamp").unwrap(),
                signature: header("webhook-signature"),
                body: String::from_utf8(body.to_vec()).unwrap(),
            };
            let status = statuses.lock().unwrap().pop_front().unwrap_or(204);
            tell.send_modify(|messages: &mut Vec<Message>| messages.push(message));
            StatusCode::from_u16(status).unwrap()
        };
        let router = axum::Router::new().route("/hook", axum::routing::post(take));
        clock::spawn(async move { axum::serve(listener, router).await });
        Self { port, came }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook", self.port)
    }

    /// The messages, once there are so many.
    pub(crate) async fn messages(&self, count: usize) -> Vec<Message> {
        let mut came = self.came.clone();
        let enough = came.wait_for(|messages| messages.len() >= count);
        clock::within(DEADLINE, enough).await.expect("the messages come").unwrap().clone()
    }
}
