//! `/tokens`: keys for programs.

use std::sync::Arc;

use crate::web::routing::routes;
use axum::Json;
use http::StatusCode;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use super::paging::Paging;
use super::refusals::{Conflict, Refusals};
use super::{Answer, Page};
use crate::store::account::{NewToken, TOKENS_MAX, TokenRow};
use crate::web::AppState;
use crate::web::extract::{ApiJson, ApiPath, ApiQuery};
use crate::web::guard::in_person;
use crate::web::iso;
use crate::web::problem::Problem;
use crate::web::secret::Secret;
use crate::web::session::ApiRequest;
use crate::web::tokens::{PREFIX, checked};

/// Its routes.
pub(super) fn routes() -> OpenApiRouter<Arc<AppState>> {
    OpenApiRouter::new().routes(routes!(list, make)).routes(routes!(revoke))
}

/// A key, without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TokenItem {
    id: Uuid,
    name: String,
    /// read or write.
    scope: &'static str,
    created: String,
    expires: Option<String>,
    last_used: Option<String>,
    /// Whether it has expired.
    expired: bool,
}

impl TokenItem {
    fn of(token: &TokenRow) -> Self {
        let time = |us: i64| iso::time(us, &TimeZone::UTC);
        Self {
            id: token.id,
            name: token.name.clone(),
            scope: if token.may_write { "write" } else { "read" },
            created: time(token.created_us),
            expires: token.expires_us.map(time),
            last_used: token.used_us.map(time),
            expired: token.is_over,
        }
    }
}

/// Your keys that were not revoked, the newest first.
#[utoipa::path(
    get,
    path = "/tokens",
    tag = "tokens",
    params(Paging),
    responses((status = 200, body = Page<TokenItem>), Refusals)
)]
async fn list(
    ApiRequest { state, viewer }: ApiRequest,
    ApiQuery(paging): ApiQuery<Paging>,
) -> Answer<Page<TokenItem>> {
    let tokens = state.owners.store.tokens(&viewer).await?;
    let items = tokens.iter().map(TokenItem::of).collect();
    Ok(Json(paging.part_of(items, |item: &TokenItem| item.id.to_string())?))
}

/// A key that is to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct WantedToken {
    /// What you call it, so that you know later what uses it.
    name: String,
    /// read or write.
    scope: String,
    /// After so many days it ends, 1 to 3650; never, if it is not said.
    days: Option<i64>,
}

/// A key that was made.
#[derive(Debug, Serialize, ToSchema)]
struct MadeToken {
    token: TokenItem,
    /// What goes into `Authorization: Bearer`. It is shown now and never again.
    secret: String,
}

/// Makes a key for a program of yours. It may do what you may, and with `read` changes nothing. A
/// key makes no keys: sign in for that.
#[utoipa::path(
    post,
    path = "/tokens",
    tag = "tokens",
    request_body = WantedToken,
    responses((status = 201, body = MadeToken), Conflict, Refusals)
)]
async fn make(
    ApiRequest { state, viewer }: ApiRequest,
    ApiJson(wanted): ApiJson<WantedToken>,
) -> Result<(StatusCode, Json<MadeToken>), Problem> {
    in_person(&state, &viewer, None, "token.make").await?;
    let (name, may_write, days) =
        checked(&wanted.name, &wanted.scope, wanted.days).map_err(|invalid| {
            let first = invalid.into_iter().next();
            first.map_or_else(Problem::not_found, Problem::from)
        })?;
    let secret = Secret::new(PREFIX);
    let new = NewToken { secret: secret.hash(), name: &name, may_write, days };
    match state.owners.store.make_token(&viewer, &new).await? {
        Some(token) => {
            let made =
                MadeToken { token: TokenItem::of(&token), secret: secret.reveal().to_owned() };
            Ok((StatusCode::CREATED, Json(made)))
        }
        None => Err(Problem::conflict(
            "you have too many keys; revoke one first",
            json!({"most": TOKENS_MAX}),
        )),
    }
}

/// Revokes a key of yours, at once. A key revokes none: sign in for that.
#[utoipa::path(
    delete,
    path = "/tokens/{id}",
    tag = "tokens",
    params(("id" = Uuid, Path)),
    responses((status = 204), Refusals)
)]
async fn revoke(
    ApiRequest { state, viewer }: ApiRequest,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<StatusCode, Problem> {
    in_person(&state, &viewer, None, "token.revoke").await?;
    match state.owners.store.revoke_token(&viewer, id).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::not_found()),
    }
}
