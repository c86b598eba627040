//! Signing in at Supabase: with a password, or with a code that a mail brings and that is typed into
//! our page. The browser never has a token of Supabase's.

use std::sync::Arc;
use std::time::Duration;

use crate::web::routing::post;
use axum::extract::State;
use axum::response::Response;
use axum::{Form, Router};
use http::request::Parts;
use maud::html;
use serde::Deserialize;

use super::AppState;
use super::console::errors::{Fault, Shown};
use super::console::layout;
use super::session::{SignedOut, begin, client_network};
use super::sign_in::{note_refused, own_path, signed_in};
use crate::clock;
use crate::private::Private;
use crate::supabase::SignedIn;

/// Its routes.
pub(super) fn router() -> Router<Arc<AppState>> {
    Router::new()
        .route("/sign-in/password", post(password))
        .route("/sign-in/code", post(send_code))
        .route("/sign-in/verify", post(verify_code))
}

/// The form for an address and a password, or for a code by mail.
pub(super) fn page(next: &str, error: Option<&str>) -> Response {
    layout::outside(
        "Sign in",
        &html! {
            h1 { "Sign in" }
            @if let Some(error) = error { p .error role="alert" { (error) } }
            form method="post" action="/sign-in/password" {
                input type="hidden" name="next" value=(next);
                label for="email" { "E-mail address" }
                input #email type="email" name="email" required autocomplete="username";
                label for="password" { "Password" }
                input #password type="password" name="password" required autocomplete="current-password";
                label .check { input type="checkbox" name="remember" value="yes"; " Keep me signed in for a week" }
                button .main type="submit" { "Sign in" }
            }
            h2 { "No password at hand?" }
            form method="post" action="/sign-in/code" {
                input type="hidden" name="next" value=(next);
                label for="code-email" { "E-mail address" }
                input #code-email type="email" name="email" required autocomplete="username";
                button type="submit" { "Send me a code" }
            }
        },
    )
}

/// The form for the code that was sent.
fn code_page(email: &str, next: &str, error: Option<&str>) -> Response {
    layout::outside(
        "Enter the code",
        &html! {
            h1 { "Enter the code" }
            p { "If " bdi { (email) } " may sign in here, a mail with a six-digit code is on its way." }
            @if let Some(error) = error { p .error role="alert" { (error) } }
            form method="post" action="/sign-in/verify" {
                input type="hidden" name="next" value=(next);
                input type="hidden" name="email" value=(email);
                label for="code" { "Code" }
                input #code name="code" required inputmode="numeric" autocomplete="one-time-code" maxlength="10";
                label .check { input type="checkbox" name="remember" value="yes"; " Keep me signed in for a week" }
                button .main type="submit" { "Sign in" }
            }
            p { a href="/sign-in" { "Start again" } }
        },
    )
}

/// What the forms send.
#[derive(Deserialize)]
struct SupabaseForm {
    email: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    code: String,
    next: Option<String>,
    remember: Option<String>,
}

/// How long an attempt waits for its answer once there were very many for its e-mail address.
const SLOW: Duration = Duration::from_secs(3);

/// As much of an e-mail address counts, in characters.
const EMAIL_MAX: usize = 254;

/// What is tried.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Try {
    /// A password, or to be sent a code.
    Any,
    /// A code, which has few digits.
    Code,
}

/// Counts a try from this address, and from this address for this e-mail address. Nobody else is kept out
/// by it: however often others tried for the same e-mail address, an attempt from elsewhere is made. It
/// is only slower then. But a code, which strangers may guess, is tried so often in all and no more; a
/// password still signs in.
///
/// # Errors
/// There were too many from here, or of a code: again in so many seconds.
async fn count_try(state: &AppState, parts: &Parts, email: &str, what: Try) -> Result<(), u64> {
    let limits = &state.owners.limits;
    let address = client_network(state, parts);
    let email: String = email.trim().to_lowercase().chars().take(EMAIL_MAX).collect();
    let pair = format!("{address} {email}");
    limits.sign_in.take(&address)?;
    if what == Try::Code {
        limits.sign_in_code.take(&pair)?;
        limits.sign_in_codes_most.take(&email)?;
    }
    limits.sign_in_pair.take(&pair)?;
    let is_code_slow = what == Try::Code && limits.sign_in_codes.take(&email).is_err();
    if limits.sign_in_email.take(&email).is_err() || is_code_slow {
        clock::pause(SLOW).await;
    }
    Ok(())
}

async fn password(
    State(state): State<Arc<AppState>>,
    parts: Parts,
    Form(form): Form<SupabaseForm>,
) -> Shown {
    let supabase = state.owners.supabase.as_ref().ok_or(Fault::NotFound)?;
    count_try(&state, &parts, &form.email, Try::Any).await.map_err(Fault::TooMany)?;
    let next = own_path(form.next.as_deref());
    let (email, password) = (Private::new(form.email), Private::new(form.password));
    match supabase.sign_in.password(&email, &password).await {
        Ok(signed_in) => admit(&state, &parts, &signed_in, next, form.remember.is_some()).await,
        Err(why) => {
            note_refused(&state, &parts).await?;
            Ok(page(next, Some(&why.to_string())))
        }
    }
}

async fn send_code(
    State(state): State<Arc<AppState>>,
    parts: Parts,
    Form(form): Form<SupabaseForm>,
) -> Shown {
    let supabase = state.owners.supabase.as_ref().ok_or(Fault::NotFound)?;
    count_try(&state, &parts, &form.email, Try::Any).await.map_err(Fault::TooMany)?;
    let next = own_path(form.next.as_deref());
    let email = Private::new(form.email);
    Ok(match supabase.sign_in.send_code(&email).await {
        Ok(()) => code_page(email.reveal(), next, None),
        Err(why) => page(next, Some(&why.to_string())),
    })
}

async fn verify_code(
    State(state): State<Arc<AppState>>,
    parts: Parts,
    Form(form): Form<SupabaseForm>,
) -> Shown {
    let supabase = state.owners.supabase.as_ref().ok_or(Fault::NotFound)?;
    count_try(&state, &parts, &form.email, Try::Code).await.map_err(Fault::TooMany)?;
    let next = own_path(form.next.as_deref());
    let (email, code) = (Private::new(form.email), Private::new(form.code));
    match supabase.sign_in.verify_code(&email, &code).await {
        Ok(signed_in) => admit(&state, &parts, &signed_in, next, form.remember.is_some()).await,
        Err(why) => {
            note_refused(&state, &parts).await?;
            Ok(code_page(email.reveal(), next, Some(&why.to_string())))
        }
    }
}

/// Begins a session of whoever Supabase says it is. Its token is looked at once, and dropped.
async fn admit(
    state: &AppState,
    parts: &Parts,
    came: &SignedIn,
    next: &str,
    remember: bool,
) -> Shown {
    let nobody = || Ok(page(next, Some("This account may not sign in here.")));
    let claims = match state.owners.claims(came.access_token.reveal()).await {
        Ok(Some(claims)) => claims,
        Ok(None) | Err(SignedOut::Nobody) => return nobody(),
        Err(SignedOut::TooMany(seconds)) => return Err(Fault::TooMany(seconds)),
        Err(SignedOut::Store(error)) => return Err(error.into()),
    };
    let Some(person) = state.owners.person(&claims).await? else { return nobody() };
    let cookie = begin(state, parts, person.id(), remember, claims.session_id).await?;
    signed_in(state, parts, person.id(), cookie, next).await
}
