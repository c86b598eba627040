//! What agents learn from pages, websites, files and texts: added in the console and over the API, read in
//! the background, found by calls.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, Uri};
use axum::response::IntoResponse;
use frontdesk::clock::{self, within};
use http::StatusCode;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::desk::{Client, Desk};

const DEADLINE: Duration = Duration::from_secs(60);

/// A website: what stands at each address, with its content type; and what it was asked for.
#[derive(Clone, Default)]
pub(crate) struct Site {
    pages: Arc<Mutex<BTreeMap<String, (String, String)>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Site {
    pub(crate) async fn open() -> (Self, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let site = Self::default();
        let answering = site.clone();
        let router = Router::new()
            .fallback(async move |uri: Uri, headers: HeaderMap| answering.answer(&uri, &headers));
        frontdesk::clock::spawn(async move { axum::serve(listener, router).await.unwrap() });
        (site, host)
    }

    fn answer(&self, uri: &Uri, headers: &HeaderMap) -> axum::response::Response {
        self.asked.lock().push(uri.path().to_owned());
        let Some((kind, text)) = self.pages.lock().get(uri.path()).cloned() else {
            return StatusCode::NOT_FOUND.into_response();
        };
        if let Ok(status) = kind.parse::<u16>() {
            return StatusCode::from_u16(status).unwrap().into_response();
        }
        let etag = format!("\"{:x}\"", text.len());
        if headers.get("if-none-match").is_some_and(|known| known.as_bytes() == etag.as_bytes()) {
            return StatusCode::NOT_MODIFIED.into_response();
        }
        ([("content-type", kind), ("etag", etag)], text).into_response()
    }

    fn put(&self, path: &str, kind: &str, text: &str) {
        self.pages.lock().insert(path.to_owned(), (kind.to_owned(), text.to_owned()));
    }

    pub(crate) fn page(&self, path: &str, title: &str, body: &str) {
        let html = format!(
            "<html><head><title>{title}</title></head><body><main><h1>{title}</h1>{body}</main></body></html>"
        );
        self.put(path, "text/html", &html);
    }

    fn taken(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock())
    }
}

/// Waits until nothing is under way of a source, and gives it.
async fn settled(client: &Client, id: &str) -> Value {
    let waiting = async {
        loop {
            let source = client.get(&format!("/api/v1/sources/{id}")).await.json();
            let status = source["status"].as_str().unwrap_or_default();
            if !matches!(status, "pending" | "training" | "retraining") {
                return source;
            }
            clock::pause(Duration::from_millis(50)).await;
        }
    };
    within(DEADLINE, waiting).await.expect("the work ends")
}

async fn add(client: &Client, desk: &Desk, source: Value) -> Value {
    let added = client.post(&format!("/api/v1/agents/{}/sources", desk.agent), source).await;
    assert_eq!(added.status, StatusCode::CREATED, "{}", added.text);
    settled(client, added.json()["id"].as_str().unwrap()).await
}

/// What the agent would be given for a question.
async fn found(client: &Client, desk: &Desk, question: &str) -> String {
    let path = format!("/api/v1/agents/{}/ask", desk.agent);
    let found = client.post(&path, json!({"question": question})).await;
    assert_eq!(found.status, StatusCode::OK, "{}", found.text);
    found.text
}

/// The passages of an agent's sources, as they are.
async fn passages(desk: &Desk) -> i64 {
    let count = format!(
        "select count(*)::text from public.\"zz_{}\" where embedding is not null",
        desk.agent
    );
    desk.made(&count).await.parse().unwrap()
}

