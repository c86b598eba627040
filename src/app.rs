//! The server as a whole: put together, started, drained.

mod database;
mod numbers;
mod prompts;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tracing::{info, warn};
use uuid::Uuid;

use crate::agent::prompt::PromptError;
use crate::archive::{Archive, BadPlace};
use crate::call_log::writer::{LogWriter, LogWriterTask};
use crate::clock::{self, Clock, Supervisor};
use crate::config::{Config, PublicUrl};
use crate::database::{DatabaseError, OwnDatabase};
use crate::functions::{Toolbox, egress};
use crate::knowledge::Knowledge;
use crate::line::directory::Directory;
use crate::line::registry::{Command, Registry};
use crate::line::{Engines, Exchange};
use crate::post_call::summary::Summaries;
use crate::post_call::webhook::Webhooks;
use crate::post_call::{AT_ONCE, Aftercall, Parts};
use crate::recording::recorder::{Recorder, RecorderTask};
use crate::recording::uploader::Recordings;
use crate::recovery::peers::Neighbours;
use crate::recovery::reconciler::Reconciler;
use crate::recovery::status_poller::{Asker, FindAgent, LeftCalls};
use crate::retention::Sweeper;
use crate::store::migrate::MigrateError;
use crate::store::{BadAddress, Changes, Store, StoreError};
use crate::twilio::rest::TwilioRest;
use crate::web::phone::{Answers, Noting, Unsigned, Unwritten};
use crate::web::{Front, limits, metrics_router, operators, router, serve};
use database::Database;

pub use prompts::prompts;

