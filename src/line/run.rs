//! A call's task as the runtime has it: begun, run to its end, completed.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use tracing::{Instrument, Span, info};

use super::CallServices;
use super::driver::CallTask;
use super::exit::Exit;
use super::opening::Opening;
use super::registry::AfterPlan;
use crate::call::LogEvent;
use crate::call::lifecycle::LOST;

/// A call, which is run to its end and whose row is completed then.
///
/// Written by hand, not `async`: what is read for each frame of audio stands at the beginning, beside what
/// the runtime reads to wake the task. The compiler puts what an `async` function keeps, its state
/// included, anywhere.
#[repr(C)]
pub(super) struct CallRun {
    task: Option<CallTask>,
    span: Span,
    /// What it begins with, until it has.
    opening: Option<Box<(Arc<CallServices>, Opening)>>,
    /// What is done once it is over.
    completing: Option<BoxFuture<'static, ()>>,
}

/// The runtime puts a future of more than 16 KiB into a box.
const _: () = assert!(size_of::<CallRun>() < 8 * 1024);

impl CallRun {
    /// A call that begins, and dials its engine, when it is polled first.
    pub(super) fn new(services: Arc<CallServices>, opening: Opening, span: Span) -> Self {
        let opening = Some(Box::new((services, opening)));
        Self { task: None, span, opening, completing: None }
    }
}

impl Future for CallRun {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { task, span, opening, completing } = &mut *self;
        let has_begun = task.is_some();
        if !has_begun && let Some(opening) = opening.take() {
            let (services, opening) = *opening;
            *task = Some(span.in_scope(|| CallTask::new(services, opening)));
        }
        if let Some(running) = task
            && (has_begun || running.over.is_none())
            && running.poll_over(span, cx).is_pending()
        {
            return Poll::Pending;
        }
        if let Some(over) = task.take() {
            *completing = Some(Box::pin(over.complete().instrument(span.clone())));
        }
        completing.as_mut().map_or(Poll::Ready(()), |completing| completing.as_mut().poll(cx))
    }
}

impl CallTask {
    async fn complete(mut self) {
        self.leave_stream();
        let (end, is_noted) = match self.over.take() {
            Some(Exit::Out { limit, plan, answer }) => {
                info!("the caller is out");
                self.call_log.go_out(limit, self.returns).await;
                let services = Arc::clone(&self.services);
                self.slot.note_position(self.call_log.position());
                if matches!(plan, AfterPlan::Transfer(_)) {
                    let call_sid = self.call_log.call_sid().to_owned();
                    services.registry.kept.keep(&call_sid, self.keep());
                } else {
                    drop(self.slot);
                }
                // The send fails where the webhook no longer waits; the plan holds all the same.
                let _ = answer.send(plan);
                return;
            }
            Some(Exit::Elsewhere(answer)) => {
                info!("the call goes on elsewhere");
                drop(self.slot);
                // The send fails where nobody waits for the answer any more.
                let _ = answer.send(true);
                return;
            }
            Some(Exit::Ended(end)) => (self.confirm(end).await, true),
            Some(Exit::EndedOutside(end)) => (end, false),
            None => (LOST, false),
        };
        if !self.call_log.is_ours(is_noted, &self.services).await {
            info!("the call went on elsewhere");
            return;
        }
        if !is_noted {
            self.call_log.write(self.now(), LogEvent::Ended(end));
        }
        info!(status = ?end.status, ended_by = ?end.ended_by, "call ended");
        self.slot.ended();
        self.call_log.complete(end, self.call.record(), &self.services).await;
    }
}
