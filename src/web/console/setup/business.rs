//! The first screen: which business it is. It makes the agent.

use axum::Form;
use axum::extract::Path;
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::forms::{described, error, progress, summary, told};
use super::presets::{self, TRADES};
use super::{Setup, Step, Wrong, go_on, opened, refused, to_step};
use crate::store::access::{Inspect, Maintain, Object, Refused};
use crate::store::people::Viewer;
use crate::web::AppState;
use crate::web::console::errors::Shown;
use crate::web::console::layout::{Section, Shell};
use crate::web::console::plain::plain;
use crate::web::console::zones;
use crate::web::editing::agent::begin_setup;
use crate::web::guard::{may, may_change_own};
use crate::web::problem::Problem;
use crate::web::session::PageRequest;

/// The longest name and address, in characters.
const NAME_MAX: usize = 200;
const WEBSITE_MAX: usize = 500;
/// What the fields are called.
const NAMES: [(&str, &str); 3] =
    [("name", "Name of the business"), ("zone", "Time zone"), ("website", "Website")];
/// What the line about the website begins with, in what the agent is told of the business.
const WEBSITE: &str = "Website: ";

/// What the screen asks.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Business {
    #[serde(default)]
    name: String,
    #[serde(default)]
    trade: String,
    #[serde(default)]
    zone: String,
    #[serde(default)]
    website: String,
    /// Made anew for each form: however often it is sent, it makes one agent.
    #[serde(default)]
    key: String,
    /// Whether nobody has written anything yet: what stands in it is suggested.
    #[serde(skip)]
    is_new: bool,
}

impl Business {
    fn stored(setup: &Setup) -> Self {
        let context = setup.text("/business/additional_context");
        let website = context.lines().find_map(|line| line.strip_prefix(WEBSITE));
        Self {
            name: setup.text("/business/business_name").to_owned(),
            trade: setup.trade().word.to_owned(),
            zone: setup.text("/business/business_timezone").to_owned(),
            website: website.unwrap_or_default().to_owned(),
            key: String::new(),
            is_new: false,
        }
    }

    fn trimmed(self) -> Self {
        let line = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let (name, website) = (line(self.name), line(self.website));
        Self { name, website, zone: self.zone.trim().to_owned(), ..self }
    }

    fn wrong(&self) -> Vec<Wrong> {
        let mut wrong = Vec::new();
        if self.name.is_empty() || self.name.chars().count() > NAME_MAX {
            wrong.push(("name", "Enter the business's name, as callers know it.".to_owned()));
        }
        wrong.extend(zones::wrong(&self.zone).map(|why| ("zone", why)));
        if self.website.chars().count() > WEBSITE_MAX {
            wrong.push(("website", "This is too long for an address.".to_owned()));
        } else if !self.website.is_empty() && !is_address(&self.website) {
            let why =
                "This is no address of a website. Write it such as example.com, or leave it empty.";
            wrong.push(("website", why.to_owned()));
        }
        wrong
    }

    /// The business, as a change of an agent has it. `context` is what the agent is told of it so far.
    fn written(&self, context: &str) -> Value {
        let rest = context.lines().filter(|line| !line.starts_with(WEBSITE)).map(str::to_owned);
        let website = Some(format!("{WEBSITE}{}", self.website));
        let lines = website.filter(|_| !self.website.is_empty()).into_iter().chain(rest);
        json!({
            "business_name": self.name,
            "type_of_business": presets::trade(&self.trade).name,
            "business_timezone": self.zone,
            "additional_context": lines.collect::<Vec<_>>().join("\n"),
        })
    }

    /// The agent that it makes, with what is suggested for its trade.
    fn first(&self) -> Map<String, Value> {
        let trade = presets::trade(&self.trade);
        let mut business = self.written("");
        business["default_appointment_length"] = trade.minutes.into();
        let given = json!({
            "name": self.name,
            "status": "inactive",
            "settings": {"greeting": trade.greeting(&self.name)},
            "business": business,
        });
        given.as_object().cloned().unwrap_or_default()
    }

