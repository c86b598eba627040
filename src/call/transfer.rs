//! How does the caller get to another party?

use super::reply::Wanted;
use super::state::Call;
use super::{Purpose, ReplyId, TransferTarget};

impl Call {
    /// The caller is to be put through. `said` is the reply that the agent said so with, if it did.
    pub(super) fn hand_over(&mut self, _target: TransferTarget, _said: Option<ReplyId>) {
        self.want(Wanted::now(Purpose::Answer));
    }
}
