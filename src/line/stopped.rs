//! A media stream that was stopped. Mostly the caller has hung up, and Twilio says so at once in a
//! request of its own. When somebody else redirects the call over Twilio's REST interface the
//! stream stops in the same way, nothing else is said, and the call goes on elsewhere.

use std::time::Duration;

use metrics::counter;
use tracing::info;

use super::CallServices;
use super::driver::CallTask;
use super::registry::{AfterPlan, Command};
use crate::agent::Agent;
use crate::call::{End, EndedBy, LogEvent, Status};
use crate::clock;
use crate::twilio::form::{CallStatus, is_call_sid};

/// How long after a `stop` Twilio may take to say that the call is over. As long as the last words
/// are waited for.
const CONFIRM_LIMIT: Duration = Duration::from_secs(2);
/// How long Twilio may then take to say where the call is. With the limit before and the writing of
/// the row it stays below the 5 s in which a row is completed.
const ASK_LIMIT: Duration = Duration::from_millis(1_500);

/// Somebody else took the call away from the agent.
const REDIRECTED: End = End { status: Status::Completed, ended_by: EndedBy::Owner };

impl CallTask {
    /// The stream was stopped: the conversation is over. Whether the caller has left is yet to be
    /// confirmed, where Twilio can be asked.
    pub(super) fn stopped(&mut self) {
        self.phone = None;
        if self.has_parted() {
            return;
        }
        let may_ask = is_call_sid(self.call_log.call_sid())
            && self.services.function_services.twilio.has_account(&self.agent);
        self.confirm_due = may_ask.then(|| self.services.clock.now() + CONFIRM_LIMIT);
        self.caller_left();
    }

    /// Whether `end` says that the caller has left, and only a stopped stream says that so far.
    pub(super) fn is_unconfirmed(&self, end: End) -> bool {
        self.confirm_due.is_some() && end.ended_by == EndedBy::Caller
    }

    /// How the call ended for the agent, as it is written down: an end that is not confirmed is
    /// confirmed now, or corrected.
    pub(super) async fn confirm(&mut self, end: End) -> End {
        if !self.is_unconfirmed(end) {
            return end;
        }
        let mut end = end;
        if !self.is_told_of_end().await
            && goes_on(&self.services, &self.agent, self.call_log.call_sid()).await
        {
            info!("somebody else redirected the call: it goes on without the agent");
            counter!("frontdesk_calls_redirected_total").increment(1);
            self.call_log.write(self.now(), LogEvent::Redirected {});
            end = REDIRECTED;
        }
        self.call_log.write(self.now(), LogEvent::Ended(end));
        end
    }

    /// Whether Twilio says in time that the caller has left, or asks what happens next: then the
    /// call was not redirected.
    async fn is_told_of_end(&mut self) -> bool {
        let Some(due) = self.confirm_due else { return true };
        let (clock, at) = (self.services.clock, self.now());
        let (commands, call_log) = (&mut self.commands, &mut self.call_log);
        let told = async {
            while let Some(command) = commands.recv().await {
                match command {
                    Command::CallerLeft => return true,
                    Command::After { answer, .. } => {
                        // The send fails where the webhook no longer waits; the plan holds all the
                        // same.
                        let _ = answer.send(AfterPlan::HangUp);
                        return true;
                    }
                    Command::Note(event) => call_log.write(at, event),
                    // The conversation is over: there is nothing to do any of these with.
                    Command::Stream(_)
                    | Command::Started(..)
                    | Command::CallerTypes(_)
                    | Command::LetGo { .. }
                    | Command::OwnerEnds { .. }
                    | Command::OwnerTransfers { .. }
                    | Command::Drain
                    | Command::Part { .. }
                    | Command::Rejoin => {}
                }
            }
            false
        };
        clock.timeout(due.saturating_sub(clock.now()), told).await.unwrap_or(false)
    }
}

/// Whether Twilio says that the call is still in progress.
async fn goes_on(services: &CallServices, agent: &Agent, call_sid: &str) -> bool {
    let asking = services.function_services.twilio.fetch_call(agent, call_sid);
    let news = clock::within(ASK_LIMIT, asking).await;
    matches!(news, Some(Ok(news)) if news.status == CallStatus::InProgress)
}
