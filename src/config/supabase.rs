//! The Supabase project whose people sign in: its address, its publishable key, and perhaps the
//! secret that it signs with.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::{Host, Url};

use super::{ConfigError, Source, refused_address, secret};

/// What the address may be.
const URL_ACCEPTED: &str = "the project's address such as https://project.supabase.co, without \
     /auth/v1; http only on this machine or in a private network";
/// What the key may be.
const KEY_ACCEPTED: &str = "the project's publishable key (sb_publishable_…) or its anon key";
/// What the secret may be.
const SECRET_ACCEPTED: &str =
    "the JWT secret of the project's settings, at least 32 characters, and no key of it";

/// HS256 asks for a secret that is as long as its hash (RFC 7518, 3.2).
const SECRET_BYTES_MIN: usize = 32;

/// A Supabase project.
#[derive(Debug, Clone)]
pub struct SupabaseProject {
    /// `SUPABASE_URL`.
    pub url: Url,
    /// `SUPABASE_PUBLISHABLE_KEY`: what the sign-in endpoints want to see. It is not a secret, and
    /// still nothing for a log.
    pub publishable_key: SecretString,
    /// `SUPABASE_JWT_SECRET`: what tokens with HS256 are signed with. Without it there are none.
    pub jwt_secret: Option<SecretString>,
}

impl SupabaseProject {
    /// The address of Supabase's Auth, which is what its tokens name as their issuer. No slash at
    /// the end.
    pub fn auth_url(&self) -> String {
        format!("{}/auth/v1", self.url.as_str().trim_end_matches('/'))
    }
}

/// Reads the three variables by these names. One of them alone is of no use, so it is refused.
pub(super) fn read(
    source: Source<'_>,
    [url_name, key_name, secret_name]: [&'static str; 3],
) -> Result<Option<SupabaseProject>, ConfigError> {
    let url = match source(url_name) {
        Some(text) => Some(project_url(url_name, &text)?),
        None => None,
    };
    let key = secret(source, key_name)?;
    if let Some(key) = &key {
        let found = wrong_key(key.expose_secret());
        found.map_or(Ok(()), |found| Err(refused(key_name, found, KEY_ACCEPTED)))?;
    }
    let jwt_secret = secret(source, secret_name)?;
    if let Some(jwt_secret) = &jwt_secret {
        let found = wrong_secret(jwt_secret.expose_secret());
        found.map_or(Ok(()), |found| Err(refused(secret_name, found, SECRET_ACCEPTED)))?;
    }
    let both = &format!("{url_name} and {key_name}, or neither");
    match (url, key) {
        (Some(url), Some(publishable_key)) => {
            Ok(Some(SupabaseProject { url, publishable_key, jwt_secret }))
        }
        (Some(_), None) => Err(refused(url_name, &format!("set without {key_name}"), both)),
        (None, Some(_)) => Err(refused(key_name, &format!("set without {url_name}"), both)),
        (None, None) if jwt_secret.is_some() => {
            let accepted = &format!("it with {url_name} and {key_name}");
            Err(refused(secret_name, &format!("set without {url_name}"), accepted))
        }
        (None, None) => Ok(None),
    }
}

fn refused(name: &'static str, found: &str, accepted: &str) -> ConfigError {
    ConfigError { name, found: found.to_owned(), accepted: accepted.to_owned() }
}

fn project_url(name: &'static str, text: &str) -> Result<Url, ConfigError> {
    let url = Url::parse(text.trim().trim_end_matches('/')).ok();
    let is_usable = |url: &Url| {
        let is_of_a_service =
            ["/auth/v1", "/rest/v1"].iter().any(|path| url.path().ends_with(path));
        matches!(url.scheme(), "http" | "https")
            && (url.scheme() == "https" || url.host().is_some_and(|host| is_near(&host)))
            && url.has_host()
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
            && !is_of_a_service
    };
    url.filter(is_usable).ok_or_else(|| refused_address(name, text, URL_ACCEPTED))
}

/// Whether passwords and keys for this host stay within a machine or a private network.
fn is_near(host: &Host<&str>) -> bool {
    match host {
        Host::Ipv4(address) => {
            address.is_loopback() || address.is_private() || address.is_link_local()
        }
        Host::Ipv6(address) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
        Host::Domain(name) => {
            let last = name.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
            !name.contains('.') || ["local", "internal", "localhost"].contains(&last)
        }
    }
}

/// Why a text is not the key. A key that may do everything is refused where the public one does: it
/// would only be one more place that it can be lost from.
fn wrong_key(key: &str) -> Option<&'static str> {
    if key.starts_with("sb_secret_") || role(key).is_some_and(|role| role != "anon") {
        Some("a key that may do everything")
    } else if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        Some("a character that no key has")
    } else {
        None
    }
}

/// Why a text is not the secret. What is public would let anybody sign.
fn wrong_secret(secret: &str) -> Option<&'static str> {
    let is_key = secret.starts_with("sb_") || role(secret).is_some();
    if is_key || secret.starts_with("-----BEGIN") || secret.starts_with('{') {
        Some("a key of the project, which is no secret")
    } else if secret.len() < SECRET_BYTES_MIN {
        Some("fewer than 32 characters")
    } else {
        None
    }
}

