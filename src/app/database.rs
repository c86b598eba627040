//! The database that the server starts with: the one it is told of, or one of its own.

use std::time::Duration;

use secrecy::ExposeSecret;
use tokio::task::JoinHandle;
use tracing::{error, info, warn};

use super::StartError;
use crate::clock;
use crate::config::Config;
use crate::database::{CONNECTIONS_MAX, OwnDatabase, Place};
use crate::store::finish::{Finished, finish};
use crate::store::migrate::{SchemaState, is_current, migrate, strangers_code};
use crate::store::vault::Vault;
use crate::store::{Store, StoreError};

/// How long the database may take to say at the start whether its schema is there.
const SCHEMA_LIMIT: Duration = Duration::from_secs(3);

/// The database that the server uses.
pub(super) struct Database {
    pub(super) store: Store,
    /// Whether the database answered at the start.
    pub(super) is_up: bool,
    /// The program's own, if it is that.
    pub(super) own: Option<OwnDatabase>,
}

impl Database {
    /// Opens the one that runs already, or the one that the configuration names, or starts one.
    pub(super) async fn open(
        own: Option<OwnDatabase>,
        config: &Config,
    ) -> Result<Self, StartError> {
        let connections = config.database_connections;
        let opened = match (own, &config.database_url) {
            (Some(own), _) => Self::own(own, connections).await,
            (None, Some(url)) => {
                let store = Store::sharing(url.expose_secret(), connections)?;
                let is_up = require_schema(&store).await?;
                Ok(Self { store, is_up, own: None })
            }
            (None, None) => {
                let place = Place {
                    data_dir: config.data_dir.clone(),
                    cache: config.postgres_cache.clone(),
                    is_durable: true,
                };
                let own = OwnDatabase::start(&place, &|stage| info!("{stage}")).await?;
                info!(
                    folder = %own.address().folder().display(),
                    "DATABASE_URL is not set: a PostgreSQL of the program's own runs"
                );
                Self::own(own, connections).await
            }
        }?;
        Ok(Self {
            store: opened.store.with_vault(Vault::of(config.secrets_key.as_ref())),
            ..opened
        })
    }

    /// Brings the program's own database up to date. A new one is empty: the console leads to the
    /// set-up.
    async fn own(own: OwnDatabase, connections: u32) -> Result<Self, StartError> {
        let connections = connections.min(CONNECTIONS_MAX);
        let store = Store::in_folder(own.address().folder(), connections);
        migrate(store.pool()).await?;
        Ok(Self { store, is_up: true, own: Some(own) })
    }

    /// Has the program's own database do what its migration left, while calls go on; of another
    /// database `frontdesk migrate` does it. Without it lists are slow, and no call is lost.
    pub(super) fn finishing(&self) -> Option<JoinHandle<()>> {
        self.own.as_ref()?;
        let store = self.store.in_background();
        Some(clock::spawn(async move {
            match finish(store.pool()).await {
                Ok(finished) if finished == Finished::default() => {}
                Ok(Finished { indexes, calls }) => {
                    info!(indexes, calls, "the migration is finished")
                }
                Err(error) => warn!(%error, "the migration is finished at the next start"),
            }
        }))
    }
}

/// A reachable database must have the schema; an unreachable one may come back. Gives whether it
/// was reached.
async fn require_schema(store: &Store) -> Result<bool, StartError> {
    match clock::within(SCHEMA_LIMIT, is_current(store.pool())).await {
        Some(Ok(SchemaState::Current)) => {
            require_trust(store).await?;
            Ok(true)
        }
        Some(Ok(SchemaState::Missing)) => Err(StartError::Schema("missing")),
        Some(Ok(SchemaState::Old)) => Err(StartError::Schema("old")),
        Some(Ok(SchemaState::Hidden)) => Err(StartError::Hidden),
        failed => {
            if !store.tell_outage().await {
                let late = || StoreError::Slow("no answer".to_owned());
                let error = failed.and_then(Result::err).map_or_else(late, StoreError::from);
                error!(%error, "the database does not say whether its schema is there");
            }
            Ok(false)
        }
    }
}

/// Nothing of others may run with the rights of our role: they would have all that it may, such as
/// reading every agent's credentials, with the first call. `migrate` stops at the same things, so what
/// is found here was laid since; a server that runs already is not stopped by it.
async fn require_trust(store: &Store) -> Result<(), StartError> {
    match clock::within(SCHEMA_LIMIT, strangers_code(store.pool())).await {
        Some(Ok(None)) => Ok(()),
        Some(Ok(Some(found))) => Err(StartError::Strangers(found)),
        Some(Err(_)) | None => {
            warn!("the database does not say whose code it would run with the rights of our role");
            Ok(())
        }
    }
}
