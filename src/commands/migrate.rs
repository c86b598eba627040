//! `frontdesk migrate`: brings the database's schema up to date.

use std::process::ExitCode;
use std::str::FromStr;

use secrecy::ExposeSecret;
use sqlx::postgres::PgConnectOptions;

use super::start_log;
use crate::config::{Config, ConfigError};
use crate::store::Store;
use crate::store::migrate::{MigrateError, migrate};

/// Why nothing was migrated.
#[derive(Debug, thiserror::Error)]
pub enum MigrateCommandError {
    /// A variable cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There is no database to migrate.
    #[error(
        "DATABASE_URL: not set, or not an address that can be used; accepted: postgres://user:password@host:5432/database"
    )]
    DatabaseUrl,
    /// The migration failed.
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
    let url = config.database_url.ok_or(MigrateCommandError::DatabaseUrl)?;
    let options = PgConnectOptions::from_str(url.expose_secret())
        .map_err(|_| MigrateCommandError::DatabaseUrl)?;
    let store = Store::connect_lazily(options, 2);
    let report = migrate(store.pool()).await?;
    println!(
        "migrated: {} migrations applied, {} embeddings tables brought up to date",
        report.migrations, report.embeddings_tables
    );
    Ok(ExitCode::SUCCESS)
}
