//! The owner's console: pages that are rendered here and need no JavaScript to be read or for their
//! forms to be sent.

mod account;
mod activity;
mod assets;
mod bookings;
pub(super) mod errors;
mod field;
pub(super) mod layout;
mod overview;
mod people;
mod time;

use std::sync::Arc;

use axum::Router;

use super::AppState;

/// All pages.
pub(super) fn router() -> Router<Arc<AppState>> {
    Router::new()
        .merge(assets::router())
        .merge(overview::router())
        .merge(bookings::router())
        .merge(people::router())
        .merge(account::router())
        .merge(activity::router())
}
