//! Does what the core says.

use metrics::counter;
use tracing::{info, warn};

use super::driver::CallTask;
use super::exit::{Exit, Onward};
use crate::call::{Action, LogEvent, Sent};
use crate::clock::Stopwatch;
use crate::functions::{self, FunctionRequest};

impl CallTask {
    /// Does one thing. Nothing here waits: what takes time is queued and reported back.
    pub(super) fn perform(&mut self, action: Action) {
        match action {
            Action::Note(event) => self.note(event),
            Action::PlaceMark(mark) => {
                if let Some(phone) = &mut self.phone {
                    phone.mark(mark);
                }
            }
            Action::ClearLine => {
                if let Some(phone) = &mut self.phone {
                    phone.clear();
                }
            }
            Action::RunFunction { run, turn, engine_call_id, name, arguments } => {
                let known = functions::known_name(&self.agent, &name);
                info!(run = run.0, function = known, "function called");
                let request = FunctionRequest { run, turn, engine_call_id, name, arguments };
                let function_services = &self.services.function_services;
                self.functions.push(functions::run(
                    function_services,
                    &self.function_caller,
                    request,
                ));
            }
            Action::Recall { recall, query } => self.recall(recall, query),
            Action::DialEngine { history } => {
                warn!("dialling the engine anew");
                self.dial(history);
            }
            Action::DialSuccessor { history } => self.dial_successor(history),
            Action::Succeed => self.succeed(),
            Action::MoveToFallback => {
                counter!("frontdesk_fallbacks_total").increment(1);
                self.leave_for(Onward::Fallback);
            }
            Action::Transfer { target } => {
                info!("the caller is put through");
                counter!("frontdesk_transfers_total").increment(1);
                self.leave_for(Onward::Party(target));
            }
            Action::HangUp(end) => self.over = Some(Exit::Ended(end)),
            action => self.tell_engine(action),
        }
    }

    /// What the engine is asked for. Without one there is nobody to ask, and the core knows.
    fn tell_engine(&mut self, action: Action) {
        let Some(engine) = &mut self.engine else { return };
        match action {
            Action::Reply { reply, purpose } => {
                let instructions = self.services.reply_instructions(&self.agent, &purpose);
                engine.reply(reply, instructions.as_deref());
                let since = self.woken.unwrap_or_else(Stopwatch::start);
                self.sending.push_back((reply, Sent::Request, since));
            }
            Action::CancelReply { reply } => engine.cancel(reply),
            Action::TruncateItem { item, heard_ms } => engine.truncate(&item, heard_ms),
            Action::DeleteItem { item } => engine.delete(&item),
            Action::AddMessage { role, text } => engine.add_message(role, &text),
            Action::SetContext { passages } => {
                engine.set_context(self.services.context(&passages).as_deref());
            }
            Action::GiveOutput { engine_call_id, output } => {
                engine.give_output(&engine_call_id, &output);
            }
            Action::Note(_)
            | Action::PlaceMark(_)
            | Action::ClearLine
            | Action::RunFunction { .. }
            | Action::Recall { .. }
            | Action::Transfer { .. }
            | Action::DialEngine { .. }
            | Action::DialSuccessor { .. }
            | Action::Succeed
            | Action::MoveToFallback
            | Action::HangUp(_) => {}
        }
    }

    fn note(&mut self, event: LogEvent) {
        if matches!(event, LogEvent::Ended(end) if self.is_unconfirmed(end)) {
            // Written when it is confirmed.
            return;
        }
        if let LogEvent::EngineLost { why, fatal } = &event {
            warn!(why, fatal, "engine lost");
        }
        if let LogEvent::SettingRefused { field, value } = &event {
            warn!(field, value, "the speech service refuses a setting: the call is without it");
        }
        if let LogEvent::EngineRenewed { quiet } = event {
            info!(quiet, "another session took the place of one near its end");
            counter!("frontdesk_engine_renewals_total", "how" => if quiet { "quiet" } else { "forced" })
                .increment(1);
        }
        let at = self.now();
        self.call_log.write(at, event);
    }
}
