//! The screens of the set-up.

use maud::{Markup, html};

use super::presets::{HOURS, TRADES, trade};
use super::{Business, Wrong};
use crate::store::setup::SetupRow;
use crate::web::numbers::{AccountNumbers, words};

/// Voices of the speech service that an owner chooses from (protocols 2).
pub(super) const VOICES: [&str; 10] =
    ["marin", "cedar", "alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse"];

/// Zones that are offered; any other name of the IANA database can be typed.
const ZONES: [&str; 20] = [
    "Europe/London",
    "Europe/Dublin",
    "Europe/Berlin",
    "Europe/Paris",
    "Europe/Madrid",
    "Europe/Rome",
    "Europe/Amsterdam",
    "Europe/Warsaw",
    "Europe/Zurich",
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Los_Angeles",
    "America/Toronto",
    "America/Mexico_City",
    "America/Sao_Paulo",
    "Australia/Sydney",
    "Asia/Singapore",
    "Asia/Kolkata",
    "Africa/Johannesburg",
];

/// Where one is.
fn progress(at: usize) -> Markup {
    let names = ["Business", "Hours", "Voice", "Try it", "Number"];
    html! {
        p .zone { "Step " (at) " of " (names.len()) ": " (names[at - 1]) }
        progress max=(names.len()) value=(at) aria-label="How far the set-up is" {}
    }
}

/// What was wrong with this field.
fn error(wrong: &[Wrong], field: &str) -> Markup {
    html! {
        @for (_, why) in wrong.iter().filter(|(name, _)| *name == field) {
            p .error id={ "error-" (field) } { (why) }
        }
    }
}

/// What describes a field that was wrong, for screen readers.
fn described(wrong: &[Wrong], field: &str) -> Option<String> {
    wrong.iter().any(|(name, _)| *name == field).then(|| format!("error-{field}"))
}

fn back(row: &SetupRow, step: &str) -> Markup {
    html! { p { a href={ "/setup?agent=" (row.agent_id) "&step=" (step) } { "Back" } } }
}

pub(super) fn business(form: &Business, wrong: &[Wrong]) -> Markup {
    html! {
        h1 { "Set up an agent" }
        (progress(1))
        form .card method="post" action="/setup" {
            label for="name" { "Name of the business" }
            input #name name="name" required maxlength="200" value=(form.name) aria-describedby=[described(wrong, "name")];
            (error(wrong, "name"))
            label for="trade" { "What kind of business?" }
            select #trade name="trade" {
                @for trade in &TRADES { option value=(trade.word) selected[form.trade == trade.word] { (trade.name) } }
            }
            p .hint { "It decides what the set-up suggests. You can change all of it." }
            label for="zone" { "Time zone" }
            input #zone name="zone" required list="zones" value=(form.zone) data-zone="" aria-describedby=[described(wrong, "zone")];
            datalist #zones { @for zone in ZONES { option value=(zone) {} } }
            (error(wrong, "zone"))
            label for="website" { "Website (if there is one)" }
            input #website type="text" inputmode="url" name="website" maxlength="500" value=(form.website);
            (error(wrong, "website"))
            p .actions { button .main type="submit" { "Go on" } }
        }
    }
}

pub(super) fn hours(row: &SetupRow, wrong: &[Wrong]) -> Markup {
    let suggested = TRADES.iter().find(|trade| trade.name == row.trade).unwrap_or(trade("other"));
    let team = row.settings["transfer"]["targets"]["team"].as_str().unwrap_or_default();
    html! {
        h1 { "When is " bdi { (row.name) } " open?" }
        (progress(2))
        form .card method="post" action={ "/setup/" (row.agent_id) "/hours" } {
            fieldset {
                legend { "Opening hours" }
                @for (word, name) in HOURS {
                    label .check { input type="radio" name="hours" value=(word) required checked[word == suggested.hours]; " " (name) }
                }
                p .hint { "The agent answers at all hours, and books within these. Split days and holidays are on the agent's page." }
            }
            label for="team" { "Whom should callers be put through to?" }
            input #team type="tel" name="team" value=(team) autocomplete="tel" aria-describedby=[described(wrong, "team")];
            p .hint { "Your own telephone, for those who ask for a person. Leave it empty, and the agent takes a message." }
            (error(wrong, "team"))
            p .actions { button .main type="submit" { "Go on" } }
        }
    }
}

