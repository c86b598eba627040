//! Every route of the API, and who may ask for it: the routes come from the API's own description,
//! so that a route without a row here fails, and every answer is checked against that description.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::desk::{Body, Client, Desk};

/// What somebody gets: the status for their own agent's object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gets {
    /// The answer of the route itself.
    Yes(u16),
    /// 403: it is seen, and needs another role.
    No,
}
use Gets::{No, Yes};

/// A route: method, path as it is described, and what support, maintainer and owner get.
struct Row {
    method: &'static str,
    path: &'static str,
    body: Value,
    gets: [Gets; 3],
    /// The statement that makes the object whose id is in the path, and gives the id as text; empty
    /// where that is the agent's. `{agent}` in it is the agent's id, `{person}` the person's.
    object: &'static str,
}

impl Row {
    /// With this body. `{agent}` in it is the agent's id, and then another agent's is 404.
    fn body(self, body: Value) -> Self {
        Self { body, ..self }
    }

    /// About an object that this statement makes.
    fn object(self, object: &'static str) -> Self {
        Self { object, ..self }
    }

    /// Whether it names an object, so that another agent's is 404.
    fn has_object(&self) -> bool {
        self.path.contains('{') || self.body.to_string().contains("{agent}")
    }

    /// The same about this agent, or about a new object of it and of the person.
    async fn about(&self, desk: &Desk, agent: Uuid, email: &str) -> (String, Row) {
        let text = self.body.to_string().replace("{agent}", &agent.to_string());
        let id = match self.object {
            "" => agent.to_string(),
            sql => desk.made(sql, agent, email).await,
        };
        let body = serde_json::from_str(&text).unwrap();
        let row = Row { method: self.method, path: self.path, body, gets: self.gets, object: "" };
        (self.path.replace("{id}", &id), row)
    }
}

fn row(method: &'static str, path: &'static str, gets: [Gets; 3]) -> Row {
    Row { method, path, body: Value::Null, gets, object: "" }
}

const APPOINTMENT: &str = "insert into appointments (voice_agent_id, name, phone_number, service, \
    schedule_time) values ('{agent}', 'Anna', '', '', now()) returning id::text";

const ACCESS: &str = "with u as (
        insert into auth.users (id, email)
        values (gen_random_uuid(), gen_random_uuid() || '@example.com') returning id, email
    ), c as (
        insert into customer (uuid, email, username, plan_id) select id, email, 'X', 0 from u
        returning uuid
    )
    insert into voice_agents_access (voice_agent_id, user_id, access)
    select '{agent}', uuid, 'support' from c returning id::text";

const TOKEN: &str = "insert into api_tokens (token_hash, user_id, name, scope)
    values (sha256(gen_random_uuid()::text::bytea), {person}, 'x', 'read') returning id::text";

/// The table. A new route gets its row here.
fn table() -> Vec<Row> {
    let maintain = |status| [No, Yes(status), Yes(status)];
    let own = |status| [No, No, Yes(status)];
    let start = "2026-12-01T10:00";
    let booking = json!({"agent": "{agent}", "start": start, "name": "Anna", "overlap": true});
    vec![
        row("get", "/api/v1/agents", [Yes(200); 3]),
        row("get", "/api/v1/appointments", [Yes(200); 3]),
        row("post", "/api/v1/appointments", maintain(201)).body(booking),
        row("get", "/api/v1/appointments/{id}", [Yes(200); 3]).object(APPOINTMENT),
        row("patch", "/api/v1/appointments/{id}", maintain(200))
            .object(APPOINTMENT)
            .body(json!({"status": "completed"})),
        row("delete", "/api/v1/appointments/{id}", maintain(204)).object(APPOINTMENT),
        row("get", "/api/v1/agents/{id}/calendar-feed", [Yes(200); 3]),
        row("post", "/api/v1/agents/{id}/calendar-feed", maintain(201)),
        row("delete", "/api/v1/agents/{id}/calendar-feed", maintain(204)),
        row("get", "/api/v1/agents/{id}/access", own(200)),
        row("post", "/api/v1/agents/{id}/access", own(201))
            .body(json!({"email": "new@example.com", "role": "support"})),
        row("patch", "/api/v1/access/{id}", own(200))
            .object(ACCESS)
            .body(json!({"role": "maintainer"})),
        row("delete", "/api/v1/access/{id}", own(204)).object(ACCESS),
        row("get", "/api/v1/tokens", [Yes(200); 3]),
        row("post", "/api/v1/tokens", [Yes(201); 3]).body(json!({"name": "x", "scope": "read"})),
        row("delete", "/api/v1/tokens/{id}", [Yes(204); 3]).object(TOKEN),
    ]
}

const ROLES: [&str; 3] = ["support", "maintainer", "owner"];

async fn ask(client: &Client, row: &Row, path: &str) -> crate::desk::Answered {
    let method = Method::from_bytes(row.method.to_uppercase().as_bytes()).unwrap();
    let body = match &row.body {
        Value::Null => Body::None,
        body => Body::Json(body.clone()),
    };
    client.send(method, path, body).await
}

