//! What owners write: settings, schedules, and what both come to on a day.

use frontdesk::agent::history::History;
use frontdesk::agent::prompt::{Briefing, Prompts};
use frontdesk::agent::{Agent, AgentSource, BusinessSource};
use frontdesk::calendar::slots::{Busy, Calendar, spread};
use frontdesk::private::Private;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::harness::{corpus, fuzz};
use crate::mutate::{ODD_TEXTS, edits, mutated};

/// The most faults that are reported of an agent.
const FAULTS_MAX: usize = 50;

fn settings() -> Value {
    json!({
        "greeting": "Thanks for calling Bright Smiles, how can I help?", "language": "en",
        "voice": "marin", "instructions": "Be brief.", "engine": "realtime",
        "knowledge": {"matches": 4, "min_similarity": 0.2, "budget_ms": 600},
        "hours": {"closed": "fallback"},
        "transfer": {"targets": {"sales": "+15559990001", "front": "(212) 555-0101"}},
        "interruptions": {"allow": true, "greeting": false},
        "idle": {"reprompt_seconds": 10, "reprompts": 2},
        "limits": {"call_seconds": 1800, "concurrent_calls": 20},
        "fallback": {"kind": "forward", "number": "+15559990002", "message": "Sorry."},
        "recording": {"enabled": true, "notice": "This call is recorded."},
        "retention": {"recording_days": 30, "transcript_days": null},
        "webhook": {"url": "https://hooks.example.com/x", "secret": "whsec_x"},
        "secrets": {"CRM_KEY": "hunter2"},
    })
}

fn schedule() -> Value {
    json!({
        "monday": [{"open": "09:00", "close": "12:00"}, {"open": "13:00", "close": "17:30"}],
        "tue": {"open": "9:00 am", "close": "5 pm"}, "wednesday": "closed",
        "thursday": [{"open": "18:00", "close": "02:00"}], "friday": [{"open": "00:00", "close": "24:00"}],
        "saturday": [], "12-26": "closed", "03/04/2026": [], "24.-26.12.2026": "closed",
        "holidays": ["1 Jan 2027", {"date": "25.12.2026", "name": "Christmas"}], "Easter": "closed",
        "closures": {"Holiday": {"from": "Dec 24, 2027", "to": "2028-01-02", "closed": true}},
        "exceptions": {"2026-12-25": [], "2026-12-24": [{"open": "09:00", "close": "12:00"}]},
    })
}

fn agent(settings: Value, schedule: Value, zone: &str, minutes: i32) -> Agent {
    Agent::new(AgentSource {
        name: zone.to_owned().into(),
        number: Some(zone.to_owned().into()),
        status: "active".to_owned(),
        take_over_timeout: Some(zone.to_owned()),
        private_settings: Private::new(settings),
        business: Some(BusinessSource {
            operating_schedule: Some(schedule),
            timezone: Some(zone.to_owned()),
            appointment_minutes: Some(minutes),
            ..BusinessSource::default()
        }),
        ..AgentSource::default()
    })
}

fn check_settings(settings: Value) -> Result<(), TestCaseError> {
    let given = settings.to_string().len();
    let agent = agent(settings, json!({}), "Europe/London", 30);
    prop_assert!(agent.faults.len() <= FAULTS_MAX);
    let told: usize = agent.faults.iter().map(|fault| fault.to_string().len()).sum();
    prop_assert!(told <= FAULTS_MAX * 2_000 + given, "{} bytes of faults", told);
    let faults = format!("{:?}", agent.faults);
    prop_assert!(!faults.contains("hunter2") && !faults.contains("whsec_x"), "{}", faults);
    prop_assert!((1..=14_400).contains(&agent.settings.limits.call_seconds));
    prop_assert!(agent.settings.knowledge.matches <= 1_000);
    prop_assert!(agent.answers_now(Timestamp::UNIX_EPOCH).is_ok());
    let text = PROMPTS.with(|prompts| {
        let now = Timestamp::UNIX_EPOCH.to_zoned(agent.hours.zone().clone());
        let caller = Private::new("+15551230001".to_owned());
        let briefing = Briefing {
            agent: &agent,
            caller: &caller,
            history: &History::default(),
            functions: &[],
            now: &now,
        };
        prompts.render_system(&briefing)
    });
    prop_assert!(text.is_ok_and(|text| text.len() <= 3 * given + 64 * 1024));
    Ok(())
}

thread_local! {
    static PROMPTS: Prompts = Prompts::built_in();
}

#[test]
fn fuzz_settings_of_agents() {
    for (name, text) in corpus("settings") {
        let value = serde_json::from_str(&text).unwrap_or(Value::String(text));
        check_settings(value).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    fuzz("settings", 80, edits(), |edits| check_settings(mutated(&settings(), &edits)));
}

/// A week of times, around a moment that may be anywhere.
fn check_hours(schedule: Value, zone: &str, at: i64, minutes: i32) -> Result<(), TestCaseError> {
    let agent = agent(json!({}), schedule, zone, minutes);
    let now = Timestamp::from_second(at).unwrap_or(Timestamp::MAX);
    let _ = agent.hours.is_open(now);
    let zoned = now.to_zoned(agent.hours.zone().clone());
    prop_assert!(agent.hours.coming_days(&zoned, 8).len() <= 8);
    prop_assert!((1..=24 * 60).contains(&agent.business.appointment_minutes));
    let calendar =
        Calendar { hours: &agent.hours, minutes: agent.business.appointment_minutes, now };
    let until = now.saturating_add(SignedDuration::from_hours(7 * 24)).unwrap();
    let busy =
        [Busy { from_us: now.as_microsecond(), until_us: now.as_microsecond() + 3_600_000_000 }];
    let free = calendar.free(now, until, &busy);
    // Every five minutes of nine days, where a day begins before it and one ends after it, in each
    // of the ranges of a day, which may overlap.
    prop_assert!(free.len() <= 9 * 288 * 64, "{} times", free.len());
    for time in spread(&free, 3) {
        let local = time.to_zoned(agent.hours.zone().clone()).datetime();
        prop_assert_eq!(calendar.check(local, &busy), Ok(time));
    }
    let _ = calendar.nearest(until, (now, until), &busy, 3);
    Ok(())
}

#[test]
fn fuzz_schedules() {
    for (name, text) in corpus("schedules") {
        let value = serde_json::from_str(&text).unwrap_or(Value::String(text));
        check_hours(value, "America/New_York", 1_793_000_000, 30)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    let zones = ["Europe/London", "America/New_York", "Pacific/Apia", "Asia/Kathmandu", "UTC"];
    let zone = prop_oneof![
        4 => prop::sample::select(zones.to_vec()),
        1 => prop::sample::select(ODD_TEXTS.to_vec()),
    ];
    let at = prop_oneof![4 => 1_700_000_000..1_900_000_000_i64, 1 => any::<i64>()];
    let minutes = prop_oneof![4 => 5..240_i32, 1 => any::<i32>()];
    fuzz("schedules", 50, (edits(), zone, at, minutes), |(edits, zone, at, minutes)| {
        check_hours(mutated(&schedule(), &edits), zone, at, minutes)
    });
}
