//! The data in the database's folder, as it is created.

use std::io;
use std::path::Path;
use std::time::Duration;

use super::account::Account;
use super::binaries::Binaries;
use super::home::{Home, make_private};
use super::process::{self, TIED, last_words};
use super::{DatabaseError, leftovers};
use crate::clock::within;
use crate::files::blocking;

/// How long `initdb` may take: seconds, on a slow disk a minute.
const CREATE_LIMIT: Duration = Duration::from_secs(300);

/// Creates the data in the folder, with who may connect. Behind what ties it to the program.
const CREATE: &str = r#"
folder=$1 initdb=$2 rule=$3 map=$4
shift 4
"$initdb" --pgdata="$folder" --username=postgres --auth=trust --encoding=UTF8 --locale=C "$@" &&
printf '%s\n' "$rule" >"$folder/pg_hba.conf" &&
printf '%s\n' "$map" >"$folder/pg_ident.conf"
"#;

/// Creates the data, beside its place first, so that what a killed program left is no database.
pub(super) async fn create(
    home: &Home,
    account: &Account,
    binaries: &Binaries,
    is_durable: bool,
) -> Result<(), DatabaseError> {
    let unusable = |source| home.unusable(source);
    let cluster = home.cluster();
    blocking(move || remove_half_made(&cluster)).await.and_then(|done| done).map_err(unusable)?;
    leftovers::clear(&home.unfinished()).await;
    let unfinished = leftovers::fresh(&home.unfinished());
    let (folder, owner) = (unfinished.clone(), account.clone());
    let begun = blocking(move || {
        make_private(&folder)?;
        owner.give(&folder)
    });
    begun.await.and_then(|begun| begun).map_err(unusable)?;
    let (rule, map) = account.rules();
    let script = format!("{TIED}{CREATE}");
    let mut command = account.script(&script, &unfinished).await.map_err(unusable)?;
    process::tie(&mut command);
    command.arg(binaries.bin.join("initdb")).arg(rule).arg(map);
    if !is_durable {
        command.arg("--no-sync");
    }
    let failed = |why| DatabaseError::Create { folder: home.folder().to_owned(), why };
    let done = within(CREATE_LIMIT, process::run(&mut command))
        .await
        .ok_or_else(|| failed("initdb takes too long".to_owned()))?
        .map_err(unusable)?;
    if !done.status.success() {
        return Err(failed(last_words(&done.errors)));
    }
    let theirs = home.clone();
    let named = blocking(move || theirs.put_in_place(&unfinished, is_durable)).await;
    named.and_then(|named| named).map_err(unusable)
}

/// Removes a folder with no data in it.
fn remove_half_made(cluster: &Path) -> io::Result<()> {
    if is_half_made(cluster)? { std::fs::remove_dir_all(cluster) } else { Ok(()) }
}

/// Whether there is a folder with no data in it: nothing that a server could be started on. What
/// cannot be looked at is never taken for that.
fn is_half_made(cluster: &Path) -> io::Result<bool> {
    for file in ["PG_VERSION", "global/pg_control"] {
        if cluster.join(file).try_exists()? {
            let why = "it has data, and PG_VERSION cannot be read: move it away to begin anew";
            return Err(io::Error::other(why));
        }
    }
    cluster.try_exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_no_data_is_half_made() {
        let folder = tempfile::tempdir().unwrap();
        let cluster = folder.path().join("cluster");
        assert!(!is_half_made(&cluster).unwrap());
        std::fs::create_dir_all(cluster.join("global")).unwrap();
        assert!(is_half_made(&cluster).unwrap());
        std::fs::write(cluster.join("global/pg_control"), "").unwrap();
        assert!(is_half_made(&cluster).unwrap_err().to_string().contains("move it away"));
    }
}
