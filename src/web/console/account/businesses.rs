//! The businesses that somebody belongs to by others' word: invitations to answer, and a way out.

use std::sync::Arc;

use crate::web::routing::post;
use axum::Router;
use maud::{Markup, html};

use super::super::errors::{Fault, Shown};
use super::super::layout::Shell;
use super::super::time;
use super::done;
use crate::store::invitations::{Belonging, OwnWish};
use crate::store::people::Viewer;
use crate::web::AppState;
use crate::web::guard::{PageId, in_person};
use crate::web::session::PageRequest;

/// Its routes.
pub(super) fn router() -> Router<Arc<AppState>> {
    Router::new()
        .route("/account/businesses/{id}/accept", post(accept))
        .route("/account/businesses/{id}/decline", post(decline))
        .route("/account/businesses/{id}/leave", post(leave))
}

/// What is to be answered.
pub(super) fn invitations(belongings: &[Belonging]) -> Markup {
    let open = belongings.iter().filter(|belonging| belonging.is_invitation);
    html! {
        @for invitation in open {
            section .card {
                h2 { "An invitation from " bdi { (invitation.business) } }
                p { "Somebody there wants you to be " strong { (invitation.role.word()) } " there. Until you \
                    accept, they see nothing of you but the address that they invited. Then they see your \
                    name and when you were last here. You can leave at any time." }
                div .actions {
                    (button(invitation, "accept", "Accept", "main"))
                    (button(invitation, "decline", "Decline", ""))
                }
            }
        }
    }
}

/// Those that one belongs to.
pub(super) fn section(belongings: &[Belonging], shell: &Shell) -> Markup {
    let when = |us: i64| time::when(&time::at(us, &shell.zone()), &shell.now);
    let joined: Vec<_> = belongings.iter().filter(|one| !one.is_invitation).collect();
    html! {
        @if !joined.is_empty() {
            section aria-labelledby="businesses" {
                h2 #businesses { "Businesses you were invited to" }
                ul .list { @for one in joined {
                    li {
                        div .row {
                            span .grow {
                                strong { bdi { (one.business) } }
                                @if let Some(since) = one.since_us { " " span .quiet { "since " (when(since)) } }
                            }
                            span .badge { (if one.is_on { one.role.word() } else { "switched off" }) }
                        }
                        details {
                            summary { "Leave" span .hidden { " " (one.business) } }
                            p { "You see nothing of it any more, at once. An owner there can invite you again." }
                            (button(one, "leave", "Leave", "bad"))
                        }
                    }
                } }
            }
        }
    }
}

fn button(of: &Belonging, what: &str, words: &str, class: &str) -> Markup {
    html! {
        form method="post" action={ "/account/businesses/" (of.access_id) "/" (what) } {
            button class=(class) type="submit" { (words) span .hidden { " " (of.business) } }
        }
    }
}

async fn carry_out(
    state: &AppState,
    viewer: &Viewer,
    id: i64,
    (action, words, wish): (&'static str, &str, OwnWish),
) -> Shown {
    in_person(state, viewer, None, action).await?;
    match state.owners.store.change_own_access(viewer, id, wish).await? {
        true => Ok(done(words)),
        false => Err(Fault::NotFound),
    }
}

async fn accept(PageRequest { state, viewer }: PageRequest, PageId(id): PageId<i64>) -> Shown {
    carry_out(&state, &viewer, id, ("access.accept", "accepted", OwnWish::Accept)).await
}

async fn decline(PageRequest { state, viewer }: PageRequest, PageId(id): PageId<i64>) -> Shown {
    carry_out(&state, &viewer, id, ("access.decline", "declined", OwnWish::Decline)).await
}

async fn leave(PageRequest { state, viewer }: PageRequest, PageId(id): PageId<i64>) -> Shown {
    carry_out(&state, &viewer, id, ("access.leave", "left", OwnWish::Leave)).await
}
