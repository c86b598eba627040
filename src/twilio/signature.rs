//! Who sent a request: `X-Twilio-Signature`, made and checked as Twilio's own libraries do.
//!
//! The signature is base64(HMAC(auth token, URL + sorted parameters)). Which exact URL was signed
//! differs between Twilio's products and versions (an explicit port or none, how a query string is
//! escaped), so a check tries each form that Twilio's libraries try.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use subtle::ConstantTimeEq;

/// The header that carries the signature.
pub const SIGNATURE_HEADER: &str = "x-twilio-signature";

/// The header that names another key and algorithm (SharedKey signing, public beta in 2026).
pub const SETTINGS_HEADER: &str = "x-twilio-webhooks-signature-settings";

/// The signature of a request: `url` as Twilio requested it, without its fragment, then for each
/// distinct parameter name in byte order each distinct value in order, URL-decoded.
pub fn sign(key: &[u8], url: &str, params: &[(String, String)]) -> String {
    hmac_base64(key, &format!("{}{}", without_fragment(url), sorted(params)))
}

/// Whether `signature_header` is the auth token's signature of a form POST, or of a GET with no
/// `params`, under any form of `url` that Twilio signs. Takes the same time wherever two
/// signatures differ.
pub fn is_valid(
    auth_token: &str,
    url: &str,
    params: &[(String, String)],
    signature_header: &str,
) -> bool {
    let params = sorted(params);
    url_variants(without_fragment(url)).iter().any(|variant| {
        let expected = hmac_base64(auth_token.as_bytes(), &format!("{variant}{params}"));
        expected.as_bytes().ct_eq(signature_header.as_bytes()).into()
    })
}

/// Whether `signature_header` signs the upgrade of a media stream. Twilio signs the URL of the
/// TwiML, `wss://…`, with no parameters; which port and whether a trailing slash go in is not
/// certain, so `ws`, `wss`, `http` and `https` are tried, each with and without both.
///
/// `public_url` is the configured one, `path` begins with a slash.
pub fn upgrade_is_valid(
    auth_token: &str,
    public_url: &str,
    path: &str,
    signature_header: &str,
) -> bool {
    let Some((_, rest)) = public_url.split_once("://") else { return false };
    let base = rest.trim_end_matches('/');
    let path = path.trim_end_matches('/');
    ["wss", "ws", "https", "http"].iter().any(|scheme| {
        ["", "/"].iter().any(|slash| {
            is_valid(auth_token, &format!("{scheme}://{base}{path}{slash}"), &[], signature_header)
        })
    })
}

/// Whether a request with this value of [`SETTINGS_HEADER`] can be checked at all. The header
/// names a SharedKey; none can be configured here, and a header must not choose the secret, so
/// only its absence (auth token and SHA-1) is accepted.
pub fn settings_header_is_acceptable(header: Option<&str>) -> bool {
    header.is_none()
}

fn hmac_base64(key: &[u8], text: &str) -> String {
    let mac = Hmac::<Sha1>::new_from_slice(key).expect("an HMAC key may have any length");
    STANDARD.encode(mac.chain_update(text).finalize().into_bytes())
}

fn sorted(params: &[(String, String)]) -> String {
    let mut by_name: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, value) in params {
        by_name.entry(name).or_default().insert(value);
    }
    let mut text = String::new();
    for (name, values) in by_name {
        for value in values {
            text.push_str(name);
            text.push_str(value);
        }
    }
    text
}

fn without_fragment(url: &str) -> &str {
    url.split_once('#').map_or(url, |(before, _)| before)
}

/// The forms of a URL that Twilio may have signed: with and without a port, each with the query
/// as it is and escaped the other way. Distinct, at most four.
fn url_variants(url: &str) -> Vec<String> {
    let mut variants = vec![url.to_owned()];
    variants.extend(with_port_switched(url));
    for index in 0..variants.len() {
        let escaped = with_query_escaped_anew(&variants[index]);
        variants.extend(escaped.filter(|escaped| !variants.contains(escaped)));
    }
    variants
}

/// The URL without its port if it has one, else with the port of its scheme. Twilio's Python
/// library gives `wss` port 80; it is 443.
fn with_port_switched(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let authority_end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(authority_end);
    // A colon inside an IPv6 address, `[::1]`, is not a port's.
    let host_end = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    let user_end = authority.rfind('@').map_or(0, |at| at + 1);
    let port = authority[host_end.max(user_end)..].find(':').map(|at| at + host_end.max(user_end));
    Some(match port {
        Some(colon) => format!("{scheme}://{}{tail}", &authority[..colon]),
        None => {
            let port = if matches!(scheme, "https" | "wss") { 443 } else { 80 };
            format!("{scheme}://{authority}:{port}{tail}")
        }
    })
}

/// The URL with its query decoded and escaped as Node's `querystring` does, which is what some of
/// Twilio's products sign (twilio-node tries it too).
fn with_query_escaped_anew(url: &str) -> Option<String> {
    let (before, query) = url.split_once('?')?;
    let pairs: Vec<String> = url::form_urlencoded::parse(query.as_bytes())
        .map(|(name, value)| format!("{}={}", escape_component(&name), escape_component(&value)))
        .collect();
    Some(format!("{before}?{}", pairs.join("&")))
}

