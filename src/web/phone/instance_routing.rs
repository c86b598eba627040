//! Calls that another process is to have: this one goes down, and an answer that it gave would be
//! one that it cannot keep.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use uuid::Uuid;

use super::Document;
use crate::call::LogEvent;
use crate::clock;
use crate::line::record::unix_us;
use crate::line::registry::Command;
use crate::recovery::completion::write;
use crate::twilio::twiml::Twiml;
use crate::web::AppState;

/// How long the caller waits before it is asked again, seconds: a balancer turns to another process
/// within some of them.
const AGAIN_AFTER_S: u32 = 1;
/// How long writing down something that nobody waits for may take.
const WRITE_LIMIT: Duration = Duration::from_secs(5);

impl AppState {
    /// Whether a call is to go on at another process: it has let go of its line here, or it is not
    /// here, and this process takes none any more while others do.
    pub(super) fn is_for_another(&self, agent_id: Uuid, call_sid: &str) -> bool {
        let registry = &self.services.registry;
        if registry.has_parted(agent_id, call_sid) {
            return true;
        }
        let is_here =
            registry.find(agent_id, call_sid).is_some() || registry.has_ended(agent_id, call_sid);
        !is_here && registry.is_draining() && self.peers.are_there()
    }

    /// Where the host can send a request on to another process: an answer that has it do so.
    pub(super) fn sent_on(&self, agent_id: Uuid, call_sid: &str) -> Option<Response> {
        let can_be_sent = self.fly_machine_id.is_some() && self.is_for_another(agent_id, call_sid);
        can_be_sent.then(|| (StatusCode::OK, [("fly-replay", "elsewhere=true")]).into_response())
    }

    /// Twilio asks again in a moment, and by then somebody else.
    pub(super) fn ask_again(&self) -> Document {
        let after = self.public_url.join("/twilio/after");
        Document(Twiml::new().pause(AGAIN_AFTER_S).redirect(&after).finish())
    }

    /// Writes down what happened in an agent's call, wherever that is. Nobody waits for it, and what
    /// there is no room for is dropped and counted.
    pub(super) fn note(&self, agent_id: Uuid, call_sid: &str, event: LogEvent) {
        let Some(leave) = self.noting.leave(agent_id, call_sid) else { return };
        let here = self.services.registry.find(agent_id, call_sid);
        let (store, at_us) = (self.store.clone(), unix_us(clock::unix_now()));
        let call_sid = call_sid.to_owned();
        clock::spawn(async move {
            // Given back whichever way this ends.
            let _leave = leave;
            if let Some(handle) = here
                && handle.commands.send(Command::Note(event.clone())).await.is_ok()
            {
                return;
            }
            let writing = async {
                if let Ok(Some(row)) = store.call_by_sid(agent_id, &call_sid).await {
                    // Without it the call lacks a line; the log has it.
                    let _ = write(&store, &row, &[event], at_us).await;
                }
            };
            clock::within(WRITE_LIMIT, writing).await;
        });
    }
}
