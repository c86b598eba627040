//! What somebody says, word by word, as times and days are looked for in it.

/// What stands between a word such as `after` and the time or day that it is about.
const SKIPPED: [&str; 22] = [
    "the",
    "on",
    "at",
    "am",
    "um",
    "den",
    "dem",
    "der",
    "le",
    "el",
    "il",
    "about",
    "around",
    "this",
    "next",
    "coming",
    "nächsten",
    "kommenden",
    "diesen",
    "do",
    "make",
    "come",
];
/// Before or after that time, so not at it.
const BOUNDS: [&str; 20] = [
    "after", "before", "until", "till", "by", "past", "nach", "vor", "bis", "après", "avant",
    "después", "antes", "hasta", "dopo", "voor", "tot", "depois", "até", "earlier",
];
/// From that time on.
const BEGINNINGS: [&str; 11] = [
    "from", "between", "since", "ab", "von", "zwischen", "seit", "entre", "depuis", "desde",
    "vanaf",
];
const DENIALS: [&str; 12] = [
    "not", "than", "nicht", "statt", "anstatt", "niet", "pas", "can't", "cannot", "won't", "don't",
    "couldn't",
];
/// How words begin of one who moves something from one time to another.
const MOVES: [&str; 8] =
    ["mov", "chang", "resched", "switch", "shift", "verschieb", "verschob", "verleg"];
/// What may follow a number that is an hour or a day by itself; `at 2 Main Street` is neither.
const FREE: [&str; 44] = [
    "on",
    "in",
    "at",
    "tomorrow",
    "today",
    "tonight",
    "then",
    "please",
    "for",
    "is",
    "works",
    "and",
    "or",
    "would",
    "with",
    "instead",
    "ok",
    "okay",
    "am",
    "pm",
    "morgen",
    "heute",
    "dann",
    "bitte",
    "oder",
    "und",
    "passt",
    "ist",
    "geht",
    "de",
    "da",
    "di",
    "del",
    "op",
    "le",
    "el",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
    "of",
];

/// The words of a line in lower case, with the punctuation at their ends.
pub(super) fn words(said: &str) -> Vec<String> {
    let lower = said.to_lowercase().replace('’', "'");
    let pieces = lower.split(|c: char| c.is_whitespace() || matches!(c, '–' | '—'));
    let pieces = pieces.flat_map(|piece| {
        // `two-thirty`, `Tuesday/Wednesday`, and neither `2026-12-01` nor `12/1/2026`.
        let is_spelled = piece.contains(char::is_alphabetic);
        piece.split(move |c: char| is_spelled && matches!(c, '-' | '/'))
    });
    pieces.filter(|piece| piece.contains(char::is_alphanumeric)).map(str::to_owned).collect()
}

/// The word at a place, without punctuation at its ends; nothing behind the last one.
pub(super) fn bare(words: &[String], at: usize) -> &str {
    let word = words.get(at).map_or("", String::as_str);
    let word = word.trim_matches(|c: char| !c.is_alphanumeric());
    word.strip_suffix("'s").unwrap_or(word)
}

/// The word before a place, if nothing parts the two.
pub(super) fn before(words: &[String], at: usize) -> &str {
    match at.checked_sub(1) {
        Some(last) if !ends(words, last) => bare(words, last),
        _ => "",
    }
}

/// Whether a part of a sentence ends with the word at a place.
pub(super) fn ends(words: &[String], at: usize) -> bool {
    words.get(at).is_none_or(|word| word.ends_with([',', '.', ';', ':', '?', '!', '…']))
}

/// Whether the number at a place belongs to no word behind it.
pub(super) fn is_free(words: &[String], at: usize) -> bool {
    ends(words, at) || at + 1 == words.len() || FREE.contains(&bare(words, at + 1))
}

/// What a time or a day is said for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// It is what is meant, or may be.
    Meant,
    /// What is meant begins with it, or may.
    Beginning,
    /// What is meant is before or after it, or is not it.
    Beside,
}

impl Role {
    /// Of what begins at a place.
    pub(super) fn at(words: &[String], at: usize) -> Self {
        let mut place = at;
        loop {
            let word = before(words, place);
            let is_instead = word == "of" && before(words, place - 1) == "instead";
            if is_instead || BOUNDS.contains(&word) || DENIALS.contains(&word) {
                return Self::Beside;
            } else if BEGINNINGS.contains(&word) {
                // Moved away from there.
                let moves = |word: &String| MOVES.iter().any(|begin| word.starts_with(begin));
                return if words.iter().any(moves) { Self::Beside } else { Self::Beginning };
            } else if !SKIPPED.contains(&word) || at - place > 2 {
                return Self::Meant;
            }
            place -= 1;
        }
    }
}

/// What all times or days of a line come to: whether it says the one that is looked for, or only
/// others, or nothing.
pub(super) fn verdict(found: impl Iterator<Item = (Role, bool)>) -> Option<bool> {
    let mut verdict = None;
    for (role, is_it) in found {
        match (role, is_it) {
            (Role::Meant | Role::Beginning, true) => return Some(true),
            (Role::Meant, false) => verdict = Some(false),
            (Role::Beginning, false) | (Role::Beside, _) => {}
        }
    }
    verdict
}

/// All that is found in a line, with what each is said for. `find` gives what begins at a place and
/// how many words it takes.
pub(super) fn all<T>(
    words: &[String],
    find: impl Fn(usize) -> Option<(T, usize)>,
) -> Vec<(Role, T)> {
    let (mut at, mut found) = (0, Vec::new());
    while at < words.len() {
        let Some((what, taken)) = find(at) else {
            at += 1;
            continue;
        };
        found.push((Role::at(words, at), what));
        at += taken.max(1);
    }
    found
}
