//! `frontdesk rehearse`: the stand-in speech service alone.

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use thiserror::Error;
use tokio::net::TcpListener;

use super::say::say;
use crate::rehearsal::speech::script::{Script, ScriptError, Words};
use crate::rehearsal::speech::{Record, SpeechOptions, serve};

/// A script is a few kilobytes; a file that is larger is not one.
const SCRIPT_MAX_BYTES: u64 = 1_024 * 1_024;

/// Serves OpenAI's Realtime, embeddings and chat endpoints, on the wire, without a model.
#[derive(Debug, Args)]
pub struct Rehearse {
    /// Where to listen; port 0 takes a free one, which is printed.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8090")]
    listen: SocketAddr,
    /// What is heard and said, in JSON; without it the script of `frontdesk demo`.
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
    /// When the caller's words come, where the script does not say.
    #[arg(long, value_enum, default_value = "after-commit")]
    words: Words,
    /// For load: records no events, stamps its audio, and tells at /rehearsal/latency how long
    /// stamped audio took to come.
    #[arg(long)]
    bench: bool,
}

/// Why the service does not run.
#[derive(Debug, Error)]
pub enum RehearseError {
    /// The script's file cannot be read.
    #[error("--script {path}: {source}")]
    Read {
        /// The path of the script's file.
        path: String,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// The script's file is too large.
    #[error("--script {0}: larger than 1 MiB, so not a script")]
    TooLarge(String),
    /// The script is wrong.
    #[error(transparent)]
    Script(#[from] ScriptError),
    /// The address cannot be listened on.
    #[error("--listen {address}: {source}")]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// The running service failed.
    #[error("rehearse: {0}")]
    Serve(#[from] std::io::Error),
}

/// Serves until `shutdown` is done.
///
/// # Errors
/// A script or an address that cannot be used.
pub async fn run(
    arguments: Rehearse,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), RehearseError> {
    let script = match &arguments.script {
        Some(path) => read_script(path).await?,
        None => Script { reads: true, ..Script::default() },
    };
    let record = if arguments.bench { Record::Latency } else { Record::Events };
    let options =
        SpeechOptions { script, words: arguments.words, record, ..SpeechOptions::default() };
    let address = arguments.listen;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| RehearseError::Listen { address, source })?;
    let speech = serve(listener, options, shutdown)?;
    say!("OPENAI_BASE_URL={}", speech.base_url());
    Ok(speech.ended().await?)
}

async fn read_script(path: &PathBuf) -> Result<Script, RehearseError> {
    let name = path.display().to_string();
    let failed = |source| RehearseError::Read { path: name.clone(), source };
    let size = tokio::fs::metadata(path).await.map_err(failed)?.len();
    if size > SCRIPT_MAX_BYTES {
        return Err(RehearseError::TooLarge(name));
    }
    let json = tokio::fs::read_to_string(path).await.map_err(failed)?;
    Ok(Script::parse(&json)?)
}
