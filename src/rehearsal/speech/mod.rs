//! The stand-in speech service: OpenAI's side of the wire (protocols 5, 6.4, 6.6) on a real
//! socket, so that the production path is what a rehearsal runs.
//!
//! It recognises no speech and has no model. Turns are found by the energy of the audio received,
//! words and replies come from a [`Script`], and the voice babbles. Everything else follows the
//! real service: the order of events, the pace of audio, what is refused and how.
//!
//! One session is a pure state machine (`session`); one task owns its socket (`socket`).

pub mod babble;
pub mod detector;
pub mod fault;
pub mod observer;
pub mod script;

mod chat;
mod conversation;
mod digest;
mod hearing;
mod http;
mod language;
mod models;
mod outputs;
mod reply;
mod service;
mod session;
mod settings;
mod shape;
mod socket;
mod speaking;
mod voice;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use self::fault::Fault;
use self::observer::SpeechObserver;
use self::script::{Script, Words};
use self::service::Service;
use crate::clock::{Clock, spawn};
use crate::web::serve::Limits;

/// The caller's side of the built-in script as μ-law at 8 kHz, one line each: real speech, made
/// by `scripts/sample-audio`.
pub const SAMPLES: [&[u8]; 6] = [
    sample(include_bytes!("../audio/caller-1.wav")),
    sample(include_bytes!("../audio/caller-2.wav")),
    sample(include_bytes!("../audio/caller-3.wav")),
    sample(include_bytes!("../audio/caller-4.wav")),
    sample(include_bytes!("../audio/caller-5.wav")),
    sample(include_bytes!("../audio/caller-6.wav")),
];

/// The header that sox writes before μ-law samples.
const WAV_HEADER_BYTES: usize = 58;

/// Connections at a time that are no sessions.
const LIMITS: Limits =
    Limits { connections: 4_096, body_bytes: 8 * 1024 * 1024, body_time: Duration::from_secs(30) };

const fn sample(wav: &'static [u8]) -> &'static [u8] {
    let (header, samples) = wav.split_at(WAV_HEADER_BYTES);
    assert!(matches!(header.split_at(50).1, [b'd', b'a', b't', b'a', ..]), "another header");
    samples
}

/// How the service behaves.
#[derive(Debug, Clone)]
pub struct SpeechOptions {
    /// The pace of everything that the service waits for.
    pub clock: Clock,
    /// What is heard and said.
    pub script: Script,
    /// When the caller's words come, where the script does not say.
    pub words: Words,
    /// From the commit to the words.
    pub words_delay: Duration,
    /// From a reply's request to its first audio, where the script does not say.
    pub first_audio: Duration,
    /// How long a session may last; the real service's is 60 minutes.
    pub session_limit: Duration,
    /// The one key that is accepted; `None` accepts any that is not empty.
    pub key: Option<String>,
    /// What the observer records.
    pub record: Record,
}

/// What the service records of its sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Record {
    /// What clients send, for assertions.
    Events,
    /// Nothing but how long stamped audio took to come, and it stamps its own: for load.
    Latency,
}

impl Default for SpeechOptions {
    fn default() -> Self {
        Self {
            clock: Clock::real(),
            script: Script::default(),
            words: Words::default(),
            words_delay: Duration::from_millis(300),
            first_audio: Duration::from_millis(250),
            session_limit: Duration::from_secs(3_600),
            key: None,
            record: Record::Events,
        }
    }
}

/// A running stand-in speech service.
#[derive(Debug)]
pub struct Speech {
    address: SocketAddr,
    service: Arc<Service>,
    task: JoinHandle<()>,
}

impl Speech {
    /// The address that the service listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What `OPENAI_BASE_URL` has to be for it.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// What it has seen.
    pub fn observer(&self) -> &SpeechObserver {
        &self.service.observer
    }

    /// Makes something go wrong.
    pub fn command(&self, fault: Fault) {
        self.service.command(fault);
    }

    /// Waits until it has ended, after `shutdown` is done.
    ///
    /// # Errors
    /// The service panicked.
    pub async fn ended(self) -> std::io::Result<()> {
        self.task.await.map_err(std::io::Error::other)
    }
}

/// Serves on `listener` until `shutdown` is done; then sessions are closed with 1001.
///
/// # Errors
/// The listener has no address.
pub fn serve(
    listener: TcpListener,
    options: SpeechOptions,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<Speech> {
    let address = listener.local_addr()?;
    let service = Arc::new(Service::new(options));
    let closing = service.clone();
    let shutdown = async move {
        shutdown.await;
        closing.command(Fault::CloseSockets { code: 1001 });
    };
    let router = http::router(service.clone());
    let task = spawn(crate::web::serve::serve(listener, router, LIMITS, shutdown));
    Ok(Speech { address, service, task })
}
