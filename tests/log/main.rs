//! The call log on a real server: the store's statements, the writer with its spool, the
//! reconciler, the directory of agents.
#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

mod aftercall;
mod answers;
mod asking;
mod busy;
mod callbacks;
#[path = "../common/database.rs"]
mod database;
mod directory;
mod epochs;
mod fixture;
mod history;
mod holding;
mod numbers;
#[path = "../common/proxy.rs"]
mod proxy;
#[path = "../common/receiver.rs"]
mod receiver;
mod reconciler;
mod retention;
mod store;
mod sweeping;
mod tasks;
#[path = "../common/viewer.rs"]
mod viewer;
mod writer;
