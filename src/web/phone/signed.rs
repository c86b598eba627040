//! Whose webhook it is. A call belongs to one agent, and only what is signed with that agent's token
//! acts on it: the number in the form is the sender's to choose, so it decides only about calls that
//! nobody knows yet.

use std::sync::Arc;

use http::{HeaderMap, Uri};
use secrecy::ExposeSecret;

use super::unsigned::Asks;
use super::{FIND_LIMIT, Refused};
use crate::agent::Agent;
use crate::clock;
use crate::line::directory::LookUp;
use crate::twilio::form::{Form, normalise_e164};
use crate::twilio::signature::{
    self, SETTINGS_HEADER, SIGNATURE_HEADER, settings_header_is_acceptable,
};
use crate::web::AppState;

/// A webhook as it came, yet to be checked.
pub(super) struct Webhook<'a> {
    pub(super) uri: &'a Uri,
    pub(super) headers: &'a HeaderMap,
    pub(super) form: &'a Form,
}

/// What the database says of a call's agent.
enum RowAgent {
    /// The call's row is this agent's.
    Found(Arc<Agent>),
    /// The call has a row, and its agent cannot be read: nobody can say whose token it needs.
    Unreadable,
    /// The call has no row.
    NoRow,
    /// The database does not say.
    Unread,
}

/// What this process knows of whose call it is.
enum Here {
    /// It is this agent's, whose token the webhook is signed with.
    Signed(Arc<Agent>),
    /// It is that of an agent whose token the webhook is not signed with.
    Others,
    /// Nothing.
    Unknown,
}

/// Whose call it is that was announced before.
pub(super) enum Whose {
    /// The call belongs to this agent.
    Agent(Arc<Agent>),
    /// Nobody's: it has no row, and its number no agent.
    Nobody,
    /// The database does not say, and nothing is remembered.
    Unread,
}

impl AppState {
    /// The auth token in force for an agent: its own, else the global one.
    pub(super) fn auth_token<'a>(&'a self, agent: Option<&'a Agent>) -> Option<&'a str> {
        agent
            .and_then(|agent| agent.credentials.as_ref())
            .map(|own| own.auth_token.reveal().as_str())
            .or_else(|| self.twilio.auth_token.as_ref().map(|token| token.expose_secret()))
    }

    /// Whether a webhook is signed with this agent's token, for the address that Twilio was given.
    fn is_signed(&self, agent: Option<&Agent>, webhook: &Webhook<'_>) -> bool {
        let Webhook { uri, headers, form } = webhook;
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let url = self.public_url.join(path);
        settings_header_is_acceptable(header(SETTINGS_HEADER))
            && matches!(
                (self.auth_token(agent), header(SIGNATURE_HEADER)),
                (Some(token), Some(signed)) if signature::is_valid(token, &url, form.fields(), signed)
            )
    }

    /// Refuses a webhook that is not signed with this agent's token.
    pub(super) fn check(
        &self,
        agent: Option<&Agent>,
        webhook: &Webhook<'_>,
    ) -> Result<(), Refused> {
        if self.is_signed(agent, webhook) { Ok(()) } else { Err(self.not_signed(webhook)) }
    }

    /// Counts a webhook that is refused because of its signature.
    fn not_signed(&self, webhook: &Webhook<'_>) -> Refused {
        self.unsigned.refused(webhook.uri.path());
        Refused::NotSigned
    }

    /// Refuses a webhook before the database is asked whose it is, unless a token in memory explains
    /// its signature: the global one or that of the number's agent. A few others are let pass, and
    /// are to be checked when it is known.
    fn may_ask(&self, webhook: &Webhook<'_>) -> Result<(), Refused> {
        let number = webhook.form.get("To").and_then(normalise_e164);
        let called = number.as_deref().and_then(|number| self.directory.remembered(number));
        let is_explained = self.is_signed(None, webhook)
            || called.as_ref().is_some_and(|agent| self.is_signed(Some(agent), webhook));
        let asks = match number.as_deref() {
            Some(_) if called.is_some() => Asks::Moved,
            Some(number) if self.directory.lists_number(number) => Asks::First,
            Some(_) | None => Asks::Unlisted,
        };
        if is_explained || self.unsigned.may_read(asks, number.unwrap_or_default()) {
            return Ok(());
        }
        Err(self.not_signed(webhook))
    }

    /// Checks a webhook that announces a call. Gives the agent that is to have it: the one that has
    /// it here already, else the number's; where the webhook is not signed with that one's token,
    /// because the number has moved since the call began, the call's by its row; else another agent of
    /// the number, such as one that is switched off, while somebody's with an account of their own has
    /// written the same number.
    pub(super) async fn announced(&self, webhook: &Webhook<'_>) -> Result<LookUp, Refused> {
        let call_sid = webhook.form.call_sid()?;
        // A call that is already here keeps its agent, whatever has become of the number since.
        match self.known_here(call_sid, webhook) {
            Here::Signed(agent) => return Ok(LookUp::Found(agent)),
            Here::Others => {
                self.may_ask(webhook)?;
                return self.owner(webhook).await.map(LookUp::Found);
            }
            Here::Unknown => self.may_ask(webhook)?,
        }
        let called = self.called(webhook.form).await;
        match &called {
            LookUp::Found(agent) if self.is_signed(Some(agent), webhook) => Ok(called),
            LookUp::Found(_) => match self.agent_of_row(webhook).await? {
                RowAgent::Found(agent) if self.is_signed(Some(&agent), webhook) => {
                    Ok(LookUp::Found(agent))
                }
                RowAgent::NoRow => self.other_holder(webhook).await.map(LookUp::Found),
                _ => Err(self.not_signed(webhook)),
            },
            LookUp::Unknown if !self.is_signed(None, webhook) => {
                self.owner(webhook).await.map(LookUp::Found)
            }
            LookUp::Unknown | LookUp::Unavailable => Ok(called),
        }
    }

