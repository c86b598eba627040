//! The system's PostgreSQL, if it has one that is new enough, with pgvector.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use super::account::Account;
use super::process;
use crate::clock::within;
use crate::files::blocking;

/// The oldest PostgreSQL that does.
const OLDEST_MAJOR: u32 = 15;
/// The oldest pgvector that does.
const OLDEST_PGVECTOR: (u32, u32) = (0, 8);
/// How long a program may take to say its version.
const VERSION_LIMIT: Duration = Duration::from_secs(10);

/// Where packages put PostgreSQL: a folder, and what is below each entry of it that begins so.
/// Debian and Ubuntu; Red Hat; Homebrew on either processor; Postgres.app.
const PLACES: [(&str, &str, &str); 5] = [
    ("/usr/lib/postgresql", "", "bin"),
    ("/usr", "pgsql-", "bin"),
    ("/opt/homebrew/opt", "postgresql@", "bin"),
    ("/usr/local/opt", "postgresql@", "bin"),
    ("/Applications/Postgres.app/Contents/Versions", "", "bin"),
];

/// A PostgreSQL that can be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Binaries {
    /// The folder of `postgres` and `initdb`.
    pub(super) bin: PathBuf,
    /// Its major version, which is that of the data that it can open.
    pub(super) major: u32,
}

/// The system's newest that does, of the version `wanted` if one is.
pub(super) async fn of_system(account: &Account, wanted: Option<u32>) -> Option<Binaries> {
    let mut found: Vec<Binaries> = Vec::new();
    for bin in blocking(candidates).await.unwrap_or_default() {
        let Some(binaries) = examine(account, &bin).await else { continue };
        if wanted.is_none_or(|wanted| wanted == binaries.major) {
            found.push(binaries);
        }
    }
    // Of equals the first, which is the one in PATH.
    found.into_iter().rev().max_by_key(|binaries| binaries.major)
}

/// The folders that may have it: those of PATH, with links followed, and where packages put it.
fn candidates() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&path).filter_map(|folder| {
        let program = folder.join("postgres").canonicalize().ok()?;
        program.parent().map(Path::to_owned)
    });
    let mut found: Vec<PathBuf> = in_path.collect();
    for (folder, begins, below) in PLACES {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let named = entries.filter(|e| e.file_name().to_string_lossy().starts_with(begins));
        found.extend(named.map(|entry| entry.path().join(below)));
    }
    let mut seen = std::collections::BTreeSet::new();
    found.retain(|bin| bin.join("initdb").exists() && seen.insert(bin.clone()));
    found
}

/// What is in this folder, if the account can run it and it does.
pub(super) async fn examine(account: &Account, bin: &Path) -> Option<Binaries> {
    let version = output(account, &bin.join("postgres"), "--version").await?;
    let major = major(&version).filter(|major| *major >= OLDEST_MAJOR)?;
    let share = output(account, &bin.join("pg_config"), "--sharedir").await;
    let named = share.map(|folder| PathBuf::from(folder.trim()));
    let folders: Vec<_> = named.into_iter().chain(share_folders(bin, major)).collect();
    let has_pgvector = blocking(move || folders.iter().any(|folder| has_pgvector(folder))).await;
    has_pgvector.is_ok_and(|has| has).then(|| Binaries { bin: bin.to_owned(), major })
}

/// Whether a folder of extensions has a pgvector that is new enough.
fn has_pgvector(folder: &Path) -> bool {
    let control = std::fs::read_to_string(folder.join("extension/vector.control"));
    control.is_ok_and(|text| pgvector(&text).is_some_and(|found| found >= OLDEST_PGVECTOR))
}

async fn output(account: &Account, program: &Path, argument: &str) -> Option<String> {
    let mut command = account.command(program);
    command.arg(argument).stdout(Stdio::piped());
    let done = within(VERSION_LIMIT, process::run(&mut command)).await?.ok()?;
    done.status.success().then(|| String::from_utf8_lossy(&done.output).into_owned())
}

/// Where extensions are where `pg_config`, which is in a package of its own, does not say.
fn share_folders(bin: &Path, major: u32) -> [PathBuf; 3] {
    let above = bin.parent().unwrap_or(bin);
    [
        PathBuf::from(format!("/usr/share/postgresql/{major}")),
        above.join("share"),
        above.join("share/postgresql"),
    ]
}

/// The major version in `postgres (PostgreSQL) 16.14 (Debian …)`.
fn major(version: &str) -> Option<u32> {
    let (_, number) = version.split_once("(PostgreSQL) ")?;
    number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// The version in `default_version = '0.8.5'`.
fn pgvector(control: &str) -> Option<(u32, u32)> {
    let line = control.lines().find(|line| line.trim_start().starts_with("default_version"))?;
    let mut numbers = line.split('\'').nth(1)?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(major("postgres (PostgreSQL) 16.14\n"), Some(16));
        assert_eq!(major("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"), Some(15));
        assert_eq!(major("postgres (PostgreSQL) 19beta1"), Some(19));
        assert_eq!(major("postgres 9"), None);
        assert_eq!(pgvector("comment = 'x'\ndefault_version = '0.8.5'\n"), Some((0, 8)));
        assert_eq!(pgvector("default_version = '0.10.0'"), Some((0, 10)));
        assert_eq!(pgvector("comment = 'x'"), None);
    }

    /// A folder with a `postgres` that says this version, and this pgvector.
    fn installed(version: &str, pgvector: Option<&str>) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let (bin, extension) = (folder.path().join("bin"), folder.path().join("share/extension"));
        std::fs::create_dir_all(&bin).unwrap();
        std::fs::create_dir_all(&extension).unwrap();
        let program = bin.join("postgres");
        std::fs::write(&program, format!("#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n"))
            .unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        if let Some(pgvector) = pgvector {
            let control = format!("default_version = '{pgvector}'\n");
            std::fs::write(extension.join("vector.control"), control).unwrap();
        }
        folder
    }

    #[tokio::test]
    async fn only_what_is_new_enough_and_has_pgvector_is_taken() {
        for (version, pgvector, taken) in [
            ("15.1", Some("0.8.0"), Some(15)),
            ("18.1", Some("1.0.0"), Some(18)),
            ("14.11", Some("0.8.5"), None),
            ("16.14", Some("0.7.4"), None),
            ("99.0", None, None),
        ] {
            let folder = installed(version, pgvector);
            let found = examine(&Account::Ours, &folder.path().join("bin")).await;
            assert_eq!(found.map(|found| found.major), taken, "{version} {pgvector:?}");
        }
        assert_eq!(examine(&Account::Ours, Path::new("/nowhere")).await, None);
    }
}
