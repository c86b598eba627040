//! Which agent answers a number: from memory, kept fresh by the database's notifications, and
//! served on when the database is away.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use metrics::counter;
use moka::sync::Cache;
use tracing::warn;
use uuid::Uuid;

use super::listed::{LISTED_MAX, Listed};
use crate::agent::phone_number::normalise_e164;
use crate::agent::{Agent, AgentSource, Status};
use crate::clock::{self, Clock, Stopwatch};
use crate::store::{ChangeEvent, Changes, Store, StoreError};

/// The most numbers that are remembered.
const NUMBERS_MAX: u64 = 100_000;
/// The most numbers without an agent that are remembered.
const UNKNOWN_MAX: u64 = 10_000;
/// How long: a flood of calls to such a number asks the database once, and an agent that is made
/// this moment answers soon even where changes are not told.
const UNKNOWN_TIME: Duration = Duration::from_secs(2);
/// How long the database may take to answer a question.
const LOOK_UP_LIMIT: Duration = Duration::from_secs(2);
/// Without notifications what is remembered is read again after this long.
const STALE_AFTER: Duration = Duration::from_secs(5);
/// How often a number is read at most while changes come in.
const READS_MAX: u32 = 3;
/// The most agents that are read at the start; others are read when they are called first.
const WARM_MAX: u32 = 1_000;
/// How long the database may take to say which they are.
const WARM_LIMIT: Duration = Duration::from_secs(10);
/// The most faults of an agent's rows that the log names each time they are read: who changes rows with
/// thousands of them must not fill the disk.
const FAULTS_TOLD: usize = 20;
/// How long after a failed attempt what is remembered is read again at the earliest.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What is known of a number.
#[derive(Debug, Clone)]
pub enum LookUp {
    /// This agent answers it.
    Found(Arc<Agent>),
    /// No agent has the number.
    Unknown,
    /// It is not remembered and the database is away.
    Unavailable,
}

#[derive(Debug, Clone)]
struct Entry {
    agent: Arc<Agent>,
    /// Call time from which a look-up reads it again.
    stale_at: Duration,
    /// How many changes had been told when it began to be read.
    began: u64,
}

/// The agents by number and by id.
#[derive(Debug)]
pub struct Directory {
    store: Store,
    clock: Clock,
    by_number: Cache<String, Entry>,
    by_id: Cache<Uuid, Arc<Agent>>,
    /// Numbers that no agent answers.
    unknown: Cache<String, ()>,
    /// Agents with a token of their own, read or not.
    listed: Listed,
    /// Whether the database tells of changes; otherwise entries are read again when stale.
    is_told: AtomicBool,
    /// How many changes were told: what began to be read before one may be from before it, and
    /// takes the place of nothing that was read since.
    changes: AtomicU64,
}

