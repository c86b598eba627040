//! The passages of a source, which change all at once, and the embeddings that wait for that.

use std::collections::{HashMap, HashSet};

use serde_json::Value;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row};

use super::passages::Vector;
use super::trainings::{MINE, Training};
use super::{Result, Store, StoreError, storable_text};

/// A passage as it is to be.
#[derive(Debug, Clone, PartialEq)]
pub struct NewPassage {
    /// What says whether it has changed.
    pub hash: String,
    /// What is embedded and given to calls.
    pub content: String,
    /// `metadata`, with the source's id, the hash and the model.
    pub metadata: Value,
}

/// How a source's passages changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swapped {
    /// New ones.
    pub added: u64,
    /// Those that are gone.
    pub removed: u64,
    /// Those that were there.
    pub kept: u64,
}

impl Store {
    /// The hashes among these of passages that need no embedding by this model: they are among the agent's,
    /// or made already.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn embedded_hashes(
        &self,
        of: &Training,
        (hashes, model): (&[String], &str),
    ) -> Result<HashSet<String>> {
        let sql = format!(
            "select metadata ->> 'hash' as hash from public.\"zz_{}\"
            where metadata @> jsonb_build_object('source_id', $1::uuid, 'model', $3::text)
                and metadata ->> 'hash' = any ($2) and embedding is not null
            union select hash from public.source_vectors
            where source_id = $1 and model = $3 and hash = any ($2)",
            of.agent
        );
        let query = sqlx::query_scalar::<_, String>(AssertSqlSafe(sql));
        let query = query.bind(of.source).bind(hashes).bind(model);
        Ok(query.fetch_all(&self.pool).await?.into_iter().collect())
    }

    /// Keeps embeddings until all passages change.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn keep_vectors(
        &self,
        of: &Training,
        model: &str,
        vectors: &[(&str, &[f32])],
    ) -> Result<()> {
        let mut transaction = self.pool.begin().await?;
        for (hash, vector) in vectors {
            sqlx::query(
                "insert into public.source_vectors (source_id, hash, model, embedding)
                values ($1, $2, $3, $4) on conflict do nothing",
            )
            .bind(of.source)
            .bind(hash)
            .bind(model)
            .bind(*vector)
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Has the source's passages be these, all at once; none: the work is not this process's any more.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn swap_passages(
        &self,
        of: &Training,
        passages: &[NewPassage],
        model: &str,
    ) -> Result<Option<Swapped>> {
        let mut transaction = self.pool.begin().await?;
        let sql =
            format!("select t.revision from public.source_trainings t where {MINE} for update");
        let query = sqlx::query(AssertSqlSafe(sql)).bind(of.source).bind(of.revision);
        if query.bind(of.worker).fetch_optional(&mut *transaction).await?.is_none() {
            return Ok(None);
        }
        let swapped = swap(&mut transaction, of, passages, model).await?;
        let drop = sqlx::query("delete from public.source_vectors where source_id = $1");
        drop.bind(of.source).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(Some(swapped))
    }
}

async fn swap(
    connection: &mut PgConnection,
    of: &Training,
    passages: &[NewPassage],
    model: &str,
) -> Result<Swapped> {
    let table = format!("public.\"zz_{}\"", of.agent);
    let is_of_source = "metadata @> jsonb_build_object('source_id', $1::uuid)";
    let sql = format!(
        "select id, case when embedding is not null and metadata ->> 'model' = $2
            then metadata ->> 'hash' end as hash
        from {table} where {is_of_source} order by id"
    );
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(of.source).bind(model);
    let (mut known, mut gone) = (HashMap::new(), Vec::new());
    let wanted: HashSet<&str> = passages.iter().map(|one| one.hash.as_str()).collect();
    for row in rows.fetch_all(&mut *connection).await? {
        let (id, hash): (i64, Option<String>) = (row.try_get("id")?, row.try_get("hash")?);
        match hash.filter(|hash| wanted.contains(hash.as_str()) && !known.contains_key(hash)) {
            Some(hash) => drop(known.insert(hash, id)),
            None => gone.push(id),
        }
    }
    let delete = format!("delete from {table} where id = any ($2) and {is_of_source}");
    sqlx::query(AssertSqlSafe(delete))
        .bind(of.source)
        .bind(&gone)
        .execute(&mut *connection)
        .await?;
    let update = format!("update {table} set metadata = $2 where id = $1 and metadata <> $2");
    let insert = format!("insert into {table} (content, metadata, embedding) values ($1, $2, $3)");
    let mut swapped = Swapped { removed: gone.len() as u64, ..Swapped::default() };
    for passage in passages {
        if let Some(id) = known.get(&passage.hash) {
            let update = sqlx::query(AssertSqlSafe(update.clone()));
            update.bind(id).bind(&passage.metadata).execute(&mut *connection).await?;
            swapped.kept += 1;
            continue;
        }
        let vector = sqlx::query_scalar(
            "select embedding from public.source_vectors
            where source_id = $1 and hash = $2 and model = $3",
        );
        let vector = vector.bind(of.source).bind(&passage.hash).bind(model);
        let Some(vector): Option<Vec<f32>> = vector.fetch_optional(&mut *connection).await? else {
            return Err(StoreError::Unreadable("a passage without an embedding".to_owned()));
        };
        sqlx::query(AssertSqlSafe(insert.clone()))
            .bind(storable_text(&passage.content))
            .bind(&passage.metadata)
            .bind(Vector(&vector))
            .execute(&mut *connection)
            .await?;
        swapped.added += 1;
    }
    Ok(swapped)
}
