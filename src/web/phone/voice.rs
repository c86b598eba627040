//! `POST /twilio/voice`: a call comes in.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Uri};
use metrics::{counter, histogram};

use super::answer::{apology, hang_up, nobody};
use super::{Document, Refused, unbroken};
use crate::agent::Agent;
use crate::call::CallRecord;
use crate::clock::{self, Stopwatch};
use crate::line::directory::LookUp;
use crate::line::record::unix_us;
use crate::private::Private;
use crate::store::NewCall;
use crate::twilio::form::Form;
use crate::web::Front;

/// How long taking a call may last. With what finding the agent may take, Twilio has an answer
/// within 5 s whatever the machine is busy with.
const ADMIT_LIMIT: Duration = Duration::from_millis(2_500);

/// Answers the webhook of every number. Each way ends in TwiML that leaves the caller with
/// somebody or something that speaks, or in a status that sends Twilio to its own fallback.
pub(super) async fn voice(
    State(front): State<Arc<Front>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let since = Stopwatch::start();
    let answered = unbroken(async move {
        let form = Form::parse(&body)?;
        if let Some(sent_on) = front.sent_on(form.call_sid()?) {
            return Ok(sent_on);
        }
        let document = answer(&front, &uri, &headers, &form).await?;
        Ok::<Response, Refused>(document.into_response())
    })
    .await;
    histogram!("frontdesk_webhook_seconds").record(since.elapsed());
    answered
}

async fn answer(
    front: &Arc<Front>,
    uri: &Uri,
    headers: &HeaderMap,
    form: &Form,
) -> Result<Document, Refused> {
    let call_sid = form.call_sid()?.to_owned();
    form.to()?;
    // A call that is already here keeps its agent, whatever has become of the number since.
    let here = front.exchange.registry.find(&call_sid).map(|handle| handle.agent);
    let called = match here {
        Some(agent) => LookUp::Found(agent),
        None => front.called(form).await,
    };
    let LookUp::Found(agent) = called else {
        let is_unavailable = matches!(called, LookUp::Unavailable);
        if is_unavailable && front.auth_token(None).is_none() {
            return Err(Refused::Unavailable);
        }
        front.check(None, uri, headers, form)?;
        if is_unavailable {
            counter!("frontdesk_calls_rejected_total", "reason" => "database away").increment(1);
            return Ok(apology());
        }
        counter!("frontdesk_calls_rejected_total", "reason" => "no agent").increment(1);
        return Ok(nobody());
    };
    front.check(Some(&agent), uri, headers, form)?;
    if form.call_status().is_some_and(|status| status.is_over()) {
        return Ok(hang_up());
    }
    let admitted = admit_in_time(front, &agent, call_sid, form.from()).await;
    Ok(admitted.unwrap_or_else(|| front.fallback(&agent, form)))
}

/// Takes the call. `None`: it goes to the agent's fallback, also because taking it lasts too long;
/// then it is let go of when it has been taken.
async fn admit_in_time(
    front: &Arc<Front>,
    agent: &Arc<Agent>,
    call_sid: String,
    caller: Private<String>,
) -> Option<Document> {
    let started_us = unix_us(clock::unix_now());
    let mut admitting = {
        let (front, agent, call_sid) = (Arc::clone(front), Arc::clone(agent), call_sid.clone());
        clock::spawn(async move { front.admit(&agent, &call_sid, caller).await })
    };
    match clock::within(ADMIT_LIMIT, &mut admitting).await {
        Some(Ok(admitted)) => admitted,
        // It panicked, which would be a bug: the caller is answered all the same.
        Some(Err(_)) => None,
        None => {
            counter!("frontdesk_calls_rejected_total", "reason" => "late").increment(1);
            let (front, agent) = (Arc::clone(front), Arc::clone(agent));
            clock::spawn(async move {
                if let Ok(Some(_)) = admitting.await {
                    let_go_late(&front, &agent, &call_sid, started_us).await;
                }
            });
            None
        }
    }
}

/// A call was taken when its caller had been sent to the fallback already: its task lets go of it,
/// and its row says where the caller is.
async fn let_go_late(front: &Arc<Front>, agent: &Agent, call_sid: &str, started_us: i64) {
    const WHY: &str = "taken too late";
    let handle = front.exchange.registry.find(call_sid);
    if let Some(handle) = &handle {
        handle.let_go(false).await;
    }
    match (front.settled(call_sid).await, handle) {
        (Some(row), _) if row.ended || row.is_out => {}
        (Some(row), _) => {
            let record = CallRecord::new();
            front.leave_for_fallback(agent, &row, call_sid, &record, WHY).await;
        }
        // The row is in the spool, and what is said of it goes there behind it.
        (None, Some(handle)) => {
            let new = NewCall {
                id: handle.call_log_id,
                agent_id: agent.id,
                call_sid: call_sid.to_owned(),
                caller: String::new().into(),
                instance_id: front.exchange.instance_id,
                nonce: String::new(),
                limit: None,
                metadata: front.first_metadata(call_sid).into(),
                started_us,
            };
            front.leave_row(agent, new, WHY).await;
        }
        // Its task has ended it.
        (None, None) => {}
    }
}
