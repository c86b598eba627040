//! `ALLOW_PRIVATE_TOOL_URLS`: the places in a private network that requests on an owner's behalf
//! may reach.

use url::Url;

/// One host and port, exactly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    /// In the form that an address has when it is parsed: lower case, an IP address in its usual
    /// form.
    host: String,
    port: u16,
}

impl HostPort {
    /// Reads `host:port`; `[address]:port` for IPv6.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (host, port) = text.rsplit_once(':')?;
        let url = Url::parse(&format!("http://{host}/")).ok()?;
        let is_host_only = url.username().is_empty()
            && url.password().is_none()
            && url.port().is_none()
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && !host.contains(['/', '\\', '@', '?', '#']);
        let port = port.parse().ok().filter(|port| *port != 0)?;
        is_host_only.then_some(Self { host: url.host_str()?.to_owned(), port })
    }

    /// Reads several, with commas between them.
    pub(super) fn parse_list(text: &str) -> Option<Vec<Self>> {
        text.split(',').filter(|entry| !entry.trim().is_empty()).map(Self::parse).collect()
    }

    /// Whether an address leads there.
    pub fn is_of(&self, url: &Url) -> bool {
        url.host_str() == Some(&self.host) && url.port_or_known_default() == Some(self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_host_and_a_port_exactly() {
        let place = HostPort::parse(" CRM.internal:80 ").unwrap();
        for (url, is_there) in [
            ("http://crm.internal/x", true),
            ("https://crm.internal:80/", true),
            ("https://crm.internal/", false),
            ("http://crm.internal.:80/", false),
            ("http://a.crm.internal/", false),
        ] {
            assert_eq!(place.is_of(&Url::parse(url).unwrap()), is_there, "{url}");
        }
        let six = HostPort::parse("[0:0::1]:9000").unwrap();
        assert!(six.is_of(&Url::parse("http://[::1]:9000/").unwrap()));
    }

    #[test]
    fn what_is_not_a_host_and_a_port_is_refused() {
        for text in [
            "",
            "localhost",
            "localhost:",
            "localhost:x",
            "localhost:0",
            "localhost:70000",
            "http://localhost:80",
            "localhost:80/x",
            "u@localhost:80",
            ":80",
            "::1:80",
            "a b:80",
        ] {
            assert_eq!(HostPort::parse(text), None, "{text}");
        }
        assert_eq!(HostPort::parse_list("a:1, b:2,").map(|list| list.len()), Some(2));
        assert_eq!(HostPort::parse_list("a:1 b:2"), None);
    }
}
