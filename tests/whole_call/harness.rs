//! Puts a house together for each test: a database with an agent, the speech service, the server.

use std::time::Duration;

use frontdesk::app::App;
use frontdesk::clock::{self, Clock, within};
use frontdesk::config::Config;
use frontdesk::rehearsal::phone::api::Api;
use frontdesk::rehearsal::phone::twiml_reader::{self, Verb};
use frontdesk::rehearsal::phone::{self, CallOptions, CallReport, PhoneEvent, PhoneEventKind};
use frontdesk::rehearsal::phone::{Sample, Step};
use frontdesk::rehearsal::speech::script::{Script, Turn};
use frontdesk::rehearsal::speech::{SAMPLES, Speech, SpeechOptions, serve};
use frontdesk::store::migrate::migrate;
use frontdesk::twilio::signature;
use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgPool};
use sqlx::{AssertSqlSafe, ConnectOptions};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::common_database::{FreshDatabase, fresh_database};
use crate::proxy::Proxy;

/// How much faster than the wall's the calls' clock runs.
const SPEED: u32 = 8;
/// What everything must be there within, on the wall's clock.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);
/// How long a row may take to be complete once the end of its call is known (CONTRACT 4).
const ROW_LIMIT: Duration = Duration::from_secs(5);
/// Signs what no agent's own token does.
pub(crate) const TOKEN: &str = "the-operators-auth-token";
/// The operator's account with Twilio.
pub(crate) const ACCOUNT: &str = "AC00000000000000000000000000000001";
/// The number of every house's first agent.
pub(crate) const NUMBER: &str = "+15559870001";
/// What is said when nobody can answer.
pub(crate) const FALLBACK: &str = "Please call again tomorrow.";
/// The agent's first words.
pub(crate) const GREETING: &str = "Good day.";

/// How a house differs from the usual one.
pub(crate) struct Plan {
    /// Over the agent's usual settings, key by key.
    pub(crate) settings: Value,
    pub(crate) speech: SpeechOptions,
    pub(crate) calls_max: usize,
    pub(crate) auth_token: Option<&'static str>,
    /// Where the engine is looked for, if not at the speech service.
    pub(crate) engine_url: Option<String>,
    /// Whether the database is reached over a wire that can be cut.
    pub(crate) is_wired: bool,
    /// How much faster than the wall's its clock runs.
    pub(crate) speed: u32,
    /// Variables besides the usual ones.
    pub(crate) environment: Vec<(&'static str, String)>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            settings: json!({}),
            speech: SpeechOptions { script: script(vec![]), ..SpeechOptions::default() },
            calls_max: 20,
            auth_token: Some(TOKEN),
            engine_url: None,
            is_wired: false,
            speed: SPEED,
            environment: Vec::new(),
        }
    }
}

/// The built-in script's greetings and phrases with these turns.
pub(crate) fn script(turns: Vec<Turn>) -> Script {
    Script { turns, ..Script::default() }
}

/// A turn: what is heard and what is said to it.
pub(crate) fn turn(heard: &str, reply: &str) -> Turn {
    Turn { heard: heard.to_owned(), reply: reply.to_owned(), ..Turn::default() }
}

/// The caller says line `n` of the sample audio, whatever the script makes of it.
pub(crate) fn say(n: usize) -> Step {
    Step::Say(Sample::new(format!("line {n}"), SAMPLES[n]))
}

pub(crate) const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A server with all that it needs.
pub(crate) struct House {
    pub(crate) app: App,
    pub(crate) speech: Speech,
    /// Twilio's REST side of the house's calls.
    pub(crate) twilio: Api,
    pub(crate) pool: PgPool,
    pub(crate) agent: Uuid,
    pub(crate) clock: Clock,
    pub(crate) http: reqwest::Client,
    pub(crate) wire: Option<Proxy>,
    values: Vec<(&'static str, String)>,
    _data: tempfile::TempDir,
    _database: FreshDatabase,
}

impl House {
    /// With these turns for callers, and these settings over the usual ones.
    pub(crate) async fn with(turns: Vec<Turn>, settings: Value) -> Self {
        let speech = SpeechOptions { script: script(turns), ..SpeechOptions::default() };
        Self::open(Plan { speech, settings, ..Plan::default() }).await
    }

