//! What functions collected in calls, as people read it: a table with a column for each variable.

use serde_json::Value;
use uuid::Uuid;

use super::AppState;
use super::editing::function::{document, find};
use super::problem::Problem;
use crate::store::access::{AgentAccess, Inspect};
use crate::store::{CollectedPlace, CollectedRun};

/// The most columns: a schema may have hundreds.
const COLUMNS_MAX: usize = 40;

/// A function whose runs may be shown.
#[derive(Debug)]
pub(super) struct Collecting {
    /// What it is called.
    pub(super) name: String,
    /// Whether what callers say to it is kept.
    pub(super) is_kept: bool,
    /// The names of its variables.
    pub(super) columns: Vec<String>,
}

/// A function of the agent's; none where its owner does not want shown what it collected.
///
/// # Errors
/// There is no such function, or the database.
pub(super) async fn collecting(
    state: &AppState,
    access: &AgentAccess<Inspect>,
    function: Uuid,
) -> Result<Option<Collecting>, Problem> {
    let agent = state.owners.store.agent_to_inspect(access).await?;
    let agent = agent.ok_or_else(Problem::not_found)?;
    let row = find(&agent, function).ok_or_else(Problem::not_found)?;
    if row.is_shownable == Some(false) {
        return Ok(None);
    }
    let document = document(row);
    let name = document["name"].as_str().unwrap_or("A function").to_owned();
    let columns = variables(&document["variables"]);
    Ok(Some(Collecting { name, is_kept: row.save_data, columns }))
}

/// The names of variables: of a list, or of a JSON Schema.
fn variables(variables: &Value) -> Vec<String> {
    let listed = variables.as_array().into_iter().flatten();
    let listed = listed.filter_map(|variable| variable["name"].as_str());
    let described = variables["properties"].as_object().into_iter().flatten();
    let named = listed.chain(described.map(|(name, _)| name.as_str()));
    named.take(COLUMNS_MAX).map(str::to_owned).collect()
}

/// The columns of a page: the variables, and what was collected under other names.
pub(super) fn columns_of(known: &[String], runs: &[CollectedRun]) -> Vec<String> {
    let mut columns = known.to_vec();
    for (name, _) in runs.iter().filter_map(|run| run.arguments.reveal().as_object()).flatten() {
        if columns.len() < COLUMNS_MAX && !columns.contains(name) {
            columns.push(name.clone());
        }
    }
    columns
}

/// A value as it stands in a table.
pub(super) fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// What was collected under none of these names, as JSON; empty where all was.
pub(super) fn rest(run: &CollectedRun, columns: &[String]) -> String {
    match run.arguments.reveal() {
        Value::Object(fields) => {
            let rest = fields.iter().filter(|(name, _)| !columns.contains(name));
            let rest: serde_json::Map<String, Value> =
                rest.map(|(name, value)| (name.clone(), value.clone())).collect();
            if rest.is_empty() { String::new() } else { Value::Object(rest).to_string() }
        }
        other => cell(other),
    }
}

/// A place in the list, as an address has it.
pub(super) fn cursor(place: CollectedPlace) -> String {
    format!("{}.{}", place.at_us, place.id.simple())
}

/// A place from an address.
///
/// # Errors
/// It is none.
pub(super) fn read_cursor(text: Option<&str>) -> Result<Option<CollectedPlace>, Problem> {
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else { return Ok(None) };
    let read = || {
        let (at, id) = text.split_once('.')?;
        let at_us: i64 = at.parse().ok()?;
        // What no calendar has, PostgreSQL has not either.
        jiff::Timestamp::from_microsecond(at_us).ok()?;
        Some(CollectedPlace { at_us, id: Uuid::try_parse(id).ok()? })
    };
    let place = read().ok_or_else(|| Problem::invalid("after", "`next` of the page before"))?;
    Ok(Some(place))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn run(arguments: Value) -> CollectedRun {
        let place = CollectedPlace { at_us: 7, id: Uuid::from_u128(7) };
        CollectedRun { place, call_id: None, arguments: arguments.into(), result: json!({}).into() }
    }

    #[test]
    fn each_variable_has_a_column_and_nothing_is_left_out() {
        assert_eq!(variables(&json!([{"name": "email"}, {"n": 1}, 3])), ["email"]);
        assert_eq!(variables(&json!({"properties": {"b": {}, "a": {}}})).len(), 2);
        assert!(variables(&json!("x")).is_empty());
        let odd = run(json!({"email": "a@example.com", "more": [1, true, null]}));
        let known = ["email".to_owned()];
        assert_eq!(columns_of(&known, std::slice::from_ref(&odd)), ["email", "more"]);
        assert_eq!(rest(&odd, &known), r#"{"more":[1,true,null]}"#);
        assert_eq!(cell(&odd.arguments.reveal()["more"]), "1, yes, ");
        assert_eq!(rest(&run(json!("text")), &known), "text");
    }

    #[test]
    fn a_place_is_read_back() {
        let place = CollectedPlace { at_us: 1_795_960_800_000_000, id: Uuid::from_u128(7) };
        assert_eq!(read_cursor(Some(&cursor(place))).unwrap(), Some(place));
        assert_eq!(read_cursor(Some(" ")).unwrap(), None);
        for odd in ["1", "x.y", "9223372036854775807.00000000000000000000000000000007"] {
            assert_eq!(read_cursor(Some(odd)).unwrap_err().field.as_deref(), Some("after"));
        }
    }
}
