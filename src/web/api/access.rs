//! `/agents/{id}/access` and `/access/{id}`.

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
use crate::store::access::{Object, Oversee, Own};
use crate::store::members::{AccessChange, AccessWish, FirstInvitation, Invited, Member};
use crate::web::AppState;
use crate::web::extract::{ApiJson, ApiPath, ApiQuery};
use crate::web::guard::{may, may_in_person};
use crate::web::iso;
use crate::web::people::{Invitation, count_invitation, link_for, role};
use crate::web::problem::Problem;
use crate::web::session::ApiRequest;

/// Its routes.
pub(super) fn routes() -> OpenApiRouter<Arc<AppState>> {
    OpenApiRouter::new().routes(routes!(list, invite)).routes(routes!(change, remove))
}

/// Somebody with access to an agent.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AccessItem {
    /// What `/access/{id}` takes; null of whoever made the agent, who stays its owner.
    id: Option<i64>,
    /// Null of somebody who has not answered an invitation yet.
    person: Option<Uuid>,
    name: String,
    email: String,
    /// support, maintainer, owner or admin.
    role: &'static str,
    /// Whether it is switched on.
    active: bool,
    /// Whether they were invited and have not answered yet: nothing is told of them but the address.
    invited: bool,
    since: Option<String>,
    /// When they last used the console.
    last_seen: Option<String>,
}

impl AccessItem {
    fn of(member: &Member) -> Self {
        let time = |us: i64| iso::time(us, &TimeZone::UTC);
        Self {
            id: member.access_id,
            person: (!member.is_invited).then_some(member.person),
            name: member.name.reveal().clone(),
            email: member.email.reveal().clone(),
            role: member.role.word(),
            active: member.is_active,
            invited: member.is_invited,
            since: member.since_us.map(time),
            last_seen: member.seen_us.map(time),
        }
    }

    /// What the list goes on behind.
    fn place(&self) -> String {
        self.id.map_or_else(|| "maker".to_owned(), |id| id.to_string())
    }
}

/// The people of the agent, whoever made it first.
#[utoipa::path(
    get,
    path = "/agents/{id}/access",
    tag = "access",
    params(("id" = Uuid, Path), Paging),
    responses((status = 200, body = Page<AccessItem>), Refusals)
)]
async fn list(
    ApiRequest { state, viewer }: ApiRequest,
    ApiPath(id): ApiPath<Uuid>,
    ApiQuery(paging): ApiQuery<Paging>,
) -> Answer<Page<AccessItem>> {
    let access = may::<Oversee>(&state, &viewer, Object::Agent(id), "access.read").await?;
    let members = state.owners.store.members(&access).await?;
    let items = members.iter().map(AccessItem::of).collect();
    Ok(Json(paging.part_of(items, AccessItem::place)?))
}

/// Somebody who is to have access.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewAccess {
    email: String,
    name: Option<String>,
    /// support, maintainer, owner or, by an admin, admin.
    role: String,
}

/// Access that was given.
#[derive(Debug, Serialize, ToSchema)]
struct MadeAccess {
    access: AccessItem,
    /// A link that signs them in once, for you to send them; it is shown now and never again. Null
    /// where they have an account already, or where Supabase signs people in.
    sign_in_link: Option<String>,
}

