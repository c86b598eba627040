//! The log shows nobody's number, name, words or secret: not of calls in which all goes well, nor
//! of what goes wrong, at any level. The log is that of all calls of this test program, through the
//! filter that the server uses, and what is looked for are values that these tests know.

use std::io::Write;
use std::sync::{Arc, Mutex, Once};

use frontdesk::clock;
use frontdesk::commands::log;
use frontdesk::rehearsal::phone::{AfterDrop, PhoneEventKind, Step, WebhookFault};
use frontdesk::rehearsal::speech::script::{ErrorBody, Turn};
use frontdesk::rehearsal::speech::{Fault, SpeechOptions};
use serde_json::json;
use tokio::net::TcpListener;
use tracing_subscriber::util::SubscriberInitExt;

use crate::booking::{act, call, furnish};
use crate::harness::{
    ACCOUNT, DEADLINE, House, NUMBER, Plan, TOKEN, ms, say, script, until, voice,
};

const CALLER: &str = "+15557654321";
const PARTY: &str = "+15559990003";

/// Keeps what is logged by everything in this program.
#[derive(Clone, Default)]
pub(crate) struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The log so far, from the first call of this on; panics are in it.
pub(crate) fn kept_log() -> Kept {
    static START: Once = Once::new();
    static KEPT: Mutex<Option<Kept>> = Mutex::new(None);
    START.call_once(|| {
        let kept = Kept::default();
        *KEPT.lock().unwrap() = Some(kept.clone());
        let panics = kept.clone();
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            // A test that fails says more than a server may.
            let is_tests = panic.location().is_some_and(|at| at.file().starts_with("tests/"));
            if !is_tests {
                let _ = panics.clone().write_all(format!("{panic}\n").as_bytes());
            }
            usual(panic);
        }));
        log::subscriber("trace", false, move || kept.clone()).init();
    });
    KEPT.lock().unwrap().clone().unwrap()
}

impl Kept {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }

    /// None of these is in it; of a number, no spelling.
    fn shows_none_of(&self, private: &[&str], numbers: &[&str]) {
        let log = self.text();
        let private: Vec<String> = private.iter().map(|value| value.to_lowercase()).collect();
        for line in log.lines() {
            let lower = line.to_lowercase();
            let shown = private.iter().find(|value| lower.contains(*value));
            assert_eq!(shown, None, "it is in the log: {line}");
            // Written with spaces, points, lines and brackets between, and without its country.
            let plain: String = lower.replace("%2b", "").replace("%20", "");
            let plain: String = plain.chars().filter(|c| !" ().-+".contains(*c)).collect();
            let shown = numbers.iter().find(|number| plain.contains(&number[2..]));
            assert_eq!(shown, None, "it is in the log: {line}");
        }
    }

    /// The test is about something: this was logged.
    fn tells(&self, told: &[&str]) {
        let log = self.text();
        for told in told {
            assert!(log.contains(told), "{told} is not in the log:\n{log}");
        }
    }
}

/// What was said, asked, written and set up in the calls below, by a word of each.
const PRIVATE: [&str; 46] = [
    // Settings and rows.
    "Zebrafish",
    "Whisper",
    "Rumpelstilz",
    "webhook-secret",
    "hook-path-Persephone",
    "crm-secret",
    "Quixotic",
    "Xylophone",
    "Marzipan",
    "Archibald",
    "Wolpertinger",
    "Mandragora",
    "Artischocke",
    "agents-own-token",
    // The operator's.
    TOKEN,
    "sk-the-operators-key",
    "another key",
    "hunter2-database",
    // What callers and agents said.
    "Hieronymus",
    "Pleased",
    "Kumquat",
    "8675309867",
    "Schnittlauch",
    "Brennessel",
    // What functions were given, and gave.
    "Ottokar",
    "Noonish",
    "Rhubarb",
    "Sauerkraut",
    "Gooseberry",
    "Persimmon",
    "Rapunzel",
    "Petersilie",
    "Kohlrabi",
    "Dill-in-a-path",
    "Lavendel",
    "Estragon",
    "Majoran",
    // What was posted to webhooks.
    "Mirabelle",
    "Sauerampfer",
    "Thymian",
    "Rosmarin",
    "Bohnenkraut",
    "Kerbel",
    "Liebstoeckel",
    "Waldmeister",
    "Ysop",
];
const NUMBERS: [&str; 6] = [NUMBER, CALLER, PARTY, "+15559990004", "+15559990005", "+15559990006"];

