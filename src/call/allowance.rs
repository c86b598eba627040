//! How much is written down of one call. A conversation writes an event or two a second; a flood of
//! whatever kind writes as fast as it comes, and every event is memory here, a row there and a line
//! of the transcript.

use std::io;

use super::LogEvent;

/// The most events of a call. Four hours of conversation have fewer.
const EVENTS_MAX: u32 = 24_000;
/// The most bytes of them, as JSON.
const BYTES_MAX: u64 = 8 << 20;

/// What of a call is left out when there is too much of it.
pub(super) const EVENTS: &str = "events";
/// The keys that a caller presses on and on.
pub(super) const KEYS: &str = "keys";

/// How much has been written down.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Written {
    events: u32,
    bytes: u64,
}

impl Written {
    /// Counts an event.
    pub(super) fn count(&mut self, event: &LogEvent) {
        self.events = self.events.saturating_add(1);
        self.bytes = self.bytes.saturating_add(size(event));
    }

    /// Whether an event is still written down. What decides how the call is completed has as much
    /// room again, and its end always has some.
    pub(super) fn has_room_for(&self, event: &LogEvent) -> bool {
        let share = match event {
            LogEvent::Ended(_) | LogEvent::LeftOut { .. } => return true,
            LogEvent::LineOpened { .. }
            | LogEvent::FunctionCalled { .. }
            | LogEvent::FunctionFinished { .. }
            | LogEvent::MessageTaken { .. }
            | LogEvent::TransferStarted { .. }
            | LogEvent::TransferEnded { .. }
            | LogEvent::VoicemailLeft { .. }
            | LogEvent::MovedToFallback { .. } => 2,
            _ => 1,
        };
        self.events < EVENTS_MAX * share
            && self.bytes.saturating_add(size(event)) <= BYTES_MAX * u64::from(share)
    }
}

/// An event's length as JSON.
fn size(event: &LogEvent) -> u64 {
    struct Count(u64);
    impl io::Write for Count {
        fn write(&mut self, part: &[u8]) -> io::Result<usize> {
            self.0 += part.len() as u64;
            Ok(part.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // An event that cannot be written as JSON is not logged either.
    match serde_json::to_writer(&mut count, event) {
        Ok(()) => count.0,
        Err(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Action, Call, CallSettings, CallTime, Timer};
    use super::super::{End, EndedBy, Event, Status};
    use super::*;

    fn settings() -> CallSettings {
        CallSettings {
            greets: false,
            interruptible: true,
            greeting_interruptible: false,
            reprompt_after_ms: 0,
            reprompts: 0,
            limit_ms: 3_600_000,
            recall_budget_ms: None,
        }
    }

    fn notes(actions: Vec<Action>) -> Vec<LogEvent> {
        let note = |action| if let Action::Note(event) = action { Some(event) } else { None };
        actions.into_iter().filter_map(note).collect()
    }

    #[test]
    fn a_flood_of_keys_is_written_down_to_a_bound_and_then_said_to_be_left_out() {
        let mut call = Call::new(settings());
        let mut written = notes(call.handle(CallTime::from_ms(0), Event::LineOpen));
        let ready = Event::EngineReady { lasts_ms: None };
        written.extend(notes(call.handle(CallTime::from_ms(1), ready)));
        for n in 0..100_000 {
            written.extend(notes(call.handle(CallTime::from_ms(n / 100), Event::KeyPressed('#'))));
        }
        let keys = written.iter().filter(|e| matches!(e, LogEvent::KeysPressed { .. })).count();
        let said = written.iter().filter(|e| matches!(e, LogEvent::LeftOut { .. })).count();
        assert_eq!((keys, said), (500, 1), "of {}", written.len());
        assert!(call.record().transcript().len() < 64 * 1024);
        assert_eq!(call.record().metadata()["left_out"], serde_json::json!(["keys"]));
        // The next process keeps to it.
        let mut record = super::super::CallRecord::new();
        written.iter().for_each(|event| record.apply(0, event));
        let mut call = Call::resume(settings(), record);
        call.handle(CallTime::from_ms(0), Event::LineOpen);
        for n in 0..100 {
            let at = CallTime::from_ms(n);
            assert!(notes(call.handle(at, Event::KeyPressed('#'))).is_empty());
        }
    }

    #[test]
    fn keys_that_are_left_out_leave_no_deadline_behind() {
        let mut call = Call::new(settings());
        call.handle(CallTime::from_ms(0), Event::LineOpen);
        call.handle(CallTime::from_ms(0), Event::EngineReady { lasts_ms: None });
        for _ in 0..501 {
            call.handle(CallTime::from_ms(1), Event::KeyPressed('#'));
        }
        call.handle(CallTime::from_ms(1), Event::KeyPressed('1'));
        assert!(call.deadline().is_none_or(|(_, timer)| timer != Timer::Keys));
    }

    #[test]
    fn what_is_too_much_is_left_out_and_how_a_call_goes_on_and_ends_is_not() {
        let mut written = Written::default();
        let key = LogEvent::KeysPressed { keys: "1".to_owned(), turn: 1 };
        while written.has_room_for(&key) {
            written.count(&key);
        }
        assert_eq!(written.events, EVENTS_MAX);
        let moved = LogEvent::MovedToFallback { why: "x".to_owned() };
        while written.has_room_for(&moved) {
            written.count(&moved);
        }
        assert_eq!(written.events, 2 * EVENTS_MAX);
        let end = End { status: Status::Completed, ended_by: EndedBy::Caller };
        assert!(written.has_room_for(&LogEvent::Ended(end)));
        let long = LogEvent::KeysPressed { keys: "1".repeat(BYTES_MAX as usize), turn: 1 };
        assert!(!Written::default().has_room_for(&long));
    }
}
