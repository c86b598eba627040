//! A random walk of two processes that claim one call.

use proptest::prelude::*;

use super::super::*;
use super::{GOODBYE, TASK, at_fallback, opened, put_through, record};
use crate::call::LogEvent;

fn questions() -> impl Strategy<Value = Question> {
    let news = prop_oneof![
        Just(News::NoAccount),
        Just(News::Live),
        (any::<bool>(), any::<bool>())
            .prop_map(|(answered, outlived)| News::Over { answered, outlived }),
        Just(News::Silent),
        Just(News::Refused),
    ];
    prop_oneof![
        any::<bool>().prop_map(|over| Question::StreamEnded { over }),
        (any::<bool>(), any::<bool>())
            .prop_map(|(answered, over)| Question::Dialled { answered, over }),
        Just(Question::Recorded),
        Just(Question::Unserved),
        Just(Question::Over),
        Just(Question::Overdue),
        (news, 1..6).prop_map(|(news, asks)| Question::Abandoned { news, asks }),
    ]
}

/// A process's task of the call. One of an epoch that is over is a shade: it has lost the call, and does
/// not know it yet.
#[derive(Debug, Clone, Copy)]
struct Owned {
    returns: i32,
    epoch: i32,
}

/// One call as two processes see it: who has a task of it, and what the row says.
#[derive(Debug)]
struct Walk {
    tasks: [Option<Owned>; 2],
    /// What was written, each with the epoch of who wrote it.
    events: Vec<(i32, LogEvent)>,
    epoch: i32,
    returns: i32,
    is_out: bool,
    /// How the row was completed, and whether that was a guess while the caller was out.
    completed: Option<(End, bool)>,
    completions: usize,
}

/// How a question reaches a process.
#[derive(Debug, Clone, Copy)]
struct Way {
    /// The database answers.
    reads: bool,
    /// It carries out what it is told, and its answer is heard.
    heard: bool,
    /// The webhook comes again.
    again: bool,
}

impl Walk {
    fn new() -> Self {
        Self {
            tasks: [Some(Owned { returns: 0, epoch: 1 }), None],
            events: vec![(1, opened())],
            epoch: 1,
            returns: 0,
            is_out: false,
            completed: None,
            completions: 0,
        }
    }

    /// A process is asked, by a webhook.
    fn ask(&mut self, process: usize, question: Question, way: Way) {
        let happened: Vec<LogEvent> = self.events.iter().map(|(_, event)| event.clone()).collect();
        let record = record(&happened);
        let task;
        let standing = match (self.tasks[process], self.completed) {
            (Some(Owned { returns, .. }), _) => {
                task = Task { returns, ..TASK };
                Standing::Here(&task)
            }
            (None, _) if !way.reads => Standing::Unread { returns: None },
            (None, Some((_, guessed))) => Standing::Complete { guessed },
            (None, None) => Standing::Live { record: &record, is_out: self.is_out },
        };
        let plan = next(standing, question);
        if plan == Plan::Return && way.reads && self.is_shade(process) {
            // Its token is refused: it lets go of the call, and the question is asked of the row.
            self.tasks[process] = None;
            return self.ask(process, question, way);
        }
        // Only a stream's end gives the caller back and counts: asked again by a dial's, they are back.
        let is_back = plan == Plan::Return && !matches!(question, Question::StreamEnded { .. });
        if !is_back {
            self.carry_out(process, plan, way);
        }
        if way.again {
            self.ask(process, question, Way { again: false, ..way });
        }
    }

    fn is_shade(&self, process: usize) -> bool {
        self.tasks[process].is_some_and(|task| task.epoch != self.epoch)
    }

    fn owners(&self) -> usize {
        self.tasks.iter().flatten().filter(|task| task.epoch == self.epoch).count()
    }

    fn carry_out(&mut self, process: usize, plan: Plan, way: Way) {
        match plan {
            Plan::TakeOver { .. } if way.reads => {
                // The row's claim: one statement, which the row's state guards. Whoever had the call
                // before still has its task.
                let claims = self.completed.is_none() && may_return(self.returns);
                if claims {
                    self.returns += 1;
                    self.is_out = false;
                    self.epoch += 2;
                }
                if claims && way.heard {
                    let owned = Owned { returns: self.returns, epoch: self.epoch };
                    self.tasks[process] = Some(owned);
                    self.write(self.epoch, opened());
                } else {
                    self.leave(process, at_fallback());
                }
            }
            Plan::Return => {
                if let Some(task) = &mut self.tasks[process] {
                    task.returns += 1;
                    if task.epoch == self.epoch {
                        self.returns = self.returns.max(task.returns);
                    }
                }
            }
            Plan::PutThrough => self.leave(process, put_through()),
            Plan::Fallback { why: Some(_) } if way.reads => self.leave(process, at_fallback()),
            Plan::Fallback { why: None } if way.reads && self.completed.is_none() => {
                self.is_out = true;
            }
            Plan::Complete { end, certain, .. } if way.reads => self.complete(end, certain),
            _ => {}
        }
    }

