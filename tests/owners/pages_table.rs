//! Every page and form of the console, and who may ask for it. The routes are read from the source, so
//! that one without a row here fails. Each is asked by every role, for their own agent and another's, by
//! somebody whose access is switched off, by a program that may only read, and by nobody.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use http::{Method, StatusCode};
use serde_json::json;
use uuid::Uuid;

use crate::access_table::Objects;
use crate::desk::{
    Answered, Body, Client, Desk, add_function, add_person, give_access, read_token,
};

/// The least that somebody has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Needs {
    /// Nobody in particular: also without signing in.
    Nothing,
    /// Signed in.
    Anybody,
    Support,
    Maintainer,
    Owner,
    Admin,
}
use Needs::{Admin, Anybody, Maintainer, Nothing, Owner, Support};

/// A route: method, path as the router has it, who may, and what its form sends.
struct Row {
    method: &'static str,
    path: &'static str,
    needs: Needs,
    form: &'static [(&'static str, &'static str)],
    query: &'static str,
    /// What those get who may, where it is not a page or the way to one.
    gives: Option<u16>,
    /// What is got for another agent's.
    others: u16,
    /// What those get who see it and may not.
    denied: u16,
}

fn get(path: &'static str, needs: Needs) -> Row {
    Row { method: "GET", path, needs, form: &[], query: "", gives: None, others: 404, denied: 403 }
}

fn post(path: &'static str, needs: Needs, form: &'static [(&'static str, &'static str)]) -> Row {
    Row { form, method: "POST", ..get(path, needs) }
}

impl Row {
    fn gives(self, status: u16) -> Self {
        Self { gives: Some(status), ..self }
    }

    fn denied(self, status: u16) -> Self {
        Self { denied: status, ..self }
    }

    fn others(self, status: u16) -> Self {
        Self { others: status, ..self }
    }

    fn asked(self, query: &'static str) -> Self {
        Self { query, ..self }
    }

    /// Whether the request names something of an agent's.
    fn has_object(&self) -> bool {
        let names = self.path.contains('{') && !self.path.starts_with("/account/");
        names || self.query.contains('{') || self.form.iter().any(|(_, value)| *value == "{agent}")
    }
}

/// Routes that cannot be asked like the others, and where they are.
const ELSEWHERE: [(&str, &str); 3] = [
    ("GET /agents/{id}/try/{call}/stream", "a WebSocket: try_it.rs"),
    ("POST /account/sessions/end-others", "it ends what this table asks with: account.rs"),
    ("POST /sign-out", "the same: sign_in.rs"),
];

const OF_AGENT: &[(&str, &str)] = &[("agent", "{agent}")];
const SETTLING: &[(&str, &str)] = &[("revision", "0"), ("reason", "")];
const BOOKING: &[(&str, &str)] = &[("agent", "{agent}"), ("date", ""), ("time", "")];
const ANSWER: &[(&str, &str)] = &[("question", "Do you take cards?"), ("answer", ""), ("what", "")];
const WRONG: &[(&str, &str)] = &[("confirm", "another"), ("name", "another")];

/// The table. A new route gets its row here.
fn table() -> Vec<Row> {
    let mut rows = of_everybody();
    rows.extend(of_calls());
    rows.extend(of_agents());
    rows.extend(of_bookings_and_people());
    rows
}

fn of_everybody() -> Vec<Row> {
    let profile = &[("name", ""), ("phone", ""), ("company", ""), ("title", "")];
    vec![
        get("/assets/{name}", Nothing),
        get("/feeds/{name}", Nothing),
        get("/sign-in", Nothing),
        get("/sign-in/{code}", Nothing),
        post("/sign-in/{code}", Nothing, &[]),
        post("/sign-in/password", Nothing, &[("email", ""), ("password", "")]),
        post("/sign-in/code", Nothing, &[("email", "")]),
        post("/sign-in/verify", Nothing, &[("email", ""), ("code", "")]),
        get("/", Anybody),
        get("/account", Anybody),
        post("/account", Anybody, profile),
        // What is somebody else's is not there.
        post("/account/sessions/{id}/end", Anybody, &[]).gives(404),
        post("/account/businesses/{id}/accept", Anybody, &[]).gives(404),
        post("/account/businesses/{id}/decline", Anybody, &[]).gives(404),
        post("/account/businesses/{id}/leave", Anybody, &[]).gives(404),
        post("/account/tokens", Anybody, &[("name", ""), ("scope", "read"), ("days", "")]),
        post("/account/tokens/{id}/revoke", Anybody, &[]).gives(404),
        get("/activity", Anybody),
        get("/usage", Anybody),
        // It is of the whole server.
        get("/health", Admin).denied(404),
        post("/health", Admin, &[]).denied(404),
        get("/agents", Anybody),
        get("/setup", Anybody),
        post("/setup", Anybody, &[("name", ""), ("trade", "other"), ("zone", "Europe/London")]),
    ]
}

