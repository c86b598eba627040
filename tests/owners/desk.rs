//! A server with two businesses, and people who may do different things.
#![allow(
    dead_code,
    clippy::allow_attributes,
    reason = "each test program compiles this file and uses its own part of it"
)]

use frontdesk::app::App;
use frontdesk::clock::Clock;
use frontdesk::config::Config;
use frontdesk::rehearsal::speech::{Speech, SpeechOptions, serve};
use frontdesk::store::migrate::migrate;
use frontdesk::web::owners::sign_in_link;
use frontdesk::web::secret::Secret;
use http::header::SET_COOKIE;
use http::{Method, StatusCode};
use reqwest::Response;
use serde_json::{Value, json};
use sqlx::postgres::PgPool;
use sqlx::{AssertSqlSafe, ConnectOptions};
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::common_database::{FreshDatabase, fresh_database};

/// The number of the first business's agent.
pub(crate) const NUMBER: &str = "+15559870001";
/// Signs Twilio's webhooks.
pub(crate) const TOKEN: &str = "the-operators-auth-token";
/// The number of the other business's.
pub(crate) const OTHER_NUMBER: &str = "+15559870009";

/// A server, its database, and who is known there.
pub(crate) struct Desk {
    pub(crate) app: App,
    pub(crate) pool: PgPool,
    pub(crate) speech: Speech,
    /// The agent that all of `support`, `maintainer` and `owner` belong to.
    pub(crate) agent: Uuid,
    /// An agent of another owner's.
    pub(crate) other_agent: Uuid,
    /// A function of each of the two.
    pub(crate) function: Uuid,
    pub(crate) other_function: Uuid,
    values: Vec<(&'static str, String)>,
    /// `DATA_DIR`.
    pub(crate) data: tempfile::TempDir,
    _database: FreshDatabase,
}

/// An answer.
pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    pub(crate) headers: http::HeaderMap,
    pub(crate) text: String,
}

impl Answered {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// Somebody's browser or program.
#[derive(Clone)]
pub(crate) struct Client {
    base: String,
    http: reqwest::Client,
    /// `Cookie` or `Authorization`, as it is sent.
    credential: Option<(&'static str, String)>,
}

impl Client {
    /// Asks, with a body of JSON or of a form.
    pub(crate) async fn send(&self, method: Method, path: &str, body: Body<'_>) -> Answered {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some((name, value)) = &self.credential {
            request = request.header(*name, value);
        }
        let request = match body {
            Body::None => request,
            Body::Json(json) => request.json(&json),
            Body::Form(pairs) => request.form(pairs),
        };
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        Answered { status, headers, text: response.text().await.unwrap() }
    }