/// The role that a project's key of the older kind, a signed token, has.
fn role(key: &str) -> Option<String> {
    let payload = key.strip_prefix("eyJ")?.split('.').nth(1)?;
    let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
    let payload: Value = serde_json::from_slice(&payload).ok()?;
    Some(payload["role"].as_str().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 3] = ["SUPABASE_URL", "SUPABASE_PUBLISHABLE_KEY", "SUPABASE_JWT_SECRET"];
    const URL: &str = "https://project.supabase.co";
    const KEY: &str = "sb_publishable_abc";
    const SECRET: &str = "super-secret-jwt-token-with-at-least-32-characters-long";

    /// Reads the variables, of which an empty one is unset.
    fn read(values: [&str; 3]) -> Result<Option<SupabaseProject>, ConfigError> {
        let value = |name: &str| {
            let at = NAMES.iter().position(|known| *known == name)?;
            Some(values[at].to_owned()).filter(|value| !value.is_empty())
        };
        super::read(&value, NAMES)
    }

    fn old_key(role: &str) -> String {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let payload = part(&format!(r#"{{"iss":"supabase","ref":"project","role":"{role}"}}"#));
        format!("{}.{payload}.c2lnbmF0dXJl", part(r#"{"alg":"HS256","typ":"JWT"}"#))
    }

    #[test]
    fn a_project_is_read_with_the_issuer_of_its_tokens() {
        assert!(read(["", "", ""]).unwrap().is_none());
        for url in [URL, "HTTPS://Project.supabase.co/", " https://project.supabase.co\n"] {
            let project = read([url, KEY, ""]).unwrap().unwrap();
            assert_eq!(project.auth_url(), "https://project.supabase.co/auth/v1");
            assert!(project.jwt_secret.is_none());
        }
        let own = read(["https://db.example.com/base", &old_key("anon"), SECRET]).unwrap().unwrap();
        assert_eq!(own.auth_url(), "https://db.example.com/base/auth/v1");
        assert_eq!(own.jwt_secret.unwrap().expose_secret(), SECRET);
    }

    #[test]
    fn plain_http_stays_near() {
        let near =
            ["localhost:54321", "127.0.0.1:1", "[::1]:1", "kong:8000", "10.0.0.7", "a.local"];
        for host in near {
            assert!(read([&format!("http://{host}"), KEY, ""]).is_ok(), "{host}");
        }
        for host in ["project.supabase.co", "8.8.8.8", "[2606:4700::1111]", "internal.example.com"]
        {
            let error = read([&format!("http://{host}"), KEY, ""]).unwrap_err().to_string();
            assert!(error.starts_with("SUPABASE_URL: read \"http://"), "{error}");
            assert!(error.contains("http only on this machine"), "{error}");
        }
    }

    #[test]
    fn what_is_no_project_is_refused() {
        for url in [
            "project.supabase.co",
            "ftp://project.supabase.co",
            "https://project.supabase.co/auth/v1",
            "https://project.supabase.co/rest/v1/",
            "https://project.supabase.co?x=1",
            "https://project.supabase.co#x",
            "https://u:hunter2@project.supabase.co",
            "postgres://postgres:hunter2@db.project.supabase.co:5432/postgres",
        ] {
            let error = read([url, KEY, ""]).unwrap_err().to_string();
            assert!(error.starts_with("SUPABASE_URL: "), "{error}");
            assert!(error.contains("https://project.supabase.co, without /auth/v1"), "{error}");
            assert!(!error.contains("hunter2") && !error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn one_variable_without_the_others_is_refused_by_its_name() {
        for (values, error) in [
            (
                [URL, "", ""],
                "SUPABASE_URL: set without SUPABASE_PUBLISHABLE_KEY; accepted: SUPABASE_URL and \
                 SUPABASE_PUBLISHABLE_KEY, or neither",
            ),
            (
                ["", KEY, SECRET],
                "SUPABASE_PUBLISHABLE_KEY: set without SUPABASE_URL; accepted: SUPABASE_URL and \
                 SUPABASE_PUBLISHABLE_KEY, or neither",
            ),
            (
                ["", "", SECRET],
                "SUPABASE_JWT_SECRET: set without SUPABASE_URL; accepted: it with SUPABASE_URL and \
                 SUPABASE_PUBLISHABLE_KEY",
            ),
        ] {
            assert_eq!(read(values).unwrap_err().to_string(), error);
        }
    }

    #[test]
    fn a_key_that_may_do_everything_is_not_taken_for_the_public_one() {
        for key in ["sb_secret_hunter2", &old_key("service_role"), "two words"] {
            let error = read([URL, key, ""]).unwrap_err().to_string();
            assert!(error.starts_with("SUPABASE_PUBLISHABLE_KEY: a "), "{error}");
            assert!(error.contains("accepted: the project's publishable key"), "{error}");
            assert!(!error.contains("hunter2") && !error.contains("eyJ"), "{error}");
        }
    }

    #[test]
    fn what_everybody_knows_is_no_secret_to_sign_with() {
        for secret in [
            "too-short-to-be-a-secret-hunter2",
            KEY,
            "sb_publishable_0123456789012345678901234567890",
            &old_key("anon"),
            &old_key("service_role"),
            "-----BEGIN PUBLIC KEY-----hunter2 and so on and on and on",
            r#"{"kty":"EC","crv":"P-256","x":"hunter2","y":"and so on and on"}"#,
        ] {
            let secret = secret.trim_end_matches("hunter2");
            let error = read([URL, KEY, secret]).unwrap_err().to_string();
            assert!(error.starts_with("SUPABASE_JWT_SECRET: "), "{error}");
            assert!(error.contains("accepted: the JWT secret"), "{error}");
            assert!(!error.contains(&secret[..9]), "{error}");
        }
    }
}
