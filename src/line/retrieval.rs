//! Look-ups in the agent's own knowledge while a call goes on.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::StreamExt;
use futures_util::future::{AbortHandle, BoxFuture, abortable};
use futures_util::stream::FuturesUnordered;
use metrics::{counter, histogram};
use tracing::Instrument;

use super::Exchange;
use super::driver::Line;
use crate::agent::Agent;
use crate::call::{Event, RecallId, Recollection};
use crate::clock::Stopwatch;

/// Look-ups of a call at once. A newer one ends the oldest, whose words are out of date.
const RECALLS_MAX: usize = 3;

/// A call's look-ups.
#[derive(Default)]
pub(super) struct Recalls {
    running: FuturesUnordered<BoxFuture<'static, (RecallId, Recollection)>>,
    /// Those that run, oldest first.
    handles: VecDeque<(RecallId, AbortHandle)>,
}

impl Recalls {
    /// Starts one. Each is answered once, one that is ended early as failed.
    fn start(
        &mut self,
        recall: RecallId,
        look_up: impl Future<Output = Recollection> + Send + 'static,
    ) {
        if self.handles.len() == RECALLS_MAX
            && let Some((_, oldest)) = self.handles.pop_front()
        {
            oldest.abort();
        }
        let (look_up, handle) = abortable(look_up);
        self.handles.push_back((recall, handle));
        self.running
            .push(Box::pin(async move { (recall, look_up.await.unwrap_or(Recollection::Failed)) }));
    }

    /// The next one that has ended.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        // Asking an empty set costs as much as reading a message.
        if self.running.is_empty() {
            return Poll::Pending;
        }
        let Poll::Ready(Some((recall, found))) = self.running.poll_next_unpin(cx) else {
            return Poll::Pending;
        };
        self.handles.retain(|(running, _)| *running != recall);
        Poll::Ready(Event::Recalled { recall, found })
    }
}

impl Line {
    /// Looks up what the agent knows about what was said.
    pub(super) fn recall(&mut self, recall: RecallId, said: String) {
        let (exchange, agent) = (Arc::clone(&self.exchange), Arc::clone(&self.agent));
        let look_up = async move {
            let since = Stopwatch::start();
            let found = look_up(&exchange, &agent, &said).await;
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

async fn look_up(exchange: &Exchange, agent: &Agent, said: &str) -> Recollection {
    // A search would wait for a connection, and the answer for the search.
    if !exchange.log.is_database_up() {
        return Recollection::Failed;
    }
    let found = exchange.toolbox.knowledge.search(agent, said).await;
    found.map_or(Recollection::Failed, Recollection::Found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, poll_fn, ready};

    async fn next(recalls: &mut Recalls) -> (u32, Recollection) {
        match poll_fn(|cx| recalls.poll(cx)).await {
            Event::Recalled { recall, found } => (recall.0, found),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_newer_look_up_ends_the_oldest_of_three() {
        let mut recalls = Recalls::default();
        for n in 1..=3 {
            recalls.start(RecallId(n), pending());
        }
        recalls.start(RecallId(4), pending());
        assert_eq!(next(&mut recalls).await, (1, Recollection::Failed));
        recalls.start(RecallId(5), ready(Recollection::Found(vec![])));
        let mut ended = [next(&mut recalls).await, next(&mut recalls).await];
        ended.sort_by_key(|(recall, _)| *recall);
        assert_eq!(ended, [(2, Recollection::Failed), (5, Recollection::Found(vec![]))]);
    }

    #[tokio::test]
    async fn one_that_has_ended_makes_room() {
        let mut recalls = Recalls::default();
        for n in 1..=20 {
            recalls.start(RecallId(n), ready(Recollection::Found(vec![])));
            assert_eq!(next(&mut recalls).await, (n, Recollection::Found(vec![])));
        }
        assert!(recalls.handles.is_empty());
    }
}
