//! The messages of a media stream: what Twilio sends, and what is sent to it.
//!
//! Of what comes 99.9 % is `media`, 50 times a second and call: it is read in one pass, its payload
//! borrowed from the message. All counters are documented as decimal strings and read as numbers
//! too; unknown events and fields pass.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, Visitor};

use crate::private::Private;

/// A message from Twilio.
#[derive(Debug, Clone, PartialEq)]
pub enum Inbound<'a> {
    /// The socket is open. Nothing can be sent yet.
    Connected,
    /// The first message with content: the stream begins.
    Start(Start),
    /// Audio from the caller.
    Media(Media<'a>),
    /// The caller pressed a key: `0`-`9`, `*`, `#`, `A`-`D`.
    Dtmf {
        /// The key that was pressed.
        digit: char,
    },
    /// What was sent before this mark has been played, or was cleared.
    Mark {
        /// The mark's name.
        name: Cow<'a, str>,
    },
    /// The stream has ended. The socket closes next.
    Stop {
        /// The call, if it is named.
        call_sid: Option<Cow<'a, str>>,
    },
    /// An event that is not known here, or audio that is not the caller's. To be ignored.
    Unknown {
        /// The event's name.
        event: Cow<'a, str>,
    },
}

/// The beginning of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// The stream, which everything sent to it must name. Safe to put into JSON as it is.
    pub stream_sid: String,
    /// Twilio's name for the call.
    pub call_sid: String,
    /// The account, if it is named.
    pub account_sid: Option<String>,
    /// What the TwiML's `<Parameter>`s said.
    pub custom_parameters: Private<BTreeMap<String, String>>,
    /// How the audio is encoded; μ-law at 8 kHz where nothing is said.
    pub format: MediaFormat,
}

/// How a stream's audio is encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaFormat {
    /// `audio/x-mulaw`.
    pub encoding: String,
    /// Samples a second: 8000.
    pub sample_rate: u64,
    /// The number of channels, which is 1.
    pub channels: u64,
}

impl Default for MediaFormat {
    fn default() -> Self {
        Self { encoding: "audio/x-mulaw".to_owned(), sample_rate: 8000, channels: 1 }
    }
}

impl MediaFormat {
    /// Whether it is the one that Twilio documents: μ-law, 8 kHz, one channel.
    pub fn is_mulaw_8k(&self) -> bool {
        *self == Self::default()
    }
}

/// Audio from the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Media<'a> {
    /// Base64 of raw μ-law at 8 kHz, of any length. Not checked: see [`decoded_len`].
    pub payload: Cow<'a, str>,
    /// Milliseconds since the stream began.
    pub timestamp_ms: Option<u64>,
    /// Its number, from 1.
    pub chunk: Option<u64>,
}

/// Why a message was not read. No message holds what was in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MediaError {
    /// It is not a JSON object with the documented types.
    #[error("media stream message of {bytes} bytes is not the documented JSON (at byte {at})")]
    NotJson {
        /// The size of the message in bytes.
        bytes: usize,
        /// Where the first fault is.
        at: usize,
    },
    /// A field that is needed is not there, or not of its kind.
    #[error("media stream message lacks a usable {field}")]
    Missing {
        /// The path of the field in the message.
        field: &'static str,
    },
}

impl<'a> Inbound<'a> {
    /// Reads a message.
    ///
    /// # Errors
    /// If it is not JSON, names no event, or lacks what its event needs.
    pub fn parse(text: &'a str) -> Result<Self, MediaError> {
        let envelope: Envelope<'a> = match serde_json::from_str(text) {
            Ok(envelope) => envelope,
            // A field that only looks like one of ours must not spoil an unknown event.
            Err(error) => return unknown_event(text).ok_or(not_json(text, &error)),
        };
        let event = envelope.event.ok_or(MediaError::Missing { field: "event" })?.0;
        match &*event {
            "media" => {
                let media = envelope.media.ok_or(MediaError::Missing { field: "media" })?;
                if media.track.is_some_and(|track| track.0 != "inbound") {
                    return Ok(Self::Unknown { event });
                }
                let payload =
                    media.payload.ok_or(MediaError::Missing { field: "media.payload" })?.0;
                Ok(Self::Media(Media {
                    payload,
                    timestamp_ms: media.timestamp.0,
                    chunk: media.chunk.0,
                }))
            }
            "connected" => Ok(Self::Connected),
            "start" => {
                let start = envelope.start.ok_or(MediaError::Missing { field: "start" })?;
                Start::read(start, envelope.stream_sid).map(Self::Start)
            }
            "dtmf" => {
                let digit = envelope.dtmf.and_then(|dtmf| dtmf.digit).and_then(|text| key(&text.0));
                let digit = digit.ok_or(MediaError::Missing { field: "dtmf.digit" })?;
                Ok(Self::Dtmf { digit })
            }
            "mark" => {
                let name = envelope.mark.and_then(|mark| mark.name);
                Ok(Self::Mark { name: name.ok_or(MediaError::Missing { field: "mark.name" })?.0 })
            }
            "stop" => {
                let call_sid = envelope.stop.and_then(|stop| stop.call_sid);
                Ok(Self::Stop { call_sid: call_sid.map(|sid| sid.0) })
            }
            _ => Ok(Self::Unknown { event }),
        }
    }
}

