//! Brings a database up to date, also one that the seed schema was run on by hand.
//!
//! The SQL under `migrations/` goes first, each file in a transaction of its own. Then every
//! agent's embeddings table is brought up to date, one per transaction: building an index over
//! many passages takes time, and a run that is interrupted goes on where it stopped.
//!
//! All of it runs with `pg_catalog` alone on the search path, and names the schema of everything
//! else: a role that may create objects in `public` must not have its code run by whoever migrates.

use std::borrow::Cow;
use std::sync::LazyLock;

use sqlx::migrate::{Migrate, Migration, MigrationType, Migrator};
use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{Connection, SqlStr};

use super::outage::io_words;
use super::trust::{Distrust, Stranger, Trusts, advice, distrust};
use super::{embeddings_tables, event_key};

/// Version, description and SQL of each file of `migrations/`, as `build.rs` lists them.
const FILES: &[(i64, &str, &str)] = include!(concat!(env!("OUT_DIR"), "/migrations.rs"));

static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    let mut migrations = files();
    migrations.dangerous_set_table_name("public._sqlx_migrations");
    migrations
});

/// The files, with the checksums that `sqlx::migrate!` gives them: databases have those.
pub(super) fn files() -> Migrator {
    let files = FILES.iter().map(|(version, description, sql)| {
        let (description, sql) = (Cow::Borrowed(*description), SqlStr::from_static(sql));
        Migration::new(*version, description, MigrationType::Simple, sql, false)
    });
    Migrator::with_migrations(files.collect())
}

/// How often a migration meets a deadlock with others who use the database before it gives up.
/// Others go on after each, so a second one is rare.
const DEADLOCKS: usize = 5;
/// PostgreSQL's code for one.
const DEADLOCK_DETECTED: &str = "40P01";

/// The oldest PostgreSQL and pgvector that do.
const OLDEST_SERVER: i32 = 150_000;
const OLDEST_PGVECTOR: (u32, u32) = (0, 8);

/// What a run of [`migrate`] did. All zero: the database was up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// Migrations applied now.
    pub migrations: usize,
    /// Embeddings tables made or brought up to date now.
    pub embeddings_tables: usize,
}

/// Whether a database can be served from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaState {
    /// No migration was ever run on it.
    Missing,
    /// A migration, or an agent's embeddings table, is still to be brought up to date.
    Old,
    /// Row level security hides from this role what is there.
    Hidden,
    /// Everything that this program knows of is there. A newer program may have added to it.
    Current,
}

/// Why a database could not be migrated. The text is one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The server is older than PostgreSQL 15.
    #[error("the server is PostgreSQL {0}; 15 or newer is needed")]
    ServerOld(String),
    /// The server has no pgvector at all.
    #[error(
        "the server has no pgvector: install pgvector 0.8 or newer on it (Debian: \
         postgresql-<version>-pgvector), or use a PostgreSQL that has it"
    )]
    PgvectorMissing,
    /// The server's pgvector is too old.
    #[error("the server has pgvector {0}; install 0.8 or newer on it")]
    PgvectorOld(String),
    /// The server has a new enough pgvector, and this database still an old one.
    #[error(
        "the database has pgvector {installed}; 0.8 or newer is needed: run \
         `alter extension vector update` in it (the server has {available})"
    )]
    PgvectorNotUpdated {
        /// The version in the database.
        installed: String,
        /// The version that the update gives.
        available: String,
    },
    /// Every role may create objects where ours are.
    #[error(
        "every role may create objects in the schema public, and so have its own code run by this \
         program: run `revoke create on schema public from public`, then migrate again"
    )]
    PublicMayCreate,
    /// The role may not create the schema that helpers of the policies are in.
    #[error(
        "the role may not create the schema frontdesk: run `grant create on database {database} to \
         {role}`, then migrate again"
    )]
    SchemaMayNotBeCreated {
        /// The database.
        database: String,
        /// The migrating role.
        role: String,
    },
    /// Objects that would be used belong to neither the migrating role nor a superuser.
    #[error(
        "the database has objects whose owners could have their code run by this program; drop what \
         you do not know, and give {role} what is yours: {}",
        advice(.strangers, .role)
    )]
    Strangers {
        /// The role that runs the migration.
        role: String,
        /// The objects and their owners.
        strangers: Vec<Stranger>,
    },
    /// A migration failed; nothing of it was kept.
    #[error("{}", migration_words(.0))]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// The database failed or cannot be reached.
    #[error("the database failed: {}", words(.0))]
    Database(#[from] sqlx::Error),
}

/// An error as one line, without the line of PostgreSQL's source that it was raised at.
fn words(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => {
            let code = error.code().unwrap_or(Cow::Borrowed("unknown"));
            format!("{} (SQLSTATE {code})", error.message().replace('\n', " "))
        }
        sqlx::Error::Io(error) => io_words(error),
        error => error.to_string(),
    }
}

