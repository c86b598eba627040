//! Supabase's Auth, as far as signing in goes: who a token says that somebody is, and how a person
//! gets one with a password or a code.
//!
//! Nothing here is taken from a token before its signature is checked, with a key that Supabase
//! publishes and with the one algorithm that this key is for. `user_metadata`, which users write
//! themselves, is not even read.

mod claims;
#[cfg(test)]
#[path = "../../tests/common/gotrue.rs"]
mod gotrue;
mod jwks;
mod jws;
mod keys;
mod refusal;
mod service;
mod sign_in;
#[cfg(test)]
mod sign_in_tests;
#[cfg(test)]
mod tests;
mod verifier;

pub use claims::Claims;
pub use refusal::TokenRefused;
pub use sign_in::{SignIn, SignInError, SignedIn};
pub use verifier::Verifier;
