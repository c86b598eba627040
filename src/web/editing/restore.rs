//! Going back to an earlier version.

use serde_json::Value;
use uuid::Uuid;

use super::destinations::{Typed, check_agent};
use super::diff::{FieldChange, changes};
use super::document::{BUSINESS_FIELDS, document, masked};
use super::function::Wanted;
use super::{access, agent, function, make_known};
use crate::agent::AgentSource;
use crate::agent::edit::mask::{MASK, Path, SecretPlaces, Unkept, at_mut};
use crate::store::access::{Maintain, Object, Role};
use crate::store::agent_edits::Editing;
use crate::store::people::Viewer;
use crate::store::versions::AgentVersion;
use crate::web::AppState;
use crate::web::problem::Problem;

/// What going back did.
#[derive(Debug)]
pub(in crate::web) struct Restored {
    /// What differs now, secrets masked.
    pub(in crate::web) changes: Vec<FieldChange>,
    /// Secrets of that version that are not stored any more, and so are not there now.
    pub(in crate::web) missing: Vec<String>,
    /// The versions that it is; none if nothing differs.
    pub(in crate::web) versions: Vec<i32>,
}

/// Makes a part of an agent what it was after the change `n`. An agent's number and whether it answers
/// stay as they are: they are of today.
///
/// # Errors
/// [`Problem`]: 404 without such a version; 422 where what it was is not accepted any more.
pub(in crate::web) async fn restore(
    state: &AppState,
    viewer: &Viewer,
    id: Uuid,
    n: i32,
) -> Result<Restored, Problem> {
    let access = access::<Maintain>(state, viewer, Object::Agent(id), "agent.restore").await?;
    let store = &state.owners.store;
    let inspecting = access.raised(viewer).ok_or_else(Problem::not_found)?;
    let version = store.agent_version(&inspecting, n).await?.ok_or_else(Problem::not_found)?;
    let editing = store.edit_agent(&access).await?.ok_or_else(Problem::not_found)?;
    let who = (viewer, access.role());
    let function = version.part.strip_prefix("function ").and_then(|id| id.parse::<Uuid>().ok());
    match function {
        Some(function) => restore_function(state, who, editing, (function, version)).await,
        None => restore_agent(state, who, editing, version).await,
    }
}

/// What a version is beside what the agent is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::web) enum Beside {
    /// It is that.
    Now,
    /// Going back to it would change nothing: only what stays of today differs.
    AsNow,
    /// Something else.
    Earlier,
}

/// What this version is beside the agent as its rows are now.
pub(in crate::web) fn beside_now(row: &AgentSource, version: &AgentVersion) -> Beside {
    let Some(mut then) = version.after.clone() else { return Beside::Earlier };
    if let Some(fields) = then.as_object_mut() {
        fields.remove("changed_secrets");
    }
    let same = |now: &Value, then: &Value| changes(now, then).is_empty();
    if let Some(id) = version.part.strip_prefix("function ") {
        let id: Option<Uuid> = id.parse().ok();
        let now = id.and_then(|id| function::find(row, id)).map(function::document);
        let is_now = now.is_some_and(|now| same(&function::masked(&now), &then));
        return if is_now { Beside::Now } else { Beside::Earlier };
    }
    let mut now = masked(&document(row));
    let business = now.as_object_mut().and_then(|fields| fields.remove("business"));
    if version.part == "business" {
        let is_now = business.is_some_and(|now| same(&now, &then));
        return if is_now { Beside::Now } else { Beside::Earlier };
    }
    match (same(&now, &then), same(&now["settings"], &then["settings"])) {
        (true, _) => Beside::Now,
        (false, true) if now["name"] == then["name"] => Beside::AsNow,
        _ => Beside::Earlier,
    }
}

