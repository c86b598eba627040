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
/// Behind these `by` is no bound: `come by at two`.
const VISITS: [&str; 6] = ["come", "coming", "stop", "swing", "drop", "pass"];
/// Behind these a denial is none: `why not Tuesday?`
const WHYS: [&str; 6] = ["why", "pourquoi", "warum", "waarom", "perché", "qué"];
/// What refuses a time or a day that was said before it in the same part of a sentence.
const REFUSALS: [&str; 30] = [
    "already",
    "gone",
    "kein",
    "keine",
    "isn't",
    "aren't",
    "doesn't",
    "won't",
    "wouldn't",
    "can't",
    "cannot",
    "not",
    "nicht",
    "pas",
    "niet",
    "unavailable",
    "taken",
    "full",
    "impossible",
    "unfortunately",
    "belegt",
    "vergeben",
    "ausgebucht",
    "leider",
    "malheureusement",
    "pris",
    "prise",
    "occupé",
    "ocupado",
    "ocupada",
];
/// Where something else begins than what is said of a time.
const TURNS: [&str; 12] =
    ["but", "if", "or", "so", "aber", "wenn", "falls", "oder", "mais", "ou", "pero", "si"];
/// What is said before all that somebody cannot do or has not.
const CANNOTS: [&str; 10] = [
    "can't", "cannot", "couldn't", "unable", "don't", "doesn't", "kein", "keine", "keinen",
    "cancel",
];
/// What makes nothing of one of these: `can't wait`, `don't forget`.
const NOTHINGS: [&str; 6] = ["wait", "problem", "worry", "forget", "mind", "doubt"];
/// What is not there if `no` stands before it.
const THERE: [&str; 4] = ["hay", "tengo", "tenemos", "tiene"];
const DENIALS: [&str; 12] = [
    "not", "than", "nicht", "statt", "anstatt", "niet", "pas", "can't", "cannot", "won't", "don't",
    "couldn't",
];
/// How words begin of one who moves something from one time to another.
const MOVES: [&str; 8] =
    ["mov", "chang", "resched", "switch", "shift", "verschieb", "verschob", "verleg"];
/// What may follow a number that is an hour or a day by itself; `at 2 Main Street` is neither.
const FREE: [&str; 54] = [
    "work",
    "if",
    "this",
    "next",
    "it",
    "so",
    "sharp",
    "y",
    "et",
    "menos",
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
    let lower = tidy(said).to_lowercase().replace('’', "'");
    let pieces = lower.split(|c: char| c.is_whitespace() || matches!(c, '–' | '—'));
    let pieces = pieces.flat_map(|piece| {
        // `two-thirty`, `Tuesday/Wednesday`, and neither `2026-12-01` nor `12/1/2026`.
        let is_spelled = piece.contains(char::is_alphabetic);
        piece.split(move |c: char| is_spelled && matches!(c, '-' | '/'))
    });
    pieces.filter(|piece| piece.contains(char::is_alphanumeric)).map(str::to_owned).collect()
}

/// The same with `p.m.` and `p. m.` as `pm`: their points end nothing, unless what comes next begins
/// as a sentence does.
fn tidy(said: &str) -> String {
    let mut tidy = said.to_owned();
    for (dotted, plain) in [
        ("p.m.", "pm"),
        ("a.m.", "am"),
        ("P.M.", "pm"),
        ("A.M.", "am"),
        ("p. m.", "pm"),
        ("a. m.", "am"),
    ] {
        let mut parts = tidy.split(dotted);
        let mut joined = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let next = part.trim_start().chars().next();
            let is_end = next.is_none_or(char::is_uppercase);
            joined.push_str(plain);
            joined.push_str(if is_end { "." } else { "" });
            joined.push_str(part);
        }
        tidy = joined;
    }
    tidy
}

/// The sentences of a line. The points of `2.30` and `1.12.` end none.
pub(super) fn sentences(said: &str) -> Vec<String> {
    let said = tidy(said);
    let mut sentences = vec![String::new()];
    for word in said.split_inclusive(char::is_whitespace) {
        if let Some(last) = sentences.last_mut() {
            last.push_str(word);
        }
        let word = word.trim_end();
        if word.ends_with(['.', '?', '!', '…']) && !is_dotted_date(word) {
            sentences.push(String::new());
        }
    }
    sentences.retain(|sentence| !sentence.trim().is_empty());
    sentences
}

