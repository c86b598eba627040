//! What the rows, the phones and the logs say of a run, held against each other.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use frontdesk::rehearsal::phone::{CallReport, Ended, Sample};
use frontdesk::rehearsal::speech::babble::speak;

use crate::house::{FALLBACK, House, KEY, TOKEN, number};
use crate::plan::{self, BOOKED, CANCELLED, MOVED, NAME};
use crate::rows::{Appointment, Row};
use crate::silence;
use crate::verdict::{Check, Placed};

/// Nobody waits in silence for longer: what a part may take to be known as broken, and what then
/// takes its place.
const SILENCE_MAX: Duration = Duration::from_secs(12);
/// Of a hundred callers, so many may get what is said where the programs give nothing: a program
/// that is killed takes the requests in its hands with it.
const FELL_BACK_PERCENT: usize = 3;
/// Of a hundred callers, so many may be told that nobody is there, without a row: a program that
/// starts while the database is away knows no number.
const TOLD_OTHERWISE_PERCENT: usize = 10;
/// What was written up to so long before a kill is there afterwards.
const UNWRITTEN: Duration = Duration::from_secs(2);

/// What is known after a run.
pub(crate) struct Evidence<'a> {
    pub(crate) house: &'a House,
    pub(crate) placed: &'a [Placed],
    pub(crate) rows: BTreeMap<String, Row>,
    pub(crate) appointments: Vec<Appointment>,
}

