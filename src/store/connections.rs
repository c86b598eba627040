//! How connections are opened and looked after.

use std::time::Duration;

use sqlx::AssertSqlSafe;
use sqlx::postgres::{PgConnection, PgPoolOptions};

use crate::clock;

/// How long a statement waits for a free connection.
const ACQUIRE_LIMIT: Duration = Duration::from_secs(3);

/// How long a connection that comes back may take to show that it still works.
const RELEASE_LIMIT: Duration = Duration::from_secs(2);

/// As often PostgreSQL looks whether whoever sent a statement is still there.
const LOOK_FOR_CLIENT: &str = "set client_connection_check_interval = '1s'";

/// At most so many connections; each of their statements may take so long: what a page asks for is small,
/// and what turns out not to be is given up before anybody else waits for it.
pub(super) fn pool_of(connections: u32, limit: Option<Duration>) -> PgPoolOptions {
    // sqlx pings a connection that comes back, without a limit: on a network that swallows
    // packets every statement given up would take a connection with it.
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_LIMIT)
        .after_connect(move |connection, _| Box::pin(prepare(connection, limit)))
        .after_release(|connection, _| {
            Box::pin(async move {
                let ping = sqlx::Connection::ping(connection);
                match clock::within(RELEASE_LIMIT, ping).await {
                    Some(ping) => ping.map(|()| true),
                    None => Err(sqlx::Error::PoolTimedOut),
                }
            })
        })
}

async fn prepare(connection: &mut PgConnection, limit: Option<Duration>) -> sqlx::Result<()> {
    // A statement that is given up here takes its connection with it. Its back end, which may wait for a
    // lock, would stay beside the next one, and use up what the server allows. Systems without POLLRDHUP
    // refuse the setting, which is no reason to do without the database.
    if let Err(error) = sqlx::Executor::execute(&mut *connection, LOOK_FOR_CLIENT).await {
        tracing::debug!(%error, "the database does not look for its clients");
    }
    if let Some(limit) = limit {
        let limit = AssertSqlSafe(format!("set statement_timeout = {}", limit.as_millis()));
        sqlx::Executor::execute(&mut *connection, limit).await?;
    }
    Ok(())
}
