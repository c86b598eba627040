//! The accept loop. hyper directly rather than through a wrapper, so that an upgraded connection
//! is a plain TCP stream.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt, StreamExt};
use http::{Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::TokioTimer;
use hyper_util::service::TowerToHyperService;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tracing::{debug, warn};

use super::at_once::Turn;
use super::connection::Connection;
use super::places::{Place, Places};
use super::rejections;
use super::session::PeerAddress;
use crate::clock;

/// How long a client may take to send a request's head.
const HEAD_LIMIT: Duration = Duration::from_secs(10);
/// The largest body that brings a document, bytes: 25 MiB of it as base64. And how long it may take.
pub const UPLOAD_BYTES: usize = 35 << 20;
const UPLOAD_TIME: std::time::Duration = std::time::Duration::from_secs(120);

/// The longest head, and how much of answers that nobody reads waits, in bytes.
const BUFFER_BYTES: usize = 16 * 1024;
/// How much of unfinished bodies may be in memory at once, in bytes.
const BODIES_BYTES: usize = 32 * 1024 * 1024;
/// How long a connection that is not upgraded lives: then it answers what it has been asked and is
/// closed, also where there are always more requests.
const LIFE: Duration = Duration::from_secs(10 * 60);

/// How much the kernel holds of what a connection has not taken, in bytes; it takes twice that for
/// itself. It is as much of the agent's audio as a caller's interruption comes too late for, some
/// five seconds that Twilio has not read, and it is full soon when a peer reads no more.
const SEND_BUFFER_BYTES: u32 = 64 * 1024;
/// After how long without a word the kernel asks whether a peer is there, and how often it asks again.
const ASK_AFTER: Duration = Duration::from_secs(15);
const ASK_EVERY: Duration = Duration::from_secs(5);
/// How long a peer may leave what was sent to it without a sign. A telephone that goes into a tunnel closes
/// nothing: what watches live calls would hold its place for minutes.
const GONE_AFTER: Duration = Duration::from_secs(20);
/// How long requests that are being answered may take once no more are taken.
const LAST_REQUESTS_LIMIT: Duration = Duration::from_secs(6);
/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;

/// What clients may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections that are not upgraded. Beyond, one that does nothing makes way for another.
    pub connections: usize,
    /// The longest body of a request, in bytes.
    pub body_bytes: usize,
    /// How long a body may take to come.
    pub body_time: Duration,
}

/// Listens at `address`.
///
/// # Errors
/// It cannot be listened on.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    // Connections have what their listener has.
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    notice_who_is_gone(&socket)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Has the kernel notice peers that went without a word.
fn notice_who_is_gone(socket: &TcpSocket) -> io::Result<()> {
    let socket = SockRef::from(socket);
    let asking = TcpKeepalive::new().with_time(ASK_AFTER).with_interval(ASK_EVERY);
    socket.set_tcp_keepalive(&asking)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(GONE_AFTER))?;
    Ok(())
}

/// Serves `router` on `listener` until `stop`. Requests that have come by then are answered, for
/// some seconds at most: a webhook without an answer is a caller without one.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    stop: impl Future<Output = ()>,
) {
    let places = Places::new(limits.connections, BODIES_BYTES);
    let (stopping, stopped) = watch::channel(false);
    let begin = |stream, peer: SocketAddr, place| {
        let from = PeerAddress(peer.ip());
        clock::spawn(converse(stream, from, router.clone(), limits, stopped.clone(), place));
    };
    tokio::pin!(stop);
    loop {
        let accepted = async {
            let (stream, peer) = listener.accept().await?;
            Ok::<_, io::Error>((stream, peer, places.wait_for(peer.ip()).await))
        };
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = accepted => accepted,
        };
        match accepted {
            Ok((stream, peer, place)) => begin(stream, peer, place),
            Err(error) => {
                // Out of file descriptors, most likely: others must end first.
                warn!(%error, "a connection could not be accepted");
                places.make_room();
                clock::pause(Duration::from_millis(100)).await;
            }
        }
    }
    // Those that are connected and were not accepted yet have sent their request already.
    while let Some(Ok((stream, peer))) = listener.accept().now_or_never()
        && let Some(place) = places.take(peer.ip())
    {
        begin(stream, peer, place);
    }
    drop(listener);
    stopping.send_replace(true);
    if clock::within(LAST_REQUESTS_LIMIT, places.empty()).await.is_none() {
        warn!("some requests were not answered in time");
    }
}

