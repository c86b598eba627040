//! Appointments that were spoken of and that no function stored: which of them are written.
//!
//! The model says where in the numbered lines one was proposed, answered, named and taken back, and
//! what became of it. This module checks that against what is certain: the lines and who says them,
//! the hours, the clock, and what functions did. It reads no words, so it knows no language. Those
//! that are left are asked about once more ([`second_look`](super::second_look)), and only one that
//! both answers settle is written. The rest stay in the call's metadata, each with its reason.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use serde_json::{Value, json};

use super::answer::{Proposed, Verdict, text};
use super::claims::Done;
use super::transcript::{Speaker, Transcript};
use crate::agent::Agent;
use crate::agent::hours::read_time;
use crate::agent::phone_number::caller_number;
use crate::calendar::slots::{Calendar, Unbookable};
use crate::store::EndedCall;

/// The most appointments of a call.
const APPOINTMENTS_MAX: usize = 3;
/// How many lines behind the proposal the answer may be: who agrees answers what was just said.
const LINES_APART: i64 = 6;
/// The furthest ahead, days: what is later was misheard.
const DAYS_AHEAD: i64 = 366;
/// The longest name and service, in characters, as functions take them.
const NAME_CHARACTERS: usize = 200;
/// What an appointment is for, and for whom, where the words for it were not said.
const ANY_SERVICE: &str = "Appointment";
const ANY_NAME: &str = "Caller";

/// What appointments are judged by.
pub(super) struct Judge<'a> {
    pub(super) agent: &'a Agent,
    pub(super) call: &'a EndedCall,
    pub(super) transcript: &'a Transcript,
    pub(super) done: &'a Done,
}

/// An appointment that was spoken of, and what is to become of it.
#[derive(Debug)]
pub(super) struct Judged {
    /// What the owner is told of it either way.
    told: Value,
    /// What there is to write, or why it is not written.
    pub(super) outcome: Result<Candidate, &'static str>,
}

/// One that is written if a second look agrees.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    /// By the business's clock.
    pub(super) local: DateTime,
    /// The lines that were named: proposal, answer, day, time.
    pub(super) lines: [i64; 4],
    start: Timestamp,
    minutes: u32,
    phone: String,
    notes: String,
}

impl Judged {
    /// As [`Findings::appointments`](crate::store::Findings) has it.
    pub(super) fn into_json(self) -> Value {
        match self.outcome {
            Err(why) => json!({"told": self.told, "why": why}),
            Ok(candidate) => json!({
                "start_us": candidate.start.as_microsecond(), "minutes": candidate.minutes,
                "name": self.told["name"], "service": self.told["service"],
                "phone": candidate.phone, "notes": candidate.notes, "told": self.told,
            }),
        }
    }
}

