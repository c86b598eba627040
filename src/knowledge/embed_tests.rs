//! Embeddings from a service that does as each test says.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Json, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::*;

/// What the service answers to its n-th request, from 0.
type Manner = fn(usize) -> Answer;

enum Answer {
    Status(u16, Value),
    Text(String),
    Never,
}

#[derive(Clone)]
struct Service {
    manner: Manner,
    asked: Arc<Mutex<Vec<(HeaderMap, Value)>>>,
}

impl Service {
    async fn start(manner: Manner) -> (Self, Embedder) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let embedder = embedder(&listener);
        let service = Self { manner, asked: Arc::default() };
        let router = Router::new().fallback(answer).with_state(service.clone());
        clock::spawn(async move { axum::serve(listener, router).await });
        (service, embedder)
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

async fn answer(
    State(service): State<Service>,
    headers: HeaderMap,
    Json(request): Json<Value>,
) -> Response {
    let n = {
        let mut asked = service.asked.lock().unwrap();
        asked.push((headers, request));
        asked.len() - 1
    };
    match (service.manner)(n) {
        Answer::Status(status, body) => {
            (StatusCode::from_u16(status).unwrap(), Json(body)).into_response()
        }
        Answer::Text(text) => text.into_response(),
        Answer::Never => std::future::pending().await,
    }
}

fn embedder(listener: &TcpListener) -> Embedder {
    crate::tls::install_provider();
    let base_url = format!("http://{}/v1/", listener.local_addr().unwrap());
    let service =
        OpenAi { api_key: Some("sk-test".to_owned().into()), base_url: base_url.parse().unwrap() };
    Embedder::new(&service, "text-embedding-3-small").unwrap()
}

fn vector(values: Value) -> Answer {
    Answer::Status(200, json!({"data": [{"embedding": values}]}))
}

fn good(_: usize) -> Answer {
    vector(json!(vec![0.5; DIMENSIONS]))
}

#[tokio::test]
async fn a_text_is_asked_for_as_the_service_wants_it() {
    let (service, embedder) = Service::start(good).await;
    let found = embedder.embed(" Are you open? ").await.unwrap().unwrap();
    assert_eq!(*found, [0.5; DIMENSIONS]);
    let (headers, request) = service.asked.lock().unwrap().remove(0);
    assert_eq!(headers["authorization"], "Bearer sk-test");
    let expected = json!({"model": "text-embedding-3-small", "input": "Are you open?",
        "encoding_format": "float", "dimensions": 1536});
    assert_eq!(request, expected);
}

#[tokio::test]
async fn what_is_asked_again_is_remembered() {
    let (service, embedder) = Service::start(good).await;
    for said in ["Are you open?", "are  you OPEN", "Are you open.  ", "Are you open?!…"] {
        assert!(embedder.embed(said).await.unwrap().is_some());
    }
    assert_eq!(service.asked(), 1);
    assert!(embedder.embed("Are you open today?").await.unwrap().is_some());
    assert_eq!(service.asked(), 2);
}

#[tokio::test]
async fn what_is_asked_at_the_same_time_is_asked_for_once() {
    let (service, embedder) = Service::start(good).await;
    let (one, other) =
        tokio::join!(embedder.embed("Are you open?"), embedder.embed("are you open"));
    assert_eq!(one.unwrap(), other.unwrap());
    assert_eq!(service.asked(), 1);
}

#[tokio::test]
async fn what_has_no_word_is_not_asked_for() {
    let (service, embedder) = Service::start(good).await;
    for said in ["", "  ", "…", "?!"] {
        assert_eq!(embedder.embed(said).await, Ok(None));
    }
    assert_eq!(service.asked(), 0);
}

#[tokio::test]
async fn of_a_long_text_the_end_is_asked_for() {
    let (service, embedder) = Service::start(good).await;
    let said = "ü".repeat(TEXT_MAX_BYTES) + " are you open?";
    embedder.embed(&said).await.unwrap();
    let (_, request) = service.asked.lock().unwrap().remove(0);
    let asked = request["input"].as_str().unwrap();
    assert!(asked.ends_with("ü are you open?") && asked.len() <= TEXT_MAX_BYTES, "{}", asked.len());
}

fn refused(status: u16, code: &str) -> EmbedError {
    EmbedError::Refused { status, code: code.to_owned() }
}

/// What comes of a service that answers so, and how often it was asked.
async fn fails(manner: Manner) -> (EmbedError, usize) {
    let (service, embedder) = Service::start(manner).await;
    let error = embedder.embed("my secret words").await.unwrap_err();
    assert!(!format!("{error} {error:?} {embedder:?}").contains("secret"));
    (error, service.asked())
}

#[tokio::test]
async fn a_failure_that_may_pass_is_tried_once_more() {
    let busy = |_| {
        let error = json!({"code": "rate_limit_exceeded", "message": "my secret words"});
        Answer::Status(429, json!({"error": error}))
    };
    assert_eq!(fails(busy).await, (refused(429, "rate_limit_exceeded"), 2));
    let broken = |_| Answer::Status(503, json!("my secret words"));
    assert_eq!(fails(broken).await, (refused(503, ""), 2));

    let (service, embedder) = Service::start(|n| match n {
        0 => Answer::Status(500, json!({})),
        _ => good(n),
    })
    .await;
    assert!(embedder.embed("Are you open?").await.unwrap().is_some());
    assert_eq!(service.asked(), 2);
}

#[tokio::test]
async fn a_failure_that_stays_is_not_tried_again() {
    let quota = |_| Answer::Status(429, json!({"error": {"code": "insufficient_quota"}}));
    assert_eq!(fails(quota).await, (refused(429, "insufficient_quota"), 1));
    let key = |_| Answer::Status(401, json!({"error": {"type": "invalid_request_error"}}));
    assert_eq!(fails(key).await, (refused(401, "invalid_request_error"), 1));
    let moved = |_| Answer::Status(307, json!({}));
    assert_eq!(fails(moved).await, (refused(307, ""), 1));
}

#[tokio::test]
async fn a_service_that_refuses_the_size_is_not_asked_for_it_again() {
    for status in [400, 422] {
        let manner: Manner = match status {
            400 => |n| if n == 0 { Answer::Status(400, json!({})) } else { good(n) },
            _ => |n| if n == 0 { Answer::Status(422, json!({})) } else { good(n) },
        };
        let (service, embedder) = Service::start(manner).await;
        assert!(embedder.embed("Are you open?").await.unwrap().is_some());
        assert!(embedder.embed("When do you open?").await.unwrap().is_some());
        let asked = service.asked.lock().unwrap();
        let sizes: Vec<&Value> = asked.iter().map(|(_, request)| &request["dimensions"]).collect();
        assert_eq!(sizes, [&json!(1536), &Value::Null, &Value::Null], "{status}");
        assert_eq!(asked[1].1["input"], "Are you open?");
    }
}

#[tokio::test]
async fn a_service_that_refuses_a_text_is_asked_for_the_size_all_the_same() {
    let (service, embedder) = Service::start(|n| match n {
        0 | 1 => Answer::Status(400, json!({"error": {"code": "invalid_input"}})),
        _ => good(n),
    })
    .await;
    assert_eq!(embedder.embed("Odd").await, Err(refused(400, "invalid_input")));
    assert!(embedder.embed("Are you open?").await.unwrap().is_some());
    let asked = service.asked.lock().unwrap();
    assert_eq!((asked.len(), &asked[2].1["dimensions"]), (3, &json!(1536)));
}

#[tokio::test]
async fn an_answer_that_is_no_embedding_is_named() {
    let short = |_| vector(json!([0.1, 0.2, 0.3]));
    assert_eq!(fails(short).await, (EmbedError::Dimensions(3), 1));
    let zero = |_| vector(json!(vec![0.0; DIMENSIONS]));
    assert_eq!(fails(zero).await, (EmbedError::Unusable, 1));
    let huge = |_| vector(json!(vec![1e300; DIMENSIONS]));
    assert_eq!(fails(huge).await, (EmbedError::Unusable, 1));
    let nulls = |_| vector(json!(vec![Value::Null; DIMENSIONS]));
    assert_eq!(fails(nulls).await, (EmbedError::Unreadable, 1));
    let none = |_| Answer::Status(200, json!({"data": []}));
    assert_eq!(fails(none).await, (EmbedError::Unreadable, 1));
    let garbage = |_| Answer::Text("my secret words".to_owned());
    assert_eq!(fails(garbage).await, (EmbedError::Unreadable, 1));
    let endless = |_| Answer::Text(" ".repeat(ANSWER_MAX_BYTES + 1));
    assert_eq!(fails(endless).await, (EmbedError::Unreadable, 1));
}

#[tokio::test]
async fn a_service_that_never_answers_is_given_up() {
    let (service, mut embedder) = Service::start(|_| Answer::Never).await;
    embedder.limit = Duration::from_millis(200);
    assert_eq!(embedder.embed("Are you open?").await, Err(EmbedError::Late));
    assert!(service.asked() <= 1);
}

#[tokio::test]
async fn a_service_that_hangs_up_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let embedder = embedder(&listener);
    clock::spawn(async move { while listener.accept().await.is_ok() {} });
    let lost = Err(EmbedError::Unreachable("the connection was lost"));
    assert_eq!(embedder.embed("Are you open?").await, lost);
}