#[tokio::test]
async fn a_website_is_read_and_read_again_and_forgotten() {
    let (site, host) = Site::open().await;
    let desk = Desk::open_with(&[("ALLOW_PRIVATE_TOOL_URLS", host.clone())]).await;
    let owner = desk.sign_in("owner@example.com").await;
    site.put("/robots.txt", "text/plain", "User-agent: *\nDisallow: /intern\nSitemap: /map.xml\n");
    let map = format!("<urlset><url><loc>http://{host}/listed</loc></url></urlset>");
    site.put("/sitemap.xml", "application/xml", &map);
    let links = "<p>Our practice is by the river.</p><a href='/prices'>Prices</a> <a href='/intern'>Staff</a>
        <a href='https://elsewhere.example/'>Friends</a> <a href='/gone'>Gone</a> <a href='/door'>Door</a>
        <a href='/logo.png'>Logo</a>";
    site.page("/", "Start", links);
    site.page("/prices", "Prices", "<h2>Whitening</h2><p>Whitening costs 240 pounds.</p>");
    site.page("/listed", "Parking", "<p>Park behind the chemist, the first hour is free.</p>");
    site.page("/intern", "Staff", "<p>The safe's code is 4711.</p>");
    site.page("/door", "Sign in", "<form>Password <input type='password'></form>");
    let source =
        add(&owner, &desk, json!({"url": format!("http://{host}/"), "source_type": "site"})).await;
    assert_eq!((&source["status"], &source["pages"]), (&json!("done"), &json!(3)), "{source}");
    let asked = site.taken();
    assert!(!asked.iter().any(|path| path == "/intern" || path == "/logo.png"), "{asked:?}");
    assert!(found(&owner, &desk, "How much is whitening?").await.contains("240 pounds"));
    assert!(
        found(&owner, &desk, "Can I park behind the chemist, is the first hour free?")
            .await
            .contains("behind the chemist")
    );
    assert!(!found(&owner, &desk, "the safe's code").await.contains("4711"));
    let trained = desk.made("select (last_trained_at is not null)::text from voice_agents where id = (select voice_agent_id from sources limit 1)").await;
    assert_eq!(trained, "true");
    let kept = "select string_agg(data ->> 'url', ' ' order by data ->> 'url') from scrapping_data
        where data ->> 'kind' = 'page' and data ? 'text' and data ? 'fetched_at' and data ? 'etag'";
    let urls = ["/", "/listed", "/prices"].map(|path| format!("http://{host}{path}")).join(" ");
    assert_eq!(desk.made(kept).await, urls);
    let metadata: Value = serde_json::from_str(
        &desk
            .made(&format!(
                "select metadata::text from public.\"zz_{}\" where content like '%240%'",
                desk.agent
            ))
            .await,
    )
    .unwrap();
    for (name, value) in [
        ("source_id", source["id"].clone()),
        ("title", json!("Prices")),
        ("url", json!(format!("http://{host}/prices"))),
    ] {
        assert_eq!(metadata[name], value, "{metadata}");
    }
    assert!(metadata["hash"].is_string() && metadata["model"].is_string(), "{metadata}");
    assert!(metadata["position"].is_number() && metadata["heading"].is_string(), "{metadata}");
    let page = owner.get(&format!("/knowledge?agent={}", desk.agent)).await.text;
    assert!(page.contains("known") && page.contains("3 pages"), "{page}");
    // One page changes, one goes, one comes. Only what is new is embedded.
    let before = desk.speech.observer().counts().embeddings;
    site.page("/prices", "Prices", "<h2>Whitening</h2><p>Whitening costs 290 pounds now.</p>");
    site.pages.lock().remove("/listed");
    site.put("/sitemap.xml", "application/xml", "<urlset></urlset>");
    let id = source["id"].as_str().unwrap();
    let again = owner.post(&format!("/api/v1/sources/{id}/train"), json!({})).await;
    assert_eq!(again.status, StatusCode::ACCEPTED, "{}", again.text);
    let source = settled(&owner, id).await;
    assert_eq!((&source["status"], &source["pages"]), (&json!("done"), &json!(2)), "{source}");
    assert_eq!(
        desk.speech.observer().counts().embeddings,
        before + 1,
        "one request for one passage"
    );
    assert!(found(&owner, &desk, "How much is whitening?").await.contains("290 pounds"));
    assert!(
        !found(&owner, &desk, "Can I park behind the chemist, is the first hour free?")
            .await
            .contains("chemist")
    );
    // The site is away: what is known stays.
    site.put("/robots.txt", "text/plain", "User-agent: *\nDisallow: /\n");
    owner.post(&format!("/api/v1/sources/{id}/train"), json!({})).await;
    let source = settled(&owner, id).await;
    assert_eq!(source["status"], "retraining_failed", "{source}");
    assert!(source["reason"].as_str().unwrap().contains("robots.txt"), "{source}");
    assert!(found(&owner, &desk, "How much is whitening?").await.contains("290 pounds"));
    let page = owner.get(&format!("/knowledge?agent={}", desk.agent)).await.text;
    assert!(page.contains("goes on with what it has learned before"), "{page}");
    let removed =
        owner.form(&format!("/knowledge/{}/sources/{id}", desk.agent), &[("do", "remove")]).await;
    assert_eq!(removed.status, StatusCode::SEE_OTHER, "{}", removed.text);
    assert_eq!(passages(&desk).await, 0);
    assert_eq!(desk.made("select count(*)::text from scrapping_data").await, "0");
}

