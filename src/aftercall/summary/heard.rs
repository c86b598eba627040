//! What agent and caller said around the words that they are quoted with: whether it refuses, and
//! which time and day it comes to.

use jiff::civil::{Date, DateTime};

use super::transcript::{Speaker, Transcript, plain};
use super::words::sentences;
use super::{days, times};

/// How many lines before its quoted one the agent may have said the time.
const LINES_BEFORE: usize = 3;
/// In how many lines behind both it may be taken back.
const LINES_BEHIND: usize = 4;
/// How a sentence begins that refuses.
const REFUSALS: [&str; 28] = [
    "sorry",
    "i m sorry",
    "im sorry",
    "i am sorry",
    "im afraid",
    "i am afraid",
    "unfortunately",
    "cant",
    "cannot",
    "i cant",
    "i cannot",
    "we cant",
    "we cannot",
    "thats not",
    "that doesnt",
    "that wont",
    "leider",
    "tut mir leid",
    "es tut mir leid",
    "das geht nicht",
    "désolé",
    "désolée",
    "je suis désolé",
    "je suis désolée",
    "malheureusement",
    "lo siento",
    "lamentablemente",
    "desafortunadamente",
];
/// The shorter ones, which may as well answer `anything else?`
const NOES: [&str; 7] = ["no", "nope", "nah", "nein", "nee", "non", "não"];
/// With these a `no` refuses nothing.
const HARMLESS: [&str; 13] = [
    "problem", "worries", "great", "perfect", "fine", "good", "works", "perfekt", "gut", "passt",
    "parfait", "bien", "perfecto",
];
/// With these it does, whatever was asked; and so does what the caller says without it.
const DENIALS: [&str; 15] = [
    "not", "doesnt", "dont", "isnt", "wont", "cant", "cannot", "couldnt", "nicht", "kein", "keine",
    "pas", "niet", "bad", "cancel",
];
/// With these a denial is none: `not a problem`, `can't wait`, `why not`, `don't worry`.
const NONE: [&str; 10] = [
    "problem",
    "problème",
    "souci",
    "wait",
    "mind",
    "worry",
    "why",
    "pourquoi",
    "warum",
    "schlecht",
];
/// What an agent says who has written down what the caller asked for.
const NOTED: [&str; 15] = [
    " booked ",
    " put you down ",
    " down for ",
    " noted ",
    " written down ",
    " see you ",
    " eingetragen ",
    " notiert ",
    " gebucht ",
    " vorgemerkt ",
    " noté ",
    " réservé ",
    " anotado ",
    " apuntado ",
    " reservado ",
];
/// How a sentence begins that agrees, whatever else it denies: `perfect, I won't be late`.
const YESES: [&str; 18] = [
    "yes", "yeah", "yep", "sure", "perfect", "great", "good", "fine", "okay", "ok", "ja", "gerne",
    "oui", "parfait", "sí", "si", "claro", "perfecto",
];
/// Behind these it may disagree all the same.
const TURNS: [&str; 6] = ["but", "only", "except", "aber", "mais", "pero"];
/// What does not work, go or suit is refused.
const SUITS: [&str; 8] = ["work", "works", "go", "suit", "do", "passt", "geht", "va"];
/// What a time is that is not to be had.
const GONE: [&str; 8] =
    ["taken", "gone", "unavailable", "belegt", "ausgebucht", "vergeben", "complet", "ocupado"];
/// With these nothing was noted for the caller: `that is already booked`.
const OTHERS: [&str; 6] = ["already", "fully", "schon", "bereits", "déjà", "ya"];
/// What a caller says who does not want it, or not yet.
const SECOND_THOUGHTS: [&str; 8] = [
    "cancel it",
    "cancel that",
    "doesnt work",
    "wont work",
    "changed my mind",
    "let me think",
    "think about it",
    "never mind",
];
/// What an agent asks at last who has settled all.
const MORE: [&str; 7] = [
    " anything else ",
    " something else i can ",
    " sonst noch ",
    " noch etwas ",
    " autre chose ",
    " algo más ",
    " otra cosa ",
];

/// What was said of an appointment, and where agent and caller are quoted.
pub(super) struct Heard<'a> {
    pub(super) transcript: &'a Transcript,
    pub(super) agent: usize,
    pub(super) caller: usize,
}

