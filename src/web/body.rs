//! Bodies of the API: a JSON object, or a problem that says what was wrong.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde_json::{Map, Value};

use super::AppState;
use super::problem::Problem;

/// The fields of the object that was sent. Nothing at all is an empty one.
#[derive(Debug)]
pub(super) struct JsonFields(pub(super) Map<String, Value>);

impl FromRequest<Arc<AppState>> for JsonFields {
    type Rejection = Problem;

    async fn from_request(
        request: Request,
        state: &Arc<AppState>,
    ) -> Result<Self, Self::Rejection> {
        let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let is_json = kind.is_none_or(|kind| {
            let kind = kind.split(';').next().unwrap_or_default().trim();
            kind.eq_ignore_ascii_case("application/json") || kind.ends_with("+json")
        });
        let body = Bytes::from_request(request, state)
            .await
            .map_err(|error| Problem::new(error.status(), "the body cannot be read: too large"))?;
        if body.is_empty() {
            return Ok(Self(Map::new()));
        }
        if !is_json {
            let why = "send the body as application/json";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, why));
        }
        match serde_json::from_slice(&body) {
            Ok(Value::Object(fields)) => Ok(Self(fields)),
            Ok(_) => Err(Problem::invalid("", "the body is no JSON object")),
            Err(error) => Err(Problem::invalid("", format!("the body is no JSON: {error}"))),
        }
    }
}

impl JsonFields {
    /// The fields, if their names are all known.
    ///
    /// # Errors
    /// The first that is not.
    pub(super) fn only(self, known: &[&str]) -> Result<Map<String, Value>, Problem> {
        unknown_in("", &self.0, known)?;
        Ok(self.0)
    }
}

/// Refuses names that are not known, so that nothing that was sent is left out in silence.
///
/// # Errors
/// The first such name, and what is accepted.
pub(super) fn unknown_in(
    above: &str,
    fields: &Map<String, Value>,
    known: &[&str],
) -> Result<(), Problem> {
    match fields.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => {
            let name: String = name.chars().take(60).collect();
            let detail = format!("an unknown name; accepted are {}", known.join(", "));
            Err(Problem::invalid(format!("{above}{name}"), detail))
        }
    }
}
