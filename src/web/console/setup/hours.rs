//! The screen of opening hours, and of whom callers are put through to.

use axum::Form;
use axum::extract::Path;
use http::StatusCode;
use jiff::civil::Date;
use maud::{Markup, html};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::forms::{
    BACK, Told, back_unsaved, described, error, keep_and_back, progress, summary, told,
};
use super::presets::{HOURS, schedule};
use super::{Setup, Step, Wrong, go_on, opened_to_change, refused};
use crate::agent::hours::Hours;
use crate::agent::phone_number::normalise_local;
use crate::agent::region::Region;
use crate::agent::{Agent, AgentSource, BusinessSource};
use crate::web::console::agent::{Editor, Sent, WrongDay};
use crate::web::console::errors::Shown;
use crate::web::console::plain::plain;
use crate::web::problem::Problem;
use crate::web::session::PageRequest;

/// Hours that the owner writes.
const OWN: &str = "own";
/// No hours yet.
const UNKNOWN: &str = "unknown";
/// Where the number is that people are put through to.
const TEAM: &str = "/settings/transfer/targets/team";

/// What the fields are called, besides those of the days.
const NAMES: [(&str, &str); 2] =
    [("hours", "Opening hours"), ("team", "Whom callers are put through to")];

/// A form that is shown once more: what was sent, and why it was not accepted.
#[derive(Default)]
pub(super) struct Again {
    sent: Sent,
    wrong: Vec<Wrong>,
    wrong_days: Vec<WrongDay>,
}

impl Again {
    /// All that was wrong, in the order of the screen.
    fn told(&self, editor: &Editor) -> Vec<Told> {
        let days = editor.told(&self.wrong_days).into_iter();
        let days = days.map(|(id, name, why)| Told { id, name, why });
        days.chain(told(&self.wrong, &NAMES)).collect()
    }
}

fn today(setup: &Setup) -> Date {
    setup.shell.now.date()
}

fn stored_schedule(setup: &Setup) -> &Value {
    &setup.document["business"]["operating_schedule"]
}

fn editor_of(setup: &Setup, schedule: Option<Value>) -> Editor {
    let business = BusinessSource { operating_schedule: schedule, ..BusinessSource::default() };
    let agent = Agent::new(AgentSource { business: Some(business), ..AgentSource::default() });
    editor(&agent.hours, today(setup))
}

fn editor(hours: &Hours, today: Date) -> Editor {
    Editor::stored(hours, today)
}

/// The hours that are chosen when the screen is shown: those that are stored, at first those that the
/// trade suggests.
fn chosen(setup: &Setup) -> &'static str {
    if stored_schedule(setup).is_null() {
        return if setup.reached == Step::Hours { setup.trade().hours } else { UNKNOWN };
    }
    let stored = editor(&setup.agent.hours, today(setup));
    let mut words = HOURS.iter().map(|(word, _)| *word).filter(|word| *word != UNKNOWN);
    words.find(|word| editor_of(setup, schedule(word)) == stored).unwrap_or(OWN)
}

/// The editor as it is shown at first.
fn first(setup: &Setup) -> Editor {
    match stored_schedule(setup) {
        Value::Null => editor_of(setup, schedule(chosen(setup))),
        _ => editor(&setup.agent.hours, today(setup)),
    }
}

pub(super) fn form(setup: &Setup, again: Option<&Again>) -> Markup {
    let nothing = Vec::new();
    let wrong = again.map_or(&nothing, |again| &again.wrong);
    let wrong_days = again.map_or(&[][..], |again| again.wrong_days.as_slice());
    let sent = |name: &str| again.and_then(|again| again.sent.get(name)).map(String::as_str);
    let word = sent("hours").unwrap_or_else(|| chosen(setup));
    let team = sent("team").unwrap_or_else(|| setup.text(TEAM));
    let editor = again.map_or_else(|| first(setup), |again| Editor::sent(&again.sent));
    let action = format!("/setup/{}/hours", setup.row.id);
    html! {
        h1 { "When is " bdi { (setup.text("/business/business_name")) } " open?" }
        (progress(Step::Hours))
        @if let Some(again) = again { (summary(&again.told(&editor))) }
        form .card method="post" action=(action) {
            fieldset #hours tabindex="-1" aria-describedby=[described(wrong, "hours")] {
                legend { "Opening hours" }
                @for (value, name) in HOURS {
                    label .check { input type="radio" name="hours" value=(value) required checked[word == value]; " " (name) }
                }
                label .check { input #own type="radio" name="hours" value=(OWN) checked[word == OWN]; " Other hours, written below" }
                p .hint { "The agent answers at all hours, and books within these." }
                (error(wrong, "hours"))
            }
            details open[word == OWN || !wrong_days.is_empty()] data-chooses="own" {
                summary { h2 .inline { "Write the hours, lunch breaks and holidays" } }
                (editor.fields(wrong_days, &action))
            }
            label for="team" { "Whom should callers be put through to?" }
            input #team type="tel" name="team" value=(team) autocomplete="tel" aria-invalid=[described(wrong, "team").map(|_| "true")] aria-describedby=[described(wrong, "team")];
            p .hint { "Your own telephone, for those who ask for a person. Leave it empty, and the agent takes a message." }
            (error(wrong, "team"))
            p .actions { button .main type="submit" { "Go on" } (keep_and_back()) }
        }
        @if again.is_some() { (back_unsaved(setup.row.id, Step::Business)) }
    }
}

