//! What the agent can do for a caller, as the model sees it and as it is carried out.

mod appointments;
mod dialogue;
mod dispatch;
mod dry_run;
pub mod egress;
mod escapes;
#[cfg(test)]
mod fixture;
mod json_api;
mod knowledge;
mod messages;
mod offers;
mod redact;
mod rendering;
#[cfg(test)]
mod test_service;
#[cfg(test)]
mod tests;
mod transfer;
mod truncate;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tracing::{Instrument, Span};
use uuid::Uuid;

use crate::agent::Agent;
use crate::agent::function::Builtin;
use crate::agent::phone_number::caller_number;
use crate::agent::template::Facts;
use crate::call::{AfterFunction, Event, FunctionRun, LogEvent};
use crate::clock;
use crate::engine::FunctionSignature;
use crate::knowledge::Knowledge;
use crate::private::Private;
use crate::store::Store;
use crate::twilio::rest::TwilioRest;

pub use dialogue::Dialogues;
pub use dry_run::{CameBack, DryRun, Pretended, SentRequest, dry_run};
pub use messages::Texts;
pub use offers::{builtin, is_offered, signatures};
pub use rendering::{RenderError, rendered};

/// A function at work; it ends with `Event::FunctionDone`.
pub type Running = Pin<Box<dyn Future<Output = Event> + Send>>;

/// How long any function may take. The core waits a little longer before it answers for it.
const RUN_LIMIT: Duration = Duration::from_secs(25);
/// The most that the model is told of a function, bytes of JSON.
const OUTPUT_BYTES_MAX: usize = 4096;

/// The services that functions work with: one set for all calls of a process.
#[derive(Debug)]
pub struct FunctionServices {
    /// The database, for appointments, messages and saved runs.
    pub store: Store,
    /// The search in the agents' passages.
    pub knowledge: Arc<Knowledge>,
    /// The HTTP client for requests to owners' services.
    pub egress: egress::Client,
    /// Twilio's REST interface, for text messages.
    pub twilio: TwilioRest,
}

/// The call that functions are carried out for: one for each call.
#[derive(Debug)]
pub struct CallContext {
    /// The agent that answers the call.
    pub agent: Arc<Agent>,
    /// The call's `call_logs.id`.
    pub call_log_id: Uuid,
    /// Twilio's name for the call.
    pub call_sid: String,
    /// Who calls, as Twilio says; not always a number.
    pub caller: Private<String>,
    /// The texts that were sent to them.
    pub texts: Texts,
    /// How far forms and flows have come.
    pub dialogues: Dialogues,
    /// Whether it is a test from the console, and what it may do.
    pub test: Option<TestCall>,
}

/// A test call from the console. What it books is undone when it ends, and what it would have somebody
/// outside do is not done, unless its maker wants that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TestCall {
    /// Whether services are asked and texts are sent as in any call.
    pub reaches_out: bool,
}

/// What the model is told, and the owner reads, of what was not done because it is a test.
const PRETENDED: &str = "this is a test call: it was not done; go on as if it had been";

impl CallContext {
    /// Whether what reaches outside is only told of.
    fn pretends(&self) -> bool {
        self.test.is_some_and(|test| !test.reaches_out)
    }

    /// What templates may say of the call.
    fn facts(&self) -> Facts {
        Facts {
            // A caller id that is not a number may hold any words, so it is left out.
            caller: caller_number(self.caller.reveal()).unwrap_or_default(),
            call_id: self.call_log_id.to_string(),
            call_sid: self.call_sid.clone(),
            agent_id: self.agent.id.to_string(),
            agent_name: self.agent.name.clone(),
            agent_number: self.agent.number.clone().unwrap_or_default(),
        }
    }
}

/// A function call to be carried out.
#[derive(Debug, Clone)]
pub struct FunctionRequest {
    /// Which run of the call it is.
    pub run: FunctionRun,
    /// The caller's last turn that the model knew of; 0 before the first.
    pub turn: u32,
    /// The engine's name for it: the idempotency key within the call.
    pub engine_call_id: String,
    /// The name of the function, as the model gave it.
    pub name: String,
    /// The arguments, JSON unless the model erred.
    pub arguments: String,
}

/// A function at work: what it works with, the call that it is for, and what was called.
#[derive(Debug, Clone, Copy)]
struct Run<'a> {
    function_services: &'a FunctionServices,
    caller: &'a CallContext,
    request: &'a FunctionRequest,
}

/// A function as the model sees it, which takes an object with these properties and no others.
fn signature(
    name: &str,
    description: &str,
    properties: Value,
    required: &[&str],
) -> FunctionSignature {
    FunctionSignature {
        name: name.into(),
        description: description.into(),
        parameters: json!({
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        }),
    }
}

/// What came of a function.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Whether it did what was asked.
    pub ok: bool,
    /// What the model is told, an object.
    pub output: Value,
    /// The row of `functions` that it came from.
    pub row: Option<Uuid>,
    /// What it asks of the call.
    pub then: Option<AfterFunction>,
    /// What has to be written down besides, in this order.
    pub notes: Vec<LogEvent>,
}

impl Outcome {
    /// It did what was asked. `output` is an object; `ok` is added to it.
    pub fn done(output: Value) -> Self {
        Self::new(true, output)
    }

    /// It did not. `error` says what was wrong, what is accepted, and what to do instead.
    pub fn refused(error: impl Into<String>) -> Self {
        Self::new(false, json!({"error": error.into()}))
    }

    fn new(ok: bool, mut output: Value) -> Self {
        output["ok"] = json!(ok);
        Self { ok, output, row: None, then: None, notes: Vec::new() }
    }

    fn event(self, run: FunctionRun) -> Event {
        let (output, _) = truncate::shorten(self.output, OUTPUT_BYTES_MAX);
        Event::FunctionDone {
            run,
            ok: self.ok,
            output: output.to_string(),
            row: self.row.map(|row| row.to_string()),
            then: self.then,
            notes: self.notes,
        }
    }
}

/// A function's name as it may be logged: one that a model made up may be what a caller said.
pub fn known_name<'n>(agent: &Agent, name: &'n str) -> &'n str {
    let is_known = offers::row(agent, name).is_some() || Builtin::named(name).is_some();
    if is_known { name } else { "[unknown]" }
}

/// Carries out a function. What was begun goes on when the result is not waited for any more: the
/// caller may hang up while a form is handed in.
pub fn run(
    function_services: &Arc<FunctionServices>,
    caller: &Arc<CallContext>,
    request: FunctionRequest,
) -> Running {
    let (function_services, caller) = (Arc::clone(function_services), Arc::clone(caller));
    let run = request.run;
    let row = offers::row(&caller.agent, &request.name).map(|function| function.id);
    let work = async move {
        let working = Box::pin(dispatch::carry_out(&function_services, &caller, &request));
        clock::within(RUN_LIMIT, working).await
    };
    // What is logged of it names the call.
    let task = clock::spawn(work.instrument(Span::current()));
    Box::pin(async move {
        let outcome = match task.await {
            Ok(Some(outcome)) => outcome,
            Ok(None) => Outcome::refused("it took too long; whether it was done is not known"),
            Err(_) => Outcome::refused("it failed; whether it was done is not known"),
        };
        Outcome { row: outcome.row.or(row), ..outcome }.event(run)
    })
}