impl Start {
    fn read(start: StartField<'_>, outer_sid: Option<Text<'_>>) -> Result<Self, MediaError> {
        let stream_sid = start.stream_sid.or(outer_sid).filter(|sid| is_safe_sid(&sid.0));
        let stream_sid = stream_sid.ok_or(MediaError::Missing { field: "start.streamSid" })?;
        let call_sid = start.call_sid.filter(|sid| is_safe_sid(&sid.0));
        let call_sid = call_sid.ok_or(MediaError::Missing { field: "start.callSid" })?;
        let usual = MediaFormat::default();
        let format = start.media_format.map_or(usual.clone(), |format| MediaFormat {
            encoding: format.encoding.map_or(usual.encoding, |encoding| encoding.0.into_owned()),
            sample_rate: format.sample_rate.0.unwrap_or(usual.sample_rate),
            channels: format.channels.0.unwrap_or(usual.channels),
        });
        let parameters = start.custom_parameters.unwrap_or_default().into_iter();
        let parameters = parameters.map(|(name, value)| match value {
            serde_json::Value::String(text) => (name, text),
            other => (name, other.to_string()),
        });
        Ok(Self {
            stream_sid: stream_sid.0.into_owned(),
            call_sid: call_sid.0.into_owned(),
            account_sid: start.account_sid.map(|sid| sid.0.into_owned()),
            custom_parameters: Private::new(parameters.collect()),
            format,
        })
    }
}

/// Whether a name can stand in JSON and in a log as it is: 1 to 64 letters, digits, `-` and `_`.
pub fn is_safe_sid(sid: &str) -> bool {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=64).contains(&sid.len()) && sid.bytes().all(safe)
}

/// How many bytes a base64 payload holds, without decoding it; `None` if it is not padded
/// standard base64. A payload for which this answers can stand in JSON as it is.
pub fn decoded_len(payload: &str) -> Option<usize> {
    let bytes = payload.as_bytes();
    if !bytes.len().is_multiple_of(4) {
        return None;
    }
    let padding = bytes.iter().rev().take(2).take_while(|&&byte| byte == b'=').count();
    let safe = |byte: u8| byte.is_ascii_alphanumeric() | (byte == b'+') | (byte == b'/');
    // Without a way out of the loop it works on many bytes at a time.
    let are_safe = bytes[..bytes.len() - padding].iter().fold(true, |all, &byte| all & safe(byte));
    are_safe.then_some(bytes.len() / 4 * 3 - padding)
}

/// A message that plays base64 μ-law. `stream_sid` and `payload` must be safe in JSON
/// ([`is_safe_sid`], [`decoded_len`]); nothing is escaped, as this is written 50 times a second
/// and call.
pub fn media(stream_sid: &str, payload: &str) -> String {
    debug_assert!(is_safe_sid(stream_sid) && decoded_len(payload).is_some());
    [
        r#"{"event":"media","streamSid":""#,
        stream_sid,
        r#"","media":{"payload":""#,
        payload,
        r#""}}"#,
    ]
    .concat()
}