impl Heard<'_> {
    /// Neither is quoted with words that refuse, nor takes it back in the next lines.
    pub(super) fn check_consent(
        &self,
        local: DateTime,
        agent_quote: &str,
        caller_quote: &str,
    ) -> Result<(), &'static str> {
        let mut lines = (0..self.caller).rev();
        let question = lines.find(|place| self.transcript.is_of(*place, Speaker::Agent));
        let asks_more = question.is_some_and(|at| asks_more(local, self.transcript.said_at(at)));
        let refuses = |place: usize, quote: &str, refuses: &dyn Fn(&str) -> bool| {
            sentences_of(self.transcript.said_at(place), quote).iter().any(|sentence| {
                refuses(&plain(sentence)) && !is_said_for(local, sentence, place == self.agent)
            })
        };
        let is_refused = refuses(self.agent, agent_quote, &|said| begins_to_refuse(said, false))
            || refuses(self.caller, caller_quote, &|said| {
                begins_to_refuse(said, asks_more) || denies(said)
            })
            || self.is_taken_back();
        if is_refused { Err("it was refused") } else { Ok(()) }
    }

    /// In the next lines the agent says that it is not to be had, or the caller will not have it.
    fn is_taken_back(&self) -> bool {
        let next = self.agent.max(self.caller) + 1..;
        next.take(LINES_BEHIND).any(|place| {
            let is_agent = self.transcript.is_of(place, Speaker::Agent);
            sentences(self.transcript.said_at(place)).iter().map(|said| plain(said)).any(|said| {
                match is_agent {
                    true => contains(&said, &REFUSALS) && has(&said, &GONE),
                    false => contains(&said, &SECOND_THOUGHTS),
                }
            })
        })
    }

    /// The agent must have said this time, in the quoted line or just before, or written down what a
    /// caller asked for; and neither only another. The whole lines count: a quotation may leave out
    /// what it should not.
    pub(super) fn check_time(&self, local: DateTime) -> Result<(), &'static str> {
        let (agent, caller) =
            (self.transcript.said_at(self.agent), self.transcript.said_at(self.caller));
        let offered = times::says(local, agent);
        let is_other = match offered {
            Some(false) => true,
            Some(true) => times::wants_another(local, caller),
            None => times::says(local, caller) == Some(false),
        };
        let (first, last) = (self.agent.min(self.caller), self.agent.max(self.caller));
        if is_other || (first + 1..last).any(|place| self.names(local, place) == Some(false)) {
            return Err("another time was said");
        }
        let before = || (self.agent.saturating_sub(LINES_BEFORE)..self.agent).rev();
        // What the caller said to an earlier offer counts against it.
        let last = before().find_map(|place| self.names(local, place));
        let is_offered = |place: usize| {
            self.transcript.is_of(place, Speaker::Agent) && self.names(local, place) == Some(true)
        };
        let was_offered = last == Some(true) && before().any(is_offered);
        let was_asked_for = self.caller < self.agent
            && times::says(local, caller) == Some(true)
            && sentences(agent)
                .iter()
                .any(|said| !said.trim_end().ends_with('?') && is_noted(&plain(said)));
        match offered == Some(true) || was_offered || was_asked_for {
            true => Ok(()),
            false => Err("no time was said"),
        }
    }

    /// Whether the line at a place names this time or only others; a caller may mention one that is no
    /// wish.
    fn names(&self, local: DateTime, place: usize) -> Option<bool> {
        let said = self.transcript.said_at(place);
        let is_wish =
            self.transcript.is_of(place, Speaker::Agent) || times::wants_another(local, said);
        times::says(local, said).filter(|is_it| *is_it || is_wish)
    }

    /// One of them must name the day and neither another; where neither names one, it is the day that
    /// was named last before. Where only a weekday was, a date of before tells of which week it is.
    pub(super) fn check_day(&self, date: Date, today: Date) -> Result<(), &'static str> {
        let says = |place: usize| days::says(date, today, self.transcript.said_at(place));
        let said = [self.agent, self.caller].map(says);
        let last = self.agent.max(self.caller);
        let earlier = || (0..last).rev().find_map(says);
        let mut between = self.agent.min(self.caller) + 1..last;
        let is_other = said.contains(&Some(false)) || between.any(|at| says(at) == Some(false));
        let named = match is_other {
            true => Some(false),
            false => said.into_iter().flatten().next().or_else(earlier),
        };
        let dated = |place| days::dates_weekday(date, today, self.transcript.said_at(place));
        let mut quoted = [self.agent, self.caller].into_iter();
        let is_ahead =
            quoted.any(|place| days::is_ahead(date, today, self.transcript.said_at(place)));
        match named {
            None => Err("no day was said"),
            Some(true) if is_ahead || (0..=last).rev().find_map(dated) != Some(false) => Ok(()),
            Some(_) => Err("another day was said"),
        }
    }
}

