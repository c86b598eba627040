//! The speech, language and embedding service: whether it takes the key, and has the models.

use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Unit};

use super::finding::Finding;
use crate::clock::{unix_now, within};
use crate::config::{Models, OpenAi};
use crate::engine::models::{ModelAnswer, ModelError, ModelList};
use crate::knowledge::{EmbedError, Knowledge};
use crate::store::Store;

/// A model that ends within so many days wants another one now.
const NOTICE_DAYS: i32 = 90;
/// How long one model may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);

const SERVICE: &str = "OPENAI_BASE_URL";
const KEY: &str = "OPENAI_API_KEY";
/// Where [`OpenAi::base_url`] is if nobody says otherwise, and takes nobody without a key.
pub(super) const OPENAI_HOST: &str = "api.openai.com";

pub(super) async fn check(service: &OpenAi, models: &Models) -> Vec<Finding> {
    let host = service.base_url.host_str().unwrap_or_default().to_owned();
    if service.api_key.is_none() && host == OPENAI_HOST {
        let remedy = "set it to a key of the project that pays";
        return vec![Finding::fail(KEY, "not set: no call has an agent's voice", remedy)];
    }
    let Ok(list) = ModelList::of(service) else {
        let found = "no HTTP client can be made";
        return vec![Finding::fail(SERVICE, found, "see the system's certificates")];
    };
    let today = today();
    let mut findings = Vec::new();
    for (variable, id) in [
        ("REALTIME_MODEL", &models.realtime),
        ("TRANSCRIPTION_MODEL", &models.transcription),
        ("CHAT_MODEL", &models.chat),
        ("EMBEDDING_MODEL", &models.embedding),
    ] {
        let asking = within(ANSWER_LIMIT, list.look_up(id));
        match asking.await.unwrap_or(Err(ModelError::Late)) {
            Ok(answer) => findings.push(model(variable, id, &answer, today)),
            Err(error) => {
                // The answer for one model holds for all.
                findings.push(trouble(&host, error));
                return findings;
            }
        }
    }
    findings.insert(0, Finding::ok(SERVICE, format!("{host} answers and takes the key")));
    findings
}

/// One text is embedded: the size of what comes back decides whether knowledge can be searched.
pub(super) async fn check_embeddings(service: &OpenAi, models: &Models) -> Vec<Finding> {
    const CHECK: &str = "embeddings";
    if service.api_key.is_none() && service.base_url.host_str() == Some(OPENAI_HOST) {
        return Vec::new();
    }
    // No search is made, so no database is reached.
    let Ok(store) = Store::at("postgres://localhost/none", 1) else { return Vec::new() };
    let Ok(knowledge) = Knowledge::new(store, service, &models.embedding) else {
        return Vec::new();
    };
    let late = || Err(EmbedError::Late);
    let made = within(ANSWER_LIMIT, knowledge.try_embedding()).await.unwrap_or_else(late);
    vec![match made {
        Ok(()) => Finding::ok(CHECK, "1536 dimensions"),
        Err(error) => {
            let error = error.to_string();
            let found = error.strip_prefix("embedding: ").unwrap_or(&error);
            let remedy = "see OPENAI_API_KEY and its quota, and EMBEDDING_MODEL; until then agents \
                          answer without their knowledge";
            Finding::fail(CHECK, found, remedy)
        }
    }]
}

fn today() -> Date {
    let seconds = i64::try_from(unix_now().as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds).unwrap_or_default().to_zoned(TimeZone::UTC).date()
}

fn trouble(host: &str, error: ModelError) -> Finding {
    match error {
        ModelError::Key => {
            let remedy = "set it to a key that is in force, and may use models";
            Finding::fail(KEY, format!("{host} refuses it"), remedy)
        }
        ModelError::Unreachable | ModelError::Late => {
            let remedy = "mend the address, or see that a firewall lets it through";
            Finding::fail(SERVICE, format!("{host}: {error}"), remedy)
        }
        ModelError::Status(429) => {
            let remedy = "see the account's quota and limits";
            Finding::fail(KEY, format!("{host} has enough of it (status 429)"), remedy)
        }
        ModelError::Status(_) => {
            Finding::fail(SERVICE, format!("{host}: {error}"), "see the service's own status")
        }
    }
}

fn model(variable: &str, id: &str, answer: &ModelAnswer, today: Date) -> Finding {
    let remedy = format!("set {variable} to a current model");
    let shutdown = match answer {
        ModelAnswer::Missing => {
            return Finding::fail(
                variable,
                format!("there is no {id}, or not for this key"),
                remedy,
            );
        }
        ModelAnswer::NotTold => {
            let found = format!("{id}: the service does not list its models");
            return Finding::warn(variable, found, "see its documentation for the name");
        }
        ModelAnswer::There { shutdown_date: None } => return Finding::ok(variable, id),
        ModelAnswer::There { shutdown_date: Some(date) } => date.get(..10).unwrap_or(date),
    };
    let Ok(date) = shutdown.parse::<Date>() else {
        let found = format!("{id} is to be shut down, and the day cannot be read");
        return Finding::warn(variable, found, remedy);
    };
    let days = today.until((Unit::Day, date)).map_or(0, |span| span.get_days());
    if days <= 0 {
        Finding::fail(variable, format!("{id} was shut down on {date}"), remedy)
    } else if days <= NOTICE_DAYS {
        let found = format!("{id} is shut down on {date}, in {days} days");
        Finding::warn(variable, found, remedy)
    } else {
        Finding::ok(variable, format!("{id}, until {date}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_models_last_day_is_judged() {
        let today = jiff::civil::date(2026, 11, 27);
        for (day, line) in [
            (Some("2027-02-26"), "ok    REALTIME_MODEL: m, until 2027-02-26"),
            (Some("2027-02-25"), "warn  REALTIME_MODEL: m is shut down on 2027-02-25, in 90 days"),
            (Some("2026-11-28T00:00:00Z"), "warn  REALTIME_MODEL: m is shut down on 2026-11-28"),
            (Some("2026-11-27"), "FAIL  REALTIME_MODEL: m was shut down on 2026-11-27"),
            (Some("soon"), "warn  REALTIME_MODEL: m is to be shut down"),
            (None, "ok    REALTIME_MODEL: m"),
        ] {
            let answer = ModelAnswer::There { shutdown_date: day.map(str::to_owned) };
            let found = model("REALTIME_MODEL", "m", &answer, today).to_string();
            assert!(found.starts_with(line), "{found}");
        }
        let missing = model("CHAT_MODEL", "m", &ModelAnswer::Missing, today).to_string();
        assert_eq!(
            missing,
            "FAIL  CHAT_MODEL: there is no m, or not for this key; set CHAT_MODEL to a current model"
        );
    }
}
