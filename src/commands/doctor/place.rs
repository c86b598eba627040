//! What is checked without asking anybody: variables, the address, the disk, the templates.

use std::io::Write;
use std::path::Path;

use url::{Host, Url};

use super::finding::Finding;
use crate::app::prompts;
use crate::archive::{Archive, BadPlace};
use crate::config::{Config, ConfigError, Misspelt, ObjectStore, PublicUrl};

/// A variable that cannot be used.
pub(super) fn refused(error: &ConfigError) -> Finding {
    let text = error.to_string();
    let (found, accepted) = text.rsplit_once("; accepted: ").unwrap_or((&text, ""));
    let found = found.split_once(": ").map_or(found, |(_, found)| found);
    Finding::fail(error.variable(), found, format!("accepted: {accepted}"))
}

/// A variable that is not read, and looks like one that is.
pub(super) fn misspelt(found: &Misspelt) -> Finding {
    Finding::warn(found.name.as_str(), "not read", format!("is {} meant?", found.meant))
}

pub(super) fn check(config: &Config, is_bad_url: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !is_bad_url {
        findings.push(public_url(config.public_url.as_ref()));
        findings.extend(client_address(config));
    }
    findings.push(data_dir(&config.data_dir));
    findings.extend(templates(config.prompts_dir.as_deref()));
    findings
}

/// Twilio opens media streams over TLS only.
fn public_url(public_url: Option<&PublicUrl>) -> Finding {
    const CHECK: &str = "PUBLIC_URL";
    const REMEDY: &str = "set it to the https address that Twilio reaches this server at";
    let Some(public_url) = public_url else {
        return Finding::warn(CHECK, "not set: Twilio cannot reach this machine", REMEDY);
    };
    let text = public_url.as_str();
    let is_local = is_local(text);
    if text.starts_with("https://") && !is_local {
        Finding::ok(CHECK, text)
    } else if is_local {
        Finding::warn(CHECK, format!("{text}: Twilio cannot reach this machine"), REMEDY)
    } else {
        let found = format!("{text}: Twilio opens media streams over https only");
        Finding::fail(CHECK, found, REMEDY)
    }
}

/// This server speaks no TLS: where it is reached over https there is a proxy in front, and without its
/// header all people have one address, and one limit on tries to sign in.
fn client_address(config: &Config) -> Option<Finding> {
    let is_behind = config.public_url.as_ref().is_some_and(|url| {
        let text = url.as_str();
        text.starts_with("https://") && !is_local(text)
    });
    let is_told = config.client_address_header.is_some() || config.fly_machine_id.is_some();
    (is_behind && !is_told).then(|| {
        Finding::warn(
            "CLIENT_ADDRESS_HEADER",
            "not set: behind the proxy all people have one address, and one limit on tries to sign in",
            "set it to the header in which the proxy says who asks, such as X-Forwarded-For",
        )
    })
}

fn is_local(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// The spool must take a record, synced, at any time.
fn data_dir(directory: &Path) -> Finding {
    let spool = directory.join("spool");
    match write_and_remove(&spool) {
        Ok(()) => Finding::ok("DATA_DIR", format!("{} can be written", spool.display())),
        Err(error) => {
            let found = format!("{} cannot be written: {error}", spool.display());
            let remedy = "give this user a directory that it may write, on a disk that survives \
                          a restart";
            Finding::fail("DATA_DIR", found, remedy)
        }
    }
}

fn write_and_remove(spool: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(spool)?;
    let path = spool.join(format!(".doctor-{}", std::process::id()));
    let written = std::fs::File::create(&path).and_then(|mut file| {
        file.write_all(b"doctor")?;
        file.sync_all()
    });
    let removed = std::fs::remove_file(&path);
    written.and(removed)
}

/// Whether a variable says where recordings go.
pub(super) fn is_of_archive(variable: &str) -> bool {
    variable == "OBJECT_STORE_URL" || variable.starts_with("AWS_")
}

/// Recordings wait on the disk for as long as the store does not take them.
pub(super) async fn archive(place: &ObjectStore) -> Finding {
    const CHECK: &str = "OBJECT_STORE_URL";
    let shown = match place {
        ObjectStore::Folder(folder) => folder.display().to_string(),
        ObjectStore::S3 { bucket, .. } => format!("the bucket {bucket}"),
    };
    let remedy = match place {
        ObjectStore::Folder(_) => "give this user a directory that it may write",
        ObjectStore::S3 { .. } => {
            "see whether the bucket is there, in AWS_REGION, at AWS_ENDPOINT, and whether this key \
             may put and delete objects in it"
        }
    };
    let archive = match Archive::open(place) {
        Ok(archive) => archive,
        Err(error @ BadPlace::Folder { .. }) => {
            return Finding::fail(CHECK, error.to_string(), remedy);
        }
        Err(error @ BadPlace::Bucket(_)) => {
            return Finding::fail(CHECK, error.to_string(), "set the AWS_ variables that it needs");
        }
    };
    match archive.try_out().await {
        Ok(()) => Finding::ok(CHECK, format!("{shown} takes recordings")),
        Err(error) => Finding::fail(CHECK, format!("{shown} takes no recordings: {error}"), remedy),
    }
}

fn templates(directory: Option<&Path>) -> Option<Finding> {
    let shown = directory?.display();
    Some(match prompts(directory) {
        Ok(_) => Finding::ok("PROMPTS_DIR", format!("the templates in {shown} can be used")),
        Err(error) => {
            let error = error.to_string();
            let found = error.strip_prefix("PROMPTS_DIR: ").unwrap_or(&error);
            Finding::fail("PROMPTS_DIR", found, "mend the template, or remove the file")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_judged_as_twilio_would() {
        for (address, line) in [
            (Some("https://calls.example.com"), "ok    PUBLIC_URL: https://calls.example.com"),
            (
                Some("http://calls.example.com"),
                "FAIL  PUBLIC_URL: http://calls.example.com: Twilio opens",
            ),
            (
                Some("http://127.0.0.1:8080"),
                "warn  PUBLIC_URL: http://127.0.0.1:8080: Twilio cannot",
            ),
            (Some("https://localhost"), "warn  PUBLIC_URL: https://localhost: Twilio cannot"),
            (None, "warn  PUBLIC_URL: not set"),
        ] {
            let address = address.map(|text| PublicUrl::parse(text).unwrap());
            let found = public_url(address.as_ref()).to_string();
            assert!(found.starts_with(line), "{found}");
        }
    }

    #[test]
    fn a_folder_that_is_a_file_cannot_be_written() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(data_dir(&folder.path().join("new")).remedy, None);
        assert_eq!(std::fs::read_dir(folder.path().join("new/spool")).unwrap().count(), 0);
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let found = data_dir(&file).to_string();
        assert!(found.starts_with("FAIL  DATA_DIR: ") && found.contains("cannot be written"));
    }
}
