//! Telephone audio: μ-law, how loud it is, WAV files, and recordings of calls. Pure.

pub mod level;
pub mod mulaw;
pub mod recording;