/// A message that asks for `name` back when all that was sent before it has been played. The name
/// must be safe in JSON, as a `call::Mark` is.
pub fn mark(stream_sid: &str, name: &str) -> String {
    debug_assert!(is_safe_sid(stream_sid) && !name.contains(['"', '\\']));
    [r#"{"event":"mark","streamSid":""#, stream_sid, r#"","mark":{"name":""#, name, r#""}}"#]
        .concat()
}

/// A message that throws away all that has not been played. Every outstanding mark comes back at
/// once.
pub fn clear(stream_sid: &str) -> String {
    debug_assert!(is_safe_sid(stream_sid));
    [r#"{"event":"clear","streamSid":""#, stream_sid, r#""}"#].concat()
}

fn key(digit: &str) -> Option<char> {
    let mut characters = digit.chars();
    let key = characters.next()?.to_ascii_uppercase();
    let known = key.is_ascii_digit() || matches!(key, '*' | '#' | 'A'..='D');
    (known && characters.next().is_none()).then_some(key)
}

fn unknown_event(text: &str) -> Option<Inbound<'_>> {
    #[derive(serde::Deserialize)]
    struct EventOnly<'a> {
        #[serde(borrow)]
        event: Text<'a>,
    }
    let event = serde_json::from_str::<EventOnly<'_>>(text).ok()?.event.0;
    let known = matches!(&*event, "connected" | "start" | "media" | "dtmf" | "mark" | "stop");
    (!known).then_some(Inbound::Unknown { event })
}

fn not_json(text: &str, error: &serde_json::Error) -> MediaError {
    let lines = text.split_inclusive('\n').take(error.line().saturating_sub(1));
    let at = lines.map(str::len).sum::<usize>() + error.column();
    MediaError::NotJson { bytes: text.len(), at }
}

/// All events in one, so that one pass reads any of them.
#[derive(serde::Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    event: Option<Text<'a>>,
    #[serde(borrow, rename = "streamSid")]
    stream_sid: Option<Text<'a>>,
    #[serde(borrow)]
    media: Option<MediaField<'a>>,
    #[serde(borrow)]
    mark: Option<MarkField<'a>>,
    #[serde(borrow)]
    dtmf: Option<DtmfField<'a>>,
    #[serde(borrow)]
    start: Option<StartField<'a>>,
    #[serde(borrow)]
    stop: Option<StopField<'a>>,
}

#[derive(serde::Deserialize)]
struct MediaField<'a> {
    #[serde(borrow)]
    track: Option<Text<'a>>,
    #[serde(default)]
    chunk: Counter,
    #[serde(default)]
    timestamp: Counter,
    #[serde(borrow)]
    payload: Option<Text<'a>>,
}

#[derive(serde::Deserialize)]
struct MarkField<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
}

#[derive(serde::Deserialize)]
struct DtmfField<'a> {
    #[serde(borrow)]
    digit: Option<Text<'a>>,
}

#[derive(serde::Deserialize)]
struct StopField<'a> {
    #[serde(borrow, rename = "callSid")]
    call_sid: Option<Text<'a>>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct StartField<'a> {
    #[serde(borrow)]
    stream_sid: Option<Text<'a>>,
    #[serde(borrow)]
    call_sid: Option<Text<'a>>,
    #[serde(borrow)]
    account_sid: Option<Text<'a>>,
    #[serde(borrow)]
    media_format: Option<FormatField<'a>>,
    custom_parameters: Option<BTreeMap<String, serde_json::Value>>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct FormatField<'a> {
    #[serde(borrow)]
    encoding: Option<Text<'a>>,
    #[serde(default)]
    sample_rate: Counter,
    #[serde(default)]
    channels: Counter,
}

/// Borrowed unless the JSON has escapes in it, also inside an `Option`, where serde alone would
/// not borrow.
#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// A number, or a string of digits; anything else is as good as absent.
#[derive(Default)]
struct Counter(Option<u64>);

impl<'de> Deserialize<'de> for Counter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Lenient;
        impl<'de> Visitor<'de> for Lenient {
            type Value = Counter;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a counter")
            }
            fn visit_str<E>(self, text: &str) -> Result<Counter, E> {
                Ok(Counter(text.trim().parse().ok()))
            }
            fn visit_u64<E>(self, number: u64) -> Result<Counter, E> {
                Ok(Counter(Some(number)))
            }
            fn visit_i64<E>(self, number: i64) -> Result<Counter, E> {
                Ok(Counter(u64::try_from(number).ok()))
            }
            fn visit_f64<E>(self, number: f64) -> Result<Counter, E> {
                Ok(Counter((0.0..1e15).contains(&number).then_some(number as u64)))
            }
            fn visit_bool<E>(self, _: bool) -> Result<Counter, E> {
                Ok(Counter(None))
            }
            fn visit_unit<E>(self) -> Result<Counter, E> {
                Ok(Counter(None))
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                mut seq: A,
            ) -> Result<Counter, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Counter(None))
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Counter, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Counter(None))
            }
        }
        deserializer.deserialize_any(Lenient)
    }
}
