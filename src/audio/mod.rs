//! Audio arithmetic: μ-law samples and WAV files. Pure.

pub mod mulaw;
pub mod wav;
