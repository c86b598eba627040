//! What a website allows a crawl (`robots.txt`, RFC 9309).
//!
//! Of our own: the crates for it bring a regular expression engine each, and a path is matched in
//! forty lines. Linear in the rules times the path, whatever stands in them.

use std::time::Duration;

use url::Url;

use super::decode;

/// How much is read: RFC 9309 asks for 500 KiB at least.
const BYTES_MAX: usize = 512 << 10;
/// Rules that are kept for one crawl.
const RULES_MAX: usize = 10_000;
/// A longer rule or path is cut.
const PATH_MAX: usize = 2_048;
const SITEMAPS_MAX: usize = 500;
/// A longer wait between two pages is none that a crawl can keep.
const DELAY_MAX: Duration = Duration::from_secs(3_600);

/// What a website allows one crawl.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Robots {
    rules: Vec<Rule>,
    delay: Option<Duration>,
    sitemaps: Vec<Url>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    allow: bool,
    /// Percent-encoded alike, so that it can be compared. `*` stands for anything.
    path: String,
    /// Whether a path must end where this ends.
    to_end: bool,
}

impl Rule {
    fn new(allow: bool, path: &str) -> Self {
        let to_end = path.ends_with('$');
        let path = path.strip_suffix('$').unwrap_or(path);
        Self { allow, path: alike(path), to_end }
    }

    fn length(&self) -> usize {
        self.path.len() + usize::from(self.to_end)
    }

    fn matches(&self, path: &str) -> bool {
        let mut parts = self.path.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = path.strip_prefix(first) else { return false };
        let mut parts: Vec<&str> = parts.collect();
        if !self.to_end {
            // What stands after the last part does not matter.
            return parts.iter().all(|part| after(&mut rest, part));
        }
        match parts.pop() {
            None => rest.is_empty(),
            Some(last) => parts.iter().all(|part| after(&mut rest, part)) && rest.ends_with(last),
        }
    }
}

/// Moves `rest` behind the first `part` in it; whether there is one.
fn after(rest: &mut &str, part: &str) -> bool {
    let Some(at) = rest.find(part) else { return false };
    *rest = &rest[at + part.len()..];
    true
}

impl Robots {
    /// Reads a `robots.txt` for the crawl that calls itself `agent`, such as `FrontdeskBot`. What
    /// is said to no one of this name is what is said to `*`.
    #[must_use]
    pub fn read(bytes: &[u8], agent: &str) -> Self {
        let text = decode::text(&bytes[..bytes.len().min(BYTES_MAX)], None);
        let agent = token(agent);
        let (mut own, mut all) = (None::<Self>, Self::default());
        let mut sitemaps = Vec::new();
        // Whether the group is for us, for all, and whether its names have ended.
        let (mut for_us, mut for_all, mut in_rules) = (false, false, false);
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or_default();
            let Some((key, value)) = line.split_once(':') else { continue };
            let (key, value) = (key.trim().to_ascii_lowercase(), value.trim());
            match key.as_str() {
                "user-agent" | "useragent" | "user agent" => {
                    if in_rules {
                        (for_us, for_all, in_rules) = (false, false, false);
                    }
                    for_all |= value == "*";
                    if !agent.is_empty() && token(value) == agent {
                        for_us = true;
                        own.get_or_insert_default();
                    }
                }
                "sitemap" => sitemaps.extend(http_url(value)),
                "allow" | "disallow" | "crawl-delay" => {
                    in_rules = true;
                    if let (true, Some(own)) = (for_us, &mut own) {
                        own.rule(&key, value);
                    }
                    if for_all {
                        all.rule(&key, value);
                    }
                }
                _ => {}
            }
        }
        let mut robots = own.unwrap_or(all);
        sitemaps.truncate(SITEMAPS_MAX);
        robots.sitemaps = sitemaps;
        robots
    }

    /// What a website allows whose `robots.txt` cannot be had because the server fails: nothing,
    /// as RFC 9309 asks. One that is not there (4xx) allows everything: `Robots::default()`.
    #[must_use]
    pub fn nothing_allowed() -> Self {
        Self { rules: vec![Rule::new(false, "/")], ..Self::default() }
    }

    /// Whether a page may be fetched: of the rules that match, the longest decides, and of two
    /// alike, the one that allows. `path` is the address's path with its query.
    #[must_use]
    pub fn is_allowed(&self, path: &str) -> bool {
        let path = alike(if path.is_empty() { "/" } else { path });
        if path == "/robots.txt" {
            return true;
        }
        let matching = self.rules.iter().filter(|rule| rule.matches(&path));
        matching.max_by_key(|rule| (rule.length(), rule.allow)).is_none_or(|rule| rule.allow)
    }

    /// As `is_allowed`, of an address.
    #[must_use]
    pub fn is_url_allowed(&self, url: &Url) -> bool {
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        self.is_allowed(&format!("{}{query}", url.path()))
    }

    /// How long to wait between two pages, if it is said.
    #[must_use]
    pub fn crawl_delay(&self) -> Option<Duration> {
        self.delay
    }

    /// Where the website's sitemaps are.
    #[must_use]
    pub fn sitemaps(&self) -> &[Url] {
        &self.sitemaps
    }

    fn rule(&mut self, key: &str, value: &str) {
        if key == "crawl-delay" {
            let seconds: Option<f64> = value.parse().ok();
            let delay = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
            self.delay = delay.map(|delay| delay.min(DELAY_MAX)).or(self.delay);
        } else if !value.is_empty() && self.rules.len() < RULES_MAX {
            self.rules.push(Rule::new(key == "allow", value));
        }
    }
}

