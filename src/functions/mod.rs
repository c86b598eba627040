//! Carries out functions.
