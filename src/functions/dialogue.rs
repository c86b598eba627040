//! Forms and flows: what takes more than one call of a function. How far each has come is kept for
//! the length of the phone call.

use std::collections::HashMap;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use tracing::warn;
use uuid::Uuid;

use super::dispatch::{carry_out_at_once, keep, save};
use super::egress::{Request, Response};
use super::json_api::NOT_SET_UP;
use super::offers::{find, renamed};
use super::rendering::{RenderError, rendered};
use super::{CallContext, FunctionRequest, Outcome, Run, transfer};
use crate::agent::Agent;
use crate::agent::flow::{Ending, Flow, FlowProgress, FlowStep};
use crate::agent::form::{Form, FormProgress, FormStep};
use crate::agent::function::{AgentFunction, Work};
use crate::call::{AfterFunction, CallRecord};

/// How long a form's service may take.
const SUBMIT_LIMIT: Duration = Duration::from_secs(10);

/// What a second call of a form or flow is told while the first is at work.
const BUSY: &str = "this is still being worked on; wait for its result and do not call it again";

/// How far the forms and flows of a call have come, by `functions.id`.
#[derive(Debug, Default)]
pub struct Dialogues {
    forms: Places<FormProgress>,
    flows: Places<FlowProgress>,
}

impl Dialogues {
    /// Those of a call by what was written down of it: the forms that were handed in.
    pub fn of(agent: &Agent, record: &CallRecord) -> Self {
        let handed_in = record.functions().filter_map(|function| {
            let outcome = function.outcome.as_ref().filter(|outcome| outcome.ok)?;
            let row = agent.functions.rows.iter().find(|row| row.name == function.name)?;
            let is_done = matches!(row.work, Work::Form(_)) && outcome.result["done"] == true;
            is_done.then(|| (row.id, Some(FormProgress::handed_in())))
        });
        Self { forms: Places(Mutex::new(handed_in.collect())), flows: Places::default() }
    }
}

/// `None`: it is being worked on.
struct Places<P>(Mutex<HashMap<Uuid, Option<P>>>);

impl<P> Default for Places<P> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

/// What callers said is not printed.
impl<P> std::fmt::Debug for Places<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Places").finish_non_exhaustive()
    }
}

/// A dialogue that is taken out to be worked on. It goes back when this is dropped, also when the
/// work is given up in the middle.
struct Taken<'p, P> {
    places: &'p Places<P>,
    id: Uuid,
    progress: Option<P>,
}

impl<P: Default> Places<P> {
    /// Takes a dialogue out; a new one if there is none yet. `None` if somebody has it.
    fn take(&self, id: Uuid) -> Option<Taken<'_, P>> {
        let mut places = self.0.lock();
        let progress = match places.get_mut(&id) {
            Some(place) => place.take()?,
            None => {
                places.insert(id, None);
                P::default()
            }
        };
        Some(Taken { places: self, id, progress: Some(progress) })
    }
}

impl<P> Deref for Taken<'_, P> {
    type Target = P;

    fn deref(&self) -> &P {
        self.progress.as_ref().expect("it is there until it is dropped")
    }
}

impl<P> DerefMut for Taken<'_, P> {
    fn deref_mut(&mut self) -> &mut P {
        self.progress.as_mut().expect("it is there until it is dropped")
    }
}

impl<P> Drop for Taken<'_, P> {
    fn drop(&mut self) {
        self.places.0.lock().insert(self.id, self.progress.take());
    }
}

/// Goes on with a form.
pub(super) async fn form(
    run: Run<'_>,
    (function, form): (&AgentFunction, &Form),
    arguments: &Map<String, Value>,
) -> Outcome {
    let Some(mut progress) = run.caller.dialogues.forms.take(function.id) else {
        return Outcome::refused(BUSY);
    };
    let (fields, given, turn) = (function.parameters.clone(), arguments.clone(), run.request.turn);
    let step = gone_on(run.caller, &mut *progress, move |progress: &mut FormProgress| {
        progress.take(&fields, &given, turn)
    });
    let step = match step.await {
        Err(error) => {
            warn!(function = %function.id, %error, "a form's answers could not be checked");
            // It has come no further.
            return Outcome::refused("the answers could not be checked; call it once more");
        }
        Ok(FormStep::Submit(values)) => {
            let values = Value::Object(values);
            let is_taken = submit(run, function, form, &values).await;
            let result = json!({"submitted": is_taken});
            progress.submitted(if form.submit_url.is_some() {
                save(run, function, values, &result).await;
                is_taken
            } else {
                // Keeping it is handing it in, whatever the row wants of its runs.
                Some(keep(run, function, values, &result).await)
            })
        }
        Ok(step) => step,
    };
    match step {
        FormStep::Tell { ok, output } => Outcome::new(ok, output),
        FormStep::Submit(_) => Outcome::refused(BUSY),
    }
}

