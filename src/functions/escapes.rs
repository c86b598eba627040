//! A text as those read it who undo its escapes: JSON's (PHP also writes `\/`, Python `\u00e4`), those of
//! addresses, those of HTML, and one within the other, as in JSON that is a text in JSON. Each letter
//! knows where it was in the text as it came.

use std::ops::Range;

/// How deep one may be within the other.
const DEPTH: usize = 3;
/// As many readings of one text are made.
const READINGS_MAX: usize = 16;

/// A reading of a text.
pub(super) struct Reading {
    /// What is read.
    pub(super) text: String,
    /// For each byte of that, and for its end, where the letter began in the text as it came.
    origin: Vec<usize>,
}

/// A way to write letters otherwise.
#[derive(Debug, Clone, Copy)]
enum Escape {
    Json,
    Address,
    Html,
}

impl Reading {
    /// The readings of a text: as it came, and with its escapes undone.
    pub(super) fn all(text: &str) -> Vec<Self> {
        let as_it_came = Self { text: text.to_owned(), origin: (0..=text.len()).collect() };
        let mut all = vec![as_it_came];
        let mut begin = 0;
        for _ in 0..DEPTH {
            let end = all.len();
            for known in begin..end {
                for escape in [Escape::Json, Escape::Address, Escape::Html] {
                    if all.len() < READINGS_MAX {
                        all.extend(all[known].undone(escape));
                    }
                }
            }
            begin = end;
        }
        all
    }

    /// Where a part of the reading was in the text as it came.
    pub(super) fn place(&self, part: Range<usize>) -> Range<usize> {
        self.origin[part.start]..self.origin[part.end]
    }

    /// None: there is nothing to undo.
    fn undone(&self, escape: Escape) -> Option<Self> {
        let mut undone = Self { text: String::new(), origin: Vec::new() };
        let (mut at, mut has_changed) = (0, false);
        while let Some(offset) = self.text[at..].find(escape.begins_with()) {
            undone.copy(self, at..at + offset);
            at += offset;
            let length = match escape.read(&self.text[at..]) {
                Some((letter, length)) => {
                    let begin = undone.text.len();
                    undone.text.push(letter);
                    let bytes = undone.text.len() - begin;
                    undone.origin.extend(std::iter::repeat_n(self.origin[at], bytes));
                    has_changed = true;
                    length
                }
                None => {
                    undone.copy(self, at..at + 1);
                    1
                }
            };
            at += length;
        }
        undone.copy(self, at..self.text.len());
        undone.origin.extend(self.origin.last());
        has_changed.then_some(undone)
    }

    fn copy(&mut self, of: &Self, part: Range<usize>) {
        self.text.push_str(&of.text[part.clone()]);
        self.origin.extend_from_slice(&of.origin[part]);
    }
}

impl Escape {
    fn begins_with(self) -> char {
        match self {
            Self::Json => '\\',
            Self::Address => '%',
            Self::Html => '&',
        }
    }

    /// The letter at the beginning of a text, and how many bytes it takes there.
    fn read(self, text: &str) -> Option<(char, usize)> {
        match self {
            Self::Json => json(text),
            Self::Address => address(text),
            Self::Html => html(text),
        }
    }
}

fn json(text: &str) -> Option<(char, usize)> {
    let letter = match *text.as_bytes().get(1)? {
        letter @ (b'"' | b'\'' | b'\\' | b'/') => char::from(letter),
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unicode(text),
        _ => return None,
    };
    Some((letter, 2))
}

/// `\u00e4`, and two of them for a letter beyond those that one can name.
fn unicode(text: &str) -> Option<(char, usize)> {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    let first = unit(0)?;
    let pair = || Some(([first, unit(6)?], 12));
    let (units, length) = match char::from_u32(first.into()) {
        Some(letter) => return Some((letter, 6)),
        None => pair()?,
    };
    let letter = char::decode_utf16(units).next()?.ok()?;
    Some((letter, length))
}

/// `%C3%A4`: one letter, of as many bytes as it has.
fn address(text: &str) -> Option<(char, usize)> {
    let mut bytes = Vec::new();
    for at in (0..12).step_by(3) {
        let digits = text.get(at..at + 3)?.strip_prefix('%')?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        if let Ok(letter) = std::str::from_utf8(&bytes) {
            return Some((letter.chars().next()?, at + 3));
        }
    }
    None
}

/// `&amp;`, `&#47;` or `&#x2f;`.
fn html(text: &str) -> Option<(char, usize)> {
    /// The longest name or number, in bytes.
    const LONGEST: usize = 10;
    let end = text.bytes().take(LONGEST).position(|byte| byte == b';')?;
    let letter = match &text[1..end] {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        name => {
            let number = name.strip_prefix('#')?;
            let number = match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16),
                None => number.parse(),
            };
            char::from_u32(number.ok()?)?
        }
    };
    Some((letter, end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reading_knows_where_its_letters_were() {
        for (text, read, came) in [
            (r"a q9\/Zt+ b", "q9/Zt+", r"q9\/Zt+"),
            (r"a gr\u00fc\u00DFe b", "gr\u{fc}\u{df}e", r"gr\u00fc\u00DFe"),
            (r"a \ud83d\udE00! b", "\u{1f600}!", r"\ud83d\udE00!"),
            (r#"{"a": "{\"b\": \"q9\\\/Z\"}"}"#, "q9/Z", r"q9\\\/Z"),
            ("a q9%2fZt%C3%A4 b", "q9/Zt\u{e4}", "q9%2fZt%C3%A4"),
            ("a q9%252F%25C3%25A4 b", "q9/\u{e4}", "q9%252F%25C3%25A4"),
            ("a &lt;q&#x2f;9&#47;&amp; b", "<q/9/&", "&lt;q&#x2f;9&#47;&amp;"),
            (r"a &lt;q\u0026amp;9 b", "<q&9", r"&lt;q\u0026amp;9"),
        ] {
            let found = Reading::all(text).into_iter().find_map(|reading| {
                let at = reading.text.find(read)?;
                Some(text[reading.place(at..at + read.len())].to_owned())
            });
            assert_eq!(found.as_deref(), Some(came), "{text}");
        }
    }

    #[test]
    fn what_is_no_escape_stays() {
        for text in [
            r"a \",
            r"\q \u12 \ud800 \u00e",
            "100 % & 5 %zz &#; &nothing;",
            "%ff%c3\u{e4}",
            "&\u{e4};",
        ] {
            let all = Reading::all(text);
            assert_eq!(all.len(), 1, "{text}: {:?}", all.last().map(|last| &last.text));
        }
    }
}
