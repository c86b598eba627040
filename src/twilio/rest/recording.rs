//! What a caller left with Twilio, as sound.

use std::time::Duration;

use super::{Account, RestError, TwilioRest};
use crate::agent::Agent;
use crate::clock::within;
use crate::tls::body_of;

/// How long all of it may take: whoever asked waits, and a request ends after ten seconds.
const SOUND_LIMIT: Duration = Duration::from_secs(8);

impl TwilioRest {
    /// A recording that an account has, the agent's own or one below it, as MP3: all of it, and at most
    /// so many bytes. Only this interface's own address is asked, and no answer that leads elsewhere is
    /// followed, so that the credentials stay with Twilio.
    ///
    /// # Errors
    /// If Twilio has none, or does not give it in time.
    pub async fn read_recording(
        &self,
        agent: &Agent,
        owner_sid: &str,
        sid: &str,
        most: usize,
    ) -> Result<Vec<u8>, RestError> {
        let account = self.account(agent)?;
        let owner = Account { sid: owner_sid, token: account.token };
        let url = self.url(&owner, &["Recordings", &format!("{sid}.mp3")]);
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
        within(SOUND_LIMIT, reading).await.unwrap_or(Err(RestError::Unknown))
    }
}
