//! The built program, its database behind a wire that can be cut, and callers.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use frontdesk::clock::{self, Clock, within};
use frontdesk::private::Private;
use frontdesk::rehearsal::phone::api::Api;
use frontdesk::rehearsal::phone::{
    self, CallOptions, CallReport, PhoneEvent, Sample, Step, StreamFault,
};
use frontdesk::rehearsal::speech::{SAMPLES, Speech, SpeechOptions, serve};
use frontdesk::store::migrate;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, ConnectOptions, PgPool};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::database::{FreshDatabase, fresh_database, pool};
use crate::proxy::{Proxy, Wire};

/// Anything here takes less.
pub(crate) const DEADLINE: Duration = Duration::from_secs(40);
/// What the agent answers, turn by turn.
pub(crate) const ANSWERS: [&str; 3] = ["First answer.", "Second answer.", "Third answer."];
pub(crate) const TOKEN: &str = "the-programs-auth-token";
const KEY: &str = "sk-the-programs-key";
const NUMBER: &str = "+15559870001";

pub(crate) struct Bench {
    pub(crate) pool: PgPool,
    wire: Proxy,
    speech: Speech,
    folder: TempDir,
    // Dropped last, when nothing uses it any more.
    database: FreshDatabase,
}

/// The running program. It is killed with this value.
pub(crate) struct Program {
    child: Child,
    public_url: String,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// What it writes to standard error.
    log: PathBuf,
}

/// A call that runs.
pub(crate) struct PlacedCall {
    pub(crate) sid: String,
    pub(crate) events: mpsc::Receiver<PhoneEvent>,
    pub(crate) spoken: usize,
    pub(crate) task: JoinHandle<CallReport>,
}

impl Bench {
    /// A migrated database with one agent, and a speech service that answers three questions.
    pub(crate) async fn start() -> Self {
        let turns = ["First", "Second", "Third"]
            .map(|n| json!({"heard": format!("{n} question?"), "reply": format!("{n} answer.")}));
        Self::with(&turns).await
    }

    /// A migrated database with one agent, and a speech service with these turns.
    pub(crate) async fn with(turns: &[Value]) -> Self {
        let database = fresh_database().await;
        let pool = pool(database.options(), 2).await;
        migrate::migrate(&pool).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(format!(
            r#"insert into auth.users (id, email) values ('{0}', 'a@b.c');
            insert into customer (uuid, email, username, plan_id) values ('{0}', 'a@b.c', 'a', 1);
            insert into voice_agents (name, created_by, twilio_phone_number, private_settings)
                values ('Kunigunde', '{0}', '{NUMBER}',
                    '{{"greeting": "Hello.", "idle": {{"reprompt_seconds": 0}}}}');
            -- What later events say again goes after a call. Here it stays, so that a gap is a loss.
            create function keep_event() returns trigger language plpgsql as
                'begin return null; end';
            create trigger keep_event before delete on call_events
                for each row execute function keep_event();"#,
            uuid::Uuid::nil()
        )))
        .execute(&pool)
        .await
        .unwrap();
        let wire = Proxy::to(&database.options()).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let script = json!({"turns": turns});
        let options = SpeechOptions {
            script: serde_json::from_value(script).unwrap(),
            ..SpeechOptions::default()
        };
        let speech = serve(listener, options, std::future::pending::<()>()).unwrap();
        Self { pool, wire, speech, folder: tempfile::tempdir().unwrap(), database }
    }

    pub(crate) fn wire(&self, state: Wire) {
        self.wire.set(state);
    }

    /// Starts the program, on a port of its own choice, and waits until it answers calls.
    pub(crate) async fn program(&self) -> Program {
        self.program_in("data").await
    }

    /// Starts the program with its data in a folder of this name.
    pub(crate) async fn program_in(&self, data: &str) -> Program {
        self.program_with(data, &[]).await
    }

    /// Starts the program with its data in a folder of this name, and more in its environment.
    pub(crate) async fn program_with(&self, data: &str, more: &[(&str, String)]) -> Program {
        let log = self.folder.path().join(format!("{}.log", uuid::Uuid::new_v4()));
        let child = Command::new(env!("CARGO_BIN_EXE_frontdesk"))
            .env_clear()
            .env("PORT", "0")
            .env("BIND", "127.0.0.1")
            .env("DATABASE_URL", self.wire.options(self.database.options()).to_url_lossy().as_str())
            .env("DATA_DIR", self.folder.path().join(data))
            .env("TWILIO_AUTH_TOKEN", TOKEN)
            .env("OPENAI_API_KEY", KEY)
            .env("OPENAI_BASE_URL", self.speech.base_url())
            .env("RUST_LOG", "trace")
            .envs(more.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut program =
            Program { child, public_url: String::new(), address: nowhere, log: log.clone() };
        eventually("the program answers calls", async || {
            assert!(program.child.try_wait().unwrap().is_none(), "{}", read(&log));
            let Some((address, url)) = answers(&read(&log)) else { return false };
            (program.address, program.public_url) = (address, url);
            true
        })
        .await;
        program
    }

    /// A caller who says `turns` things, each when the agent has finished, hears the last answer,
    /// and then does `last`, or stays on the line.
    pub(crate) fn call(&self, program: &Program, turns: usize, last: Option<Step>) -> PlacedCall {
        let mut steps: Vec<_> =
            (0..turns).flat_map(|n| [Step::wait_for_agent(), says(n)]).collect();
        steps.push(Step::wait_for_agent());
        steps.extend(last);
        self.place(program, None, StreamFault::None, steps)
    }

    /// A caller who does this, with a call that `twilio` can be asked about and moves.
    pub(crate) fn place(
        &self,
        program: &Program,
        twilio: Option<&Api>,
        fault: StreamFault,
        steps: Vec<Step>,
    ) -> PlacedCall {
        let mut options =
            CallOptions::new(format!("{}/twilio/voice", program.public_url), NUMBER, Clock::real());
        options.auth_token = Some(Private::new(TOKEN.to_owned()));
        options.api = twilio.cloned();
        options.stream_fault = fault;
        let (sender, events) = mpsc::channel(256);
        options.events = Some(sender);
        let sid = options.call_sid.clone();
        PlacedCall { sid, events, spoken: 0, task: clock::spawn(phone::call(options, steps)) }
    }

    /// Waits until the call's row `l` fulfils the condition.
    pub(crate) async fn eventually(&self, sid: &str, condition: &str) {
        let ask =
            format!("select count(*) > 0 from call_logs l where call_sid = $1 and {condition}");
        eventually(condition, async || {
            let asked = sqlx::query_scalar(AssertSqlSafe(ask.clone())).bind(sid);
            asked.fetch_one(&self.pool).await.unwrap()
        })
        .await;
    }

    /// The call's row.
    pub(crate) async fn row(&self, sid: &str) -> Value {
        let row = sqlx::query_scalar("select to_jsonb(l) from call_logs l where call_sid = $1");
        row.bind(sid).fetch_one(&self.pool).await.unwrap()
    }

    /// No event of the call is missing, and their times rise.
    pub(crate) async fn assert_events_in_order(&self, sid: &str) {
        let events: Vec<(i64, i64)> = sqlx::query_as(
            "select seq, at_ms from call_events e join call_logs l on l.id = e.call_log_id
            where call_sid = $1 order by seq",
        )
        .bind(sid)
        .fetch_all(&self.pool)
        .await
        .unwrap();
        assert!(events.len() > 5, "{events:?}");
        for pair in events.windows(2) {
            assert_eq!(pair[1].0, pair[0].0 + 1, "{events:?}");
            assert!(pair[1].1 >= pair[0].1, "{events:?}");
        }
    }
}

