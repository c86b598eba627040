//! What strangers and callers can send more of than anybody has use for: each has a bound.

use frontdesk::clock::within;
use frontdesk::rehearsal::phone::media_peer;
use frontdesk::rehearsal::phone::{Step, random_sid};
use futures_util::SinkExt;
use futures_util::future::join_all;
use serde_json::json;
use tokio::net::TcpSocket;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{DEADLINE, House, NUMBER, TOKEN, add_agent, stream_url, until, voice};
use crate::stream::Media;

#[tokio::test]
async fn a_phone_that_pings_and_reads_nothing_is_closed() {
    let house = House::with(vec![], json!({})).await;
    let sid = random_sid("CA");
    let url = stream_url(&house.ring(&sid).await);
    let socket = TcpSocket::new_v4().unwrap();
    // What the server answers has no room at our end.
    socket.set_recv_buffer_size(4 * 1024).unwrap();
    let tcp = socket.connect(house.app.address).await.unwrap();
    let (mut phone, _) = client_async(&url, tcp).await.unwrap();
    let ids = media_peer::StreamIds {
        account_sid: random_sid("AC"),
        call_sid: sid.clone(),
        stream_sid: random_sid("MZ"),
    };
    phone.send(media_peer::connected().into()).await.unwrap();
    phone.send(media_peer::start(&ids, 1, &[]).into()).await.unwrap();
    let flood = async { while phone.send(Message::Ping(vec![0; 125].into())).await.is_ok() {} };
    within(DEADLINE, flood).await.expect("the server closes");
    let kinds = house.kinds(&sid, "line_lost").await;
    assert_eq!(kinds.iter().filter(|kind| *kind == "line_lost").count(), 1, "{kinds:?}");
}

#[tokio::test]
async fn a_flood_of_keys_leaves_a_short_row_that_says_so() {
    const KEYS: usize = 3_000;
    let house = House::with(vec![], json!({})).await;
    let sid = random_sid("CA");
    let mut media = Media::open(&stream_url(&house.ring(&sid).await), &sid).await;
    media.heard("media").await;
    for number in 0..KEYS {
        media.send(media_peer::dtmf(media.ids(), number as u64 + 2, '#')).await;
    }
    media.send(media_peer::stop(media.ids(), KEYS as u64 + 2)).await;
    let row = house.row(&sid).await;
    let transcript = row.0["transcript"].as_str().unwrap();
    assert!(transcript.len() < 64 * 1024, "{} bytes", transcript.len());
    assert_eq!(row.metadata()["left_out"], json!(["keys"]));
    let kinds = house.kinds(&sid, "ended").await;
    let count = |kind: &str| kinds.iter().filter(|k| *k == kind).count();
    assert_eq!((count("keys_pressed"), count("left_out")), (500, 1), "of {}", kinds.len());
}

#[tokio::test]
async fn a_flood_that_nobody_signed_keeps_no_agent_from_its_first_call() {
    const OWN: (&str, &str) = ("+15559870077", "the-agents-own-auth-token");
    let house = House::with(vec![], json!({})).await;
    house.crowd().await;
    let agent = add_agent(&house.pool, OWN.0, json!({})).await;
    house
        .sql(&format!(
            "update voice_agents set twilio_credentials = '{{\"auth_token\": \"{}\"}}'
            where id = '{agent}'",
            OWN.1
        ))
        .await;
    let app = house.neighbour().await;
    let listed = || async { app.directory.lists_number(OWN.0).then_some(()) };
    until("the agent is listed", DEADLINE, listed).await;
    assert!(app.directory.remembered(OWN.0).is_none(), "it was read at the start");
    let url = app.public_url.join("/twilio/voice");
    let strangers = join_all((0..60).map(async |n| {
        let made_up = format!("+1555123{n:04}");
        let to = if n % 2 == 0 { made_up.as_str() } else { NUMBER };
        house.post_to(&url, &voice(&random_sid("CA"), to), Some("a guess")).await.0
    }));
    assert_eq!(strangers.await, [403; 60]);
    let sid = random_sid("CA");
    let (status, body) = house.post_to(&url, &voice(&sid, OWN.0), Some(OWN.1)).await;
    assert_eq!(status, 200, "{body}");
    assert!(body.contains("<Stream"), "{body}");
    app.shut_down(std::future::ready(())).await;
}

#[tokio::test]
async fn a_flood_of_callbacks_about_a_call_that_is_not_here_leaves_few_events() {
    let house = House::with(vec![], json!({})).await;
    let (call, _) = house.call(vec![Step::wait_for_agent(), Step::HangUp]).await;
    let neighbour = house.neighbour().await;
    for app in [&house.app, &neighbour] {
        let url = app.public_url.join("/twilio/stream-status");
        for _ in 0..100 {
            let fields = [
                ("CallSid", call.call_sid.as_str()),
                ("To", NUMBER),
                ("StreamEvent", "stream-error"),
                ("StreamError", "31921"),
            ];
            assert_eq!(house.post_to(&url, &fields, Some(TOKEN)).await.0, 204);
        }
    }
    neighbour.shut_down(std::future::ready(())).await;
    let failed = || async {
        let kinds = house.kinds(&call.call_sid, "stream_failed").await;
        kinds.iter().filter(|kind| *kind == "stream_failed").count()
    };
    assert!((1..=32).contains(&failed().await), "{}", failed().await);
}
