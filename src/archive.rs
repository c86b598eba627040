//! Where recordings are kept: a folder, or a bucket of S3 or of what speaks its protocol.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt as _};
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::buffered::BufWriter;
use object_store::local::LocalFileSystem;
use object_store::path::Path as Key;
use object_store::prefix::PrefixStore;
use object_store::{Attribute, Attributes, GetOptions, GetRange, ObjectStoreExt, RetryConfig};
use secrecy::ExposeSecret;
use tokio::fs::File;
use tokio::io::AsyncWriteExt;

use crate::clock;
use crate::config::ObjectStore as Place;
use crate::files;

/// The content type of a recording.
const CONTENT_TYPE: &str = "audio/ogg; codecs=opus";
/// How long one attempt to store a file may take: 60 MB, the longest call there is, at 2 Mbit/s.
const PUT_LIMIT: Duration = Duration::from_secs(300);
/// How long one attempt to remove a file may take.
const REMOVE_LIMIT: Duration = Duration::from_secs(30);
/// How long the store may take to say that it has something.
const ASK_LIMIT: Duration = Duration::from_secs(5);
/// What is sent in one piece; a longer file goes in several. S3 takes no less than 5 MiB.
const PIECE_BYTES: usize = 5 << 20;

/// Why something was not stored or removed. Says nothing of what is in it.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file could not be read.
    #[error("the file cannot be read: {}", .0.kind())]
    File(#[from] io::Error),
    /// The store did not answer in time.
    #[error("the object store does not answer")]
    Slow,
    /// The store refused, or cannot be reached.
    #[error("the object store: {0}")]
    Store(&'static str),
    /// The store refused this one object: others it may give or remove.
    #[error("the object store: {0}")]
    Object(&'static str),
}

impl ArchiveError {
    /// Of what the library says.
    fn of(error: &object_store::Error) -> Self {
        use object_store::Error::{
            InvalidPath, NotImplemented, NotSupported, PermissionDenied, Precondition,
        };
        match error {
            PermissionDenied { .. }
            | InvalidPath { .. }
            | NotSupported { .. }
            | NotImplemented { .. }
            | Precondition { .. } => Self::Object(class(error)),
            // A folder where a file should be, and rights that are missing, are said in this way.
            object_store::Error::Generic { source, .. } if is_of_file(source.as_ref()) => {
                Self::Object("the file cannot be used")
            }
            _ => Self::Store(class(error)),
        }
    }
}

/// Whether the operating system says of one file what is wrong.
fn is_of_file(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return matches!(
                error.kind(),
                io::ErrorKind::IsADirectory
                    | io::ErrorKind::NotADirectory
                    | io::ErrorKind::PermissionDenied
                    | io::ErrorKind::DirectoryNotEmpty
                    | io::ErrorKind::InvalidFilename
            );
        }
        next = error.source();
    }
    false
}

