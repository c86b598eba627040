//! Regular expressions as JSON Schema has them, ECMA-262's, through an engine that is linear in the
//! text: what an owner writes cannot make a check run for ever.

use regex::{Regex, RegexBuilder};

/// The most memory that a pattern's machine may take, bytes. It is made for one check and dropped;
/// `^.{1,500}$` needs most of it.
const BYTES_MAX: usize = 512 * 1024;
/// The longest source, bytes. It is translated before the engine bounds it.
const SOURCE_MAX: usize = 2 * 1024;
/// How deep groups may stand in one another, and other nesting.
const NEST_MAX: u32 = 32;
/// The longest text that is looked at, bytes: 2,000 characters of four.
const TEXT_MAX: usize = 8 * 1024;
/// What one match costs, in steps of a check: compiling it is most of that.
pub(super) const STEPS: usize = 500;

/// A pattern, ready to be used.
pub(super) struct Pattern(Regex);

impl Pattern {
    /// Nothing, if it is too large or has what a linear engine cannot do: references back, looks
    /// around.
    pub(super) fn new(source: &str) -> Option<Self> {
        if source.len() > SOURCE_MAX {
            return None;
        }
        let regex = RegexBuilder::new(&translated(source))
            .size_limit(BYTES_MAX)
            .dfa_size_limit(BYTES_MAX)
            .nest_limit(NEST_MAX)
            .build();
        regex.ok().map(Self)
    }

    /// Whether it is found in a text; not in one that is too long.
    pub(super) fn matches(&self, text: &str) -> bool {
        text.len() <= TEXT_MAX && self.0.is_match(text)
    }
}

/// The same in the engine's dialect: `\d` and `\w` are ASCII, and a `[`, `&` or `~` between brackets
/// is itself.
fn translated(source: &str) -> String {
    let mut out = String::with_capacity(source.len() + 16);
    let mut is_in_class = false;
    let mut characters = source.chars();
    while let Some(character) = characters.next() {
        match (character, is_in_class) {
            ('\\', _) => match (characters.next(), is_in_class) {
                (Some('d'), false) => out.push_str("[0-9]"),
                (Some('d'), true) => out.push_str("0-9"),
                (Some('D'), false) => out.push_str("[^0-9]"),
                (Some('w'), false) => out.push_str("[0-9A-Za-z_]"),
                (Some('w'), true) => out.push_str("0-9A-Za-z_"),
                (Some('W'), false) => out.push_str("[^0-9A-Za-z_]"),
                (escaped, _) => {
                    out.push('\\');
                    out.extend(escaped);
                }
            },
            ('[', false) => {
                is_in_class = true;
                out.push('[');
            }
            (']', true) => {
                is_in_class = false;
                out.push(']');
            }
            ('[' | '&' | '~', true) => {
                out.push('\\');
                out.push(character);
            }
            (other, _) => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_they_mean_in_a_schema() {
        for (pattern, text, matches) in [
            (r"^\d{3}-\w+$", "123-a_B", true),
            (r"^\d$", "\u{663}", false),
            (r"^\w+$", "é", false),
            (r"^[\w.-]+$", "a.b-c", true),
            (r"^[^\d]$", "a", true),
            (r"^\D\W$", "a!", true),
            (r"^[[a]$", "[", true),
            (r"^[a&&b~~]+$", "&~ab", true),
            (r"^a\/b\.c$", "a/b.c", true),
            (r"\u0041", "A", true),
            (r"^.{1,500}$", "any text, é", true),
            (r"^(?<year>\d{4})$", "2026", true),
            ("b", "abc", true),
        ] {
            let found = Pattern::new(pattern).unwrap_or_else(|| panic!("{pattern}"));
            assert_eq!(found.matches(text), matches, "{pattern} {text}");
        }
    }

    #[test]
    fn what_cannot_be_bounded_is_refused() {
        let deep = format!("{}a{}", "(".repeat(900), ")".repeat(900));
        let chain = "(?:a|".repeat(300) + "b" + &")".repeat(300);
        for pattern in [
            "[",
            "(",
            r"(a)\1",
            "(?=a)",
            "(?<!a)",
            "(a{1000}){1000}",
            r"(\p{L}{100}){100}",
            &deep,
            &chain,
            &"a".repeat(3_000),
        ] {
            assert!(Pattern::new(pattern).is_none(), "{pattern}");
        }
        let slow = Pattern::new("^(a+)+$").expect("it is a pattern");
        assert!(!slow.matches(&("a".repeat(TEXT_MAX - 1) + "!")));
        assert!(!slow.matches(&"a".repeat(TEXT_MAX + 1)));
    }
}
