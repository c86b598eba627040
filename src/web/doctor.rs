//! What `doctor` finds, for the page Health: looked for in the background, one look at a time, and kept
//! for some minutes. No page waits for it, and no call.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use tracing::warn;

use crate::clock::{self, Stopwatch};

/// How long what was found counts.
const KEPT: Duration = Duration::from_secs(5 * 60);
/// How long after a look another one may be asked for: each asks the services that calls use.
const AGAIN_AFTER: Duration = Duration::from_secs(15);
/// How long a look may take. Each side that it looks at has its own limit.
const LOOK_LIMIT: Duration = Duration::from_secs(240);

/// How something that was looked at is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Well,
    /// Calls are answered, and something is missing or will be.
    Look,
    /// Calls are not answered, or not as they should be.
    Wrong,
}

/// Something that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What: a variable, `database`, `agent …`, `number …`.
    pub what: String,
    /// How it is.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// What to do about it.
    pub remedy: Option<String>,
}

/// What looks at everything that a call needs, some seconds long.
pub type Examining = Pin<Box<dyn Future<Output = Vec<Found>> + Send>>;
type Examine = Box<dyn Fn() -> Examining + Send + Sync>;

/// One for a process.
#[derive(Default)]
pub struct Doctor {
    examine: OnceLock<Examine>,
    looks: Mutex<Looks>,
}

#[derive(Debug, Default)]
struct Looks {
    is_looking: bool,
    last: Option<Last>,
}

/// What the last look found.
#[derive(Debug, Clone)]
struct Last {
    found: Arc<[Found]>,
    since: Stopwatch,
}

/// What is known now.
#[derive(Debug, Clone)]
pub struct Known {
    /// What the last look found; none: there was none yet.
    pub found: Option<Arc<[Found]>>,
    /// How long ago that was.
    pub ago: Duration,
    /// Whether it is being looked.
    pub is_looking: bool,
}

impl fmt::Debug for Doctor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Doctor").field("looks", &self.looks).finish_non_exhaustive()
    }
}

impl Doctor {
    /// Looks with this from now on; what was given first counts.
    pub fn set(&self, examine: impl Fn() -> Examining + Send + Sync + 'static) {
        if self.examine.set(Box::new(examine)).is_err() {
            warn!("what the page Health looks with was given twice");
        }
    }

    /// What is known; none where nobody can look. Begins a look where nothing is known, or too long
    /// ago, or, `again`, not a moment ago.
    pub fn known(self: &Arc<Self>, again: bool) -> Option<Known> {
        let examine = self.examine.get()?;
        let mut looks = self.looks.lock();
        let age = looks.last.as_ref().map(|last| last.since.elapsed());
        let is_due = age.is_none_or(|age| age >= if again { AGAIN_AFTER } else { KEPT });
        if is_due && !looks.is_looking {
            looks.is_looking = true;
            clock::spawn(Arc::clone(self).look(examine()));
        }
        Some(Known {
            found: looks.last.as_ref().map(|last| Arc::clone(&last.found)),
            ago: age.unwrap_or_default(),
            is_looking: looks.is_looking,
        })
    }

    async fn look(self: Arc<Self>, examining: Examining) {
        // A look that breaks off is over, too.
        let over = Over(&self);
        let late = || {
            vec![Found {
                what: "doctor".to_owned(),
                verdict: Verdict::Look,
                found: "it found no end in time".to_owned(),
                remedy: Some("run `frontdesk doctor` on the server".to_owned()),
            }]
        };
        let found = clock::within(LOOK_LIMIT, examining).await.unwrap_or_else(late);
        let last = Last { found: found.into(), since: Stopwatch::start() };
        self.looks.lock().last = Some(last);
        drop(over);
    }
}

/// Ends a look when it is dropped.
struct Over<'a>(&'a Doctor);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.looks.lock().is_looking = false;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn it_is_looked_once_and_kept() {
        let doctor = Arc::new(Doctor::default());
        assert!(doctor.known(true).is_none(), "nobody can look");
        let (looks, go_on) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let (counted, waits) = (Arc::clone(&looks), Arc::clone(&go_on));
        doctor.set(move || {
            counted.fetch_add(1, Ordering::SeqCst);
            let waits = Arc::clone(&waits);
            Box::pin(async move {
                waits.notified().await;
                Vec::new()
            })
        });
        for again in [false, true, true] {
            let known = doctor.known(again).unwrap();
            assert!(known.found.is_none() && known.is_looking);
        }
        go_on.notify_one();
        let known = async {
            while doctor.known(false).unwrap().is_looking {
                clock::pause(Duration::from_millis(1)).await;
            }
            doctor.known(true).unwrap()
        };
        let known = clock::within(Duration::from_secs(20), known).await.expect("an end");
        assert!(known.found.is_some() && !known.is_looking, "a look a moment ago is enough");
        assert_eq!(looks.load(Ordering::SeqCst), 1);
    }
}
