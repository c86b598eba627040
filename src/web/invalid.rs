//! A value that is not accepted.

use super::problem::Problem;

/// It, by the name of its field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Invalid {
    /// The name of the field.
    pub(super) field: &'static str,
    /// What was wrong, and what is accepted.
    pub(super) detail: String,
}

impl Invalid {
    /// This field, for this reason.
    pub(super) fn new(field: &'static str, detail: impl Into<String>) -> Self {
        Self { field, detail: detail.into() }
    }
}

impl From<Invalid> for Problem {
    fn from(invalid: Invalid) -> Self {
        Self::invalid(invalid.field, invalid.detail)
    }
}

/// A text without letters that are not seen: they hide that one name is not another, and some turn the
/// direction of all that comes after them. Joiners stay, which scripts and pictures need.
pub(super) fn seen(text: &str) -> String {
    let is_unseen = |c: char| {
        matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}'
            | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}'
            | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}')
    };
    let seen: String = text.chars().filter(|c| !is_unseen(*c)).collect();
    let joins = |c: char| matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}');
    if seen.chars().all(|c| joins(c) || c.is_whitespace()) { String::new() } else { seen }
}

/// A text of one line: what parts its words is one blank each, and what is not seen is left out.
///
/// # Errors
/// It is longer than `longest` characters, or empty though it must not be.
pub(super) fn one_line(
    field: &'static str,
    text: &str,
    longest: usize,
    may_be_empty: bool,
) -> Result<String, Invalid> {
    let text = seen(text);
    let words: Vec<&str> = text.split(|c: char| c.is_whitespace() || c.is_control()).collect();
    let text = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    if text.is_empty() && !may_be_empty {
        return Err(Invalid::new(
            field,
            format!("is empty; accepted are 1 to {longest} characters"),
        ));
    }
    if text.chars().count() > longest {
        let detail = format!("is too long; accepted are up to {longest} characters");
        return Err(Invalid::new(field, detail));
    }
    Ok(text)
}

/// A text of several lines.
///
/// # Errors
/// It is longer than `longest` characters.
pub(super) fn lines(field: &'static str, text: &str, longest: usize) -> Result<String, Invalid> {
    let text = text.replace("\r\n", "\n").replace(|c: char| c.is_control() && c != '\n', " ");
    let text = text.trim().to_owned();
    if text.chars().count() > longest {
        let detail = format!("is too long; accepted are up to {longest} characters");
        return Err(Invalid::new(field, detail));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_one() {
        let line = |text| one_line("name", text, 10, false);
        assert_eq!(line(" Anna\r\n\tKhan "), Ok("Anna Khan".to_owned()));
        assert_eq!(line("Anna\0Khan"), Ok("Anna Khan".to_owned()));
        assert_eq!(line(" \n ").unwrap_err().field, "name");
        for unseen in ["\u{202e}", "\u{200b} \u{feff}", "\u{200d}", "\u{3164}\u{2800}"] {
            assert_eq!(line(unseen).unwrap_err().field, "name", "{unseen:?}");
        }
        assert_eq!(line("\u{202e}An\u{200b}na\u{2066}"), Ok("Anna".to_owned()));
        let joined = "\u{1f469}\u{200d}\u{1f4bb}";
        assert_eq!(line(joined), Ok(joined.to_owned()));
        assert!(line("eleven char").is_err());
        assert_eq!(one_line("name", "", 10, true), Ok(String::new()));
        assert_eq!(lines("notes", "a\r\nb\u{7}", 5), Ok("a\nb".to_owned()));
        assert!(lines("notes", "abcdef", 5).is_err());
    }
}
