//! What messages to an owner are signed with.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The key that a secret stands for: the base64 behind `whsec_`, as Standard Webhooks has it
/// (standardwebhooks.com), or the text as it stands. `None`: what is behind the mark is no base64, or
/// there is nothing, which anybody could sign with.
pub fn signing_key(secret: &str) -> Option<Vec<u8>> {
    let key = match secret.trim().strip_prefix("whsec_") {
        Some(encoded) => STANDARD.decode(encoded).ok()?,
        None => secret.trim().as_bytes().to_vec(),
    };
    (!key.is_empty()).then_some(key)
}
