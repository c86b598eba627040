//! A wire to another program that can be slowed, held up, cut, joined again and listened to.
#![allow(
    dead_code,
    clippy::allow_attributes,
    reason = "each test program compiles this file and uses its own part of it"
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use frontdesk::clock;
use parking_lot::Mutex;
use sqlx::postgres::PgConnectOptions;
use tokio::io::{self, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What one read takes at most, in bytes.
const PIECE_BYTES: usize = 16 * 1024;

/// What comes from the other program; none: nobody listens.
pub(crate) type Tape = Arc<Mutex<Option<Vec<u8>>>>;

/// The wire.
pub(crate) struct Proxy {
    state: watch::Sender<Wire>,
    address: SocketAddr,
    tape: Tape,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Wire {
    Joined,
    /// Each piece takes so long on its way, one after the other.
    Slow(Duration),
    /// Nothing moves, and nobody is told.
    Stalled,
    /// What ran over it has ended, what is new is refused.
    Cut,
}

impl Proxy {
    pub(crate) async fn to(server: &PgConnectOptions) -> Self {
        let target = (server.get_host().to_owned(), server.get_port());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (state, watched) = watch::channel(Wire::Joined);
        let tape = Tape::default();
        let theirs = Arc::clone(&tape);
        clock::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let tape = Arc::clone(&theirs);
                clock::spawn(carry(client, target.clone(), watched.clone(), tape));
            }
        });
        Self { state, address, tape }
    }

    pub(crate) fn options(&self, options: PgConnectOptions) -> PgConnectOptions {
        options.host(&self.address.ip().to_string()).port(self.address.port())
    }

    pub(crate) fn set(&self, state: Wire) {
        self.state.send_replace(state);
    }

    /// Listens from now on to what comes from the other program.
    pub(crate) fn listen(&self) {
        *self.tape.lock() = Some(Vec::new());
    }

    /// Whether this has come since.
    pub(crate) fn has_brought(&self, text: &str) -> bool {
        let tape = self.tape.lock();
        let came = tape.as_ref().expect("it is listened to");
        came.windows(text.len()).any(|part| part == text.as_bytes())
    }
}

/// Takes one connection to its target over a wire in this state.
pub(crate) async fn carry(
    client: TcpStream,
    target: (String, u16),
    state: watch::Receiver<Wire>,
    tape: Tape,
) {
    if *state.borrow() == Wire::Cut {
        return;
    }
    let Ok(server) = TcpStream::connect(target).await else { return };
    join(client, server, state, tape).await;
}

/// Joins two connections over a wire in this state, to their end or until the wire is cut.
pub(crate) async fn join(
    client: TcpStream,
    server: TcpStream,
    mut state: watch::Receiver<Wire>,
    tape: Tape,
) {
    for end in [&client, &server] {
        // A wire that gathers small pieces would be slower than it was told to be.
        let _ = end.set_nodelay(true);
    }
    let ((from_client, to_client), (from_server, to_server)) =
        (client.into_split(), server.into_split());
    let forth = pump(from_client, to_server, state.clone(), Tape::default());
    let back = pump(from_server, to_client, state.clone(), tape);
    tokio::select! {
        _ = async { tokio::try_join!(forth, back) } => {}
        // That nobody can change it any more is an end too.
        _ = state.wait_for(|wire| *wire == Wire::Cut) => {}
    }
}

/// One direction of a connection, to its end.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut state: watch::Receiver<Wire>,
    tape: Tape,
) -> io::Result<()> {
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        passable(&mut state).await;
        let length = from.read(&mut piece).await?;
        // What comes while nothing moves waits, an end too.
        passable(&mut state).await;
        if length == 0 {
            return to.shutdown().await;
        }
        if let Some(came) = &mut *tape.lock() {
            came.extend_from_slice(&piece[..length]);
        }
        let wire = *state.borrow();
        if let Wire::Slow(delay) = wire {
            clock::pause(delay).await;
            passable(&mut state).await;
        }
        to.write_all(&piece[..length]).await?;
    }
}

/// Waits until something moves.
async fn passable(state: &mut watch::Receiver<Wire>) {
    // The wire's end is seen by whoever carries it.
    let _ = state.wait_for(|wire| *wire != Wire::Stalled).await;
}
