//! `POST /twilio/voice`: a call comes in.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Uri};
use metrics::{counter, histogram};
use tracing::warn;
use uuid::Uuid;

use super::admit::{Caller, Foreign};
use super::answer::{apology, hang_up, nobody};
use super::signed::Webhook;
use super::{Document, Refused, for_call, run_detached};
use crate::agent::Agent;
use crate::call::CallRecord;
use crate::clock::{self, Stopwatch};
use crate::line::directory::LookUp;
use crate::line::record::unix_us;
use crate::store::NewCall;
use crate::twilio::form::Form;
use crate::web::AppState;

/// How long taking a call may last. With what finding the agent may take, Twilio has an answer
/// within 5 s whatever the machine is busy with.
const ADMIT_LIMIT: Duration = Duration::from_millis(2_500);

/// Answers the webhook of every number. Each way ends in TwiML that leaves the caller with
/// somebody or something that speaks, or in a status that sends Twilio to its own fallback.
pub(super) async fn voice(
    State(state): State<Arc<AppState>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let since = Stopwatch::start();
    let answered = run_detached(async move {
        let form = Form::parse(&body)?;
        // The body may be large, and admitting a call may take seconds.
        drop(body);
        answer(&state, &Webhook { uri: &uri, headers: &headers, form: &form }).await
    })
    .await;
    histogram!("frontdesk_webhook_seconds").record(since.elapsed());
    answered
}

async fn answer(state: &Arc<AppState>, webhook: &Webhook<'_>) -> Result<Response, Refused> {
    let form = webhook.form;
    let call_sid = form.call_sid()?;
    form.to()?;
    let agent = match state.announced(webhook).await? {
        LookUp::Found(agent) => for_this_call(&agent, form),
        LookUp::Unknown => {
            state.check(None, webhook)?;
            counter!("frontdesk_calls_rejected_total", "reason" => "no agent").increment(1);
            return Ok(nobody().into_response());
        }
        LookUp::Unavailable => return without_database(state, webhook, call_sid),
    };
    if let Some(sent_on) = state.sent_on(agent.id, call_sid) {
        return Ok(sent_on);
    }
    if form.call_status().is_some_and(|status| status.is_over()) {
        return Ok(hang_up().into_response());
    }
    let caller = |agent: &Agent| Caller {
        number: form.from(),
        forwarder: agent.forwarder(form.get("ForwardedFrom")),
        account_sid: form.get("AccountSid").map(str::to_owned),
    };
    let (agent, admitted) = match admit_in_time(state, &agent, call_sid, caller(&agent)).await {
        Ok(admitted) => (agent, admitted),
        // The call began when its number was another agent's, or its CallSid is not the sender's.
        Err(Foreign) => {
            let agent = for_this_call(&state.owner(webhook).await?, form);
            let admitted = admit_in_time(state, &agent, call_sid, caller(&agent)).await;
            let admitted = admitted.map_err(|Foreign| Refused::NotSigned)?;
            (agent, admitted)
        }
    };
    Ok(admitted.unwrap_or_else(|| state.fallback(&agent, form)).into_response())
}

/// The agent as it is for this call, with a warning where it must not dial whom its owner names.
fn for_this_call(agent: &Arc<Agent>, form: &Form) -> Arc<Agent> {
    let agent = for_call(agent, form);
    if !agent.forwards_here.is_empty() {
        let call_sid = form.get("CallSid").unwrap_or_default();
        warn!(call_sid, agent_id = %agent.id, "a number of the agent's forwards to it: not dialled");
    }
    agent
}

/// The number's agent is not remembered, and the database is away.
fn without_database(
    state: &AppState,
    webhook: &Webhook<'_>,
    call_sid: &str,
) -> Result<Response, Refused> {
    // Another process may know it; it will check the signature.
    if let Some(sent_on) = state.sent_on(Uuid::nil(), call_sid) {
        return Ok(sent_on);
    }
    if state.auth_token(None).is_none() {
        return Err(Refused::Unavailable);
    }
    state.check(None, webhook)?;
    counter!("frontdesk_calls_rejected_total", "reason" => "database away").increment(1);
    Ok(apology().into_response())
}

/// Takes the call. `None`: it goes to the agent's fallback, also because taking it lasts too long;
/// then it is let go of when it has been taken.
async fn admit_in_time(
    state: &Arc<AppState>,
    agent: &Arc<Agent>,
    call_sid: &str,
    caller: Caller,
) -> Result<Option<Document>, Foreign> {
    let started_us = unix_us(clock::unix_now());
    let mut admitting = {
        let (state, agent, call_sid) = (Arc::clone(state), Arc::clone(agent), call_sid.to_owned());
        clock::spawn(async move { state.admit(&agent, &call_sid, caller).await })
    };
    match clock::within(ADMIT_LIMIT, &mut admitting).await {
        Some(Ok(admitted)) => admitted,
        // The admission panicked, which is a bug; the caller is answered all the same.
        Some(Err(_)) => Ok(None),
        None => {
            counter!("frontdesk_calls_rejected_total", "reason" => "late").increment(1);
            let (state, agent) = (Arc::clone(state), Arc::clone(agent));
            let call_sid = call_sid.to_owned();
            clock::spawn(async move {
                if let Ok(Ok(Some(_))) = admitting.await {
                    let_go_late(&state, &agent, &call_sid, started_us).await;
                }
            });
            Ok(None)
        }
    }
}

/// A call was taken when its caller had been sent to the fallback already: its task lets go of it,
/// and its row says where the caller is.
async fn let_go_late(state: &Arc<AppState>, agent: &Agent, call_sid: &str, started_us: i64) {
    const WHY: &str = "taken too late";
    let handle = state.services.registry.find(agent.id, call_sid);
    if let Some(handle) = &handle {
        handle.let_go(false).await;
    }
    match (state.settled(agent.id, call_sid).await, handle) {
        (Some(row), _) if row.ended || row.is_out => {}
        (Some(row), _) => {
            let record = CallRecord::new();
            state.leave_for_fallback(agent, &row, call_sid, &record, WHY).await;
        }
        // The row is in the spool, and what is said of it goes there behind it.
        (None, Some(handle)) => {
            let new = NewCall {
                id: handle.call_log_id,
                agent_id: agent.id,
                call_sid: call_sid.to_owned(),
                caller: String::new().into(),
                instance_id: state.services.instance_id,
                nonce: String::new(),
                limit: None,
                metadata: state.first_metadata(call_sid).into(),
                started_us,
            };
            state.leave_row(agent, new, handle.epoch, WHY).await;
        }
        // Its task has ended it.
        (None, None) => {}
    }
}
