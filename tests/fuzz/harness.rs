//! How a fuzz target is run: how many cases, which seeds first, how much memory.

use std::fmt::Debug;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence, TestError, TestRunner};

/// Cases of all targets together in the normal run of the tests, which a second is enough for.
const CASES: u32 = 4_000;
/// What `share` of a target is a share of.
const WHOLE: u32 = 1_000;
/// What the whole process may ever have taken, in KiB: what is read is a few kilobytes, and nothing
/// that is made of it is a thousand times as large.
const PEAK_MAX_KIB: u64 = 400 * 1024;

/// Runs `check` on `share` thousandths of all cases (`FUZZ_CASES`, else a few), after the seeds that
/// failed before, which are kept in `proptest-regressions/fuzz`.
///
/// # Panics
///
/// On the smallest input that fails, and if the process has ever taken too much memory.
pub(crate) fn fuzz<S: Strategy>(
    name: &'static str,
    share: u32,
    strategy: S,
    check: impl Fn(S::Value) -> Result<(), TestCaseError>,
) where
    S::Value: Debug,
{
    let asked = std::env::var("FUZZ_CASES").ok().and_then(|text| text.parse().ok());
    let all: u32 = asked.unwrap_or(CASES);
    let cases = u32::try_from(u64::from(all) * u64::from(share) / u64::from(WHOLE)).unwrap().max(1);
    let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/proptest-regressions/fuzz");
    let seeds: &'static str = Box::leak(format!("{seeds}/{name}.txt").into_boxed_str());
    let mut runner = TestRunner::new(Config {
        cases,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(seeds))),
        // What was found is made small, and not for hours.
        max_shrink_iters: 20_000,
        ..Config::default()
    });
    let since = frontdesk_stopwatch();
    let outcome = runner.run(&strategy, check);
    let seconds = since().as_secs_f64();
    println!("fuzz {name}: {cases} cases in {seconds:.1} s, peak {} MiB", peak_kib() / 1024);
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(why, input)) => panic!("{name}: {why}\nsmallest input: {input:?}"),
        Err(TestError::Abort(why)) => panic!("{name}: {why}"),
    }
    let peak = peak_kib();
    assert!(peak < PEAK_MAX_KIB, "{name}: the process has taken {} MiB", peak / 1024);
}

/// How long it is since now.
fn frontdesk_stopwatch() -> impl Fn() -> Duration {
    #[expect(clippy::disallowed_methods, reason = "the pace is printed, and nothing depends on it")]
    let since = std::time::Instant::now();
    move || since.elapsed()
}

/// The most memory that this process ever had, where the system tells it.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok()).unwrap_or(0)
}

/// The inputs that are kept for a target, by name: each is tried in every run.
pub(crate) fn corpus(target: &str) -> Vec<(String, String)> {
    let folder = format!("{}/tests/fuzz/corpus/{target}", env!("CARGO_MANIFEST_DIR"));
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let mut found: Vec<(String, String)> = entries
        .map(|entry| {
            let path = entry.expect("an entry is read").path();
            let text = std::fs::read(&path).expect("a file is read");
            (path.display().to_string(), String::from_utf8_lossy(&text).into_owned())
        })
        .collect();
    assert!(!found.is_empty(), "{folder} is empty");
    found.sort();
    found
}
