//! Every route of the API, and who may ask for it: the routes come from the API's own description,
//! so that a route without a row here fails, and every answer is checked against that description.

use frontdesk::store::access::Read;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::calls::add_call;
use crate::desk::{Body, Client, Desk, add_person, give_access, read_token};
use crate::viewer::{access, owner_of};

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
    /// Whether the path names an object, so that another agent's is 404.
    has_object: bool,
    /// What the address asks with.
    query: &'static str,
    /// A statement that makes undone what the request did; `$id` is the agent's.
    undo: &'static str,
}

fn row(method: &'static str, path: &'static str, gets: [Gets; 3]) -> Row {
    let has_object = path.contains('{');
    Row { method, path, body: Value::Null, gets, has_object, query: "", undo: "" }
}

impl Row {
    fn sends(self, body: Value) -> Self {
        Self { body, ..self }
    }

    fn undo(self, undo: &'static str) -> Self {
        Self { undo, ..self }
    }
}

/// The table. A new route gets its row here.
fn table() -> Vec<Row> {
    let of_agent = || json!({"agent": "{agent}"});
    let maintainers = |status| [No, Yes(status), Yes(status)];
    vec![
        row("get", "/api/v1/agents", [Yes(200); 3]),
        row("get", "/api/v1/calls", [Yes(200); 3]),
        row("get", "/api/v1/calls/{id}", [Yes(200); 3]),
        // Before anybody has made an agent, which is their own.
        row("get", "/api/v1/calls.csv", [No, No, Yes(200)]),
        row("get", "/api/v1/calls.json", [No, No, Yes(200)]),
        row("post", "/api/v1/agents", [Yes(201); 3]).sends(json!({"name": "Another"})),
        row("get", "/api/v1/agents/{id}", [Yes(200); 3]),
        row("patch", "/api/v1/agents/{id}", maintainers(200)).sends(json!({"name": "Robin"})),
        row("delete", "/api/v1/agents/{id}", [No, No, Yes(200)])
            .undo("update voice_agents set status = 'active' where id = '$id'"),
        row("get", "/api/v1/agents/{id}/sources", [Yes(200); 3]),
        row("post", "/api/v1/agents/{id}/sources", maintainers(201))
            .sends(json!({"name": "A text", "text": "We have a garden."}))
            .undo("delete from sources where name = 'A text'"),
        row("get", "/api/v1/sources/{id}", [Yes(200); 3]),
        row("post", "/api/v1/sources/{id}/train", maintainers(202)),
        row("delete", "/api/v1/sources/{id}", maintainers(204)).undo(
            "insert into sources (id, voice_agent_id, name, source_type, size, status)
            values ('$source', '$id', 'Kept', 'text', 0, 'done')",
        ),
        row("post", "/api/v1/agents/{id}/ask", maintainers(200))
            .sends(json!({"question": "When?"})),
        row("get", "/api/v1/agents/{id}/versions", maintainers(200)),
        row("post", "/api/v1/agents/{id}/versions/{n}/restore", maintainers(200)),
        row("get", "/api/v1/agents/{id}/functions", maintainers(200)),
        row("post", "/api/v1/agents/{id}/functions", maintainers(201))
            .sends(json!({"type": "function", "data": {"builtin": "send_sms"}}))
            .undo("delete from functions where data ->> 'builtin' = 'send_sms'"),
        row("get", "/api/v1/functions/{id}", maintainers(200)),
        row("patch", "/api/v1/functions/{id}", maintainers(200)).sends(json!({"is_active": false})),
        row("post", "/api/v1/functions/{id}/dry-run", maintainers(200)),
        row("delete", "/api/v1/functions/{id}", maintainers(204)).undo(
            "insert into functions (id, assistant_id, type, name, data) values ('$function', '$id',
                'function', 'prices', '{\"builtin\": \"take_message\"}')",
        ),
        row("get", "/api/v1/functions/{id}/collected", maintainers(200)),
        row("get", "/api/v1/functions/{id}/collected.csv", [No, No, Yes(200)]),
        // The agent has no webhook.
        row("post", "/api/v1/agents/{id}/webhook/test", maintainers(409)),
        row("get", "/api/v1/numbers", [Yes(200); 3]),
        // This desk has no Twilio account to ask with.
        with(row("post", "/api/v1/numbers/{sid}/connect", [No, Yes(502), Yes(502)]), of_agent()),
        with(row("post", "/api/v1/numbers/{sid}/restore", [No, Yes(502), Yes(502)]), of_agent()),
        row("get", "/api/v1/tasks", [Yes(200); 3]),
        with(row("patch", "/api/v1/tasks/{id}", [Yes(200); 3]), json!({"done": true})),
        row("get", "/api/v1/agents/{id}/gaps", [Yes(200); 3]),
        with(
            row("post", "/api/v1/gaps/{id}/answer", [No, Yes(200), Yes(404)]),
            json!({"text": "Yes."}),
        ),
        // What there is now: followed, it would not end.
        Row { query: "?follow=false", ..row("get", "/api/v1/live", [Yes(200); 3]) },
        // The call of this test is over.
        row("post", "/api/v1/calls/{id}/end", [No, Yes(409), Yes(409)]),
        Row {
            body: json!({"to": "+442070000000"}),
            ..row("post", "/api/v1/calls/{id}/transfer", [No, Yes(409), Yes(409)])
        },
        row("get", "/api/v1/usage", [Yes(200); 3]),
        row("get", "/api/v1/webhook-deliveries", [Yes(200); 3]),
        row("post", "/api/v1/webhook-deliveries/{id}/redeliver", [No, Yes(202), Yes(202)]),
        row("get", "/api/v1/callers/{number}", [No, No, Yes(200)]),
        row("get", "/api/v1/calls/{id}/events", [Yes(200); 3]),
        // The call was not recorded.
        row("get", "/api/v1/calls/{id}/recording", [Yes(404); 3]),
        row("get", "/api/v1/calls/{id}/recording.wav", [Yes(404); 3]),
        // No message was left.
        row("get", "/api/v1/calls/{id}/voicemail", [Yes(404); 3]),
        row("get", "/api/v1/appointments", [Yes(200); 3]),
        Row {
            body: json!({"agent": "{agent}", "start": "2026-12-01T10:00", "name": "A", "overlap": true}),
            has_object: true,
            ..row("post", "/api/v1/appointments", [No, Yes(201), Yes(201)])
        },
        row("get", "/api/v1/appointments/{id}", [Yes(200); 3]),
        with(
            row("patch", "/api/v1/appointments/{id}", [No, Yes(200), Yes(200)]),
            json!({"status": "completed"}),
        ),
        row("delete", "/api/v1/appointments/{id}", [No, Yes(204), Yes(204)]),
        row("get", "/api/v1/agents/{id}/calendar-feed", [Yes(200); 3]),
        row("post", "/api/v1/agents/{id}/calendar-feed", [No, Yes(201), Yes(201)]),
        row("delete", "/api/v1/agents/{id}/calendar-feed", [No, Yes(204), Yes(204)]),
        row("get", "/api/v1/agents/{id}/access", [No, No, Yes(200)]),
        with(
            row("post", "/api/v1/agents/{id}/access", [No, No, Yes(201)]),
            json!({"email": "new-{agent}@example.com", "role": "support"}),
        ),
        with(row("patch", "/api/v1/access/{id}", [No, No, Yes(200)]), json!({"active": false})),
        row("delete", "/api/v1/access/{id}", [No, No, Yes(204)]),
        row("get", "/api/v1/tokens", [Yes(200); 3]),
        with(
            row("post", "/api/v1/tokens", [Yes(201); 3]),
            json!({"name": "till", "scope": "read"}),
        ),
        // It is the owner's own.
        row("delete", "/api/v1/tokens/{id}", [Yes(404), Yes(404), Yes(204)]),
        // What the rows above ask for goes.
        row("delete", "/api/v1/calls/{id}", [No, No, Yes(204)]),
        row("delete", "/api/v1/callers/{number}", [No, No, Yes(200)]),
    ]
}

