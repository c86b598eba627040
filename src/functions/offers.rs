//! Which functions is the model offered? The agent's rows, and the built-in ones that no row takes
//! away, tunes or stands in for.

use serde_json::json;

use super::{FunctionServices, appointments, knowledge, messages, transfer};
use crate::agent::Agent;
use crate::agent::function::{AgentFunction, Builtin, Work};
use crate::engine::FunctionSignature;

/// How a form is used, for the model.
const FORM: &str = "This fills in a form with the caller. Call it with what the caller has said \
                    so far, even nothing: it tells what to ask next, one thing at a time, and what \
                    to read back.";
/// How a flow is used, for the model.
const FLOW: &str = "These are steps that the business laid down. Call it without an answer to \
                    begin; say and ask what it returns, then call it again with the answer.";

/// One function that is offered.
#[derive(Clone, Copy)]
pub(super) enum Offer<'a> {
    /// A function of the agent's rows.
    Row(&'a AgentFunction),
    /// A built-in one as it is.
    Builtin(Builtin),
}

/// What the model may call.
pub fn signatures(function_services: &FunctionServices, agent: &Agent) -> Vec<FunctionSignature> {
    let functions = &agent.functions;
    let rows = functions.rows.iter().filter_map(|row| row_signature(function_services, agent, row));
    let defaults = Builtin::all().filter(|builtin| stands(agent, *builtin));
    let defaults =
        defaults.filter_map(|builtin| builtin_signature(function_services, agent, builtin));
    rows.chain(defaults).collect()
}

/// Whether the model is offered a function of the agent's rows: a built-in one that the agent cannot carry
/// out is not.
pub fn is_offered(
    function_services: &FunctionServices,
    agent: &Agent,
    function: &AgentFunction,
) -> bool {
    row_signature(function_services, agent, function).is_some()
}

/// The function that the model calls by this name, if it is offered.
pub(super) fn find<'a>(
    function_services: &FunctionServices,
    agent: &'a Agent,
    name: &str,
) -> Option<Offer<'a>> {
    if let Some(function) = row(agent, name) {
        let is_there = match function.work {
            Work::Builtin(builtin, _) => {
                builtin_signature(function_services, agent, builtin).is_some()
            }
            Work::JsonApi(_) | Work::Form(_) | Work::Flow(_) => true,
        };
        return is_there.then_some(Offer::Row(function));
    }
    let builtin = Builtin::named(name).filter(|builtin| stands(agent, *builtin))?;
    builtin_signature(function_services, agent, builtin).map(|_| Offer::Builtin(builtin))
}

/// The row that gives a built-in function another name than this one, its own.
pub(super) fn renamed<'a>(
    function_services: &FunctionServices,
    agent: &'a Agent,
    name: &str,
) -> Option<Offer<'a>> {
    let builtin = Builtin::named(name)?;
    let function = agent.functions.rows.iter().find(|function| tunes(function, builtin))?;
    find(function_services, agent, &function.name)
}

/// The row with this name.
pub(super) fn row<'a>(agent: &'a Agent, name: &str) -> Option<&'a AgentFunction> {
    agent.functions.rows.iter().find(|function| function.name == name)
}

/// The built-in function that has this name, or that a row has given it.
pub fn builtin(agent: &Agent, name: &str) -> Option<Builtin> {
    match row(agent, name).map(|row| &row.work) {
        Some(Work::Builtin(builtin, _)) => Some(*builtin),
        Some(_) => None,
        None => Builtin::named(name),
    }
}

/// Whether a row tunes this built-in function.
fn tunes(function: &AgentFunction, builtin: Builtin) -> bool {
    matches!(function.work, Work::Builtin(tuned, _) if tuned == builtin)
}

/// Whether a built-in function is offered under its own name, without a row.
fn stands(agent: &Agent, builtin: Builtin) -> bool {
    let has_taken =
        |function: &AgentFunction| function.name == builtin.name() || tunes(function, builtin);
    !agent.functions.removed.contains(&builtin) && !agent.functions.rows.iter().any(has_taken)
}

fn row_signature(
    function_services: &FunctionServices,
    agent: &Agent,
    function: &AgentFunction,
) -> Option<FunctionSignature> {
    let (how, parameters) = match &function.work {
        Work::JsonApi(_) => (String::new(), function.parameters.schema().clone()),
        Work::Form(form) => (FORM.to_owned(), form.schema(&function.parameters)),
        Work::Flow(flow) => (FLOW.to_owned(), flow.schema(&function.parameters)),
        Work::Builtin(builtin, _) => {
            let signature = builtin_signature(function_services, agent, *builtin)?;
            (signature.description, signature.parameters)
        }
    };
    let description = format!("{} {how}", function.description).trim().to_owned();
    Some(FunctionSignature { name: function.name.clone(), description, parameters })
}

/// A built-in function as the model sees it; none where the agent cannot do it.
fn builtin_signature(
    function_services: &FunctionServices,
    agent: &Agent,
    builtin: Builtin,
) -> Option<FunctionSignature> {
    match builtin {
        Builtin::CheckAvailability
        | Builtin::BookAppointment
        | Builtin::RescheduleAppointment
        | Builtin::CancelAppointment => {
            appointments::signatures().into_iter().find(|one| one.name == builtin.name())
        }
        Builtin::TransferCall => transfer::signature(agent),
        Builtin::TakeMessage => Some(messages::take_message_signature()),
        Builtin::SendSms => messages::send_sms_signature(agent, &function_services.twilio),
        Builtin::SearchKnowledge => Some(knowledge::signature()),
        Builtin::EndCall => Some(end_call()),
    }
}

fn end_call() -> FunctionSignature {
    FunctionSignature {
        name: Builtin::EndCall.name().into(),
        description: "Hang up. Say goodbye first, in the same reply. Use it only when the caller \
                      has said goodbye or clearly has nothing more to ask."
            .into(),
        parameters: json!({"type": "object", "properties": {}, "additionalProperties": false}),
    }
}
