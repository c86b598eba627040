//! Twilio's wire: what its messages look like and how they are signed, which is pure and whose
//! sockets are `web`'s and `line`'s; and its REST interface.

pub mod form;
pub mod media;
pub mod rest;
mod say_language;
pub mod signature;
pub mod token;
pub mod twiml;
