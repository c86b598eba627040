//! All that a run needs: a database with agents, the services, Twilio, two programs.

use std::sync::Mutex;
use std::time::Duration;

use frontdesk::clock::{self, Clock, within};
use frontdesk::knowledge::feature_hash::embed;
use frontdesk::rehearsal::phone::api::Api;
use frontdesk::store::migrate::migrate;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, ConnectOptions as _, PgPool};
use tempfile::TempDir;
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::database::{FreshDatabase, fresh_database};
use crate::front::Front;
use crate::plan::{Due, Fault, Size};
use crate::program::{Program, Setting};
use crate::proxy::{Proxy, Wire};
use crate::services::Services;

pub(crate) const TOKEN: &str = "the-operators-auth-token";
pub(crate) const ACCOUNT: &str = "AC00000000000000000000000000000001";
pub(crate) const KEY: &str = "sk-the-operators-key";
/// What is said when nobody can answer.
pub(crate) const FALLBACK: &str = "Please call again tomorrow.";
/// How long calls are waited for at an end without moving: none lasts so long.
const DRAIN: Duration = Duration::from_secs(90);
/// How long they are waited for before they are moved.
const DRAIN_BEFORE_MOVING: Duration = Duration::from_secs(2);
const PASSAGES: [&str; 3] = [
    "Which insurance plans do you accept? We accept Delta Dental and Cigna.",
    "There is free parking behind the building.",
    "A cleaning is one hundred and twenty dollars without insurance.",
];

pub(crate) struct House {
    pub(crate) pool: PgPool,
    pub(crate) clock: Clock,
    pub(crate) twilio: Api,
    pub(crate) front: Front,
    pub(crate) services: Services,
    pub(crate) settings: [Setting; 2],
    /// The programs that run, by place.
    pub(crate) programs: [tokio::sync::Mutex<Option<Program>>; 2],
    /// When which program was ended how, for what is forgiven only around it.
    pub(crate) ends: Mutex<Vec<ProgramEnd>>,
    /// What went wrong with the programs themselves.
    pub(crate) trouble: Mutex<Vec<String>>,
    wire: Proxy,
    folder: TempDir,
    // Dropped last, when nothing uses it any more.
    _database: FreshDatabase,
}

/// A program was killed or told to end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProgramEnd {
    pub(crate) unix: Duration,
    pub(crate) is_kill: bool,
}

/// The number of an agent.
pub(crate) fn number(agent: usize) -> String {
    format!("+1555987{agent:04}")
}

