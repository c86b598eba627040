//! Twilio's REST interface: reads and updates a call, sends a message. Each answer is waited for
//! within limits, and nothing is done twice that may have been done once.

mod numbers;
mod recording;
mod wiring;

use std::time::Duration;

use rand::Rng;
use reqwest::{Client, RequestBuilder};
use secrecy::ExposeSecret;
use serde::Deserialize;
use url::Url;

use super::form::CallStatus;
use crate::agent::Agent;
use crate::call::is_test;
use crate::clock::{Stopwatch, pause, within};
use crate::config::TwilioAccount;
use crate::tls::body_of;

pub use recording::KeptMessage;
pub use wiring::{AccountState, OwnedNumber, Wiring};

/// The longest document that an update takes, in characters.
pub const MAX_TWIML_CHARACTERS: usize = 4_000;
/// The longest message, in characters.
pub const MAX_MESSAGE_CHARACTERS: usize = 1_600;

/// How long connecting may take. A request that was not connected was not sent.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);
/// How long one answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// How long the rest of an answer may take after its status.
const BODY_LIMIT: Duration = Duration::from_secs(2);
/// How long a request may take with everything that is tried again.
const TOTAL_LIMIT: Duration = Duration::from_secs(8);
/// The first wait before something is tried again; each next one is twice as long.
const BACKOFF: Duration = Duration::from_millis(250);
/// The largest answer that is read.
const ANSWER_BYTES: usize = 64 * 1024;

/// Why Twilio did not do something. No message holds a number or what Twilio says, which may
/// repeat one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RestError {
    /// There is no account to do it with.
    #[error(
        "no Twilio account: set TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN, or both in the agent's \
         twilio_credentials"
    )]
    NoAccount,
    /// The agent's account is sealed, and does not open.
    #[error("the agent's twilio_credentials are sealed, and do not open with this SECRETS_KEY")]
    Sealed,
    /// The document is too long to be sent.
    #[error("TwiML of {characters} characters: at most {MAX_TWIML_CHARACTERS} are accepted")]
    TooLong {
        /// How long it is.
        characters: usize,
    },
    /// The answer is larger than what is taken.
    #[error("Twilio's answer has more than {most} bytes")]
    TooLarge {
        /// How many are taken.
        most: usize,
    },
    /// Twilio refused it. It was not done.
    #[error("Twilio refused it with status {status}, code {code}")]
    Refused {
        /// The HTTP status of the answer.
        status: u16,
        /// Twilio's own code, 0 if there is none.
        code: u32,
    },
    /// Twilio could not be reached. It was not done.
    #[error("Twilio cannot be reached")]
    Unreachable,
    /// There was no answer, or none that says. It may have been done.
    #[error("Twilio gave no answer: it may have been done")]
    Unknown,
}

/// What is to become of a live call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallUpdate<'a> {
    /// It leaves what it is doing, a media stream included, and does what this document says.
    Twiml(&'a str),
    /// The call ends.
    Completed,
}

/// What came of an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Updated {
    /// Twilio did what was asked.
    Done,
    /// The call was over before: a caller who hangs up is faster than any transfer.
    AlreadyOver,
}

/// Twilio's REST interface, for every agent with an account.
#[derive(Debug, Clone)]
pub struct TwilioRest {
    http: Client,
    api_url: Url,
    global: TwilioAccount,
}

/// The account that a request is made with.
struct Account<'a> {
    sid: &'a str,
    token: &'a str,
}

/// Whether a request may be made again when it may have been carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repeatable {
    Yes,
    No,
    /// Nothing is tried again: a caller waits for the first answer.
    Never,
}

/// What an error's body says.
#[derive(Deserialize)]
struct ErrorBody {
    code: u32,
}

/// Where a call is, as Twilio says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallNews {
    /// The call's status.
    pub status: CallStatus,
    /// How long it was from its answer, in seconds, once it is over.
    pub seconds: Option<u64>,
}

#[derive(Deserialize)]
struct CallBody {
    status: String,
    /// A decimal string; null while the call lasts.
    #[serde(default)]
    duration: Option<String>,
}

