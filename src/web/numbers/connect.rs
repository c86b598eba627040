//! A number's calls come here, and go back.

use std::sync::Arc;

use http::StatusCode;

use super::{UNUSABLE, may_see, numbers_of, refused, words};
use crate::agent::Agent;
use crate::clock;
use crate::store::StoreError;
use crate::store::access::{AgentAccess, Maintain};
use crate::store::audit::AuditEntry;
use crate::store::people::Viewer;
use crate::store::taken_numbers::{ListedNumber, NumberRow, TakenNumber};
use crate::twilio::rest::{OwnedNumber, RestError, Wiring};
use crate::web::AppState;
use crate::web::editing::number_version;
use crate::web::problem::Problem;

/// A number's name: `PN` and 32 hex digits.
fn is_number_sid(sid: &str) -> bool {
    sid.len() == 34
        && sid.starts_with("PN")
        && sid.bytes().skip(2).all(|byte| byte.is_ascii_hexdigit())
}

/// What somebody does with a number of an agent's account.
struct Deed {
    state: Arc<AppState>,
    viewer: Viewer,
    access: AgentAccess<Maintain>,
    agent: Arc<Agent>,
    number: OwnedNumber,
}

impl Deed {
    /// With a number of this agent's account that the viewer may change.
    async fn with(
        state: &Arc<AppState>,
        viewer: &Viewer,
        access: &AgentAccess<Maintain>,
        sid: &str,
    ) -> Result<Self, Problem> {
        if !is_number_sid(sid) {
            return Err(Problem::not_found());
        }
        let agent =
            state.directory.by_id(access.agent_id()).await.ok_or_else(Problem::not_found)?;
        let numbers = numbers_of(state, &agent).await.map_err(|error| refused(&error))?;
        let numbers = may_see(viewer, &agent, numbers);
        let number = numbers.into_iter().find(|number| number.sid == sid);
        Ok(Self {
            state: Arc::clone(state),
            viewer: viewer.clone(),
            access: access.clone(),
            agent,
            number: number.ok_or_else(Problem::not_found)?,
        })
    }

    /// Twilio has done it: what cannot be written down any more does not make it undone.
    async fn note(&self, action: &'static str) {
        let entry = AuditEntry::of(&self.viewer, action).agent(self.access.agent_id());
        let entry = entry.object("number", &self.number.sid);
        if let Err(error) = self.state.owners.store.note_deed(&entry).await {
            tracing::warn!(%error, action, "what was done with a number was not written down");
        }
    }
}

/// Has a number's calls come here, to this agent. What Twilio did with it before is kept first. Where
/// Twilio does not do it the agent keeps the number that it had.
///
/// # Errors
/// [`Problem`].
pub(in crate::web) async fn connect(
    state: &Arc<AppState>,
    viewer: &Viewer,
    access: &AgentAccess<Maintain>,
    sid: &str,
) -> Result<(), Problem> {
    let deed = Deed::with(state, viewer, access, sid).await?;
    if !deed.number.takes_calls {
        return Err(Problem::invalid("sid", "this number takes no calls, only messages"));
    }
    to_its_end(async move { deed.connect().await }).await
}

/// Does this to its end, also where whoever asked does not wait for it: Twilio and our rows are to say the
/// same afterwards.
async fn to_its_end(
    done: impl Future<Output = Result<(), Problem>> + Send + 'static,
) -> Result<(), Problem> {
    let broke_off = |_| Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "this broke off"));
    clock::spawn(done).await.unwrap_or_else(broke_off)
}

/// What a connection changed in our rows.
#[derive(Default)]
struct Moved {
    /// The number that the agent had; none where it is the same.
    had: Option<NumberRow>,
    /// What others had who only typed it.
    taken: Vec<TakenNumber>,
}

impl Deed {
    async fn connect(&self) -> Result<(), Problem> {
        // First the row: calls that arrive before it would find nobody.
        let moved = match self.agent.number.as_deref() == Some(&self.number.number) {
            true => Moved::default(),
            false => self.take_number().await?,
        };
        if let Err(error) = self.wire().await {
            return Err(self.put_back(&moved, error).await);
        }
        if let Some(had) = &moved.had
            && let Err(problem) = number_version(&self.state, &self.viewer, &self.access, had).await
        {
            tracing::warn!(status = problem.status, "an agent's number was not kept as a version");
        }
        self.note("number.connect").await;
        Ok(())
    }

    /// Gives the agent the number. A number is on one account alone, and Twilio has just said that it is
    /// on this agent's: whoever only typed it for an agent of another account is not in the way.
    async fn take_number(&self) -> Result<Moved, Problem> {
        let number = NumberRow {
            number: Some(self.number.number.clone().into()),
            // Not theirs any more where they go back to the server's account.
            is_typed: !self.viewer.is_admin(),
        };
        let store = &self.state.owners.store;
        let set = store.set_number(&self.access, &number).await;
        let mut moved = set.map(|had| Moved { had, taken: Vec::new() });
        let asked = self.state.services.function_services.twilio.account_sid(&self.agent);
        if matches!(moved, Err(StoreError::Refused(_)))
            && let Some(asked) = asked
        {
            let (number_of, account_sid) = (self.number.number.clone().into(), asked.to_owned());
            let listed = ListedNumber { number: number_of, account_sid };
            let taken = store.take_number(&self.access, &number, &listed).await;
            moved = taken.map(|(had, taken)| Moved { had, taken });
        }
        let moved = moved.map_err(|error| match error {
            StoreError::Refused(_) => Problem::invalid("sid", UNUSABLE),
            error => error.into(),
        })?;
        self.make_known(&moved.taken).await;
        Ok(moved)
    }

