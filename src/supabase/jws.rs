//! A signed token in its three parts, and the keys that it is checked with (RFC 7515).
//!
//! A key knows its one algorithm. The header's `alg` is compared with that and chooses nothing, and
//! a key that the header itself brings or points to (`jwk`, `jku`, `x5c`, `x5u`) is not read.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::{hmac, signature};
use serde::Deserialize;

use super::refusal::TokenRefused;

/// The longest token that is read, bytes. Supabase's are some 1,000; with much `user_metadata` they
/// grow, and beyond this no proxy would let them through in a header either.
pub(super) const TOKEN_BYTES_MAX: usize = 16 * 1024;
/// The longest name of a key, bytes. They are UUIDs.
pub(super) const KID_BYTES_MAX: usize = 256;

/// How a token is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// RSA, PKCS#1 v1.5, with SHA-256.
    Rs256,
    /// HMAC with SHA-256.
    Hs256,
}

impl Algorithm {
    /// The algorithm of this name, if it is one that is accepted. `none` is not.
    pub(super) fn read(name: &str) -> Option<Self> {
        match name {
            "ES256" => Some(Self::Es256),
            "RS256" => Some(Self::Rs256),
            "HS256" => Some(Self::Hs256),
            _ => None,
        }
    }
}

/// A key that checks signatures of one algorithm.
#[derive(Debug)]
pub(super) enum Key {
    /// A point on P-256, not compressed.
    P256([u8; 65]),
    /// Modulus and exponent, without zeros in front.
    Rsa {
        /// The modulus.
        n: Vec<u8>,
        /// The exponent.
        e: Vec<u8>,
    },
    /// A secret that both sides have.
    Secret(hmac::Key),
}

impl Key {
    /// A secret, of which the bytes are the text's own.
    pub(super) fn secret(secret: &str) -> Self {
        Self::Secret(hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()))
    }

    /// The one algorithm that this key is for.
    pub(super) fn algorithm(&self) -> Algorithm {
        match self {
            Self::P256(_) => Algorithm::Es256,
            Self::Rsa { .. } => Algorithm::Rs256,
            Self::Secret(_) => Algorithm::Hs256,
        }
    }

    /// Whether this key, or its private half, made the signature.
    fn has_signed(&self, message: &[u8], signed: &[u8]) -> bool {
        let checked = match self {
            Self::P256(point) => {
                signature::UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point)
                    .verify(message, signed)
            }
            Self::Rsa { n, e } => signature::RsaPublicKeyComponents { n, e }.verify(
                &signature::RSA_PKCS1_2048_8192_SHA256,
                message,
                signed,
            ),
            Self::Secret(secret) => hmac::verify(secret, message, signed),
        };
        checked.is_ok()
    }
}

/// What is read of a header. What it says beside that is not looked at.
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    // Present is enough to refuse, whatever it is, null included.
    #[serde(default, deserialize_with = "is_there")]
    crit: bool,
    #[serde(default, deserialize_with = "is_there")]
    b64: bool,
}

fn is_there<'de, D: serde::Deserializer<'de>>(value: D) -> Result<bool, D::Error> {
    serde::de::IgnoredAny::deserialize(value).map(|_| true)
}

/// A token whose signature has not been checked. Its claims cannot be had before that.
#[derive(Debug)]
pub(super) struct Token<'a> {
    /// How it says that it is signed.
    pub(super) algorithm: Algorithm,
    /// The name of the key that it says that it is signed with.
    pub(super) kid: Option<String>,
    /// What is signed: header and payload as they came.
    message: &'a str,
    payload: &'a str,
    signature: Vec<u8>,
}

impl<'a> Token<'a> {
    /// Takes a token apart.
    pub(super) fn read(text: &'a str) -> Result<Self, TokenRefused> {
        if text.len() > TOKEN_BYTES_MAX {
            return Err(TokenRefused::Malformed);
        }
        let mut parts = text.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(TokenRefused::Malformed);
        };
        let message = &text[..header.len() + 1 + payload.len()];
        let header: Header =
            serde_json::from_slice(&decoded(header)?).map_err(|_| TokenRefused::Malformed)?;
        let is_token = header.typ.is_none_or(|typ| typ.eq_ignore_ascii_case("JWT"));
        let is_named = header.kid.as_ref().is_none_or(|kid| kid.len() <= KID_BYTES_MAX);
        if header.crit || header.b64 || !is_token || !is_named {
            return Err(TokenRefused::Header);
        }
        Ok(Self {
            algorithm: Algorithm::read(&header.alg).ok_or(TokenRefused::Algorithm)?,
            kid: header.kid,
            message,
            payload,
            signature: decoded(signature)?,
        })
    }

    /// What the token says, if it was signed with this key and by its algorithm.
    pub(super) fn payload(&self, key: &Key) -> Result<Vec<u8>, TokenRefused> {
        if self.algorithm != key.algorithm() {
            return Err(TokenRefused::Algorithm);
        }
        if !key.has_signed(self.message.as_bytes(), &self.signature) {
            return Err(TokenRefused::Signature);
        }
        decoded(self.payload)
    }
}

