//! Twilio's side of a media stream, for the stand-in phone and for tests: writes what Twilio sends
//! and reads what is sent to it.

use serde_json::{Value, json};

/// Who a stream belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamIds {
    /// Twilio's name for the account.
    pub account_sid: String,
    /// Twilio's name for the call.
    pub call_sid: String,
    /// Twilio's name for the stream.
    pub stream_sid: String,
}

/// The first message of a socket.
pub fn connected() -> String {
    json!({"event": "connected", "protocol": "Call", "version": "1.0.0"}).to_string()
}

/// The beginning of a stream, with the TwiML's parameters.
pub fn start(ids: &StreamIds, sequence: u64, parameters: &[(String, String)]) -> String {
    let parameters: serde_json::Map<String, Value> =
        parameters.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
    json!({
        "event": "start",
        "sequenceNumber": sequence.to_string(),
        "streamSid": ids.stream_sid,
        "start": {
            "streamSid": ids.stream_sid,
            "accountSid": ids.account_sid,
            "callSid": ids.call_sid,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": parameters,
        },
    })
    .to_string()
}

/// Audio from the caller: base64 of raw μ-law, `timestamp_ms` after the stream began. `chunk`
/// counts from 1. The load generator writes 50 of these a second and call, so no serializer.
pub fn media(
    ids: &StreamIds,
    sequence: u64,
    chunk: u64,
    timestamp_ms: u64,
    payload: &str,
) -> String {
    format!(
        r#"{{"event":"media","sequenceNumber":"{sequence}","streamSid":"{}","media":{{"track":"inbound","chunk":"{chunk}","timestamp":"{timestamp_ms}","payload":"{payload}"}}}}"#,
        ids.stream_sid,
    )
}

/// A key that the caller pressed.
pub fn dtmf(ids: &StreamIds, sequence: u64, digit: char) -> String {
    json!({
        "event": "dtmf",
        "sequenceNumber": sequence.to_string(),
        "streamSid": ids.stream_sid,
        "dtmf": {"track": "inbound_track", "digit": digit.to_string()},
    })
    .to_string()
}

/// A mark that comes back.
pub fn mark(ids: &StreamIds, sequence: u64, name: &str) -> String {
    json!({
        "event": "mark",
        "sequenceNumber": sequence.to_string(),
        "streamSid": ids.stream_sid,
        "mark": {"name": name},
    })
    .to_string()
}

/// The end of a stream.
pub fn stop(ids: &StreamIds, sequence: u64) -> String {
    json!({
        "event": "stop",
        "sequenceNumber": sequence.to_string(),
        "streamSid": ids.stream_sid,
        "stop": {"accountSid": ids.account_sid, "callSid": ids.call_sid},
    })
    .to_string()
}

/// A message to Twilio.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outbound {
    /// Audio that is to be played to the caller.
    Media {
        /// Base64 of raw μ-law.
        payload: String,
    },
    /// A mark to send back when what came before it has been played.
    Mark {
        /// The mark's name, which is sent back.
        name: String,
    },
    /// Throw away what has not been played.
    Clear,
    /// Anything else. Twilio reports it as an error (31924, 31951).
    Unknown {
        /// What is wrong with it.
        why: String,
    },
}

impl Outbound {
    /// Reads a message, as strictly as Twilio: it must name the stream.
    pub fn parse(text: &str, stream_sid: &str) -> Self {
        let unknown = |why: &str| Self::Unknown { why: why.to_owned() };
        let Ok(message) = serde_json::from_str::<Message>(text) else {
            return unknown("not a JSON object with the documented types");
        };
        if message.stream_sid != stream_sid {
            return unknown("streamSid is not this stream's");
        }
        match (message.event.as_str(), message.media, message.mark) {
            ("media", Some(media), _) => Self::Media { payload: media.payload },
            ("mark", _, Some(mark)) => Self::Mark { name: mark.name },
            ("clear", _, _) => Self::Clear,
            (event, _, _) => unknown(&format!("event {event:?} is not known or not complete")),
        }
    }
}

#[derive(serde::Deserialize)]
struct Message {
    event: String,
    #[serde(rename = "streamSid")]
    stream_sid: String,
    media: Option<MediaField>,
    mark: Option<MarkField>,
}

#[derive(serde::Deserialize)]
struct MediaField {
    payload: String,
}

#[derive(serde::Deserialize)]
struct MarkField {
    name: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::twilio::media::{self as ours, Inbound};

    fn ids() -> StreamIds {
        StreamIds { account_sid: "AC1".into(), call_sid: "CA1".into(), stream_sid: "MZ1".into() }
    }

    #[test]
    fn what_one_side_writes_the_other_reads() {
        assert_eq!(Inbound::parse(&connected()), Ok(Inbound::Connected));
        let text = start(&ids(), 1, &[("token".to_owned(), "3f\"9c".to_owned())]);
        let Ok(Inbound::Start(start)) = Inbound::parse(&text) else { panic!("{text}") };
        assert_eq!((&*start.stream_sid, &*start.call_sid), ("MZ1", "CA1"));
        assert_eq!(start.custom_parameters.reveal()["token"], "3f\"9c");
        assert!(start.format.is_mulaw_8k());
        let text = media(&ids(), 3, 1, 20, "/////w==");
        let Ok(Inbound::Media(media)) = Inbound::parse(&text) else { panic!("{text}") };
        let counters = (media.timestamp_ms, media.chunk);
        assert_eq!((&*media.payload, counters), ("/////w==", (Some(20), Some(1))));
        assert_eq!(Inbound::parse(&dtmf(&ids(), 4, '#')), Ok(Inbound::Dtmf { digit: '#' }));
        let text = mark(&ids(), 5, "0:1:200");
        assert_eq!(Inbound::parse(&text), Ok(Inbound::Mark { name: "0:1:200".into() }));
        let text = stop(&ids(), 6);
        assert_eq!(Inbound::parse(&text), Ok(Inbound::Stop { call_sid: Some("CA1".into()) }));

        let read = |text: String| Outbound::parse(&text, "MZ1");
        let payload = "AAAA".to_owned();
        assert_eq!(read(ours::media("MZ1", "AAAA")), Outbound::Media { payload });
        assert_eq!(read(ours::mark("MZ1", "0:1:2")), Outbound::Mark { name: "0:1:2".into() });
        assert_eq!(read(ours::clear("MZ1")), Outbound::Clear);
    }

    #[test]
    fn what_twilio_would_refuse_is_unknown() {
        for text in [
            ours::clear("MZ2"),
            r#"{"event":"media","streamSid":"MZ1"}"#.to_owned(),
            r#"{"event":"stop","streamSid":"MZ1"}"#.to_owned(),
            r#"{"event":"clear"}"#.to_owned(),
            "clear".to_owned(),
        ] {
            assert!(matches!(Outbound::parse(&text, "MZ1"), Outbound::Unknown { .. }), "{text}");
        }
    }
}