    /// Asks for something that comes bit by bit.
    pub(crate) async fn open(&self, path: &str, header: Option<(&str, &str)>) -> Response {
        let mut request = self.http.get(format!("{}{path}", self.base));
        if let Some((name, value)) = &self.credential {
            request = request.header(*name, value);
        }
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        request.header("accept-encoding", "gzip").send().await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Answered {
        self.send(Method::GET, path, Body::None).await
    }

    /// Asks, and gives the answer when its head has come.
    pub(crate) async fn start(&self, path: &str) -> reqwest::Response {
        let request = self.http.get(format!("{}{path}", self.base));
        let (name, value) = self.credential.clone().unwrap();
        request.header(name, value).send().await.unwrap()
    }

    /// Asks for it zipped, and gives how many bytes came.
    pub(crate) async fn get_zipped(&self, path: &str) -> (Answered, usize) {
        let (answered, bytes) = self.get_with(path, "accept-encoding", "gzip").await;
        (answered, bytes.len())
    }

    /// Asks with one more header, and gives the bytes that came.
    pub(crate) async fn get_with(
        &self,
        path: &str,
        name: &str,
        value: &str,
    ) -> (Answered, Vec<u8>) {
        let mut request = self.http.get(format!("{}{path}", self.base)).header(name, value);
        if let Some((name, value)) = &self.credential {
            request = request.header(*name, value);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = response.bytes().await.unwrap().to_vec();
        (Answered { status, headers, text: String::new() }, bytes)
    }

    /// Sends a form with a file in it, as a browser does.
    pub(crate) async fn upload(&self, path: &str, name: &str, bytes: &[u8]) -> Answered {
        let mut request = self.http.post(format!("{}{path}", self.base));
        if let Some((header, value)) = &self.credential {
            request = request.header(*header, value);
        }
        let head = format!(
            "--edge\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
            content-type: application/octet-stream\r\n\r\n"
        );
        let body = [head.as_bytes(), bytes, b"\r\n--edge--\r\n"].concat();
        let kind = "multipart/form-data; boundary=edge";
        let request = request.header("sec-fetch-site", "same-origin");
        let response = request.header("content-type", kind).body(body).send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        Answered { status, headers, text: response.text().await.unwrap() }
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answered {
        self.send(Method::POST, path, Body::Json(body)).await
    }

    pub(crate) async fn form(&self, path: &str, pairs: &[(&str, &str)]) -> Answered {
        self.send(Method::POST, path, Body::Form(pairs)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answered {
        self.send(Method::PATCH, path, Body::Json(body)).await
    }

    /// What it is known by.
    pub(crate) fn credential(&self) -> Option<(&'static str, &str)> {
        self.credential.as_ref().map(|(name, value)| (*name, value.as_str()))
    }

    /// The same with this header in the place of its credential.
    pub(crate) fn with(&self, name: &'static str, value: String) -> Self {
        Self { credential: Some((name, value)), ..self.clone() }
    }
}

/// What a request carries.
pub(crate) enum Body<'a> {
    None,
    Json(Value),
    Form(&'a [(&'a str, &'a str)]),
}

impl Desk {
    pub(crate) async fn open() -> Self {
        Self::open_with(&[]).await
    }

    /// With these variables besides the usual ones.
    pub(crate) async fn open_with(more: &[(&'static str, String)]) -> Self {
        let database = fresh_database().await;
        let pool = database.pool(4).await;
        migrate(&pool).await.unwrap();
        let owner = add_person(&pool, "owner@example.com", "Olivia Owner").await;
        let other = add_person(&pool, "other@example.com", "Oscar Other").await;
        let agent = add_agent(&pool, owner, "Bright Smile", NUMBER).await;
        let other_agent = add_agent(&pool, other, "Iron Pipes", OTHER_NUMBER).await;
        let function = add_function(&pool, agent, "prices").await;
        let other_function = add_function(&pool, other_agent, "prices").await;
        for (word, name) in [("support", "Sam Support"), ("maintainer", "Mia Maintainer")] {
            let person = add_person(&pool, &format!("{word}@example.com"), name).await;
            give_access(&pool, agent, person, word).await;
        }
        let admin = add_person(&pool, "admin@example.com", "Ada Admin").await;
        run(&pool, &format!("update customer set isadmin = true where uuid = '{admin}'")).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let speech =
            serve(listener, SpeechOptions::default(), std::future::pending::<()>()).unwrap();
        let data = tempfile::tempdir().unwrap();
        let mut values = vec![
            ("BIND", "127.0.0.1".to_owned()),
            ("PORT", "0".to_owned()),
            ("DATABASE_URL", database.options().to_url_lossy().to_string()),
            ("DATA_DIR", data.path().display().to_string()),
            ("DRAIN_SECONDS", "0".to_owned()),
            ("TWILIO_AUTH_TOKEN", TOKEN.to_owned()),
            ("OPENAI_API_KEY", "sk-the-operators-key".to_owned()),
            ("OPENAI_BASE_URL", speech.base_url()),
        ];
        values.extend(more.iter().cloned());
        let app = start(&values).await;
        Self {
            app,
            pool,
            speech,
            agent,
            other_agent,
            function,
            other_function,
            values,
            data,
            _database: database,
        }
    }

    /// Another server on the same database, with a folder of its own.
    pub(crate) async fn neighbour(&self) -> App {
        let folder = self.data.path().join("neighbour").display().to_string();
        let mut values = self.values.clone();
        values.push(("DATA_DIR", folder));
        start(&values).await
    }

    /// Somebody who is not signed in.
    pub(crate) fn stranger(&self) -> Client {
        let http = frontdesk::tls::http_client();
        Client {
            base: format!("http://{}", self.app.address),
            http: http.redirect(reqwest::redirect::Policy::none()).build().unwrap(),
            credential: None,
        }
    }

    /// A browser in which the person with this address has signed in by a link, as people do.
    pub(crate) async fn sign_in(&self, email: &str) -> Client {
        let person: Uuid = sqlx::query_scalar("select uuid from customer where email = $1")
            .bind(email)
            .fetch_one(&self.pool)
            .await
            .unwrap();
        let link = sign_in_link(&self.app.store, &self.app.public_url, person).await.unwrap();
        let path = &link[link.find("/sign-in").unwrap()..];
        // Each person comes from elsewhere, as far as the limits can tell: they count by address.
        let stranger = self.stranger();
        let answered = stranger.form(path, &[]).await;
        assert_eq!(answered.status, StatusCode::SEE_OTHER, "{}", answered.text);
        let cookie = answered.headers[SET_COOKIE].to_str().unwrap();
        stranger.with("cookie", cookie.split(';').next().unwrap().to_owned())
    }

    /// Runs a statement that gives a text, such as the id of what it makes.
    pub(crate) async fn made(&self, sql: &str) -> String {
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(&self.pool).await.unwrap()
    }

    /// The settings that the server runs with.
    pub(crate) fn settings(&self) -> &[(&'static str, String)] {
        &self.values
    }

    /// Runs one statement.
    pub(crate) async fn sql(&self, sql: &str) {
        run(&self.pool, sql).await;
    }
}

/// Starts a server; of a variable that is given twice the last one counts.
async fn start(values: &[(&'static str, String)]) -> App {
    let lookup = |name: &str| {
        values.iter().rev().find(|(key, _)| *key == name).map(|(_, value)| value.clone())
    };
    // A test is another program than the one that reads documents.
    let reader = env!("CARGO_BIN_EXE_frontdesk").into();
    let config = Config { reader, ..Config::read(&lookup).unwrap() };
    Box::pin(App::start(config, Clock::real())).await.unwrap()
}

async fn run(pool: &PgPool, sql: &str) {
    sqlx::query(AssertSqlSafe(sql.to_owned())).execute(pool).await.unwrap();
}

/// A program of somebody's that may only read.
pub(crate) async fn read_token(desk: &Desk, email: &str) -> Client {
    let secret = Secret::new("fd_");
    sqlx::query(
        "insert into api_tokens (token_hash, user_id, name, scope)
        select $1, uuid, 'a program', 'read' from customer where email = $2",
    )
    .bind(secret.hash().as_slice())
    .bind(email)
    .execute(&desk.pool)
    .await
    .unwrap();
    desk.stranger().with("authorization", format!("Bearer {}", secret.reveal()))
}

/// Adds a customer.
pub(crate) async fn add_person(pool: &PgPool, email: &str, name: &str) -> Uuid {
    let id = Uuid::new_v4();
    run(pool, &format!("insert into auth.users (id, email) values ('{id}', '{email}')")).await;
    sqlx::query("insert into customer (uuid, email, username, plan_id) values ($1, $2, $3, 0)")
        .bind(id)
        .bind(email)
        .bind(name)
        .execute(pool)
        .await
        .unwrap();
    id
}

/// Adds an agent with a business in London.
pub(crate) async fn add_agent(pool: &PgPool, owner: Uuid, name: &str, number: &str) -> Uuid {
    let settings = json!({"greeting": "Good day."});
    let id: Uuid = sqlx::query_scalar(
        "insert into voice_agents (name, created_by, twilio_phone_number, private_settings)
        values ($1, $2, $3, $4::jsonb) returning id",
    )
    .bind(name)
    .bind(owner)
    .bind(number)
    .bind(settings.to_string())
    .fetch_one(pool)
    .await
    .unwrap();
    sqlx::query(
        "insert into business_details (voice_agent_id, business_name, business_timezone,
            operating_schedule)
        values ($1, $2, 'Europe/London', '{\"monday\": [{\"open\": \"09:00\", \"close\": \"17:00\"}]}')",
    )
    .bind(id)
    .bind(name)
    .execute(pool)
    .await
    .unwrap();
    id
}

/// Adds a function that takes a message, under another name.
pub(crate) async fn add_function(pool: &PgPool, agent: Uuid, name: &str) -> Uuid {
    sqlx::query_scalar(
        "insert into functions (assistant_id, type, name, data)
        values ($1, 'function', $2, '{\"builtin\": \"take_message\"}') returning id",
    )
    .bind(agent)
    .bind(name)
    .fetch_one(pool)
    .await
    .unwrap()
}

/// Gives somebody a role for an agent.
pub(crate) async fn give_access(pool: &PgPool, agent: Uuid, person: Uuid, role: &str) {
    sqlx::query(AssertSqlSafe(format!(
        "insert into voice_agents_access (voice_agent_id, user_id, access)
        values ($1, $2, '{role}')"
    )))
    .bind(agent)
    .bind(person)
    .execute(pool)
    .await
    .unwrap();
}
