//! Live calls: what is told of them, to whom, as it happens.
//!
//! One [`LiveHub`] a process looks at the database for all who watch, and hears of this process's own
//! calls at once. Each [`stream`] is one person's, and tells them of what they see.

pub mod hub;
pub mod stream;
pub mod take_over;
pub mod words;

pub use hub::LiveHub;
