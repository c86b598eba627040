//! Twilio's wire: what its messages look like and how they are signed. Everything here is pure;
//! the sockets are `web`'s and `line`'s.

pub mod form;
pub mod media;
pub mod media_peer;
pub mod signature;
pub mod token;
pub mod twiml;
pub mod twiml_reader;
