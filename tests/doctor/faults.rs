//! One thing is wrong, and one line says so.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use frontdesk::rehearsal::phone::numbers::Number;
use frontdesk::rehearsal::speech::fault::Fault;
use frontdesk::rehearsal::speech::script::Model;
use frontdesk::store::migrate::migrate;
use frontdesk::store::vault::Vault;
use serde_json::json;
use sqlx::ConnectOptions;

use crate::{ACCOUNT, Clinic, NUMBER, TOKEN, add_agent, complaints};

/// What is found is these lines, each by its beginning.
async fn finds(clinic: &Clinic, lines: &[&str]) {
    let report = clinic.report().await;
    let found = complaints(&report);
    let agrees = found.len() == lines.len()
        && found.iter().zip(lines).all(|(found, line)| found.starts_with(line));
    assert!(agrees, "expected {lines:#?}, found {found:#?}");
    assert_eq!(report.is_good(), lines.iter().all(|line| line.starts_with("warn")), "{report}");
}

#[tokio::test]
async fn variables_that_cannot_be_used_do_not_stop_the_others() {
    let mut clinic = Clinic::healthy().await;
    clinic.set("PORT", "eighty");
    clinic.set("MAX_CALLS", "0");
    clinic.set("PUBLIC_URL", "calls.example.com");
    finds(
        &clinic,
        &[
            "FAIL  PORT: read \"eighty\"; accepted: a port",
            "FAIL  PUBLIC_URL: read \"calls.example.com\"; accepted: an address",
            "FAIL  MAX_CALLS: read \"0\"; accepted: a number",
        ],
    )
    .await;
}

#[tokio::test]
async fn the_place_is_looked_at() {
    let mut clinic = Clinic::healthy().await;
    clinic.set("PUBLIC_URL", "http://calls.example.com");
    let file = clinic.data.path().join("file");
    std::fs::write(&file, "").unwrap();
    clinic.set("DATA_DIR", file.display().to_string());
    let prompts = clinic.data.path().join("prompts");
    std::fs::create_dir(&prompts).unwrap();
    std::fs::write(prompts.join("system.md"), "{{ broken").unwrap();
    clinic.set("PROMPTS_DIR", prompts.display().to_string());
    finds(
        &clinic,
        &[
            "FAIL  PUBLIC_URL: http://calls.example.com: Twilio opens media streams over https only",
            "FAIL  DATA_DIR: ",
            "FAIL  PROMPTS_DIR: ",
            "FAIL  OBJECT_STORE_URL: the folder ",
            "FAIL  number +15559870001 of agent Mia: VoiceUrl is another one: \
             https://calls.example.com/twilio/voice; set VoiceUrl to POST \
             http://calls.example.com/twilio/voice",
        ],
    )
    .await;
}

#[tokio::test]
async fn a_bucket_that_is_not_there() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let mut clinic = Clinic::healthy().await;
    clinic.set("OBJECT_STORE_URL", "s3://recordings/frontdesk");
    clinic.set("AWS_ACCESS_KEY_ID", "key");
    clinic.set("AWS_SECRET_ACCESS_KEY", "secret");
    clinic.set("AWS_REGION", "eu-west-1");
    clinic.set("AWS_ENDPOINT", endpoint);
    let line = "FAIL  OBJECT_STORE_URL: the bucket recordings takes no recordings: the object \
                store: it cannot be reached, or it failed; see whether the bucket is there";
    finds(&clinic, &[line]).await;
}

#[tokio::test]
async fn a_database_that_is_not_there_or_not_ready() {
    let mut clinic = Clinic::healthy().await;
    clinic.sql("delete from _sqlx_migrations where version > 1").await;
    let skipped = "warn  agents and numbers: not looked at; mend the database first";
    finds(&clinic, &["FAIL  database schema: old; run `frontdesk migrate`", skipped]).await;
    clinic.sql("drop table _sqlx_migrations").await;
    finds(&clinic, &["FAIL  database schema: missing; run `frontdesk migrate`", skipped]).await;

    let options = clinic.database.options();
    let nowhere = options.clone().database("no_such_database").to_url_lossy();
    clinic.set("DATABASE_URL", nowhere.to_string());
    let place = format!("{}:{}", options.get_host(), options.get_port());
    let missing = format!("FAIL  database: {place} has no database no_such_database; mend");
    finds(&clinic, &[&missing, skipped]).await;
    let nobody = options.clone().username("no_such_user").to_url_lossy();
    clinic.set("DATABASE_URL", nobody.to_string());
    let refused = format!("FAIL  database: {place} has no role no_such_user");
    finds(&clinic, &[&refused, skipped]).await;

    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = closed.local_addr().unwrap().port();
    drop(closed);
    for (host, why) in [("127.0.0.1", "connection refused"), ("nowhere.invalid", "unknown host")] {
        let away = options.clone().host(host).port(port).to_url_lossy();
        clinic.set("DATABASE_URL", away.to_string());
        let away = format!("FAIL  database: {host}:{port} cannot be reached: {why}; ");
        finds(&clinic, &[&away, skipped]).await;
    }
}

