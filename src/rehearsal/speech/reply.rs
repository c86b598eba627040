//! One response: what is sent when. Pure: a plan of steps that the session carries out.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::babble::Spoken;
use super::fault::TurnFault;
use super::script::{ErrorBody, FunctionCall};

/// Audio comes this many times faster than it is spoken, as the real service's does.
const FASTER: u32 = 6;
/// Words come this much ahead of their audio, in μ-law bytes: 800 ms.
const WORDS_AHEAD_BYTES: usize = 6_400;
/// From one event to the next where no audio paces them.
const BEAT: Duration = Duration::from_millis(15);
const BYTES_PER_MS: usize = 8;

/// One thing to send.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    /// The message begins.
    OpenMessage,
    /// Some of its words.
    Words(String),
    /// A piece of its audio, in bytes.
    Audio(Range<usize>),
    /// The message is complete.
    CloseMessage,
    /// A function call begins.
    OpenCall(usize),
    /// A piece of its arguments.
    Arguments(usize, String),
    /// The function call is complete.
    CloseCall(usize),
    /// The response ends without more.
    Fail(ErrorBody),
    /// This goes wrong.
    Break(TurnFault),
    /// The response is complete.
    Finish,
}

/// What a response is going to be.
#[derive(Debug, Clone)]
pub(super) struct Content {
    /// What is said; `None` when only functions are called.
    pub(super) spoken: Option<Arc<Spoken>>,
    /// Functions called.
    pub(super) functions: Vec<FunctionCall>,
    /// It fails instead.
    pub(super) error: Option<ErrorBody>,
    /// This goes wrong with it.
    pub(super) fault: Option<TurnFault>,
    /// From the request to the first audio.
    pub(super) first_audio: Duration,
    /// Text without audio.
    pub(super) text_only: bool,
}

/// One response on its way.
#[derive(Debug)]
pub(super) struct Reply {
    /// Its id.
    pub(super) id: Arc<str>,
    /// The client's own words about it, echoed.
    pub(super) metadata: Value,
    /// It is not part of the conversation.
    pub(super) out_of_band: bool,
    /// What it is.
    pub(super) content: Content,
    /// The message's item, if there is a message.
    pub(super) message: Message,
    /// The function calls' items: id and call id, and the arguments sent so far.
    pub(super) calls: Vec<CallItem>,
    /// Items completed, as the wire has them.
    pub(super) output: Vec<Value>,
    steps: VecDeque<(Duration, Step)>,
}

/// The message of a response, as far as it was sent.
#[derive(Debug, Default)]
pub(super) struct Message {
    /// The item's id.
    pub(super) id: Arc<str>,
    /// The words sent so far.
    pub(super) words: String,
    /// The audio sent so far, in bytes.
    pub(super) audio_bytes: usize,
    /// It was begun and is not complete.
    pub(super) is_open: bool,
}

/// A function call of a response, as far as it was sent.
#[derive(Debug)]
pub(super) struct CallItem {
    /// The item's id.
    pub(super) id: String,
    /// What the output refers to.
    pub(super) call_id: String,
    /// The arguments sent so far.
    pub(super) arguments: String,
    /// It was begun and is not complete.
    pub(super) is_open: bool,
}

impl Reply {
    /// Plans a response asked for at `now`. `name` makes a new id of the given kind.
    pub(super) fn new(
        now: Duration,
        content: Content,
        metadata: Value,
        out_of_band: bool,
        mut name: impl FnMut(&str) -> String,
    ) -> Self {
        let calls = content.functions.iter().map(|_| CallItem {
            id: name("item"),
            call_id: name("call"),
            arguments: String::new(),
            is_open: false,
        });
        Self {
            calls: calls.collect(),
            id: name("resp").into(),
            message: Message { id: name("item").into(), ..Message::default() },
            steps: plan(now, &content).into(),
            output: Vec::new(),
            metadata,
            out_of_band,
            content,
        }
    }

    /// When the next step is due.
    pub(super) fn next_at(&self) -> Option<Duration> {
        self.steps.front().map(|(at, _)| *at)
    }

    /// The next step, if it is due.
    pub(super) fn next(&mut self, now: Duration) -> Option<Step> {
        let is_due = self.next_at().is_some_and(|at| at <= now);
        if is_due { self.steps.pop_front().map(|(_, step)| step) } else { None }
    }

    /// Where an item stands in the response's output.
    pub(super) fn call_index(&self, call: usize) -> usize {
        call + usize::from(self.content.spoken.is_some())
    }
}

fn plan(now: Duration, content: &Content) -> Vec<(Duration, Step)> {
    let mut at = now + content.first_audio;
    if let Some(error) = &content.error {
        return vec![(at, Step::Fail(error.clone()))];
    }
    let mut steps = Vec::new();
    if let Some(spoken) = &content.spoken {
        steps.push((now + content.first_audio * 4 / 5, Step::OpenMessage));
        at = if content.text_only {
            plan_text(at, spoken, &mut steps)
        } else {
            plan_speech(at, spoken, &mut steps)
        };
        steps.push((at, Step::CloseMessage));
    }
    for (index, function) in content.functions.iter().enumerate() {
        at += BEAT;
        steps.push((at, Step::OpenCall(index)));
        for piece in pieces(&function.arguments_text()) {
            at += BEAT;
            steps.push((at, Step::Arguments(index, piece)));
        }
        at += BEAT;
        steps.push((at, Step::CloseCall(index)));
    }
    steps.push((at, Step::Finish));
    if let Some(fault) = content.fault {
        spoil(fault, &mut steps);
    }
    steps
}

