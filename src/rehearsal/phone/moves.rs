//! The verbs that keep the caller on the line without the agent: another party is dialled, the
//! caller is recorded.

use std::ops::ControlFlow;
use std::time::Duration;

use super::api::next_update;
use super::caller::Doing;
use super::far_end::{self, DialStatus};
use super::journal::{Dialled, Ended, PhoneEventKind};
use super::placed::{Next, PlacedCall};
use super::playback::Playback;
use super::random_sid;
use super::sample::{FRAME, FRAME_BYTES};
use super::webhook::Fields;
use crate::rehearsal::phone::twiml_reader::{Dial, Record};

/// How long the beep before a recording lasts, in frames.
const BEEP_FRAMES: usize = 25;

/// What was recorded.
#[derive(Debug, Default)]
struct Tape {
    /// When the first and the last loud frame were said.
    loud: Option<(Duration, Duration)>,
    /// The keys that ended it, in Twilio's words; empty if it was something else.
    ended_by: String,
}

impl PlacedCall {
    /// Dials, puts through, and asks what happens next.
    pub(super) async fn dial(&mut self, base: &str, dial: &Dial) -> ControlFlow<Next> {
        let (timeout, time_limit) = (seconds(dial.timeout_s), seconds(dial.time_limit_s));
        let far_ends = &self.options.far_ends;
        let first = far_end::first(far_ends, &dial.numbers, timeout, time_limit);
        let Some((number, course)) = first else {
            self.journal.error("<Dial> names no number");
            return ControlFlow::Continue(());
        };
        self.journal.tell(PhoneEventKind::Dialling { number: number.clone() });
        let mut dialled = Dialled { number, status: course.status, talked_ms: None };
        let mut flow = self.listen(course.rings).await;
        if flow.is_break() {
            dialled.status = DialStatus::Canceled;
        } else if let Some(talks) = course.talks {
            self.journal.tell(PhoneEventKind::PutThrough);
            let since = self.options.clock.now();
            flow = self.listen(talks).await;
            let talked = self.options.clock.now().saturating_sub(since);
            dialled.talked_ms = u64::try_from(talked.as_millis()).ok();
        }
        self.journal.dialled(dialled.clone());
        let Some(action) = &dial.action else { return flow };
        let fields = dial_fields(&dialled);
        match flow {
            ControlFlow::Continue(()) => ControlFlow::Break(self.ask(base, action, fields)),
            ControlFlow::Break(next) => {
                self.tell_of_end(base, action, fields, &next).await;
                ControlFlow::Break(next)
            }
        }
    }

    /// Records what the script has the caller say, and asks what happens next if it was anything.
    pub(super) async fn record(&mut self, base: &str, record: &Record) -> ControlFlow<Next> {
        let mut tape = Tape::default();
        let flow = self.tape(record, &mut tape).await;
        let Some((from, until)) = tape.loud else {
            self.journal.recorded(0);
            return flow;
        };
        // Twilio cuts off the silence around the words.
        let recorded_s = (until + FRAME).saturating_sub(from).as_millis().div_ceil(1_000);
        let recorded_s = u64::try_from(recorded_s).unwrap_or(u64::MAX);
        self.journal.recorded(recorded_s);
        // Asked at its own address where nothing is said.
        let action = record.action.as_deref().unwrap_or(base);
        let fields = self.recording_fields(recorded_s, tape.ended_by);
        match flow {
            ControlFlow::Continue(()) => ControlFlow::Break(self.ask(base, action, fields)),
            ControlFlow::Break(next) => {
                self.tell_of_end(base, action, fields, &next).await;
                ControlFlow::Break(next)
            }
        }
    }

    /// The caller's part of a recording, frame by frame.
    async fn tape(&mut self, record: &Record, tape: &mut Tape) -> ControlFlow<Next> {
        let clock = self.options.clock;
        // The caller waits for the beep, or for silence, before they speak.
        let mut ear = Playback::default();
        let beep = if record.play_beep { BEEP_FRAMES } else { 1 };
        ear.queue(clock.now(), beep * FRAME_BYTES);
        self.journal.tell(PhoneEventKind::Recording);
        let mut now = clock.now();
        let (begins_at, hang_up_at) = (now + FRAME * beep as u32, self.hang_up_at());
        let (longest, silence) = (seconds(record.max_length_s), seconds(record.timeout_s));
        loop {
            let quiet_since = tape.loud.map_or(begins_at, |(_, last)| last.max(begins_at));
            if now >= begins_at + longest || now >= quiet_since + silence {
                return ControlFlow::Continue(());
            }
            if now >= hang_up_at {
                tape.ended_by = "hangup".to_owned();
                return ControlFlow::Break(Next::End(Ended::Caller));
            }
            if let Some(done) = self.taped(record, tape, now, begins_at, &ear) {
                return done;
            }
            now += FRAME;
            tokio::select! {
                () = clock.sleep_until(now) => {}
                update = next_update(&mut self.reachable) => {
                    return ControlFlow::Break(self.updated(update));
                }
            }
        }
    }

    /// One frame of what the caller does before the tape; what ends it.
    fn taped(
        &mut self,
        record: &Record,
        tape: &mut Tape,
        now: Duration,
        begins_at: Duration,
        ear: &Playback,
    ) -> Option<ControlFlow<Next>> {
        match self.caller.next(now, ear) {
            Doing::Speaking(sample, frame) => {
                if frame == 0 {
                    let name = sample.name().to_owned();
                    self.journal.tell(PhoneEventKind::CallerSpoke { name });
                }
                if frame < sample.loud_frames() && now >= begins_at {
                    tape.loud = Some((tape.loud.map_or(now, |(first, _)| first), now));
                }
            }
            Doing::Pressing(key) => {
                self.journal.tell(PhoneEventKind::Pressed { key });
                if record.finish_on_key.contains(key) {
                    tape.ended_by = key.to_string();
                    return Some(ControlFlow::Continue(()));
                }
            }
            Doing::LostPatience(waited) => {
                let waited_s = waited.as_secs();
                self.journal.error(format!("nothing was heard within {waited_s} s"));
            }
            Doing::HangingUp => {
                tape.ended_by = "hangup".to_owned();
                return Some(ControlFlow::Break(Next::End(Ended::Caller)));
            }
            // There is no stream to send anything on.
            _ => {}
        }
        None
    }

    fn recording_fields(&self, recorded_s: u64, digits: String) -> Fields {
        let recording_sid = random_sid("RE");
        let account_sid = &self.options.account_sid;
        if let Some(api) = &self.options.api {
            api.keep(account_sid, &recording_sid);
        }
        let url = format!(
            "https://api.twilio.com/2010-04-01/Accounts/{account_sid}/Recordings/{recording_sid}"
        );
        vec![
            ("RecordingUrl".to_owned(), url),
            ("RecordingSid".to_owned(), recording_sid),
            ("RecordingDuration".to_owned(), recorded_s.to_string()),
            ("Digits".to_owned(), digits),
        ]
    }
}

fn dial_fields(dialled: &Dialled) -> Fields {
    let mut fields = vec![
        ("DialCallStatus".to_owned(), dialled.status.word().to_owned()),
        ("DialCallSid".to_owned(), random_sid("CA")),
        ("DialBridged".to_owned(), dialled.talked_ms.is_some().to_string()),
    ];
    if let Some(talked_ms) = dialled.talked_ms {
        let seconds = talked_ms.div_ceil(1_000).to_string();
        fields.push(("DialCallDuration".to_owned(), seconds));
    }
    fields
}

fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}
