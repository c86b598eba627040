//! A service on this machine for tests: it answers as it is told, and knows who came.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use url::Url;

use crate::clock;
use crate::config::HostPort;

/// How long a test waits for what must come.
const DEADLINE: Duration = Duration::from_secs(20);

/// What the service does with one connection.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// Sends this and closes.
    Text(String),
    /// Sends the first, then the second again and again until the other side is gone.
    Drip(String, String),
    /// Says nothing until the other side is gone.
    Silence,
    /// Closes the connection without an answer.
    Close,
}

/// A status line, headers and a body.
pub(crate) fn reply(status: u16, headers: &str, body: &str) -> Reply {
    let length = body.len();
    Reply::Text(format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {length}\r\n\r\n{body}"))
}

/// Answers 200 with this JSON.
pub(crate) fn json(body: &serde_json::Value) -> Reply {
    reply(200, "Content-Type: application/json\r\n", &body.to_string())
}

/// Answers with a redirect to this address.
pub(crate) fn redirect(status: u16, to: &str) -> Reply {
    reply(status, &format!("Location: {to}\r\n"), "")
}

/// A service that answers its connections in turn; the last reply is the one for all after it.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    /// What each connection asked, as it came.
    asked: Arc<Mutex<Vec<String>>>,
    /// How many connections the other side has closed.
    gone: watch::Receiver<usize>,
    /// How many connections came.
    came: watch::Receiver<usize>,
}

impl Service {
    pub(crate) async fn start(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (went, gone) = watch::channel(0);
        let (comes, came) = watch::channel(0);
        let seen = Arc::clone(&asked);
        clock::spawn(async move {
            let mut replies = replies.into_iter();
            let mut last = Reply::Close;
            while let Ok((stream, _)) = listener.accept().await {
                comes.send_modify(|count| *count += 1);
                last = replies.next().unwrap_or(last);
                clock::spawn(serve(stream, last.clone(), Arc::clone(&seen), went.clone()));
            }
        });
        Self { address, asked, gone, came }
    }

    pub(crate) fn url(&self, path: &str) -> Url {
        format!("http://{}{path}", self.address).parse().unwrap()
    }

    /// The service as one that may be reached although private.
    pub(crate) fn allowed(&self) -> HostPort {
        HostPort::parse(&self.address.to_string()).unwrap()
    }

    /// What was asked so far, one text for each connection that asked something.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// How many connections came so far.
    pub(crate) fn connections(&self) -> usize {
        *self.came.borrow()
    }

    /// Waits until so many connections came.
    pub(crate) async fn wait_for_connections(&mut self, count: usize) {
        let came = self.came.wait_for(|came| *came >= count);
        clock::within(DEADLINE, came).await.expect("they come in time").unwrap();
    }

    /// Waits until the other side has closed so many connections that were kept open for it.
    pub(crate) async fn wait_for_gone(&mut self, count: usize) {
        let gone = self.gone.wait_for(|gone| *gone >= count);
        clock::within(DEADLINE, gone).await.expect("they go in time").unwrap();
    }
}

async fn serve(
    mut stream: TcpStream,
    reply: Reply,
    asked: Arc<Mutex<Vec<String>>>,
    went: watch::Sender<usize>,
) {
    let request = read_request(&mut stream).await;
    asked.lock().unwrap().push(request);
    match reply {
        Reply::Text(text) => {
            let _ = stream.write_all(text.as_bytes()).await;
            let _ = stream.shutdown().await;
            // Closing with something unread would reset what was sent.
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
        Reply::Drip(first, again) => {
            let _ = stream.write_all(first.as_bytes()).await;
            while stream.write_all(again.as_bytes()).await.is_ok() {
                clock::pause(Duration::from_millis(5)).await;
            }
            went.send_modify(|count| *count += 1);
        }
        Reply::Silence => {
            let _ = stream.read_to_end(&mut Vec::new()).await;
            went.send_modify(|count| *count += 1);
        }
        Reply::Close => {}
    }
}

/// A request with its body.
async fn read_request(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&request);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.and_then(|length| length.parse().ok()).unwrap_or(0) {
                return text.into_owned();
            }
        }
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return text.into_owned(),
            Ok(count) => request.extend_from_slice(&piece[..count]),
        }
    }
}
