//! Calls that no task has: because their process died, because their caller is with another party or
//! at the fallback, or because Twilio says that they are over.
//!
//! The [`reconciler`] gives this process's heartbeat and finds the calls of those that give none. The
//! [`status_poller`] asks Twilio about them first. [`completion`] completes those that a callback says
//! are over. [`peers`] knows which other processes take calls.

pub mod completion;
pub mod peers;
pub mod reconciler;
pub mod status_poller;
