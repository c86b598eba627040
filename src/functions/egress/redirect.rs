//! What follows a redirect? The same request at another place, if it takes nothing to where it was
//! not meant to go. A deed stays one: an answer to a question is no word on whether it was done.

use http::{HeaderMap, Method, StatusCode, header};
use url::Url;

use super::{Refusal, Request};

/// The request that an answer redirects to; `None` if the answer is not a redirect.
///
/// # Errors
/// If it leads where the request may not be taken.
pub(super) fn next(
    request: &Request,
    status: StatusCode,
    headers: &HeaderMap,
) -> Result<Option<Request>, Refusal> {
    let keeps_method = match status.as_u16() {
        // Only this one says that the deed was done, and where to read of it.
        303 => matches!(request.method, Method::GET | Method::HEAD),
        301 | 302 | 307 | 308 => true,
        _ => return Ok(None),
    };
    let Some(location) = headers.get(header::LOCATION) else { return Ok(None) };
    let location = location.to_str().map_err(|_| Refusal::Location)?;
    let url = request.url.join(location).map_err(|_| Refusal::Location)?;
    if request.url.scheme() == "https" && url.scheme() == "http" {
        return Err(Refusal::Downgrade);
    }
    let is_elsewhere = !is_same_place(&request.url, &url);
    let mut next = Request { url, ..request.clone() };
    if !keeps_method {
        next.method = Method::GET;
        next.body = None;
        for name in [header::CONTENT_TYPE, header::CONTENT_ENCODING, header::CONTENT_LANGUAGE] {
            next.headers.remove(name);
        }
    }
    if is_elsewhere {
        if next.body.is_some() || !matches!(next.method, Method::GET | Method::HEAD) {
            return Err(Refusal::OtherHost);
        }
        // They may hold secrets.
        next.headers.clear();
    }
    Ok(Some(next))
}

/// Whether what was meant for one address may be sent to the other: they have one origin, or the
/// other is the same host by `https`.
fn is_same_place(from: &Url, to: &Url) -> bool {
    let is_upgrade = from.scheme() == "http"
        && to.scheme() == "https"
        && from.host() == to.host()
        && from.port().is_none()
        && to.port().is_none();
    is_upgrade || from.origin() == to.origin()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::HeaderValue;
    use uuid::Uuid;

    use super::*;

    fn redirected(
        method: Method,
        from: &str,
        status: u16,
        to: &str,
    ) -> Result<Option<Request>, Refusal> {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer secret"));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        let has_body = method != Method::GET && method != Method::HEAD;
        let request = Request {
            agent: Uuid::nil(),
            time_limit: Duration::from_secs(1),
            method,
            url: from.parse().unwrap(),
            headers,
            body: has_body.then(|| "body".into()),
        };
        let location = HeaderMap::from_iter([(header::LOCATION, to.parse().unwrap())]);
        next(&request, StatusCode::from_u16(status).unwrap(), &location)
    }

    const HERE: &str = "https://a.example/x/y";

    #[test]
    fn the_same_host_is_asked_again_with_everything() {
        let next = redirected(Method::PUT, HERE, 308, "../z?q=1").unwrap().unwrap();
        assert_eq!((next.method, next.url.as_str()), (Method::PUT, "https://a.example/z?q=1"));
        assert!(next.body.is_some() && next.headers.contains_key(header::AUTHORIZATION));
    }

    #[test]
    fn a_deed_stays_a_deed() {
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            for status in [301, 302, 307, 308] {
                let next = redirected(method.clone(), HERE, status, "/z").unwrap().unwrap();
                assert_eq!(next.method, method, "{status}");
                assert!(next.body.is_some() && next.headers.contains_key(header::AUTHORIZATION));
                let refused = redirected(method.clone(), HERE, status, "https://b.example/").err();
                assert_eq!(refused, Some(Refusal::OtherHost), "{status}");
            }
            let next = redirected(method, HERE, 303, "/done").unwrap().unwrap();
            assert_eq!(next.method, Method::GET);
            assert!(next.body.is_none() && !next.headers.contains_key(header::CONTENT_TYPE));
            assert!(next.headers.contains_key(header::AUTHORIZATION));
        }
        let head = redirected(Method::HEAD, HERE, 302, "/done").unwrap().unwrap();
        assert_eq!(head.method, Method::HEAD);
    }

    #[test]
    fn a_host_that_asks_for_https_is_the_same_host() {
        let clear = "http://a.example/x";
        let next = redirected(Method::POST, clear, 301, "https://a.example/x").unwrap().unwrap();
        assert!(next.body.is_some() && next.headers.contains_key(header::AUTHORIZATION));
        for elsewhere in ["https://b.example/x", "https://a.example:8443/x"] {
            let refused = redirected(Method::POST, clear, 301, elsewhere).err();
            assert_eq!(refused, Some(Refusal::OtherHost), "{elsewhere}");
        }
    }

    #[test]
    fn another_host_is_given_no_headers_and_no_deed() {
        for elsewhere in ["https://b.example/", "https://a.example:8443/", "//b.example/"] {
            let next = redirected(Method::GET, HERE, 307, elsewhere).unwrap().unwrap();
            assert!(next.headers.is_empty(), "{elsewhere}");
            for method in [Method::POST, Method::DELETE] {
                let refused = redirected(method, HERE, 307, elsewhere).err();
                assert_eq!(refused, Some(Refusal::OtherHost), "{elsewhere}");
            }
            let asked = redirected(Method::POST, HERE, 303, elsewhere).unwrap().unwrap();
            assert!(asked.headers.is_empty() && asked.body.is_none());
        }
    }

    #[test]
    fn nothing_goes_on_in_the_clear() {
        for to in ["http://a.example/x/y", "http://b.example/"] {
            assert_eq!(redirected(Method::GET, HERE, 302, to).err(), Some(Refusal::Downgrade));
        }
    }

    #[test]
    fn what_is_no_redirect_is_an_answer() {
        for status in [200, 300, 304, 404] {
            assert!(matches!(redirected(Method::GET, HERE, status, "/z"), Ok(None)), "{status}");
        }
        let nowhere = redirected(Method::GET, HERE, 302, "http://[::1/").err();
        assert_eq!(nowhere, Some(Refusal::Location));
    }
}
