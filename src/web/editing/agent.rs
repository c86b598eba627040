//! What a change makes of an agent and its business, and making one.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::destinations::{Typed, check_draft};
use super::diff::{FieldChange, changes};
use super::document::{BUSINESS_FIELDS, FIELDS, document, empty_row, masked, source};
use super::{hours, make_known, number, refused_value};
use crate::agent::edit::faults_of_edit;
use crate::agent::edit::mask::{SecretPlaces, Unkept, merged};
use crate::agent::{APPOINTMENT_MAX_MINUTES, Agent, AgentSource, TOO_LARGE};
use crate::store::access::Role;
use crate::store::agent_edits::{AgentWrite, PartChange};
use crate::store::people::Viewer;
use crate::store::setup::Begun;
use crate::web::AppState;
use crate::web::body::unknown_in;
use crate::web::invalid::{one_line, seen};
use crate::web::paces::{AGENTS, count};
use crate::web::problem::{FieldError, Problem};

/// The longest name of an agent, in characters.
const NAME_MAX: usize = 200;
/// The longest text, in characters: as much as a prompt takes of it.
const TEXT_MAX: usize = 65_536;
/// The longest of a text that is one line, in characters.
const LINE_MAX: usize = 200;
/// The most JSON of settings or of hours, in bytes. More is not read back.
const JSON_MAX: usize = 400_000;

/// Makes an agent of the viewer's own that is to be set up, with `next` as the screen that comes next;
/// false: there is one with this id already.
///
/// # Errors
/// [`Problem`], as of a change; 409 without a field where the plan allows no more, 429 where too many were
/// made lately.
pub(in crate::web) async fn begin_setup(
    state: &AppState,
    viewer: &Viewer,
    id: Uuid,
    given: Map<String, Value>,
    next: &'static str,
) -> Result<bool, Problem> {
    let write = first(viewer, given)?;
    match state.owners.store.begin_setup((viewer, &AGENTS), id, &write, next).await? {
        Begun::Made => {
            make_known(state, id, None).await;
            Ok(true)
        }
        Begun::Known => Ok(false),
        Begun::TooMany(seconds) => Err(Problem::too_many(seconds)),
    }
}

/// The agent as a change would make it. Nothing is written.
///
/// # Errors
/// [`Problem`], as of a change.
pub(in crate::web) async fn drafted(
    row: &AgentSource,
    change: Map<String, Value>,
    (viewer, role): (&Viewer, Role),
) -> Result<Agent, Problem> {
    let before = document(row);
    let sent = Typed::in_settings(change.get("settings"));
    let applied = apply(&before, change, viewer)?;
    let touched = applied.touched.clone();
    let (_, after) = plan(row, &before, applied)?;
    check_draft(row, (viewer, role), sent, (&before, &after)).await?;
    let typed = number::typed(row, (&before, &after), &touched, viewer);
    let source = AgentSource { is_number_typed: typed.is_some(), ..source(row, &after) };
    Ok(Agent::new(source))
}

/// Makes an agent of the viewer's own.
///
/// # Errors
/// [`Problem`], as of a change; 409 where the plan allows no more.
pub(in crate::web) async fn make(
    state: &AppState,
    viewer: &Viewer,
    given: Map<String, Value>,
) -> Result<Uuid, Problem> {
    let write = first(viewer, given)?;
    count(&state.owners.store, &AGENTS, viewer.id(), Problem::too_many).await?;
    let id = state.owners.store.make_agent(viewer, &write).await?;
    let number =
        write.agent.as_ref().and_then(|agent| agent.reveal()["twilio_phone_number"].as_str());
    make_known(state, id, number).await;
    Ok(id)
}

/// What is written of an agent that is not there yet.
fn first(viewer: &Viewer, given: Map<String, Value>) -> Result<AgentWrite, Problem> {
    if !viewer.may_write() {
        return Err(crate::store::access::Refused::ReadOnly.into());
    }
    if !given.contains_key("name") {
        return Err(Problem::invalid("name", "a name is needed"));
    }
    let nothing = empty_row();
    let before = document(&nothing);
    let applied = apply(&before, given, viewer)?;
    let touched = applied.touched.clone();
    let (mut write, after) = plan(&nothing, &before, applied)?;
    write.parts.iter_mut().for_each(|part| part.before = None);
    let typed = number::typed(&nothing, (&before, &after), &touched, viewer);
    number::mark(&mut write, &nothing, &after, typed.as_deref());
    Ok(write)
}