impl Evidence<'_> {
    fn row(&self, placed: &Placed) -> Option<&Row> {
        self.rows.get(&placed.report.call_sid)
    }

    /// Whether a program was ended while the call lasted, or so shortly before that the call
    /// may have found it dead.
    fn saw_an_end(&self, placed: &Placed) -> bool {
        let (from, until) = placed.unix;
        let ends = self.house.ends.lock().unwrap();
        ends.iter().any(|end| end.unix + UNWRITTEN >= from && end.unix <= until + UNWRITTEN)
    }

    /// Every call has exactly one row, complete, unless its caller was told that nobody is there.
    pub(crate) fn calls_have_rows(&self, all_complete: bool) -> Check {
        let mut faults = Vec::new();
        let mut told = 0;
        for placed in self.placed {
            let CallReport { call_sid, fell_back, said, .. } = &placed.report;
            match self.row(placed) {
                Some(row) if row.is_complete => {}
                Some(row) => faults.push(format!("{call_sid} is {} and not complete", row.status)),
                // The apology of a program that could not know the number.
                None if *fell_back || !said.is_empty() => told += 1,
                None => faults.push(format!("{call_sid} has no row")),
            }
        }
        let sids: BTreeSet<_> = self.placed.iter().map(|placed| &placed.report.call_sid).collect();
        faults.extend(
            self.rows
                .keys()
                .filter(|sid| !sids.contains(sid))
                .map(|sid| format!("{sid} never was")),
        );
        if told > (self.placed.len() * TOLD_OTHERWISE_PERCENT).div_ceil(100) {
            faults.push(format!("{told} callers were told that nobody is there"));
        }
        if !all_complete && faults.is_empty() {
            faults.push("the rows were late".to_owned());
        }
        let count =
            format!("{} calls, {} rows, {told} told otherwise", self.placed.len(), self.rows.len());
        Check { what: "every call has exactly one completed row", count, faults }
    }

    /// `status` and `ended_by` go together, and with what the phone saw.
    pub(crate) fn rows_say_how_it_ended(&self) -> Check {
        let mut faults = Vec::new();
        for row in self.rows.values() {
            let is_known = matches!(
                (row.status.as_str(), row.ended_by.as_str()),
                ("completed", "caller" | "agent" | "limit" | "owner")
                    | ("transferred", "agent")
                    | ("voicemail", "caller")
                    | ("no-answer", "caller" | "agent")
                    | ("failed", "error")
            );
            if row.is_complete && !is_known {
                faults.push(format!("{}: {}", row.call_sid, row.end()));
            }
        }
        let count = format!("{} rows", self.rows.len());
        Check { what: "status and ended_by are a pair that there is", count, faults }
    }

    /// Nothing but the end of a program makes a call fail.
    pub(crate) fn failures_have_a_cause(&self) -> Check {
        let mut faults = Vec::new();
        let mut failed = 0;
        for placed in self.placed {
            let Some(row) = self.row(placed).filter(|row| row.status == "failed") else { continue };
            failed += 1;
            if !self.saw_an_end(placed) {
                faults.push(format!("{} failed, and its program lived", row.call_sid));
            }
        }
        Check {
            what: "calls fail only with their program",
            count: format!("{failed} failed"),
            faults,
        }
    }

    /// Hardly anybody had to be told by somebody else that nobody is there.
    pub(crate) fn callers_were_taken(&self) -> Check {
        let fell_back: Vec<_> =
            self.placed.iter().filter(|placed| placed.report.fell_back).collect();
        let most = (self.placed.len() * FELL_BACK_PERCENT).div_ceil(100);
        let mut faults: Vec<String> = Vec::new();
        if fell_back.len() > most {
            faults.extend(fell_back.iter().map(|placed| placed.report.errors.join("; ")));
        }
        let lost = self.placed.iter().filter(|placed| placed.report.ended == Ended::Failed);
        faults.extend(lost.map(|placed| format!("lost: {}", placed.report.errors.join("; "))));
        let count = format!(
            "{} of {} fell back, {} connections found nobody",
            fell_back.len(),
            self.placed.len(),
            self.house.front.refused()
        );
        Check { what: "hardly anybody is left to the fallback address", count, faults }
    }

    pub(crate) fn nobody_waits_in_silence(&self) -> Check {
        let lines: Vec<Sample> = (0..6).map(plan::line).collect();
        let mut longest = Duration::ZERO;
        let mut faults = Vec::new();
        for placed in self.placed {
            let silence = silence::longest(&placed.events, &lines);
            longest = longest.max(silence.lasted);
            if silence.lasted > SILENCE_MAX {
                faults.push(format!(
                    "{}: {:.1} s from {:.1} s on",
                    placed.report.call_sid,
                    silence.lasted.as_secs_f64(),
                    silence.from.as_secs_f64(),
                ));
            }
        }
        let count = format!("longest {:.1} s", longest.as_secs_f64());
        Check { what: "nobody waits in silence", count, faults }
    }

    /// What the caller was told that was done is in the database.
    pub(crate) fn spoken_is_done(&self) -> Check {
        let [booked, moved, cancelled] = [BOOKED, MOVED, CANCELLED].map(|words| speak(words).audio);
        let mut faults = Vec::new();
        let mut heard = [0; 3];
        for placed in self.placed {
            let audio = &placed.report.agent_audio;
            let told = [
                occurrences(&booked, audio),
                occurrences(&moved, audio),
                occurrences(&cancelled, audio),
            ];
            let row = self.row(placed).map(|row| row.id.as_str()).unwrap_or_default();
            let own: Vec<_> = self.appointments.iter().filter(|a| a.call_log_id == row).collect();
            // What is cancelled may have been moved before, and says so no more.
            let gone = own.iter().filter(|appointment| appointment.is_cancelled).count();
            let changed = own.iter().filter(|appointment| appointment.is_changed).count();
            for (what, told, done) in [
                ("booked", told[0], own.len()),
                ("moved", told[1], changed),
                ("cancelled", told[2], gone),
            ] {
                if told > done {
                    faults.push(format!(
                        "{}: {what}, told {told}, done {done}",
                        placed.report.call_sid
                    ));
                }
            }
            for (sum, told) in heard.iter_mut().zip(told) {
                *sum += told;
            }
        }
        let [booked, moved, cancelled] = heard;
        if booked == 0 {
            faults.push("nobody was told of a booking: the run shows nothing of them".to_owned());
        }
        let count = format!(
            "heard: {booked} booked, {moved} moved, {cancelled} cancelled; {} appointments",
            self.appointments.len()
        );
        Check { what: "what was told is done", count, faults }
    }

    /// Each booking that a function tells of is there once, and there is no other; but one that was
    /// made in the moment in which a program was killed.
    pub(crate) fn bookings_are_told_of(&self) -> Check {
        let mut faults = Vec::new();
        let mut told_of = 0;
        for row in self.rows.values() {
            let told: BTreeSet<String> = row.booked().into_iter().collect();
            let made: Vec<_> =
                self.appointments.iter().filter(|a| a.call_log_id == row.id).collect();
            told_of += told.len();
            if told.len() > made.len() {
                faults.push(format!(
                    "{}: told of {}, made {}",
                    row.call_sid,
                    told.len(),
                    made.len()
                ));
            }
            let at_a_kill = made.iter().filter(|made| self.is_at_a_kill(made.created)).count();
            if made.len() > told.len() + at_a_kill {
                faults.push(format!(
                    "{}: made {}, told of {}",
                    row.call_sid,
                    made.len(),
                    told.len()
                ));
            }
        }
        let calls: BTreeSet<_> = self.rows.values().map(|row| row.id.as_str()).collect();
        faults.extend(
            self.appointments
                .iter()
                .filter(|made| !calls.contains(made.call_log_id.as_str()))
                .map(|made| format!("an appointment of no call: {}", made.call_log_id)),
        );
        let count = format!("{told_of} told of, {} made", self.appointments.len());
        Check { what: "bookings and functions' results agree", count, faults }
    }

    fn is_at_a_kill(&self, at: Duration) -> bool {
        let ends = self.house.ends.lock().unwrap();
        ends.iter()
            .any(|end| end.is_kill && at <= end.unix + UNWRITTEN && at + UNWRITTEN >= end.unix)
    }

    pub(crate) fn nothing_is_booked_twice(&self) -> Check {
        let mut faults = Vec::new();
        let mut taken = BTreeSet::new();
        let pending = self.appointments.iter().filter(|appointment| !appointment.is_cancelled);
        for appointment in pending {
            if !taken.insert((&appointment.agent, appointment.starts)) {
                faults.push(format!("{} at {:?}", appointment.agent, appointment.starts));
            }
        }
        Check { what: "no time is booked twice", count: format!("{} times", taken.len()), faults }
    }

    /// No program panicked, and none said what is private.
    pub(crate) fn logs_are_clean(&self) -> Check {
        let mut private: Vec<String> =
            [NAME, "Maria", "insurance", "file the claim", TOKEN, KEY, FALLBACK]
                .map(str::to_owned)
                .into();
        private.extend(self.placed.iter().map(|placed| placed.caller.from[1..].to_owned()));
        private.push(number(0)[1..10].to_owned());
        let mut faults = Vec::new();
        let mut lines = 0;
        for (path, log) in self.house.settings.iter().flat_map(|setting| setting.logs()) {
            lines += log.lines().count();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            for line in log.lines() {
                let is_panic = line.contains("panicked at");
                let is_private = private.iter().any(|private| line.contains(private.as_str()));
                if is_panic || is_private {
                    let line: String = line.chars().take(160).collect();
                    faults.push(format!("{name}: {line}"));
                }
            }
        }
        Check {
            what: "no panic and nothing private in the logs",
            count: format!("{lines} lines"),
            faults,
        }
    }
}

/// How often a sound occurs in the audio.
fn occurrences(sound: &[u8], audio: &[u8]) -> usize {
    // A word begins with silence, of which there is much.
    let loud = sound.iter().position(|byte| *byte != 0xFF).unwrap_or(0);
    let sound = &sound[loud..];
    audio.windows(sound.len()).filter(|window| *window == sound).count()
}
