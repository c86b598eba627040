//! Signs a person in with a password, or with a code that Supabase mails and the person types in.
//!
//! No answer depends on whether an address is known. Supabase's own do, so those that only a known
//! address gets are not told; they are in the log, without the address.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, SemaphorePermit};
use tracing::warn;

use super::service::{Answer, Limits, NoAnswer, Service};
use crate::clock;
use crate::config::SupabaseProject;
use crate::private::Private;
use crate::service_json;

/// What is waited for of an answer. It comes after the mail has been sent, and holds the whole user.
const LIMITS: Limits = Limits { time: Duration::from_secs(10), bytes: 256 * 1024 };
/// How many requests are at Supabase at once.
const PLACES: usize = 16;
/// How long a request waits for its place.
const PLACE_LIMIT: Duration = Duration::from_secs(2);
/// When somebody who asks for a code is answered: later than most mails take to be sent, so that the
/// time does not tell either whether one was.
const CODE_PACE: Duration = Duration::from_millis(1_500);
/// The longest address, bytes; Supabase's own limit.
const ADDRESS_BYTES_MAX: usize = 255;
/// The longest password, bytes. Supabase takes 72.
const PASSWORD_BYTES_MAX: usize = 1_024;
/// How many digits a code may have. A project chooses; six is what it begins with.
const CODE_DIGITS: std::ops::RangeInclusive<usize> = 6..=10;
/// How long to wait after too many tries if Supabase does not say, and at most.
const RETRY: u64 = 60;
const RETRY_MAX: u64 = 3_600;

/// Why nobody is signed in, in words for whoever tries.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignInError {
    /// What was typed is no address.
    #[error("This is not an e-mail address. It looks like name@example.com.")]
    NotAnAddress,
    /// Nobody has this address and this password; or they may not sign in.
    #[error("The e-mail address or the password is not right.")]
    WrongCredentials,
    /// The code is not the last one that was sent, or too old.
    #[error("The code is not right, or it has expired. Ask for a new one.")]
    WrongCode,
    /// The password is right, and the address has not been confirmed. Only who knows the password
    /// is told.
    #[error("This e-mail address is not confirmed yet. Follow the link in the mail that you got.")]
    NotConfirmed,
    /// Supabase takes no more tries for now.
    #[error("Too many tries. Try again in {} seconds.", .retry_after.as_secs())]
    TooMany {
        /// When to try again.
        retry_after: Duration,
    },
    /// Supabase does not answer.
    #[error("Signing in does not work at the moment. Try again in a few minutes.")]
    Away,
    /// Supabase refuses whatever is sent: the key is wrong, or the project wants what a server
    /// cannot give, such as a captcha. The operator has to do something.
    #[error("Signing in is not set up right: Supabase answers {code}.")]
    Refused {
        /// Supabase's own word for it, or the HTTP status.
        code: String,
    },
}

/// Somebody who signed in.
#[derive(Debug)]
pub struct SignedIn {
    /// The access token, for [`Verifier`](super::Verifier), and then to be dropped. The refresh token
    /// is not even read.
    pub access_token: Private<String>,
}

/// Supabase's sign-in endpoints. Copies share the places of their requests.
#[derive(Debug, Clone)]
pub struct SignIn {
    service: Arc<Service>,
    places: Arc<Semaphore>,
    pub(super) code_pace: Duration,
}

#[derive(Deserialize)]
struct TokenBody {
    access_token: Private<String>,
}

/// What an error says, in the spellings of Auth's versions and of the gateway in front of it.
#[derive(Deserialize, Default)]
struct ErrorBody {
    #[serde(default)]
    error_code: Value,
    /// A word in newer versions, the HTTP status in older ones.
    #[serde(default)]
    code: Value,
    #[serde(default)]
    error: Value,
    #[serde(default)]
    error_description: Value,
    #[serde(default)]
    msg: Value,
}

impl SignIn {
    /// The endpoints of this project.
    ///
    /// # Errors
    /// If no HTTP client can be made.
    pub fn new(project: &SupabaseProject) -> Result<Self, reqwest::Error> {
        let service = Arc::new(Service::new(project)?);
        Ok(Self { service, places: Arc::new(Semaphore::new(PLACES)), code_pace: CODE_PACE })
    }

