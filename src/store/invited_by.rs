//! Who invited whom.

use uuid::Uuid;

use super::{Result, Store};

/// How many invitations are gone back. Longer chains are counted from where this ends.
const DEPTH: i32 = 64;

impl Store {
    /// Whoever began the chain of invitations by which somebody came here; they themselves where nobody
    /// invited them, or an administrator did: whom those invite have nothing in common.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn first_inviter(&self, person: Uuid) -> Result<Uuid> {
        let first: Option<Uuid> = sqlx::query_scalar(
            "with recursive chain as (
                select c.uuid, c.brought_by, coalesce(c.isadmin, false) as is_admin, 0 as depth
                from public.customer c where c.uuid = $1
                union all
                select c.uuid, c.brought_by, false, chain.depth + 1
                from chain join public.customer c on c.uuid = chain.brought_by
                where chain.depth < $2 and not chain.is_admin and not coalesce(c.isadmin, false)
            )
            select uuid from chain order by depth desc limit 1",
        )
        .bind(person)
        .bind(DEPTH)
        .fetch_optional(&self.pool)
        .await?;
        Ok(first.unwrap_or(person))
    }
}
