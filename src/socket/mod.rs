//! A WebSocket that its owner polls: our own queue in front of it, so that what is queued can be
//! counted, thrown away or overtaken, and a time limit on every write.

mod polled;
mod web_socket;

use std::collections::VecDeque;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use crate::clock::Stopwatch;
pub use web_socket::{Readable, WebSocket};

/// How long a write may make no progress before the other side counts as gone.
pub const WRITE_LIMIT: Duration = Duration::from_secs(5);

/// How much is handed to the kernel in one go. What is beyond it stays in our queue, where it can
/// still be thrown away.
const BATCH_BYTES: usize = 16 * 1024;

/// How many pings may come while what was written before has not been taken. Each is answered from
/// our memory; a peer that pings and reads is asked for one answer at a time.
const PINGS_MAX: u32 = 64;

/// Small buffers: the library's defaults take 256 KiB for a call. What waits to be written is
/// bounded by a batch, the longest message (we send none that is longer than what we read) and the
/// answers to `PINGS_MAX` pings.
pub fn small_buffers(message_size_max: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(4 * 1024)
        .write_buffer_size(BATCH_BYTES)
        .max_write_buffer_size(message_size_max.saturating_add(2 * BATCH_BYTES))
        .max_message_size(Some(message_size_max))
        .max_frame_size(Some(message_size_max))
}

/// What came out of a socket.
#[derive(Debug)]
pub enum Received {
    /// A whole text message.
    Text(Utf8Bytes),
    /// A binary message, which neither of our protocols has.
    Binary,
    /// A ping or a pong. A ping has been answered.
    Control,
    /// The other side closed, with its close code if it gave one.
    Closed(Option<u16>),
    /// The connection broke, or a message was not WebSocket or too large: the error's class.
    Broken(&'static str),
}

/// A WebSocket that a client opened to us.
pub type ServerSocket = WebSocket<TcpStream>;

/// A WebSocket with a queue.
#[derive(Debug)]
#[repr(C)]
pub struct Socket<S> {
    queue: VecDeque<Utf8Bytes>,
    flushing: bool,
    /// How many pings have come since everything was handed to the kernel.
    pings: u32,
    stuck: Option<Stopwatch>,
    /// How many messages of any kind have come.
    received: u64,
    stream: WebSocket<S>,
}

impl<S: AsyncRead + AsyncWrite + Readable + Unpin> Socket<S> {
    /// Takes a socket whose handshake is over.
    pub fn new(stream: WebSocket<S>) -> Self {
        let queue = VecDeque::new();
        Self { stream, queue, flushing: false, stuck: None, received: 0, pings: 0 }
    }

    /// Puts a text message at the end of the queue. The caller keeps the queue bounded.
    pub fn send(&mut self, text: impl Into<Utf8Bytes>) {
        self.queue.push_back(text.into());
    }

    /// Throws away what has not been handed to the kernel and puts `text` in its place.
    pub fn overtake(&mut self, text: impl Into<Utf8Bytes>) {
        self.queue.clear();
        self.queue.push_back(text.into());
    }

    /// The messages that are still ours.
    pub fn queue(&mut self) -> &mut VecDeque<Utf8Bytes> {
        &mut self.queue
    }

    /// How many messages are waiting.
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Whether everything has been handed to the kernel.
    pub fn is_flushed(&self) -> bool {
        self.queue.is_empty() && !self.flushing
    }

    /// Whether the present write has made no progress.
    pub fn is_stuck(&self) -> bool {
        self.stuck.is_some()
    }

    /// How long the present write has made no progress.
    pub fn stuck_for(&self) -> Option<Duration> {
        self.stuck.map(|since| since.elapsed())
    }

    /// How many messages have come, those included that mean nothing.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Asks the other side for a sign of life, before everything that is queued. Any WebSocket
    /// answers by itself, and that counts as received.
    ///
    /// # Errors
    /// The class of what went wrong.
    pub fn ping(&mut self) -> Result<(), &'static str> {
        self.flushing = true;
        let ping = Message::Ping(bytes::Bytes::new());
        self.stream.write(ping).map_err(|error| class(&error))
    }

