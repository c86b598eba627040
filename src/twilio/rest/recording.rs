//! What a caller left with Twilio, as sound.

use std::time::Duration;

use super::{Account, Repeatable, RestError, TwilioRest};
use crate::agent::Agent;
use crate::clock::within;
use crate::tls::body_of;

/// How long all of it may take: whoever asked waits, and a request ends after ten seconds.
const SOUND_LIMIT: Duration = Duration::from_secs(8);

/// A message that a caller left, where a row says that it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptMessage<'a> {
    /// The account that has it, `AC…`.
    pub owner_sid: &'a str,
    /// Its name there, `RE…`.
    pub sid: &'a str,
    /// `metadata.voicemail.own_account`: a token of the agent's own signed for it. Its owner knows that
    /// token, and may have named somebody else's message.
    pub own_account: bool,
}

impl<'a> KeptMessage<'a> {
    /// What an address names: `…/Accounts/AC…/Recordings/RE…`.
    pub fn read(url: &'a str, own_account: bool) -> Option<Self> {
        let path = url.split(['?', '#']).next()?;
        let (rest, name) = path.rsplit_once("/Recordings/")?;
        let (_, owner_sid) = rest.rsplit_once("/Accounts/")?;
        let sid = name.split('.').next()?;
        let is_sid = |sid: &str, kind: &str| {
            sid.starts_with(kind) && sid.chars().all(|c| c.is_ascii_alphanumeric())
        };
        let is_one = is_sid(owner_sid, "AC") && is_sid(sid, "RE");
        is_one.then_some(Self { owner_sid, sid, own_account })
    }
}

impl TwilioRest {
    /// The account to ask for a message with. The agent may have another one now than when the message was
    /// left: what the server's token signed for, and is in the server's account, is asked for with that.
    /// What a token of the agent's own signed for never is.
    fn account_of_message<'a>(
        &'a self,
        agent: &'a Agent,
        message: &KeptMessage<'a>,
    ) -> Result<Account<'a>, RestError> {
        let is_servers = self.global.account_sid.as_deref() == Some(message.owner_sid);
        match &agent.credentials {
            _ if !message.own_account && is_servers => self.global_account(),
            None if message.own_account => Err(RestError::NoAccount),
            // One without a name: the token is that of the account that signed, or of none.
            Some(own) if own.account_sid.is_none() && !own.are_sealed() => {
                Ok(Account { sid: message.owner_sid, token: own.auth_token.reveal() })
            }
            _ => self.account(agent),
        }
    }

    /// Deletes a message. One that is not there any more is as good.
    ///
    /// # Errors
    /// If it was not deleted, or perhaps not.
    pub async fn delete_recording(
        &self,
        agent: &Agent,
        message: &KeptMessage<'_>,
    ) -> Result<(), RestError> {
        let account = self.account_of_message(agent, message)?;
        let owner = Account { sid: message.owner_sid, token: account.token };
        let url = self.url(&owner, &["Recordings", &format!("{}.json", message.sid)]);
        match self.exchange(&account, self.http.delete(url), Repeatable::Yes).await {
            Ok(_) => Ok(()),
            Err(RestError::Refused { code: 20404, .. }) if owner.sid == account.sid => Ok(()),
            Err(error) => Err(seen_by(&account, &owner, error)),
        }
    }

    /// A message as MP3: all of it, and at most so many bytes. Only this interface's own address is asked, and no answer that leads elsewhere is
    /// followed, so that the credentials stay with Twilio.
    ///
    /// # Errors
    /// If Twilio has none, or does not give it in time.
    pub async fn read_recording(
        &self,
        agent: &Agent,
        message: &KeptMessage<'_>,
        most: usize,
    ) -> Result<Vec<u8>, RestError> {
        let account = self.account_of_message(agent, message)?;
        let owner = Account { sid: message.owner_sid, token: account.token };
        let url = self.url(&owner, &["Recordings", &format!("{}.mp3", message.sid)]);
        let request = self.http.get(url).basic_auth(account.sid, Some(account.token));
        let reading = async {
            let mut response = match request.send().await {
                Ok(response) => response,
                Err(error) if error.is_connect() => return Err(RestError::Unreachable),
                Err(_) => return Err(RestError::Unknown),
            };
            match response.status().as_u16() {
                200 => {
                    let sound =
                        body_of(&mut response, most).await.map_err(|_| RestError::Unknown)?;
                    sound.ok_or(RestError::TooLarge { most })
                }
                500.. => Err(RestError::Unknown),
                status => Err(RestError::Refused { status, code: 0 }),
            }
        };
        let read = within(SOUND_LIMIT, reading).await.unwrap_or(Err(RestError::Unknown));
        read.map_err(|error| seen_by(&account, &owner, error))
    }
}

/// Of what another account has Twilio may say that it is not there, where it only keeps it from the one
/// that asks: that is a refusal, and no word of whether it is there.
fn seen_by(asking: &Account<'_>, owner: &Account<'_>, error: RestError) -> RestError {
    match error {
        RestError::Refused { status: 404 | 410, code } if asking.sid != owner.sid => {
            RestError::Refused { status: 403, code }
        }
        error => error,
    }
}

#[cfg(test)]
mod tests {
    use super::KeptMessage;

    #[test]
    fn a_message_is_named_by_its_address() {
        for (end, expected) in [
            ("Accounts/AC1/Recordings/RE0a", Some(("AC1", "RE0a"))),
            ("Accounts/AC1/Recordings/RE0a.mp3?x=/y", Some(("AC1", "RE0a"))),
            ("Accounts/AC1/Recordings/RE0a#/RE1", Some(("AC1", "RE0a"))),
            ("Accounts/AC1/Recordings/", None),
            ("Accounts/AC1/Recordings/CA0a", None),
            ("Accounts/AC1/Recordings/RE%2fx", None),
            ("Accounts/../Recordings/RE1", None),
            ("Recordings/RE1", None),
            ("", None),
        ] {
            let url = format!("https://api.twilio.com/2010-04-01/{end}");
            let read = KeptMessage::read(&url, false);
            assert_eq!(read.map(|found| (found.owner_sid, found.sid)), expected, "{end}");
        }
    }
}
