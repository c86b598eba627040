//! A small server with pages that are in order and pages that are not.

use std::convert::Infallible;
use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::extract::{Form, Query};
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use frontdesk::clock;
use futures_util::{SinkExt as _, StreamExt as _, stream};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio_tungstenite::accept_async;

/// The server. Its tasks end with the runtime of the test.
pub(crate) struct Site {
    pub(crate) address: SocketAddr,
}

/// What the form sends.
#[derive(Debug, Deserialize, Serialize)]
struct Booking {
    name: String,
    #[serde(default)]
    day: String,
    #[serde(default)]
    at: String,
    #[serde(default)]
    reminder: String,
    #[serde(default)]
    notes: String,
}

const STYLE: &str = "
    :root { color-scheme: light dark; }
    body { font-family: sans-serif; color: light-dark(#111, #eee);
        background: light-dark(#fff, #111); margin: 1rem; }
    a { color: light-dark(#0645ad, #9cf); display: inline-block; padding: .5rem; }
    input, select, textarea, button { display: block; min-height: 2rem; max-width: 100%; }
    .covered { position: absolute; inset: 0; z-index: 1; }
    .wide { width: 60rem; }
    .faint { color: #ccc; background: #fff; }";

/// Shows what comes later, so that a test has to wait for it.
const SCRIPT: &str = "
    document.querySelector('#later')?.addEventListener('click', () => setTimeout(() => {
        const said = document.createElement('output');
        said.textContent = confirm('Really?') ? 'Here it is' : 'Not';
        document.querySelector('main').append(said);
    }, 100));
    document.querySelector('form[data-taken]')?.addEventListener('submit', event => {
        event.preventDefault();
        document.querySelector('h1').textContent = 'Taken over';
    });
    setTimeout(() => document.querySelector('.covered')?.remove(), 200);
    document.addEventListener('keydown', event => document.body.dataset.key = event.key);";

const HOME: &str = r#"<main><h1>Welcome</h1><p>All is <em>well</em>.</p>
    <a href="/booking">Book a  table</a> <button id="later" type="button">Later</button>
    <noscript><p id="plain">Without scripts</p></noscript></main>"#;

const BOOKING: &str = r#"<main><h1>Booking</h1><form method="post" action="/booking">
    <label for="name">Name</label><input id="name" name="name" value="Nobody" required>
    <label for="day">Day</label><select id="day" name="day"><option value="mo">Monday</option>
        <option value="tu">Tuesday</option></select>
    <label for="at">Time</label><input id="at" name="at" type="time">
    <fieldset><legend>Reminder</legend>
        <label><input type="radio" name="reminder" value="none" checked>None</label>
        <label><input type="radio" name="reminder" value="sms">Message</label></fieldset>
    <label for="notes">Notes</label><textarea id="notes" name="notes"></textarea>
    <button>Book</button></form></main>"#;

/// One fault of each kind that `check_page` looks for.
const FAULTS: &str = r#"<link rel="icon" href="http://icons.example/icon.png"><main><h1>Faults</h1><img src="/pixel.gif">
    <p class="faint">Hard to read</p>
    <p class="wide">Wide</p>
    <a href="/" style="padding: 0">By the way</a>
    <img alt="" src="http://tracker.example/pixel.gif">
    <script>document.title = 'inline';</script></main>"#;

/// Buttons too near to each other, which only the rules of WCAG 2.2 forbid.
const NEAR: &str = r#"<main><h1>Near</h1><div>
    <button type="button" class="tiny">a</button><button type="button" class="tiny">b</button>
    </div></main><style>.tiny { display: inline; width: 12px; height: 12px; min-height: 0;
    padding: 0; font-size: 8px; color: #000; background: #fff; }</style>"#;

fn document(policy: &'static str, body: &str) -> Response {
    let head = [(CONTENT_SECURITY_POLICY, policy)];
    let page = format!(
        r#"<!doctype html><html lang="en"><head><title>A page</title>
        <meta name="viewport" content="width=device-width">
        <link rel="stylesheet" href="/style.css"></head>
        <body>{body}<script src="/script.js"></script></body></html>"#
    );
    (head, Html(page)).into_response()
}

const STRICT: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' http://tracker.example; form-action 'self'";
const LAX: &str = "style-src 'self' 'unsafe-inline'";

impl Site {
    pub(crate) async fn start() -> Self {
        let page = |body: &'static str| get(async move || document(STRICT, body));
        let router = Router::new()
            .route("/", page(HOME))
            .route("/booking", page(BOOKING).post(book))
            .route("/booked", get(booked))
            .route("/faults", page(FAULTS))
            .route("/near", get(async || document(LAX, NEAR)))
            .route("/covered", page(r#"<div class="covered"></div><a href="/">Home</a>"#))
            .route("/taken", page(r#"<h1>Form</h1><form data-taken><button>Go</button></form>"#))
            .route("/throws", get(async || document(LAX, "<script>missing.call()</script>")))
            .route("/bare", get(async || document(LAX, "<h1>Bare</h1>")))
            .route("/live", get(live))
            .route("/style.css", get(async || ([(CONTENT_TYPE, "text/css")], STYLE)))
            .route("/script.js", get(async || ([(CONTENT_TYPE, "text/javascript")], SCRIPT)))
            .fallback(async || (StatusCode::NOT_FOUND, document(STRICT, "<h1>Missing</h1>")));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        clock::spawn(async move { axum::serve(listener, router).await });
        Self { address }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

/// A stream of events with one event, which does not end.
async fn live() -> Response {
    let event = stream::iter([Ok::<_, Infallible>("data: first\n\n")]).chain(stream::pending());
    ([(CONTENT_TYPE, "text/event-stream")], Body::from_stream(event)).into_response()
}

/// As every form: a POST leads to a page of its own.
async fn book(Form(booking): Form<Booking>) -> Redirect {
    Redirect::to(&format!("/booked?{}", query_of(&booking)))
}

fn query_of(booking: &Booking) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("name", &booking.name).append_pair("day", &booking.day);
    query.append_pair("at", &booking.at).append_pair("reminder", &booking.reminder);
    query.append_pair("notes", &booking.notes).finish()
}

async fn booked(Query(booking): Query<Booking>, headers: HeaderMap) -> Response {
    let host = headers["host"].to_str().unwrap().to_owned();
    let Booking { name, day, at, reminder, notes } = booking;
    document(
        STRICT,
        &format!("<main><h1>{name}: {day} {at} {reminder} {notes}</h1><p>{host}</p></main>"),
    )
}

/// A server that sends back over a WebSocket what it is sent, on a port of its own.
pub(crate) async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    clock::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut socket = accept_async(stream).await.unwrap();
        while let Some(Ok(message)) = socket.next().await {
            if message.is_text() {
                socket.send(message).await.unwrap();
            }
        }
    });
    address
}