fn migration_words(error: &sqlx::migrate::MigrateError) -> String {
    use sqlx::migrate::MigrateError::{Execute, ExecuteMigration};
    match error {
        Execute(error) => format!("while executing migrations: {}", words(error)),
        ExecuteMigration(error, version) => {
            format!("while executing migration {version}: {}", words(error))
        }
        error => error.to_string(),
    }
}

impl MigrateError {
    /// Whether PostgreSQL ended this transaction so that another could go on. Nothing of it was kept.
    fn is_deadlock(&self) -> bool {
        let error = match self {
            Self::Database(error)
            | Self::Migration(
                sqlx::migrate::MigrateError::Execute(error)
                | sqlx::migrate::MigrateError::ExecuteMigration(error, _),
            ) => error,
            _ => return false,
        };
        error.as_database_error().and_then(|error| error.code()).as_deref()
            == Some(DEADLOCK_DETECTED)
    }
}

/// Brings the database up to date. Safe to run again, after an interruption, and by several
/// processes at once.
///
/// # Errors
/// [`MigrateError`]; what was done up to then is kept, and the next run goes on from there.
pub async fn migrate(pool: &PgPool) -> Result<Report, MigrateError> {
    let mut report = Report { migrations: 0, embeddings_tables: 0 };
    for deadlocks in 1.. {
        let mut connection = pool.acquire().await?;
        match migrate_on(&mut connection, &mut report).await {
            Ok(()) => {
                sqlx::query("reset search_path").execute(&mut *connection).await?;
                break;
            }
            Err(error) => {
                // The migrator's lock is the session's and would go back into the pool with it.
                connection.close_on_drop();
                if deadlocks == DEADLOCKS || !error.is_deadlock() {
                    return Err(error);
                }
                tracing::warn!(%error, "the migration starts again where it stopped");
            }
        }
    }
    Ok(report)
}

async fn migrate_on(
    connection: &mut PgConnection,
    report: &mut Report,
) -> Result<(), MigrateError> {
    // Not `pg_catalog, public`: a function in public whose argument types fit exactly would still
    // come before one of PostgreSQL's own that needs a cast.
    sqlx::query("set search_path = pg_catalog").execute(&mut *connection).await?;
    check_server(connection).await?;
    check_owners(connection).await?;
    check_schema_right(connection).await?;
    create_extension(connection).await?;
    event_key::prepare(connection).await?;
    // The migrator takes this lock too; taken before, no other process's migrations are counted here.
    connection.lock().await?;
    let before = applied(connection).await?.len();
    let run = MIGRATIONS.run(&mut *connection).await;
    // Where the run failed because the connection is lost, the second reading fails too.
    report.migrations += applied(connection).await.map_or(0, |after| after.len() - before);
    run?;
    connection.unlock().await?;
    embeddings_tables::update(connection, &mut report.embeddings_tables).await?;
    lay_policies(connection).await?;
    Ok(())
}

/// For roles that came, or were granted tables, after the migration that laid them.
async fn lay_policies(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin().await?;
    sqlx::query("set local lock_timeout = '5s'").execute(&mut *transaction).await?;
    sqlx::query(
        "select public.lay_policies() where exists (
            select from pg_roles where rolname = 'authenticated'
        ) and not exists (
            select from pg_policy where polrelid = 'public.call_logs'::regclass
                and polname = 'frontdesk_select')",
    )
    .execute(&mut *transaction)
    .await?;
    sqlx::query("select public.keep_granted(t) from public.own_tables() t")
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await
}

/// Stops before anything is changed where 0027 would fail.
async fn check_schema_right(connection: &mut PgConnection) -> Result<(), MigrateError> {
    let (lacks, database, role): (bool, String, String) = sqlx::query_as(
        "select to_regnamespace('frontdesk') is null
            and not has_database_privilege(current_database(), 'CREATE'),
            quote_ident(current_database()), quote_ident(current_user)",
    )
    .fetch_one(connection)
    .await?;
    if lacks { Err(MigrateError::SchemaMayNotBeCreated { database, role }) } else { Ok(()) }
}

/// Stops where others could have their code run by what follows.
async fn check_owners(connection: &mut PgConnection) -> Result<(), MigrateError> {
    let Distrust { public_may_create, strangers } =
        distrust(connection, &MIGRATIONS, Trusts::Ourselves).await?;
    if public_may_create {
        return Err(MigrateError::PublicMayCreate);
    }
    if !strangers.is_empty() {
        let role = sqlx::query_scalar("select quote_ident(current_user)");
        return Err(MigrateError::Strangers { role: role.fetch_one(connection).await?, strangers });
    }
    Ok(())
}

