//! The database: whether it is there, is what is needed, holds what is told to it, and lets this
//! role do what the server does.

use std::time::Duration;

use secrecy::ExposeSecret;

use super::Opened;
use super::finding::Finding;
use crate::clock::within;
use crate::commands::{store_at, store_in};
use crate::config::Config;
use crate::database::{self, OwnDatabase, Place};
use crate::store::examine::{
    Examination, ExamineError, MissingRights, ServerVersions, SessionTraits,
};
use crate::store::finish::{Unfinished, unfinished};
use crate::store::migrate::{SchemaState, is_current, strangers_code};
use crate::store::{Store, Trouble};

/// The oldest PostgreSQL that does.
const OLDEST_SERVER: i32 = 150_000;
/// The port that poolers offer transactions at (protocols 8.3).
const TRANSACTION_PORT: u16 = 6543;
/// How long the database may take to say whether its schema is there.
const SCHEMA_LIMIT: Duration = Duration::from_secs(10);
/// Connections for reading what is in it.
const CONNECTIONS: u32 = 2;

const DATABASE: &str = "database";
const PGVECTOR: &str = "pgvector";
const CONNECTION: &str = "database connection";
const SCHEMA: &str = "database schema";
const RIGHTS: &str = "database role";

/// Gives the database, too, if it can be read.
pub(super) async fn check(config: &Config) -> (Vec<Finding>, Option<Opened>) {
    let Some(url) = &config.database_url else { return own(config).await };
    let url = url.expose_secret();
    let (Ok(examination), Ok(store)) = (Examination::of(url), store_at(config, url, CONNECTIONS))
    else {
        let accepted = "accepted: postgres://user:password@host:5432/database";
        let found = "not an address that can be used";
        return (vec![Finding::fail("DATABASE_URL", found, accepted)], None);
    };
    let versions = match examination.versions().await {
        Ok(versions) => versions,
        Err(error) => {
            let Trouble { found, remedy } = examination.trouble(&error);
            return (vec![Finding::fail(DATABASE, found, remedy)], None);
        }
    };
    let mut findings = vec![server(&versions)];
    findings.push(pgvector(&versions));
    findings.push(connection(examination.port(), &examination.session().await));
    let state = within(SCHEMA_LIMIT, is_current(store.pool())).await;
    findings.push(match &state {
        Some(Ok(state)) => schema(*state),
        Some(Err(_)) | None => Finding::fail(
            SCHEMA,
            "the database does not say whether it is there",
            "see whether this role may read the tables in the schema public",
        ),
    });
    if !matches!(state, Some(Ok(SchemaState::Current))) {
        return (findings, None);
    }
    findings.extend(finishing(&store).await);
    findings.extend(trust(&store).await);
    findings.extend(rights(examination.missing_rights().await));
    (findings, Some(Opened { store, own_database: None }))
}

/// Where there is one already, it is opened: creating it is `serve`'s. One that a server runs is
/// read beside it.
async fn own(config: &Config) -> (Vec<Finding>, Option<Opened>) {
    let shown = config.data_dir.display();
    let mut findings = vec![Finding::warn(
        "DATABASE_URL",
        format!(
            "not set: a PostgreSQL of the program's own in {shown} is used, for one small business"
        ),
        "set it to the address of a PostgreSQL with pgvector",
    )];
    if !database::exists(&config.data_dir).await {
        return (findings, None);
    }
    let place = Place {
        data_dir: config.data_dir.clone(),
        cache: config.postgres_cache.clone(),
        is_durable: true,
    };
    let (store, own_database) = match OwnDatabase::start(&place, &|_| ()).await {
        Ok(own) => (store_in(config, own.address().folder(), CONNECTIONS), Some(own)),
        Err(error) => match database::running(&config.data_dir).await {
            Some(address) => (store_in(config, address.folder(), CONNECTIONS), None),
            None => {
                findings.push(Finding::fail(DATABASE, error.to_string(), "see DATA_DIR"));
                return (findings, None);
            }
        },
    };
    let opened = Opened { store, own_database };
    if let Err(error) = opened.store.ping().await {
        findings.push(Finding::fail(DATABASE, error.to_string(), "see DATA_DIR"));
        opened.close().await;
        return (findings, None);
    }
    findings.push(Finding::ok(DATABASE, "the program's own answers"));
    (findings, Some(opened))
}

