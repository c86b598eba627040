//! The console and the API over HTTP, against the real server and a real PostgreSQL.
#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

mod access_table;
mod account;
mod activity;
mod bookings;
#[path = "../common/database.rs"]
mod common_database;
mod desk;
mod people;
mod sign_in;
