//! What an edit is refused for, and what it is not.

use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::agent::BusinessSource;

fn source(settings: Value, zone: &str) -> AgentSource {
    AgentSource {
        status: "active".to_owned(),
        number: Some("+15559870001".to_owned().into()),
        private_settings: settings.into(),
        business: Some(BusinessSource {
            timezone: Some(zone.to_owned()),
            ..BusinessSource::default()
        }),
        ..AgentSource::default()
    }
}

fn paths(before: Value, after: Value, touched: &[&str]) -> Vec<String> {
    let touched: Vec<String> = touched.iter().map(|path| (*path).to_owned()).collect();
    let zone = "Europe/London";
    let faults = faults_of_edit(&source(before, zone), &source(after, zone), &touched);
    faults.into_iter().map(|fault| fault.path).collect()
}

#[test]
fn only_what_an_edit_writes_is_refused() {
    let odd = json!({"voice": 7, "nonsense": 1, "limits": {"call_seconds": "long"}});
    let mut greeted = odd.clone();
    greeted["greeting"] = json!("Hello");
    assert!(paths(odd.clone(), greeted, &["private_settings.greeting"]).is_empty());

    let mut limited = odd.clone();
    limited["limits"]["call_seconds"] = json!("short");
    let path = "private_settings.limits.call_seconds";
    assert_eq!(paths(odd.clone(), limited, &[path]), [path], "as wrong as before, and written now");

    let mut unknown = odd.clone();
    unknown["limit"] = json!({});
    // A name at the top is reported even where no other name beside it is read.
    assert_eq!(paths(odd, unknown, &["private_settings.limit"]), ["private_settings.limit"]);
}

#[test]
fn what_fifty_others_got_wrong_hides_nothing() {
    let mut odd = json!({});
    for n in 0..80 {
        odd[format!("odd{n}")] = json!(n);
    }
    let mut after = odd.clone();
    after["language"] = json!(5);
    let path = "private_settings.language";
    assert_eq!(paths(odd, after, &[path]), [path]);
}

#[test]
fn a_number_that_another_zone_makes_unreadable_is_told() {
    let settings = json!({"fallback": {"kind": "forward", "number": "020 7946 0958"}});
    let (before, after) = (source(settings.clone(), "Europe/London"), source(settings, "UTC"));
    let after = AgentSource { number: None, ..after };
    let faults = faults_of_edit(&before, &after, &["business_timezone".to_owned()]);
    assert_eq!(faults[0].path, "private_settings.fallback.number");
}

fn function(n: u128, name: &str, kind: &str, data: Value) -> FunctionSource {
    FunctionSource {
        id: Uuid::from_u128(n),
        kind: Some(kind.to_owned()),
        name: Some(name.to_owned()),
        is_active: Some(true),
        data: data.into(),
        ..FunctionSource::default()
    }
}

fn agent_with(rows: Vec<FunctionSource>) -> Agent {
    Agent::new(AgentSource { functions: rows, ..source(json!({}), "Europe/London") })
}

#[test]
fn a_function_is_checked_beside_the_others() {
    let ask = |n, name| function(n, name, "json_api", json!({"url": "https://x.example/"}));
    let flow = function(
        2,
        "steps",
        "flows",
        json!({"start": "a", "nodes": {"a": {"call": "prices", "save_as": "p", "next": "b"},
            "b": {"end": "Bye."}}}),
    );
    let agent = agent_with(vec![ask(1, "prices"), flow.clone()]);
    assert!(agent.faults.is_empty(), "{:?}", agent.faults);
    let check = |rows: Vec<FunctionSource>, edited: u128| {
        let faults = faults_of_functions(&agent, rows, Uuid::from_u128(edited));
        let parted = faults.into_iter().map(|fault| (fault.function.as_u128(), fault.field));
        parted.collect::<Vec<_>>()
    };
    assert!(check(vec![ask(1, "prices"), flow.clone()], 1).is_empty());
    let off = FunctionSource { is_active: Some(false), ..ask(3, "prices") };
    let rows = vec![ask(1, "prices"), flow.clone(), off];
    assert_eq!(check(rows, 3), [(3, "name".to_owned())], "also one that is switched off");
    let bad = function(3, "other", "json_api", json!({"url": "ftp://x.example/"}));
    let rows = vec![ask(1, "prices"), flow.clone(), bad];
    assert_eq!(check(rows, 3), [(3, "data.url".to_owned())]);
    let renamed = check(vec![ask(1, "costs"), flow.clone()], 1);
    assert_eq!(renamed[0].0, 2, "a flow calls it by its old name: {renamed:?}");
    assert_eq!(check(vec![flow], 1)[0].0, 2, "the same where it is removed");
}
