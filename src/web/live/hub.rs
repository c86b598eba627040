//! What happens in live calls, for all of a process who watch: one look at the database every 200 ms
//! for all of them together, and only while somebody watches. Of this process's own calls it hears at
//! once.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, broadcast, watch};
use tracing::debug;
use uuid::Uuid;

use super::words::{LiveMessage, words_of};
use crate::call_log::writer::LogWriter;
use crate::clock;
use crate::store::access::VisibleAgents;
use crate::store::{EndedLive, EventRow, FIRST_EPOCH, LiveCall, Result, Store};
use crate::web::shares::{NoShare, Share, Shares};

/// How long between two looks.
const LOOK_PAUSE: Duration = Duration::from_millis(200);
/// How long one look may take.
const LOOK_LIMIT: Duration = Duration::from_secs(2);
/// How many messages wait for a slow stream. Beyond, that stream ends, and comes back where it was.
const TOLD_MAX: usize = 1024;
/// What stands before the first event of a call.
const BEGINNING: i64 = (FIRST_EPOCH as i64) << 32;
/// How many streams one person may have.
const STREAMS_EACH_MAX: usize = 4;
/// How many there may be in all, and how many of them for one business: all of its people's together.
const STREAMS_MAX: u32 = 500;
const STREAMS_OF_BUSINESS_MAX: u32 = 100;

/// A message, and what it takes to know whom it is for.
#[derive(Debug, Clone)]
pub struct Told {
    /// The agent whose call it is about.
    pub agent_id: Uuid,
    /// Whether that is a test.
    pub is_test: bool,
    /// Where a stream that has had it goes on later: a time by the database's clock, microseconds.
    pub position: i64,
    /// The message.
    pub message: LiveMessage,
}

/// What happens in live calls.
#[derive(Debug)]
pub struct LiveHub {
    store: Store,
    log: LogWriter,
    told: broadcast::Sender<Arc<Told>>,
    watched: Mutex<Watched>,
    shares: Arc<Shares>,
    rung: Notify,
    /// The last change of who watches that a look has taken into account.
    looked: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Watched {
    next: u64,
    /// Counts the changes.
    change: u64,
    by: HashMap<u64, VisibleAgents>,
    streams: HashMap<Uuid, usize>,
}

/// That somebody watches. Dropped, they do not.
#[derive(Debug)]
pub struct Watching {
    hub: Arc<LiveHub>,
    number: u64,
    change: u64,
    person: Uuid,
    _share: Share,
}

/// Why somebody gets no stream now. Shown, it says what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoStream {
    /// They have enough.
    #[error(
        "you have {STREAMS_EACH_MAX} streams of live calls open, which is the most for one person; close one"
    )]
    OfPerson,
    /// Those who work for the same business have enough.
    #[error(
        "{STREAMS_OF_BUSINESS_MAX} streams of this business's live calls are open, which is the most; close one"
    )]
    OfBusiness,
    /// All businesses together have.
    #[error("this server has no more streams of live calls now; try again in a moment")]
    OfAll,
}

/// What the last look found.
#[derive(Debug, Default)]
struct Known {
    agents: HashSet<Uuid>,
    calls: HashMap<Uuid, KnownCall>,
    position: i64,
}

#[derive(Debug)]
struct KnownCall {
    call: LiveCall,
    /// The number of the last event that was told of.
    told: i64,
}

impl LiveHub {
    /// Nobody watches.
    pub fn new(store: Store, log: LogWriter) -> Arc<Self> {
        Arc::new(Self {
            store,
            log,
            told: broadcast::channel(TOLD_MAX).0,
            watched: Mutex::default(),
            shares: Shares::new(STREAMS_MAX, STREAMS_OF_BUSINESS_MAX),
            rung: Notify::new(),
            looked: watch::channel(0).0,
        })
    }

