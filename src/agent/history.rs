//! What is known of a caller from before.

use crate::private::Private;

/// The last calls from the caller's number to the same agent, and the appointments under that
/// number that are still to come. Empty where nothing is known, also for a number that is withheld.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// The newest first.
    pub calls: Vec<PastCall>,
    /// The next one first.
    pub appointments: Vec<ComingAppointment>,
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

/// An appointment that was not cancelled. Whose it is, is left out: the name is what tells its
/// owner from somebody else who calls from, or pretends to, the same number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComingAppointment {
    /// When it is, microseconds since the Unix epoch.
    pub starts_us: i64,
    /// What it is for.
    pub service: Private<String>,
}
