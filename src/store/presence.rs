//! Whether the database is there.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::select_ok;
use sqlx::postgres::PgPool;

use super::{Result, Store, StoreError, knock};
use crate::clock;

/// What is there where a database is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It has answered a statement.
    Answers,
    /// It is there, and no connection to it is free.
    Busy,
}

impl Store {
    /// Whether the database is there, within `limit`. Where no connection comes free or can be opened
    /// for half of that, whoever listens at its address is asked: statements that are slow on all
    /// connections of both kinds say nothing of the database.
    ///
    /// # Errors
    /// [`StoreError::Away`] when nobody answers, and what a statement failed of.
    pub async fn presence(&self, limit: Duration) -> Result<Presence> {
        let is_asked = AtomicBool::new(false);
        let ask = async |pool: &PgPool| {
            let mut connection = pool.acquire().await?;
            is_asked.store(true, Ordering::Relaxed);
            sqlx::query("select 1").execute(&mut *connection).await
        };
        let asking = [Some(&self.pool), self.other.as_ref()].into_iter().flatten();
        let mut asking = select_ok(asking.map(|pool| Box::pin(ask(pool))));
        let late = || StoreError::Away("no answer".to_owned());
        if let Some(answer) = clock::within(limit / 2, &mut asking).await {
            answer?;
            return Ok(Presence::Answers);
        }
        // Asked and not answered: it has a second half to do so, and no excuse.
        if is_asked.load(Ordering::Relaxed) {
            clock::within(limit / 2, asking).await.ok_or_else(late)??;
            return Ok(Presence::Answers);
        }
        let options = self.pool.connect_options();
        let knocking = async {
            tokio::select! {
                answer = asking => answer.map(|_| Presence::Answers).map_err(StoreError::from),
                answer = knock::knock(&options) => answer.map(|()| Presence::Busy),
            }
        };
        clock::within(limit / 2, knocking).await.ok_or_else(late)?
    }

    /// Whether the database answers, on a connection of either kind: statements that all wait for a
    /// lock leave none of the one kind free, and say nothing of the database.
    ///
    /// # Errors
    /// [`StoreError`] when it does not.
    pub async fn ping(&self) -> Result<()> {
        let ask =
            |pool: PgPool| Box::pin(async move { sqlx::query("select 1").execute(&pool).await });
        let asked = [Some(&self.pool), self.other.as_ref()];
        let asking = asked.into_iter().flatten().map(|pool| ask(pool.clone()));
        select_ok(asking).await?;
        Ok(())
    }
}
