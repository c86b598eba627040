//! Acting on a live call: it ends, or its caller is put through. Where another process has the call, it
//! finds a row that says so.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use serde_json::json;
use tracing::{debug, info, warn};
use uuid::Uuid;

use crate::agent::Agent;
use crate::agent::phone_number::normalise_local;
use crate::agent::take_over::TakeOver;
use crate::call::TransferTarget;
use crate::clock;
use crate::line::registry::{Command, Registry};
use crate::private::Private;
use crate::store::access::{AgentAccess, Attend, Object, Refused, Role};
use crate::store::audit::AuditEntry;
use crate::store::people::Viewer;
use crate::store::{AttendedCall, CallCommand, Store, StoreError};
use crate::web::AppState;
use crate::web::guard::{may, note_refusal};
use crate::web::paces::{TRANSFERS, count};
use crate::web::problem::Problem;

/// The longest sentence that the agent is given to end with, in characters.
pub const WORDS_MAX: usize = 300;
/// How long a call's task may take to hear of a command.
const TOLD_LIMIT: Duration = Duration::from_secs(2);
/// How long another process may take to take a command, and how often that is looked at.
const TAKEN_LIMIT: Duration = Duration::from_secs(4);
const TAKEN_PAUSE: Duration = Duration::from_millis(100);
/// How often a process looks for commands for its calls: with others beside it, and alone.
const LOOK_PAUSE: Duration = Duration::from_millis(500);
const ALONE_PAUSE: Duration = Duration::from_secs(2);

/// What whoever puts a caller through is called where nothing better is known.
const SOMEBODY: &str = "a colleague";

/// A call that somebody may act on.
struct Attended {
    access: AgentAccess<Attend>,
    call: AttendedCall,
    agent: Arc<Agent>,
}

impl Attended {
    /// Refuses a number whose calls come back to this agent: its caller would go in a circle, and pay for
    /// each round.
    fn leads_out(&self, number: &Private<String>) -> Result<(), Problem> {
        let is_own = self.agent.number.as_ref() == Some(number.reveal());
        let has_forwarded = self.call.forwarded_by.as_ref() == Some(number);
        if is_own || has_forwarded || self.agent.is_forwarded_by(number) {
            let why = "that number forwards to this agent, so the caller would come back here";
            return Err(Problem::invalid("to", why));
        }
        Ok(())
    }
}

/// The least role that may act on a live call of this agent.
pub fn needs(agent: &Agent) -> Role {
    match agent.settings.take_over {
        TakeOver::Support => Role::Support,
        TakeOver::Maintainer => Role::Maintainer,
    }
}

impl AppState {
    /// Ends a live call, with these words or a goodbye.
    pub async fn end_call(
        &self,
        viewer: &Viewer,
        call: Uuid,
        words: Option<&str>,
    ) -> Result<(), Problem> {
        let words = words.map(str::trim).filter(|words| !words.is_empty());
        if words.is_some_and(|words| words.chars().count() > WORDS_MAX) {
            let why = format!("at most {WORDS_MAX} characters are said");
            return Err(Problem::invalid("words", why));
        }
        let attended = self.attended(viewer, call, "call.end").await?;
        let deed = AuditEntry::of(viewer, "call.end").change(json!({"words": words.is_some()}));
        let words = words.map(str::to_owned);
        self.act(attended, call, deed, CallCommand::End { words }).await
    }

    /// Puts the caller of a live call through: to one whom the agent may put through to, by name, or to
    /// a number, which is the owner's or the maintainer's to give.
    pub async fn transfer_call(
        &self,
        viewer: &Viewer,
        call: Uuid,
        to: &str,
    ) -> Result<(), Problem> {
        let attended = self.attended(viewer, call, "call.transfer").await?;
        let (target, change) = match named(&attended.agent, to) {
            Some(target) => {
                let name = target.name.clone();
                (target, json!({"to": name}))
            }
            None => match numbered(&attended, viewer, to) {
                Ok(target) => (target, json!({"to": "a number"})),
                Err(problem) => {
                    if problem.status() == StatusCode::FORBIDDEN {
                        note_refusal(self, viewer, Some(Object::Call(call)), "call.transfer").await;
                    }
                    return Err(problem);
                }
            },
        };
        attended.leads_out(&target.number)?;
        count(&self.owners.store, &TRANSFERS, viewer.id(), Problem::too_many).await?;
        let deed = AuditEntry::of(viewer, "call.transfer").change(change);
        self.act(attended, call, deed, CallCommand::Transfer { target }).await
    }

