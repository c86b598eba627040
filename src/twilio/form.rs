//! Twilio form.
