//! What can be used and is still likely to be a mistake: said once, at the start.

use std::cell::RefCell;

use super::{Config, OpenAi};

/// Names shorter than this are like too many others.
const NAME_MIN: usize = 6;
/// From this length on a name may have two mistakes.
const LONG_NAME: usize = 10;

/// OpenAI's own host.
const OPENAI_HOST: &str = "api.openai.com";

/// The levels of a log filter.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
/// The crates whose lines a filter may ask for by their name alone.
const TARGETS: [&str; 12] = [
    "frontdesk",
    "axum",
    "hyper",
    "hyper_util",
    "mio",
    "object_store",
    "reqwest",
    "rustls",
    "sqlx",
    "tokio",
    "tokio_tungstenite",
    "tungstenite",
];

/// A variable that is set, is not read, and looks like one that is read and not set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misspelt {
    /// As it is set.
    pub name: String,
    /// As it is read.
    pub meant: String,
}

impl Config {
    /// What happens to calls because of what is not set.
    pub fn advice(&self) -> Vec<&'static str> {
        let OpenAi { api_key, base_url } = &self.openai;
        let mut advice = Vec::new();
        if api_key.is_none() && base_url.host_str() == Some(OPENAI_HOST) {
            advice.push(
                "OPENAI_API_KEY is not set: OpenAI refuses every call's session, and callers get \
                 their agent's fallback",
            );
        }
        if self.twilio.auth_token.is_none() {
            advice.push(
                "TWILIO_AUTH_TOKEN is not set: calls to agents without twilio_credentials of their \
                 own are refused with 403",
            );
        }
        advice
    }
}

/// Those of `set`, the names of all variables that are set, that look like misspelt ones of ours.
pub fn misspelt(set: impl Iterator<Item = String>) -> Vec<Misspelt> {
    let read = RefCell::new(Vec::new());
    // An empty environment is always good: this is for the names that are asked for.
    let _ = Config::read(&|name| {
        read.borrow_mut().push(name.to_owned());
        None
    });
    let (read, mut set) = (read.into_inner(), set.collect::<Vec<_>>());
    set.sort();
    let is_set = |name: &String| set.binary_search(name).is_ok();
    let meant = |name: &String| {
        let missing = read.iter().filter(|known| !is_set(known));
        missing.filter_map(|known| Some((likeness(name, known)?, known))).min().map(|(_, k)| k)
    };
    set.iter()
        .filter(|name| !read.contains(name))
        .filter_map(|name| Some(Misspelt { name: name.clone(), meant: meant(name)?.clone() }))
        .collect()
}

/// How many mistakes make the one of the other, if it is likely that they did.
fn likeness(name: &str, known: &str) -> Option<usize> {
    let upper = name.to_ascii_uppercase();
    if upper == known {
        return Some(0);
    }
    // A name in which a word is missing, such as OPENAI_KEY.
    let (words, known_words): (Vec<_>, Vec<_>) =
        (upper.split('_').collect(), known.split('_').collect());
    let is_part = words.len() > 1
        && words.len() < known_words.len()
        && words[0] == known_words[0]
        && words.iter().all(|word| known_words.contains(word));
    if is_part {
        return Some(known_words.len() - words.len());
    }
    let mistakes = match known.len() {
        0..NAME_MIN => return None,
        NAME_MIN..LONG_NAME => 1,
        _ => 2,
    };
    Some(distance(&upper, known)).filter(|distance| *distance <= mistakes)
}

