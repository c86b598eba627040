//! Removes the recordings and transcripts that an agent's settings say are too old.
//!
//! One instance does it at a time, and any other may take its place. An object is removed first and its row then says so; between
//! the two a further attempt finds nothing to remove, which is as good.

use std::collections::HashSet;
use std::time::Duration;

use metrics::counter;
use serde_json::Value;
use tracing::{info, warn};
use uuid::Uuid;

use crate::agent::Agent;
use crate::agent::settings::{AgentSettings, Retention};
use crate::archive::{Archive, ArchiveError};
use crate::clock;
use crate::recovery::status_poller::FindAgent;
use crate::store::{OldVoicemail, Store, StoreError};
use crate::twilio::rest::{KeptMessage, RestError, TwilioRest};

/// How often it is looked for what has become too old: settings count in days.
const PAUSE: Duration = Duration::from_secs(3_600);
/// How long a sweep keeps other processes from one: shorter than the pause, so that whoever swept
/// last may sweep next.
const LEASE: Duration = Duration::from_secs(3_000);
/// How long after the start the first time is, so that a restart has its calls first.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
/// How many agents are read at once.
const AGENTS: i64 = 100;
/// How many calls are done at once.
const CALLS: i64 = 50;
/// How many quotations whose transcripts are gone are removed in one sweep.
const QUOTATIONS: i64 = 1_000;
/// How many counted calls are summed up at once.
const FOLDED: i32 = 5_000;
/// How many times that for one agent in one sweep; the next one goes on from there.
const BATCHES: usize = 200;
/// After how many failures in a row that are not of one recording the object store is taken to be
/// away: each attempt may take seconds.
const FAILURES_IN_A_ROW: usize = 5;
/// And so many that are of one recording each.
const FAILURES_MAX: usize = 200;
/// How long one batch may take.
const BATCH_LIMIT: Duration = Duration::from_secs(10);

type Result<T, E = StoreError> = std::result::Result<T, E>;

/// What a sweep has removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removed {
    /// How many recordings were removed.
    pub recordings: u64,
    /// Messages that callers left with Twilio.
    pub voicemails: u64,
    /// Calls that have no words any more.
    pub transcripts: u64,
}

/// Removes what is too old.
pub struct Sweeper {
    store: Store,
    archive: Archive,
    /// Keeps the messages that callers left.
    twilio: TwilioRest,
    agents: FindAgent,
}

impl Sweeper {
    /// Of this database and object store, and what Twilio keeps for its calls.
    pub fn new(store: Store, archive: Archive, twilio: TwilioRest, agents: FindAgent) -> Self {
        Self { store, archive, twilio, agents }
    }

    /// Runs without end; dropping the future stops it.
    pub async fn run(self) {
        clock::pause(FIRST_PAUSE).await;
        loop {
            match self.sweep_in_turn().await {
                None => {}
                Some(Ok(removed)) if removed == Removed::default() => {}
                Some(Ok(Removed { recordings, voicemails, transcripts })) => {
                    info!(recordings, voicemails, transcripts, "what was too old was removed");
                }
                Some(Err(error)) => warn!(%error, "what is too old could not be removed"),
            }
            clock::pause(PAUSE).await;
        }
    }

    /// Goes through all agents once, unless another process did within the `LEASE`.
    pub async fn sweep_in_turn(&self) -> Option<Result<Removed>> {
        match soon(self.store.take_lease("retention", LEASE)).await {
            Ok(true) => Some(self.sweep().await),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        }
    }

    /// Goes through all agents once.
    ///
    /// # Errors
    /// [`StoreError`]; what was done until then stays done.
    pub async fn sweep(&self) -> Result<Removed> {
        let mut removed = Removed::default();
        // A program of before that still runs takes transcripts and knows of no quotations.
        or_none(soon(self.store.remove_left_quotations(QUOTATIONS)).await, Uuid::nil());
        or_none(self.usage().await, Uuid::nil());
        let left = self.left_recordings().await;
        removed.recordings += or_none(left, Uuid::nil());
        let mut after = Uuid::nil();
        loop {
            let agents = soon(self.store.retaining_agents(after, AGENTS)).await?;
            let Some(last) = agents.last() else { return Ok(removed) };
            after = last.id;
            for agent in &agents {
                let (settings, _) = AgentSettings::read(agent.settings.reveal());
                let Retention { recording_days, transcript_days } = settings.retention;
                let id = agent.id;
                if let Some(days) = recording_days {
                    removed.recordings += or_none(self.recordings(id, days).await, id);
                    removed.voicemails += or_none(self.voicemails(id, days).await, id);
                }
                if let Some(days) = transcript_days {
                    removed.transcripts += or_none(self.transcripts(id, days).await, id);
                }
            }
        }
    }

