//! What the console and the API work with.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use uuid::Uuid;

use super::at_once::{AtOnce, REQUESTS};
use super::doctor::Doctor;
use super::exports::Exports;
use super::listening::Listening;
use super::secret::Secret;
use super::session::{Limits, SignedOut};
use super::speech::Speech;
use crate::archive::Archive;
use crate::clock;
use crate::config::{PublicUrl, SupabaseProject};
use crate::store::people::{SecretHash, Viewer};
use crate::store::{Result, Store, StoreError};
use crate::supabase::{Claims, SignIn, Verifier};

/// How long it is believed that a session of Supabase's goes on.
const ALIVE_FOR: Duration = Duration::from_secs(30);
/// Sessions that are remembered for that.
const ALIVE_MAX: u64 = 10_000;

/// Supabase, where people sign in there.
#[derive(Debug)]
pub(super) struct Supabase {
    verifier: Verifier,
    /// Its sign-in endpoints.
    pub(super) sign_in: SignIn,
    /// Sessions that were alive a moment ago.
    alive: Cache<(Uuid, Option<Uuid>), ()>,
}

/// One for a process.
#[derive(Debug)]
pub struct Owners {
    /// The database, on connections of the console's own whose statements have a limit: a page never
    /// keeps a call waiting.
    pub store: Store,
    /// How often people may ask.
    pub limits: Limits,
    pub(super) supabase: Option<Supabase>,
    /// Recordings, and who listens to them.
    pub(super) listening: Listening,
    /// Whose requests are worked on.
    pub(super) at_once: AtOnce,
    /// Who takes a list away.
    pub(super) exports: Arc<Exports>,
    /// What the speech service said lately.
    pub(super) speech: Speech,
    /// What is to be said of the installation.
    pub doctor: Arc<Doctor>,
}

impl Owners {
    /// On these connections; people sign in at this project, if there is one.
    ///
    /// # Errors
    /// If no HTTP client can be made.
    pub fn new(
        store: Store,
        archive: Archive,
        supabase: Option<&SupabaseProject>,
    ) -> std::result::Result<Arc<Self>, reqwest::Error> {
        let supabase = supabase.map(|project| {
            Ok::<_, reqwest::Error>(Supabase {
                verifier: Verifier::new(project)?,
                sign_in: SignIn::new(project)?,
                alive: Cache::builder().max_capacity(ALIVE_MAX).time_to_live(ALIVE_FOR).build(),
            })
        });
        Ok(Arc::new(Self {
            store,
            limits: Limits::default(),
            speech: Speech::default(),
            supabase: supabase.transpose()?,
            listening: Listening::new(archive),
            at_once: AtOnce::new(REQUESTS),
            exports: Exports::new(),
            doctor: Arc::default(),
        }))
    }

    /// Who has the session with this secret. One that was ended at Supabase is ended here.
    pub(super) async fn session_viewer(&self, secret: &SecretHash) -> Result<Option<Viewer>> {
        let Some(found) = self.store.viewer_of_session(secret).await? else { return Ok(None) };
        if let Some(session) = found.supabase_session
            && !self.is_alive(found.viewer.id(), Some(session)).await?
        {
            return Ok(None);
        }
        Ok(Some(found.viewer))
    }

    /// Who has this access token of Supabase's.
    pub(super) async fn supabase_viewer(
        &self,
        token: &str,
    ) -> std::result::Result<Option<Viewer>, SignedOut> {
        match self.claims(token).await? {
            Some(claims) => Ok(self.person(&claims).await?),
            None => Ok(None),
        }
    }

    /// What a token says, if it is in force.
    pub(super) async fn claims(
        &self,
        token: &str,
    ) -> std::result::Result<Option<Claims>, SignedOut> {
        let Some(supabase) = &self.supabase else { return Ok(None) };
        match supabase.verifier.verify(token, clock::unix_now()).await {
            Ok(claims) => Ok(Some(claims)),
            Err(refused) if refused.may_pass() => {
                Err(StoreError::Slow("Supabase's keys cannot be read".to_owned()).into())
            }
            Err(refused) => {
                tracing::debug!(%refused, "an access token is refused");
                Ok(None)
            }
        }
    }

    /// The person that the claims are of, whose row is made at the first time.
    pub(super) async fn person(&self, claims: &Claims) -> Result<Option<Viewer>> {
        if !self.is_alive(claims.user_id, claims.session_id).await? {
            return Ok(None);
        }
        self.store.person_of_supabase(claims.user_id).await
    }

    async fn is_alive(&self, user: Uuid, session: Option<Uuid>) -> Result<bool> {
        let Some(supabase) = &self.supabase else { return Ok(true) };
        if supabase.alive.contains_key(&(user, session)) {
            return Ok(true);
        }
        let is_alive = self.store.supabase_session_is_alive(user, session).await?;
        if is_alive {
            supabase.alive.insert((user, session), ());
        }
        Ok(is_alive)
    }
}

/// How long a one-time link is good, in seconds.
pub const LINK_SECONDS: i32 = 3600;

/// The same of one that invites somebody, who may read it tomorrow only. It ends with their first sign-in.
pub const INVITATION_SECONDS: i32 = 3 * 24 * 3600;

/// Makes a one-time sign-in link for somebody.
pub async fn sign_in_link(store: &Store, public_url: &PublicUrl, person: Uuid) -> Result<String> {
    let secret = Secret::new("");
    store.make_link(&secret.hash(), person, LINK_SECONDS).await?;
    Ok(address_of(public_url, &secret))
}

/// The same for somebody who has never signed in; none where they have by now.
pub(super) async fn newcomers_link(
    store: &Store,
    public_url: &PublicUrl,
    person: Uuid,
) -> Result<Option<String>> {
    let secret = Secret::new("");
    let is_made = store.make_newcomers_link(&secret.hash(), person, INVITATION_SECONDS).await?;
    Ok(is_made.then(|| address_of(public_url, &secret)))
}

fn address_of(public_url: &PublicUrl, secret: &Secret) -> String {
    public_url.join(&format!("/sign-in/{}", secret.reveal()))
}
