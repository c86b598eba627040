//! How other tasks reach the task of a call.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};
use uuid::Uuid;

use super::command::Command;
use crate::agent::Agent;

/// How other tasks reach a call's task.
#[derive(Debug, Clone)]
pub struct CallHandle {
    /// The call's `call_logs.id`.
    pub call_log_id: Uuid,
    /// The epoch in which it is this process's.
    pub epoch: i32,
    /// The agent that has the call.
    pub agent: Arc<Agent>,
    /// Where the call's task receives commands.
    pub commands: mpsc::Sender<Command>,
    /// Whether a media stream has come: what is spoken before it has been.
    pub has_streamed: bool,
    /// Whether the call has its row; closed when it was not taken after all.
    pub(super) has_row: watch::Receiver<bool>,
    /// Held while a fresh token is put here and into the row, so that both have the same one.
    pub renewing: Arc<tokio::sync::Mutex<()>>,
}

impl CallHandle {
    /// Waits until the call's first webhook has got it its row. `false`: it was not taken.
    pub async fn is_taken(&mut self) -> bool {
        self.has_row.wait_for(|has_row| *has_row).await.is_ok()
    }

    /// Whether the call has its row.
    pub fn has_row(&self) -> bool {
        *self.has_row.borrow()
    }

    /// Has the call's task let go of a call that another process has, `if_leaving` only if it
    /// waits to be asked where the caller goes on to. Gives whether there is no task any more.
    pub async fn let_go(&self, if_leaving: bool) -> bool {
        let (answer, gone) = oneshot::channel();
        // A task that cannot be told or does not answer is gone already.
        let told = self.commands.send(Command::LetGo { if_leaving, answer }).await.is_ok();
        !told || gone.await.unwrap_or(true)
    }
}