/// Answers the requests of one connection; once `stopped`, the one that it has.
async fn converse(
    stream: TcpStream,
    from: PeerAddress,
    router: Router,
    limits: Limits,
    mut stopped: watch::Receiver<bool>,
    place: Place,
) {
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "a connection keeps its delay");
    }
    let (place, router) = (&place, &TowerToHyperService::new(router));
    let service = service_fn(|request| async move {
        Ok::<_, Infallible>(answer(router, from, request, limits, place).await)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(Connection::new(stream), service)
        .with_upgrades();
    tokio::pin!(connection);
    let last = async {
        // The sender's end counts as well.
        let _ = clock::within(LIFE, stopped.wait_for(|stopped| *stopped)).await;
    };
    let ended = tokio::select! {
        // What has come is read before it is looked whether more may come.
        biased;
        ended = &mut connection => Some(ended),
        () = place.dismissed() => return,
        () = last => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = connection => ended,
                () = place.dismissed() => return,
            }
        }
    };
    if let Err(error) = ended {
        debug!(%error, "a connection ended badly");
    }
}

/// Answers a request once all of it is there: until then its connection waits, and may be closed
/// for another one.
async fn answer(
    router: &TowerToHyperService<Router>,
    from: PeerAddress,
    request: Request<Incoming>,
    limits: Limits,
    place: &Place,
) -> Response {
    let (mut head, body) = request.into_parts();
    // Handlers count what an address asks for.
    head.extensions.insert(from);
    let turn = Turn::default();
    head.extensions.insert(turn.clone());
    let is_upload = is_upload(&head);
    let bytes_max = if is_upload { limits.body_bytes.max(UPLOAD_BYTES) } else { limits.body_bytes };
    let time = if is_upload { limits.body_time.max(UPLOAD_TIME) } else { limits.body_time };
    let reading = read(body, bytes_max, place);
    let body = match clock::within(time, reading).await {
        Some(Ok(body)) => body,
        Some(Err(status)) => return rejections::of_body(head.uri.path(), status),
        None => return rejections::of_body(head.uri.path(), StatusCode::REQUEST_TIMEOUT),
    };
    place.waits(false);
    let answered = router.call(Request::from_parts(head, Body::from(body))).await;
    place.waits(true);
    turn.over();
    answered.unwrap_or_else(|never| match never {})
}

/// Whether somebody who says who they are sends a document: those are larger, and take longer.
fn is_upload(head: &http::request::Parts) -> bool {
    let path = head.uri.path();
    let is_place = (path.starts_with("/knowledge/") && path.ends_with("/sources/file"))
        || (path.starts_with("/api/v1/agents/") && path.ends_with("/sources"));
    let says_who = [http::header::COOKIE, http::header::AUTHORIZATION];
    head.method == http::Method::POST
        && is_place
        && says_who.iter().any(|name| head.headers.contains_key(name))
}

async fn read(body: Incoming, bytes_max: usize, place: &Place) -> Result<Bytes, StatusCode> {
    let mut parts = Body::new(body).into_data_stream();
    let mut whole = BytesMut::new();
    while let Some(part) = parts.next().await {
        let part = part.map_err(|_| StatusCode::BAD_REQUEST)?;
        if whole.len() + part.len() > bytes_max {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        place.body(part.len());
        whole.extend_from_slice(&part);
    }
    Ok(whole.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn peers_that_go_without_a_word_are_noticed() {
        let listener = listen(([127, 0, 0, 1], 0).into()).expect("a port");
        let address = listener.local_addr().expect("its address");
        let (_client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (stream, _) = accepted.expect("it connects");
        let socket = SockRef::from(&stream);
        assert!(socket.keepalive().expect("it is asked"));
        assert_eq!(socket.tcp_keepalive_time().expect("it is asked"), ASK_AFTER);
        #[cfg(target_os = "linux")]
        assert_eq!(socket.tcp_user_timeout().expect("it is asked"), Some(GONE_AFTER));
    }
}
