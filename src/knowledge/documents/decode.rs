//! Bytes to text, by what says which characters they are.

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// How far into a page its character set may be named; HTML says 1,024.
const META_WITHIN: usize = 4096;

/// The text: by its byte order mark, else the content type, else UTF-8 if it is that, else
/// UTF-16 if every other byte is zero, else Windows-1252, which every byte is of.
pub(super) fn text(bytes: &[u8], content_type: Option<&str>) -> String {
    by_label(bytes, content_type.and_then(charset_of))
}

/// The text of a page, which may name its character set itself.
pub(super) fn page(bytes: &[u8], content_type: Option<&str>) -> String {
    let label = content_type.and_then(charset_of).or_else(|| {
        let start = &bytes[..bytes.len().min(META_WITHIN)];
        // A page that says UTF-16 where that can be read as ASCII is not in UTF-16.
        charset_of(&String::from_utf8_lossy(start))
            .map(|found| if found == UTF_16LE || found == UTF_16BE { UTF_8 } else { found })
    });
    by_label(bytes, label)
}

fn by_label(bytes: &[u8], label: Option<&'static Encoding>) -> String {
    let encoding = match Encoding::for_bom(bytes) {
        Some((encoding, _)) => encoding,
        // Many pages say Latin-1 and are UTF-8. By chance a text is seldom UTF-8.
        None if std::str::from_utf8(bytes).is_ok() && !looks_like_utf_16(bytes) => UTF_8,
        None => label.unwrap_or_else(|| unlabelled(bytes)),
    };
    encoding.decode(bytes).0.into_owned()
}

fn unlabelled(bytes: &[u8]) -> &'static Encoding {
    if looks_like_utf_16(bytes) {
        let is_zero = |at: usize| bytes.iter().skip(at).step_by(2).take(64).all(|byte| *byte == 0);
        return if is_zero(0) { UTF_16BE } else { UTF_16LE };
    }
    // Where only the end is torn, or a few bytes are wrong, it is UTF-8 all the same.
    let lossy = String::from_utf8_lossy(&bytes[..bytes.len().min(64 << 10)]);
    let wrong = lossy.matches('\u{FFFD}').count();
    let right = lossy.chars().filter(|c| !c.is_ascii() && *c != '\u{FFFD}').count();
    if wrong * 10 < right { UTF_8 } else { WINDOWS_1252 }
}

/// Text of mostly Latin letters in UTF-16 without its mark: every other byte is zero.
fn looks_like_utf_16(bytes: &[u8]) -> bool {
    let start = &bytes[..bytes.len().min(128)];
    start.len() >= 8
        && [0, 1].iter().any(|at| start.iter().skip(*at).step_by(2).all(|byte| *byte == 0))
        && start.iter().any(|byte| *byte != 0)
}

/// What stands after `charset=`, in a content type or the start of a page.
fn charset_of(text: &str) -> Option<&'static Encoding> {
    let lower = text.to_ascii_lowercase();
    lower.match_indices("charset").find_map(|(at, word)| {
        let rest = lower[at + word.len()..].trim_start().strip_prefix('=')?;
        let rest = rest.trim_start().trim_start_matches(['"', '\'']);
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "-_:.".contains(c)));
        Encoding::for_label(&rest.as_bytes()[..end.unwrap_or(rest.len())])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_character_set_is_found() {
        assert_eq!(text(b"Caf\xE9", None), "Café");
        assert_eq!(text("Café".as_bytes(), Some("text/plain; charset=iso-8859-1")), "Café");
        assert_eq!(text(b"\xEF\xBB\xBFa", None), "a");
        assert_eq!(text(b"\xFF\xFEa\0b\0", None), "ab");
        assert_eq!(text(b"a\0b\0c\0d\0e\0", None), "abcde");
        assert_eq!(text(b"\x93\xFA", Some("text/csv; charset=\"shift_jis\"")), "日");
        assert_eq!(
            page(b"<meta charset='windows-1251'>\xCF", None),
            "<meta charset='windows-1251'>П"
        );
    }
}
