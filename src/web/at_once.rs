//! How much of one kind is done at once for each party: of a person's requests, of an agent's questions to
//! Twilio. Whoever asks for a lot at the same time waits for themselves, and not everybody else for them: the
//! console has few connections to the database.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

use crate::clock;

/// So many requests of a person. A browser asks for as many at the same time.
pub(super) const REQUESTS: usize = 6;
/// How long one waits for the others; beyond, it is refused.
const WAIT: Duration = Duration::from_secs(3);

/// For whom something is done.
#[derive(Debug)]
pub(super) struct AtOnce {
    each: usize,
    places: Mutex<HashMap<Uuid, Arc<Semaphore>>>,
}

/// What a request holds until it has its answer. A copy is of the same request.
#[derive(Debug, Clone, Default)]
pub(super) struct Turn(Arc<Mutex<Option<OwnedSemaphorePermit>>>);

/// As many requests of this person are worked on as may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Busy;

impl Turn {
    /// The request has its answer. Its body may go on for long, with the request's head beside it.
    pub(super) fn over(&self) {
        *self.0.lock() = None;
    }
}

impl AtOnce {
    /// So much for each at once.
    pub(super) fn new(each: usize) -> Self {
        Self { each, places: Mutex::default() }
    }

    /// A place of this party's, once it has a free one.
    pub(super) async fn place(&self, of: Uuid) -> Option<OwnedSemaphorePermit> {
        // A semaphore that nobody closes gives a place in the end.
        self.places_of(of).acquire_owned().await.ok()
    }

    /// Has the request wait until it is this person's turn, and keep the turn.
    pub(super) async fn wait(&self, parts: &Parts, person: Uuid) -> Result<(), Busy> {
        // One that was made by hand has none.
        let Some(turn) = parts.extensions.get::<Turn>() else { return Ok(()) };
        if turn.0.lock().is_some() {
            return Ok(());
        }
        let permit = clock::within(WAIT, self.place(person)).await.flatten().ok_or(Busy)?;
        *turn.0.lock() = Some(permit);
        Ok(())
    }

    fn places_of(&self, of: Uuid) -> Arc<Semaphore> {
        let mut all = self.places.lock();
        all.retain(|_, places| Arc::strong_count(places) > 1);
        Arc::clone(all.entry(of).or_insert_with(|| Semaphore::new(self.each).into()))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn request() -> (Parts, Turn) {
        let (mut parts, ()) = http::Request::new(()).into_parts();
        let turn = Turn::default();
        parts.extensions.insert(turn.clone());
        (parts, turn)
    }

    #[tokio::test]
    async fn each_person_waits_for_their_own_requests_alone() {
        let (anna, ben) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let at_once = AtOnce::new(REQUESTS);
        let mut held = Vec::new();
        for _ in 0..REQUESTS {
            let (parts, turn) = request();
            assert_eq!(at_once.wait(&parts, anna).await, Ok(()));
            assert_eq!(at_once.wait(&parts, anna).await, Ok(()), "a request has one turn");
            held.push(turn);
        }
        let (parts, _) = request();
        assert_eq!(at_once.wait(&parts, anna).now_or_never(), None, "it waits");
        assert_eq!(at_once.wait(&request().0, ben).now_or_never(), Some(Ok(())));
        // An answer that goes on for long keeps the head.
        let answered = held.pop().expect("one of them");
        answered.over();
        assert_eq!(at_once.wait(&parts, anna).now_or_never(), Some(Ok(())));
        drop((parts, held));
        assert_eq!(at_once.wait(&request().0, ben).await, Ok(()));
        assert_eq!(at_once.places.lock().len(), 1, "nobody is remembered who has none");
    }
}
