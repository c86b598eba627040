//! The commands of the binary.

pub mod demo;
pub mod dial;
pub mod doctor;
pub mod migrate;
pub mod rehearse;
pub mod serve;

use std::future::Future;
use std::io::IsTerminal;

use tracing::{Level, Subscriber};
use tracing_subscriber::filter::{FilterExt, LevelFilter, filter_fn};
use tracing_subscriber::layer::{Filter, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt};

use crate::config::Config;

/// Done when the process is told to end, by SIGTERM or SIGINT. It listens from this call on, not
/// only once it is awaited; the call must be within the runtime.
pub fn shutdown_signal() -> impl Future<Output = ()> + Send + 'static {
    use tokio::signal::unix::{SignalKind, signal};
    let signals = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    async move {
        let (Ok(mut terminate), Ok(mut interrupt)) = signals else {
            // Without signals only the kernel can end the process.
            return std::future::pending().await;
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
}

/// Starts the log on standard error, filtered as the configuration says or by `default`.
fn start_log(config: &Config, default: &str) {
    let filter = log_filter(config.log_filter.as_deref().unwrap_or(default));
    let lines = fmt::layer()
        .with_writer(std::io::stderr)
        // A file and a collector want the words, not their colours.
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .with_filter(filter);
    // A test may have started one.
    let _ = tracing_subscriber::registry().with(lines).try_init();
}

/// What is logged, of what the words of a filter ask for. Below `info` libraries print what goes
/// over the wire, which is what callers say; and what a database raises as a notice may hold rows.
pub fn log_filter<S: Subscriber>(words: &str) -> impl Filter<S> + use<S> {
    let is_public = filter_fn(|metadata| {
        let target = metadata.target();
        let is_own = target == "frontdesk" || target.starts_with("frontdesk::");
        is_own || (*metadata.level() <= Level::INFO && target != "sqlx::postgres::notice")
    });
    // It asks for nothing by itself. Without this nobody could say which levels nobody wants, and
    // each frame of each call would be asked about, several times.
    let is_public = is_public.with_max_level_hint(LevelFilter::TRACE);
    EnvFilter::new(words).and(is_public)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, id};
    use std::time::Duration;

    use tracing_subscriber::Registry;

    use super::*;
    use crate::clock;

    #[test]
    fn levels_that_nobody_asked_for_cost_nothing() {
        for (words, most) in [
            ("info", LevelFilter::INFO),
            ("warn,frontdesk=debug", LevelFilter::DEBUG),
            ("trace", LevelFilter::TRACE),
        ] {
            assert_eq!(log_filter::<Registry>(words).max_level_hint(), Some(most), "{words}");
        }
    }

    #[tokio::test]
    async fn a_signal_before_the_first_wait_is_not_lost() {
        let told_to_end = shutdown_signal();
        let told = Command::new("kill").args(["-TERM", &id().to_string()]).status().unwrap();
        assert!(told.success());
        assert!(clock::within(Duration::from_secs(10), told_to_end).await.is_some());
    }
}