/// The sentences of a line that have the quotation in them, or are part of it.
fn sentences_of(said: &str, quote: &str) -> Vec<String> {
    let quoted = sentences(quote);
    let quote = plain(&quoted.iter().map(|sentence| plain(sentence)).collect::<String>());
    let mut of = sentences(said);
    of.retain(|sentence| {
        let sentence = plain(sentence);
        !sentence.trim().is_empty() && (sentence.contains(&quote) || quote.contains(&sentence))
    });
    // A quotation of several may begin or end within one.
    if quoted.len() > 1 {
        of.extend(quoted);
    }
    of
}

fn begins(plain: &str, list: &[&str]) -> bool {
    list.iter().any(|with| plain.trim_start().starts_with(&format!("{with} ")))
}

/// Whether an agent's last sentence asks for more, and for no time.
fn asks_more(local: DateTime, said: &str) -> bool {
    let sentences = sentences(said);
    sentences.last().is_some_and(|last| {
        let plain = plain(last);
        MORE.iter().any(|more| plain.contains(more)) && times::says(local, last).is_none()
    })
}

/// Whether a sentence says that what was asked for is written down.
fn is_noted(plain: &str) -> bool {
    let is_others = has(plain, &DENIALS) || has(plain, &OTHERS) || has(plain, &GONE);
    NOTED.iter().any(|noted| plain.contains(noted)) && !is_others
}

/// Whether a sentence says this time behind a turn, `I'm sorry, one is taken, but two is free`; an
/// agent's offer may stand behind a comma.
fn is_said_for(local: DateTime, sentence: &str, is_agent: bool) -> bool {
    let words: Vec<&str> = sentence.split_whitespace().collect();
    let is_turn = |word: &&str| TURNS.contains(&word.to_lowercase().as_str());
    let turn = words.iter().position(is_turn);
    let says = |said: &str| times::says(local, said) == Some(true);
    turn.is_some_and(|at| says(&words[at..].join(" ")))
        || is_agent && sentence.split([',', ';']).skip(1).any(says)
}

fn contains(plain: &str, list: &[&str]) -> bool {
    list.iter().any(|what| plain.contains(&format!(" {what} ")))
}

fn has(plain: &str, list: &[&str]) -> bool {
    plain.split_whitespace().any(|word| list.contains(&word))
}

/// Whether a sentence begins by refusing. `No` to `anything else?` does not.
fn begins_to_refuse(plain: &str, asks_more: bool) -> bool {
    match begins(plain, &NOES) {
        true => !asks_more && !has(plain, &HARMLESS) || denies(plain) || has(plain, &["leider"]),
        false => begins(plain, &REFUSALS),
    }
}

/// Whether a caller's sentence refuses somewhere: `Tuesday doesn't work`, `I'd rather not`. One that
/// begins by agreeing does so behind a turn, or of what does not work.
fn denies(plain: &str) -> bool {
    let words: Vec<&str> = plain.split_whitespace().collect();
    let turn = words.iter().position(|word| TURNS.contains(word));
    let is_denied = |at: usize| {
        let who = at.checked_sub(1).and_then(|last| words.get(last));
        let is_theirs = who.is_some_and(|who| matches!(*who, "i" | "we" | "ich" | "wir"));
        let suits = words.get(at + 1).is_some_and(|next| SUITS.contains(next)) && !is_theirs;
        DENIALS.contains(&words[at])
            && (!begins(plain, &YESES) || suits || turn.is_some_and(|turn| turn < at))
    };
    (0..words.len()).any(is_denied) && !has(plain, &NONE) || contains(plain, &SECOND_THOUGHTS)
}

#[cfg(test)]
#[path = "heard_tests.rs"]
mod tests;
