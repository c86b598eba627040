//! The stream token: what admits a media stream. The webhook mints it into the stream's URL, and
//! any instance checks it without the database.
//!
//! `base64url(claims as JSON) "." base64url(HMAC-SHA256(key, the part before the dot))`, the key
//! derived from the Twilio auth token in force, so that a token is worth nothing under another
//! account's.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use uuid::Uuid;

/// The longest token that is looked at, in bytes.
pub const MAX_TOKEN_BYTES: usize = 1024;

const PURPOSE: &str = "frontdesk stream token v1";

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamClaims {
    /// The agent that answers.
    #[serde(rename = "a")]
    pub agent_id: Uuid,
    /// Twilio's name for the call.
    #[serde(rename = "c")]
    pub call_sid: String,
    /// The process that took the webhook and has dialled the engine.
    #[serde(rename = "i")]
    pub instance: Uuid,
    /// The machine that it runs on, where the host can send a request there (`FLY_MACHINE_ID`).
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
    /// From when on the token is void, in seconds since 1970.
    #[serde(rename = "e")]
    pub expires_unix_s: u64,
    /// Tells this token from others of the same call; a repeated webhook voids the old one.
    #[serde(rename = "n")]
    pub nonce: String,
}

/// Why a token does not admit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is not a token at all.
    #[error("not a stream token: expected claims and signature in base64url, joined by a dot")]
    Malformed,
    /// It was not minted under this auth token, or was changed.
    #[error("the stream token's signature is wrong")]
    Forged,
    /// It was good once.
    #[error("the stream token has expired")]
    Expired,
}

/// Mints a token. It can stand in a URL's path as it is.
pub fn mint(auth_token: &str, claims: &StreamClaims) -> String {
    let json = serde_json::to_vec(claims).expect("plain fields are always JSON");
    let claims = URL_SAFE_NO_PAD.encode(json);
    let signature = URL_SAFE_NO_PAD.encode(mac(auth_token, &claims).finalize().into_bytes());
    format!("{claims}.{signature}")
}

/// What a token claims, unverified: only to find the auth token to verify it with.
pub fn peek(token: &str) -> Option<StreamClaims> {
    let (claims, _) = split(token).ok()?;
    read(claims)
}

/// What a token says, if it was minted under `auth_token` and has not expired. Takes the same
/// time wherever a signature is wrong. Whether it is spent, only its owner knows.
///
/// # Errors
/// If it is malformed, forged or expired.
pub fn verify(auth_token: &str, token: &str, now_unix_s: u64) -> Result<StreamClaims, TokenError> {
    let (claims, signature) = split(token)?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| TokenError::Malformed)?;
    mac(auth_token, claims).verify_slice(&signature).map_err(|_| TokenError::Forged)?;
    let claims = read(claims).ok_or(TokenError::Malformed)?;
    if now_unix_s >= claims.expires_unix_s { Err(TokenError::Expired) } else { Ok(claims) }
}

fn split(token: &str) -> Result<(&str, &str), TokenError> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(TokenError::Malformed);
    }
    token.split_once('.').ok_or(TokenError::Malformed)
}

fn read(claims: &str) -> Option<StreamClaims> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
}

fn mac(auth_token: &str, claims: &str) -> Hmac<Sha256> {
    const ANY_KEY: &str = "an HMAC key may have any length";
    let derivation = Hmac::<Sha256>::new_from_slice(auth_token.as_bytes()).expect(ANY_KEY);
    let key = derivation.chain_update(PURPOSE).finalize().into_bytes();
    Hmac::<Sha256>::new_from_slice(&key).expect(ANY_KEY).chain_update(claims)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims() -> StreamClaims {
        StreamClaims {
            agent_id: Uuid::from_u128(1),
            call_sid: "CA0123456789abcdef0123456789abcdef".to_owned(),
            instance: Uuid::from_u128(2),
            machine: Some("148e21f4a35789".to_owned()),
            expires_unix_s: 1_000,
            nonce: "n0nce".to_owned(),
        }
    }

    #[test]
    fn a_token_is_good_until_it_expires_and_only_under_its_key() {
        let token = mint("secret", &claims());
        assert_eq!(verify("secret", &token, 999), Ok(claims()));
        assert_eq!(verify("secret", &token, 1_000), Err(TokenError::Expired));
        assert_eq!(verify("other", &token, 999), Err(TokenError::Forged));
        assert_eq!(peek(&token), Some(claims()));
    }

    #[test]
    fn a_token_fits_a_path_segment() {
        let token = mint("secret", &claims());
        assert!(token.len() < 512, "{}", token.len());
        assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)));
    }

    #[test]
    fn what_is_not_a_token_is_malformed() {
        let long = "a".repeat(MAX_TOKEN_BYTES + 1);
        for text in ["", "abc", "abc.!!", long.as_str()] {
            assert_eq!(verify("secret", text, 0), Err(TokenError::Malformed), "{text}");
        }
        assert_eq!(verify("secret", ".", 0), Err(TokenError::Forged));
        let other = URL_SAFE_NO_PAD.encode(b"{}");
        let signature = URL_SAFE_NO_PAD.encode(mac("secret", &other).finalize().into_bytes());
        let signed = format!("{other}.{signature}");
        assert_eq!(verify("secret", &signed, 0), Err(TokenError::Malformed));
        assert_eq!(peek("abc"), None);
    }

    #[test]
    fn claims_moved_under_another_signature_are_forged() {
        let one = mint("secret", &claims());
        let other = mint("secret", &StreamClaims { nonce: "other".to_owned(), ..claims() });
        let (mixed, _) = one.split_once('.').unwrap();
        let (_, signature) = other.split_once('.').unwrap();
        assert_eq!(verify("secret", &format!("{mixed}.{signature}"), 0), Err(TokenError::Forged));
    }
}
