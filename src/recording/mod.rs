//! Recordings: the [`recorder`] writes a call's audio to a tape beside the call, the encoder makes an
//! Ogg Opus file of it, and the [`uploader`] takes that to the object store.

mod encoder;
pub mod recorder;
pub mod uploader;
