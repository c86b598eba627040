//! The transcript, line by line, and whether somebody's words are in it.

use serde_json::{Value, json};
use unicode_normalization::UnicodeNormalization as _;

/// The most of a conversation that the model is given, bytes: about an hour of talk. The middle of a
/// longer one is left out.
const TOLD_BYTES: usize = 60_000;

/// Who says a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speaker {
    /// The agent.
    Agent,
    /// The caller.
    Caller,
}

/// One line.
#[derive(Debug)]
pub(super) struct Line {
    /// `mm:ss` since the first stream's start.
    pub(super) at: String,
    pub(super) speaker: Speaker,
    pub(super) text: String,
    /// The words as they are compared, with a space around each.
    plain: String,
}

/// A conversation, as `call_logs.transcript` has it.
#[derive(Debug)]
pub(super) struct Transcript {
    pub(super) lines: Vec<Line>,
}

impl Transcript {
    /// Reads lines such as `[00:05] Agent: Hello.`; what is none is left out.
    pub(super) fn read(text: &str) -> Self {
        let line = |line: &str| {
            let (at, rest) = line.strip_prefix('[')?.split_once("] ")?;
            let (who, text) = rest.split_once(':')?;
            let speaker = match who {
                "Agent" => Speaker::Agent,
                "Caller" => Speaker::Caller,
                _ => return None,
            };
            let (at, text) = (at.to_owned(), text.trim().to_owned());
            Some(Line { at, speaker, plain: plain(&text), text })
        };
        Self { lines: text.lines().filter_map(line).collect() }
    }

    /// Whether there are any words of theirs: neither keys nor what could not be understood.
    pub(super) fn has_words_of(&self, speaker: Speaker) -> bool {
        let is_note = |text: &str| text.starts_with('[') && text.ends_with(']');
        self.lines.iter().any(|line| {
            line.speaker == speaker && !line.plain.trim().is_empty() && !is_note(&line.text)
        })
    }

    /// What was said at a place that [`places`](Self::places) gave.
    pub(super) fn said_at(&self, place: usize) -> &str {
        self.lines.get(place).map_or("", |line| &line.text)
    }

    /// Whether a line is theirs.
    pub(super) fn is_of(&self, place: usize, speaker: Speaker) -> bool {
        self.lines.get(place).is_some_and(|line| line.speaker == speaker)
    }

    /// The lines of `speaker` that have this quotation in them, by their places.
    pub(super) fn places(&self, speaker: Speaker, quote: &str) -> Vec<usize> {
        let quote = plain(quote);
        let has = |line: &Line| line.speaker == speaker && line.has(&quote);
        let lines = self.lines.iter().enumerate();
        lines.filter(|(_, line)| has(line)).map(|(place, _)| place).collect()
    }

    /// Whether every word of a text was said by somebody.
    pub(super) fn has_every_word(&self, text: &str) -> bool {
        let text = plain(text);
        let mut words = text.split_whitespace().peekable();
        let is_said = |word: &str| self.lines.iter().any(|line| line.has(&format!(" {word} ")));
        words.peek().is_some() && words.all(is_said)
    }

    /// The lines for the model.
    pub(super) fn told(&self) -> Value {
        let told = |line: &Line| {
            let speaker = if line.speaker == Speaker::Agent { "agent" } else { "caller" };
            json!({"at": line.at, "speaker": speaker, "said": line.text})
        };
        let sizes = |lines: &mut dyn Iterator<Item = &Line>| {
            let mut used = 0;
            lines
                .take_while(|line| {
                    used += line.text.len() + 50;
                    used <= TOLD_BYTES / 2
                })
                .count()
        };
        let first = sizes(&mut self.lines.iter());
        let last = sizes(&mut self.lines.iter().rev());
        if first + last >= self.lines.len() {
            return self.lines.iter().map(told).collect();
        }
        let left_out = self.lines.len() - first - last;
        let mut lines: Vec<Value> = self.lines[..first].iter().map(told).collect();
        lines.push(json!({"lines_left_out": left_out}));
        lines.extend(self.lines[self.lines.len() - last..].iter().map(told));
        Value::Array(lines)
    }
}

