//! The WebSocket on real sockets, with a peer that writes bytes of its own.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::WebSocket;
use crate::clock;
use crate::socket::small_buffers;

const LIMIT: Duration = Duration::from_secs(20);
const TEXT: u8 = 1;
const CONTINUATION: u8 = 0;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// A frame as it is on the wire (RFC 6455, 5.2), whose mask changes nothing.
fn frame(opcode: u8, is_last: bool, payload: &[u8], is_masked: bool) -> Vec<u8> {
    let mask = u8::from(is_masked) << 7;
    let mut bytes = vec![u8::from(is_last) << 7 | opcode];
    match payload.len() {
        short @ 0..126 => bytes.push(mask | short as u8),
        middle @ 126..=0xFFFF => {
            bytes.push(mask | 126);
            bytes.extend_from_slice(&(middle as u16).to_be_bytes());
        }
        long => {
            bytes.push(mask | 127);
            bytes.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(if is_masked { &[0; 4] } else { &[] });
    bytes.extend_from_slice(payload);
    bytes
}

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (ours, theirs) = tokio::join!(TcpStream::connect(address), listener.accept());
    (ours.unwrap(), theirs.unwrap().0)
}

fn over(stream: TcpStream, role: Role) -> WebSocket<TcpStream> {
    WebSocket::new(stream, Vec::new(), role, small_buffers(1 << 20))
}

async fn next(socket: &mut WebSocket<TcpStream>) -> Message {
    let next = clock::within(LIMIT, socket.next()).await;
    next.expect("nothing comes").expect("it has ended").expect("it is broken")
}

/// What the peer has written, and what is to come of it. In pieces that end anywhere.
fn traffic(is_masked: bool) -> (Vec<u8>, Vec<Message>) {
    let (mut bytes, mut messages) = (Vec::new(), Vec::new());
    for (round, length) in
        [3, 0, 125, 126, 400, 4_096, 65_535, 65_536, 200_000, 7].into_iter().enumerate()
    {
        let text = "x".repeat(length);
        bytes.extend(frame(TEXT, true, text.as_bytes(), is_masked));
        messages.push(Message::text(text.clone()));
        if round % 3 == 1 {
            bytes.extend(frame(PING, true, b"here?", is_masked));
            messages.push(Message::Ping("here?".into()));
        }
        if round == 4 {
            // From here on the length of what was read is not known any more.
            bytes.extend(frame(TEXT, false, b"one ", is_masked));
            bytes.extend(frame(PONG, true, b"", is_masked));
            bytes.extend(frame(CONTINUATION, true, b"two", is_masked));
            messages.extend([Message::Pong("".into()), Message::text("one two")]);
        }
    }
    (bytes, messages)
}

#[tokio::test]
async fn all_that_comes_is_read_wherever_it_is_cut() {
    for (role, piece) in
        [(Role::Server, 1_000_000), (Role::Server, 397), (Role::Client, 61), (Role::Client, 4_096)]
    {
        let (bytes, messages) = traffic(role == Role::Server);
        let (ours, mut theirs) = pair().await;
        let mut ours = over(ours, role);
        let writing = async {
            for piece in bytes.chunks(piece) {
                theirs.write_all(piece).await.unwrap();
                // Who reads meanwhile finds nothing, and waits.
                tokio::task::yield_now().await;
            }
            theirs
        };
        let reading = async {
            for message in &messages {
                assert_eq!(next(&mut ours).await, *message);
            }
        };
        let (theirs, ()) = tokio::join!(writing, reading);
        drop(theirs);
    }
}

#[tokio::test]
async fn a_ping_is_answered_though_nothing_comes_after_it() {
    let (ours, mut theirs) = pair().await;
    let mut ours = over(ours, Role::Server);
    theirs.write_all(&frame(PING, true, b"1", true)).await.unwrap();
    assert_eq!(next(&mut ours).await, Message::Ping("1".into()));
    let mut answer = [0; 3];
    let answered = async {
        tokio::select! {
            other = ours.next() => panic!("{other:?}"),
            read = theirs.read_exact(&mut answer) => read.unwrap(),
        }
    };
    clock::within(LIMIT, answered).await.expect("no answer comes");
    assert_eq!(answer.to_vec(), frame(PONG, true, b"1", false));
    // And then it waits for the next message as before.
    theirs.write_all(&frame(TEXT, true, b"on", true)).await.unwrap();
    assert_eq!(next(&mut ours).await, Message::text("on"));
    assert_eq!(ours.inner.get_ref().come, Some(ours.taken), "it is known that nothing waits");
}

#[tokio::test]
async fn a_close_is_answered_and_ends_it() {
    for role in [Role::Server, Role::Client] {
        let (ours, mut theirs) = pair().await;
        let mut ours = over(ours, role);
        theirs
            .write_all(&frame(CLOSE, true, &1000_u16.to_be_bytes(), role == Role::Server))
            .await
            .unwrap();
        assert!(matches!(next(&mut ours).await, Message::Close(Some(_))));
        let ended = async {
            if role == Role::Client {
                // A client waits for the server to close the connection.
                let mut answer = [0; 8];
                tokio::select! {
                    other = ours.next() => panic!("{other:?}"),
                    read = theirs.read_exact(&mut answer) => read.unwrap(),
                };
                drop(theirs);
            }
            assert!(ours.next().await.is_none());
            assert!(ours.next().await.is_none());
        };
        clock::within(LIMIT, ended).await.expect("it does not end");
    }
}

#[tokio::test]
async fn our_close_goes_out_and_the_answer_is_read() {
    let (ours, theirs) = pair().await;
    let (mut ours, mut theirs) = (over(ours, Role::Client), over(theirs, Role::Server));
    ours.send(Message::text("last")).await.unwrap();
    let both = async {
        tokio::join!(
            async {
                ours.close(None).await.unwrap();
                while let Some(Ok(_)) = ours.next().await {}
            },
            async {
                assert_eq!(next(&mut theirs).await, Message::text("last"));
                assert!(matches!(next(&mut theirs).await, Message::Close(None)));
                assert!(theirs.next().await.is_none());
                drop(theirs);
            }
        )
    };
    clock::within(LIMIT, both).await.expect("it does not end");
}

#[tokio::test]
async fn what_comes_with_the_answer_to_the_handshake_is_read() {
    for piece in [10_000, 50, 7] {
        let (ours, mut theirs) = pair().await;
        let request = "ws://localhost/v1".into_client_request().unwrap();
        let serving = async {
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                asked.push(theirs.read_u8().await.unwrap());
            }
            let asked = String::from_utf8(asked).unwrap();
            let key =
                asked.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
            let accept = derive_accept_key(key.as_bytes());
            let head = format!(
                "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                sec-websocket-accept: {accept}\r\n\r\n"
            );
            let mut answer = head.into_bytes();
            answer.extend(frame(TEXT, true, b"created", false));
            answer.extend(frame(TEXT, true, &[b'x'; 300], false));
            for piece in answer.chunks(piece) {
                theirs.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
            theirs
        };
        let (ours, theirs) =
            tokio::join!(WebSocket::client(request, ours, small_buffers(1 << 20)), serving);
        let mut ours = ours.unwrap();
        assert_eq!(next(&mut ours).await, Message::text("created"));
        assert_eq!(next(&mut ours).await, Message::text("x".repeat(300)));
        assert_eq!(ours.inner.get_ref().come, Some(ours.taken), "it is known that nothing waits");
        drop(theirs);
    }
}

#[tokio::test]
async fn a_handshake_that_is_refused_has_the_answer() {
    let (ours, mut theirs) = pair().await;
    let request = "ws://localhost/v1".into_client_request().unwrap();
    let answer = b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 2\r\n\r\n{}";
    theirs.write_all(answer).await.unwrap();
    let refused = WebSocket::client(request, ours, small_buffers(1 << 20)).await;
    let Err(Error::Http(response)) = refused else { panic!("{refused:?}") };
    assert_eq!((response.status().as_u16(), response.body().as_deref()), (429, Some(&b"{}"[..])));
}
