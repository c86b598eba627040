//! The caller is put through to somebody else: the agent says so, and when that was heard the call
//! leaves the media stream. A caller whom nobody answered there comes back to the agent.

use super::goodbye::{Ending, Farewell};
use super::links::Line;
use super::state::Call;
use super::{LogEvent, Purpose, ReplyId, Role, TransferTarget};

impl Call {
    /// The caller is to be put through. `said` is the reply that the agent said so with, if it did;
    /// else it is asked to, with these words if there are any. With nobody to say it or to hear it,
    /// the caller goes at once: Twilio asks where to.
    pub(super) fn hand_over(
        &mut self,
        target: TransferTarget,
        said: Option<ReplyId>,
        words: Option<String>,
    ) {
        if self.goodbye.farewell.is_some() {
            return;
        }
        if self.stream.line != Line::Open || !self.link.engine.is_ready() {
            self.goodbye.ending.get_or_insert(Ending::Transfer(target));
            return;
        }
        let purpose = Purpose::Handover(target.name.clone(), words);
        self.take_leave(Ending::Transfer(target), purpose, said);
    }

    /// The owner has the caller put through: whatever is being said is cut off, and the caller cannot
    /// keep the agent from it by speaking. Other last words that are final come first.
    pub(super) fn owner_transfers(&mut self, target: TransferTarget) {
        if self.goodbye.farewell.as_ref().is_some_and(|said| !said.withdrawable) {
            return;
        }
        if self.stream.line != Line::Open || !self.link.engine.is_ready() {
            self.goodbye.ending.get_or_insert(Ending::Transfer(target));
            return;
        }
        self.cut(false);
        let purpose = Purpose::Handover(target.name.clone(), None);
        self.take_leave(Ending::Transfer(target), purpose, None);
        if let Some(farewell) = &mut self.goodbye.farewell {
            farewell.withdrawable = false;
        }
    }

    /// Whether the caller may still keep the agent from putting them through by speaking: until
    /// they have heard that it will. After that "thank you" must not cost them the transfer.
    pub(super) fn may_stay(&self, farewell: &Farewell) -> bool {
        let heard = |reply| match self.playout.get(reply) {
            Some(spoken) => spoken.heard_ms() > 0,
            None => self.record.was_heard(reply),
        };
        !farewell.then.is_transfer() || !farewell.reply.is_some_and(heard)
    }

    /// The caller spoke before they heard of the transfer. The model, which was told that they are
    /// being put through, is told that they are not.
    pub(super) fn withdraw_transfer(&mut self, target: &TransferTarget) {
        let text = format!(
            "The caller went on speaking and was not put through to {}. If they still want it, \
             call transfer_call again.",
            target.name
        );
        self.link.messages.push((Role::System, text));
    }

    /// The party did not answer, and the caller is coming back.
    pub(super) fn transfer_failed(&mut self) {
        let Some(target) = self.record.transfer() else { return };
        let name = target.name.clone();
        self.note(LogEvent::TransferEnded { answered: false });
        let text =
            format!("The caller was to be put through to {name}, and nobody answered there.");
        self.link.messages.push((Role::System, text));
        self.stream.unanswered = Some(name);
    }
}