#[tokio::test]
async fn the_log_of_a_whole_call_tells_nobody_s_business() {
    let log = kept_log();
    let secrets = json!({
        "greeting": "Welcome to Zebrafish.",
        "instructions": "Whisper quietly.",
        "transfer": {"targets": {"Rumpelstilz": PARTY}},
        "webhook": {"url": "https://hooks.example.com", "secret": "webhook-secret"},
        "secrets": {"CRM_KEY": "crm-secret"},
        "knowledge": {"budget_ms": 5000},
        // Bad settings are reported by name, not by value.
        "voice": "?Quixotic?",
        "fallback": {"kind": "forward", "number": "555-Xylophone", "message": "Marzipan."},
    });
    let functions = vec![
        call("book_appointment", json!({"name": "Ottokar", "date": "Sunday", "time": "Noonish"})),
        call("cancel_appointment", json!({"name": "Ottokar"})),
        call("take_message", json!({"text": "Rhubarb.", "callback": "+15559990005"})),
        call("send_sms", json!({"text": "Sauerkraut."})),
        call("search_knowledge", json!({"query": "Gooseberry?"})),
        call("Persimmon_said_the_caller", json!({"what": "Persimmon"})),
    ];
    let turns = vec![act("I am Hieronymus.", functions, "Pleased, Hieronymus!")];
    let house = House::with(turns, secrets).await;
    furnish(&house).await;
    house.change("update voice_agents set name = 'Archibald'").await;
    house
        .change(&format!(
            "update business_details set business_name = 'Wolpertinger',
                business_phone = '+15559990004' where voice_agent_id = '{}'",
            house.agent
        ))
        .await;
    house.learn(&["I am Mandragora."]).await;
    let mut unsigned = house.options();
    unsigned.webhook_fault = WebhookFault::WrongSignature;
    house.place(unsigned, vec![]).ended().await;
    let steps = vec![
        Step::wait_for_agent(),
        Step::SendText("not json: Kumquat".to_owned()),
        say(0),
        Step::wait_for_agent(),
        Step::Press("8675309867".into()),
        Step::wait_for_agent(),
        Step::DropSocket(AfterDrop::AskAction),
        Step::wait_for_agent(),
    ];
    let mut options = house.options();
    options.from = CALLER.to_owned().into();
    let mut placed = house.place(options, steps);
    for _ in 0..2 {
        placed.saw(|kind| *kind == PhoneEventKind::StreamOpened).await;
    }
    placed.heard_agent().await;
    house.speech.command(Fault::RefuseConnects { status: 401 });
    house.speech.command(Fault::DropSockets);
    let call = placed.ended().await;
    assert!(call.said.contains(&"Marzipan.".to_owned()), "{:?}", call.said);
    let left = [
        ("CallSid", call.call_sid.as_str()),
        ("To", NUMBER),
        ("RecordingUrl", "https://api.twilio.com/Mirabelle"),
    ];
    assert_eq!(house.post("/twilio/voicemail", &left, Some(TOKEN)).await.0, 200);
    let row = house.row(&call.call_sid).await;
    assert!(row.lines().contains(&"Caller: I am Hieronymus."), "{:?}", row.lines());
    assert_eq!(row.metadata()["turns"][0]["chunks"][0]["id"], 1);
    house.app.shut_down(std::future::ready(())).await;

    log.tells(&[
        call.call_sid.as_str(),
        "the caller is out",
        "engine lost",
        "media stream lost",
        "not signed",
        "private_settings.voice",
        "function=\"[unknown]\"",
    ]);
    let token = call.documents[0].split_once("/twilio/stream/").unwrap().1;
    let token = token.split_once('"').unwrap().0;
    log.shows_none_of(&[&PRIVATE[..], &[token]].concat(), &NUMBERS);
}