/// Base64 for URLs without padding, in its one form: no other spelling of the same bytes is taken.
fn decoded(part: &str) -> Result<Vec<u8>, TokenRefused> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenRefused::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The payload of the examples of RFC 7515, appendix A.1 to A.3.
    const PAYLOAD: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNv\
                           bS9pc19yb290Ijp0cnVlfQ";

    fn bytes(text: &str) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(text).unwrap()
    }

    /// The keys and the signatures of the examples, which others made.
    fn examples() -> [(Key, &'static str, &'static str); 3] {
        let secret = bytes(
            "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
        );
        let n = bytes(
            "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt\
             0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSX\
             ndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5\
             IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
        );
        let x = bytes("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU");
        let y = bytes("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");
        let point = [&[4], x.as_slice(), &y].concat().try_into().unwrap();
        [
            (
                Key::Secret(hmac::Key::new(hmac::HMAC_SHA256, &secret)),
                "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9",
                "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
            ),
            (
                Key::Rsa { n, e: vec![1, 0, 1] },
                "eyJhbGciOiJSUzI1NiJ9",
                "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W\
                 2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkS\
                 jtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnv\
                 Wh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
            ),
            (
                Key::P256(point),
                "eyJhbGciOiJFUzI1NiJ9",
                "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
            ),
        ]
    }

    #[test]
    fn the_examples_of_the_standard_are_checked_and_one_changed_bit_is_seen() {
        for (key, header, signature) in examples() {
            let text = format!("{header}.{PAYLOAD}.{signature}");
            let payload = Token::read(&text).unwrap().payload(&key).unwrap();
            assert!(payload.starts_with(b"{\"iss\":\"joe\""), "{header}");
            let mut changed = bytes(signature);
            for at in [0, changed.len() / 2, changed.len() - 1] {
                changed[at] ^= 1;
                let text = format!("{header}.{PAYLOAD}.{}", URL_SAFE_NO_PAD.encode(&changed));
                let refused = Token::read(&text).unwrap().payload(&key).unwrap_err();
                assert_eq!(refused, TokenRefused::Signature, "{header} {at}");
                changed[at] ^= 1;
            }
            let other = PAYLOAD.replacen("eyJ", "eyI", 1);
            let text = format!("{header}.{other}.{signature}");
            let refused = Token::read(&text).unwrap().payload(&key).unwrap_err();
            assert_eq!(refused, TokenRefused::Signature, "{header}");
        }
    }

    #[test]
    fn every_key_refuses_what_another_algorithm_signed() {
        let all = examples();
        for (i, (key, ..)) in all.iter().enumerate() {
            for (j, (_, header, signature)) in all.iter().enumerate().filter(|(j, _)| i != *j) {
                let text = format!("{header}.{PAYLOAD}.{signature}");
                let refused = Token::read(&text).unwrap().payload(key).unwrap_err();
                assert_eq!(refused, TokenRefused::Algorithm, "{i} {j}");
            }
        }
    }

    #[test]
    fn what_is_no_token_is_refused_before_any_key_is_asked_for() {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let with = |header: &str| format!("{}.{PAYLOAD}.c2ln", part(header));
        let long = format!("{}.{}.c2ln", part(r#"{"alg":"ES256"}"#), "A".repeat(TOKEN_BYTES_MAX));
        let kid = format!(r#"{{"alg":"ES256","kid":"{}"}}"#, "k".repeat(KID_BYTES_MAX + 1));
        for (text, refused) in [
            (String::new(), TokenRefused::Malformed),
            ("..".to_owned(), TokenRefused::Malformed),
            ("sb_publishable_abc".to_owned(), TokenRefused::Malformed),
            (format!("a.{PAYLOAD}"), TokenRefused::Malformed),
            (with(r#"{"alg":"ES256"}"#) + ".x", TokenRefused::Malformed),
            (with(r#"{"alg":"ES256"}"#) + "=", TokenRefused::Malformed),
            (with(r#"{"alg":"ES256"}"#).replace("c2ln", "c2l+"), TokenRefused::Malformed),
            // The last two bits of a base64 text belong to nothing: another spelling of `c2k`.
            (with(r#"{"alg":"ES256"}"#).replace("c2ln", "c2l"), TokenRefused::Malformed),
            (with(r#"{"alg":"ES256"} "x""#), TokenRefused::Malformed),
            (with(r#"{"alg":"ES256","alg":"HS256"}"#), TokenRefused::Malformed),
            (with(r#"{"kid":"a"}"#), TokenRefused::Malformed),
            (with(r#"{"alg":"ES256","kid":7}"#), TokenRefused::Malformed),
            (with(r#"{"alg":["ES256"]}"#), TokenRefused::Malformed),
            (long, TokenRefused::Malformed),
            (with(&kid), TokenRefused::Header),
            (with(r#"{"alg":"ES256","crit":["b64"],"b64":true}"#), TokenRefused::Header),
            (with(r#"{"alg":"ES256","crit":["exp"]}"#), TokenRefused::Header),
            (with(r#"{"alg":"ES256","crit":[]}"#), TokenRefused::Header),
            (with(r#"{"alg":"ES256","crit":null}"#), TokenRefused::Header),
            (with(r#"{"alg":"ES256","b64":false}"#), TokenRefused::Header),
            (with(r#"{"alg":"ES256","typ":"secevent+jwt"}"#), TokenRefused::Header),
            (with(r#"{"alg":"none"}"#), TokenRefused::Algorithm),
            (with(r#"{"alg":"NONE"}"#), TokenRefused::Algorithm),
            (with(r#"{"alg":""}"#), TokenRefused::Algorithm),
            (with(r#"{"alg":"es256"}"#), TokenRefused::Algorithm),
            (with(r#"{"alg":"ES384"}"#), TokenRefused::Algorithm),
            (with(r#"{"alg":"HS512"}"#), TokenRefused::Algorithm),
            (with(r#"{"alg":"PS256"}"#), TokenRefused::Algorithm),
            (with(r#"{"alg":"EdDSA"}"#), TokenRefused::Algorithm),
        ] {
            assert_eq!(Token::read(&text).unwrap_err(), refused, "{text:.80}");
        }
    }
}
