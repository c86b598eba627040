//! The only SQL.

#[cfg(feature = "embedded")]
pub mod embedded;
pub mod migrate;
pub mod sample;
