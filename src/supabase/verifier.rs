//! Checks access tokens.

use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;

use super::claims::Claims;
use super::jws::{Algorithm, Key, Token};
use super::keys::Keys;
use super::refusal::TokenRefused;
use crate::config::SupabaseProject;

/// Checks the access tokens of one project. Copies share its keys.
#[derive(Debug, Clone)]
pub struct Verifier {
    keys: Arc<Keys>,
    /// For HS256, where the project has a secret for it.
    secret: Option<Arc<Key>>,
    issuer: Arc<str>,
}

impl Verifier {
    /// For the tokens of this project.
    ///
    /// # Errors
    /// If no HTTP client can be made.
    pub fn new(project: &SupabaseProject) -> Result<Self, reqwest::Error> {
        let secret = project.jwt_secret.as_ref();
        Ok(Self {
            keys: Arc::new(Keys::new(project)?),
            secret: secret.map(|secret| Arc::new(Key::secret(secret.expose_secret()))),
            issuer: project.auth_url().into(),
        })
    }

    /// Who has this access token, at `now` since the Unix epoch. It may take as long as Supabase
    /// takes to give its keys, 5 s at most, if these are not known.
    ///
    /// Whether the session behind it has been ended is not in the token, but in Supabase's tables:
    /// `Store::supabase_session_is_alive` looks.
    pub async fn verify(&self, token: &str, now: Duration) -> Result<Claims, TokenRefused> {
        let token = Token::read(token)?;
        let key = self.key(&token, now).await?;
        Claims::check(&token.payload(&key)?, &self.issuer, now)
    }

    /// The key that the token names, among those that may have signed it.
    async fn key(&self, token: &Token<'_>, now: Duration) -> Result<Arc<Key>, TokenRefused> {
        let kid = token.kid.as_deref();
        match token.algorithm {
            Algorithm::Hs256 => {
                // A key that is published is no secret, and has an algorithm of its own.
                if kid.is_some_and(|kid| self.keys.is_published(kid)) {
                    return Err(TokenRefused::Algorithm);
                }
                self.secret.clone().ok_or(TokenRefused::Algorithm)
            }
            Algorithm::Es256 | Algorithm::Rs256 => {
                self.keys.find(kid.ok_or(TokenRefused::UnknownKey)?, now).await
            }
        }
    }
}
