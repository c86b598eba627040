//! Twilio twiml.