/// Connections to a port that has the numbers to itself.
const METRICS_CONNECTIONS: usize = 64;
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
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The address of the numbers cannot be listened on.
    #[error("METRICS_BIND: cannot listen on {address}: {source}")]
    Metrics {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The database's address cannot be used.
    #[error("DATABASE_URL: {0}")]
    DatabaseUrl(#[from] BadAddress),
    /// The schema is not there or is old.
    #[error("the database's schema is {0}: run `frontdesk migrate`, then start again")]
    Schema(&'static str),
    /// Others could have their code run with our rights.
    #[error(
        "the database has objects whose owners could have their code run by this program: {0}; drop \
         what you do not know, then start again"
    )]
    Strangers(String),
    /// The program's own database.
    #[error(transparent)]
    OwnDatabase(#[from] DatabaseError),
    /// Its schema.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// Its sample.
    #[error("the program's own database failed: {0}")]
    Database(#[from] StoreError),
    /// The spool.
    #[error("DATA_DIR: the spool in {path} cannot be written: {source}")]
    Spool {
        /// Its folder.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Where recordings go.
    #[error("OBJECT_STORE_URL: {0}")]
    ObjectStore(#[from] BadPlace),
    /// The HTTP client.
    #[error("no HTTP client can be made: {0}")]
    Http(#[from] reqwest::Error),
    /// A template.
    #[error("PROMPTS_DIR: {0}")]
    Prompt(#[from] PromptError),
    /// A template's file.
    #[error("PROMPTS_DIR: {path}: {source}")]
    PromptFile {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
}

/// A running server.
#[derive(Debug)]
pub struct App {
    /// Where it listens.
    pub address: SocketAddr,
    /// What Twilio is to be configured with.
    pub public_url: PublicUrl,
    /// Its database.
    pub store: Store,
    /// Its calls.
    pub exchange: Arc<Exchange>,
    /// Its agents.
    pub directory: Arc<Directory>,
    /// What it consists of: all of these run as long as it does.
    pub tasks: Supervisor,
    drain: Duration,
    unwritten: Unwritten,
    callbacks: JoinHandle<()>,
    log: LogWriterTask,
    recorder: RecorderTask,
    aftercall: Aftercall,
    serving: JoinHandle<()>,
    stop_serving: oneshot::Sender<()>,
    background: Vec<JoinHandle<()>>,
    own_database: Option<OwnDatabase>,
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
        let address = SocketAddr::new(config.bind, config.port);
        let listening = |source| StartError::Listen { address, source };
        let listener = serve::listen(address).map_err(listening)?;
        let address = listener.local_addr().map_err(listening)?;
        let metrics_listener = config.metrics_bind.map(|address| {
            serve::listen(address).map_err(|source| StartError::Metrics { address, source })
        });
        let metrics_listener = metrics_listener.transpose()?;
        let metrics_apart = metrics_listener.is_some();
        let public_url =
            config.public_url.clone().unwrap_or_else(|| PublicUrl::localhost(address.port()));
        let database = Database::open(own_database, &config).await?;
        // What no call waits for has connections of its own.
        let (store, behind) = (database.store.clone(), database.store.in_background());
        let instance_id = Uuid::now_v7();
        let tapes = config.data_dir.join("tapes");
        let (recorder, recorder_task) = Recorder::start(tapes.clone())
            .map_err(|source| StartError::Spool { path: tapes.display().to_string(), source })?;
        let archive = Archive::open(&config.object_store)?;
        let spool = config.data_dir.join("spool");
        let (log, log_task) =
            LogWriter::start(store.clone(), spool.clone(), instance_id, database.is_up).map_err(
                |source| StartError::Spool { path: spool.display().to_string(), source },
            )?;
        let knowledge =
            Arc::new(Knowledge::new(store.clone(), &config.openai, &config.models.embedding)?);
        let prompts = Arc::new(prompts(config.prompts_dir.as_deref())?);
        let aftercall = Aftercall::start(Parts {
            store: behind.clone(),
            instance_id,
            summaries: Summaries::new(
                behind.clone(),
                Arc::clone(&prompts),
                &config.openai,
                &config.models.chat,
            )?,
            webhooks: Webhooks::new(behind.clone(), config.private_tool_urls.clone())?,
            completed: log.completed(),
            at_once: AT_ONCE,
        });
        let exchange = Arc::new(Exchange {
            clock,
            registry: Registry::new(config.calls_max),
            log: log.clone(),
            recorder,
            prompts,
            engines: Engines::new(config.openai, config.models),
            toolbox: Arc::new(Toolbox {
                store: store.clone(),
                knowledge,
                services: egress::Client::new(config.private_tool_urls)?,
                twilio: TwilioRest::new(config.twilio_api_url, config.twilio.clone())?,
                clock,
            }),
            instance_id,
        });
        let directory = Directory::new(store.clone(), clock);
        let neighbours = Neighbours::default();
        let tasks = Supervisor::default();
        log_task.tasks().into_iter().for_each(|(name, task)| tasks.watch(name, task));
        tasks.watch("recorder", recorder_task.abort_handle());
        if let Some(own) = &database.own {
            tasks.watch("own database", own.keeper());
        }
        aftercall.tasks().for_each(|task| tasks.watch("work after calls", task));
        let mut background = after_calls(&tasks, &exchange, &directory, &neighbours, &public_url);
        let twilio = exchange.toolbox.twilio.clone();
        let sweeper = Sweeper::new(behind.clone(), archive.clone(), twilio, finder(&directory));
        let recordings = Recordings::new(behind, archive, tapes);
        background.extend([
            tasks.spawn("lag", numbers::watch_lag()),
            tasks.spawn("recordings", recordings.run()),
            tasks.spawn("retention", sweeper.run()),
        ]);
        if database.is_up {
            background.push(clock::spawn(Arc::clone(&directory).warm()));
        }
        let changes = Changes::new(&store);
        background.push(tasks.spawn("changes", Arc::clone(&directory).follow(changes)));
        let unwritten = Unwritten::default();
        let front = Arc::new(Front {
            exchange: Arc::clone(&exchange),
            directory: Arc::clone(&directory),
            store: store.clone(),
            public_url: public_url.clone(),
            twilio: config.twilio,
            fly_machine_id: config.fly_machine_id,
            neighbours,
            answers: Answers::default(),
            unsigned: Unsigned::default(),
            noting: Noting::default(),
            unwritten: unwritten.clone(),
            tasks: tasks.clone(),
            metrics: numbers::install(),
            rendered: operators::Rendered::default(),
        });
        let callbacks = tasks.spawn("callbacks", Arc::clone(&front).write_callbacks());
        let (stop_serving, stopped) = oneshot::channel::<()>();
        if let Some(listener) = metrics_listener {
            let (routes, never) = (metrics_router(Arc::clone(&front)), std::future::pending());
            let limits = limits(METRICS_CONNECTIONS);
            background.push(tasks.spawn("metrics", serve::serve(listener, routes, limits, never)));
        }
        let (routes, limits) = (router(front, !metrics_apart), limits(config.calls_max * 2 + 1000));
        let stopped = async {
            // Dropped counts as stopped.
            let _ = stopped.await;
        };
        let serving = tasks.spawn("serving", serve::serve(listener, routes, limits, stopped));
        info!(%address, public_url = public_url.as_str(), "answering calls");
        Ok(Self {
            address,
            public_url,
            store,
            exchange,
            directory,
            tasks,
            drain: config.drain,
            unwritten,
            callbacks,
            log: log_task,
            recorder: recorder_task,
            aftercall,
            serving,
            stop_serving,
            background,
            own_database: database.own,
        })
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
        let registry = &self.exchange.registry;
        registry.stop_taking_calls();
        info!("shutting down: no more calls are taken");
        let draining = self.store.note_draining(self.exchange.instance_id);
        if !matches!(clock::within(NOTE_LIMIT, draining).await, Some(Ok(()))) {
            warn!("the other processes could not be told");
        }
        tokio::select! {
            _ = self.exchange.clock.timeout(self.drain, registry.empty()) => {}
            () = hurry => {}
        }
        self.exchange.hand_over(&self.public_url.join("/twilio/after")).await;
        registry.tell_all(|| Command::Drain).await;
        let goodbyes = self.exchange.clock.timeout(GOODBYE_LIMIT, registry.empty());
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
        let ours = [self.exchange.instance_id];
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

/// The tasks that look after calls that no process has.
fn after_calls(
    tasks: &Supervisor,
    exchange: &Arc<Exchange>,
    directory: &Arc<Directory>,
    neighbours: &Neighbours,
    public_url: &PublicUrl,
) -> Vec<JoinHandle<()>> {
    let (clock, store) = (exchange.clock, exchange.toolbox.store.in_background());
    let (registry, log) = (Arc::clone(&exchange.registry), exchange.log.clone());
    let going_down = Arc::clone(&registry);
    let (left, given) = LeftCalls::queue();
    let reconciler = Reconciler::new(store.clone(), exchange.instance_id)
        .with_signs_on(exchange.toolbox.store.clone())
        .asking(left)
        .telling(neighbours.clone());
    let agents = finder(directory);
    let after_url = public_url.join("/twilio/after");
    let asker = Asker::new(store, exchange.toolbox.twilio.clone(), agents, &after_url);
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
