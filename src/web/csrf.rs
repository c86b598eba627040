//! Requests that another site's page made: refused, by what the browser says of them. The same
//! algorithm as Go 1.25's `http.CrossOriginProtection`: no tokens in pages.

use http::header::{AUTHORIZATION, HOST, ORIGIN};
use http::{HeaderMap, Method, Uri};

use crate::config::PublicUrl;

/// Whether this request may change something, as far as the browser's headers tell. Requests that
/// show who they are by `Authorization` were not made by a browser on its own.
pub fn is_same_origin(method: &Method, headers: &HeaderMap, public_url: &PublicUrl) -> bool {
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
        || headers.contains_key(AUTHORIZATION)
    {
        return true;
    }
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin" || site == "none";
    }
    // An old browser, or plain http to something that is not localhost.
    is_own_origin(headers, public_url, true)
}

/// Whether `Origin` names the host that was asked; `without` is the answer where there is none. A
/// program that is not a browser sends none.
pub fn is_own_origin(headers: &HeaderMap, public_url: &PublicUrl, without: bool) -> bool {
    let Some(origin) = headers.get(ORIGIN) else { return without };
    let authority = |text: &str| {
        text.parse::<Uri>()
            .ok()
            .and_then(|uri| uri.authority().map(|host| host.as_str().to_owned()))
    };
    let Some(origin) = origin.to_str().ok().and_then(authority) else { return false };
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    // A proxy may have rewritten Host.
    host == Some(origin.as_str()) || authority(public_url.as_str()).as_deref() == Some(&origin)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn allowed(method: Method, headers: &[(&'static str, &str)]) -> bool {
        let headers = headers.iter().map(|(name, value)| {
            (http::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        });
        let url = PublicUrl::parse("https://desk.example.com").unwrap();
        is_same_origin(&method, &headers.collect(), &url)
    }

    #[test]
    fn another_sites_request_is_refused() {
        let post = Method::POST;
        let host = ("host", "127.0.0.1:8080");
        assert!(allowed(Method::GET, &[("sec-fetch-site", "cross-site")]));
        assert!(allowed(post.clone(), &[host, ("sec-fetch-site", "same-origin")]));
        assert!(allowed(post.clone(), &[host, ("sec-fetch-site", "none")]));
        for site in ["cross-site", "same-site", "", "Same-Origin"] {
            assert!(!allowed(post.clone(), &[host, ("sec-fetch-site", site)]), "{site}");
        }
        assert!(!allowed(
            post.clone(),
            &[host, ("sec-fetch-site", "cross-site"), ("origin", "http://127.0.0.1:8080")]
        ));
        assert!(allowed(post.clone(), &[host]), "a program is no browser");
        assert!(allowed(post.clone(), &[host, ("origin", "http://127.0.0.1:8080")]));
        assert!(allowed(post.clone(), &[host, ("origin", "https://desk.example.com")]));
        for origin in ["null", "https://evil.example", "http://127.0.0.1:8081", "http://127.0.0.1"]
        {
            assert!(!allowed(post.clone(), &[host, ("origin", origin)]), "{origin}");
        }
        assert!(!allowed(Method::DELETE, &[host, ("origin", "null")]));
        let bearer = ("authorization", "Bearer x");
        assert!(allowed(post, &[host, ("origin", "https://evil.example"), bearer]));
    }
}
