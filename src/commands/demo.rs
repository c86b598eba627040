//! `frontdesk demo`: one rehearsed phone call with everything in this process, through the real
//! webhook, the real media WebSocket and the real engine client. No key, no account.

mod check;
mod remains;
mod story;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::net::TcpListener;

use self::remains::Remains;
use super::{shutdown_signal, start_log};
use crate::app::{App, StartError};
use crate::clock::{self, Clock};
use crate::config::{Config, ConfigError};
use crate::rehearsal::phone::{self, CallOptions, Sample, Step};
use crate::rehearsal::speech::{SAMPLES, SpeechOptions, serve};
use crate::store::StoreError;
use crate::store::sample::SAMPLE_NUMBER;

/// Signs the rehearsal's webhooks; good for nothing else.
const AUTH_TOKEN: &str = "rehearsal-auth-token";
/// How long the row may take to be complete and summed up after the call.
const ROW_LIMIT: Duration = Duration::from_secs(15);

/// What `demo` can be told.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Leave the server running afterwards, and print the webhook's address
    #[arg(long)]
    keep: bool,
}

/// Why the rehearsal could not be held.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A variable cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The server does not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The stand-in speech service does not start, or the folder for its data cannot be made.
    #[error("the rehearsal cannot be prepared: {0}")]
    Prepare(#[from] std::io::Error),
    /// What was written cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The call went wrong.
    #[error("the rehearsed call failed: {0}")]
    Call(String),
    /// What is in the database of the call is not as it should be.
    #[error("what the rehearsed call left is not as it should be: {0}")]
    Row(String),
}

/// Rehearses one call and shows it.
///
/// # Errors
/// Anything that was not there as it should be.
pub async fn run(arguments: Arguments) -> Result<ExitCode, DemoError> {
    let folder = Folder::new()?;
    let spinner = ProgressBar::new_spinner().with_style(
        ProgressStyle::with_template("{spinner} {msg} ({elapsed})")
            .unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    spinner.enable_steady_tick(Duration::from_millis(120));
    spinner.set_message("Starting a speech service that rehearses, on a port of this machine");
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let speech = serve(listener, SpeechOptions::default(), std::future::pending::<()>())?;
    spinner.set_message("Starting PostgreSQL in this process, with a sample business");
    let config = config(&folder, &speech.base_url(), arguments.keep)?;
    start_log(&config, "error");
    let app = App::start(config, Clock::real()).await?;
    spinner.finish_and_clear();
    println!("PostgreSQL runs in this process; Bright Smiles Dental answers {SAMPLE_NUMBER}.");
    println!("Frontdesk listens on {}.", app.address);

    let done = rehearse(&app).await;
    if let (Ok(()), true) = (&done, arguments.keep) {
        println!("\nThe server goes on. Webhook: {}", app.public_url.join("/twilio/voice"));
        println!(
            "Call it again: frontdesk dial --url {} --to {SAMPLE_NUMBER} --auth-token {AUTH_TOKEN}",
            app.public_url.join("/twilio/voice")
        );
        println!("Ctrl-C ends it.");
        shutdown_signal().await;
    }
    app.shut_down(std::future::ready(())).await;
    done.map(|()| ExitCode::SUCCESS)
}

/// Places the call, tells it as it happens, and shows what is left of it.
async fn rehearse(app: &App) -> Result<(), DemoError> {
    println!("The phone rings.\n");
    let mut options = CallOptions::new(
        format!("http://{}/twilio/voice", app.address),
        SAMPLE_NUMBER,
        Clock::real(),
    );
    // The address that is signed is the one that the server is configured with.
    options.voice_url = app.public_url.join("/twilio/voice");
    options.auth_token = Some(AUTH_TOKEN.to_owned().into());
    let call_sid = options.call_sid.clone();
    let call = clock::spawn(phone::call(options, steps()));
    // A panic of the stand-in is told below, as a call that failed.
    let (report, row) = story::tell(&app.store, &call_sid, async { call.await.ok() }).await?;
    match report {
        Some(report) if !report.failed => {}
        Some(report) => return Err(DemoError::Call(report.errors.join("; "))),
        None => return Err(DemoError::Call("the stand-in phone broke".into())),
    }
    let row = row.ok_or_else(|| DemoError::Row("there is none".into()))?;
    let remains = Remains::read(&app.store, &row, ROW_LIMIT).await?;
    remains.print();
    remains.check().map_err(DemoError::Row)
}

/// The caller's part: a question, another one into the agent's answer, an appointment, another time
/// for it, and goodbye.
fn steps() -> Vec<Step> {
    let line = |n: usize| Step::Say(Sample::new(format!("line {}", n + 1), SAMPLES[n]));
    vec![
        Step::wait_for_agent(),
        line(0),
        Step::interrupt(Duration::from_secs(4)),
        line(1),
        Step::wait_for_agent(),
        line(2),
        Step::wait_for_agent(),
        line(3),
        Step::wait_for_agent(),
        line(4),
        Step::wait_for_agent(),
        line(5),
    ]
}

/// A configuration that depends on nothing outside; only with `keep` on the port that is set.
fn config(folder: &Folder, speech: &str, keep: bool) -> Result<Config, ConfigError> {
    let port = std::env::var("PORT").ok().filter(|_| keep).unwrap_or_else(|| "0".into());
    let folder = folder.0.display().to_string();
    Config::read(&|name| {
        let value = match name {
            "BIND" => "127.0.0.1",
            "PORT" => &port,
            "DATA_DIR" => &folder,
            "TWILIO_AUTH_TOKEN" => AUTH_TOKEN,
            "OPENAI_API_KEY" => "rehearsal",
            "OPENAI_BASE_URL" => speech,
            "RUST_LOG" => return std::env::var(name).ok(),
            _ => return None,
        };
        Some(value.to_owned())
    })
}

/// A folder of its own, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> std::io::Result<Self> {
        let name = format!("frontdesk-demo-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder)?;
        Ok(Self(folder))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is in the system's folder for such things.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
