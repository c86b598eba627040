//! Work after the call.

pub mod reconciler;