pub(super) fn conflict(before: &Value, after: &Value) -> Problem {
    let (stored, wanted) = (masked(before), masked(after));
    let yours = changes(&stored, &wanted);
    let fields = |of: fn(&FieldChange) -> &Value| {
        Map::from_iter(yours.iter().map(|change| (change.field.clone(), of(change).clone())))
    };
    let conflict = json!({
        "yours": fields(|change| &change.after),
        "stored": fields(|change| &change.before),
        "version": super::version_of(before),
    });
    let why = "somebody changed this after you had read it; look at both and send it again with the \
               new version";
    Problem::conflict(why, conflict)
}

/// A document with a change.
#[derive(Debug)]
pub(super) struct Applied {
    /// It; what is not accepted is as it was.
    pub(super) after: Value,
    /// The paths of what was given, as the reading code names them.
    pub(super) touched: Vec<String>,
    /// What is not accepted, and why.
    pub(super) wrong: Vec<FieldError>,
}

/// The document with a change.
///
/// # Errors
/// [`Problem`]: a name that is not known, or what is no object.
pub(super) fn apply(
    before: &Value,
    change: Map<String, Value>,
    viewer: &Viewer,
) -> Result<Applied, Problem> {
    unknown_in("", &change, &FIELDS)?;
    let (mut after, mut touched, mut wrong) = (before.clone(), Vec::new(), Vec::new());
    let mut set = |place: &mut Value, value: Result<Value, Problem>| match value {
        Ok(value) => *place = value,
        Err(problem) => wrong.extend(problem.into_errors()),
    };
    for (name, value) in change {
        match name.as_str() {
            "settings" => {
                if !value.is_object() {
                    return Err(Problem::invalid("settings", "accepted is an object"));
                }
                leaves("private_settings", &value, &mut touched);
                set(&mut after["settings"], with_settings(&before["settings"], value));
            }
            "business" => {
                let Value::Object(fields) = value else {
                    return Err(Problem::invalid("business", "accepted is an object"));
                };
                unknown_in("business.", &fields, &BUSINESS_FIELDS)?;
                for (name, value) in fields {
                    set(&mut after["business"][&name], business_value(&name, value));
                    touched.push(name);
                }
            }
            _ => {
                set(&mut after[&name], own_value(&name, value, before, viewer));
                touched.push(name);
            }
        }
    }
    let schedule = |of: &Value| of["business"]["operating_schedule"].clone();
    if let Err(problem) = hours::check(&schedule(before), &schedule(&after)) {
        wrong.extend(problem.into_errors());
    }
    Ok(Applied { after, touched, wrong })
}

fn with_settings(stored: &Value, sent: Value) -> Result<Value, Problem> {
    let unkept =
        |unkept: Unkept| Problem::invalid(format!("settings.{}", unkept.field()), unkept.why());
    let (sent, _) = SecretPlaces::Settings.unmasked(sent, stored).map_err(unkept)?;
    Ok(merged(stored, &sent))
}

fn leaves(path: &str, value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                leaves(&format!("{path}.{name}"), value, found);
            }
        }
        _ => found.push(path.to_owned()),
    }
}

fn own_value(name: &str, value: Value, before: &Value, viewer: &Viewer) -> Result<Value, Problem> {
    let refused = |accepted: &str| Err(Problem::invalid(name, format!("accepted is {accepted}")));
    match name {
        "name" => match value.as_str().map(|text| one_line("name", text, NAME_MAX, false)) {
            Some(Ok(text)) => Ok(text.into()),
            _ => refused("a text of 1 to 200 characters"),
        },
        "twilio_phone_number" => match &value {
            Value::Null => Ok(Value::Null),
            Value::String(text) if text.trim().is_empty() => Ok(Value::Null),
            Value::String(text) if text.chars().count() <= LINE_MAX => Ok(text.trim().into()),
            _ => refused("a telephone number, or null for none"),
        },
        "unAvailable" if value.is_boolean() => Ok(value),
        "unAvailable" => refused("true or false"),
        _ if value == before["status"] => Ok(value),
        // The operator's word is not its owner's to take back.
        _ if before["status"] == "suspended" && !viewer.is_admin() => Err(Problem::invalid(
            name,
            "the operator of this server has suspended the agent; ask them",
        )),
        _ => match value.as_str() {
            Some("active" | "inactive") => Ok(value),
            Some("suspended") if viewer.is_admin() => Ok(value),
            _ => refused("active or inactive"),
        },
    }
}