#[tokio::test]
async fn files_and_texts_are_learned_and_what_cannot_be_says_why() {
    let (site, host) = Site::open().await;
    let desk = Desk::open_with(&[("ALLOW_PRIVATE_TOOL_URLS", host.clone())]).await;
    let owner = desk.sign_in("owner@example.com").await;
    let upload = format!("/knowledge/{}/sources/file", desk.agent);
    let csv = "Treatment;Price\nCrown;900 euros\nFilling;120 euros\n";
    let sent = owner.upload(&upload, "prices.csv", csv.as_bytes()).await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.text);
    let listed = owner.get(&format!("/api/v1/agents/{}/sources", desk.agent)).await.json();
    let id = listed["items"][0]["id"].as_str().unwrap();
    let source = settled(&owner, id).await;
    assert_eq!(
        (&source["status"], &source["source_type"]),
        (&json!("done"), &json!("csv")),
        "{source}"
    );
    assert!(found(&owner, &desk, "What is the price of a crown?").await.contains("900 euros"));
    let questions = json!([{"question": "Is there a lift?", "answer": "Yes, to all floors."}]);
    let source =
        add(&owner, &desk, json!({"name": "House", "source_type": "qa", "questions": questions}))
            .await;
    assert_eq!((&source["status"], &source["passages"]), (&json!("done"), &json!(1)), "{source}");
    let text = "# Cancelling\n\nCancel a day ahead, or it costs 30 euros.";
    let source =
        add(&owner, &desk, json!({"name": "Rules", "source_type": "markdown", "text": text})).await;
    assert_eq!(source["status"], "done", "{source}");
    assert!(
        found(&owner, &desk, "Cancelling: what does it cost to cancel a day ahead?")
            .await
            .contains("30 euros")
    );
    site.page("/door", "Sign in", "<form>Password <input type='password'></form>");
    site.put("/teapot", "418", "");
    site.put("/picture", "image/png", "\u{89}PNG\r\n\u{1a}\n\0\0\0\rIHDR\0\0");
    site.put("/secret", "403", "");
    for (source, why) in [
        (json!({"url": format!("http://{host}/door")}), "asks for a password"),
        (json!({"url": format!("http://{host}/nowhere")}), "no such page"),
        (json!({"url": format!("http://{host}/secret")}), "not signed in there"),
        (json!({"url": format!("http://{host}/teapot")}), "status 418"),
        (json!({"url": format!("http://{host}/picture")}), "text in it"),
        (json!({"name": "P", "source_type": "pdf", "text": "%PDF-1.7 broken"}), "PDF"),
        (json!({"name": "W", "source_type": "docx", "text": "PK\u{3}\u{4}"}), "."),
    ] {
        let failed = add(&owner, &desk, source.clone()).await;
        assert_eq!(failed["status"], "failed", "{source}: {failed}");
        assert!(failed["reason"].as_str().unwrap().contains(why), "{source}: {failed}");
    }
    let page = owner.get(&format!("/knowledge?agent={}", desk.agent)).await.text;
    assert!(page.contains("did not work") && page.contains("asks for a password"), "{page}");
    // What is wrong is said at once.
    let sources = format!("/api/v1/agents/{}/sources", desk.agent);
    for (source, field) in [
        (json!({}), "url"),
        (json!({"url": "http://10.0.0.1/"}), "url"),
        (json!({"url": "no address at all"}), "url"),
        (json!({"url": "https://example.com", "source_type": "song"}), "source_type"),
        (
            json!({"url": "https://example.com", "auto_sync_interval": "hourly"}),
            "auto_sync_interval",
        ),
        (json!({"text": "Words."}), "name"),
        (json!({"name": "A", "content_base64": "ä"}), "content_base64"),
        (json!({"name": "A", "source_type": "qa", "questions": []}), "questions"),
        (json!({"name": "A", "text": "a", "colour": "red"}), "colour"),
    ] {
        let refused = owner.post(&sources, source.clone()).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{source}: {}", refused.text);
        assert_eq!(refused.json()["field"], field, "{source}: {}", refused.text);
    }
    // As many as the plan allows.
    desk.sql("update customer set source_links_allowed = 1, plan_mode = 'paid', plan_id = 1").await;
    let refused = owner.post(&sources, json!({"name": "A", "text": "One more."})).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.text);
    let refused = owner.upload(&upload, "more.txt", b"One more.").await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.text);
    assert!(refused.text.contains("remove a source or choose a larger plan"), "{}", refused.text);
    let refused = owner.upload(&upload, "", b"").await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        refused.text.contains("no file was chosen") || refused.text.contains("No file was chosen"),
        "{}",
        refused.text
    );
}