    /// What it changes of an agent. What was suggested is suggested anew; what its owner wrote stays.
    fn changed(&self, setup: &Setup) -> Map<String, Value> {
        let (before, old, new) = (Self::stored(setup), setup.trade(), presets::trade(&self.trade));
        let mut business = self.written(setup.text("/business/additional_context"));
        if setup.document["business"]["default_appointment_length"] == old.minutes {
            business["default_appointment_length"] = new.minutes.into();
        }
        let mut change = json!({"business": business});
        if setup.text("/name") == before.name {
            change["name"] = self.name.clone().into();
        }
        if setup.text("/settings/greeting") == old.greeting(&before.name) {
            change["settings"] = json!({"greeting": new.greeting(&self.name)});
        }
        change.as_object().cloned().unwrap_or_default()
    }
}

/// Whether this may be the address of a website: with `https://` or without, it has a host with a dot.
fn is_address(text: &str) -> bool {
    let whole = match text.split_once("://") {
        Some(("http" | "https", _)) => text.to_owned(),
        Some(_) => return false,
        None => format!("https://{text}"),
    };
    let is_host = |host: &str| {
        let parts: Vec<&str> = host.trim_end_matches('.').split('.').collect();
        parts.len() > 1 && parts.iter().all(|part| !part.is_empty())
    };
    !text.contains(char::is_whitespace)
        && url::Url::parse(&whole)
            .is_ok_and(|url| url.username().is_empty() && url.domain().is_some_and(is_host))
}

fn form(business: &Business, wrong: &[Wrong], action: &str) -> Markup {
    // What is no zone is named beside the field, where the one that is likely meant is chosen.
    let zone = business.zone.as_str();
    let zone = match zones::wrong(zone) {
        Some(_) => zones::close_to(zone).unwrap_or_default(),
        None => zone,
    };
    html! {
        h1 { "Set up an agent" }
        (progress(Step::Business))
        (summary(&told(wrong, &NAMES)))
        form .card method="post" action=(action) {
            label for="name" { "Name of the business" }
            input #name name="name" required maxlength=(NAME_MAX) value=(business.name) autocomplete="organization" aria-describedby=[described(wrong, "name")];
            (error(wrong, "name"))
            label for="trade" { "What kind of business?" }
            select #trade name="trade" {
                @for trade in &TRADES { option value=(trade.word) selected[business.trade == trade.word] { (trade.name) } }
            }
            p .hint { "It decides what the set-up suggests. You can change all of it." }
            label for="zone" { "Time zone" }
            select #zone name="zone" required data-zone=[business.is_new.then_some("")] aria-describedby=[described(wrong, "zone")] { (zones::options(zone)) }
            (error(wrong, "zone"))
            label for="website" { "Website (if there is one)" }
            input #website type="text" inputmode="url" name="website" maxlength=(WEBSITE_MAX) value=(business.website) autocomplete="url" aria-describedby=[described(wrong, "website")];
            (error(wrong, "website"))
            p .actions { input type="hidden" name="key" value=(business.key); button .main type="submit" { "Go on" } }
        }
    }
}

/// The screen of an agent that is there.
pub(super) fn of_agent(setup: &Setup) -> Markup {
    form(&Business::stored(setup), &[], &format!("/setup/{}/business", setup.row.id))
}

/// The screen that makes an agent. With the same key it makes the same one.
pub(super) async fn blank(state: &AppState, viewer: Viewer, key: Uuid) -> Shown {
    let shell = Shell::of(&state.owners.store, viewer, None).await?;
    // Another business of theirs is likely near the one that they have, and the server near both.
    let known = shell.agent().and_then(|agent| agent.zone.clone());
    let known = known.filter(|zone| zones::wrong(zone).is_none());
    let zone = known.or_else(zones::of_this_machine).unwrap_or_default();
    let business = Business { zone, key: key.to_string(), is_new: true, ..Business::default() };
    Ok(first(&shell, &business, &[], StatusCode::OK))
}

async fn again(
    state: &AppState,
    viewer: Viewer,
    business: &Business,
    wrong: &[Wrong],
    status: StatusCode,
) -> Shown {
    let shell = Shell::of(&state.owners.store, viewer, None).await?;
    Ok(first(&shell, business, wrong, status))
}

fn first(shell: &Shell, business: &Business, wrong: &[Wrong], status: StatusCode) -> Response {
    let body = form(business, wrong, "/setup");
    (status, shell.page(Some(Section::Setup), "Set up", &body)).into_response()
}

