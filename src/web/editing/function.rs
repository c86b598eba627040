//! Changing an agent's functions.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::destinations::check_function;
use super::diff::{FieldChange, changes};
use super::{Seen, access, make_known};
use crate::agent::edit::mask::{Path, SecretPlaces, Unkept};
use crate::agent::edit::{FunctionFault, faults_of_functions};
use crate::agent::function::FunctionSource;
use crate::agent::json_api::{TIME_MS, milliseconds};
use crate::agent::{Agent, AgentSource};
use crate::store::access::{Maintain, Object, Role};
use crate::store::agent_edits::{AgentWrite, Editing, FunctionWrite, PartChange};
use crate::store::people::Viewer;
use crate::web::AppState;
use crate::web::body::unknown_in;
use crate::web::problem::{FieldError, Problem};

/// What owners write of a function.
pub(in crate::web) const FIELDS: [&str; 9] = [
    "type",
    "name",
    "purpose",
    "trigger_reason",
    "data",
    "variables",
    "is_active",
    "save_data",
    "is_shownable",
];
const TYPES: [&str; 4] = ["json_api", "form", "flows", "function"];
/// The most rows of an agent that are read.
const ROWS_MAX: usize = 200;
/// The longest text, in characters, and the most JSON, in bytes, that are read back.
const TEXT_MAX: usize = 10_000;
const JSON_MAX: usize = 200_000;

/// What became of a change.
#[derive(Debug)]
pub(in crate::web) struct Changed {
    /// `functions.id`.
    pub(in crate::web) id: Uuid,
    /// What differs, secrets masked.
    pub(in crate::web) changes: Vec<FieldChange>,
    /// The versions that it is; none if nothing differs.
    pub(in crate::web) versions: Vec<i32>,
}

/// A function's document, secrets and all.
pub(in crate::web) fn document(row: &FunctionSource) -> Value {
    json!({
        "type": row.kind,
        "name": row.name,
        "purpose": row.purpose,
        "trigger_reason": row.trigger_reason,
        "data": unwrapped(row.data.reveal()),
        "variables": unwrapped(row.variables.reveal()),
        "is_active": row.is_active.unwrap_or(true),
        "save_data": row.save_data,
        "is_shownable": row.is_shownable.unwrap_or(false),
    })
}

/// JSON that was written as a text of JSON is what the text says.
fn unwrapped(value: &Value) -> Value {
    match value {
        Value::String(text) => serde_json::from_str(text).unwrap_or_else(|_| value.clone()),
        other => other.clone(),
    }
}

/// The document with a mask for each key that is written out.
pub(in crate::web) fn masked(document: &Value) -> Value {
    let mut masked = document.clone();
    masked["data"] = SecretPlaces::FunctionData.masked(&document["data"]);
    masked
}

/// The function with this id among an agent's rows.
pub(in crate::web) fn find(row: &AgentSource, id: Uuid) -> Option<&FunctionSource> {
    row.functions.iter().find(|function| function.id == id)
}

async fn begin(
    state: &AppState,
    viewer: &Viewer,
    object: Object,
    action: &'static str,
) -> Result<(Editing, Role), Problem> {
    let access = access::<Maintain>(state, viewer, object, action).await?;
    let editing = state.owners.store.edit_agent(&access).await?.ok_or_else(Problem::not_found)?;
    Ok((editing, access.role()))
}

/// A function's document that is to be written.
#[derive(Debug)]
pub(super) struct Wanted {
    /// `functions.id`.
    pub(super) id: Uuid,
    /// What is stored; none if it is new.
    pub(super) before: Option<Value>,
    /// What is to be stored.
    pub(super) after: Value,
    /// The secrets in `data` that nobody typed, and that are as they were stored.
    pub(super) kept: Vec<Path>,
    /// What of it is known not to be accepted, and why; it is as it was there.
    pub(super) wrong: Vec<FieldError>,
}

/// A function's fields as they were sent.
#[derive(Debug, Default)]
pub(in crate::web) struct Given {
    /// Those that can be read.
    pub(in crate::web) fields: Map<String, Value>,
    /// The others, and why not.
    pub(in crate::web) wrong: Vec<FieldError>,
}

impl From<Map<String, Value>> for Given {
    fn from(fields: Map<String, Value>) -> Self {
        Self { fields, wrong: Vec::new() }
    }
}

/// Makes a function of this agent's.
///
/// # Errors
/// [`Problem`]: all fields that are not accepted, or what stands in the way.
pub(in crate::web) async fn make(
    state: &AppState,
    viewer: &Viewer,
    agent: Uuid,
    given: impl Into<Given>,
) -> Result<Changed, Problem> {
    let given = given.into();
    let (editing, role) = begin(state, viewer, Object::Agent(agent), "function.make").await?;
    if editing.agent.functions.len() >= ROWS_MAX {
        let why = format!("an agent has at most {ROWS_MAX} functions; delete one first");
        return Err(Problem::new(http::StatusCode::CONFLICT, why));
    }
    if !given.fields.contains_key("type") {
        let why = format!("accepted is one of {}", TYPES.join(", "));
        return Err(Problem::invalid("type", why));
    }
    let id = Uuid::new_v4();
    let nothing = json!({"is_active": true, "save_data": false, "is_shownable": false});
    let (after, kept, wrong) = apply(&nothing, given)?;
    let wanted = Wanted { id, before: None, after, kept, wrong };
    put(state, (viewer, role), editing, "function.make", wanted).await
}

