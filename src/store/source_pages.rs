//! The pages of a source: which there are, and what each said when it was fetched.

use serde_json::Value;
use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};
use uuid::Uuid;

use super::trainings::Training;
use super::{Result, Store, storable_text};

/// A page of a source, as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRow {
    /// Its address.
    pub url: String,
    /// How many links it is away from the first.
    pub depth: i32,
    /// The work that fetched it last.
    pub revision: i32,
    /// What its server called that version.
    pub etag: Option<String>,
}

/// A page that was fetched, or could not be.
#[derive(Debug)]
pub struct FetchedPage<'a> {
    /// Its address.
    pub url: &'a str,
    /// What its server called this version.
    pub etag: Option<&'a str>,
    /// What it says, as `scrapping_data.data` keeps it beside its kind, source, address and time; none:
    /// what is kept of it stays.
    pub data: Option<&'a Value>,
    /// Why there is nothing of it; names no address.
    pub why: Option<&'a str>,
}

impl Store {
    /// The pages of a source that are known, in the order in which they were found.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn source_pages(&self, source: Uuid) -> Result<Vec<PageRow>> {
        let rows = sqlx::query(
            "select url, depth, revision, etag from public.source_pages where source_id = $1 order by place",
        );
        let page = |row: &PgRow| {
            Ok(PageRow {
                url: row.try_get("url")?,
                depth: row.try_get("depth")?,
                revision: row.try_get("revision")?,
                etag: row.try_get("etag")?,
            })
        };
        rows.bind(source).fetch_all(&self.pool).await?.iter().map(page).collect()
    }

    /// Keeps the addresses of pages that were found, behind those that are known.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn found_pages(&self, source: Uuid, urls: &[String], depth: i32) -> Result<()> {
        sqlx::query(
            "insert into public.source_pages (source_id, url, place, depth)
            select $1, u.url, u.n + coalesce((select max(p.place) from public.source_pages p
                where p.source_id = $1), 0), $3
            from unnest($2::text[]) with ordinality as u (url, n)
            on conflict (source_id, url) do nothing",
        )
        .bind(source)
        .bind(urls)
        .bind(depth)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Keeps what a page said, in one transaction with that it was fetched.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn fetched_page(&self, of: &Training, page: &FetchedPage<'_>) -> Result<()> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query(
            "insert into public.source_pages as p (source_id, url, place, revision, etag, why)
            values ($1, $2, 1 + coalesce((select max(o.place) from public.source_pages o
                where o.source_id = $1), 0), $3, $4, $5)
            on conflict (source_id, url) do update set revision = excluded.revision,
                etag = excluded.etag, why = excluded.why",
        )
        .bind(of.source)
        .bind(page.url)
        .bind(of.revision)
        .bind(page.etag.map(storable_text))
        .bind(page.why)
        .execute(&mut *transaction)
        .await?;
        if page.data.is_some() || page.why.is_some() {
            forget_page(&mut transaction, of.source, page.url).await?;
        }
        if let Some(data) = page.data {
            sqlx::query(
                "insert into public.scrapping_data (voice_agent_id, url, data) values ($1, $2, $3::jsonb
                    || jsonb_build_object('kind', 'page', 'source_id', $4::uuid, 'url', $2::text,
                        'fetched_at', to_char(now() at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'))
                    || case when $5::text is null then '{}' else jsonb_build_object('etag', $5::text) end)",
            )
            .bind(of.agent)
            .bind(page.url)
            .bind(data)
            .bind(of.source)
            .bind(page.etag.map(storable_text))
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Forgets the pages of a source that this work did not fetch: they are gone from the site.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn forget_old_pages(&self, of: &Training) -> Result<()> {
        let mut transaction = self.pool.begin().await?;
        let old: Vec<String> = sqlx::query_scalar(
            "delete from public.source_pages where source_id = $1 and revision <> $2 returning url",
        )
        .bind(of.source)
        .bind(of.revision)
        .fetch_all(&mut *transaction)
        .await?;
        for url in old {
            forget_page(&mut transaction, of.source, &url).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// What is kept of a source's pages, in the order in which they were found.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn page_texts(&self, source: Uuid) -> Result<Vec<Value>> {
        Ok(sqlx::query_scalar(
            "select d.data from public.scrapping_data d
            join public.source_pages p on p.source_id = $1 and p.url = d.url
            where d.data ->> 'source_id' = $1::text and d.data ->> 'kind' = 'page'
            order by p.place",
        )
        .bind(source)
        .fetch_all(&self.pool)
        .await?)
    }
}

async fn forget_page(connection: &mut PgConnection, source: Uuid, url: &str) -> Result<()> {
    let forget = sqlx::query(
        "delete from public.scrapping_data
        where data ->> 'source_id' = $1::text and data ->> 'kind' = 'page' and url = $2",
    );
    forget.bind(source).bind(url).execute(connection).await?;
    Ok(())
}
