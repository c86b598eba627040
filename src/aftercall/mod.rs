//! Work after the call.

pub mod callback;
pub mod reconciler;
pub mod recordings;
pub mod retention;
mod tape_work;
