//! `frontdesk recount`: counts the calls of each day anew.

use std::process::ExitCode;

use uuid::Uuid;

use super::say::say;
use super::{NoDatabase, open_database, start_log};
use crate::config::{Config, ConfigError};
use crate::store::StoreError;

/// Which agents.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The agents (voice_agents.id) whose days are counted anew; all without one
    agents: Vec<Uuid>,
}

/// Why not all was counted.
#[derive(Debug, thiserror::Error)]
pub enum RecountError {
    /// A variable cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The database cannot be opened.
    #[error(transparent)]
    NoDatabase(#[from] NoDatabase),
    /// There is no such agent.
    #[error("{0}: no agent has this id; accepted is an id of voice_agents")]
    NoAgent(Uuid),
    /// The database failed; the agents that were told of before are counted.
    #[error("{0}; has `frontdesk migrate` been run on this database?")]
    Store(#[from] StoreError),
}

/// Counts. Calls go on meanwhile; those of an agent that are over cannot be changed while it is counted.
///
/// # Errors
/// What stands in the way, in one line.
pub async fn run(arguments: Arguments) -> Result<ExitCode, RecountError> {
    let config = Config::from_environment()?;
    start_log(&config, "warn");
    let store = open_database(&config).await?;
    let all = store.all_agents().await?;
    if let Some(unknown) = arguments.agents.iter().find(|id| !all.contains(id)) {
        return Err(RecountError::NoAgent(*unknown));
    }
    let agents = if arguments.agents.is_empty() { all } else { arguments.agents };
    for agent in &agents {
        let days = store.recount(*agent).await?;
        say!("{agent}: {days} days");
    }
    say!("recounted: {} agents", agents.len());
    Ok(ExitCode::SUCCESS)
}
