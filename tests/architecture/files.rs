//! Who waits for a disk, and where: never on the runtime's threads, which carry the calls' audio.

use std::collections::{BTreeMap, BTreeSet};

use super::{Source, sources};

/// What waits for a disk.
const CALLS: [&str; 17] = [
    "std::fs::",
    "File::open(",
    "File::create(",
    "File::options(",
    "OpenOptions::new(",
    "DirBuilder::new(",
    "unix::fs::symlink(",
    "unix::fs::chown(",
    "load_native_certs(",
    ".try_exists(",
    ".exists()",
    ".is_dir()",
    ".is_file()",
    ".canonicalize(",
    ".set_len(",
    ".sync_all(",
    ".sync_data(",
];

/// The files that do it, and why nobody on the phone waits meanwhile. An `async fn` never does it itself: it
/// has `files::blocking` do it, or asks `tokio::fs`.
const WAITING: [(&str, &str); 17] = [
    ("app/prompts.rs", "at the start; doctor's look has a thread of its own"),
    ("call_log/rejected.rs", "by blocking"),
    ("call_log/spool.rs", "by blocking; the spool is made at the start"),
    ("commands/demo.rs", "at the start and at the end"),
    ("commands/dial.rs", "before the call"),
    ("commands/doctor/place.rs", "doctor's look has a thread of its own"),
    ("config.rs", "at the start"),
    ("database/account.rs", "by blocking"),
    ("database/binaries.rs", "by blocking"),
    ("database/cluster.rs", "by blocking"),
    ("database/home.rs", "by blocking; but a link is removed wherever it is dropped"),
    ("database/fetch.rs", "by blocking"),
    ("files.rs", "by blocking, and at the start"),
    ("recording/encoder.rs", "by blocking"),
    ("recording/recorder.rs", "by blocking; the folder is made at the start"),
    ("recording/uploader.rs", "by blocking"),
    ("tls.rs", "at the start, with the first HTTP client"),
];

/// Whether a line of code waits for a disk. Where `File` and its like are tokio's they do not.
fn waits(line: &str, are_types_of_tokio: bool) -> bool {
    let code = line.trim_start();
    if code.starts_with("//") || code.starts_with("use ") || code.contains("tokio::fs::") {
        return false;
    }
    let calls = |call: &&str| {
        let is_type = call.starts_with(|first: char| first.is_ascii_uppercase());
        let is_whole = |(at, _): (usize, &str)| {
            !is_type || !code[..at].ends_with(|before: char| before.is_ascii_alphanumeric())
        };
        !(is_type && are_types_of_tokio) && code.match_indices(*call).any(is_whole)
    };
    CALLS.iter().any(calls)
}

/// The lines of formatted code that wait for a disk, and of these those in something async.
fn waiting(code: &str) -> (Vec<&str>, Vec<&str>) {
    let are_types_of_tokio = code.contains("use tokio::fs::");
    let (mut all, mut in_async) = (Vec::new(), Vec::new());
    // How far the async code is indented that these lines are in.
    let mut depths: Vec<usize> = Vec::new();
    for line in code.lines() {
        let body = line.trim_start();
        let indent = line.len() - body.len();
        if waits(line, are_types_of_tokio) {
            all.push(body);
            if !depths.is_empty() {
                in_async.push(body);
            }
        }
        let is_async =
            ["async fn ", "async move ", "async {"].iter().any(|word| body.contains(word));
        if is_async && !body.starts_with("//") && !body.ends_with([';', '}']) {
            depths.push(indent);
        } else if body.starts_with('}') {
            depths.retain(|depth| *depth < indent);
        }
    }
    (all, in_async)
}

fn is_of_program(source: &&Source) -> bool {
    !source.is_test() && source.module() != "main"
}

#[test]
fn nothing_async_waits_for_a_disk() {
    let sources = sources();
    let found: Vec<String> = sources
        .iter()
        .filter(is_of_program)
        .flat_map(|source| {
            let lines = waiting(source.code()).1;
            lines.into_iter().map(|line| format!("{}: {line}", source.path)).collect::<Vec<_>>()
        })
        .collect();
    assert!(found.is_empty(), "use files::blocking or tokio::fs:\n{}", found.join("\n"));
}

#[test]
fn who_waits_for_a_disk_is_known() {
    let sources = sources();
    let waits = |source: &&Source| !waiting(source.code()).0.is_empty();
    let found: BTreeSet<&str> = sources
        .iter()
        .filter(is_of_program)
        .filter(waits)
        .map(|source| source.path.as_str())
        .collect();
    let known: BTreeMap<&str, &str> = WAITING.into_iter().collect();
    assert_eq!(found, known.keys().copied().collect(), "say who does not wait meanwhile, and why");
}

#[test]
fn what_waits_is_seen() {
    let code = "fn a() {\n    SpoolFile::create(folder);\n    std::fs::read(path)\n}\n\nasync fn b(\n    path: &Path,\n) {\n    \
                let file = File::open(path)?;\n    tokio::fs::read(path).await;\n}\n\n\
                fn c() {\n    let later = async move {\n        path.exists()\n    };\n    \
                path.is_dir()\n}\n";
    let (all, in_async) = waiting(code);
    assert_eq!(all.len(), 4, "{all:?}");
    assert_eq!(in_async, ["let file = File::open(path)?;", "path.exists()"]);
    assert_eq!(waiting(&format!("use tokio::fs::File;\n{code}")).1, ["path.exists()"]);
}
