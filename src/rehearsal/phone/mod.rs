//! Stand-in phone.
