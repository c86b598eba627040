//! Whatever comes in, nothing panics, nothing runs for ever, and what is made of it stays small.
//! What is valid is mutated in its structure (`mutate`), so that it comes deep into what reads it.
//!
//! `scripts/fuzz` runs a million cases; the normal run of the tests runs a few of each target, the
//! seeds that failed before, and the inputs of `tests/fuzz/corpus`. The target of what the speech
//! service sends is in `src/engine/realtime`, where its reader is.
#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

mod agents;
mod flows;
mod functions;
mod harness;
mod mutate;
mod phone;
mod templates;
