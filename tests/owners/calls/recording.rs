//! Listening to a call.

use std::io::Cursor;

use frontdesk::audio::recording::FRAME;
use frontdesk::audio::recording::opus::OggOpusWriter;
use http::{Method, StatusCode};
use serde_json::json;
use uuid::Uuid;

use super::add_call;
use crate::desk::{Body, Desk};

/// How long the recording is, samples.
const SAMPLES: u64 = 24_000;

/// An Ogg Opus file as calls leave one.
fn ogg() -> Vec<u8> {
    let mut writer = OggOpusWriter::new(Cursor::new(Vec::new()), 7, &[]).unwrap();
    for frame in 0..usize::try_from(SAMPLES).unwrap() / FRAME {
        let mut pairs = [0; 2 * FRAME];
        for (n, pair) in pairs.chunks_exact_mut(2).enumerate() {
            let wave = (4_000.0 * ((frame * FRAME + n) as f32 * 0.3).sin()) as i16;
            (pair[0], pair[1]) = (wave, -wave);
        }
        writer.write(&pairs).unwrap();
    }
    writer.finish(SAMPLES).unwrap().into_inner()
}

/// Puts a file where recordings are kept.
fn put(desk: &Desk, path: &str, bytes: &[u8]) {
    let path = desk.data.path().join("recordings").join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

async fn recorded(desk: &Desk) -> (Uuid, Vec<u8>) {
    let (path, bytes) = (format!("{}/a.ogg", desk.agent), ogg());
    put(desk, &path, &bytes);
    let recording = json!({"path": path, "ms": 3_000, "complete": true});
    (add_call(desk, desk.agent, json!({"metadata": {"recording": recording}})).await, bytes)
}

async fn listens(desk: &Desk) -> i64 {
    let count = "select count(*) from audit_log where action = 'recording.listen'";
    sqlx::query_scalar(count).fetch_one(&desk.pool).await.unwrap()
}

#[tokio::test]
async fn a_recording_is_given_whole_and_in_parts_and_listening_is_written_down_once() {
    let desk = Desk::open().await;
    let support = desk.sign_in("support@example.com").await;
    let (id, ogg) = recorded(&desk).await;
    let path = format!("/api/v1/calls/{id}/recording");
    let head = support.send(Method::HEAD, &path, Body::None).await;
    assert_eq!(head.status, StatusCode::OK);
    assert_eq!(head.header("content-length"), ogg.len().to_string());
    assert_eq!(head.header("accept-ranges"), "bytes");
    assert_eq!(listens(&desk).await, 0, "nothing was heard");

    let (whole, bytes) = support.get_with(&path, "accept-encoding", "gzip").await;
    assert_eq!((whole.status, whole.header("content-type")), (StatusCode::OK, "audio/ogg"));
    assert_eq!(whole.header("content-encoding"), "");
    assert_eq!(bytes, ogg);
    for (range, expected) in [
        ("bytes=0-1", 0..2),
        ("bytes=100-", 100..ogg.len()),
        ("bytes=-7", ogg.len() - 7..ogg.len()),
    ] {
        let (part, bytes) = support.get_with(&path, "range", range).await;
        assert_eq!(part.status, StatusCode::PARTIAL_CONTENT, "{range}");
        assert_eq!(bytes, &ogg[expected.clone()], "{range}");
        let said = format!("bytes {}-{}/{}", expected.start, expected.end - 1, ogg.len());
        assert_eq!(part.header("content-range"), said);
    }
    let (beyond, bytes) = support.get_with(&path, "range", "bytes=9999999-").await;
    assert_eq!((beyond.status, bytes.len()), (StatusCode::RANGE_NOT_SATISFIABLE, 0));
    assert_eq!(listens(&desk).await, 1, "once, however many parts were asked for");
    let owner = desk.sign_in("owner@example.com").await;
    owner.get_with(&path, "range", "bytes=1-").await;
    assert_eq!(listens(&desk).await, 2, "somebody else listens");
    let (object, agent): (String, Uuid) = sqlx::query_as(
        "select object, voice_agent_id from audit_log where action = 'recording.listen' limit 1",
    )
    .fetch_one(&desk.pool)
    .await
    .unwrap();
    assert_eq!((object, agent), (format!("call {id}"), desk.agent));
    let page = support.get(&format!("/calls/{id}")).await.text;
    assert!(
        page.contains("<audio controls") && page.contains(&format!("{path}.wav?part=1")),
        "{page}"
    );
}

#[tokio::test]
async fn it_is_given_as_wav_with_its_length() {
    let desk = Desk::open().await;
    let support = desk.sign_in("support@example.com").await;
    let (id, _) = recorded(&desk).await;
    let path = format!("/api/v1/calls/{id}/recording.wav");
    let bytes_in_all = 44 + 4 * SAMPLES;
    let (whole, wav) = support.get_with(&path, "accept", "*/*").await;
    assert_eq!((whole.status, whole.header("content-type")), (StatusCode::OK, "audio/wav"));
    assert_eq!(whole.header("content-length"), bytes_in_all.to_string());
    assert_eq!(
        (wav.len() as u64, &wav[..4], &wav[8..12]),
        (bytes_in_all, &b"RIFF"[..], &b"WAVE"[..])
    );
    // To another business it is not there, whatever it asks for.
    let other = desk.sign_in("other@example.com").await;
    for end in ["", ".wav", ".wav?part=1"] {
        let of_it = format!("/api/v1/calls/{id}/recording{end}");
        let (refused, bytes) = other.get_with(&of_it, "range", "bytes=0-99").await;
        assert_eq!(refused.status, StatusCode::NOT_FOUND, "{end}");
        assert!(!bytes.windows(4).any(|four| four == b"RIFF" || four == b"OggS"), "{end}");
    }
    let (part, bytes) = support.get_with(&path, "range", "bytes=20-59").await;
    assert_eq!((part.status, &bytes[..]), (StatusCode::PARTIAL_CONTENT, &wav[20..60]));
    let (part, bytes) = support.get_with(&path, "range", "bytes=90000-").await;
    assert_eq!(
        part.header("content-range"),
        format!("bytes 90000-{}/{bytes_in_all}", bytes_in_all - 1)
    );
    assert_eq!(bytes.len() as u64, bytes_in_all - 90_000);
    assert_eq!(listens(&desk).await, 1);
}

#[tokio::test]
async fn no_row_gives_a_file_of_another_agent() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    put(&desk, &format!("{}/secret.ogg", desk.other_agent), b"secret");
    put(&desk, "secret.ogg", b"secret");
    let (agent, other) = (desk.agent, desk.other_agent);
    for path in [
        format!("{other}/secret.ogg"),
        format!("{agent}/../{other}/secret.ogg"),
        "secret.ogg".to_owned(),
        "../../etc/passwd".to_owned(),
        "/etc/passwd".to_owned(),
        format!("{agent}/{}", "x".repeat(600)),
        format!("{agent}/gone.ogg"),
    ] {
        let metadata = json!({"recording": {"path": path}});
        let id = add_call(&desk, agent, json!({"metadata": metadata})).await;
        for end in ["", ".wav", "?part=2", "?part=1"] {
            let answered = owner.get(&format!("/api/v1/calls/{id}/recording{end}")).await;
            assert_eq!(answered.status, StatusCode::NOT_FOUND, "{path}{end}");
            assert!(!answered.text.contains("secret"), "{path}");
        }
    }
    let (id, _) = recorded(&desk).await;
    for odd in ["0", "x", "-1", "99999999999999999999"] {
        let answered = owner.get(&format!("/api/v1/calls/{id}/recording?part={odd}")).await;
        assert_eq!(answered.status, StatusCode::UNPROCESSABLE_ENTITY, "{odd}");
        assert_eq!(answered.json()["field"], "part");
    }
    assert_eq!(listens(&desk).await, 0);
}

