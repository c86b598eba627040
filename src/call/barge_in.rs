//! Barge-in: what did the caller hear before they spoke? Replies are settled by marks, cut by an interruption, and written down
//! while they play.

use super::links::Line;
use super::playout::{Spoken, Unheard};
use super::reply::CANCEL_MS;
use super::state::Call;
use super::{Action, LogEvent, Purpose, ReplyId, Sent, Timer};

/// What the caller hears of a reply is written down this often while it plays.
const PROGRESS_EVERY_MS: u64 = 1_000;
/// A phone that does not return a mark is taken to have played the audio this long after its end.
const MARK_GRACE_MS: u64 = 5_000;

impl Call {
    /// Throws away all that the caller has not heard, and stops the engine. Clearing the line comes
    /// first, since the caller hears the agent until then.
    pub(super) fn cut(&mut self, interrupted: bool) {
        if self.playout.has_audio() && self.stream.line == Line::Open {
            self.out.push(Action::ClearLine);
        }
        if let Some(response) = &mut self.requests.response
            && !response.cancelling
        {
            response.cancelling = true;
            let cut = response.clone();
            self.count_wait(&cut);
            self.out.push(Action::CancelReply { reply: cut.reply });
            self.timers.set(Timer::Reply, self.now.plus_ms(CANCEL_MS));
        }
        for unheard in self.playout.unheard_items() {
            self.out.push(match unheard {
                Unheard::Beyond(item, heard_ms) => Action::TruncateItem { item, heard_ms },
                Unheard::All(item) => Action::DeleteItem { item },
            });
        }
        for spoken in self.playout.cut() {
            self.settle(&spoken, interrupted && !spoken.is_heard_fully());
        }
    }

    /// It is known what the caller heard of this reply.
    pub(super) fn settle(&mut self, spoken: &Spoken, interrupted: bool) {
        self.caller.heard(spoken);
        self.note_spoken(spoken, interrupted);
    }

    /// Settles what marks say was heard.
    pub(super) fn settle_confirmed(&mut self) {
        while let Some(spoken) = self.playout.take_confirmed() {
            self.settle(&spoken, false);
        }
    }

    /// Writes down what was heard of the reply that plays, from time to time.
    pub(super) fn note_progress(&mut self) {
        if let Some(spoken) = self.playout.take_progress(PROGRESS_EVERY_MS) {
            let event = spoken.log(self.stream.opened_at, false);
            self.note(event);
        }
    }

    /// Writes down what was heard so far of everything that is on the line.
    pub(super) fn note_playing(&mut self) {
        let playing = self.playout.iter().filter(|spoken| !spoken.is_silent());
        let events: Vec<_> =
            playing.map(|spoken| spoken.log(self.stream.opened_at, false)).collect();
        events.into_iter().for_each(|event| self.note(event));
    }

    /// Bounds the wait for the marks of audio that has been sent completely.
    pub(super) fn watch_playout(&mut self) {
        let unheard_ms = self.playout.unheard_ms();
        if !self.playout.has_audio() {
            self.timers.clear(Timer::Played);
        } else if unheard_ms > 0 || !self.timers.is_set(Timer::Played) {
            self.timers.set(Timer::Played, self.now.plus_ms(unheard_ms + MARK_GRACE_MS));
        }
    }

    /// The phone did not return a mark: by the clock the audio was played.
    pub(super) fn mark_overdue(&mut self) {
        while let Some(spoken) = self.playout.take_presumed() {
            self.settle(&spoken, false);
        }
    }

    /// Something of a reply has left for the other side: how long we took, and the caller waited.
    pub(super) fn sent(&mut self, reply: ReplyId, what: Sent, took_us: u32) {
        // A filler is not what the caller waits for.
        let spoken = self.playout.get(reply).filter(|said| said.purpose != Purpose::Filler);
        let Some(spoken) = spoken else { return };
        let (turn, since) = (spoken.turn, spoken.since);
        self.caller.server_us += u64::from(took_us);
        if what == Sent::FirstAudio {
            self.note(LogEvent::FirstAudio {
                reply: reply.0,
                turn,
                first_audio_ms: self.now.ms_since(since),
                server_us: self.caller.server_us,
            });
        }
    }
}