    /// Sums up what was counted of calls. It is no retention, and as little in a hurry.
    async fn usage(&self) -> Result<u64> {
        for _ in 0..BATCHES {
            if soon(self.store.fold_usage(FOLDED)).await? < u64::from(FOLDED.unsigned_abs()) {
                break;
            }
        }
        Ok(0)
    }

    /// Those whose calls were deleted.
    async fn left_recordings(&self) -> Result<u64> {
        let (mut removed, mut after, mut failures) = (0, String::new(), 0);
        for _ in 0..BATCHES {
            let left = soon(self.store.left_recordings(&after, CALLS)).await?;
            for path in &left {
                after.clone_from(path);
                match self.remove(path).await {
                    Ok(()) => {
                        soon(self.store.left_recording_removed(path)).await?;
                        removed += noted("recording", 1);
                        failures = 0;
                    }
                    Err(error) if is_away(&error, &mut failures) => return Ok(removed),
                    Err(_) => {}
                }
            }
            if is_last(left.len()) {
                break;
            }
        }
        Ok(removed)
    }

    /// One that cannot be removed does not keep those behind it, unless [`FAILURES_MAX`] in a row
    /// cannot.
    async fn recordings(&self, agent: Uuid, days: u32) -> Result<u64> {
        let (mut removed, mut after, mut failures) = (0, Uuid::nil(), 0);
        for _ in 0..BATCHES {
            let old = soon(self.store.old_recordings(agent, days, after, CALLS)).await?;
            for recording in &old {
                after = recording.call_log_id;
                match self.remove_all(paths(&recording.recording)).await {
                    Ok(()) => failures = 0,
                    Err(error) if is_away(&error, &mut failures) => return Ok(removed),
                    Err(_) => continue,
                }
                if soon(self.store.recording_removed(recording)).await? {
                    removed += noted("recording", 1);
                }
            }
            if is_last(old.len()) {
                break;
            }
        }
        Ok(removed)
    }

    /// Removes files up to one that cannot be removed.
    async fn remove_all(&self, paths: impl Iterator<Item = &str>) -> Result<(), ArchiveError> {
        for path in paths {
            self.remove(path).await?;
        }
        Ok(())
    }

    async fn remove(&self, path: &str) -> Result<(), ArchiveError> {
        let removing = self.archive.remove(path).await;
        if let Err(error) = &removing {
            warn!(%error, "a recording that is too old could not be removed");
            counter!("frontdesk_retention_failed_total").increment(1);
        }
        removing
    }

    /// The messages that callers left, which Twilio keeps. An agent's may be in several accounts: one that
    /// does not let us in keeps none of those in another.
    async fn voicemails(&self, agent: Uuid, days: u32) -> Result<u64> {
        let (mut removed, mut after, mut closed) = (0, Uuid::nil(), HashSet::new());
        for _ in 0..BATCHES {
            let old = soon(self.store.old_voicemails(agent, days, after, CALLS)).await?;
            let Some(last) = old.last() else { break };
            after = last.call_log_id;
            let Some(owner) = (self.agents)(agent).await else { break };
            if owner.credentials.is_none() && !self.twilio.has_account(&owner) {
                break;
            }
            for voicemail in &old {
                match self.delete(&owner, voicemail, &mut closed).await {
                    Ok(true) if soon(self.store.voicemail_removed(voicemail)).await? => {
                        removed += noted("voicemail", 1);
                    }
                    Ok(_) => {}
                    Err(why) => {
                        warn!(%why, call = %voicemail.call_log_id, "a voicemail is not removed");
                        counter!("frontdesk_retention_failed_total").increment(1);
                        if why.is_of_all() {
                            return Ok(removed);
                        }
                    }
                }
            }
            if is_last(old.len()) {
                break;
            }
        }
        Ok(removed)
    }

    /// Whether a message was deleted. One in an account that is `closed` is not asked for.
    async fn delete(
        &self,
        owner: &Agent,
        voicemail: &OldVoicemail,
        closed: &mut HashSet<(String, bool)>,
    ) -> Result<bool, Kept> {
        let message = KeptMessage::read(&voicemail.recording_url, voicemail.own_account);
        let message = message.ok_or(Kept::Elsewhere)?;
        let account = (message.owner_sid.to_owned(), message.own_account);
        if closed.contains(&account) {
            return Ok(false);
        }
        let deleted = self.twilio.delete_recording(owner, &message).await.map_err(Kept::from);
        if deleted.as_ref().is_err_and(Kept::is_of_account) {
            closed.insert(account);
        }
        deleted.map(|()| true)
    }

