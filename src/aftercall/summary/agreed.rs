//! Appointments that agent and caller agreed on and no function stored. The model says which; what
//! it says is taken only as far as both said it.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use serde_json::{Value, json};

use super::answer::{Proposed, text};
use super::began;
use super::claims::Done;
use super::heard::Heard;
use super::transcript::{Speaker, Transcript};
use crate::agent::Agent;
use crate::agent::hours::read_time;
use crate::agent::phone_number::caller_number;
use crate::calendar::slots::{Calendar, Unbookable};
use crate::store::EndedCall;

/// The most appointments of a call.
const APPOINTMENTS_MAX: usize = 3;
/// How many lines the words of agent and caller may be apart: who agrees answers what was just said.
const LINES_APART: usize = 3;
/// The furthest ahead, days: what is later was misheard.
const DAYS_AHEAD: i64 = 366;
/// The longest name and service, in characters, as functions take them.
const NAME_CHARACTERS: usize = 200;
/// What an appointment is for, and for whom, where the words for it were not said.
const ANY_SERVICE: &str = "Appointment";
const ANY_NAME: &str = "Caller";

/// What appointments are judged by.
pub(super) struct Agreed<'a> {
    pub(super) agent: &'a Agent,
    pub(super) call: &'a EndedCall,
    pub(super) transcript: &'a Transcript,
    pub(super) done: &'a Done,
}

