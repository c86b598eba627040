//! How calls go on at another process when this one goes down.
//!
//! In a quiet moment the call's task lets go of the line, and what was written of the call is in
//! the database; then Twilio is told to ask what happens next, and whichever process it asks takes
//! the caller back to the agent, in the same row and with the conversation so far. What cannot be
//! moved stays, and hears a goodbye.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use metrics::counter;
use tokio::sync::{AcquireError, Semaphore, SemaphorePermit, oneshot};
use tracing::{info, warn};
use uuid::Uuid;

use super::CallServices;
use super::driver::CallTask;
use super::exit::Handing;
use super::phone::Phone;
use super::registry::{CallHandle, Command, Parted, Parting};
use crate::call::{Event, is_test};
use crate::clock;
use crate::store::{LogPosition, PeerStatus};
use crate::twilio::rest::{CallUpdate, RestError, Updated};
use crate::twilio::twiml::Twiml;

/// How long a call may take to come to a quiet moment; after that it is cut off in mid-word.
const QUIET_LIMIT: Duration = Duration::from_secs(3);
/// How much longer it may take while functions are carried out: whoever goes on with the call would
/// not know what came of them, and might do it again.
const FUNCTIONS_LIMIT: Duration = Duration::from_secs(5);
/// How many calls are moved at once. Most of them wait: for a quiet moment, and to be taken.
const AT_ONCE: usize = 200;
/// How many of them Twilio is asked about at once. It answers a hundred requests of an account at a
/// time.
const ASKED_AT_ONCE: usize = 50;
/// How long a call that has let go of its line may wait for its turn to be told of.
const TURN_LIMIT: Duration = Duration::from_secs(2);
/// How long moving all calls may take: hosts give a process little time to go down.
const ALL_LIMIT: Duration = Duration::from_secs(30);
/// How long the database may take to answer once.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
/// The pause before it is asked again.
const ANSWER_PAUSE: Duration = Duration::from_millis(500);
/// How long an outage of the database is waited for before it is known whether another process
/// takes calls.
const HEIR_LIMIT: Duration = Duration::from_secs(8);
/// And before a call lets go of its line: it lasts as ever meanwhile.
const KNOWN_LIMIT: Duration = Duration::from_secs(15);
/// How long it may take then until the database knows what happened while it was away.
const TOLD_LIMIT: Duration = Duration::from_secs(5);
/// How often a call lets go of its line, and what was said last is not written then. The database
/// may go away just then.
const PARTINGS_MAX: usize = 3;
/// How long what was written last of a call may take to the database.
const WRITTEN_LIMIT: Duration = Duration::from_secs(2);
const WRITTEN_PAUSE: Duration = Duration::from_millis(100);
/// How long another process may take to have the call: Twilio asks it within a second.
const TAKEN_LIMIT: Duration = Duration::from_secs(10);
/// How much longer than otherwise a line may be lost that was let go of to be moved: the event is
/// written, Twilio asked, and another process waited for.
const MOVING_MS: u64 = 10_000;
const TAKEN_PAUSE: Duration = Duration::from_millis(400);

impl CallTask {
    /// The call is to go on elsewhere.
    pub(super) fn part(&mut self, answer: oneshot::Sender<Parting>) {
        let is_away = self.phone.is_none() && !self.call.is_ending();
        if self.leaving.is_some() || is_away && self.functions.is_empty() {
            // The process that Twilio asks next may take the call.
            let _ = answer.send(Parting::Away);
            return;
        }
        let due = self.services.clock.now() + QUIET_LIMIT;
        self.handing = Some(Handing::Waits { due, answer });
        self.part_if_quiet();
    }

    /// Lets go of the line if it was to and the moment has come.
    pub(super) fn part_if_quiet(&mut self) {
        let Some(Handing::Waits { due, answer }) = &self.handing else { return };
        if answer.is_closed() {
            // The mover has given up.
            self.handing = None;
            return;
        }
        let is_quiet = self.call.is_settled() && self.functions.is_empty();
        let late = self.services.clock.now().saturating_sub(*due);
        let is_due = self.services.clock.now() >= *due
            && (self.functions.is_empty() || late >= FUNCTIONS_LIMIT);
        if !is_quiet && !is_due {
            return;
        }
        let Some(Handing::Waits { answer, .. }) = self.handing.take() else { return };
        if self.leaving.is_none() && self.call.is_ending() {
            // Dropped unanswered: the call stays and ends here.
            return;
        }
        if self.leaving.is_some() || self.phone.is_none() {
            // The process that Twilio asks next may take the call.
            let _ = answer.send(Parting::Away);
            return;
        }
        self.handing = Some(Handing::Parted);
        self.tell(Event::LineLost);
        // Twilio may be slow to say that it will not move the call.
        self.call.expect_line(self.now().plus_ms(MOVING_MS));
        // Whoever asked may have gone away: then the line stays lost, and that has a limit.
        let _ = answer.send(Parting::Here { position: self.call_log.position() });
    }