/// Changes a function: what is given is replaced, what is not stays.
///
/// # Errors
/// [`Problem`]: all fields that are not accepted, or what stands in the way.
pub(in crate::web) async fn change(
    state: &AppState,
    viewer: &Viewer,
    id: Uuid,
    change: impl Into<Given>,
    seen: Option<&Seen>,
) -> Result<Changed, Problem> {
    let (editing, role) = begin(state, viewer, Object::Function(id), "function.change").await?;
    let row = find(&editing.agent, id).ok_or_else(Problem::not_found)?;
    let before = document(row);
    let (after, kept, wrong) = apply(&before, change.into())?;
    if wrong.is_empty() && seen.is_some_and(|seen| !seen.still_holds(&before)) {
        let (stored, yours) = (masked(&before), masked(&after));
        let conflict =
            json!({"yours": yours, "stored": stored, "version": super::version_of(&before)});
        let why = "somebody changed this after you had read it; look at both and send it again \
                   with the new version";
        return Err(Problem::conflict(why, conflict));
    }
    let wanted = Wanted { id, before: Some(before), after, kept, wrong };
    put(state, (viewer, role), editing, "function.change", wanted).await
}

/// Writes a function's document, checked beside the agent's others.
///
/// # Errors
/// [`Problem`]: all fields that are not accepted, or what stands in the way.
pub(super) async fn put(
    state: &AppState,
    (viewer, role): (&Viewer, Role),
    mut editing: Editing,
    action: &'static str,
    Wanted { id, before, after, kept, mut wrong }: Wanted,
) -> Result<Changed, Problem> {
    let agent = editing.agent.id;
    let changes = changes(&before.as_ref().map_or(Value::Null, masked), &masked(&after));
    let secrets = before
        .as_ref()
        .map(|before| SecretPlaces::FunctionData.changed(&before["data"], &after["data"]));
    let secrets = secrets.unwrap_or_default();
    if wrong.is_empty() && changes.is_empty() && secrets.is_empty() {
        return Ok(Changed { id, changes, versions: Vec::new() });
    }
    for error in check(&editing.agent, id, Some(&after))? {
        if wrong.iter().all(|known| known.field != error.field) {
            wrong.push(error);
        }
    }
    if let Some(problem) = Problem::all_invalid(wrong) {
        return Err(problem);
    }
    check_function(&mut editing, (viewer, role), (id, &after), &kept).await?;
    let columns = |document: &Value| {
        let is_other = |name: &&&str| before.as_ref().is_none_or(|b| b[**name] != document[**name]);
        let columns = FIELDS.iter().filter(is_other);
        let columns = columns.map(|name| ((*name).to_owned(), document[*name].clone()));
        Value::Object(columns.collect()).into()
    };
    let mut shown = masked(&after);
    if !secrets.is_empty() {
        // Masked, they look alike.
        shown["changed_secrets"] = secrets.into();
    }
    let write = AgentWrite {
        function: Some(match &before {
            None => FunctionWrite::Insert(id, columns(&after)),
            Some(_) => FunctionWrite::Update(id, columns(&after)),
        }),
        parts: vec![PartChange {
            part: format!("function {id}"),
            before: before.as_ref().map(masked),
            after: Some(shown),
        }],
        ..AgentWrite::default()
    };
    let versions = editing.write(viewer, action, &write).await?;
    make_known(state, agent, None).await;
    Ok(Changed { id, changes, versions })
}

/// Deletes a function: the versions that this is.
///
/// # Errors
/// [`Problem`]: 409 where steps call it.
pub(in crate::web) async fn delete(
    state: &AppState,
    viewer: &Viewer,
    id: Uuid,
) -> Result<Vec<i32>, Problem> {
    let (editing, _) = begin(state, viewer, Object::Function(id), "function.delete").await?;
    let row = find(&editing.agent, id).ok_or_else(Problem::not_found)?;
    let (agent, before) = (editing.agent.id, document(row));
    check(&editing.agent, id, None)?;
    let write = AgentWrite {
        function: Some(FunctionWrite::Delete(id)),
        parts: vec![PartChange {
            part: format!("function {id}"),
            before: Some(masked(&before)),
            after: None,
        }],
        ..AgentWrite::default()
    };
    let versions = editing.write(viewer, "function.delete", &write).await?;
    make_known(state, agent, None).await;
    Ok(versions)
}

/// The document with a change, the secrets of its `data` that are kept, and what is not accepted.
type Applied = (Value, Vec<Path>, Vec<FieldError>);

