//! How long a caller heard nothing, from what happened at the phone.

use std::time::Duration;

use frontdesk::rehearsal::phone::{FRAME, PhoneEvent, PhoneEventKind, Sample};

/// How long the phone waits until it says that the agent has finished.
const AGENT_OVER: Duration = Duration::from_millis(400);
/// How long TwiML takes to say one character.
const CHARACTER: Duration = Duration::from_millis(60);

/// A stretch in which nobody was heard.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Silence {
    /// From the webhook.
    pub(crate) from: Duration,
    pub(crate) lasted: Duration,
}

/// What is heard at the phone, as far as its events have been followed.
#[derive(Default)]
struct Ear {
    /// Somebody is heard until further notice: the agent, another party, a recording's beep.
    is_open_ended: bool,
    /// All else that was heard is over then; none before the answer.
    quiet_from: Option<Duration>,
    longest: Silence,
}

/// The longest silence between the answer and the end of a call. What the caller says themselves,
/// a call to another party and a recording are none.
pub(crate) fn longest(events: &[PhoneEvent], lines: &[Sample]) -> Silence {
    use PhoneEventKind::*;
    let mut ear = Ear::default();
    for PhoneEvent { at, kind, .. } in events {
        match kind {
            Answered => ear.quiet_from = Some(*at),
            CallerSpoke { name } => {
                let line = lines.iter().find(|line| line.name() == name);
                let frames = line.map_or(0, Sample::loud_frames);
                ear.hears(*at, FRAME * frames as u32);
            }
            Said { text } => ear.hears(*at, CHARACTER * text.chars().count() as u32),
            AgentBegan | Dialling { .. } | Recording => {
                ear.hears(*at, Duration::ZERO);
                ear.is_open_ended = true;
            }
            AgentEnded => ear.hears_no_more(at.saturating_sub(AGENT_OVER)),
            Cleared { .. } | StreamEnded | DialEnded(_) | Recorded { .. } => {
                ear.hears_no_more(*at);
            }
            Ended(_) => ear.hears(*at, Duration::ZERO),
            Ringing | StreamOpened | Pressed { .. } | PutThrough | Moved => {}
        }
    }
    ear.longest
}

impl Ear {
    fn hears(&mut self, at: Duration, lasting: Duration) {
        let Some(quiet_from) = self.quiet_from else { return };
        let lasted = at.saturating_sub(quiet_from);
        if !self.is_open_ended && lasted > self.longest.lasted {
            self.longest = Silence { from: quiet_from, lasted };
        }
        self.quiet_from = Some(quiet_from.max(at + lasting));
    }

    fn hears_no_more(&mut self, at: Duration) {
        if self.is_open_ended {
            self.is_open_ended = false;
            self.quiet_from = self.quiet_from.map(|quiet_from| quiet_from.max(at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use frontdesk::rehearsal::phone::Ended as End;

    fn silence_of(events: &[(u64, PhoneEventKind)]) -> (u64, u64) {
        let events: Vec<_> = events
            .iter()
            .map(|(ms, kind)| PhoneEvent {
                call_sid: String::new(),
                at: Duration::from_millis(*ms),
                kind: kind.clone(),
            })
            .collect();
        let longest = longest(&events, &[Sample::new("line", &[0; 100 * 160])]);
        (longest.from.as_millis() as u64, longest.lasted.as_millis() as u64)
    }

    #[test]
    fn silence_lasts_from_the_last_sound_to_the_next() {
        use PhoneEventKind::*;
        let events = [
            (0, Ringing),
            (100, Answered),
            (200, StreamOpened),
            (600, AgentBegan),
            (2_400, AgentEnded),
            (2_700, CallerSpoke { name: "line".to_owned() }),
            (7_000, AgentBegan),
            (9_400, AgentEnded),
            (9_700, Ended(End::Caller)),
        ];
        // The caller spoke for two seconds.
        assert_eq!(silence_of(&events), (4_700, 2_300));
    }

    #[test]
    fn a_broken_stream_is_silent_until_something_else_is_heard() {
        use PhoneEventKind::*;
        let events = [
            (0, Answered),
            (100, AgentBegan),
            (1_000, StreamEnded),
            (1_500, StreamOpened),
            (6_000, Said { text: "Sorry.".to_owned() }),
            (6_500, Recording),
            (30_000, Recorded { seconds: 0 }),
            (30_100, Ended(End::Server)),
        ];
        assert_eq!(silence_of(&events), (1_000, 5_000));
    }
}
