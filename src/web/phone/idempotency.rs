//! Idempotency of webhooks. Twilio repeats one whose answer it did not get, under the same token.
//! The server carries it out once and gives the same answer, so that a repetition spends no return
//! to the agent and voids no stream token.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Uri};
use moka::sync::Cache;
use tokio::sync::OnceCell;
use uuid::Uuid;

use super::Document;
use crate::web::AppState;

/// The header with the token, which all repetitions of a webhook share. The header is not signed,
/// so the token counts only beside what is signed.
const TOKEN_HEADER: &str = "i-twilio-idempotency-token";
/// The longest token that is looked at.
const TOKEN_MAX: usize = 128;
/// How many answers the cache keeps, and for how long: Twilio gives up after 15 s a try.
const ANSWERS_MAX: u64 = 10_000;
const ANSWERS_TIME: Duration = Duration::from_secs(120);

/// The answers to the latest webhooks, by Twilio's idempotency token.
pub struct IdempotencyCache(Cache<String, Arc<OnceCell<Document>>>);

impl Default for IdempotencyCache {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(ANSWERS_MAX).time_to_live(ANSWERS_TIME).build())
    }
}

impl std::fmt::Debug for IdempotencyCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answers").finish_non_exhaustive()
    }
}

impl AppState {
    /// Answers a signed webhook about this agent's call, with the earlier answer if there is one.
    /// The token in the header is not signed, so the key has the agent too, and finds no other
    /// agent's answer.
    pub(super) async fn once(
        &self,
        uri: &Uri,
        headers: &HeaderMap,
        agent_id: Uuid,
        call_sid: &str,
        answering: impl Future<Output = Document>,
    ) -> Document {
        let token = headers.get(TOKEN_HEADER).and_then(|token| token.to_str().ok());
        let Some(token) = token.filter(|token| (1..=TOKEN_MAX).contains(&token.len())) else {
            return answering.await;
        };
        let key = format!("{} {agent_id} {call_sid} {token}", uri.path());
        let answer = self.answers.0.get_with(key, Arc::default);
        answer.get_or_init(|| answering).await.clone()
    }
}
