//! What does the agent know of what the caller talks about? It is looked up while the caller still
//! speaks and again when the words are known, and an answer waits for it, but not for long.

use std::collections::VecDeque;

use super::state::Call;
use super::{
    Action, CallTime, Chunk, LogEvent, Passage, RecallId, Recollection, Retrieval, Timer, Utterance,
};

/// Words that still change are looked up again when there are this many more of them,
const MORE_WORDS: usize = 3;
/// and this long after the last time.
const AGAIN_MS: u64 = 300;
/// Recalls for one turn. Only the first half of them is for words that still change.
const RECALLS_PER_TURN: u32 = 16;
/// What is looked up is the end of what the caller said, of at most this many bytes.
const QUERY_LIMIT: usize = 1_000;
/// Fewer words than these ask for nothing that the owner could add to the knowledge.
const QUESTION_WORDS: usize = 3;

/// What is looked up, and what was found.
#[derive(Default)]
pub(super) struct Recalls {
    /// How many there were.
    issued: u32,
    /// What the caller talks about in this turn, and talked about in the one before.
    topics: VecDeque<Topic>,
    /// The rows of the passages that the engine has.
    given: Vec<i64>,
}

/// What the caller talks about in one turn.
#[derive(Default)]
struct Topic {
    turn: u32,
    /// How many recalls were started for it.
    recalls: u32,
    /// The last one: the stretch of speech whose words made it due, when, how many words the turn
    /// had, and the words but for case and punctuation.
    newest: Option<RecallId>,
    utterance: Utterance,
    asked_at: CallTime,
    words: usize,
    plain: String,
    in_flight: Vec<(RecallId, CallTime)>,
    /// What the newest brought of those that did not fail.
    found: Option<Found>,
    /// The last that failed, and how long it took.
    failed: Option<(RecallId, u64)>,
    gap_noted: bool,
}

/// What a recall brought.
struct Found {
    recall: RecallId,
    took_ms: u64,
    passages: Vec<Passage>,
    /// The turn in which the engine was given them.
    given_in: Option<u32>,
}

