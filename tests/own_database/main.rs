//! The PostgreSQL of the program's own: created, migrated, seeded, searched, called, restarted, and
//! left behind by what is killed.

mod killed;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use frontdesk::app::App;
use frontdesk::clock::{self, Clock};
use frontdesk::config::Config;
use frontdesk::database::{DatabaseError, OwnDatabase, Place, running};
use frontdesk::rehearsal::phone::{self, CallOptions, Step};
use frontdesk::rehearsal::speech::{SpeechOptions, serve};
use frontdesk::store::migrate::{SchemaState, is_current, migrate};
use frontdesk::store::sample::{SAMPLE_NUMBER, SampleAgent, seed_sample};
use frontdesk::store::{ChangeEvent, Changes, Store};
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgPool;

/// Names the directory for the child below.
const CHILD_DIRECTORY: &str = "FRONTDESK_TEST_OWN_DIRECTORY";

/// How long anything may take.
const DEADLINE: Duration = Duration::from_secs(60);

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory")
}

fn place(data_dir: &Path) -> Place {
    let cache = std::env::var_os("FRONTDESK_PG_CACHE").map(PathBuf::from);
    Place { data_dir: data_dir.to_owned(), cache, is_durable: false }
}

/// An embedding that tells texts apart by their letters: enough to find a passage by itself.
fn embed(text: &str) -> Vec<f32> {
    let mut embedding = vec![0.001; 1536];
    for pair in text.as_bytes().windows(2) {
        embedding[(usize::from(pair[0]) * 31 + usize::from(pair[1])) % 1536] += 1.0;
    }
    embedding
}

async fn start(directory: &Path) -> (OwnDatabase, Store) {
    let own = OwnDatabase::start(&place(directory), &|_| ()).await.expect("the database starts");
    let store = Store::in_folder(own.address().folder(), 8);
    store.ping().await.expect("it answers");
    (own, store)
}

async fn stop(own: OwnDatabase, store: &Store) {
    store.pool().close().await;
    own.shut_down().await;
}

async fn eventually(what: &str, mut ask: impl AsyncFnMut() -> bool) {
    let asking = async {
        while !ask().await {
            clock::pause(Duration::from_millis(10)).await;
        }
    };
    assert!(clock::within(DEADLINE, asking).await.is_some(), "never came: {what}");
}

/// The process of the server in this `DATA_DIR`.
fn postmaster(directory: &Path) -> String {
    let file = directory.join("postgres/cluster/postmaster.pid");
    let text = std::fs::read_to_string(file).expect("a server runs");
    text.lines().next().expect("a first line").trim().to_owned()
}

fn kill(pids: &[String]) {
    let killed = Command::new("kill").arg("-9").args(pids).status().expect("kill runs");
    assert!(killed.success());
}

async fn keep_a_row(store: &Store) {
    let table = "create table kept as select 7 as value";
    sqlx::query(table).execute(store.pool()).await.expect("a table");
}

async fn kept(store: &Store) -> Option<i32> {
    sqlx::query_scalar("select value from kept").fetch_one(store.pool()).await.ok()
}

async fn passages(pool: &PgPool, sample: SampleAgent) -> i64 {
    let sql = format!("select count(*) from public.\"zz_{}\"", sample.id);
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(pool).await.expect("a count")
}

#[tokio::test]
async fn it_is_migrated_seeded_and_searched_and_a_restart_keeps_it() {
    let directory = folder();
    let (own, store) = start(directory.path()).await;
    let pool = store.pool().clone();
    assert_eq!(is_current(&pool).await.expect("a state"), SchemaState::Missing);
    let report = migrate(&pool).await.expect("it migrates");
    assert!(report.migrations >= 11, "{report:?}");
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
    stop(own, &store).await;

    let (own, store) = start(directory.path()).await;
    let pool = store.pool().clone();
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
    stop(own, &store).await;
}

