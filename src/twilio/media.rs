//! Twilio media.