    /// When the quiet moment is not waited for any longer.
    pub(super) fn parting_due(&self) -> Option<Duration> {
        match &self.handing {
            Some(Handing::Waits { due, .. }) if self.functions.is_empty() => Some(*due),
            Some(Handing::Waits { due, .. }) => Some(*due + FUNCTIONS_LIMIT),
            Some(Handing::Parted) | None => None,
        }
    }

    /// Whether the line was let go of, so that its end says nothing of the caller.
    pub(super) fn has_parted(&self) -> bool {
        matches!(self.handing, Some(Handing::Parted))
    }

    /// The call could not be moved: it has its line again, if that is still there.
    pub(super) fn rejoin(&mut self) {
        let has_parted = self.has_parted();
        self.handing = None;
        if has_parted && self.phone.as_ref().is_some_and(Phone::has_started) {
            self.tell(Event::LineOpen);
        }
    }
}

/// What Twilio is told.
struct Back {
    /// The document that has it ask what happens next.
    twiml: String,
    /// Whose turn it is to tell it. Never closed.
    asking: Semaphore,
}

/// The semaphore is never closed, so that this is always a permit.
type Turn<'a> = Result<SemaphorePermit<'a>, AcquireError>;

impl CallServices {
    /// Moves the calls that are here to another process, if one takes calls and Twilio does it. The
    /// others stay. `after_url`: where Twilio asks what happens next.
    pub async fn hand_over(self: &Arc<Self>, after_url: &str) {
        if self.registry.live() == 0 {
            return;
        }
        if clock::within(HEIR_LIMIT, self.has_heir()).await != Some(true) {
            return info!("no other process takes calls: those that are here end here");
        }
        let back = Back {
            twiml: Twiml::new().redirect(after_url).finish(),
            asking: Semaphore::new(ASKED_AT_ONCE),
        };
        let calls = self.registry.calls();
        info!(calls = calls.len(), "calls are moved to another process");
        let moving = stream::iter(calls).for_each_concurrent(AT_ONCE, |(call_sid, handle)| {
            self.move_call(call_sid, handle, &back)
        });
        if clock::within(ALL_LIMIT, moving).await.is_none() {
            warn!("some calls could not be moved in time");
            for (call_sid, handle) in self.registry.calls() {
                match self.registry.parted(handle.agent.id, &call_sid) {
                    // Twilio may be about to ask another process, and take the line from here.
                    Parted::Told => drop(handle.let_go(false).await),
                    Parted::No | Parted::Here => self.take_back(&call_sid, &handle).await,
                }
            }
        }
    }

    async fn move_call(&self, call_sid: String, handle: CallHandle, back: &Back) {
        if !self.function_services.twilio.has_account(&handle.agent) || is_test(&call_sid) {
            return;
        }
        let to = match self.moved(&call_sid, &handle, back).await {
            Some(true) => "another",
            Some(false) => "nobody yet",
            None => "none",
        };
        counter!("frontdesk_calls_handed_over_total", "to" => to).increment(1);
        info!(call_sid, to, "a call was to be moved to another process");
    }

    /// Whether another process has the call now. None: it stays.
    async fn moved(&self, call_sid: &str, handle: &CallHandle, back: &Back) -> Option<bool> {
        let agent_id = handle.agent.id;
        let Some(turn) = self.parted(call_sid, handle, back).await? else {
            handle.let_go(false).await;
            return Some(false);
        };
        self.registry.note_parted(agent_id, call_sid, Parted::Told);
        let update = CallUpdate::Twiml(&back.twiml);
        let updated =
            self.function_services.twilio.update_call(&handle.agent, call_sid, update).await;
        drop(turn);
        let is_taken = match &updated {
            Ok(Updated::Done) | Err(RestError::Unknown) => self.is_taken(agent_id, call_sid).await,
            Ok(Updated::AlreadyOver) | Err(_) => false,
        };
        match updated {
            Ok(Updated::AlreadyOver) => {
                // The call ends here, when its last words have come.
                self.registry.note_parted(agent_id, call_sid, Parted::No);
                // The send fails only where the task has ended, and then the call has ended too.
                let _ = handle.commands.send(Command::CallerLeft).await;
                return None;
            }
            Err(error) if !is_taken => {
                warn!(call_sid, %error, "a call could not be moved");
                self.take_back(call_sid, handle).await;
                return None;
            }
            Ok(Updated::Done) | Err(_) => {}
        }
        // Not taken yet, its row is looked after by the others, who ask Twilio.
        handle.let_go(false).await;
        Some(is_taken)
    }