/// The first screen of another agent. Its key stands in the address, so that whoever comes back to it
/// comes back to the same agent.
pub(super) async fn another(state: &AppState, viewer: Viewer, key: &str) -> Shown {
    let Ok(key) = key.parse::<Uuid>() else {
        return Ok(Redirect::to(&format!("/setup?new={}", Uuid::new_v4())).into_response());
    };
    let id = made_by(&viewer, key);
    match state.owners.store.access::<Inspect>(&viewer, Object::Agent(id)).await {
        Ok(_) => Ok(to_step(id, Step::Business)),
        Err(Refused::NotFound) => blank(state, viewer, key).await,
        Err(refused) => Err(refused.into()),
    }
}

/// The agent that somebody's form with this key makes. Nobody makes another's.
fn made_by(viewer: &Viewer, key: Uuid) -> Uuid {
    let digest = Sha256::new()
        .chain_update(b"frontdesk set-up")
        .chain_update(viewer.id().as_bytes())
        .chain_update(key.as_bytes())
        .finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// What was wrong, beside the field that asks it; none: something else stands in the way.
fn beside(problem: &Problem) -> Option<Wrong> {
    let field = problem.field.as_deref();
    let why = || plain(problem.detail.as_deref().unwrap_or_default());
    match (problem.status(), field) {
        (StatusCode::CONFLICT, None) => {
            let why =
                "Your plan has no room for another agent. Delete one, or choose a larger plan.";
            Some(("name", why.to_owned()))
        }
        (StatusCode::UNPROCESSABLE_ENTITY, Some("business.business_timezone")) => {
            Some(("zone", why()))
        }
        (StatusCode::UNPROCESSABLE_ENTITY, Some("business.additional_context")) => {
            Some(("website", why()))
        }
        (StatusCode::UNPROCESSABLE_ENTITY, _) => Some(("name", why())),
        _ => None,
    }
}

/// The first screen was sent.
pub(super) async fn begin(
    PageRequest { state, viewer }: PageRequest,
    Form(business): Form<Business>,
) -> Shown {
    may_change_own(&state, &viewer, "agent.create").await?;
    let business = business.trimmed();
    let wrong = business.wrong();
    if !wrong.is_empty() {
        let unprocessable = StatusCode::UNPROCESSABLE_ENTITY;
        return again(&state, viewer, &business, &wrong, unprocessable).await;
    }
    let id = made_by(&viewer, business.key.parse().unwrap_or_else(|_| Uuid::new_v4()));
    let next = Step::Hours;
    match begin_setup(&state, &viewer, id, business.first(), next.word()).await {
        Ok(true) => Ok(to_step(id, next)),
        Ok(false) => changed(&state, viewer, id, business).await,
        Err(problem) => match beside(&problem) {
            Some(wrong) => again(&state, viewer, &business, &[wrong], problem.status()).await,
            None => Err(problem.into()),
        },
    }
}

/// The first screen of an agent that is there was sent.
pub(super) async fn change(
    PageRequest { state, viewer }: PageRequest,
    Path(id): Path<Uuid>,
    Form(business): Form<Business>,
) -> Shown {
    may::<Maintain>(&state, &viewer, Object::Agent(id), "agent.change").await?;
    changed(&state, viewer, id, business.trimmed()).await
}

async fn changed(state: &AppState, viewer: Viewer, id: Uuid, business: Business) -> Shown {
    let setup = opened(state, viewer, id).await?;
    let action = format!("/setup/{id}/business");
    let wrong = business.wrong();
    if !wrong.is_empty() {
        return Ok(refused(&setup, &form(&business, &wrong, &action)));
    }
    let change = business.changed(&setup);
    go_on(state, &setup, change, Step::Hours).await.or_else(|problem| match beside(&problem) {
        Some(wrong) if problem.field.is_some() => {
            Ok(refused(&setup, &form(&business, &[wrong], &action)))
        }
        _ => Err(problem.into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_website_is_an_address() {
        for address in [
            "curl.example",
            "www.curl.example/prices?all=1",
            "https://curl.example",
            "http://Curl.example:8080/",
            "müller.example",
        ] {
            assert!(is_address(address), "{address}");
        }
        for other in
            ["not a url", "curl", "ftp://curl.example", "https://", "mailto:a@b.example", "."]
        {
            assert!(!is_address(other), "{other}");
        }
    }
}
