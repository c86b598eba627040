//! A speech service that closes its connection at the very moment at which it is asked for a reply:
//! the request and the close cross on the wire.

use frontdesk::clock;
use frontdesk::rehearsal::phone::Ended;
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{FALLBACK, House, Plan};

/// How the connection goes.
#[derive(Clone, Copy)]
enum Closing {
    /// With a close frame, right behind what makes us ask for a reply.
    Politely,
    /// Without a word.
    AtOnce,
}

/// A service each session of which becomes ready and closes in the same breath.
async fn closing_service(how: Closing) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    clock::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            clock::spawn(session(stream, how));
        }
    });
    url
}

async fn session(stream: TcpStream, how: Closing) {
    let text = |kind: &str| Message::text(json!({"type": kind, "session": {}}).to_string());
    let Ok(mut socket) = accept_async(stream).await else { return };
    let _ = socket.send(text("session.created")).await;
    while let Some(Ok(message)) = socket.next().await {
        if !message.to_text().is_ok_and(|text| text.contains("session.update")) {
            continue;
        }
        // The reader finds both at once, and asks for the greeting in between.
        let _ = socket.feed(text("session.updated")).await;
        if let Closing::Politely = how {
            let _ = socket.feed(Message::Close(None)).await;
        }
        let _ = socket.flush().await;
        return;
    }
}

#[tokio::test]
async fn a_connection_that_closes_as_a_reply_is_asked_for_ends_at_the_fallback() {
    for how in [Closing::Politely, Closing::AtOnce] {
        let engine_url = Some(closing_service(how).await);
        let house = House::open(Plan { engine_url, ..Plan::default() }).await;
        // What crosses is a matter of the moment: some of these ask in between.
        for _ in 0..6 {
            let (call, row) = house.call(vec![]).await;
            assert_eq!((call.errors, call.ended), (vec![], Ended::Server));
            assert_eq!(call.said, [FALLBACK.to_owned()]);
            assert_eq!(row.end(), ("no-answer", "agent"));
        }
        house.emptied().await;
    }
}