fn business_value(name: &str, value: Value) -> Result<Value, Problem> {
    let refused = |accepted: String| {
        Err(Problem::invalid(format!("business.{name}"), format!("accepted is {accepted}")))
    };
    let longest = match name {
        "business_summary" | "additional_context" => TEXT_MAX,
        _ => LINE_MAX,
    };
    match (name, value) {
        (_, Value::Null) => Ok(Value::Null),
        ("default_appointment_length", value) => {
            match value.as_i64().filter(|n| (1..=i64::from(APPOINTMENT_MAX_MINUTES)).contains(n)) {
                Some(minutes) => Ok(minutes.into()),
                None => refused(format!("1 to {APPOINTMENT_MAX_MINUTES} whole minutes, or null")),
            }
        }
        ("operating_schedule", value @ Value::Object(_)) => Ok(value),
        ("operating_schedule", _) => refused("an object with a field for each day, or null".into()),
        (_, Value::String(text)) => match seen(&text).trim() {
            "" => Ok(Value::Null),
            text if text.chars().count() <= longest => Ok(text.into()),
            _ => refused(format!("a text of at most {longest} characters, or null")),
        },
        _ => refused(format!("a text of at most {longest} characters, or null")),
    }
}

/// What is to be written so that a document becomes another one, checked; and that one as it will be.
///
/// # Errors
/// [`Problem`]: all values that are not accepted.
pub(super) fn plan(
    row: &AgentSource,
    before: &Value,
    Applied { mut after, touched, mut wrong }: Applied,
) -> Result<(AgentWrite, Value), Problem> {
    if before["settings"] != after["settings"] && *row.private_settings.reveal() == TOO_LARGE {
        let why = "what is stored is too large to be read, and would be lost";
        return Err(Problem::invalid("settings", why));
    }
    for (field, value) in [
        ("settings", &after["settings"]),
        ("business.operating_schedule", &after["business"]["operating_schedule"]),
    ] {
        if value.to_string().len() > JSON_MAX {
            let why = format!("accepted are at most {JSON_MAX} bytes of JSON");
            return Err(Problem::invalid(field, why));
        }
    }
    let wanted = source(row, &after);
    let faults = faults_of_edit(&source(row, before), &wanted, &touched);
    for fault in faults.iter().map(refused_value) {
        if wrong.iter().all(|known| known.field != fault.field) {
            wrong.push(fault);
        }
    }
    if let Some(problem) = Problem::all_invalid(wrong) {
        return Err(problem);
    }
    // One spelling for each number, so that whoever compares them need not read them.
    if before["twilio_phone_number"] != after["twilio_phone_number"]
        && let Some(number) = Agent::new(wanted).number
    {
        after["twilio_phone_number"] = number.into();
    }
    let write = AgentWrite {
        agent: columns(before, &after, &FIELDS[..5]),
        business: columns(&before["business"], &after["business"], &BUSINESS_FIELDS),
        parts: parts(before, &after),
        ..AgentWrite::default()
    };
    Ok((write, after))
}

/// The columns that differ.
fn columns(
    before: &Value,
    after: &Value,
    names: &[&str],
) -> Option<crate::private::Private<Value>> {
    let differs = |name: &&&str| before[**name] != after[**name];
    let columns = names.iter().filter(differs).map(|name| {
        let column = if *name == "settings" { "private_settings" } else { name };
        (column.to_owned(), after[*name].clone())
    });
    let columns: Map<String, Value> = columns.collect();
    (!columns.is_empty()).then(|| Value::Object(columns).into())
}

/// The parts that differ, secrets masked.
pub(super) fn parts(before: &Value, after: &Value) -> Vec<PartChange> {
    let own = |document: &Value| {
        let mut own = masked(document);
        if let Value::Object(fields) = &mut own {
            fields.remove("business");
        }
        own
    };
    let secrets = SecretPlaces::Settings.changed(&before["settings"], &after["settings"]);
    let (own_before, mut own_after) = (own(before), own(after));
    if !secrets.is_empty() {
        // Masked, they look alike.
        own_after["changed_secrets"] = secrets.into();
    }
    let part = |name: &str, before: Value, after: Value| {
        let part = PartChange { part: name.to_owned(), before: Some(before), after: Some(after) };
        (part.before != part.after).then_some(part)
    };
    let business = part("business", before["business"].clone(), after["business"].clone());
    part("agent", own_before, own_after).into_iter().chain(business).collect()
}
