//! The console and the API over HTTP, against the real server and a real PostgreSQL.
#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

mod access_table;
mod account;
mod activity;
mod agents;
mod agents_pages;
mod bookings;
mod calls;
mod collected;
#[path = "../common/database.rs"]
mod common_database;
mod desk;
mod functions;
mod health;
mod knowledge;
mod live;
mod people;
mod setup;
mod sign_in;
mod take_over;
mod today;
mod try_it;
mod webhooks;
