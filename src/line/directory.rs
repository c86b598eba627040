//! Which agent answers a number: from memory, kept fresh by the database's notifications, and
//! served on when the database is away.

use std::sync::Arc;
use std::time::Duration;

use metrics::counter;
use moka::sync::Cache;
use tracing::warn;
use uuid::Uuid;

use crate::agent::{Agent, AgentSource, BusinessSource, Status};
use crate::clock::{self, Clock};
use crate::store::{AgentRow, ChangeEvent, Changes, Store};

/// The most numbers that are remembered.
const NUMBERS_MAX: u64 = 100_000;
/// How long the database may take to answer a webhook's question.
const LOOK_UP_LIMIT: Duration = Duration::from_secs(2);
/// Without notifications what is remembered is read again after this long.
const STALE_AFTER: Duration = Duration::from_secs(5);

/// What is known of a number.
#[derive(Debug, Clone)]
pub enum LookUp {
    /// This agent answers it.
    Found(Arc<Agent>),
    /// No agent does.
    Unknown,
    /// It is not remembered and the database is away.
    Unavailable,
}

#[derive(Debug, Clone)]
struct Entry {
    agent: Option<Arc<Agent>>,
    /// Call time at which it was read.
    read_at: Duration,
}

/// The agents by number and by id.
#[derive(Debug)]
pub struct Directory {
    store: Store,
    clock: Clock,
    by_number: Cache<String, Entry>,
    by_id: Cache<Uuid, Arc<Agent>>,
    /// Whether the database tells of changes; otherwise entries are read again when stale.
    is_told: std::sync::atomic::AtomicBool,
}

impl Directory {
    /// An empty directory over `store`.
    pub fn new(store: Store, clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            store,
            clock,
            by_number: Cache::new(NUMBERS_MAX),
            by_id: Cache::new(NUMBERS_MAX),
            is_told: false.into(),
        })
    }

    /// Who answers `number`, E.164.
    pub async fn look_up(self: &Arc<Self>, number: &str) -> LookUp {
        let Some(entry) = self.by_number.get(number) else {
            return match clock::within(LOOK_UP_LIMIT, self.read(number)).await {
                Some(Ok(Some(agent))) => LookUp::Found(agent),
                Some(Ok(None)) => LookUp::Unknown,
                Some(Err(())) | None => LookUp::Unavailable,
            };
        };
        let is_told = self.is_told.load(std::sync::atomic::Ordering::Relaxed);
        if !is_told && self.clock.now().saturating_sub(entry.read_at) > STALE_AFTER {
            // Answer with what is there, and know better next time.
            let directory = Arc::clone(self);
            let number = number.to_owned();
            self.touch(&number, entry.clone());
            clock::spawn(async move {
                // An error has been logged; what is remembered stays.
                let _ = clock::within(LOOK_UP_LIMIT, directory.read(&number)).await;
            });
        }
        entry.agent.map_or(LookUp::Unknown, LookUp::Found)
    }

    /// An agent by its id, for a stream or a callback of a call that is not here.
    pub async fn by_id(&self, id: Uuid) -> Option<Arc<Agent>> {
        if let Some(agent) = self.by_id.get(&id) {
            return Some(agent);
        }
        let row = clock::within(LOOK_UP_LIMIT, self.store.agent_by_id(id)).await?.ok()??;
        Some(self.remember(row))
    }

    fn touch(&self, number: &str, entry: Entry) {
        self.by_number.insert(number.to_owned(), Entry { read_at: self.clock.now(), ..entry });
    }

    /// Reads a number from the database. Unknown ones are not remembered: they are rare, and an
    /// agent that is made this moment answers the next.
    async fn read(&self, number: &str) -> Result<Option<Arc<Agent>>, ()> {
        counter!("frontdesk_agent_reads_total").increment(1);
        match self.store.agents_by_number(number).await {
            Ok(rows) => {
                let agent = rows.into_iter().next().map(|row| self.remember(row));
                match &agent {
                    Some(agent) => {
                        let entry =
                            Entry { agent: Some(Arc::clone(agent)), read_at: self.clock.now() };
                        self.by_number.insert(number.to_owned(), entry);
                    }
                    None => self.by_number.invalidate(number),
                }
                Ok(agent)
            }
            Err(error) => {
                warn!(%error, "agents could not be read");
                Err(())
            }
        }
    }

    fn remember(&self, row: AgentRow) -> Arc<Agent> {
        let agent = Arc::new(Agent::new(source(row)));
        for fault in &agent.faults {
            warn!(agent = %agent.id, %fault, "a setting cannot be used");
        }
        if agent.status != Status::Deleted {
            self.by_id.insert(agent.id, Arc::clone(&agent));
        }
        agent
    }

    /// Reads again what `agent` may have changed: the numbers that lead to it, and the one it has
    /// now.
    pub async fn refresh(&self, agent: Option<Uuid>, number: Option<&str>) {
        let mut numbers: Vec<String> = self
            .by_number
            .iter()
            .filter(|(_, entry)| {
                agent.is_none() || entry.agent.as_ref().map(|known| known.id) == agent
            })
            .map(|(number, _)| number.as_ref().clone())
            .collect();
        numbers.extend(number.and_then(crate::agent::phone_number::normalise_e164));
        if let Some(id) = agent {
            self.by_id.invalidate(&id);
            // A truncated notification does not say the number.
            if number.is_none()
                && let Ok(Some(row)) = self.store.agent_by_id(id).await
            {
                numbers.extend(self.remember(row).number.clone());
            }
        }
        numbers.sort_unstable();
        numbers.dedup();
        for number in numbers {
            // An error has been logged; what is remembered stays.
            let _ = self.read(&number).await;
        }
    }

    /// Listens to the database for ever and keeps the directory fresh.
    pub async fn follow(self: Arc<Self>, mut changes: Changes) {
        use std::sync::atomic::Ordering::Relaxed;
        loop {
            match changes.next().await {
                ChangeEvent::Changed(change) => {
                    let number = change.number.as_ref().map(|number| number.reveal().as_str());
                    self.refresh(change.agent_id, number).await;
                }
                // Nothing is kept for a listener that was away.
                ChangeEvent::Reconnected => {
                    self.is_told.store(true, Relaxed);
                    self.refresh(None, None).await;
                }
                ChangeEvent::Lost => self.is_told.store(false, Relaxed),
            }
        }
    }
}

fn source(row: AgentRow) -> AgentSource {
    AgentSource {
        id: row.id,
        name: row.name.into_inner(),
        number: row.number.map(|number| number.into_inner()),
        status: row.status,
        unavailable: row.unavailable,
        account_sid: row.account_sid.map(|sid| sid.into_inner()),
        auth_token: row.auth_token,
        private_settings: row.private_settings,
        created_at_us: row.created_at_us,
        business: row.business.map(|business| BusinessSource {
            name: business.name.map(|name| name.into_inner()),
            phone: business.phone.map(|phone| phone.into_inner()),
            kind: business.kind,
            context: business.additional_context,
            summary: business.summary,
            appointment_minutes: business.default_appointment_length,
            operating_schedule: business.operating_schedule,
            timezone: business.timezone,
        }),
    }
}
