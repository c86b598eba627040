//! The stream below a WebSocket, between tokio, which wakes a task, and tungstenite, which reads and writes.

use std::io::{self, ErrorKind, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What ends the head of an HTTP answer.
const END_OF_HEAD: u32 = u32::from_be_bytes(*b"\r\n\r\n");

/// A stream as the library wants one: what cannot be done now is an error, and the task is woken.
#[derive(Debug)]
pub(super) struct Polled<S> {
    pub(super) stream: S,
    waker: Waker,
    /// How many bytes have come that are the WebSocket's; not known before the end of the handshake.
    pub(super) come: Option<u64>,
    /// The last four bytes of the handshake so far.
    head: u32,
    /// What the stream has not taken of frames that were written at once. It goes before all else.
    pub(super) rest: Vec<u8>,
}

impl<S> Polled<S> {
    pub(super) fn new(stream: S, come: Option<u64>) -> Self {
        Self { stream, waker: Waker::noop().clone(), come, head: 0, rest: Vec::new() }
    }

    /// Whom the stream wakes from here on.
    pub(super) fn wakes(&mut self, cx: &Context<'_>) {
        self.waker.clone_from(cx.waker());
    }

    fn count(&mut self, bytes: &[u8]) {
        let mut head = 0;
        while self.come.is_none() && head < bytes.len() {
            self.head = self.head << 8 | u32::from(bytes[head]);
            head += 1;
            self.come = (self.head == END_OF_HEAD).then_some(0);
        }
        if let Some(come) = &mut self.come {
            *come += (bytes.len() - head) as u64;
        }
    }
}

fn or_later<T>(done: Poll<io::Result<T>>) -> io::Result<T> {
    match done {
        Poll::Ready(done) => done,
        Poll::Pending => Err(ErrorKind::WouldBlock.into()),
    }
}

impl<S: AsyncRead + Unpin> Read for Polled<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut buffer = ReadBuf::new(buffer);
        let mut cx = Context::from_waker(&self.waker);
        or_later(Pin::new(&mut self.stream).poll_read(&mut cx, &mut buffer))?;
        self.count(buffer.filled());
        Ok(buffer.filled().len())
    }
}

impl<S: AsyncWrite + Unpin> Polled<S> {
    fn write_some(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut cx = Context::from_waker(&self.waker);
        match or_later(Pin::new(&mut self.stream).poll_write(&mut cx, bytes))? {
            0 if !bytes.is_empty() => Err(ErrorKind::ConnectionReset.into()),
            written => Ok(written),
        }
    }

    /// Writes what the stream takes now, and keeps the rest.
    pub(super) fn write_or_keep(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = match self.write_some(bytes) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            written => written?,
        };
        self.rest.extend_from_slice(&bytes[written..]);
        Ok(())
    }

    fn write_rest(&mut self) -> io::Result<()> {
        while !self.rest.is_empty() {
            let mut rest = std::mem::take(&mut self.rest);
            let written = self.write_some(&rest);
            rest.drain(..*written.as_ref().unwrap_or(&0));
            // Its memory goes with the last of it.
            if !rest.is_empty() {
                self.rest = rest;
            }
            written?;
        }
        Ok(())
    }
}

impl<S: AsyncWrite + Unpin> Write for Polled<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_rest()?;
        self.write_some(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.write_rest()?;
        let mut cx = Context::from_waker(&self.waker);
        or_later(Pin::new(&mut self.stream).poll_flush(&mut cx))
    }
}
