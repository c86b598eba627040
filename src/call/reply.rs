//! What is the engine working on, and what is it asked for next? One reply at a time.

use super::links::{Engine, Line};
use super::playout::Spoken;
use super::purpose::{is_final, is_last_words, is_waited_for, rank};
use super::requests::{Response, Wanted};
use super::state::Call;
use super::{Action, GoodbyeReason, LogEvent, Purpose, ReplyId, ReplyOutcome, Timer, Usage};

/// How long a reply may take to its first sign of life, and from one to the next.
const REPLY_MS: u64 = 6_000;
/// How long the caller may wait for any audio, over all replies asked for since the last: one who
/// speaks into the silence starts no new wait.
const PATIENCE_MS: u64 = 12_000;
/// A reply that is asked for has at least this long, however long the caller has waited.
const LAST_WAIT_MS: u64 = 1_000;
/// How long a cancelled reply may take to end.
pub(super) const CANCEL_MS: u64 = 1_000;
/// How often the same thing is asked for.
const ATTEMPTS: u8 = 2;
/// How many replies in a row may fail, whatever they were asked for.
const FAILED_MAX: u8 = 4;
/// How long a service that takes no more is left alone before it is asked again. The caller waits
/// meanwhile, in silence, so it is short.
const BUSY_MS: u64 = 2_000;

impl Call {
    /// A reply is wanted. It takes the place of one of the same or a lower rank.
    pub(super) fn want(&mut self, wanted: Wanted) {
        if self.goodbye.farewell.is_some() && !is_last_words(&wanted.purpose) {
            return;
        }
        if let Some(other) = &self.requests.wanted {
            if rank(&other.purpose) > rank(&wanted.purpose) {
                return;
            }
            if other.purpose == Purpose::LimitWarning && wanted.purpose != Purpose::LimitWarning {
                self.goodbye.warning_due = true;
            }
        }
        self.requests.wanted = Some(wanted);
    }

    /// Asks for the reply that is wanted, if it can be asked for now.
    pub(super) fn ask(&mut self) {
        self.withdraw_filler();
        let can_be_asked = self.requests.response.is_none()
            && !self.timers.is_set(Timer::Retry)
            && matches!(self.link.engine, Engine::Ready)
            && self.stream.line != Line::Lost;
        if !can_be_asked {
            return;
        }
        if self.requests.wanted.as_ref().is_some_and(|wanted| self.is_time_for(wanted))
            && let Some(wanted) = self.requests.wanted.take()
        {
            self.request(wanted);
        }
    }

    fn is_time_for(&self, wanted: &Wanted) -> bool {
        let is_playing = || self.playout.iter().any(|said| !said.interruptible);
        is_final(&wanted.purpose)
            || !(self.caller.is_in_mid_word()
                || self.timers.is_set(Timer::Commit)
                || wanted.purpose == Purpose::Answer && self.awaits_recall()
                || wanted.after_playout && is_playing())
    }

    /// A filler that nothing was heard of makes way for what is wanted now; one that plays is said
    /// to its end.
    fn withdraw_filler(&mut self) {
        let silent = |reply| self.playout.get(reply).is_none_or(Spoken::is_silent);
        if self.requests.wanted.is_some()
            && let Some(response) = &mut self.requests.response
            && response.purpose == Purpose::Filler
            && !response.cancelling
            && silent(response.reply)
        {
            response.cancelling = true;
            let reply = response.reply;
            self.out.push(Action::CancelReply { reply });
            self.timers.set(Timer::Reply, self.now.plus_ms(CANCEL_MS));
            self.give_up_on(reply);
        }
    }

