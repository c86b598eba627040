//! The stand-in phone: Twilio's side of the wire. It signs and posts the voice webhook, does what
//! the TwiML says, opens the media stream, speaks for the caller and plays what comes back as
//! Twilio does: in real time, with marks echoed when they have been played, and `clear`.
//!
//! One call is one task, [`call`]; a load test starts many of them.

pub mod api;
mod caller;
mod connection;
mod far_end;
mod journal;
pub mod media_peer;
mod moves;
pub mod numbers;
mod placed;
mod playback;
mod sample;
mod script;
mod stream;
pub mod totals;
pub mod twiml_reader;
pub mod wav;
mod webhook;

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use rand::Rng;
use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::private::Private;
use api::Api;

pub use far_end::{DialStatus, FarEnd, NumberedFarEnd};
pub use journal::{CallReport, Dialled, Ended, MarkTime, PhoneEvent, PhoneEventKind};
pub use sample::{FRAME, FRAME_BYTES, Sample};
pub use script::{AfterDrop, AfterRing, Step, StreamFault, WebhookFault};

/// A call to be placed.
#[derive(Debug, Clone)]
pub struct CallOptions {
    /// The voice webhook, as it is configured at the number. It is signed as it stands here,
    /// without a fragment.
    pub voice_url: String,
    /// Asked once in a call for a document, where another address gave none.
    pub fallback_url: Option<String>,
    /// Where the end of the call is reported, if anywhere.
    pub status_url: Option<String>,
    /// The number that is called.
    pub to: Private<String>,
    /// Who calls: a number or one of the words for a withheld one.
    pub from: Private<String>,
    /// The number that forwards the call, if one does.
    pub forwarded_from: Option<Private<String>>,
    /// The call's name: `CA` and 32 hexadecimal digits.
    pub call_sid: String,
    /// The account's name: `AC` and 32 hexadecimal digits.
    pub account_sid: String,
    /// The key of every signature; without it nothing is signed.
    pub auth_token: Option<Private<String>>,
    /// The time that the call lives in.
    pub clock: Clock,
    /// What becomes of calls to other parties, by number; those to others are answered.
    pub far_ends: BTreeMap<String, FarEnd>,
    /// Where the call can be read, moved and ended while it lasts, if anywhere.
    pub api: Option<Api>,
    /// What is wrong with the first webhook.
    pub webhook_fault: WebhookFault,
    /// What is wrong with the media stream.
    pub stream_fault: StreamFault,
    /// The caller hangs up so long after the answer, whatever the script says.
    pub hang_up_after: Option<Duration>,
    /// The call is given up so long after the answer, and that is an error.
    pub longest: Duration,
    /// Whether the caller's frames carry [stamps](super::stamp), and when, by `clock`, those of
    /// the agent's audio are counted.
    pub stamps: Option<Range<Duration>>,
    /// Whether the agent's audio is kept in the report.
    pub keep_audio: bool,
    /// Posts the webhooks; clones share their connections.
    pub http: reqwest::Client,
    /// Who is told what happens as it happens. The policy at full: an event is lost, because a
    /// slow reader must not disturb the audio.
    pub events: Option<mpsc::Sender<PhoneEvent>>,
}

impl CallOptions {
    /// A sound call from a made-up number and account, unsigned, at most three minutes long.
    pub fn new(voice_url: impl Into<String>, to: impl Into<String>, clock: Clock) -> Self {
        Self {
            voice_url: voice_url.into(),
            fallback_url: None,
            status_url: None,
            to: Private::new(to.into()),
            from: Private::new("+15551230001".to_owned()),
            call_sid: random_sid("CA"),
            forwarded_from: None,
            account_sid: random_sid("AC"),
            auth_token: None,
            clock,
            far_ends: BTreeMap::new(),
            api: None,
            webhook_fault: WebhookFault::None,
            stream_fault: StreamFault::None,
            hang_up_after: None,
            longest: Duration::from_secs(180),
            stamps: None,
            keep_audio: false,
            http: crate::tls::http_client().build().unwrap_or_default(),
            events: None,
        }
    }
}

/// Places a call, does what `steps` say and what the server says, and reports when it is over.
/// Whatever goes wrong is in the report.
pub async fn call(options: CallOptions, steps: Vec<Step>) -> CallReport {
    placed::PlacedCall::new(options, steps).run().await
}

/// A name as Twilio makes them: two letters and 32 hexadecimal digits.
pub fn random_sid(prefix: &str) -> String {
    format!("{prefix}{:032x}", rand::rng().random::<u128>())
}
