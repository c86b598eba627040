//! Calls that are not taken: a row that says why, and the agent's fallback.

use metrics::counter;
use serde_json::json;
use tracing::info;

use super::Document;
use super::admit::{Foreign, RENEW_LIMIT};
use super::answer::hang_up;
use crate::agent::Agent;
use crate::call::{End, EndedBy, Status};
use crate::call_log::writer::Opened;
use crate::clock;
use crate::line::exit::fallback_limit;
use crate::line::record::{status_word, unix_us};
use crate::store::{Admission, AdmissionOutcome, CompletedCall, FIRST_EPOCH, NewCall, OffStream};
use crate::web::AppState;

impl AppState {
    /// The call is not taken: a row that says why, and no slot.
    pub(super) async fn refuse(
        &self,
        agent: &Agent,
        new: NewCall,
        why: &str,
    ) -> Result<Option<Document>, Foreign> {
        // Another instance may have the call, and this be its repeated webhook: its row is its own.
        if self.services.log.is_database_up() {
            let known =
                clock::within(RENEW_LIMIT, self.store.call_by_sid(new.agent_id, &new.call_sid))
                    .await;
            if let Some(Ok(Some(row))) = known {
                return Ok(row.ended.then(hang_up));
            }
        }
        // A limit of none: the row is written and takes no line.
        let new = NewCall { limit: Some(0), ..new };
        match self.services.log.open(new.clone()).await {
            Opened::Admitted(Admission { outcome: AdmissionOutcome::Ended, .. }) => {
                Ok(Some(hang_up()))
            }
            Opened::Admitted(Admission { outcome: AdmissionOutcome::Foreign, .. }) => Err(Foreign),
            Opened::Admitted(Admission { position, .. }) => {
                Ok(self.reject(agent, new, position.epoch, why).await)
            }
            Opened::Spooled => Ok(self.reject(agent, new, FIRST_EPOCH, why).await),
        }
    }

    /// The call goes to the fallback at once, and is counted.
    pub(super) async fn reject(
        &self,
        agent: &Agent,
        new: NewCall,
        epoch: i32,
        why: &str,
    ) -> Option<Document> {
        counter!("frontdesk_calls_rejected_total", "reason" => why.to_owned()).increment(1);
        self.leave_row(agent, new, epoch, why).await
    }

    /// The call goes to the fallback. Its row is completed by what comes of that, or now if nobody
    /// tells.
    pub(super) async fn leave_row(
        &self,
        agent: &Agent,
        new: NewCall,
        epoch: i32,
        why: &str,
    ) -> Option<Document> {
        info!(call_sid = new.call_sid, why, "a call goes to the fallback");
        self.services.registry.note_owner(new.agent_id, &new.call_sid);
        let now_us = unix_us(clock::unix_now());
        let mut metadata = new.metadata.into_inner();
        metadata["fallback_reason"] = json!(why);
        if let Some(limit) = fallback_limit(agent) {
            let outing = OffStream {
                agent_id: Some(new.agent_id),
                call_sid: new.call_sid,
                call_log_id: Some(new.id),
                instance_id: new.instance_id,
                epoch: Some(epoch),
                taken_by: None,
                until_us: now_us.saturating_add(unix_us(limit)),
                returns: 0,
                metadata: metadata.into(),
            };
            self.services.log.go_out(outing).await;
            return None;
        }
        self.services.registry.note_ended(new.agent_id, &new.call_sid);
        let end = End { status: Status::NoAnswer, ended_by: EndedBy::Agent };
        metadata["ended_by"] = json!(end.ended_by);
        self.services
            .log
            .complete(CompletedCall {
                call_log_id: new.id,
                agent_id: Some(new.agent_id),
                call_sid: new.call_sid,
                is_partial: false,
                instance_id: Some(new.instance_id),
                epoch: Some(epoch),
                status: status_word(end),
                transcript: String::new().into(),
                metadata: metadata.into(),
                ended_us: now_us,
                duration_ms: (now_us - new.started_us).max(0) / 1000,
            })
            .await;
        None
    }
}
