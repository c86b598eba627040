//! What does the agent know of what the caller talks about? It is looked up while the caller still
//! speaks and again when the words are known, and an answer waits for it, but not for long.

use super::recalls::{Recalls, Topic};
use super::recalls::{count_words, plain, tail};
use super::state::Call;
use super::{Action, Chunk, LogEvent, Passage, RecallId, Recollection, Retrieval, Timer};

/// Fewer words than these ask for nothing that the owner could add to the knowledge.
const QUESTION_WORDS: usize = 3;

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

/// Whether a text has a question in it: transcription writes its mark. The Greek one is a
/// semicolon, which ends nothing elsewhere.
fn asks(text: &str) -> bool {
    text.contains(['?', '？', '؟', '\u{37e}', '՞', '፧']) || text.trim_end().ends_with(';')
}

#[cfg(test)]
mod tests {
    use super::super::recalls::QUERY_LIMIT;
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
