//! Keys for programs, for the API and the page alike.

use super::invalid::{Invalid, one_line};

/// What every key begins with, so that one that got out is known for what it is.
pub(super) const PREFIX: &str = "fd_";
/// The longest life of a key, in days.
const DAYS_MAX: i32 = 3650;

/// What is accepted of a key: its name, and after how many days it ends.
///
/// # Errors
/// Each value that is not accepted.
pub(super) fn checked(
    name: &str,
    scope: &str,
    days: Option<i64>,
) -> Result<(String, bool, Option<i32>), Vec<Invalid>> {
    let mut invalid = Vec::new();
    let name = one_line("name", name, 100, false).unwrap_or_else(|fault| {
        invalid.push(fault);
        String::new()
    });
    if scope != "read" && scope != "write" {
        invalid.push(Invalid::new("scope", "is none; accepted are read and write"));
    }
    let fits = |days: i64| i32::try_from(days).ok().filter(|days| (1..=DAYS_MAX).contains(days));
    let ends = days.map(fits);
    if ends == Some(None) {
        let detail =
            format!("is not accepted; accepted are 1 to {DAYS_MAX} days, or none for ever");
        invalid.push(Invalid::new("days", detail));
    }
    if invalid.is_empty() { Ok((name, scope == "write", ends.flatten())) } else { Err(invalid) }
}