fn of_calls() -> Vec<Row> {
    vec![
        post("/tasks/{id}", Support, &[("done", "true")]),
        get("/calls", Anybody),
        get("/calls/{id}", Support),
        post("/calls/{id}/delete", Owner, WRONG),
        get("/live", Anybody),
        get("/live/{id}", Support),
        // The call is over.
        post("/live/{id}/end", Maintainer, &[]).gives(409),
        post("/live/{id}/transfer", Maintainer, &[("number", "+442070000000")]).gives(409),
        // A number is nobody's: what is not theirs is not on the page.
        get("/callers/{number}", Support).others(200),
        post("/callers/{number}/delete", Owner, &[("confirm", "{number}")]),
        get("/webhooks", Anybody),
        post("/webhooks/{id}/redeliver", Maintainer, &[]),
        post("/webhooks/test", Maintainer, OF_AGENT),
        get("/knowledge", Anybody),
        get("/knowledge/{agent}/document", Support).asked("?of="),
        post("/knowledge/{agent}/ask", Maintainer, &[("question", "Do you park cars?")]),
        post("/knowledge/{agent}/answers", Maintainer, ANSWER),
        post("/knowledge/{agent}/sources", Maintainer, &[("name", "A text"), ("text", "Words.")]),
        // It is no form with a file.
        post("/knowledge/{agent}/sources/file", Maintainer, &[]).gives(422),
        post("/knowledge/{agent}/sources/{id}", Maintainer, &[("do", "train")]),
        post("/knowledge/{agent}/answers/{id}", Maintainer, ANSWER),
    ]
}

fn of_agents() -> Vec<Row> {
    let credentials = &[("account_sid", "AC1"), ("auth_token", "x")];
    let secret = &[("name", "CRM"), ("value", "1")];
    vec![
        // This desk has no Twilio account to ask with.
        get("/numbers", Anybody),
        post("/numbers/{sid}/connect", Maintainer, OF_AGENT).gives(502),
        post("/numbers/{sid}/restore", Maintainer, OF_AGENT).gives(502),
        post("/agents/{id}/number", Maintainer, &[("number", "12")]),
        post("/agents/{id}/twilio", Owner, credentials),
        post("/agents/{id}/twilio/server", Owner, &[]),
        get("/agents/{id}", Support),
        post("/agents/{id}", Maintainer, &[("section", "greeting"), ("settings.greeting", "Hi.")]),
        post("/agents/{id}/status", Maintainer, &[("status", "on")]),
        post("/agents/{id}/delete", Owner, WRONG),
        get("/agents/{id}/versions", Maintainer),
        post("/agents/{id}/versions/{n}/restore", Maintainer, &[]),
        get("/agents/{id}/functions", Maintainer),
        get("/agents/{id}/functions/new", Maintainer).asked("?type=form"),
        post("/agents/{id}/functions", Maintainer, &[("type", "nonsense")]),
        get("/agents/{id}/functions/{function}", Maintainer),
        post("/agents/{id}/functions/{function}", Maintainer, &[("name", "prices")]),
        post("/agents/{id}/functions/{function}/switch", Maintainer, &[]),
        post("/agents/{id}/functions/{function}/delete", Maintainer, &[]),
        post("/agents/{id}/functions/{function}/try", Maintainer, &[]),
        post("/agents/{id}/secrets", Maintainer, secret),
        get("/agents/{id}/try", Maintainer),
        post("/agents/{id}/try", Maintainer, &[("section", "greeting")]),
        // It is no test call.
        post("/agents/{id}/try/{call}/after", Maintainer, &[]).gives(404),
        post("/agents/{id}/try/{call}/say", Maintainer, &[]).gives(404),
        get("/agents/{id}/functions/{function}/collected", Maintainer),
        get("/setup/{id}/call", Maintainer),
        get("/setup/{id}/business", Maintainer),
        get("/setup/{id}/hours", Maintainer),
        get("/setup/{id}/voice", Maintainer),
        get("/setup/{id}/answers", Maintainer),
        get("/setup/{id}/tried", Maintainer),
        get("/setup/{id}/account", Maintainer),
        get("/setup/{id}/finish", Maintainer),
        post("/setup/{id}/business", Maintainer, &[("name", "A"), ("zone", "Europe/London")]),
        post("/setup/{id}/answers", Maintainer, &[]),
        post("/setup/{id}/account", Owner, credentials),
        post("/setup/{id}/hours", Maintainer, &[("hours", "unknown"), ("team", "")]),
        post("/setup/{id}/voice", Maintainer, &[("greeting", ""), ("voice", "")]),
        post("/setup/{id}/tried", Maintainer, &[]),
        post("/setup/{id}/finish", Maintainer, &[("sid", "")]),
    ]
}

