//! A wire to the database that can be cut and joined again.

use std::net::SocketAddr;
use std::pin::pin;

use frontdesk::clock;
use sqlx::postgres::PgConnectOptions;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// The wire.
pub(crate) struct Proxy {
    state: watch::Sender<Wire>,
    address: SocketAddr,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Wire {
    Joined,
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
        clock::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                clock::spawn(carry(client, target.clone(), watched.clone()));
            }
        });
        Self { state, address }
    }

    pub(crate) fn options(&self, options: PgConnectOptions) -> PgConnectOptions {
        options.host(&self.address.ip().to_string()).port(self.address.port())
    }

    pub(crate) fn set(&self, state: Wire) {
        self.state.send_replace(state);
    }
}

async fn carry(mut client: TcpStream, target: (String, u16), mut state: watch::Receiver<Wire>) {
    let Ok(mut server) = TcpStream::connect(target).await else { return };
    let mut copying = pin!(copy_bidirectional(&mut client, &mut server));
    loop {
        let wire = *state.borrow_and_update();
        let changed = match wire {
            Wire::Cut => return,
            Wire::Stalled => state.changed().await,
            Wire::Joined => tokio::select! {
                _ = &mut copying => return,
                changed = state.changed() => changed,
            },
        };
        if changed.is_err() {
            return;
        }
    }
}