async fn restore_agent(
    state: &AppState,
    who: (&Viewer, Role),
    mut editing: Editing,
    version: AgentVersion,
) -> Result<Restored, Problem> {
    let (row, then) = (editing.agent.clone(), version.after.unwrap_or_default());
    let before = document(&row);
    let mut after = before.clone();
    let mut missing = Vec::new();
    if version.part == "business" {
        for name in BUSINESS_FIELDS {
            after["business"][name] = then[name].clone();
        }
    } else {
        let mut settings = then["settings"].clone();
        let mut stored = before["settings"].clone();
        if origin(&settings["webhook"]["url"]) != origin(&stored["webhook"]["url"])
            && let Some(webhook) = stored["webhook"].as_object_mut()
        {
            // It signs for another server now.
            webhook.remove("secret");
        }
        keep_newer(&mut settings, &stored);
        missing = without_lost(SecretPlaces::Settings, &mut settings, &stored);
        (after["settings"], _) =
            SecretPlaces::Settings.unmasked(settings, &stored).map_err(lost)?;
        after["name"] = then["name"].clone();
    }
    let touched: Vec<String> = changes(&before, &after).into_iter().map(|it| it.field).collect();
    let touched: Vec<String> = touched
        .iter()
        .map(|field| match field.strip_prefix("business.") {
            Some(column) => column.to_owned(),
            None => field.replacen("settings", "private_settings", 1),
        })
        .collect();
    let applied = agent::Applied { after, touched, wrong: Vec::new() };
    let (write, after) = agent::plan(&row, &before, applied)?;
    check_agent(&mut editing, who, Typed::default(), (&before, &after)).await?;
    let changes = changes(&masked(&before), &masked(&after));
    let mut versions = Vec::new();
    if !write.parts.is_empty() {
        versions = editing.write(who.0, "agent.restore", &write).await?;
        make_known(state, row.id, after["twilio_phone_number"].as_str()).await;
    }
    Ok(Restored { changes, missing, versions })
}

async fn restore_function(
    state: &AppState,
    who: (&Viewer, Role),
    editing: Editing,
    (id, version): (Uuid, AgentVersion),
) -> Result<Restored, Problem> {
    let Some(Value::Object(mut then)) = version.after else {
        let why = "this version removed the function; restore an earlier one";
        return Err(Problem::new(http::StatusCode::CONFLICT, why));
    };
    then.remove("changed_secrets");
    let before = function::find(&editing.agent, id).map(function::document);
    let mut after = Value::Object(then);
    let mut stored = before.as_ref().map_or(Value::Null, |before| before["data"].clone());
    if origin(&stored["url"]) != origin(&after["data"]["url"]) {
        // They are for another service now.
        stored = Value::Null;
    }
    let places = SecretPlaces::FunctionData;
    let missing = without_lost(places, &mut after["data"], &stored);
    let kept;
    (after["data"], kept) = places.unmasked(after["data"].take(), &stored).map_err(lost)?;
    let wanted = Wanted { id, before, after, kept, wrong: Vec::new() };
    let put = function::put(state, who, editing, "agent.restore", wanted).await?;
    Ok(Restored { changes: put.changes, missing, versions: put.versions })
}

/// Secrets that were set after a version are of today, and stay: nobody could bring them back.
fn keep_newer(settings: &mut Value, stored: &Value) {
    let newer = stored["secrets"].as_object().into_iter().flatten().map(|(name, _)| name);
    for name in newer.filter(|name| stored["secrets"][name.as_str()].is_string()) {
        if settings["secrets"][name.as_str()].is_null() {
            if !settings["secrets"].is_object() {
                settings["secrets"] = serde_json::json!({});
            }
            settings["secrets"][name.as_str()] = MASK.into();
        }
    }
    let has_webhook = settings["webhook"]["url"].is_string();
    if has_webhook
        && settings["webhook"]["secret"].is_null()
        && stored["webhook"]["secret"].is_string()
    {
        settings["webhook"]["secret"] = MASK.into();
    }
}

/// The scheme, host and port of an address as it is written, or all of it where that is a template.
fn origin(url: &Value) -> String {
    let url = url.as_str().unwrap_or_default().trim();
    match url::Url::parse(url) {
        Ok(parsed) if parsed.has_host() && parsed.origin().is_tuple() => {
            parsed.origin().ascii_serialization()
        }
        _ => url.to_owned(),
    }
}

/// Takes away the masks of secrets that are not stored any more: their paths.
fn without_lost(places: SecretPlaces, value: &mut Value, stored: &Value) -> Vec<String> {
    let mut lost = Vec::new();
    // Each step takes one away, and there are no more than there are masks.
    while let Err(unkept) = places.unmasked(value.clone(), stored) {
        if !remove(value, &unkept.path) {
            break;
        }
        lost.push(unkept.field());
    }
    lost
}

fn lost(unkept: Unkept) -> Problem {
    Problem::invalid(unkept.field(), "a secret that is not stored any more")
}

fn remove(value: &mut Value, path: &Path) -> bool {
    let Some((last, above)) = path.split_last() else { return false };
    let fields = at_mut(value, above).and_then(Value::as_object_mut);
    fields.and_then(|fields| fields.remove(last)).is_some_and(|removed| removed == MASK)
}