fn of_bookings_and_people() -> Vec<Row> {
    let invitation =
        &[("agent", "{agent}"), ("email", "nobody"), ("name", ""), ("role", "support")];
    vec![
        get("/bookings", Anybody),
        post("/bookings/feed", Maintainer, OF_AGENT),
        post("/bookings/feed/stop", Maintainer, OF_AGENT),
        get("/bookings/new", Maintainer).asked("?agent={agent}"),
        post("/bookings/new", Maintainer, BOOKING),
        get("/bookings/{id}", Support),
        post("/bookings/{id}", Maintainer, BOOKING),
        post("/bookings/{id}/cancel", Maintainer, SETTLING),
        post("/bookings/{id}/came", Maintainer, SETTLING),
        post("/bookings/{id}/missed", Maintainer, SETTLING),
        post("/bookings/{id}/reopen", Maintainer, SETTLING),
        post("/bookings/{id}/check", Maintainer, SETTLING),
        get("/people", Owner),
        post("/people", Owner, invitation),
        post("/people/{id}", Owner, &[("role", "support")]),
        post("/people/{id}/off", Owner, &[]),
        post("/people/{id}/on", Owner, &[]),
        post("/people/{id}/remove", Owner, &[]),
        // They have an account that no invitation made.
        post("/people/{id}/link", Owner, &[]).gives(404),
    ]
}

/// Whose the ids are that a request names.
struct Named {
    objects: Objects,
    /// A session of somebody who does not ask.
    session: Uuid,
}

impl Named {
    /// Things of an agent's that nobody has changed yet.
    async fn fresh(desk: &Desk, agent: Uuid, session: Uuid, with_function: bool) -> Self {
        let mut objects = Objects::of(desk, agent).await;
        // An agent has so many functions at most.
        if with_function {
            let name = format!("f{}", Uuid::new_v4().simple());
            objects.function = add_function(&desk.pool, agent, &name[..12]).await.to_string();
        }
        Self { objects, session }
    }

    fn in_text(&self, row: &Row, text: &str) -> String {
        let objects = &self.objects;
        let session = self.session.to_string();
        let id = match row.path {
            path if path.starts_with("/tasks/") => &objects.task,
            path if path.starts_with("/calls/") || path.starts_with("/live/") => &objects.call,
            path if path.starts_with("/bookings/") => &objects.appointment,
            path if path.starts_with("/people/") => &objects.access,
            path if path.starts_with("/account/businesses/") => &objects.access,
            path if path.starts_with("/webhooks/") => &objects.delivery,
            path if path.starts_with("/account/tokens/") => &objects.token,
            path if path.starts_with("/account/sessions/") => &session,
            path if path.contains("/sources/{id}") => &objects.source,
            path if path.starts_with("/knowledge/") => &objects.task,
            _ => &objects.agent,
        };
        text.replace("{id}", id)
            .replace("{agent}", &objects.agent)
            .replace("{call}", &objects.call)
            .replace("{function}", &objects.function)
            .replace("{number}", objects.caller)
            .replace("{n}", "1")
            .replace("{sid}", "PN00000000000000000000000000000001")
            .replace("{name}", "nothing")
            .replace("{code}", "nothing")
    }

