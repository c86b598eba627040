//! `sources`: what an owner has an agent learn. The work on them is in [`super::trainings`].

use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::access::{AgentAccess, Level, Maintain};
use super::agent_edits::WriteError;
use super::audit::{self, AuditEntry};
use super::people::Viewer;
pub use super::source_type::SourceType;
use super::{Result, Store, storable_text};
use crate::private::Private;

/// The most sources of an agent that are read, and that it may have.
pub const SOURCES_MAX: i64 = 500;

/// The largest file that is taken, bytes.
pub const FILE_BYTES_MAX: usize = 25 << 20;

/// A source, and how the work on it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceRow {
    /// `sources.id`.
    pub id: Uuid,
    /// `sources.voice_agent_id`.
    pub agent_id: Uuid,
    /// `sources.name`.
    pub name: String,
    /// `sources.source_type`; empty where none is set. May be a word that is not known.
    pub source_type: String,
    /// `sources.size`, bytes.
    pub size: i64,
    /// `sources.url`.
    pub url: Option<String>,
    /// Whether it is read again by itself.
    pub auto: bool,
    /// How often, as `auto_sync_interval` says.
    pub auto_sync_interval: String,
    /// When it was learned last, microseconds since the Unix epoch.
    pub trained_us: Option<i64>,
    /// When it was added, microseconds since the Unix epoch.
    pub created_us: i64,
    /// `sources.status`.
    pub status: String,
    /// What is being done: `fetching`, `reading`, `learning`.
    pub stage: Option<String>,
    /// How far that is.
    pub done: i32,
    /// Of how many; none while nobody knows.
    pub total: Option<i32>,
    /// Pages that were read.
    pub pages: Option<i32>,
    /// Passages that it has.
    pub passages: Option<i32>,
    /// Whether it is longer than what is learned of it.
    pub is_cut_off: bool,
    /// Why it failed, and what to do.
    pub reason: Option<String>,
    /// Whether this server has learned it, or is to; else another program has.
    pub is_ours: bool,
}

impl SourceRow {
    /// Whether somebody waits for it.
    pub fn is_under_way(&self) -> bool {
        matches!(&*self.status, "pending" | "training" | "retraining")
    }
}

/// A source that is to be added.
#[derive(Debug)]
pub struct NewSource {
    /// What it is called.
    pub name: String,
    /// What it is.
    pub source_type: SourceType,
    /// Where it is fetched from; none of what was sent.
    pub url: Option<String>,
    /// How often it is read again by itself; `none`: never.
    pub auto_sync_interval: String,
    /// What was sent, with its file's name.
    pub file: Option<NewFile>,
}

/// Bytes that somebody sent.
#[derive(Debug)]
pub struct NewFile {
    /// What the file is called, for guessing what it is.
    pub name: String,
    /// Its content type, if one was named.
    pub content_type: Option<String>,
    /// The bytes, at most 25 MiB.
    pub content: Private<Vec<u8>>,
}

/// What is read of a source.
const COLUMNS: &str = "s.id, s.voice_agent_id, left(s.name, 200) as name,
    left(coalesce(s.source_type, ''), 50) as source_type, s.size, left(s.url, 2000) as url, s.auto,
    left(coalesce(s.auto_sync_interval, 'none'), 40) as auto_sync_interval,
    (extract(epoch from s.auto_sync_last_trained) * 1000000)::bigint as trained_us,
    (extract(epoch from s.created_at) * 1000000)::bigint as created_us,
    coalesce(s.status, 'pending')::text as status, t.stage, coalesce(t.done, 0) as done, t.total, t.pages,
    t.passages, coalesce(t.is_cut_off, false) as is_cut_off, t.reason,
    t.source_id is not null as is_ours";

