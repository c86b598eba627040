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
    /// The names are different.
    Not,
    /// One is a part of the other: a family name alone.
    Part,
    /// The same, but for case, accents and punctuation.
    Whole,
}

/// Compares a name that a caller gives with one that was written down.
pub(super) fn fit(given: &str, written: &str) -> Fit {
    let (given, written) = (words(given), words(written));
    let are_same = given.iter().zip(&written).all(|(given, written)| given.is(written));
    if !given.is_empty() && given.len() == written.len() && are_same {
        return Fit::Whole;
    }
    let parts = |words: Vec<Word>| -> Vec<Word> {
        let says = |word: &Word| {
            word.plain.chars().count() >= PART_LETTERS && !TITLES.contains(&word.plain.as_str())
        };
        words.into_iter().filter(says).collect()
    };
    let more_words = given.len().saturating_sub(written.len());
    let (given, written) = (parts(given), parts(written));
    let is_part_of = |a: &[Word], b: &[Word]| {
        !a.is_empty() && a.iter().all(|word| b.iter().any(|other| other.is(word)))
    };
    let is_written_within = more_words <= MORE_WORDS_MAX && is_part_of(&written, &given);
    match is_part_of(&given, &written) || is_written_within {
        true => Fit::Part,
        false => Fit::Not,
    }
}

/// A word of a name without accents, in the two spellings that it has where the keys for its
/// letters are missing: `Müller` is `muller` and `mueller`.
#[derive(Debug, PartialEq, Eq)]
struct Word {
    plain: String,
    spelt_out: String,
}

impl Word {
    fn is(&self, other: &Self) -> bool {
        self.plain == other.plain
            || self.plain == other.spelt_out
            || self.spelt_out == other.plain
            || self.spelt_out == other.spelt_out
    }
}

fn words(name: &str) -> Vec<Word> {
    let plain = folded(name, |letter| letter.0);
    let spelt_out = folded(name, |letter| letter.1);
    let words = |text: &str| -> Vec<String> {
        let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        words.map(str::to_owned).collect()
    };
    let pairs = words(&plain).into_iter().zip(words(&spelt_out));
    pairs.map(|(plain, spelt_out)| Word { plain, spelt_out }).collect()
}

/// A name in small letters without accents, with `choose` for the letters that have more than one
/// spelling or are no other letter with an accent.
fn folded(name: &str, choose: fn((&'static str, &'static str)) -> &'static str) -> String {
    let mut folded = String::with_capacity(name.len());
    for c in name.nfc().flat_map(char::to_lowercase) {
        match letter(c) {
            Some(pair) => folded.push_str(choose(pair)),
            None => folded.push(c),
        }
    }
    let is_kept = |c: &char| !is_combining_mark(*c) && !matches!(c, '\'' | '’');
    folded.nfkd().filter(is_kept).flat_map(char::to_lowercase).collect()
}

/// How a letter is written without its own key: as it looks, and as it is spelt out.
fn letter(c: char) -> Option<(&'static str, &'static str)> {
    Some(match c {
        'ä' => ("a", "ae"),
        'ö' | 'ø' => ("o", "oe"),
        'ü' => ("u", "ue"),
        'å' => ("a", "aa"),
        'đ' => ("d", "dj"),
        'ð' => ("d", "dh"),
        'æ' => ("ae", "ae"),
        'œ' => ("oe", "oe"),
        'ß' => ("ss", "ss"),
        'þ' => ("th", "th"),
        'ł' => ("l", "l"),
        'ħ' => ("h", "h"),
        'ı' => ("i", "i"),
        'ŋ' => ("n", "n"),
        'ŧ' => ("t", "t"),
        _ => return None,
    })
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
            ("Łukasz Wałęsa", "Lukasz Walesa", Fit::Whole),
            ("Sørensen", "SORENSEN", Fit::Whole),
            ("Soerensen", "Sørensen", Fit::Whole),
            ("Đoković", "Djokovic", Fit::Whole),
            ("Đoković", "Dokovic", Fit::Whole),
            ("Guðmundur Þórsson", "Gudmundur Thorsson", Fit::Whole),
            ("Strauß", "STRAUSS", Fit::Whole),
            ("STRAU\u{1E9E}", "Strauss", Fit::Whole),
            ("Kjær", "Kjaer", Fit::Whole),
            ("Kjær", "Kjär", Fit::Whole),
            ("Jörg Müller", "Joerg Mueller", Fit::Whole),
            ("Jörg Müller", "Jorg Muller", Fit::Whole),
            ("Mu\u{308}ller", "Mueller", Fit::Whole),
            ("Åse", "Aase", Fit::Whole),
            ("Işık", "Isik", Fit::Whole),
            ("İnci", "Inci", Fit::Whole),
            ("Mueller", "Jörg Müller", Fit::Part),
            ("Michal", "Michael", Fit::Not),
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
