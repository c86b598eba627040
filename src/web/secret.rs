//! Secrets that are shown once: 256 random bits, of which only the SHA-256 is kept.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::RngCore as _;
use sha2::{Digest as _, Sha256};

use crate::store::people::SecretHash;

/// The longest text that may be one, in bytes; ours are shorter.
const TEXT_MAX: usize = 128;

/// A secret. It does not print itself.
pub struct Secret(String);

impl Secret {
    /// A new one: a prefix that says what it is for, and 43 characters.
    pub fn new(prefix: &str) -> Self {
        let mut bytes = [0_u8; 32];
        // Seeded by the system, and fit for keys.
        rand::rng().fill_bytes(&mut bytes);
        Self(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// What somebody sent, if it can be one.
    pub fn sent(text: &str) -> Option<Self> {
        let is_one = (32..=TEXT_MAX).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        is_one.then(|| Self(text.to_owned()))
    }

    /// The text, for whom it is made for.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is kept of it.
    pub fn hash(&self) -> SecretHash {
        Sha256::digest(self.0.as_bytes()).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_long_and_is_read_back() {
        let secret = Secret::new("fd_");
        assert_eq!(secret.reveal().len(), 46);
        assert_eq!(Secret::sent(secret.reveal()).unwrap().hash(), secret.hash());
        assert_ne!(Secret::new("fd_").hash(), secret.hash());
        for odd in ["", "short", "with space and more than thirty-two bytes", &"x".repeat(129)] {
            assert!(Secret::sent(odd).is_none(), "{odd}");
        }
        assert_eq!(format!("{secret:?}"), "[secret]");
    }
}
