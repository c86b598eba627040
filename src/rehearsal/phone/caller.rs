//! The caller: walks through the steps of a script, one frame time after the other. Pure.

use std::time::Duration;

use super::playback::Playback;
use super::sample::Sample;
use super::script::{AfterDrop, AfterRing, Step};

/// Keys are pressed this far apart.
const KEY_GAP: Duration = Duration::from_millis(200);

/// What the caller does in one frame time.
#[derive(Debug)]
pub(super) enum Doing<'a> {
    /// Nothing to be heard.
    Silent,
    /// Speaks frame `frame` of a sample.
    Speaking(&'a Sample, usize),
    /// Presses a key, silently.
    Pressing(char),
    /// Sends a text message as it is.
    SendingText(&'a str),
    /// Sends a binary message.
    SendingBinary(&'a [u8]),
    /// Waited for the agent in vain; this is how long.
    LostPatience(Duration),
    /// Hangs up.
    HangingUp,
    /// Tears the socket down.
    Dropping(AfterDrop),
    /// Speaks or is silent, and nobody gets it.
    Losing,
    /// Reads no more.
    StoppingToRead,
    /// Reads and sends no more.
    Freezing,
    /// The webhook is posted once more.
    RingingAgain(AfterRing),
}

/// A caller's way through a script. It outlives a stream: where one ends, the next goes on.
#[derive(Debug)]
pub(super) struct Caller {
    steps: Vec<Step>,
    at: usize,
    progress: Option<Progress>,
    speech_ended_at: Option<Duration>,
}

/// How far the step in hand is.
#[derive(Debug, Clone, Copy)]
struct Progress {
    began_at: Duration,
    /// Frames said or keys pressed.
    done: usize,
    /// The agent's bytes when the step began, one less while the agent was being heard, so that
    /// the rest of that counts as having heard the agent.
    heard_bytes: u64,
}

impl Caller {
    pub(super) fn new(steps: Vec<Step>) -> Self {
        Self { steps, at: 0, progress: None, speech_ended_at: None }
    }

    /// Another stream begins: what was counted on the last one counts no more, patience included,
    /// and the step that tore it down has been done.
    pub(super) fn begin_stream(&mut self, now: Duration) {
        let tore_down = |progress: &Progress| progress.done > 0;
        if matches!(self.steps.get(self.at), Some(Step::DropSocket(_) | Step::RingAgain(_)))
            && self.progress.as_ref().is_some_and(tore_down)
        {
            self.advance();
        }
        let waits = matches!(
            self.steps.get(self.at),
            Some(Step::WaitForAgent { .. } | Step::Interrupt { .. })
        );
        if let Some(progress) = &mut self.progress {
            progress.heard_bytes = 0;
            if waits {
                progress.began_at = now;
            }
        }
    }

    /// Whether words or keys of the script are still to come.
    pub(super) fn has_more_to_say(&self) -> bool {
        let done = self.progress.as_ref().map_or(0, |progress| progress.done);
        let rest = self.steps.get(self.at..).unwrap_or_default();
        rest.iter().zip(std::iter::once(done).chain(std::iter::repeat(0))).any(|(step, done)| {
            match step {
                Step::Say(sample) => done < sample.frames(),
                Step::Press(keys) => done < keys.chars().count(),
                _ => false,
            }
        })
    }

    /// When the caller's last word ended, if that has not been asked since.
    pub(super) fn take_speech_end(&mut self) -> Option<Duration> {
        self.speech_ended_at.take()
    }

    /// What the caller does at `now`, hearing what `ear` plays. To be asked once a frame time.
    pub(super) fn next(&mut self, now: Duration, ear: &Playback) -> Doing<'_> {
        loop {
            let Some(step) = self.steps.get(self.at) else { return Doing::Silent };
            let progress = self.progress.get_or_insert_with(|| Progress {
                began_at: now,
                done: 0,
                heard_bytes: ear
                    .received_bytes()
                    .saturating_sub(u64::from(ear.quiet_for(now).is_zero())),
            });
            let waited = now.saturating_sub(progress.began_at);
            let over = match step {
                Step::Say(sample) => progress.done == sample.frames(),
                Step::WaitForAgent { quiet, .. } => {
                    ear.received_bytes() > progress.heard_bytes && ear.quiet_for(now) >= *quiet
                }
                Step::Interrupt { after, .. } => ear.heard_for(now) >= *after,
                Step::Wait(duration) | Step::Lose(duration) => waited >= *duration,
                Step::Press(keys) => progress.done == keys.chars().count(),
                Step::SendText(_)
                | Step::SendBinary(_)
                | Step::StopReading
                | Step::Freeze
                | Step::RingAgain(AfterRing::Stay) => progress.done == 1,
                Step::HangUp | Step::DropSocket(_) | Step::RingAgain(AfterRing::Follow) => false,
            };
            if !over {
                break;
            }
            self.advance();
        }
        self.within_step(now)
    }

    fn advance(&mut self) {
        self.at += 1;
        self.progress = None;
    }

    /// What is done in the step in hand, which is not over.
    fn within_step(&mut self, now: Duration) -> Doing<'_> {
        let Some(progress) = &mut self.progress else { return Doing::Silent };
        let waited = now.saturating_sub(progress.began_at);
        if let Step::WaitForAgent { limit, .. } | Step::Interrupt { limit, .. } =
            &self.steps[self.at]
        {
            if waited < *limit {
                return Doing::Silent;
            }
            self.advance();
            return Doing::LostPatience(waited);
        }
        match &self.steps[self.at] {
            Step::Say(sample) => {
                let frame = progress.done;
                progress.done += 1;
                if frame == 0 {
                    self.speech_ended_at = None;
                }
                if progress.done == sample.loud_frames() {
                    self.speech_ended_at = Some(now);
                }
                Doing::Speaking(sample, frame)
            }
            Step::Press(keys) if waited >= KEY_GAP * progress.done as u32 => {
                progress.done += 1;
                keys.chars().nth(progress.done - 1).map_or(Doing::Silent, Doing::Pressing)
            }
            Step::SendText(text) => {
                progress.done = 1;
                Doing::SendingText(text)
            }
            Step::SendBinary(bytes) => {
                progress.done = 1;
                Doing::SendingBinary(bytes)
            }
            Step::HangUp => Doing::HangingUp,
            Step::DropSocket(after) => {
                progress.done = 1;
                Doing::Dropping(*after)
            }
            Step::Lose(_) => Doing::Losing,
            Step::StopReading => {
                progress.done = 1;
                Doing::StoppingToRead
            }
            Step::Freeze => {
                progress.done = 1;
                Doing::Freezing
            }
            Step::RingAgain(after) => {
                progress.done = 1;
                Doing::RingingAgain(*after)
            }
            _ => Doing::Silent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ticks until `until`, each 20 ms; what was done, without the silence, with its time.
    fn walk(caller: &mut Caller, ear: &Playback, from_ms: u64, until_ms: u64) -> Vec<String> {
        (from_ms..until_ms)
            .step_by(20)
            .filter_map(|at_ms| match caller.next(Duration::from_millis(at_ms), ear) {
                Doing::Silent => None,
                Doing::Speaking(_, frame) => Some(format!("{at_ms} frame {frame}")),
                doing => Some(format!("{at_ms} {doing:?}")),
            })
            .collect()
    }

    #[test]
    fn keys_are_apart_and_a_sample_is_said_frame_by_frame() {
        let sample = Sample::new("beep", &[0; 320]);
        let mut caller = Caller::new(vec![
            Step::Press("1#".into()),
            Step::Wait(Duration::from_millis(40)),
            Step::Say(sample),
            Step::HangUp,
        ]);
        assert_eq!(
            walk(&mut caller, &Playback::default(), 0, 320),
            ["0 Pressing('1')", "200 Pressing('#')", "260 frame 0", "280 frame 1", "300 HangingUp"]
        );
        assert_eq!(caller.take_speech_end(), Some(Duration::from_millis(280)));
    }

    #[test]
    fn the_caller_waits_for_an_answer_that_begins_after_the_question() {
        let (ms, mut ear) = (Duration::from_millis, Playback::default());
        ear.queue(ms(0), 800);
        let wait = Step::WaitForAgent { quiet: ms(100), limit: ms(1_000) };
        let mut caller = Caller::new(vec![Step::Wait(ms(200)), wait, Step::HangUp]);
        assert!(walk(&mut caller, &ear, 0, 600).is_empty(), "the old audio is no answer");
        ear.queue(ms(600), 800);
        assert_eq!(walk(&mut caller, &ear, 600, 820), ["800 HangingUp"]);
    }

    #[test]
    fn patience_ends_and_the_script_goes_on() {
        let ms = Duration::from_millis;
        let wait = Step::WaitForAgent { quiet: ms(100), limit: ms(400) };
        let mut caller = Caller::new(vec![wait, Step::HangUp]);
        assert_eq!(
            walk(&mut caller, &Playback::default(), 0, 440),
            ["400 LostPatience(400ms)", "420 HangingUp"]
        );
    }

    #[test]
    fn a_socket_is_torn_down_once() {
        let drop = Step::DropSocket(AfterDrop::AskAction);
        let mut caller = Caller::new(vec![drop, Step::HangUp]);
        let ear = Playback::default();
        caller.begin_stream(Duration::ZERO);
        assert_eq!(walk(&mut caller, &ear, 0, 20), ["0 Dropping(AskAction)"]);
        caller.begin_stream(Duration::from_millis(20));
        assert_eq!(walk(&mut caller, &ear, 20, 40), ["20 HangingUp"]);
    }

    #[test]
    fn patience_begins_anew_with_a_stream() {
        let ms = Duration::from_millis;
        let wait = Step::WaitForAgent { quiet: ms(100), limit: ms(400) };
        let mut caller = Caller::new(vec![wait, Step::HangUp]);
        let ear = Playback::default();
        assert!(walk(&mut caller, &ear, 0, 400).is_empty());
        caller.begin_stream(ms(9_000));
        assert_eq!(walk(&mut caller, &ear, 9_000, 9_420), ["9400 LostPatience(400ms)"]);
    }

    #[test]
    fn an_interruption_comes_in_the_middle_of_the_reply() {
        let (ms, mut ear) = (Duration::from_millis, Playback::default());
        let mut caller = Caller::new(vec![Step::interrupt(ms(300)), Step::HangUp]);
        assert!(walk(&mut caller, &ear, 0, 100).is_empty());
        ear.queue(ms(100), 8_000);
        assert_eq!(walk(&mut caller, &ear, 100, 420), ["400 HangingUp"]);
    }
}