/// The caller says line `n` of the sample audio.
pub(crate) fn says(n: usize) -> Step {
    Step::Say(Sample::new(format!("line {n}"), SAMPLES[n]))
}

impl Program {
    /// As `kill -9`.
    pub(crate) fn kill(self) {}

    /// As SIGTERM; waits until it has ended, and gives whether it did so well.
    pub(crate) async fn stop(mut self) -> bool {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let mut ended = None;
        eventually("the program ends", async || {
            ended = self.child.try_wait().unwrap();
            ended.is_some()
        })
        .await;
        ended.is_some_and(|ended| ended.success())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !std::thread::panicking() {
            assert_private(&read(&self.log));
        }
    }
}

/// Nothing that these tests know of the calls, of their agent or of the operator is in what the
/// program wrote at its most talkative, panics included.
fn assert_private(log: &str) {
    let private = [
        // The caller's, the agent's and the texts' numbers, in any spelling.
        "5551230001",
        "5559870001",
        // What was said, and by whom.
        "question?",
        "answer.",
        "Hello.",
        "Kunigunde",
        "P\u{e9}rez",
        "Any of these",
        // What only the operator knows.
        TOKEN,
        KEY,
        "postgres://",
        "postgresql://",
    ];
    for line in log.lines() {
        assert!(!line.contains("panicked at"), "{line}");
        let digits: String = line.chars().filter(|c| !" ().-+".contains(*c)).collect();
        let shown = private.iter().find(|value| line.contains(*value) || digits.contains(*value));
        assert_eq!(shown, None, "it is in the log: {line}");
    }
}

/// Where the program says that it listens, and what its public URL is, once it answers calls.
fn answers(log: &str) -> Option<(SocketAddr, String)> {
    let (_, line) = log.split_once("answering calls")?;
    let (_, address) = line.split_once("address=")?;
    let (address, _) = address.split_once(' ')?;
    let (_, url) = line.split_once("public_url=\"")?;
    Some((address.parse().ok()?, url.split_once('"')?.0.to_owned()))
}

fn read(log: &Path) -> String {
    std::fs::read_to_string(log).unwrap()
}

/// Asks until the answer is yes.
async fn eventually(what: &str, mut ask: impl AsyncFnMut() -> bool) {
    let asking = async {
        while !ask().await {
            clock::pause(Duration::from_millis(10)).await;
        }
    };
    assert!(within(DEADLINE, asking).await.is_some(), "never came: {what}");
}