    /// Signs in with a password.
    pub async fn password(
        &self,
        email: &Private<String>,
        password: &Private<String>,
    ) -> Result<SignedIn, SignInError> {
        let email = address(email)?;
        let password = password.reveal();
        if !(1..=PASSWORD_BYTES_MAX).contains(&password.len()) {
            return Err(SignInError::WrongCredentials);
        }
        let body = json!({"email": email, "password": password});
        let answer = self.post("/token?grant_type=password", &body).await?;
        signed_in(&answer, SignInError::WrongCredentials)
    }

    /// Has a code mailed to this address, if somebody has it: nobody is signed up by this. The answer
    /// is the same at the same time in either case, and an error says nothing of the address.
    pub async fn send_code(&self, email: &Private<String>) -> Result<(), SignInError> {
        let body = json!({"email": address(email)?, "create_user": false});
        let this = self.clone();
        // A task of its own: the mail is sent also when it takes longer than the answer.
        let mut asked = clock::spawn(async move { this.ask_for_code(&body).await });
        let mut pace = std::pin::pin!(clock::pause(self.code_pace));
        tokio::select! {
            () = &mut pace => Ok(()),
            answer = &mut asked => {
                answer.unwrap_or(Err(SignInError::Away))?;
                pace.await;
                Ok(())
            }
        }
    }

    /// Signs in with a code that [`send_code`](Self::send_code) had mailed. How often somebody may
    /// try is the caller's to bound.
    pub async fn verify_code(
        &self,
        email: &Private<String>,
        code: &Private<String>,
    ) -> Result<SignedIn, SignInError> {
        let email = address(email)?;
        // People paste it with a space in its middle.
        let code: String = code.reveal().split_whitespace().collect();
        if !CODE_DIGITS.contains(&code.len()) || !code.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(SignInError::WrongCode);
        }
        let body = json!({"type": "email", "email": email, "token": code});
        signed_in(&self.post("/verify", &body).await?, SignInError::WrongCode)
    }

    /// Ends the session of this token at Supabase, and no other of the same person. One that is
    /// over already is as good.
    ///
    /// # Errors
    /// [`SignInError::Away`] and [`SignInError::Refused`].
    pub async fn sign_out(&self, access_token: &Private<String>) -> Result<(), SignInError> {
        let _place = self.place().await?;
        let token = access_token.reveal();
        let answer = self.service.post_as(token, "/logout?scope=local", LIMITS).await;
        let answer = answer.map_err(told)?;
        match answer.status {
            200..=299 => Ok(()),
            // Auth says with a word of its own that there is no such session; the gateway has none.
            401 | 403 | 404 if error_of(&answer).is_of_auth() => Ok(()),
            _ => Err(refusal(&answer, SignInError::Away)),
        }
    }

    /// Asks for a code. Only what has nothing to do with the address is an error.
    pub(super) async fn ask_for_code(&self, body: &Value) -> Result<(), SignInError> {
        let answer = match self.post_once("/otp", body).await? {
            Ok(answer) => answer,
            Err(NoAnswer::Unreachable) => return Err(told(NoAnswer::Unreachable)),
            Err(error) => {
                warn!(%error, "whether Supabase mailed a code is not known");
                return Ok(());
            }
        };
        let error = error_of(&answer);
        match (answer.status, error.word().as_deref()) {
            (200..=299, _) => Ok(()),
            // What an address gets that nobody has.
            (_, Some("otp_disabled" | "user_not_found" | "signup_disabled")) => Ok(()),
            (429, Some("over_request_rate_limit"))
            | (_, Some("captcha_failed" | "email_provider_disabled")) => {
                Err(refusal(&answer, SignInError::Away))
            }
            (_, None) if !error.is_of_auth() => Err(refusal(&answer, SignInError::Away)),
            (status, code) => {
                warn!(status, code, "Supabase did not mail a code");
                Ok(())
            }
        }
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Answer, SignInError> {
        self.post_once(path, body).await?.map_err(told)
    }

    async fn post_once(
        &self,
        path: &str,
        body: &Value,
    ) -> Result<Result<Answer, NoAnswer>, SignInError> {
        let _place = self.place().await?;
        Ok(self.service.post(path, body, LIMITS).await)
    }

    async fn place(&self) -> Result<SemaphorePermit<'_>, SignInError> {
        let place = clock::within(PLACE_LIMIT, self.places.acquire()).await;
        place.and_then(Result::ok).ok_or(SignInError::Away)
    }
}

