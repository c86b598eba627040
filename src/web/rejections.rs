//! What a handler could not even be asked with: an address, a form or a body that cannot be read. The
//! framework says it in plain text, or with a status alone. Here it becomes an answer of ours, in one
//! place for all routes: a page of the console, or a problem of the API, that names what was wrong and
//! what is accepted.

use axum::body::to_bytes;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;

use super::console::errors;
use super::extract::unread;
use super::problem::Problem;
use crate::twilio::form::MAX_BODY_BYTES;

/// As much is read of what the framework says, in bytes.
const WORDS_BYTES: usize = 4 * 1024;

/// Explains what the framework refused.
pub(super) async fn explain(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let response = next.run(request).await;
    if !is_the_frameworks(&response) {
        return response;
    }
    let (head, body) = response.into_parts();
    let words = to_bytes(body, WORDS_BYTES).await.unwrap_or_default();
    explained(&path, head.status, &String::from_utf8_lossy(&words))
}

/// The answer to a request of which not even the body was read.
pub(super) fn of_body(path: &str, status: StatusCode) -> Response {
    // Twilio looks at the status alone.
    match path.starts_with("/twilio/") {
        true => status.into_response(),
        false => explained(path, status, ""),
    }
}

/// Whether the framework answered, and no handler of ours: these say what they refuse in HTML or JSON.
fn is_the_frameworks(response: &Response) -> bool {
    let can_be = matches!(response.status().as_u16(), 400 | 405 | 408 | 411 | 413 | 415 | 422);
    let kind = response.headers().get(CONTENT_TYPE).map(|kind| kind.as_bytes());
    can_be && kind.is_none_or(|kind| kind.starts_with(b"text/plain"))
}

fn explained(path: &str, status: StatusCode, words: &str) -> Response {
    let is_api = path.starts_with("/api/");
    // An id that cannot be one names nothing.
    let problem = match words.starts_with("Invalid URL") {
        true => Problem::not_found(),
        false => reason(status, words, is_api),
    };
    if is_api { problem.into_response() } else { errors::problem(&problem) }
}

fn reason(status: StatusCode, words: &str, is_api: bool) -> Problem {
    let why = match status.as_u16() {
        405 if !is_api => {
            "this address only takes what its form sends; open the page from the menu".to_owned()
        }
        405 => "this address is not asked with this method; accepted are those in the header Allow"
            .to_owned(),
        408 => {
            let why =
                "the request took too long; look whether it was done before you send it again";
            return Problem::new(status, why).partly_done();
        }
        413 => {
            let most = MAX_BODY_BYTES / 1024;
            format!("what was sent is too large; up to {most} kB are accepted")
        }
        415 => {
            let kind =
                if is_api { "application/json" } else { "application/x-www-form-urlencoded" };
            format!("what was sent is of a kind that is not read; it is to be {kind}")
        }
        _ => {
            let whole = match words.contains("query string") {
                true => "the address's query",
                false => "what was sent",
            };
            let read = unread(words, whole);
            let mut problem = Problem::new(status, read.detail.unwrap_or_default());
            problem.field = read.field;
            return problem;
        }
    };
    Problem::new(status, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_wrong_is_named() {
        let words = "Failed to deserialize query string: after: invalid digit found in string";
        let problem = reason(StatusCode::BAD_REQUEST, words, false);
        assert_eq!(problem.field.as_deref(), Some("after"));
        assert!(problem.detail.unwrap().contains("a whole number"));
        let large = reason(StatusCode::PAYLOAD_TOO_LARGE, "", true);
        assert!(large.detail.unwrap().contains(" kB"));
        let twice = "Failed to deserialize query string: duplicate field `agent`";
        let problem = reason(StatusCode::BAD_REQUEST, twice, false);
        assert_eq!(problem.field.as_deref(), Some("agent"));
    }

    #[test]
    fn twilio_is_told_a_status_alone() {
        let told = of_body("/twilio/voice", StatusCode::PAYLOAD_TOO_LARGE);
        assert!(told.headers().get(CONTENT_TYPE).is_none());
        let told = of_body("/api/v1/agents", StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(told.headers()[CONTENT_TYPE], "application/problem+json");
    }
}
