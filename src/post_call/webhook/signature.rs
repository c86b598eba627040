//! Signs messages as Standard Webhooks has it (standardwebhooks.com): the base64 of an HMAC-SHA256
//! over name, time and body.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::agent::signing_key::signing_key;

/// The secret is written as base64 and is none, or is empty, or no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("webhook.secret is neither whsec_ and base64 nor another text")]
pub(super) struct BadSecret;

/// The value of `webhook-signature`.
pub(super) fn sign(
    secret: &str,
    id: &str,
    timestamp: u64,
    body: &[u8],
) -> Result<String, BadSecret> {
    let key = signing_key(secret).ok_or(BadSecret)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes keys of any length");
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    Ok(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's own test suites (standard-webhooks/standard-webhooks,
    /// libraries).
    #[test]
    fn the_specifications_example_has_its_signature() {
        let signed = sign(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signed.unwrap(), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_is_base64_behind_its_mark_or_as_it_stands() {
        for secret in ["whsec_%%%", "whsec_", " ", ""] {
            assert_eq!(sign(secret, "a", 1, b""), Err(BadSecret), "{secret}");
        }
        // "s3cret" in base64 is "czNjcmV0".
        assert_eq!(sign("s3cret", "a", 1, b"x"), sign(" whsec_czNjcmV0\n", "a", 1, b"x"));
        assert_ne!(sign("s3cret", "a", 1, b"x"), sign("s3cret", "b", 1, b"x"));
    }
}