#[tokio::test]
async fn a_role_that_may_too_little() {
    let mut clinic = Clinic::healthy().await;
    // Roles belong to the server, and another test may have made it.
    clinic
        .sql(
            "do $$ begin
                create role frontdesk_reader login;
            exception when duplicate_object or unique_violation then null;
            end $$;
            grant select, insert, update, delete on all tables in schema public to frontdesk_reader;
            revoke update, delete on call_logs from frontdesk_reader;
            grant execute on all functions in schema public to frontdesk_reader;
            revoke execute on function aftercall_store_summary from frontdesk_reader, public;
            revoke execute on function create_embeddings_table from frontdesk_reader, public",
        )
        .await;
    let reader = clinic.database.options().username("frontdesk_reader").to_url_lossy();
    clinic.set("DATABASE_URL", reader.to_string());
    finds(
        &clinic,
        &[
            "FAIL  database schema: row level security hides all rows from this role; run",
            "warn  agents and numbers: not looked at",
        ],
    )
    .await;
    migrate(&clinic.database.pool(1).await).await.unwrap();
    clinic.sql("drop policy \"kept for frontdesk_reader\" on appointments").await;
    finds(
        &clinic,
        &[
            "FAIL  database role: it may not: delete on call_logs, execute on \
             aftercall_store_summary, update on call_logs; grant it",
            "FAIL  database role: row level security hides rows of appointments;",
            "FAIL  database role: it may not make an agent's table, its index or its search \
             function (SQLSTATE 42501); grant it",
        ],
    )
    .await;
}

#[tokio::test]
async fn a_role_that_may_create_where_the_server_looks() {
    let clinic = Clinic::healthy().await;
    clinic
        .sql(
            "do $$ begin
                create role frontdesk_maker;
            exception when duplicate_object or unique_violation then null;
            end $$;
            grant create on schema public to frontdesk_maker",
        )
        .await;
    let named = "warn  database role: its statements may run code of who may create in public: \
                 frontdesk_maker; revoke";
    finds(&clinic, &[named]).await;
}

#[tokio::test]
async fn what_owners_wrote_is_named() {
    let clinic = Clinic::healthy().await;
    clinic
        .settings(json!({"voice": "?Quixotic?", "limits": {"call_seconds": "long"},
            "secrets": {"CRM_KEY": {"hidden": "crm-secret"}}}))
        .await;
    sqlx::query(
        "insert into functions (assistant_id, type, name, data) values
            ($1, 'json_api', 'look_up', '{\"method\": \"GET\", \"url\": \"ftp://x\"}')",
    )
    .bind(clinic.agent)
    .execute(&clinic.pool)
    .await
    .unwrap();
    finds(
        &clinic,
        &[
            "warn  agent Mia: private_settings.voice: found another text; accepted is",
            "warn  agent Mia: private_settings.limits.call_seconds: found another text; accepted",
            "warn  agent Mia: private_settings.secrets.CRM_KEY: found an object; accepted is a text",
            "warn  agent Mia: function look_up: data.url: found",
        ],
    )
    .await;
    let report = clinic.report().await.to_string();
    assert!(!report.contains("Quixotic") && !report.contains("crm-secret"), "{report}");
}

#[tokio::test]
async fn settings_that_the_speech_service_refuses() {
    let clinic = Clinic::healthy().await;
    clinic.settings(json!({"voice": "nova"})).await;
    let refused = "warn  session of agent Mia: the speech service refuses audio.output.voice (text): \
                   calls go on without it; set private_settings.voice to a voice that the service \
                   has";
    finds(&clinic, &[refused]).await;
    let field = |field: &str| Fault::RefuseSetting { field: field.into(), unnamed: false };
    clinic.speech.command(field("audio.output.format.type"));
    let lost = "FAIL  session of agent Mia: there is none: invalid_value";
    finds(&clinic, &[lost]).await;
}

