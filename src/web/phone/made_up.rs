//! Calls that nobody places: whoever enters a Twilio account of their own knows the token that its webhooks
//! are signed with, and could hold every line with calls that they make up.

use std::sync::Arc;
use std::time::Duration;

use metrics::counter;
use uuid::Uuid;

use crate::agent::Agent;
use crate::clock;
use crate::line::registry::{Begin, Proof, SlotFor};
use crate::twilio::rest::RestError;
use crate::web::AppState;
use crate::web::at_once::AtOnce;
use crate::web::rate_limit::{RateLimit, Rule};

/// How long Twilio may take to say whether it has a call: it rings on meanwhile.
const LIMIT: Duration = Duration::from_millis(700);
/// How long a question may wait for the others of its agent: longer than one of those may take, so that a
/// Twilio that answers nobody keeps no place for itself.
const PLACE_LIMIT: Duration = Duration::from_millis(1_200);
/// About how many calls of one agent it is asked at once.
const ASKED_AT_ONCE: usize = 8;

/// About whose calls Twilio is asked.
#[derive(Debug)]
pub struct MadeUp(AtOnce);

impl Default for MadeUp {
    fn default() -> Self {
        Self(AtOnce::new(ASKED_AT_ONCE))
    }
}

/// Calls of an agent whose own token alone speaks for them, whether they are taken or not: whoever has the token
/// can announce any number, and each is written and queued. No business is called so often.
const ANNOUNCED: Rule = Rule { burst: 600, period: Duration::from_secs(60) };

/// How many calls the agents' own tokens have announced.
#[derive(Debug)]
pub struct Announced(RateLimit);

impl Default for Announced {
    fn default() -> Self {
        Self(RateLimit::new(ANNOUNCED))
    }
}

impl Announced {
    /// Counts a new call of an agent; whether there were too many before it.
    fn are_too_many(&self, agent: &Agent) -> bool {
        agent.credentials.is_some() && self.0.take(&agent.id.to_string()).is_err()
    }
}

/// A call that wants a slot.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) slot_for: SlotFor,
    pub(super) agent: &'a Arc<Agent>,
    pub(super) call_sid: &'a str,
    pub(super) call_log_id: Uuid,
    pub(super) nonce: &'a str,
    /// The Twilio account that the webhook names.
    pub(super) account_sid: Option<&'a str>,
}

impl AppState {
    /// Takes a slot for a call. Where lines get scarce and the agent's own token alone speaks for the call,
    /// Twilio is asked first: what is made up has no slot, and writes nothing, also while it is judged.
    pub(super) async fn begin(&self, wanted: Wanted<'_>) -> Begin {
        let begin = |proof| {
            let Wanted { slot_for, agent, call_sid, call_log_id, nonce, .. } = wanted;
            let registry = &self.services.registry;
            registry.begin(slot_for, proof, call_sid, call_log_id, Arc::clone(agent), nonce)
        };
        let begun = begin(Proof::Signature);
        if !matches!(begun, Begin::Unproven) {
            return begun;
        }
        match (self.is_placed(&wanted).await, wanted.slot_for) {
            (Some(true), _) => begin(Proof::Twilio),
            (None, SlotFor::KnownCaller) => begin(Proof::Unsaid),
            _ => begun,
        }
    }

    /// Whether a new call is one too many of those that the agent's own token announces: none that Twilio knows
    /// is. It is counted, and has no row.
    pub(super) async fn is_one_too_many(&self, wanted: &Wanted<'_>) -> bool {
        let too_many =
            self.announced.are_too_many(wanted.agent) && self.is_placed(wanted).await != Some(true);
        if too_many {
            counter!("frontdesk_calls_rejected_total", "reason" => "too many").increment(1);
        }
        too_many
    }

    /// Whether somebody placed the call. Where Twilio answers nobody a call is believed. None: it does not
    /// say, by what the account brings upon itself, as too many questions.
    async fn is_placed(&self, wanted: &Wanted<'_>) -> Option<bool> {
        let Wanted { agent, call_sid, account_sid, .. } = *wanted;
        let _place = clock::within(PLACE_LIMIT, self.made_up.0.place(agent.id)).await??;
        let twilio = &self.services.function_services.twilio;
        let asking = twilio.fetch_announced(agent, account_sid, call_sid);
        match clock::within(LIMIT, asking).await {
            Some(Ok(news)) => Some(!news.status.is_over()),
            Some(Err(RestError::Unreachable | RestError::Unknown)) | None => Some(true),
            Some(Err(RestError::Refused { status, .. })) if status != 429 => Some(false),
            Some(Err(_)) => None,
        }
    }
}
