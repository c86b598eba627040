//! Why a database cannot be used, in a line that a person can act on; and whether that has been said.

use std::fmt;
use std::io;
use std::time::Duration;

use parking_lot::Mutex;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection};

use super::Store;
use super::examine::ExamineError;
use crate::clock;

/// How long the attempt may take that shows what is wrong.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(2);

/// What a name that leads nowhere is called.
const UNKNOWN_HOST: &str = "unknown host";

/// Why there is no way into a database. It names the place, the role and the database, and never the
/// password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What is wrong, in one line, for people.
    pub found: String,
    /// What to do about it.
    pub remedy: &'static str,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.found, self.remedy)
    }
}

impl Trouble {
    /// Of an attempt to connect with these options that ended so.
    pub fn of(error: &ExamineError, options: &PgConnectOptions) -> Self {
        let (place, role) = (place(options), options.get_username());
        let (found, remedy) = match error {
            ExamineError::Sqlstate(code) => match code.as_str() {
                "28P01" => (
                    format!("{place} refuses the password of {role}, or has no such role"),
                    "mend them in DATABASE_URL; in an address, special characters are written %XX",
                ),
                "28000" => (
                    format!("{place} has no role {role}, or does not let it in from here"),
                    "mend the role in DATABASE_URL, or see the server's pg_hba.conf",
                ),
                "3D000" => (
                    format!("{place} has no database {}", options.get_database().unwrap_or(role)),
                    "mend its name in DATABASE_URL, or create it",
                ),
                "53300" => (
                    format!("{place} has no connection free"),
                    "raise max_connections, or end what holds them",
                ),
                "57P03" => (
                    format!("{place} takes no connections yet, or no more"),
                    "see that it is starting up, or start it",
                ),
                code => (format!("{place} answered SQLSTATE {code}"), "see the database's own log"),
            },
            ExamineError::Unreachable(why) if why == UNKNOWN_HOST => (
                format!("{place} cannot be reached: {why}"),
                "mend the host in DATABASE_URL, and see that this machine can look up names",
            ),
            ExamineError::Unreachable(why) => (
                format!("{place} cannot be reached: {why}"),
                "see that it runs, mend host and port in DATABASE_URL, and see that a firewall or \
                 an IPv6-only host is not in the way",
            ),
            ExamineError::Tls => (
                format!("{place}: TLS cannot be agreed on"),
                "see sslmode and sslrootcert in DATABASE_URL",
            ),
            ExamineError::Late => (
                format!("{place} does not answer in time"),
                "see that it runs and is not overloaded, and that a firewall is not in the way",
            ),
            ExamineError::Protocol => (
                format!("what answers at {place} is no PostgreSQL"),
                "mend host and port in DATABASE_URL",
            ),
        };
        Self { found, remedy }
    }
}

/// Host and port, or the socket's folder.
fn place(options: &PgConnectOptions) -> String {
    match options.get_socket() {
        Some(folder) => folder.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    }
}

/// What the system says of an attempt to reach a place, without anything of the place itself.
pub(super) fn io_words(error: &io::Error) -> String {
    // A name that cannot be looked up has no kind of its own.
    match error.to_string().starts_with("failed to lookup address information") {
        true => UNKNOWN_HOST.to_owned(),
        false => error.kind().to_string(),
    }
}

/// What has been said of a database that is away.
#[derive(Debug, Default)]
pub(super) struct Outage(Mutex<Option<Trouble>>);

impl Store {
    /// Connects once, beside all other connections, and gives why that fails, if it does.
    pub async fn trouble(&self) -> Option<Trouble> {
        let options = (*self.pool.connect_options()).clone().disable_statement_logging();
        let error = match clock::within(ATTEMPT_LIMIT, Box::pin(options.connect())).await {
            Some(Ok(connection)) => {
                // The connection has served its purpose.
                let _ = clock::within(ATTEMPT_LIMIT, connection.close()).await;
                return None;
            }
            Some(Err(error)) => ExamineError::from(error),
            None => ExamineError::Late,
        };
        Some(Trouble::of(&error, &options))
    }

    /// Says in the log why the database is away, where that is not what was said last. Gives whether
    /// it is away.
    pub async fn tell_outage(&self) -> bool {
        let trouble = self.trouble().await;
        let Some(trouble) = trouble else { return false };
        let before = self.outage.0.lock().replace(trouble.clone());
        if before.is_none_or(|before| before != trouble) {
            tracing::error!("the database is away, and /readyz fails until it answers: {trouble}");
        }
        true
    }

    /// The database answers: why it was away is said anew the next time.
    pub fn end_outage(&self) {
        *self.outage.0.lock() = None;
    }

    /// Whether the log says that the database is away, so that nobody has to say it again.
    pub fn is_out(&self) -> bool {
        self.outage.0.lock().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trouble(url: &str, error: &ExamineError) -> String {
        Trouble::of(error, &url.parse().unwrap()).to_string()
    }

    #[test]
    fn what_is_wrong_is_named_and_the_password_is_not() {
        const URL: &str = "postgres://robin:hunter2@db.example:6000/calls";
        let state = |code: &str| ExamineError::Sqlstate(code.to_owned());
        for (error, found) in [
            (state("28P01"), "db.example:6000 refuses the password of robin"),
            (state("28000"), "db.example:6000 has no role robin"),
            (state("3D000"), "db.example:6000 has no database calls; "),
            (state("XX000"), "db.example:6000 answered SQLSTATE XX000; "),
            (ExamineError::Late, "db.example:6000 does not answer in time; "),
            (ExamineError::Protocol, "what answers at db.example:6000 is no PostgreSQL; "),
        ] {
            let said = trouble(URL, &error);
            assert!(said.starts_with(found), "{said}");
            assert!(!said.contains("hunter2") && !said.contains('\n'), "{said}");
        }
        let unnamed = trouble("postgres://robin@db.example", &state("3D000"));
        assert!(unnamed.starts_with("db.example:5432 has no database robin; "), "{unnamed}");
    }

    #[tokio::test]
    async fn a_closed_port_and_a_name_that_leads_nowhere_are_told_apart() {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = closed.local_addr().unwrap().port();
        drop(closed);
        for (host, found) in [
            (format!("127.0.0.1:{port}"), "connection refused"),
            (format!("nowhere.invalid:{port}"), UNKNOWN_HOST),
        ] {
            let store = Store::sharing(&format!("postgres://u:hunter2@{host}/d"), 3).unwrap();
            let found = format!("{host} cannot be reached: {found}");
            assert_eq!(store.trouble().await.map(|trouble| trouble.found), Some(found));
            assert!(!store.is_out() && store.tell_outage().await && store.in_background().is_out());
            store.end_outage();
            assert!(!store.in_background().is_out());
        }
    }
}