    fn request(&mut self, wanted: Wanted) {
        let Wanted { purpose, attempt, .. } = wanted;
        self.requests.replies += 1;
        let reply = ReplyId(self.requests.replies);
        let turn = match purpose {
            Purpose::Answer | Purpose::Goodbye(GoodbyeReason::Done, _) | Purpose::Handover(..) => {
                self.caller.turn()
            }
            _ => None,
        };
        let interruptible = self.settings.interruptible
            && (purpose != Purpose::Greeting || self.settings.greeting_interruptible)
            && !is_final(&purpose);
        let since = if turn.is_some() { self.caller.stopped_at } else { self.now };
        // A filler comes between the caller's words and their answer.
        if turn.is_none() && purpose != Purpose::Filler {
            self.caller.server_us = 0;
        }
        let grounds =
            turn.filter(|_| purpose == Purpose::Answer).and_then(|turn| self.give_passages(turn));
        self.playout.expect(Spoken::new(reply, purpose.clone(), turn, interruptible, since));
        if self.stream.line == Line::Open {
            let patience_ms = PATIENCE_MS.saturating_sub(self.requests.waited_ms);
            let wait_ms = patience_ms.clamp(LAST_WAIT_MS, REPLY_MS);
            self.timers.set(Timer::Reply, self.now.plus_ms(wait_ms));
        }
        if let (true, Some(farewell)) = (is_last_words(&purpose), &mut self.goodbye.farewell) {
            farewell.reply = Some(reply);
        }
        self.out.push(Action::Reply { reply, purpose: purpose.clone() });
        self.note(LogEvent::ReplyRequested {
            reply: reply.0,
            turn,
            purpose: <&str>::from(&purpose).to_owned(),
        });
        if let Some(grounds) = grounds {
            self.note(grounds);
        }
        let awaited_since = self.now;
        self.requests.response = Some(Response {
            reply,
            purpose,
            attempt,
            awaited_since,
            cancelling: false,
            overdue: false,
        });
    }

    /// A piece of a reply's audio was handed to the line.
    pub(super) fn reply_audio(&mut self, reply: ReplyId, item: String, bytes: u32) {
        if bytes == 0 || self.playout.get(reply).is_none() {
            return;
        }
        if let Some(mark) = self.playout.sent(reply, item, bytes) {
            self.out.push(Action::PlaceMark(mark));
        }
        (self.requests.waited_ms, self.requests.failed) = (0, 0);
        self.expect_more();
        self.goodbye_audio(reply);
        self.note_progress();
    }

    /// The engine gave a sign of life: it has some time for the next one.
    pub(super) fn expect_more(&mut self) {
        if self.requests.response.as_ref().is_some_and(|response| !response.cancelling) {
            let quiet_from = self.now.plus_ms(self.playout.unheard_ms());
            self.timers.set(Timer::Reply, quiet_from.plus_ms(REPLY_MS));
        } else if self.requests.response.is_none() {
            self.timers.clear(Timer::Reply);
        }
    }

    /// The engine has finished a reply.
    pub(super) fn reply_ended(&mut self, reply: ReplyId, outcome: ReplyOutcome, usage: Usage) {
        self.note_usage(usage);
        let Some(response) = self.requests.response.take_if(|response| response.reply == reply)
        else {
            return;
        };
        self.timers.clear(Timer::Reply);
        if response.cancelling {
            return self.functions_complete(reply, true);
        }
        let silent = self.playout.get(reply).is_none_or(Spoken::is_silent);
        let acts = self.functions.batch(reply).is_some();
        if let ReplyOutcome::Incomplete { why }
        | ReplyOutcome::Failed { why, .. }
        | ReplyOutcome::Busy { why } = &outcome
        {
            self.note(LogEvent::ReplyCut { reply: reply.0, why: why.clone() });
        }
        match outcome {
            ReplyOutcome::Failed { fatal: true, why } => self.give_up(&why),
            ReplyOutcome::Failed { fatal: false, why } if !acts => self.retry(&response, &why),
            ReplyOutcome::Busy { why } if !acts => {
                self.timers.set(Timer::Retry, self.now.plus_ms(BUSY_MS));
                self.retry(&response, &why);
            }
            // Its audio waits in front of a line that is not open yet.
            _ if silent && !acts && self.stream.line == Line::Waiting => self.close(reply),
            ReplyOutcome::Incomplete { why } if silent && !acts => self.retry(&response, &why),
            _ if silent && !acts => self.retry(&response, "the reply was empty"),
            _ => {
                self.close(reply);
                self.functions_complete(reply, false);
            }
        }
    }

    /// Writes down what a reply cost.
    pub(super) fn note_usage(&mut self, usage: Usage) {
        if usage != Usage::default() {
            let Usage { input_tokens: input, output_tokens: output } = usage;
            self.note(LogEvent::TokensUsed { input, output });
        }
    }

    /// No more audio of this reply will come.
    pub(super) fn close(&mut self, reply: ReplyId) {
        if let Some(mark) = self.playout.ended(reply) {
            self.out.push(Action::PlaceMark(mark));
        }
    }

