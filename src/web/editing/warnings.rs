//! What an owner is told of a function that is stored: why it is left out of calls, or what of it they may
//! not mean.

use url::Url;
use uuid::Uuid;

use crate::agent::Agent;
use crate::agent::edit::cautions::{Caution, cautions};
use crate::agent::function::{AgentFunction, Builtin, Work};
use crate::functions::{FunctionServices, is_offered};
use crate::web::AppState;

/// All of it, of the function with this id, if the agent is to use it.
pub(in crate::web) fn warnings(state: &AppState, agent: &Agent, id: Uuid) -> Vec<Caution> {
    let prefix = format!("functions.{id}");
    let faults = agent.faults.iter().filter_map(|fault| {
        let rest = fault.path.strip_prefix(&prefix)?;
        let why = format!("found {}; accepted is {}", fault.found, fault.accepted);
        Some(Caution::new(rest.trim_start_matches('.'), why))
    });
    let mut found: Vec<Caution> = faults.collect();
    if let Some(function) = agent.functions.rows.iter().find(|function| function.id == id) {
        found.extend(cautions(agent, function));
        found.extend(unused(&state.services.function_services, agent, function));
    }
    found
}

/// Why the function is never carried out, if that is known before it is tried.
fn unused(services: &FunctionServices, agent: &Agent, function: &AgentFunction) -> Option<Caution> {
    let (field, address) = match &function.work {
        Work::Builtin(..) if is_offered(services, agent, function) => return None,
        Work::Builtin(Builtin::TransferCall, _) => {
            let why = "nobody can be put through to: no number is set for that, so the agent does not \
                       offer it";
            return Some(Caution::new("data.targets", why));
        }
        Work::Builtin(..) => {
            let why =
                "the agent does not offer it: it has no number, or no Twilio account to send from";
            return Some(Caution::new("data.builtin", why));
        }
        // What a template stands in for is known in a call.
        Work::JsonApi(api) => ("data.url", Url::parse(api.host()).ok()?),
        Work::Form(form) => ("data.submit_url", form.submit_url.clone()?),
        Work::Flow(_) => return None,
    };
    let refusal = services.egress.refusal(&address)?;
    Some(Caution::new(field, format!("this server never asks this address: {refusal}")))
}
