//! The look-ups of a call that are under way: a few at once, each answered once.

use std::collections::VecDeque;
use std::future::Future;
use std::task::{Context, Poll};

use futures_util::StreamExt;
use futures_util::future::{AbortHandle, BoxFuture, abortable};
use futures_util::stream::FuturesUnordered;

use crate::call::{Event, RecallId, Recollection};

/// Look-ups of a call at once. A newer one ends the oldest, whose words are out of date.
const RECALLS_MAX: usize = 3;

/// The look-ups in the agent's knowledge that a call has running.
#[derive(Default)]
pub(super) struct Recalls {
    running: FuturesUnordered<BoxFuture<'static, (RecallId, Recollection)>>,
    /// Those that run, oldest first.
    handles: VecDeque<(RecallId, AbortHandle)>,
}

impl Recalls {
    /// Starts one. Each is answered once, one that is ended early as failed.
    pub(super) fn start(
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
