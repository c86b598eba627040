//! What strangers and callers can send more of than anybody has use for: each has a bound.

use frontdesk::clock::within;
use frontdesk::rehearsal::phone::random_sid;
use frontdesk::twilio::media_peer;
use futures_util::SinkExt;
use serde_json::json;
use tokio::net::TcpSocket;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{DEADLINE, House, stream_url};
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
