//! The only SQL.
//!
//! Every statement is one round trip and runs by itself; where two things must be true together
//! they are in one statement. Times cross this border as microseconds since the Unix epoch
//! (`…_us`), so that no date type is chosen for the rest of the program. Where a method says nothing of
//! errors, it has a [`StoreError`] like any other.

pub mod access;
pub mod account;
pub mod activity;
mod aftercall;
pub mod agent_edits;
mod agents;
mod answers;
mod appointments;
mod asking;
pub mod audit;
pub mod booking_edits;
pub mod bookings;
pub mod call_list;
pub mod call_page;
mod call_query;
pub mod callers;
mod calls;
mod changes;
mod claims;
mod connections;
pub mod documents;
mod embeddings_tables;
mod ended;
mod event_key;
mod events;
pub mod examine;
pub mod feeds;
pub mod finish;
mod function_edits;
mod functions;
mod gaps;
mod hidden_values;
mod history;
mod instances;
pub mod invitations;
mod invited_by;
mod knock;
mod links;
mod live;
pub mod members;
pub mod migrate;
mod numbers;
mod outage;
mod outings;
pub mod overview;
pub mod paces;
mod passages;
pub mod people;
mod presence;
mod recordings;
mod retention;
mod rule;
pub mod sample;
pub mod sample_week;
pub mod sessions;
pub mod setup;
mod shown;
pub mod source_pages;
pub mod source_passages;
mod source_type;
pub mod sources;
mod storable;
mod supabase_sessions;
mod take_over;
pub mod taken_numbers;
mod task_notes;
mod tasks;
mod test_calls;
mod todo;
pub mod trainings;
pub mod trust;
pub mod usage;
pub mod vault;
pub mod versions;
mod visible;
pub mod wirings;

pub use aftercall::{Job, JobKind, Settled};
pub use answers::{AnswerRow, KeptAnswer, NewAnswer, SeenAnswer};
pub use appointments::{Appointment, IdempotencyKey, NewAppointment, Placement};
pub use asking::Asking;
pub use calls::{
    Admission, AdmissionOutcome, CallRow, CompletedCall, Completes, InsertedCall, NewCall,
};
pub use changes::{Change, ChangeEvent, Changes};
pub use claims::{Claimant, LogPosition, Renewal, Returned, StreamClaim};
pub use ended::{Delivery, EndedCall, Findings, Stored, ToldCall};
pub use events::{EventRow, FIRST_EPOCH};
pub use function_edits::FunctionUse;
pub use functions::{CollectedPlace, CollectedRun, SavedRun};
pub use gaps::{Gap, gap_id};
pub use instances::{Abandoned, InstanceBeat, PeerStatus};
pub use live::{EndedLive, LiveCall, LiveNow};
pub use outage::Trouble;
pub use outings::OffStream;
pub use passages::PassageRow;
pub use presence::Presence;
pub use recordings::TapedCall;
pub use retention::{OldRecording, OldVoicemail, RetainingAgent};
pub use rule::Rule;
pub use shown::{AppointmentRow, CallSummary};
pub use take_over::{AttendedCall, CallCommand, CallDeed, GivenCommand};
pub use task_notes::{NoteChange, TaskVerdict};
pub use tasks::{NewTask, OnlyIf, TaskKind};
pub use test_calls::{TestLimits, TestOpened};
pub use todo::{CallerTasks, OpenTasks, TASK_NOTE_CHARACTERS, TaskChange, TaskPlace, TaskRow};

use std::borrow::Cow;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgSslMode};

use connections::pool_of;
use outage::Outage;
use storable::{lenient_json, storable_json, storable_text};

/// The result of a statement.
pub type Result<T> = std::result::Result<T, StoreError>;

/// Why a statement gave nothing. None of these carries a value of a row: they may be logged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached or cannot serve now; the same statement may succeed later.
    #[error("the database is away: {0}")]
    Away(String),
    /// The database did not serve the statement in time: it waited for a lock, for a free connection,
    /// or is slow. That says nothing of the next statement.
    #[error("the database did not answer in time: {0}")]
    Slow(String),
    /// The database answered and will refuse the same statement again.
    #[error("the database refused the data: SQLSTATE {0}")]
    Refused(String),
    /// A rule of ours does not allow it, and the data may be as good as it likes.
    #[error("a rule does not allow it: {0}")]
    NotAllowed(Rule),
    /// A column does not hold what it should.
    #[error("column {0} cannot be read")]
    Unreadable(String),
}

