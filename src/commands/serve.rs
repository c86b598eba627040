//! `frontdesk serve`: the server.

use std::process::ExitCode;

use super::{shutdown_signal, start_log};
use crate::app::{App, StartError};
use crate::clock::Clock;
use crate::config::{Config, ConfigError};

/// Why the server does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A variable cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// It does not start.
    #[error(transparent)]
    Start(#[from] StartError),
}

/// Serves until SIGTERM or SIGINT, then drains; a second signal cuts that short.
///
/// # Errors
/// What stands in the way of starting.
pub async fn run() -> Result<ExitCode, ServeError> {
    let config = Config::from_environment()?;
    start_log(&config, "info");
    // A first signal during the start must not be lost.
    let told_to_end = shutdown_signal();
    let app = App::start(config, Clock::real()).await?;
    told_to_end.await;
    app.shut_down(shutdown_signal()).await;
    Ok(ExitCode::SUCCESS)
}
