//! Stand-in speech service.
