//! The media stream's connection: how it is opened, and how leave is taken of it.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::placed::PlacedCall;
use super::script::StreamFault;
use super::stream::{CLOSE_LIMIT, Media, StreamEnd};
use super::webhook::{self, Signing};
use crate::clock::{self, within};
use crate::rehearsal::phone::media_peer;
use crate::socket::small_buffers;

/// How long the handshake may take.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// The largest message that is read: more than a minute of audio.
const MESSAGE_BYTES: usize = 1024 * 1024;

/// A media stream's socket.
pub(super) type Connection = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Opens the stream at `url`.
pub(super) async fn open(call: &PlacedCall, url: &str) -> Result<Connection, String> {
    let mut request = url.into_client_request().map_err(|error| error.to_string())?;
    let headers = request.headers_mut();
    headers.insert("user-agent", http::HeaderValue::from_static("TwilioProxy/1.1"));
    if let Some(signature) = webhook::sign(&call.options, url, &[], Signing::AuthToken)
        && let Ok(signature) = signature.parse()
    {
        headers.insert("x-twilio-signature", signature);
    }
    let config = small_buffers(MESSAGE_BYTES);
    let connecting = tokio_tungstenite::connect_async_with_config(request, Some(config), true);
    // Boxed: 20 KiB that a call needs for its handshake only.
    match within(HANDSHAKE_LIMIT, Box::pin(connecting)).await {
        Some(Ok((socket, _))) => Ok(socket),
        Some(Err(tungstenite::Error::Http(response))) => {
            Err(format!("the handshake was answered with status {}", response.status().as_u16()))
        }
        Some(Err(error)) => Err(error.to_string()),
        None => Err("the handshake was not answered within 10 s".to_owned()),
    }
}

impl Media<'_> {
    /// Takes leave as the end demands. What goes wrong here changes nothing any more.
    pub(super) async fn close(mut self, end: &StreamEnd) {
        if let StreamEnd::Dropped(_) = end {
            return;
        }
        if *end == StreamEnd::RangAgain {
            // The first stream stays until the server has had enough of it.
            let mut socket = self.socket;
            clock::spawn(async move { while let Some(Ok(_)) = socket.next().await {} });
            return;
        }
        let leave = async {
            if matches!(end, StreamEnd::CallerHungUp | StreamEnd::Moved(_))
                && self.call.options.stream_fault != StreamFault::NoStart
            {
                self.sequence += 1;
                let stop = media_peer::stop(&self.ids, self.sequence);
                self.socket.send(stop.into()).await?;
            }
            // An error when the server closed first; its close is answered by reading on.
            let _ = self.socket.close(None).await;
            while let Some(Ok(_)) = self.socket.next().await {}
            Ok::<_, tungstenite::Error>(())
        };
        let _ = within(CLOSE_LIMIT, leave).await;
    }
}
