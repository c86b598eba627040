//! Whole calls on the real wire: webhook, media WebSocket, engine client and PostgreSQL, with the
//! stand-in phone and the stand-in speech service, all on ports of their own and on one clock that
//! is faster than the wall's.
#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

mod abuse;
mod aftercall;
mod appointments;
#[path = "../common/balancer.rs"]
mod balancer;
mod booking;
#[path = "../common/database.rs"]
mod common_database;
mod conversation;
mod crowd;
mod database;
mod endings;
mod engine_closing;
mod engine_trouble;
mod flood;
mod functions;
mod handover;
mod harness;
mod hours;
mod knowledge;
mod messages;
mod moving;
mod owners;
mod privacy;
#[path = "../common/proxy.rs"]
mod proxy;
#[path = "../common/receiver.rs"]
mod receiver;
mod recording;
mod refusals;
mod refused_settings;
mod scarce;
mod stream;
mod supervision;
mod survival;
mod tenants;
mod todo;
mod transfers;
mod trouble;
#[path = "../common/viewer.rs"]
mod viewer;
mod webhook;
