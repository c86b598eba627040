//! `frontdesk serve`: the server.

use std::process::ExitCode;

use tracing::{error, warn};

use super::doctor::page::examiner;
use super::say::say;
use super::{shutdown_signal, start_log, variables};
use crate::app::{App, StartError};
use crate::clock::Clock;
use crate::config::{Config, ConfigError, Misspelt, misspelt};

/// Why the server does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A variable cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// It does not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// It was told to end before it served.
    #[error("interrupted")]
    Interrupted,
}

/// Serves until SIGTERM or SIGINT, then drains; a second signal cuts that short. A task that ends
/// before that shuts the server down too, and it fails.
///
/// # Errors
/// What stands in the way of starting.
pub async fn run() -> Result<ExitCode, ServeError> {
    let config = Config::from_environment()?;
    start_log(&config, "info");
    advise(&config);
    let examiner = examiner(config.clone());
    // A first signal during the start, which may have to fetch a PostgreSQL, must not be lost.
    let mut told_to_end = std::pin::pin!(shutdown_signal());
    let app = tokio::select! {
        app = App::start(config, Clock::real()) => app?,
        () = &mut told_to_end => return Err(ServeError::Interrupted),
    };
    app.examine_with(examiner);
    first_link(&app).await;
    let ended = tokio::select! {
        () = told_to_end => None,
        task = app.failure() => Some(task),
    };
    match ended {
        None => {
            app.shut_down(shutdown_signal()).await;
            Ok(ExitCode::SUCCESS)
        }
        Some(task) => {
            error!(task, "a task has ended that runs as long as the server does: it goes down");
            // Nothing is waited for: what the task did is not being done. Calls go on elsewhere.
            app.shut_down(std::future::ready(())).await;
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Prints a sign-in link as long as nobody has ever signed in. On standard output: it is no line of
/// the log, which others may read.
async fn first_link(app: &App) {
    match app.first_sign_in_link().await {
        Ok(Some(link)) => say!("Sign in to the console as its admin, once, within an hour: {link}"),
        Ok(None) => {}
        // The log says it of the database already; `frontdesk token` makes a link later.
        Err(error) if error.is_away() => {}
        Err(error) => warn!(%error, "no sign-in link could be made"),
    }
}

/// Says what is likely to be a mistake.
fn advise(config: &Config) {
    for advice in config.advice() {
        warn!("{advice}");
    }
    let misspelt: Vec<String> = misspelt(variables())
        .into_iter()
        .map(|Misspelt { name, meant }| format!("{name} (is {meant} meant?)"))
        .collect();
    if !misspelt.is_empty() {
        warn!("variables that are set and not read: {}", misspelt.join(", "));
    }
}
