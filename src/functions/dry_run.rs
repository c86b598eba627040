//! Tries a function without a call, for its owner: the request as it is sent, the answer, and what the
//! model would be told. It goes out by the same client, with the same limits, and really asks.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::redact::Secrets;
use super::rendering::rendered;
use super::{CallContext, Dialogues, Texts, egress, json_api};
use crate::agent::Agent;
use crate::agent::function::{AgentFunction, Work};
use crate::agent::json_api::ApiRequest;
use crate::clock::Stopwatch;
use crate::private::Private;

/// How long the service may take. The one who tries it waits on a page.
const TIME_LIMIT: Duration = Duration::from_secs(8);
/// As much of a text is shown, in characters.
const TEXT_MAX: usize = 8_000;

/// A request as it was sent, without secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentRequest {
    /// The HTTP method.
    pub method: String,
    /// Where it went.
    pub url: String,
    /// Its headers, by name.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Option<String>,
}

/// An answer as it came, without secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CameBack {
    /// The HTTP status.
    pub status: u16,
    /// What it says that it is.
    pub content_type: Option<String>,
    /// Its body, as text.
    pub body: String,
}

/// What came of trying a function.
#[derive(Debug, Clone, PartialEq)]
pub struct DryRun {
    /// What was sent; none if it could not be put together, or not without its secrets.
    pub request: Option<SentRequest>,
    /// What came back; none if nothing did.
    pub answer: Option<CameBack>,
    /// How long it took, ms.
    pub ms: u64,
    /// What the model would be told.
    pub output: Value,
}

/// Who is pretended to call, and with what.
#[derive(Debug)]
pub struct Pretended<'a> {
    /// The arguments that the model would give.
    pub arguments: &'a Map<String, Value>,
    /// The caller's number.
    pub caller: Private<String>,
}

/// Tries a function. `None`: it is of a kind that asks nobody by itself.
///
/// # Errors
/// A sentence that says which argument is wrong, and what is accepted.
pub async fn dry_run(
    client: &egress::Client,
    agent: &Arc<Agent>,
    function: &AgentFunction,
    pretended: Pretended<'_>,
) -> Result<Option<DryRun>, String> {
    let Work::JsonApi(api) = &function.work else { return Ok(None) };
    let (parameters, given) = (function.parameters.clone(), pretended.arguments.clone());
    let checked = rendered(agent.id, move || parameters.check(&given));
    let checked = checked.await.map_err(|error| error.to_string())?;
    let arguments = Value::Object(checked?);
    let call_log_id = Uuid::new_v4();
    let caller = CallContext {
        agent: Arc::clone(agent),
        call_log_id,
        // No call of Twilio's has such a name.
        call_sid: format!("FT{}", call_log_id.simple()),
        caller: pretended.caller,
        texts: Texts::default(),
        dialogues: Dialogues::default(),
        test: None,
    };
    let secrets = Secrets::of(&agent.settings.secrets, &api.written_out);
    let began = Stopwatch::start();
    let ms = || u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let names = function.parameters.names();
    let filled = match json_api::fill(&caller, api, names, &arguments).await {
        Ok(filled) => filled,
        Err(error) => {
            let output = json_api::not_made(&error).output;
            return Ok(Some(DryRun { request: None, answer: None, ms: ms(), output }));
        }
    };
    let shown = json_api::fill_to_show(&caller, api, names, &arguments).await;
    let request = shown.map(|shown| sent(&shown, &secrets));
    let time_limit = api.time_limit.min(TIME_LIMIT);
    let sending = json_api::send(client, agent.id, time_limit, filled).await;
    let (answer, outcome) = match sending {
        Ok(response) => {
            (Some(came_back(&response, &secrets)), json_api::answered(api, &secrets, response))
        }
        Err(error) => (None, json_api::unanswered(error, api)),
    };
    Ok(Some(DryRun { request, answer, ms: ms(), output: outcome.output }))
}

fn sent(request: &ApiRequest, secrets: &Secrets) -> SentRequest {
    let headers = request.headers.iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes());
        (name.as_str().to_owned(), secrets.hide(&value))
    });
    SentRequest {
        method: request.method.to_string(),
        url: secrets.hide_in_url(request.url.as_str()),
        headers: headers.collect(),
        body: request.body.as_ref().map(|body| shown(&secrets.hide(body))),
    }
}

fn came_back(response: &egress::Response, secrets: &Secrets) -> CameBack {
    CameBack {
        status: response.status.as_u16(),
        content_type: response.content_type.as_deref().map(|kind| secrets.hide(kind)),
        // Hidden before it is cut, or half a secret would stay at the end.
        body: shown(&secrets.hide(&String::from_utf8_lossy(&response.body))),
    }
}

fn shown(text: &str) -> String {
    text.chars().take(TEXT_MAX).collect()
}
