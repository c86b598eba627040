//! The console and the API over HTTP, against the real server and a real PostgreSQL.
#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

mod access_table;
mod account;
mod activity;
mod agents;
mod agents_pages;
mod attacks;
mod bookings;
mod calls;
mod collected;
#[path = "../common/database.rs"]
mod common_database;
mod desk;
mod fair_shares;
mod forms;
mod functions;
mod health;
mod hidden_values;
mod invitations;
mod kept_whole;
mod knowledge;
mod lists;
mod live;
mod numbers;
mod pages_table;
mod people;
mod rejections;
mod secrets_kept;
mod secrets_used;
mod setting_up;
mod setup;
mod sign_in;
mod sources;
mod spoken_of;
mod suspended;
mod take_over;
mod taken_numbers;
mod today;
mod told;
mod train;
mod try_it;
#[path = "../common/viewer.rs"]
mod viewer;
mod webhooks;
mod written_down;
