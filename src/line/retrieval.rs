//! Retrieval: look-ups in the agent's own knowledge while a call goes on.

use std::sync::Arc;

use metrics::{counter, histogram};
use tracing::Instrument;

use super::CallServices;
use super::driver::CallTask;
use crate::agent::Agent;
use crate::call::{RecallId, Recollection};
use crate::clock::Stopwatch;

impl CallTask {
    /// Looks up what the agent knows about what was said.
    pub(super) fn recall(&mut self, recall: RecallId, said: String) {
        let (services, agent) = (Arc::clone(&self.services), Arc::clone(&self.agent));
        let look_up = async move {
            let since = Stopwatch::start();
            let found = look_up(&services, &agent, &said).await;
            histogram!("frontdesk_recall_seconds").record(since.elapsed());
            counter!("frontdesk_recalls_total", "outcome" => match &found {
                Recollection::Found(passages) if passages.is_empty() => "nothing",
                Recollection::Found(_) => "found",
                Recollection::Failed => "failed",
            })
            .increment(1);
            found
        };
        self.recalls.start(recall, look_up.in_current_span());
    }
}

async fn look_up(services: &CallServices, agent: &Agent, said: &str) -> Recollection {
    // A search would wait for a connection, and the answer for the search.
    if !services.log.is_database_up() {
        return Recollection::Failed;
    }
    let found = services.function_services.knowledge.search(agent, said).await;
    found.map_or(Recollection::Failed, Recollection::Found)
}
