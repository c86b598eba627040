//! Removal of calls and of all that is kept of a caller: from Twilio, from the database, and from
//! where recordings are, in this order, so that nothing is left of which nothing is known.

use std::time::Duration;

use http::StatusCode;
use serde::Serialize;
use serde_json::json;
use tracing::warn;
use utoipa::ToSchema;
use uuid::Uuid;

use super::AppState;
use super::guard::{may, note_refusal};
use super::problem::Problem;
use crate::clock::{self, Stopwatch};
use crate::store::access::{AgentAccess, Object, Own, Refused, Role, VisibleAgents};
use crate::store::audit::AuditEntry;
use crate::store::callers::ErasableCall;
use crate::store::people::Viewer;
use crate::twilio::rest::{KeptMessage, RestError};

/// How many calls are removed at once.
const CALLS: i64 = 25;
/// How long a removal may take: whoever asked waits. The rest is left for the next time.
const LIMIT: Duration = Duration::from_secs(6);
/// How long the object store may take for one file; what it does not remove now is removed later.
const FILE_LIMIT: Duration = Duration::from_secs(1);

/// What becomes of a message that a caller left in a Twilio account which does not let it be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Messages {
    /// Its call is left too.
    Removed,
    /// The call is removed without it: whoever asks knows that the message stays with Twilio. The activity
    /// says where.
    MayStay,
}

impl From<bool> for Messages {
    fn from(leave: bool) -> Self {
        if leave { Self::MayStay } else { Self::Removed }
    }
}

/// What was removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Erased {
    /// Calls, with their words, recordings and messages.
    pub(super) calls: u64,
    /// Appointments of which name, number and notes were removed.
    pub(super) appointments: u64,
    /// Calls that are left: they go on, their message could not be removed at Twilio, or time was up. Ask
    /// again; with `leave_messages` where the account that has the message is none of the agent's any more.
    pub(super) left: u64,
}

/// Removes one call.
///
/// # Errors
/// It may not be, goes on, or its message at Twilio cannot be removed now.
pub(super) async fn call(
    state: &AppState,
    viewer: &Viewer,
    id: Uuid,
    messages: Messages,
) -> Result<(), Problem> {
    let store = &state.owners.store;
    let access = may::<Own>(state, viewer, Object::Call(id), "call.delete").await?;
    let call = store.erasable_call(&access, id).await?.ok_or_else(Problem::not_found)?;
    if call.is_live {
        let why = "the caller is still on the phone; end the call first";
        return Err(Problem::conflict(why, json!({"call": id})));
    }
    remove_voicemail(state, viewer, &access, &call, messages).await.map_err(|error| {
        warn!(%error, call = %id, "a voicemail is not removed");
        message_stays(&error)
    })?;
    store.erase_call(&access, viewer, id).await?;
    remove_files(state, &call.recordings).await;
    Ok(())
}

/// Those of the viewer's agents that know a caller, for what is called so in the audit log.
///
/// # Errors
/// None of them does: 404. None of those that do is the viewer's own: 403.
pub(super) async fn own_agents(
    state: &AppState,
    viewer: &Viewer,
    agents: &VisibleAgents,
    number: &str,
    action: &'static str,
) -> Result<Vec<Uuid>, Problem> {
    let known = state.owners.store.caller_agents(agents, number).await?;
    let roles: Vec<(Uuid, Role)> =
        known.into_iter().filter_map(|id| Some((id, agents.find(id)?.role))).collect();
    let Some(best) = roles.iter().map(|(_, role)| *role).max() else {
        return Err(Problem::not_found());
    };
    if best < Role::Owner {
        for (id, _) in roles {
            note_refusal(state, viewer, Some(Object::Agent(id)), action).await;
        }
        return Err(Refused::Forbidden { needs: Role::Owner, has: best }.into());
    }
    Ok(roles.into_iter().filter(|(_, role)| *role >= Role::Owner).map(|(id, _)| id).collect())
}