    /// Somebody watches these agents, which are not none, from now on.
    ///
    /// # Errors
    /// [`NoStream`].
    pub fn watch(
        self: &Arc<Self>,
        person: Uuid,
        agents: VisibleAgents,
    ) -> std::result::Result<(Watching, broadcast::Receiver<Arc<Told>>), NoStream> {
        let told = self.told.subscribe();
        let mut watched = self.watched.lock();
        let streams = watched.streams.get(&person).copied().unwrap_or_default();
        if streams >= STREAMS_EACH_MAX {
            return Err(NoStream::OfPerson);
        }
        let share = self.shares.take(agents.list().iter().map(|agent| agent.owner), 1);
        let share = share.map_err(|none| match none {
            NoShare::Business => NoStream::OfBusiness,
            NoShare::All => NoStream::OfAll,
        })?;
        watched.streams.insert(person, streams + 1);
        watched.next += 1;
        watched.change += 1;
        let (number, change) = (watched.next, watched.change);
        watched.by.insert(number, agents);
        drop(watched);
        self.rung.notify_one();
        Ok((Watching { hub: Arc::clone(self), number, change, person, _share: share }, told))
    }

    /// The agents that anybody watches, and the last change of that.
    fn agents(&self) -> (VisibleAgents, u64) {
        let watched = self.watched.lock();
        (VisibleAgents::united(watched.by.values()), watched.change)
    }

    /// Looks for as long as the process runs, whenever somebody watches.
    pub async fn run(self: Arc<Self>) {
        loop {
            if self.watched.lock().by.is_empty() {
                self.rung.notified().await;
                continue;
            }
            let mut own = self.log.listen();
            let mut known = Known::default();
            while !self.watched.lock().by.is_empty() {
                let (agents, change) = self.agents();
                let is_changed = *self.looked.borrow() != change;
                let looking = self.look(&mut known, &agents, is_changed);
                match clock::within(LOOK_LIMIT, looking).await {
                    Some(Ok(())) => {
                        self.looked.send_replace(change);
                    }
                    Some(Err(error)) => debug!(%error, "live calls could not be looked at"),
                    None => debug!("live calls could not be looked at in time"),
                }
                self.hear(&mut known, &mut own).await;
            }
        }
    }

    /// Until the next look, tells what this process's own calls say.
    async fn hear(&self, known: &mut Known, own: &mut broadcast::Receiver<EventRow>) {
        let pause = clock::pause(LOOK_PAUSE);
        tokio::pin!(pause);
        loop {
            tokio::select! {
                () = &mut pause => return,
                () = self.rung.notified() => return,
                event = own.recv() => match event {
                    Ok(event) => self.tell_own(known, &event),
                    // The next look finds what was lost here.
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    // The log lives as long as the hub does.
                    Err(broadcast::error::RecvError::Closed) => pause.as_mut().await,
                },
            }
        }
    }

    /// Only what follows what was told: behind a gap the next look is first.
    fn tell_own(&self, known: &mut Known, event: &EventRow) {
        let position = known.position;
        if let Some(call) = known.calls.get_mut(&event.call_log_id)
            && event.position() == call.told + 1
        {
            self.tell_event(call, event, position);
        }
    }

    fn tell_event(&self, known: &mut KnownCall, event: &EventRow, position: i64) {
        known.told = event.position();
        if let Some(words) = words_of(event) {
            self.tell(&known.call, position, LiveMessage::Words(words));
        }
    }

    fn tell(&self, call: &LiveCall, position: i64, message: LiveMessage) {
        let (agent_id, is_test) = (call.agent_id, call.is_test());
        // The send fails where nobody watches any more.
        let _ = self.told.send(Arc::new(Told { agent_id, is_test, position, message }));
    }

