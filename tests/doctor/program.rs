//! The built program: its exit code, its JSON, and no secret in what it prints.

use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::{Clinic, KEY, NUMBER, TOKEN};

/// Runs it while the stand-ins of the test go on answering.
pub(crate) async fn doctor(clinic: &Clinic, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_frontdesk"));
    command.arg("doctor").args(arguments).env_clear().env("RUST_LOG", "trace");
    command.envs(clinic.values.iter().map(|(name, value)| (*name, value)));
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

pub(crate) fn printed(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exit_code_says_whether_nothing_is_wrong() {
    let clinic = Clinic::healthy().await;
    let output = doctor(&clinic, &[]).await;
    let (out, err) = printed(&output);
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    assert!(out.ends_with("all is well\n"), "{out}");
    assert!(out.lines().all(|line| line.starts_with("ok    ") || line == "all is well"), "{out}");

    clinic.change_number(|number| number.voice_fallback_url.clear());
    let output = doctor(&clinic, &["--json"]).await;
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["ok"], false);
    let checks = report["checks"].as_array().unwrap();
    let wrong: Vec<&Value> = checks.iter().filter(|check| check["verdict"] != "ok").collect();
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    assert_eq!(wrong[0]["check"], format!("number {NUMBER} of agent Mia"));
    assert!(wrong[0]["remedy"].as_str().unwrap().contains("VoiceFallbackUrl"));
}

/// A role that may lay triggers does so after `migrate`.
#[tokio::test(flavor = "multi_thread")]
async fn the_code_of_a_stranger_fails_doctor_and_keeps_serve_from_starting() {
    let clinic = Clinic::healthy().await;
    clinic
        .sql(
            "do $$ begin
                create role frontdesk_layer;
            exception when duplicate_object or unique_violation then null;
            end $$;
            create schema traps authorization frontdesk_layer;
            grant trigger on call_logs to frontdesk_layer;
            set role frontdesk_layer;
            create function traps.row() returns trigger language plpgsql as $$ begin
                return new; end $$;
            create trigger trap before insert on public.call_logs for each row
                execute function traps.row();
            reset role",
        )
        .await;
    let output = doctor(&clinic, &[]).await;
    let (out, err) = printed(&output);
    assert_eq!(output.status.code(), Some(1), "{out}{err}");
    let named = "FAIL  database trust: the role would run the code of others: trigger trap on";
    assert!(out.contains(named), "{out}");

    let mut command = Command::new(env!("CARGO_BIN_EXE_frontdesk"));
    command.arg("serve").env_clear().stdout(Stdio::null()).stderr(Stdio::piped());
    command.envs(clinic.values.iter().map(|(name, value)| (*name, value)));
    let mut child = command.env("PORT", "0").env("BIND", "127.0.0.1").spawn().unwrap();
    let ended = async {
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                return status;
            }
            frontdesk::clock::pause(Duration::from_millis(50)).await;
        }
    };
    let ended = frontdesk::clock::within(Duration::from_secs(30), ended).await;
    // Where it serves, it is not left behind.
    let _ = child.kill();
    let (_, said) = printed(&child.wait_with_output().unwrap());
    assert_eq!(ended.expect("it ends").code(), Some(1), "{said}");
    assert!(said.contains("`drop trigger trap on public.call_logs`"), "{said}");
}

/// Neither where all is well nor where nothing is, nor in the log at its most talkative.
#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_printed() {
    let mut clinic = Clinic::healthy().await;
    clinic
        .settings(serde_json::json!({"secrets": {"CRM_KEY": "crm-secret"},
            "webhook": {"url": "https://hooks.example/", "secret": "webhook-secret"}}))
        .await;
    sqlx::query("update voice_agents set twilio_credentials = $1")
        .bind(serde_json::json!({"account_sid": "AC9", "auth_token": "agents-own-token"}))
        .execute(&clinic.pool)
        .await
        .unwrap();
    let address = clinic.database.url().replace("postgres@", "postgres:hunter2@");
    for database in [address, "postgres://u:hunter2@127.0.0.1:1/d".into(), "my:hunter2@h".into()] {
        clinic.set("DATABASE_URL", database);
        let (out, err) = printed(&doctor(&clinic, &[]).await);
        assert!(out.contains("database") || out.contains("DATABASE_URL"), "{out}");
        for secret in [TOKEN, KEY, "hunter2", "crm-secret", "webhook-secret", "agents-own-token"] {
            let both = format!("{out}{err}");
            let line = both.lines().find(|line| line.contains(secret));
            assert_eq!(line, None, "{secret} is printed");
        }
        // Basic credentials, as they would be in a header that is printed.
        use base64::Engine as _;
        let basic = base64::engine::general_purpose::STANDARD.encode("AC9:agents-own-token");
        assert!(!err.contains(&basic), "credentials are printed");
    }
}

/// A link is for somebody in a database that has tables.
#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_link_says_whose_it_is_and_what_is_missing() {
    let clinic = Clinic::healthy().await;
    let token = async |values: Vec<(&'static str, String)>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_frontdesk"));
        command.args(["token", "--email", "ann@example.com"]).env_clear().envs(values);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        (output.status.code(), printed(&output))
    };
    let (code, (out, err)) = token(clinic.values.clone()).await;
    assert_eq!(code, Some(0), "{err}");
    assert!(out.starts_with("Sign in as ann@example.com, once, within an hour: https://"), "{out}");
    assert!(!out.contains("PUBLIC_URL"), "{out}");
    let mut elsewhere = clinic.values.clone();
    elsewhere.retain(|(name, _)| *name != "PUBLIC_URL");
    let (_, (out, _)) = token(elsewhere).await;
    assert!(
        out.contains("PUBLIC_URL is not set here, so the link leads to http://localhost"),
        "{out}"
    );
    clinic.sql("drop table _sqlx_migrations").await;
    let (code, (_, err)) = token(clinic.values.clone()).await;
    assert_eq!(code, Some(1));
    assert!(err.contains("schema is missing: run `frontdesk migrate`"), "{err}");
    assert!(!err.contains("away"), "{err}");
}
