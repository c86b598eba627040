//! Recordings of calls: what happened on a call's media streams goes in, one stereo file comes out.
//!
//! While a call is on the line its [`tape`] is written: the caller's audio with Twilio's time
//! stamps, the agent's audio with the time it was sent, marks and clears. Nothing is decoded or
//! mixed then. After the call the [`Mixer`] reads the tape and lays both sides on one clock of
//! 8,000 samples a second, the caller left and the agent right, and [`opus`] makes Ogg Opus of it.

mod agent_track;
mod caller_track;
mod media_clock;
mod mixer;
pub mod opus;
#[cfg(any(test, feature = "rehearsal"))]
pub mod opus_reader;
pub mod tape;
pub mod wav;

pub use mixer::{FRAME, Mixer, StereoFrame};

/// A place on a recording's clock: samples since its beginning, 8,000 a second.
type Samples = i64;

/// Samples in a second.
const SECOND: Samples = 8_000;
