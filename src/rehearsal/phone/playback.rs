//! Twilio's buffer of what the server sent to be heard: it plays in real time, echoes marks when
//! what came before them has been played, and forgets everything on `clear`. Pure: it keeps count
//! of bytes and times, not of sound.

use std::collections::VecDeque;
use std::time::Duration;

/// A buffer that runs dry and gets more within this time was in the middle of a reply.
const SAME_REPLY: Duration = Duration::from_millis(400);
/// A gap up to this long is filled from the jitter buffer of any phone and is not heard.
const UNHEARD_GAP: Duration = Duration::from_millis(20);
/// Marks that may wait at once; beyond it the oldest is given up.
const MARKS: usize = 4_096;

/// A mark that waits for its echo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    /// The server's own name for it.
    pub(super) name: String,
    /// When the server's message came.
    pub(super) received_at: Duration,
    /// When everything before it has been played.
    pub(super) due_at: Duration,
}

/// What one piece of audio meant to the caller's ear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    /// The agent was silent and begins to speak.
    Begins,
    /// More of what is being said.
    Continues,
    /// More of it, but too late: the caller heard a gap.
    Gap,
}

/// The buffer. All times are call time.
#[derive(Debug, Default)]
pub(super) struct Playback {
    /// Everything queued so far has been played at this time.
    ends_at: Duration,
    /// When the reply that was last heard began; `None` once it is over.
    reply_began_at: Option<Duration>,
    received_bytes: u64,
    marks: VecDeque<Mark>,
}

impl Playback {
    /// Audio of `bytes` μ-law samples came at `now`.
    pub(super) fn queue(&mut self, now: Duration, bytes: usize) -> Arrival {
        let dry_for = now.saturating_sub(self.ends_at);
        let arrival = match self.reply_began_at {
            Some(_) if dry_for <= UNHEARD_GAP => Arrival::Continues,
            Some(_) if dry_for <= SAME_REPLY => Arrival::Gap,
            _ => {
                self.reply_began_at = Some(now);
                Arrival::Begins
            }
        };
        self.ends_at = self.ends_at.max(now) + duration_of(bytes);
        self.received_bytes += bytes as u64;
        arrival
    }

    /// A mark came at `now`; it is due when what is queued has been played.
    pub(super) fn mark(&mut self, now: Duration, name: String) {
        if self.marks.len() == MARKS {
            self.marks.pop_front();
        }
        self.marks.push_back(Mark { name, received_at: now, due_at: self.ends_at.max(now) });
    }

    /// Forgets what is queued. The marks that waited are all due at once, in their order; they
    /// are returned with the audio that will not be heard.
    pub(super) fn clear(&mut self, now: Duration) -> (Vec<Mark>, Duration) {
        let unheard = self.ends_at.saturating_sub(now);
        self.ends_at = self.ends_at.min(now);
        self.reply_began_at = None;
        (self.marks.drain(..).collect(), unheard)
    }

    /// The next mark that is due at `now`.
    pub(super) fn next_due(&mut self, now: Duration) -> Option<Mark> {
        self.marks.pop_front_if(|mark| mark.due_at <= now)
    }

    /// When the next mark is due.
    pub(super) fn due_at(&self) -> Option<Duration> {
        self.marks.front().map(|mark| mark.due_at)
    }

    /// The caller speaks: what comes after a pause from here on answers that.
    pub(super) fn caller_speaks(&mut self, now: Duration) {
        if self.ends_at <= now {
            self.reply_began_at = None;
        }
    }

    /// True once for each reply, when it has been over for so long that no more of it comes.
    pub(super) fn reply_is_over(&mut self, now: Duration) -> bool {
        let over = self.reply_began_at.is_some() && self.quiet_for(now) > SAME_REPLY;
        if over {
            self.reply_began_at = None;
        }
        over
    }

    /// How long the reply that is being heard has been heard, zero while nothing plays.
    pub(super) fn heard_for(&self, now: Duration) -> Duration {
        match self.reply_began_at {
            Some(began_at) if now < self.ends_at => now.saturating_sub(began_at),
            _ => Duration::ZERO,
        }
    }

    /// How long nothing has been played; zero while something plays.
    pub(super) fn quiet_for(&self, now: Duration) -> Duration {
        now.saturating_sub(self.ends_at)
    }

    /// All bytes of audio that came, cleared ones included.
    pub(super) fn received_bytes(&self) -> u64 {
        self.received_bytes
    }
}

/// How long `bytes` of μ-law last at 8,000 a second.
fn duration_of(bytes: usize) -> Duration {
    Duration::from_micros(bytes as u64 * 125)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn due(playback: &mut Playback, now: Duration) -> Vec<String> {
        std::iter::from_fn(|| playback.next_due(now)).map(|mark| mark.name).collect()
    }

    #[test]
    fn a_mark_is_due_when_the_audio_before_it_has_been_played() {
        let mut playback = Playback::default();
        playback.mark(ms(5), "at once".into());
        assert_eq!(due(&mut playback, ms(5)), ["at once"]);
        assert_eq!(playback.queue(ms(10), 1_600), Arrival::Begins);
        playback.mark(ms(11), "first".into());
        assert_eq!(playback.queue(ms(12), 800), Arrival::Continues);
        playback.mark(ms(12), "second".into());
        assert_eq!(playback.due_at(), Some(ms(210)));
        assert_eq!(due(&mut playback, ms(209)), [""; 0]);
        assert_eq!(due(&mut playback, ms(210)), ["first"]);
        assert_eq!(due(&mut playback, ms(400)), ["second"]);
        assert_eq!(playback.received_bytes(), 2_400);
    }

    #[test]
    fn a_clear_makes_all_marks_due_and_the_next_audio_a_new_reply() {
        let mut playback = Playback::default();
        playback.queue(ms(0), 8_000);
        playback.mark(ms(1), "a".into());
        playback.mark(ms(1), "b".into());
        let (marks, unheard) = playback.clear(ms(300));
        assert_eq!(marks.iter().map(|mark| mark.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(unheard, ms(700));
        assert_eq!((playback.due_at(), playback.quiet_for(ms(350))), (None, ms(50)));
        assert_eq!(playback.queue(ms(310), 160), Arrival::Begins);
    }

    #[test]
    fn a_gap_in_a_reply_is_told_from_a_new_reply() {
        let mut playback = Playback::default();
        assert_eq!(playback.queue(ms(0), 160), Arrival::Begins);
        assert_eq!(playback.queue(ms(35), 160), Arrival::Continues);
        assert_eq!(playback.queue(ms(100), 160), Arrival::Gap);
        assert!(!playback.reply_is_over(ms(500)));
        assert!(playback.reply_is_over(ms(521)));
        assert!(!playback.reply_is_over(ms(600)));
        assert_eq!(playback.queue(ms(700), 160), Arrival::Begins);
        playback.caller_speaks(ms(730));
        assert_eq!(playback.queue(ms(750), 160), Arrival::Begins);
    }
}
