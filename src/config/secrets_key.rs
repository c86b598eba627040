//! The key that credentials and secrets are encrypted with where they are kept.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::GeneralPurpose;
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};
use secrecy::{ExposeSecret, SecretBox};

use super::{ConfigError, Source, secret};

/// How long the key is.
const KEY_BYTES: usize = 32;
/// What is accepted.
const ACCEPTED: &str = "32 bytes in base64, as `openssl rand -base64 32` prints them";

/// 32 random bytes. Never printed; wiped when dropped.
#[derive(Debug)]
pub struct SecretsKey(SecretBox<[u8; KEY_BYTES]>);

impl SecretsKey {
    /// The bytes, for a cipher alone.
    pub fn expose(&self) -> &[u8; KEY_BYTES] {
        self.0.expose_secret()
    }
}

impl Clone for SecretsKey {
    fn clone(&self) -> Self {
        Self(SecretBox::new(Box::new(*self.expose())))
    }
}

/// Reads the variable `name`. An error never repeats it.
pub(super) fn read(
    source: Source<'_>,
    name: &'static str,
) -> Result<Option<SecretsKey>, ConfigError> {
    let Some(text) = secret(source, name)? else { return Ok(None) };
    let bytes = decoded(text.expose_secret()).map_err(|found| ConfigError {
        name,
        found,
        accepted: ACCEPTED.to_owned(),
    })?;
    Ok(Some(SecretsKey(SecretBox::new(Box::new(bytes)))))
}

/// Either alphabet, with or without padding.
fn decoded(text: &str) -> Result<[u8; KEY_BYTES], String> {
    let config =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let alphabet =
        if text.contains(['-', '_']) { &alphabet::URL_SAFE } else { &alphabet::STANDARD };
    let bytes =
        GeneralPurpose::new(alphabet, config).decode(text).map_err(|_| "not base64".to_owned())?;
    let length = bytes.len();
    bytes.try_into().map_err(|_| format!("{length} bytes"))
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

    use super::*;

    fn read(value: &str) -> Result<Option<SecretsKey>, ConfigError> {
        let source = |_: &str| Some(value.to_owned()).filter(|value| !value.is_empty());
        super::read(&source, "SECRETS_KEY")
    }

    #[test]
    fn thirty_two_bytes_are_read_in_either_alphabet() {
        assert!(read("").unwrap().is_none());
        let key = [0xfb_u8; 32];
        for text in [STANDARD.encode(key), URL_SAFE_NO_PAD.encode(key), STANDARD.encode(key) + "\n"]
        {
            let read = read(&text).unwrap().unwrap();
            assert_eq!(read.clone().expose(), &key);
            assert!(!format!("{read:?}").contains("251"), "{read:?}");
        }
    }

    #[test]
    fn anything_else_is_refused_and_not_repeated() {
        for (text, found) in [
            (STANDARD.encode([7; 16]), "16 bytes"),
            (STANDARD.encode([7; 33]), "33 bytes"),
            ("hunter2 is not a key".to_owned(), "not base64"),
            ("07".repeat(32), "48 bytes"),
        ] {
            let error = read(&text).unwrap_err().to_string();
            let accepted = "32 bytes in base64, as `openssl rand -base64 32` prints them";
            assert_eq!(error, format!("SECRETS_KEY: {found}; accepted: {accepted}"));
        }
    }
}
