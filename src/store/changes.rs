//! `realtime_changes`: what others change in the rows that callers' answers depend on.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use sqlx::postgres::{PgListener, PgPool, PgPoolOptions};
use uuid::Uuid;

use super::{Store, StoreError};
use crate::clock;
use crate::private::Private;

/// The channel that the triggers of migrations/ notify.
const CHANNEL: &str = "realtime_changes";

/// How long a connection may be silent before it is asked whether it still is one.
const SILENCE: Duration = Duration::from_secs(30);

/// How long connecting, and that question, may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// The longest pause between two attempts to connect.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What a reader of [`Changes`] is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeEvent {
    /// Listening begins, at first or again: what changed before this is not told, so read
    /// everything again.
    Reconnected,
    /// A row of a table changed.
    Changed(Change),
}

/// A row that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The name of the table.
    pub table: String,
    /// INSERT, UPDATE or DELETE.
    pub operation: String,
    /// The agent that the row is or belongs to.
    pub agent_id: Option<Uuid>,
    /// The agent's number as it was written, if the row is an agent and the notice not truncated.
    pub number: Option<Private<String>>,
}

/// Listens for changes, on a connection of its own, for ever.
#[derive(Debug)]
pub struct Changes {
    pool: PgPool,
    listener: Option<PgListener>,
    pause: Duration,
}

impl Changes {
    /// Will listen on the database of `store`.
    pub fn new(store: &Store) -> Self {
        Self { pool: store.pool().clone(), listener: None, pause: Duration::ZERO }
    }

    /// Waits for the next change. Never fails: a lost connection is made anew, with pauses that
    /// grow to 5 s. If the future is dropped, no change is lost.
    pub async fn next(&mut self) -> ChangeEvent {
        loop {
            let Some(listener) = &mut self.listener else {
                if self.connect().await {
                    return ChangeEvent::Reconnected;
                }
                continue;
            };
            match clock::within(SILENCE, Box::pin(listener.try_recv())).await {
                Some(Ok(Some(notice))) => {
                    if let Some(change) = decode(notice.payload()) {
                        return ChangeEvent::Changed(change);
                    }
                }
                Some(Ok(None) | Err(_)) => self.listener = None,
                None => {
                    let question = sqlx::query("select 1").execute(&mut *listener);
                    if !matches!(clock::within(ANSWER_LIMIT, question).await, Some(Ok(_))) {
                        self.listener = None;
                    }
                }
            }
        }
    }

    /// One attempt, after a pause if the last one failed.
    async fn connect(&mut self) -> bool {
        clock::pause(self.pause).await;
        match clock::within(ANSWER_LIMIT, Box::pin(listen(&self.pool))).await {
            Some(Ok(listener)) => {
                self.listener = Some(listener);
                self.pause = Duration::ZERO;
                true
            }
            failed => {
                let error = match failed {
                    Some(Err(error)) => StoreError::from(error),
                    _ => StoreError::Away("no answer".to_owned()),
                };
                tracing::debug!(%error, "cannot listen for changes yet");
                self.pause = (self.pause * 2).clamp(Duration::from_millis(100), LONGEST_PAUSE);
                false
            }
        }
    }
}

/// A connection that listens. A pool of its own, thrown away with it: a listener that is dropped
/// gives its connection back, and a dead one would keep a place among those that statements use.
async fn listen(pool: &PgPool) -> sqlx::Result<PgListener> {
    let own = PgPoolOptions::new()
        .max_connections(1)
        .max_lifetime(None)
        .idle_timeout(None)
        .acquire_timeout(ANSWER_LIMIT)
        .connect_lazy_with((*pool.connect_options()).clone());
    let mut listener = PgListener::connect_with(&own).await?;
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await?;
    Ok(listener)
}

/// A notice as the triggers write it, whole or truncated. The channel is open to others: what is
/// no such notice is nothing.
fn decode(payload: &str) -> Option<Change> {
    #[derive(Deserialize)]
    struct Notice {
        operation: String,
        table: String,
        #[serde(default)]
        data: Value,
    }
    let Notice { operation, table, data } = serde_json::from_str(payload).ok()?;
    let agent_columns: &[&str] = match table.as_str() {
        "voice_agents" => &["id"],
        // Truncated, every table's notice says voice_agent_id.
        "functions" => &["assistant_id", "voice_agent_id"],
        _ => &["voice_agent_id"],
    };
    let text = |column: &str| data.get(column).and_then(Value::as_str);
    let agent_id = agent_columns.iter().find_map(|column| text(column)?.parse().ok());
    let number = text("twilio_phone_number").map(|number| Private::new(number.to_owned()));
    Some(Change { table, operation, agent_id, number })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_tells_whose_row_it_was() {
        let id = "6f1c2f7e-58a5-4f5b-9b0e-3d3b2f0b7a11";
        let whole = format!(
            r#"{{"operation":"UPDATE","table":"voice_agents",
                "data":{{"id":"{id}","twilio_phone_number":"+1 555","name":"x"}}}}"#
        );
        let change = decode(&whole).unwrap();
        assert_eq!((change.table.as_str(), change.operation.as_str()), ("voice_agents", "UPDATE"));
        assert_eq!(change.agent_id, Some(id.parse().unwrap()));
        assert_eq!(change.number, Some("+1 555".to_owned().into()));

        let truncated = format!(
            r#"{{"operation":"INSERT","table":"business_details","truncated":true,
                "data":{{"id":"{}","voice_agent_id":"{id}"}}}}"#,
            Uuid::nil()
        );
        assert_eq!(decode(&truncated).unwrap().agent_id, Some(id.parse().unwrap()));

        let function = format!(
            r#"{{"operation":"DELETE","table":"functions","data":{{"assistant_id":"{id}"}}}}"#
        );
        assert_eq!(decode(&function).unwrap().agent_id, Some(id.parse().unwrap()));
        let truncated = function.replace("assistant_id", "voice_agent_id");
        assert_eq!(decode(&truncated).unwrap().agent_id, Some(id.parse().unwrap()));
        assert_eq!(decode("hello"), None);
        assert_eq!(decode(r#"{"operation":"DELETE","table":"functions"}"#).unwrap().agent_id, None);
    }
}
