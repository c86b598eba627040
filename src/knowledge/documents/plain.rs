//! Plain text: paragraphs with empty lines between them.

use super::build::Builder;

/// Reads plain text.
pub(super) fn read(text: &str, to: &mut Builder<'_>) {
    let text = text.replace("\r\n", "\n").replace(['\r', '\u{85}', '\u{2028}'], "\n");
    let mut paragraph = String::new();
    for line in text.split(['\n', '\u{c}', '\u{2029}']) {
        if to.is_full() {
            to.cut_off();
            return;
        }
        if line.trim().is_empty() {
            to.paragraph(&paragraph);
            paragraph.clear();
        } else {
            paragraph.push_str(line);
            paragraph.push('\n');
        }
    }
    to.paragraph(&paragraph);
}
