//! What does not end costs places, and no more of them than one agent has.

use std::sync::mpsc;

use super::*;

/// For what is late for sure.
const SHORT: Duration = Duration::from_millis(50);

#[tokio::test]
async fn what_does_not_end_costs_its_agent_and_nobody_else() {
    let rendering = Arc::new(Rendering::default());
    let [evil, good] = [Uuid::from_u128(1), Uuid::from_u128(2)];
    let (started, starts) = mpsc::channel();
    let mut ends = Vec::new();
    let mut waiting = Vec::new();
    for _ in 0..PLACES_PER_AGENT {
        let (end, ending) = mpsc::channel::<()>();
        ends.push(end);
        let (rendering, started) = (Arc::clone(&rendering), started.clone());
        waiting.push(clock::spawn(async move {
            let work = move || {
                started.send(()).expect("it is counted");
                let _ = ending.recv();
            };
            rendering.rendered(SHORT, evil, work).await
        }));
    }
    tokio::task::spawn_blocking(move || starts.iter().take(PLACES_PER_AGENT).count())
        .await
        .expect("it counts");
    // A third one of this agent finds no place in time, and the two are given up meanwhile.
    assert_eq!(rendering.rendered(SHORT, evil, || 1).await, Err(RenderError::Late));
    assert_eq!(rendering.rendered(LIMIT, good, || 1).await, Ok(1));
    for work in waiting {
        assert_eq!(work.await.expect("it waits"), Err(RenderError::Late));
    }
    let taken = || PLACES - rendering.all.available_permits();
    assert_eq!(taken(), PLACES_PER_AGENT, "what goes on keeps its place");
    // Ended at last, the places are free.
    drop(ends);
    assert_eq!(rendering.rendered(LIMIT, evil, || 1).await, Ok(1));
    let places = u32::try_from(PLACES).expect("they are few");
    let all = rendering.all.acquire_many(places).await.expect("they are never closed");
    drop(all);
}

#[tokio::test]
async fn a_panic_frees_its_place() {
    let rendering = Rendering::default();
    for _ in 0..=PLACES_PER_AGENT {
        let failed = rendering.rendered(LIMIT, Uuid::nil(), || panic!("as asked")).await;
        assert_eq!(failed, Err::<(), _>(RenderError::Failed));
    }
}
