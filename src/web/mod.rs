//! HTTP: Twilio's routes and the operators'.

mod operators;
pub mod phone;
pub mod serve;
pub mod upgrade;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use metrics_exporter_prometheus::PrometheusHandle;

use crate::config::{PublicUrl, TwilioAccount};
use crate::line::Exchange;
use crate::line::directory::Directory;
use crate::store::Store;
use crate::twilio::form::MAX_BODY_BYTES;

/// What the routes work with.
#[derive(Debug)]
pub struct Front {
    /// The calls.
    pub exchange: Arc<Exchange>,
    /// Who answers which number.
    pub directory: Arc<Directory>,
    /// The database.
    pub store: Store,
    /// Where Twilio reaches us.
    pub public_url: PublicUrl,
    /// The account for agents without one of their own.
    pub twilio: TwilioAccount,
    /// This machine, where the host can send a request to another one.
    pub fly_machine_id: Option<String>,
    /// The numbers of `/metrics`.
    pub metrics: Option<PrometheusHandle>,
}

/// All routes.
pub fn router(front: Arc<Front>) -> Router {
    Router::new()
        .merge(phone::router())
        .merge(operators::router())
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(front)
}