    /// Has the next call know whose the number is.
    async fn make_known(&self, taken: &[TakenNumber]) {
        let directory = &self.state.directory;
        for one in taken {
            directory.refresh(Some(one.agent), None).await;
        }
        directory.refresh(Some(self.access.agent_id()), Some(&self.number.number)).await;
    }

    /// Tells Twilio, where it does not know already.
    async fn wire(&self) -> Result<(), WireError> {
        let wanted = Wiring {
            voice_url: Some(self.state.public_url.join("/twilio/voice")),
            voice_method: Some("POST".to_owned()),
            // Whatever was there is kept: it answers where this server does not.
            voice_fallback_url: self.number.wiring.voice_fallback_url.clone(),
            status_callback: Some(self.state.public_url.join("/twilio/status")),
            voice_application_sid: None,
            trunk_sid: None,
        };
        if self.number.wiring == wanted {
            return Ok(());
        }
        let (store, sid) = (&self.state.owners.store, self.number.sid.as_str());
        let before = serde_json::to_value(&self.number.wiring).unwrap_or_default();
        let kept = store.keep_wiring(&self.access, "", sid, &before).await?;
        let twilio = &self.state.services.function_services.twilio;
        let error = match twilio.wire_number(&self.agent, sid, &wanted).await {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        if error == RestError::Unknown {
            // It may have been done; Twilio itself can say.
            return match twilio.owned_number(&self.agent, sid).await {
                Ok(number) if number.wiring == wanted => Ok(()),
                _ => Err(error.into()),
            };
        }
        store.forget_wiring(&self.access, kept).await?;
        Err(error.into())
    }

    /// Has Twilio do with the number what it did before.
    async fn restore(&self, before: &Wiring) -> Result<(), Problem> {
        let (twilio, sid) = (&self.state.services.function_services.twilio, &self.number.sid);
        match twilio.wire_number(&self.agent, sid, before).await {
            Ok(_) => {}
            Err(RestError::Unknown) => {
                let why = "Twilio gave no answer: it may have been put back. Look at the page Numbers \
                           in a minute.";
                return Err(Problem::new(StatusCode::BAD_GATEWAY, why));
            }
            Err(error) => return Err(refused(&error)),
        }
        if let Err(error) = self.state.owners.store.note_restored(&self.access, sid).await {
            tracing::warn!(%error, "a number that was put back is offered to be put back once more");
        }
        self.note("number.restore").await;
        Ok(())
    }

    /// Gives the agent the number back that it had, and others what was taken from them. Says what has
    /// become of all.
    async fn put_back(&self, moved: &Moved, error: WireError) -> Problem {
        let new = self.number.number.as_str();
        let (store, had) = (&self.state.owners.store, moved.had.as_ref());
        let is_back = match had {
            None => true,
            Some(had) => {
                let put = store.give_back(&self.access, (had, new), &moved.taken).await;
                self.make_known(&moved.taken).await;
                put.is_ok()
            }
        };
        let kept = match (is_back, had.and_then(|had| had.number.as_ref())) {
            (false, _) => format!("The agent's number is {new} now, in our rows alone."),
            (true, Some(old)) => format!("The agent still answers {}.", old.reveal()),
            (true, None) => String::new(),
        };
        let problem = match error {
            WireError::Store(error) => {
                let mut problem = Problem::from(error);
                let why = problem.detail.take().unwrap_or_default();
                problem.detail = Some(format!("{why}. {kept}"));
                problem
            }
            WireError::Twilio(RestError::Unknown) => {
                let why = "Twilio gave no answer: it may send the number's calls here now, or where \
                           they went before. Look at the page Numbers in a minute, and connect it \
                           again.";
                return Problem::new(StatusCode::BAD_GATEWAY, format!("{why} {kept}"));
            }
            WireError::Twilio(error) => {
                Problem::new(StatusCode::BAD_GATEWAY, format!("{} {kept}", words(&error)))
            }
        };
        if is_back { problem.unchanged() } else { problem }
    }
}

/// Why Twilio was not told.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
enum WireError {
    Twilio(#[from] RestError),
    Store(#[from] StoreError),
}

/// Puts a number back to what Twilio did with it before.
///
/// # Errors
/// [`Problem`].
pub(in crate::web) async fn restore(
    state: &Arc<AppState>,
    viewer: &Viewer,
    access: &AgentAccess<Maintain>,
    sid: &str,
) -> Result<(), Problem> {
    let deed = Deed::with(state, viewer, access, sid).await?;
    let rows = state.owners.store.wirings(access).await?;
    let row = rows.into_iter().find(|row| row.number_sid == sid);
    let row = row.ok_or_else(|| {
        Problem::invalid("sid", "nothing is known of what this number did before")
    })?;
    let before: Wiring = serde_json::from_value(row.before)
        .map_err(|_| Problem::invalid("sid", "what this number did before cannot be read"))?;
    to_its_end(async move { deed.restore(&before).await }).await
}
