//! Fills templates in where they can do no harm. What an owner writes is bounded in what it can do,
//! and should one of them find a hole in that, it costs a place here and not the calls of the others:
//! the threads that calls live on never render.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::clock;

/// How long it may take, with the wait for a place. It takes a millisecond.
const LIMIT: Duration = Duration::from_secs(3);
/// How many are rendered at once.
const PLACES: usize = 16;
/// How many of them for one agent, so that eight agents without a bottom do not stop the others.
const PLACES_PER_AGENT: usize = 2;

/// Those of the process: they are as many as its threads can bear.
static RENDERING: LazyLock<Rendering> = LazyLock::new(Rendering::default);

/// Nothing came of it within the limit, or it panicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// It took too long, or those before it did.
    #[error("filling in took too long")]
    Late,
    /// It is our fault.
    #[error("filling in failed")]
    Failed,
}

/// Fills something in for an agent. What is late goes on, and keeps its place until it ends.
///
/// # Errors
/// If it does not end in time.
pub async fn rendered<T: Send + 'static>(
    agent: Uuid,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, RenderError> {
    RENDERING.rendered(LIMIT, agent, work).await
}

/// The places.
struct Rendering {
    all: Arc<Semaphore>,
    /// Those of agents for which something is rendered.
    agents: Mutex<HashMap<Uuid, Arc<Semaphore>>>,
}

impl Default for Rendering {
    fn default() -> Self {
        Self { all: Semaphore::new(PLACES).into(), agents: Mutex::default() }
    }
}

impl Rendering {
    async fn rendered<T: Send + 'static>(
        &self,
        limit: Duration,
        agent: Uuid,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, RenderError> {
        let agent = self.places_of(agent);
        let all = Arc::clone(&self.all);
        let rendering = async move {
            // The agent's first: one agent's queue takes no places from the others. They go with
            // the work, whoever still waits for it.
            let places = (Arc::clone(&agent).acquire_owned().await, all.acquire_owned().await);
            let work = move || {
                let work = work();
                drop((places, agent));
                work
            };
            tokio::task::spawn_blocking(work).await.map_err(|_| RenderError::Failed)
        };
        clock::within(limit, rendering).await.unwrap_or(Err(RenderError::Late))
    }

    fn places_of(&self, agent: Uuid) -> Arc<Semaphore> {
        let mut agents = self.agents.lock();
        agents.retain(|_, places| Arc::strong_count(places) > 1);
        let places = agents.entry(agent).or_insert_with(|| Semaphore::new(PLACES_PER_AGENT).into());
        Arc::clone(places)
    }
}