    /// The agent whose call a webhook is about by the call's row, which has signed it.
    pub(super) async fn owner(&self, webhook: &Webhook<'_>) -> Result<Arc<Agent>, Refused> {
        match self.agent_of_row(webhook).await? {
            RowAgent::Found(agent) if self.is_signed(Some(&agent), webhook) => Ok(agent),
            _ => Err(self.not_signed(webhook)),
        }
    }

    /// An agent of the number that was called which has signed, whoever answers the number.
    async fn other_holder(&self, webhook: &Webhook<'_>) -> Result<Arc<Agent>, Refused> {
        let number = webhook.form.get("To").and_then(normalise_e164);
        let number = number.ok_or_else(|| self.not_signed(webhook))?;
        let reading = clock::within(FIND_LIMIT, self.store.agents_by_number(&number)).await;
        let rows = reading.and_then(Result::ok).unwrap_or_default();
        let mut agents = rows.into_iter().map(Agent::new);
        let signed = agents.find(|agent| self.is_signed(Some(agent), webhook));
        signed.map(Arc::new).ok_or_else(|| self.not_signed(webhook))
    }

    /// Reads a webhook about a call that was announced before, and checks it: its form, and the
    /// call's agent, if that is known.
    pub(super) async fn signed(
        &self,
        uri: &Uri,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<(Form, Whose), Refused> {
        let form = Form::parse(body)?;
        let agent = self.agent_of(&Webhook { uri, headers, form: &form }).await?;
        Ok((form, agent))
    }

    /// The agent of a call that was announced before, whose token the webhook is signed with. The
    /// call's task or what is remembered of it says which agent that is, else its row; the number
    /// that was called only where there is none. Callers act on calls of this agent alone.
    async fn agent_of(&self, webhook: &Webhook<'_>) -> Result<Whose, Refused> {
        let call_sid = webhook.form.call_sid()?;
        if let Here::Signed(agent) = self.known_here(call_sid, webhook) {
            return Ok(Whose::Agent(agent));
        }
        self.may_ask(webhook)?;
        let row = self.agent_of_row(webhook).await?;
        // The call may have come to this process meanwhile.
        let whose = match (row, self.known_here(call_sid, webhook)) {
            (RowAgent::Found(agent), _) | (_, Here::Signed(agent)) => Whose::Agent(agent),
            (RowAgent::Unreadable, _) => return Err(Refused::Unavailable),
            (RowAgent::NoRow | RowAgent::Unread, Here::Others) => {
                return Err(self.not_signed(webhook));
            }
            (row @ (RowAgent::NoRow | RowAgent::Unread), Here::Unknown) => {
                match self.called(webhook.form).await {
                    LookUp::Found(agent) => Whose::Agent(agent),
                    LookUp::Unknown if matches!(row, RowAgent::NoRow) => Whose::Nobody,
                    LookUp::Unknown | LookUp::Unavailable => Whose::Unread,
                }
            }
        };
        match &whose {
            Whose::Agent(agent) => self.check(Some(agent), webhook)?,
            Whose::Nobody | Whose::Unread => self.check(None, webhook)?,
        }
        Ok(whose)
    }

    /// What this process knows of whose call it is: it is here, was, or its caller was sent out from
    /// here. Then nothing but the call's row says otherwise, least of all the number in a form.
    fn known_here(&self, call_sid: &str, webhook: &Webhook<'_>) -> Here {
        let registry = &self.services.registry;
        let agents = registry.agents_of(call_sid);
        let ids: Vec<_> =
            agents.iter().map(|agent| agent.id).chain(registry.owner_of(call_sid)).collect();
        if ids.is_empty() {
            return Here::Unknown;
        }
        // A token may have been changed since the call began.
        let by_id = ids.iter().filter_map(|agent_id| self.directory.remembered_by_id(*agent_id));
        let number = webhook.form.get("To").and_then(normalise_e164);
        let called = number.and_then(|number| self.directory.remembered(&number));
        let called = called.filter(|agent| ids.contains(&agent.id));
        let mut candidates = agents.iter().cloned().chain(by_id).chain(called);
        let signed = candidates.find(|agent| self.is_signed(Some(agent), webhook));
        signed.map_or(Here::Others, Here::Signed)
    }

    /// The agent whose call it is by its row. One whose row cannot be read just now may be
    /// remembered for the number.
    async fn agent_of_row(&self, webhook: &Webhook<'_>) -> Result<RowAgent, Refused> {
        let call_sid = webhook.form.call_sid()?;
        if !self.services.log.is_database_up() {
            return Ok(RowAgent::Unread);
        }
        let reading = self.store.agent_of_call(call_sid);
        let agent_id = match clock::within(FIND_LIMIT, reading).await {
            Some(Ok(Some(agent_id))) => agent_id,
            Some(Ok(None)) => return Ok(RowAgent::NoRow),
            Some(Err(_)) | None => return Ok(RowAgent::Unread),
        };
        if let Some(agent) = self.directory.by_id(agent_id).await {
            return Ok(RowAgent::Found(agent));
        }
        let number = webhook.form.get("To").and_then(normalise_e164);
        let remembered = number.and_then(|number| self.directory.remembered(&number));
        let its_own = remembered.filter(|agent| agent.id == agent_id);
        Ok(its_own.map_or(RowAgent::Unreadable, RowAgent::Found))
    }

    /// Who answers the number that a form says was called.
    async fn called(&self, form: &Form) -> LookUp {
        match form.get("To").and_then(normalise_e164) {
            Some(number) => self.directory.look_up(&number).await,
            None => LookUp::Unknown,
        }
    }
}