    /// Puts the caller of a live call through to whoever asks, on the telephone of their account.
    pub async fn transfer_to_self(&self, viewer: &Viewer, call: Uuid) -> Result<(), Problem> {
        let attended = self.attended(viewer, call, "call.transfer").await?;
        let has = attended.access.role();
        if has < Role::Maintainer {
            return Err(Refused::Forbidden { needs: Role::Maintainer, has }.into());
        }
        let number = match OwnPhone::of(&self.owners.store, viewer, &attended.agent).await? {
            OwnPhone::Known(number) => number,
            OwnPhone::Missing => {
                return Err(Problem::invalid("to", "there is no number of yours under Account"));
            }
            OwnPhone::Useless => {
                let why =
                    "the number under Account cannot be called, or its calls come to this agent";
                return Err(Problem::invalid("to", why));
            }
        };
        attended.leads_out(&number)?;
        count(&self.owners.store, &TRANSFERS, viewer.id(), Problem::too_many).await?;
        let target = TransferTarget { name: named_as(viewer), number };
        let deed = AuditEntry::of(viewer, "call.transfer").change(json!({"to": "themselves"}));
        self.act(attended, call, deed, CallCommand::Transfer { target }).await
    }

    /// The call, if it is live and this person may act on it.
    async fn attended(
        &self,
        viewer: &Viewer,
        id: Uuid,
        action: &'static str,
    ) -> Result<Attended, Problem> {
        let store = &self.owners.store;
        let access: AgentAccess<Attend> = may(self, viewer, Object::Call(id), action).await?;
        let call = store.attended_call(&access, id).await?.ok_or_else(Problem::not_found)?;
        let here = self.services.registry.find(access.agent_id(), &call.call_sid);
        let agent = match here {
            Some(handle) => Some(handle.agent),
            None => self.directory.by_id(access.agent_id()).await,
        };
        let agent = agent.ok_or_else(Problem::not_found)?;
        let needs = needs(&agent);
        if access.role() < needs {
            note_refusal(self, viewer, Some(Object::Call(id)), action).await;
            return Err(Refused::Forbidden { needs, has: access.role() }.into());
        }
        if call.ended {
            return Err(Problem::new(StatusCode::CONFLICT, "the call is over"));
        }
        if call.is_out {
            let why = "the caller was put through or leaves a message: the agent is not in this call \
                       any more";
            return Err(Problem::new(StatusCode::CONFLICT, why));
        }
        Ok(Attended { access, call, agent })
    }

    /// Writes down who does what, and has it done.
    async fn act(
        &self,
        attended: Attended,
        id: Uuid,
        deed: AuditEntry<'_>,
        command: CallCommand,
    ) -> Result<(), Problem> {
        let store = &self.owners.store;
        let deed = deed.agent(attended.agent.id).object("call", id);
        if !store.note_command(&deed).await? {
            let why = "somebody puts the caller through at this moment; see what comes of it";
            return match command {
                CallCommand::End { .. } => Ok(()),
                CallCommand::Transfer { .. } => Err(Problem::new(StatusCode::CONFLICT, why)),
            };
        }
        let done = self.have_done(&attended, id, command).await;
        if done.is_err()
            && let Err(error) = store.note_undone(&deed).await
        {
            warn!(%error, "that nothing came of what somebody wanted is not written down");
        }
        done
    }

    async fn have_done(
        &self,
        Attended { access, call, agent }: &Attended,
        id: Uuid,
        command: CallCommand,
    ) -> Result<(), Problem> {
        let store = &self.owners.store;
        info!(call_sid = call.call_sid, "somebody acts on a live call");
        if tell(&self.services.registry, agent.id, &call.call_sid, command.clone()).await {
            return Ok(());
        }
        let over = || Problem::new(StatusCode::CONFLICT, "the call has just ended");
        let elsewhere = call.instance_id.filter(|other| *other != self.services.instance_id);
        let instance = elsewhere.ok_or_else(over)?;
        let given = store.give_command(access, id, instance, &command).await?;
        let given = given.ok_or_else(over)?;
        let taking = async {
            while !matches!(store.is_command_taken(given).await, Ok(true)) {
                clock::pause(TAKEN_PAUSE).await;
            }
        };
        let is_taken = clock::within(TAKEN_LIMIT, taking).await.is_some();
        if is_taken || !store.withdraw_command(given).await? {
            return Ok(());
        }
        let why = "the process that has this call does not answer; nothing was done, try again";
        Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, why))
    }

    /// Carries out what other processes want done with calls of this one, for as long as it runs.
    pub async fn carry_out_commands(self: Arc<Self>) {
        let (registry, instance) = (&self.services.registry, self.services.instance_id);
        let store = self.store.in_background();
        loop {
            let is_alone = !self.peers.are_there();
            clock::pause(if is_alone { ALONE_PAUSE } else { LOOK_PAUSE }).await;
            if registry.live() == 0 {
                continue;
            }
            match clock::within(TOLD_LIMIT, store.take_commands(instance)).await {
                Some(Ok(commands)) => {
                    for given in commands {
                        tell(registry, given.agent_id, &given.call_sid, given.command).await;
                    }
                }
                Some(Err(error)) => debug!(%error, "commands for calls could not be looked for"),
                None => {}
            }
        }
    }
}