/// Hands a form in, if it goes anywhere. Whether it was taken; none if that is not known.
async fn submit(
    Run { function_services, caller, .. }: Run<'_>,
    function: &AgentFunction,
    form: &Form,
    values: &Value,
) -> Option<bool> {
    let Some(url) = &form.submit_url else { return Some(true) };
    if caller.pretends() {
        return Some(true);
    }
    let json = HeaderValue::from_static("application/json");
    let mut headers = HeaderMap::from_iter([(header::CONTENT_TYPE, json)]);
    let key = format!("{}-{}", caller.call_log_id, function.id);
    if let Ok(key) = HeaderValue::try_from(key) {
        headers.insert(HeaderName::from_static("idempotency-key"), key);
    }
    let request = Request {
        agent: caller.agent.id,
        time_limit: SUBMIT_LIMIT,
        method: Method::POST,
        url: url.clone(),
        headers,
        body: Some(values.to_string().into()),
    };
    match function_services.egress.send(request).await {
        Ok(Response { status, .. }) if status.is_success() => Some(true),
        Ok(Response { status, .. }) => {
            warn!(function = %function.id, %status, "a form was not taken");
            Some(false)
        }
        Err(error) => {
            warn!(function = %function.id, %error, "a form could not be handed in");
            (!error.may_be_done()).then_some(false)
        }
    }
}

/// Goes on with a flow.
pub(super) async fn flow(
    run: Run<'_>,
    (function, flow): (&AgentFunction, &Flow),
    arguments: &Map<String, Value>,
) -> Outcome {
    let Run { caller, request, .. } = run;
    let Some(mut progress) = caller.dialogues.flows.take(function.id) else {
        return Outcome::refused(BUSY);
    };
    let facts = caller.facts();
    let (mut then, mut notes) = (None, Vec::new());
    let mut step = {
        let (flow, parameters) = (flow.clone(), function.parameters.clone());
        let (arguments, facts, turn) = (arguments.clone(), facts.clone(), request.turn);
        let went_on = gone_on(caller, &mut *progress, move |progress: &mut FlowProgress| {
            progress.take(&flow, &parameters, &arguments, &facts, turn)
        });
        went_on.await.unwrap_or_else(broken)
    };
    let mut calls = 0;
    while let FlowStep::Call { function: name, arguments } = step {
        calls += 1;
        let called = FunctionRequest {
            run: request.run,
            turn: request.turn,
            engine_call_id: format!("{}-{calls}", request.engine_call_id),
            name,
            arguments: arguments.to_string(),
        };
        let outcome = call(Run { request: &called, ..run }, arguments).await;
        then = outcome.then.or(then);
        notes.extend(outcome.notes);
        let (flow, facts) = (flow.clone(), facts.clone());
        let went_on = gone_on(caller, &mut *progress, move |progress: &mut FlowProgress| {
            progress.called(&flow, &facts, outcome.ok, &outcome.output)
        });
        step = went_on.await.unwrap_or_else(broken);
    }
    let outcome = told(caller, function, step);
    if progress.has_just_ended() {
        let values = Value::Object(progress.values().clone());
        save(run, function, values, &outcome.output).await;
    }
    // The owner's words are said as they are, and before the call goes on elsewhere.
    let then = outcome.then.clone().or(then);
    let then = then.map(|then| then.saying(outcome.output["say"].as_str()));
    Outcome { then, notes, ..outcome }
}

/// Goes on with a dialogue where arguments are checked and templates filled in, which is no work for the
/// threads that carry audio. One that takes too long has come no further.
async fn gone_on<P: Clone + Send + 'static, S: Send + 'static>(
    caller: &CallContext,
    progress: &mut P,
    step: impl FnOnce(&mut P) -> S + Send + 'static,
) -> Result<S, RenderError> {
    let mut moved = progress.clone();
    let work = move || {
        let step = step(&mut moved);
        (moved, step)
    };
    let (moved, step) = rendered(caller.agent.id, work).await?;
    *progress = moved;
    Ok(step)
}

/// A flow that could not go on.
fn broken(error: RenderError) -> FlowStep {
    FlowStep::Broken {
        output: json!({"error": NOT_SET_UP}),
        node: String::new(),
        why: error.to_string(),
    }
}

/// Calls another function of the agent for a flow.
async fn call(run: Run<'_>, arguments: Value) -> Outcome {
    let (agent, name) = (&run.caller.agent, run.request.name.as_str());
    let offer = find(run.function_services, agent, name)
        .or_else(|| renamed(run.function_services, agent, name));
    match (offer, arguments) {
        (Some(offer), Value::Object(arguments)) => carry_out_at_once(run, offer, arguments).await,
        _ => Outcome::refused("this is not possible here"),
    }
}

/// What the model is told of where a flow has come to.
fn told(caller: &CallContext, function: &AgentFunction, step: FlowStep) -> Outcome {
    match step {
        FlowStep::Tell { ok, output } => Outcome::new(ok, output),
        FlowStep::Over { output, ending: Ending::Done } => Outcome::done(output),
        FlowStep::Over { output, ending: Ending::EndCall } => {
            Outcome { then: Some(AfterFunction::EndCall { words: None }), ..Outcome::done(output) }
        }
        FlowStep::Over { mut output, ending: Ending::Transfer(target) } => {
            let outcome = transfer::transfer_call(caller, &json!({"target": target}));
            if outcome.then.is_none() {
                warn!(function = %function.id, "a flow puts the caller through to nobody known");
                return Outcome::refused(
                    "the caller cannot be put through; apologise and offer to take a message",
                );
            }
            output["transfer"] = outcome.output["target"].clone();
            Outcome { then: outcome.then, ..Outcome::done(output) }
        }
        FlowStep::Broken { output, node, why } => {
            warn!(function = %function.id, node, why, "a flow broke off");
            Outcome::new(false, output)
        }
        // The loop above carries these out.
        FlowStep::Call { .. } => Outcome::refused(BUSY),
    }
}