impl Store {
    /// An agent's sources, the newest first. The answers that its people gave are none of them.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn sources<L: Level>(&self, access: &AgentAccess<L>) -> Result<Vec<SourceRow>> {
        self.sources_where(access.agent_id(), None).await
    }

    /// One source of an agent.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn source<L: Level>(
        &self,
        access: &AgentAccess<L>,
        id: Uuid,
    ) -> Result<Option<SourceRow>> {
        Ok(self.sources_where(access.agent_id(), Some(id)).await?.pop())
    }

    /// The same on the server, for whoever looks after it.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn source_here(&self, agent: Uuid, id: Uuid) -> Result<Option<SourceRow>> {
        Ok(self.sources_where(agent, Some(id)).await?.pop())
    }

    async fn sources_where(&self, agent: Uuid, id: Option<Uuid>) -> Result<Vec<SourceRow>> {
        let sql = format!(
            "select {COLUMNS} from public.sources s
            left join public.source_trainings t on t.source_id = s.id
            where s.voice_agent_id = $1 and ($2::uuid is null or s.id = $2)
                and s.id <> public.answers_source($1)
            order by s.created_at desc, s.id limit $3"
        );
        let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(agent).bind(id).bind(SOURCES_MAX);
        query.fetch_all(&self.pool).await?.iter().map(source).collect()
    }

    /// Adds a source of an agent's, which is read soon; none where it has as many as it may have. Who does
    /// it is written down.
    ///
    /// # Errors
    /// [`WriteError`]: also that the owner's plan allows no more.
    pub async fn add_source(
        &self,
        access: &AgentAccess<Maintain>,
        viewer: &Viewer,
        new: &NewSource,
    ) -> std::result::Result<Option<Uuid>, WriteError> {
        let mut transaction = self.pool.begin().await?;
        let id = insert(&mut transaction, access.agent_id(), new).await?;
        let Some(id) = id else { return Ok(None) };
        let deed = AuditEntry::of(viewer, "source.add").agent(access.agent_id());
        audit::note(&mut transaction, &deed.object("source", id)).await?;
        transaction.commit().await?;
        Ok(Some(id))
    }

    /// The same on the server, for whoever looks after it.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn add_source_here(&self, agent: Uuid, new: &NewSource) -> Result<Option<Uuid>> {
        let mut transaction = self.pool.begin().await?;
        let id = insert(&mut transaction, agent, new).await?;
        transaction.commit().await?;
        Ok(id)
    }

    /// The source of an agent's that has this address, or this file's name and none.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn source_like(&self, agent: Uuid, new: &NewSource) -> Result<Option<Uuid>> {
        let file = new.file.as_ref().map(|file| storable_text(&file.name).into_owned());
        Ok(sqlx::query_scalar(
            "select s.id from public.sources s left join public.source_files f on f.source_id = s.id
            where s.voice_agent_id = $1 and (case when $2::text is null then f.file_name = $3 else s.url = $2 end)
            order by s.created_at limit 1",
        )
        .bind(agent)
        .bind(&new.url)
        .bind(file)
        .fetch_optional(&self.pool)
        .await?)
    }

    /// Has a source read again, with another file if one is given.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn renew_source(&self, id: Uuid, file: Option<&NewFile>) -> Result<()> {
        let mut transaction = self.pool.begin().await?;
        if let Some(file) = file {
            put_file(&mut transaction, id, file).await?;
        }
        let train = sqlx::query("select public.source_train($1, true)").bind(id);
        train.execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Has a source of an agent's read again; whether there is one. Who asks is written down.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn train_source(
        &self,
        access: &AgentAccess<Maintain>,
        viewer: &Viewer,
        id: Uuid,
    ) -> Result<bool> {
        let mut transaction = self.pool.begin().await?;
        let trained = sqlx::query(
            "select public.source_train(s.id, true) from public.sources s
            where s.id = $1 and s.voice_agent_id = $2 and s.id <> public.answers_source($2)",
        );
        let rows = trained.bind(id).bind(access.agent_id()).fetch_all(&mut *transaction).await?;
        if rows.is_empty() {
            return Ok(false);
        }
        let deed = AuditEntry::of(viewer, "source.train").agent(access.agent_id());
        audit::note(&mut transaction, &deed.object("source", id)).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Says how often a source is read again by itself; whether there is one. Who does it is written down.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn set_source_interval(
        &self,
        access: &AgentAccess<Maintain>,
        viewer: &Viewer,
        (id, interval): (Uuid, &str),
    ) -> Result<bool> {
        let mut transaction = self.pool.begin().await?;
        let set = sqlx::query(
            "update public.sources set auto = $3 <> 'none', auto_sync_interval = $3
            where id = $1 and voice_agent_id = $2 and id <> public.answers_source($2)",
        );
        let set = set.bind(id).bind(access.agent_id()).bind(interval);
        if set.execute(&mut *transaction).await?.rows_affected() == 0 {
            return Ok(false);
        }
        let deed = AuditEntry::of(viewer, "source.interval").agent(access.agent_id());
        audit::note(&mut transaction, &deed.object("source", id)).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Removes a source of an agent's with its passages; whether there was one. Who does it is written down.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn remove_source(
        &self,
        access: &AgentAccess<Maintain>,
        viewer: &Viewer,
        id: Uuid,
    ) -> Result<bool> {
        let mut transaction = self.pool.begin().await?;
        let removed = sqlx::query(
            "delete from public.sources
            where id = $1 and voice_agent_id = $2 and id <> public.answers_source($2)",
        );
        let removed = removed.bind(id).bind(access.agent_id()).execute(&mut *transaction).await?;
        if removed.rows_affected() == 0 {
            return Ok(false);
        }
        let deed = AuditEntry::of(viewer, "source.remove").agent(access.agent_id());
        audit::note(&mut transaction, &deed.object("source", id)).await?;
        transaction.commit().await?;
        Ok(true)
    }
}

