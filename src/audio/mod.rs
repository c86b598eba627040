//! Telephone audio: μ-law, WAV files, and recordings of calls.

pub mod mulaw;
pub mod recording;
pub mod wav;