fn server(versions: &ServerVersions) -> Finding {
    let found = format!("PostgreSQL {}", versions.postgresql);
    match versions.number >= OLDEST_SERVER {
        true => Finding::ok(DATABASE, found),
        false => Finding::fail(DATABASE, found, "15 or newer is needed"),
    }
}

fn pgvector(versions: &ServerVersions) -> Finding {
    let Some(available) = &versions.pgvector_available else {
        let remedy = "install pgvector 0.8 or newer on the server";
        return Finding::fail(PGVECTOR, "the server has none", remedy);
    };
    let (installed, update) = match &versions.pgvector {
        Some(installed) => (
            installed,
            "install the newest one on the server and run \
             `alter extension vector update`",
        ),
        // `migrate` installs it.
        None => (available, "install the newest one on the server"),
    };
    match parsed(installed) {
        old if old < (0, 8, 0) => {
            Finding::fail(PGVECTOR, format!("{installed}; 0.8 or newer is needed"), update)
        }
        old if old < (0, 8, 2) => {
            let found = format!("{installed}, where building an index in parallel may overflow");
            Finding::warn(PGVECTOR, found, update)
        }
        old if old < (0, 8, 3) => {
            let found = format!("{installed}, where a vacuum may damage an hnsw index");
            Finding::warn(PGVECTOR, found, update)
        }
        _ => Finding::ok(PGVECTOR, installed),
    }
}

fn parsed(version: &str) -> (u32, u32, u32) {
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    (next(), next(), next())
}

fn connection(port: u16, session: &Result<SessionTraits, ExamineError>) -> Finding {
    const REMEDY: &str = "use the direct address, or the pooler's session mode (Supabase: port \
                          5432)";
    let session = match session {
        Ok(session) => session,
        Err(error) => {
            let found = match error {
                ExamineError::Sqlstate(code) => format!("it answered SQLSTATE {code}"),
                _ => "it broke or took too long".to_owned(),
            };
            return Finding::fail(CONNECTION, found, REMEDY);
        }
    };
    let mut lost = Vec::new();
    for (is_kept, what) in [
        (session.keeps_process, "its server process"),
        (session.keeps_statements, "prepared statements"),
        (session.keeps_settings, "settings"),
        (session.is_notified, "LISTEN"),
    ] {
        if !is_kept {
            lost.push(what);
        }
    }
    if !lost.is_empty() {
        let found = format!("a pooler of transactions: between two, {} is lost", lost.join(", "));
        Finding::fail(CONNECTION, found, REMEDY)
    } else if port == TRANSACTION_PORT {
        let found = "port 6543, where poolers offer transactions only";
        Finding::fail(CONNECTION, found, REMEDY)
    } else {
        Finding::ok(CONNECTION, "direct, or a session of its own")
    }
}

fn schema(state: SchemaState) -> Finding {
    let remedy = "run `frontdesk migrate`";
    match state {
        SchemaState::Current => Finding::ok(SCHEMA, "current"),
        SchemaState::Missing => Finding::fail(SCHEMA, "missing", remedy),
        SchemaState::Old => Finding::fail(SCHEMA, "old", remedy),
        SchemaState::Hidden => Finding::fail(
            SCHEMA,
            "row level security hides all rows from this role",
            "run `frontdesk migrate` once more as the tables' owner, or use that role",
        ),
    }
}

/// What a migration left to be done, which nobody has to wait for.
async fn finishing(store: &Store) -> Option<Finding> {
    let Some(Ok(Unfinished { indexes, agents })) =
        within(SCHEMA_LIMIT, unfinished(store.pool())).await
    else {
        return None;
    };
    let found = match (indexes.len(), agents) {
        (0, 0) => return None,
        (0, agents) => format!("earlier calls of {agents} agents are not searched and counted yet"),
        (_, 0) => format!("lists are slow without {}", indexes.join(", ")),
        (_, agents) => format!(
            "lists are slow without {}, and earlier calls of {agents} agents are not searched and \
             counted yet",
            indexes.join(", ")
        ),
    };
    Some(Finding::warn(SCHEMA, found, "run `frontdesk migrate`, also while calls go on"))
}