/// Makes this go wrong.
fn spoil(fault: TurnFault, steps: &mut Vec<(Duration, Step)>) {
    let is_audio = |(_, step): &(Duration, Step)| matches!(step, Step::Audio(_));
    let begin = steps.iter().position(is_audio).unwrap_or(0);
    let half = begin + steps[begin..].iter().filter(|step| is_audio(step)).count() / 2 + 1;
    let end = steps.len();
    match fault {
        TurnFault::Silence => steps.clear(),
        TurnFault::NoAudio => steps.retain(|step| !is_audio(step)),
        TurnFault::Drop | TurnFault::Stall => {
            steps.truncate(half.min(end));
            let at = steps.last().map_or(Duration::ZERO, |(at, _)| *at);
            steps.push((at, Step::Break(fault)));
        }
        TurnFault::Nonsense => steps.insert(begin, (steps[begin].0, Step::Break(fault))),
        TurnFault::Deaf => steps.insert(end - 1, (steps[end - 1].0, Step::Break(fault))),
    }
}

fn plan_text(mut at: Duration, spoken: &Spoken, steps: &mut Vec<(Duration, Step)>) -> Duration {
    for (_, word) in &spoken.words {
        steps.push((at, Step::Words(word.clone())));
        at += BEAT;
    }
    at
}

/// Audio in bursts of 100 to 400 ms, each after the words that it says.
fn plan_speech(mut at: Duration, spoken: &Spoken, steps: &mut Vec<(Duration, Step)>) -> Duration {
    let total = spoken.audio.len();
    let mut words = spoken.words.iter().peekable();
    let (mut sent, mut number) = (0, 0);
    while sent < total {
        let end = (sent + burst_ms(number) * BYTES_PER_MS).min(total);
        let mut said = String::new();
        while let Some((_, word)) = words.next_if(|(begin, _)| *begin < end + WORDS_AHEAD_BYTES) {
            said.push_str(word);
        }
        if !said.is_empty() {
            steps.push((at, Step::Words(said)));
        }
        steps.push((at, Step::Audio(sent..end)));
        at += Duration::from_millis(((end - sent) / BYTES_PER_MS) as u64) / FASTER;
        (sent, number) = (end, number + 1);
    }
    at
}

/// Sizes that vary and repeat only after 31 bursts: 100 to 400 ms.
fn burst_ms(number: usize) -> usize {
    100 + (number * 17 % 31) * 10
}

/// Arguments as they come: a few characters at a time.
fn pieces(text: &str) -> Vec<String> {
    let letters: Vec<char> = text.chars().collect();
    letters.chunks(12).map(|piece| piece.iter().collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearsal::speech::babble;

    fn content(text: &str) -> Content {
        Content {
            spoken: Some(Arc::new(babble::speak(text))),
            functions: Vec::new(),
            error: None,
            fault: None,
            first_audio: Duration::from_millis(250),
            text_only: false,
        }
    }

    #[test]
    fn all_audio_and_all_words_come_and_the_words_are_ahead() {
        let text = "We are open from nine in the morning until half past five in the evening.";
        let content = content(text);
        let (mut said, mut sent) = (String::new(), 0);
        let spoken = content.spoken.clone().unwrap();
        for (_, step) in plan(Duration::ZERO, &content) {
            match step {
                Step::Words(words) => said += &words,
                Step::Audio(range) => {
                    assert_eq!(range.start, sent);
                    assert!(range.len() <= 3_200);
                    sent = range.end;
                    let begun = spoken.words.iter().filter(|(begin, _)| *begin < sent).count();
                    assert!(said.split_whitespace().count() >= begun);
                }
                _ => {}
            }
        }
        assert_eq!((said.as_str(), sent), (text, spoken.audio.len()));
    }

    #[test]
    fn audio_comes_several_times_faster_than_it_is_spoken() {
        let content = content(&"a word or two ".repeat(20));
        let steps = plan(Duration::from_secs(1), &content);
        assert_eq!(steps[0].0, Duration::from_millis(1_200));
        let took = steps.last().unwrap().0 - Duration::from_millis(1_250);
        let spoken_ms = content.spoken.unwrap().audio.len() as u128 / 8;
        assert!((4..=8).contains(&(spoken_ms / took.as_millis())), "{took:?} for {spoken_ms} ms");
        assert!(steps.is_sorted_by_key(|(at, _)| *at));
    }

    #[test]
    fn several_functions_follow_the_message() {
        let function = |name: &str| FunctionCall { name: name.to_owned(), arguments: Value::Null };
        let content =
            Content { functions: vec![function("f"), function("g")], ..content("One moment.") };
        let steps: Vec<_> =
            plan(Duration::ZERO, &content).into_iter().map(|(_, step)| step).collect();
        let tail = &steps[steps.len() - 8..];
        assert_eq!(tail[0], Step::CloseMessage);
        assert_eq!(tail[2], Step::Arguments(0, "{}".to_owned()));
        assert_eq!(tail[6..], [Step::CloseCall(1), Step::Finish]);
    }
}
