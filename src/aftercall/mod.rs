//! Work after the call.
