//! What is being carried out? Every call of a function gets exactly one output, and all calls of
//! one reply together one answer.

use super::function_batch::{Batch, Done, FunctionCall};
use super::requests::Wanted;
use super::state::Call;
use super::{Action, AfterFunction, FunctionRun, LogEvent, Purpose, ReplyId, Role, Timer};

/// The function that ends the call: carried out here.
pub(super) const END_CALL: &str = "end_call";
/// The function that looks a question up, which is no answer to it yet.
pub(super) const SEARCH_KNOWLEDGE: &str = "search_knowledge";
/// Calls carried out for one reply.
const CALLS_PER_REPLY: usize = 16;
/// A function is answered for after this time. The shell's own limits are tighter.
const FUNCTION_MS: u64 = 30_000;

const DONE: &str = r#"{"ok":true}"#;
const CANCELLED: &str = r#"{"ok":false,"error":"cancelled"}"#;
const TIMED_OUT: &str = r#"{"ok":false,"error":"timed out"}"#;
const TOO_MANY: &str = r#"{"ok":false,"error":"too many functions at once"}"#;

impl Call {
    /// A reply wants a function to be carried out.
    pub(super) fn function_wanted(
        &mut self,
        reply: ReplyId,
        engine_call_id: String,
        name: String,
        arguments: &str,
    ) {
        let mut calls = self.functions.batches.iter().flat_map(|batch| &batch.calls);
        if calls.any(|call| call.engine_call_id == engine_call_id) {
            return;
        }
        let may_call = self.requests.response.as_ref().is_some_and(|response| {
            response.reply == reply && !response.cancelling && response.purpose != Purpose::Filler
        });
        if !may_call {
            return self.refuse(engine_call_id, CANCELLED);
        }
        // Something is being done for the caller: the engine is not silent.
        (self.requests.waited_ms, self.requests.failed) = (0, 0);
        if self.functions.batch(reply).is_some_and(|batch| batch.calls.len() >= CALLS_PER_REPLY) {
            return self.refuse(engine_call_id, TOO_MANY);
        }
        let turn = self.playout.get(reply).and_then(|spoken| spoken.turn);
        let call = FunctionCall {
            run: self.functions.next_run(),
            engine_call_id,
            name,
            started: self.now,
            output: None,
            recorded: false,
            then: None,
        };
        let (run, ends_call) = (call.run, call.name == END_CALL);
        if !ends_call {
            self.out.push(Action::RunFunction {
                run,
                turn: turn.or_else(|| self.caller.turn()).unwrap_or(0),
                engine_call_id: call.engine_call_id.clone(),
                name: call.name.clone(),
                arguments: arguments.to_owned(),
            });
        }
        self.note(LogEvent::FunctionCalled {
            run: run.0,
            turn,
            name: call.name.clone(),
            arguments: json_or_text(arguments),
        });
        self.keep(reply, call);
        self.expect_more();
        if ends_call {
            self.function_done(
                run,
                Done::ours(true, DONE, Some(AfterFunction::EndCall { words: None })),
            );
        }
        self.watch_functions();
    }

    fn keep(&mut self, reply: ReplyId, call: FunctionCall) {
        match self.functions.batch(reply) {
            Some(batch) => batch.calls.push(call),
            None => self.functions.batches.push(Batch {
                reply,
                calls: vec![call],
                complete: false,
                cancelled: false,
                orphaned: false,
                mentioned: false,
            }),
        }
    }

    fn refuse(&mut self, engine_call_id: String, output: &str) {
        self.out.push(Action::GiveOutput { engine_call_id, output: output.to_owned() });
    }

    /// A function has been carried out, or has failed.
    pub(super) fn function_done(&mut self, run: FunctionRun, done: Done) {
        self.note_result(run, done);
        self.watch_functions();
        self.give_outputs();
    }

