//! What a token says of whoever has it, once its signature is checked.

use std::time::Duration;

use serde::Deserialize;
use uuid::Uuid;

use super::refusal::TokenRefused;
use crate::private::Private;

/// The audience and the role that people have who signed in.
const AUTHENTICATED: &str = "authenticated";
/// How far the clocks of two machines may be apart.
pub(super) const LEEWAY: Duration = Duration::from_secs(30);

/// Who somebody is, as Supabase says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// `sub`: `auth.users.id`, which is `customer.uuid`.
    pub user_id: Uuid,
    /// The address that they signed up with. People change it: it is for showing, and decides
    /// nothing.
    pub email: Option<Private<String>>,
    /// `auth.sessions.id`: ended there, the token is of no use any more, although it has not expired.
    pub session_id: Option<Uuid>,
    /// When the token ends, since the Unix epoch.
    pub expires_at: Duration,
    /// When Supabase signed it, since the Unix epoch, if it says so.
    pub issued_at: Option<Duration>,
    /// Whether a second factor was used (`aal` is `aal2`).
    pub has_second_factor: bool,
}

/// What is read of a payload. `user_metadata` and `app_metadata` are not.
#[derive(Deserialize)]
struct Payload {
    iss: String,
    aud: Audience,
    exp: u64,
    #[serde(default)]
    nbf: Option<u64>,
    #[serde(default)]
    iat: Option<u64>,
    sub: Uuid,
    role: String,
    #[serde(default)]
    is_anonymous: Option<bool>,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    session_id: Option<Uuid>,
    #[serde(default)]
    aal: Option<String>,
}

/// One audience or a list of them.
#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    fn is_for(&self, audience: &str) -> bool {
        match self {
            Self::One(one) => one == audience,
            Self::Several(several) => several.iter().any(|one| one == audience),
        }
    }
}

