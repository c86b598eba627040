//! `OBJECT_STORE_URL` and the variables that S3 is reached with.

use std::path::PathBuf;

use secrecy::SecretString;
use url::Url;

use super::{ConfigError, Source, refused_address};

/// What `OBJECT_STORE_URL` may be.
const ACCEPTED: &str = "file:///folder or s3://bucket/prefix";

/// The object store that recordings go to, as `OBJECT_STORE_URL` says.
#[derive(Debug, Clone)]
pub enum ObjectStore {
    /// A folder of this machine.
    Folder(PathBuf),
    /// A bucket of S3 or of what speaks its protocol.
    S3 {
        /// The bucket's name.
        bucket: String,
        /// What every object's name begins with; may be empty.
        prefix: String,
        /// The standard variables that are set, by their names. What else there is of them is read
        /// where the connection is made.
        access: Vec<(&'static str, SecretString)>,
    },
}

/// Reads the variable `name`, and for S3 those of `access`. Unset: the folder `default`.
pub(super) fn read(
    source: Source<'_>,
    name: &'static str,
    access: &[&'static str],
    default: PathBuf,
) -> Result<ObjectStore, ConfigError> {
    let Some(text) = source(name) else { return Ok(ObjectStore::Folder(default)) };
    let bad = || refused_address(name, &text, ACCEPTED);
    let url = Url::parse(text.trim()).map_err(|_| bad())?;
    if url.query().is_some() || url.fragment().is_some() || url.port().is_some() {
        return Err(bad());
    }
    match url.scheme() {
        "file" => url.to_file_path().map(ObjectStore::Folder).map_err(|()| bad()),
        "s3" if url.username().is_empty() && url.password().is_none() => {
            let bucket = url.host_str().filter(|host| !host.is_empty()).ok_or_else(bad)?;
            let set = |name: &'static str| Some((name, SecretString::from(source(name)?)));
            Ok(ObjectStore::S3 {
                bucket: bucket.to_owned(),
                prefix: url.path().trim_matches('/').to_owned(),
                access: access.iter().copied().filter_map(set).collect(),
            })
        }
        _ => Err(bad()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<ObjectStore, ConfigError> {
        let source = |name: &str| match name {
            "OBJECT_STORE_URL" => (!url.is_empty()).then(|| url.to_owned()),
            "AWS_REGION" => Some("eu-central-1".to_owned()),
            _ => None,
        };
        super::read(&source, "OBJECT_STORE_URL", &["AWS_REGION", "AWS_ENDPOINT"], "/d".into())
    }

    #[test]
    fn a_folder_or_a_bucket_is_read() {
        for (url, folder) in [("", "/d"), ("file:///srv/recordings", "/srv/recordings")] {
            let ObjectStore::Folder(path) = read(url).unwrap() else { panic!("{url}") };
            assert_eq!(path, PathBuf::from(folder));
        }
        for (url, expected) in [("s3://calls", ""), ("s3://calls/a/b/", "a/b")] {
            let ObjectStore::S3 { bucket, prefix, access } = read(url).unwrap() else {
                panic!("{url}")
            };
            assert_eq!((bucket.as_str(), prefix.as_str()), ("calls", expected));
            assert_eq!(access.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["AWS_REGION"]);
        }
    }

    #[test]
    fn what_is_neither_is_refused_in_one_line() {
        for url in [
            "/srv/recordings",
            "file://host/x",
            "gs://bucket",
            "s3://",
            "https://bucket.example.com",
            "s3://key:hunter2@bucket/x",
        ] {
            let error = read(url).unwrap_err().to_string();
            assert!(error.starts_with("OBJECT_STORE_URL: "), "{error}");
            assert!(error.contains("accepted: file:///folder or s3://bucket/prefix"), "{error}");
            assert!(!error.contains("hunter2") && !error.contains('\n'), "{error}");
        }
    }
}
