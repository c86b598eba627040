//! The accept loop. hyper directly rather than through a wrapper, so that an upgraded connection
//! is a plain TCP stream.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use futures_util::FutureExt;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore, watch};
use tracing::{debug, warn};

use crate::clock;

/// How long a client may take to send a request's head.
const HEAD_LIMIT: Duration = Duration::from_secs(10);

/// How much the kernel holds of what a connection has not taken, in bytes; it takes twice that for
/// itself. It is as much of the agent's audio as a caller's interruption comes too late for, some
/// five seconds that Twilio has not read, and it is full soon when a peer reads no more.
const SEND_BUFFER_BYTES: u32 = 64 * 1024;
/// How long requests that are being answered may take once no more are taken.
const LAST_REQUESTS_LIMIT: Duration = Duration::from_secs(6);
/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;

/// Listens at `address`.
///
/// # Errors
/// It cannot be listened on.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    // Connections have what their listener has.
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves `router` on `listener` until `stop`, with at most `connections_max` connections that are
/// not upgraded; more wait to be accepted. Requests that have come by then are answered, for some
/// seconds at most: a webhook without an answer is a caller without one.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    connections_max: usize,
    stop: impl Future<Output = ()>,
) {
    let places = Arc::new(Semaphore::new(connections_max));
    let (stopping, stopped) = watch::channel(false);
    tokio::pin!(stop);
    loop {
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            () = &mut stop => break,
            accepted = accepted => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file descriptors, most likely: others must end first.
                warn!(%error, "a connection could not be accepted");
                clock::pause(Duration::from_millis(100)).await;
                continue;
            }
        };
        clock::spawn(converse(stream, router.clone(), stopped.clone(), place));
    }
    // Those that are connected and were not accepted yet have sent their request already.
    while let (Ok(place), Some(Ok((stream, _)))) =
        (Arc::clone(&places).try_acquire_owned(), listener.accept().now_or_never())
    {
        clock::spawn(converse(stream, router.clone(), stopped.clone(), Ok(place)));
    }
    drop(listener);
    stopping.send_replace(true);
    let all = u32::try_from(connections_max).unwrap_or(u32::MAX);
    if clock::within(LAST_REQUESTS_LIMIT, places.acquire_many(all)).await.is_none() {
        warn!("some requests were not answered in time");
    }
}

/// Answers the requests of one connection; once `stopped`, the one that it has.
async fn converse(
    stream: TcpStream,
    router: Router,
    mut stopped: watch::Receiver<bool>,
    place: Result<OwnedSemaphorePermit, AcquireError>,
) {
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "a connection keeps its delay");
    }
    let service = TowerToHyperService::new(router);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .max_buf_size(64 * 1024)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(connection);
    let stopping = async {
        // The sender's end counts as well.
        let _ = stopped.wait_for(|stopped| *stopped).await;
    };
    let ended = tokio::select! {
        // What has come is read before it is looked whether more may come.
        biased;
        ended = &mut connection => Some(ended),
        () = stopping => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%error, "a connection ended badly");
    }
    drop(place);
}