    pub(crate) async fn open(plan: Plan) -> Self {
        let clock = Clock::faster(plan.speed);
        let database = fresh_database().await;
        let pool = database.pool(4).await;
        migrate(&pool).await.unwrap();
        let agent = add_agent(&pool, NUMBER, plan.settings).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let options = SpeechOptions { clock, ..plan.speech };
        let speech = serve(listener, options, std::future::pending::<()>()).unwrap();
        let twilio = Api::new(Some(ACCOUNT.to_owned()), Some(TOKEN.to_owned().into()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let twilio_url = format!("http://{}", listener.local_addr().unwrap());
        twilio.serve(listener);
        let wire = match plan.is_wired {
            true => Some(Proxy::to(&database.options()).await),
            false => None,
        };
        let options: PgConnectOptions = database.options();
        let options = wire.as_ref().map_or(options.clone(), |wire| wire.options(options));
        let data = tempfile::tempdir().unwrap();
        let mut values = vec![
            ("BIND", "127.0.0.1".to_owned()),
            ("PORT", "0".to_owned()),
            ("DATABASE_URL", options.to_url_lossy().to_string()),
            ("DATA_DIR", data.path().display().to_string()),
            ("MAX_CALLS", plan.calls_max.to_string()),
            ("DRAIN_SECONDS", "0".to_owned()),
            ("TWILIO_API_URL", twilio_url),
            ("TWILIO_ACCOUNT_SID", ACCOUNT.to_owned()),
            ("TWILIO_AUTH_TOKEN", plan.auth_token.unwrap_or_default().to_owned()),
            ("OPENAI_API_KEY", "sk-the-operators-key".to_owned()),
            ("OPENAI_BASE_URL", plan.engine_url.unwrap_or_else(|| speech.base_url())),
        ];
        // The first one of a name counts.
        values.splice(0..0, plan.environment);
        let app = start(&values, clock).await;
        let http = frontdesk::tls::http_client().build().unwrap();
        Self {
            app,
            speech,
            twilio,
            pool,
            agent,
            clock,
            http,
            wire,
            values,
            _data: data,
            _database: database,
        }
    }

    /// Another server on the same database, with another folder of its own.
    pub(crate) async fn neighbour(&self) -> App {
        let mut values = self.values.clone();
        let folder = self._data.path().join("neighbour").display().to_string();
        values.insert(0, ("DATA_DIR", folder));
        start(&values, self.clock).await
    }

    /// Adds as many agents as are read at the start of a server: those that come after are not.
    pub(crate) async fn crowd(&self) {
        let others = "insert into voice_agents (name, created_by)
            select 'Other', created_by from voice_agents, generate_series(1, 1000)";
        self.sql(others).await;
    }

    /// The server's `DATA_DIR`.
    pub(crate) fn data(&self) -> &std::path::Path {
        self._data.path()
    }

    /// Runs one statement.
    pub(crate) async fn sql(&self, sql: &str) {
        sqlx::query(AssertSqlSafe(sql.to_owned())).execute(&self.pool).await.unwrap();
    }

    /// Changes rows that the agents are made of; the next call knows.
    pub(crate) async fn change(&self, sql: &str) {
        self.sql(sql).await;
        self.app.directory.refresh(None, None).await;
    }

    /// A call to the first agent, signed as it should be.
    pub(crate) fn options(&self) -> CallOptions {
        let url = self.app.public_url.join("/twilio/voice");
        let mut options = CallOptions::new(url, NUMBER, self.clock);
        options.account_sid = ACCOUNT.to_owned();
        options.auth_token = Some(TOKEN.to_owned().into());
        options.api = Some(self.twilio.clone());
        options.http = self.http.clone();
        options
    }

    /// Places a call and goes on while it lasts.
    pub(crate) fn place(&self, mut options: CallOptions, steps: Vec<Step>) -> Placed {
        let (tell, events) = mpsc::channel(1024);
        options.events = Some(tell);
        let sid = options.call_sid.clone();
        Placed { sid, events, seen: Vec::new(), call: clock::spawn(phone::call(options, steps)) }
    }

    /// Places a call and waits for its end.
    pub(crate) async fn call(&self, steps: Vec<Step>) -> (CallReport, Row) {
        let call = self.place(self.options(), steps).ended().await;
        let row = self.row(&call.call_sid).await;
        (call, row)
    }

    /// The call's completed row.
    pub(crate) async fn row(&self, sid: &str) -> Row {
        self.row_within(sid, ROW_LIMIT).await
    }

    /// The call's completed row, where its end becomes known only after a while.
    pub(crate) async fn row_within(&self, sid: &str, limit: Duration) -> Row {
        let completed =
            || async { row(&self.pool, sid).await.filter(|row| !row.0["call_end"].is_null()) };
        until("the completed row", limit, completed).await
    }

    /// How many rows there are.
    pub(crate) async fn rows(&self) -> i64 {
        sqlx::query_scalar("select count(*) from call_logs").fetch_one(&self.pool).await.unwrap()
    }

    /// The kinds of a call's events, in order, once `last` is among them.
    pub(crate) async fn kinds(&self, sid: &str, last: &str) -> Vec<String> {
        let kinds = || async {
            let kinds: Vec<String> = sqlx::query_scalar(
                "select e.kind from call_events e join call_logs l on l.id = e.call_log_id
                 where l.call_sid = $1 order by e.epoch, e.seq",
            )
            .bind(sid)
            .fetch_all(&self.pool)
            .await
            .unwrap();
            kinds.iter().any(|kind| kind == last).then_some(kinds)
        };
        until("the event", DEADLINE, kinds).await
    }

    /// Posts a form, signed with `token` if there is one.
    pub(crate) async fn post(
        &self,
        path: &str,
        fields: &[(&str, &str)],
        token: Option<&str>,
    ) -> (u16, String) {
        self.post_to(&self.app.public_url.join(path), fields, token).await
    }

    /// Posts a form to a URL.
    pub(crate) async fn post_to(
        &self,
        url: &str,
        fields: &[(&str, &str)],
        token: Option<&str>,
    ) -> (u16, String) {
        self.post_with(url, fields, token, &[]).await
    }

    /// Posts a form to a URL, with more headers.
    pub(crate) async fn post_with(
        &self,
        url: &str,
        fields: &[(&str, &str)],
        token: Option<&str>,
        headers: &[(&str, &str)],
    ) -> (u16, String) {
        let fields: Vec<_> =
            fields.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let mut request = self.http.post(url).form(&fields);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(token) = token {
            let signed = signature::sign(token.as_bytes(), url, &fields);
            request = request.header("x-twilio-signature", signed);
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// Posts the voice webhook of a call to the first agent and gives what it is answered.
    pub(crate) async fn ring(&self, sid: &str) -> Vec<Verb> {
        let (status, body) = self.post("/twilio/voice", &voice(sid, NUMBER), Some(TOKEN)).await;
        assert_eq!(status, 200, "{body}");
        twiml_reader::parse(&body).unwrap()
    }

    /// Waits until no call holds a slot.
    pub(crate) async fn emptied(&self) {
        within(DEADLINE, self.app.services.registry.empty()).await.expect("the slots are freed");
    }
}

async fn start(values: &[(&'static str, String)], clock: Clock) -> App {
    let value = |name: &str| values.iter().find(|(n, _)| *n == name).map(|(_, v)| v.clone());
    Box::pin(App::start(Config::read(&value).unwrap(), clock)).await.unwrap()
}

/// The call's row as it is.
pub(crate) async fn row(pool: &PgPool, sid: &str) -> Option<Row> {
    let find = sqlx::query_scalar("select to_jsonb(l) from call_logs l where call_sid = $1");
    find.bind(sid).fetch_optional(pool).await.unwrap().map(Row)
}

/// Adds an agent that answers `number`.
pub(crate) async fn add_agent(pool: &PgPool, number: &str, settings: Value) -> Uuid {
    let agent = Uuid::new_v4();
    let mut all = json!({
        "greeting": GREETING,
        "idle": {"reprompt_seconds": 0},
        "fallback": {"kind": "say", "message": FALLBACK},
    });
    all.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    sqlx::query(
        "with account as (insert into auth.users (id, email)
             values ($1, $1 || '@example.com') returning id, email),
         owner as (insert into customer (uuid, email, username, plan_id)
             select id, email, 'Owner', 1 from account returning uuid)
         insert into voice_agents (id, name, created_by, twilio_phone_number, private_settings)
             select $1, 'Mia', uuid, $2, $3 from owner",
    )
    .bind(agent)
    .bind(number)
    .bind(all)
    .execute(pool)
    .await
    .unwrap();
    agent
}

/// The form of a voice webhook, as far as anybody looks at it.
pub(crate) fn voice<'a>(sid: &'a str, to: &'a str) -> [(&'static str, &'a str); 5] {
    [
        ("AccountSid", ACCOUNT),
        ("CallSid", sid),
        ("CallStatus", "ringing"),
        ("From", "+15551230001"),
        ("To", to),
    ]
}

/// Where a document wants the media stream.
pub(crate) fn stream_url(verbs: &[Verb]) -> String {
    match verbs.first() {
        Some(Verb::Connect { stream, .. }) => stream.url.clone(),
        other => panic!("expected <Connect>, got {other:?}"),
    }
}

/// A call on its way.
pub(crate) struct Placed {
    pub(crate) sid: String,
    pub(crate) seen: Vec<PhoneEvent>,
    events: mpsc::Receiver<PhoneEvent>,
    call: JoinHandle<CallReport>,
}

impl Placed {
    /// Waits until something happens at the phone, and gives its call time.
    pub(crate) async fn saw(&mut self, is_it: impl Fn(&PhoneEventKind) -> bool) -> Duration {
        loop {
            let next = within(DEADLINE, self.events.recv()).await.expect("it happens in time");
            let event = next.expect("it happens before the call ends");
            self.seen.push(event.clone());
            if is_it(&event.kind) {
                return event.at;
            }
        }
    }

    /// Waits until the agent has spoken.
    pub(crate) async fn heard_agent(&mut self) {
        self.saw(|kind| *kind == PhoneEventKind::AgentEnded).await;
    }

    /// The phone does nothing more, and nobody is told.
    pub(crate) fn freeze(self) {
        self.call.abort();
    }

    /// Waits for the call's end.
    pub(crate) async fn ended(mut self) -> CallReport {
        self.events.close();
        within(DEADLINE, self.call).await.expect("the call ends in time").unwrap()
    }

    /// Waits for the call's end; everything that happened at the phone, too.
    pub(crate) async fn told(mut self) -> (CallReport, Vec<PhoneEvent>) {
        let reading = async {
            while let Some(event) = self.events.recv().await {
                self.seen.push(event);
            }
        };
        within(DEADLINE, reading).await.expect("the call ends in time");
        (self.call.await.unwrap(), self.seen)
    }
}

/// A row of `call_logs`.
#[derive(Debug)]
pub(crate) struct Row(pub(crate) Value);

impl Row {
    /// What the call's end has written. Work after the call adds to the row.
    pub(crate) fn as_ended(&self) -> Value {
        let mut row = self.0.clone();
        for later in ["summary", "ask_at", "asks"] {
            row.as_object_mut().unwrap().remove(later);
        }
        for later in ["extracted_appointments", "unbacked_claims"] {
            row["metadata"].as_object_mut().unwrap().remove(later);
        }
        row
    }

    /// `status` and `metadata.ended_by`.
    pub(crate) fn end(&self) -> (&str, &str) {
        (self.0["status"].as_str().unwrap(), self.0["metadata"]["ended_by"].as_str().unwrap())
    }

    /// The transcript's lines without their times.
    pub(crate) fn lines(&self) -> Vec<&str> {
        let lines = self.0["transcript"].as_str().unwrap().lines();
        lines.map(|line| line.split_once("] ").unwrap().1).collect()
    }

    pub(crate) fn metadata(&self) -> &Value {
        &self.0["metadata"]
    }
}

/// Asks until there is an answer.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(
    what: &str,
    limit: Duration,
    mut ask: impl FnMut() -> F,
) -> T {
    let asking = async {
        loop {
            match ask().await {
                Some(answer) => return answer,
                None => clock::pause(ms(10)).await,
            }
        }
    };
    within(limit, asking).await.unwrap_or_else(|| panic!("never came: {what}"))
}
