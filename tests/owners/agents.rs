//! Agents over the API: what is read, changed, refused, restored, made and deleted.

use frontdesk::store::access::{Maintain, Object};
use frontdesk::web::secret::Secret;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::desk::{Answered, Body, Client, Desk, NUMBER, OTHER_NUMBER};

fn path(desk: &Desk) -> String {
    format!("/api/v1/agents/{}", desk.agent)
}

/// What is told of a value that is not accepted: its field, if the status is right.
fn field(answered: &Answered) -> String {
    assert_eq!(answered.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", answered.text);
    assert_eq!(answered.header("content-type"), "application/problem+json");
    answered.json()["field"].as_str().unwrap_or_default().to_owned()
}

async fn versions(desk: &Desk, client: &Client) -> Vec<Value> {
    let listed = client.get(&format!("{}/versions", path(desk))).await.json();
    listed["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_change_is_known_to_the_next_call_and_is_a_version() {
    let desk = Desk::open().await;
    let maintainer = desk.sign_in("maintainer@example.com").await;
    let read = maintainer.get(&path(&desk)).await;
    let before = read.json();
    assert_eq!(before["settings"], json!({"greeting": "Good day."}));
    assert_eq!(read.header("etag"), format!("\"{}\"", before["version"].as_str().unwrap()));

    let change = json!({
        "name": "Robin",
        "unAvailable": true,
        "settings": {"greeting": "Hello!", "limits": {"call_seconds": 600}, "secrets": {"CRM": "k1"},
            "webhook": {"url": "https://hooks.example/x", "secret": "whsec_c2VjcmV0"}},
        "business": {"type_of_business": "Dentist", "default_appointment_length": 30},
        "version": before["version"],
    });
    let changed = maintainer.patch(&path(&desk), change).await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.text);
    let after = changed.json();
    assert_eq!(after["settings"]["secrets"]["CRM"], "********");
    assert_eq!(after["settings"]["webhook"]["secret"], "********");
    assert_eq!(after["business"]["type_of_business"], "Dentist");
    assert_eq!(after["business"]["business_name"], "Bright Smile", "what is not given stays");
    assert!(!changed.text.contains("k1") && !changed.text.contains("c2VjcmV0"));

    // The directory that calls ask, without any notice from the database being waited for.
    let agent = desk.app.directory.remembered(NUMBER).expect("it answers its number");
    assert_eq!(agent.settings.greeting.as_deref(), Some("Hello!"));
    assert!(agent.unavailable);
    assert_eq!(agent.business.appointment_minutes, 30);
    assert_eq!(agent.settings.secrets["CRM"].reveal(), "k1");

    let versions = versions(&desk, &maintainer).await;
    let parts: Vec<&str> = versions.iter().map(|it| it["part"].as_str().unwrap()).collect();
    assert_eq!(parts, ["business", "business", "agent", "agent"], "each with what it was before");
    let agent = &versions[2];
    assert_eq!(agent["changed_by_name"], "Mia Maintainer");
    let fields: Vec<&str> = agent["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["field"].as_str().unwrap())
        .collect();
    assert!(
        fields.contains(&"settings.greeting") && fields.contains(&"changed_secrets"),
        "{fields:?}"
    );
    let stored: Vec<String> =
        sqlx::query_scalar("select concat(before, after) from agent_versions")
            .fetch_all(&desk.pool)
            .await
            .unwrap();
    assert!(!stored.concat().contains("k1") && !stored.concat().contains("c2VjcmV0"));
    let deeds: i64 = sqlx::query_scalar(
        "select count(*) from audit_log where action = 'agent.change' and actor is not null",
    )
    .fetch_one(&desk.pool)
    .await
    .unwrap();
    assert_eq!(deeds, 1);
}

#[tokio::test]
async fn a_mask_that_is_sent_back_keeps_the_secret_and_null_removes_it() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let secrets = json!({"settings": {"secrets": {"CRM": "k1", "SMS": "k2"}}});
    owner.patch(&path(&desk), secrets).await;
    let read = owner.get(&path(&desk)).await.json();
    let mut settings = read["settings"].clone();
    settings["secrets"]["SMS"] = Value::Null;
    settings["language"] = json!("de");
    let changed = owner.patch(&path(&desk), json!({"settings": settings})).await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.text);
    let agent = desk.app.directory.remembered(NUMBER).unwrap();
    let names: Vec<&String> = agent.settings.secrets.keys().collect();
    assert_eq!(
        (names, agent.settings.secrets["CRM"].reveal().as_str()),
        (vec![&"CRM".to_owned()], "k1")
    );
    let unknown = json!({"settings": {"secrets": {"NEW": "********"}}});
    assert_eq!(field(&owner.patch(&path(&desk), unknown).await), "settings.secrets.NEW");
}

