//! Work after the call.

pub mod asking;
pub mod callback;
pub mod neighbours;
pub mod reconciler;
