//! Carries out a row of type `json_api`: one request, and its answer as data for the model, short
//! and without secrets.

#[cfg(test)]
mod tests;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::egress::{Client, EgressError, Request, Response};
use super::redact::{HIDDEN, Secrets};
use super::rendering::{RenderError, rendered};
use super::truncate::shorten;
use super::{CallContext, FunctionRequest, Outcome, PRETENDED};
use crate::agent::json_api::{ApiRequest, JsonApi, RequestError};
use crate::agent::template::value_of;
use crate::service_json;

/// The longest result that the model is given, bytes of JSON.
const RESULT_BYTES_MAX: usize = 3_800;
/// The longest answer to a request that was refused, which often says what to correct.
const REASON_BYTES_MAX: usize = 400;

/// A row of type `json_api`.
#[derive(Clone, Copy)]
pub(super) struct Row<'r> {
    /// `functions.id`.
    pub(super) id: Uuid,
    /// What the request is.
    pub(super) api: &'r JsonApi,
    /// The names of what it takes.
    pub(super) names: &'r [String],
}

/// Asks the service of a row.
pub(super) async fn json_api(
    client: &Client,
    caller: &CallContext,
    request: &FunctionRequest,
    row: Row<'_>,
    arguments: &Value,
) -> Outcome {
    let Row { id, api, names } = row;
    let named = &caller.agent.settings.secrets;
    let secrets = Secrets::in_answers(named, &api.written_out);
    let outcome = match fill(caller, api, names, arguments).await {
        Ok(_) if caller.pretends() => {
            let all = Secrets::of(named, &api.written_out);
            pretended(&all, fill_to_show(caller, api, names, arguments).await)
        }
        Ok(filled) => {
            let filled = with_key(filled, &key(caller, request, id, arguments));
            match send(client, caller.agent.id, api.time_limit, filled).await {
                Ok(response) => answered(api, &secrets, response),
                Err(error) => {
                    tracing::warn!(function = %id, reason = %error, "a service gave no answer");
                    unanswered(error, api)
                }
            }
        }
        Err(error) => {
            tracing::warn!(function = %id, reason = %error, "a request cannot be made");
            not_made(&error)
        }
    };
    Outcome { row: Some(id), ..outcome }
}

/// The request of a row for these arguments.
///
/// # Errors
/// [`NotMade`].
pub(super) async fn fill(
    caller: &CallContext,
    api: &JsonApi,
    names: &[String],
    arguments: &Value,
) -> Result<ApiRequest, NotMade> {
    let (template, values) = (api.clone(), values(caller, names, arguments));
    let filled = rendered(caller.agent.id, move || template.request(&values)).await;
    Ok(filled.map_err(NotMade::Render)??)
}

/// The same to be shown: a secret is a word in it before a template can make anything else of it. None:
/// without its secrets it cannot be made.
pub(super) async fn fill_to_show(
    caller: &CallContext,
    api: &JsonApi,
    names: &[String],
    arguments: &Value,
) -> Option<ApiRequest> {
    let template = api.clone();
    let origins = values(caller, names, arguments);
    let shown = values_with(caller, names, arguments, |_| HIDDEN);
    let filled = rendered(caller.agent.id, move || template.request_at(&origins, &shown)).await;
    filled.ok()?.ok()
}

/// Sends it.
///
/// # Errors
/// [`EgressError`].
pub(super) async fn send(
    client: &Client,
    agent: Uuid,
    time_limit: Duration,
    filled: ApiRequest,
) -> Result<Response, EgressError> {
    let ApiRequest { method, url, headers, body } = filled;
    let body = body.map(Into::into);
    client.send(Request { agent, time_limit, method, url, headers, body }).await
}

/// What would have been asked in another call than a test, without secrets.
fn pretended(secrets: &Secrets, filled: Option<ApiRequest>) -> Outcome {
    let would = filled.map(|filled| {
        json!({
            "method": filled.method.as_str(),
            "url": secrets.hide_in_url(filled.url.as_str()),
            "body": filled.body,
        })
    });
    let would = would.unwrap_or(Value::Null);
    let would = secrets.hide_in(would);
    let (would, _) = shorten(would, RESULT_BYTES_MAX);
    Outcome::done(json!({"result": null, "would_have_sent": would, "test": PRETENDED}))
}

/// What templates are filled in with. What is optional and was not given is there, and empty.
fn values(caller: &CallContext, names: &[String], arguments: &Value) -> minijinja::Value {
    values_with(caller, names, arguments, |secret| secret)
}

/// The same, with what is made of each secret.
fn values_with(
    caller: &CallContext,
    names: &[String],
    arguments: &Value,
    shown: for<'s> fn(&'s str) -> &'s str,
) -> minijinja::Value {
    let mut args: Map<_, _> = names.iter().map(|name| (name.clone(), Value::Null)).collect();
    args.extend(arguments.as_object().cloned().unwrap_or_default());
    let secrets = caller.agent.settings.secrets.iter();
    let secrets = secrets.map(|(name, secret)| (name.as_str(), shown(secret.reveal())));
    let mut values = caller.facts().values();
    values.insert("args".to_owned(), value_of(&args.into()));
    values.insert("secrets".to_owned(), minijinja::Value::from_pairs(secrets));
    minijinja::Value::from_pairs(values)
}

