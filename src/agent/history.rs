//! What is known of a caller from before.

use crate::private::Private;

/// The last calls from the caller's number to the same agent, and how many appointments are still
/// to come under that number. Empty where nothing is known, also for a number that is withheld.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// The last calls from this number, newest first.
    pub calls: Vec<PastCall>,
    /// No more than their number: when they are and what for is told to whoever knows the name,
    /// since somebody else may call from, or pretend to, the same number.
    pub appointments: i64,
}

/// A call that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastCall {
    /// When it began, microseconds since the Unix epoch.
    pub started_us: i64,
    /// `call_logs.status`: how it ended.
    pub status: String,
    /// What it was about, if that was summed up.
    pub summary: Option<Private<String>>,
    /// The messages that the caller left in it.
    pub messages: Private<Vec<String>>,
}