pub(super) fn voice(row: &SetupRow, wrong: &[Wrong]) -> Markup {
    let setting = |name: &str| row.settings[name].as_str().unwrap_or_default();
    let chosen = if setting("voice").is_empty() { VOICES[0] } else { setting("voice") };
    let records = row.settings["recording"]["enabled"].as_bool().unwrap_or(false);
    html! {
        h1 { "How does it answer?" }
        (progress(3))
        form .card method="post" action={ "/setup/" (row.agent_id) "/voice" } {
            label for="greeting" { "What callers hear first" }
            textarea #greeting name="greeting" required maxlength="1000" aria-describedby=[described(wrong, "greeting")] { (setting("greeting")) }
            (error(wrong, "greeting"))
            label for="voice" { "Voice" }
            select #voice name="voice" {
                @for voice in VOICES { option value=(voice) selected[voice == chosen] { (voice) } }
            }
            p .hint { "You hear it on the next screen." }
            (error(wrong, "voice"))
            label .check { input type="checkbox" name="recording" value="yes" checked[records]; " Record calls, after saying so" }
            p .hint { "In many places callers have to agree to a recording. The agent says “This call is recorded.” before anything else." }
            p .actions { button .main type="submit" { "Go on" } }
        }
        (back(row, "hours"))
    }
}

pub(super) fn try_it(row: &SetupRow) -> Markup {
    let questions =
        TRADES.iter().find(|trade| trade.name == row.trade).unwrap_or(trade("other")).questions;
    html! {
        h1 { "Talk to it" }
        (progress(4))
        div .card {
            p { "The agent is ready to be tried. Nobody can call it yet." }
            p .actions { a .button .main href={ "/agents/" (row.agent_id) "/try" } { "Talk to it now" } }
            h2 { "What callers will ask" }
            p { "Ask it these, and give it the answers on the page " a href={ "/knowledge?agent=" (row.agent_id) } { "Knowledge" } "." }
            ul { @for question in questions { li { (question) } } }
            form method="post" action={ "/setup/" (row.agent_id) "/tried" } { button type="submit" { "Go on to the number" } }
        }
        (back(row, "voice"))
    }
}

pub(super) fn number(row: &SetupRow, accounts: &[AccountNumbers]) -> Markup {
    let numbers: Vec<_> =
        accounts.iter().filter_map(|account| account.numbers.as_ref().ok()).flatten().collect();
    let trouble = accounts.iter().find_map(|account| account.numbers.as_ref().err());
    html! {
        h1 { "Which number does it answer?" }
        (progress(5))
        form .card method="post" action={ "/setup/" (row.agent_id) "/finish" } {
            fieldset {
                legend { "Number" }
                @for number in numbers.iter().filter(|number| number.calls_go != "no_calls") {
                    label .check {
                        input type="radio" name="sid" value=(number.sid);
                        " " (number.number)
                        @if number.calls_go != "here" && number.calls_go != "nowhere" { " " span .badge .warn { "calls go elsewhere now" } }
                    }
                }
                label .check { input type="radio" name="sid" value="" checked; " Later, or I forward my own line" }
                @if let Some(error) = trouble { p .hint { (words(error)) } }
                p .hint { "What a number did before is kept, and can be put back on the page Numbers, where you can also enter your own Twilio account." }
            }
            p .actions { button .main type="submit" { "Finish" } }
        }
        (back(row, "try"))
    }
}