/// A place that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadPlace {
    /// The folder for recordings cannot be made or opened.
    #[error("the folder {path} cannot be written: {source}")]
    Folder {
        /// The path of the folder.
        path: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// The bucket. The error names what is missing and repeats no secret.
    #[error("the bucket cannot be used with the AWS_ variables that are set: {0}")]
    Bucket(&'static str),
}

/// Where recordings are kept.
#[derive(Debug, Clone)]
pub struct Archive {
    store: Arc<dyn object_store::ObjectStore>,
    /// What is told of each object; a folder cannot be told anything.
    attributes: Attributes,
    /// Where it is on this machine, if it is.
    folder: Option<PathBuf>,
}

impl Archive {
    /// Opens the place; a folder is made if it is not there. A bucket is not asked anything yet.
    pub fn open(place: &Place) -> Result<Self, BadPlace> {
        match place {
            Place::Folder(path) => {
                let refused =
                    |source| BadPlace::Folder { path: path.display().to_string(), source };
                files::create_folder(path).map_err(refused)?;
                let store = LocalFileSystem::new_with_prefix(path)
                    .map_err(|error| refused(io::Error::other(class(&error))))?;
                let folder = Some(path.clone());
                Ok(Self { store: Arc::new(store), attributes: Attributes::new(), folder })
            }
            Place::S3 { bucket, prefix, access } => {
                let mut builder = AmazonS3Builder::from_env()
                    .with_bucket_name(bucket)
                    // Not all that speak the protocol remove several objects in one request.
                    .with_config(AmazonS3ConfigKey::DisableBulkDelete, "true")
                    // The uploader tries again later, with a fresh connection.
                    .with_retry(RetryConfig { max_retries: 1, ..RetryConfig::default() });
                for (name, value) in access {
                    let key = name.to_ascii_lowercase().parse::<AmazonS3ConfigKey>();
                    let value = value.expose_secret();
                    // An `http://` address is a deliberate choice, so it is allowed.
                    if *name == "AWS_ENDPOINT" && value.starts_with("http://") {
                        builder = builder.with_allow_http(true);
                    }
                    builder = builder.with_config(key.map_err(|_| BadPlace::Bucket(name))?, value);
                }
                let store = builder.build().map_err(|error| BadPlace::Bucket(class(&error)))?;
                let mut attributes = Attributes::new();
                attributes.insert(Attribute::ContentType, CONTENT_TYPE.into());
                let store = PrefixStore::new(store, prefix.as_str());
                Ok(Self { store: Arc::new(store), attributes, folder: None })
            }
        }
    }

    /// Stores a file under `name`, in the place of what was there.
    ///
    /// # Errors
    /// [`ArchiveError`]; nothing of it can be seen under the name then.
    pub async fn put(&self, name: &str, file: &Path) -> Result<(), ArchiveError> {
        let putting = async {
            let mut file = File::open(file).await?;
            let key = Key::from(name);
            let mut object = BufWriter::with_capacity(Arc::clone(&self.store), key, PIECE_BYTES)
                .with_attributes(self.attributes.clone());
            match tokio::io::copy(&mut file, &mut object).await {
                Ok(_) => object.shutdown().await.map_err(stored),
                Err(error) => {
                    // The store is asked to discard the parts that were sent.
                    let _ = object.abort().await;
                    Err(stored(error))
                }
            }
        };
        clock::within(PUT_LIMIT, putting).await.unwrap_or(Err(ArchiveError::Slow))?;
        self.close(name).await;
        Ok(())
    }

    /// Takes others' rights to what is stored away, and to the folders that it is in: the library
    /// makes both as the process's umask has it. A file system without rights, or a folder that is
    /// another user's, keeps no recording from being stored.
    async fn close(&self, name: &str) {
        let Some(folder) = self.folder.clone() else { return };
        let path = folder.join(name);
        let closing = tokio::task::spawn_blocking(move || {
            path.ancestors().take_while(|part| *part != folder).try_for_each(files::close)
        });
        if let Ok(Err(error)) = closing.await {
            let why = error.kind();
            tracing::warn!(%why, "a recording cannot be closed to other users of this machine");
        }
    }

    /// Takes others' rights to all that is there away, where it is a folder: earlier versions left
    /// them.
    pub async fn close_all(&self) {
        let Some(folder) = self.folder.clone() else { return };
        let closing = tokio::task::spawn_blocking(move || files::close_all(&folder));
        if closing.await.is_ok_and(|refused| refused > 0) {
            tracing::warn!("some recordings cannot be closed to other users of this machine");
        }
    }

    /// Removes what is under `name`, if there is anything.
    pub async fn remove(&self, name: &str) -> Result<(), ArchiveError> {
        let key = Key::from(name);
        match clock::within(REMOVE_LIMIT, self.store.delete(&key)).await {
            Some(Ok(()) | Err(object_store::Error::NotFound { .. })) => Ok(()),
            Some(Err(error)) => Err(ArchiveError::of(&error)),
            None => Err(ArchiveError::Slow),
        }
    }

    /// Stores something small and removes it again.
    pub async fn try_out(&self) -> Result<(), ArchiveError> {
        let key = Key::from(format!("frontdesk-doctor-{}", std::process::id()));
        let trying = async {
            self.store.put(&key, "doctor".into()).await?;
            self.store.delete(&key).await
        };
        match clock::within(REMOVE_LIMIT, trying).await {
            Some(tried) => tried.map_err(|error| ArchiveError::Store(class(&error))),
            None => Err(ArchiveError::Slow),
        }
    }

    /// How long what is under `name` is, in bytes; none if nothing is.
    pub async fn size(&self, name: &str) -> Result<Option<u64>, ArchiveError> {
        match clock::within(ASK_LIMIT, self.store.head(&Key::from(name))).await {
            Some(Ok(found)) => Ok(Some(found.size)),
            Some(Err(object_store::Error::NotFound { .. })) => Ok(None),
            Some(Err(error)) => Err(ArchiveError::of(&error)),
            None => Err(ArchiveError::Slow),
        }
    }

    /// A part of what is under `name`, as it comes.
    ///
    /// # Errors
    /// [`ArchiveError`]; then also of what comes later.
    pub async fn part(
        &self,
        name: &str,
        range: Range<u64>,
    ) -> Result<impl Stream<Item = Result<Bytes, ArchiveError>> + Send + use<>, ArchiveError> {
        let range = Some(GetRange::Bounded(range));
        let options = GetOptions { range, ..GetOptions::default() };
        let key = Key::from(name);
        let getting = self.store.get_opts(&key, options);
        match clock::within(ASK_LIMIT, getting).await {
            Some(Ok(found)) => Ok(found.into_stream().map_err(|error| ArchiveError::of(&error))),
            Some(Err(error)) => Err(ArchiveError::of(&error)),
            None => Err(ArchiveError::Slow),
        }
    }

    /// What is under `name`; for tests and for joining two parts of one call.
    pub async fn get(&self, name: &str) -> Result<Vec<u8>, ArchiveError> {
        let getting = async {
            let object = self.store.get(&Key::from(name)).await?;
            object.bytes().await
        };
        match clock::within(PUT_LIMIT, getting).await {
            Some(Ok(bytes)) => Ok(bytes.into()),
            Some(Err(error)) => Err(ArchiveError::Store(class(&error))),
            None => Err(ArchiveError::Slow),
        }
    }
}

/// The store's error that an I/O error holds.
fn stored(error: io::Error) -> ArchiveError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<object_store::Error>()) {
        Some(inner) => ArchiveError::Store(class(inner)),
        None => ArchiveError::File(error),
    }
}

/// An error's class, which repeats neither what was sent nor with what.
fn class(error: &object_store::Error) -> &'static str {
    match error {
        object_store::Error::NotFound { .. } => "not found: is the bucket there?",
        object_store::Error::PermissionDenied { .. } => "permission denied",
        object_store::Error::Unauthenticated { .. } => "the credentials are refused",
        object_store::Error::InvalidPath { .. } => "the name is refused",
        object_store::Error::NotSupported { .. } | object_store::Error::NotImplemented { .. } => {
            "not supported"
        }
        object_store::Error::UnknownConfigurationKey { .. } => "an unknown variable",
        _ => "it cannot be reached, or it failed",
    }
}

#[cfg(test)]
#[path = "archive_tests.rs"]
mod tests;