    async fn ask(&self, client: &Client, row: &Row) -> Answered {
        let path = format!("{}{}", self.in_text(row, row.path), self.in_text(row, row.query));
        let form: Vec<(&str, String)> =
            row.form.iter().map(|(name, value)| (*name, self.in_text(row, value))).collect();
        let form: Vec<(&str, &str)> =
            form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        match row.method {
            "GET" => client.get(&path).await,
            // What a script asks.
            _ if row.path.ends_with("/after") => client.post(&path, json!({})).await,
            _ if row.path.ends_with("/say") => client.post(&path, json!({"text": "Hello"})).await,
            _ => client.send(Method::POST, &path, Body::Form(&form)).await,
        }
    }
}

fn case(who: &str, row: &Row, answered: &Answered) -> String {
    let text = answered.text.split("<main").last().unwrap_or_default();
    let text: String = text.chars().take(300).collect();
    format!("{who}: {} {}: {} {text}", row.method, row.path, answered.status)
}

/// What was answered otherwise than the table says.
#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    fn check(&mut self, is_so: bool, who: &str, row: &Row, answered: &Answered) {
        if !is_so {
            self.0.push(case(who, row, answered));
        }
    }

    /// That somebody got what is for those who may.
    fn may(&mut self, who: &str, row: &Row, answered: &Answered) {
        let status = answered.status.as_u16();
        let is_so = match row.gives {
            Some(gives) => status == gives,
            None => matches!(status, 200..=399 | 409 | 422),
        };
        let is_in = !answered.header("location").starts_with("/sign-in");
        self.check(is_so && is_in, who, row, answered);
    }

    fn is(&mut self, who: &str, row: &Row, answered: &Answered, status: u16) {
        self.check(answered.status.as_u16() == status, who, row, answered);
    }

    /// That nobody got anything who is not signed in.
    fn stranger(&mut self, row: &Row, answered: &Answered) {
        let location = answered.header("location");
        let is_so = match row {
            Row { needs: Nothing, .. } => {
                !answered.status.is_server_error() && !location.starts_with("/sign-in?")
            }
            row if row.path.ends_with("/after") || row.path.ends_with("/say") => {
                answered.status == StatusCode::UNAUTHORIZED
            }
            _ => answered.status == StatusCode::SEE_OTHER && location.starts_with("/sign-in"),
        };
        self.check(is_so, "nobody", row, answered);
    }
}

/// Who asks.
struct People {
    /// Role, what it is, and their browser.
    with_roles: Vec<(&'static str, Needs, Client)>,
    /// An owner whose access is switched off.
    off: Client,
    /// Programs of the owner's: one that may only read, and one that may change things.
    keys: [Client; 2],
    /// A session of somebody who does not ask with it.
    session: Uuid,
}

impl People {
    async fn of(desk: &Desk) -> Self {
        let off = add_person(&desk.pool, "off@example.com", "Off").await;
        give_access(&desk.pool, desk.agent, off, "owner").await;
        desk.sql(&format!("update voice_agents_access set status = false where user_id = '{off}'"))
            .await;
        let session: Uuid = sqlx::query_scalar(
            "insert into frontdesk_sessions (token_hash, user_id, idle_seconds, expires_at)
            select sha256('theirs'), uuid, 3600, now() + interval '1 hour' from customer
            where email = 'other@example.com' returning id",
        )
        .fetch_one(&desk.pool)
        .await
        .unwrap();
        let mut with_roles = Vec::new();
        for (role, needs) in
            [("support", Support), ("maintainer", Maintainer), ("owner", Owner), ("admin", Admin)]
        {
            with_roles.push((role, needs, desk.sign_in(&format!("{role}@example.com")).await));
        }
        let off = desk.sign_in("off@example.com").await;
        let keys = [read_token(desk, "owner@example.com").await, key(desk, &with_roles[2].2).await];
        Self { with_roles, off, keys, session }
    }
}

/// A program with a key of this person's that may do all that a key may.
async fn key(desk: &Desk, person: &Client) -> Client {
    let made =
        person.post("/api/v1/tokens", json!({"name": "till", "scope": "write"})).await.json();
    let secret = made["secret"].as_str().unwrap();
    desk.stranger().with("authorization", format!("Bearer {secret}"))
}

#[tokio::test]
async fn everybody_gets_the_pages_that_their_role_gives() {
    let desk = Desk::open().await;
    let people = People::of(&desk).await;
    // A version to go back to.
    let path = format!("/api/v1/agents/{}", desk.agent);
    let changed = people.with_roles[2].2.patch(&path, json!({"name": "Robin"})).await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.text);
    let theirs = Named::fresh(&desk, desk.other_agent, people.session, true).await;
    let mut faults = Faults::default();
    for row in table() {
        ask_all(&desk, &people, &theirs, &row, &mut faults).await;
    }
    assert!(faults.0.is_empty(), "{}", faults.0.join("\n"));
}

