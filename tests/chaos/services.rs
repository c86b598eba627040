//! The speech service behind two wires: one for its sessions, one for everything else that is asked
//! of the same address.

use std::net::SocketAddr;

use frontdesk::clock;
use frontdesk::rehearsal::speech::{Fault, Speech, SpeechOptions, serve};
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::plan;
use crate::proxy::{Tape, Wire, carry};

/// How the request for a session begins.
const SESSION: &[u8] = b"GET /v1/realtime";

/// The services.
pub(crate) struct Services {
    pub(crate) base_url: String,
    pub(crate) sessions: watch::Sender<Wire>,
    pub(crate) language: watch::Sender<Wire>,
    speech: Speech,
}

impl Services {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let script = serde_json::from_value(plan::script()).unwrap();
        let options = SpeechOptions { script, ..SpeechOptions::default() };
        let speech = serve(listener, options, std::future::pending::<()>()).unwrap();
        let (sessions, language) =
            (watch::Sender::new(Wire::Joined), watch::Sender::new(Wire::Joined));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
        let (target, wires) = (speech.address(), (sessions.clone(), language.clone()));
        clock::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                clock::spawn(take(client, target, wires.clone()));
            }
        });
        Self { base_url, sessions, language, speech }
    }

    /// Ends every session at once.
    pub(crate) fn drop_sessions(&self) {
        self.speech.command(Fault::DropSockets);
    }

    /// Sessions that are open.
    pub(crate) fn open(&self) -> u64 {
        self.speech.observer().counts().open
    }
}

/// Takes a connection over the wire that is for what it asks.
async fn take(
    client: TcpStream,
    target: SocketAddr,
    (sessions, language): (watch::Sender<Wire>, watch::Sender<Wire>),
) {
    let mut head = [0; SESSION.len()];
    loop {
        match client.peek(&mut head).await {
            Ok(length) if length == head.len() => break,
            // The rest is on its way; there is no other way to wait for more than there is.
            Ok(length) if length > 0 => {
                if client.ready(Interest::READABLE).await.is_err() {
                    return;
                }
                clock::pause(std::time::Duration::from_millis(1)).await;
            }
            Ok(_) | Err(_) => return,
        }
    }
    let wire = if head == SESSION { sessions } else { language };
    let target = (target.ip().to_string(), target.port());
    carry(client, target, wire.subscribe(), Tape::default()).await;
}
