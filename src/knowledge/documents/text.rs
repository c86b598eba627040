//! Text as it may be stored: no control characters, nothing that is not seen, single spaces.

/// Whether a character is left out. Those are not seen, turn the text's direction, or mean nothing
/// outside a font. Some are used to hide orders to a model.
fn is_left_out(c: char) -> bool {
    matches!(c,
        '\u{0}'..='\u{8}' | '\u{E}'..='\u{1F}' | '\u{7F}'..='\u{84}' | '\u{86}'..='\u{9F}'
        | '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
        | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}'
        | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFF}' | '\u{E000}'..='\u{F8FF}'
        | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{10FFFF}')
}

/// Appends `text` to `line`, white space folded and what is not seen left out. A space at the
/// start of `line` is not kept. The end may be one.
pub(super) fn append(line: &mut String, text: &str) {
    for c in text.chars() {
        if c.is_whitespace() {
            if !line.is_empty() && !line.ends_with([' ', '\n']) {
                line.push(' ');
            }
        } else if !is_left_out(c) {
            line.push(c);
        }
    }
}

/// Begins a new line in `paragraph`, once.
pub(super) fn break_line(paragraph: &mut String) {
    if paragraph.ends_with(' ') {
        paragraph.pop();
    }
    if !paragraph.is_empty() && !paragraph.ends_with('\n') {
        paragraph.push('\n');
    }
}

/// The text as one line.
pub(super) fn line(text: &str) -> String {
    let mut line = String::with_capacity(text.len().min(4096));
    append(&mut line, text);
    line.truncate(line.trim_end().len());
    line
}

/// The text as lines, those left out that are empty.
pub(super) fn lines(text: &str) -> String {
    let mut all = String::with_capacity(text.len().min(4096));
    for one in text.split(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']) {
        break_line(&mut all);
        append(&mut all, one);
    }
    all.truncate(all.trim_end().len());
    all
}

/// How many characters, not bytes.
pub(super) fn characters(text: &str) -> usize {
    text.chars().count()
}

/// The first `count` characters.
pub(super) fn first(text: &str, count: usize) -> &str {
    text.char_indices().nth(count).map_or(text, |(at, _)| &text[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_is_left_out_and_white_space_is_folded() {
        assert_eq!(
            line(" a\u{0}b\u{202E}c\u{200B}d \t\r\n e\u{A0}\u{FEFF}f\u{E0041} "),
            "abcd e f"
        );
        assert_eq!(lines("a \n\n b\u{0}\r\nc "), "a\nb\nc");
        assert_eq!(lines("\u{200B}\n\u{0}\n"), "");
    }
}
