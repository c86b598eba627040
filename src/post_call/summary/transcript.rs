//! The transcript, as numbered lines.

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

    /// A line by its number, from 1.
    pub(super) fn line(&self, number: i64) -> Option<&Line> {
        self.lines.get(usize::try_from(number).ok()?.checked_sub(1)?)
    }

    /// Whether every word of a text was said by somebody.
    pub(super) fn has_every_word(&self, text: &str) -> bool {
        let text = plain(text);
        let mut words = text.split_whitespace().peekable();
        let is_said = |word: &str| self.lines.iter().any(|line| line.has(&format!(" {word} ")));
        words.peek().is_some() && words.all(is_said)
    }

    /// Lines for the model, those of these places that there are.
    pub(super) fn told_of(&self, places: impl Iterator<Item = usize>) -> Value {
        places.filter_map(|place| Some(self.lines.get(place)?.told(place + 1))).collect()
    }

    /// All lines for the model, as far as they are not too many.
    pub(super) fn told(&self) -> Value {
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
        let all = self.lines.len();
        if first + last >= all {
            return self.told_of(0..all);
        }
        let (first, last) = (self.told_of(0..first), self.told_of(all - last..all));
        let told = |part: &Value| part.as_array().map_or(0, Vec::len);
        let left_out = json!({"lines_left_out": all - told(&first) - told(&last)});
        let parts = [first, json!([left_out]), last];
        parts.iter().flat_map(|part| part.as_array().cloned().unwrap_or_default()).collect()
    }
}

impl Line {
    fn told(&self, number: usize) -> Value {
        let speaker = if self.speaker == Speaker::Agent { "agent" } else { "caller" };
        json!({"line": number, "at": self.at, "speaker": speaker, "said": self.text})
    }

    /// Whether these words are in it.
    pub(super) fn quotes(&self, quote: &str) -> bool {
        self.has(&plain(quote))
    }

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
    let text = text.nfkc().collect::<String>().to_lowercase();
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
    fn a_quotation_is_whole_words_of_its_line() {
        let talk = Transcript::read(TALK);
        for (number, quote, expected) in [
            (3, "you're booked for tuesday at 14:30", true),
            (2, "Yes, please.", true),
            (3, "yes please", false),
            (2, "ye", false),
            (2, "Tuesday please", false),
            (2, "", false),
            (2, "…!", false),
            (5, "お願いします", true),
        ] {
            assert_eq!(talk.line(number).unwrap().quotes(quote), expected, "{quote}");
        }
        assert!(talk.has_every_word("Tuesday Smiles"));
        assert!(!talk.has_every_word("Tuesday Maria") && !talk.has_every_word(" "));
        let french = Transcript::read("[00:01] Caller: Je voudrais voir l'ostéo.");
        assert!(french.has_every_word("ostéo"), "an article is a word of its own");
        for none in [0, 6, -1, i64::MAX, i64::MIN] {
            assert!(talk.line(none).is_none(), "{none}");
        }
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
        assert_eq!(told.last().unwrap()["line"], 1_000);
        let left_out = told.iter().find_map(|line| line["lines_left_out"].as_u64()).unwrap();
        assert_eq!(left_out as usize + told.len() - 1, 1_000);
        let short = Transcript::read(TALK).told();
        assert_eq!(short.as_array().unwrap().len(), 5);
        assert_eq!(
            short[0],
            json!({"line": 1, "at": "00:00", "speaker": "agent", "said": "Hello, Bright Smiles."})
        );
    }
}