/// How many bytes are to be put in, left out or exchanged.
pub(crate) fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.bytes().enumerate() {
        let mut before = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in other.bytes().enumerate() {
            let exchanged = before + usize::from(a != b);
            before = row[j + 1];
            row[j + 1] = exchanged.min(before + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}

/// Whether a log filter is likely to ask for what it says. A word that is no level is the name of a
/// target to it, and asks for nothing where there is none of that name.
pub(super) fn is_likely_filter(filter: &str) -> bool {
    let directives = || filter.split(',').map(str::trim).filter(|one| !one.is_empty());
    let words = || directives().filter(|one| !one.contains(['=', '[']));
    let is_level = |word: &str| LEVELS.contains(&word.to_ascii_lowercase().as_str());
    let is_known = |word: &str| {
        let target = word.split("::").next().unwrap_or(word);
        is_level(word) || word.parse::<u8>().is_ok() || TARGETS.contains(&target)
    };
    let is_odd = |word: &str| {
        !is_known(word)
            && LEVELS.iter().any(|level| distance(&word.to_ascii_lowercase(), level) <= 2)
    };
    let asks = directives().any(|one| one.contains(['=', '[']) || is_known(one));
    !words().any(is_odd) && (asks || directives().next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(set: &[&str]) -> Vec<(String, String)> {
        let found = misspelt(set.iter().map(|name| (*name).to_owned()));
        found.into_iter().map(|one| (one.name, one.meant)).collect()
    }

    #[test]
    fn names_that_are_nearly_ours_are_told() {
        for (name, meant) in [
            ("DATABSE_URL", "DATABASE_URL"),
            ("DATABASE_ULR", "DATABASE_URL"),
            ("database_url", "DATABASE_URL"),
            ("OPENAI_KEY", "OPENAI_API_KEY"),
            ("OPEN_AI_API_KEY", "OPENAI_API_KEY"),
            ("OPENAI_URL", "OPENAI_BASE_URL"),
            ("TWILIO_TOKEN", "TWILIO_AUTH_TOKEN"),
            ("TWILIO_SID", "TWILIO_ACCOUNT_SID"),
            ("PUBLIC_URI", "PUBLIC_URL"),
            ("REALTIME_MODELL", "REALTIME_MODEL"),
        ] {
            assert_eq!(found(&[name]), [(name.to_owned(), meant.to_owned())]);
        }
    }

    #[test]
    fn other_programs_variables_are_left_alone() {
        let others = ["PATH", "HOME", "HOST", "POST", "LANG", "OPENAI_ORG_ID", "TWILIO_API_KEY"];
        assert_eq!(found(&others), []);
        assert_eq!(found(&["PGDATABASE", "XDG_DATA_DIRS", "DATA_DIR", "PORT", "_", ""]), []);
        // Where ours is set it is not missed.
        assert_eq!(found(&["OPENAI_KEY", "OPENAI_API_KEY"]), []);
    }

    #[test]
    fn what_is_not_set_is_told_with_what_happens_to_calls() {
        let advice = |pairs: &[(&str, &str)]| {
            let value = |name: &str| pairs.iter().find(|(known, _)| *known == name);
            let config = Config::read(&|name| value(name).map(|(_, value)| (*value).to_owned()));
            config.unwrap().advice().join("\n")
        };
        let both = advice(&[]);
        assert!(both.contains("OPENAI_API_KEY") && both.contains("TWILIO_AUTH_TOKEN"), "{both}");
        assert_eq!(both.lines().count(), 2);
        assert_eq!(advice(&[("OPENAI_API_KEY", "k"), ("TWILIO_AUTH_TOKEN", "t")]), "");
        let own = advice(&[("OPENAI_BASE_URL", "http://localhost:1/v1")]);
        assert!(!own.contains("OPENAI_API_KEY"), "{own}");
    }

    #[test]
    fn a_filter_that_would_silence_everything_is_not_likely() {
        for filter in [
            "",
            "info",
            "INFO",
            "off",
            "3",
            "frontdesk",
            "frontdesk::line",
            "warn,frontdesk=debug",
            "info,sqlx",
            "[span]=debug",
            "somebody=info",
            "info,somebody",
        ] {
            assert!(is_likely_filter(filter), "{filter}");
        }
        for filter in ["inof", "debgu", "inof,frontdesk=debug", "somebody", "verbose"] {
            assert!(!is_likely_filter(filter), "{filter}");
        }
    }
}
