//! HTTP.

pub mod upgrade;
