//! Properties that hold for any input.

use frontdesk::agent::settings::AgentSettings;
use frontdesk::agent::{Agent, AgentSource, BusinessSource};
use frontdesk::audio::mulaw;
use frontdesk::private::Private;
use frontdesk::rehearsal::phone::twiml_reader::{Verb, parse};
use frontdesk::rehearsal::phone::wav;
use frontdesk::twilio::form::{Form, normalise_e164};
use frontdesk::twilio::media::{Inbound, decoded_len};
use frontdesk::twilio::signature::{is_valid, sign};
use frontdesk::twilio::token::{StreamClaims, TokenError, mint, peek, verify};
use frontdesk::twilio::twiml::{ConnectStream, Twiml};
use proptest::prelude::*;

fn params() -> impl Strategy<Value = Vec<(String, String)>> {
    prop::collection::vec(("[A-Za-z]{1,8}", ".{0,12}"), 0..8)
}

fn url() -> impl Strategy<Value = String> {
    ("https?|wss?", "[a-z]{1,8}(\\.[a-z]{2,4})?(:[1-9][0-9]{1,3})?", "(/[a-z0-9]{0,6}){0,3}")
        .prop_map(|(scheme, authority, path)| format!("{scheme}://{authority}{path}"))
}

fn claims() -> impl Strategy<Value = StreamClaims> {
    (
        any::<u128>(),
        "CA[0-9a-f]{32}",
        any::<u128>(),
        prop::option::of("[0-9a-f]{14}"),
        1u64..,
        "[a-z0-9]{1,22}",
    )
        .prop_map(|(agent, call_sid, instance, machine, expires_unix_s, nonce)| StreamClaims {
            agent_id: uuid::Uuid::from_u128(agent),
            call_sid,
            instance: uuid::Uuid::from_u128(instance),
            machine,
            expires_unix_s,
            nonce,
        })
}

/// What XML 1.0 can hold of a text.
fn holdable(text: &str) -> String {
    let forbidden = |c: char| (c < ' ' && !"\t\n\r".contains(c)) || "\u{fffe}\u{ffff}".contains(c);
    text.chars().filter(|&c| !forbidden(c)).collect()
}

/// Any JSON, its names often those of settings and days.
fn json() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}|[0-9]{1,5}:[0-9]{1,3} ?(am|pm)?|closed".prop_map(Value::from),
    ];
    let name = "limits|call_seconds|idle|fallback|number|kind|secrets|monday|tue|open|close|exceptions|2026-12-25|[a-z]{0,4}";
    leaf.prop_recursive(4, 24, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name, inner, 0..5)
                .prop_map(|object| Value::Object(object.into_iter().collect())),
        ]
    })
}

