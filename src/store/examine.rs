//! What `frontdesk doctor` asks a database, each question on a connection of its own. Nothing is
//! changed: what is tried is rolled back.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgListener, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row};
use uuid::Uuid;

use super::outage::io_words;
use super::{BadAddress, Trouble};
use crate::clock::within;

/// How long a connection may take to be made.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// How long one question may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// How long a notification may take from one connection to another.
const NOTICE_LIMIT: Duration = Duration::from_secs(2);
/// Connections that hold a transaction each, so that a pooler has no server process left but
/// another one.
const HOLDERS: usize = 2;

/// Why a database does not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExamineError {
    /// The server answered with this SQLSTATE.
    Sqlstate(String),
    /// There is no way to it; the system's word for it.
    Unreachable(String),
    /// TLS cannot be agreed on, or its certificate is not trusted.
    Tls,
    /// No answer came in time.
    Late,
    /// What came is not what a PostgreSQL says.
    Protocol,
}

impl From<sqlx::Error> for ExamineError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(error) => {
                Self::Sqlstate(error.code().map_or_else(|| "unknown".into(), |c| c.into_owned()))
            }
            sqlx::Error::Io(error) => Self::Unreachable(io_words(&error)),
            sqlx::Error::Tls(_) => Self::Tls,
            sqlx::Error::PoolTimedOut => Self::Late,
            _ => Self::Protocol,
        }
    }
}

/// What the server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerVersions {
    /// PostgreSQL's version as a number: 150004 is 15.4.
    pub number: i32,
    /// PostgreSQL's version in words.
    pub postgresql: String,
    /// pgvector's version in this database, if it is there.
    pub pgvector: Option<String>,
    /// The version of pgvector that the server has to give.
    pub pgvector_available: Option<String>,
}

/// What is kept from one transaction to the next, as a direct connection keeps everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionTraits {
    /// The connection stays with one server process.
    pub keeps_process: bool,
    /// A prepared statement is still there.
    pub keeps_statements: bool,
    /// A setting is still set.
    pub keeps_settings: bool,
    /// A connection that listens is told.
    pub is_notified: bool,
}

/// What the role may not do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MissingRights {
    /// Such as `insert on call_logs`.
    pub rights: Vec<String>,
    /// Tables of which row level security hides rows from the role.
    pub hidden: Vec<String>,
    /// Other roles that may create objects in `public`, and so have the role run their code.
    pub creators: Vec<String>,
    /// Why an agent's table with its index and its search function cannot be made, if it cannot.
    pub embeddings_table: Option<ExamineError>,
}

/// A database to be asked.
#[derive(Debug, Clone)]
pub struct Examination {
    options: PgConnectOptions,
}

impl Examination {
    /// Of the database at this address.
    ///
    /// # Errors
    /// The address is not one of a PostgreSQL; the error does not repeat it.
    pub fn of(url: &str) -> Result<Self, BadAddress> {
        let options: PgConnectOptions = url.parse().map_err(|_| BadAddress)?;
        Ok(Self { options: options.disable_statement_logging() })
    }

    /// The port of the address.
    pub fn port(&self) -> u16 {
        self.options.get_port()
    }

    /// What this error of [`versions`](Self::versions) says of the address, and what to do.
    pub fn trouble(&self, error: &ExamineError) -> Trouble {
        Trouble::of(error, &self.options)
    }

    /// The versions of PostgreSQL and pgvector.
    ///
    /// # Errors
    /// The database does not say.
    pub async fn versions(&self) -> Result<ServerVersions, ExamineError> {
        let mut connection = self.connect().await?;
        // Not prepared, so that a pooler of transactions can be asked too.
        let asking = sqlx::raw_sql(
            "select current_setting('server_version_num')::int, current_setting('server_version'),
                e.installed_version, e.default_version
            from (select 1) one
            left join pg_available_extensions e on e.name = 'vector'",
        )
        .fetch_one(&mut connection);
        let row = answered(asking).await?;
        Ok(ServerVersions {
            number: row.try_get(0)?,
            postgresql: row.try_get(1)?,
            pgvector: row.try_get(2)?,
            pgvector_available: row.try_get(3)?,
        })
    }

    /// Whether what a connection was told in one transaction holds in the next. Other connections
    /// hold a transaction meanwhile: behind a pooler of transactions they have taken the server
    /// process that the first one had.
    ///
    /// # Errors
    /// The database does not say.
    pub async fn session(&self) -> Result<SessionTraits, ExamineError> {
        let kept = self.kept().await;
        let is_notified = self.is_notified().await;
        let nothing = SessionTraits {
            keeps_process: false,
            keeps_statements: false,
            keeps_settings: false,
            is_notified,
        };
        match kept {
            Ok((keeps_process, keeps_settings)) => Ok(SessionTraits {
                keeps_process,
                keeps_settings,
                keeps_statements: true,
                ..nothing
            }),
            // 26000: there is no such statement; 42P05: there is one already.
            Err(ExamineError::Sqlstate(code)) if code == "26000" || code == "42P05" => Ok(nothing),
            // No process was left for a connection that should have had one.
            Err(ExamineError::Late) => {
                Ok(SessionTraits { keeps_statements: true, keeps_settings: true, ..nothing })
            }
            Err(error) => Err(error),
        }
    }

    /// Whether a connection still has its server process, and its settings, after others began
    /// transactions.
    async fn kept(&self) -> Result<(bool, bool), ExamineError> {
        let mut connection = self.connect().await?;
        let process = state(&mut connection).await?.0;
        let set = sqlx::query("select set_config('frontdesk.doctor', 'kept', false)")
            .execute(&mut connection);
        answered(set).await?;
        let mut holders = Vec::with_capacity(HOLDERS);
        for _ in 0..HOLDERS {
            // A pooler that has no more to give lets it wait, and the one before is enough.
            let Ok(mut holder) = self.connect().await else { break };
            let begins = sqlx::raw_sql("begin; select pg_backend_pid()").execute(&mut holder);
            if answered(begins).await.is_err() {
                break;
            }
            holders.push(holder);
        }
        let (same, setting) = state(&mut connection).await?;
        Ok((same == process, setting == "kept"))
    }

