//! The functions that a reply wants, and what came of them.

use std::collections::VecDeque;

use super::{AfterFunction, CallTime, FunctionRun, LogEvent, ReplyId};

/// Functions whose results are still taken in when they were answered for.
const OVERDUE_LIMIT: usize = 16;

/// All functions that are in flight.
#[derive(Default)]
pub(super) struct Functions {
    pub(super) runs: u32,
    pub(super) batches: Vec<Batch>,
    /// Those that were answered for because they took too long.
    pub(super) overdue: VecDeque<FunctionCall>,
}

/// What came of a function.
pub(super) struct Done {
    /// Whether it did what was asked.
    pub(super) ok: bool,
    /// What the model is told, as JSON text.
    pub(super) output: String,
    /// The `functions.id` of the row that it came from.
    pub(super) row: Option<String>,
    /// What it asks of the call.
    pub(super) then: Option<AfterFunction>,
    /// What has to be written down besides.
    pub(super) notes: Vec<LogEvent>,
}

impl Done {
    /// An answer of our own.
    pub(super) fn ours(ok: bool, output: &str, then: Option<AfterFunction>) -> Self {
        Self { ok, output: output.to_owned(), row: None, then, notes: Vec::new() }
    }
}

impl Functions {
    /// Numbers runs on from the last one of another process.
    pub(super) fn go_on_from(&mut self, runs: u32) {
        self.runs = runs;
    }
}

/// The calls of one reply.
pub(super) struct Batch {
    pub(super) reply: ReplyId,
    pub(super) calls: Vec<FunctionCall>,
    /// The reply has ended: there are no more calls of it.
    pub(super) complete: bool,
    /// The caller interrupted the reply.
    pub(super) cancelled: bool,
    /// The engine that asked is gone.
    pub(super) orphaned: bool,
    /// The caller was told that it takes a moment.
    pub(super) mentioned: bool,
}

#[derive(Clone)]
pub(super) struct FunctionCall {
    pub(super) run: FunctionRun,
    pub(super) engine_call_id: String,
    pub(super) name: String,
    pub(super) started: CallTime,
    pub(super) output: Option<String>,
    /// The next engine learns of it from the call's record.
    pub(super) recorded: bool,
    pub(super) then: Option<AfterFunction>,
}

impl Batch {
    /// The reply has ended, or was cancelled.
    pub(super) fn complete(&mut self, cancelled: bool) {
        if !self.complete {
            self.complete = true;
            self.cancelled = cancelled;
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.complete && !self.is_in_flight()
    }

    pub(super) fn is_in_flight(&self) -> bool {
        self.calls.iter().any(|call| call.output.is_none())
    }
}

impl Functions {
    /// The calls of a reply, if it made any that are not answered yet.
    pub(super) fn batch(&mut self, reply: ReplyId) -> Option<&mut Batch> {
        self.batches.iter_mut().find(|batch| batch.reply == reply)
    }

    /// Whether nothing is in flight.
    pub(super) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// Whether something is being carried out.
    pub(super) fn are_in_flight(&self) -> bool {
        self.batches.iter().any(Batch::is_in_flight)
    }

    /// Whether something is being carried out that the caller was not told takes a moment.
    pub(super) fn are_unmentioned(&self) -> bool {
        self.batches.iter().any(|batch| batch.is_in_flight() && !batch.mentioned)
    }

    /// The caller is told.
    pub(super) fn mention(&mut self) {
        self.batches.iter_mut().for_each(|batch| batch.mentioned = true);
    }

    pub(super) fn in_flight(&mut self) -> impl Iterator<Item = &mut FunctionCall> {
        let calls = self.batches.iter_mut().flat_map(|batch| &mut batch.calls);
        calls.filter(|call| call.output.is_none())
    }

    /// A function is answered for; its own answer may come yet.
    pub(super) fn keep_overdue(&mut self, call: FunctionCall) {
        self.overdue.truncate(OVERDUE_LIMIT - 1);
        self.overdue.push_front(call);
    }

    pub(super) fn take_overdue(&mut self, run: FunctionRun) -> Option<FunctionCall> {
        let index = self.overdue.iter().position(|call| call.run == run)?;
        self.overdue.remove(index)
    }

    pub(super) fn next_run(&mut self) -> FunctionRun {
        self.runs += 1;
        FunctionRun(self.runs)
    }
}
