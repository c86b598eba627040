//! What an account has: the account itself, and its numbers with where their calls go.

use serde::Deserialize;

use super::wiring::OwnedNumber;
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
    /// `status_callback`: the address that is told of a call's end.
    pub status_callback: Option<String>,
    /// `voice_application_sid`: an application that is asked in the place of `voice_url`.
    pub voice_application_sid: Option<String>,
    /// `trunk_sid`: a trunk that takes the calls in the place of `voice_url`.
    pub trunk_sid: Option<String>,
    /// `capabilities.voice`: whether it can be called at all.
    pub takes_calls: bool,
}

#[derive(Deserialize)]
pub(super) struct Page {
    pub(super) incoming_phone_numbers: Vec<Number>,
    #[serde(default)]
    next_page_uri: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Number {
    #[serde(default)]
    sid: String,
    phone_number: String,
    #[serde(default)]
    voice_url: Option<String>,
    #[serde(default)]
    voice_method: Option<String>,
    #[serde(default)]
    voice_fallback_url: Option<String>,
    #[serde(default)]
    status_callback: Option<String>,
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
            status_callback: filled(number.status_callback),
            voice_application_sid: filled(number.voice_application_sid),
            trunk_sid: filled(number.trunk_sid),
            takes_calls: number.capabilities.is_none_or(|can| can.voice),
        }
    }
}

impl From<Number> for OwnedNumber {
    fn from(number: Number) -> Self {
        let (sid, phone_number) = (number.sid.clone(), number.phone_number.clone());
        let setup = NumberSetup::from(number);
        let takes_calls = setup.takes_calls;
        Self { sid, number: phone_number, wiring: setup.into(), takes_calls }
    }
}

impl TwilioRest {
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
        let mut url = self.numbers_url(&account, Some(number));
        for _ in 0..PAGES_MAX {
            let page = self.page(&account, url.clone()).await?;
            let next = self.next_page(&page)?;
            let found =
                page.incoming_phone_numbers.into_iter().find(|found| found.phone_number == number);
            if let Some(found) = found {
                return Ok(Some(found.into()));
            }
            match next {
                Some(next) => url = next,
                None => return Ok(None),
            }
        }
        Err(RestError::Unknown)
    }

    /// The list of numbers, of this one alone if it is named.
    pub(super) fn numbers_url(&self, account: &Account<'_>, number: Option<&str>) -> url::Url {
        let mut url = self.url(account, &["IncomingPhoneNumbers.json"]);
        let mut query = url.query_pairs_mut();
        number.map(|number| query.append_pair("PhoneNumber", number));
        query.append_pair("PageSize", PAGE_SIZE);
        drop(query);
        url
    }

    /// Where the page after this one is: a path on the same host, as credentials go nowhere else.
    pub(super) fn next_page(&self, page: &Page) -> Result<Option<url::Url>, RestError> {
        let Some(next) = page.next_page_uri.as_ref().filter(|uri| uri.starts_with('/')) else {
            return Ok(None);
        };
        let next = self.api_url.join(next).map_err(|_| RestError::Unknown)?;
        let is_there = next.origin() == self.api_url.origin();
        is_there.then_some(Some(next)).ok_or(RestError::Unknown)
    }

    pub(super) async fn page(
        &self,
        account: &Account<'_>,
        url: url::Url,
    ) -> Result<Page, RestError> {
        let body = self.exchange(account, self.http.get(url), Repeatable::Yes).await?;
        serde_json::from_slice(&body).map_err(|_| RestError::Unknown)
    }
}
