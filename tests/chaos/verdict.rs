//! Whether all that has to hold after a run does, counted line by line.

use std::collections::BTreeMap;
use std::time::Duration;

use frontdesk::rehearsal::phone::{CallReport, PhoneEvent};

use crate::evidence::Evidence;
use crate::house::House;
use crate::plan::{Caller, Size};
use crate::program::Footprint;
use crate::rows::{Row, appointments, rows, stuck_jobs};

/// How long all rows may take to be complete after the last call: a dead program is known to be one
/// after 20 s, and its calls are then completed within 10.
const ROWS_LIMIT: Duration = Duration::from_secs(60);
/// How long what a call leaves behind may take to be gone.
const QUIET_LIMIT: Duration = Duration::from_secs(30);
/// So much more than at its start may a program take when all is over: pools and caches that are
/// filled by the first calls.
const RESIDENT_MAX_KIB: u64 = 64 * 1024;
const OPEN_FILES_MAX: u64 = 24;
/// Faults that are shown of each kind.
const SHOWN: usize = 5;

/// A call that is over, as the phone saw it.
pub(crate) struct Placed {
    pub(crate) caller: Caller,
    pub(crate) report: CallReport,
    pub(crate) events: Vec<PhoneEvent>,
    /// When it began and ended, since the Unix epoch.
    pub(crate) unix: (Duration, Duration),
}

/// One line of the table.
pub(crate) struct Check {
    pub(crate) what: &'static str,
    /// What was counted.
    pub(crate) count: String,
    pub(crate) faults: Vec<String>,
}

/// Waits until everything is over, then prints the table. Gives whether all of it holds.
pub(crate) async fn judge(house: &House, size: &Size, placed: &[Placed]) -> bool {
    let rows_complete = house.eventually(ROWS_LIMIT, async || rows_open(house).await == 0).await;
    let mut checks = vec![are_quiet(house).await];
    let evidence = Evidence {
        house,
        placed,
        rows: rows(&house.pool).await,
        appointments: appointments(&house.pool).await,
    };
    checks.extend([
        evidence.calls_have_rows(rows_complete),
        evidence.rows_say_how_it_ended(),
        evidence.failures_have_a_cause(),
        evidence.callers_were_taken(),
        evidence.nobody_waits_in_silence(),
        evidence.spoken_is_done(),
        evidence.bookings_are_told_of(),
        evidence.nothing_is_booked_twice(),
        evidence.logs_are_clean(),
        jobs_are_done(house).await,
        footprints(house).await,
    ]);
    checks.push(Check {
        what: "programs start and end as they are told",
        count: format!("{} ends", house.ends.lock().unwrap().len()),
        faults: house.trouble.lock().unwrap().clone(),
    });
    print(size, &evidence, &checks);
    let all_hold = checks.iter().all(|check| check.faults.is_empty());
    house.tidy(all_hold);
    all_hold
}

fn print(size: &Size, evidence: &Evidence<'_>, checks: &[Check]) {
    println!(
        "\nRESULT of {} calls over {} s, seed {}, calls {} when a program ends",
        size.calls,
        size.over.as_secs(),
        size.seed,
        if size.moves { "move" } else { "are waited for" },
    );
    for check in checks {
        let holds = if check.faults.is_empty() { "ok  " } else { "FAIL" };
        println!("  {holds}  {:<46} {}", check.what, check.count);
        for fault in check.faults.iter().take(SHOWN) {
            println!("          {fault}");
        }
        if check.faults.len() > SHOWN {
            println!("          and {} more", check.faults.len() - SHOWN);
        }
    }
    println!("  calls by end: {}", counted(evidence.rows.values().map(Row::end)));
    println!(
        "  at the phone: {}",
        counted(
            evidence
                .placed
                .iter()
                .map(|placed| { format!("{:?}", placed.report.ended).to_lowercase() })
        )
    );
    let errors = evidence.placed.iter().flat_map(|placed| placed.report.errors.iter().cloned());
    println!("  errors at the phone: {}", counted(errors));
}

/// How often what occurs.
fn counted(all: impl Iterator<Item = String>) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for one in all {
        *counts.entry(one).or_default() += 1;
    }
    let all: Vec<_> = counts.iter().map(|(what, count)| format!("{count} x {what}")).collect();
    if all.is_empty() { "none".to_owned() } else { all.join(", ") }
}

async fn rows_open(house: &House) -> i64 {
    let ask = "select count(*) from call_logs where call_end is null";
    // The database may be slow to come back.
    sqlx::query_scalar(ask).fetch_one(&house.pool).await.unwrap_or(i64::MAX)
}

/// No call is on the line, nothing waits to be written, nothing is connected.
async fn are_quiet(house: &House) -> Check {
    let mut faults = Vec::new();
    for (place, program) in house.programs.iter().enumerate() {
        let name = house.settings[place].name;
        let program = program.lock().await;
        let Some(program) = program.as_ref() else { continue };
        for metric in ["frontdesk_calls_live", "frontdesk_log_queued", "frontdesk_log_spool_bytes"]
        {
            // A number that nothing was ever counted in is not there.
            let is_zero = async || program.metric(metric).await.is_none_or(|value| value == 0.0);
            if !house.eventually(QUIET_LIMIT, is_zero).await {
                faults.push(format!("{name}: {metric} {:?}", program.metric(metric).await));
            }
        }
        faults.extend(house.settings[place].spooled());
    }
    let sessions = async || house.services.open() == 0;
    if !house.eventually(QUIET_LIMIT, sessions).await {
        faults.push(format!("{} sessions of the speech service", house.services.open()));
    }
    if !house.eventually(QUIET_LIMIT, async || house.front.open() == 0).await {
        faults.push(format!("{} connections to the programs", house.front.open()));
    }
    let count = format!("{} connections, {} sessions", house.front.open(), house.services.open());
    Check { what: "nothing is left open, queued or spooled", count, faults }
}

async fn jobs_are_done(house: &House) -> Check {
    let mut stuck = stuck_jobs(&house.pool).await;
    house
        .eventually(QUIET_LIMIT, async || {
            stuck = stuck_jobs(&house.pool).await;
            stuck.as_ref().is_none_or(Vec::is_empty)
        })
        .await;
    let count = match &stuck {
        Some(_) => "done",
        None => "there are no such jobs",
    };
    let faults = stuck.unwrap_or_default();
    Check { what: "work after the call is done", count: count.to_owned(), faults }
}

/// What the programs take of the machine when all is over.
async fn footprints(house: &House) -> Check {
    let (mut counts, mut faults) = (Vec::new(), Vec::new());
    for (place, program) in house.programs.iter().enumerate() {
        let program = program.lock().await;
        let Some(program) = program.as_ref() else { continue };
        let (name, start, now) =
            (house.settings[place].name, program.at_start, program.footprint());
        let Footprint { resident_kib, open_files } = now;
        counts.push(format!(
            "{name} {} -> {} MiB, {} -> {open_files} files",
            start.resident_kib / 1024,
            resident_kib / 1024,
            start.open_files
        ));
        if resident_kib > start.resident_kib + RESIDENT_MAX_KIB {
            faults.push(format!("{name}: {resident_kib} KiB resident"));
        }
        if open_files > start.open_files + OPEN_FILES_MAX {
            faults.push(format!("{name}: {open_files} open files"));
        }
    }
    Check { what: "memory and files return to their level", count: counts.join("; "), faults }
}
