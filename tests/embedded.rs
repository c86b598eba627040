//! The embedded database: migrated, seeded, searched, restarted, and left behind by a kill.
#![cfg(feature = "embedded")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use frontdesk::store::embedded::{Embedded, EmbeddedError};
use frontdesk::store::migrate::{Report, SchemaState, is_current, migrate};
use frontdesk::store::sample::{SAMPLE_NUMBER, SampleAgent, seed_sample};
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgPool;

/// Names the directory for the child below.
const CHILD_DIRECTORY: &str = "FRONTDESK_TEST_EMBEDDED_DIRECTORY";

/// An embedding that tells texts apart by their letters: enough to find a passage by itself.
fn embed(text: &str) -> Vec<f32> {
    let mut embedding = vec![0.001; 1536];
    for pair in text.as_bytes().windows(2) {
        embedding[(usize::from(pair[0]) * 31 + usize::from(pair[1])) % 1536] += 1.0;
    }
    embedding
}

async fn start(directory: &Path) -> (Embedded, PgPool) {
    let embedded = Embedded::start(directory).await.expect("the embedded database starts");
    let pool = embedded.pool().await.expect("it answers");
    (embedded, pool)
}

async fn stop(embedded: Embedded, pool: PgPool) {
    pool.close().await;
    embedded.shut_down().await.expect("it ends");
}

async fn passages(pool: &PgPool, sample: SampleAgent) -> i64 {
    let sql = format!("select count(*) from public.\"zz_{}\"", sample.id);
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(pool).await.expect("a count")
}

#[tokio::test]
async fn it_is_migrated_seeded_and_searched_and_a_restart_keeps_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let (embedded, pool) = start(directory.path()).await;
    assert_eq!(is_current(&pool).await.expect("a state"), SchemaState::Missing);
    let report = migrate(&pool).await.expect("it migrates");
    assert_eq!(report, Report { migrations: 11, embeddings_tables: 0 });
    let sample = seed_sample(&pool, embed).await.expect("it is seeded").expect("the sample");
    assert!(sample.created);

    let content = "Patients park free of charge for two hours in the garage behind the building. \
                   Bring the ticket to the front desk and we stamp it.";
    let search = format!(
        "select content, similarity from public.\"zz_{}_search\"($1::real[]::vector, 3)",
        sample.id
    );
    let found: Vec<(String, f64)> = sqlx::query_as(AssertSqlSafe(search))
        .bind(embed(content))
        .fetch_all(&pool)
        .await
        .expect("a search");
    assert_eq!((found.len(), found[0].0.as_str()), (3, content));
    assert!(found[0].1 > 0.999 && found[1].1 < found[0].1);

    let types: Vec<String> = sqlx::query_scalar(
        "select f.type::text from functions f join voice_agents a on a.id = f.assistant_id \
         join business_details b on b.voice_agent_id = a.id \
         where coalesce(a.number_e164, a.twilio_phone_number) = $1 \
         and b.business_timezone = 'America/New_York' order by 1",
    )
    .bind(SAMPLE_NUMBER)
    .fetch_all(&pool)
    .await
    .expect("the functions");
    assert_eq!(types, ["flows", "form", "function", "json_api"]);
    stop(embedded, pool).await;

    let (embedded, pool) = start(directory.path()).await;
    assert_eq!(is_current(&pool).await.expect("a state"), SchemaState::Current);
    let again = seed_sample(&pool, embed).await.expect("it is not seeded twice");
    assert_eq!(again, Some(SampleAgent { created: false, ..sample }));
    assert_eq!(passages(&pool, sample).await, 12);
    // An agent of somebody's own: the sample, once deleted, does not come back.
    sqlx::query(
        "with own as (insert into voice_agents (name, created_by) \
         select 'Own', created_by from voice_agents returning id) \
         delete from voice_agents where id not in (select id from own)",
    )
    .execute(&pool)
    .await
    .expect("the sample is replaced");
    assert_eq!(seed_sample(&pool, embed).await.expect("an answer"), None);
    stop(embedded, pool).await;
}

/// Holds the database of the directory that it is told, with a row in it, until it is killed.
#[tokio::test]
#[ignore = "a child process of the test below"]
async fn child() {
    let directory = std::env::var(CHILD_DIRECTORY).expect("a directory");
    let (_embedded, pool) = start(Path::new(&directory)).await;
    let table = "create table kept as select 7 as value";
    sqlx::query(table).execute(&pool).await.expect("a table");
    println!("\nholding");
    std::future::pending::<()>().await;
}

fn start_child(directory: &Path) -> Child {
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(["--ignored", "--exact", "child", "--nocapture"])
        .env(CHILD_DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the child starts");
    let output = BufReader::new(child.stdout.take().expect("its output"));
    let holding = output.lines().map_while(Result::ok).any(|line| line == "holding");
    assert!(holding, "the child ended before it held the database");
    child
}

#[tokio::test]
async fn a_second_process_is_told_so_and_a_killed_one_is_in_nobodys_way() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut child = start_child(directory.path());
    let second = Embedded::start(directory.path()).await;
    child.kill().expect("the child is killed");
    child.wait().expect("it is gone");
    let refusal = second.expect_err("a second process is refused");
    assert!(matches!(refusal, EmbeddedError::InUse(_)), "{refusal}");
    assert!(refusal.to_string().contains("DATA_DIR"));

    let (embedded, pool) = start(directory.path()).await;
    let value: i32 = sqlx::query_scalar("select value from kept")
        .fetch_one(&pool)
        .await
        .expect("what was there");
    assert_eq!(value, 7);
    stop(embedded, pool).await;
}

#[tokio::test]
async fn a_client_that_goes_away_before_its_answer_ends_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let (embedded, pool) = start(directory.path()).await;
    for _ in 0..3 {
        let connection = pool.acquire().await.expect("a connection");
        let mut connection = connection.detach();
        // More than a socket holds, asked for and not waited for.
        let ask = sqlx::query("select repeat('x', 1000) from generate_series(1, 2000)");
        let mut rows = sqlx::Executor::fetch(&mut connection, ask);
        let first = futures_util::StreamExt::next(&mut rows).await.expect("an answer");
        first.expect("the first row");
        drop(rows);
        drop(connection);
    }
    let one: i32 = sqlx::query_scalar("select 1").fetch_one(&pool).await.expect("it still answers");
    assert_eq!(one, 1);
    stop(embedded, pool).await;
}

#[tokio::test]
async fn a_path_that_no_socket_can_have_is_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let long = directory.path().join("x".repeat(100));
    let refusal = Embedded::start(&long).await.expect_err("too long");
    assert!(matches!(refusal, EmbeddedError::PathTooLong(_)), "{refusal}");
}

#[cfg(unix)]
#[tokio::test]
async fn only_this_user_reaches_the_socket() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().expect("a directory");
    let (embedded, pool) = start(directory.path()).await;
    let database = directory.path().join("database");
    let mode = database.metadata().expect("its folder").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    assert!(database.join(".s.PGSQL.5432").exists());
    stop(embedded, pool).await;
}