impl Judge<'_> {
    /// What is to become of each.
    pub(super) fn all(&self, proposed: &[Proposed]) -> Vec<Judged> {
        let mut all: Vec<Judged> =
            proposed.iter().take(APPOINTMENTS_MAX).map(|one| self.one(one)).collect();
        let candidates: Vec<Candidate> =
            all.iter().filter_map(|one| one.outcome.as_ref().ok().cloned()).collect();
        for one in &mut all {
            // `10:00 or 11:30?` and `yes` settle neither.
            let is_unclear = one.outcome.as_ref().is_ok_and(|one| {
                candidates
                    .iter()
                    .any(|other| other.answers_the_same(one) && other.start != one.start)
            });
            if is_unclear {
                one.outcome = Err("it is not clear which was agreed on");
            }
        }
        all
    }

    fn one(&self, proposed: &Proposed) -> Judged {
        let [agent, caller] = [Speaker::Agent, Speaker::Caller].map(|speaker| {
            let lines =
                [proposed.answer_line, proposed.offer_line].map(|n| self.transcript.line(n));
            let line = lines.into_iter().flatten().find(|line| line.speaker == speaker);
            line.map_or(String::new(), |line| text(&line.text))
        });
        let told = json!({
            "date": text(&proposed.date), "time": text(&proposed.time),
            "name": self.said(&proposed.name, ANY_NAME),
            "service": self.said(&proposed.service, ANY_SERVICE),
            "agent": agent, "caller": caller,
        });
        let notes = self.notes(proposed, &agent, &caller);
        Judged { told, outcome: self.judge(proposed, notes) }
    }

    fn judge(&self, proposed: &Proposed, notes: String) -> Result<Candidate, &'static str> {
        if self.done.owners_may_have() {
            return Err("a function of the owner's may have stored it");
        }
        let lines = self.check_lines(proposed)?;
        let local = local(proposed).ok_or("no date and time")?;
        if self.done.knows(local) {
            return Err("known");
        }
        match proposed.verdict {
            Verdict::Agreed if proposed.retracted_line == 0 => {}
            Verdict::Agreed | Verdict::Retracted => return Err("it was taken back"),
            Verdict::Offered => return Err("it was only offered"),
            Verdict::Refused => return Err("it was refused"),
            Verdict::Unclear => return Err("it is not clear what was agreed on"),
        }
        let ended = Timestamp::from_microsecond(self.call.ended_us).map_err(|_| "no time")?;
        let minutes = self.agent.business.appointment_minutes;
        // Existing bookings are checked when the appointment is written.
        let calendar = Calendar { hours: &self.agent.hours, minutes, now: ended };
        let start = calendar.check(local, &[]).map_err(|why| match why {
            Unbookable::Past => "the time had passed",
            Unbookable::Closed => "the business is closed then",
            Unbookable::NotKnown => "the hours of that day are not known",
            Unbookable::NoZone => "the business's time zone is not known",
            Unbookable::Skipped | Unbookable::Twice | Unbookable::Taken => "there is no such time",
        })?;
        if start.duration_since(ended).as_hours() > DAYS_AHEAD * 24 {
            return Err("too far ahead");
        }
        let phone = caller_number(self.call.caller.reveal()).ok_or("the number is withheld")?;
        Ok(Candidate { local, lines, start, minutes, phone, notes })
    }

    /// One proposes, the other answers soon after, and by then day and time have been named.
    fn check_lines(&self, proposed: &Proposed) -> Result<[i64; 4], &'static str> {
        let Proposed { offer_line, answer_line, day_line, time_line, .. } = *proposed;
        let speaker = |number| self.transcript.line(number).map(|line| line.speaker);
        let (offer, answer) = (speaker(offer_line), speaker(answer_line));
        if offer.is_none() || answer.is_none() {
            return Err("nobody proposed it or nobody answered");
        }
        if offer == answer {
            return Err("only one of the two said it");
        }
        if !(1..=LINES_APART).contains(&(answer_line - offer_line)) {
            return Err("the answer is to something else");
        }
        let is_named = |number| speaker(number).is_some() && number <= answer_line;
        if !is_named(day_line) {
            return Err("no day was said");
        }
        if !is_named(time_line) {
            return Err("no time was said");
        }
        Ok([offer_line, answer_line, day_line, time_line])
    }

    /// What the owner finds with it.
    fn notes(&self, proposed: &Proposed, agent: &str, caller: &str) -> String {
        let check = "Agreed by telephone and not confirmed: please check.";
        let notes = format!("{check} Agent: \"{agent}\" Caller: \"{caller}\"");
        match self.said(&proposed.notes, "") {
            more if more.is_empty() => notes,
            more => format!("{more}. {notes}"),
        }
    }

    /// A text that is made of words that were said, else another.
    fn said(&self, given: &str, otherwise: &str) -> String {
        let given: String = given.trim().chars().take(NAME_CHARACTERS).collect();
        if self.transcript.has_every_word(&given) { given } else { otherwise.to_owned() }
    }
}

impl Candidate {
    fn answers_the_same(&self, other: &Self) -> bool {
        self.lines[1] == other.lines[1]
    }
}

fn local(proposed: &Proposed) -> Option<DateTime> {
    let date: Date = proposed.date.trim().parse().ok()?;
    let minutes = read_time(proposed.time.trim())?;
    let (hour, minute) = (i8::try_from(minutes / 60).ok()?, i8::try_from(minutes % 60).ok()?);
    Some(date.to_datetime(Time::new(hour, minute, 0, 0).ok()?))
}

#[cfg(test)]
#[path = "appointments_tests.rs"]
mod tests;
