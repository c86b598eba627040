//! What an account has: the account itself, and its numbers with where their calls go.

use serde::Deserialize;

use super::{Account, Repeatable, RestError, TwilioRest};
use crate::agent::Agent;

/// Numbers on one page. Each takes about 2 KB of the answer, of which 64 KiB are read.
const PAGE_SIZE: &str = "20";
/// Pages that are read. The list is asked for one number, so that there is one page.
const PAGES_MAX: usize = 10;

/// Where the calls to a number go (protocols 4). Empty texts are `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NumberSetup {
    /// `voice_url`: the address that Twilio asks about a call.
    pub voice_url: Option<String>,
    /// `voice_method`: the HTTP method of that request.
    pub voice_method: Option<String>,
    /// `voice_fallback_url`: the address that Twilio asks where that fails.
    pub voice_fallback_url: Option<String>,
    /// `voice_application_sid`: an application that is asked in the place of `voice_url`.
    pub voice_application_sid: Option<String>,
    /// `trunk_sid`: a trunk that takes the calls in the place of `voice_url`.
    pub trunk_sid: Option<String>,
    /// `capabilities.voice`: whether it can be called at all.
    pub takes_calls: bool,
}

#[derive(Deserialize)]
struct AccountBody {
    status: String,
}

#[derive(Deserialize)]
struct Page {
    incoming_phone_numbers: Vec<Number>,
    #[serde(default)]
    next_page_uri: Option<String>,
}

#[derive(Deserialize)]
struct Number {
    phone_number: String,
    #[serde(default)]
    voice_url: Option<String>,
    #[serde(default)]
    voice_method: Option<String>,
    #[serde(default)]
    voice_fallback_url: Option<String>,
    #[serde(default)]
    voice_application_sid: Option<String>,
    #[serde(default)]
    trunk_sid: Option<String>,
    #[serde(default)]
    capabilities: Option<Capabilities>,
}

#[derive(Deserialize)]
struct Capabilities {
    #[serde(default = "yes")]
    voice: bool,
}

fn yes() -> bool {
    true
}

impl From<Number> for NumberSetup {
    fn from(number: Number) -> Self {
        let filled = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
        Self {
            voice_url: filled(number.voice_url),
            voice_method: filled(number.voice_method),
            voice_fallback_url: filled(number.voice_fallback_url),
            voice_application_sid: filled(number.voice_application_sid),
            trunk_sid: filled(number.trunk_sid),
            takes_calls: number.capabilities.is_none_or(|can| can.voice),
        }
    }
}

impl TwilioRest {
    /// The state of the agent's account, or of the global one: `active`, `suspended` or `closed`.
    ///
    /// # Errors
    /// If Twilio does not say, or does not know these credentials.
    pub async fn account_status(&self, agent: &Agent) -> Result<String, RestError> {
        let account = self.account(agent)?;
        let mut url = self.api_url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            let name = format!("{}.json", account.sid);
            path.pop_if_empty().extend(["2010-04-01", "Accounts", &name]);
        }
        let body = self.exchange(&account, self.http.get(url), Repeatable::Yes).await?;
        let read: AccountBody = serde_json::from_slice(&body).map_err(|_| RestError::Unknown)?;
        Ok(read.status)
    }

    /// Where the calls to a number (E.164) of the agent's account go; none if the account has no
    /// such number.
    ///
    /// # Errors
    /// If Twilio does not say.
    pub async fn number_setup(
        &self,
        agent: &Agent,
        number: &str,
    ) -> Result<Option<NumberSetup>, RestError> {
        let account = self.account(agent)?;
        let mut url = self.url(&account, &["IncomingPhoneNumbers.json"]);
        url.query_pairs_mut().append_pair("PhoneNumber", number).append_pair("PageSize", PAGE_SIZE);
        for _ in 0..PAGES_MAX {
            let page = self.page(&account, url.clone()).await?;
            let found =
                page.incoming_phone_numbers.into_iter().find(|found| found.phone_number == number);
            if let Some(found) = found {
                return Ok(Some(found.into()));
            }
            // A path, on the same host: credentials go nowhere else.
            let next = page.next_page_uri.filter(|uri| uri.starts_with('/'));
            let Some(next) = next else { return Ok(None) };
            let joined = self.api_url.join(&next).map_err(|_| RestError::Unknown)?;
            if joined.origin() != self.api_url.origin() {
                return Err(RestError::Unknown);
            }
            url = joined;
        }
        Err(RestError::Unknown)
    }

    async fn page(&self, account: &Account<'_>, url: url::Url) -> Result<Page, RestError> {
        let body = self.exchange(account, self.http.get(url), Repeatable::Yes).await?;
        serde_json::from_slice(&body).map_err(|_| RestError::Unknown)
    }
}