/// JavaScript's `encodeURIComponent`.
fn escape_component(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    type Vector<'a> = (&'a str, Vec<(String, String)>, &'a str);

    const KEY: &str = "12345";
    const PUBLISHED: &str = "https://mycompany.com/myapp.php?foo=1&bar=2";

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn published() -> Vec<(String, String)> {
        pairs(&[
            ("CallSid", "CA1234567890ABCDE"),
            ("Caller", "+14158675309"),
            ("Digits", "1234"),
            ("From", "+14158675309"),
            ("To", "+18005551212"),
        ])
    }

    #[test]
    fn signs_as_twilios_own_library_does() {
        let with_port = "https://mycompany.com:443/myapp.php?foo=1&bar=2";
        let empty = pairs(&[("CallSid", "CA1"), ("CallerName", "")]);
        let json = "https://mycompany.com/myapp.php?foo=1&bar=2&bodySHA256=\
                    0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620";
        let vectors: [Vector<'_>; 6] = [
            (PUBLISHED, published(), "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
            (with_port, published(), "kvajT1Ptam85bY51eRf/AJRuM3w="),
            ("wss://voice.example.com/twilio/stream", vec![], "t/8qbLNvETeS9S8Jhtt2tU1aQPg="),
            ("wss://voice.example.com/twilio/stream/", vec![], "+YcLFBRNgsnDQaCNvnBnVhdmvXY="),
            ("https://a.example/voice", empty, "Z1XZbxfjKMtsBLNXrm1yljcbAMM="),
            (json, vec![], "a9nBmqA0ju/hNViExpshrM61xv4="),
        ];
        for (url, params, signature) in vectors {
            assert_eq!(sign(KEY.as_bytes(), url, &params), signature, "{url}");
        }
    }

    #[test]
    fn accepts_either_form_of_the_port_and_refuses_another_key() {
        let with_port = PUBLISHED.replace(".com/", ".com:443/");
        for url in [PUBLISHED, &with_port] {
            for signature in ["RSOYDt4T1cUTdK1PDd93/VVr8B8=", "kvajT1Ptam85bY51eRf/AJRuM3w="] {
                assert!(is_valid(KEY, url, &published(), signature), "{url} {signature}");
                assert!(!is_valid("12346", url, &published(), signature));
            }
        }
        assert!(!is_valid(KEY, PUBLISHED, &published(), ""));
        assert!(!is_valid(KEY, PUBLISHED, &published(), "RSOYDt4T1cUTdK1PDd93/VVr8B8"));
        // What a SharedKey would sign, with SHA-256.
        let sha256 = "033hgUJA9M/hXIZsYjwkerEP/DBm35nEri5FhCYjA5s=";
        assert!(!is_valid(KEY, PUBLISHED, &published(), sha256));
    }

    #[test]
    fn the_fragment_is_not_signed() {
        let url = format!("{PUBLISHED}#rc=2&rp=all");
        assert!(is_valid(KEY, &url, &published(), "RSOYDt4T1cUTdK1PDd93/VVr8B8="));
    }

    #[test]
    fn order_and_repetition_of_parameters_do_not_matter() {
        let mut params = published();
        params.reverse();
        params.push(params[0].clone());
        assert!(is_valid(KEY, PUBLISHED, &params, "RSOYDt4T1cUTdK1PDd93/VVr8B8="));
        let two = pairs(&[("a", "2"), ("a", "1"), ("B", "3")]);
        assert_eq!(sorted(&two), "B3a1a2");
    }

    #[test]
    fn a_query_may_be_escaped_either_way() {
        let signed = "https://a.example/voice?name=a%20b'c";
        let seen = "https://a.example/voice?name=a+b%27c";
        let signature = sign(KEY.as_bytes(), signed, &[]);
        assert!(is_valid(KEY, seen, &[], &signature));
    }

    #[test]
    fn ports_are_found_beside_users_and_ipv6_addresses() {
        let switched = |url| with_port_switched(url).unwrap();
        assert_eq!(switched("https://u:p@a.example/x"), "https://u:p@a.example:443/x");
        assert_eq!(switched("https://u:p@a.example:8443/x"), "https://u:p@a.example/x");
        assert_eq!(switched("http://[::1]/x"), "http://[::1]:80/x");
        assert_eq!(switched("http://[::1]:8080"), "http://[::1]");
        assert_eq!(switched("wss://a.example?b=1:2"), "wss://a.example:443?b=1:2");
    }

    #[test]
    fn an_upgrade_is_accepted_in_each_form_it_may_be_signed_in() {
        let (public, path) = ("https://voice.example.com", "/twilio/stream");
        for url in [
            "wss://voice.example.com/twilio/stream",
            "wss://voice.example.com/twilio/stream/",
            "wss://voice.example.com:443/twilio/stream",
            "https://voice.example.com/twilio/stream",
            "ws://voice.example.com:80/twilio/stream/",
            "http://voice.example.com/twilio/stream",
        ] {
            let signature = sign(KEY.as_bytes(), url, &[]);
            assert!(upgrade_is_valid(KEY, public, path, &signature), "{url}");
            assert!(upgrade_is_valid(KEY, "https://voice.example.com/", path, &signature));
        }
        let other = sign(KEY.as_bytes(), "wss://voice.example.com/other", &[]);
        assert!(!upgrade_is_valid(KEY, public, path, &other));
    }

    #[test]
    fn a_header_does_not_choose_the_key() {
        assert!(settings_header_is_acceptable(None));
        assert!(!settings_header_is_acceptable(Some(
            "key=webhooks_sharedkey_1,algorithm=HMAC_SHA1"
        )));
        assert!(!settings_header_is_acceptable(Some("")));
    }
}
