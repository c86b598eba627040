//! Audio arithmetic: μ-law samples, how loud they are, and WAV files. Pure.

pub mod level;
pub mod mulaw;
pub mod wav;