impl TwilioRest {
    /// The interface at `api_url`, with the account for agents that have none of their own.
    ///
    /// # Errors
    /// If no HTTP client can be made.
    pub fn new(api_url: Url, global: TwilioAccount) -> Result<Self, reqwest::Error> {
        let http = crate::tls::http_client()
            .connect_timeout(CONNECT_LIMIT)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self { http, api_url, global })
    }

    /// Whether anything can be asked for this agent.
    pub fn has_account(&self, agent: &Agent) -> bool {
        self.account(agent).is_ok()
    }

    /// The account that is asked for this agent, `AC…`.
    pub fn account_sid<'a>(&'a self, agent: &'a Agent) -> Option<&'a str> {
        self.account(agent).ok().map(|account| account.sid)
    }

    /// Changes a live call.
    ///
    /// # Errors
    /// If it was not done, or perhaps not.
    pub async fn update_call(
        &self,
        agent: &Agent,
        call_sid: &str,
        update: CallUpdate<'_>,
    ) -> Result<Updated, RestError> {
        // A document that is given again begins again, so it is not.
        let (field, repeatable) = match update {
            CallUpdate::Twiml(twiml) => {
                let characters = twiml.chars().count();
                if characters > MAX_TWIML_CHARACTERS {
                    return Err(RestError::TooLong { characters });
                }
                (("Twiml", twiml), Repeatable::No)
            }
            CallUpdate::Completed => (("Status", "completed"), Repeatable::Yes),
        };
        let account = self.account_of(agent, call_sid)?;
        let request = self.http.post(self.call_url(&account, call_sid)).form(&[field]);
        match self.exchange(&account, request, repeatable).await {
            Ok(_) => Ok(Updated::Done),
            Err(error) if is_over(&error) => Ok(Updated::AlreadyOver),
            Err(error) => Err(error),
        }
    }

    /// Where a call is. One that Twilio does not know any more is over.
    ///
    /// # Errors
    /// If Twilio does not say.
    pub async fn fetch_call(&self, agent: &Agent, call_sid: &str) -> Result<CallNews, RestError> {
        self.fetch(&self.account_of(agent, call_sid)?, call_sid, Repeatable::Yes).await
    }

    /// Where a call is that a webhook announces which the agent's token signed. The token is that of the
    /// account which the webhook names, if Twilio sent it: the agent's may have no name, or another's. Twilio
    /// is asked once.
    ///
    /// # Errors
    /// If Twilio does not say.
    pub async fn fetch_announced(
        &self,
        agent: &Agent,
        account_sid: Option<&str>,
        call_sid: &str,
    ) -> Result<CallNews, RestError> {
        let is_sid = |sid: &&str| {
            let digits = sid.strip_prefix("AC").unwrap_or_default();
            digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        let account = match (&agent.credentials, account_sid.filter(is_sid)) {
            (Some(own), Some(sid)) if !own.are_sealed() && !is_test(call_sid) => {
                Account { sid, token: own.auth_token.reveal() }
            }
            _ => self.account_of(agent, call_sid)?,
        };
        self.fetch(&account, call_sid, Repeatable::Never).await
    }

    async fn fetch(
        &self,
        account: &Account<'_>,
        call_sid: &str,
        repeatable: Repeatable,
    ) -> Result<CallNews, RestError> {
        let request = self.http.get(self.call_url(account, call_sid));
        match self.exchange(account, request, repeatable).await {
            Ok(body) => match serde_json::from_slice::<CallBody>(&body) {
                Ok(call) => Ok(CallNews {
                    status: CallStatus::read(&call.status),
                    seconds: call.duration.and_then(|seconds| seconds.parse().ok()),
                }),
                Err(_) => Err(RestError::Unknown),
            },
            Err(error) if is_over(&error) => {
                Ok(CallNews { status: CallStatus::Completed, seconds: None })
            }
            Err(error) => Err(error),
        }
    }

    /// Sends a text message from one of the account's numbers. Never sent again when it may have
    /// been: there is no key by which Twilio would know it for the same.
    ///
    /// # Errors
    /// If it was not sent, or ([`RestError::Unknown`]) perhaps not.
    pub async fn send_message(
        &self,
        agent: &Agent,
        to: &str,
        from: &str,
        body: &str,
    ) -> Result<(), RestError> {
        let account = self.account(agent)?;
        let url = self.url(&account, &["Messages.json"]);
        let request = self.http.post(url).form(&[("To", to), ("From", from), ("Body", body)]);
        self.exchange(&account, request, Repeatable::No).await.map(|_| ())
    }

    /// The account to ask about a call with. Twilio knows no test of the console's.
    fn account_of<'a>(
        &'a self,
        agent: &'a Agent,
        call_sid: &str,
    ) -> Result<Account<'a>, RestError> {
        if is_test(call_sid) { Err(RestError::NoAccount) } else { self.account(agent) }
    }

    /// The agent's own account, or else the global one. One with a token and no name is its own,
    /// and nothing can be asked with it.
    fn account<'a>(&'a self, agent: &'a Agent) -> Result<Account<'a>, RestError> {
        match &agent.credentials {
            Some(own) if own.are_sealed() => Err(RestError::Sealed),
            Some(own) => {
                let sid = own.account_sid.as_deref().ok_or(RestError::NoAccount)?;
                Ok(Account { sid, token: own.auth_token.reveal() })
            }
            None => self.global_account(),
        }
    }

    fn global_account(&self) -> Result<Account<'_>, RestError> {
        match (&self.global.account_sid, &self.global.auth_token) {
            (Some(sid), Some(token)) => Ok(Account { sid, token: token.expose_secret() }),
            _ => Err(RestError::NoAccount),
        }
    }

    fn call_url(&self, account: &Account<'_>, call_sid: &str) -> Url {
        self.url(account, &["Calls", &format!("{call_sid}.json")])
    }

    fn url(&self, account: &Account<'_>, rest: &[&str]) -> Url {
        let mut url = self.api_url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["2010-04-01", "Accounts", account.sid]).extend(rest);
        }
        url
    }

    /// The body of a good answer. What was certainly not done is tried again until the time is
    /// up; what may have been, only if that does no harm.
    async fn exchange(
        &self,
        account: &Account<'_>,
        request: RequestBuilder,
        repeatable: Repeatable,
    ) -> Result<Vec<u8>, RestError> {
        let request = request.basic_auth(account.sid, Some(account.token));
        let since = Stopwatch::start();
        let mut backoff = BACKOFF;
        loop {
            let Some(attempt) = request.try_clone() else { return Err(RestError::Unreachable) };
            let (error, asked_to_wait) = match attempt_once(attempt).await {
                Ok(body) => return Ok(body),
                Err(failure) => failure,
            };
            let may_repeat = match &error {
                _ if repeatable == Repeatable::Never => false,
                RestError::Refused { status: 429, .. } | RestError::Unreachable => true,
                RestError::Unknown => repeatable == Repeatable::Yes,
                _ => false,
            };
            let jitter = backoff.mul_f64(rand::rng().random_range(0.5..1.0));
            let wait = asked_to_wait.unwrap_or_default().max(jitter);
            if !may_repeat || since.elapsed() + wait + ANSWER_LIMIT > TOTAL_LIMIT {
                return Err(error);
            }
            pause(wait).await;
            backoff *= 2;
        }
    }
}

