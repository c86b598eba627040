//! Whether the speech service can be had, for pages on which an owner is about to rely on it.

use std::sync::OnceLock;
use std::time::Duration;

use moka::future::Cache;

use super::AppState;
use crate::clock::within;
use crate::engine::models::{ModelAnswer, ModelError, ModelList};
use crate::line::Engines;

/// How long the service may take to say so. It is only for a hint.
const ANSWER_LIMIT: Duration = Duration::from_secs(3);
/// For how long its answer is kept: a page that waits for a call is loaded every two seconds.
const KEPT_FOR: Duration = Duration::from_secs(60);

/// What is wrong with the speech service, and what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trouble {
    /// What an owner hears of it, or not, in a sentence.
    pub(super) what: &'static str,
    /// What whoever runs the server does.
    pub(super) remedy: &'static str,
    /// Whether no service is set up at all.
    pub(super) is_missing: bool,
    /// Whether what is set up is a stand-in.
    pub(super) is_stand_in: bool,
}

/// Where whoever set the speech service up said that it is a stand-in: a call gets answers, and not those of
/// a real one.
const REHEARSED: Trouble = Trouble {
    what: "A stand-in speaks here: it plays one script, and understands nothing else.",
    remedy: "Whoever runs the server sets OPENAI_API_KEY to a key of the speech service.",
    is_missing: false,
    is_stand_in: true,
};

/// What is wrong with the speech service of this server; none: nothing is.
pub(super) async fn trouble(state: &AppState) -> Option<Trouble> {
    match state.test_calls.scripted.get() {
        Some(_) => Some(REHEARSED),
        None => state.owners.speech.trouble(&state.services.engines).await,
    }
}

impl Trouble {
    /// Whether a stand-in answers tests instead: where this program has one, if no service is set up.
    pub(super) fn has_stand_in(self) -> bool {
        self.is_missing && HAS_STAND_IN
    }
}

/// Whether this program has a stand-in for the speech service.
pub(super) const HAS_STAND_IN: bool = cfg!(feature = "rehearsal");

/// What the speech service said lately.
#[derive(Debug)]
pub(super) struct Speech {
    list: OnceLock<Option<ModelList>>,
    said: Cache<(), Option<Trouble>>,
}

impl Default for Speech {
    fn default() -> Self {
        let said = Cache::builder().max_capacity(1).time_to_live(KEPT_FOR).build();
        Self { list: OnceLock::new(), said }
    }
}

impl Speech {
    /// Asks the service for the model that speaks, unless it said so lately; none: it is there.
    async fn trouble(&self, engines: &Engines) -> Option<Trouble> {
        if engines.openai.api_key.is_none() {
            return Some(Trouble {
                what: "This server has no key of a speech service, so the agent has no voice yet.",
                remedy: "Whoever runs the server sets OPENAI_API_KEY and starts it again.",
                is_missing: true,
                is_stand_in: false,
            });
        }
        let list = self.list.get_or_init(|| ModelList::of(&engines.openai).ok()).as_ref()?;
        self.kept(async {
            let asked = within(ANSWER_LIMIT, list.look_up(&engines.models.realtime)).await;
            of(asked.unwrap_or(Err(ModelError::Late)))
        })
        .await
    }

    async fn kept(&self, ask: impl Future<Output = Option<Trouble>>) -> Option<Trouble> {
        self.said.get_with((), ask).await
    }
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
    Some(Trouble { what, remedy, is_missing: false, is_stand_in: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_service_is_asked_once_and_its_answer_kept() {
        let speech = Speech::default();
        let late = of(Err(ModelError::Late));
        assert_eq!(speech.kept(async { late }).await, late);
        assert_eq!(speech.kept(async { panic!("asked again") }).await, late);
    }

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
