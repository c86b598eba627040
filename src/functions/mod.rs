//! What the agent can do for a caller, as the model sees it and as it is carried out.

use std::future::Future;
use std::pin::Pin;

use serde_json::json;

use crate::call::{Event, FunctionRun};
use crate::engine::FunctionSignature;

/// A function at work; it ends with `Event::FunctionDone`.
pub type Running = Pin<Box<dyn Future<Output = Event> + Send>>;

/// What the model may call.
pub fn signatures() -> Vec<FunctionSignature> {
    vec![FunctionSignature {
        name: "end_call".into(),
        description: "Hang up. Say goodbye first, in the same reply. Use it only when the caller \
                      has said goodbye or clearly has nothing more to ask."
            .into(),
        parameters: json!({"type": "object", "properties": {}, "additionalProperties": false}),
    }]
}

/// Carries out a function. `end_call` never comes here: the core does it.
pub fn run(run: FunctionRun, name: String, _arguments: String) -> Running {
    Box::pin(async move {
        let error = format!("there is no function called {name}; do not call it again");
        let output = json!({"ok": false, "error": error}).to_string();
        Event::FunctionDone { run, ok: false, output }
    })
}
