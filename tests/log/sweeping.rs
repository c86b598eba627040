//! What is too old is removed, one agent's after another's, whatever cannot be.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::http::{HeaderMap, StatusCode, Uri};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use frontdesk::agent::{Agent, AgentSource};
use frontdesk::archive::Archive;
use frontdesk::clock;
use frontdesk::config::{ObjectStore, TwilioAccount};
use frontdesk::recovery::status_poller::FindAgent;
use frontdesk::retention::{Removed, Sweeper};
use frontdesk::twilio::rest::TwilioRest;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::fixture::{Fixture, fixture};

/// Calls of sixty days ago, of an agent that keeps recordings for thirty.
async fn old_calls(fixture: &Fixture, metadata: impl Iterator<Item = Value>) {
    let settings = json!({"retention": {"recording_days": 30}});
    fixture.sql(&format!("update voice_agents set private_settings = '{settings}'")).await;
    for (n, metadata) in metadata.enumerate() {
        fixture
            .sql(&format!(
                "insert into call_logs (id, voice_agent_id, call_start, call_end, metadata)
                values ('{}', '{}', now() - interval '60 days', now() - interval '60 days',
                    '{metadata}')",
                Uuid::from_u128(n as u128 + 1),
                fixture.agent
            ))
            .await;
    }
}

fn sweeper(fixture: &Fixture, folder: &Path, port: u16) -> Sweeper {
    sweeper_of(AgentSource::default(), fixture, folder, port)
}

fn sweeper_of(source: AgentSource, fixture: &Fixture, folder: &Path, port: u16) -> Sweeper {
    let archive = Archive::open(&ObjectStore::Folder(folder.to_owned())).unwrap();
    let account =
        TwilioAccount { account_sid: Some("AC1".to_owned()), auth_token: Some("token".into()) };
    let url = format!("http://127.0.0.1:{port}").parse().unwrap();
    let agent = Arc::new(Agent::new(source));
    let agents: FindAgent = Box::new(move |_| {
        let agent = Arc::clone(&agent);
        Box::pin(async move { Some(agent) })
    });
    let twilio = TwilioRest::new(url, account).unwrap();
    Sweeper::new(fixture.store.clone(), archive, twilio, agents)
}

#[tokio::test]
async fn a_recording_that_cannot_be_removed_keeps_no_other() {
    // Whether each can be removed, and how many are.
    for (removable, expected) in [
        (vec![false, true, false, true], 2),
        // However many there are: the next sweep would meet the same ones again.
        ([vec![true], vec![false; 5], vec![true]].concat(), 2),
    ] {
        let fixture = fixture().await;
        let folder = tempfile::tempdir().unwrap();
        for (n, is_file) in removable.iter().enumerate() {
            let path = folder.path().join(format!("{n}.ogg"));
            match is_file {
                true => std::fs::write(path, "x").unwrap(),
                // A folder with something in it.
                false => std::fs::create_dir_all(path.join("x")).unwrap(),
            }
        }
        let recording = |n: usize| json!({"recording": {"path": format!("{n}.ogg")}});
        old_calls(&fixture, (0..removable.len()).map(recording)).await;
        let removed = sweeper(&fixture, folder.path(), 1).sweep().await.unwrap();
        assert_eq!(removed, Removed { recordings: expected, ..Removed::default() });
    }
}

#[tokio::test]
async fn recordings_of_deleted_calls_that_cannot_be_removed_keep_no_other() {
    let fixture = fixture().await;
    let folder = tempfile::tempdir().unwrap();
    for n in 0..60 {
        std::fs::create_dir_all(folder.path().join(format!("{n:02}.ogg/x"))).unwrap();
    }
    std::fs::write(folder.path().join("60.ogg"), "x").unwrap();
    let left = "insert into left_recordings (path)
        select lpad(n::text, 2, '0') || '.ogg' from generate_series(0, 60) as n";
    fixture.sql(left).await;
    let removed = sweeper(&fixture, folder.path(), 1).sweep().await.unwrap();
    assert_eq!(removed, Removed { recordings: 1, ..Removed::default() });
    assert_eq!(fixture.store.left_recordings("", 100).await.unwrap().len(), 60);
}

#[tokio::test]
async fn twilio_is_not_asked_on_where_it_answers_nothing() {
    for (status, asked) in [(204, 3), (400, 3), (401, 1), (403, 1), (500, 1)] {
        let fixture = fixture().await;
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let sids = Arc::new(Mutex::new(BTreeSet::new()));
        let seen = Arc::clone(&sids);
        let router = axum::Router::new().fallback(async move |uri: Uri| {
            seen.lock().unwrap().insert(uri.path().to_owned());
            StatusCode::from_u16(status).unwrap()
        });
        clock::spawn(async move { axum::serve(listener, router).await });
        let voicemail = |n: usize| {
            let url = format!("https://api.twilio.com/2010-04-01/Accounts/AC1/Recordings/RE{n}");
            json!({"voicemail": {"recording_url": url}})
        };
        old_calls(&fixture, (0..3).map(voicemail)).await;
        let removed = sweeper(&fixture, folder.path(), port).sweep().await.unwrap();
        let expected = if status == 204 { 3 } else { 0 };
        assert_eq!(removed, Removed { voicemails: expected, ..Removed::default() }, "{status}");
        assert_eq!(sids.lock().unwrap().len(), asked, "{status}");
    }
}

#[tokio::test]
async fn an_account_that_lets_nobody_in_keeps_no_message_of_another_one() {
    let fixture = fixture().await;
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    let router = axum::Router::new().fallback(async move |uri: Uri, headers: HeaderMap| {
        let by = headers["authorization"].to_str().unwrap().trim_start_matches("Basic ").to_owned();
        let by = String::from_utf8(STANDARD.decode(by).unwrap()).unwrap();
        let account = uri.path().split('/').nth(3).unwrap().to_owned();
        let is_its_own = ["AC1:token", "AC2:own"].contains(&&*by) && by.starts_with(&account);
        seen.lock().unwrap().push((account, by));
        if is_its_own { StatusCode::NO_CONTENT } else { StatusCode::UNAUTHORIZED }
    });
    clock::spawn(async move { axum::serve(listener, router).await });
    // The agent has its second account of its own, and had the server's before.
    let left = [("AC3", true), ("AC3", true), ("AC1", true), ("AC1", false), ("AC2", true)];
    let voicemail = |(n, (account, own)): (usize, (&str, bool))| {
        let url = format!("https://api.twilio.com/2010-04-01/Accounts/{account}/Recordings/RE{n}");
        let mut message = json!({"recording_url": url});
        if own {
            message["own_account"] = true.into();
        }
        json!({"voicemail": message})
    };
    old_calls(&fixture, left.into_iter().enumerate().map(voicemail)).await;
    let source = AgentSource {
        account_sid: Some("AC2".to_owned().into()),
        auth_token: Some("own".to_owned().into()),
        ..AgentSource::default()
    };
    let sweeper = sweeper_of(source, &fixture, folder.path(), port);
    let removed = sweeper.sweep().await.unwrap();
    assert_eq!(removed, Removed { voicemails: 2, ..Removed::default() });
    // Each account that lets nobody in once; the server's only for what its own token signed for.
    let expected =
        [("AC3", "AC2:own"), ("AC1", "AC2:own"), ("AC1", "AC1:token"), ("AC2", "AC2:own")];
    let expected = expected.map(|(account, by)| (account.to_owned(), by.to_owned()));
    assert_eq!(*asked.lock().unwrap(), expected);
}