/// The same with this body, in which `{agent}` stands for the agent.
fn with(row: Row, body: Value) -> Row {
    Row { body, ..row }
}

/// What ids in paths stand for: of one's own business, and of the other's.
pub(crate) struct Objects {
    pub(crate) agent: String,
    /// A call that is over.
    pub(crate) call: String,
    pub(crate) caller: &'static str,
    pub(crate) delivery: String,
    pub(crate) task: String,
    gap: String,
    pub(crate) appointment: String,
    /// The access of somebody who does not ask.
    pub(crate) access: String,
    /// A key of whoever made the agent.
    pub(crate) token: String,
    pub(crate) function: String,
    pub(crate) source: String,
}

impl Objects {
    pub(crate) async fn of(desk: &Desk, agent: uuid::Uuid) -> Self {
        let call: uuid::Uuid = sqlx::query_scalar(
            "insert into call_logs (voice_agent_id, call_start, call_end, status, call_sid, metadata)
            values ($1, now(), now(), 'completed', 'CA' || md5(gen_random_uuid()::text),
                '{\"gaps\": [\"Do you take cards?\"]}') returning id",
        )
        .bind(agent)
        .fetch_one(&desk.pool)
        .await
        .unwrap();
        desk.sql(&format!(
            "insert into aftercall_jobs (call_log_id, kind) values ('{call}', 'webhook')
            on conflict do nothing"
        ))
        .await;
        let delivery: i64 = sqlx::query_scalar(
            "insert into webhook_deliveries (call_log_id, message_id, attempt, ms)
            values ($1, 'msg_1', 1, 1) returning id",
        )
        .bind(call)
        .fetch_one(&desk.pool)
        .await
        .unwrap();
        let task: i64 = sqlx::query_scalar(
            "insert into call_tasks (voice_agent_id, call_log_id, kind, ordinal, text, urgency, at)
            values ($1, $2, 'message', 9, 'Call back', 1, now()) returning id",
        )
        .bind(agent)
        .bind(call)
        .fetch_one(&desk.pool)
        .await
        .unwrap();
        let owner = owner_of(&desk.pool, agent).await;
        let read = access::<Read>(&desk.pool, &owner, agent).await;
        let gaps = desk.app.store.gaps(&read).await.unwrap();
        let caller = if agent == desk.agent { "+447700900123" } else { "+447700900456" };
        add_call(desk, agent, json!({"caller_number": caller})).await;
        let call = add_call(desk, agent, json!({"caller_number": caller})).await.to_string();
        let person =
            add_person(&desk.pool, &format!("{}@example.com", uuid::Uuid::new_v4()), "Somebody")
                .await;
        give_access(&desk.pool, agent, person, "support").await;
        let made = async |sql: &str| desk.made(&sql.replace("{agent}", &agent.to_string())).await;
        let appointment = "insert into appointments (voice_agent_id, name, phone_number, service,
            schedule_time) values ('{agent}', 'A', '', '', now()) returning id::text";
        let access = "select max(id)::text from voice_agents_access
            where voice_agent_id = '{agent}'";
        let source = "insert into sources (voice_agent_id, name, source_type, size, status)
            values ('{agent}', 'Kept', 'text', 0, 'done') returning id::text";
        let token = "insert into api_tokens (token_hash, user_id, name, scope)
            select sha256(gen_random_uuid()::text::bytea), created_by, 'x', 'read' from voice_agents
            where id = '{agent}' returning id::text";
        Self {
            agent: agent.to_string(),
            call,
            caller,
            delivery: delivery.to_string(),
            task: task.to_string(),
            gap: gaps[0].id.to_string(),
            appointment: made(appointment).await,
            access: made(access).await,
            token: made(token).await,
            source: made(source).await,
            function: if agent == desk.agent { desk.function } else { desk.other_function }
                .to_string(),
        }
    }

    /// The path with the ids in it.
    fn path(&self, row: &Row) -> String {
        let id = match row.path {
            path if path.contains("/webhook-deliveries/") => &self.delivery,
            path if path.contains("/tasks/") => &self.task,
            path if path.contains("/gaps/") => &self.gap,
            path if path.contains("/appointments/") => &self.appointment,
            path if path.contains("/access/") => &self.access,
            path if path.contains("/api/v1/sources/") => &self.source,
            path if path.contains("/tokens/") => &self.token,
            path if path.contains("/calls/") => &self.call,
            path if path.starts_with("/api/v1/functions/") => &self.function,
            _ => &self.agent,
        };
        row.path
            .replace("{id}", id)
            .replace("{n}", "1")
            .replace("{number}", self.caller)
            .replace("{sid}", "PN00000000000000000000000000000001")
    }
}