impl StoreError {
    /// Whether trying again later may help.
    pub fn is_away(&self) -> bool {
        matches!(self, Self::Away(_) | Self::Slow(_))
    }

    /// Whether the database itself is not there, so that no other statement would be served.
    pub fn is_lost(&self) -> bool {
        matches!(self, Self::Away(_))
    }
}

/// An address that no database can be reached at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an address that can be used; accepted: postgres://user:password@host:5432/database")]
pub struct BadAddress;

impl From<sqlx::Error> for StoreError {
    /// A refusal is a fault of the data alone: SQLSTATE classes 22 (data), 23 (constraint),
    /// 54 (too large or too deep), P0 and PT (raised by a trigger). Of one statement are also 40
    /// (deadlock), 55 (a lock that was not given) and 57014 (cancelled, for its time limit mostly).
    /// Everything else, a missing table included, is the database's state, and the data is kept
    /// until that is mended.
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(error) => {
                let code = error.code().unwrap_or(Cow::Borrowed("unknown")).into_owned();
                if code == Rule::SQLSTATE {
                    Self::NotAllowed(Rule::named(error.constraint()))
                } else if ["22", "23", "54", "P0", "PT"].iter().any(|class| code.starts_with(class))
                {
                    Self::Refused(code)
                } else if code == "57014" || code.starts_with("40") || code == "55P03" {
                    Self::Slow(format!("SQLSTATE {code}"))
                } else {
                    Self::Away(format!("SQLSTATE {code}"))
                }
            }
            sqlx::Error::Io(error) => Self::Away(outage::io_words(&error)),
            sqlx::Error::Encode(_) | sqlx::Error::InvalidArgument(_) => {
                Self::Refused("none, the value cannot be encoded".to_owned())
            }
            sqlx::Error::ColumnDecode { index, .. } => Self::Unreadable(index),
            sqlx::Error::ColumnNotFound(name) => Self::Unreadable(name),
            sqlx::Error::PoolTimedOut => Self::Slow("no connection came free".to_owned()),
            sqlx::Error::PoolClosed => Self::Away("shut down".to_owned()),
            sqlx::Error::Tls(_) => Self::Away("TLS".to_owned()),
            _ => Self::Away("protocol".to_owned()),
        }
    }
}

/// What a function of the database says that came of it, by its word for that.
fn outcome<T: FromStr>(word: String) -> Result<T> {
    word.parse().map_err(|_| StoreError::Unreadable("outcome".to_owned()))
}

/// The database. What calls wait for and what nobody waits for have connections of their own: a
/// sweep or a summary never keeps a call waiting for one.
#[derive(Debug, Clone)]
pub struct Store {
    pool: PgPool,
    /// The connections of the other kind of work, if it has its own.
    other: Option<PgPool>,
    /// Those of the console and the API, if they have their own.
    console: Option<PgPool>,
    /// What opens and seals credentials.
    vault: Arc<vault::Vault>,
    /// What the log says of the database while it is away.
    outage: Arc<Outage>,
}

/// The fewest connections that a process can do with: for calls, for everything else, and the one
/// that listens for changes.
const CONNECTIONS_MIN: u32 = 3;

/// With so many connections, but for the one that listens, the console has its own.
const CONSOLE_FROM: u32 = 6;
/// So many.
const CONSOLE_CONNECTIONS: u32 = 2;
/// How long a statement of the console may take.
const CONSOLE_STATEMENT_LIMIT: Duration = Duration::from_millis(2000);

impl Store {
    /// On connections that others opened.
    pub fn new(pool: PgPool) -> Self {
        Self { pool, other: None, console: None, vault: Arc::default(), outage: Arc::default() }
    }

    /// On at most `connections` of its own, each opened when it is first needed, so that the
    /// server starts with the database away.
    pub fn connect_lazily(options: PgConnectOptions, connections: u32) -> Self {
        Self::new(pool_of(connections, None).connect_lazy_with(options))
    }

    /// On at most `connections` of its own to a database's address.
    ///
    /// # Errors
    /// The address is not one of a PostgreSQL; the error does not repeat it.
    pub fn at(url: &str, connections: u32) -> std::result::Result<Self, BadAddress> {
        let options = url.parse().map_err(|_| BadAddress)?;
        Ok(Self::connect_lazily(options, connections))
    }

