//! The commands.

pub mod dial;
pub mod rehearse;