/// The name of a crawl without its version, in small letters.
fn token(agent: &str) -> String {
    let of_a_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let end = agent.find(|c| !of_a_name(c)).unwrap_or(agent.len());
    agent[..end].to_ascii_lowercase()
}

fn http_url(value: &str) -> Option<Url> {
    let url = Url::parse(value).ok()?;
    matches!(url.scheme(), "http" | "https").then_some(url)
}

/// A path with what may be written in two ways written in one: percent-encoded are all but the
/// characters that stand for themselves.
fn alike(path: &str) -> String {
    let bytes = &path.as_bytes()[..path.floor_char_boundary(PATH_MAX)];
    let mut alike = String::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let encoded = (bytes[at] == b'%')
            .then(|| bytes.get(at + 1..at + 3))
            .flatten()
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        let byte = encoded.unwrap_or(bytes[at]);
        let plain = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        // What has a meaning keeps it only where it was not encoded: `%2F` is not `/`.
        if plain || (encoded.is_none() && byte.is_ascii_graphic()) {
            alike.push(char::from(byte));
        } else {
            alike.push_str(&format!("%{byte:02X}"));
        }
        at += if encoded.is_some() { 3 } else { 1 };
    }
    alike
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Robots {
        Robots::read(text.as_bytes(), "FrontdeskBot/1.0")
    }

    #[test]
    fn the_longest_rule_decides() {
        let robots = read("User-agent: *\nDisallow: /a\nAllow: /a/b\nDisallow: /*.pdf$\nDisallow:");
        assert!(robots.is_allowed("/"));
        assert!(!robots.is_allowed("/a/c"));
        assert!(robots.is_allowed("/a/b/c"));
        assert!(!robots.is_allowed("/x/y.pdf"));
        assert!(robots.is_allowed("/x/y.pdf?z"));
        assert!(robots.is_allowed("/robots.txt"));
        assert!(!Robots::nothing_allowed().is_allowed("/"));
        assert!(read("Disallow: /").is_allowed("/x"));
        assert!(read("<html>not found</html>").is_allowed("/x"));
    }

    #[test]
    fn our_own_group_is_for_us_even_in_two_places() {
        let robots = read(
            "User-agent: other\nuser-agent: frontdeskbot\nDisallow: /one # why\nCrawl-delay: 2.5\n\
             Sitemap: https://a.example/s.xml\n\nUser-agent: *\nDisallow: /\n\n\
             User-agent: FrontdeskBot/2\nDisallow: /two\nsitemap: ftp://a.example/s.xml",
        );
        assert!(!robots.is_allowed("/one"));
        assert!(!robots.is_allowed("/two"));
        assert!(robots.is_allowed("/three"));
        assert_eq!(robots.crawl_delay(), Some(Duration::from_millis(2_500)));
        assert_eq!(robots.sitemaps().len(), 1);
        let url = Url::parse("https://a.example/one?q").expect("an address");
        assert!(!robots.is_url_allowed(&url));
    }

    #[test]
    fn paths_are_compared_alike() {
        let robots =
            read("User-agent: *\nDisallow: /caf%c3%a9\nDisallow: /a%2fb\nDisallow: /*x*y*z$");
        assert!(!robots.is_allowed("/café"));
        assert!(!robots.is_allowed("/caf%C3%A9/menu"));
        assert!(robots.is_allowed("/a/b"));
        assert!(!robots.is_allowed("/a%2Fb"));
        assert!(!robots.is_allowed("/1x2y3z"));
        assert!(robots.is_allowed("/1x2y3"));
    }
}
