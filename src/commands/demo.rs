//! `frontdesk demo`: one rehearsed phone call with everything in this process, through the real
//! webhook, the real media WebSocket and the real engine client. No key, no account.

mod check;
mod remains;
mod story;

use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::net::TcpListener;
use uuid::Uuid;

use self::remains::Remains;
use super::doctor::page::examiner;
use super::say::{self, say};
use super::{program, shutdown_signal, start_log};
use crate::app::{App, StartError};
use crate::clock::{self, Clock};
use crate::config::{Config, ConfigError};
use crate::database::{DatabaseError, OwnDatabase, Place};
use crate::knowledge::feature_hash::embed;
use crate::line::directory::LookUp;
use crate::rehearsal::phone::{self, CallOptions, Sample, Step};
use crate::rehearsal::speech::script::Script;
use crate::rehearsal::speech::{SAMPLES, SpeechOptions, serve};
use crate::store::migrate::migrate;
use crate::store::sample::{SAMPLE_NUMBER, seed_sample};
use crate::store::sample_week::add_week;
use crate::store::{Store, StoreError};
use crate::web::doctor::{Examining, Verdict};

/// Signs the rehearsal's webhooks; good for nothing else.
const AUTH_TOKEN: &str = "rehearsal-auth-token";
/// What the stand-in for the speech service says to what is not in its script.
const STAND_IN: &str = "This is the stand-in of the demo. It knows the lines of one script and \
    understands nothing else. With a key for the speech service, the real agent answers you here.";
/// How long the row may take to be complete and summed up after the call.
const ROW_LIMIT: Duration = Duration::from_secs(15);

/// What `demo` can be told.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Go on afterwards, and print a link to the owner's console and the webhook's address
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
    /// There is no database for it.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// It was told to end.
    #[error("interrupted")]
    Interrupted,
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
    let mut told_to_end = std::pin::pin!(told_to_end());
    let folder = Folder::new()?;
    let app = tokio::select! {
        app = start(&folder, arguments.keep) => app?,
        told = &mut told_to_end => return told.map(|()| ExitCode::SUCCESS),
    };
    let (done, is_told) = tokio::select! {
        done = rehearse(&app) => (done, false),
        told = &mut told_to_end => (told, true),
    };
    if let (Ok(()), false, true) = (&done, is_told, arguments.keep) {
        if let Some(link) = console(&app).await? {
            say!(
                "\nNow look at it as its owner does, with a week of sample calls. Open this in a browser"
            );
            say!("(it signs you in once, within an hour):\n\n  {link}\n");
        }
        say!("The demo goes on until Ctrl-C. Then its database is removed.");
        say!(
            "To have the sample caller ring once more, from another terminal:\n\n  {} dial --url {} \
             --to {SAMPLE_NUMBER} --auth-token {AUTH_TOKEN}\n",
            program(),
            app.public_url.join("/twilio/voice")
        );
        // However it is told, the rehearsal was held.
        let _ = told_to_end.await;
    } else if done.is_ok() && !is_told {
        say!(
            "\nTo look at it as its owner does, with a week of sample calls: {} demo --keep",
            program()
        );
    }
    app.shut_down(std::future::ready(())).await;
    done.map(|()| ExitCode::SUCCESS)
}

/// Gives the sample business a week of calls, and makes a link to its console.
async fn console(app: &App) -> Result<Option<String>, DemoError> {
    let sample = app.directory.look_up(SAMPLE_NUMBER).await;
    if let LookUp::Found(agent) = sample {
        add_week(app.store.pool(), agent.id).await.map_err(StoreError::from)?;
    }
    Ok(app.first_sign_in_link().await?)
}

/// Done when the process is told to end, or when nobody reads what it prints: that is no fault.
fn told_to_end() -> impl Future<Output = Result<(), DemoError>> {
    let signal = shutdown_signal();
    async {
        tokio::select! {
            () = signal => Err(DemoError::Interrupted),
            () = say::unread() => Ok(()),
        }
    }
}

/// Starts everything that the call needs, and says what it is at.
async fn start(folder: &Folder, keep: bool) -> Result<App, DemoError> {
    let progress = Progress::new();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    // What is said to whoever talks to the agent themselves.
    let script = Script { otherwise: STAND_IN.to_owned(), reads: true, ..Script::default() };
    let lines = script.turns.iter().map(|turn| turn.heard.clone()).collect();
    let options = SpeechOptions { script, ..SpeechOptions::default() };
    let speech = serve(listener, options, std::future::pending::<()>())?;
    let config = config(folder, &speech.base_url(), keep)?;
    start_log(&config, "error");
    let place = Place {
        data_dir: config.data_dir.clone(),
        cache: config.postgres_cache.clone(),
        is_durable: false,
    };
    let own_database =
        OwnDatabase::start(&place, &|stage| progress.tell(&stage.to_string())).await?;
    progress.tell("filling in a sample business");
    fill(&own_database).await?;
    let examiner = without_a_real_number(examiner(config.clone()));
    let app = App::start_on(Some(own_database), config, Clock::real()).await?;
    app.examine_with(examiner);
    app.rehearses_with(lines);
    progress.end();
    say!("Bright Smiles Dental, a sample business, answers {SAMPLE_NUMBER}.");
    say!("Everything runs on this machine ({}); nobody is called.", app.address);
    Ok(app)
}

