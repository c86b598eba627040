//! A balancer in front of servers: each connection goes to one of them.
#![allow(
    dead_code,
    clippy::allow_attributes,
    reason = "each test program compiles this file and uses its own part of it"
)]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use frontdesk::clock;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

/// The balancer.
pub(crate) struct Balancer {
    address: SocketAddr,
    servers: Arc<Mutex<Vec<SocketAddr>>>,
}

impl Balancer {
    /// Each connection goes to the first server that takes it.
    pub(crate) async fn start() -> Self {
        Self::new(false).await
    }

    /// It learns slowly: each server but the last one gets one more connection.
    pub(crate) async fn slow() -> Self {
        Self::new(true).await
    }

    async fn new(is_slow: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let servers: Arc<Mutex<Vec<SocketAddr>>> = Arc::default();
        let known = Arc::clone(&servers);
        clock::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let order = known.lock().unwrap().clone();
                if is_slow && order.len() > 1 {
                    known.lock().unwrap().remove(0);
                }
                clock::spawn(carry(client, order));
            }
        });
        Self { address, servers }
    }

    /// What the servers' public URL is.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// New connections go to these.
    pub(crate) fn to(&self, servers: &[SocketAddr]) {
        *self.servers.lock().unwrap() = servers.to_vec();
    }
}

async fn carry(mut client: TcpStream, order: Vec<SocketAddr>) {
    for server in order {
        if let Ok(mut server) = TcpStream::connect(server).await {
            let _ = copy_bidirectional(&mut client, &mut server).await;
            return;
        }
    }
}
