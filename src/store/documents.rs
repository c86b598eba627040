//! The documents that an agent's passages are from, for whoever looks at what it knows. What owners
//! answered is apart, see `answers`. Anybody may have written the rows.

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Row};
use uuid::Uuid;

use super::access::{AgentAccess, Level};
use super::passages::MISSING;
use super::{Result, Store};

/// The most passages that are counted, the newest: more makes the page slow.
const COUNTED_MAX: i64 = 20_000;
/// The most documents.
const DOCUMENTS_MAX: i64 = 200;
/// As much of a passage is shown, in characters.
const PASSAGE_CHARACTERS: i32 = 4_000;

/// Which document a passage `p` is of: a source of the console, or what whoever wrote it says; at most so
/// long. Empty where nothing is said.
const KEY_SQL: &str = "left(coalesce(p.metadata ->> 'source_id', p.metadata ->> 'source',
    p.metadata ->> 'url', p.metadata ->> 'file_name', p.metadata ->> 'name', ''), 500)";

/// A document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentRow {
    /// What its passages have in common; empty of those that say nothing.
    pub key: String,
    /// What it is called; empty where it has no name.
    pub name: String,
    /// Its address, where it has one.
    pub url: Option<String>,
    /// How many passages it has.
    pub passages: i64,
    /// How long they are in all, in characters.
    pub characters: i64,
    /// How many of them no call finds yet: they have no embedding.
    pub waiting: i64,
    /// When the newest was written, microseconds since the Unix epoch.
    pub at_us: Option<i64>,
}

/// A passage of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentPassage {
    /// Its id in the agent's table.
    pub id: i64,
    /// What it is about; empty where that is not said.
    pub title: String,
    /// The beginning of what it says.
    pub text: String,
    /// Whether calls find it.
    pub is_known: bool,
}

impl Store {
    /// The documents of an agent, by their names.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn documents<L: Level>(&self, access: &AgentAccess<L>) -> Result<Vec<DocumentRow>> {
        self.documents_of(access.agent_id(), None).await
    }

    /// The document of this key.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn document<L: Level>(
        &self,
        access: &AgentAccess<L>,
        key: &str,
    ) -> Result<Option<DocumentRow>> {
        Ok(self.documents_of(access.agent_id(), Some(key)).await?.pop())
    }

    /// All documents of an agent, or the one of this key.
    async fn documents_of(&self, agent: Uuid, key: Option<&str>) -> Result<Vec<DocumentRow>> {
        let query = format!(
            "with passages as (
                select {KEY_SQL} as key, length(p.content) as characters, p.created_at,
                    p.embedding is null as is_waiting
                from public.\"zz_{agent}\" p
                where not coalesce(p.metadata @> jsonb_build_object('source_id', answers_source($1)), false)
                    and ($2::text is null or {KEY_SQL} = $2)
                order by p.id desc limit {COUNTED_MAX}
            ), documents as (
                select key, count(*) as passages, coalesce(sum(characters), 0)::bigint as characters,
                    count(*) filter (where is_waiting) as waiting,
                    (extract(epoch from max(created_at) filter (where isfinite(created_at)))
                        * 1000000)::bigint as at_us
                from passages group by key
            )
            select d.*, coalesce(left(s.name, 200), left(d.key, 200)) as name, left(s.url, 500) as url
            from documents d
            left join public.sources s on s.voice_agent_id = $1 and s.id::text = d.key
            order by name, d.key limit {DOCUMENTS_MAX}"
        );
        let rows =
            sqlx::query(AssertSqlSafe(query)).bind(agent).bind(key.map(super::storable_text));
        let rows = rows.fetch_all(&self.pool).await;
        let document = |row: &PgRow| {
            Ok(DocumentRow {
                key: row.try_get("key")?,
                name: row.try_get("name")?,
                url: row.try_get("url")?,
                passages: row.try_get("passages")?,
                characters: row.try_get("characters")?,
                waiting: row.try_get("waiting")?,
                at_us: row.try_get("at_us")?,
            })
        };
        or_none(rows)?.iter().map(document).collect()
    }

    /// Up to `limit` passages of a document behind the one with the id `after`, in the order in which they
    /// were written.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn document_passages<L: Level>(
        &self,
        access: &AgentAccess<L>,
        key: &str,
        (after, limit): (i64, i64),
    ) -> Result<Vec<DocumentPassage>> {
        let agent: Uuid = access.agent_id();
        let query = format!(
            "select p.id, left(coalesce(p.content, ''), $4) as text, p.embedding is not null as is_known,
                left(coalesce(p.metadata ->> 'title', p.metadata ->> 'topic',
                    p.metadata ->> 'heading', ''), 200) as title
            from public.\"zz_{agent}\" p
            where {KEY_SQL} = $1 and p.id > $2
                and not coalesce(p.metadata @> jsonb_build_object('source_id', answers_source($5)), false)
            order by p.id limit $3"
        );
        let rows = sqlx::query(AssertSqlSafe(query))
            .bind(super::storable_text(key))
            .bind(after)
            .bind(limit)
            .bind(PASSAGE_CHARACTERS)
            .bind(agent)
            .fetch_all(&self.pool)
            .await;
        let passage = |row: &PgRow| {
            Ok(DocumentPassage {
                id: row.try_get("id")?,
                title: row.try_get("title")?,
                text: row.try_get("text")?,
                is_known: row.try_get("is_known")?,
            })
        };
        or_none(rows)?.iter().map(passage).collect()
    }
}

/// No rows where the agent has no table.
fn or_none(rows: sqlx::Result<Vec<PgRow>>) -> sqlx::Result<Vec<PgRow>> {
    match rows {
        Err(sqlx::Error::Database(error))
            if error.code().is_some_and(|code| MISSING.contains(&&*code)) =>
        {
            Ok(Vec::new())
        }
        rows => rows,
    }
}