#[tokio::test]
async fn what_two_processes_recorded_is_two_parts() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let folder = desk.agent;
    let parts: Vec<_> =
        ["a", "b"].iter().map(|name| json!({"path": format!("{folder}/{name}.ogg")})).collect();
    put(&desk, &format!("{folder}/a.ogg"), b"first");
    put(&desk, &format!("{folder}/b.ogg"), b"second");
    let metadata = json!({"recording": {"path": format!("{folder}/a.ogg"), "parts": parts}});
    let id = add_call(&desk, desk.agent, json!({"metadata": metadata})).await;
    for (query, expected) in [("", "first"), ("?part=1", "first"), ("?part=2", "second")] {
        assert_eq!(owner.get(&format!("/api/v1/calls/{id}/recording{query}")).await.text, expected);
    }
    assert_eq!(
        owner.get(&format!("/api/v1/calls/{id}/recording?part=3")).await.status,
        StatusCode::NOT_FOUND
    );
    let broken = owner.get(&format!("/api/v1/calls/{id}/recording.wav")).await;
    assert_eq!(broken.status, StatusCode::NOT_FOUND);
    assert!(broken.text.contains("cannot be read"));
    let page = owner.get(&format!("/calls/{id}")).await.text;
    assert_eq!(page.matches("<audio").count(), 2);
}

#[tokio::test]
async fn who_is_removed_while_they_listen_hears_no_more() {
    let desk = Desk::open().await;
    let support = desk.sign_in("support@example.com").await;
    // More than sockets hold, so that the server waits for the reader.
    let path = format!("{}/long.ogg", desk.agent);
    put(&desk, &path, &vec![7; 32 << 20]);
    let recording = json!({"path": path, "ms": 3_000, "complete": true});
    let id = add_call(&desk, desk.agent, json!({"metadata": {"recording": recording}})).await;
    let mut reading = support.start(&format!("/api/v1/calls/{id}/recording")).await;
    assert_eq!(reading.status(), StatusCode::OK);
    reading.chunk().await.unwrap().unwrap();
    desk.sql("update voice_agents_access set status = false").await;
    loop {
        match reading.chunk().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("all of it was heard"),
            Err(_) => break,
        }
    }
}
