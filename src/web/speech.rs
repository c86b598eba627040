//! Whether the speech service can be had, for pages on which an owner is about to rely on it.

use std::time::Duration;

use crate::clock::within;
use crate::engine::models::{ModelAnswer, ModelError, ModelList};
use crate::web::AppState;

/// How long the service may take to say so. It is only for a hint.
const ANSWER_LIMIT: Duration = Duration::from_secs(3);

/// What is wrong with the speech service, and what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trouble {
    /// What an owner hears of it, or not, in a sentence.
    pub(super) what: &'static str,
    /// What whoever runs the server does.
    pub(super) remedy: &'static str,
    /// Whether no service is set up at all, so that a stand-in answers tests.
    pub(super) is_missing: bool,
}

/// Asks the service for the model that speaks; none: it is there.
pub(super) async fn trouble(state: &AppState) -> Option<Trouble> {
    let engines = &state.exchange.engines;
    if engines.openai.api_key.is_none() {
        return Some(Trouble {
            what: "This server has no key of a speech service, so the agent has no voice yet.",
            remedy: "Whoever runs the server sets OPENAI_API_KEY and starts it again.",
            is_missing: true,
        });
    }
    let list = ModelList::of(&engines.openai).ok()?;
    let asked = within(ANSWER_LIMIT, list.look_up(&engines.models.realtime)).await;
    of(asked.unwrap_or(Err(ModelError::Late)))
}

fn of(answer: Result<ModelAnswer, ModelError>) -> Option<Trouble> {
    let (what, remedy) = match answer {
        Ok(ModelAnswer::There { .. } | ModelAnswer::NotTold) => return None,
        Ok(ModelAnswer::Missing) => (
            "The speech service does not have the model that is to speak.",
            "Whoever runs the server sets REALTIME_MODEL to a model that the key may use.",
        ),
        Err(ModelError::Key) => (
            "The speech service refuses this server's key, so the agent has no voice.",
            "Whoever runs the server sets OPENAI_API_KEY to a key that is in force.",
        ),
        Err(ModelError::Status(429)) => (
            "The speech service takes no more from this server's key for now.",
            "Whoever runs the server looks at the account's credit and limits.",
        ),
        Err(ModelError::Unreachable | ModelError::Late | ModelError::Status(_)) => (
            "The speech service does not answer just now, so the agent has no voice.",
            "Try again in some minutes. If it stays so, whoever runs the server looks at the page Health.",
        ),
    };
    Some(Trouble { what, remedy, is_missing: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_trouble_has_its_words() {
        for answer in [ModelAnswer::There { shutdown_date: None }, ModelAnswer::NotTold] {
            assert_eq!(of(Ok(answer)), None);
        }
        let said = |answer| of(answer).unwrap().what;
        assert!(said(Ok(ModelAnswer::Missing)).contains("does not have the model"));
        assert!(said(Err(ModelError::Key)).contains("refuses"));
        assert!(said(Err(ModelError::Status(429))).contains("takes no more"));
        for away in [ModelError::Unreachable, ModelError::Late, ModelError::Status(500)] {
            assert!(said(Err(away)).contains("does not answer"));
        }
    }
}
