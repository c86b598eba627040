//! Keys for programs.

use std::sync::Arc;

use crate::web::routing::post;
use axum::Router;
use axum::extract::Form;
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

use super::{Again, done, show};
use crate::store::account::{NewToken, TokenRow};
use crate::store::people::Credential;
use crate::web::AppState;
use crate::web::console::errors::{Fault, Shown};
use crate::web::console::field::{choice, input};
use crate::web::console::layout::{Section, Shell};
use crate::web::console::time;
use crate::web::guard::{PageId, in_person};
use crate::web::invalid::Invalid;
use crate::web::secret::Secret;
use crate::web::session::PageRequest;
use crate::web::tokens::{PREFIX, checked};

/// Its routes.
pub(super) fn router() -> Router<Arc<AppState>> {
    Router::new()
        .route("/account/tokens", post(make))
        .route("/account/tokens/{id}/revoke", post(revoke))
}

/// What the form of a new key sends.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub(super) struct TokenForm {
    #[serde(rename = "token-name")]
    name: String,
    scope: String,
    days: String,
}

impl Default for TokenForm {
    fn default() -> Self {
        // A key that ends is the better one to begin with.
        Self { name: String::new(), scope: "read".to_owned(), days: LASTS[0].0.to_owned() }
    }
}

/// The choices of how long a key lasts: days, and the words.
const LASTS: [(&str, &str); 4] =
    [("90", "90 days"), ("365", "A year"), ("30", "30 days"), ("", "Until it is revoked")];
const SCOPES: [(&str, &str); 2] =
    [("read", "Read: changes nothing"), ("write", "Read and write: whatever you may do")];

pub(super) fn section(
    keys: &[TokenRow],
    (form, invalid): &(TokenForm, Vec<Invalid>),
    shell: &Shell,
) -> Markup {
    let when = |us: i64| time::when(&time::at(us, &shell.zone()), &shell.now);
    // In the form the name's field has a name of its own: the page has another name already.
    let named = |fault: &Invalid| match fault.field {
        "name" => Invalid::new("token-name", fault.detail.clone()),
        _ => fault.clone(),
    };
    let invalid: Vec<Invalid> = invalid.iter().map(named).collect();
    html! {
        section aria-labelledby="keys" {
            h2 #keys { "Keys for programs" }
            p .hint { "A program that has a key may do with the API what you may, but not manage people, keys or this account. The API describes itself at "
                a href="/api/v1/openapi.json" { "/api/v1/openapi.json" } "." }
            @if keys.is_empty() {
                p .empty { "No program has a key. Make one below for each program that asks for one." }
            } @else {
                ul .list { @for key in keys {
                    li .row {
                        span .grow {
                            strong { bdi { (key.name) } } " "
                            span .badge { @if key.may_write { "read and write" } @else { "read" } }
                            @if key.is_over { " " span .badge.warn { "expired" } }
                            br;
                            span .quiet {
                                "made " (when(key.created_us)) " · "
                                @match key.used_us {
                                    Some(used) => { "last used " (when(used)) }
                                    None => "never used",
                                }
                                @if let Some(ends) = key.expires_us { " · until " (when(ends)) }
                            }
                        }
                        form method="post" action={ "/account/tokens/" (key.id) "/revoke" } {
                            button .bad type="submit" { "Revoke" span .hidden { " " (key.name) } }
                        }
                    }
                } }
            }
            form .card method="post" action="/account/tokens" {
                h3 { "Make a key" }
                (input(("text", "token-name"), "What is it for", &form.name, &invalid))
                div .form-row {
                    (choice("scope", "It may", &SCOPES, &form.scope, &invalid))
                    (choice("days", "It lasts", &LASTS, &form.days, &invalid))
                }
                p { button type="submit" { "Make a key" } }
            }
        }
    }
}

/// Shows the key in the answer itself: it is kept nowhere from which another page could show it.
async fn make(PageRequest { state, viewer }: PageRequest, Form(sent): Form<TokenForm>) -> Shown {
    in_person(&state, &viewer, None, "token.make").await?;
    if let Credential::Token(_) = viewer.credential() {
        // A key makes no keys.
        return Err(Fault::NotFound);
    }
    let days = match sent.days.trim() {
        "" => None,
        days => Some(days.parse().unwrap_or(0)),
    };
    let again = |sent, invalid| Again { token: (sent, invalid), ..Again::default() };
    let (name, may_write, days) = match checked(&sent.name, &sent.scope, days) {
        Ok(new) => new,
        Err(invalid) => return show(&state, viewer, &html! {}, &again(sent, invalid)).await,
    };
    let secret = Secret::new(PREFIX);
    let new = NewToken { secret: secret.hash(), name: &name, may_write, days };
    let Some(token) = state.owners.store.make_token(&viewer, &new).await? else {
        let invalid = vec![Invalid::new("name", "is one too many: revoke a key first")];
        return show(&state, viewer, &html! {}, &again(sent, invalid)).await;
    };
    let shell = Shell::of(&state.owners.store, viewer, None).await?;
    Ok(shell.page(Some(Section::Account), "New key", &html! {
        h1 { "The key for " bdi { (token.name) } }
        p { "Copy it now: it is shown only this once." }
        pre #key { (secret.reveal()) }
        div .actions {
            button type="button" data-copy="key" { "Copy" }
            a .button href="/account" { "Back to the account" }
        }
        p .hint { "The program sends it with each request: " code { "Authorization: Bearer fd_…" } }
    }))
}

async fn revoke(PageRequest { state, viewer }: PageRequest, PageId(id): PageId<Uuid>) -> Shown {
    in_person(&state, &viewer, None, "token.revoke").await?;
    match state.owners.store.revoke_token(&viewer, id).await? {
        true => Ok(done("revoked")),
        false => Err(Fault::NotFound),
    }
}
