//! A database of its own for each test, on the server that `TEST_DATABASE_URL` names.
#![allow(
    dead_code,
    clippy::allow_attributes,
    reason = "each test program compiles this file and uses its own part of it"
)]

use std::str::FromStr;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};
use uuid::Uuid;

/// A database that is dropped with this value.
#[derive(Debug)]
pub(crate) struct FreshDatabase {
    server: PgConnectOptions,
    name: String,
}

/// Creates an empty database with a random name.
///
/// # Panics
///
/// Without `TEST_DATABASE_URL`, with a line that says what to run.
pub(crate) async fn fresh_database() -> FreshDatabase {
    let url = std::env::var("TEST_DATABASE_URL")
        .expect("TEST_DATABASE_URL is not set: run scripts/test, which provisions a PostgreSQL");
    let server = PgConnectOptions::from_str(&url).expect("TEST_DATABASE_URL is a PostgreSQL URL");
    let name = format!("test_{}", Uuid::new_v4().simple());
    let mut connection = server.connect().await.expect("TEST_DATABASE_URL answers");
    run(&mut connection, &format!("create database {name}")).await;
    FreshDatabase { server, name }
}

impl FreshDatabase {
    /// How to connect to it.
    pub(crate) fn options(&self) -> PgConnectOptions {
        self.server.clone().database(&self.name)
    }

    /// The URL of it, for a program that is started.
    pub(crate) fn url(&self) -> String {
        self.options().to_url_lossy().to_string()
    }

    /// A pool of up to `connections`.
    pub(crate) async fn pool(&self, connections: u32) -> PgPool {
        pool(self.options(), connections).await
    }
}

/// A pool of up to `connections`.
pub(crate) async fn pool(options: PgConnectOptions, connections: u32) -> PgPool {
    PgPoolOptions::new()
        .max_connections(connections)
        .connect_with(options)
        .await
        .expect("the test's database answers")
}

/// Runs statements that return nothing.
pub(crate) async fn run(connection: &mut PgConnection, sql: &str) {
    connection.execute(AssertSqlSafe(sql.to_owned())).await.expect("the statements run");
}

impl Drop for FreshDatabase {
    /// A test that fails drops its database as well. Dropping is asynchronous, and the test's own
    /// runtime is busy with this drop: so another thread does it.
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        let drops = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime starts").block_on(async {
                let mut connection = server.connect().await.expect("the server answers");
                run(&mut connection, &format!("drop database if exists {name} with (force)")).await;
                connection.close().await.expect("the connection closes");
            });
        };
        #[expect(clippy::disallowed_methods, reason = "see above")]
        let thread = std::thread::spawn(drops);
        if thread.join().is_err() {
            eprintln!("the test's database {} could not be dropped", self.name);
        }
    }
}
