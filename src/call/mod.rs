//! One phone call. Pure.
