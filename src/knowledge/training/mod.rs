//! What owners have their agents learn: sources are fetched, read, split into passages and embedded, in the
//! background and a few at a time. The work survives the end of any process: see `store::trainings`.

mod crawl;
mod fetch;
mod learn;
pub mod reading;
mod words;
mod work;

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use tracing::{debug, info, warn};
use uuid::Uuid;

use self::reading::Reader;
use self::work::BROKEN;
use super::Knowledge;
use crate::clock;
use crate::config::HostPort;
use crate::functions::egress;
use crate::store::trainings::{Training, TrainingEnd};
use crate::store::{Store, StoreError};

/// Sources that a process works on at once: reading takes a processor for seconds.
const AT_ONCE: usize = 2;
/// For how long a process has a source, and how often it goes on with that. One that ends without a word
/// leaves its sources to the others so soon.
const LEASE: Duration = Duration::from_secs(60);
const HOLD: Duration = Duration::from_secs(15);
/// How often it is looked for work, and for sources whose time has come again.
const POLL: Duration = Duration::from_secs(1);
const DUE_EVERY: Duration = Duration::from_secs(60);
/// As many begin anew by themselves in that time: a thousand agents do not do so at once.
const DUE_MAX: i32 = 20;
/// The largest answer that is read of a website, bytes.
const ANSWER_BYTES: usize = 25 << 20;

/// Does the work on sources.
#[derive(Debug, Clone)]
pub struct Trainer {
    store: Store,
    knowledge: Arc<Knowledge>,
    /// One of its own: what is fetched takes no places from what callers wait for.
    client: Arc<egress::Client>,
    reader: Reader,
    worker: Uuid,
}

impl Trainer {
    /// In this database, for what this process knows. `allowed`: what may be reached although private;
    /// `program`: this program, for reading documents.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub fn new(
        store: Store,
        knowledge: Arc<Knowledge>,
        allowed: Vec<HostPort>,
        program: PathBuf,
    ) -> Result<Self, reqwest::Error> {
        let client = egress::Client::new(allowed)?.with_answers_of(ANSWER_BYTES);
        let (client, reader) = (Arc::new(client), Reader::new(program));
        Ok(Self { store, knowledge, client, reader, worker: Uuid::now_v7() })
    }

    /// Works for ever; drop the future to stop. Another process goes on with what was begun.
    pub async fn run(self) {
        let mut running = FuturesUnordered::new();
        let mut looked = clock::Stopwatch::start();
        loop {
            let room = AT_ONCE - running.len();
            match self.claim(room).await {
                Ok(claimed) => running.extend(claimed.into_iter().map(|one| self.train(one))),
                Err(error) => debug!(%error, "work on sources waits for the database"),
            }
            if looked.elapsed() >= DUE_EVERY {
                looked = clock::Stopwatch::start();
                match self.store.queue_due_sources(DUE_MAX).await {
                    Ok(0) => {}
                    Ok(due) => info!(due, "sources are read again"),
                    Err(error) => debug!(%error, "sources that are due could not be looked for"),
                }
            }
            tokio::select! {
                Some(()) = running.next() => {}
                () = clock::pause(POLL) => {}
            }
        }
    }

    async fn claim(&self, room: usize) -> Result<Vec<Training>, StoreError> {
        if room == 0 {
            return Ok(Vec::new());
        }
        let limit = i64::try_from(room).unwrap_or(1);
        self.store.claim_trainings(self.worker, limit, LEASE).await
    }

    /// Does the work on one source, and writes what comes of it.
    async fn train(&self, training: Training) {
        let work = work::Work { trainer: self, training: &training };
        let holding = async {
            loop {
                clock::pause(HOLD).await;
                if let Err(error) = self.store.hold_training(&training, LEASE).await {
                    debug!(%error, "the lease of a source could not be gone on with");
                }
            }
        };
        // A fault of ours in one document ends neither the work on the others nor the server.
        let working = AssertUnwindSafe(work.carry_out()).catch_unwind();
        let end = tokio::select! {
            end = working => end.unwrap_or_else(|_| Some(TrainingEnd::Broken(BROKEN.to_owned()))),
            () = holding => None,
        };
        let Some(end) = end else { return };
        self.knowledge.forget(Some(training.agent));
        if let Err(error) = self.store.end_training(&training, &end).await {
            warn!(%error, source = %training.source, "what came of a source is not written: it is done again");
        }
    }

    /// Gives back what was begun, for other processes.
    pub async fn give_back(&self) {
        if let Err(error) = self.store.give_back_trainings(self.worker).await {
            debug!(%error, "work on sources is free for others when its leases are over");
        }
    }
}
