//! Bodies and queries of the API: what cannot be read is a problem that names its field.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::AppState;
use super::problem::Problem;

/// A body of JSON.
#[derive(Debug)]
pub(super) struct JsonBody<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Arc<AppState>> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(
        request: Request,
        state: &Arc<AppState>,
    ) -> Result<Self, Self::Rejection> {
        let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/json") {
            let why = "send the body as application/json";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, why));
        }
        let body = Bytes::from_request(request, state)
            .await
            .map_err(|error| Problem::new(error.status(), "the body cannot be read"))?;
        read(&body).map(Self)
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let words = error.inner().to_string();
        // A field that is missing or not known is named in the words alone.
        let named = words.split('`').nth(1).filter(|_| words.contains(" field `"));
        let field = match (path.as_str(), named) {
            (".", Some(named)) => named.to_owned(),
            (path, _) => path.to_owned(),
        };
        Problem::invalid(field.chars().take(60).collect::<String>(), words)
    })
}

/// What an address asks with.
#[derive(Debug)]
pub(super) struct ApiQuery<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<Arc<AppState>> for ApiQuery<T> {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut Parts,
        _: &Arc<AppState>,
    ) -> Result<Self, Self::Rejection> {
        match Query::try_from_uri(&parts.uri) {
            Ok(Query(query)) => Ok(Self(query)),
            Err(error) => Err(Problem::invalid("query", error.body_text())),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only whether it can be read is asked")]
    struct Wanted {
        name: String,
        minutes: Option<u32>,
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let field = |body: &str| read::<Wanted>(body.as_bytes()).unwrap_err().field.unwrap();
        assert_eq!(field("{}"), "name");
        assert_eq!(field(r#"{"name": 1}"#), "name");
        assert_eq!(field(r#"{"name": "x", "minutes": "y"}"#), "minutes");
        assert_eq!(field(r#"{"name": "x", "isadmin": true}"#), "isadmin");
        assert_eq!(field("[]"), ".");
        assert!(read::<Wanted>(br#"{"name": "x"}"#).is_ok());
    }
}