/// The statements of docs/agents.md, as they stand.
#[tokio::test]
async fn a_first_agent_is_added_and_the_sample_removed_as_the_documentation_says() {
    let directory = folder();
    let (own, store) = start(directory.path()).await;
    migrate(store.pool()).await.expect("it migrates");
    seed_sample(store.pool(), embed).await.expect("it is seeded").expect("the sample");
    let text = include_str!("../../docs/agents.md");
    let (_, text) = text.split_once("## A first agent").expect("its section");
    let (text, _) = text.split_once("\n## ").expect("the next one");
    let statements: Vec<&str> = text
        .split("```sql\n")
        .skip(1)
        .map(|block| block.split_once("```").expect("the end of a block").0)
        .collect();
    assert_eq!(statements.len(), 2);
    for sql in &statements {
        sqlx::raw_sql(AssertSqlSafe(*sql)).execute(store.pool()).await.expect(sql);
    }
    let kept: Vec<(String, String)> = sqlx::query_as(
        "select a.name, c.email from voice_agents a full join customer c on c.uuid = a.created_by",
    )
    .fetch_all(store.pool())
    .await
    .expect("the agents");
    assert_eq!(kept, [("Robin".to_owned(), "owner@example.com".to_owned())]);
    // What fails on the way leaves nothing.
    let twice = sqlx::raw_sql(AssertSqlSafe(statements[0])).execute(store.pool()).await;
    assert!(twice.is_err(), "{twice:?}");
    stop(own, &store).await;
}

/// Holds the database of the directory that it is told, with a row in it, until it is killed.
#[tokio::test]
#[ignore = "a child process of the tests below"]
async fn child() {
    let directory = std::env::var(CHILD_DIRECTORY).expect("a directory");
    let (_own, store) = start(Path::new(&directory)).await;
    keep_a_row(&store).await;
    println!("\nholding");
    std::future::pending::<()>().await;
}

fn spawn_child(directory: &Path) -> Child {
    Command::new(std::env::current_exe().expect("this program"))
        .args(["--ignored", "--exact", "child", "--nocapture"])
        .env(CHILD_DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the child starts")
}

fn start_child(directory: &Path) -> Child {
    let mut child = spawn_child(directory);
    let output = BufReader::new(child.stdout.take().expect("its output"));
    let holding = output.lines().map_while(Result::ok).any(|line| line == "holding");
    assert!(holding, "the child ended before it held the database");
    child
}

fn kill_child(mut child: Child) {
    child.kill().expect("the child is killed");
    child.wait().expect("it is gone");
}

#[tokio::test]
async fn a_second_program_is_refused_and_may_read_beside_the_first() {
    let directory = folder();
    let child = start_child(directory.path());
    let refusal = OwnDatabase::start(&place(directory.path()), &|_| ()).await.map(|_| ());
    let beside = running(directory.path()).await.expect("the first one's server");
    assert_eq!(kept(&Store::in_folder(beside.folder(), 1)).await, Some(7));
    kill_child(child);
    let refusal = refusal.expect_err("a second program is refused");
    assert!(matches!(refusal, DatabaseError::InUse(_)), "{refusal}");
    assert!(refusal.to_string().contains("DATA_DIR"));
}

#[tokio::test]
async fn several_connections_are_served_and_told_of_changes() {
    let directory = folder();
    let (own, store) = start(directory.path()).await;
    migrate(store.pool()).await.expect("it migrates");
    let mut changes = Changes::new(&store);
    assert_eq!(changes.next().await, ChangeEvent::Reconnected);
    let one = store.pool().acquire().await.expect("a connection");
    let two = store.pool().acquire().await.expect("another one");
    seed_sample(store.pool(), embed).await.expect("it is seeded");
    let told = clock::within(DEADLINE, changes.next()).await.expect("a change");
    assert!(matches!(told, ChangeEvent::Changed(_)), "{told:?}");
    drop((one, two));
    stop(own, &store).await;
}

#[tokio::test]
async fn a_path_that_no_socket_can_have_will_do() {
    let directory = folder();
    let long = directory.path().join("x".repeat(120));
    let (own, store) = start(&long).await;
    stop(own, &store).await;
}

#[tokio::test]
async fn only_this_user_reaches_it_and_never_root_runs_it() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let directory = folder();
    let (own, store) = start(directory.path()).await;
    for name in ["postgres", "postgres/cluster"] {
        let mode = directory.path().join(name).metadata().expect("its folder").permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{name}");
    }
    let cluster = directory.path().join("postgres/cluster");
    let server = cluster.join("postmaster.pid").metadata().expect("a server").uid();
    let ours = directory.path().metadata().expect("our folder").uid();
    assert_ne!(server, 0);
    let rules = std::fs::read_to_string(cluster.join("pg_hba.conf")).expect("the rules");
    assert_eq!(rules.trim() == "local all all trust", server == ours, "{rules}");
    let addresses: String =
        sqlx::query_scalar("show listen_addresses").fetch_one(store.pool()).await.expect("it");
    assert_eq!(addresses, "");
    stop(own, &store).await;
}

