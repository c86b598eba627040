//! The database that the server starts with: the one it is told of, or one of its own.

use std::path::Path;
use std::time::Duration;

use secrecy::ExposeSecret;
use tracing::error;

use super::StartError;
use crate::clock;
use crate::config::Config;
use crate::store::Store;
use crate::store::migrate::{SchemaState, is_current};

/// How long the database may take to say at the start whether its schema is there.
const SCHEMA_LIMIT: Duration = Duration::from_secs(3);

/// The database that the server uses.
pub(super) struct Database {
    pub(super) store: Store,
    /// Whether it tells of changes.
    pub(super) notifies: bool,
    /// Whether it answered.
    pub(super) is_up: bool,
    #[cfg(feature = "embedded")]
    pub(super) embedded: Option<crate::store::embedded::Embedded>,
}

impl Database {
    pub(super) async fn open(config: &Config) -> Result<Self, StartError> {
        match &config.database_url {
            Some(url) => {
                let store = Store::sharing(url.expose_secret(), config.database_connections)?;
                let is_up = require_schema(&store).await?;
                Ok(Self {
                    store,
                    notifies: true,
                    is_up,
                    #[cfg(feature = "embedded")]
                    embedded: None,
                })
            }
            None => Self::embedded(&config.data_dir).await,
        }
    }

    #[cfg(feature = "embedded")]
    async fn embedded(data_dir: &Path) -> Result<Self, StartError> {
        use crate::rehearsal::embedding::embed;
        use crate::store::{embedded::Embedded, migrate::migrate, sample::seed_sample};

        let embedded = Embedded::start(data_dir).await?;
        let pool = embedded.pool().await.map_err(crate::store::StoreError::from)?;
        migrate(&pool).await?;
        if let Some(sample) =
            seed_sample(&pool, embed).await.map_err(crate::store::StoreError::from)?
            && sample.created
        {
            tracing::info!(number = sample.number, "a sample business answers");
        }
        Ok(Self { store: Store::new(pool), notifies: false, is_up: true, embedded: Some(embedded) })
    }

    #[cfg(not(feature = "embedded"))]
    async fn embedded(_data_dir: &Path) -> Result<Self, StartError> {
        Err(StartError::NoDatabase)
    }
}

/// A reachable database must have the schema; an unreachable one may come back. Gives whether it
/// was reached.
async fn require_schema(store: &Store) -> Result<bool, StartError> {
    match clock::within(SCHEMA_LIMIT, is_current(store.pool())).await {
        Some(Ok(SchemaState::Current)) => Ok(true),
        Some(Ok(SchemaState::Missing)) => Err(StartError::Schema("missing")),
        Some(Ok(SchemaState::Old)) => Err(StartError::Schema("old")),
        Some(Err(_)) | None => {
            error!("the database cannot be reached; /readyz says so until it can");
            Ok(false)
        }
    }
}
