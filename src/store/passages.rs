//! An agent's own passages, searched by its own function.

use sqlx::encode::{Encode, IsNull};
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgTypeInfo};
use sqlx::{AssertSqlSafe, Postgres, Row, Type};
use uuid::Uuid;

use super::{Result, Store};

/// SQLSTATE of a function or a table that is not there.
pub(super) const MISSING: [&str; 2] = ["42883", "42P01"];

/// A row that a search gives.
#[derive(Debug, Clone, PartialEq)]
pub struct PassageRow {
    /// `id`.
    pub id: i64,
    /// `content`; empty where there is none.
    pub content: String,
    /// Cosine similarity to what was searched for.
    pub similarity: f64,
}

impl Store {
    /// The agent's `count` passages nearest to `embedding`, nearest first. `None`: the agent has
    /// no search function, or that has no table.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError) when the database does not answer or refuses the
    /// embedding.
    pub async fn search_passages(
        &self,
        agent: Uuid,
        embedding: &[f32],
        count: u32,
    ) -> Result<Option<Vec<PassageRow>>> {
        let query = format!(
            "select id, coalesce(left(content, 16384), '') as content, similarity from {}($1, $2)",
            search_function(agent)
        );
        let rows = sqlx::query(AssertSqlSafe(query))
            .bind(Vector(embedding))
            .bind(i32::try_from(count).unwrap_or(i32::MAX))
            .fetch_all(&self.pool)
            .await;
        let rows = match rows {
            Err(sqlx::Error::Database(error))
                if error.code().is_some_and(|code| MISSING.contains(&&*code)) =>
            {
                return Ok(None);
            }
            rows => rows?,
        };
        let passage = |row: &sqlx::postgres::PgRow| {
            Ok(PassageRow {
                id: row.try_get("id")?,
                content: row.try_get("content")?,
                similarity: row.try_get("similarity")?,
            })
        };
        Ok(Some(rows.iter().map(passage).collect::<sqlx::Result<_>>()?))
    }
}

/// The name of an agent's search function. An id has hyphens and nothing that would end a quoted
/// name.
fn search_function(agent: Uuid) -> String {
    format!(r#"public."zz_{agent}_search""#)
}

/// An argument in the wire form of pgvector's type: how many numbers, a zero, the numbers. It is
/// sent without its type, which the function's signature gives: so it does not matter which schema
/// the extension is in.
pub(super) struct Vector<'a>(pub(super) &'a [f32]);

impl Type<Postgres> for Vector<'_> {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(0))
    }
}

impl Encode<'_, Postgres> for Vector<'_> {
    fn encode_by_ref(
        &self,
        buffer: &mut PgArgumentBuffer,
    ) -> std::result::Result<IsNull, BoxDynError> {
        buffer.extend(u16::try_from(self.0.len())?.to_be_bytes());
        buffer.extend(0_u16.to_be_bytes());
        buffer.extend(self.0.iter().flat_map(|value| value.to_be_bytes()));
        Ok(IsNull::No)
    }
}
