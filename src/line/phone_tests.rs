//! A media stream whose peer sends as fast as it can.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use futures_util::SinkExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::{FromPhone, Heard, MESSAGE_MAX, Phone};
use crate::clock;
use crate::socket::{WebSocket, small_buffers};

const CALL: &str = "CA00000000000000000000000000000001";
const START: &str = r#"{"event":"start","streamSid":"MZ1","start":{"streamSid":"MZ1",
    "callSid":"CA00000000000000000000000000000001","accountSid":"AC1","tracks":["inbound"],
    "mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1}}}"#;

async fn phone() -> (Phone, WebSocketStream<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (theirs, ours) = tokio::join!(TcpStream::connect(address), listener.accept());
    let theirs = WebSocketStream::from_raw_socket(theirs.unwrap(), Role::Client, None).await;
    let ours =
        WebSocket::new(ours.unwrap().0, Vec::new(), Role::Server, small_buffers(MESSAGE_MAX));
    (Phone::new(ours, CALL, None, 1), theirs)
}

/// How many pieces of audio, and how many bytes of silence, are taken before the stream rests.
async fn taken_of(media: impl Fn(u64) -> String + Send + 'static) -> (usize, usize) {
    let (mut phone, mut theirs) = phone().await;
    clock::spawn(async move {
        theirs.send(START.into()).await.unwrap();
        let mut n = 0;
        while theirs.send(Message::text(media(n))).await.is_ok() {
            n += 1;
        }
    });
    let (mut pieces, mut silence) = (0, 0);
    let resting = poll_fn(|cx| {
        loop {
            let read = phone.poll_read(cx, |heard| match heard {
                Heard::Audio(_) => pieces += 1,
                Heard::Silence(bytes) => silence += bytes,
            });
            match read {
                Poll::Ready(FromPhone::Gone(why)) => panic!("{why}"),
                Poll::Ready(_) => {}
                Poll::Pending if phone.rests_for().is_some() => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    });
    clock::within(Duration::from_secs(20), resting).await.expect("it takes all that comes");
    (pieces, silence)
}

fn media(at_ms: u64, payload: &str) -> String {
    format!(
        r#"{{"event":"media","streamSid":"MZ1","media":{{"track":"inbound","timestamp":"{at_ms}","payload":"{payload}"}}}}"#
    )
}

#[tokio::test]
async fn a_flood_of_audio_is_taken_at_a_callers_pace() {
    let frame = "/".repeat(216);
    let (pieces, _) = taken_of(move |n| media(20 * n, &frame)).await;
    assert!((3_000..6_000).contains(&pieces), "{pieces}");
    let (pieces, _) = taken_of(|_| media(0, "fw==")).await;
    assert!((3_000..6_000).contains(&pieces), "{pieces}");
    let (pieces, _) = taken_of(|n| media(20 * n, "")).await;
    assert_eq!(pieces, 0, "there is nothing to hear");
    let long = "/".repeat(64_000);
    let (pieces, _) = taken_of(move |n| media(6_000 * n, &long)).await;
    assert!((10..20).contains(&pieces), "{pieces}");
}

#[tokio::test]
async fn a_clock_that_jumps_makes_no_more_silence_than_a_caller_does() {
    let (pieces, silence) = taken_of(|n| media(10_000 * n, "fw==")).await;
    assert!(pieces < 20, "{pieces}");
    assert!(silence <= 20 * 80_000, "{silence}");
}
