//! `frontdesk doctor` on real sockets and a real database: all is well where it is, and each thing
//! that is wrong has its line.
#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

mod away;
#[path = "../common/database.rs"]
mod common_database;
mod endings;
mod faults;
mod pooler;
mod program;
mod tls;

use frontdesk::commands::doctor::examine;
use frontdesk::commands::doctor::finding::{Report, Verdict};
use frontdesk::config::Config;
use frontdesk::rehearsal::phone::api::Api;
use frontdesk::rehearsal::phone::numbers::Number;
use frontdesk::rehearsal::speech::script::{Model, Script};
use frontdesk::rehearsal::speech::{Speech, SpeechOptions, serve};
use frontdesk::store::finish::finish;
use frontdesk::store::migrate::migrate;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgPool;
use tempfile::TempDir;
use tokio::net::TcpListener;
use uuid::Uuid;

use common_database::{FreshDatabase, fresh_database};

pub(crate) const ACCOUNT: &str = "AC00000000000000000000000000000001";
pub(crate) const TOKEN: &str = "the-operators-auth-token";
pub(crate) const KEY: &str = "sk-the-operators-key";
pub(crate) const NUMBER: &str = "+15559870001";
const VOICE_URL: &str = "https://calls.example.com/twilio/voice";

/// A set-up in which nothing is wrong, yet.
pub(crate) struct Clinic {
    pub(crate) values: Vec<(&'static str, String)>,
    pub(crate) twilio: Api,
    pub(crate) pool: PgPool,
    pub(crate) agent: Uuid,
    pub(crate) data: TempDir,
    pub(crate) database: FreshDatabase,
    pub(crate) speech: Speech,
}

impl Clinic {
    pub(crate) async fn healthy() -> Self {
        Self::with(Vec::new()).await
    }

    /// With a service that has these models.
    pub(crate) async fn with(models: Vec<Model>) -> Self {
        let database = fresh_database().await;
        let pool = database.pool(2).await;
        migrate(&pool).await.unwrap();
        finish(&pool).await.unwrap();
        let agent = add_agent(&pool, "Mia", NUMBER, json!({"greeting": "Good day."})).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let script = Script { models, ..Script::default() };
        let options = SpeechOptions { script, key: Some(KEY.into()), ..SpeechOptions::default() };
        let speech = serve(listener, options, std::future::pending::<()>()).unwrap();
        let twilio = Api::new(Some(ACCOUNT.into()), Some(TOKEN.to_owned().into()));
        twilio.set_number(healthy_number());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let twilio_url = format!("http://{}", listener.local_addr().unwrap());
        twilio.serve(listener);
        let data = tempfile::tempdir().unwrap();
        let values = vec![
            ("DATABASE_URL", database.url()),
            ("DATA_DIR", data.path().display().to_string()),
            ("PUBLIC_URL", "https://calls.example.com".to_owned()),
            ("CLIENT_ADDRESS_HEADER", "X-Forwarded-For".to_owned()),
            ("TWILIO_ACCOUNT_SID", ACCOUNT.to_owned()),
            ("TWILIO_AUTH_TOKEN", TOKEN.to_owned()),
            ("TWILIO_API_URL", twilio_url),
            ("OPENAI_API_KEY", KEY.to_owned()),
            ("OPENAI_BASE_URL", speech.base_url()),
        ];
        Self { values, twilio, pool, agent, data, database, speech }
    }

    /// Puts another value in a variable's place.
    pub(crate) fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.values.retain(|(known, _)| *known != name);
        self.values.push((name, value.into()));
    }

    pub(crate) fn change_number(&self, change: impl FnOnce(&mut Number)) {
        let mut number = healthy_number();
        change(&mut number);
        self.twilio.set_number(number);
    }

    pub(crate) async fn sql(&self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&self.pool).await.unwrap();
    }

    pub(crate) async fn settings(&self, settings: Value) {
        sqlx::query("update voice_agents set private_settings = $1 where id = $2")
            .bind(settings)
            .bind(self.agent)
            .execute(&self.pool)
            .await
            .unwrap();
    }

    /// What the doctor finds.
    pub(crate) async fn report(&self) -> Report {
        let value = |name: &str| {
            self.values.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
        };
        let (config, errors) = Config::read_leniently(&value);
        examine(&config, &errors).await
    }
}

/// A number that is set up as it should be.
fn healthy_number() -> Number {
    let mut number = Number::new(NUMBER, VOICE_URL);
    number.voice_fallback_url = "https://elsewhere.example/sorry.xml".to_owned();
    number
}

pub(crate) async fn add_agent(pool: &PgPool, name: &str, number: &str, settings: Value) -> Uuid {
    let agent = Uuid::new_v4();
    sqlx::query(
        "with account as (insert into auth.users (id, email)
             values ($1, $1 || '@example.com') returning id, email),
         owner as (insert into customer (uuid, email, username, plan_id)
             select id, email, 'Owner', 1 from account returning uuid)
         insert into voice_agents (id, name, created_by, twilio_phone_number, private_settings)
             select $1, $2, uuid, $3, $4 from owner",
    )
    .bind(agent)
    .bind(name)
    .bind(number)
    .bind(settings)
    .execute(pool)
    .await
    .unwrap();
    agent
}

/// The lines of what is not as it should be.
pub(crate) fn complaints(report: &Report) -> Vec<String> {
    let wrong = report.0.iter().filter(|finding| finding.verdict != Verdict::Ok);
    wrong.map(ToString::to_string).collect()
}

#[tokio::test]
async fn all_is_well_where_it_is() {
    let clinic = Clinic::healthy().await;
    let report = clinic.report().await;
    assert_eq!(complaints(&report), [""; 0], "{report}");
    assert!(report.is_good());
    let checks: Vec<&str> = report.0.iter().map(|finding| finding.check.as_str()).collect();
    let number = format!("number {NUMBER} of agent Mia");
    let expected = [
        "PUBLIC_URL",
        "DATA_DIR",
        "OBJECT_STORE_URL",
        "database",
        "pgvector",
        "database connection",
        "database schema",
        "database role",
        "agent Mia",
        "Twilio account",
        number.as_str(),
        "session of agent Mia",
        "OPENAI_BASE_URL",
        "REALTIME_MODEL",
        "TRANSCRIPTION_MODEL",
        "CHAT_MODEL",
        "EMBEDDING_MODEL",
        "embeddings",
    ];
    assert_eq!(checks, expected, "{report}");
}

/// Looking changes nothing: no table is left, no row, no file.
#[tokio::test]
async fn nothing_is_changed_by_looking() {
    let clinic = Clinic::healthy().await;
    let count = "select count(*) from pg_class where relnamespace = 'public'::regnamespace";
    let before: i64 = sqlx::query_scalar(count).fetch_one(&clinic.pool).await.unwrap();
    assert!(clinic.report().await.is_good());
    let after: i64 = sqlx::query_scalar(count).fetch_one(&clinic.pool).await.unwrap();
    assert_eq!(before, after);
    assert_eq!(std::fs::read_dir(clinic.data.path().join("spool")).unwrap().count(), 0);
}