    /// Has a call let go of its line and what it said written down, and waits for its turn with Twilio,
    /// which is given. The inner none: whoever Twilio asks next may have it. The outer: it stays.
    async fn parted<'a>(
        &self,
        call_sid: &str,
        handle: &CallHandle,
        back: &'a Back,
    ) -> Option<Option<Turn<'a>>> {
        let agent_id = handle.agent.id;
        let (mut unwritten, mut waits) = (0, false);
        loop {
            // Without its row no other process would know the call.
            clock::within(KNOWN_LIMIT, self.is_known(agent_id, call_sid)).await?;
            // The spool must be replayed first, or the call's next events would wait behind it.
            clock::within(TOLD_LIMIT, self.is_told()).await;
            let mut turn = None;
            if waits {
                turn = Some(back.asking.acquire().await);
            }
            let (answer, parted) = oneshot::channel();
            handle.commands.send(Command::Part { answer }).await.ok()?;
            let position = match parted.await.ok()? {
                Parting::Here { position } => position,
                Parting::Away => return Some(None),
            };
            self.registry.note_parted(agent_id, call_sid, Parted::Here);
            let is_written = self.written(handle.call_log_id, position).await;
            if is_written && turn.is_none() {
                turn = clock::within(TURN_LIMIT, back.asking.acquire()).await;
            }
            if is_written && let Some(turn) = turn {
                return Some(Some(turn));
            }
            // Nor would they know what was said.
            self.take_back(call_sid, handle).await;
            if is_written {
                info!(call_sid, "a call waits for others that are moved, with its caller");
                waits = true;
            } else {
                unwritten += 1;
                if unwritten == PARTINGS_MAX {
                    return None;
                }
            }
        }
    }

    /// Whether another process takes calls; it is told that this one does not. The signs of life of
    /// the others are as old as an outage of the database, so after one they are waited for.
    async fn has_heir(&self) -> bool {
        let store = self.function_services.store.in_background();
        let asking = async || {
            // Also where it could not be told before: else a caller who comes back is one whose
            // line was lost.
            store.note_draining(self.instance_id).await?;
            store.heir(self.instance_id).await
        };
        loop {
            match clock::within(ANSWER_LIMIT, asking()).await {
                Some(Ok(PeerStatus::Alive)) => return true,
                Some(Ok(PeerStatus::None)) => return false,
                Some(Ok(PeerStatus::Silent) | Err(_)) | None => clock::pause(ANSWER_PAUSE).await,
            }
        }
    }

    /// Waits until the database has a call.
    async fn is_known(&self, agent_id: Uuid, call_sid: &str) {
        let store = self.function_services.store.in_background();
        loop {
            let asking = store.call_by_sid(agent_id, call_sid);
            if let Some(Ok(Some(_))) = clock::within(ANSWER_LIMIT, asking).await {
                return;
            }
            clock::pause(ANSWER_PAUSE).await;
        }
    }

    /// Waits until the database has been told what the spool has.
    async fn is_told(&self) {
        while self.log.health().spool_bytes > 0 {
            clock::pause(WRITTEN_PAUSE).await;
        }
    }

    /// A call that let go of its line is not moved after all.
    async fn take_back(&self, call_sid: &str, handle: &CallHandle) {
        self.registry.note_parted(handle.agent.id, call_sid, Parted::No);
        // The send fails only where the task has ended, and then the call has ended too.
        let _ = handle.commands.send(Command::Rejoin).await;
    }

    /// Waits until the database has the event before this one of a call: whoever goes on with it reads
    /// it there, and what comes later than that is refused. Whether it has.
    async fn written(&self, call_log_id: Uuid, next: LogPosition) -> bool {
        // Many calls ask at once, and must not keep the log waiting for what they wait for.
        let store = self.function_services.store.in_background();
        let writing = async {
            let LogPosition { epoch, next_seq } = next;
            while store.has_event(call_log_id, epoch, next_seq - 1).await != Ok(true) {
                clock::pause(WRITTEN_PAUSE).await;
            }
        };
        let is_written = clock::within(WRITTEN_LIMIT, writing).await.is_some();
        if !is_written {
            warn!("what was written last of a call is not in the database: it is not moved now");
        }
        is_written
    }

    /// Waits until another process has the call; whether one has.
    async fn is_taken(&self, agent_id: Uuid, call_sid: &str) -> bool {
        let store = self.function_services.store.in_background();
        let taking = async {
            loop {
                if let Ok(Some(row)) = store.call_by_sid(agent_id, call_sid).await
                    && row.owner().is_gone_from(self.instance_id)
                {
                    return;
                }
                clock::pause(TAKEN_PAUSE).await;
            }
        };
        clock::within(TAKEN_LIMIT, taking).await.is_some()
    }
}
