//! The stand-in phone and the stand-in speech service, on the real wire.

pub mod phone;
pub mod speech;
pub mod stamp;