#[tokio::test]
async fn what_is_not_accepted_is_named() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    for (change, name) in [
        (json!({"name": ""}), "name"),
        (json!({"name": 7}), "name"),
        (json!({"created_by": "0190a5c8-0000-7000-8000-000000000000"}), "created_by"),
        (json!({"twilio_credentials": {"auth_token": "x"}}), "twilio_credentials"),
        (json!({"status": "deleted"}), "status"),
        (json!({"status": "suspended"}), "status"),
        (json!({"unAvailable": "yes"}), "unAvailable"),
        (json!({"twilio_phone_number": "call me"}), "twilio_phone_number"),
        (json!({"settings": []}), "settings"),
        (json!({"settings": {"limits": {"call_seconds": 0}}}), "settings.limits.call_seconds"),
        (json!({"settings": {"limits": {"calls": 1}}}), "settings.limits.calls"),
        (json!({"settings": {"nonsense": 1}}), "settings.nonsense"),
        (json!({"settings": {"language": "english please"}}), "settings.language"),
        (json!({"settings": {"hours": {"closed": "no"}}}), "settings.hours.closed"),
        (json!({"settings": {"fallback": {"kind": "forward"}}}), "settings.fallback.number"),
        (
            json!({"settings": {"fallback": {"kind": "forward", "number": NUMBER}}}),
            "settings.fallback.number",
        ),
        (json!({"settings": {"webhook": {"url": "ftp://x"}}}), "settings.webhook.url"),
        (json!({"business": {"id": 1}}), "business.id"),
        (json!({"business": {"business_timezone": "Mars/Base"}}), "business.business_timezone"),
        (
            json!({"business": {"default_appointment_length": 0}}),
            "business.default_appointment_length",
        ),
        (json!({"business": {"operating_schedule": "9 to 5"}}), "business.operating_schedule"),
        (
            json!({"business": {"operating_schedule": {"monday": [{"open": "25:00", "close": "26:00"}]}}}),
            "business.operating_schedule.monday",
        ),
        (
            json!({"business": {"operating_schedule": {"funday": []}}}),
            "business.operating_schedule.funday",
        ),
        (json!({"business": {"business_name": ["x"]}}), "business.business_name"),
    ] {
        let answered = owner.patch(&path(&desk), change.clone()).await;
        assert_eq!(field(&answered), name, "{change}: {}", answered.text);
        assert!(
            answered.json()["detail"].as_str().unwrap().contains("accepted"),
            "{}",
            answered.text
        );
    }
    for body in [Body::Json(json!([1])), Body::Json(json!("x"))] {
        assert_eq!(field(&owner.send(Method::PATCH, &path(&desk), body).await), "");
    }
    assert!(versions(&desk, &owner).await.is_empty(), "nothing was written");
}

#[tokio::test]
async fn what_was_wrong_before_does_not_stand_in_the_way() {
    let desk = Desk::open().await;
    desk.sql("update voice_agents set private_settings = '{\"voice\": 7, \"odd\": true}'").await;
    let owner = desk.sign_in("owner@example.com").await;
    let changed = owner.patch(&path(&desk), json!({"settings": {"greeting": "Hi."}})).await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.text);
    let faults = changed.json()["faults"].to_string();
    assert!(
        faults.contains("private_settings.voice") && faults.contains("private_settings.odd"),
        "{faults}"
    );
    let mended = owner.patch(&path(&desk), json!({"settings": {"voice": null, "odd": null}})).await;
    assert_eq!(mended.json()["faults"], json!([]));
}

