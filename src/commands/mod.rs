//! The commands of the binary.

pub mod demo;
pub mod dial;
pub mod migrate;
pub mod rehearse;
pub mod serve;

use tracing_subscriber::EnvFilter;

/// Done when the process is told to end, by SIGTERM or SIGINT.
pub async fn shutdown_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        // Without signals only the kernel can end the process.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

/// Starts the log on standard error; `RUST_LOG` says how much.
fn start_log(default: &str) {
    let mut filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    // Below this the libraries print what goes over the wire, which is what callers say.
    for library in ["tungstenite", "tokio_tungstenite", "hyper", "hyper_util", "reqwest", "sqlx"] {
        if let Ok(directive) = format!("{library}=info").parse() {
            filter = filter.add_directive(directive);
        }
    }
    // A test may have started one.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .try_init();
}
