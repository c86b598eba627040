//! The owner's console: pages that are rendered here and need no JavaScript to be read or for their
//! forms to be sent.

mod account;
mod activity;
mod agent;
mod assets;
mod bookings;
mod call;
mod callers;
mod calls;
mod changes;
pub(super) mod errors;
mod field;
pub(super) mod framed;
mod functions;
mod health;
pub(super) mod knowledge;
mod languages;
pub(super) mod layout;
mod live;
mod named_numbers;
mod numbers;
mod overview;
mod paused;
mod people;
mod plain;
mod setup;
mod tasks;
mod time;
mod try_it;
mod twilio_account;
mod unfinished;
mod usage;
mod versions;
mod voices;
mod webhooks;
pub(super) mod words;
mod zones;

use std::sync::Arc;

use axum::Router;

use super::AppState;

/// All pages.
pub(super) fn router() -> Router<Arc<AppState>> {
    Router::new()
        .merge(assets::router())
        .merge(bookings::router())
        .merge(people::router())
        .merge(account::router())
        .merge(activity::router())
        .merge(health::router())
        .merge(knowledge::router())
        .merge(live::router())
        .merge(numbers::router())
        .merge(overview::router())
        .merge(setup::router())
        .merge(tasks::router())
        .merge(try_it::router())
        .merge(usage::router())
        .merge(webhooks::router())
        .merge(calls::router())
        .merge(call::router())
        .merge(agent::router())
        .merge(versions::router())
        .merge(functions::router())
        .merge(callers::router())
}