impl Topic {
    /// Whether these words are worth another recall. `complete`: they will hardly change any more.
    fn is_news(&self, utterance: &str, text: &str, complete: bool, now: CallTime) -> bool {
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
    fn came_back(&mut self, recall: RecallId, came: Recollection, now: CallTime) {
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

    fn is_newer(&self, recall: RecallId) -> bool {
        self.found.as_ref().is_none_or(|found| recall > found.recall)
    }

    /// Whether something may come back that is better than what is there.
    fn awaits_newer(&self) -> bool {
        self.in_flight.iter().any(|(recall, _)| self.is_newer(*recall))
    }

    /// Whether the last recall found nothing.
    fn found_nothing(&self) -> bool {
        let nothing =
            |found: &Found| Some(found.recall) == self.newest && found.passages.is_empty();
        self.found.as_ref().is_some_and(nothing)
    }

    fn passages(&self) -> &[Passage] {
        self.found.as_ref().map_or(&[], |found| &found.passages)
    }

    /// How it went, for an answer that is asked for now.
    fn retrieval(&self, awaiting: bool) -> (Retrieval, Option<u64>) {
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

    fn topic(&mut self, turn: u32) -> Option<&mut Topic> {
        self.topics.iter_mut().find(|topic| topic.turn == turn)
    }

    /// The best there is for this turn: its own passages, or else those that were too late for the
    /// turn before.
    fn best(&mut self, turn: u32) -> Vec<Passage> {
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

impl Call {
    /// Some of the caller's words are known: what the agent knows of them is looked up, if they
    /// say something new. `complete`: they will hardly change any more.
    pub(super) fn look_up(&mut self, utterance: &str, complete: bool) {
        let now = self.now;
        let Some(turn) = self.caller.turn_of(utterance) else { return };
        let Recalls { issued, topics, .. } = &mut self.recalls;
        let Some(topic) = topics.iter_mut().find(|topic| topic.turn == turn) else { return };
        let text = self.caller.words_of(turn);
        if self.goodbye.ending.is_some() || !topic.is_news(utterance, &text, complete, now) {
            return;
        }
        *issued += 1;
        let recall = RecallId(*issued);
        let query = tail(&text);
        topic.recalls += 1;
        topic.newest = Some(recall);
        topic.utterance = utterance.to_owned();
        topic.asked_at = now;
        topic.words = count_words(&text);
        topic.plain = plain(query);
        topic.in_flight.push((recall, now));
        self.out.push(Action::Recall { recall, query: query.to_owned() });
    }

    /// A recall has ended.
    pub(super) fn recalled(&mut self, recall: RecallId, came: Recollection) {
        let now = self.now;
        let asked = |topic: &&mut Topic| topic.in_flight.iter().any(|(id, _)| *id == recall);
        if let Some(topic) = self.recalls.topics.iter_mut().find(asked) {
            topic.came_back(recall, came, now);
            let turn = topic.turn;
            self.note_gap(turn);
        }
    }

    /// The caller has stopped: from now on an answer waits for what the agent knows.
    pub(super) fn watch_recall(&mut self) {
        if let Some(budget_ms) = self.settings.recall_budget_ms.filter(|budget_ms| *budget_ms > 0) {
            self.timers.set(Timer::Recall, self.now.plus_ms(budget_ms));
        }
    }

    /// Whether an answer is to wait for passages.
    pub(super) fn awaits_recall(&self) -> bool {
        self.timers.is_set(Timer::Recall)
            && self.caller.turn().is_some_and(|turn| self.awaits_passages(turn))
    }

    /// Whether this turn may get better passages than it has. Words that came while the caller
    /// spoke are good enough if something was found for them; what they become is not waited for.
    fn awaits_passages(&self, turn: u32) -> bool {
        let topic = self.recalls.topics.iter().find(|topic| topic.turn == turn);
        topic.is_some_and(|topic| {
            topic.awaits_newer() || self.caller.awaits_words_of(turn, !topic.passages().is_empty())
        })
    }

    /// An answer is asked for now: the engine is given what there is. Returns what is to be written
    /// down of that.
    pub(super) fn give_passages(&mut self, turn: u32) -> Option<LogEvent> {
        self.settings.recall_budget_ms?;
        self.timers.clear(Timer::Recall);
        let awaiting = self.awaits_passages(turn);
        let (retrieval, took_ms) = match self.recalls.topic(turn) {
            Some(topic) => topic.retrieval(awaiting),
            // The caller only pressed keys.
            None => (Retrieval::Off, None),
        };
        let passages = self.recalls.best(turn);
        let chunk = |passage: &Passage| Chunk { id: passage.id, similarity: passage.similarity };
        let chunks: Vec<Chunk> = passages.iter().map(chunk).collect();
        let given: Vec<i64> = chunks.iter().map(|chunk| chunk.id).collect();
        if self.recalls.given != given {
            self.recalls.given = given;
            self.out.push(Action::SetContext { passages });
        }
        Some(LogEvent::Grounded { turn, retrieval, took_ms, chunks })
    }

    /// If all words of a turn are known, ask something, and nothing is known about them, the owner
    /// is told, once.
    pub(super) fn note_gap(&mut self, turn: u32) {
        let Some(topic) = self.recalls.topic(turn) else { return };
        let text = self.caller.words_of(turn);
        let question = tail(&text);
        let is_whole = self.caller.has_settled(turn) && topic.plain == plain(question);
        if is_whole
            && topic.found_nothing()
            && asks(&text)
            && count_words(&text) >= QUESTION_WORDS
            && !std::mem::replace(&mut topic.gap_noted, true)
        {
            self.note(LogEvent::Gap { turn, question: question.to_owned() });
        }
    }
}

/// The end of a text, as much of it as is looked up.
fn tail(text: &str) -> &str {
    &text[text.ceil_char_boundary(text.len().saturating_sub(QUERY_LIMIT))..]
}

/// Whether a text has a question in it: transcription writes its mark. The Greek one is a
/// semicolon, which ends nothing elsewhere.
fn asks(text: &str) -> bool {
    text.contains(['?', '？', '؟', '\u{37e}', '՞', '፧']) || text.trim_end().ends_with(';')
}

/// A text without case and punctuation.
fn plain(text: &str) -> String {
    let pieces = text.split(|c: char| !c.is_alphanumeric()).filter(|piece| !piece.is_empty());
    pieces.collect::<Vec<_>>().join(" ").to_lowercase()
}

/// How many words a text has. In scripts without spaces two characters are taken for one.
fn count_words(text: &str) -> usize {
    let is_unspaced = |c: &char| {
        matches!(*c, '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}'
            | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}')
    };
    let pieces = text.split_whitespace().filter(|piece| piece.contains(char::is_alphanumeric));
    pieces.map(|piece| piece.chars().filter(is_unspaced).count().div_ceil(2).max(1)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_counted_with_and_without_spaces() {
        let cases = [
            ("", 0),
            ("…", 0),
            ("Yes.", 1),
            ("Is there parking?", 3),
            ("क्या आप खुले हैं", 4),
            ("你好", 1),
            ("你们周末营业吗？", 4),
            ("駐車場はありますか", 5),
            ("มีที่จอดรถไหม", 7),
        ];
        for (text, words) in cases {
            assert_eq!(count_words(text), words, "{text}");
        }
    }

    #[test]
    fn a_question_is_told_by_its_mark_in_any_script() {
        for text in
            ["Is it open?", "Open? I see.", "营业吗？", "هل أنتم مفتوحون؟", "Είστε ανοιχτά; "]
        {
            assert!(asks(text), "{text}");
        }
        for text in ["That is all I wanted to know, thank you, goodbye.", "Thanks; bye.", "…", ""]
        {
            assert!(!asks(text), "{text}");
        }
    }

    #[test]
    fn case_and_punctuation_are_no_news() {
        assert_eq!(plain("Do you  have PARKING?"), plain("do you have parking"));
        assert_ne!(plain("do you have parking"), plain("do you have a parking"));
        assert_eq!(plain("…?"), "");
    }

    #[test]
    fn the_end_of_a_long_text_is_looked_up() {
        let text = "ä".repeat(QUERY_LIMIT);
        assert_eq!(tail(&text).len(), QUERY_LIMIT);
        let odd = format!("{text}x");
        assert!(tail(&odd).len() < QUERY_LIMIT && tail(&odd).ends_with('x'));
        assert_eq!(tail("short"), "short");
    }
}
