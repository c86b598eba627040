//! Whether two names are one person's, beside a telephone number that is the same.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// A part of a name that says who is meant has at least as many letters: no initial.
const PART_LETTERS: usize = 3;
/// What stands before a name and says nothing of who is meant.
const TITLES: [&str; 25] = [
    "mr",
    "mrs",
    "ms",
    "miss",
    "mister",
    "dr",
    "doctor",
    "prof",
    "professor",
    "sir",
    "madam",
    "herr",
    "frau",
    "monsieur",
    "madame",
    "mademoiselle",
    "mme",
    "senor",
    "senora",
    "senorita",
    "signor",
    "signora",
    "signore",
    "dona",
    "mevrouw",
];
/// Somebody who gives more than was written down says a full name, and no list of names.
const MORE_WORDS_MAX: usize = 2;

/// How well a name that is given fits one that was written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fit {
    /// Another name.
    Not,
    /// One is a part of the other: a family name alone.
    Part,
    /// The same, but for case, accents and punctuation.
    Whole,
}

/// Compares a name that a caller gives with one that was written down.
pub(super) fn fit(given: &str, written: &str) -> Fit {
    let (given, written) = (words(given), words(written));
    if !given.is_empty() && given == written {
        return Fit::Whole;
    }
    let parts = |words: Vec<String>| -> Vec<String> {
        let says = |word: &String| {
            word.chars().count() >= PART_LETTERS && !TITLES.contains(&word.as_str())
        };
        words.into_iter().filter(says).collect()
    };
    let more_words = given.len().saturating_sub(written.len());
    let (given, written) = (parts(given), parts(written));
    let is_part_of =
        |a: &[String], b: &[String]| !a.is_empty() && a.iter().all(|word| b.contains(word));
    let is_written_within = more_words <= MORE_WORDS_MAX && is_part_of(&written, &given);
    match is_part_of(&given, &written) || is_written_within {
        true => Fit::Part,
        false => Fit::Not,
    }
}

fn words(name: &str) -> Vec<String> {
    let plain: String = name
        .nfkd()
        .filter(|&c| !is_combining_mark(c) && !matches!(c, '\'' | '’'))
        .flat_map(char::to_lowercase)
        .collect();
    let words = plain.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_fits_as_a_whole_or_as_a_part() {
        for (given, written, expected) in [
            ("Ana Pérez", "ANA PEREZ", Fit::Whole),
            ("Ana-María", "ana maria", Fit::Whole),
            ("O'Brien", "OBrien", Fit::Whole),
            ("Li Bo", "li bo", Fit::Whole),
            ("李明", "李明", Fit::Whole),
            ("Perez", "Ana Pérez", Fit::Part),
            ("Mr Perez", "Ana Pérez", Fit::Part),
            ("Ana Pérez", "ana", Fit::Part),
            ("Ana María Pérez", "Ana", Fit::Part),
            ("Ana Bob Carl Dora", "Ana", Fit::Not),
            ("Señora", "Señora Pérez", Fit::Not),
            ("Miss", "Miss Marple", Fit::Not),
            ("Frau Pérez", "Ana Perez", Fit::Part),
            ("Bo", "Li Bo", Fit::Not),
            ("Bob Perez", "Ana Perez", Fit::Not),
            ("Anna", "Ana", Fit::Not),
            ("%", "Ana", Fit::Not),
            ("", "", Fit::Not),
            ("", "Ana", Fit::Not),
        ] {
            assert_eq!(fit(given, written), expected, "{given} / {written}");
        }
    }
}
