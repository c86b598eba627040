//! Frontdesk answers a business's phone.
//!
//! Twilio posts a call; Frontdesk finds the agent by the number that was called, answers with a
//! media stream, and bridges the μ-law audio to a speech service, while a pure core decides what
//! happens when. What happened is written as it happens, and the call's row is complete when it
//! ends.
//!
//! The modules below are declared in reading order: the pure core first, then the adapters that
//! speak to the outside, then the shells that run them. `tests/architecture.rs` reads this table
//! and every `use`, and fails on one that the table does not allow.
//!
//! | layer | modules | may use |
//! | --- | --- | --- |
//! | open | [`private`], [`files`], [`service_json`], [`tls`], [`socket`], [`clock`], [`config`] | open |
//! | pure | [`call`], [`agent`], [`audio`], [`calendar`] | pure, private |
//! | adapters | [`twilio`], [`engine`], [`store`], [`archive`], [`database`], [`supabase`] | pure, open |
//! | deeds | [`call_log`], [`recording`], [`recovery`], [`functions`], [`knowledge`], [`post_call`], [`retention`] | deeds, adapters, pure, open |
//! | shell | [mod@line] | deeds, adapters, pure, open |
//! | top | [`web`], [`rehearsal`] | top, shell, deeds, adapters, pure, open |
//! | all | [`app`], [`commands`] | all, top, shell, deeds, adapters, pure, open |

pub mod files;
pub mod private;
pub mod service_json;
pub mod socket;
pub mod tls;

pub mod call;

pub mod agent;
pub mod audio;
pub mod calendar;

pub mod clock;
pub mod config;

pub mod archive;
pub mod database;
pub mod engine;
pub mod store;
pub mod supabase;
pub mod twilio;

pub mod call_log;
pub mod functions;
pub mod knowledge;
pub mod post_call;
pub mod recording;
pub mod recovery;
pub mod retention;

pub mod line;

#[cfg(feature = "rehearsal")]
pub mod rehearsal;
pub mod web;

pub mod app;
pub mod commands;
