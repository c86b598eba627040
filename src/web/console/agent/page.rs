//! The page of an agent: what it is, what callers hear, and a form for each section.

use std::sync::Arc;

use jiff::civil::Date;
use maud::{Markup, html};
use serde_json::Value;
use uuid::Uuid;

use super::fields::{Field, PARTS, Part};
use super::form::{Refused, id_of, line};
use super::hours::Editor;
use super::{fields, preview};
use crate::agent::history::History;
use crate::agent::phone_number::readable;
use crate::agent::prompt::DESCRIPTION_MAX;
use crate::agent::settings::Fallback;
use crate::agent::{Agent, AgentSource, SettingFault, Status};
use crate::functions::signatures;
use crate::line::instructions;
use crate::private::Private;
use crate::store::access::Role;
use crate::web::AppState;
use crate::web::console::layout::Shell;
use crate::web::console::plain::plain;
use crate::web::console::unfinished;
use crate::web::console::words::short;
use crate::web::editing::Seen;
use crate::web::editing::document::document;
use crate::web::webhooks::warning;

/// As many days are shown as they are understood.
const DAYS: usize = 7;
/// The longest gist of a section, in characters.
const GIST_MAX: usize = 60;
/// Who calls in what the agent is told on the page: nobody's number.
const CALLER: &str = "+15005550006";

/// What the page is made of.
pub(super) struct Page<'a> {
    pub(super) state: &'a Arc<AppState>,
    pub(super) shell: &'a Shell,
    pub(super) row: AgentSource,
    pub(super) role: Role,
    /// The section that was not accepted, and what was sent.
    pub(super) refused: Option<(&'a Part, Refused)>,
    /// What was just changed.
    pub(super) flash: Markup,
}

impl Page<'_> {
    /// The page for those who may change the agent.
    pub(super) fn body(&self) -> Markup {
        let agent = Agent::new(self.row.clone());
        let document = document(&self.row);
        let id = self.row.id;
        let base = format!("/agents/{id}");
        html! {
            (head(self.shell, &agent))
            p {
                span class={ "badge " (if is_reached(&agent) { "good" } else { "warn" }) } { (in_service(&agent)) }
                " " a href="#status" { "Change" span .hidden { " whether it answers" } }
            }
            (unfinished::go_on(self.shell, Some(id)))
            (self.flash)
            p .actions {
                a .button href={ (base) "/functions" } { "What it can do" }
                a .button href={ (base) "/try" } { "Try it" }
                a .button href={ (base) "/versions" } { "Earlier versions" }
            }
            (faults(&base, &agent))
            (webhook_warning(self.state, &agent))
            @for part in &PARTS { (self.part(part, &base, &agent, &document)) }
            (preview::preview(&agent, &self.shell.now))
            (told(self.state, &agent))
            (status(&base, &agent, self.shell.viewer.is_admin()))
            @if self.role >= Role::Owner { (delete(&base, &self.row)) }
        }
    }

    fn part(&self, part: &Part, base: &str, agent: &Agent, document: &Value) -> Markup {
        let refused = self.refused.as_ref().filter(|(refused, _)| refused.id == part.id);
        let refused = refused.map(|(_, refused)| refused);
        let today = self.shell.now.with_time_zone(agent.hours.zone().clone()).date();
        html! {
            details .card open[refused.is_some()] {
                summary { h2 .inline id=(part.id) { (part.title) } " " span .quiet { (gist(part.id, agent, self.shell)) } }
                @if let Some(refused) = refused {
                    @if !refused.stored.is_empty() {
                        p .note.warn {
                            "Somebody changed this after you had opened it. Your words are in the form; \
                             what is stored now stands below. Save again to put yours in its place."
                        }
                    }
                    @if let Some(why) = refused.why_not(part) { p .error { (why) } }
                    (told_of(part, refused))
                }
                form method="post" action={ (base) "#" (part.id) } aria-labelledby=(part.id) data-keeps=(part.title) {
                    input type="hidden" name="section" value=(part.id);
                    input type="hidden" name="version" value=(version(part, document, refused));
                    @if part.id == "hours" { (editor(agent, (base, today), refused)) }
                    @for row in part.fields.chunk_by(|one, next| one.is_short() && next.is_short()) {
                        div .form-row[row.len() > 1] {
                            @for field in row { (line(field, document, refused, agent.region)) }
                        }
                    }
                    p .actions {
                        button .main type="submit" { "Save" }
                        button type="submit" formaction={ (base) "/try" } { "Try before saving" }
                    }
                }
                @if part.id == "hours" { (coming(agent, self.shell)) }
                @if part.id == "messages" {
                    p .quiet { "As it is now: " (preview::fallback(agent)) }
                }
            }
        }
    }
}

