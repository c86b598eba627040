//! A pooler of transactions, in a few lines: each transaction of a client runs on whichever of two
//! server connections is free.

use std::collections::VecDeque;
use std::sync::Arc;

use frontdesk::clock;
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;

use crate::{Clinic, complaints};

/// The server connections that no transaction is on, the last one used first.
type Free = Arc<Mutex<VecDeque<TcpStream>>>;

/// Connections to the server. More clients than these may be connected.
const SERVERS: usize = 4;

#[tokio::test]
async fn a_pooler_of_transactions_is_found_out() {
    let mut clinic = Clinic::healthy().await;
    let options = clinic.database.options();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let free = Free::default();
    for _ in 0..SERVERS {
        let server = log_in(&options).await;
        free.lock().await.push_back(server);
    }
    clock::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            clock::spawn(carry(client, Arc::clone(&free)));
        }
    });
    clinic.set("DATABASE_URL", options.host("127.0.0.1").port(port).to_url_lossy().to_string());
    let found = complaints(&clinic.report().await);
    let line = found.iter().find(|line| line.contains("database connection")).cloned();
    let line = line.unwrap_or_else(|| panic!("{found:?}"));
    assert!(line.starts_with("FAIL  database connection: a pooler of transactions"), "{line}");
    assert!(line.contains("session mode"), "{line}");
}

/// One message: its type and its body. A start-up message has no type.
async fn message(socket: &mut TcpStream, has_type: bool) -> Option<(u8, Vec<u8>)> {
    let kind = if has_type { socket.read_u8().await.ok()? } else { 0 };
    let length = usize::try_from(socket.read_u32().await.ok()?).ok()?.checked_sub(4)?;
    let mut body = vec![0; length];
    socket.read_exact(&mut body).await.ok()?;
    Some((kind, body))
}

async fn send(socket: &mut TcpStream, kind: u8, body: &[u8]) -> Option<()> {
    let length = u32::try_from(body.len() + 4).ok()?;
    let mut bytes = Vec::with_capacity(body.len() + 5);
    if kind != 0 {
        bytes.push(kind);
    }
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(body);
    socket.write_all(&bytes).await.ok()
}

/// A connection to the server, ready for a query. The server must trust local users.
async fn log_in(options: &PgConnectOptions) -> TcpStream {
    let address = (options.get_host().to_owned(), options.get_port());
    let mut server = TcpStream::connect(address).await.unwrap();
    let mut start = 0x0003_0000_u32.to_be_bytes().to_vec();
    let database = options.get_database().unwrap();
    for text in ["user", options.get_username(), "database", database] {
        start.extend_from_slice(text.as_bytes());
        start.push(0);
    }
    start.push(0);
    send(&mut server, 0, &start).await.unwrap();
    while message(&mut server, true).await.expect("the server takes us").0 != b'Z' {}
    server
}

/// Serves a client to its end.
async fn carry(mut client: TcpStream, free: Free) -> Option<()> {
    // TLS is asked for first, and not given.
    loop {
        let (_, body) = message(&mut client, false).await?;
        if body.starts_with(&80_877_103_u32.to_be_bytes()) {
            client.write_all(b"N").await.ok()?;
        } else {
            break;
        }
    }
    send(&mut client, b'R', &0_u32.to_be_bytes()).await?;
    send(&mut client, b'S', b"server_version\x0016.0\0").await?;
    send(&mut client, b'K', &[0; 8]).await?;
    send(&mut client, b'Z', b"I").await?;
    let mut held: Option<TcpStream> = None;
    loop {
        let (kind, body) = message(&mut client, true).await?;
        if kind == b'X' {
            return Some(());
        }
        let mut server = match held.take() {
            Some(server) => server,
            None => take(&free).await,
        };
        send(&mut server, kind, &body).await?;
        // A query, or a Sync that ends a batch: then the server answers to the end.
        if kind != b'Q' && kind != b'S' {
            held = Some(server);
            continue;
        }
        let status = loop {
            let (kind, body) = message(&mut server, true).await?;
            send(&mut client, kind, &body).await?;
            if kind == b'Z' {
                break body[0];
            }
        };
        match status {
            b'I' => free.lock().await.push_front(server),
            _ => held = Some(server),
        }
    }
}

async fn take(free: &Free) -> TcpStream {
    loop {
        if let Some(server) = free.lock().await.pop_front() {
            return server;
        }
        tokio::task::yield_now().await;
    }
}
