//! What was counted of calls, by day.

use super::{Result, Store};

impl Store {
    /// Sums up to `limit` counted calls up into their days, and gives how many those were; none if
    /// somebody else does it just now. What is read of the days is exact before as after.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn fold_usage(&self, limit: i32) -> Result<u64> {
        let folded: i64 = sqlx::query_scalar("select public.usage_fold($1)")
            .bind(limit)
            .fetch_one(&self.pool)
            .await?;
        Ok(folded.unsigned_abs())
    }
}