/// What is wrong with a section, above its fields: the browser shows its beginning.
fn told_of(part: &Part, refused: &Refused) -> Markup {
    let of_field = |field: &'static Field| {
        refused.faults_of(field.path).map(move |(row, why)| (field, row, why))
    };
    let wrong: Vec<_> = part.fields.iter().flat_map(of_field).collect();
    html! {
        @if !wrong.is_empty() {
            div .note.bad {
                p { "This was not saved. What you wrote is still here. Please look at:" }
                ul {
                    @for (field, row, why) in wrong {
                        li { a href={ "#" (id_of(field)) } { (field.label) @if !row.is_empty() { ", " bdi { (row) } } } ": " (why) }
                    }
                }
            }
        }
    }
}

/// The version that a form was made of. One that is shown once more keeps its own, unless it says what somebody
/// else wrote meanwhile.
fn version(part: &Part, document: &Value, refused: Option<&Refused>) -> String {
    let kept = refused.filter(|refused| refused.is_draft || refused.stored.is_empty());
    let theirs = kept.and_then(|kept| kept.sent.get("version").cloned());
    theirs.unwrap_or_else(|| Seen::version(document, &part.pointers()))
}

/// A section in some words, for the line that it is folded to.
fn gist(part: &str, agent: &Agent, shell: &Shell) -> String {
    let settings = &agent.settings;
    let short = |text: &str| short(text, GIST_MAX);
    match part {
        "greeting" => match settings.greeting.as_deref().map(str::trim) {
            Some("") => "The caller speaks first".to_owned(),
            Some(words) => format!("“{}”", short(words)),
            None => "In its own words".to_owned(),
        },
        "hours" => match agent.hours.coming_days(&shell.now, 1).into_iter().next() {
            Some(today) => {
                format!("Today: {}", today.hours.as_deref().unwrap_or("no fixed hours"))
            }
            None => String::new(),
        },
        "messages" => {
            let names: Vec<&str> = settings.transfer_targets.keys().map(String::as_str).collect();
            let to = match names.is_empty() {
                true => "Nobody is put through".to_owned(),
                false => short(&format!("Puts through to {}", names.join(", "))),
            };
            let otherwise = match settings.fallback {
                Fallback::Forward(_) => "another number rings",
                Fallback::Voicemail => "a message after the tone",
                Fallback::Say => "a message is said",
            };
            format!("{to} · when it cannot answer, {otherwise}")
        }
        "bookings" => format!("{} min each", agent.business.appointment_minutes),
        "recording" if settings.recording.enabled => "Calls are recorded".to_owned(),
        "recording" => "Calls are not recorded".to_owned(),
        _ => short(agent.business.kind.as_deref().unwrap_or_default()),
    }
}

/// The page for those who only look.
pub(super) fn reduced(shell: &Shell, row: &AgentSource) -> Markup {
    let agent = Agent::new(row.clone());
    html! {
        (head(shell, &agent))
        dl {
            @if let Some(kind) = &agent.business.kind { dt { "Business" } dd { (kind) } }
            @if let Some(phone) = &agent.business.phone { dt { "Telephone" } dd { bdi { (phone) } } }
            dt { "Now" } dd { (in_service(&agent)) }
        }
        (coming(&agent, shell))
        p .quiet { "Maintainers and owners change what the agent says and does." }
    }
}