    /// `is_changed`: others watch than at the last look.
    async fn look(
        &self,
        known: &mut Known,
        agents: &VisibleAgents,
        is_changed: bool,
    ) -> Result<()> {
        if is_changed {
            self.step_back(known, agents).await?;
        }
        let mut now = self.store.live_calls(agents).await?;
        known.calls.retain(|_, known| agents.find(known.call.agent_id).is_some());
        // More calls are newer than one look gives: what is missing need not be over.
        let listed: HashSet<Uuid> = now.calls.iter().map(|call| call.id).collect();
        let missing: Vec<Uuid> =
            known.calls.keys().copied().filter(|id| !listed.contains(id)).collect();
        if !missing.is_empty() {
            now.calls.extend(self.store.live_among(agents, &missing).await?.calls);
        }
        let mut begun = Vec::new();
        let mut is_live = HashSet::new();
        for call in now.calls {
            is_live.insert(call.id);
            match known.calls.get_mut(&call.id) {
                Some(known) if known.call.is_out == call.is_out => {}
                Some(known) => {
                    known.call = call;
                    self.tell(&known.call, now.at_us, LiveMessage::from(&known.call));
                }
                None => begun.push(call),
            }
        }
        self.add(known, agents, begun, now.at_us).await?;
        let gone: Vec<Uuid> =
            known.calls.keys().copied().filter(|id| !is_live.contains(id)).collect();
        let ended = match gone.is_empty() {
            true => Vec::new(),
            false => self.store.ended_of(agents, &gone).await?,
        };
        self.tell_events(known, agents, now.at_us).await?;
        self.tell_ends(known, &ended, now.at_us);
        known.calls.retain(|id, _| is_live.contains(id));
        known.agents = agents.ids().into_iter().collect();
        known.position = now.at_us;
        Ok(())
    }

    /// Goes back to what is written. Events are told before that, and who has just begun to watch was not
    /// told of those, nor can read them yet: they are told again.
    async fn step_back(&self, known: &mut Known, agents: &VisibleAgents) -> Result<()> {
        let ids: Vec<Uuid> = known.calls.keys().copied().collect();
        if ids.is_empty() {
            return Ok(());
        }
        for (id, written) in self.store.last_events(agents, &ids).await? {
            if let Some(call) = known.calls.get_mut(&id) {
                call.told = call.told.min(written.max(BEGINNING));
            }
        }
        Ok(())
    }

    /// Takes up calls that were not known. Of one whose agent was watched before, all is told; of
    /// others only what comes: who has just begun to watch reads the rest.
    async fn add(
        &self,
        known: &mut Known,
        agents: &VisibleAgents,
        calls: Vec<LiveCall>,
        at_us: i64,
    ) -> Result<()> {
        let (new, old): (Vec<_>, Vec<_>) =
            calls.into_iter().partition(|call| known.agents.contains(&call.agent_id));
        let ids: Vec<Uuid> = old.iter().map(|call| call.id).collect();
        let last: HashMap<Uuid, i64> = match ids.is_empty() {
            true => HashMap::new(),
            false => self.store.last_events(agents, &ids).await?.into_iter().collect(),
        };
        for call in old {
            let told = last.get(&call.id).copied().unwrap_or_default();
            known.calls.insert(call.id, KnownCall { call, told });
        }
        for call in new {
            self.tell(&call, at_us, LiveMessage::from(&call));
            known.calls.insert(call.id, KnownCall { call, told: BEGINNING });
        }
        Ok(())
    }

    async fn tell_events(
        &self,
        known: &mut Known,
        agents: &VisibleAgents,
        at_us: i64,
    ) -> Result<()> {
        let behind: Vec<(Uuid, i64)> =
            known.calls.iter().map(|(id, known)| (*id, known.told)).collect();
        if behind.is_empty() {
            return Ok(());
        }
        for event in self.store.events_after(agents, &behind).await? {
            if let Some(call) = known.calls.get_mut(&event.call_log_id)
                && event.position() > call.told
            {
                self.tell_event(call, &event, at_us);
            }
        }
        Ok(())
    }

    fn tell_ends(&self, known: &Known, ended: &[EndedLive], at_us: i64) {
        for end in ended {
            if let Some(known) = known.calls.get(&end.id) {
                self.tell(&known.call, at_us, LiveMessage::from(end));
            }
        }
    }
}

impl Watching {
    /// Waits until what happens from now on is told: what was before can be read then, and nothing is
    /// left out.
    pub async fn begun(&self) {
        let mut looked = self.hub.looked.subscribe();
        // The sender lives as long as the hub.
        let _ = looked.wait_for(|looked| *looked >= self.change).await;
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let mut watched = self.hub.watched.lock();
        watched.by.remove(&self.number);
        watched.change += 1;
        if let Some(streams) = watched.streams.get_mut(&self.person) {
            *streams -= 1;
            if *streams == 0 {
                watched.streams.remove(&self.person);
            }
        }
    }
}
