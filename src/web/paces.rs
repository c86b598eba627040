//! How often one person may have done what costs money or reaches strangers. Counted in the database: by all
//! processes together, and across their starts.

use uuid::Uuid;

use crate::store::paces::Pace;
use crate::store::{Store, StoreError};

/// Invitations by one person, and by those whom they invited, and so on: an invited owner may invite. Whom an
/// administrator invited counts alone.
pub(super) const INVITATIONS: Pace = pace("invitation", 30, 3600);
/// Functions, webhooks and questions that somebody tries: each asks somebody else's service.
pub(super) const TRIES: Pace = pace("try", 20, 600);
/// Texts that one person has sent to those who booked: the operator may pay for them.
pub(super) const TEXTS: Pace = pace("text", 20, 600);
/// Callers whom one person puts through: each is a call out, which somebody pays for and somebody hears ring.
pub(super) const TRANSFERS: Pace = pace("transfer", 30, 600);
/// Test calls that one person makes: the operator pays the speech service for them.
pub(super) const TESTS: Pace = pace("test", 120, 6 * 3600);
/// Agents that one person makes: each leaves tables behind, also when it is deleted.
pub(super) const AGENTS: Pace = pace("agent", 120, 3600);

const fn pace(name: &'static str, burst: i32, seconds: i32) -> Pace {
    Pace { name, burst, seconds }
}

/// Counts one of these for somebody.
///
/// # Errors
/// There were too many: again in so many seconds. Or the database's.
pub(super) async fn count<E: From<StoreError>>(
    store: &Store,
    pace: &Pace,
    who: Uuid,
    too_many: impl FnOnce(u64) -> E,
) -> Result<(), E> {
    match store.take_pace(pace, who).await? {
        None => Ok(()),
        Some(seconds) => Err(too_many(seconds)),
    }
}
