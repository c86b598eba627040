//! The commands of the binary.

#[cfg(feature = "rehearsal")]
pub mod demo;
#[cfg(feature = "rehearsal")]
pub mod dial;
pub mod doctor;
pub mod log;
pub mod migrate;
pub mod recount;
#[cfg(feature = "rehearsal")]
pub mod rehearse;
pub mod runtime;
mod say;
pub mod serve;
pub mod token;
pub mod train;

use std::future::Future;
use std::io::IsTerminal;
use std::path::Path;

use secrecy::ExposeSecret;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::Config;
use crate::database;
use crate::store::vault::Vault;
use crate::store::{BadAddress, Store};

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

/// The names of the variables that are set.
fn variables() -> impl Iterator<Item = String> {
    std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned())
}

/// The program as it was started, for commands that are to be typed in the same folder: after `cargo run`
/// there is no `frontdesk` on the path.
#[cfg(feature = "rehearsal")]
fn program() -> String {
    let name = std::env::args().next().unwrap_or_default();
    // What a shell would read as something else is not offered to it.
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+~".contains(c);
    if !name.is_empty() && name.chars().all(is_plain) { name } else { "frontdesk".to_owned() }
}

/// Starts the log on standard error, filtered as the configuration says or by `default`.
fn start_log(config: &Config, default: &str) {
    let words = config.log_filter.as_deref().unwrap_or(default);
    // A file and a collector want the words, not their colours.
    let is_coloured = std::io::stderr().is_terminal();
    // A test may have started one.
    let _ = log::subscriber(words, is_coloured, std::io::stderr).try_init();
}

/// Why a command cannot open the database.
#[derive(Debug, thiserror::Error)]
pub enum NoDatabase {
    /// Its address cannot be used.
    #[error("DATABASE_URL: {0}")]
    DatabaseUrl(#[from] BadAddress),
    /// The program's own database does not run.
    #[error(
        "no server runs on the database in DATA_DIR ({0}): start `frontdesk serve` first, or set \
         DATABASE_URL"
    )]
    NotRunning(String),
}

/// The database at an address, with the key that opens what is sealed in it. A command opens none
/// without: it would take what is sealed for what is meant.
fn store_at(config: &Config, url: &str, connections: u32) -> Result<Store, BadAddress> {
    Ok(Store::at(url, connections)?.with_vault(Vault::of(config.secrets_key.as_ref())))
}

/// The same to the program's own database, whose socket is in this folder.
fn store_in(config: &Config, folder: &Path, connections: u32) -> Store {
    Store::in_folder(folder, connections).with_vault(Vault::of(config.secrets_key.as_ref()))
}

/// The database that is configured, or that a server on the same data folder runs.
async fn open_database(config: &Config) -> Result<Store, NoDatabase> {
    if let Some(url) = &config.database_url {
        return Ok(store_at(config, url.expose_secret(), 1)?);
    }
    match database::running(&config.data_dir).await {
        Some(address) => Ok(store_in(config, address.folder(), 1)),
        None => Err(NoDatabase::NotRunning(config.data_dir.display().to_string())),
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, id};
    use std::time::Duration;

    use super::*;
    use crate::clock;

    #[tokio::test]
    async fn a_signal_before_the_first_wait_is_not_lost() {
        let told_to_end = shutdown_signal();
        let told = Command::new("kill").args(["-TERM", &id().to_string()]).status().unwrap();
        assert!(told.success());
        assert!(clock::within(Duration::from_secs(10), told_to_end).await.is_some());
    }
}
