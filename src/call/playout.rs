//! What has the caller heard? Heard is not sent: Twilio buffers what it is sent.
//!
//! Marks say what was played; between marks time does, at one millisecond of audio a millisecond
//! and never beyond what was sent. Replies play one after another.

use std::collections::VecDeque;

use super::{CallTime, LogEvent, Mark, Purpose, ReplyId};

/// μ-law at 8 kHz.
const BYTES_PER_MS: u64 = 8;
/// A mark is placed when this much was sent since the last one. Each mark is a message out and one
/// back; between marks the clock says what was played, so fewer of them cost little precision.
const MARK_EVERY_MS: u64 = 190;
/// Words kept of one reply, in bytes: many times what is spoken in two minutes.
const TEXT_LIMIT: usize = 64 * 1024;
/// Items told apart within one reply; one is usual.
const ITEM_LIMIT: usize = 32;

/// A reply that is not settled yet: it was asked for, and what the caller heard of it is open.
pub(super) struct Spoken {
    pub(super) reply: ReplyId,
    pub(super) purpose: Purpose,
    /// The turn it answers.
    pub(super) turn: Option<u32>,
    /// Whether the caller may cut it off.
    pub(super) interruptible: bool,
    /// Since when the caller has been waiting for it.
    pub(super) since: CallTime,
    /// When its first audio was sent.
    pub(super) started: Option<CallTime>,
    /// All words so far.
    pub(super) text: String,
    /// When it was last written down.
    pub(super) noted: CallTime,
    items: Vec<Item>,
    sent_bytes: u64,
    marked_bytes: u64,
    /// What the last mark that came back said.
    confirmed_bytes: u64,
    heard_bytes: u64,
    ended: bool,
}

/// The part of a reply's audio that the engine knows by one name.
struct Item {
    name: String,
    bytes: u64,
}

/// What the engine must be told about an item that was not heard to its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unheard {
    /// Only that many milliseconds were.
    Beyond(String, u64),
    /// None of it was.
    All(String),
}

impl Spoken {
    /// A reply that has just been asked for.
    pub(super) fn new(
        reply: ReplyId,
        purpose: Purpose,
        turn: Option<u32>,
        interruptible: bool,
        since: CallTime,
    ) -> Self {
        Self {
            reply,
            purpose,
            turn,
            interruptible,
            since,
            started: None,
            text: String::new(),
            noted: since,
            items: Vec::new(),
            sent_bytes: 0,
            marked_bytes: 0,
            confirmed_bytes: 0,
            heard_bytes: 0,
            ended: false,
        }
    }

    /// Whether none of its audio was sent.
    pub(super) fn is_silent(&self) -> bool {
        self.sent_bytes == 0
    }

    /// How much was heard, in milliseconds.
    pub(super) fn heard_ms(&self) -> u64 {
        self.heard_bytes / BYTES_PER_MS
    }

    /// Whether it was heard to its end.
    pub(super) fn is_heard_fully(&self) -> bool {
        self.ended && self.heard_bytes == self.sent_bytes
    }

    /// The words that were heard: in proportion to the audio, cut between words. Until the reply
    /// has ended its length is taken to be what was sent.
    pub(super) fn heard_text(&self) -> &str {
        if self.is_heard_fully() && !self.is_silent() {
            return &self.text;
        }
        if self.is_silent() {
            return "";
        }
        let wanted = u128::from(self.heard_bytes) * self.text.len() as u128;
        let end = usize::try_from(wanted / u128::from(self.sent_bytes)).unwrap_or(usize::MAX);
        cut_between_words(&self.text, end)
    }

    /// What there is to write down of it, with times since `opened_at`.
    pub(super) fn log(&self, opened_at: Option<CallTime>, interrupted: bool) -> LogEvent {
        let started = self.started.unwrap_or(self.since);
        LogEvent::AgentSaid {
            reply: self.reply.0,
            turn: self.turn,
            started_ms: opened_at.map_or(0, |opened| started.ms_since(opened)),
            generated: self.text.clone(),
            heard: self.heard_text().to_owned(),
            heard_ms: self.heard_ms(),
            interrupted,
        }
    }