impl Line {
    fn has(&self, plain_quote: &str) -> bool {
        let quote = plain_quote.trim();
        if quote.is_empty() {
            return false;
        }
        // Where words are written without spaces between them, a quotation may end anywhere.
        if quote.chars().any(is_unspaced) {
            return self.plain.contains(quote);
        }
        self.plain.contains(plain_quote)
    }
}

/// The words in one spelling: no case, no punctuation, no accents of width, one space around each.
pub(super) fn plain(text: &str) -> String {
    let text: String = text.nfkc().filter(|c| !matches!(c, '\'' | '’')).collect();
    let text = text.to_lowercase();
    let mut plain = String::from(" ");
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        plain.push_str(word);
        plain.push(' ');
    }
    plain
}

/// Scripts without spaces: Thai to Khmer, kana, Han.
fn is_unspaced(c: char) -> bool {
    matches!(c, '\u{0e00}'..='\u{0fff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}'
        | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    const TALK: &str = "[00:00] Agent: Hello, Bright Smiles.\n\
        [00:04] Caller: I'd like Tuesday — yes,\tplease!\n\
        [00:09] Agent: You’re booked for Tuesday at 14:30.\n\
        [00:12] Caller: [inaudible]\n\
        nonsense\n[00:13] Owner: no\n\
        [00:15] Caller: 火曜日をお願いします。\n";

    #[test]
    fn lines_are_read_with_who_said_them_when() {
        let talk = Transcript::read(TALK);
        let lines: Vec<_> =
            talk.lines.iter().map(|line| (line.at.as_str(), line.speaker)).collect();
        use Speaker::{Agent, Caller};
        let expected = [
            ("00:00", Agent),
            ("00:04", Caller),
            ("00:09", Agent),
            ("00:12", Caller),
            ("00:15", Caller),
        ];
        assert_eq!(lines, expected);
        assert!(talk.has_words_of(Caller) && talk.has_words_of(Agent));
        let silent = "[00:00] Agent: Hello?\n[00:04] Caller: [inaudible]\n\
                      [00:05] Caller: [pressed 12]\n[00:06] Caller: …";
        assert!(!Transcript::read(silent).has_words_of(Caller));
        assert!(!Transcript::read("").has_words_of(Caller));
    }

    #[test]
    fn a_quotation_is_words_of_one_line_of_the_right_speaker() {
        let talk = Transcript::read(TALK);
        for (speaker, quote, expected) in [
            (Speaker::Agent, "you're booked for tuesday at 14:30", vec![2]),
            (Speaker::Caller, "Yes, please.", vec![1]),
            (Speaker::Agent, "yes please", vec![]),
            (Speaker::Caller, "ye", vec![]),
            (Speaker::Caller, "Tuesday please", vec![]),
            (Speaker::Agent, "Bright Smiles. You're booked", vec![]),
            (Speaker::Caller, "", vec![]),
            (Speaker::Caller, "…!", vec![]),
            (Speaker::Caller, "お願いします", vec![4]),
        ] {
            assert_eq!(talk.places(speaker, quote), expected, "{quote}");
        }
        assert!(talk.has_every_word("Tuesday Smiles"));
        assert!(!talk.has_every_word("Tuesday Maria") && !talk.has_every_word(" "));
    }

    #[test]
    fn a_long_talk_is_told_without_its_middle() {
        let long: String =
            (0..1_000).map(|n| format!("[00:00] Caller: {n} {}\n", "word ".repeat(30))).collect();
        let told = Transcript::read(&long).told();
        assert!(told.to_string().len() < TOLD_BYTES + 10_000);
        let told = told.as_array().unwrap();
        assert!(told[0]["said"].as_str().unwrap().starts_with("0 "));
        assert!(told.last().unwrap()["said"].as_str().unwrap().starts_with("999 "));
        let left_out = told.iter().find_map(|line| line["lines_left_out"].as_u64()).unwrap();
        assert_eq!(left_out as usize + told.len() - 1, 1_000);
        let short = Transcript::read(TALK).told();
        assert_eq!(short.as_array().unwrap().len(), 5);
        assert_eq!(
            short[0],
            json!({"at": "00:00", "speaker": "agent", "said": "Hello, Bright Smiles."})
        );
    }
}