#[tokio::test]
async fn every_route_has_its_row() {
    let desk = Desk::open().await;
    let described = desk.stranger().get("/api/v1/openapi.json").await.json();
    assert_eq!(described["openapi"], "3.1.0");
    let table = table();
    let mut routes = Vec::new();
    for (path, methods) in described["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            routes.push(format!("{method} {path}"));
        }
    }
    let rows: Vec<String> =
        table.iter().map(|row| format!("{} {}", row.method, row.path)).collect();
    for route in &routes {
        assert!(rows.contains(route), "{route} has no row in the access table");
    }
    for row in &rows {
        assert!(routes.contains(row), "{row} is no route of the API");
    }
}

#[tokio::test]
async fn everybody_gets_what_their_role_gives() {
    let desk = Desk::open().await;
    let described = desk.stranger().get("/api/v1/openapi.json").await.json();
    let mut people = Vec::new();
    for role in ROLES {
        people.push(desk.sign_in(&format!("{role}@example.com")).await);
    }
    for row in table() {
        let (path, asked) = row.about(&desk, desk.agent, "owner@example.com").await;
        let refused = ask(&desk.stranger(), &asked, &path).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{} {path}", row.method);
        check_schema(&described, &row, &refused);
        for ((client, role), gets) in people.iter().zip(ROLES).zip(row.gets) {
            let (path, asked) = row.about(&desk, desk.agent, &format!("{role}@example.com")).await;
            let answered = ask(client, &asked, &path).await;
            let expected = match gets {
                Yes(status) => status,
                No => 403,
            };
            let case = format!("{role}: {} {path}: {}", row.method, answered.text);
            assert_eq!(answered.status.as_u16(), expected, "{case}");
            check_schema(&described, &row, &answered);
        }
        if row.has_object() {
            let (path, asked) = row.about(&desk, desk.other_agent, "other@example.com").await;
            for client in &people {
                let answered = ask(client, &asked, &path).await;
                assert_eq!(answered.status, StatusCode::NOT_FOUND, "{} {path}", row.method);
            }
        }
    }
}

/// Checks an answer against what the API's description says of it.
fn check_schema(described: &Value, row: &Row, answered: &crate::desk::Answered) {
    let responses = &described["paths"][row.path][row.method]["responses"];
    let status = answered.status.as_u16().to_string();
    let response = &responses[&status];
    assert!(response.is_object(), "{} {}: {status} is not described", row.method, row.path);
    let kind = answered.header("content-type").split(';').next().unwrap().to_owned();
    if !kind.ends_with("json") {
        return;
    }
    let schema = response["content"].as_object().and_then(|kinds| kinds.values().next());
    let schema =
        &schema.unwrap_or_else(|| panic!("{} {}: {status}", row.method, row.path))["schema"];
    let value = answered.json();
    if let Err(error) = conforms(described, schema, &value) {
        panic!("{} {} {status}: {error} in {value}", row.method, row.path);
    }
}

/// Whether a value is as its schema says, as far as our own schemas go.
fn conforms(described: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    if let Some(name) = schema["$ref"].as_str() {
        let target = described.pointer(&name[1..]).ok_or(format!("{name} is not described"))?;
        return conforms(described, target, value);
    }
    for any in ["oneOf", "anyOf"] {
        if let Some(choices) = schema[any].as_array() {
            let fits = choices.iter().any(|choice| conforms(described, choice, value).is_ok());
            return if fits { Ok(()) } else { Err(format!("{value} is none of {choices:?}")) };
        }
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        conforms(described, part, value)?;
    }
    let kinds = match &schema["type"] {
        Value::String(kind) => vec![kind.as_str()],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let is = |kind: &&str| match *kind {
        "null" => value.is_null(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    };
    if !kinds.is_empty() && !kinds.iter().any(is) {
        return Err(format!("{value} is not {kinds:?}"));
    }
    if let (Some(words), false) = (schema["enum"].as_array(), value.is_null())
        && !words.contains(value)
    {
        return Err(format!("{value} is not one of {words:?}"));
    }
    for item in value.as_array().into_iter().flatten() {
        conforms(described, &schema["items"], item)?;
    }
    let Some(fields) = value.as_object() else { return Ok(()) };
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !fields.contains_key(name) {
            return Err(format!("{name} is missing"));
        }
    }
    for (name, field) in fields {
        match (&schema["properties"][name], &schema["additionalProperties"]) {
            (Value::Null, Value::Null) if schema["properties"].is_object() => {
                return Err(format!("{name} is not described"));
            }
            (Value::Null, _) => {}
            (described_field, _) => conforms(described, described_field, field)
                .map_err(|error| format!("{name}: {error}"))?,
        }
    }
    Ok(())
}

#[test]
fn the_checker_finds_what_is_not_described() {
    let described = json!({"components": {"schemas": {"A": {
        "type": "object", "required": ["id"],
        "properties": {"id": {"type": "string"}, "n": {"type": ["integer", "null"]}}
    }}}});
    let schema = json!({"$ref": "#/components/schemas/A"});
    let check = |value: Value| conforms(&described, &schema, &value);
    assert!(check(json!({"id": "x", "n": null})).is_ok());
    for odd in
        [json!({}), json!({"id": 1}), json!({"id": "x", "n": "1"}), json!({"id": "x", "z": 1})]
    {
        assert!(check(odd.clone()).is_err(), "{odd}");
    }
}
