//! Forms, flows and function rows in whole calls: what the model is told, what is said, what is
//! kept, and that a row that cannot be used costs a call nothing.

use std::sync::{Arc, Mutex};

use frontdesk::clock;
use frontdesk::rehearsal::phone::{DialStatus, FarEnd, Step};
use frontdesk::rehearsal::speech::SpeechOptions;
use frontdesk::rehearsal::speech::script::Turn;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::booking::{act, call};
use crate::harness::{DEADLINE, House, Plan, Row, ms, say, script, turn, until};

/// A turn in which the model calls these.
fn calls(functions: &[(&str, Value)]) -> Turn {
    let functions = functions.iter().map(|(name, arguments)| call(name, arguments.clone()));
    act("Can you do that?", functions.collect(), "I see.")
}

/// Adds a row; its id.
async fn add(house: &House, kind: &str, name: &str, data: Value, variables: Value) -> Uuid {
    let insert = "insert into functions (type, name, data, variables, assistant_id, save_data)
        values ($1::text::function_type, $2, $3, $4, $5, true) returning id";
    let query = sqlx::query_scalar(insert).bind(kind).bind(name).bind(data).bind(variables);
    let id = query.bind(house.agent).fetch_one(&house.pool).await.unwrap();
    house.app.directory.refresh(None, None).await;
    id
}

/// What is kept, oldest first.
async fn kept(house: &House) -> Vec<Value> {
    let rows = "select data from scrapping_data where voice_agent_id = $1 order by created_at";
    sqlx::query_scalar(rows).bind(house.agent).fetch_all(&house.pool).await.unwrap()
}

/// A call in which the caller says so many things, and its functions with their results.
async fn hold(house: &House, turns: usize) -> (Vec<Value>, Row) {
    let mut steps = vec![Step::wait_for_agent()];
    steps.extend((0..turns).flat_map(|_| [say(0), Step::wait_for_agent()]));
    steps.push(Step::HangUp);
    let (call, row) = house.call(steps).await;
    assert_eq!(call.errors, [""; 0]);
    let functions = row.metadata()["functions"].as_array().unwrap().clone();
    (functions, row)
}