/// What of others this role would run by serving from the database, with what is to be done about it,
/// in one line; `None`: nothing.
///
/// # Errors
/// The database failed or cannot be reached.
pub async fn strangers_code(pool: &PgPool) -> Result<Option<String>, sqlx::Error> {
    // Rolled back at the end, and the search path with it.
    let mut connection = pool.begin().await?;
    sqlx::query("set local search_path = pg_catalog").execute(&mut *connection).await?;
    let found = distrust(&mut connection, &MIGRATIONS, Trusts::Migrator).await?.strangers;
    if found.is_empty() {
        return Ok(None);
    }
    let role = sqlx::query_scalar::<_, String>("select quote_ident(current_user)");
    Ok(Some(advice(&found, &role.fetch_one(&mut *connection).await?)))
}

/// pgvector, if the database has none yet. 0001 would put it into the first schema of the path,
/// which is PostgreSQL's own by now.
async fn create_extension(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin().await?;
    embeddings_tables::lock(&mut transaction).await?;
    sqlx::query("create extension if not exists vector schema public")
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await
}

/// Whether the rows of `_sqlx_migrations`, which is never empty, are not for this role.
const HIDDEN: &str =
    "select coalesce(row_security_active(to_regclass('public._sqlx_migrations')), false)";

/// Whether the database can be served from, without changing it.
/// What [`finish`](super::finish) does need not be done for that.
///
/// # Errors
/// The database failed or cannot be reached.
pub async fn is_current(pool: &PgPool) -> Result<SchemaState, sqlx::Error> {
    // Rolled back at the end, and the search path with it.
    let mut connection = pool.begin().await?;
    sqlx::query("set local search_path = pg_catalog").execute(&mut *connection).await?;
    let applied = applied(&mut connection).await?;
    if applied.is_empty() {
        let hidden = sqlx::query_scalar(HIDDEN).fetch_one(&mut *connection).await?;
        return Ok(if hidden { SchemaState::Hidden } else { SchemaState::Missing });
    }
    let all_applied = MIGRATIONS.iter().all(|known| {
        applied.iter().any(|(version, sum)| *version == known.version && *sum == *known.checksum)
    });
    if !all_applied || !embeddings_tables::old(&mut connection).await?.is_empty() {
        return Ok(SchemaState::Old);
    }
    Ok(SchemaState::Current)
}

/// Version and checksum of each migration that was applied; none where none ever was.
async fn applied(connection: &mut PgConnection) -> Result<Vec<(i64, Vec<u8>)>, sqlx::Error> {
    let known: bool =
        sqlx::query_scalar("select to_regclass('public._sqlx_migrations') is not null")
            .fetch_one(&mut *connection)
            .await?;
    if !known {
        return Ok(Vec::new());
    }
    sqlx::query_as("select version, checksum from public._sqlx_migrations where success")
        .fetch_all(connection)
        .await
}

async fn check_server(connection: &mut PgConnection) -> Result<(), MigrateError> {
    let (number, version): (i32, String) = sqlx::query_as(
        "select current_setting('server_version_num')::int, current_setting('server_version')",
    )
    .fetch_one(&mut *connection)
    .await?;
    if number < OLDEST_SERVER {
        return Err(MigrateError::ServerOld(version));
    }
    let pgvector: Option<(Option<String>, Option<String>)> = sqlx::query_as(
        "select installed_version, default_version from pg_available_extensions \
         where name = 'vector'",
    )
    .fetch_optional(connection)
    .await?;
    match pgvector {
        None => Err(MigrateError::PgvectorMissing),
        Some((installed, available)) => check_pgvector(installed, available.unwrap_or_default()),
    }
}

fn check_pgvector(installed: Option<String>, available: String) -> Result<(), MigrateError> {
    match installed {
        Some(installed) if new_enough(&installed) => Ok(()),
        Some(installed) if new_enough(&available) => {
            Err(MigrateError::PgvectorNotUpdated { installed, available })
        }
        None if new_enough(&available) => Ok(()),
        installed => Err(MigrateError::PgvectorOld(installed.unwrap_or(available))),
    }
}

/// Whether a version such as `0.8.2` is at least [`OLDEST_PGVECTOR`].
fn new_enough(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= OLDEST_PGVECTOR
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(installed: Option<&str>, available: &str) -> String {
        match check_pgvector(installed.map(str::to_owned), available.to_owned()) {
            Ok(()) => "good".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn pgvector_must_be_0_8_and_the_message_says_what_to_do() {
        assert_eq!(verdict(None, "0.8.0"), "good");
        assert_eq!(verdict(Some("0.10.1"), "0.10.1"), "good");
        assert_eq!(verdict(Some("1.0"), "1.0"), "good");
        assert!(verdict(None, "0.7.4").contains("pgvector 0.7.4; install 0.8"));
        assert!(verdict(Some("0.6.0"), "0.7.4").contains("pgvector 0.6.0; install 0.8"));
        assert!(verdict(Some("0.7.4"), "0.8.2").contains("alter extension vector update"));
        assert!(!verdict(Some("0.7.4"), "0.8.2").contains('\n'));
    }
}
