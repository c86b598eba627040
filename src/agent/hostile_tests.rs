//! Rows that attack the process: each is refused when it is read, on a stack of the size that the
//! runtime's threads have, and costs next to nothing.

use std::thread;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::function::FunctionSource;
use super::{Agent, AgentSource};

/// A quarter of what a thread of the runtime has: a row is read deep inside a task.
const STACK_BYTES: usize = 512 * 1024;

fn agent(kind: &str, data: Value, variables: Value) -> Agent {
    let row = FunctionSource {
        id: Uuid::from_u128(1),
        kind: Some(kind.to_owned()),
        data: data.into(),
        name: Some("attack".to_owned()),
        variables: variables.into(),
        ..FunctionSource::default()
    };
    let status = "active".to_owned();
    Agent::new(AgentSource { status, functions: vec![row], ..AgentSource::default() })
}

/// Runs on a small stack: an overflow ends the process, and with it the test.
fn on_a_small_stack<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let thread = thread::Builder::new().stack_size(STACK_BYTES).spawn(work);
    thread.expect("a thread starts").join().expect("the work ends")
}

/// Forty definitions, each of two references to the next: 2^40 ways through it.
fn doubling(keyword: &str, reference: &str) -> Value {
    let mut definitions: Map<String, Value> = (0..40)
        .map(|n| {
            let next = json!({"$ref": format!("#/{reference}/d{}", n + 1)});
            (format!("d{n}"), json!({keyword: [next, next]}))
        })
        .collect();
    definitions.insert("d40".to_owned(), json!({"type": "string"}));
    let properties = json!({"a": {"$ref": format!("#/{reference}/d0")}});
    let mut schema = json!({"type": "object", "properties": properties});
    schema[reference] = Value::Object(definitions);
    schema
}

#[test]
fn a_schema_with_references_is_refused_by_the_name_of_its_keyword() {
    for (keyword, reference) in
        [("anyOf", "$defs"), ("oneOf", "$defs"), ("allOf", "definitions"), ("anyOf", "definitions")]
    {
        let schema = doubling(keyword, reference);
        let agent = agent("json_api", json!({"url": "https://crm.example/"}), schema);
        assert_eq!(agent.functions.rows.len(), 0, "{keyword} {reference}");
        let fault = agent.faults.first().expect("it is reported").to_string();
        let is_named = fault.contains(reference) || fault.contains("$ref");
        assert!(is_named && fault.contains("accepted is type, enum"), "{fault}");
    }
}

/// Each place of a row that is a template or an expression, with one in it.
fn rows_with(source: &str) -> Vec<(&'static str, Value)> {
    let url = "https://crm.example/";
    let node = |node: Value| json!({"start": "a", "nodes": {"a": node, "b": {"end": "Bye."}}});
    vec![
        ("json_api", json!({"url": url, "body": source})),
        ("json_api", json!({"url": url, "body": {"a": [{"b": source}]}})),
        ("json_api", json!({"url": url, "body": json!({"a": source}).to_string()})),
        ("json_api", json!({"url": url, "headers": {"X-A": source}})),
        ("json_api", json!({"url": url, "query": {"a": [source]}})),
        ("json_api", json!({"url": format!("{url}{source}")})),
        ("json_api", json!({"url": source})),
        ("json_api", json!({"url": format!("https://{source}.example/")})),
        ("json_api", json!({"url": format!("{url}?a={source}")})),
        ("flows", node(json!({"say": source, "next": "b"}))),
        ("flows", node(json!({"ask": source, "collect": "x", "next": "b"}))),
        ("flows", node(json!({"call": "search_knowledge", "arguments": {"a": source}}))),
        ("flows", node(json!({"branch": [{"if": source, "next": "b"}], "next": "b"}))),
        ("flows", node(json!({"end": source}))),
    ]
}

#[test]
fn a_template_that_overflows_the_parser_is_refused_wherever_a_row_has_one() {
    let many = |n: usize, before: &str, after: &str| [before.repeat(n), after.repeat(n)];
    for [before, after] in [
        many(6_000, "-", ""),
        many(1_500, "not ", ""),
        many(3_000, "(", ""),
        many(2_000, "[", "]"),
        many(1_300, "", "|upper"),
        many(2_000, "", ".b"),
        many(3_000, "", "+1"),
    ] {
        let source = format!("{{{{ {before}1{after} }}}}");
        for (kind, data) in rows_with(&source) {
            let shown = data.clone();
            let (rows, faults) = on_a_small_stack(move || {
                let agent = agent(kind, data, json!([{"name": "a"}]));
                (agent.functions.rows.len(), agent.faults)
            });
            assert_eq!(
                (rows, faults.len()),
                (0, 1),
                "{kind} {}: {faults:?}",
                shown.to_string().len()
            );
        }
    }
}

#[test]
fn json_that_is_too_deep_is_refused() {
    // The database holds it; what it says is read from a text, which is bounded at 128.
    let deep = (0..120)
        .fold(json!("x"), |inner, n| if n % 2 == 0 { json!([inner]) } else { json!({"a": inner}) });
    for (kind, data) in [
        ("json_api", json!({"url": "https://crm.example/", "body": deep})),
        ("json_api", json!({"url": "https://crm.example/", "query": {"a": deep}})),
        ("json_api", json!({"url": "https://crm.example/", "body": "[".repeat(100_000)})),
        (
            "flows",
            json!({"start": "a", "nodes": {"a": {"call": "search_knowledge",
            "arguments": {"a": deep}}}}),
        ),
    ] {
        let rows = on_a_small_stack(move || agent(kind, data, json!([])).functions.rows.len());
        assert_eq!(rows, 0, "{kind}");
    }
}
