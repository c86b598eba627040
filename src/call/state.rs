//! The state of one call, and the one place where an event is told what it concerns.
//!
//! `handle` is: let time pass, let the event change the state, then see what the state now asks
//! for. The questions have a file each: who is speaking ([`turn`](super::turn)), what the engine
//! is working on ([`reply`](super::reply)), what was heard ([`playout`](super::playout)), what the
//! agent knows ([`retrieval`](super::retrieval)), what is being carried out
//! ([`functions`](super::functions)), what a silence or a long call means
//! ([`idle`](super::idle)), how it ends ([`ending`](super::ending)), how the caller is put
//! through ([`transfer`](super::transfer)), what is done when a connection breaks
//! ([`reconnect`](super::reconnect)), when a session nears its end ([`session_rotation`](super::session_rotation))
//! and when the engine does not hear ([`input_watchdog`](super::input_watchdog)).

use super::allowance;
use super::caller::Caller;
use super::function_batch::{Done, Functions};
use super::goodbye::Goodbye;
use super::links::{EngineLink, Line, StreamLink};
use super::playout::{Playout, Spoken};
use super::recalls::Recalls;
use super::requests::Requests;
use super::timers::Timers;
use super::{Action, CallRecord, CallSettings, CallTime, Event, LogEvent, ReplyId, Timer};

/// One phone call.
///
/// The shell's part:
/// 1. make it when the call is taken, and pass every event to [`Call::handle`], in order, with the
///    time since then;
/// 2. carry out the actions it returns, in order;
/// 3. ask [`Call::accepts_audio`] before forwarding a piece of a reply's audio, and report it as
///    `Event::ReplyAudio` when it was handed to the line, before the reply's `ReplyEnded`;
/// 4. wake it with `Event::Due` when [`Call::deadline`] has passed;
/// 5. stop when [`Call::is_over`].
pub struct Call {
    pub(super) settings: CallSettings,
    /// The time of the event being handled.
    pub(super) now: CallTime,
    /// What the event being handled has caused so far.
    pub(super) out: Vec<Action>,
    pub(super) timers: Timers,
    /// The media stream, and what comes over it.
    pub(super) stream: StreamLink,
    /// The engine, and what it is still to be told.
    pub(super) link: EngineLink,
    pub(super) greeted: bool,
    pub(super) playout: Playout,
    /// What the engine is asked for.
    pub(super) requests: Requests,
    pub(super) caller: Caller,
    pub(super) recalls: Recalls,
    pub(super) functions: Functions,
    /// How the call ends.
    pub(super) goodbye: Goodbye,
    /// What was written down: the conversation so far.
    pub(super) record: CallRecord,
}

impl Call {
    /// A call that was taken just now.
    pub fn new(settings: CallSettings) -> Self {
        Self {
            settings,
            now: CallTime::default(),
            out: Vec::new(),
            timers: Timers::default(),
            stream: StreamLink::default(),
            link: EngineLink::default(),
            greeted: false,
            playout: Playout::default(),
            requests: Requests::default(),
            caller: Caller::default(),
            recalls: Recalls::default(),
            functions: Functions::default(),
            goodbye: Goodbye::default(),
            record: CallRecord::new(),
        }
    }

    /// A call that another process had before, from what was written of it. If a stream of it was
    /// open, time goes on from that stream's start, and the line counts as lost until it opens.
    pub fn resume(settings: CallSettings, record: CallRecord) -> Self {
        let mut call = Self::new(settings);
        let last = record.last_numbers();
        call.requests.replies = last.reply;
        call.caller.go_on_from(last.turn, last.key_groups);
        call.functions.go_on_from(last.run);
        if record.has_opened() {
            call.stream.line = Line::Lost;
            call.stream.opened_at = Some(CallTime::default());
            call.greeted = record.heard_anything();
            call.watch_length();
        }
        call.record = record;
        call
    }

    /// What was written down so far, folded.
    pub fn record(&self) -> &CallRecord {
        &self.record
    }

    /// What was written down, of a call that is over here.
    pub fn into_record(self) -> CallRecord {
        self.record
    }

    /// One event in, the actions it causes out, in order. Never fails: a report that makes no
    /// sense, or is about something that is over, changes nothing. Time does not go back.
    pub fn handle(&mut self, at: CallTime, event: Event) -> Vec<Action> {
        if self.goodbye.over {
            return Vec::new();
        }
        self.now = self.now.max(at);
        self.playout.advance(self.now);
        if self.goodbye.ending.is_some() {
            self.handle_last_words(event);
        } else {
            self.dispatch(event);
            self.proceed();
            self.conclude();
        }
        std::mem::take(&mut self.out)
    }

    /// The next deadline and what it is for. The shell sends `Event::Due` when it has passed.
    pub fn deadline(&self) -> Option<(CallTime, Timer)> {
        if self.goodbye.over { None } else { self.timers.next() }
    }

    /// Whether audio of this reply may still go to the line.
    pub fn accepts_audio(&self, reply: ReplyId) -> bool {
        !self.goodbye.over && self.goodbye.ending.is_none() && self.playout.get(reply).is_some()
    }

    /// Whether it is known how the call ends, even if last words are still awaited.
    pub fn is_ending(&self) -> bool {
        self.goodbye.over || self.goodbye.ending.is_some()
    }

    /// Whether the call has been hung up or moved on: no event causes anything any more.
    pub fn is_over(&self) -> bool {
        self.goodbye.over
    }

    /// When the first media stream opened: the zero of everything that is written down.
    pub fn opened_at(&self) -> Option<CallTime> {
        self.stream.opened_at
    }

