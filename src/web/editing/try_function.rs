//! Trying a function: what it would do, or, for one that asks a service, what it does.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{access, function};
use crate::agent::Agent;
use crate::agent::form::Form;
use crate::agent::function::{AgentFunction, Work};
use crate::agent::phone_number::normalise_local;
use crate::agent::region::Region;
use crate::functions::{DryRun, Pretended, dry_run, signatures};
use crate::store::access::{Maintain, Object};
use crate::store::audit::AuditEntry;
use crate::store::people::Viewer;
use crate::web::AppState;
use crate::web::paces::{TRIES, count};
use crate::web::problem::Problem;

/// Who calls unless said: nobody's number.
const CALLER: &str = "+15005550006";

/// What came of it.
#[derive(Debug)]
pub(in crate::web) enum Tried {
    /// It asked its service.
    Ran(DryRun),
    /// It asks nobody by itself; this is what happens in a call.
    WouldDo(String),
}

/// Tries a function as it is stored, also one that is switched off.
///
/// # Errors
/// [`Problem`]: 422 with the argument that is wrong; 429 after too many.
pub(in crate::web) async fn try_function(
    state: &AppState,
    viewer: &Viewer,
    id: Uuid,
    arguments: &Map<String, Value>,
    caller: Option<&str>,
) -> Result<Tried, Problem> {
    let access = access::<Maintain>(state, viewer, Object::Function(id), "function.try").await?;
    let store = &state.owners.store;
    count(store, &TRIES, viewer.id(), Problem::too_many).await?;
    let inspecting = access.raised(viewer).ok_or_else(Problem::not_found)?;
    let row = store.agent_to_inspect(&inspecting).await?.ok_or_else(Problem::not_found)?;
    function::find(&row, id).ok_or_else(Problem::not_found)?;
    let mut source = row.clone();
    for function in source.functions.iter_mut().filter(|function| function.id == id) {
        function.is_active = Some(true);
    }
    let agent = Arc::new(Agent::new(source));
    let Some(function) = agent.functions.rows.iter().find(|function| function.id == id) else {
        let why = "the function cannot be used as it is stored; save it first without a fault";
        return Err(Problem::invalid("", why));
    };
    let caller = caller.filter(|caller| !caller.trim().is_empty()).unwrap_or(CALLER);
    let caller = normalise_local(caller, agent.region).ok_or_else(|| {
        let example = Region::example(agent.region);
        Problem::invalid("caller", format!("accepted is a telephone number, such as {example}"))
    })?;
    // Written down before it is done: it may do something in the world.
    let deed = AuditEntry::of(viewer, "function.try").agent(agent.id).object("function", id);
    store.note_deed(&deed.change(json!({"name": function.name}))).await?;
    let pretended = Pretended { arguments, caller: caller.into() };
    let function_services = &state.services.function_services;
    let ran = dry_run(&function_services.egress, &agent, function, pretended).await;
    match ran.map_err(|why| Problem::invalid("arguments", why))? {
        Some(ran) => Ok(Tried::Ran(ran)),
        None => Ok(Tried::WouldDo(would_do(state, &agent, function))),
    }
}

fn would_do(state: &AppState, agent: &Agent, function: &AgentFunction) -> String {
    let asked = || {
        let names = function.parameters.names().iter();
        let asked = names.map(|name| format!("{name} ({})", function.parameters.accepted(name)));
        asked.collect::<Vec<_>>().join(", ")
    };
    match &function.work {
        Work::Form(Form { submit_url: Some(url), .. }) => format!(
            "The agent asks for {} one by one, reads all back, and hands the form in once at {}.",
            asked(),
            url.host_str().unwrap_or("its address")
        ),
        Work::Form(_) => format!(
            "The agent asks for {} one by one, reads all back, and keeps what was said.",
            asked()
        ),
        Work::Flow(flow) => {
            let calls: Vec<&str> = flow.calls().collect();
            let calls = match calls.is_empty() {
                true => String::new(),
                false => format!(" On the way it may call {}.", calls.join(", ")),
            };
            format!(
                "The agent follows the steps, beginning with \u{201c}{}\u{201d}.{calls}",
                flow.start()
            )
        }
        Work::Builtin(builtin, _) => {
            let offered = signatures(&state.services.function_services, agent);
            let offered = offered.into_iter().find(|offered| offered.name == function.name);
            match offered {
                Some(offered) => format!("The agent may do this: {}", offered.description),
                None => {
                    format!("Nothing: {} is not possible as the agent is set up.", builtin.name())
                }
            }
        }
        Work::JsonApi(_) => "The agent asks the service.".to_owned(),
    }
}
