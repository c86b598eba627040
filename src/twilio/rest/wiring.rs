//! The numbers of an account, and where Twilio sends their calls.

use serde::{Deserialize, Serialize};

use super::numbers::Number;
use super::{Account, Repeatable, RestError, TwilioRest};
use crate::agent::Agent;

/// Pages that are read of the list: two hundred numbers.
const PAGES_MAX: usize = 10;

/// A number that an account has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnedNumber {
    /// Twilio's name for it, `PN` and 32 hex digits.
    pub sid: String,
    /// The number, E.164.
    pub number: String,
    /// What is called on it now.
    pub wiring: Wiring,
    /// Whether it can be called at all.
    pub takes_calls: bool,
}

/// Where Twilio sends a number's calls (protocols 4): what a connection changes, and what puts it back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wiring {
    /// `VoiceUrl`: the address that Twilio asks about a call.
    pub voice_url: Option<String>,
    /// `VoiceMethod`: the HTTP method of that request.
    pub voice_method: Option<String>,
    /// `VoiceFallbackUrl`: the address that Twilio asks where that fails.
    pub voice_fallback_url: Option<String>,
    /// `StatusCallback`: the address that is told of a call's end.
    pub status_callback: Option<String>,
    /// `VoiceApplicationSid`: an application that wins over `VoiceUrl`.
    pub voice_application_sid: Option<String>,
    /// `TrunkSid`: a trunk that wins over both.
    pub trunk_sid: Option<String>,
}

impl Wiring {
    /// The same, where what is empty is none.
    pub(super) fn filled(self) -> Self {
        let filled = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
        Self {
            voice_url: filled(self.voice_url),
            voice_method: filled(self.voice_method),
            voice_fallback_url: filled(self.voice_fallback_url),
            status_callback: filled(self.status_callback),
            voice_application_sid: filled(self.voice_application_sid),
            trunk_sid: filled(self.trunk_sid),
        }
    }

    /// The form that sets all of it; what is none is emptied.
    fn form(&self) -> Vec<(&'static str, &str)> {
        [
            ("VoiceUrl", &self.voice_url),
            ("VoiceMethod", &self.voice_method),
            ("VoiceFallbackUrl", &self.voice_fallback_url),
            ("StatusCallback", &self.status_callback),
            ("VoiceApplicationSid", &self.voice_application_sid),
            ("TrunkSid", &self.trunk_sid),
        ]
        .into_iter()
        .map(|(field, value)| (field, value.as_deref().unwrap_or_default()))
        .collect()
    }
}

#[derive(Deserialize)]
struct AccountBody {
    status: String,
    #[serde(default, rename = "type")]
    kind: String,
}

/// What an account is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountState {
    /// `active`, `suspended` or `closed`.
    pub status: String,
    /// A trial: only numbers that were verified may call, for a month.
    pub is_trial: bool,
}

impl TwilioRest {
    /// What the agent's account is.
    ///
    /// # Errors
    /// If Twilio does not say, or does not know these credentials.
    pub async fn account_state(&self, agent: &Agent) -> Result<AccountState, RestError> {
        let account = self.account(agent)?;
        let url = self.account_url(&account);
        let body = self.exchange(&account, self.http.get(url), Repeatable::Yes).await?;
        let read: AccountBody = serde_json::from_slice(&body).map_err(|_| RestError::Unknown)?;
        Ok(AccountState { status: read.status, is_trial: read.kind == "Trial" })
    }

    /// The numbers of the agent's account, at most two hundred.
    ///
    /// # Errors
    /// If Twilio does not say.
    pub async fn owned_numbers(&self, agent: &Agent) -> Result<Vec<OwnedNumber>, RestError> {
        let account = self.account(agent)?;
        let mut page = Some(self.numbers_url(&account, None));
        let mut all = Vec::new();
        for _ in 0..PAGES_MAX {
            let Some(url) = page.take() else { break };
            let read = self.page(&account, url).await?;
            page = self.next_page(&read)?;
            all.extend(read.incoming_phone_numbers.into_iter().map(OwnedNumber::from));
        }
        Ok(all)
    }

    /// Sends a number's calls elsewhere, and gives what Twilio then has.
    ///
    /// # Errors
    /// If it was not done, or perhaps not.
    pub async fn wire_number(
        &self,
        agent: &Agent,
        number_sid: &str,
        wiring: &Wiring,
    ) -> Result<OwnedNumber, RestError> {
        let account = self.account(agent)?;
        let url = self.url(&account, &["IncomingPhoneNumbers", &format!("{number_sid}.json")]);
        let request = self.http.post(url).form(&wiring.form());
        let body = self.exchange(&account, request, Repeatable::Yes).await?;
        read_number(&body)
    }

    /// A number of the agent's account, as it is now.
    ///
    /// # Errors
    /// If the account has none of this name, or Twilio does not say.
    pub async fn owned_number(&self, agent: &Agent, sid: &str) -> Result<OwnedNumber, RestError> {
        let all = self.owned_numbers(agent).await?;
        let gone = RestError::Refused { status: 404, code: 20404 };
        all.into_iter().find(|number| number.sid == sid).ok_or(gone)
    }

    fn account_url(&self, account: &Account<'_>) -> url::Url {
        let mut url = self.api_url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            let name = format!("{}.json", account.sid);
            path.pop_if_empty().extend(["2010-04-01", "Accounts", &name]);
        }
        url
    }
}

fn read_number(body: &[u8]) -> Result<OwnedNumber, RestError> {
    let number: Number = serde_json::from_slice(body).map_err(|_| RestError::Unknown)?;
    Ok(number.into())
}
