//! Runs one call on real sockets.

mod ledger;
mod replay;
pub mod spool;
pub mod writer;
