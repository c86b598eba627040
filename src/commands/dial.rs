//! `frontdesk dial`: the stand-in phone, for one call or for many.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use indicatif::ProgressBar;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::say::{self, say, unread};
use crate::clock::{self, Clock};
use crate::private::Private;
use crate::rehearsal::phone::api::{Api, Message};
use crate::rehearsal::phone::numbers::Number;
use crate::rehearsal::phone::totals::Totals;
use crate::rehearsal::phone::{
    self, CallOptions, CallReport, NumberedFarEnd, PhoneEvent, PhoneEventKind, Sample, Step,
};
use crate::twilio::form::normalise_e164;

/// Most calls of one run.
const CALLS: u32 = 10_000;
/// The longest ramp and the longest call.
const SECONDS: f64 = 86_400.0;
/// A call that nobody ends is given up after this.
const LONGEST: Duration = Duration::from_secs(600);
/// So long after the last call has begun, calls are as they will be.
const SETTLED: Duration = Duration::from_secs(3);
/// Events that may wait to be printed.
const EVENTS: usize = 256;

/// Calls a server as Twilio would: signs and posts the voice webhook, opens the media stream,
/// speaks in turn with the agent, hangs up.
#[derive(Debug, Clone, clap::Args)]
pub struct Arguments {
    /// The voice webhook, as it would be configured at the number
    #[arg(long)]
    pub url: String,
    /// The number that is called, as +15559870002
    #[arg(long)]
    pub to: String,
    /// Who calls: a number, or a word such as anonymous
    #[arg(long, default_value = "+15551230001")]
    pub from: String,
    /// What the caller says: WAV files, each when the agent has finished [default: built in]
    #[arg(long, value_name = "FILE.wav")]
    pub audio: Vec<PathBuf>,
    /// How often the caller speaks, beginning again with the first file after the last
    /// [default: each file once]
    #[arg(long)]
    pub turns: Option<usize>,
    /// How many calls
    #[arg(long, default_value_t = 1)]
    pub calls: u32,
    /// Over how many seconds they begin
    #[arg(long, default_value_t = 0.0, value_name = "SECONDS")]
    pub ramp: f64,
    /// Hang up so long after the answer, whatever is being said
    #[arg(long, value_name = "SECONDS")]
    pub hangup_after: Option<f64>,
    /// The key of the signatures; without it nothing is signed
    #[arg(long, env = "TWILIO_AUTH_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub auth_token: Option<Private<String>>,
    /// The account that the number belongs to [default: made up]
    #[arg(long, env = "TWILIO_ACCOUNT_SID", hide_env_values = true, value_name = "AC…")]
    pub account_sid: Option<String>,
    /// Where the end of the call is reported [default: nowhere]
    #[arg(long, value_name = "URL")]
    pub status_url: Option<String>,
    /// Where to stand in for Twilio's REST API for these calls and the messages that are sent
    /// meanwhile, as 127.0.0.1:8090 (the server's TWILIO_API_URL is http:// and this) [default:
    /// nowhere]
    #[arg(long, value_name = "ADDR")]
    pub api: Option<SocketAddr>,
    /// What becomes of a call that the server forwards: a number, = and answers, busy, no-answer
    /// or failed [default: they answer]
    #[arg(long, value_name = "NUMBER=WHAT")]
    pub far_end: Vec<NumberedFarEnd>,
    /// Print one JSON object: every call, the messages and the totals
    #[arg(long)]
    pub json: bool,
    /// Stamp the caller's audio with the time, and measure the stamps in the agent's, while all
    /// calls are on the line: from 3 s after the ramp until the first is hung up
    #[arg(long)]
    pub bench: bool,
}

/// Why no call was placed.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// An argument is not what it has to be.
    #[error("{argument} {found:?} is not accepted: {accepted}")]
    Argument {
        /// The argument's name.
        argument: &'static str,
        /// The value that was given.
        found: String,
        /// What would be accepted.
        accepted: &'static str,
    },
    /// An audio file cannot be used.
    #[error("--audio {path}: {why}")]
    Audio {
        /// The path of the file.
        path: String,
        /// What is wrong with it, and what is accepted.
        why: String,
    },
    /// The stand-in for the REST API cannot be reached there.
    #[error("--api {address}: cannot listen there: {source}")]
    Api {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The HTTP client cannot be made.
    #[error("cannot make HTTP requests: {0}")]
    Http(#[from] reqwest::Error),
}

/// The output of `--json`.
#[derive(Serialize)]
struct Output<'a> {
    totals: &'a Totals,
    calls: &'a [CallReport],
    messages: &'a [Message],
}

