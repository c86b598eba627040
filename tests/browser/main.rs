//! Pages in a real browser, headless Chromium: [`cdp`] is the library, and [`harness`] shows that
//! it finds what it is there to find, on a small server of its own ([`site`]).
#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

mod agents;
mod bookings;
mod calls;
mod cdp;
#[path = "../common/database.rs"]
mod common_database;
mod console;
mod days;
#[path = "../owners/desk.rs"]
mod desk;
mod harness;
mod microphone;
mod pictures;
mod setup;
mod site;
mod softphone;
mod speed;