/// What is found of the demo, without what it neither has nor needs: an address for Twilio, an account
/// there, a number, and a database that stays.
fn without_a_real_number(
    examine: impl Fn() -> Examining + Send + Sync + 'static,
) -> impl Fn() -> Examining + Send + Sync + 'static {
    let is_real = |what: &str| {
        ["PUBLIC_URL", "DATABASE_URL"].contains(&what)
            || what.to_ascii_lowercase().starts_with("twilio")
            || what.starts_with("number ")
    };
    move || {
        let examining = examine();
        Box::pin(async move {
            let found = examining.await.into_iter();
            found.filter(|found| found.verdict == Verdict::Well || !is_real(&found.what)).collect()
        })
    }
}

/// Gives a new database its tables and the sample business.
async fn fill(own: &OwnDatabase) -> Result<(), DemoError> {
    let store = Store::in_folder(own.address().folder(), 1);
    migrate(store.pool()).await.map_err(StartError::from)?;
    seed_sample(store.pool(), embed).await.map_err(StoreError::from)?;
    store.pool().close().await;
    Ok(())
}

/// What is being done, and for how long: a line that moves on a terminal, lines elsewhere.
struct Progress(ProgressBar);

impl Progress {
    fn new() -> Self {
        let spinner = ProgressBar::new_spinner().with_style(
            ProgressStyle::with_template("{spinner} {msg} ({elapsed})")
                .unwrap_or_else(|_| ProgressStyle::default_spinner()),
        );
        spinner.enable_steady_tick(Duration::from_millis(120));
        Self(spinner)
    }

    fn tell(&self, what: &str) {
        match self.0.is_hidden() {
            true => say!("Preparing: {what}"),
            false => self.0.set_message(format!("Preparing: {what}")),
        }
    }

    fn end(&self) {
        self.0.finish_and_clear();
    }
}

/// Places the call, tells it as it happens, and shows what is left of it.
async fn rehearse(app: &App) -> Result<(), DemoError> {
    say!("The phone rings.\n");
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
    say!("\nThe webhook that answered the call: POST {}", app.public_url.join("/twilio/voice"));
    remains.check().map_err(DemoError::Row)
}

/// The caller's part: a question, another one into the agent's answer, an appointment, another time
/// for it, and goodbye.
fn steps() -> Vec<Step> {
    let line = |n: usize| Step::Say(Sample::new(format!("line {}", n + 1), SAMPLES[n]));
    vec![
        Step::wait_for_agent(),
        line(0),
        Step::interrupt(Duration::from_secs(2)),
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
            "RUST_LOG" | "FRONTDESK_PG_CACHE" => return std::env::var(name).ok(),
            _ => return None,
        };
        Some(value.to_owned())
    })
}

/// A folder of its own, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> std::io::Result<Self> {
        let name = format!("frontdesk-demo-{}", Uuid::new_v4().simple());
        let folder = std::env::temp_dir().join(name);
        // Fails if somebody else made it.
        std::fs::DirBuilder::new().mode(0o700).create(&folder)?;
        Ok(Self(folder))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A thousand files take seconds where each is erased on the disk too, and nobody needs to
        // wait for that.
        if removing(&self.0).spawn().is_err() {
            // If this fails, the folder stays in the system's temporary folder.
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

/// Removes a folder, in a process that outlives this one. A database that is being made when the
/// demo ends is ended too, but writes for a moment longer: a folder that is not empty yet is not
/// worth a word, and is tried again for five seconds.
fn removing(folder: &Path) -> Command {
    let tries = r#"for _ in 1 2 3 4 5 6 7 8 9 10; do rm -rf -- "$1" && exit; sleep 0.5; done"#;
    let mut command = Command::new("sh");
    command.args(["-c", tries, "sh"]).arg(folder).process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// An `rm` to which a folder is not empty the first time.
    const RM: &str = r#"#!/bin/sh
[ -e "$0.tried" ] && exec /bin/rm "$@"
touch "$0.tried"
echo "rm: cannot remove: Directory not empty" >&2
exit 1
"#;

    #[test]
    fn a_folder_that_is_still_written_to_is_gone_in_the_end() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("demo");
        std::fs::create_dir_all(folder.join("postgres")).unwrap();
        let rm = place.path().join("rm");
        std::fs::write(&rm, RM).unwrap();
        std::fs::set_permissions(&rm, std::fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("{}:{}", place.path().display(), std::env::var("PATH").unwrap());
        let status = removing(&folder).env("PATH", path).status().unwrap();
        assert!(status.success());
        assert!(!folder.exists());
        assert!(place.path().join("rm.tried").exists());
    }
}