/// What keeps a deed from being done twice by services that know the header: the same for the same
/// wish of the model, which a service learns nothing from.
fn key(caller: &CallContext, request: &FunctionRequest, row: Uuid, arguments: &Value) -> String {
    let wish = json!([caller.call_log_id, request.engine_call_id, row, arguments]).to_string();
    URL_SAFE_NO_PAD.encode(Sha256::digest(wish))
}

fn with_key(mut request: ApiRequest, key: &str) -> ApiRequest {
    if let Ok(key) = HeaderValue::try_from(key)
        && !request.method.is_idempotent()
    {
        request.headers.entry(HeaderName::from_static("idempotency-key")).or_insert(key);
    }
    request
}

/// Why a request was not made.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotMade {
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error(transparent)]
    Render(RenderError),
}

/// What the model is told of a request that could not be filled in.
pub(super) fn not_made(error: &NotMade) -> Outcome {
    Outcome::refused(match error {
        NotMade::Request(RequestError::Template(error)) => match error.missing() {
            Some(name) if name.contains("args.") => {
                format!("{name} is missing or empty; call again with it")
            }
            _ => NOT_SET_UP.to_owned(),
        },
        NotMade::Request(RequestError::Header(_)) => {
            "an argument has a line break or a control character; call again without".to_owned()
        }
        NotMade::Request(RequestError::Address) | NotMade::Render(_) => NOT_SET_UP.to_owned(),
    })
}

pub(super) const NOT_SET_UP: &str = "this function is not set up rightly; do not call it again, say that it is \
                          not possible now";

/// What the model is told when there is no answer. It learns nothing of the network.
pub(super) fn no_answer(error: EgressError, is_idempotent: bool) -> String {
    let error = error.told();
    let what = match error {
        EgressError::Refused(_) | EgressError::Redirected(_) => "the service cannot be reached",
        EgressError::Unreachable => "the service cannot be reached now",
        EgressError::RequestTooLarge => "the arguments are too long",
        EgressError::ResponseTooLarge => "the answer of the service is too large",
        EgressError::Busy => "too many requests at once; call again in a moment",
        EgressError::Broken => "the service broke off",
        EgressError::TimedOut => "the service did not answer in time",
    };
    if error.may_be_done() && !is_idempotent {
        format!("{what}; whether it was done is not known, so do not say that it was")
    } else {
        what.to_owned()
    }
}

/// What the model is told of no answer to a row's request.
pub(super) fn unanswered(error: EgressError, api: &JsonApi) -> Outcome {
    Outcome::refused(no_answer(error, api.is_idempotent()))
}

/// What the model is told of an answer.
pub(super) fn answered(api: &JsonApi, secrets: &Secrets, response: Response) -> Outcome {
    let body = read_body(&response);
    if !response.status.is_success() {
        return not_done(secrets, response.status, body);
    }
    let unclear = |what: &str| {
        Outcome::refused(if api.is_idempotent() {
            what.to_owned()
        } else {
            format!("{what}; whether it was done is not known, so do not say that it was")
        })
    };
    let Some(mut body) = body else {
        return unclear("the service answered with a page and not with data");
    };
    let picked = match body.pointer_mut(&api.result).map(Value::take) {
        Some(picked) => picked,
        // Nothing was answered, and nothing is wrong with that.
        None if body.is_null() => Value::Null,
        None => {
            let outcome = unclear("the service answered something else than was expected");
            let (answer, _) = shorten(secrets.hide_in(body), REASON_BYTES_MAX);
            return with_answer(outcome, answer);
        }
    };
    let (result, truncated) = shorten(secrets.hide_in(picked), RESULT_BYTES_MAX);
    let mut output = json!({"result": result});
    if truncated {
        output["truncated"] = json!(true);
    }
    Outcome::done(output)
}

fn not_done(secrets: &Secrets, status: StatusCode, body: Option<Value>) -> Outcome {
    let outcome = Outcome::refused(format!("the service answered {}", status.as_u16()));
    let reason = body.filter(|body| body.is_object() || body.is_array());
    let reason = reason.map(|reason| secrets.hide_in(reason));
    match reason.filter(|reason| reason.to_string().len() <= REASON_BYTES_MAX) {
        Some(reason) => with_answer(outcome, reason),
        None => outcome,
    }
}

fn with_answer(mut outcome: Outcome, answer: Value) -> Outcome {
    outcome.output["answer"] = answer;
    outcome
}

/// The data of an answer: JSON whatever it calls itself, nothing, or plain text. `None` if it is
/// something else, such as a page.
fn read_body(response: &Response) -> Option<Value> {
    if response.body.trim_ascii().is_empty() {
        return Some(Value::Null);
    }
    if let Ok(value) = service_json::from_slice(&response.body) {
        return Some(value);
    }
    let kind = response.content_type.as_deref().unwrap_or("text/plain").to_ascii_lowercase();
    let text = std::str::from_utf8(&response.body).ok().filter(|_| kind.starts_with("text/plain"));
    text.map(|text| text.trim().into())
}