#[tokio::test]
async fn what_serve_starts_is_durable() {
    let directory = folder();
    let place = Place { is_durable: true, ..place(directory.path()) };
    let own = OwnDatabase::start(&place, &|_| ()).await.expect("the database starts");
    let store = Store::in_folder(own.address().folder(), 1);
    for setting in ["fsync", "full_page_writes", "synchronous_commit"] {
        let show = format!("show {setting}");
        let value: String =
            sqlx::query_scalar(AssertSqlSafe(show)).fetch_one(store.pool()).await.expect("it");
        assert_eq!(value, "on", "{setting}");
    }
    stop(own, &store).await;
}

/// The server on a database of its own, in the time of `clock`.
async fn serve_in(directory: &Path, engine: &str, clock: Clock) -> App {
    let config = Config::read(&|name| {
        let value = match name {
            "BIND" => "127.0.0.1",
            "PORT" | "DRAIN_SECONDS" => "0",
            "DATA_DIR" => directory.to_str().expect("a path in UTF-8"),
            "TWILIO_AUTH_TOKEN" => "token",
            "OPENAI_API_KEY" => "key",
            "OPENAI_BASE_URL" => engine,
            "FRONTDESK_PG_CACHE" => return std::env::var(name).ok(),
            _ => return None,
        };
        Some(value.to_owned())
    });
    Box::pin(App::start(config.expect("a configuration"), clock)).await.expect("it serves")
}

#[tokio::test]
async fn a_call_is_served_on_it_and_its_row_is_there_after_a_restart() {
    let directory = folder();
    let clock = Clock::faster(4);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let options = SpeechOptions { clock, ..SpeechOptions::default() };
    let speech = serve(listener, options, std::future::pending::<()>()).expect("it speaks");
    let app = serve_in(directory.path(), &speech.base_url(), clock).await;
    let agents: i64 = sqlx::query_scalar("select count(*) from voice_agents")
        .fetch_one(app.store.pool())
        .await
        .expect("a count");
    assert_eq!(agents, 0, "a server of one's own begins empty");
    seed_sample(app.store.pool(), embed).await.expect("it is seeded");
    let url = app.public_url.join("/twilio/voice");
    let mut call = CallOptions::new(url, SAMPLE_NUMBER, clock);
    call.auth_token = Some("token".to_owned().into());
    let sid = call.call_sid.clone();
    let report = phone::call(call, vec![Step::wait_for_agent()]).await;
    assert!(!report.failed, "{:?}", report.errors);
    app.shut_down(std::future::ready(())).await;
    assert!(running(directory.path()).await.is_none());

    let (own, store) = start(directory.path()).await;
    let status: String = sqlx::query_scalar("select status from call_logs where call_sid = $1")
        .bind(sid)
        .fetch_one(store.pool())
        .await
        .expect("the call's row");
    assert_eq!(status, "completed");
    stop(own, &store).await;
}
