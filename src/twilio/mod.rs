//! Twilio's wire: what its messages look like and how they are signed.

pub mod form;
pub mod media;
pub mod signature;
pub mod token;
pub mod twiml;
