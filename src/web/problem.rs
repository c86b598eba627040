//! Errors of the API: `application/problem+json` (RFC 9457).

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::Value;
use tracing::warn;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::store::StoreError;
use crate::store::access::Refused;

/// Why a request was not carried out.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Problem {
    /// A short name of the kind of problem, the same for all of its kind.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What was wrong with this request, and what is accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The part of the request that was wrong, such as `settings.limits.call_seconds`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What stands in the way, where there is something to look at.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub conflict: Option<Box<Value>>,
    /// All parts that were wrong, where there are several; the first is in `field` and `detail` too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub errors: Vec<FieldError>,
    #[serde(skip)]
    retry_after_s: Option<u32>,
    #[serde(skip)]
    is_unchanged: bool,
}

/// One of several parts of a request that were wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// Its name, such as `settings.limits.call_seconds`.
    pub field: String,
    /// What was wrong with it, and what is accepted.
    pub detail: String,
}

impl Problem {
    /// A problem of this kind.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            detail: Some(detail.into()),
            field: None,
            conflict: None,
            errors: Vec::new(),
            retry_after_s: None,
            // A request that is refused does nothing; one that breaks off may have begun.
            is_unchanged: status.is_client_error(),
        }
    }

    /// The same, where it is known that everything is as it was.
    #[must_use]
    pub fn unchanged(self) -> Self {
        Self { is_unchanged: true, ..self }
    }

    /// The same, where something was done before it.
    #[must_use]
    pub fn partly_done(self) -> Self {
        Self { is_unchanged: false, ..self }
    }

    /// Whether everything is as it was.
    pub fn is_unchanged(&self) -> bool {
        self.is_unchanged
    }

    /// 404: there is no such thing, or it is not to be known of.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "there is no such thing here")
    }

    /// 401.
    pub fn signed_out() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "sign in, or send `Authorization: Bearer` with an API token that is in force",
        )
    }

    /// 422: a value that is not accepted, by the name of its field.
    pub fn invalid(field: impl Into<String>, detail: impl Into<String>) -> Self {
        let problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail);
        Self { field: Some(field.into()), ..problem }
    }

    /// 422: these values are not accepted; none if there is none of them.
    pub fn all_invalid(mut errors: Vec<FieldError>) -> Option<Self> {
        let first = errors.first().cloned()?;
        if errors.len() == 1 {
            errors.clear();
        }
        Some(Self { errors, ..Self::invalid(first.field, first.detail) })
    }

    /// What was wrong, part by part.
    pub fn into_errors(self) -> Vec<FieldError> {
        if !self.errors.is_empty() {
            return self.errors;
        }
        let (field, detail) = (self.field.unwrap_or_default(), self.detail.unwrap_or_default());
        vec![FieldError { field, detail }]
    }

    /// 409, and what stands in the way.
    pub fn conflict(detail: impl Into<String>, conflict: Value) -> Self {
        Self { conflict: Some(Box::new(conflict)), ..Self::new(StatusCode::CONFLICT, detail) }
    }

    /// 429: try again in so many seconds.
    pub fn too_many(seconds: u64) -> Self {
        Self::wait(seconds, format!("too many requests; try again in {seconds} s"))
    }

    /// 429, and why: try again in so many seconds.
    pub fn wait(seconds: u64, detail: impl Into<String>) -> Self {
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, detail);
        Self { retry_after_s: Some(u32::try_from(seconds).unwrap_or(u32::MAX)), ..problem }
    }

    /// Its status.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Away(_) | StoreError::Slow(_) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "the database does not answer now; calls are still being answered",
            ),
            StoreError::Refused(code) => {
                // The number ties what somebody reports to a line of the log.
                let number = Uuid::new_v4().simple().to_string()[..8].to_owned();
                warn!(%code, number, "the database refused what was sent");
                let why = "the database does not take what was sent, and this server did not see why; \
                           tell whoever runs it the number";
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, format!("{why} {number}"))
            }
            StoreError::NotAllowed(rule) => Self::new(StatusCode::CONFLICT, rule.to_string()),
            StoreError::Unreadable(column) => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                format!("column {column} of a row cannot be read"),
            ),
        }
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::NotFound => Self::not_found(),
            Refused::Forbidden { .. } | Refused::ReadOnly | Refused::InPerson => {
                Self::new(StatusCode::FORBIDDEN, refused.to_string())
            }
            Refused::Store(error) => error.into(),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (self.status(), body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Rule;

    #[test]
    fn no_client_reads_a_code_of_the_database() {
        let problem = Problem::from(StoreError::Refused("22008".to_owned()));
        let said = serde_json::to_string(&problem).unwrap();
        assert!(!said.contains("22008") && !said.contains("SQLSTATE"), "{said}");
        assert!(said.contains("the number "), "{said}");
    }

    #[test]
    fn what_a_rule_does_not_allow_is_a_conflict_in_words() {
        for (rule, words) in [
            (Rule::AgentsOfPlan, "delete one, or choose a larger plan"),
            (Rule::SourcesOfPlan, "remove one, or choose a larger plan"),
            (Rule::LastOwner, "make somebody else an owner first"),
            (Rule::Other, "ask whoever runs this server"),
        ] {
            let problem = Problem::from(StoreError::NotAllowed(rule));
            assert_eq!(problem.status(), StatusCode::CONFLICT);
            let detail = problem.detail.unwrap_or_default();
            assert!(detail.contains(words) && !detail.contains("SQLSTATE"), "{detail}");
        }
    }
}