fn fields() -> Value {
    json!([
        {"name": "full_name", "description": "First and last name"},
        {"name": "phone", "type": "phone"},
        {"name": "visit", "type": "choice", "enum": ["first", "again"], "required": false},
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_is_filled_in_through_a_change_of_topic_and_kept_once() {
    let house = House::with(
        vec![
            calls(&[("sign_up", json!({}))]),
            calls(&[("sign_up", json!({"full_name": "Ada Lovelace", "phone": "12"}))]),
            turn("When are you open?", "From nine to five."),
            calls(&[("sign_up", json!({"phone": "555 123 0001", "visit": null}))]),
            calls(&[
                ("sign_up", json!({"confirmed": true})),
                ("sign_up", json!({"confirmed": true})),
            ]),
        ],
        json!({}),
    )
    .await;
    let id = add(&house, "form", "sign_up", json!({"title": "New patient"}), fields()).await;
    let (functions, row) = hold(&house, 5).await;
    let results: Vec<&Value> = functions.iter().map(|function| &function["result"]).collect();
    assert_eq!(results[0]["ask"], "First and last name");
    assert_eq!(functions[1]["ok"], false);
    assert!(results[1]["error"].as_str().unwrap().starts_with("phone must be a telephone number"));
    let values = json!({"full_name": "Ada Lovelace", "phone": "+15551230001"});
    assert_eq!(results[2]["read_back"], values);
    let done = results[3..].iter().filter(|result| result["done"] == true);
    assert!((1..=2).contains(&done.count()), "{results:?}");
    assert!(functions.iter().all(|function| function["id"] == id.to_string()));
    assert_eq!(row.lines().iter().filter(|line| line.contains("nine to five")).count(), 1);
    let expected = json!({
        "kind": "function", "function_id": id, "call_log_id": row.0["id"],
        "arguments": values, "result": {"submitted": true},
    });
    assert_eq!(kept(&house).await, [expected]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_is_posted_once_however_often_the_model_says_so() {
    let posted: Arc<Mutex<Vec<String>>> = Arc::default();
    let keep = Arc::clone(&posted);
    let take = async move |body: String| keep.lock().unwrap().push(body);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let router = axum::Router::new().route("/in", axum::routing::post(take));
    clock::spawn(async move { axum::serve(listener, router).await });
    let confirmed = || ("sign_up", json!({"confirmed": true}));
    let turns = vec![
        calls(&[(
            "sign_up",
            json!({"full_name": "Ada", "phone": "+15551230001", "visit": "FIRST"}),
        )]),
        calls(&[confirmed(), confirmed()]),
        calls(&[confirmed()]),
    ];
    let speech = SpeechOptions { script: script(turns), ..SpeechOptions::default() };
    let environment = vec![("ALLOW_PRIVATE_TOOL_URLS", format!("127.0.0.1:{port}"))];
    let house = House::open(Plan { speech, environment, ..Plan::default() }).await;
    let url = json!({"submit_url": format!("http://127.0.0.1:{port}/in")});
    add(&house, "form", "sign_up", url, fields()).await;
    let (functions, _) = hold(&house, 3).await;
    assert_eq!(functions.last().unwrap()["result"]["note"], "it was handed in before");
    let values = json!({"full_name": "Ada", "phone": "+15551230001", "visit": "first"});
    let posted = posted.lock().unwrap().clone();
    assert_eq!(posted.len(), 1, "{posted:?}");
    assert_eq!(serde_json::from_str::<Value>(&posted[0]).unwrap(), values);
    assert_eq!(kept(&house).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_puts_the_caller_through() {
    const PARTY: &str = "+15550003333";
    let settings = json!({"transfer": {"targets": {"on call": PARTY}}});
    let house = House::with(vec![calls(&[("urgent", json!({}))])], settings).await;
    let nodes = json!({"start": "a", "nodes": {"a": {"say": "Hold the line.", "next": "b"},
                                               "b": {"transfer": "on call"}}});
    add(&house, "flows", "urgent", nodes, json!(null)).await;
    let mut options = house.options();
    let far_end = FarEnd::Answers { rings: ms(1_000), talks: ms(2_000) };
    options.far_ends.insert(PARTY.to_owned(), far_end);
    let call = house.place(options, vec![Step::wait_for_agent(), say(0)]).ended().await;
    let dialled: Vec<_> =
        call.dialled.iter().map(|one| (one.number.as_str(), one.status)).collect();
    assert_eq!(dialled, [(PARTY, DialStatus::Completed)]);
    let row = house.row(&call.call_sid).await;
    assert_eq!(row.end(), ("transferred", "agent"));
    let told = json!({"ok": true, "say": "Hold the line.", "done": true, "transfer": "on call"});
    assert_eq!(row.metadata()["functions"][0]["result"], told);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_hangs_up_in_the_middle_of_a_form_hands_nothing_in() {
    let turns = vec![calls(&[("sign_up", json!({"full_name": "Ada"}))])];
    let house = House::with(turns, json!({})).await;
    add(&house, "form", "sign_up", json!({}), fields()).await;
    let (functions, row) = hold(&house, 1).await;
    assert_eq!(functions[0]["result"]["field"], "phone");
    assert_eq!(functions[0]["arguments"], json!({"full_name": "Ada"}));
    assert_eq!(row.end(), ("completed", "caller"));
    assert!(kept(&house).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_asks_branches_calls_and_ends_the_call() {
    let house = House::with(
        vec![
            calls(&[("urgent", json!({"answer": "at once"}))]),
            calls(&[("urgent", json!({"answer": "a bit"}))]),
            calls(&[("urgent", json!({"answer": "no"}))]),
            calls(&[("urgent", json!({"answer": "Call me about the crown"}))]),
        ],
        json!({}),
    )
    .await;
    let nodes = json!({"start": "breath", "nodes": {
        "breath": {"ask": "Can you breathe?", "collect": "breath", "type": "choice",
                   "choices": ["yes", "no"], "next": "fork"},
        "fork": {"branch": [{"if": "breath == 'yes'", "next": "bye"}], "next": "what"},
        "what": {"ask": "What shall we know?", "collect": "words", "next": "note"},
        "note": {"call": "take_message", "arguments": {"text": "Urgent: {{ words }}"},
                 "save_as": "noted", "next": "bye", "on_error": "bye"},
        "bye": {"end": "Help is on its way."},
    }});
    let id = add(&house, "flows", "urgent", nodes, json!(null)).await;
    let mut steps = vec![Step::wait_for_agent()];
    steps.extend((0..4).flat_map(|_| [say(0), Step::wait_for_agent()]));
    let (_, row) = house.call(steps).await;
    let functions = row.metadata()["functions"].as_array().unwrap();
    let results: Vec<&Value> = functions.iter().map(|function| &function["result"]).collect();
    assert_eq!(
        results[0],
        &json!({"ok": true, "ask": "Can you breathe?", "accepted": "one of: yes, no"})
    );
    assert_eq!(
        (&functions[1]["ok"], &results[1]["ask"]),
        (&json!(false), &json!("Can you breathe?"))
    );
    assert_eq!(results[2]["ask"], "What shall we know?");
    assert_eq!(results[3], &json!({"ok": true, "say": "Help is on its way.", "done": true}));
    assert_eq!(row.end(), ("completed", "agent"));
    assert_eq!(row.metadata()["messages"][0]["text"], "Urgent: Call me about the crown");
    let kept = kept(&house).await;
    assert_eq!((kept.len(), &kept[0]["function_id"]), (1, &json!(id)));
    assert_eq!(kept[0]["arguments"]["breath"], "no");
    assert_eq!(kept[0]["arguments"]["noted"], json!({"callback": "+15551230001"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_cannot_be_used_cost_a_call_nothing_and_are_not_offered() {
    let house = House::with(
        vec![calls(&[("broken", json!({})), ("take_message", json!({"text": "Call me"}))])],
        json!({}),
    )
    .await;
    for (kind, data, variables) in [
        ("flows", json!({"start": "a", "nodes": {"a": {"say": "x", "next": "b"}}}), json!(null)),
        ("form", json!([1]), json!("x")),
        ("json_api", json!({"url": "gopher://x"}), json!([{"name": 7}])),
        ("function", json!({"builtin": "fly"}), json!({"type": "nothing"})),
    ] {
        add(&house, kind, "broken", data, variables).await;
    }
    house
        .change("update functions set data = jsonb_set('{}', '{a}', '1e400') where type = 'form'")
        .await;
    house.change("insert into functions (type, name, assistant_id) select null, null, id from voice_agents").await;
    let (functions, row) = hold(&house, 1).await;
    assert!(functions[0]["result"]["error"].as_str().unwrap().starts_with("there is no function"));
    assert_eq!((&functions[1]["ok"], &functions[1]["id"]), (&json!(true), &json!(null)));
    assert_eq!(row.end(), ("completed", "caller"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_changed_is_known_to_the_next_call() {
    let turns = vec![calls(&[("hello", json!({}))])];
    let house = House::with(turns, json!({})).await;
    let say = |words: &str| json!({"start": "a", "nodes": {"a": {"say": words}}});
    let (functions, _) = hold(&house, 1).await;
    assert_eq!(functions[0]["ok"], false);
    let said = async |expected: &str| {
        until("the changed row", DEADLINE, || async {
            let (functions, _) = hold(&house, 1).await;
            (functions[0]["result"]["say"].as_str().unwrap_or_default() == expected).then_some(())
        })
        .await;
    };
    let id = add(&house, "flows", "hello", say("One."), json!(null)).await;
    said("One.").await;
    // A notice that is too long to be sent whole names the agent by another column.
    let long = format!("Two.{}", " ".repeat(9000));
    house.sql(&format!("update functions set data = '{}' where id = '{id}'", say(&long))).await;
    said("Two.").await;
    house.sql("update functions set is_active = false").await;
    said("").await;
}