    async fn transcripts(&self, agent: Uuid, days: u32) -> Result<u64> {
        let mut removed = 0;
        for _ in 0..BATCHES {
            let done = soon(self.store.remove_transcripts(agent, days, CALLS)).await?;
            removed += noted("transcript", done);
            if done < CALLS.unsigned_abs() {
                break;
            }
        }
        Ok(removed)
    }
}

/// Why a voicemail is still there.
#[derive(Debug, thiserror::Error)]
enum Kept {
    #[error("it is not at Twilio")]
    Elsewhere,
    #[error(transparent)]
    Twilio(#[from] RestError),
}

impl Kept {
    /// Whether those in the same account would be kept as well.
    fn is_of_account(&self) -> bool {
        use RestError::{NoAccount, Refused, Sealed};
        matches!(self, Self::Twilio(NoAccount | Sealed | Refused { status: 401 | 403, .. }))
    }

    /// Whether the next ones would be kept as well, and each attempt may take seconds.
    fn is_of_all(&self) -> bool {
        use RestError::{Refused, Unknown, Unreachable};
        matches!(self, Self::Twilio(Unreachable | Unknown | Refused { status: 429, .. }))
    }
}

/// Whether the object store is away, or lets nothing be removed, by this failure after those in a row
/// before it. One of a single recording, which the next sweep meets again, says little: those behind
/// it would stay for good.
fn is_away(error: &ArchiveError, failures: &mut usize) -> bool {
    *failures += match error {
        ArchiveError::Object(_) => 1,
        _ => FAILURES_MAX / FAILURES_IN_A_ROW,
    };
    *failures >= FAILURES_MAX
}

/// Counts what was removed.
fn noted(what: &'static str, times: u64) -> u64 {
    counter!("frontdesk_retention_removed_total", "what" => what).increment(times);
    times
}

/// Whether there is nothing behind a batch of so many.
fn is_last(batch: usize) -> bool {
    batch < usize::try_from(CALLS).unwrap_or(usize::MAX)
}

/// What a query gives, if it does in time.
async fn soon<T>(asking: impl Future<Output = Result<T>>) -> Result<T> {
    let late = || Err(StoreError::Slow("retention took too long".to_owned()));
    clock::within(BATCH_LIMIT, asking).await.unwrap_or_else(late)
}

/// One agent's rows that cannot be worked on must not keep those of the others.
fn or_none(done: Result<u64>, agent: Uuid) -> u64 {
    done.unwrap_or_else(|error| {
        warn!(%error, %agent, "what is too old of an agent's calls could not be removed");
        counter!("frontdesk_retention_failed_total").increment(1);
        0
    })
}

/// All files of one call.
fn paths(recording: &Value) -> impl Iterator<Item = &str> {
    let parts = recording["parts"].as_array().into_iter().flatten();
    let paths = [recording].into_iter().chain(parts).map(|part| &part["path"]);
    paths.filter_map(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::{ArchiveError, Kept, RestError, is_away};

    #[test]
    fn one_voicemail_that_is_refused_keeps_no_other() {
        let refused = |status| Kept::Twilio(RestError::Refused { status, code: 0 });
        let twilio = Kept::Twilio;
        for (why, expected) in [
            (Kept::Elsewhere, false),
            (refused(400), false),
            (refused(404), false),
            (refused(401), false),
            (twilio(RestError::NoAccount), false),
            (twilio(RestError::Sealed), false),
            (refused(429), true),
            (twilio(RestError::Unreachable), true),
            (twilio(RestError::Unknown), true),
        ] {
            assert_eq!(why.is_of_all(), expected, "{why}");
        }
    }

    #[test]
    fn an_object_store_is_away_by_a_few_failures_of_its_own_or_many_of_recordings() {
        let away = |error: &dyn Fn() -> ArchiveError| {
            let mut failures = 0;
            (1..=1_000).find(|_| is_away(&error(), &mut failures))
        };
        assert_eq!(away(&|| ArchiveError::Object("permission denied")), Some(200));
        assert_eq!(away(&|| ArchiveError::Store("it cannot be reached")), Some(5));
        assert_eq!(away(&|| ArchiveError::Slow), Some(5));
    }
}