/// What others could have run with the role's rights.
async fn trust(store: &Store) -> Option<Finding> {
    const TRUST: &str = "database trust";
    match within(SCHEMA_LIMIT, strangers_code(store.pool())).await {
        Some(Ok(None)) => None,
        Some(Ok(Some(found))) => {
            let found = format!("the role would run the code of others: {found}");
            Some(Finding::fail(TRUST, found, "drop what you do not know; `serve` does not start"))
        }
        Some(Err(_)) | None => {
            let found = "whose code the role would run is not known";
            Some(Finding::fail(TRUST, found, "see whether this role may read the tables in public"))
        }
    }
}

fn rights(missing: Result<MissingRights, ExamineError>) -> Vec<Finding> {
    let remedy = "grant it, or use the role that ran `frontdesk migrate`";
    let Ok(MissingRights { rights, hidden, creators, embeddings_table }) = missing else {
        let found = "what the role may do is not known";
        return vec![Finding::fail(RIGHTS, found, remedy)];
    };
    let mut findings = Vec::new();
    if !rights.is_empty() {
        let found = format!("it may not: {}", rights.join(", "));
        findings.push(Finding::fail(RIGHTS, found, remedy));
    }
    if !hidden.is_empty() {
        let found = format!("row level security hides rows of {}", hidden.join(", "));
        let remedy = "use the tables' owner, or run `frontdesk migrate` once more as that";
        findings.push(Finding::fail(RIGHTS, found, remedy));
    }
    if !creators.is_empty() {
        let names = creators.join(", ");
        let found = format!("its statements may run code of who may create in public: {names}");
        let remedy = "revoke create on schema public from those that you would not trust with it";
        findings.push(Finding::warn(RIGHTS, found, remedy));
    }
    if let Some(error) = embeddings_table {
        let code = match error {
            ExamineError::Sqlstate(code) => format!(" (SQLSTATE {code})"),
            _ => String::new(),
        };
        let found =
            format!("it may not make an agent's table, its index or its search function{code}");
        findings.push(Finding::fail(RIGHTS, found, remedy));
    }
    if findings.is_empty() {
        findings.push(Finding::ok(RIGHTS, "it may do what the server does"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_judged() {
        for (number, pgvector_installed, available, lines) in [
            (160_014, Some("0.8.5"), Some("0.8.5"), ["ok  ", "ok  "]),
            (150_000, None, Some("0.8.3"), ["ok  ", "ok  "]),
            (140_011, Some("0.8.2"), Some("0.8.2"), ["FAIL", "warn"]),
            (160_014, Some("0.8.1"), Some("0.8.5"), ["ok  ", "warn"]),
            (160_014, Some("0.7.4"), Some("0.8.5"), ["ok  ", "FAIL"]),
            (160_014, None, Some("0.5.0"), ["ok  ", "FAIL"]),
            (160_014, Some("0.10.0"), Some("0.10.0"), ["ok  ", "ok  "]),
            (160_014, None, None, ["ok  ", "FAIL"]),
        ] {
            let versions = ServerVersions {
                number,
                postgresql: "x".into(),
                pgvector: pgvector_installed.map(str::to_owned),
                pgvector_available: available.map(str::to_owned),
            };
            let found = [server(&versions), pgvector(&versions)].map(|f| f.to_string());
            for (found, mark) in found.iter().zip(lines) {
                assert!(found.starts_with(mark), "{found} {versions:?}");
            }
        }
    }

    #[test]
    fn a_pooler_of_transactions_is_named_by_what_it_loses() {
        let whole = SessionTraits {
            keeps_process: true,
            keeps_statements: true,
            keeps_settings: true,
            is_notified: true,
        };
        let line = |port, session| connection(port, &Ok(session)).to_string();
        assert!(line(5432, whole).starts_with("ok"));
        assert!(line(6543, whole).starts_with("FAIL") && line(6543, whole).contains("6543"));
        let pooled = SessionTraits { keeps_process: false, is_notified: false, ..whole };
        let pooled = line(5432, pooled);
        assert!(pooled.contains("its server process, LISTEN is lost"), "{pooled}");
        assert!(pooled.contains("session mode"), "{pooled}");
    }
}