/// Gives somebody access to the agent; makes their account if there is none. Whoever has one is invited:
/// the access is theirs when they accept it, signed in. Keys do not manage people: sign in for that.
#[utoipa::path(
    post,
    path = "/agents/{id}/access",
    tag = "access",
    params(("id" = Uuid, Path)),
    request_body = NewAccess,
    responses((status = 201, body = MadeAccess), Conflict, Refusals)
)]
async fn invite(
    ApiRequest { state, viewer }: ApiRequest,
    ApiPath(id): ApiPath<Uuid>,
    ApiJson(new): ApiJson<NewAccess>,
) -> Result<(StatusCode, Json<MadeAccess>), Problem> {
    let object = Object::Agent(id);
    let access = may_in_person::<Own>(&state, &viewer, object, "access.invite").await?;
    let name = new.name.as_deref().unwrap_or_default();
    let invitation = Invitation::read(&new.email, name, &new.role).map_err(|invalid| {
        let first = invalid.into_iter().next();
        first.map_or_else(Problem::not_found, Problem::from)
    })?;
    count_invitation(&state, &viewer, Problem::too_many).await?;
    let who = (invitation.email.as_str(), invitation.name.as_str());
    let made = state.owners.store.invite(&access, &viewer, who, invitation.role).await?;
    match made {
        Invited::Made(member) => {
            let sign_in_link = link_for(&state, &viewer, &access, &member).await?;
            let made = MadeAccess { access: AccessItem::of(&member), sign_in_link };
            Ok((StatusCode::CREATED, Json(made)))
        }
        Invited::Known(member) => Err(Problem::conflict(
            "this person has access already; change that",
            json!({"access": AccessItem::of(&member)}),
        )),
        Invited::NotInSupabase => {
            let detail = "Supabase knows nobody with this address; invite them there first";
            Err(Problem::invalid("email", detail))
        }
        Invited::Above => Err(above()),
        Invited::Unproven(first) => {
            let first = match first {
                FirstInvitation::Anothers => "somebody else invited this address first",
                FirstInvitation::Unknown => {
                    "this address was invited to another agent first, and it is not known who was \
                     given its sign-in link"
                }
            };
            Err(Problem::conflict(format!("{first}, and {UNPROVEN}"), json!({})))
        }
    }
}

/// Why an invitation from before stands in the way, and what to do.
const UNPROVEN: &str = "nobody has checked whose it is; whoever runs this server makes a link for them \
                        with frontdesk token, then invite them again";

fn above() -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "nobody gives, changes or ends a role above their own")
}

fn changed(change: AccessChange) -> Result<Option<Member>, Problem> {
    match change {
        AccessChange::Done(member, _) => Ok(member),
        AccessChange::Own => {
            let detail = "nobody changes or ends their own access; another owner can";
            Err(Problem::new(StatusCode::FORBIDDEN, detail))
        }
        AccessChange::Above => Err(above()),
        AccessChange::Unanswered => {
            let detail = "they were invited, and have not accepted yet: that is theirs to do";
            Err(Problem::new(StatusCode::FORBIDDEN, detail))
        }
        AccessChange::Gone => Err(Problem::not_found()),
    }
}

/// What is to change. What is not sent stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewRole {
    /// support, maintainer, owner or, by an admin, admin.
    role: Option<String>,
    /// Off, it gives nothing, at once.
    active: Option<bool>,
}

/// Changes somebody's role, or switches their access off and on.
#[utoipa::path(
    patch,
    path = "/access/{id}",
    tag = "access",
    params(("id" = i64, Path)),
    request_body = NewRole,
    responses((status = 200, body = AccessItem), Refusals)
)]
async fn change(
    ApiRequest { state, viewer }: ApiRequest,
    ApiPath(id): ApiPath<i64>,
    ApiJson(sent): ApiJson<NewRole>,
) -> Answer<AccessItem> {
    let object = Object::Access(id);
    let access = may_in_person::<Own>(&state, &viewer, object, "access.change").await?;
    let role = sent.role.as_deref().map(role).transpose()?;
    let wish = AccessWish { role, is_active: sent.active, is_removed: false };
    let change = state.owners.store.change_access(&access, &viewer, id, wish).await?;
    let member = changed(change)?.ok_or_else(Problem::not_found)?;
    Ok(Json(AccessItem::of(&member)))
}

/// Ends somebody's access, at once.
#[utoipa::path(
    delete,
    path = "/access/{id}",
    tag = "access",
    params(("id" = i64, Path)),
    responses((status = 204), Refusals)
)]
async fn remove(
    ApiRequest { state, viewer }: ApiRequest,
    ApiPath(id): ApiPath<i64>,
) -> Result<StatusCode, Problem> {
    let object = Object::Access(id);
    let access = may_in_person::<Own>(&state, &viewer, object, "access.remove").await?;
    let wish = AccessWish { is_removed: true, ..AccessWish::default() };
    changed(state.owners.store.change_access(&access, &viewer, id, wish).await?)?;
    Ok(StatusCode::NO_CONTENT)
}
