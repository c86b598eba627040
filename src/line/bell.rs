//! What tells a call's task that something other than audio may have come.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};

use parking_lot::Mutex;

/// One bell for all that comes seldom: commands, functions that end, passages, the alarm. Audio wakes a
/// call's task 50 to 100 times a second. Each of these lies in memory of its own, which is cold by the
/// next frame, so to ask one costs as much as to read a message. Commands and the alarm are asked only
/// after a ring.
#[derive(Debug)]
pub(super) struct Bell {
    ring: Arc<Ring>,
    /// Rings the bell.
    ringer: Waker,
    /// Whom the bell wakes, as it was told.
    task: Option<Waker>,
}

/// What is woken in the task's place.
#[derive(Debug, Default)]
struct Ring {
    is_rung: AtomicBool,
    /// It stays when it was woken: a late ring for what was taken already must not use it up.
    task: Mutex<Option<Waker>>,
}

impl Wake for Ring {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_rung.store(true, Ordering::Release);
        if let Some(task) = &*self.task.lock() {
            task.wake_by_ref();
        }
    }
}

impl Bell {
    pub(super) fn new() -> Self {
        let ring = Arc::new(Ring::default());
        Self { ringer: Waker::from(Arc::clone(&ring)), ring, task: None }
    }

    /// Whether it rang since it was asked last, or another task asked last. It forgets that it rang: who is
    /// told so goes on asking all that rings it, with [`Self::ringer`], until none has anything. Whatever
    /// comes meanwhile rings anew.
    pub(super) fn has_rung(&mut self, cx: &Context<'_>) -> bool {
        let is_known = self.task.as_ref().is_some_and(|task| task.will_wake(cx.waker()));
        if is_known && !self.ring.is_rung.load(Ordering::Acquire) {
            return false;
        }
        if !is_known {
            *self.ring.task.lock() = Some(cx.waker().clone());
            self.task = Some(cx.waker().clone());
        }
        self.ring.is_rung.swap(false, Ordering::AcqRel);
        true
    }

    /// What those wake that ring it.
    pub(super) fn ringer(&self) -> &Waker {
        &self.ringer
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;
    use std::task::Poll;

    use tokio::sync::mpsc::{self, Receiver};

    use super::*;

    #[derive(Debug, Default)]
    struct Count(AtomicU32);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// As a call's task asks: what rings only after a ring, until it has nothing.
    struct Asking {
        bell: Bell,
        queue: Receiver<u32>,
        is_settled: bool,
    }

    impl Asking {
        fn poll(&mut self, cx: &Context<'_>) -> Poll<Option<u32>> {
            self.is_settled &= !self.bell.has_rung(cx);
            if self.is_settled {
                return Poll::Pending;
            }
            let next = self.queue.poll_recv(&mut Context::from_waker(self.bell.ringer()));
            self.is_settled = next.is_pending();
            next
        }
    }

    #[tokio::test]
    async fn whoever_rings_wakes_the_task_that_asked_last_and_nothing_is_left_lying() {
        let (sender, queue) = mpsc::channel(8);
        let mut asking = Asking { bell: Bell::new(), queue, is_settled: false };
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let cx = Context::from_waker(&waker);
        let woken = || count.0.load(Ordering::Relaxed);
        assert_eq!(
            (asking.poll(&cx), asking.poll(&cx), woken()),
            (Poll::Pending, Poll::Pending, 0)
        );
        sender.send(1).await.unwrap();
        sender.send(2).await.unwrap();
        assert_eq!(woken(), 1);
        assert_eq!(asking.poll(&cx), Poll::Ready(Some(1)));
        assert_eq!(asking.poll(&cx), Poll::Ready(Some(2)));
        assert_eq!((asking.poll(&cx), woken()), (Poll::Pending, 1));
        // Another task goes on with it.
        let other = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&other));
        let cx = Context::from_waker(&waker);
        assert_eq!(asking.poll(&cx), Poll::Pending);
        sender.send(3).await.unwrap();
        assert_eq!((woken(), other.0.load(Ordering::Relaxed)), (1, 1));
        assert_eq!(asking.poll(&cx), Poll::Ready(Some(3)));
        assert_eq!(asking.poll(&cx), Poll::Pending);
        drop(sender);
        assert_eq!(other.0.load(Ordering::Relaxed), 2);
        assert_eq!(asking.poll(&cx), Poll::Ready(None));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn nothing_is_lost_between_two_threads() {
        let (sender, queue) = mpsc::channel(4);
        let mut asking = Asking { bell: Bell::new(), queue, is_settled: false };
        let sending = crate::clock::spawn(async move {
            for n in 0..20_000_u32 {
                sender.send(n).await.unwrap();
            }
        });
        for n in 0..20_000 {
            assert_eq!(std::future::poll_fn(|cx| asking.poll(cx)).await, Some(n));
        }
        sending.await.unwrap();
    }
}
