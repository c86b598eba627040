//! Strangers who open connections and do nothing, or ask and do not read, keep nobody out.

use std::net::SocketAddr;
use std::time::Duration;

use frontdesk::clock::{self, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::harness::{DEADLINE, House, Plan};

/// What others are answered within while a crowd is there. A place that is freed by a limit on heads
/// or bodies is free later than that.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// A server with the fewest places: 1,002.
async fn small_house() -> House {
    House::open(Plan { calls_max: 1, ..Plan::default() }).await
}

async fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    // What the server sends has no room at our end.
    socket.set_recv_buffer_size(4 * 1024).unwrap();
    socket.connect(address).await.unwrap()
}

/// Asks on a connection of its own, and gives the status.
async fn status(house: &House, path: &str) -> u16 {
    let http = reqwest::Client::new();
    let asking = http.get(format!("http://{}{path}", house.app.address)).send();
    within(ANSWER_LIMIT, asking).await.expect("an answer in time").unwrap().status().as_u16()
}

#[tokio::test]
async fn connections_that_do_nothing_make_way() {
    let house = small_house().await;
    let mut idle = Vec::new();
    for _ in 0..1_200 {
        idle.push(connect(house.app.address).await);
    }
    // All places are taken, and nobody gives one back.
    assert_eq!(status(&house, "/healthz").await, 200);
    let posting = house.post("/twilio/voice", &[("CallSid", "x")], None);
    let (status, _) = within(ANSWER_LIMIT, posting).await.expect("an answer in time");
    assert_ne!(status, 503);
    // One of those that came first was closed for it.
    let mut byte = [0];
    let read = within(DEADLINE, idle[0].read(&mut byte)).await.expect("it is closed");
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
}

#[tokio::test]
async fn connections_that_ask_and_do_not_read_make_way() {
    let house = small_house().await;
    let mut deaf = Vec::new();
    for _ in 0..1_200 {
        let mut stream = connect(house.app.address).await;
        // Whoever was made to leave meanwhile has had its answer.
        let _ = stream.write_all(&b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n".repeat(40)).await;
        deaf.push(stream);
    }
    assert_eq!(status(&house, "/healthz").await, 200);
}

#[tokio::test]
async fn bodies_that_do_not_end_make_way() {
    let house = small_house().await;
    let mut slow = Vec::new();
    for _ in 0..1_200 {
        let mut stream = connect(house.app.address).await;
        let head = "POST /twilio/voice HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n1";
        let _ = stream.write_all(head.as_bytes()).await;
        slow.push(stream);
    }
    assert_eq!(status(&house, "/healthz").await, 200);
}

#[tokio::test]
async fn the_numbers_can_have_a_port_of_their_own() {
    let port = clock::spawn(async {
        let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        free.local_addr().unwrap()
    });
    let address = port.await.unwrap();
    let environment = vec![("METRICS_BIND", address.to_string())];
    let house = House::open(Plan { environment, ..Plan::default() }).await;
    assert_eq!(status(&house, "/metrics").await, 404);
    assert_eq!(status(&house, "/healthz").await, 200);
    let numbers = reqwest::get(format!("http://{address}/metrics")).await.unwrap();
    assert_eq!(numbers.status(), 200);
    let elsewhere = reqwest::get(format!("http://{address}/twilio/voice")).await.unwrap();
    assert_eq!(elsewhere.status(), 404);
}
