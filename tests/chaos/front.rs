//! What stands between Twilio and the programs: a balancer that takes each connection to one of
//! them, and the address that is asked where they give nothing.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::routing::post;
use frontdesk::clock::{self, within};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::proxy::{Tape, Wire, join};

/// How often a program is asked how it is.
const CHECK_PAUSE: Duration = Duration::from_millis(200);
/// How long it may take to say so, and to take a connection.
const CHECK_LIMIT: Duration = Duration::from_secs(1);
/// More than Twilio ever posts.
const REQUEST_BYTES: usize = 16 * 1024;
/// What a balancer says when it has nobody.
const NOBODY: &[u8] = b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
/// What is said where the programs give nothing.
const SORRY: &str = "<Response><Say>Please call again.</Say><Hangup/></Response>";

/// How a program is, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Health {
    Ready,
    Alive,
    Gone,
}

#[derive(Debug, Clone, Copy)]
struct Seat {
    address: Option<SocketAddr>,
    health: Health,
}

/// The balancer.
pub(crate) struct Front {
    pub(crate) url: String,
    pub(crate) fallback_url: String,
    shared: Arc<Shared>,
}

struct Shared {
    seats: Mutex<[Seat; 2]>,
    turn: AtomicUsize,
    open: AtomicUsize,
    refused: AtomicUsize,
    wire: watch::Sender<Wire>,
}

impl Front {
    pub(crate) async fn start() -> Self {
        let empty = Seat { address: None, health: Health::Gone };
        let shared = Arc::new(Shared {
            seats: Mutex::new([empty; 2]),
            turn: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
            wire: watch::Sender::new(Wire::Joined),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let serving = Arc::clone(&shared);
        clock::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let shared = Arc::clone(&serving);
                clock::spawn(async move { Box::pin(shared.take(client)).await });
            }
        });
        for place in 0..2 {
            clock::spawn(check(Arc::clone(&shared), place));
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let fallback_url = format!("http://{}/sorry", listener.local_addr().unwrap());
        let router = Router::new().route("/sorry", post(async || SORRY));
        clock::spawn(async move { axum::serve(listener, router).await });
        Self { url, fallback_url, shared }
    }

    /// A program is at this address from now on.
    pub(crate) fn seat(&self, place: usize, address: SocketAddr) {
        let seat = Seat { address: Some(address), health: Health::Alive };
        self.shared.seats.lock().unwrap()[place] = seat;
    }

    /// Connections that are open.
    pub(crate) fn open(&self) -> usize {
        self.shared.open.load(Ordering::Relaxed)
    }

    /// Connections for which there was nobody.
    pub(crate) fn refused(&self) -> usize {
        self.shared.refused.load(Ordering::Relaxed)
    }
}

impl Shared {
    async fn take(&self, mut client: TcpStream) {
        self.open.fetch_add(1, Ordering::Relaxed);
        match self.reach().await {
            Some(program) => join(client, program, self.wire.subscribe(), Tape::default()).await,
            None => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                // Who is answered before they have asked does not hear the answer. They may be gone.
                let _ = client.read(&mut [0; REQUEST_BYTES]).await;
                let _ = client.write_all(NOBODY).await;
            }
        }
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    /// The program that takes a connection: the better one, in turns where both are as good. One
    /// that was thought to be gone is tried last.
    async fn reach(&self) -> Option<TcpStream> {
        let mut seats = *self.seats.lock().unwrap();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        seats.rotate_left(turn % 2);
        seats.sort_by_key(|seat| seat.health);
        for address in seats.iter().filter_map(|seat| seat.address) {
            if let Some(Ok(program)) = within(CHECK_LIMIT, TcpStream::connect(address)).await {
                return Some(program);
            }
        }
        None
    }
}

/// Asks one program again and again how it is.
async fn check(shared: Arc<Shared>, place: usize) {
    let http = frontdesk::tls::http_client().pool_max_idle_per_host(0).build().unwrap();
    loop {
        let address = shared.seats.lock().unwrap()[place].address;
        if let Some(address) = address {
            let asking = http.get(format!("http://{address}/readyz")).send();
            let health = match within(CHECK_LIMIT, asking).await {
                Some(Ok(answer)) if answer.status().is_success() => Health::Ready,
                Some(Ok(_)) => Health::Alive,
                Some(Err(_)) | None => Health::Gone,
            };
            let mut seats = shared.seats.lock().unwrap();
            if seats[place].address == Some(address) {
                seats[place].health = health;
            }
        }
        clock::pause(CHECK_PAUSE).await;
    }
}
