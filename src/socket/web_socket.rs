//! A WebSocket for one task. tungstenite speaks the protocol; this joins it to a stream of tokio's.
//!
//! tokio-tungstenite does the same for two tasks, one that reads and one that writes, and wakes both by
//! proxies. A call has one task, which is woken 50 to 100 times a second.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::ErrorKind;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::{Sink, Stream};
use http::Request;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_tungstenite::MaybeTlsStream;
use tokio_tungstenite::tungstenite::handshake::client::ClientHandshake;
use tokio_tungstenite::tungstenite::handshake::{HandshakeError, MidHandshake};
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Error, Message, Utf8Bytes};

use super::polled::Polled;

thread_local! {
    /// Where frames are put together that are written at once. The library has memory of its own for each
    /// connection, which is cold by the next frame; this is not.
    static FRAMES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A stream that may know without a system call that there is nothing to read.
pub trait Readable {
    /// Ready: something may have come. Pending: nothing has, and the task is woken when it does.
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()>;
}

impl Readable for TcpStream {
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        // An error is met by whoever reads.
        self.poll_read_ready(cx).map(|_| ())
    }
}

impl Readable for MaybeTlsStream<TcpStream> {
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Plain(stream) => stream.poll_readable(cx),
            // What was decrypted may wait where the network has nothing.
            _ => Poll::Ready(()),
        }
    }
}

/// A WebSocket that one task reads and writes.
#[derive(Debug)]
#[repr(C)]
pub struct WebSocket<S> {
    has_ended: bool,
    role: Role,
    /// The library has an answer to a ping that it would write when it reads next.
    has_answer: bool,
    /// The stream did not take all of what was written last.
    is_blocked: bool,
    /// The library may have something to write that it was given or that it says by itself.
    is_library_busy: bool,
    /// A close is under way: the library says the rest when it is asked.
    is_closing: bool,
    /// How many bytes the messages took that were read, at least.
    taken: u64,
    inner: tungstenite::WebSocket<Polled<S>>,
}

impl<S: AsyncRead + AsyncWrite + Readable + Unpin> WebSocket<S> {
    /// Over a stream whose handshake is over, of which `read` was read behind it.
    pub fn new(stream: S, read: Vec<u8>, role: Role, config: WebSocketConfig) -> Self {
        let polled = Polled::new(stream, Some(read.len() as u64));
        let inner = tungstenite::WebSocket::from_partially_read(polled, read, role, Some(config));
        Self::over(inner, role)
    }

    /// Shakes hands as a client.
    ///
    /// # Errors
    /// The connection broke, or the server refused: [`Error::Http`] has its answer.
    pub async fn client(
        request: Request<()>,
        stream: S,
        config: WebSocketConfig,
    ) -> Result<Self, Error> {
        let polled = Polled::new(stream, None);
        let mut begun = Some((request, polled));
        let mut under_way: Option<MidHandshake<ClientHandshake<Polled<S>>>> = None;
        std::future::poll_fn(|cx| {
            let handshake = match (begun.take(), under_way.take()) {
                (Some((request, mut polled)), _) => {
                    polled.wakes(cx);
                    tungstenite::client::client_with_config(request, polled, Some(config))
                }
                (None, Some(mut handshake)) => {
                    handshake.get_mut().get_mut().wakes(cx);
                    handshake.handshake()
                }
                (None, None) => return Poll::Ready(Err(Error::AlreadyClosed)),
            };
            match handshake {
                Ok((inner, _)) => Poll::Ready(Ok(Self::over(inner, Role::Client))),
                Err(HandshakeError::Failure(error)) => Poll::Ready(Err(error)),
                Err(HandshakeError::Interrupted(handshake)) => {
                    under_way = Some(handshake);
                    Poll::Pending
                }
            }
        })
        .await
    }

    fn over(inner: tungstenite::WebSocket<Polled<S>>, role: Role) -> Self {
        Self {
            inner,
            has_ended: false,
            taken: 0,
            role,
            has_answer: false,
            is_blocked: false,
            is_library_busy: false,
            is_closing: false,
        }
    }

    /// Whether nothing has come: then the library, which clears its buffer for each try, is not asked.
    fn is_idle(&mut self, cx: &mut Context<'_>) -> bool {
        let polled = self.inner.get_ref();
        !self.is_closing
            && !self.has_answer
            && polled.come == Some(self.taken)
            && polled.stream.poll_readable(cx).is_pending()
    }

    /// The next message, control messages included; none after the end.
    pub fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Message, Error>>> {
        if self.has_ended {
            return Poll::Ready(None);
        }
        if self.is_idle(cx) {
            return Poll::Pending;
        }
        self.inner.get_mut().wakes(cx);
        if self.has_answer {
            // Not written yet: it is tried again as the stream can take it. A fault comes up below.
            self.has_answer = matches!(self.inner.flush(), Err(ref error) if would_block(error));
            self.is_library_busy |= self.has_answer;
        }
        match self.inner.read() {
            Err(error) if would_block(&error) => Poll::Pending,
            Ok(message) => {
                self.taken += wire_length(&message, self.role);
                self.has_answer |= message.is_ping();
                self.is_library_busy |= message.is_ping() || message.is_close();
                self.is_closing |= message.is_close();
                Poll::Ready(Some(Ok(message)))
            }
            Err(error) => {
                self.has_ended = true;
                let is_over = matches!(error, Error::AlreadyClosed | Error::ConnectionClosed);
                Poll::Ready((!is_over).then_some(Err(error)))
            }
        }
    }