const ROLES: [&str; 3] = ["support", "maintainer", "owner"];

async fn ask(client: &Client, row: &Row, objects: &Objects) -> crate::desk::Answered {
    let path = &objects.path(row);
    let method = Method::from_bytes(row.method.to_uppercase().as_bytes()).unwrap();
    let body = match &row.body {
        Value::Null => Body::None,
        body => {
            let text = body.to_string().replace("{agent}", &objects.agent);
            Body::Json(serde_json::from_str(&text).unwrap())
        }
    };
    client.send(method, &format!("{path}{}", row.query), body).await
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
    let (ours, theirs) =
        (Objects::of(&desk, desk.agent).await, Objects::of(&desk, desk.other_agent).await);
    let mut people = Vec::new();
    for role in ROLES {
        people.push(desk.sign_in(&format!("{role}@example.com")).await);
    }
    let off = add_person(&desk.pool, "off@example.com", "Off").await;
    give_access(&desk.pool, desk.agent, off, "owner").await;
    desk.sql(&format!("update voice_agents_access set status = false where user_id = '{off}'"))
        .await;
    let off = desk.sign_in("off@example.com").await;
    let admin = desk.sign_in("admin@example.com").await;
    let reads = read_token(&desk, "owner@example.com").await;
    for row in table() {
        let path = ours.path(&row);
        if row.has_object {
            let answered = ask(&off, &row, &ours).await;
            let case = format!("switched off: {} {path}: {}", row.method, answered.text);
            assert_eq!(answered.status, StatusCode::NOT_FOUND, "{case}");
        }
        if row.method != "get" {
            let answered = ask(&reads, &row, &ours).await;
            let case = format!("a token that reads: {} {path}: {}", row.method, answered.text);
            assert_eq!(answered.status, StatusCode::FORBIDDEN, "{case}");
        }
        let refused = ask(&desk.stranger(), &row, &ours).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{} {path}", row.method);
        check_schema(&described, &row, &refused);
        for ((client, role), gets) in people.iter().zip(ROLES).zip(row.gets) {
            let answered = ask(client, &row, &ours).await;
            let expected = match gets {
                Yes(status) => status,
                No => 403,
            };
            let case = format!("{role}: {} {path}: {}", row.method, answered.text);
            assert_eq!(answered.status.as_u16(), expected, "{case}");
            check_schema(&described, &row, &answered);
            if answered.status.is_success() && !row.undo.is_empty() {
                let undo = row.undo.replace("$id", &desk.agent.to_string());
                let undo = undo.replace("$source", &ours.source);
                desk.sql(&undo.replace("$function", &desk.function.to_string())).await;
            }
        }
        if row.has_object {
            let path = theirs.path(&row);
            for client in &people {
                let answered = ask(client, &row, &theirs).await;
                assert_eq!(answered.status, StatusCode::NOT_FOUND, "{} {path}", row.method);
            }
            // To an administrator it is as their own.
            let answered = ask(&admin, &row, &theirs).await;
            let status = answered.status.as_u16();
            let case = format!("admin: {} {path}: {status} {}", row.method, answered.text);
            assert!(row.gets.contains(&Yes(status)), "{case}");
            let undo = row.undo.replace("$id", &theirs.agent).replace("$source", &theirs.source);
            if answered.status.is_success() && !undo.is_empty() {
                desk.sql(&undo.replace("$function", &theirs.function)).await;
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
