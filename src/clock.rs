//! The only place that reads a clock, sleeps or starts a task.
//!
//! A [`Clock`] gives *call time*: the time that a phone call lives in. In production it is wall
//! time; a whole-call test gives server and stand-ins one clock that runs several times faster.
//! Limits on other programs (a database, a socket) are wall time and use [`within`].
#![expect(clippy::disallowed_methods, reason = "this module is where the ban ends")]

mod supervisor;

pub use supervisor::Supervisor;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::task::JoinHandle;

/// A monotonic clock, possibly faster than the wall's. Copies share their origin.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    origin: Instant,
    speed: u32,
}

impl Clock {
    /// The wall's pace, counted from now.
    pub fn real() -> Self {
        Self::faster(1)
    }

    /// A clock that runs `speed` times as fast as the wall's, counted from now.
    pub fn faster(speed: u32) -> Self {
        Self { origin: Instant::now(), speed: speed.max(1) }
    }

    /// How many times faster than the wall's this clock runs.
    pub fn speed(&self) -> u32 {
        self.speed
    }

    /// Call time since the clock's origin.
    pub fn now(&self) -> Duration {
        self.origin.elapsed() * self.speed
    }

    /// The wall instant at which this clock will read `at`.
    pub fn wall(&self, at: Duration) -> tokio::time::Instant {
        tokio::time::Instant::from_std(self.origin + at / self.speed)
    }

    /// Sleeps `duration` of call time.
    pub async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration / self.speed).await;
    }

    /// Sleeps until this clock reads `at`.
    pub async fn sleep_until(&self, at: Duration) {
        tokio::time::sleep_until(self.wall(at)).await;
    }

    /// Runs `future` for at most `limit` of call time; `None` when the limit came first.
    pub async fn timeout<F: Future>(&self, limit: Duration, future: F) -> Option<F::Output> {
        tokio::time::timeout(limit / self.speed, future).await.ok()
    }
}

/// One deadline that can be moved, for a task that polls.
#[derive(Debug)]
pub struct Alarm {
    sleep: Pin<Box<tokio::time::Sleep>>,
    at: Option<tokio::time::Instant>,
    /// It was ready when it was asked last.
    is_ready: bool,
}

impl Alarm {
    /// An alarm that is not set.
    pub fn new() -> Self {
        Self { sleep: Box::pin(tokio::time::sleep(Duration::ZERO)), at: None, is_ready: false }
    }

    /// An alarm that is set to `limit` of wall time from now.
    pub fn after(limit: Duration) -> Self {
        let at = tokio::time::Instant::now() + limit;
        Self { sleep: Box::pin(tokio::time::sleep_until(at)), at: Some(at), is_ready: false }
    }

    /// Sets it to the wall instant `at`, or off. Setting it to what it is costs nothing. Gives whether it is
    /// to be asked now: it was set to another instant, or it was ready. Else it wakes whoever asked last.
    #[must_use]
    pub fn set(&mut self, at: Option<tokio::time::Instant>) -> bool {
        let is_new = self.at != at;
        if let Some(at) = at
            && is_new
        {
            self.sleep.as_mut().reset(at);
        }
        self.at = at;
        is_new || self.is_ready
    }

    /// Ready once the deadline has passed, and then until it is set anew.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.is_ready = self.at.is_some() && self.sleep.as_mut().poll(cx).is_ready();
        if self.is_ready { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Default for Alarm {
    fn default() -> Self {
        Self::new()
    }
}

/// Runs `future` for at most `limit` of wall time; `None` when the limit came first.
pub async fn within<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    tokio::time::timeout(limit, future).await.ok()
}

/// Sleeps `duration` of wall time.
pub async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// Wall time since the Unix epoch.
pub fn unix_now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// A wall stopwatch, for measuring our own work.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts a stopwatch at the present moment.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Wall time since the start.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Starts a task on the current runtime.
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(future)
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    /// What the alarm says when it is asked once.
    async fn ask(alarm: &mut Alarm) -> Poll<()> {
        poll_fn(|cx| Poll::Ready(alarm.poll(cx))).await
    }

    #[tokio::test]
    async fn an_alarm_says_when_it_is_to_be_asked_again() {
        let now = tokio::time::Instant::now();
        let (past, future) = (Some(now), Some(now + Duration::from_secs(3600)));
        let mut alarm = Alarm::new();
        assert!(!alarm.set(None), "it was off");
        assert!(alarm.set(future), "nobody waits for it yet");
        assert_eq!(ask(&mut alarm).await, Poll::Pending);
        assert!(!alarm.set(future), "it wakes whoever asked");
        assert!(alarm.set(past));
        poll_fn(|cx| alarm.poll(cx)).await;
        assert!(alarm.set(past), "it is ready, and wakes nobody any more");
        assert_eq!(ask(&mut alarm).await, Poll::Ready(()));
        assert!(alarm.set(future));
        assert_eq!(ask(&mut alarm).await, Poll::Pending);
        assert!(!alarm.set(future));
        assert!(alarm.set(None), "it was on");
        assert_eq!(ask(&mut alarm).await, Poll::Pending);
        assert!(!alarm.set(None));
    }
}
