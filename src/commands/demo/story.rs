//! Tells a call from what is written of it, while it is spoken.

use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

use serde_json::json;

use super::DemoError;
use super::say::{self, say};
use crate::call::LogEvent;
use crate::clock;
use crate::store::{CallRow, EventRow, Store};

/// How often what is written is looked at.
pub(super) const EACH: Duration = Duration::from_millis(250);

/// Prints a call's dialogue line by line as it is written, until `call` is over. Gives what
/// `call` gave and the call's row.
pub(super) async fn tell<T>(
    store: &Store,
    call_sid: &str,
    call: impl Future<Output = T>,
) -> Result<(T, Option<CallRow>), DemoError> {
    tokio::pin!(call);
    let mut printed = Printed::default();
    let mut row = None;
    loop {
        let over = clock::within(EACH, &mut call).await;
        if row.is_none()
            && let Some(agent_id) = store.agent_of_call(call_sid).await?
        {
            row = store.call_by_sid(agent_id, call_sid).await?;
        }
        if over.is_some() {
            // The last words are written a moment after they were heard.
            clock::pause(2 * EACH).await;
        }
        if let Some(CallRow { id, .. }) = row {
            let events = store.events(id).await?;
            printed.print(&events);
            if over.is_some() {
                printed.end_line("");
                printed.print(&events);
                printed.tell_functions(u64::MAX);
            }
        }
        if let Some(over) = over {
            return Ok((over, row));
        }
    }
}

/// What has been printed.
#[derive(Default)]
struct Printed {
    callers: BTreeSet<String>,
    replies: BTreeSet<u32>,
    functions: BTreeSet<u32>,
    /// Functions that were called, when and what they are called. They are told before the next line
    /// that began later: a reply that was being spoken then comes first.
    waiting: Vec<(u64, String)>,
    /// The reply that is being spoken, and what has been printed of it. Its line has no end yet, and
    /// what else happened waits for that.
    speaking: Option<(u32, String)>,
}

impl Printed {
    fn print(&mut self, events: &[EventRow]) {
        for (index, row) in events.iter().enumerate() {
            let event = json!({"kind": row.kind, "data": row.data.reveal()});
            match serde_json::from_value(event) {
                Ok(LogEvent::CallerSaid { utterance, started_ms, text, settled: true, .. })
                    if self.speaking.is_none() && self.callers.insert(utterance.clone()) =>
                {
                    self.tell_functions(started_ms);
                    line(started_ms, "Caller", text.as_deref().unwrap_or("[inaudible]"));
                }
                // Written about once a second while it is spoken; the last one counts.
                Ok(LogEvent::AgentSaid {
                    reply,
                    started_ms,
                    generated,
                    heard,
                    interrupted,
                    ..
                }) if !self.replies.contains(&reply) => {
                    self.speak(reply, started_ms, &heard);
                    if interrupted || heard == generated || is_last_of(reply, &events[index..]) {
                        self.end_line(if interrupted { " … (interrupted)" } else { "" });
                    }
                }
                Ok(LogEvent::FunctionCalled { run, name, .. }) if self.functions.insert(run) => {
                    self.waiting.push((u64::try_from(row.at_ms).unwrap_or(0), name));
                }
                _ => {}
            }
        }
    }

    /// Prints what has been heard of a reply since it was looked at last.
    fn speak(&mut self, reply: u32, started_ms: u64, heard: &str) {
        if heard.is_empty() {
            return;
        }
        match &mut self.speaking {
            Some((speaking, printed)) if *speaking == reply => {
                // An older report says less.
                if let Some(more) = heard.strip_prefix(printed.as_str()) {
                    say::print(format_args!("{more}"));
                    printed.push_str(more);
                }
            }
            _ => {
                self.end_line("");
                self.tell_functions(started_ms);
                say::print(format_args!("{}{heard}", beginning(started_ms, "Agent")));
                self.speaking = Some((reply, heard.to_owned()));
            }
        }
    }

    /// Tells the functions that were called by then.
    fn tell_functions(&mut self, by_ms: u64) {
        for (at_ms, name) in due(&mut self.waiting, by_ms) {
            line(at_ms, "", &format!("({name})"));
        }
    }

    /// Ends the line of the reply that is being spoken, if one is.
    fn end_line(&mut self, ending: &str) {
        if let Some((reply, _)) = self.speaking.take() {
            say!("{ending}");
            self.replies.insert(reply);
        }
    }
}

/// Whether another reply has been asked for since, so that nothing more comes of this one.
fn is_last_of(reply: u32, later: &[EventRow]) -> bool {
    later.iter().any(|row| {
        row.kind == "reply_requested"
            && row.data.reveal()["reply"].as_u64().is_some_and(|n| n > u64::from(reply))
    }) && !later[1..]
        .iter()
        .any(|row| row.kind == "agent_said" && row.data.reveal()["reply"] == json!(reply))
}

fn line(at_ms: u64, who: &str, words: &str) {
    say!("{}{words}", beginning(at_ms, who));
}

fn beginning(at_ms: u64, who: &str) -> String {
    let seconds = at_ms / 1000;
    format!("  [{:02}:{:02}] {who:>6}: ", seconds / 60, seconds % 60)
}

/// Takes what happened by a time, in its order.
fn due(waiting: &mut Vec<(u64, String)>, by_ms: u64) -> Vec<(u64, String)> {
    waiting.sort_by_key(|(at_ms, _)| *at_ms);
    let count = waiting.partition_point(|(at_ms, _)| *at_ms <= by_ms);
    waiting.drain(..count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_told_behind_the_words_that_began_before_it() {
        let mut waiting = vec![(49_000, "end_call".to_owned()), (34_000, "book".to_owned())];
        assert_eq!(due(&mut waiting, 48_000), [(34_000, "book".to_owned())]);
        assert_eq!(due(&mut waiting, 48_000), []);
        assert_eq!(due(&mut waiting, u64::MAX), [(49_000, "end_call".to_owned())]);
    }
}