#[tokio::test]
async fn two_who_edit_at_once_see_each_other() {
    let desk = Desk::open().await;
    let (owner, maintainer) =
        (desk.sign_in("owner@example.com").await, desk.sign_in("maintainer@example.com").await);
    let version = owner.get(&path(&desk)).await.json()["version"].clone();
    let first = json!({"settings": {"greeting": "First."}, "version": version});
    assert_eq!(owner.patch(&path(&desk), first).await.status, StatusCode::OK);
    let second = json!({"settings": {"greeting": "Second."}, "version": version});
    let refused = maintainer.patch(&path(&desk), second).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.text);
    let conflict = refused.json()["conflict"].clone();
    assert_eq!(conflict["yours"]["settings.greeting"], "Second.");
    assert_eq!(conflict["stored"]["settings.greeting"], "First.");
    let again = json!({"settings": {"greeting": "Second."}, "version": conflict["version"]});
    assert_eq!(maintainer.patch(&path(&desk), again).await.status, StatusCode::OK);
    let stale = maintainer.with("cookie", "".into()); // no credential at all
    assert_eq!(stale.patch(&path(&desk), json!({})).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn support_sees_no_settings_and_changes_nothing() {
    let desk = Desk::open().await;
    let support = desk.sign_in("support@example.com").await;
    let read = support.get(&path(&desk)).await;
    let seen = read.json();
    assert_eq!(seen["role"], "support");
    assert!(
        seen.get("settings").is_none()
            && seen.get("version").is_none()
            && seen.get("faults").is_none()
    );
    assert!(!read.text.contains("Good day."));
    let refused = support.patch(&path(&desk), json!({"name": "X"})).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let noted: i64 =
        sqlx::query_scalar("select count(*) from audit_log where action = 'access.refused'")
            .fetch_one(&desk.pool)
            .await
            .unwrap();
    assert_eq!(noted, 1);
    let other = format!("/api/v1/agents/{}", desk.other_agent);
    assert_eq!(support.patch(&other, json!({"name": "X"})).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_suspension_is_the_operators() {
    let desk = Desk::open().await;
    desk.sql("update voice_agents set status = 'suspended'").await;
    let owner = desk.sign_in("owner@example.com").await;
    assert_eq!(field(&owner.patch(&path(&desk), json!({"status": "active"})).await), "status");
    let named = owner.patch(&path(&desk), json!({"name": "Robin"})).await;
    assert_eq!(named.status, StatusCode::OK, "{}", named.text);
    let admin = desk.sign_in("admin@example.com").await;
    let lifted = admin.patch(&path(&desk), json!({"status": "active"})).await;
    assert_eq!(lifted.status, StatusCode::OK, "{}", lifted.text);
}

#[tokio::test]
async fn a_version_is_restored() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let first = json!({"name": "Robin", "settings": {"greeting": "One.", "secrets": {"CRM": "k1"}},
        "business": {"business_summary": "Teeth."}});
    assert_eq!(owner.patch(&path(&desk), first).await.status, StatusCode::OK);
    let second = json!({"settings": {"greeting": "Two.", "secrets": null}, "unAvailable": true});
    assert_eq!(owner.patch(&path(&desk), second).await.status, StatusCode::OK);
    let all = versions(&desk, &owner).await;
    let n_of = |part: &str, after: &str| {
        let becomes = |change: &Value| change["after"] == after;
        let has = |version: &&Value| {
            version["part"] == part && version["changes"].as_array().unwrap().iter().any(becomes)
        };
        let found = all.iter().find(has).unwrap_or_else(|| panic!("{part} {after}: {all:?}"));
        found["n"].as_i64().unwrap()
    };
    let restore = |n: i64| format!("{}/versions/{n}/restore", path(&desk));
    let back = owner.post(&restore(n_of("agent", "One.")), json!({})).await;
    assert_eq!(back.status, StatusCode::OK, "{}", back.text);
    assert_eq!(
        back.json()["missing"],
        json!(["secrets.CRM"]),
        "what is not stored cannot come back"
    );
    let agent = desk.app.directory.remembered(NUMBER).unwrap();
    assert_eq!(agent.settings.greeting.as_deref(), Some("One."));
    assert!(agent.unavailable, "whether it answers is of today");
    // Back to what it was before anybody changed anything.
    let baseline = all.iter().filter(|it| it["changed_by"].is_null());
    for n in baseline.map(|it| it["n"].as_i64().unwrap()).collect::<Vec<_>>() {
        assert_eq!(owner.post(&restore(n), json!({})).await.status, StatusCode::OK);
    }
    let now = owner.get(&path(&desk)).await.json();
    assert_eq!(
        (&now["name"], &now["settings"]),
        (&json!("Bright Smile"), &json!({"greeting": "Good day."}))
    );
    assert_eq!(now["business"]["business_summary"], Value::Null);
    assert_eq!(owner.post(&restore(999), json!({})).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_agent_is_made_and_deleted() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    // Of a number that somebody else's agent has nothing else is said than of one that nobody has.
    let mut told = Vec::new();
    for number in [OTHER_NUMBER, "+15559870555"] {
        let typed = json!({"name": "New", "twilio_phone_number": number});
        let made = owner.post("/api/v1/agents", typed).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
        let made = made.json();
        let path = format!("/api/v1/agents/{}", made["id"].as_str().unwrap());
        assert_eq!(owner.patch(&path, json!({"status": "inactive"})).await.status, StatusCode::OK);
        let on = owner.patch(&path, json!({"status": "active"})).await;
        told.push((on.status, on.json()["faults"].clone()));
        desk.sql(&format!(
            "delete from voice_agents where id = '{}'",
            made["id"].as_str().unwrap()
        ))
        .await;
    }
    assert_eq!(told[0], told[1]);
    assert_eq!(told[0].1[0]["field"], "twilio_phone_number", "{told:?}");
    let found = desk.app.directory.look_up(OTHER_NUMBER).await;
    assert!(
        matches!(found, frontdesk::line::directory::LookUp::Found(agent) if agent.id == desk.other_agent)
    );
    // With an account of its own the number would be the agent's: there it is refused, without a word of
    // whose it is.
    desk.sql(&format!(
        "update voice_agents set twilio_credentials = '{{\"account_sid\": \"AC1\", \"auth_token\": \"x\"}}'
        where id = '{}'",
        desk.agent
    ))
    .await;
    let taken = owner.patch(&path(&desk), json!({"twilio_phone_number": OTHER_NUMBER})).await;
    assert_eq!(field(&taken), "twilio_phone_number");
    assert!(taken.text.contains("cannot be used here"), "{}", taken.text);
    desk.sql(&format!(
        "update voice_agents set twilio_credentials = null where id = '{}'",
        desk.agent
    ))
    .await;
    assert_eq!(field(&owner.post("/api/v1/agents", json!({})).await), "name");
    let new = json!({"name": "New", "twilio_phone_number": "020 7946 0958",
        "business": {"business_timezone": "Europe/London"}, "settings": {"greeting": "Hi."}});
    let made = owner.post("/api/v1/agents", new).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let made = made.json();
    assert_eq!(made["twilio_phone_number"], "+442079460958", "numbers have one spelling");
    assert_eq!(made["role"], "owner");
    let path = format!("/api/v1/agents/{}", made["id"].as_str().unwrap());
    let directory = &desk.app.directory;
    assert!(directory.remembered("+442079460958").is_none(), "the server's account is not theirs");
    let admin = desk.sign_in("admin@example.com").await;
    let given = admin.patch(&path, json!({"twilio_phone_number": "+442079460958"})).await;
    assert_eq!(given.status, StatusCode::OK, "{}", given.text);
    assert!(directory.remembered("+442079460958").is_some(), "it answers at once");

    let maintainer = desk.sign_in("maintainer@example.com").await;
    assert_eq!(maintainer.get(&path).await.status, StatusCode::NOT_FOUND);
    let deleted = owner.send(Method::DELETE, &path, Body::None).await;
    assert_eq!(deleted.status, StatusCode::OK, "{}", deleted.text);
    assert_eq!(deleted.json()["calls_now"], 0);
    assert_eq!(owner.get(&path).await.status, StatusCode::NOT_FOUND);
    assert!(
        desk.app.directory.remembered("+442079460958").is_none(),
        "and is not in service at once"
    );
}

#[tokio::test]
async fn a_token_for_reading_changes_nothing() {
    let desk = Desk::open().await;
    let secret = token(&desk, "owner@example.com", "read").await;
    let program = desk.stranger().with("authorization", format!("Bearer {}", secret.reveal()));
    let seen = program.get(&path(&desk)).await.json();
    assert_eq!(seen["settings"]["greeting"], "Good day.", "its owner may read settings");
    let refused = program.patch(&path(&desk), json!({"name": "X"})).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text);
    assert_eq!(
        program.post("/api/v1/agents", json!({"name": "X"})).await.status,
        StatusCode::FORBIDDEN
    );
}

#[tokio::test]
async fn a_plan_that_allows_no_more_is_a_conflict_with_what_to_do() {
    let desk = Desk::open().await;
    // As the plan's own trigger says it.
    sqlx::raw_sql(
        "create function no_more() returns trigger language plpgsql as $$ begin
            raise exception 'the plan allows 1 agent' using errcode = 'PT409',
                hint = 'delete an agent or choose a larger plan';
        end $$;
        create trigger no_more before insert on voice_agents for each row execute function no_more()",
    )
    .execute(&desk.pool)
    .await
    .unwrap();
    let owner = desk.sign_in("owner@example.com").await;
    let refused = owner.post("/api/v1/agents", json!({"name": "Another"})).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.text);
    let said = "the plan allows 1 agent; delete an agent or choose a larger plan";
    assert_eq!(refused.json()["detail"], said);
}

#[tokio::test]
async fn a_call_comes_in_while_somebody_edits() {
    let desk = Desk::open().await;
    let program = token(&desk, "owner@example.com", "write").await;
    let viewer = desk.app.store.viewer_of_token(&program.hash()).await.unwrap().unwrap();
    let access =
        desk.app.store.access::<Maintain>(&viewer, Object::Agent(desk.agent)).await.unwrap();
    let editing = desk.app.store.edit_agent(&access).await.unwrap().expect("it is there");
    let mut calling = desk.pool.begin().await.unwrap();
    sqlx::query("set local lock_timeout = '2s'").execute(&mut *calling).await.unwrap();
    sqlx::query("insert into call_logs (voice_agent_id, call_start) values ($1, now())")
        .bind(desk.agent)
        .execute(&mut *calling)
        .await
        .expect("a call's row refers to the agent's, and does not wait for an edit");
    drop(editing);
}

#[tokio::test]
async fn secrets_are_sealed_and_what_does_not_open_is_not_lost() {
    let key = |letter: char| format!("{}=", letter.to_string().repeat(43));
    let desk = Desk::open_with(&[("SECRETS_KEY", key('A'))]).await;
    let owner = desk.sign_in("owner@example.com").await;
    let stored = async || -> Value {
        let text: String =
            sqlx::query_scalar("select private_settings::text from voice_agents where id = $1")
                .bind(desk.agent)
                .fetch_one(&desk.pool)
                .await
                .unwrap();
        serde_json::from_str(&text).unwrap()
    };
    owner.patch(&path(&desk), json!({"settings": {"secrets": {"CRM": "k1"}}})).await;
    let sealed = stored().await["secrets"]["CRM"].as_str().unwrap().to_owned();
    assert!(sealed.starts_with("sealed:v1:"), "{sealed}");
    let agent = desk.app.directory.remembered(NUMBER).unwrap();
    assert_eq!(agent.settings.secrets["CRM"].reveal(), "k1");
    // As another key had sealed it.
    let foreign =
        frontdesk::store::vault::Vault::new(&[9; 32]).seal(desk.agent, "secrets.CRM", "k2");
    sqlx::query("update voice_agents set private_settings = jsonb_set(private_settings, '{secrets,CRM}', to_jsonb($1::text)) where id = $2")
        .bind(&foreign)
        .bind(desk.agent)
        .execute(&desk.pool)
        .await
        .unwrap();
    let changed = owner.patch(&path(&desk), json!({"settings": {"greeting": "Hi."}})).await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.text);
    let after = stored().await;
    assert_eq!((&after["greeting"], &after["secrets"]["CRM"]), (&json!("Hi."), &json!(foreign)));
}

/// An API token of somebody's.
async fn token(desk: &Desk, email: &str, scope: &str) -> Secret {
    let secret = Secret::new("fd_");
    sqlx::query(
        "insert into api_tokens (token_hash, user_id, name, scope)
        select $1, uuid, 'a program', $3 from customer where email = $2",
    )
    .bind(secret.hash().as_slice())
    .bind(email)
    .bind(scope)
    .execute(&desk.pool)
    .await
    .unwrap();
    secret
}