    /// Writes what can be written now. Registers for a wake when more can be.
    pub fn poll_write(&mut self, cx: &mut Context<'_>) -> Result<(), &'static str> {
        loop {
            if self.flushing {
                match self.stream.poll_flush(cx) {
                    Poll::Ready(Ok(())) => {
                        (self.flushing, self.stuck, self.pings) = (false, None, 0);
                    }
                    Poll::Ready(Err(error)) => return Err(class(&error)),
                    Poll::Pending => {
                        let stuck = *self.stuck.get_or_insert_with(Stopwatch::start);
                        return if stuck.elapsed() > WRITE_LIMIT {
                            Err("write timed out")
                        } else {
                            Ok(())
                        };
                    }
                }
            }
            if self.queue.is_empty() {
                return Ok(());
            }
            self.flushing = true;
            self.stream
                .write_texts(&mut self.queue, BATCH_BYTES, cx)
                .map_err(|error| class(&error))?;
        }
    }

    /// Reads the next message. After `Closed` or `Broken` nothing more comes.
    pub fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Received> {
        let next = self.stream.poll_read(cx);
        self.received += u64::from(next.is_ready());
        next.map(|next| match next {
            Some(Ok(Message::Text(text))) => Received::Text(text),
            Some(Ok(Message::Binary(_))) => Received::Binary,
            Some(Ok(Message::Close(frame))) => {
                Received::Closed(frame.map(|frame| frame.code.into()))
            }
            Some(Ok(Message::Ping(_))) => self.pinged(cx),
            Some(Ok(Message::Pong(_) | Message::Frame(_))) => Received::Control,
            Some(Err(error)) => Received::Broken(class(&error)),
            None => Received::Closed(None),
        })
    }

    /// The library has put the answer to a ping into its buffer. It is a write like any other, with
    /// the same time limit.
    fn pinged(&mut self, cx: &mut Context<'_>) -> Received {
        self.flushing = true;
        self.pings += 1;
        match self.poll_write(cx) {
            Err(why) => Received::Broken(why),
            Ok(()) if self.pings > PINGS_MAX => Received::Broken("pings, and reads no answer"),
            Ok(()) => Received::Control,
        }
    }

    /// Closes politely: a close frame, and a moment for the other side to answer it.
    pub async fn close(mut self, limit: Duration) {
        let closing = async {
            if std::future::poll_fn(|cx| match self.poll_write(cx) {
                Ok(()) if self.is_flushed() => Poll::Ready(true),
                Ok(()) => Poll::Pending,
                Err(_) => Poll::Ready(false),
            })
            .await
                && self.stream.close(None).await.is_ok()
            {
                while let Received::Text(_) | Received::Binary | Received::Control =
                    std::future::poll_fn(|cx| self.poll_read(cx)).await
                {}
            }
        };
        crate::clock::within(limit, closing).await;
    }
}

/// An error's class, which never carries what was received.
fn class(error: &Error) -> &'static str {
    match error {
        Error::ConnectionClosed | Error::AlreadyClosed => "connection closed",
        Error::Io(error) => crate::tls::fault(error).unwrap_or("connection broken"),
        Error::Tls(_) => "TLS error",
        Error::Capacity(_) => "message too large",
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => "connection broken",
        Error::Protocol(_) | Error::AttackAttempt => "not the WebSocket protocol",
        Error::WriteBufferFull(_) => "write buffer full",
        Error::Utf8(_) => "text is not UTF-8",
        Error::Url(_) => "bad address",
        Error::Http(_) | Error::HttpFormat(_) => "handshake refused",
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;

    use futures_util::{SinkExt, Stream};
    use tokio_tungstenite::WebSocketStream;
    use tokio_tungstenite::tungstenite::protocol::Role;

    use super::*;

    impl Readable for tokio::io::DuplexStream {
        fn poll_readable(&self, _: &mut Context<'_>) -> Poll<()> {
            Poll::Ready(())
        }
    }

    #[tokio::test]
    async fn a_peer_that_pings_and_reads_no_answer_is_given_up_and_one_that_reads_is_not() {
        for reads in [true, false] {
            let (ours, theirs) = tokio::io::duplex(16 * 1024);
            let ours = WebSocket::new(ours, Vec::new(), Role::Client, small_buffers(1024));
            let mut theirs = WebSocketStream::from_raw_socket(theirs, Role::Server, None).await;
            let mut socket = Socket::new(ours);
            let mut given_up = None;
            for pings in 0..2_000 {
                theirs.send(Message::Ping(vec![0; 125].into())).await.expect("it is taken");
                let received = std::future::poll_fn(|cx| socket.poll_read(cx)).await;
                if let Received::Broken(why) = received {
                    given_up = Some((pings, why));
                    break;
                }
                if reads {
                    let pong = std::future::poll_fn(|cx| Pin::new(&mut theirs).poll_next(cx)).await;
                    assert!(matches!(pong, Some(Ok(Message::Pong(_)))), "{pong:?}");
                }
            }
            match given_up {
                None => assert!(reads),
                Some((pings, why)) => {
                    assert!(!reads && pings < 500, "after {pings}");
                    assert_eq!(why, "pings, and reads no answer");
                }
            }
        }
    }

    #[tokio::test]
    async fn texts_arrive_whole_and_in_order_however_little_is_taken_at_once() {
        let texts: Vec<String> = [3, 0, 125, 126, 400, 20_000, 70_000, 1, 2_000, 2_000, 5]
            .into_iter()
            .zip('a'..)
            .map(|(length, letter)| letter.to_string().repeat(length))
            .collect();
        for (ours_is, theirs_is, takes) in [
            (Role::Client, Role::Server, 7),
            (Role::Server, Role::Client, 300),
            (Role::Client, Role::Server, 1 << 20),
        ] {
            let (ours, theirs) = tokio::io::duplex(takes);
            let mut ours =
                Socket::new(WebSocket::new(ours, Vec::new(), ours_is, small_buffers(1 << 17)));
            let mut theirs = WebSocketStream::from_raw_socket(theirs, theirs_is, None).await;
            let sending = async {
                for some in texts.chunks(3) {
                    some.iter().for_each(|text| ours.send(text.clone()));
                    std::future::poll_fn(|cx| {
                        while let Poll::Ready(received) = ours.poll_read(cx) {
                            assert!(matches!(received, Received::Control), "{received:?}");
                        }
                        ours.poll_write(cx).expect("it is open");
                        if ours.is_flushed() { Poll::Ready(()) } else { Poll::Pending }
                    })
                    .await;
                }
                loop {
                    std::future::poll_fn(|cx| {
                        let received = ours.poll_read(cx);
                        ours.poll_write(cx).expect("it is open");
                        received
                    })
                    .await;
                }
            };
            let receiving = async {
                let mut pongs = 0;
                for (n, text) in texts.iter().enumerate() {
                    // Answers come between the frames, and not within one.
                    theirs
                        .send(Message::Ping(vec![n as u8; 100].into()))
                        .await
                        .expect("it is open");
                    loop {
                        let next =
                            std::future::poll_fn(|cx| Pin::new(&mut theirs).poll_next(cx)).await;
                        match next.expect("it is open").expect("it is whole") {
                            Message::Text(came) => {
                                break assert!(came == *text, "{n}: {}", came.len());
                            }
                            Message::Pong(_) => pongs += 1,
                            other => panic!("{n}: {other:?}"),
                        }
                    }
                }
                assert!(pongs > 0 || takes > 1_000, "the library has something to say, too");
            };
            let limit = Duration::from_secs(20);
            crate::clock::within(limit, async {
                tokio::select! { () = sending => {}, () = receiving => {} }
            })
            .await
            .expect("it does not end");
        }
    }
}