    /// Hands the library a message. What the stream does not take now waits for [`Self::poll_flush`].
    ///
    /// # Errors
    /// The connection is broken, or too much waits.
    pub fn write(&mut self, message: Message) -> Result<(), Error> {
        self.is_library_busy = true;
        self.is_closing |= message.is_close();
        match self.inner.write(message) {
            Err(error) if would_block(&error) => {
                self.is_blocked = true;
                Ok(())
            }
            written => written,
        }
    }

    /// Writes text messages from the front of `queue`, until they have `batch_max` bytes. What the stream
    /// does not take now waits for [`Self::poll_flush`].
    ///
    /// # Errors
    /// The connection is broken, or too much waits.
    pub fn write_texts(
        &mut self,
        queue: &mut VecDeque<Utf8Bytes>,
        batch_max: usize,
        cx: &Context<'_>,
    ) -> Result<(), Error> {
        let mut batch = 0;
        let mut next = || {
            let text = if batch < batch_max { queue.pop_front() } else { None };
            batch += text.as_ref().map_or(0, |text| text.len());
            text
        };
        // Not between the library's own bytes, and not where it refuses to write.
        let is_librarys = self.is_library_busy || self.is_closing || self.has_ended;
        if is_librarys || !self.inner.get_ref().rest.is_empty() {
            while let Some(text) = next() {
                self.write(Message::Text(text))?;
            }
            return Ok(());
        }
        let polled = self.inner.get_mut();
        polled.wakes(cx);
        FRAMES.with_borrow_mut(|frames| {
            frames.clear();
            frames.shrink_to(2 * batch_max);
            while let Some(text) = next() {
                let mut frame = Frame::message(Bytes::from(text), OpCode::Data(Data::Text), true);
                // RFC 6455, 5.3: a client masks what it sends, each frame with another key.
                frame.header_mut().mask = (self.role == Role::Client).then(rand::random);
                frame.format(frames)?;
            }
            Ok(polled.write_or_keep(frames)?)
        })
    }

    /// Writes what waits.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.get_mut().wakes(cx);
        let flushed = over_or(self.inner.flush());
        self.is_blocked = flushed.is_pending();
        self.is_library_busy &= !matches!(flushed, Poll::Ready(Ok(())));
        flushed
    }

    /// Sends a close with this code and reason, if any, and writes what waits. What comes after it is still
    /// to be read.
    ///
    /// # Errors
    /// The connection is broken.
    pub async fn close(&mut self, frame: Option<CloseFrame>) -> Result<(), Error> {
        let mut frame = Some(frame);
        std::future::poll_fn(|cx| {
            self.inner.get_mut().wakes(cx);
            self.is_closing = true;
            over_or(match frame.take() {
                Some(frame) => self.inner.close(frame),
                None => self.inner.flush(),
            })
        })
        .await
    }

    /// The stream below.
    pub fn stream_mut(&mut self) -> &mut S {
        &mut self.inner.get_mut().stream
    }
}

impl<S: AsyncRead + AsyncWrite + Readable + Unpin> Stream for WebSocket<S> {
    type Item = Result<Message, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_read(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Readable + Unpin> Sink<Message> for WebSocket<S> {
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.is_blocked { WebSocket::poll_flush(&mut self, cx) } else { Poll::Ready(Ok(())) }
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), Error> {
        self.write(message)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        WebSocket::poll_flush(&mut self, cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.get_mut().wakes(cx);
        let is_first = !std::mem::replace(&mut self.is_closing, true);
        over_or(if is_first { self.inner.close(None) } else { self.inner.flush() })
    }
}

fn would_block(error: &Error) -> bool {
    matches!(error, Error::Io(error) if error.kind() == ErrorKind::WouldBlock)
}

/// A connection that closed as it was to be written to the end is no fault.
fn over_or(written: Result<(), Error>) -> Poll<Result<(), Error>> {
    match written {
        Ok(()) | Err(Error::ConnectionClosed) => Poll::Ready(Ok(())),
        Err(error) if would_block(&error) => Poll::Pending,
        Err(error) => Poll::Ready(Err(error)),
    }
}

/// How many bytes a message takes on the wire if it comes in one frame (RFC 6455, 5.2); in several it
/// takes more.
fn wire_length(message: &Message, role: Role) -> u64 {
    let length = message.len() as u64;
    let head = match length {
        0..126 => 2,
        126..=0xFFFF => 4,
        _ => 10,
    };
    // A client masks what it sends.
    let mask = if role == Role::Server { 4 } else { 0 };
    head + mask + length
}

#[cfg(test)]
#[path = "web_socket_tests.rs"]
mod tests;
