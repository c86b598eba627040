//! Commands on their way to a call's task.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use parking_lot::Mutex;
use tokio::sync::mpsc::Receiver;

/// A queue that costs next to nothing to ask when nothing has come. A call's task is woken a hundred times
/// a second by audio and gets a few commands in all, and to ask the channel itself was a twentieth of all
/// that the server did.
#[derive(Debug)]
pub(super) struct Inbox<T> {
    queue: Receiver<T>,
    bell: Arc<Bell>,
    /// Rings the bell.
    ringer: Waker,
    /// Whom the bell wakes, as it was told.
    task: Option<Waker>,
}

/// What the channel wakes in the task's place.
#[derive(Debug, Default)]
struct Bell {
    is_rung: AtomicBool,
    /// It stays when it was woken: a late ring for what was taken already must not use it up.
    task: Mutex<Option<Waker>>,
}

impl Wake for Bell {
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

impl<T> Inbox<T> {
    pub(super) fn new(queue: Receiver<T>) -> Self {
        let bell = Arc::new(Bell::default());
        Self { queue, ringer: Waker::from(Arc::clone(&bell)), bell, task: None }
    }

    /// The next one; none when nobody can send any more.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let is_known = self.task.as_ref().is_some_and(|task| task.will_wake(cx.waker()));
        if is_known && !self.bell.is_rung.load(Ordering::Acquire) {
            return Poll::Pending;
        }
        if !is_known {
            *self.bell.task.lock() = Some(cx.waker().clone());
            self.task = Some(cx.waker().clone());
        }
        // Before the queue is asked: whoever sends from here on rings anew, and is looked for in the next turn.
        self.bell.is_rung.swap(false, Ordering::AcqRel);
        let next = self.queue.poll_recv(&mut Context::from_waker(&self.ringer));
        if next.is_ready() {
            // There may be more, for which nobody rings.
            self.bell.is_rung.store(true, Ordering::Release);
        }
        next
    }

    /// Waits for the next one.
    pub(super) async fn recv(&mut self) -> Option<T> {
        self.queue.recv().await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use tokio::sync::mpsc;

    use super::*;

    #[derive(Debug, Default)]
    struct Count(AtomicU32);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[tokio::test]
    async fn whoever_sends_wakes_the_task_that_asked_last_and_nothing_is_left_lying() {
        let (sender, queue) = mpsc::channel(8);
        let mut inbox = Inbox::new(queue);
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let mut cx = Context::from_waker(&waker);
        let woken = || count.0.load(Ordering::Relaxed);
        assert_eq!(
            (inbox.poll(&mut cx), inbox.poll(&mut cx), woken()),
            (Poll::Pending, Poll::Pending, 0)
        );
        sender.send(1).await.unwrap();
        sender.send(2).await.unwrap();
        assert_eq!(woken(), 1);
        assert_eq!(inbox.poll(&mut cx), Poll::Ready(Some(1)));
        assert_eq!(inbox.poll(&mut cx), Poll::Ready(Some(2)));
        assert_eq!((inbox.poll(&mut cx), woken()), (Poll::Pending, 1));
        // Another task goes on with it.
        let other = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&other));
        let mut cx = Context::from_waker(&waker);
        assert_eq!(inbox.poll(&mut cx), Poll::Pending);
        sender.send(3).await.unwrap();
        assert_eq!((woken(), other.0.load(Ordering::Relaxed)), (1, 1));
        assert_eq!(inbox.poll(&mut cx), Poll::Ready(Some(3)));
        assert_eq!(inbox.poll(&mut cx), Poll::Pending);
        drop(sender);
        assert_eq!(other.0.load(Ordering::Relaxed), 2);
        assert_eq!(inbox.poll(&mut cx), Poll::Ready(None));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn nothing_is_lost_between_two_threads() {
        let (sender, queue) = mpsc::channel(4);
        let mut inbox = Inbox::new(queue);
        let sending = crate::clock::spawn(async move {
            for n in 0..20_000_u32 {
                sender.send(n).await.unwrap();
            }
        });
        for n in 0..20_000 {
            assert_eq!(std::future::poll_fn(|cx| inbox.poll(cx)).await, Some(n));
        }
        sending.await.unwrap();
    }
}