/// One request: the body of its good answer, or what went wrong and how long Twilio asks to wait.
async fn attempt_once(request: RequestBuilder) -> Result<Vec<u8>, (RestError, Option<Duration>)> {
    let mut response = match within(ANSWER_LIMIT, request.send()).await {
        Some(Ok(response)) => response,
        // Without a connection Twilio received nothing, so the request was not carried out.
        Some(Err(error)) if error.is_connect() => return Err((RestError::Unreachable, None)),
        Some(Err(_)) | None => return Err((RestError::Unknown, None)),
    };
    let status = response.status();
    let retry_after = response.headers().get("retry-after");
    let retry_after = retry_after.and_then(|value| asked_to_wait(value.to_str().ok()?));
    // Of a body that breaks or is too large, nothing: the status has said already what was done.
    let body = within(BODY_LIMIT, body_of(&mut response, ANSWER_BYTES)).await;
    let body = body.and_then(Result::ok).flatten().unwrap_or_default();
    if status.is_success() {
        return Ok(body);
    }
    if status.is_server_error() {
        return Err((RestError::Unknown, None));
    }
    let code = serde_json::from_slice::<ErrorBody>(&body).map_or(0, |error| error.code);
    let refused = RestError::Refused { status: status.as_u16(), code };
    Err((refused, retry_after))
}

/// What `Retry-After` asks for, if it is a number of seconds. A date is not followed: it would
/// need both clocks to agree.
pub fn asked_to_wait(retry_after: &str) -> Option<Duration> {
    let seconds: u32 = retry_after.trim().parse().ok()?;
    Some(Duration::from_secs(seconds.into()))
}

/// What Twilio says about a call that is over: 21220, and 20404 once it has forgotten it. Another
/// 404 is that of whatever stands in between.
fn is_over(error: &RestError) -> bool {
    matches!(error, RestError::Refused { code: 21220 | 20404, .. })
}
