//! Rows that attack the process: each is refused when it is read.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::function::FunctionSource;
use super::{Agent, AgentSource};

fn agent(kind: &str, data: Value, variables: Value) -> Agent {
    let row = FunctionSource {
        id: Uuid::from_u128(1),
        kind: Some(kind.to_owned()),
        data,
        name: Some("attack".to_owned()),
        variables,
        ..FunctionSource::default()
    };
    let status = "active".to_owned();
    Agent::new(AgentSource { status, functions: vec![row], ..AgentSource::default() })
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
