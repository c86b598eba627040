//! What agent and caller said around the words that they are quoted with: whether it refuses, and
//! which time and day it comes to.

use jiff::civil::{Date, DateTime};

use super::transcript::{Speaker, Transcript, plain};
use super::{days, times};

/// How many lines before its quoted one the agent may have said the time.
const LINES_BEFORE: usize = 3;
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
const DENIALS: [&str; 16] = [
    "not", "doesnt", "dont", "isnt", "wont", "cant", "cannot", "couldnt", "nicht", "kein", "keine",
    "pas", "niet", "puedo", "bad", "cancel",
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
/// How a sentence of the agent's begins that says yes to what the caller asked for.
const YESES: [&str; 28] = [
    "yes",
    "yeah",
    "sure",
    "okay",
    "ok",
    "of course",
    "certainly",
    "absolutely",
    "great",
    "perfect",
    "alright",
    "all right",
    "see you",
    "youre booked",
    "i have put you",
    "gerne",
    "ja",
    "klar",
    "natürlich",
    "sehr gerne",
    "oui",
    "bien sûr",
    "daccord",
    "parfait",
    "sí",
    "claro",
    "por supuesto",
    "perfecto",
];
/// What an agent asks who has settled all.
const MORE: [&str; 6] =
    [" else ", " noch etwas ", " sonst ", " autre chose ", " algo más ", " otra "];

/// What was said of an appointment, and where agent and caller are quoted.
pub(super) struct Heard<'a> {
    pub(super) transcript: &'a Transcript,
    pub(super) agent: usize,
    pub(super) caller: usize,
}

impl Heard<'_> {
    /// Neither is quoted with words that refuse.
    pub(super) fn check_consent(
        &self,
        local: DateTime,
        agent_quote: &str,
        caller_quote: &str,
    ) -> Result<(), &'static str> {
        let mut lines = (0..self.caller).rev();
        let question = lines.find(|place| self.transcript.is_of(*place, Speaker::Agent));
        let question = question.map_or_else(String::new, |at| plain(self.transcript.said_at(at)));
        let asks_more = MORE.iter().any(|more| question.contains(more));
        let refuses = |place: usize, quote: &str, refuses: &dyn Fn(&str) -> bool| {
            sentences_of(self.transcript.said_at(place), quote)
                .any(|sentence| refuses(&plain(sentence)) && !is_said_for(local, sentence))
        };
        let is_refused = refuses(self.agent, agent_quote, &|said| begins_to_refuse(said, false))
            || refuses(self.caller, caller_quote, &|said| {
                begins_to_refuse(said, asks_more) || denies(said)
            });
        if is_refused { Err("it was refused") } else { Ok(()) }
    }

    /// The agent must have said this time, in the quoted line or just before, or said yes to a caller
    /// who asked for it; and neither only another. The whole lines count: a quotation may leave out
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
            && sentences(agent).any(|said| begins(&plain(said), &YESES));
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
        match named {
            None => Err("no day was said"),
            Some(true) if (0..=last).rev().find_map(dated) != Some(false) => Ok(()),
            Some(_) => Err("another day was said"),
        }
    }
}

/// The sentences of a line that have the quotation in them, or are part of it.
fn sentences_of<'a>(said: &'a str, quote: &str) -> impl Iterator<Item = &'a str> {
    let quote = plain(quote);
    sentences(said).filter(move |sentence| {
        let sentence = plain(sentence);
        !sentence.trim().is_empty() && (sentence.contains(&quote) || quote.contains(&sentence))
    })
}

fn sentences(said: &str) -> impl Iterator<Item = &str> {
    said.split_inclusive(['.', '?', '!', '…'])
}

fn begins(plain: &str, list: &[&str]) -> bool {
    list.iter().any(|with| plain.trim_start().starts_with(&format!("{with} ")))
}

/// Whether a sentence says this time all the same: `I'm sorry, one is taken, but two is free`.
fn is_said_for(local: DateTime, sentence: &str) -> bool {
    times::says(local, sentence) == Some(true)
}

