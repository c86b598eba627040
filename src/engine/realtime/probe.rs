//! Tries a session, as a call would open it, and says what the service refuses of it.

use std::future::poll_fn;
use std::time::Duration;

use super::{Realtime, RealtimeConfig, RefusedSetting};
use crate::call::Event;
use crate::clock::within;
use crate::engine::{Engine, Report};

/// How long a session may take to be ready, over all that is refused of it.
const READY_LIMIT: Duration = Duration::from_secs(15);

/// Opens a session, configures it and lets it go. Gives what it goes on without.
///
/// # Errors
/// Why there is no session: an error class, never what the service said.
pub async fn probe(config: RealtimeConfig) -> Result<Vec<RefusedSetting>, String> {
    let mut session = Realtime::dial(config);
    let trying = async {
        let mut refused = Vec::new();
        loop {
            match poll_fn(|cx| session.poll(cx)).await {
                Report::Event(Event::SettingRefused { field, value }) => {
                    refused.push(RefusedSetting { field, value });
                }
                Report::Event(Event::EngineReady { .. }) => return Ok(refused),
                Report::Event(Event::EngineLost { why, .. }) => return Err(why),
                Report::Event(_) | Report::Audio { .. } => {}
            }
        }
    };
    let late = || Err("the session does not become ready".to_owned());
    within(READY_LIMIT, trying).await.unwrap_or_else(late)
}
