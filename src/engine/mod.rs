//! Speech services.
