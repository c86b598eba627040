//! What requests to the API carry, with errors that name what was wrong.

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Json, Path, Query, Request};
use http::StatusCode;
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::problem::Problem;

/// A body of JSON.
#[derive(Debug)]
pub(super) struct ApiJson<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for ApiJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match Json::<T>::from_request(request, state).await {
            Ok(Json(body)) => Ok(Self(body)),
            Err(JsonRejection::JsonDataError(error)) => Err(unread(&error.body_text(), "the body")),
            Err(error) => Err(Problem::new(error.status(), error.body_text())),
        }
    }
}

/// What the address asks with.
#[derive(Debug)]
pub(super) struct ApiQuery<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for ApiQuery<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = Query::<T>::from_request_parts(parts, state).await;
        let why = |error: QueryRejection| unread(&error.body_text(), "the query");
        read.map(|Query(query)| Self(query)).map_err(why)
    }
}

/// What the path names. An id that cannot be one names nothing.
#[derive(Debug)]
pub(super) struct ApiPath<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for ApiPath<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = Path::<T>::from_request_parts(parts, state).await;
        read.map(|Path(path)| Self(path)).map_err(|_: PathRejection| Problem::not_found())
    }
}

/// serde's words, `Failed to …: field: what was wrong at line 1 column 7`, as a problem with the
/// field's name.
pub(super) fn unread(words: &str, whole: &str) -> Problem {
    let words = words.split_once(": ").map_or(words, |(_, rest)| rest);
    let words = words.split(" at line ").next().unwrap_or(words);
    let named = |what: &str| words.strip_prefix(what).and_then(|rest| rest.split('`').next());
    if let Some(field) = named("unknown field `") {
        return Problem::invalid(field.chars().take(60).collect::<String>(), words);
    }
    if let Some(field) = named("duplicate field `") {
        return Problem::invalid(field, "it is there twice; accepted is each field once");
    }
    match (named("missing field `"), words.split_once(": ")) {
        (Some(field), _) => Problem::invalid(field, "it is missing"),
        (None, Some((field, why))) if !field.contains(' ') => {
            Problem::invalid(field.chars().take(60).collect::<String>(), with_accepted(why))
        }
        _ => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, format!("{whole}: {words}")),
    }
}

/// What was wrong with a value, and what is accepted, which the words of parsers leave out.
fn with_accepted(why: &str) -> String {
    let is = |parts: &[&str]| parts.iter().any(|part| why.contains(part));
    let accepted = if is(&["invalid digit", "number too", "cannot parse integer"]) {
        "a whole number"
    } else if is(&["UUID parsing failed", "invalid character:", "invalid length:", "invalid group"])
    {
        "an id, as lists give it"
    } else if is(&["was not `true` or `false`"]) {
        "true or false"
    } else {
        return why.to_owned();
    };
    format!("{why}; accepted is {accepted}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_that_was_wrong_is_named() {
        let cases = [
            (
                "Failed to deserialize the JSON body into the target type: missing field `agent` at line 1 column 2",
                Some("agent"),
                "it is missing",
            ),
            (
                "Failed to deserialize the JSON body into the target type: agent: UUID parsing failed at line 1 column 9",
                Some("agent"),
                "UUID parsing failed; accepted is an id, as lists give it",
            ),
            (
                "Failed to deserialize query string: limit: invalid digit found in string",
                Some("limit"),
                "invalid digit found in string; accepted is a whole number",
            ),
            ("Failed to deserialize query string: odd", None, "the body: odd"),
            (
                "Failed to deserialize the JSON body into the target type: unknown field `isadmin`, expected `email` at line 1 column 9",
                Some("isadmin"),
                "unknown field `isadmin`, expected `email`",
            ),
        ];
        for (words, field, detail) in cases {
            let problem = unread(words, "the body");
            assert_eq!(problem.field.as_deref(), field, "{words}");
            assert_eq!(problem.detail.as_deref(), Some(detail), "{words}");
        }
    }
}