/// Places the calls and prints how they went. The exit code says whether all went well.
///
/// # Errors
/// If an argument or a file cannot be used; no call was placed then.
pub async fn run(arguments: Arguments) -> Result<ExitCode, DialError> {
    let mut template = template(&arguments)?;
    let ramp = seconds("--ramp", arguments.ramp)?;
    let steps = steps(&arguments)?;
    if let Some(address) = arguments.api {
        let listening = TcpListener::bind(address).await;
        let listener = listening.map_err(|source| DialError::Api { address, source })?;
        let api = Api::new(arguments.account_sid, template.auth_token.clone());
        // The number is set up as its owner would have done it.
        api.set_number(Number::new(template.to.reveal(), &template.voice_url));
        api.serve(listener);
        template.api = Some(api);
    }
    let placing = async {
        match arguments.calls == 1 && !arguments.json {
            true => vec![watched_call(template.clone(), steps).await],
            false => many_calls(&template, &steps, arguments.calls, ramp).await,
        }
    };
    let reports = tokio::select! {
        reports = placing => reports,
        () = unread() => return Ok(ExitCode::SUCCESS),
    };
    let totals = Totals::of(&reports);
    let messages = template.api.map_or_else(Vec::new, |api| api.messages());
    if arguments.json {
        let output = Output { totals: &totals, calls: &reports, messages: &messages };
        say!("{}", serde_json::to_string(&output).expect("numbers and text are JSON"));
    } else {
        for error in distinct_errors(&reports) {
            say!("error: {error}");
        }
        for Message { from, to, body } in &messages {
            say!("message from {from} to {to}: {body}");
        }
        say::print(format_args!("{totals}"));
    }
    Ok(if totals.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What all calls have in common, with every argument checked.
fn template(arguments: &Arguments) -> Result<CallOptions, DialError> {
    let url = |argument, url: &str| match url::Url::parse(url) {
        Ok(parsed) if ["http", "https"].contains(&parsed.scheme()) => Ok(url.to_owned()),
        _ => Err(unacceptable(argument, url, "a URL that begins with http:// or https://")),
    };
    let to = normalise_e164(&arguments.to).ok_or_else(|| {
        unacceptable("--to", &arguments.to, "a number as +15559870002: + and 8 to 15 digits")
    })?;
    if !(1..=CALLS).contains(&arguments.calls) {
        return Err(unacceptable("--calls", &arguments.calls.to_string(), "1 to 10000"));
    }
    if arguments.turns == Some(0) {
        return Err(unacceptable("--turns", "0", "1 or more"));
    }
    let mut options = CallOptions::new(url("--url", &arguments.url)?, to, Clock::real());
    options.from = Private::new(arguments.from.clone());
    options.status_url =
        arguments.status_url.as_deref().map(|text| url("--status-url", text)).transpose()?;
    if let Some(account_sid) = &arguments.account_sid {
        options.account_sid = account_sid.clone();
    }
    // An empty variable means that there is none.
    options.auth_token = arguments.auth_token.clone().filter(|token| !token.reveal().is_empty());
    options.hang_up_after =
        arguments.hangup_after.map(|after| seconds("--hangup-after", after)).transpose()?;
    options.longest = options.hang_up_after.map_or(LONGEST, |after| after.max(LONGEST));
    if arguments.bench {
        let from = options.clock.now() + seconds("--ramp", arguments.ramp)? + SETTLED;
        let until =
            options.hang_up_after.map_or(Duration::MAX, |after| options.clock.now() + after);
        options.stamps = Some(from..until);
    }
    options.far_ends =
        arguments.far_end.iter().map(|end| (end.number.clone(), end.far_end)).collect();
    options.http = crate::tls::http_client().build()?;
    Ok(options)
}

fn seconds(argument: &'static str, value: f64) -> Result<Duration, DialError> {
    if (0.0..=SECONDS).contains(&value) {
        Ok(Duration::from_secs_f64(value))
    } else {
        Err(unacceptable(argument, &value.to_string(), "seconds, 0 to 86400"))
    }
}

fn unacceptable(argument: &'static str, found: &str, accepted: &'static str) -> DialError {
    DialError::Argument { argument, found: found.to_owned(), accepted }
}

/// The caller waits for the agent before each piece of audio and once more after the last.
fn steps(arguments: &Arguments) -> Result<Vec<Step>, DialError> {
    let samples = if arguments.audio.is_empty() {
        Sample::built_in()
    } else {
        arguments.audio.iter().map(|path| sample(path)).collect::<Result<_, _>>()?
    };
    let turns = arguments.turns.unwrap_or(samples.len());
    let mut steps = Vec::with_capacity(2 * turns + 2);
    for sample in samples.iter().cycle().take(turns) {
        steps.extend([Step::wait_for_agent(), Step::Say(sample.clone())]);
    }
    steps.extend([Step::wait_for_agent(), Step::HangUp]);
    Ok(steps)
}

fn sample(path: &Path) -> Result<Sample, DialError> {
    let unusable = |why: String| DialError::Audio { path: path.display().to_string(), why };
    let bytes = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    Sample::from_wav(name, &bytes).map_err(|error| unusable(error.to_string()))
}

/// One call, told as it happens.
async fn watched_call(mut options: CallOptions, steps: Vec<Step>) -> CallReport {
    let (sender, mut events) = mpsc::channel(EVENTS);
    options.events = Some(sender);
    let call = clock::spawn(phone::call(options, steps));
    while let Some(event) = events.recv().await {
        say!("{}", line(&event));
    }
    match call.await {
        Ok(report) => report,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

fn line(event: &PhoneEvent) -> String {
    let what = match &event.kind {
        PhoneEventKind::Ringing => "ringing".to_owned(),
        PhoneEventKind::Answered => "answered".to_owned(),
        PhoneEventKind::StreamOpened => "media stream open".to_owned(),
        PhoneEventKind::StreamEnded => "media stream closed".to_owned(),
        PhoneEventKind::AgentBegan => "agent speaks".to_owned(),
        PhoneEventKind::AgentEnded => "agent has finished".to_owned(),
        PhoneEventKind::Cleared { unheard } => {
            format!("agent was cut off, {} ms unheard", unheard.as_millis())
        }
        PhoneEventKind::Said { text } => format!("announcement: {text}"),
        PhoneEventKind::CallerSpoke { name } => format!("caller speaks: {name}"),
        PhoneEventKind::Pressed { key } => format!("caller presses {key}"),
        PhoneEventKind::Dialling { number } => format!("calling {number}"),
        PhoneEventKind::PutThrough => "put through".to_owned(),
        PhoneEventKind::DialEnded(status) => format!("that call: {}", status.word()),
        PhoneEventKind::Recording => "caller is recorded".to_owned(),
        PhoneEventKind::Recorded { seconds } => format!("recorded {seconds} s"),
        PhoneEventKind::Moved => "server moves the call".to_owned(),
        PhoneEventKind::Ended(ended) => match ended {
            phone::Ended::Caller => "caller hung up".to_owned(),
            phone::Ended::Server => "agent hung up".to_owned(),
            phone::Ended::Rejected => "call refused".to_owned(),
            phone::Ended::Dropped => "line lost".to_owned(),
            phone::Ended::Failed => "call failed".to_owned(),
        },
    };
    format!("{:>7.2} s  {what}", event.at.as_secs_f64())
}

/// Many calls, begun evenly over `ramp`.
async fn many_calls(
    template: &CallOptions,
    steps: &[Step],
    calls: u32,
    ramp: Duration,
) -> Vec<CallReport> {
    let clock = template.clock;
    let began_at = clock.now();
    // Hidden by itself where standard error is no terminal.
    let progress = ProgressBar::new(calls.into());
    let mut placed = Vec::with_capacity(calls as usize);
    for index in 0..calls {
        clock.sleep_until(began_at + ramp * index / calls).await;
        let (mut options, steps) = (template.clone(), steps.to_vec());
        options.call_sid = phone::random_sid("CA");
        let progress = progress.clone();
        placed.push(clock::spawn(async move {
            let report = phone::call(options, steps).await;
            progress.inc(1);
            report
        }));
    }
    let mut reports = Vec::with_capacity(placed.len());
    for call in placed {
        match call.await {
            Ok(report) => reports.push(report),
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
    progress.finish_and_clear();
    reports
}

/// Each error once, with how many calls had it.
fn distinct_errors(reports: &[CallReport]) -> Vec<String> {
    let mut counts = std::collections::BTreeMap::<&str, usize>::new();
    for error in reports.iter().flat_map(|call| &call.errors) {
        *counts.entry(error).or_default() += 1;
    }
    counts.iter().map(|(error, count)| format!("{error} ({count} x)")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn arguments(more: &[&str]) -> Arguments {
        let all = ["dial", "--url", "http://localhost:8080/twilio/voice", "--to", "+15559870002"];
        Line::parse_from(all.iter().chain(more)).arguments
    }

    #[test]
    fn what_is_not_accepted_is_named_with_what_is() {
        let refusal = |change: fn(&mut Arguments)| {
            let mut arguments = arguments(&[]);
            change(&mut arguments);
            template(&arguments).err().unwrap().to_string()
        };
        assert_eq!(
            refusal(|arguments| arguments.to = "911".into()),
            r#"--to "911" is not accepted: a number as +15559870002: + and 8 to 15 digits"#
        );
        assert_eq!(
            refusal(|arguments| arguments.url = "localhost".into()),
            r#"--url "localhost" is not accepted: a URL that begins with http:// or https://"#
        );
        assert!(refusal(|arguments| arguments.calls = 0).ends_with("1 to 10000"));
        assert!(
            refusal(|arguments| arguments.hangup_after = Some(-1.0)).contains("--hangup-after")
        );
        let missing = steps(&arguments(&["--audio", "/nowhere/hello.wav"])).unwrap_err();
        assert!(missing.to_string().starts_with("--audio /nowhere/hello.wav: "), "{missing}");
    }

    #[test]
    fn the_caller_waits_before_each_piece_and_after_the_last() {
        let steps = steps(&arguments(&["--turns", "3"])).unwrap();
        let words: Vec<_> = steps
            .iter()
            .map(|step| match step {
                Step::Say(_) => "say",
                Step::WaitForAgent { .. } => "wait",
                Step::HangUp => "hang up",
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(words, ["wait", "say", "wait", "say", "wait", "say", "wait", "hang up"]);
    }
}
