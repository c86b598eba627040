//! What callbacks said and is not written down yet: a server that goes down waits for it.

use std::sync::Arc;

use tokio::sync::watch;

/// How much there is. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct Unwritten(Arc<watch::Sender<usize>>);

/// One thing of these; dropped, it is written or given up.
#[derive(Debug)]
pub(super) struct Pending(Unwritten);

impl Unwritten {
    /// There is one more.
    pub(super) fn begin(&self) -> Pending {
        self.0.send_modify(|count| *count += 1);
        Pending(self.clone())
    }

    /// Waits until there is nothing more.
    pub async fn none(&self) {
        // The sender is ours, so it lives.
        let _ = self.0.subscribe().wait_for(|count| *count == 0).await;
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| *count -= 1);
    }
}
