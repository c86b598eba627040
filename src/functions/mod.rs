//! What the agent can do for a caller, as the model sees it and as it is carried out.

mod appointments;
#[cfg(test)]
mod fixture;
mod knowledge;
mod messages;
mod transfer;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::agent::Agent;
use crate::call::{Event, FunctionRun, LogEvent, Then};
use crate::clock::{self, Clock};
use crate::engine::FunctionSignature;
use crate::knowledge::Knowledge;
use crate::private::Private;
use crate::store::Store;
use crate::twilio::rest::TwilioRest;

pub use messages::Texts;

/// A function at work; it ends with `Event::FunctionDone`.
pub type Running = Pin<Box<dyn Future<Output = Event> + Send>>;

/// How long any function may take. The core waits a little longer before it answers for it.
const RUN_LIMIT: Duration = Duration::from_secs(25);

/// What functions work with. One for all calls of a process.
#[derive(Debug)]
pub struct Toolbox {
    /// The database.
    pub store: Store,
    /// What businesses have written down.
    pub knowledge: Arc<Knowledge>,
    /// Twilio's REST interface.
    pub twilio: TwilioRest,
    /// The time that calls live in.
    pub clock: Clock,
}

/// For whom functions are carried out. One for each call.
#[derive(Debug)]
pub struct FunctionCaller {
    /// Who answers.
    pub agent: Arc<Agent>,
    /// The call's row.
    pub call_log_id: Uuid,
    /// Twilio's name for the call.
    pub call_sid: String,
    /// Who calls, as the phone company says; not always a number.
    pub caller: Private<String>,
    /// The texts that were sent to them.
    pub texts: Texts,
}

/// What is to be carried out.
#[derive(Debug, Clone)]
pub struct FunctionRequest {
    /// Which run of the call it is.
    pub run: FunctionRun,
    /// The engine's name for it: the idempotency key within the call.
    pub engine_call_id: String,
    /// The function's name.
    pub name: String,
    /// The arguments, JSON unless the model erred.
    pub arguments: String,
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
    pub then: Option<Then>,
    /// What it has to be written down besides.
    pub note: Option<LogEvent>,
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
        Self { ok, output, row: None, then: None, note: None }
    }

    fn event(self, run: FunctionRun) -> Event {
        Event::FunctionDone {
            run,
            ok: self.ok,
            output: self.output.to_string(),
            row: self.row.map(|row| row.to_string()),
            then: self.then,
            note: self.note,
        }
    }
}

/// What the model may call.
pub fn signatures(toolbox: &Toolbox, agent: &Agent) -> Vec<FunctionSignature> {
    let end_call = FunctionSignature {
        name: "end_call".into(),
        description: "Hang up. Say goodbye first, in the same reply. Use it only when the caller \
                      has said goodbye or clearly has nothing more to ask."
            .into(),
        parameters: json!({"type": "object", "properties": {}, "additionalProperties": false}),
    };
    let mut signatures = vec![end_call, knowledge::signature(), messages::take_message_signature()];
    signatures.extend(messages::send_sms_signature(agent, &toolbox.twilio));
    signatures.extend(transfer::signature(agent));
    signatures.extend(appointments::signatures());
    signatures
}

/// Carries out a function. `end_call` never comes here: the core does it.
pub fn run(
    toolbox: &Arc<Toolbox>,
    caller: &Arc<FunctionCaller>,
    request: FunctionRequest,
) -> Running {
    let (toolbox, caller) = (Arc::clone(toolbox), Arc::clone(caller));
    Box::pin(async move {
        let run = request.run;
        let outcome = clock::within(RUN_LIMIT, carry_out(&toolbox, &caller, &request)).await;
        outcome
            .unwrap_or_else(|| Outcome::refused("it took too long and may not be done"))
            .event(run)
    })
}

async fn carry_out(
    toolbox: &Toolbox,
    caller: &FunctionCaller,
    request: &FunctionRequest,
) -> Outcome {
    let arguments: Value = serde_json::from_str(&request.arguments).unwrap_or_default();
    match request.name.as_str() {
        knowledge::SEARCH_KNOWLEDGE => {
            knowledge::search_knowledge(toolbox, caller, request, &arguments).await
        }
        "take_message" => messages::take_message(toolbox, caller, request, &arguments).await,
        "send_sms" => messages::send_sms(toolbox, caller, request, &arguments).await,
        transfer::NAME => transfer::transfer_call(&caller.agent, &arguments),
        "check_availability" => {
            appointments::check_availability(toolbox, caller, request, &arguments).await
        }
        "book_appointment" => {
            appointments::book_appointment(toolbox, caller, request, &arguments).await
        }
        "reschedule_appointment" => {
            appointments::reschedule_appointment(toolbox, caller, request, &arguments).await
        }
        "cancel_appointment" => {
            appointments::cancel_appointment(toolbox, caller, request, &arguments).await
        }
        name => {
            Outcome::refused(format!("there is no function called {name}; do not call it again"))
        }
    }
}