#[tokio::test]
async fn agents_and_numbers_that_do_not_fit() {
    let clinic = Clinic::healthy().await;
    add_agent(&clinic.pool, "Bob", "+15559870002", json!({})).await;
    add_agent(&clinic.pool, "Eve", "(555) 987", json!({})).await;
    // A spelling that only the program reads, in a row that says that it is older.
    add_agent(&clinic.pool, "Zoe", "tel:+1-555-987-0001", json!({})).await;
    clinic.sql("update voice_agents set created_at = '2000-01-01' where name = 'Zoe'").await;
    clinic.sql("update voice_agents set status = 'inactive' where name = 'Bob'").await;
    finds(
        &clinic,
        &[
            "warn  agent Bob: it is out of service",
            "warn  agent Eve: twilio_phone_number: found another text; accepted is a number",
            "warn  agent Eve: it has no number that can be called; set twilio_phone_number",
            "warn  number +15559870001: agent Mia and agent Zoe have it, and the first answers",
            "FAIL  number +15559870002 of agent Bob: the account has no such number",
        ],
    )
    .await;
}

#[tokio::test]
async fn each_fault_of_a_number_at_twilio() {
    let clinic = Clinic::healthy().await;
    // Its page is not the first one of the account's list if the filter is not used.
    for n in 0..60 {
        clinic.twilio.set_number(Number::new(format!("+1555111{n:04}"), ""));
    }
    type Change = fn(&mut Number);
    let faults: [(Change, &str); 7] = [
        (
            |n| n.voice_url = "https://old.example/voice?token=x".into(),
            "VoiceUrl is another one: https://old.example/voice; set VoiceUrl to POST https://calls.example.com/twilio/voice",
        ),
        (|n| n.voice_url.clear(), "VoiceUrl is empty"),
        (|n| n.voice_method = "GET".into(), "VoiceUrl is not asked with POST"),
        (|n| n.voice_fallback_url.clear(), "VoiceFallbackUrl is empty"),
        (|n| n.voice_application_sid = "AP1".into(), "its VoiceApplicationSid takes the calls"),
        (|n| n.trunk_sid = "TK1".into(), "its TrunkSid takes the calls"),
        (|n| n.takes_calls = false, "it takes no calls"),
    ];
    for (change, says) in faults {
        clinic.change_number(change);
        finds(&clinic, &[&format!("FAIL  number {NUMBER} of agent Mia: {says}")]).await;
    }
}

#[tokio::test]
async fn credentials_that_twilio_does_not_know() {
    let mut clinic = Clinic::healthy().await;
    clinic.set("TWILIO_AUTH_TOKEN", "another-token");
    let number = "FAIL  number +15559870001 of agent Mia: Twilio does not know these credentials";
    let account = "FAIL  Twilio account: Twilio does not know these credentials; mend \
                   TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN";
    finds(&clinic, &[account, number]).await;

    clinic.set("TWILIO_AUTH_TOKEN", "");
    let unset = "FAIL  TWILIO_AUTH_TOKEN: not set: webhooks of 1 agents without own";
    let unknown = "warn  number +15559870001 of agent Mia: not looked at";
    finds(&clinic, &[unset, unknown]).await;

    // Its own come before the global ones, and are all that it has.
    let own = json!({"account_sid": crate::ACCOUNT, "auth_token": crate::TOKEN});
    sqlx::query("update voice_agents set twilio_credentials = $1")
        .bind(own)
        .execute(&clinic.pool)
        .await
        .unwrap();
    finds(&clinic, &[]).await;
    sqlx::query("update voice_agents set twilio_credentials = '{\"auth_token\": \"x\"}'")
        .execute(&clinic.pool)
        .await
        .unwrap();
    let nameless = "warn  number +15559870001 of agent Mia: not looked at: there are no \
                    credentials to do it with; set twilio_credentials.account_sid of the agent";
    finds(&clinic, &[nameless]).await;
}

