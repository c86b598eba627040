//! From a request to what it may do. What is refused is written down.

use std::str::FromStr;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Path};
use http::request::Parts;
use tracing::warn;

use super::AppState;
use super::console::errors::Fault;
use crate::store::access::{AgentAccess, Level, Object, Refused};
use crate::store::people::{Credential, Viewer};

/// Access for what is called so in the audit log, such as `booking.make`.
///
/// # Errors
/// [`Refused`].
pub(super) async fn may<L: Level>(
    state: &AppState,
    viewer: &Viewer,
    object: Object,
    action: &'static str,
) -> Result<AgentAccess<L>, Refused> {
    let found = state.owners.store.access::<L>(viewer, object).await;
    if let Err(Refused::Forbidden { .. } | Refused::ReadOnly) = &found {
        note_refusal(state, viewer, Some(object), action).await;
    }
    found
}

/// Whether somebody may change what is their own, which a token for reading does not.
///
/// # Errors
/// [`Refused::ReadOnly`].
pub(super) async fn may_change_own(
    state: &AppState,
    viewer: &Viewer,
    action: &'static str,
) -> Result<(), Refused> {
    if viewer.may_write() {
        return Ok(());
    }
    note_refusal(state, viewer, None, action).await;
    Err(Refused::ReadOnly)
}

/// Access for what a key never does, and only its person, such as giving others access.
///
/// # Errors
/// [`Refused`].
pub(super) async fn may_in_person<L: Level>(
    state: &AppState,
    viewer: &Viewer,
    object: Object,
    action: &'static str,
) -> Result<AgentAccess<L>, Refused> {
    let access = may::<L>(state, viewer, object, action).await?;
    in_person(state, viewer, Some(object), action).await?;
    Ok(access)
}

/// Whether somebody is there in person, and no program with a key of theirs: keys do not touch the
/// account that they are of.
///
/// # Errors
/// [`Refused::InPerson`].
pub(super) async fn in_person(
    state: &AppState,
    viewer: &Viewer,
    object: Option<Object>,
    action: &'static str,
) -> Result<(), Refused> {
    if !matches!(viewer.credential(), Credential::Token(_)) {
        return Ok(());
    }
    note_refusal(state, viewer, object, action).await;
    Err(Refused::InPerson)
}

/// Writes down that somebody wanted to do something that they may not.
pub(super) async fn note_refusal(
    state: &AppState,
    viewer: &Viewer,
    object: Option<Object>,
    action: &'static str,
) {
    if let Err(error) = state.owners.store.note_refusal(viewer, object, action).await {
        warn!(%error, "a refused access is not in the audit log");
    }
}

/// The id in a page's address.
#[derive(Debug)]
pub(super) struct PageId<T>(pub(super) T);

impl<T: FromStr> FromRequestParts<Arc<AppState>> for PageId<T> {
    type Rejection = Fault;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &Arc<AppState>,
    ) -> Result<Self, Self::Rejection> {
        id(parts, state).await.map(Self).ok_or(Fault::NotFound)
    }
}

async fn id<T: FromStr>(parts: &mut Parts, state: &Arc<AppState>) -> Option<T> {
    let Path(text) = Path::<String>::from_request_parts(parts, state).await.ok()?;
    text.parse().ok()
}
