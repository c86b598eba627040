//! The project's keys in memory: read anew when they are old or one is missing, never more often
//! than that helps, and kept while Supabase is away.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tracing::{info, warn};

use super::jwks::KeySet;
use super::jws::Key;
use super::refusal::TokenRefused;
use super::service::{Limits, Service};
use crate::clock;
use crate::config::SupabaseProject;

/// How long a set is used without a look at whether it has changed. A key that is revoked is refused
/// after that, and after as long as Supabase's own edge keeps the set, which is 10 minutes too.
const FRESH: Duration = Duration::from_secs(10 * 60);
/// How often the set is read at most while there is one: for names that nobody knows, which anybody
/// can make up, and while Supabase is away.
const PAUSE: Duration = Duration::from_secs(60);
/// How often it is read at most while there is none, so that nobody can be let in.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// How long a set is used while no newer one can be had. Beyond, a key that leaked and was revoked
/// would work for whoever keeps the newer set from us.
const STALE_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// What is waited for of a set. A person waits, and a set is some hundred bytes a key.
const LIMITS: Limits = Limits { time: Duration::from_secs(5), bytes: 64 * 1024 };

/// The project's keys.
#[derive(Debug)]
pub(super) struct Keys {
    service: Service,
    state: watch::Sender<State>,
}

/// What is known. Times are wall time since the Unix epoch.
#[derive(Debug, Default)]
struct State {
    /// The last set that was read, and when it was asked for.
    read: Option<(Duration, KeySet)>,
    asked_at: Option<Duration>,
    is_asking: bool,
    has_failed: bool,
}

impl State {
    /// The set, unless it is too old for anything.
    fn usable(&self, now: Duration) -> Option<&KeySet> {
        let (read_at, set) = self.read.as_ref()?;
        (now.abs_diff(*read_at) < STALE_MAX).then_some(set)
    }

    /// Whether a newer set may say something else of this name.
    fn is_in_doubt(&self, kid: &str, now: Duration) -> bool {
        // A clock that was set back must not keep an old set for ever: hence the difference.
        let is_fresh = |(read_at, _): &(Duration, KeySet)| now.abs_diff(*read_at) < FRESH;
        let is_known = |set: &KeySet| set.get(kid).is_some();
        !self.read.as_ref().is_some_and(is_fresh) || !self.usable(now).is_some_and(is_known)
    }

    /// Whether the set may be read again.
    fn may_be_read(&self, now: Duration) -> bool {
        let pause = if self.usable(now).is_some() { PAUSE } else { FIRST_PAUSE };
        !self.is_asking && self.asked_at.is_none_or(|at| now.abs_diff(at) >= pause)
    }
}

/// Says that a reading is over, also where its task breaks.
struct Asking<'a>(&'a Keys);

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.state.send_modify(|state| state.is_asking = false);
    }
}

impl Keys {
    pub(super) fn new(project: &SupabaseProject) -> Result<Self, reqwest::Error> {
        Ok(Self { service: Service::new(project)?, state: watch::Sender::default() })
    }

    /// The key of this name. Whoever comes while the set is read waits for it: for [`LIMITS`] at
    /// most, and only if it may change the answer.
    pub(super) async fn find(
        self: &Arc<Self>,
        kid: &str,
        now: Duration,
    ) -> Result<Arc<Key>, TokenRefused> {
        let mut is_awaited = false;
        let is_ours = self.state.send_if_modified(|state| {
            let is_in_doubt = state.is_in_doubt(kid, now);
            let is_ours = is_in_doubt && state.may_be_read(now);
            if is_ours {
                state.is_asking = true;
                state.asked_at = Some(now);
            }
            is_awaited = is_in_doubt && state.is_asking;
            is_ours
        });
        if is_ours {
            // A task of its own: whoever asked may leave, and the others still get their answer.
            let keys = Arc::clone(self);
            clock::spawn(async move { keys.read(now).await });
        }
        if is_awaited {
            // The sender is ours, so the wait cannot fail.
            let _ = self.state.subscribe().wait_for(|state| !state.is_asking).await;
        }
        let state = self.state.borrow();
        let set = state.usable(now).ok_or(TokenRefused::KeysAway)?;
        set.get(kid).cloned().ok_or(TokenRefused::UnknownKey)
    }

    /// Whether a key of this name is published, as far as is known. Nothing is read for it.
    pub(super) fn is_published(&self, kid: &str) -> bool {
        let state = self.state.borrow();
        state.read.as_ref().is_some_and(|(_, set)| set.get(kid).is_some())
    }

    async fn read(&self, now: Duration) {
        let asking = Asking(self);
        let read = match self.service.get("/.well-known/jwks.json", LIMITS).await {
            Ok(answer) if answer.status == 200 => {
                KeySet::read(&answer.body).ok_or_else(|| "the answer is no set of keys".to_owned())
            }
            Ok(answer) => Err(format!("the answer is {}", answer.status)),
            Err(error) => Err(error.to_string()),
        };
        self.state.send_modify(|state| match read {
            Ok(set) => {
                if std::mem::take(&mut state.has_failed) {
                    info!("Supabase's keys can be read again");
                }
                state.read = Some((now, set));
            }
            Err(error) => {
                if !std::mem::replace(&mut state.has_failed, true) {
                    warn!(%error, "Supabase's keys cannot be read");
                }
            }
        });
        drop(asking);
    }
}