/// The screen was sent.
pub(super) async fn send(
    PageRequest { state, viewer }: PageRequest,
    Path(id): Path<Uuid>,
    Form(pairs): Form<Vec<(String, String)>>,
) -> Shown {
    let setup = opened_to_change(&state, viewer, id).await?;
    let sent: Sent = pairs.into_iter().collect();
    if sent.contains_key("copy") {
        // The hours of one day were given to others: to look at before one goes on.
        let mut sent = sent;
        sent.insert("hours".to_owned(), OWN.to_owned());
        let again = Again { sent, ..Again::default() };
        return Ok(super::shown(&setup.shell, StatusCode::OK, &form(&setup, Some(&again))));
    }
    let goes_back = sent.get("then").is_some_and(|then| then == BACK);
    let next = if goes_back { Step::Business } else { Step::Voice };
    let again = match changed(&setup, &sent) {
        Ok(change) => match go_on(&state, &setup, change, next).await {
            Ok(response) => return Ok(response),
            Err(problem) => beside(&problem).ok_or(problem)?,
        },
        Err(again) => again,
    };
    Ok(refused(&setup, &form(&setup, Some(&Again { sent, ..again }))))
}

/// What the screen changes; or all that is wrong with it.
fn changed(setup: &Setup, sent: &Sent) -> Result<Map<String, Value>, Again> {
    let (mut change, mut again) = (Map::new(), Again::default());
    match hours(setup, sent) {
        Ok(None) => {}
        Ok(Some(schedule)) => {
            change.insert("business".to_owned(), json!({"operating_schedule": schedule}));
        }
        Err(wrong) => again = wrong,
    }
    let team = sent.get("team").map(|team| team.trim()).unwrap_or_default();
    let number = normalise_local(team, setup.agent.region);
    if !team.is_empty() && number.is_none() {
        let example = Region::example(setup.agent.region);
        let why = format!(
            "This is no telephone number. Write it as you dial it, or with its country, such as {example}."
        );
        again.wrong.push(("team", why));
    }
    if !again.wrong.is_empty() || !again.wrong_days.is_empty() {
        return Err(again);
    }
    if number.as_deref().unwrap_or_default() != setup.text(TEAM) {
        let targets = json!({"transfer": {"targets": {"team": number}}});
        change.insert("settings".to_owned(), targets);
    }
    Ok(change)
}

/// The schedule that is to be stored, if it is another one; null for none.
fn hours(setup: &Setup, sent: &Sent) -> Result<Option<Value>, Again> {
    let day = |wrong_days| Again { wrong_days, ..Again::default() };
    let (stored, shown) = (stored_schedule(setup), first(setup));
    let word = sent.get("hours").map_or_else(|| chosen(setup), String::as_str);
    let written = match sent.contains_key("keeps") {
        true => Editor::sent(sent).changed(&shown),
        false => Ok(None),
    };
    // Who has changed the days and left the choice above as it was means the days.
    if word == OWN || word == chosen(setup) && !matches!(written, Ok(None)) {
        let is_suggested = stored.is_null();
        return match written.map_err(day)? {
            None if is_suggested && word == OWN => shown.schedule().map(Some).map_err(day),
            written => Ok(written),
        };
    }
    let mut wanted = match schedule(word) {
        Some(schedule) => schedule,
        None if word == UNKNOWN => Value::Null,
        None => {
            let why = "Choose one of the hours, or write others below.".to_owned();
            return Err(Again { wrong: vec![("hours", why)], ..Again::default() });
        }
    };
    if word == chosen(setup) && !stored.is_null() {
        return Ok(None);
    }
    // Holidays that were written stay.
    if let (Value::Object(days), Some(dates)) = (&mut wanted, stored.get("exceptions")) {
        days.insert("exceptions".to_owned(), dates.clone());
    }
    Ok((wanted != *stored).then_some(wanted))
}

/// What was wrong, beside the field that asks it; none: something else stands in the way.
fn beside(problem: &Problem) -> Option<Again> {
    if problem.status() != StatusCode::UNPROCESSABLE_ENTITY {
        return None;
    }
    let why = plain(problem.detail.as_deref().unwrap_or_default());
    let field = problem.field.as_deref()?;
    if let Some(day) = field.strip_prefix("business.operating_schedule") {
        let wrong_days = vec![(day.trim_start_matches('.').to_owned(), why)];
        return Some(Again { wrong_days, ..Again::default() });
    }
    let is_team = field.starts_with("settings.transfer");
    is_team.then(|| Again { wrong: vec![("team", why)], ..Again::default() })
}
