//! What every route of the API may answer when it does not do what was asked.

use std::collections::BTreeMap;

use utoipa::IntoResponses;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};

/// 401, 403, 404, 422, 429 and 503, each with a problem.
pub(super) struct Refusals;

impl IntoResponses for Refusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let all = [
            ("401", "nobody is signed in"),
            ("403", "your role, or your token's scope, does not suffice"),
            ("404", "there is no such thing, or it is not yours to see"),
            ("422", "a value is not accepted; `field` names it"),
            ("429", "too many requests"),
            ("503", "the database does not answer now"),
        ];
        all.into_iter().map(|(status, words)| (status.to_owned(), problem(words))).collect()
    }
}

/// 409, with what stands in the way.
pub(super) struct Conflict;

impl IntoResponses for Conflict {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        BTreeMap::from([("409".to_owned(), problem("something stands in the way: `conflict`"))])
    }
}

fn problem(words: &str) -> RefOr<Response> {
    let schema = Ref::from_schema_name("Problem");
    let content = ContentBuilder::new().schema(Some(schema)).build();
    let response = ResponseBuilder::new().description(words);
    response.content("application/problem+json", content).build().into()
}
