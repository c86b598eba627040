//! `frontdesk doctor`: looks at everything that a call needs, and says what to do about what is
//! wrong. Nothing is changed anywhere, but that the folders in `DATA_DIR` are made.

mod agents;
mod database;
pub mod finding;
mod numbers;
pub mod page;
mod place;
mod service;
mod sessions;

use std::process::ExitCode;
use std::time::Duration;

use futures_util::future::join4;

use self::agents::Known;
use self::finding::{Finding, Report, Verdict};
use super::say::say;
use super::{start_log, variables};
use crate::clock::within;
use crate::config::{Config, ConfigError, PublicUrl, misspelt};
use crate::database::OwnDatabase;
use crate::store::Store;

/// How long all that is asked of one side may take. Each question has a limit of its own; this is
/// for a side that uses up all of them.
const SIDE_LIMIT: Duration = Duration::from_secs(180);

/// Checks the configuration, the database, the speech service, and the numbers at Twilio.
#[derive(Debug, Clone, clap::Args)]
pub struct Arguments {
    /// Print one JSON object: every check, and whether all went well
    #[arg(long)]
    pub json: bool,
}

/// Looks at everything and prints what was found. The exit code says whether nothing is wrong.
pub async fn run(arguments: Arguments) -> ExitCode {
    let source =
        |name: &str| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
    let (config, errors) = Config::read_leniently(&source);
    start_log(&config, "off");
    let mut report = Box::pin(examine(&config, &errors)).await;
    report.0.splice(0..0, misspelt(variables()).iter().map(place::misspelt));
    match arguments.json {
        true => say!("{}", report.json()),
        false => say!("{report}"),
    }
    if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Looks at everything that the configuration names. `errors` are the variables that could not be
/// read; what depends on one of them is not looked at.
pub async fn examine(config: &Config, errors: &[ConfigError]) -> Report {
    crate::tls::install_provider();
    let is_bad = |variable: &str| errors.iter().any(|error| error.variable() == variable);
    let mut findings: Vec<Finding> = errors.iter().map(place::refused).collect();
    findings.extend(place::check(config, is_bad("PUBLIC_URL")));
    let archive = async {
        match errors.iter().any(|error| place::is_of_archive(error.variable())) {
            true => Vec::new(),
            false => vec![place::archive(&config.object_store).await],
        }
    };
    let service = async {
        match is_bad("OPENAI_BASE_URL") || is_bad("OPENAI_API_KEY") {
            true => Vec::new(),
            false => service::check(&config.openai, &config.models).await,
        }
    };
    let calls = async {
        match is_bad("DATABASE_URL") {
            true => Vec::new(),
            false => calls(config, &is_bad).await,
        }
    };
    let embeddings = async {
        match is_bad("OPENAI_BASE_URL") || is_bad("OPENAI_API_KEY") {
            true => Vec::new(),
            false => service::check_embeddings(&config.openai, &config.models).await,
        }
    };
    let sides = join4(
        limited("object store", archive),
        limited("database and numbers", calls),
        limited("speech service", service),
        limited("embeddings", embeddings),
    );
    let (archive, calls, service, embeddings) = Box::pin(sides).await;
    findings.extend(archive.into_iter().chain(calls).chain(service).chain(embeddings));
    Report(findings)
}

/// The database, what its agents are, and where their numbers lead.
async fn calls(config: &Config, is_bad: &impl Fn(&str) -> bool) -> Vec<Finding> {
    let (mut findings, opened) = database::check(config).await;
    let Some(opened) = opened else {
        // A database of its own is made by the first start: until then nothing is broken.
        let remedy = match findings.iter().any(|finding| finding.verdict == Verdict::Fail) {
            true => "mend the database first, then ask again",
            false => "run `frontdesk serve`, which makes the database, then ask again",
        };
        findings.push(Finding::warn("agents and numbers", "not looked at", remedy));
        return findings;
    };
    let known = agents::read(&opened.store, &mut findings).await;
    if !is_bad("TWILIO_API_URL") && !is_bad("TWILIO_AUTH_TOKEN") {
        findings.extend(numbers_of(config, is_bad("PUBLIC_URL"), &known).await);
    }
    if !is_bad("OPENAI_BASE_URL") && !is_bad("OPENAI_API_KEY") {
        findings.extend(sessions::check(config, &opened.store, &known.agents).await);
    }
    opened.close().await;
    findings
}

async fn numbers_of(config: &Config, is_bad_url: bool, known: &Known) -> Vec<Finding> {
    let local = PublicUrl::localhost(config.port);
    let public_url = config.public_url.as_ref().unwrap_or(&local);
    let public_url = (!is_bad_url).then_some(public_url);
    numbers::check(config, public_url, &known.agents).await
}

async fn limited(side: &str, checks: impl Future<Output = Vec<Finding>>) -> Vec<Finding> {
    let late = || vec![Finding::fail(side, "no end in time", "see whether its address answers")];
    within(SIDE_LIMIT, Box::pin(checks)).await.unwrap_or_else(late)
}

/// An open database, and what must end with it.
struct Opened {
    store: Store,
    own_database: Option<OwnDatabase>,
}

impl Opened {
    async fn close(self) {
        self.store.pool().close().await;
        if let Some(own_database) = self.own_database {
            own_database.shut_down().await;
        }
    }
}