impl Claims {
    /// Checks a payload whose signature has been checked.
    pub(super) fn check(payload: &[u8], issuer: &str, now: Duration) -> Result<Self, TokenRefused> {
        let payload: Payload = serde_json::from_slice(payload).map_err(|_| TokenRefused::Claims)?;
        let expires_at = Duration::from_secs(payload.exp);
        // Of the faults that a token may have, the one that says most of where it comes from.
        if payload.iss != issuer {
            return Err(TokenRefused::Issuer);
        }
        if !payload.aud.is_for(AUTHENTICATED) {
            return Err(TokenRefused::Audience);
        }
        if payload.role != AUTHENTICATED {
            return Err(TokenRefused::Role);
        }
        if payload.is_anonymous == Some(true) {
            return Err(TokenRefused::Anonymous);
        }
        if payload.sub.is_nil() {
            return Err(TokenRefused::Claims);
        }
        if now >= expires_at.saturating_add(LEEWAY) {
            return Err(TokenRefused::Expired);
        }
        if payload.nbf.is_some_and(|nbf| Duration::from_secs(nbf) > now.saturating_add(LEEWAY)) {
            return Err(TokenRefused::NotYet);
        }
        Ok(Self {
            user_id: payload.sub,
            email: payload.email.filter(|email| !email.is_empty()).map(Private::new),
            session_id: payload.session_id,
            expires_at,
            issued_at: payload.iat.map(Duration::from_secs),
            has_second_factor: payload.aal.as_deref() == Some("aal2"),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const ISSUER: &str = "https://project.supabase.co/auth/v1";
    const NOW: u64 = 1_790_000_000;

    fn payload() -> Value {
        json!({"iss": ISSUER, "aud": "authenticated", "role": "authenticated",
            "sub": "8f1c2b34-0000-4000-8000-000000000001", "exp": NOW + 3600, "iat": NOW - 60,
            "email": "a@example.com", "phone": "", "aal": "aal1", "is_anonymous": false,
            "session_id": "8f1c2b34-0000-4000-8000-000000000002",
            "user_metadata": {"role": "admin", "sub": "x"}, "app_metadata": {"provider": "email"}})
    }

    fn check(payload: &Value) -> Result<Claims, TokenRefused> {
        Claims::check(payload.to_string().as_bytes(), ISSUER, Duration::from_secs(NOW))
    }

    fn with(field: &str, value: Value) -> Value {
        let mut payload = payload();
        payload[field] = value;
        payload
    }

    fn without(field: &str) -> Value {
        let mut payload = payload();
        payload.as_object_mut().unwrap().remove(field);
        payload
    }

    #[test]
    fn a_persons_token_is_read() {
        let claims = check(&payload()).unwrap();
        assert_eq!(claims.user_id.to_string(), "8f1c2b34-0000-4000-8000-000000000001");
        assert_eq!(claims.email.as_ref().unwrap().reveal(), "a@example.com");
        assert_eq!(claims.session_id.unwrap().to_string(), "8f1c2b34-0000-4000-8000-000000000002");
        assert_eq!(claims.expires_at.as_secs(), NOW + 3600);
        assert_eq!(claims.issued_at.unwrap().as_secs(), NOW - 60);
        assert!(!claims.has_second_factor);
        assert!(!format!("{claims:?}").contains("example.com"));
        assert!(check(&with("aal", json!("aal2"))).unwrap().has_second_factor);
        for audience in [json!(["authenticated"]), json!(["other", "authenticated"])] {
            assert!(check(&with("aud", audience)).is_ok());
        }
        // What Supabase leaves out for some.
        for field in ["email", "phone", "session_id", "iat", "aal", "is_anonymous", "user_metadata"]
        {
            assert!(check(&without(field)).is_ok(), "{field}");
        }
        assert_eq!(check(&with("email", json!(""))).unwrap().email, None);
    }

    #[test]
    fn time_is_ours_and_thirty_seconds_are_given() {
        for (exp, taken) in [(NOW - 31, false), (NOW - 30, false), (NOW - 29, true), (NOW, true)] {
            let expected = if taken { Ok(()) } else { Err(TokenRefused::Expired) };
            assert_eq!(check(&with("exp", json!(exp))).map(|_| ()), expected, "{exp}");
        }
        for (nbf, taken) in [(NOW, true), (NOW + 30, true), (NOW + 31, false), (u64::MAX, false)] {
            let expected = if taken { Ok(()) } else { Err(TokenRefused::NotYet) };
            assert_eq!(check(&with("nbf", json!(nbf))).map(|_| ()), expected, "{nbf}");
        }
        assert!(check(&with("exp", json!(u64::MAX))).is_ok());
    }

    #[test]
    fn every_claim_that_is_needed_is_needed_and_is_what_it_should_be() {
        for field in ["iss", "aud", "exp", "sub", "role"] {
            assert_eq!(check(&without(field)).unwrap_err(), TokenRefused::Claims, "{field}");
            for value in [json!(null), json!(7.5), json!({}), json!(true), json!([7])] {
                let refused = check(&with(field, value)).unwrap_err();
                assert_eq!(refused, TokenRefused::Claims, "{field}");
            }
        }
        for (field, value, refused) in [
            ("iss", json!("supabase"), TokenRefused::Issuer),
            ("iss", json!(format!("{ISSUER}/")), TokenRefused::Issuer),
            ("iss", json!("https://other.supabase.co/auth/v1"), TokenRefused::Issuer),
            ("aud", json!("anon"), TokenRefused::Audience),
            ("aud", json!("Authenticated"), TokenRefused::Audience),
            ("aud", json!([]), TokenRefused::Audience),
            ("role", json!("service_role"), TokenRefused::Role),
            ("role", json!("anon"), TokenRefused::Role),
            ("role", json!(""), TokenRefused::Role),
            ("is_anonymous", json!(true), TokenRefused::Anonymous),
            ("is_anonymous", json!("true"), TokenRefused::Claims),
            ("exp", json!(-1), TokenRefused::Claims),
            ("exp", json!("1790003600"), TokenRefused::Claims),
            ("nbf", json!("0"), TokenRefused::Claims),
            ("sub", json!("me"), TokenRefused::Claims),
            ("sub", json!("00000000-0000-0000-0000-000000000000"), TokenRefused::Claims),
            ("session_id", json!("x"), TokenRefused::Claims),
        ] {
            assert_eq!(check(&with(field, value.clone())).unwrap_err(), refused, "{field} {value}");
        }
        assert_eq!(check(&json!([])).unwrap_err(), TokenRefused::Claims);
    }

    #[test]
    fn a_claim_that_is_there_twice_is_refused() {
        let twice = payload().to_string().replacen('{', r#"{"role":"authenticated","#, 1);
        let refused = Claims::check(twice.as_bytes(), ISSUER, Duration::from_secs(NOW));
        assert_eq!(refused.unwrap_err(), TokenRefused::Claims);
    }
}
