//! What Twilio, or whoever says that they are, sends: messages of the media stream, forms, tokens,
//! documents, headers.

use std::fs;
use std::path::Path;

use frontdesk::rehearsal::phone::media_peer::Outbound;
use frontdesk::rehearsal::phone::twiml_reader::parse;
use frontdesk::twilio::form::Form;
use frontdesk::twilio::media::{Inbound, decoded_len};
use frontdesk::twilio::rest::asked_to_wait;
use frontdesk::twilio::signature::{is_valid, upgrade_is_valid};
use frontdesk::twilio::token::{StreamClaims, mint, peek, verify};
use frontdesk::twilio::twiml::{ConnectStream, Dial, Record, Twiml};
use proptest::prelude::*;
use serde_json::Value;

use crate::harness::{corpus, fuzz};
use crate::mutate::{Edit, ODD_TEXTS, damaged, edits, mutated};

/// The fixtures of the wire whose names end so.
fn fixtures(ending: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire/twilio");
    let mut found = Vec::new();
    for folder in [folder.clone(), folder.join("malformed"), folder.join("sent")] {
        let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let wanted = paths.filter(|path| path.extension().is_some_and(|e| e == ending));
        found.extend(wanted.map(|path| fs::read_to_string(path).unwrap().trim().to_owned()));
    }
    found.sort();
    assert!(found.len() > 2, "{ending}");
    found
}

fn read_message(text: &str) -> Result<(), TestCaseError> {
    if let Ok(message) = Inbound::parse(text) {
        if let Inbound::Media(media) = &message {
            let length = decoded_len(&media.payload).unwrap_or(0);
            prop_assert!(length <= text.len());
        }
        // What is printed of it is short, and none of it private.
        let printed = format!("{message:?}").len();
        prop_assert!(printed <= 8 * text.len() + 600, "{} bytes", printed);
    }
    let _ = Outbound::parse(text, "MZ1");
    Ok(())
}

