//! How often somebody may do what costs money or reaches strangers, counted here, so that all processes
//! count together and a start forgets nothing (`frontdesk_paces`).

use sqlx::postgres::PgConnection;
use uuid::Uuid;

use super::{Result, Store};

/// So long after it is paid for, nobody needs a row any more.
const KEPT_SECONDS: i32 = 24 * 3600;
/// How many such rows are removed with one that is written.
const REMOVED_MAX: i64 = 10;

/// So many at once, and so many more in a time (GCRA, as the limits in memory).
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// What is done.
    pub name: &'static str,
    /// How many may be done at once.
    pub burst: i32,
    /// In how many seconds as many more.
    pub seconds: i32,
}

impl Store {
    /// Takes one for somebody. The seconds until there is one again, if none is left.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError): then nothing is to be done.
    pub async fn take_pace(&self, pace: &Pace, who: Uuid) -> Result<Option<u64>> {
        let mut connection = self.pool.acquire().await?;
        Ok(take(&mut connection, pace, who).await?)
    }
}

/// The same within a transaction: what is rolled back was not taken.
pub(super) async fn take(
    connection: &mut PgConnection,
    pace: &Pace,
    who: Uuid,
) -> sqlx::Result<Option<u64>> {
    // Of two at once one waits for the other's row.
    let wait: Option<i64> = sqlx::query_scalar(
        "with rule as (
                select $3 * interval '1 second' / $2 as cost, $3 * interval '1 second' as period
            ), gone as (
                delete from public.frontdesk_paces where key in (
                    select key from public.frontdesk_paces
                    where paid_at < now() - $4 * interval '1 second' and key <> $1
                    order by paid_at limit $5 for update skip locked)
            ), taken as (
                insert into public.frontdesk_paces as p (key, paid_at)
                select $1, clock_timestamp() + cost from rule
                on conflict (key) do update
                    set paid_at = greatest(p.paid_at, clock_timestamp())
                        + (select cost from rule)
                    where greatest(p.paid_at, clock_timestamp()) + (select cost from rule)
                        <= clock_timestamp() + (select period from rule)
                returning key
            )
            select case when exists (select from taken) then null
                else greatest(1, ceil(extract(epoch from coalesce(
                    (select p.paid_at from public.frontdesk_paces p where p.key = $1),
                    clock_timestamp() + period) + cost - period - clock_timestamp())))::bigint end
            from rule",
    )
    .bind(format!("{} {who}", pace.name))
    .bind(pace.burst.max(1))
    .bind(pace.seconds)
    .bind(KEPT_SECONDS)
    .bind(REMOVED_MAX)
    .fetch_one(connection)
    .await?;
    Ok(wait.map(i64::unsigned_abs))
}
