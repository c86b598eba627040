//! Searching an agent's own passages.

use std::time::Duration;

use metrics::histogram;
use moka::sync::Cache;
use tracing::warn;
use uuid::Uuid;

use super::embed::{DIMENSIONS, EmbedError, Embedder};
use crate::agent::Agent;
use crate::call::Passage;
use crate::clock::{self, Stopwatch};
use crate::config::OpenAi;
use crate::store::{Store, StoreError};

/// How long a search may take, embedding included, where the agent's budget is not longer. What
/// comes after the budget is too late for this answer, and serves the next one.
const SEARCH_LIMIT: Duration = Duration::from_secs(3);
/// The most of a passage that is given to the engine.
const PASSAGE_MAX_BYTES: usize = 2_000;
/// Agents of which it is remembered whether they have passages.
const AGENTS_MAX: u64 = 100_000;
/// How long it is remembered that there are some: looking costs a search.
const SOME_FOR: Duration = Duration::from_secs(60);
/// How long it is remembered that there are none: an owner who adds some wants to hear them.
const NONE_FOR: Duration = Duration::from_secs(2);

/// Why a search gave nothing. Nothing of what was looked for is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SearchError {
    /// The words have no embedding.
    #[error(transparent)]
    Embed(#[from] EmbedError),
    /// The database did not search.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It took too long.
    #[error("search: no answer in time")]
    Late,
}

/// All agents' knowledge. One for all calls of a process.
#[derive(Debug)]
pub struct Knowledge {
    store: Store,
    embedder: Embedder,
    known: Cache<Uuid, Known>,
}

/// What is remembered of an agent.
#[derive(Debug, Clone, Copy)]
struct Known {
    has_search: bool,
    has_passages: bool,
    since: Stopwatch,
}

impl Known {
    fn is_fresh(&self) -> bool {
        self.since.elapsed() < if self.has_passages { SOME_FOR } else { NONE_FOR }
    }
}

impl Knowledge {
    /// Over the agents' tables in `store`; `model` of `service` makes the embeddings.
    ///
    /// # Errors
    /// If this machine's HTTP client cannot be made.
    pub fn new(store: Store, service: &OpenAi, model: &str) -> Result<Self, reqwest::Error> {
        let embedder = Embedder::new(service, model)?;
        Ok(Self { store, embedder, known: Cache::new(AGENTS_MAX) })
    }

    /// Has one text embedded, to see that the service and the model do.
    ///
    /// # Errors
    /// Why not.
    pub async fn try_embedding(&self) -> Result<(), EmbedError> {
        self.embedder.embed("opening hours").await.map(|_| ())
    }

    /// Whether an agent has anything to be searched, by what was known last; where nothing was, that
    /// there is: a search will tell.
    pub fn was_there(&self, agent: Uuid) -> bool {
        self.known.get(&agent).is_none_or(|known| known.has_passages)
    }

    /// Whether an agent has anything to be searched. Where the database cannot be asked, or
    /// `may_ask` is false because it is known to be away, it is as it [was](Self::was_there).
    /// It takes as long as the database does: who asks does not wait for it.
    pub async fn is_there(&self, agent: Uuid, may_ask: bool) -> bool {
        let known = self.known.get(&agent);
        if let Some(known) = known
            && known.is_fresh()
        {
            return known.has_passages;
        }
        if !may_ask {
            return self.was_there(agent);
        }
        // Any direction finds something where there is something.
        let mut direction = vec![0.0; DIMENSIONS];
        direction[0] = 1.0;
        let search = self.store.search_passages(agent, &direction, 1);
        let Ok(found) = search.await else { return self.was_there(agent) };
        let now = Known {
            has_search: found.is_some(),
            has_passages: found.is_some_and(|rows| !rows.is_empty()),
            since: Stopwatch::start(),
        };
        if !now.has_search && known.is_none_or(|known| known.has_search) {
            warn!(%agent, "the agent has no search function: it answers without knowledge");
        }
        self.known.insert(agent, now);
        now.has_passages
    }

    /// Remembers that an agent has something to be searched: it was written this moment.
    pub(super) fn learned(&self, agent: Uuid) {
        let now = Known { has_search: true, has_passages: true, since: Stopwatch::start() };
        self.known.insert(agent, now);
    }

    /// Forgets whether an agent has anything to be searched, or all agents: that has changed, and the
    /// next call asks.
    pub fn forget(&self, agent: Option<Uuid>) {
        match agent {
            Some(agent) => self.known.invalidate(&agent),
            None => self.known.invalidate_all(),
        }
    }

    pub(super) fn embedder(&self) -> &Embedder {
        &self.embedder
    }

    /// The agent's passages about what was said, best first; none if none is similar enough.
    ///
    /// # Errors
    /// Why it could not be searched, which has been logged.
    pub async fn search(&self, agent: &Agent, said: &str) -> Result<Vec<Passage>, SearchError> {
        let budget = Duration::from_millis(agent.settings.knowledge.budget_ms.into());
        let search = clock::within(budget.max(SEARCH_LIMIT), self.look_up(agent, said));
        let found = search.await.unwrap_or(Err(SearchError::Late));
        if let Err(error) = &found {
            warn!(%error, "the agent's knowledge could not be searched");
        }
        found
    }

    async fn look_up(&self, agent: &Agent, said: &str) -> Result<Vec<Passage>, SearchError> {
        let settings = &agent.settings.knowledge;
        let Some(embedding) = self.embedder.embed(said).await? else { return Ok(Vec::new()) };
        let since = Stopwatch::start();
        let rows = self.store.search_passages(agent.id, &embedding, settings.matches).await?;
        histogram!("frontdesk_search_seconds").record(since.elapsed());
        let passages = rows.unwrap_or_default().into_iter().map(|row| {
            let text = row.content.trim();
            let text = text[..text.floor_char_boundary(PASSAGE_MAX_BYTES)].to_owned();
            Passage { id: row.id, similarity: row.similarity, text }
        });
        // A passage whose similarity is not a number is not similar.
        let is_near = |passage: &Passage| passage.similarity >= settings.min_similarity;
        Ok(passages.filter(is_near).filter(|passage| !passage.text.is_empty()).collect())
    }
}
