//! Whether whoever asked for something that goes on for long may still have it. Roles are taken away,
//! keys are revoked and sessions end while a connection is open; what flows through it ends with them.

use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use http::request::Parts;
use uuid::Uuid;

use super::AppState;
use super::session::{self, SignedOut};
use crate::store::StoreError;
use crate::store::access::{AgentAccess, Level, Object, Read, Refused};
use crate::store::people::Viewer;

/// After so many bytes it is asked again: what a slow reader gets who may not read on is not much more.
const BYTES: usize = 1 << 20;

/// Whoever asked, and what they asked with.
#[derive(Debug)]
pub(super) struct Still {
    state: Arc<AppState>,
    parts: Parts,
    person: Uuid,
}

/// Why something ends before its end. A connection breaks off then, so that nobody takes what came for
/// all of it.
#[derive(Debug, thiserror::Error)]
pub(super) enum CutOff {
    /// They may not any more.
    #[error("who reads may not read on")]
    NotAllowed,
    /// The database does not say.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Still {
    /// This person, who asked with this request.
    pub(super) fn new(state: &Arc<AppState>, parts: Parts, viewer: &Viewer) -> Self {
        Self { state: Arc::clone(state), parts, person: viewer.id() }
    }

    /// Who it is: the same person, and what they asked with is in force.
    ///
    /// # Errors
    /// [`CutOff`].
    pub(super) async fn viewer(&self) -> Result<Viewer, CutOff> {
        match session::sender(&self.state, &self.parts).await {
            Ok(Some(viewer)) if viewer.id() == self.person => Ok(viewer),
            Ok(_) | Err(SignedOut::Nobody | SignedOut::TooMany(_)) => Err(CutOff::NotAllowed),
            Err(SignedOut::Store(error)) => Err(error.into()),
        }
    }

    /// Whether they still may do something of this level with this object.
    ///
    /// # Errors
    /// [`CutOff`].
    pub(super) async fn may<L: Level>(&self, object: Object) -> Result<AgentAccess<L>, CutOff> {
        let viewer = self.viewer().await?;
        match self.state.owners.store.access::<L>(&viewer, object).await {
            Ok(access) => Ok(access),
            Err(Refused::Store(error)) => Err(error.into()),
            Err(_) => Err(CutOff::NotAllowed),
        }
    }

    /// A body of these pieces for as long as they may read this object: a slow reader is asked about
    /// between two of them.
    pub(super) fn body<S, E>(self, pieces: S, object: Object) -> Body
    where
        S: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: std::error::Error + Send + Sync + 'static,
    {
        let reading = (Box::pin(pieces), self, 0);
        let checked =
            stream::try_unfold(reading, move |(mut pieces, still, mut bytes)| async move {
                if bytes > BYTES {
                    still.may::<Read>(object).await?;
                    bytes = 0;
                }
                let next = pieces.next().await.transpose().map_err(axum::Error::new)?;
                let more = next.as_ref().map_or(0, Bytes::len);
                Ok::<_, axum::Error>(next.map(|piece| (piece, (pieces, still, bytes + more))))
            });
        Body::from_stream(checked)
    }
}

impl From<CutOff> for axum::Error {
    fn from(why: CutOff) -> Self {
        Self::new(why)
    }
}