/// `1.12.`
fn is_dotted_date(word: &str) -> bool {
    let figures = word.strip_suffix('.').and_then(|word| word.split_once('.'));
    let is_number = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    figures.is_some_and(|(day, month)| is_number(day) && is_number(month))
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
    words.get(at).is_none_or(|word| {
        word.ends_with([',', '.', ';', ':', '?', '!', '…']) && !is_dotted_date(word)
    })
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
    /// Of what begins at a place and takes so many words.
    fn of(words: &[String], at: usize, taken: usize) -> Self {
        if is_refused(words, at + taken) || is_out_of_reach(words, at) {
            return Self::Beside;
        }
        let mut place = at;
        loop {
            let word = before(words, place);
            let earlier = place.checked_sub(1).map_or("", |last| before(words, last));
            let is_instead = word == "of" && earlier == "instead";
            let is_bound = BOUNDS.contains(&word) && !(word == "by" && VISITS.contains(&earlier));
            let is_denied = DENIALS.contains(&word) && !WHYS.contains(&earlier);
            if is_instead || is_bound || is_denied {
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

/// Whether what is said behind a place, in the same part of the sentence, refuses what ends there.
fn is_refused(words: &[String], behind: usize) -> bool {
    // `Is two too late for you?`
    let end = words.iter().skip(behind).find(|word| word.ends_with(['.', '?', '!', '…']));
    let is_question = end.is_some_and(|word| word.ends_with('?'));
    let is_refusal = |at: usize| {
        let next = bare(words, at + 1);
        // `not 4 pm` refuses the other, and `not a problem` nothing.
        let is_other = !ends(words, at) && next.starts_with(|c: char| c.is_ascii_digit())
            || [1, 2]
                .iter()
                .any(|n| matches!(bare(words, at + n), "problem" | "problème" | "souci"));
        let too = matches!(before(words, at), "too" | "zu");
        let is_too = too && matches!(bare(words, at), "late" | "early" | "spät" | "früh");
        let refuses = REFUSALS.contains(&bare(words, at)) || is_too && !is_question;
        refuses && !is_other && !WHYS.contains(&before(words, at))
    };
    let part = (behind..words.len()).take_while(|at| !ends(words, at - 1));
    part.take_while(|at| !TURNS.contains(&bare(words, *at))).any(is_refusal)
}

/// Whether somebody says before a place, in the same part of the sentence, that they cannot.
fn is_out_of_reach(words: &[String], at: usize) -> bool {
    let part = (0..at).rev().take_while(|at| !ends(words, *at));
    let mut part = part.take_while(|at| !TURNS.contains(&bare(words, *at)));
    part.any(|at| {
        let next = bare(words, at + 1);
        // `no hay nada a las dos`.
        let is_not_there = bare(words, at) == "no" && THERE.contains(&next);
        let is_offer = WHYS.contains(&before(words, at));
        let is_cannot = CANNOTS.contains(&bare(words, at)) && !NOTHINGS.contains(&next);
        is_not_there || is_cannot && !is_offer
    })
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

/// What was found in a line.
#[derive(Debug)]
pub(super) struct Found<T> {
    /// What it is said for.
    pub(super) role: Role,
    pub(super) what: T,
    /// Where it begins.
    pub(super) at: usize,
    /// Where the words behind it begin.
    pub(super) behind: usize,
}

/// All that is found in a line. `find` gives what begins at a place and how many words it takes.
pub(super) fn all<T>(
    words: &[String],
    find: impl Fn(usize) -> Option<(T, usize)>,
) -> Vec<Found<T>> {
    let (mut at, mut found) = (0, Vec::new());
    while at < words.len() {
        let Some((what, taken)) = find(at) else {
            at += 1;
            continue;
        };
        let behind = at + taken.max(1);
        found.push(Found { role: Role::of(words, at, taken), what, at, behind });
        at = behind;
    }
    found
}