/// A service that answers badly, and says back all that it was told.
async fn echo() -> u16 {
    use axum::http::{HeaderMap, StatusCode, Uri};
    let answer = async |uri: Uri, headers: HeaderMap, body: String| {
        (StatusCode::INTERNAL_SERVER_ERROR, format!("Kohlrabi {uri} {headers:?} {body}"))
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let router = axum::Router::new().fallback(answer);
    clock::spawn(async move { axum::serve(listener, router).await });
    port
}

/// The rows of functions, all of which come to a bad end.
async fn add_functions(house: &House, port: u16) {
    let rows = [
        (
            "json_api",
            "look_up",
            json!({
            "method": "POST", "url": format!("http://127.0.0.1:{port}/{{{{ args.who }}}}"),
            "headers": {"authorization": "Bearer {{ secrets.CRM_KEY }}"},
            "body": {"who": "{{ args.who }}", "from": "{{ caller.number }}"}}),
        ),
        (
            "json_api",
            "nowhere",
            json!({
            "method": "GET", "url": "http://127.0.0.1:1/{{ args.who }}",
            "query": {"key": "{{ secrets.CRM_KEY }}"}}),
        ),
        (
            "json_api",
            "broken",
            json!({
            "method": "GET", "url": "https://x.example/{{ args.who | int }}",
            "headers": {"x-key": "{{ secrets.CRM_KEY }}\n{{ args.who }}"}}),
        ),
        (
            "form",
            "sign_up",
            json!({
            "submit_url": format!("http://127.0.0.1:{port}/hook-path-Persephone")}),
        ),
        (
            "flows",
            "steps",
            json!({"start": "a", "nodes": {
            "a": {"say": "{{ args.who * 2 }} {{ args.who / 2 }}", "next": "a"}}}),
        ),
    ];
    for (kind, name, data) in rows {
        sqlx::query(
            "insert into functions (type, name, data, variables, assistant_id, save_data)
            values ($1::text::function_type, $2, $3, $4, $5, true)",
        )
        .bind(kind)
        .bind(name)
        .bind(data)
        .bind(json!([{"name": "who", "type": "string"}]))
        .bind(house.agent)
        .execute(&house.pool)
        .await
        .unwrap();
    }
    house.app.directory.refresh(None, None).await;
}

/// A database that refuses rows and says what is in them, and warns of every row with it.
async fn tell_rows(house: &House) {
    house
        .sql(
            "create function tell() returns trigger language plpgsql as $$ begin
                raise warning 'written: %', new;
                if new.data::text like '%Petersilie%' then
                    raise exception 'refused: %', new using detail = new.data::text;
                end if;
                return new;
            end $$",
        )
        .await;
    house
        .sql(
            "create trigger tell before insert on call_events for each row execute function tell()",
        )
        .await;
}

fn turns() -> Vec<Turn> {
    let who = |name: &str| json!({"who": name});
    vec![
        act(
            "This is Petersilie.",
            vec![
                call("look_up", who("Dill-in-a-path")),
                call("nowhere", who("Lavendel")),
                call("broken", who("Estragon")),
                call("steps", who("Majoran")),
                call("Rapunzel lets down her hair", json!({})),
                call("sign_up", json!({"who": "Petersilie"})),
            ],
            "Petersilie, I see.",
        ),
        act("Yes.", vec![call("sign_up", json!({"confirmed": true}))], "Pleased."),
        act("Brennessel.", vec![], "Brennessel, I see."),
        act(
            "Put me through.",
            vec![call("transfer_call", json!({"target": "Rumpelstilz"}))],
            "Pleased.",
        ),
    ]
}

/// An error of the speech service that repeats what was said wherever it can.
fn telling_error() -> ErrorBody {
    ErrorBody {
        kind: "server_error".to_owned(),
        code: Some("I heard Schnittlauch".to_owned()),
        message: "The item \"I want Schnittlauch\" could not be read.".to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_of_what_goes_wrong_tells_nobody_s_business() {
    let log = kept_log();
    let port = echo().await;
    let settings = json!({
        "greeting": "Welcome to Zebrafish.",
        "transfer": {"targets": {"Rumpelstilz": PARTY}},
        "webhook": {"url": format!("http://127.0.0.1:{port}/hook-path-Persephone"),
            "secret": "webhook-secret"},
        "secrets": {"CRM_KEY": "crm-secret"},
        "recording": {"enabled": true, "notice": "Artischocke is recorded."},
        "fallback": {"kind": "voicemail", "message": "Marzipan."},
    });
    let speech = SpeechOptions { script: script(turns()), ..SpeechOptions::default() };
    let environment = vec![("ALLOW_PRIVATE_TOOL_URLS", format!("127.0.0.1:{port},127.0.0.1:1"))];
    let house = House::open(Plan { speech, settings, environment, ..Plan::default() }).await;
    add_functions(&house, port).await;
    furnish(&house).await;
    tell_rows(&house).await;
    // Longer than the agent is silent between saying that it looks and what it found.
    let wait = || Step::WaitForAgent { quiet: ms(6_000), limit: ms(90_000) };
    let mut steps = vec![wait()];
    steps.extend((0..4).flat_map(|n| [say(n), wait()]));
    let mut options = house.options();
    options.from = CALLER.to_owned().into();
    let mut placed = house.place(options, steps);
    placed.heard_agent().await;
    house.speech.command(Fault::FailResponse { error: telling_error() });
    house.speech.command(Fault::Error { error: telling_error() });
    house.speech.command(Fault::RefuseChats { status: 500 });
    let call = placed.ended().await;
    house.row(&call.call_sid).await;
    post_nonsense(&house, &call.call_sid).await;
    // Where the database was slow it is told later.
    let refused = async || log.text().contains("the database refuses a record").then_some(());
    until("the refusal", DEADLINE, refused).await;
    // What comes after the call is logged too: the summary is refused at first, and the owner's
    // server answers badly.
    for told in ["kind=\"summary\" attempt", "kind=\"webhook\" attempt", "a recording is stored"] {
        let logged = async || {
            let log = log.text();
            log.contains(told).then_some(())
        };
        until(told, DEADLINE, logged).await;
        house.speech.command(Fault::AcceptChats);
    }
    let own = json!({"account_sid": ACCOUNT, "auth_token": "agents-own-token"});
    sqlx::query("update voice_agents set twilio_credentials = $1")
        .bind(own)
        .execute(&house.pool)
        .await
        .unwrap();
    house.app.shut_down(std::future::ready(())).await;

    log.tells(&[
        call.call_sid.as_str(),
        "a service gave no answer",
        "a request cannot be made",
        "a form was not taken",
        "a flow broke off",
        "the caller is put through",
        "the database refuses a record",
        "to be tried again",
        "a recording is stored",
    ]);
    log.shows_none_of(&PRIVATE, &NUMBERS);
}

/// Forms that are none, of calls that are none, of numbers that nobody has.
async fn post_nonsense(house: &House, sid: &str) {
    let unknown = "CA00000000000000000000000000000042";
    let odd = [
        ("CallSid", sid),
        ("To", NUMBER),
        ("From", "Sauerampfer <+15559990006>"),
        ("CallStatus", "Thymian"),
        ("DialCallStatus", "Rosmarin"),
        ("StreamEvent", "stream-error"),
        ("StreamError", "Bohnenkraut"),
        ("StreamSid", "Kerbel"),
        ("RecordingUrl", "http://Liebstoeckel@+15559990006/"),
        ("RecordingDuration", "Waldmeister"),
    ];
    for path in ["voice", "after", "dial", "voicemail", "status", "stream-status"] {
        let path = format!("/twilio/{path}");
        house.post(&path, &odd, Some(TOKEN)).await;
        house.post(&path, &odd, Some("another key")).await;
        house.post(&path, &odd, None).await;
        house.post(&path, &voice("Sauerampfer", NUMBER), Some(TOKEN)).await;
        house.post(&path, &voice(unknown, "+15559990006"), Some(TOKEN)).await;
        house.post(&format!("{path}?who=Ysop"), &odd, Some(TOKEN)).await;
        let url = house.app.public_url.join(&path);
        for body in ["CallSid=%ff&To=Ysop&%%", "Ysop", "{\"Ysop\": 1}"] {
            let form = "application/x-www-form-urlencoded";
            let post = house.http.post(&url).header("content-type", form).body(body);
            let status = post.send().await.unwrap().status();
            assert!(status.is_client_error(), "{path}: {status}");
        }
    }
    let stream = house.app.public_url.join("/twilio/stream/Ysop.Waldmeister");
    let status = house.http.get(stream).send().await.unwrap().status();
    assert!(status.is_client_error(), "{status}");
}
