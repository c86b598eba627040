//! Twilio token.