    /// On `connections` in all, of which one is left for [`Changes`], two, if there are enough, are for
    /// [`for_console`](Self::for_console), a third of the others is for
    /// [`in_background`](Self::in_background), and the rest for calls.
    ///
    /// # Errors
    /// The address is not one of a PostgreSQL; the error does not repeat it.
    pub fn sharing(url: &str, connections: u32) -> std::result::Result<Self, BadAddress> {
        Ok(Self::shared(url.parse().map_err(|_| BadAddress)?, connections))
    }

    /// The same to the program's own database, whose socket is in this folder.
    pub fn in_folder(socket_folder: &Path, connections: u32) -> Self {
        let options = PgConnectOptions::new_without_pgpass()
            .socket(socket_folder)
            .port(5432)
            .username("postgres")
            .database("postgres")
            .ssl_mode(PgSslMode::Disable);
        Self::shared(options, connections)
    }

    fn shared(options: PgConnectOptions, connections: u32) -> Self {
        let all = connections.max(CONNECTIONS_MIN) - 1;
        let console = if all >= CONSOLE_FROM { CONSOLE_CONNECTIONS } else { 0 };
        let ours = all - console;
        let background = (ours / 3).max(1);
        let other = Self::connect_lazily(options.clone(), background).pool;
        let limit = Some(CONSOLE_STATEMENT_LIMIT);
        let console =
            (console > 0).then(|| pool_of(console, limit).connect_lazy_with(options.clone()));
        Self { other: Some(other), console, ..Self::connect_lazily(options, ours - background) }
    }

    /// The same database for the console and the API, on few connections of their own: however much
    /// owners ask for, calls have theirs. Where there are too few, it is background work.
    pub fn for_console(&self) -> Self {
        match &self.console {
            Some(console) => {
                Self { pool: console.clone(), other: Some(self.pool.clone()), ..self.clone() }
            }
            None => self.in_background(),
        }
    }

    /// The same database for work that no call waits for, on the connections for that.
    pub fn in_background(&self) -> Self {
        match &self.other {
            Some(other) => Self {
                pool: other.clone(),
                other: Some(self.pool.clone()),
                console: self.console.clone(),
                vault: Arc::clone(&self.vault),
                outage: Arc::clone(&self.outage),
            },
            None => self.clone(),
        }
    }

    /// The same with this to open and seal credentials.
    pub fn with_vault(self, vault: vault::Vault) -> Self {
        Self { vault: Arc::new(vault), ..self }
    }

    /// What opens and seals credentials.
    pub fn vault(&self) -> &vault::Vault {
        &self.vault
    }

    /// The connections, for the parts of the store that are no method of it.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Closes the connections of both kinds, once they are given back.
    pub async fn close(&self) {
        self.pool.close().await;
        for other in [&self.other, &self.console].into_iter().flatten() {
            other.close().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn what_postgresql_cannot_hold_is_left_out() {
        assert_eq!(storable_text("a\0b"), "ab");
        let odd = json!({"k\0": ["x\0y", 1, null], "deep": {"t": "\0"}});
        assert_eq!(*storable_json(&odd), json!({"k": ["xy", 1, null], "deep": {"t": ""}}));
        let plain = json!({"k": ["x"]});
        assert!(matches!(storable_json(&plain), Cow::Borrowed(_)));
    }

    #[tokio::test]
    async fn no_more_connections_are_shared_out_than_there_are() {
        for (connections, live, background) in
            [(0, 1, 1), (3, 1, 1), (4, 2, 1), (10, 5, 2), (100, 65, 32)]
        {
            let store = Store::sharing("postgres://localhost/x", connections).unwrap();
            let most = |store: &Store| store.pool.options().get_max_connections();
            assert_eq!((most(&store), most(&store.in_background())), (live, background));
            assert_eq!(most(&store.in_background().in_background()), live);
        }
    }

    #[test]
    fn a_number_beyond_f64_does_not_hide_its_row() {
        assert_eq!(lenient_json(Some("1e999".to_owned())), Some(Value::Null));
        assert_eq!(lenient_json(Some(r#"{"a":1}"#.to_owned())), Some(json!({"a": 1})));
        assert_eq!(lenient_json(None), None);
    }
}