/// Tells the task of a call that is here. `false`: there is none.
async fn tell(registry: &Registry, agent_id: Uuid, call_sid: &str, command: CallCommand) -> bool {
    let Some(handle) = registry.find(agent_id, call_sid) else { return false };
    let command = match command {
        CallCommand::End { words } => Command::OwnerEnds { words },
        CallCommand::Transfer { target } => Command::OwnerTransfers { target },
    };
    matches!(clock::within(TOLD_LIMIT, handle.commands.send(command)).await, Some(Ok(())))
}

/// One of those whom the agent may put callers through to.
fn named(agent: &Agent, to: &str) -> Option<TransferTarget> {
    let targets = &agent.settings.transfer_targets;
    let (name, number) = targets.iter().find(|(name, _)| name.trim() == to.trim())?;
    Some(TransferTarget { name: name.clone(), number: number.clone() })
}

/// A number that somebody gives.
fn numbered(attended: &Attended, viewer: &Viewer, to: &str) -> Result<TransferTarget, Problem> {
    let names: Vec<&str> =
        attended.agent.settings.transfer_targets.keys().map(String::as_str).collect();
    let accepted = match names.is_empty() {
        true => "a telephone number with its country code".to_owned(),
        false => {
            format!("a telephone number with its country code, or one of: {}", names.join(", "))
        }
    };
    let Some(number) = normalise_local(to.trim(), attended.agent.region) else {
        return Err(Problem::invalid("to", format!("it cannot be called; accepted: {accepted}")));
    };
    // Whoever names a number decides what the business pays for.
    let has = attended.access.role();
    if has < Role::Maintainer {
        return Err(Refused::Forbidden { needs: Role::Maintainer, has }.into());
    }
    Ok(TransferTarget { name: named_as(viewer), number: Private::new(number) })
}

/// What callers are told of who takes the call.
fn named_as(viewer: &Viewer) -> String {
    let name = Some(viewer.name().reveal().trim()).filter(|name| !name.is_empty());
    name.unwrap_or(SOMEBODY).to_owned()
}

/// What somebody may do with a live call of an agent.
#[derive(Debug, Clone)]
pub struct Offers {
    /// Whom the agent may put callers through to, by name.
    pub targets: Vec<String>,
    /// What they are to the agent.
    pub role: Role,
    /// Their own telephone.
    pub own_phone: OwnPhone,
}

impl Offers {
    /// Whether they may name a number.
    pub fn may_name(&self) -> bool {
        self.role >= Role::Maintainer
    }
}

/// The telephone that somebody has written under Account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnPhone {
    /// E.164.
    Known(Private<String>),
    /// None is written there.
    Missing,
    /// It cannot be called, or it leads back to this agent.
    Useless,
}

impl OwnPhone {
    /// Of this person, for calls of this agent.
    pub async fn of(store: &Store, viewer: &Viewer, agent: &Agent) -> Result<Self, StoreError> {
        let phone = store.profile(viewer).await?.phone;
        let phone = phone.reveal().trim();
        if phone.is_empty() {
            return Ok(Self::Missing);
        }
        let number = normalise_local(phone, agent.region).map(Private::new);
        let leads_out = |number: &Private<String>| {
            !agent.is_forwarded_by(number) && agent.number.as_ref() != Some(number.reveal())
        };
        Ok(number.filter(leads_out).map_or(Self::Useless, Self::Known))
    }
}

/// What somebody who looks at a live call of an agent may do with it; none: nothing.
pub async fn offers(
    state: &AppState,
    store: &Store,
    viewer: &Viewer,
    agent_id: Uuid,
) -> Option<Offers> {
    let access = store.access::<Attend>(viewer, Object::Agent(agent_id)).await.ok()?;
    let agent = state.directory.by_id(agent_id).await?;
    if access.role() < needs(&agent) {
        return None;
    }
    let own_phone = OwnPhone::of(store, viewer, &agent).await.unwrap_or(OwnPhone::Missing);
    let targets = agent.settings.transfer_targets.keys().cloned().collect();
    Some(Offers { targets, role: access.role(), own_phone })
}