    /// Tells the event what it concerns.
    fn dispatch(&mut self, event: Event) {
        match event {
            Event::LineOpen => self.line_open(),
            Event::LineLost => self.line_lost(),
            Event::CallerLeft => self.caller_left(),
            Event::EngineReady { lasts_ms } => self.engine_ready(lasts_ms),
            Event::EngineLost { fatal, why } => self.engine_lost(fatal, why),
            Event::SettingRefused { field, value } => {
                self.note(LogEvent::SettingRefused { field, value });
            }
            Event::SuccessorReady { lasts_ms } => self.successor_ready(lasts_ms),
            Event::SuccessorLost { fatal, .. } => self.successor_lost(fatal),
            Event::LineSound { loud } => self.line_sound(loud),
            Event::SpeechStarted { utterance } => {
                self.engine_hears();
                self.speech_started(utterance);
            }
            Event::SpeechStopped { utterance } => {
                self.engine_hears();
                self.speech_stopped(utterance);
            }
            Event::SpeechCommitted { utterance } => self.speech_committed(utterance),
            Event::CallerWords { utterance, words } => {
                self.engine_hears();
                self.caller_words(utterance, words);
            }
            Event::KeyPressed(key) => self.key_pressed(key),
            // The request was enough; nothing waits for the engine to begin.
            Event::ReplyStarted { .. } => {}
            Event::ReplyAudio { reply, item, bytes } => self.reply_audio(reply, item, bytes),
            Event::ReplyWords { reply, text } => {
                if let Some(spoken) = self.playout.get_mut(reply) {
                    spoken.add_words(&text);
                }
            }
            Event::FunctionWanted { reply, engine_call_id, name, arguments } => {
                self.function_wanted(reply, engine_call_id, name, &arguments);
            }
            Event::ReplyEnded { reply, outcome, usage } => self.reply_ended(reply, outcome, usage),
            Event::Sent { reply, what, took_us } => self.sent(reply, what, took_us),
            Event::FunctionDone { run, ok, output, row, then, notes } => {
                self.function_done(run, Done { ok, output, row, then, notes });
            }
            Event::Recalled { recall, found } => self.recalled(recall, found),
            Event::TransferFailed => self.transfer_failed(),
            Event::MarkReturned(mark) => {
                self.playout.mark_returned(mark);
                self.settle_confirmed();
                self.note_progress();
            }
            Event::OwnerEnds { words } => self.owner_ends(words),
            Event::OwnerTransfers { target } => self.owner_transfers(target),
            Event::Drain => self.drain(),
            Event::Due(timer) => {
                if self.timers.take_due(timer, self.now) {
                    self.due(timer);
                }
            }
        }
    }

    /// A deadline has passed.
    fn due(&mut self, timer: Timer) {
        match timer {
            Timer::Commit => self.commit_overdue(),
            // The timer only wakes the core: what waited for it waits no longer.
            Timer::Recall => {}
            Timer::Keys => self.keys_complete(),
            Timer::Idle => self.idle(),
            Timer::LimitWarning => self.goodbye.warning_due = true,
            Timer::Limit => self.limit_reached(),
            Timer::Goodbye => {
                self.depart();
            }
            Timer::Reply => self.reply_overdue(),
            Timer::Engine => self.give_up("the engine did not become ready in time"),
            Timer::Line => self.line_stayed_lost(),
            Timer::Played => self.mark_overdue(),
            Timer::Filler => self.fill_silence(),
            Timer::Function => self.function_overdue(),
            Timer::Words => {}
            Timer::Attempt => self.attempt_overdue(),
            Timer::Redial => self.dial_again(),
            // The timer only wakes the core: what waited for it waits no longer.
            Timer::Retry => {}
            Timer::Rollover => self.rollover_due(),
            Timer::Lull => self.lull_lasts(),
            Timer::Deaf => self.deaf(),
        }
    }

    /// The state has changed: what does it ask for now?
    fn proceed(&mut self) {
        if self.goodbye.ending.is_some() {
            return;
        }
        self.settle_confirmed();
        if self.farewell_is_said() {
            self.depart();
            return;
        }
        self.roll_over();
        self.give_messages();
        self.end_at_limit();
        self.warn_of_limit();
        self.ask();
        self.watch_silence();
        self.watch_work();
        self.watch_playout();
        self.watch_hearing();
    }

    /// Adds an action that writes this event to the call's log.
    pub(super) fn note(&mut self, event: LogEvent) {
        if !self.record.written().has_room_for(&event) {
            return self.leave_out(allowance::EVENTS);
        }
        self.record.apply(self.since_opening(self.now), &event);
        self.out.push(Action::Note(event));
    }

    /// Writes down, once, that from here on something is not.
    pub(super) fn leave_out(&mut self, what: &str) {
        if !self.record.has_left_out(what) {
            self.note(LogEvent::LeftOut { what: what.to_owned() });
        }
    }

    /// Milliseconds from the first stream's start to `at`; 0 before it.
    pub(super) fn since_opening(&self, at: CallTime) -> u64 {
        self.stream.opened_at.map_or(0, |opened| at.ms_since(opened))
    }

    /// Writes down what the agent said so far, or in the end.
    pub(super) fn note_spoken(&mut self, spoken: &Spoken, interrupted: bool) {
        if spoken.is_silent() && spoken.text.is_empty() {
            return;
        }
        let event = spoken.log(self.stream.opened_at, interrupted);
        self.note(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_call_is_small() {
        assert!(size_of::<Call>() < 2_048, "a call is {} bytes", size_of::<Call>());
    }
}
