//! `frontdesk train`: teaches an agent what files and websites say.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use url::Url;
use uuid::Uuid;

use super::say::say;
use super::{NoDatabase, open_database, start_log};
use crate::clock;
use crate::config::{Config, ConfigError};
use crate::knowledge::Knowledge;
use crate::knowledge::training::Trainer;
use crate::store::sources::{FILE_BYTES_MAX, NewFile, NewSource, SourceRow, SourceType};
use crate::store::{Store, StoreError};

/// How often it is looked how far the work is.
const LOOK: Duration = Duration::from_millis(300);

/// How often in a row that may fail, each time for some seconds.
const FAILURES_MAX: u32 = 200;

/// What it is called with.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The agent (voice_agents.id) that is to learn
    #[arg(long)]
    agent: Uuid,
    /// Files, and addresses of pages or of PDFs; an address whose path is / is the whole website
    #[arg(required = true)]
    from: Vec<String>,
}

/// Why nothing was learned.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A variable cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The database cannot be opened.
    #[error(transparent)]
    NoDatabase(#[from] NoDatabase),
    /// There is no such agent.
    #[error("--agent: no agent has the id {0}; accepted is an id of voice_agents")]
    NoAgent(Uuid),
    /// A file cannot be read.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// Why not.
        source: std::io::Error,
    },
    /// A file is larger than is taken.
    #[error("{0}: accepted are files of at most 25 MB")]
    TooLarge(String),
    /// The agent has as many sources as it may have.
    #[error("{0}: the agent has as many sources as it may have; remove one first")]
    TooMany(String),
    /// This machine's TLS cannot be set up.
    #[error("TLS: {0}")]
    Tls(#[from] reqwest::Error),
    /// The database failed.
    #[error("{0}; has `frontdesk migrate` been run on this database?")]
    Store(#[from] StoreError),
}

/// Adds or renews the sources, and does the work on them until each is done or has failed.
///
/// # Errors
/// What stands in the way, in one line.
pub async fn run(arguments: Arguments) -> Result<ExitCode, TrainError> {
    let config = Config::from_environment()?;
    start_log(&config, "warn");
    let store = open_database(&config).await?;
    let agent = arguments.agent;
    if !store.all_agents().await?.contains(&agent) {
        return Err(TrainError::NoAgent(agent));
    }
    let mut wanted = Vec::new();
    for from in &arguments.from {
        let new = source_of(from).await?;
        let id = match store.source_like(agent, &new).await? {
            Some(id) => {
                store.renew_source(id, new.file.as_ref()).await?;
                id
            }
            None => {
                let id = store.add_source_here(agent, &new).await?;
                id.ok_or_else(|| TrainError::TooMany(from.clone()))?
            }
        };
        wanted.push((id, from.as_str()));
    }
    let knowledge = Knowledge::new(store.clone(), &config.openai, &config.models.embedding)?;
    let allowed = config.private_tool_urls.clone();
    let trainer = Trainer::new(store.clone(), Arc::new(knowledge), allowed, config.reader.clone())?;
    let work = clock::spawn(trainer.clone().run());
    let are_done = watch(&store, agent, &wanted).await;
    work.abort();
    trainer.give_back().await;
    Ok(if are_done? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Says how far the work is until all of it is over; whether all is learned.
async fn watch(store: &Store, agent: Uuid, wanted: &[(Uuid, &str)]) -> Result<bool, StoreError> {
    let mut told: Vec<String> = vec![String::new(); wanted.len()];
    let mut failures = 0;
    loop {
        let rows = match rows_of(store, agent, wanted).await {
            Ok(rows) => rows,
            // While all passages change, the work may have the only connection.
            Err(_) if failures < FAILURES_MAX => {
                failures += 1;
                clock::pause(LOOK).await;
                continue;
            }
            Err(error) => return Err(error),
        };
        failures = 0;
        for ((row, (_, from)), told) in rows.iter().zip(wanted).zip(&mut told) {
            let now = row.as_ref().map_or_else(|| "removed".to_owned(), stands);
            if now != *told {
                say!("{from}: {now}");
                *told = now;
            }
        }
        if !rows.iter().flatten().any(SourceRow::is_under_way) {
            return Ok(rows.iter().all(|row| row.as_ref().is_some_and(|row| row.status == "done")));
        }
        clock::pause(LOOK).await;
    }
}

/// The sources as they are; none of one that was removed.
async fn rows_of(
    store: &Store,
    agent: Uuid,
    wanted: &[(Uuid, &str)],
) -> Result<Vec<Option<SourceRow>>, StoreError> {
    let mut rows = Vec::new();
    for (id, _) in wanted {
        rows.push(store.source_here(agent, *id).await?);
    }
    Ok(rows)
}

/// How a source stands, in some words.
fn stands(row: &SourceRow) -> String {
    let of = |n: i32| row.total.map_or_else(|| n.to_string(), |total| format!("{n} of {total}"));
    match (&*row.status, row.stage.as_deref()) {
        ("done", _) => {
            let cut = if row.is_cut_off { "; it is longer than what is learned of it" } else { "" };
            format!("done, {} passages{cut}", row.passages.unwrap_or_default())
        }
        ("failed" | "retraining_failed" | "unk_err", _) => {
            format!("failed: {}", row.reason.as_deref().unwrap_or("it is not known why"))
        }
        (_, Some("fetching")) => format!("fetching, {} pages", of(row.done)),
        (_, Some("reading")) => "reading".to_owned(),
        (_, Some("learning")) => format!("learning, {} passages", of(row.done)),
        _ => match &row.reason {
            Some(why) => format!("waiting: {why}"),
            None => "waiting".to_owned(),
        },
    }
}

async fn source_of(from: &str) -> Result<NewSource, TrainError> {
    let url = Url::parse(from).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    if let Some(url) = url {
        let is_site = url.path() == "/" && url.query().is_none();
        let source_type = if is_site { SourceType::Site } else { SourceType::Page };
        return Ok(NewSource {
            name: from.to_owned(),
            source_type,
            url: Some(url.into()),
            auto_sync_interval: "none".to_owned(),
            file: None,
        });
    }
    let name = Path::new(from).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let path = PathBuf::from(from);
    let failed = |source| TrainError::File { path: from.to_owned(), source };
    let size = tokio::fs::metadata(&path).await.map_err(failed)?.len();
    if size > FILE_BYTES_MAX as u64 {
        return Err(TrainError::TooLarge(from.to_owned()));
    }
    let content = tokio::fs::read(&path).await.map_err(failed)?;
    Ok(NewSource {
        source_type: SourceType::of_file_name(&name),
        file: Some(NewFile { name: name.clone(), content_type: None, content: content.into() }),
        name,
        url: None,
        auto_sync_interval: "none".to_owned(),
    })
}