fn head(shell: &Shell, agent: &Agent) -> Markup {
    html! {
        h1 { bdi { (agent.name) } }
        p .zone {
            @match &agent.number {
                Some(number) => { "Answers " bdi .tel { (readable(number)) } }
                None => { "Has no number yet. " a href="/numbers" { "Choose one" } }
            }
            " · " (shell.zone_name()) " time"
        }
    }
}

/// Whether callers get to it.
fn is_reached(agent: &Agent) -> bool {
    agent.status == Status::Active && !agent.unavailable && agent.number.is_some()
}

fn in_service(agent: &Agent) -> &'static str {
    match (agent.status, agent.unavailable) {
        (Status::Active, false) if agent.number.is_none() => {
            "It is ready to answer. Nobody can call it yet."
        }
        (Status::Active, false) => "It answers calls.",
        (Status::Active, true) => "It is unavailable for now.",
        (Status::Suspended, _) => "It is suspended by whoever runs this server.",
        (Status::Inactive | Status::Deleted, _) => "It is switched off.",
    }
}

fn status(base: &str, agent: &Agent, is_admin: bool) -> Markup {
    let now = match (agent.status, agent.unavailable) {
        (Status::Active, false) => "on",
        (Status::Active, true) => "away",
        _ => "off",
    };
    let fallback = preview::fallback(agent);
    let choices = [
        ("on", "It answers", "callers speak with the agent."),
        ("away", "Unavailable for now", "a pause, after which it answers the same number again."),
        ("off", "Switched off", "it has ended, and another agent may have its number."),
    ];
    html! {
        section .card aria-labelledby="status" {
            h2 #status { "In service" }
            @if agent.status == Status::Suspended && !is_admin {
                p .note.bad { (in_service(agent)) " Ask them. " (fallback) }
            } @else {
                form method="post" action={ (base) "/status" } {
                    @for (value, name, meaning) in choices {
                        label .check {
                            input type="radio" name="status" value=(value) checked[now == value];
                            span { b { (name) } ": " (meaning) }
                        }
                    }
                    p .hint { "What callers get while it does not answer: " (fallback) }
                    p { button type="submit" { "Change" } }
                }
            }
        }
    }
}

fn editor(agent: &Agent, (base, today): (&str, Date), refused: Option<&Refused>) -> Markup {
    let stored = Editor::stored(&agent.hours, today);
    match refused {
        Some(refused) => html! {
            @let (sent, wrong) = (Editor::sent(&refused.sent), refused.hours());
            @if !wrong.is_empty() {
                div .note.bad {
                    p { "This was not saved. What you wrote is still here. Please look at:" }
                    ul { @for (id, name, why) in sent.told(&wrong) { li { a href={ "#" (id) } { (name) } ": " (why) } } }
                }
            }
            @if refused.stored.keys().any(|field| field.starts_with(fields::SCHEDULE)) {
                p .note.warn { "The hours were changed meanwhile: see the days below." }
            }
            (sent.fields(&wrong, base))
        },
        None => stored.fields(&[], base),
    }
}

/// The next days as they are understood.
fn coming(agent: &Agent, shell: &Shell) -> Markup {
    let days = agent.hours.coming_days(&shell.now, DAYS);
    html! {
        h2 { "The next 7 days, as the agent understands them" }
        @if !agent.hours.has_zone() {
            p .note.bad { "The time zone cannot be read. Until it can be, nothing is booked." }
        }
        div .scroll tabindex="0" role="region" aria-label="The next days" { table {
            thead { tr { th scope="col" { "Day" } th scope="col" { "Hours" } } }
            tbody {
                @for day in days {
                    tr {
                        th scope="row" { (day.weekday) " " (day.date.strftime("%-d %b")) }
                        td { (day.hours.as_deref().unwrap_or("no fixed hours")) }
                    }
                }
            }
        } }
    }
}