impl Agreed<'_> {
    /// What is to be stored of them, as [`Findings::appointments`](crate::store::Findings) has it.
    pub(super) fn all(&self, proposed: &[Proposed]) -> Vec<Value> {
        let mut all: Vec<(Option<(usize, usize)>, Value)> =
            proposed.iter().take(APPOINTMENTS_MAX).map(|one| self.one(one)).collect();
        // `10:00 or 11:30?` and `yes` say neither.
        let is_unclear = |(places, one): &(Option<(usize, usize)>, Value)| {
            all.iter().any(|(others, other)| {
                places.is_some() && others == places && other["start_us"] != one["start_us"]
            })
        };
        let unclear: Vec<bool> = all.iter().map(is_unclear).collect();
        for ((_, one), unclear) in all.iter_mut().zip(unclear) {
            if unclear {
                *one = json!({"told": one["told"], "why": "it is not clear which was agreed on"});
            }
        }
        all.into_iter().map(|(_, one)| one).collect()
    }

    /// What is to be stored of one, and where it was agreed on if it was.
    fn one(&self, proposed: &Proposed) -> (Option<(usize, usize)>, Value) {
        let told = json!({
            "date": text(&proposed.date), "time": text(&proposed.time),
            "name": self.said(&proposed.name, ANY_NAME),
            "service": self.said(&proposed.service, ANY_SERVICE),
            "agent": text(&proposed.agent_quote), "caller": text(&proposed.caller_quote),
        });
        match self.judge(proposed) {
            Err(why) => (None, json!({"told": told, "why": why})),
            Ok((start, phone, places)) => {
                let one = json!({
                    "start_us": start.as_microsecond(),
                    "minutes": self.agent.business.appointment_minutes,
                    "name": told["name"], "service": told["service"], "phone": phone,
                    "notes": self.notes(proposed),
                    "told": told,
                });
                (Some(places), one)
            }
        }
    }

    /// When it begins, whose it is, and where agent and caller agreed on it.
    fn judge(
        &self,
        proposed: &Proposed,
    ) -> Result<(Timestamp, String, (usize, usize)), &'static str> {
        if self.done.owners_may_have() {
            return Err("a function of the owner's may have stored it");
        }
        let (agent, caller) = self.check_words(proposed)?;
        let local = local(proposed).ok_or("no date and time")?;
        if self.done.knows(local) {
            return Err("known");
        }
        let heard = Heard { transcript: self.transcript, agent, caller };
        heard.check_consent(local, &proposed.agent_quote, &proposed.caller_quote)?;
        heard.check_time(local)?;
        heard.check_day(local.date(), began(self.agent, self.call).date())?;
        let ended = Timestamp::from_microsecond(self.call.ended_us).map_err(|_| "no time")?;
        let minutes = self.agent.business.appointment_minutes;
        // What is booked is looked at when it is written.
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
        Ok((start, phone, (agent, caller)))
    }

    /// Both must have said what they are quoted with, one soon after the other. Gives where: of
    /// what was said more than once, the last counts.
    fn check_words(&self, proposed: &Proposed) -> Result<(usize, usize), &'static str> {
        let agent = self.transcript.places(Speaker::Agent, &proposed.agent_quote);
        let caller = self.transcript.places(Speaker::Caller, &proposed.caller_quote);
        if agent.is_empty() || caller.is_empty() {
            return Err("not said");
        }
        let mut pairs = agent.iter().rev().flat_map(|a| caller.iter().rev().map(|c| (*a, *c)));
        pairs.find(|(a, c)| a.abs_diff(*c) <= LINES_APART).ok_or("not said together")
    }

    /// What the owner finds with it.
    fn notes(&self, proposed: &Proposed) -> String {
        let (agent, caller) = (text(&proposed.agent_quote), text(&proposed.caller_quote));
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

fn local(proposed: &Proposed) -> Option<DateTime> {
    let date: Date = proposed.date.trim().parse().ok()?;
    let minutes = read_time(proposed.time.trim())?;
    let (hour, minute) = (i8::try_from(minutes / 60).ok()?, i8::try_from(minutes % 60).ok()?);
    Some(date.to_datetime(Time::new(hour, minute, 0, 0).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::{AgentSource, BusinessSource};
    use uuid::Uuid;

    const CALLER: &str = "+15551230001";
    const OTHER_TIME: &str = "another time was said";
    const NO_TIME: &str = "no time was said";
    const OTHER_DAY: &str = "another day was said";
    const CLOSED: &str = "the business is closed then";
    const TALK: &str = "[00:01] Caller: I am Maria Lopez, could I come for a cleaning?\n\
        [00:05] Agent: I can put you down for Tuesday, 2026-12-01, at 2:30 pm.\n\
        [00:09] Caller: Yes, that is fine.\n\
        [00:12] Agent: Good.\n[00:13] Agent: Anything else?\n[00:15] Agent: Hello?\n\
        [00:20] Caller: Bye, bye.";

    fn agent() -> Agent {
        Agent::new(AgentSource {
            business: Some(BusinessSource {
                timezone: Some("America/New_York".to_owned()),
                appointment_minutes: Some(30),
                operating_schedule: Some(json!({"tue": {"open": "09:00", "close": "17:00"},
                    "mon": "closed", "fri": {"open": "09:00", "close": "18:00"}})),
                ..BusinessSource::default()
            }),
            ..AgentSource::default()
        })
    }

    fn proposed() -> Proposed {
        Proposed {
            name: "Maria Lopez".to_owned(),
            service: "cleaning".to_owned(),
            date: "2026-12-01".to_owned(),
            time: "14:30".to_owned(),
            notes: String::new(),
            agent_quote: "put you down for Tuesday, 2026-12-01, at 2:30 pm".to_owned(),
            caller_quote: "Yes, that is fine".to_owned(),
        }
    }

    fn judged(caller: &str, done: &Done, proposed: &Proposed) -> Value {
        judged_of(TALK, caller, done, proposed)
    }

    fn judged_of(talk: &str, caller: &str, done: &Done, proposed: &Proposed) -> Value {
        all_of(talk, caller, done, std::slice::from_ref(proposed)).remove(0)
    }

    fn all_of(talk: &str, caller: &str, done: &Done, proposed: &[Proposed]) -> Vec<Value> {
        let call = EndedCall {
            agent_id: Uuid::nil(),
            caller: caller.to_owned().into(),
            status: "completed".to_owned(),
            transcript: String::new().into(),
            metadata: Value::Null.into(),
            // 2026-11-27T19:55:00Z, a Friday
            started_us: 1_795_809_300_000_000,
            // 2026-11-27T20:00:00Z
            ended_us: 1_795_809_600_000_000,
        };
        let (agent, transcript) = (agent(), Transcript::read(talk));
        let agreed = Agreed { agent: &agent, call: &call, transcript: &transcript, done };
        agreed.all(proposed)
    }

    #[test]
    fn of_two_times_in_the_same_lines_neither_is_written() {
        let talk = "[00:05] Agent: Tuesday, 2026-12-01, at 2:30 pm or at 4:00 pm?\n\
            [00:09] Caller: Yes, fine.";
        let at = |time: &str| Proposed {
            time: time.to_owned(),
            agent_quote: "at 2:30 pm or at 4:00 pm".to_owned(),
            caller_quote: "Yes, fine".to_owned(),
            ..proposed()
        };
        let judged = |times: [&str; 2]| {
            let all = all_of(talk, CALLER, &Done::default(), &times.map(at));
            all.iter().filter(|one| !one["start_us"].is_null()).count()
        };
        assert_eq!(judged(["14:30", "16:00"]), 0);
        // The same once more is no other.
        assert_eq!(judged(["14:30", "14:30"]), 2);
    }

    #[test]
    fn what_both_said_is_written_with_their_words() {
        let judged = judged(CALLER, &Done::default(), &proposed());
        // 2026-12-01T19:30:00Z
        assert_eq!(judged["start_us"], 1_796_153_400_000_000_i64, "{judged}");
        assert_eq!((&judged["minutes"], &judged["phone"]), (&json!(30), &json!("+15551230001")));
        assert_eq!(
            (&judged["name"], &judged["service"]),
            (&json!("Maria Lopez"), &json!("cleaning"))
        );
        assert!(judged["notes"].as_str().unwrap().contains("\"Yes, that is fine\""));
        assert!(judged.get("why").is_none());
    }

    #[test]
    fn what_was_not_said_is_not_written() {
        type Change = fn(&mut Proposed);
        let changes: [(Change, &str); 9] = [
            (|p| p.agent_quote = "I have booked you".to_owned(), "not said"),
            (|p| p.caller_quote = "Yes, book it".to_owned(), "not said"),
            // The words of the other do not count as theirs.
            (|p| p.caller_quote = "put you down for Tuesday".to_owned(), "not said"),
            (|p| p.caller_quote = String::new(), "not said"),
            (|p| p.caller_quote = "Bye, bye".to_owned(), "not said together"),
            (|p| p.time = "15:30".to_owned(), "another time was said"),
            // It was two in the afternoon.
            (|p| p.time = "02:30".to_owned(), "another time was said"),
            (
                |p| {
                    // The time that was said is left out of the words.
                    p.agent_quote = "I can put you down for Tuesday".to_owned();
                    p.time = "15:30".to_owned();
                },
                "another time was said",
            ),
            (|p| p.date = "soon".to_owned(), "no date and time"),
        ];
        for (change, why) in changes {
            let mut proposed = proposed();
            change(&mut proposed);
            let judged = judged(CALLER, &Done::default(), &proposed);
            assert_eq!(judged["why"], why, "{judged}");
            assert!(judged.get("start_us").is_none());
        }
        let withheld = judged("anonymous", &Done::default(), &proposed());
        assert_eq!(withheld["why"], "the number is withheld");
    }

    #[test]
    fn day_and_time_are_those_that_were_said() {
        let tuesday = "2026-12-01";
        for (before, offer, answer, date, time, why) in [
            ("", "Tuesday at 10 AM?", "Yes", tuesday, "10:00", ""),
            ("", "Tuesday at 10 am, shall I?", "Yes", tuesday, "16:00", "another time was said"),
            ("", "I'll move it from 1 pm to 3 pm on Tuesday.", "Yes", tuesday, "15:00", ""),
            ("", "Tuesday, half past two?", "Yes, after 2 pm is fine.", tuesday, "14:30", ""),
            ("", "Tuesday at 2:30 pm?", "Yes, but make it 4 pm.", tuesday, "14:30", OTHER_TIME),
            ("", "Tuesday at 2:30 pm?", "Yes, 2:30 pm, or 4 pm.", tuesday, "14:30", ""),
            ("", "On Tuesday, at your time.", "Yes, at 4:00 pm.", tuesday, "14:30", OTHER_TIME),
            // The agent has to say the time too.
            ("", "On Tuesday, at your time.", "Yes, at 4:00 pm.", tuesday, "16:00", NO_TIME),
            ("", "On Tuesday?", "Yes", tuesday, "14:30", "no time was said"),
            ("", "Any time after 2 pm on Tuesday?", "Yes", tuesday, "14:00", "no time was said"),
            ("", "Tuesday at 2:30 pm?", "Yes, but on Wednesday.", tuesday, "14:30", OTHER_DAY),
            ("", "Wednesday at 2:30 pm?", "Yes", tuesday, "14:30", OTHER_DAY),
            ("", "December 8th at 2:30 pm?", "Yes", tuesday, "14:30", OTHER_DAY),
            ("", "Tomorrow at 2:30 pm?", "Yes", tuesday, "14:30", OTHER_DAY),
            ("", "Am 1. Dezember um 14:30 Uhr?", "Yes", tuesday, "14:30", ""),
            ("", "On 2026-12-08 at 2:30 pm?", "Yes", tuesday, "14:30", OTHER_DAY),
            ("Could I come on Tuesday?", "At 2:30 pm?", "Yes", tuesday, "14:30", ""),
            ("On Tuesday, or on Monday?", "At 2:30 pm?", "Yes", tuesday, "14:30", ""),
            ("Could I come on Thursday?", "At 2:30 pm?", "Yes", tuesday, "14:30", OTHER_DAY),
            ("", "At 2:30 pm?", "Yes", tuesday, "14:30", "no day was said"),
            // The call is of a Friday.
            ("", "Today at 2 pm?", "Yes", "2026-11-27", "14:00", "the time had passed"),
            ("", "Today at 4:30 pm?", "Yes", "2026-11-27", "16:30", ""),
            ("", "Monday at 2:30 pm?", "Yes", "2026-11-30", "14:30", CLOSED),
            ("", "December 5th, 2028, at 2:30 pm?", "Yes", "2028-12-05", "14:30", "too far ahead"),
        ] {
            let talk = format!(
                "[00:01] Agent: Can I help you today?\n[00:02] Caller: {before}\n\
                 [00:05] Agent: {offer}\n[00:09] Caller: {answer}"
            );
            let proposed = Proposed {
                date: date.to_owned(),
                time: time.to_owned(),
                agent_quote: offer.to_owned(),
                caller_quote: "Yes".to_owned(),
                ..proposed()
            };
            let judged = judged_of(&talk, CALLER, &Done::default(), &proposed);
            assert_eq!(judged["why"].as_str().unwrap_or_default(), why, "{talk} {date} {time}");
        }
    }

    #[test]
    fn what_a_function_did_is_known_and_nothing_else() {
        let at = |time: &str| json!({"date": "2026-12-01", "time": time});
        let run = |name: &str, result: Value| json!({"name": name, "ok": true, "result": result});
        for (run, why) in [
            (run("book_appointment", json!({"booked": at("14:30")})), "known"),
            (run("book_appointment", json!({"booked": at("09:00")})), ""),
            // One of the same weekday and time is taken for that.
            (
                run("book_appointment", json!({"booked": {"date": "2026-12-08", "time": "14:30"}})),
                "known",
            ),
            (
                run(
                    "cancel_appointment",
                    json!({"cancelled": {"date": "2026-12-08", "time": "14:30"}}),
                ),
                "",
            ),
            (run("cancel_appointment", json!({"cancelled": at("09:00")})), ""),
            (
                run(
                    "reschedule_appointment",
                    json!({"rescheduled": at("09:00"), "before": at("14:30")}),
                ),
                "known",
            ),
            (run("gone_since", json!({})), "a function of the owner's may have stored it"),
        ] {
            let done = Done::of(&agent(), std::slice::from_ref(&run), "completed");
            let judged = judged(CALLER, &done, &proposed());
            assert_eq!(judged["why"].as_str().unwrap_or_default(), why, "{run}");
        }
    }

    #[test]
    fn a_name_that_nobody_said_is_left_out() {
        let other = Proposed {
            name: "John Smith".to_owned(),
            service: "root canal".to_owned(),
            ..proposed()
        };
        let judged = judged(CALLER, &Done::default(), &other);
        assert_eq!((&judged["name"], &judged["service"]), (&json!(ANY_NAME), &json!(ANY_SERVICE)));
    }
}
