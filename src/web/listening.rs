//! Recordings and live calls as owners hear them: where recordings are, who listens, and how much is
//! decoded at once.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use moka::sync::Cache;
use uuid::Uuid;

use super::shares::{Share, Shares};
use crate::archive::Archive;
use crate::store::access::{Role, VisibleAgent, VisibleAgents};
use crate::store::audit::AuditEntry;
use crate::store::people::Viewer;
use crate::store::{LiveCall, Result, Store};

/// The most that recordings take in memory while they are decoded, megabytes: the longest that there
/// are has 72.
pub(super) const DECODED_MAX_MB: u32 = 96;
/// The most of it for one owner's calls, but for a single longer one.
const DECODED_EACH_MB: u32 = 32;
/// So long after the last part that a player or a page asked for, whoever asks again listens again.
const LISTENED: Duration = Duration::from_secs(3600);
/// How many listeners are remembered.
const LISTENERS_MAX: u64 = 10_000;
/// The largest message of a caller that is given, bytes: Twilio records two minutes, some two
/// megabytes.
pub(super) const MESSAGE_MAX: usize = 8 << 20;
/// How much of such messages is kept, bytes, and for how long: a player asks for parts.
const MESSAGES_MAX: u64 = 24 << 20;
const MESSAGE_KEPT: Duration = Duration::from_secs(600);

/// What somebody listens to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Sound {
    /// The recording of a call.
    Recording,
    /// The message that a caller left.
    Voicemail,
}

impl Sound {
    /// What listening to it is called in the activity.
    fn action(self) -> &'static str {
        match self {
            Self::Recording => "recording.listen",
            Self::Voicemail => "voicemail.listen",
        }
    }
}

/// One for a process.
#[derive(Debug)]
pub(super) struct Listening {
    /// Where recordings are.
    pub(super) archive: Archive,
    /// Who has listened to which call lately, or watched it, and was written down: person, call and what
    /// it is called in the activity.
    heard: Cache<(Uuid, Uuid, &'static str), ()>,
    /// Messages that were fetched lately: of a call, by Twilio's name.
    messages: Cache<(Uuid, String), Bytes>,
    /// Room in memory for recordings that are decoded, megabytes.
    decoding: Arc<Shares>,
}

impl Listening {
    /// Nobody listens yet.
    pub(super) fn new(archive: Archive) -> Self {
        let heard = Cache::builder().max_capacity(LISTENERS_MAX).time_to_idle(LISTENED).build();
        let messages = Cache::builder()
            .weigher(|_, sound: &Bytes| u32::try_from(sound.len()).unwrap_or(u32::MAX))
            .max_capacity(MESSAGES_MAX)
            .time_to_live(MESSAGE_KEPT)
            .build();
        Self { archive, heard, messages, decoding: Shares::new(DECODED_MAX_MB, DECODED_EACH_MB) }
    }

    /// Room to decode a recording of so many bytes of this owner's, as long as it is held; none if there is
    /// none now, or they have their share.
    pub(super) fn room(&self, owner: Uuid, bytes: u64) -> Option<Share> {
        let mb = u32::try_from(bytes.div_ceil(1 << 20)).unwrap_or(u32::MAX);
        let mb = mb.clamp(1, DECODED_MAX_MB);
        self.decoding.take([owner], mb).ok()
    }

    /// A message that was fetched lately. Whoever asks for it has been found to see its call.
    pub(super) fn message(&self, key: &(Uuid, String)) -> Option<Bytes> {
        self.messages.get(key)
    }

    /// Keeps a message for the next parts of it.
    pub(super) fn keep_message(&self, key: (Uuid, String), sound: Bytes) {
        self.messages.insert(key, sound);
    }

    /// Writes down that somebody listens: once, however many parts their player asks for.
    ///
    /// # Errors
    /// [`StoreError`](crate::store::StoreError): then nothing is to be heard.
    pub(super) async fn note(
        &self,
        store: &Store,
        viewer: &Viewer,
        (agent_id, call): (Uuid, Uuid),
        sound: Sound,
    ) -> Result<()> {
        self.once(store, viewer, agent_id, ("call", call), sound.action()).await
    }

    /// Writes down that somebody watches these calls while they go on: once, however often their page is
    /// loaded and its stream comes back. Tests have nobody in them whom that would concern.
    ///
    /// # Errors
    /// [`StoreError`](crate::store::StoreError): then nothing is to be seen.
    pub(super) async fn note_watching(
        &self,
        store: &Store,
        viewer: &Viewer,
        calls: &[LiveCall],
    ) -> Result<()> {
        for call in calls.iter().filter(|call| !call.is_test()) {
            self.note_call(store, viewer, (call.agent_id, call.id)).await?;
        }
        Ok(())
    }

    /// The same of whoever reads what is said in a call that goes on, and is no test.
    ///
    /// # Errors
    /// [`StoreError`](crate::store::StoreError): then nothing is to be seen.
    pub(super) async fn note_call(
        &self,
        store: &Store,
        viewer: &Viewer,
        (agent_id, call): (Uuid, Uuid),
    ) -> Result<()> {
        self.once(store, viewer, agent_id, ("call", call), "call.watch").await
    }

    /// The same for all agents of which calls are listed.
    ///
    /// # Errors
    /// [`StoreError`](crate::store::StoreError): then nothing is to be seen.
    pub(super) async fn note_lists(
        &self,
        store: &Store,
        viewer: &Viewer,
        agents: &VisibleAgents,
        calls: &[LiveCall],
    ) -> Result<()> {
        for call in calls.iter().filter(|call| !call.is_test()) {
            if let Some(agent) = agents.find(call.agent_id) {
                self.note_list(store, viewer, agent).await?;
            }
        }
        Ok(())
    }

    /// Writes down that somebody watches the list of an agent's live calls, in which the last words of
    /// each stand: once, as above. The owner's own calls concern nobody else.
    ///
    /// # Errors
    /// [`StoreError`](crate::store::StoreError): then nothing is to be seen.
    pub(super) async fn note_list(
        &self,
        store: &Store,
        viewer: &Viewer,
        agent: &VisibleAgent,
    ) -> Result<()> {
        if agent.role == Role::Owner {
            return Ok(());
        }
        self.once(store, viewer, agent.id, ("agent", agent.id), "live.watch").await
    }

    async fn once(
        &self,
        store: &Store,
        viewer: &Viewer,
        agent_id: Uuid,
        (kind, id): (&str, Uuid),
        action: &'static str,
    ) -> Result<()> {
        let who = (viewer.id(), id, action);
        if self.heard.get(&who).is_some() {
            return Ok(());
        }
        let deed = AuditEntry::of(viewer, action);
        store.note_deed(&deed.agent(agent_id).object(kind, id)).await?;
        self.heard.insert(who, ());
        Ok(())
    }
}