#[tokio::test]
async fn what_another_process_left_is_gone_on_with() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    // Somebody else has it, and is gone; some of it is embedded already.
    let text: String = (1..=40)
        .map(|n| format!("# Room {n}\n\n{}\n\n", format!("Room {n} has a bed. ").repeat(40)))
        .collect();
    desk.sql("create table held (source_id uuid)").await;
    desk.sql("create function hold() returns trigger language plpgsql as $$ begin
        new.leased_by := gen_random_uuid(); new.leased_until := now() + interval '3 seconds'; return new; end $$").await;
    desk.sql("create trigger hold before insert on source_trainings for each row execute function hold()").await;
    let added = owner
        .post(
            &format!("/api/v1/agents/{}/sources", desk.agent),
            json!({"name": "Rooms", "source_type": "markdown", "text": text}),
        )
        .await;
    let id = added.json()["id"].as_str().unwrap().to_owned();
    let source = settled(&owner, &id).await;
    assert_eq!(source["status"], "done", "{source}");
    let passages = passages(&desk).await;
    assert_eq!(source["passages"], passages, "{source}");
    assert_eq!(desk.made("select count(*)::text from source_vectors").await, "0");
    // Two processes that are told at once: the passages are there once.
    let neighbour = desk.neighbour().await;
    for _ in 0..3 {
        owner.post(&format!("/api/v1/sources/{id}/train"), json!({})).await;
    }
    settled(&owner, &id).await;
    assert_eq!(self::passages(&desk).await, passages);
    drop(neighbour);
    // By itself, when its time has come.
    let often = [("do", "interval"), ("interval", "daily")];
    owner.form(&format!("/knowledge/{}/sources/{id}", desk.agent), &often).await;
    let due = "select public.sources_due(10)::text";
    assert_eq!(desk.made(due).await, "0");
    desk.sql("update source_trainings set ended_at = now() - interval '25 hours'").await;
    assert_eq!(desk.made(due).await, "1");
    settled(&owner, &id).await;
    assert_eq!(desk.made(due).await, "0", "it was read again");
}