    /// Keeps a function's output and writes it down. Only the first one counts, unless that was
    /// ours: then the engine is told in a message what came of it after all.
    pub(super) fn note_result(&mut self, run: FunctionRun, done: Done) {
        let Done { ok, output, row, then, notes } = done;
        let result = json_or_text(&output);
        let started = if let Some(call) = self.functions.in_flight().find(|call| call.run == run) {
            (call.output, call.then) = (Some(output), then);
            call.started
        } else if let Some(call) = self.functions.take_overdue(run) {
            self.link.messages.push((Role::System, returned(&call.name, &output)));
            call.started
        } else {
            return;
        };
        let took_ms = self.now.ms_since(started);
        self.note(LogEvent::FunctionFinished { run: run.0, ok, took_ms, result, row });
        for note in notes {
            self.note(note);
        }
    }

    fn watch_functions(&mut self) {
        match self.functions.in_flight().map(|call| call.started).min() {
            Some(first) => self.timers.set(Timer::Function, first.plus_ms(FUNCTION_MS)),
            None => self.timers.clear(Timer::Function),
        }
    }

    /// A function did not return: it is answered for.
    pub(super) fn function_overdue(&mut self) {
        let now = self.now;
        let late = |call: &&mut FunctionCall| now.ms_since(call.started) >= FUNCTION_MS;
        let calls: Vec<_> =
            self.functions.in_flight().filter(late).map(|call| call.clone()).collect();
        for call in calls {
            let run = call.run;
            self.functions.keep_overdue(call);
            self.function_done(run, Done::ours(false, TIMED_OUT, None));
        }
        self.watch_functions();
    }

    /// Gives the outputs of every reply whose calls are all done.
    pub(super) fn give_outputs(&mut self) {
        while let Some(index) = self.functions.batches.iter().position(Batch::is_done) {
            let batch = self.functions.batches.remove(index);
            self.give(batch);
        }
    }

    fn give(&mut self, batch: Batch) {
        let Batch { reply, calls, cancelled, orphaned, .. } = batch;
        // Functions that only end the call or transfer the caller, under whatever name.
        let moves = |call: &FunctionCall| call.then.as_ref().is_some_and(|then| !then.has_words());
        let moves_only = calls.iter().all(moves);
        // A transfer wins over hanging up.
        let asked = calls.iter().filter_map(|call| call.then.clone());
        let mut then = asked.max_by_key(|then| matches!(then, AfterFunction::Transfer { .. }));
        for call in calls {
            let withdrawn = cancelled && moves(&call);
            let output = call.output.filter(|_| !withdrawn).unwrap_or_else(|| CANCELLED.to_owned());
            if call.recorded {
                continue;
            }
            if orphaned {
                self.link.messages.push((Role::System, returned(&call.name, &output)));
            } else {
                let engine_call_id = call.engine_call_id;
                self.out.push(Action::GiveOutput { engine_call_id, output });
            }
        }
        if cancelled && let Some(AfterFunction::Transfer { target, words: Some(_) }) = then.take() {
            self.withdraw_transfer(&target);
        }
        // Words that came with the wish to end the call or to put the caller through were about
        // that, unless there was something else to be done that the caller should hear of.
        let said = (moves_only && self.has_spoken(reply)).then_some(reply);
        match then {
            Some(AfterFunction::EndCall { words }) => self.agent_ends(said, words),
            Some(AfterFunction::Transfer { target, words }) => self.hand_over(target, said, words),
            None if moves_only => {}
            None => self.want(Wanted::now(Purpose::Answer)),
        }
    }

    /// Whether the reply said something: it is still playing, or has been heard.
    fn has_spoken(&self, reply: ReplyId) -> bool {
        match self.playout.get(reply) {
            Some(spoken) => !spoken.is_silent(),
            None => self.record.was_heard(reply),
        }
    }

    /// The engine that wanted the functions is gone. What was begun goes on, and the next engine
    /// is told in a message what came of it.
    pub(super) fn orphan_functions(&mut self) {
        for batch in &mut self.functions.batches {
            batch.complete(false);
            batch.orphaned = true;
            for call in &mut batch.calls {
                call.recorded |= call.output.is_some();
            }
        }
        self.give_outputs();
    }
}

/// How a new engine, or one that was told otherwise, learns what a function did.
pub(super) fn returned(name: &str, output: &str) -> String {
    format!("The function {name} has returned: {output}")
}

/// JSON as it is; anything else as a string.
fn json_or_text(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|_| serde_json::Value::String(text.to_owned()))
}