/// What somebody is told who got no answer.
fn told(error: NoAnswer) -> SignInError {
    warn!(%error, "Supabase's Auth does not answer");
    SignInError::Away
}

/// The address as it is sent. Supabase looks closer; this keeps out what is none at all.
fn address(email: &Private<String>) -> Result<&str, SignInError> {
    let email = email.reveal().trim();
    let is_odd = |c: char| c.is_whitespace() || c.is_control();
    let parts = email.rsplit_once('@').filter(|(name, host)| !name.is_empty() && !host.is_empty());
    if parts.is_none() || email.len() > ADDRESS_BYTES_MAX || email.contains(is_odd) {
        return Err(SignInError::NotAnAddress);
    }
    Ok(email)
}

fn signed_in(answer: &Answer, wrong: SignInError) -> Result<SignedIn, SignInError> {
    if answer.status != 200 {
        return Err(refusal(answer, wrong));
    }
    let body: TokenBody = service_json::from_slice(&answer.body).map_err(|_| {
        warn!("Supabase's Auth answers without a token");
        SignInError::Away
    })?;
    Ok(SignedIn { access_token: body.access_token })
}

/// Why Supabase refused. `wrong`: what is told of what was typed, where that is it.
fn refusal(answer: &Answer, wrong: SignInError) -> SignInError {
    let error = error_of(answer);
    let word = error.word();
    match (answer.status, word.as_deref()) {
        (429, _) => SignInError::TooMany { retry_after: retry_after(answer, &error) },
        (400..=499, Some("email_not_confirmed")) => SignInError::NotConfirmed,
        (400..=499, Some("invalid_grant")) if error.error_description == "Email not confirmed" => {
            SignInError::NotConfirmed
        }
        (
            400..=499,
            Some(
                "invalid_credentials"
                | "invalid_grant"
                | "otp_expired"
                | "user_banned"
                | "user_not_found"
                | "validation_failed"
                | "email_address_invalid",
            ),
        ) => wrong,
        // Older versions of Auth have no word for it.
        (400..=499, None) if error.is_of_auth() => wrong,
        (300..=499, word) => {
            let code = word.map_or_else(|| answer.status.to_string(), str::to_owned);
            warn!(%code, "Supabase's Auth refuses to sign anybody in");
            SignInError::Refused { code }
        }
        (status, word) => {
            warn!(status, word, "Supabase's Auth is in trouble");
            SignInError::Away
        }
    }
}

fn error_of(answer: &Answer) -> ErrorBody {
    service_json::from_slice(&answer.body).unwrap_or_default()
}

impl ErrorBody {
    /// The error's name, if it is a word that can be logged and shown.
    fn word(&self) -> Option<String> {
        let is_word = |text: &&str| {
            (1..=60).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        };
        let named = [&self.error_code, &self.code, &self.error];
        named.into_iter().filter_map(Value::as_str).find(is_word).map(str::to_owned)
    }

    /// Whether Auth itself says this, rather than the gateway in front of it.
    fn is_of_auth(&self) -> bool {
        self.word().is_some() || self.msg.is_string() || self.error_description.is_string()
    }
}

/// When to try again: as the header says, or the words "after 42 seconds".
fn retry_after(answer: &Answer, error: &ErrorBody) -> Duration {
    let from_words = || {
        let (_, rest) = error.msg.as_str()?.rsplit_once("after ")?;
        rest.split_once(" second")?.0.parse().ok()
    };
    let seconds = answer.retry_after_seconds.or_else(from_words).unwrap_or(RETRY);
    Duration::from_secs(seconds.clamp(1, RETRY_MAX))
}
