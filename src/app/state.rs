//! What the routes share.

use std::sync::Arc;

use super::made::Made;
use super::{StartError, numbers};
use crate::clock::Supervisor;
use crate::config::{Config, PublicUrl};
use crate::line::directory::Directory;
use crate::recovery::peers::Peers;
use crate::store::Store;
use crate::web::live::LiveHub;
use crate::web::owners::Owners;
use crate::web::phone::{
    Announced, IdempotencyCache, MadeUp, Noting, TestCalls, Unsigned, Unwritten,
};
use crate::web::{AppState, operators};

/// What the routes share with the rest of the server.
pub(super) struct Around<'a> {
    pub(super) store: &'a Store,
    pub(super) directory: &'a Arc<Directory>,
    pub(super) peers: Peers,
    pub(super) public_url: &'a PublicUrl,
    pub(super) unwritten: &'a Unwritten,
    pub(super) tasks: &'a Supervisor,
}

/// Makes it.
pub(super) fn app_state(
    made: &Made,
    config: &Config,
    around: Around<'_>,
) -> Result<Arc<AppState>, StartError> {
    let Around { store, directory, peers, public_url, unwritten, tasks } = around;
    let (console, archive) = (store.for_console(), made.archive.clone());
    Ok(Arc::new(AppState {
        services: Arc::clone(&made.services),
        directory: Arc::clone(directory),
        store: store.clone(),
        owners: Owners::new(console.clone(), archive, config.supabase.as_deref())?,
        test_calls: TestCalls::default(),
        live: LiveHub::new(console, made.services.log.clone()),
        public_url: public_url.clone(),
        twilio: config.twilio.clone(),
        client_address_header: config.client_address_header.clone(),
        fly_machine_id: config.fly_machine_id.clone(),
        peers,
        answers: IdempotencyCache::default(),
        made_up: MadeUp::default(),
        announced: Announced::default(),
        unsigned: Unsigned::default(),
        noting: Noting::default(),
        unwritten: unwritten.clone(),
        tasks: tasks.clone(),
        metrics: numbers::install(),
        rendered: operators::Rendered::default(),
    }))
}