    /// Adds words, up to a limit that no spoken reply reaches.
    pub(super) fn add_words(&mut self, words: &str) {
        if self.text.len() + words.len() <= TEXT_LIMIT {
            self.text.push_str(words);
        }
    }

    fn unheard_items(&self) -> Vec<Unheard> {
        let mut before = 0;
        let mut unheard = Vec::new();
        for (index, item) in self.items.iter().enumerate() {
            let heard = self.heard_bytes.saturating_sub(before).min(item.bytes);
            before += item.bytes;
            // The last item of a reply that is still being made is longer than what was sent.
            let complete = self.ended || index + 1 < self.items.len();
            let heard_ms = heard / BYTES_PER_MS;
            if heard_ms == 0 {
                unheard.push(Unheard::All(item.name.clone()));
            } else if heard < item.bytes || !complete {
                unheard.push(Unheard::Beyond(item.name.clone(), heard_ms));
            }
        }
        unheard
    }

    fn mark(&mut self, generation: u32) -> Mark {
        self.marked_bytes = self.sent_bytes;
        Mark { generation, reply: self.reply, ms: self.sent_bytes / BYTES_PER_MS }
    }
}

/// The longest beginning of `text` of at most `end` bytes that ends with a whole word.
fn cut_between_words(text: &str, end: usize) -> &str {
    if end >= text.len() {
        return text.trim_end();
    }
    let end = text.floor_char_boundary(end);
    let (before, after) = text.split_at(end);
    if after.starts_with(char::is_whitespace) {
        return before.trim_end();
    }
    before.rfind(char::is_whitespace).map_or("", |space| before[..space].trim_end())
}

/// All replies that are not settled, in the order in which they play.
#[derive(Default)]
pub(super) struct Playout {
    generation: u32,
    clock: CallTime,
    queue: VecDeque<Spoken>,
}

impl Playout {
    /// Time passes: that much more was played.
    pub(super) fn advance(&mut self, now: CallTime) {
        let mut bytes = now.ms_since(self.clock).saturating_mul(BYTES_PER_MS);
        self.clock = now;
        for spoken in &mut self.queue {
            let step = bytes.min(spoken.sent_bytes - spoken.heard_bytes);
            spoken.heard_bytes += step;
            bytes -= step;
            if bytes == 0 {
                break;
            }
        }
    }

    /// A reply was asked for.
    pub(super) fn expect(&mut self, spoken: Spoken) {
        self.queue.push_back(spoken);
    }

    /// Audio was handed to the line. Returns the mark to place behind it, if one is due: always
    /// when the reply had already ended, since this may be its last piece.
    pub(super) fn sent(&mut self, reply: ReplyId, item: String, bytes: u32) -> Option<Mark> {
        let (now, generation) = (self.clock, self.generation);
        let spoken = self.get_mut(reply)?;
        if spoken.started.is_none() {
            spoken.started = Some(now);
            spoken.noted = now;
        }
        spoken.sent_bytes += u64::from(bytes);
        let full = spoken.items.len() >= ITEM_LIMIT;
        match spoken.items.last_mut() {
            Some(last) if full || last.name == item => last.bytes += u64::from(bytes),
            _ => spoken.items.push(Item { name: item, bytes: u64::from(bytes) }),
        }
        let unmarked_ms = (spoken.sent_bytes - spoken.marked_bytes) / BYTES_PER_MS;
        (spoken.ended || unmarked_ms >= MARK_EVERY_MS).then(|| spoken.mark(generation))
    }

    /// The engine has no more audio for the reply. Returns the mark to place at its end, unless
    /// there is one.
    pub(super) fn ended(&mut self, reply: ReplyId) -> Option<Mark> {
        let generation = self.generation;
        let spoken = self.get_mut(reply)?;
        spoken.ended = true;
        (spoken.sent_bytes > spoken.marked_bytes).then(|| spoken.mark(generation))
    }