impl House {
    pub(crate) async fn open(size: &Size) -> Self {
        let database = fresh_database().await;
        let pool = database.pool(4).await;
        migrate(&pool).await.unwrap();
        furnish(&pool, size.agents()).await;
        let wire = Proxy::to(&database.options()).await;
        let twilio = Api::new(Some(ACCOUNT.to_owned()), Some(TOKEN.to_owned().into()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let twilio_url = format!("http://{}", listener.local_addr().unwrap());
        twilio.serve(listener);
        let (front, services) = (Front::start().await, Services::start().await);
        let mut folder = tempfile::tempdir().unwrap();
        // What the programs said is there to be read where something does not hold.
        folder.disable_cleanup(true);
        let setting = |name| Setting {
            name,
            folder: folder.path().to_owned(),
            drain: if size.moves { DRAIN_BEFORE_MOVING } else { DRAIN },
            environment: vec![
                ("DATABASE_URL", wire.options(database.options()).to_url_lossy().to_string()),
                ("PUBLIC_URL", front.url.clone()),
                ("TWILIO_ACCOUNT_SID", ACCOUNT.to_owned()),
                ("TWILIO_AUTH_TOKEN", TOKEN.to_owned()),
                ("TWILIO_API_URL", twilio_url.clone()),
                ("OPENAI_API_KEY", KEY.to_owned()),
                ("OPENAI_BASE_URL", services.base_url.clone()),
            ],
        };
        let house = Self {
            pool,
            clock: Clock::real(),
            twilio,
            settings: [setting("one"), setting("two")],
            front,
            services,
            programs: Default::default(),
            ends: Mutex::default(),
            trouble: Mutex::default(),
            wire,
            folder,
            _database: database,
        };
        for place in 0..2 {
            house.start(place, 0).await;
        }
        house
    }

    /// Removes what the programs wrote, when nobody needs it, or says where it is.
    pub(crate) fn tidy(&self, all_holds: bool) {
        let folder = self.folder.path();
        if !all_holds {
            println!("  what the programs said and wrote is in {}", folder.display());
        } else if let Err(error) = std::fs::remove_dir_all(folder) {
            println!("  {} cannot be removed: {error}", folder.display());
        }
    }

    async fn start(&self, place: usize, count: usize) {
        let program = self.settings[place].start(count).await;
        self.front.seat(place, program.address);
        *self.programs[place].lock().await = Some(program);
    }

    /// Has the faults of one line happen, one after the other.
    pub(crate) async fn suffer(&self, began_at: Duration, line: Vec<Due>) {
        for (n, due) in line.into_iter().enumerate() {
            self.clock.sleep_until(began_at + due.at).await;
            match due.fault {
                Fault::Database(wire) => {
                    self.wire.set(wire);
                    clock::pause(due.lasts).await;
                    self.wire.set(Wire::Joined);
                }
                Fault::Speech(wire) => over(&self.services.sessions, wire, due.lasts).await,
                Fault::SpeechDrops => self.services.drop_sessions(),
                Fault::Language(wire) => over(&self.services.language, wire, due.lasts).await,
                Fault::Kill | Fault::Terminate => self.end_and_start(due, n + 1).await,
            }
        }
    }

    /// Ends a program and starts it again. The one that is killed in a round is told to end in the
    /// next.
    async fn end_and_start(&self, due: Due, count: usize) {
        let is_kill = due.fault == Fault::Kill;
        let place = (due.round + usize::from(is_kill)) % 2;
        let program = self.programs[place].lock().await.take().expect("it runs");
        self.ends.lock().unwrap().push(ProgramEnd { unix: clock::unix_now(), is_kill });
        if is_kill {
            drop(program);
            clock::pause(due.lasts).await;
        } else if let Err(trouble) = self.settings[place].terminate(program).await {
            self.trouble.lock().unwrap().push(trouble);
        }
        self.start(place, count).await;
    }

    /// Asks until the answer is yes, or for `limit`. Gives whether it was.
    pub(crate) async fn eventually(
        &self,
        limit: Duration,
        mut ask: impl AsyncFnMut() -> bool,
    ) -> bool {
        let asking = async {
            while !ask().await {
                clock::pause(Duration::from_millis(50)).await;
            }
        };
        within(limit, asking).await.is_some()
    }
}

async fn over(wire: &tokio::sync::watch::Sender<Wire>, state: Wire, lasts: Duration) {
    wire.send_replace(state);
    clock::pause(lasts).await;
    wire.send_replace(Wire::Joined);
}

/// Writes the agents, each with a business that is always open and something to know. What is done
/// where they cannot answer differs.
async fn furnish(pool: &PgPool, agents: usize) {
    let owner = Uuid::nil();
    let mut sql = format!(
        "insert into auth.users (id, email) values ('{owner}', 'a@b.c');
        insert into customer (uuid, email, username, plan_id) values ('{owner}', 'a@b.c', 'a', 1);"
    );
    let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let hours = json!({"open": "00:00", "close": "23:59"});
    let schedule: Value = days.into_iter().map(|day| (day.to_owned(), hours.clone())).collect();
    for n in 0..agents {
        let (id, number) = (Uuid::now_v7(), number(n));
        let fallback = match n % 3 {
            0 => json!({"kind": "voicemail", "message": FALLBACK}),
            1 => json!({"kind": "say", "message": FALLBACK}),
            _ => json!({"kind": "forward", "number": "+15551239999"}),
        };
        let settings = json!({"greeting": "Hello, how can I help you?", "fallback": fallback,
            "limits": {"concurrent_calls": 500},
            // A caller who has no more to say does not wait long to be asked whether they are there.
            "idle": {"reprompt_seconds": 5, "reprompts": 1}});
        sql += &format!(
            "insert into voice_agents (id, name, created_by, twilio_phone_number, private_settings)
                values ('{id}', 'Mia', '{owner}', '{number}', '{settings}');
            insert into business_details (voice_agent_id, business_name, business_timezone,
                operating_schedule, default_appointment_length)
                values ('{id}', 'Bright Smiles', 'America/New_York', '{schedule}', 15);"
        );
        for passage in PASSAGES {
            let vector = serde_json::to_string(&embed(passage)).unwrap();
            sql += &format!(
                r#"insert into "zz_{id}" (content, embedding) values ('{passage}', '{vector}');"#
            );
        }
    }
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(pool).await.unwrap();
}