fn apply(before: &Value, Given { fields, mut wrong }: Given) -> Result<Applied, Problem> {
    unknown_in("", &fields, &FIELDS)?;
    let mut after = before.clone();
    let places = SecretPlaces::FunctionData;
    let mut kept = places.paths(&before["data"]);
    for (name, value) in fields {
        let value = match value_of(&name, value) {
            Ok(value) if name == "data" => {
                let unkept = |unkept: Unkept| {
                    Problem::invalid(format!("data.{}", unkept.field()), unkept.why())
                };
                let unmasked = places.unmasked(value, &before["data"]).map_err(unkept);
                unmasked.map(|(data, paths)| {
                    kept = paths;
                    data
                })
            }
            other => other,
        };
        match value {
            Ok(value) => after[&name] = value,
            Err(problem) => wrong.extend(problem.into_errors()),
        }
    }
    for name in ["data", "variables"] {
        if after[name].to_string().len() > JSON_MAX {
            let why = format!("accepted are at most {JSON_MAX} bytes of JSON");
            return Err(Problem::invalid(name, why));
        }
    }
    wrong.extend(time_limit(before, &after));
    // What is not given is null, so that two documents are compared by the same names.
    for name in FIELDS {
        if after.get(name).is_none() {
            after[name] = Value::Null;
        }
    }
    Ok((after, kept, wrong))
}

/// A call would hold a time limit out of bounds to them: nobody is told then, so whoever writes one is told
/// here. One that is stored stays.
fn time_limit(before: &Value, after: &Value) -> Option<FieldError> {
    let limit = &after["data"]["timeout_ms"];
    let [least, _, most] = TIME_MS;
    let is_out = milliseconds(limit).is_some_and(|ms| !(least..=most).contains(&ms));
    if after["type"] != "json_api" || !is_out || *limit == before["data"]["timeout_ms"] {
        return None;
    }
    let detail = format!("accepted is {least} to {most} milliseconds");
    Some(FieldError { field: "data.timeout_ms".to_owned(), detail })
}

fn value_of(name: &str, value: Value) -> Result<Value, Problem> {
    let refused = |accepted: &str| Err(Problem::invalid(name, format!("accepted is {accepted}")));
    match name {
        "type" => match value.as_str() {
            Some(kind) if TYPES.contains(&kind) => Ok(value),
            _ => refused("json_api, form, flows or function"),
        },
        "is_active" | "save_data" | "is_shownable" if value.is_boolean() => Ok(value),
        "is_active" | "save_data" | "is_shownable" => refused("true or false"),
        "data" => match value {
            Value::Object(_) | Value::Null => Ok(value),
            _ => refused("an object"),
        },
        "variables" => match value {
            Value::Array(_) | Value::Object(_) | Value::Null => Ok(value),
            _ => refused("a list of variables, or a JSON Schema of an object"),
        },
        _ => match value {
            Value::Null => Ok(Value::Null),
            Value::String(text) if text.chars().count() <= TEXT_MAX => Ok(text.trim().into()),
            _ => refused("a text of at most 10000 characters"),
        },
    }
}

/// A function's row of this document, for the code that reads it.
pub(super) fn source(id: Uuid, document: &Value) -> FunctionSource {
    let text = |name: &str| document[name].as_str().map(str::to_owned);
    FunctionSource {
        id,
        kind: text("type"),
        data: document["data"].clone().into(),
        is_active: document["is_active"].as_bool(),
        name: text("name"),
        purpose: text("purpose"),
        trigger_reason: text("trigger_reason"),
        variables: document["variables"].clone().into(),
        save_data: document["save_data"] == true,
        is_shownable: document["is_shownable"].as_bool(),
    }
}

/// Checks an agent's functions with one of them written, or removed: what of it is not accepted.
///
/// # Errors
/// [`Problem`]: another function needs it as it is.
fn check(row: &AgentSource, id: Uuid, after: Option<&Value>) -> Result<Vec<FieldError>, Problem> {
    let agent = Agent::new(row.clone());
    let mut rows = row.functions.clone();
    let place = rows.iter().position(|function| function.id == id);
    match (place, after) {
        (Some(place), Some(after)) => rows[place] = source(id, after),
        (None, Some(after)) => rows.push(source(id, after)),
        (Some(place), None) => drop(rows.remove(place)),
        (None, None) => {}
    }
    let (own, others): (Vec<_>, Vec<_>) =
        faults_of_functions(&agent, rows, id).into_iter().partition(|fault| fault.function == id);
    let error = |fault: FunctionFault| FieldError {
        detail: format!("found {}; accepted is {}", fault.found, fault.accepted),
        field: fault.field,
    };
    // While it has faults of its own, others miss it for that alone.
    let other = others.into_iter().next().filter(|_| own.is_empty());
    let Some(fault) = other else { return Ok(own.into_iter().map(error).collect()) };
    let other = find(row, fault.function).and_then(|other| other.name.clone()).unwrap_or_default();
    if fault.field == "name" {
        let why = format!("another function is called {other}; accepted is a name of its own");
        return Err(Problem::invalid("name", why));
    }
    let why = format!("the steps of {other} call this function; change them first");
    Err(Problem::new(http::StatusCode::CONFLICT, why))
}