/// Removes all that these agents keep of a caller. Each step is written down with what it removed: whoever
/// asks may be gone before the last one.
///
/// # Errors
/// It may not be, or the database. What was removed until then is removed.
pub(super) async fn caller(
    state: &AppState,
    viewer: &Viewer,
    agents: &[Uuid],
    number: &str,
    messages: Messages,
) -> Result<Erased, Problem> {
    let store = &state.owners.store;
    let watch = Stopwatch::start();
    let mut all = Erased::default();
    for agent in agents {
        let access = may::<Own>(state, viewer, Object::Agent(*agent), "caller.delete").await?;
        let appointments = store.erase_appointments(&access, viewer, number).await?;
        let (calls, left) = calls_of((state, &watch), &access, viewer, number, messages).await?;
        all.calls += calls;
        all.appointments += appointments;
        all.left += left;
    }
    Ok(all)
}

/// Removes one agent's calls of a caller; gives how many were removed, and how many are left.
async fn calls_of(
    (state, watch): (&AppState, &Stopwatch),
    access: &AgentAccess<Own>,
    viewer: &Viewer,
    number: &str,
    messages: Messages,
) -> Result<(u64, u64), Problem> {
    let store = &state.owners.store;
    let (mut removed, mut left, mut after) = (0, 0, Uuid::nil());
    loop {
        let calls = store.erasable_calls(access, number, after, CALLS).await?;
        let Some(last) = calls.last() else { return Ok((removed, left)) };
        after = last.id;
        let (mut gone, mut files) = (Vec::new(), Vec::new());
        for call in &calls {
            let is_late = watch.elapsed() > LIMIT;
            if is_late
                || call.is_live
                || remove_voicemail(state, viewer, access, call, messages).await.is_err()
            {
                left += 1;
                continue;
            }
            gone.push(call.id);
            files.extend(call.recordings.iter().cloned());
        }
        removed += store.erase_calls(access, viewer, &gone).await?;
        if watch.elapsed() < LIMIT {
            remove_files(state, &files).await;
        }
    }
}

/// Removes the message that a caller left with Twilio. One in an account that is not the agent's any more,
/// or that does not let us in, is left: nobody may read that it was erased.
async fn remove_voicemail(
    state: &AppState,
    viewer: &Viewer,
    access: &AgentAccess<Own>,
    call: &ErasableCall,
    messages: Messages,
) -> Result<(), RestError> {
    let address = call.voicemail_url.as_deref();
    let message = address.and_then(|url| KeptMessage::read(url, call.own_account));
    let Some(message) = message else { return Ok(()) };
    let Some(agent) = state.directory.by_id(access.agent_id()).await else { return Ok(()) };
    let twilio = &state.services.function_services.twilio;
    let Err(error) = twilio.delete_recording(&agent, &message).await else { return Ok(()) };
    match error {
        // Twilio has no such recording, and will never have.
        RestError::Refused { status: 400 | 404 | 410, .. } => Ok(()),
        error if messages == Messages::MayStay && is_kept_from_us(&error) => {
            let stays = AuditEntry::of(viewer, "message.left").agent(access.agent_id());
            let stays = stays.object("call", call.id).change(json!({"at": address}));
            state.owners.store.note_deed(&stays).await.map_err(|_| RestError::Unknown)
        }
        error => Err(error),
    }
}

/// Whether it is no use to ask again: nobody here has the account that the message is in.
fn is_kept_from_us(error: &RestError) -> bool {
    matches!(error, RestError::NoAccount | RestError::Refused { status: 401 | 403, .. })
}

/// Why a call is not removed whose message is still at Twilio.
fn message_stays(error: &RestError) -> Problem {
    match error {
        error if is_kept_from_us(error) => Problem::new(
            StatusCode::BAD_GATEWAY,
            "Twilio does not let the agent's account remove the message that the caller left: give \
             the agent the account that took the message, and try again; or delete the call without \
             the message (leave_messages)",
        ),
        RestError::Sealed => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the agent's Twilio account cannot be read now, and has the message that the caller left",
        ),
        _ => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the message that the caller left cannot be removed at Twilio now; try again later",
        ),
    }
}

/// Removes files whose calls are gone. What cannot be removed now is written down as left, and removed
/// with what is too old.
async fn remove_files(state: &AppState, paths: &[String]) {
    for path in paths {
        let removing = state.owners.listening.archive.remove(path);
        match clock::within(FILE_LIMIT, removing).await {
            Some(Ok(())) => {
                // Else it is looked for once more, in vain.
                let _ = state.owners.store.left_recording_removed(path).await;
            }
            Some(Err(error)) => warn!(%error, "a recording is removed later"),
            None => warn!("a recording is removed later: the object store is slow"),
        }
    }
}
