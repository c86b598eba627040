//! What was looked up in this turn, and what of it the engine was given.

use std::collections::VecDeque;

use super::{CallTime, Passage, RecallId, Recollection, Retrieval, Utterance};

/// What is looked up is the end of what the caller said, of at most this many bytes.
pub(super) const QUERY_LIMIT: usize = 1_000;
/// Recalls for one turn. Only the first half of them is for words that still change.
const RECALLS_PER_TURN: u32 = 16;
/// Words that still change are looked up again when there are this many more of them,
const MORE_WORDS: usize = 3;
/// and this long after the last time.
const AGAIN_MS: u64 = 300;

/// What is looked up, and what was found.
#[derive(Default)]
pub(super) struct Recalls {
    /// How many there were.
    pub(super) issued: u32,
    /// What the caller talks about in this turn, and talked about in the one before.
    pub(super) topics: VecDeque<Topic>,
    /// The rows of the passages that the engine has.
    pub(super) given: Vec<i64>,
}

/// What the caller talks about in one turn.
#[derive(Default)]
pub(super) struct Topic {
    pub(super) turn: u32,
    /// How many recalls were started for it.
    pub(super) recalls: u32,
    /// The last one: the stretch of speech whose words made it due, when, how many words the turn
    /// had, and the words but for case and punctuation.
    pub(super) newest: Option<RecallId>,
    pub(super) utterance: Utterance,
    pub(super) asked_at: CallTime,
    pub(super) words: usize,
    pub(super) plain: String,
    pub(super) in_flight: Vec<(RecallId, CallTime)>,
    /// What the newest brought of those that did not fail.
    pub(super) found: Option<Found>,
    /// The last that failed, and how long it took.
    pub(super) failed: Option<(RecallId, u64)>,
    pub(super) gap_noted: bool,
}

/// What a recall brought.
pub(super) struct Found {
    pub(super) recall: RecallId,
    pub(super) took_ms: u64,
    pub(super) passages: Vec<Passage>,
    /// The turn in which the engine was given them.
    pub(super) given_in: Option<u32>,
}

impl Topic {
    /// Whether these words are worth another recall. `complete`: they will hardly change any more.
    pub(super) fn is_news(
        &self,
        utterance: &str,
        text: &str,
        complete: bool,
        now: CallTime,
    ) -> bool {
        let plain = plain(tail(text));
        if plain.is_empty() || plain == self.plain {
            return false;
        }
        let limit = if complete { RECALLS_PER_TURN } else { RECALLS_PER_TURN / 2 };
        let grown = count_words(text) >= self.words + MORE_WORDS;
        let first = self.utterance != utterance;
        let rested = now.ms_since(self.asked_at) >= AGAIN_MS;
        self.recalls < limit && (complete || first || grown && rested)
    }

    /// A recall has ended. What newer words brought stays.
    pub(super) fn came_back(&mut self, recall: RecallId, came: Recollection, now: CallTime) {
        let Some(index) = self.in_flight.iter().position(|(id, _)| *id == recall) else { return };
        let (_, started) = self.in_flight.remove(index);
        let took_ms = now.ms_since(started);
        match came {
            Recollection::Found(passages) if self.is_newer(recall) => {
                self.found = Some(Found { recall, took_ms, passages, given_in: None });
            }
            Recollection::Found(_) => {}
            Recollection::Failed => self.failed = Some((recall, took_ms)),
        }
    }

    pub(super) fn is_newer(&self, recall: RecallId) -> bool {
        self.found.as_ref().is_none_or(|found| recall > found.recall)
    }

    /// Whether something may come back that is better than what is there.
    pub(super) fn awaits_newer(&self) -> bool {
        self.in_flight.iter().any(|(recall, _)| self.is_newer(*recall))
    }

    /// Whether the last recall found nothing.
    pub(super) fn found_nothing(&self) -> bool {
        let nothing =
            |found: &Found| Some(found.recall) == self.newest && found.passages.is_empty();
        self.found.as_ref().is_some_and(nothing)
    }

    pub(super) fn passages(&self) -> &[Passage] {
        self.found.as_ref().map_or(&[], |found| &found.passages)
    }

    /// How it went, for an answer that is asked for now.
    pub(super) fn retrieval(&self, awaiting: bool) -> (Retrieval, Option<u64>) {
        let failed = self.failed.filter(|(recall, _)| self.is_newer(*recall));
        match (&self.found, failed) {
            (Some(found), _) if !found.passages.is_empty() => {
                (Retrieval::Ready, Some(found.took_ms))
            }
            _ if awaiting => (Retrieval::Late, None),
            (_, Some((_, took_ms))) => (Retrieval::Failed, Some(took_ms)),
            (Some(found), None) => (Retrieval::Ready, Some(found.took_ms)),
            // No words came that could be looked up.
            (None, None) => (Retrieval::Late, None),
        }
    }
}

impl Recalls {
    /// The caller speaks in this turn.
    pub(super) fn begin(&mut self, turn: u32) {
        if self.topics.back().is_none_or(|topic| topic.turn < turn) {
            self.topics.push_back(Topic { turn, ..Topic::default() });
            self.topics.retain(|topic| topic.turn + 1 >= turn);
        }
    }

    /// The engine has nothing that it was given.
    pub(super) fn forget_given(&mut self) {
        self.given.clear();
    }

    pub(super) fn topic(&mut self, turn: u32) -> Option<&mut Topic> {
        self.topics.iter_mut().find(|topic| topic.turn == turn)
    }

    /// The best there is for this turn: its own passages, or else those that were too late for the
    /// turn before.
    pub(super) fn best(&mut self, turn: u32) -> Vec<Passage> {
        // Keys that are pressed begin no topic: those that are there may be of longer ago.
        let recent = self.topics.iter_mut().rev().filter(|topic| topic.turn + 1 >= turn);
        let found = recent.filter_map(|topic| topic.found.as_mut());
        let mut fresh = found.filter(|found| found.given_in.is_none_or(|given| given == turn));
        fresh.find(|found| !found.passages.is_empty()).map_or_else(Vec::new, |found| {
            found.given_in = Some(turn);
            found.passages.clone()
        })
    }
}

/// A text without case and punctuation.
pub(super) fn plain(text: &str) -> String {
    let pieces = text.split(|c: char| !c.is_alphanumeric()).filter(|piece| !piece.is_empty());
    pieces.collect::<Vec<_>>().join(" ").to_lowercase()
}

/// The end of a text, as much of it as is looked up.
pub(super) fn tail(text: &str) -> &str {
    &text[text.ceil_char_boundary(text.len().saturating_sub(QUERY_LIMIT))..]
}

/// How many words a text has. In scripts without spaces two characters are taken for one.
pub(super) fn count_words(text: &str) -> usize {
    let is_unspaced = |c: &char| {
        matches!(*c, '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}'
            | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}')
    };
    let pieces = text.split_whitespace().filter(|piece| piece.contains(char::is_alphanumeric));
    pieces.map(|piece| piece.chars().filter(is_unspaced).count().div_ceil(2).max(1)).sum()
}