/// Asks a route as everybody.
async fn ask_all(desk: &Desk, people: &People, theirs: &Named, row: &Row, faults: &mut Faults) {
    let has_function = row.path.contains("{function}");
    let fresh = async || Named::fresh(desk, desk.agent, people.session, has_function).await;
    let shared = fresh().await;
    // What is another person's alone, where it is theirs to have; what is changed is there once.
    let ask = async |client: &Client| match (row.method, row.path.starts_with("/account/")) {
        (_, true) => theirs.ask(client, row).await,
        ("GET", _) => shared.ask(client, row).await,
        _ => fresh().await.ask(client, row).await,
    };
    faults.stranger(row, &ask(&desk.stranger()).await);
    if row.needs == Nothing {
        return;
    }
    for (role, has, client) in &people.with_roles {
        let answered = ask(client).await;
        match *has >= row.needs {
            true => faults.may(role, row, &answered),
            false => faults.is(role, row, &answered, row.denied),
        }
        if row.has_object() && *has < Admin {
            let who = format!("{role} of another");
            faults.is(&who, row, &theirs.ask(client, row).await, row.others);
        }
    }
    let answered = ask(&people.off).await;
    let is_empty = answered.status == StatusCode::OK && row.path == "/people";
    match row.has_object() {
        true => faults.is("switched off", row, &answered, row.others),
        false if row.needs == Anybody || is_empty => faults.may("switched off", row, &answered),
        false => faults.is("switched off", row, &answered, row.denied),
    }
    // Programs have the API: to a page a key is nobody's.
    for key in &people.keys {
        faults.stranger(row, &ask(key).await);
    }
}

/// The files that have routes of pages.
fn sources() -> Vec<PathBuf> {
    let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web");
    let (mut found, mut folders) = (Vec::new(), vec![web.clone()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let below = path.strip_prefix(&web).unwrap().to_str().unwrap().to_owned();
            // Twilio's and the operators'; the API's have a table of their own; these are tests.
            let is_another =
                ["phone", "operators.rs", "api", "mod.rs", "serve.rs", "connection.rs"];
            if is_another.contains(&below.as_str()) {
                continue;
            }
            match path.is_dir() {
                true => folders.push(path),
                false => found.push(path),
            }
        }
    }
    found
}

/// The routes of a file: what stands in each `.route("…", …)`.
fn routes(text: &str) -> Vec<String> {
    let code = text.split("#[cfg(test)]").next().unwrap();
    let mut found = Vec::new();
    for part in code.split(".route(").skip(1) {
        let path = part.split('"').nth(1).unwrap();
        let mut depth = 1;
        let end = part.find(|letter| {
            depth += match letter {
                '(' => 1,
                ')' => -1,
                _ => 0,
            };
            depth == 0
        });
        let handlers = part[..end.unwrap()].split('"').nth(2).unwrap();
        let mut methods = 0;
        for (call, method) in [("get(", "GET"), ("post(", "POST")] {
            if handlers.contains(call) {
                found.push(format!("{method} {path}"));
                methods += 1;
            }
        }
        assert!(methods > 0, "{path}: this table asks with GET and POST alone");
    }
    found
}

#[test]
fn every_page_has_its_row() {
    let there: BTreeSet<String> =
        sources().iter().flat_map(|path| routes(&fs::read_to_string(path).unwrap())).collect();
    assert!(there.len() > 60, "{there:?}");
    let elsewhere = ELSEWHERE.iter().map(|(route, _)| (*route).to_owned());
    let rows: BTreeSet<String> =
        table().iter().map(|row| format!("{} {}", row.method, row.path)).chain(elsewhere).collect();
    assert_eq!(there, rows);
}