#[test]
fn fuzz_messages_of_the_media_stream() {
    for (name, text) in corpus("media") {
        read_message(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    let texts = fixtures("json");
    let values: Vec<Value> = texts.iter().filter_map(|t| serde_json::from_str(t).ok()).collect();
    let strategy = (any::<prop::sample::Index>(), edits(), edits(), 0..3_u8);
    fuzz("media", 180, strategy, move |(which, changes, damage, how)| {
        let value = mutated(which.get(&values[..]), &changes);
        match how {
            0 => read_message(&damaged(which.get::<String>(&texts), &damage)),
            1 => read_message(&damaged(&value.to_string(), &damage)),
            _ => read_message(&value.to_string()),
        }
    });
}

fn read_form(body: &[u8]) -> Result<(), TestCaseError> {
    let Ok(form) = Form::parse(body) else { return Ok(()) };
    let fields: usize = form.fields().iter().map(|(name, value)| name.len() + value.len()).sum();
    // A byte that is no UTF-8 becomes a sign of three.
    prop_assert!(fields <= 3 * body.len());
    if let Ok(sid) = form.call_sid() {
        prop_assert!(sid.len() <= 66 && sid.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    }
    let _ = (form.from(), form.to().is_ok(), form.call_status(), form.dial_is_answered());
    let _ = (form.recording(), form.stream_sid(), form.stream_event());
    let printed = format!("{form:?}");
    prop_assert!(!printed.contains("15551230001"), "{}", printed);
    Ok(())
}

#[test]
fn fuzz_forms_of_webhooks() {
    for (name, text) in corpus("forms") {
        read_form(text.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    let texts = fixtures("form");
    let fields: Vec<Vec<(String, String)>> =
        texts.iter().map(|text| Form::parse(text.as_bytes()).unwrap().fields().to_vec()).collect();
    let bytes = prop::collection::vec((any::<u16>(), any::<u8>()), 0..3);
    let strategy = (any::<prop::sample::Index>(), edits(), edits(), bytes);
    fuzz("forms", 110, strategy, move |(which, changes, damage, bytes)| {
        let mut pairs = which.get(&fields[..]).clone();
        for (at, how, what) in &changes {
            let at = *at as usize % pairs.len();
            match how % 4 {
                0 => pairs[at].1 = ODD_TEXTS[*what as usize % ODD_TEXTS.len()].to_owned(),
                1 => pairs[at].1 = damaged(&pairs[at].1, &[(*what, how >> 2, *what)]),
                2 => pairs.extend(vec![pairs[at].clone(); *what as usize % 300]),
                _ => pairs[at].0 = damaged(&pairs[at].0, &[(*what, how >> 2, *what)]),
            }
        }
        let body =
            url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
        read_form(body.as_bytes())?;
        let mut body = damaged(&body, &damage).into_bytes();
        for (at, byte) in bytes {
            let at = usize::from(at) % (body.len() + 1);
            body.insert(at, byte);
        }
        read_form(&body)?;
        // Whoever sends it, checking it ends.
        prop_assert!(!is_valid("key", "https://a.example/twilio/voice", &pairs, "c2lnbmVk"));
        Ok(())
    });
}

/// Values for all that a document can hold.
fn document(texts: &[String], number: u32) -> String {
    let text = |n: usize| texts[n % texts.len()].as_str();
    Twiml::new()
        .connect_stream(&ConnectStream {
            stream_url: text(0),
            action_url: text(1),
            status_callback_url: text(2),
            name: Some(text(3)),
            parameters: &[(text(4), text(5)), (text(5), text(0))],
            apology: text(1),
            language: Some(text(2)),
        })
        .say(text(3), None)
        .dial(&Dial {
            number: text(4),
            caller_id: Some(text(5)),
            timeout_s: number,
            time_limit_s: number,
            action_url: text(0),
        })
        .record(&Record {
            action_url: text(1),
            max_length_s: number,
            timeout_s: number,
            play_beep: number.is_multiple_of(2),
            finish_on_key: text(2),
        })
        .redirect(text(3))
        .pause(number)
        .hangup()
        .finish()
}

#[test]
fn fuzz_documents() {
    for (name, text) in corpus("twiml") {
        assert!(parse(&text).map_or(0, |verbs| verbs.len()) < 10_000, "{name}");
    }
    let strategy = (prop::collection::vec(edits(), 6), any::<u32>(), edits());
    fuzz("twiml", 70, strategy, |(each, number, damage)| {
        let seeds = ["https://calls.example.com/twilio/after", "Sorry, nobody is here.", "de-DE"];
        let texts: Vec<String> =
            each.iter().enumerate().map(|(n, edits)| damaged(seeds[n % 3], edits)).collect();
        let given: usize = texts.iter().map(String::len).sum();
        let written = document(&texts, number);
        // An ampersand takes five characters, and each text stands there at most four times.
        prop_assert!(written.len() <= 6 * 4 * given + 2_000);
        let verbs = parse(&written);
        prop_assert!(verbs.is_ok(), "{:?} of {}", verbs, written);
        prop_assert_eq!(verbs.unwrap().len(), 8);
        let _ = parse(&damaged(&written, &damage));
        Ok(())
    });
}

fn read_token(text: &str) {
    assert!(verify("another key", text, 0).is_err());
    let _ = peek(text);
}

#[test]
fn fuzz_tokens_and_signatures() {
    for (_, text) in corpus("tokens") {
        read_token(&text);
    }
    let claims = StreamClaims {
        agent_id: uuid::Uuid::from_u128(7),
        call_sid: format!("CA{}", "0".repeat(32)),
        instance: uuid::Uuid::from_u128(9),
        machine: Some("148ed193b95138".to_owned()),
        expires_unix_s: 1_800_000_000,
        nonce: "n0nce".to_owned(),
    };
    let token = mint("key", &claims);
    fuzz("tokens", 130, (edits(), edits(), edits()), move |(token_edits, url, header)| {
        let changed = damaged(&token, &token_edits);
        // The claims are what they were, or nothing is admitted.
        if let Ok(read) = verify("key", &changed, 0) {
            prop_assert_eq!(&read, &claims);
            prop_assert_eq!(&changed, &token);
        }
        read_token(&changed);
        let url = damaged("wss://calls.example.com:443/twilio/stream/x?a=1", &url);
        let header = damaged("0/KCTR6DLpKmkAf8muzZqo1nDgQ=", &header);
        prop_assert!(!is_valid("key", &url, &[], &header));
        prop_assert!(!upgrade_is_valid("key", &url, "/twilio/stream/x", &header));
        Ok(())
    });
}

#[test]
fn fuzz_requests_to_wait() {
    let check = |text: &str| {
        // What is asked for is compared with what may be waited, and added to what was.
        let wait = asked_to_wait(text);
        assert!(wait.is_none_or(|wait| wait.as_secs() <= u32::MAX.into()), "{text}");
    };
    for (_, text) in corpus("retry-after") {
        check(&text);
    }
    let texts = ["120", "Fri, 27 Nov 2026 20:00:00 GMT", "0.5", "4294967296", "-1"];
    fuzz("retry-after", 40, (0..texts.len(), edits()), move |(which, changes): (_, Vec<Edit>)| {
        check(&damaged(texts[which], &changes));
        Ok(())
    });
}