#[tokio::test]
async fn a_service_that_is_not_there_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let embedder = embedder(&listener);
    drop(listener);
    let gone = Err(EmbedError::Unreachable("cannot connect"));
    assert_eq!(embedder.embed("Are you open?").await, gone);
}

#[tokio::test]
async fn beyond_what_is_asked_for_at_once_nothing_waits_for_long() {
    let (service, mut embedder) = Service::start(good).await;
    embedder.places = Semaphore::new(0);
    assert_eq!(embedder.embed("Are you open?").await, Err(EmbedError::Busy));
    assert_eq!(service.asked(), 0);
}

#[tokio::test]
async fn a_failure_is_not_remembered() {
    let (service, embedder) = Service::start(|n| match n {
        0 => Answer::Status(403, json!({})),
        _ => good(n),
    })
    .await;
    assert_eq!(embedder.embed("Are you open?").await, Err(refused(403, "")));
    assert!(embedder.embed("Are you open?").await.unwrap().is_some());
    assert_eq!(service.asked(), 2);
}

/// A code is logged; a sentence in its place is not.
#[test]
fn a_code_that_quotes_somebody_is_none() {
    let code = |error: &str| error_code(format!("{{\"error\":{error}}}").as_bytes());
    assert_eq!(code(r#"{"code":"hieronymus said it","type":"server_error"}"#), "server_error");
    assert_eq!(code(r#"{"code":"insufficient_quota"}"#), "insufficient_quota");
    assert_eq!(code(r#"{"type":"Hieronymus"}"#), "");
}

#[test]
fn an_answer_behind_a_byte_order_mark_is_read() {
    let vector = json!({"data": [{"embedding": vec![0.5; DIMENSIONS]}]});
    assert!(read(format!("\u{feff}{vector}").as_bytes()).is_ok());
}
