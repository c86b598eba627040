//! `GET /twilio/stream/{token}`: the media WebSocket.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use metrics::counter;
use tracing::warn;
use uuid::Uuid;

use super::admit::Taken;
use super::unsigned::Asks;
use super::{PLAN_LIMIT, run_detached};

use crate::agent::Agent;
use crate::clock;
use crate::line::registry::{Claim, Command, RowKnown};
use crate::line::{registry::CallHandle, stream_config};
use crate::store::StreamClaim;
use crate::twilio::signature::{SIGNATURE_HEADER, upgrade_is_valid};
use crate::twilio::token::{self, StreamClaims};
use crate::web::AppState;
use crate::web::upgrade::upgrade;

/// How long the database may take to say that a token is still good, where memory says so too.
const CLAIM_LIMIT: Duration = Duration::from_millis(250);
/// How long it may take where only the database knows.
const FIND_LIMIT: Duration = Duration::from_secs(2);

/// Admits a stream by its token alone; every other question is answered before the upgrade.
pub(super) async fn stream(
    State(state): State<Arc<AppState>>,
    Path(token): Path<String>,
    request: Request,
) -> Response {
    run_detached(admit(state, token, request)).await
}

async fn admit(state: Arc<AppState>, token: String, request: Request) -> Response {
    let Some((claims, agent)) = state.verified(&token).await else {
        counter!("frontdesk_streams_refused_total", "reason" => "token").increment(1);
        return StatusCode::FORBIDDEN.into_response();
    };
    state.note_signature(&agent, request.uri().path(), request.headers());
    if state.is_for_another(agent.id, &claims.call_sid) {
        // Its token stays good for whoever has the call.
        let refused = || StatusCode::FORBIDDEN.into_response();
        return state.sent_on(agent.id, &claims.call_sid).unwrap_or_else(refused);
    }
    if let Some(machine) = state.belongs_to(&claims) {
        return (StatusCode::OK, [("fly-replay", format!("instance={machine}"))]).into_response();
    }
    let (response, upgraded) = match upgrade(request, stream_config()) {
        Ok(upgrade) => upgrade,
        Err(error) => return error.into_response(),
    };
    let Some(handle) = state.claim(&claims, &agent).await else {
        counter!("frontdesk_streams_refused_total", "reason" => "spent").increment(1);
        return StatusCode::FORBIDDEN.into_response();
    };
    clock::spawn(async move {
        if let Some(socket) = upgraded.await {
            // A call that has ended meanwhile drops the socket, which closes it.
            let _ = handle.commands.send(Command::Stream(Box::new(socket))).await;
        }
    });
    response
}

impl AppState {
    /// The token's claims, if it was minted under the agent's auth token and is in time.
    async fn verified(&self, token: &str) -> Option<(StreamClaims, Arc<Agent>)> {
        let claims = token::peek(token)?;
        let agent = match self.services.registry.find(claims.agent_id, &claims.call_sid) {
            Some(handle) => handle.agent,
            None => match self.directory.remembered_by_id(claims.agent_id) {
                Some(agent) => agent,
                // Anybody can write a token that names an agent.
                None if self.is_minted(None, token) || self.may_read(claims.agent_id) => {
                    self.directory.by_id(claims.agent_id).await?
                }
                None => return None,
            },
        };
        self.is_minted(Some(&agent), token).then_some((claims, agent))
    }

    /// Whether the database may be asked for an agent that a token names.
    fn may_read(&self, agent_id: Uuid) -> bool {
        let is_listed = self.directory.lists_id(agent_id);
        let asks = if is_listed { Asks::First } else { Asks::Unlisted };
        self.unsigned.may_read(asks, agent_id)
    }

    /// Whether a token was minted under this agent's auth token, and is in time.
    fn is_minted(&self, agent: Option<&Agent>, token: &str) -> bool {
        let now = clock::unix_now().as_secs();
        let verify = |auth_token| token::verify(auth_token, token, now).is_ok();
        self.auth_token(agent).is_some_and(verify)
    }