/// Writes raw μ-law at 8 kHz, one channel, as a WAV file.
fn wav_of(mulaw: &[u8]) -> Vec<u8> {
    let bytes = u32::try_from(mulaw.len()).unwrap_or(u32::MAX);
    let mut file = Vec::with_capacity(mulaw.len() + 58);
    file.extend(b"RIFF");
    file.extend(bytes.saturating_add(50).to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend(18u32.to_le_bytes());
    file.extend(7u16.to_le_bytes());
    file.extend(1u16.to_le_bytes());
    file.extend(mulaw::SAMPLE_RATE.to_le_bytes());
    file.extend(mulaw::SAMPLE_RATE.to_le_bytes());
    file.extend(1u16.to_le_bytes());
    file.extend(8u16.to_le_bytes());
    file.extend(0u16.to_le_bytes());
    // A format other than PCM must give the number of samples.
    file.extend(b"fact");
    file.extend(4u32.to_le_bytes());
    file.extend(bytes.to_le_bytes());
    file.extend(b"data");
    file.extend(bytes.to_le_bytes());
    file.extend(mulaw);
    file
}

proptest! {
    #[test]
    fn any_settings_and_hours_make_an_agent(settings in json(), schedule in json(), zone in "[A-Za-z/]{0,12}") {
        let _ = AgentSettings::read(&serde_json::Value::String(settings.to_string()));
        let agent = Agent::new(AgentSource {
            private_settings: Private::new(settings),
            business: Some(BusinessSource {
                operating_schedule: Some(schedule),
                timezone: Some(zone),
                ..BusinessSource::default()
            }),
            ..AgentSource::default()
        });
        let _ = agent.hours.is_open(jiff::Timestamp::UNIX_EPOCH);
        prop_assert!(agent.settings.limits.call_seconds > 0);
    }

    #[test]
    fn mulaw_is_at_most_half_a_step_off(sample in any::<i16>()) {
        // G.711: eight segments, the steps of each twice as wide as those of the one before.
        let byte = mulaw::encode(sample);
        let half_step = 4 << ((!byte >> 4) & 7);
        let clipped = i32::from(sample).clamp(-32_635, 32_635);
        let off = (i32::from(mulaw::decode(byte)) - clipped).abs();
        prop_assert!(off <= half_step, "{} {}", sample, off);
    }

    #[test]
    fn any_bytes_are_a_wav_file_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = wav::read_as_mulaw(&bytes);
        let mut file = wav_of(&bytes);
        prop_assert_eq!(wav::read_as_mulaw(&file), Ok(bytes));
        for at in 12..file.len().min(56) {
            file[at] ^= 0x55;
            let _ = wav::read_as_mulaw(&file);
            file[at] ^= 0x55;
        }
    }

    #[test]
    fn a_signature_holds_for_any_order_and_either_port(
        key in ".{1,40}", url in url(), mut params in params(),
    ) {
        let signature = sign(key.as_bytes(), &url, &params);
        params.reverse();
        prop_assert!(is_valid(&key, &url, &params, &signature));
    }

    #[test]
    fn a_changed_request_is_refused(url in url(), params in params(), more in "[a-z]{1,5}") {
        let signature = sign(b"key", &url, &params);
        let extended = format!("{url}/x{more}");
        prop_assert!(!is_valid("key", &extended, &params, &signature));
        let mut added = params.clone();
        added.push((format!("zz{more}"), String::new()));
        prop_assert!(!is_valid("key", &url, &added, &signature));
        prop_assert!(!is_valid("other", &url, &params, &signature));
    }

    #[test]
    fn checking_any_signature_of_any_url_ends(url in ".{0,60}", header in ".{0,40}") {
        prop_assert!(!is_valid("key", &url, &[], &header));
    }

    #[test]
    fn any_bytes_are_a_form_or_an_error(body in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(form) = Form::parse(&body) {
            let encoded: String =
                url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form.fields()).finish();
            let again = Form::parse(encoded.as_bytes()).unwrap();
            prop_assert_eq!(again.fields(), form.fields());
        }
    }

    #[test]
    fn a_number_is_the_same_however_it_is_written(
        digits in "[1-9][0-9]{7,14}", separators in prop::collection::vec("[ .-]{0,2}", 15),
    ) {
        let decorated: String =
            digits.chars().zip(&separators).map(|(digit, separator)| format!("{digit}{separator}")).collect();
        let plain = format!("+{digits}");
        let read = normalise_e164(&plain);
        prop_assert_eq!(normalise_e164(&format!(" +{decorated}")), read.clone());
        // But for a zero behind the country code, and the words that stand for no number.
        let is_itself = read.as_ref() == Some(&plain);
        prop_assert!(is_itself || digits.contains('0') || read.is_none(), "{:?}", read);
    }

    #[test]
    fn a_normalised_number_is_e164_and_stays_so(text in "\\PC{0,20}|[+0-9 ().-]{0,24}") {
        if let Some(number) = normalise_e164(&text) {
            prop_assert!(number.starts_with('+') && (9..=16).contains(&number.len()), "{}", number);
            prop_assert!(number[1..].bytes().all(|byte| byte.is_ascii_digit()), "{}", number);
            prop_assert_eq!(normalise_e164(&number), Some(number.clone()));
        }
    }

    #[test]
    fn twiml_gives_back_what_was_put_in(text in any::<String>(), value in any::<String>()) {
        let document = Twiml::new()
            .connect_stream(&ConnectStream {
                stream_url: "wss://a.example/s",
                action_url: &value,
                status_callback_url: "https://a.example/t",
                name: Some(&value),
                parameters: &[("name", &value)],
                apology: &text,
                language: None,
            })
            .finish();
        let verbs = parse(&document).unwrap();
        prop_assert_eq!(verbs.len(), 2);
        let Verb::Connect { action, stream, .. } = &verbs[0] else { panic!("{verbs:?}") };
        let value = holdable(&value);
        prop_assert_eq!(action.as_ref(), Some(&value));
        prop_assert_eq!(stream.name.as_ref(), Some(&value));
        prop_assert_eq!(&stream.parameters, &[("name".to_owned(), value)]);
        prop_assert_eq!(&verbs[1], &Verb::Say { text: holdable(&text) });
    }

    #[test]
    fn any_text_is_twiml_or_an_error(text in "\\PC{0,60}|(<[/!?]?[A-Za-z]{0,8}[ =\"'/]?>?|&[a-z#0-9]{0,4};?){0,12}") {
        let _ = parse(&text);
    }

    #[test]
    fn a_token_holds_until_any_byte_of_it_is_changed(
        key in ".{1,40}", claims in claims(), at in any::<prop::sample::Index>(), byte in "[A-Za-z0-9_.-]",
    ) {
        let token = mint(&key, &claims);
        prop_assert_eq!(verify(&key, &token, 0), Ok(claims.clone()));
        prop_assert_eq!(peek(&token), Some(claims.clone()));
        prop_assert_eq!(verify(&key, &token, claims.expires_unix_s), Err(TokenError::Expired));
        let at = at.index(token.len());
        let changed = format!("{}{byte}{}", &token[..at], &token[at + 1..]);
        prop_assert_eq!(verify(&key, &changed, 0).is_ok(), changed == token);
    }

    #[test]
    fn any_text_is_a_stream_message_or_an_error(text in "\\PC{0,80}") {
        let _ = Inbound::parse(&text);
        let _ = verify("key", &text, 0);
        let _ = peek(&text);
    }

    #[test]
    fn a_damaged_message_is_survived(
        at in any::<prop::sample::Index>(), length in 0usize..6, with in "[\\x20-\\x7e]{0,4}",
        which in 0usize..3,
    ) {
        let message = [
            r#"{"event":"media","sequenceNumber":"3","streamSid":"MZ1","media":{"track":"inbound","chunk":"1","timestamp":"20","payload":"/////w=="}}"#,
            r#"{"event":"start","streamSid":"MZ1","start":{"streamSid":"MZ1","callSid":"CA1","mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1},"customParameters":{"a":"b"}}}"#,
            r#"{"event":"dtmf","streamSid":"MZ1","dtmf":{"track":"inbound_track","digit":"5"}}"#,
        ][which];
        let at = at.index(message.len());
        let end = (at + length).min(message.len());
        let _ = Inbound::parse(&format!("{}{with}{}", &message[..at], &message[end..]));
    }

    #[test]
    fn the_length_of_base64_is_right(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        use base64::Engine as _;
        let payload = base64::engine::general_purpose::STANDARD.encode(&bytes);
        prop_assert_eq!(decoded_len(&payload), Some(bytes.len()));
    }
}