    /// Whether a connection that listens hears another one.
    async fn is_notified(&self) -> bool {
        let channel = format!("frontdesk_doctor_{}", Uuid::new_v4().simple());
        let pool = PgPoolOptions::new()
            .max_connections(2)
            .acquire_timeout(CONNECT_LIMIT)
            .connect_lazy_with(self.options.clone());
        let hearing = async {
            let mut listener = PgListener::connect_with(&pool).await?;
            listener.listen(&channel).await?;
            sqlx::query("select pg_notify($1, '')").bind(&channel).execute(&pool).await?;
            listener.recv().await.map(|_| ())
        };
        matches!(within(CONNECT_LIMIT + NOTICE_LIMIT, Box::pin(hearing)).await, Some(Ok(())))
    }

    /// What the role may not do that the server does. For a database whose schema is there.
    ///
    /// # Errors
    /// The database does not say.
    pub async fn missing_rights(&self) -> Result<MissingRights, ExamineError> {
        let mut connection = self.connect().await?;
        let rights = sqlx::query_scalar::<_, String>(
            "select lower(r.name) || ' on ' || c.relname
            from pg_class c
            cross join unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE']) r (name)
            where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
                and (c.relname = any ($1) or c.relname like 'frontdesk\\_%')
                and not has_table_privilege(c.oid, r.name)
            union all
            select 'execute on ' || p.proname from pg_proc p
            where p.pronamespace = 'public'::regnamespace and p.prorettype <> 'trigger'::regtype
                and (p.proname like 'appointment\\_%' or p.proname like 'aftercall\\_%'
                    or p.proname like 'answer%' or p.proname in ('admit_call', 'call_tasks_put'))
                and not has_function_privilege(p.oid, 'EXECUTE')
            order by 1",
        )
        .bind(TABLES.map(str::to_owned).to_vec())
        .fetch_all(&mut connection);
        let rights = answered(rights).await?;
        let hidden = sqlx::query_scalar::<_, String>(
            "select c.relname::text from pg_class c
            where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
                and (c.relname = any ($1) or c.relname like 'frontdesk\\_%')
                and row_security_active(c.oid)
                -- But for a policy that keep_granted laid for a role which had been granted the table.
                and not exists (select from pg_policy p
                    where p.polrelid = c.oid and p.polcmd = '*' and p.polpermissive
                        and pg_get_expr(p.polqual, p.polrelid) = 'true'
                        and exists (select from unnest(p.polroles) r (oid)
                            where r.oid = 0 or pg_has_role(r.oid, 'MEMBER')))
            order by c.relname",
        )
        .bind(TABLES.map(str::to_owned).to_vec())
        .fetch_all(&mut connection);
        let hidden = answered(hidden).await?;
        let creators = sqlx::query_scalar::<_, String>(
            "select r.rolname::text from pg_roles r, pg_namespace n
            where n.nspname = 'public' and has_schema_privilege(r.oid, n.oid, 'CREATE')
                and not r.rolsuper and not pg_has_role(r.oid, n.nspowner, 'USAGE')
                and r.oid <> (select relowner from pg_class where oid = 'public.voice_agents'::regclass)
                and r.rolname <> current_user and r.rolname not like 'pg\\_%'
            order by 1",
        )
        .fetch_all(&mut connection);
        let creators = answered(creators).await?;
        let embeddings_table = try_embeddings_table(&mut connection).await.err();
        Ok(MissingRights { rights, hidden, creators, embeddings_table })
    }

    async fn connect(&self) -> Result<PgConnection, ExamineError> {
        match within(CONNECT_LIMIT, Box::pin(self.options.connect())).await {
            Some(connection) => Ok(connection?),
            None => Err(ExamineError::Late),
        }
    }
}

/// The tables that the server reads and writes.
const TABLES: [&str; 12] = [
    "aftercall_jobs",
    "appointments",
    "business_details",
    "call_events",
    "call_logs",
    "call_tasks",
    "functions",
    "left_recordings",
    "scrapping_data",
    "sources",
    "voice_agents",
    "webhook_deliveries",
];

/// The server process and the setting. The same statement each time, so that it is prepared once.
async fn state(connection: &mut PgConnection) -> Result<(i32, String), ExamineError> {
    let asking = sqlx::query_as(
        "select pg_backend_pid(), coalesce(current_setting('frontdesk.doctor', true), '')",
    )
    .fetch_one(connection);
    answered(asking).await
}

/// Makes what a new agent needs, and takes it back.
async fn try_embeddings_table(connection: &mut PgConnection) -> Result<(), ExamineError> {
    let name = format!("zz_{}", Uuid::new_v4());
    let trying = async {
        let mut transaction = connection.begin().await?;
        sqlx::query("select public.create_embeddings_table($1)")
            .bind(&name)
            .execute(&mut *transaction)
            .await?;
        // The role may lack rights that the function's owner has.
        for statement in [
            format!(r#"insert into public."{name}" (content) values ('')"#),
            format!(r#"select count(*) from public."{name}_search" (null, 1)"#),
        ] {
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *transaction).await?;
        }
        transaction.rollback().await
    };
    answered(trying).await
}

async fn answered<T>(
    asking: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, ExamineError> {
    match within(ANSWER_LIMIT, Box::pin(asking)).await {
        Some(answer) => Ok(answer?),
        None => Err(ExamineError::Late),
    }
}
