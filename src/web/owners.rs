//! What the console and the API work with.

use std::sync::Arc;

use uuid::Uuid;

use super::secret::Secret;
use super::session::Limits;
use crate::config::PublicUrl;
use crate::store::people::{SecretHash, Viewer};
use crate::store::{Result, Store};

/// One for a process.
#[derive(Debug)]
pub struct Owners {
    /// The database, on connections of the console's own whose statements have a limit: a page never
    /// keeps a call waiting.
    pub store: Store,
    /// How often people may ask.
    pub limits: Limits,
}

impl Owners {
    /// On these connections.
    pub fn new(store: Store) -> Arc<Self> {
        Arc::new(Self { store, limits: Limits::default() })
    }

    /// Who has the session with this secret.
    ///
    /// # Errors
    /// [`StoreError`](crate::store::StoreError).
    pub(super) async fn session_viewer(&self, secret: &SecretHash) -> Result<Option<Viewer>> {
        Ok(self.store.viewer_of_session(secret).await?.map(|found| found.viewer))
    }

    /// Who has this access token of Supabase's.
    ///
    /// # Errors
    /// [`StoreError`](crate::store::StoreError).
    pub(super) async fn supabase_viewer(&self, _token: &str) -> Result<Option<Viewer>> {
        Ok(None)
    }

    /// Whether people sign in at Supabase.
    pub(super) fn has_supabase(&self) -> bool {
        false
    }
}

/// How long a one-time link is good, in seconds.
pub const LINK_SECONDS: i32 = 3600;

/// Makes a one-time sign-in link for somebody.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn sign_in_link(store: &Store, public_url: &PublicUrl, person: Uuid) -> Result<String> {
    let secret = Secret::new("");
    store.make_link(&secret.hash(), person, LINK_SECONDS).await?;
    Ok(public_url.join(&format!("/sign-in/{}", secret.reveal())))
}
