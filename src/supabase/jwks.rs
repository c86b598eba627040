//! The keys that a project publishes, by their names (RFC 7517).

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

use super::jws::{Algorithm, KID_BYTES_MAX, Key};
use crate::service_json;

/// How many keys of a set are looked at. A project has two or three while it changes them.
const KEYS_MAX: usize = 32;
/// How long a coordinate on P-256 is, bytes.
const COORDINATE_BYTES: usize = 32;
/// The shortest and the longest modulus, bits; the same that signatures are checked with.
const MODULUS_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;
/// The longest exponent, bytes. Nearly all are 65537.
const EXPONENT_BYTES_MAX: usize = 4;

/// The keys that tokens are checked with.
#[derive(Debug, Default)]
pub(super) struct KeySet(HashMap<String, Arc<Key>>);

#[derive(Deserialize)]
struct Body {
    keys: Vec<Value>,
}

/// A key as it is published. Its private parts, should somebody publish them, are not read.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: String,
    alg: Option<String>,
    #[serde(rename = "use")]
    used_for: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

impl KeySet {
    /// Reads a set. A key that cannot be used is left out, so that one of a new kind does not take
    /// the others with it. Two keys of one name are both left out: which of them is meant is not
    /// known.
    ///
    /// `None`: it is no set.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let body: Body = service_json::from_slice(body).ok()?;
        let mut keys: HashMap<String, Option<Arc<Key>>> = HashMap::new();
        for jwk in body.keys.into_iter().take(KEYS_MAX) {
            let Ok(jwk) = serde_json::from_value::<Jwk>(jwk) else { continue };
            if let Some(key) = jwk.key() {
                keys.entry(jwk.kid)
                    .and_modify(|key| *key = None)
                    .or_insert_with(|| Some(Arc::new(key)));
            }
        }
        Some(Self(keys.into_iter().filter_map(|(kid, key)| Some((kid, key?))).collect()))
    }

    /// The key of this name.
    pub(super) fn get(&self, kid: &str) -> Option<&Arc<Key>> {
        self.0.get(kid)
    }
}

impl Jwk {
    /// The key, if it is one that checks signatures by an algorithm that is accepted. A secret is
    /// never taken from here: what is published is none.
    fn key(&self) -> Option<Key> {
        let is_for_signatures = self.used_for.as_deref().is_none_or(|used| used == "sig")
            && self.key_ops.as_ref().is_none_or(|ops| ops.iter().any(|op| op == "verify"));
        if !is_for_signatures || !(1..=KID_BYTES_MAX).contains(&self.kid.len()) {
            return None;
        }
        let key = match self.kty.as_str() {
            "EC" if self.crv.as_deref() == Some("P-256") => {
                let (x, y) = (coordinate(self.x.as_ref()?)?, coordinate(self.y.as_ref()?)?);
                let mut point = [4; 1 + 2 * COORDINATE_BYTES];
                point[1..=COORDINATE_BYTES].copy_from_slice(&x);
                point[1 + COORDINATE_BYTES..].copy_from_slice(&y);
                Key::P256(point)
            }
            "RSA" => {
                let (n, e) = (number(self.n.as_ref()?)?, number(self.e.as_ref()?)?);
                let bits = n.len() * 8 - usize::try_from(n.first()?.leading_zeros()).ok()?;
                if !MODULUS_BITS.contains(&bits) || !(1..=EXPONENT_BYTES_MAX).contains(&e.len()) {
                    return None;
                }
                Key::Rsa { n, e }
            }
            _ => return None,
        };
        // What the key itself says that it is for must be what it is used for.
        let is_agreed = |alg: &str| Algorithm::read(alg) == Some(key.algorithm());
        self.alg.as_deref().is_none_or(is_agreed).then_some(key)
    }
}

fn coordinate(text: &str) -> Option<[u8; COORDINATE_BYTES]> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

/// A number without zeros in front.
fn number(text: &str) -> Option<Vec<u8>> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    Some(bytes[zeros..].to_vec())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set(keys: &Value) -> Option<KeySet> {
        KeySet::read(json!({ "keys": keys }).to_string().as_bytes())
    }

    fn ec() -> Value {
        json!({"kty": "EC", "kid": "a", "crv": "P-256", "alg": "ES256", "use": "sig", "ext": true,
            "key_ops": ["verify"],
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})
    }

    fn rsa(bytes: usize) -> Value {
        let n = URL_SAFE_NO_PAD.encode([vec![0], vec![0xff; bytes]].concat());
        json!({"kty": "RSA", "kid": "a", "n": n, "e": "AQAB"})
    }

    fn with(mut key: Value, field: &str, value: Value) -> Value {
        key[field] = value;
        key
    }

    fn algorithm(key: Value) -> Option<Algorithm> {
        set(&json!([key])).unwrap().get("a").map(|key| key.algorithm())
    }

    #[test]
    fn the_kind_of_a_key_says_its_algorithm() {
        assert_eq!(algorithm(ec()), Some(Algorithm::Es256));
        assert_eq!(algorithm(rsa(256)), Some(Algorithm::Rs256));
        for field in ["alg", "use", "key_ops"] {
            assert_eq!(
                algorithm(with(ec(), field, Value::Null)),
                Some(Algorithm::Es256),
                "{field}"
            );
        }
    }

    #[test]
    fn a_key_that_is_not_for_this_is_left_out() {
        for key in [
            with(ec(), "alg", json!("RS256")),
            with(ec(), "alg", json!("HS256")),
            with(rsa(256), "alg", json!("ES256")),
            with(rsa(256), "alg", json!("PS256")),
            with(rsa(256), "alg", json!("RS512")),
            with(ec(), "use", json!("enc")),
            with(ec(), "key_ops", json!(["sign"])),
            with(ec(), "crv", json!("P-384")),
            with(ec(), "crv", json!("secp256k1")),
            with(ec(), "x", json!("AA")),
            with(ec(), "y", Value::Null),
            with(ec(), "kid", json!("")),
            with(ec(), "kid", Value::Null),
            with(ec(), "kty", json!("OKP")),
            with(rsa(256), "e", json!("AAAA")),
            with(rsa(256), "e", json!("AQAAAAAB")),
            rsa(128),
            rsa(1025),
            json!({"kty": "oct", "kid": "a", "alg": "HS256", "k": "c2VjcmV0"}),
            json!("a"),
        ] {
            let others = json!([key.clone(), with(ec(), "kid", json!("b"))]);
            let set = set(&others).unwrap();
            assert!(set.get("a").is_none(), "{key}");
            assert!(set.get("b").is_some(), "{key}");
        }
    }

    #[test]
    fn of_two_keys_with_one_name_none_is_taken_and_there_is_an_end_of_keys() {
        assert!(set(&json!([ec(), rsa(256)])).unwrap().get("a").is_none());
        let many: Vec<Value> =
            (0..100).map(|n| with(ec(), "kid", json!(format!("k{n}")))).collect();
        let set = set(&json!(many)).unwrap();
        assert!(set.get("k31").is_some() && set.get("k32").is_none());
    }

    #[test]
    fn what_is_no_set_is_none_and_an_empty_one_is_one() {
        for body in ["", "{}", "[]", r#"{"keys":{}}"#, "<html>"] {
            assert!(KeySet::read(body.as_bytes()).is_none(), "{body}");
        }
        assert!(set(&json!([])).unwrap().get("a").is_none());
    }
}
