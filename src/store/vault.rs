//! Credentials and secrets of owners, encrypted in the rows that hold them.
//!
//! `SECRETS_KEY` gives the key. A sealed text is `sealed:v1:` and, in base64, a nonce of 12 bytes and
//! what ChaCha20-Poly1305 (RFC 8439) makes of the text; the agent's id and the field's name are
//! authenticated with it, so that a sealed text that is copied to another row or field does not open.
//! Rows that were written before, or by others, are plain: they are read as they are, and sealed when
//! the console changes them.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand::RngCore as _;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde_json::Value;
use uuid::Uuid;

use crate::agent::SEALED as MARK;
use crate::config::SecretsKey;

/// Why a sealed text does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unopened {
    /// There is no key.
    #[error("it is sealed, and SECRETS_KEY is not set")]
    NoKey,
    /// Another key sealed it, or it was changed, or it belongs to another row or field.
    #[error("it is sealed with another SECRETS_KEY, or was changed")]
    Altered,
}

/// The key, if there is one.
#[derive(Default)]
pub struct Vault(Option<LessSafeKey>);

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Vault(key)" } else { "Vault(no key)" })
    }
}

impl Vault {
    /// With this key.
    pub fn new(key: &[u8; 32]) -> Self {
        let key = UnboundKey::new(&CHACHA20_POLY1305, key).expect("the key has 32 bytes");
        Self(Some(LessSafeKey::new(key)))
    }

    /// With the key that is configured, if one is.
    pub fn of(key: Option<&SecretsKey>) -> Self {
        key.map(|key| Self::new(key.expose())).unwrap_or_default()
    }

    /// Whether what is written is sealed.
    pub fn has_key(&self) -> bool {
        self.0.is_some()
    }

    /// Seals a text of this agent's field; without a key it stays as it is.
    pub fn seal(&self, agent: Uuid, field: &str, text: &str) -> String {
        let Some(key) = &self.0 else { return text.to_owned() };
        let mut nonce = [0_u8; NONCE_LEN];
        // 96 random bits: a key would have to seal billions of texts before two are likely the same.
        rand::rng().fill_bytes(&mut nonce);
        let mut sealed = text.as_bytes().to_vec();
        key.seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(place(agent, field)),
            &mut sealed,
        )
        .expect("a row's text is far below the cipher's limit");
        let whole: Vec<u8> = nonce.into_iter().chain(sealed).collect();
        format!("{MARK}{}", STANDARD.encode(whole))
    }

    /// The text that was sealed; one that is not sealed is given back as it is.
    pub fn open(&self, agent: Uuid, field: &str, text: &str) -> Result<String, Unopened> {
        let Some(sealed) = text.strip_prefix(MARK) else { return Ok(text.to_owned()) };
        let key = self.0.as_ref().ok_or(Unopened::NoKey)?;
        let mut bytes = STANDARD.decode(sealed).map_err(|_| Unopened::Altered)?;
        let body = bytes.split_off(NONCE_LEN.min(bytes.len()));
        let nonce = Nonce::try_assume_unique_for_key(&bytes).map_err(|_| Unopened::Altered)?;
        let mut body = body;
        let place = Aad::from(place(agent, field));
        let opened = key.open_in_place(nonce, place, &mut body).map_err(|_| Unopened::Altered)?;
        String::from_utf8(opened.to_vec()).map_err(|_| Unopened::Altered)
    }

    /// Seals the secrets of an agent's `private_settings`.
    pub fn seal_settings(&self, agent: Uuid, settings: &mut Value) {
        secrets(settings, |field, text| {
            (!text.starts_with(MARK)).then(|| Value::String(self.seal(agent, field, text)))
        });
    }

    /// Puts back what did not open: a secret that is null now and sealed in the row. Whoever changes
    /// something else must not lose it.
    pub fn keep_unopened(&self, sealed: &Value, settings: &mut Value) {
        let mut keep = |pointer: &str| {
            let stored = sealed
                .pointer(pointer)
                .filter(|stored| stored.as_str().is_some_and(|text| text.starts_with(MARK)));
            if let Some(place) = settings.pointer_mut(pointer).filter(|place| place.is_null())
                && let Some(stored) = stored
            {
                *place = stored.clone();
            }
        };
        keep("/webhook/secret");
        let names = sealed["secrets"].as_object().into_iter().flatten();
        for (name, _) in names {
            keep(&format!("/secrets/{}", name.replace('~', "~0").replace('/', "~1")));
        }
    }

    /// Opens them. One that does not open is null, which is reported where settings are read; the
    /// first reason is given back.
    pub fn open_settings(&self, agent: Uuid, settings: &mut Value) -> Option<Unopened> {
        let mut why = None;
        secrets(settings, |field, text| {
            if !text.starts_with(MARK) {
                return None;
            }
            Some(match self.open(agent, field, text) {
                Ok(text) => Value::String(text),
                Err(error) => {
                    why = why.or(Some(error));
                    Value::Null
                }
            })
        });
        why
    }
}