/// Values that calls go on without. What is wrong with a function stands beside it.
fn faults(base: &str, agent: &Agent) -> Markup {
    let (functions, own): (Vec<_>, Vec<_>) =
        agent.faults.iter().partition(|fault| fault.path.starts_with("functions."));
    let name = |path: &str| {
        let path = path.replacen("private_settings", "settings", 1);
        match fields::label(&path) {
            Some(label) => label.to_owned(),
            None => path,
        }
    };
    let why = |fault: &SettingFault| match fault.path.ends_with("limits.call_seconds") {
        true => fields::MINUTES.to_owned(),
        false => plain(&format!("found {}; accepted is {}", fault.found, fault.accepted)),
    };
    html! {
        @if !agent.faults.is_empty() {
            div .note.warn {
                p { "Calls go on without what cannot be used:" }
                ul {
                    @for fault in own {
                        li { b { (name(&fault.path)) } ": " (why(fault)) }
                    }
                    @if !functions.is_empty() {
                        li { a href={ (base) "/functions" } { "What it can do" } ": what is marked there as left out" }
                    }
                }
            }
        }
    }
}

/// What an owner may not mean of the address that calls are told to.
fn webhook_warning(state: &AppState, agent: &Agent) -> Markup {
    let webhook = agent.settings.webhook.as_ref();
    let warning = webhook.and_then(|it| warning(&state.services.function_services.egress, it));
    html! {
        @if let Some(warning) = warning {
            p .note.warn {
                a href="#settings-webhook-url" { "Tell another program of each call" } ": " (warning)
            }
        }
    }
}

/// What the agent is told for a call that begins now, and what of it is cut.
fn told(state: &AppState, agent: &Agent) -> Markup {
    let functions = signatures(&state.services.function_services, agent);
    let caller = Private::new(CALLER.to_owned());
    let prompts = &state.services.prompts;
    let text = instructions(prompts, agent, &caller, &History::default(), &functions);
    let is_long = |text: &str| text.chars().count() > DESCRIPTION_MAX;
    let cut: Vec<&str> = functions
        .iter()
        .filter(|function| is_long(&function.description))
        .map(|function| function.name.as_str())
        .collect();
    html! {
        details .card {
            summary { "What the agent is told when a call begins" }
            p .hint { (text.chars().count()) " characters, for a caller from " (CALLER) "." }
            @if !cut.is_empty() {
                p .note.warn {
                    "Here the descriptions of these are cut to " (DESCRIPTION_MAX) " characters: "
                    (cut.join(", ")) "."
                }
            }
            pre tabindex="0" { (text) }
        }
    }
}

fn delete(base: &str, row: &AgentSource) -> Markup {
    html! {
        details .card {
            summary { "Delete this agent" }
            p {
                "Calls that are going on go on to their end. From then on callers hear that the number is \
                 not in service, until another agent has it. Calls, words and bookings stay stored, and \
                 nobody sees them here any more."
            }
            form method="post" action={ (base) "/delete" } {
                label for="confirm" { "Type the name " bdi { (row.name.reveal()) } " to delete it" }
                input #confirm name="name" type="text" autocomplete="off" required;
                p { button .bad type="submit" { "Delete the agent" } }
            }
        }
    }
}

/// The address of an agent's page, with what was just changed, and the section that it was changed in.
pub(super) fn saved(id: Uuid, versions: &[i32], section: &str) -> String {
    let versions: Vec<String> = versions.iter().map(i32::to_string).collect();
    let versions = if versions.is_empty() { "0".to_owned() } else { versions.join(",") };
    format!("/agents/{id}?saved={versions}&section={section}#saved")
}