impl Directory {
    /// An empty directory over `store`.
    pub fn new(store: Store, clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            store,
            clock,
            by_number: Cache::new(NUMBERS_MAX),
            by_id: Cache::new(NUMBERS_MAX),
            unknown: Cache::builder().max_capacity(UNKNOWN_MAX).time_to_live(UNKNOWN_TIME).build(),
            listed: Listed::default(),
            is_told: false.into(),
            changes: 0.into(),
        })
    }

    /// Who answers `number`, E.164.
    pub async fn look_up(self: &Arc<Self>, number: &str) -> LookUp {
        let Some(entry) = self.by_number.get(number) else {
            if self.unknown.contains_key(number) {
                return LookUp::Unknown;
            }
            return match self.read(number).await {
                Ok(Some(agent)) => LookUp::Found(agent),
                Ok(None) => LookUp::Unknown,
                Err(()) => LookUp::Unavailable,
            };
        };
        if self.clock.now() >= entry.stale_at {
            // Answer with what is there, and know better next time.
            let directory = Arc::clone(self);
            let number = number.to_owned();
            self.put_off(&number, STALE_AFTER);
            clock::spawn(async move {
                // An error has been logged; what is remembered stays.
                let _ = directory.read(&number).await;
            });
        }
        LookUp::Found(entry.agent)
    }

    /// Reads the agents that there are, so that those of them that are called first are known also
    /// if the database goes away before. What fails is read when it is asked for.
    pub async fn warm(self: Arc<Self>) {
        self.read_all().await;
    }

    /// Reads which agents have a token of their own. What fails is read when everything is read again.
    async fn list(&self) {
        let reading = self.store.agents_with_tokens(LISTED_MAX);
        match clock::within(WARM_LIMIT, reading).await {
            Some(Ok(agents)) => self.listed.replace(&agents),
            Some(Err(error)) => warn!(%error, "agents could not be listed"),
            None => warn!("agents could not be listed in time"),
        }
    }

    /// Whether an agent of this number, E.164, is known to be there and to have a token of its own,
    /// as of when everything was read last: the database is not asked.
    pub fn lists_number(&self, number: &str) -> bool {
        self.listed.has(number)
    }

    /// The same of an agent of this id.
    pub fn lists_id(&self, id: Uuid) -> bool {
        self.listed.has(id)
    }

    /// Reads the first [`WARM_MAX`] agents in one query and remembers them; gives the numbers that
    /// are known now. A number of which the rows do not say whose it is, since several have it or
    /// another agent may be behind them, is read by itself, one at a time: calls come first.
    async fn read_all(&self) -> BTreeSet<String> {
        let mut known = BTreeSet::new();
        self.list().await;
        let began = self.changes.load(Relaxed);
        let reading = self.store.agents(WARM_MAX);
        let Some(Ok((rows, unreadable))) = clock::within(WARM_LIMIT, reading).await else {
            return known;
        };
        let is_all = unreadable == 0 && rows.len() < WARM_MAX as usize;
        let mut by_number: BTreeMap<String, Vec<Arc<Agent>>> = BTreeMap::new();
        for row in rows {
            let agent = self.remember(row, began);
            if let Some(number) = &agent.number {
                by_number.entry(number.clone()).or_default().push(agent);
            }
        }
        for (number, agents) in by_number {
            match &agents[..] {
                [agent] if is_all || agent.status == Status::Active => {
                    self.remember_number(&number, Some(agent), began);
                }
                _ if self.read(&number).await.is_err() => return known,
                _ => {}
            }
            known.insert(number);
        }
        known
    }

    /// Who answers `number`, E.164, as far as it is remembered: the database is not asked.
    pub fn remembered(&self, number: &str) -> Option<Arc<Agent>> {
        self.by_number.get(number).map(|entry| entry.agent)
    }

    /// An agent by its id, if it is remembered: the database is not asked.
    pub fn remembered_by_id(&self, id: Uuid) -> Option<Arc<Agent>> {
        self.by_id.get(&id)
    }

    /// An agent by its id, for a stream or a callback of a call that is not here.
    pub async fn by_id(&self, id: Uuid) -> Option<Arc<Agent>> {
        if let Some(agent) = self.by_id.get(&id) {
            return Some(agent);
        }
        let began = self.changes.load(Relaxed);
        let row = clock::within(LOOK_UP_LIMIT, self.store.agent_by_id(id)).await?.ok()??;
        Some(self.remember(row, began))
    }

    /// Has what is remembered of a number, if anything is, read again by a look-up `after` now.
    fn put_off(&self, number: &str, after: Duration) {
        if let Some(entry) = self.by_number.get(number) {
            let entry = Entry { stale_at: self.clock.now().saturating_add(after), ..entry };
            self.by_number.insert(number.to_owned(), entry);
        }
    }

    /// Reads a number from the database; if that fails, a later look-up tries again. Where something
    /// has changed meanwhile it is read once more, so that what is remembered is right; what was
    /// read first counts where that takes too long for a caller.
    async fn read(&self, number: &str) -> Result<Option<Arc<Agent>>, ()> {
        let since = Stopwatch::start();
        let mut began = self.changes.load(Relaxed);
        let mut agent = self.read_once(number, began, LOOK_UP_LIMIT).await?;
        for _ in 1..READS_MAX {
            let now = self.changes.load(Relaxed);
            let left = LOOK_UP_LIMIT.saturating_sub(since.elapsed());
            if now == began || left.is_zero() {
                break;
            }
            let Ok(again) = self.read_once(number, now, left).await else { break };
            (agent, began) = (again, now);
        }
        self.remember_number(number, agent.as_ref(), began);
        Ok(agent)
    }

    async fn read_once(
        &self,
        number: &str,
        began: u64,
        limit: Duration,
    ) -> Result<Option<Arc<Agent>>, ()> {
        counter!("frontdesk_agent_reads_total").increment(1);
        let reading = self.store.agents_by_number(number);
        let late = || Err(StoreError::Away("no answer".to_owned()));
        match clock::within(limit, reading).await.unwrap_or_else(late) {
            Ok(rows) => {
                let mut agents = rows.into_iter().map(|row| self.remember(row, began));
                let first = agents.next();
                let is_active = |agent: &Arc<Agent>| agent.status == Status::Active;
                if let Some(first) = first.as_ref().filter(|first| is_active(first)) {
                    for double in agents.filter(is_active) {
                        let (agent, answers) = (double.id, first.id);
                        warn!(%agent, %answers, "another agent holds the same number and answers it");
                    }
                }
                Ok(first)
            }
            Err(error) => {
                warn!(%error, "agents could not be read");
                self.put_off(number, RETRY_AFTER);
                Err(())
            }
        }
    }

    /// `began` is how many changes had been told when the reading began.
    fn remember_number(&self, number: &str, agent: Option<&Arc<Agent>>, began: u64) {
        if self.by_number.get(number).is_some_and(|entry| entry.began > began) {
            return;
        }
        let Some(agent) = agent else {
            self.by_number.invalidate(number);
            if self.changes.load(Relaxed) == began {
                self.unknown.insert(number.to_owned(), ());
            }
            return;
        };
        let fresh = if self.changes.load(Relaxed) != began {
            Duration::ZERO
        } else if self.is_told.load(Relaxed) {
            Duration::MAX
        } else {
            STALE_AFTER
        };
        let stale_at = self.clock.now().saturating_add(fresh);
        let entry = Entry { agent: Arc::clone(agent), stale_at, began };
        self.by_number.insert(number.to_owned(), entry);
        self.unknown.invalidate(number);
    }

    /// `began` is how many changes had been told when the reading began.
    fn remember(&self, row: AgentSource, began: u64) -> Arc<Agent> {
        let agent = Arc::new(Agent::new(row));
        for fault in agent.faults.iter().take(FAULTS_TOLD) {
            warn!(agent = %agent.id, %fault, "something in its rows cannot be used");
        }
        let untold = agent.faults.len().saturating_sub(FAULTS_TOLD);
        if untold > 0 {
            warn!(agent = %agent.id, untold, "more in its rows cannot be used: `doctor` names it all");
        }
        if agent.status != Status::Deleted && self.changes.load(Relaxed) == began {
            self.by_id.insert(agent.id, Arc::clone(&agent));
        }
        agent
    }

    /// Reads again what `agent` may have changed: the numbers that lead to it, and the one it has
    /// now. When the database does not answer, look-ups do it later.
    pub async fn refresh(&self, agent: Option<Uuid>, number: Option<&str>) {
        let began = self.changes.fetch_add(1, Relaxed) + 1;
        self.unknown.invalidate_all();
        let mut numbers: Vec<String> = self
            .by_number
            .iter()
            .filter(|(_, entry)| agent.is_none_or(|changed| entry.agent.id == changed))
            .map(|(number, _)| number.as_ref().clone())
            .collect();
        let number = number.and_then(normalise_e164);
        numbers.extend(number.clone());
        if let Some(id) = agent {
            self.by_id.invalidate(&id);
            // A truncated notification does not say the number, and of one without a country code
            // the business's row says whose it is.
            if number.is_none()
                && let Some(Ok(Some(row))) =
                    clock::within(LOOK_UP_LIMIT, self.store.agent_by_id(id)).await
            {
                numbers.extend(self.remember(row, began).number.clone());
            }
        }
        numbers.sort_unstable();
        numbers.dedup();
        if agent.is_none() {
            let known = self.read_all().await;
            numbers.retain(|number| !known.contains(number));
        }
        let mut is_away = false;
        for number in numbers {
            if is_away {
                self.put_off(&number, Duration::ZERO);
            } else {
                is_away = self.read(&number).await.is_err();
            }
        }
    }

    /// Listens to the database for ever and keeps the directory fresh. `learned` is told of agents
    /// whose sources have changed; none: anybody's may have.
    pub async fn follow(
        self: Arc<Self>,
        mut changes: Changes,
        learned: impl Fn(Option<Uuid>) + Send,
    ) {
        loop {
            match changes.next().await {
                ChangeEvent::Changed(change) if change.table == "sources" => {
                    learned(change.agent_id);
                }
                ChangeEvent::Changed(change) => {
                    let number = change.number.as_ref().map(|number| number.reveal().as_str());
                    self.refresh(change.agent_id, number).await;
                }
                // Nothing is kept for a listener that was away.
                ChangeEvent::Reconnected => {
                    self.is_told.store(true, Relaxed);
                    learned(None);
                    self.refresh(None, None).await;
                }
            }
        }
    }
}