/// What a sealed text belongs to.
fn place(agent: Uuid, field: &str) -> Vec<u8> {
    [agent.as_bytes().as_slice(), field.as_bytes()].concat()
}

/// Puts what `change` gives in the place of each secret: `webhook.secret`, and all of `secrets`.
fn secrets(settings: &mut Value, mut change: impl FnMut(&str, &str) -> Option<Value>) {
    if let Some(secret) = settings.pointer_mut("/webhook/secret")
        && let Some(changed) = secret.as_str().and_then(|text| change("webhook.secret", text))
    {
        *secret = changed;
    }
    let Some(fields) = settings.get_mut("secrets").and_then(Value::as_object_mut) else { return };
    for (name, secret) in fields {
        let field = format!("secrets.{name}");
        if let Some(changed) = secret.as_str().and_then(|text| change(&field, text)) {
            *secret = changed;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const AGENT: Uuid = Uuid::from_u128(1);

    #[test]
    fn what_is_sealed_opens_in_its_place_alone() {
        let vault = Vault::new(&[7; 32]);
        let sealed = vault.seal(AGENT, "auth_token", "very secret");
        assert!(sealed.starts_with(MARK) && !sealed.contains("secret"), "{sealed}");
        assert_ne!(sealed, vault.seal(AGENT, "auth_token", "very secret"), "each has its nonce");
        assert_eq!(vault.open(AGENT, "auth_token", &sealed), Ok("very secret".to_owned()));
        assert_eq!(vault.open(AGENT, "auth_token", "plain"), Ok("plain".to_owned()));
        let other = Uuid::from_u128(2);
        assert_eq!(vault.open(other, "auth_token", &sealed), Err(Unopened::Altered));
        assert_eq!(vault.open(AGENT, "secrets.X", &sealed), Err(Unopened::Altered));
        assert_eq!(Vault::new(&[8; 32]).open(AGENT, "auth_token", &sealed), Err(Unopened::Altered));
        assert_eq!(Vault::default().open(AGENT, "auth_token", &sealed), Err(Unopened::NoKey));
        for odd in ["sealed:v1:", "sealed:v1:AAAA", "sealed:v1:???", &sealed[..sealed.len() - 8]] {
            assert_eq!(vault.open(AGENT, "auth_token", odd), Err(Unopened::Altered), "{odd}");
        }
        assert_eq!(
            Vault::default().seal(AGENT, "auth_token", "x"),
            "x",
            "without a key it is plain"
        );
    }

    #[test]
    fn the_secrets_of_settings_are_sealed_and_nothing_else() {
        let vault = Vault::new(&[7; 32]);
        let plain = json!({
            "greeting": "Hello", "webhook": {"url": "https://x.example", "secret": "whsec_abc"},
            "secrets": {"KEY": "k", "NUMBER": 5}
        });
        let mut settings = plain.clone();
        vault.seal_settings(AGENT, &mut settings);
        assert_eq!(settings["greeting"], "Hello");
        assert_eq!(settings["webhook"]["url"], "https://x.example");
        assert_eq!(settings["secrets"]["NUMBER"], 5);
        for path in ["/webhook/secret", "/secrets/KEY"] {
            assert!(settings.pointer(path).unwrap().as_str().unwrap().starts_with(MARK), "{path}");
        }
        let mut again = settings.clone();
        vault.seal_settings(AGENT, &mut again);
        assert_eq!(again, settings, "what is sealed stays");
        let mut opened = settings.clone();
        assert_eq!(vault.open_settings(AGENT, &mut opened), None);
        assert_eq!(opened, plain);
        let sealed = settings.clone();
        assert_eq!(Vault::default().open_settings(AGENT, &mut settings), Some(Unopened::NoKey));
        assert_eq!(settings["secrets"]["KEY"], Value::Null);
        settings["greeting"] = json!("Hi");
        settings["webhook"] = json!({"url": "https://y.example"});
        Vault::default().keep_unopened(&sealed, &mut settings);
        assert_eq!(settings["secrets"], sealed["secrets"], "what did not open is not lost");
        assert_eq!(settings["webhook"], json!({"url": "https://y.example"}), "what was removed is");
        for odd in [json!(null), json!([]), json!({"secrets": 1, "webhook": "x"})] {
            let mut settings = odd.clone();
            vault.seal_settings(AGENT, &mut settings);
            assert_eq!(settings, odd);
        }
    }
}