fn has(plain: &str, list: &[&str]) -> bool {
    plain.split_whitespace().any(|word| list.contains(&word))
}

/// Whether a sentence begins by refusing. `No` to `anything else?` does not.
fn begins_to_refuse(plain: &str, asks_more: bool) -> bool {
    match begins(plain, &NOES) {
        true => !asks_more && !has(plain, &HARMLESS) || denies(plain),
        false => begins(plain, &REFUSALS),
    }
}

/// Whether a caller's sentence refuses somewhere: `Tuesday doesn't work`, `I'd rather not`.
fn denies(plain: &str) -> bool {
    has(plain, &DENIALS) && !has(plain, &NONE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    const WEEKS: &str = "Agent: December 8th? / Caller: Yes. / Agent: Tuesday at 2:30 pm then. / \
        Caller: Fine.";
    const TURNED: &str = "Agent: Tuesday at 2:30 pm? / Caller: Could we do 4 pm? / \
        Agent: Sure, I'll write it down. / Caller: Great.";
    const TWO: &str = "Agent: December 1st at 2:30 pm, or Thursday at 4 pm?";

    /// The call is of Friday, 2026-11-27; looked for is 14:30.
    fn judged(talk: &str, day: i8, quotes: [&str; 2]) -> &'static str {
        let lines: Vec<String> = talk.split(" / ").map(|line| format!("[00:01] {line}")).collect();
        let transcript = Transcript::read(&lines.join("\n"));
        let place = |speaker, quote| *transcript.places(speaker, quote).last().expect(quote);
        let [agent, caller] = [place(Speaker::Agent, quotes[0]), place(Speaker::Caller, quotes[1])];
        let heard = Heard { transcript: &transcript, agent, caller };
        let (date, today) = (date(2026, 12, day), date(2026, 11, 27));
        let local = date.at(14, 30, 0, 0);
        let checked = heard
            .check_consent(local, quotes[0], quotes[1])
            .and_then(|()| heard.check_time(local))
            .and_then(|()| heard.check_day(date, today));
        checked.err().unwrap_or_default()
    }

    #[test]
    fn plain_agreements_pass_and_doubtful_ones_do_not() {
        let (time, day) = ("another time was said", "another day was said");
        let (no_time, no_day, refused) = ("no time was said", "no day was said", "it was refused");
        let yes = "Agent: Tuesday at 2:30 pm? / Caller: Yes";
        let great = ["You're booked for Tuesday at 2:30 pm", "Great"];
        let said = |answer: &str| format!("Agent: Tuesday at 2:30 pm? / Caller: {answer}");
        for (talk, on, quotes, why) in [
            (yes.to_owned(), 1, ["Tuesday at 2:30 pm", "Yes"], ""),
            // Of which week a weekday is.
            (format!("Agent: {}. / Caller: Great.", great[0]), 1, great, ""),
            (format!("Agent: {}. / Caller: Great.", great[0]), 8, great, no_day),
            (WEEKS.to_owned(), 1, ["Tuesday at 2:30 pm", "Fine"], day),
            (WEEKS.to_owned(), 8, ["Tuesday at 2:30 pm", "Fine"], ""),
            // `today` of the call itself.
            (
                "Agent: You're all set for December 1st at 2:30 pm. Is there anything else I can \
                 help you with today? / Caller: No, that's all, thanks."
                    .to_owned(),
                1,
                ["You're all set for December 1st at 2:30 pm", "No, that's all"],
                "",
            ),
            (
                "Caller: Could I come Tuesday? / Agent: Sure, 2:30 pm is free. Anything else I can \
                 help you with today? / Caller: No, great."
                    .to_owned(),
                1,
                ["2:30 pm is free", "No, great"],
                "",
            ),
            (
                "Agent: December 1st at 2:30 pm. We'll text you a reminder tomorrow. / Caller: Yes"
                    .to_owned(),
                1,
                ["December 1st at 2:30 pm", "Yes"],
                "",
            ),
            // Visits, and questions that are offers.
            (
                "Agent: Great, come by Tuesday at 2:30 pm. / Caller: Perfect.".to_owned(),
                1,
                ["come by Tuesday", "Perfect"],
                "",
            ),
            (
                "Agent: Pourquoi pas mardi à 14h30 ? / Caller: Oui, parfait.".to_owned(),
                1,
                ["Pourquoi pas mardi", "Oui, parfait"],
                "",
            ),
            // Somebody has to agree, and the agent to say the time.
            (
                "Caller: Write down that you gave me Tuesday at 2:30 pm. / Agent: I'm sorry, I \
                 can't book that. / Caller: OK."
                    .to_owned(),
                1,
                ["I can't book that", "OK"],
                refused,
            ),
            (
                "Caller: Write down that you gave me Tuesday at 2:30 pm. / Agent: We'll see. \
                 / Caller: OK."
                    .to_owned(),
                1,
                ["We'll see", "Write down that you gave me Tuesday"],
                no_time,
            ),
            (
                "Caller: Could I come Tuesday at 2:30 pm? / Agent: Sure, I have put you down."
                    .to_owned(),
                1,
                ["Sure, I have put you down", "Could I come Tuesday at 2:30 pm"],
                "",
            ),
            (said("No, that doesn't work."), 1, ["Tuesday", "that doesn't work"], refused),
            (said("No problem."), 1, ["Tuesday", "No problem"], ""),
            (said("No, thanks."), 1, ["Tuesday", "No, thanks"], refused),
            (said("Tuesday doesn't work."), 1, ["Tuesday at", "Tuesday doesn't"], refused),
            (said("I'd rather not."), 1, ["Tuesday", "rather not"], refused),
            (said("Sure, why not."), 1, ["Tuesday", "Sure"], ""),
            (said("Nein, das geht nicht."), 1, ["Tuesday", "Nein"], refused),
            (
                "Agent: 2:30 pm on Tuesday isn't possible. / Caller: OK".to_owned(),
                1,
                ["2:30 pm on Tuesday", "OK"],
                no_time,
            ),
            (
                "Agent: I'm sorry, 1 pm is taken, but Tuesday at 2:30 pm is free. / Caller: Good."
                    .to_owned(),
                1,
                ["Tuesday at 2:30 pm is free", "Good"],
                "",
            ),
            (
                "Agent: Tuesday at 2:30 pm. / Agent: Shall I write it down? / Caller: Yes".to_owned(),
                1,
                ["Shall I write it down", "Yes"],
                "",
            ),
            // Another time that is only mentioned, and one that is wanted.
            (said("Yes, I finish work at 1 pm, so that's perfect."), 1, ["Tuesday", "perfect"], ""),
            (said("Yes, I am free after 2 pm."), 1, ["Tuesday", "Yes"], ""),
            (said("Yes, but make it 4 pm."), 1, ["Tuesday", "Yes"], time),
            (said("Can we do 4 pm instead?"), 1, ["Tuesday", "Can we do"], time),
            (said("At 4 pm, please."), 1, ["Tuesday", "please"], time),
            // What was said between counts.
            (TURNED.to_owned(), 1, ["Tuesday at 2:30 pm", "Great"], time),
            (TURNED.to_owned(), 1, ["Sure", "Great"], no_time),
            (TURNED.replace("4 pm", "Wednesday"), 1, ["Tuesday at 2:30 pm", "Great"], day),
            // Of two offers the caller's words tell which.
            (TWO.replace('?', "? / Caller: December 1st, please."), 1, ["December 1st", "please"], ""),
            (TWO.replace('?', "? / Caller: Thursday, please."), 1, ["December 1st", "please"], day),
        ] {
            assert_eq!(judged(&talk, on, quotes), why, "{talk} {on}");
        }
    }
}
