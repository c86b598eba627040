//! What an account has: the account itself, and its numbers with where their calls go.

use serde::Deserialize;

use super::wiring::{OwnedNumber, Wiring};
use super::{Account, Repeatable, RestError, TwilioRest};
use crate::agent::Agent;

/// Numbers on one page. Each takes about 2 KB of the answer, of which 64 KiB are read.
const PAGE_SIZE: &str = "20";
/// Pages that are read. The list is asked for one number, so that there is one page.
const PAGES_MAX: usize = 10;

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
    #[serde(flatten)]
    wiring: Wiring,
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

impl From<Number> for OwnedNumber {
    fn from(number: Number) -> Self {
        Self {
            sid: number.sid,
            number: number.phone_number,
            wiring: number.wiring.filled(),
            takes_calls: number.capabilities.is_none_or(|can| can.voice),
        }
    }
}

impl TwilioRest {
    /// A number (E.164) of the agent's account, and where its calls go; none if the account has no
    /// such number.
    ///
    /// # Errors
    /// If Twilio does not say.
    pub async fn number(
        &self,
        agent: &Agent,
        number: &str,
    ) -> Result<Option<OwnedNumber>, RestError> {
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
