//! `frontdesk migrate`: brings the database's schema up to date.

use std::process::ExitCode;

use secrecy::ExposeSecret;

use super::say::say;
use super::{start_log, store_at};
use crate::config::{Config, ConfigError};
use crate::store::finish::finish;
use crate::store::migrate::{MigrateError, migrate};
use crate::store::{BadAddress, Trouble};

/// Why nothing was migrated.
#[derive(Debug, thiserror::Error)]
pub enum MigrateCommandError {
    /// A variable cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The database's address cannot be used.
    #[error("DATABASE_URL: {0}")]
    DatabaseUrl(#[from] BadAddress),
    /// There is no database to migrate.
    #[error("DATABASE_URL: not set; accepted: postgres://user:password@host:5432/database")]
    NoDatabase,
    /// There is no way into the database.
    #[error("DATABASE_URL: {0}")]
    Trouble(Trouble),
    /// The migration failed; the error says at what.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
}

/// Migrates `DATABASE_URL`.
///
/// # Errors
/// What stands in the way, in one line.
pub async fn run() -> Result<ExitCode, MigrateCommandError> {
    let config = Config::from_environment()?;
    start_log(&config, "warn");
    let url = config.database_url.as_ref().ok_or(MigrateCommandError::NoDatabase)?;
    let store = store_at(&config, url.expose_secret(), 2)?;
    if let Some(trouble) = store.trouble().await {
        return Err(MigrateCommandError::Trouble(trouble));
    }
    let report = migrate(store.pool()).await?;
    say!(
        "migrated: {} migrations applied, {} embeddings tables brought up to date",
        report.migrations,
        report.embeddings_tables
    );
    let finished = finish(store.pool()).await?;
    say!(
        "finished: {} indexes built, {} earlier calls read for their words and counted",
        finished.indexes,
        finished.calls
    );
    Ok(ExitCode::SUCCESS)
}