    /// The statement that appends events.
    fn write(&mut self, epoch: i32, event: LogEvent) {
        if epoch == self.epoch {
            self.events.push((epoch, event));
        }
    }

    /// A callback, or a process that was asked, completes the row as it has read it.
    fn complete(&mut self, end: End, certain: bool) {
        let replaces = matches!(self.completed, Some((_, true))) && certain;
        if self.completed.is_none() || replaces {
            self.completed = Some((end, self.is_out && !certain));
            self.completions += 1;
            let epoch = self.epoch;
            self.tasks = self.tasks.map(|task| task.filter(|task| task.epoch != epoch));
        }
    }

    /// The task of a process says that its call is over.
    fn end(&mut self, process: usize) {
        let Some(task) = self.tasks[process].take() else { return };
        self.write(task.epoch, LogEvent::Ended(GOODBYE));
        if task.epoch == self.epoch && self.completed.is_none() {
            self.completed = Some((GOODBYE, false));
            self.completions += 1;
        }
    }

    /// The caller leaves a process's task, or is sent on by a process that has none: the call is that
    /// one's then.
    fn leave(&mut self, process: usize, event: LogEvent) {
        let epoch = match self.tasks[process].take() {
            Some(task) => task.epoch,
            None if self.completed.is_none() => {
                self.epoch += 2;
                self.epoch
            }
            None => return,
        };
        self.write(epoch, event);
        if epoch == self.epoch && self.completed.is_none() {
            self.is_out = true;
        }
    }

    fn check(&self) -> Result<(), TestCaseError> {
        prop_assert!(self.owners() <= 1, "{self:?}");
        prop_assert!(self.returns <= RETURNS_MAX, "{self:?}");
        prop_assert!(self.completions <= 2, "{self:?}");
        prop_assert!(self.events.is_sorted_by_key(|(epoch, _)| *epoch), "{self:?}");
        if self.completions == 2 {
            prop_assert!(matches!(self.completed, Some((_, false))), "{self:?}");
        }
        Ok(())
    }
}

fn ways() -> impl Strategy<Value = Way> {
    (any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(reads, heard, again)| Way {
        reads,
        heard,
        again,
    })
}

proptest! {
    /// Whatever is asked, of whom, how often and in what order, whatever does not reach the database
    /// and whichever of its answers is lost: one process has the call, nothing is written by one that
    /// had it before, a caller is given back twice at most, a completed row is completed again only
    /// where a guess becomes certain, and the clock ends what is left.
    #[test]
    fn one_process_has_a_call_and_it_is_completed_once(
        steps in prop::collection::vec((0..2_usize, questions(), ways(), 0..9_u8), 1..40)
    ) {
        let mut walk = Walk::new();
        for (process, question, way, chance) in steps {
            let task = walk.tasks[process];
            match (chance, task) {
                // The process dies.
                (0, _) => walk.tasks[process] = None,
                // Its task puts the caller through, gives the call up, ends it, or goes on.
                (1, Some(_)) => walk.leave(process, put_through()),
                (2, Some(_)) => walk.leave(process, at_fallback()),
                (3, Some(_)) => walk.end(process),
                (4, Some(task)) => walk.write(task.epoch, LogEvent::LineLost {}),
                _ => walk.ask(process, question, way),
            }
            walk.check()?;
        }
        if walk.completed.is_none() && walk.owners() == 0 {
            // Those that have lost it find out, and leave nothing.
            (0..2).for_each(|process| walk.end(process));
            prop_assert!(walk.completed.is_none(), "{walk:?}");
            let question = match walk.is_out {
                true => Question::Overdue,
                false => Question::Abandoned { news: News::NoAccount, asks: 1 },
            };
            walk.ask(0, question, Way { reads: true, heard: true, again: false });
            prop_assert!(walk.completed.is_some(), "{walk:?}");
        }
        walk.check()?;
    }
}
