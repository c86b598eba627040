//! The server as a whole: put together, started, drained.

mod database;
mod doors;
mod made;
mod numbers;
mod prompts;
mod state;

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tracing::{info, warn};

use crate::agent::prompt::PromptError;
use crate::archive::BadPlace;
use crate::call_log::writer::LogWriterTask;
use crate::clock::{self, Clock, Supervisor};
use crate::config::{Config, PublicUrl};
use crate::database::{DatabaseError, OwnDatabase};
use crate::line::CallServices;
use crate::line::directory::Directory;
use crate::line::registry::Command;
use crate::post_call::PostCall;
use crate::recording::recorder::RecorderTask;
use crate::recovery::peers::Peers;
use crate::recovery::reconciler::Reconciler;
use crate::recovery::status_poller::{FindAgent, LeftCalls, StatusPoller};
use crate::store::migrate::MigrateError;
use crate::store::people::{FirstPerson, MadePerson};
use crate::store::{BadAddress, Changes, Store, StoreError};
use crate::web::AppState;
use crate::web::doctor::{Doctor, Examining};
use crate::web::owners::sign_in_link;
use crate::web::phone::Unwritten;
use database::Database;
use doors::Doors;
use made::Made;
use state::{Around, app_state};

pub use prompts::prompts;

/// How long it may take to tell the other processes that this one goes down.
const NOTE_LIMIT: Duration = Duration::from_secs(1);
/// How long calls may take to say goodbye once the shutdown waits no longer.
const GOODBYE_LIMIT: Duration = Duration::from_secs(8);
/// How long what callbacks said of calls that are out may take to be written at the end.
const UNWRITTEN_LIMIT: Duration = Duration::from_secs(5);
/// How long the tapes may take to be written at the end.
const TAPES_LIMIT: Duration = Duration::from_secs(2);
/// How long the log may take to be written at the end; what is left is in the spool.
const LOG_LIMIT: Duration = Duration::from_secs(5);

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("BIND and PORT: cannot listen on {address}: {source}")]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The address of the numbers cannot be listened on.
    #[error("METRICS_BIND: cannot listen on {address}: {source}")]
    Metrics {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The database's address cannot be used.
    #[error("DATABASE_URL: {0}")]
    DatabaseUrl(#[from] BadAddress),
    /// The schema is not there or is old.
    #[error("the database's schema is {0}: run `frontdesk migrate`, then start again")]
    Schema(&'static str),
    /// The tables are there, and their rows are not for this role.
    #[error(
        "DATABASE_URL: row level security hides all rows from its role: run `frontdesk migrate` once \
         more as the tables' owner, or use that role"
    )]
    Hidden,
    /// Others could have their code run with our rights.
    #[error(
        "the database has objects whose owners could have their code run by this program: {0}; drop \
         what you do not know, then start again"
    )]
    Strangers(String),
    /// The program's own database.
    #[error(transparent)]
    OwnDatabase(#[from] DatabaseError),
    /// The schema of the program's own database cannot be made.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// The sample business cannot be written.
    #[error("the program's own database failed: {0}")]
    Database(#[from] StoreError),
    /// The spool of the call log cannot be opened.
    #[error("DATA_DIR: the spool in {path} cannot be written: {source}")]
    Spool {
        /// The spool's folder.
        path: String,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The place where recordings go cannot be used.
    #[error("OBJECT_STORE_URL: {0}")]
    ObjectStore(#[from] BadPlace),
    /// The HTTP client cannot be made.
    #[error("no HTTP client can be made: {0}")]
    Http(#[from] reqwest::Error),
    /// A prompt template cannot be used.
    #[error("PROMPTS_DIR: {0}")]
    Prompt(#[from] PromptError),
    /// A template that does not come to an end.
    #[error("PROMPTS_DIR: a template takes too long to be filled in")]
    PromptLate,
    /// A prompt template's file cannot be read.
    #[error("PROMPTS_DIR: {path}: {source}")]
    PromptFile {
        /// The path of the file.
        path: String,
        /// What the operating system said.
        source: std::io::Error,
    },
}

/// A running server, with everything that it consists of.
#[derive(Debug)]
pub struct App {
    /// The address that the server listens on.
    pub address: SocketAddr,
    /// What Twilio is to be configured with.
    pub public_url: PublicUrl,
    /// The database that the server works on.
    pub store: Store,
    /// The services that all calls share, and with them the calls.
    pub services: Arc<CallServices>,
    /// The agents in memory, by number.
    pub directory: Arc<Directory>,
    /// What it consists of: all of these run as long as it does.
    pub tasks: Supervisor,
    drain: Duration,
    unwritten: Unwritten,
    callbacks: JoinHandle<()>,
    log: LogWriterTask,
    recorder: RecorderTask,
    aftercall: PostCall,
    serving: JoinHandle<()>,
    stop_serving: oneshot::Sender<()>,
    background: Vec<JoinHandle<()>>,
    own_database: Option<OwnDatabase>,
    doctor: Arc<Doctor>,
    scripted: Arc<OnceLock<Vec<String>>>,
}

impl App {
    /// Starts the server; calls live in `clock`'s time.
    ///
    /// # Errors
    /// What stands in the way, in one line.
    pub async fn start(config: Config, clock: Clock) -> Result<Self, StartError> {
        Self::start_on(None, config, clock).await
    }

    /// The same on a database of the program's own that runs already.
    ///
    /// # Errors
    /// What stands in the way, in one line.
    pub async fn start_on(
        own_database: Option<OwnDatabase>,
        config: Config,
        clock: Clock,
    ) -> Result<Self, StartError> {
        crate::tls::install_provider();
        let doors = Doors::open(&config)?;
        let address = doors.address;
        let public_url =
            config.public_url.clone().unwrap_or_else(|| PublicUrl::localhost(address.port()));
        let database = Database::open(own_database, &config).await?;
        let made = Made::of(&database, &config, clock)?;
        let services = Arc::clone(&made.services);
        let store = database.store.clone();
        let directory = Directory::new(store.clone(), clock);
        let peers = Peers::default();
        let tasks = Supervisor::default();
        made.watch(&tasks, database.own.as_ref());
        let mut background = after_calls(&tasks, &services, &directory, &peers, &public_url);
        background.extend(made.sweepers(&tasks, &directory, &config)?);
        background.extend(following(&tasks, &services, &directory, &database));
        let unwritten = Unwritten::default();
        let around = Around {
            store: &store,
            directory: &directory,
            peers,
            public_url: &public_url,
            unwritten: &unwritten,
            tasks: &tasks,
        };
        let state = app_state(&made, &config, around)?;
        background.extend(on_live_calls(&tasks, &state));
        let doctor = Arc::clone(&state.owners.doctor);
        let scripted = Arc::clone(&state.test_calls.scripted);
        let callbacks = tasks.spawn("callbacks", Arc::clone(&state).write_callbacks());
        let (stop_serving, serving) = doors.serve(&tasks, state, config.calls_max, &mut background);
        info!(%address, public_url = public_url.as_str(), "answering calls");
        Ok(Self {
            address,
            public_url,
            store,
            services,
            directory,
            tasks,
            drain: config.drain,
            unwritten,
            callbacks,
            log: made.log,
            recorder: made.recorder,
            aftercall: made.aftercall,
            serving,
            stop_serving,
            background,
            own_database: database.own,
            doctor,
            scripted,
        })
    }

    /// Has the page Health look at the installation with this.
    pub fn examine_with(&self, examine: impl Fn() -> Examining + Send + Sync + 'static) {
        self.doctor.set(examine);
    }

    /// Has the page Try say that its speech service is a stand-in, which plays one script, and offer the
    /// caller's lines of it. Whoever set the service up knows that; the server never asks it.
    pub fn rehearses_with(&self, lines: Vec<String>) {
        // The first word counts: a process has one speech service.
        let _ = self.scripted.set(lines);
    }

    /// A sign-in link for whoever looks after the installation, as long as nobody has ever signed in.
    pub async fn first_sign_in_link(&self) -> Result<Option<String>, StoreError> {
        let person = match self.store.first_person().await? {
            FirstPerson::Known(person) => Some(person),
            FirstPerson::None => match self.store.make_person("owner@localhost", "Owner").await? {
                MadePerson::Ready(person) => Some(person),
                MadePerson::NotInSupabase => None,
            },
            FirstPerson::SignedInBefore | FirstPerson::Several => None,
        };
        match person {
            Some(person) => sign_in_link(&self.store, &self.public_url, person).await.map(Some),
            None => Ok(None),
        }
    }

    /// Waits until one of its tasks has ended, and gives its name: the process cannot do all of its
    /// work any more, and is to be shut down.
    pub async fn failure(&self) -> &'static str {
        self.tasks.failure().await
    }

    /// Takes no more calls, waits for those there are (at most `DRAIN_SECONDS`, or until `hurry`),
    /// moves the rest to another process, says goodbye to those that cannot be moved, writes
    /// everything down and ends.
    pub async fn shut_down(self, hurry: impl Future<Output = ()>) {
        self.tasks.stop();
        let registry = &self.services.registry;
        registry.stop_taking_calls();
        info!("shutting down: no more calls are taken");
        let draining = self.store.note_draining(self.services.instance_id);
        if !matches!(clock::within(NOTE_LIMIT, draining).await, Some(Ok(()))) {
            warn!("the other processes could not be told");
        }
        tokio::select! {
            _ = self.services.clock.timeout(self.drain, registry.empty()) => {}
            () = hurry => {}
        }
        self.services.hand_over(&self.public_url.join("/twilio/after")).await;
        registry.tell_all(|| Command::Drain).await;
        let goodbyes = self.services.clock.timeout(GOODBYE_LIMIT, registry.empty());
        if goodbyes.await.is_none() {
            warn!("some calls did not end in time; they are completed as failed");
        }
        // From here on nothing may begin that could not be written down.
        drop(self.stop_serving);
        // The accept loop ends at once; a panic in it would have been seen before.
        let _ = self.serving.await;
        for task in &self.background {
            task.abort();
        }
        self.recorder.shutdown(TAPES_LIMIT).await;
        if clock::within(UNWRITTEN_LIMIT, self.unwritten.none()).await.is_none() {
            warn!("the database is away: what came of some calls is not written down");
        }
        self.callbacks.abort();
        if !self.log.shutdown(LOG_LIMIT).await {
            warn!("the database is away: the rest of the log is in the spool");
        }
        self.aftercall.stop().await;
        // A process that ends has no calls left for others to look after.
        let ours = [self.services.instance_id];
        let gone = self.store.remove_instances(&ours);
        let _ = clock::within(Duration::from_secs(1), gone).await;
        if let Some(own_database) = self.own_database {
            self.store.close().await;
            own_database.shut_down().await;
        }
        info!("shut down");
    }
}

/// Finds agents in the directory, which is also there while the database is away.
fn finder(directory: &Arc<Directory>) -> FindAgent {
    let directory = Arc::clone(directory);
    Box::new(move |id| {
        let directory = Arc::clone(&directory);
        Box::pin(async move { directory.by_id(id).await })
    })
}

/// The tasks that keep what is remembered as the database has it, and that finish its migration.
fn following(
    tasks: &Supervisor,
    services: &CallServices,
    directory: &Arc<Directory>,
    database: &Database,
) -> impl Iterator<Item = JoinHandle<()>> {
    let warming = database.is_up.then(|| clock::spawn(Arc::clone(directory).warm()));
    let changes = Changes::new(&database.store);
    let knowledge = Arc::clone(&services.function_services.knowledge);
    let learned = move |agent| knowledge.forget(agent);
    let following = tasks.spawn("changes", Arc::clone(directory).follow(changes, learned));
    warming.into_iter().chain([following]).chain(database.finishing())
}

/// The tasks that tell owners of live calls, and do what they want done with them.
fn on_live_calls(tasks: &Supervisor, state: &Arc<AppState>) -> [JoinHandle<()>; 2] {
    [
        tasks.spawn("live calls", Arc::clone(&state.live).run()),
        tasks.spawn("commands for calls", Arc::clone(state).carry_out_commands()),
    ]
}

/// The tasks that look after calls that no process has.
fn after_calls(
    tasks: &Supervisor,
    services: &Arc<CallServices>,
    directory: &Arc<Directory>,
    peers: &Peers,
    public_url: &PublicUrl,
) -> Vec<JoinHandle<()>> {
    let (clock, store) = (services.clock, services.function_services.store.in_background());
    let (registry, log) = (Arc::clone(&services.registry), services.log.clone());
    let going_down = Arc::clone(&registry);
    let (left, given) = LeftCalls::queue();
    let reconciler = Reconciler::new(store.clone(), services.instance_id)
        .with_signs_on(services.function_services.store.clone())
        .asking(left)
        .telling(peers.clone());
    let agents = finder(directory);
    let after_url = public_url.join("/twilio/after");
    let asker =
        StatusPoller::new(store, services.function_services.twilio.clone(), agents, &after_url);
    vec![
        tasks.spawn(
            "reconciler",
            reconciler.run(
                clock,
                move || log.take_proven_dead(),
                move |call| registry.find(call.agent_id, &call.call_sid).is_some(),
                move || going_down.is_draining(),
            ),
        ),
        tasks.spawn("asker", asker.run(clock, given)),
    ]
}