    /// The upgrade's own signature is noted, not required: its exact form is not certain.
    fn note_signature(&self, agent: &Agent, path: &str, headers: &HeaderMap) {
        let header = headers.get(SIGNATURE_HEADER).and_then(|value| value.to_str().ok());
        let auth_token = self.auth_token(Some(agent)).unwrap_or_default();
        let seen = match header {
            None => "absent",
            Some(header)
                if upgrade_is_valid(auth_token, self.public_url.as_str(), path, header) =>
            {
                "valid"
            }
            Some(_) => "mismatch",
        };
        if seen == "mismatch" {
            warn!("the stream's own signature does not match; its token does");
        }
        counter!("frontdesk_stream_signatures_total", "seen" => seen).increment(1);
    }

    /// The machine that the stream should go to instead, where the host can send it there.
    fn belongs_to<'a>(&self, claims: &'a StreamClaims) -> Option<&'a str> {
        let ours = self.fly_machine_id.as_deref()?;
        let theirs = claims.machine.as_deref()?;
        let is_here = self.services.registry.find(claims.agent_id, &claims.call_sid).is_some();
        // The name goes into a header of ours.
        let is_plain = theirs.bytes().all(|byte| byte.is_ascii_alphanumeric());
        // One that goes down or is dead would not have the call for long, or not at all.
        let may_have_it = self.peers.takes_calls(claims.instance) != Some(false);
        (ours != theirs && !is_here && is_plain && may_have_it).then_some(theirs)
    }

    /// Spends the token: here in memory, and in the row, so that no other instance takes it too.
    async fn claim(
        self: &Arc<Self>,
        claims: &StreamClaims,
        agent: &Arc<Agent>,
    ) -> Option<CallHandle> {
        let StreamClaims { call_sid, nonce, .. } = claims;
        let registry = &self.services.registry;
        match registry.claim(agent.id, call_sid, nonce) {
            // The task here may be one that lost the call to the process that minted the token.
            Claim::Spent if claims.instance != self.services.instance_id => {
                let handle = registry.find(agent.id, call_sid)?;
                let taken = self.claim_row(agent.id, call_sid, nonce).await?;
                if clock::within(PLAN_LIMIT, handle.let_go(false)).await != Some(true) {
                    return None;
                }
                self.take_over(agent, call_sid, "", None, async { Some(taken) }).await
            }
            Claim::Spent => None,
            Claim::Here(handle, RowKnown(row_known)) => {
                let asks = row_known && self.services.log.is_database_up();
                let who = self.claimant(agent.id, call_sid, Some(handle.epoch));
                let in_row =
                    async { clock::within(CLAIM_LIMIT, self.store.claim_stream(who, nonce)).await };
                match if asks { in_row.await } else { None } {
                    Some(Ok(StreamClaim::Spent | StreamClaim::Ended)) => None,
                    // The database is away or has not been told of the row: memory decides.
                    Some(Ok(StreamClaim::Claimed { .. } | StreamClaim::NoRow) | Err(_)) | None => {
                        Some(handle)
                    }
                }
            }
            Claim::Elsewhere if registry.has_ended(agent.id, call_sid) => None,
            // The webhook was another instance's. Without the row there is nothing to go on with,
            // and Twilio asks what happens next.
            Claim::Elsewhere => {
                let claimed = self.claim_row(agent.id, call_sid, nonce);
                self.take_over(agent, call_sid, "", None, claimed).await
            }
        }
    }

    /// Spends a token that only the row knows: whoever had the call has lost it.
    async fn claim_row(&self, agent_id: Uuid, call_sid: &str, nonce: &str) -> Option<Taken> {
        let claim = self.store.claim_stream(self.claimant(agent_id, call_sid, None), nonce);
        match clock::within(FIND_LIMIT, claim).await?.ok()? {
            StreamClaim::Claimed { position, .. } => Some(Taken { position, returns: None }),
            StreamClaim::Spent | StreamClaim::NoRow | StreamClaim::Ended => None,
        }
    }
}