    /// A mark came back. One of an older generation says nothing: it was thrown away, not played.
    pub(super) fn mark_returned(&mut self, mark: Mark) {
        if mark.generation != self.generation {
            return;
        }
        let Some(index) = self.queue.iter().position(|spoken| spoken.reply == mark.reply) else {
            return;
        };
        for before in self.queue.iter_mut().take(index) {
            before.heard_bytes = before.sent_bytes;
            before.confirmed_bytes = before.sent_bytes;
        }
        let spoken = &mut self.queue[index];
        let played = if mark.ms >= spoken.sent_bytes / BYTES_PER_MS {
            spoken.sent_bytes
        } else {
            mark.ms * BYTES_PER_MS
        };
        if played < spoken.confirmed_bytes {
            return;
        }
        spoken.confirmed_bytes = played;
        spoken.heard_bytes = played;
        for after in self.queue.iter_mut().skip(index + 1) {
            after.heard_bytes = 0;
        }
    }

    /// Takes out the first reply if marks say that it was heard to its end.
    pub(super) fn take_confirmed(&mut self) -> Option<Spoken> {
        let first = self.queue.front()?;
        let confirmed = first.confirmed_bytes == first.sent_bytes;
        if first.is_silent() || !first.ended || !confirmed { None } else { self.queue.pop_front() }
    }

    /// Takes out the first reply if by the clock it was heard to its end.
    pub(super) fn take_presumed(&mut self) -> Option<Spoken> {
        let first = self.queue.front()?;
        if first.is_silent() || !first.is_heard_fully() { None } else { self.queue.pop_front() }
    }

    /// Throws away all that was not heard: what is sent from now on is of a new generation.
    pub(super) fn cut(&mut self) -> VecDeque<Spoken> {
        if self.has_audio() {
            self.generation += 1;
        }
        std::mem::take(&mut self.queue)
    }

    /// Takes one reply out.
    pub(super) fn remove(&mut self, reply: ReplyId) -> Option<Spoken> {
        let index = self.queue.iter().position(|spoken| spoken.reply == reply)?;
        self.queue.remove(index)
    }

    /// The engine's session is gone: its items have no names any more.
    pub(super) fn forget_items(&mut self) {
        self.queue.iter_mut().for_each(|spoken| spoken.items.clear());
    }

    /// A reply that is not settled.
    pub(super) fn get(&self, reply: ReplyId) -> Option<&Spoken> {
        self.queue.iter().find(|spoken| spoken.reply == reply)
    }

    /// A reply that is not settled.
    pub(super) fn get_mut(&mut self, reply: ReplyId) -> Option<&mut Spoken> {
        self.queue.iter_mut().find(|spoken| spoken.reply == reply)
    }

    /// All replies that are not settled, in the order in which they play.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Spoken> {
        self.queue.iter()
    }

    /// The reply that is playing, if it was last written down that long ago.
    pub(super) fn take_progress(&mut self, every_ms: u64) -> Option<&Spoken> {
        let now = self.clock;
        let first = self.queue.front_mut()?;
        if first.is_silent() || now.ms_since(first.noted) < every_ms {
            return None;
        }
        first.noted = now;
        Some(first)
    }

    /// Whether every reply is settled.
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether audio was sent that the caller has not heard for certain.
    pub(super) fn has_audio(&self) -> bool {
        self.queue.iter().any(|spoken| !spoken.is_silent())
    }

    /// How much was sent and not heard, in milliseconds.
    pub(super) fn unheard_ms(&self) -> u64 {
        let unheard = |spoken: &Spoken| spoken.sent_bytes - spoken.heard_bytes;
        self.queue.iter().map(unheard).sum::<u64>().div_ceil(BYTES_PER_MS)
    }

    /// What the engine must be told if everything unheard is thrown away now.
    pub(super) fn unheard_items(&self) -> Vec<Unheard> {
        self.queue.iter().flat_map(Spoken::unheard_items).collect()
    }
}

#[cfg(test)]
#[path = "playout_tests.rs"]
mod tests;
