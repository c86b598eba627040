//! Frontdesk answers a business's phone.
//!
//! Twilio posts a call; Frontdesk finds the agent by the number that was called, answers with a
//! media stream, and bridges the μ-law audio to a speech service, while a pure core decides what
//! happens when. What happened is written as it happens, and the call's row is complete when it
//! ends.
//!
//! The modules below are declared in reading order: the pure core first, then the adapters that
//! speak to the outside, then the shells that run them. A module may use those of its own layer's
//! left and below, never those above; `tests/architecture.rs` reads the `use` lines and says so.
//!
//! | layer | modules | may use |
//! | --- | --- | --- |
//! | pure | [`call`], [`agent`], [`audio`] | pure |
//! | adapters | [`twilio`], [`engine`], [`store`] | pure |
//! | deeds | [`functions`], [`aftercall`] | adapters, pure |
//! | shell | [mod@line] | deeds, adapters, pure |
//! | top | [`web`], [`rehearsal`] | shell and below |
//! | all | [`app`], [`commands`] | everything |
//!
//! [`clock`], [`private`] and [`config`] are open to every layer, [`clock`] not to the pure one.

pub mod private;
pub mod socket;

pub mod call;

pub mod agent;
pub mod audio;

pub mod clock;
pub mod config;

pub mod engine;
pub mod store;
pub mod twilio;

pub mod aftercall;
pub mod functions;

pub mod line;

pub mod rehearsal;
pub mod web;

pub mod app;
pub mod commands;
