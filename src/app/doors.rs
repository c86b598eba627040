//! Where the server listens: one port for Twilio and operators, perhaps one for the metrics alone.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::StartError;
use crate::clock::Supervisor;
use crate::config::Config;
use crate::web::{AppState, limits, metrics_router, router, serve};

/// Connections to a port that has the metrics to itself.
const METRICS_CONNECTIONS: usize = 64;

/// The sockets that are listened on.
pub(super) struct Doors {
    /// Where the first one is.
    pub(super) address: SocketAddr,
    main: TcpListener,
    metrics: Option<TcpListener>,
}

impl Doors {
    /// Listens, and takes no connection yet.
    pub(super) fn open(config: &Config) -> Result<Self, StartError> {
        let address = SocketAddr::new(config.bind, config.port);
        let listening = |source| StartError::Listen { address, source };
        let main = serve::listen(address).map_err(listening)?;
        let address = main.local_addr().map_err(listening)?;
        let metrics = config.metrics_bind.map(|address| {
            serve::listen(address).map_err(|source| StartError::Metrics { address, source })
        });
        Ok(Self { address, main, metrics: metrics.transpose()? })
    }

    /// Serves, until the sender says so or is dropped.
    pub(super) fn serve(
        self,
        tasks: &Supervisor,
        state: Arc<AppState>,
        calls_max: usize,
        background: &mut Vec<JoinHandle<()>>,
    ) -> (oneshot::Sender<()>, JoinHandle<()>) {
        let (stop_serving, stopped) = oneshot::channel::<()>();
        let metrics_apart = self.metrics.is_some();
        if let Some(listener) = self.metrics {
            let (routes, never) = (metrics_router(Arc::clone(&state)), std::future::pending());
            let limits = limits(METRICS_CONNECTIONS);
            background.push(tasks.spawn("metrics", serve::serve(listener, routes, limits, never)));
        }
        let (routes, limits) = (router(state, !metrics_apart), limits(calls_max * 2 + 1000));
        let stopped = async {
            // A dropped sender means stop, too.
            let _ = stopped.await;
        };
        let serving = serve::serve(self.main, routes, limits, stopped);
        (stop_serving, tasks.spawn("serving", serving))
    }
}