async fn insert(
    connection: &mut sqlx::postgres::PgConnection,
    agent: Uuid,
    new: &NewSource,
) -> sqlx::Result<Option<Uuid>> {
    let size = new.file.as_ref().map_or(0, |file| file.content.reveal().len());
    let id: Option<Uuid> = sqlx::query_scalar(
        "insert into public.sources (voice_agent_id, name, source_type, size, url, auto, auto_sync_interval)
        select $1, $2, $3, $4, $5, $6 <> 'none', $6
        where (select count(*) from public.sources s where s.voice_agent_id = $1) < $7
        returning id",
    )
    .bind(agent)
    .bind(storable_text(&new.name))
    .bind(new.source_type.word())
    .bind(i64::try_from(size).unwrap_or(i64::MAX))
    .bind(new.url.as_deref().map(storable_text))
    .bind(&new.auto_sync_interval)
    .bind(SOURCES_MAX)
    .fetch_optional(&mut *connection)
    .await?;
    if let (Some(id), Some(file)) = (id, &new.file) {
        put_file(connection, id, file).await?;
    }
    Ok(id)
}

async fn put_file(
    connection: &mut sqlx::postgres::PgConnection,
    id: Uuid,
    file: &NewFile,
) -> sqlx::Result<()> {
    sqlx::query(
        "insert into public.source_files (source_id, file_name, content_type, content)
        values ($1, $2, $3, $4)
        on conflict (source_id) do update set file_name = excluded.file_name,
            content_type = excluded.content_type, content = excluded.content",
    )
    .bind(id)
    .bind(storable_text(&file.name))
    .bind(file.content_type.as_deref().map(storable_text))
    .bind(file.content.reveal().as_slice())
    .execute(connection)
    .await?;
    Ok(())
}

fn source(row: &PgRow) -> Result<SourceRow> {
    Ok(SourceRow {
        id: row.try_get("id")?,
        agent_id: row.try_get("voice_agent_id")?,
        name: row.try_get("name")?,
        source_type: row.try_get("source_type")?,
        size: row.try_get("size")?,
        url: row.try_get("url")?,
        auto: row.try_get("auto")?,
        auto_sync_interval: row.try_get("auto_sync_interval")?,
        trained_us: row.try_get("trained_us")?,
        created_us: row.try_get("created_us")?,
        status: row.try_get("status")?,
        stage: row.try_get("stage")?,
        done: row.try_get("done")?,
        total: row.try_get("total")?,
        pages: row.try_get("pages")?,
        passages: row.try_get("passages")?,
        is_cut_off: row.try_get("is_cut_off")?,
        reason: row.try_get("reason")?,
        is_ours: row.try_get("is_ours")?,
    })
}
