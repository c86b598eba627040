//! Carries out what the model called: finds it, checks the arguments, does it, and keeps what came
//! of it where the owner wants that.

use std::time::Duration;

use serde_json::{Map, Value, json};
use tracing::warn;

use super::appointments::{self, BookingContext};
use super::offers::{Offer, find};
use super::rendering::rendered;
use super::{
    CallContext, FunctionRequest, FunctionServices, Outcome, Run, dialogue, json_api, knowledge,
    messages, transfer,
};
use crate::agent::function::{AgentFunction, Builtin, Work};
use crate::call::AfterFunction;
use crate::clock;
use crate::private::Private;
use crate::store::SavedRun;

/// The longest arguments, bytes.
const ARGUMENTS_BYTES_MAX: usize = 16 * 1024;
/// How long the database may take to keep what came of a function.
const SAVE_LIMIT: Duration = Duration::from_secs(3);

/// Carries out whatever was called.
pub(super) async fn carry_out(
    function_services: &FunctionServices,
    caller: &CallContext,
    request: &FunctionRequest,
) -> Outcome {
    let run = Run { function_services, caller, request };
    let Some(offer) = find(function_services, &caller.agent, &request.name) else {
        let name: String = request.name.chars().take(64).collect();
        return Outcome::refused(format!(
            "there is no function called {name}; do not call it again"
        ));
    };
    let arguments = match read_arguments(&request.arguments) {
        Ok(arguments) => arguments,
        Err(why) => return Outcome::refused(why),
    };
    match offer {
        Offer::Row(function @ AgentFunction { work: Work::Form(form), .. }) => {
            dialogue::form(run, (function, form), &arguments).await
        }
        Offer::Row(function @ AgentFunction { work: Work::Flow(flow), .. }) => {
            dialogue::flow(run, (function, flow), &arguments).await
        }
        offer => carry_out_at_once(run, offer, arguments).await,
    }
}

/// Carries out what is not a dialogue.
pub(super) async fn carry_out_at_once(
    run: Run<'_>,
    offer: Offer<'_>,
    arguments: Map<String, Value>,
) -> Outcome {
    let function = match offer {
        Offer::Builtin(builtin) => return carry_out_builtin(run, builtin, arguments).await,
        Offer::Row(function) => function,
    };
    let (outcome, saves) = match &function.work {
        Work::JsonApi(api) => {
            // Not on a thread that carries audio: an owner's patterns may be many and large.
            let parameters = function.parameters.clone();
            let checked = rendered(run.caller.agent.id, move || parameters.check(&arguments));
            let arguments = match checked.await {
                Ok(Ok(arguments)) => Value::Object(arguments),
                Ok(Err(why)) => {
                    return Outcome::refused(format!("{why}; correct it and call again"));
                }
                Err(error) => {
                    warn!(function = %function.id, %error, "arguments could not be checked");
                    return Outcome::refused("this cannot be done now; apologise");
                }
            };
            let names = function.parameters.names();
            let row = json_api::Row { id: function.id, api, names };
            let Run { function_services, caller, request } = run;
            let outcome =
                json_api::json_api(&function_services.egress, caller, request, row, &arguments)
                    .await;
            // The arguments are saved even if the service refused them: they were collected.
            save(run, function, arguments, &outcome.output).await;
            return outcome;
        }
        Work::Builtin(builtin, _) => {
            let given = Value::Object(arguments.clone());
            (carry_out_builtin(run, *builtin, arguments).await, given)
        }
        Work::Form(_) | Work::Flow(_) => {
            return Outcome::refused("a form or steps cannot be called from steps");
        }
    };
    if outcome.ok {
        save(run, function, saves, &outcome.output).await;
    }
    outcome
}

async fn carry_out_builtin(
    run: Run<'_>,
    builtin: Builtin,
    arguments: Map<String, Value>,
) -> Outcome {
    let arguments = Value::Object(arguments);
    let desk = || BookingContext::new(run);
    match builtin {
        Builtin::CheckAvailability => appointments::check_availability(&desk(), &arguments).await,
        Builtin::BookAppointment => appointments::book_appointment(&desk(), &arguments).await,
        Builtin::RescheduleAppointment => {
            appointments::reschedule_appointment(&desk(), &arguments).await
        }
        Builtin::CancelAppointment => appointments::cancel_appointment(&desk(), &arguments).await,
        Builtin::TransferCall => transfer::transfer_call(run.caller, &arguments),
        Builtin::TakeMessage => {
            messages::take_message(run.caller, &arguments).unwrap_or_else(Outcome::refused)
        }
        Builtin::SendSms => {
            messages::send_sms(run, &arguments).await.unwrap_or_else(Outcome::refused)
        }
        Builtin::SearchKnowledge => knowledge::search_knowledge(run, &arguments).await,
        // Under its own name the core does it; a row can give it another.
        Builtin::EndCall => Outcome {
            then: Some(AfterFunction::EndCall { words: None }),
            ..Outcome::done(json!({}))
        },
    }
}

/// Keeps a run as the owner's row wants it. Whether it is kept; a row that wants nothing is content.
pub(super) async fn save(
    run: Run<'_>,
    function: &AgentFunction,
    arguments: Value,
    result: &Value,
) -> bool {
    !function.saves || keep(run, function, arguments, result).await
}

/// Keeps a run. Whether it is kept.
pub(super) async fn keep(
    run: Run<'_>,
    function: &AgentFunction,
    arguments: Value,
    result: &Value,
) -> bool {
    let Run { function_services, caller, .. } = run;
    // What somebody made up is no customer's.
    if caller.test.is_some() {
        return true;
    }
    let saved = SavedRun {
        agent_id: caller.agent.id,
        function_id: function.id,
        call_log_id: caller.call_log_id,
        arguments: Private::new(arguments),
        result: Private::new(result.clone()),
    };
    match clock::within(SAVE_LIMIT, function_services.store.save_run(&saved)).await {
        Some(Ok(())) => true,
        Some(Err(error)) => {
            warn!(function = %function.id, %error, "what a function collected is not kept");
            false
        }
        None => {
            warn!(function = %function.id, "what a function collected may not be kept");
            false
        }
    }
}

/// The arguments as the model wrote them; nothing at all is none.
fn read_arguments(text: &str) -> Result<Map<String, Value>, String> {
    if text.len() > ARGUMENTS_BYTES_MAX {
        return Err(format!(
            "the arguments are too long; accepted are {ARGUMENTS_BYTES_MAX} bytes"
        ));
    }
    if text.trim().is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(arguments)) => Ok(arguments),
        Ok(Value::Null) => Ok(Map::new()),
        _ => Err("the arguments are not a JSON object; call again with one".to_owned()),
    }
}
