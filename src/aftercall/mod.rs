//! Work after the call.

pub mod callback;
pub mod reconciler;