#[tokio::test]
async fn keys_and_models_that_are_not_in_force() {
    let mut clinic = Clinic::healthy().await;
    clinic.set("OPENAI_API_KEY", "sk-another");
    let refused = "FAIL  OPENAI_API_KEY: 127.0.0.1 refuses it";
    finds(&clinic, &[refused, "FAIL  embeddings: the service answered 401 invalid_api_key"]).await;
    clinic.set("OPENAI_BASE_URL", "http://127.0.0.1:1/v1");
    let away = "FAIL  OPENAI_BASE_URL: 127.0.0.1: it cannot be reached";
    let session = "FAIL  session of agent Mia: there is none: cannot connect";
    finds(&clinic, &[session, away, "FAIL  embeddings: cannot connect"]).await;
    clinic.set("OPENAI_BASE_URL", "");
    clinic.set("OPENAI_API_KEY", "");
    finds(&clinic, &["FAIL  OPENAI_API_KEY: not set"]).await;
}

#[tokio::test]
async fn models_that_end_are_told_of_in_time() {
    let model = |id: &str, day: Option<&str>| Model {
        id: id.to_owned(),
        shutdown_date: day.map(str::to_owned),
    };
    let soon = jiff::Zoned::now().date().checked_add(jiff::Span::new().days(30)).unwrap();
    let clinic = Clinic::with(vec![
        model("gpt-realtime-2.1", Some(&soon.to_string())),
        model("gpt-transcribe", Some("2020-02-26")),
        model("text-embedding-3-small", Some("2999-01-01")),
    ])
    .await;
    finds(
        &clinic,
        &[
            "warn  REALTIME_MODEL: gpt-realtime-2.1 is shut down on ",
            "FAIL  TRANSCRIPTION_MODEL: gpt-transcribe was shut down on 2020-02-26",
            "FAIL  CHAT_MODEL: there is no gpt-6-luna",
        ],
    )
    .await;
}

/// A key, and the agent's own account sealed with it.
async fn sealed(clinic: &Clinic, key: u8) -> String {
    let vault = Vault::new(&[key; 32]);
    let seal = |field, text| vault.seal(clinic.agent, field, text);
    let credentials = json!({
        "account_sid": seal("account_sid", ACCOUNT), "auth_token": seal("auth_token", TOKEN)});
    sqlx::query("update voice_agents set twilio_credentials = $1")
        .bind(credentials)
        .execute(&clinic.pool)
        .await
        .unwrap();
    STANDARD.encode([key; 32])
}

#[tokio::test]
async fn what_is_sealed_is_opened_before_anybody_is_asked() {
    let mut clinic = Clinic::healthy().await;
    let key = sealed(&clinic, 7).await;
    clinic.set("SECRETS_KEY", key);
    let report = clinic.report().await;
    assert_eq!(complaints(&report), [""; 0], "{report}");
    assert!(report.to_string().contains("its calls come here"), "{report}");
}

#[tokio::test]
async fn what_does_not_open_is_said_and_sent_to_nobody() {
    for key in [None, Some([8; 32])] {
        let mut clinic = Clinic::healthy().await;
        sealed(&clinic, 7).await;
        if let Some(key) = key {
            clinic.set("SECRETS_KEY", STANDARD.encode(key));
        }
        let line = "FAIL  number +15559870001 of agent Mia: the agent's twilio_credentials are \
                    sealed, and do not open with this SECRETS_KEY; set SECRETS_KEY";
        finds(&clinic, &[line]).await;
    }
}

#[tokio::test]
async fn a_proxy_that_is_not_named_makes_one_client_of_all() {
    let mut clinic = Clinic::healthy().await;
    clinic.values.retain(|(name, _)| *name != "CLIENT_ADDRESS_HEADER");
    finds(&clinic, &["warn  CLIENT_ADDRESS_HEADER: not set: behind the proxy all people have"])
        .await;
    clinic.set("FLY_MACHINE_ID", "148e");
    finds(&clinic, &[]).await;
}

/// A database of the program's own is made by the first start: before it nothing is broken.
#[tokio::test]
async fn a_database_that_is_still_to_be_made() {
    let mut clinic = Clinic::healthy().await;
    clinic.values.retain(|(name, _)| *name != "DATABASE_URL");
    clinic.set("DATA_DIR", clinic.data.path().join("new").display().to_string());
    let line = "warn  agents and numbers: not looked at; run `frontdesk serve`, which makes";
    let report = clinic.report().await;
    assert!(complaints(&report).iter().any(|found| found.starts_with(line)), "{report}");
    assert!(!report.to_string().contains("mend the database"), "{report}");
}