    /// A reply came to nothing, or broke off: it is asked for once more.
    fn retry(&mut self, failed: &Response, why: &str) {
        self.give_up_on(failed.reply);
        if failed.purpose == Purpose::Filler {
            return;
        }
        self.requests.failed += 1;
        if failed.attempt >= ATTEMPTS || self.requests.failed >= FAILED_MAX {
            return self.give_up(why);
        }
        self.want(Wanted::again(failed.purpose.clone(), failed.attempt + 1));
    }

    /// What was said of this reply is all there is.
    fn give_up_on(&mut self, reply: ReplyId) {
        if let Some(farewell) = &mut self.goodbye.farewell
            && farewell.reply == Some(reply)
        {
            farewell.reply = None;
        }
        if self.playout.get(reply).is_some_and(Spoken::is_silent) {
            if let Some(spoken) = self.playout.remove(reply) {
                self.note_spoken(&spoken, false);
            }
        } else {
            self.close(reply);
        }
    }

    /// The engine's connection is gone, and what it was working on with it. What it said plays on;
    /// what was not answered is asked for again, and so is what the caller waits for the rest of.
    pub(super) fn abandon_response(&mut self) {
        self.timers.clear(Timer::Reply);
        self.playout.forget_items();
        let Some(response) = self.requests.response.take_if(|response| !response.cancelling) else {
            self.requests.response = None;
            return;
        };
        let silent = self.playout.get(response.reply).is_none_or(Spoken::is_silent);
        if silent {
            self.give_up_on(response.reply);
        } else {
            self.close(response.reply);
        }
        let is_due = silent && response.purpose != Purpose::Filler;
        if is_due || is_waited_for(&response.purpose) {
            self.want(Wanted::again(response.purpose, response.attempt));
        }
    }

    /// The engine is silent for too long.
    pub(super) fn reply_overdue(&mut self) {
        let Some(response) = &mut self.requests.response else {
            return self.repeat_unspoken();
        };
        let reply = response.reply;
        if response.cancelling && response.overdue {
            // Neither a reply nor word that it has stopped: nobody is there.
            return self.lose_engine(false, "the engine does not react".to_owned(), 0);
        }
        if response.cancelling {
            self.requests.response = None;
            return self.functions_complete(reply, true);
        }
        (response.cancelling, response.overdue) = (true, true);
        let failed = response.clone();
        self.count_wait(&failed);
        self.out.push(Action::CancelReply { reply });
        self.timers.set(Timer::Reply, self.now.plus_ms(CANCEL_MS));
        let silent = self.playout.get(reply).is_none_or(Spoken::is_silent);
        if silent && self.functions.batch(reply).is_none() {
            if self.requests.waited_ms >= PATIENCE_MS {
                self.give_up_on(reply);
                return self.give_up("the engine stays silent");
            }
            self.retry(&failed, "the engine did not reply in time");
        } else {
            self.close(reply);
            self.functions_complete(reply, false);
        }
    }

    /// The caller waits no longer for this reply, of which nothing was heard.
    pub(super) fn count_wait(&mut self, response: &Response) {
        if self.stream.line == Line::Open
            && self.playout.get(response.reply).is_none_or(Spoken::is_silent)
        {
            self.requests.waited_ms += self.now.ms_since(response.awaited_since);
        }
    }

    /// A reply ended before the line was open and its audio has not come since.
    fn repeat_unspoken(&mut self) {
        let silent = self.playout.iter().find(|said| said.is_silent());
        if let Some((reply, purpose)) = silent.map(|said| (said.reply, said.purpose.clone())) {
            self.give_up_on(reply);
            self.want(Wanted::again(purpose, ATTEMPTS));
        }
    }

    /// The line has opened: from now on a reply's audio is expected.
    pub(super) fn expect_audio(&mut self) {
        if let Some(response) = &mut self.requests.response {
            response.awaited_since = self.now;
        }
        if !self.playout.is_empty() {
            self.timers.set(Timer::Reply, self.now.plus_ms(REPLY_MS));
        }
    }

    /// All calls of a reply are known: their outputs are given when they are all there.
    fn functions_complete(&mut self, reply: ReplyId, cancelled: bool) {
        if let Some(batch) = self.functions.batch(reply) {
            batch.complete(cancelled);
            self.give_outputs();
        }
        // A reply that only asked for functions says nothing more.
        if self.playout.get(reply).is_some_and(Spoken::is_silent) {
            self.playout.remove(reply);
        }
    }
}
