//! What a crawl asks of a page: its links, its own address, whether it wants to be found.

use std::collections::HashSet;

use url::Url;

use super::super::build::Builder;
use super::super::{Body, Limits, decode, text};
use super::content;
use super::tree::{Tree, is_heading};

/// Links that are given of one page.
const LINKS_MAX: usize = 5_000;
/// A longer address is none.
const ADDRESS_MAX: usize = 2_048;
/// A page with a password field and less text than that is a sign-in page.
const SIGN_IN_TEXT_MAX: usize = 600;
/// A page with less text than that says nothing, if scripts would say more.
const EMPTY_TEXT_MAX: usize = 100;

/// What a page says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The pages that it links to: each once, in their order, without fragments; no link that is
    /// marked `nofollow`, and none if the whole page is.
    pub links: Vec<Url>,
    /// The address that it says is its own.
    pub canonical: Option<Url>,
    /// Whether it asks not to be found.
    pub noindex: bool,
    /// Whether it asks for a password, and for little else.
    pub sign_in: bool,
    /// Whether scripts would have to run before it says anything.
    pub needs_scripts: bool,
    /// Where it sends a browser by itself (`meta` refresh), at once or within seconds.
    pub refresh: Option<Url>,
}

impl Page {
    /// Reads a page that was fetched from `base`. `content_type` may name its character set.
    #[must_use]
    pub fn read(bytes: &[u8], content_type: Option<&str>, base: &Url) -> Self {
        let limits = Limits::default();
        let bytes = &bytes[..bytes.len().min(limits.bytes)];
        let tree = Tree::read(&decode::page(bytes, content_type));
        let base = base_of(&tree, base);
        let robots = robots_of(&tree);
        let is_nofollow = ["nofollow", "none"].iter().any(|word| robots.contains(*word));
        let letters = letters_of(&tree);
        Self {
            links: if is_nofollow { Vec::new() } else { links_of(&tree, &base) },
            canonical: canonical_of(&tree, &base),
            noindex: ["noindex", "none"].iter().any(|word| robots.contains(*word)),
            sign_in: asks_password(&tree) && letters <= SIGN_IN_TEXT_MAX,
            needs_scripts: letters <= EMPTY_TEXT_MAX && runs_scripts(&tree),
            refresh: refresh_of(&tree, &base),
        }
    }
}

/// The pages that a page links to, as in [`Page::links`].
#[must_use]
pub fn links(bytes: &[u8], base: &Url) -> Vec<Url> {
    Page::read(bytes, None, base).links
}

/// A page's title: its `title`, else what it says for others to show, else its first heading.
pub(super) fn title(tree: &Tree) -> String {
    let head = tree
        .nodes
        .iter()
        .position(|node| node.name == "title" && tree.nodes[node.parent].name != "svg");
    let title = head.map(|at| tree.text_of(at)).filter(|title| !title.is_empty());
    let property = || {
        let is_it = |property: &str| property.eq_ignore_ascii_case("og:title");
        let meta = tree.nodes.iter().find(|node| node.attribute("property").is_some_and(is_it));
        meta.and_then(|node| node.attribute("content")).map(text::line).filter(|t| !t.is_empty())
    };
    let heading = || tree.first("h1").map(|at| tree.text_of(at));
    title.or_else(property).or_else(heading).unwrap_or_default()
}

/// Where relative addresses begin.
fn base_of(tree: &Tree, base: &Url) -> Url {
    let said = tree.first("base").and_then(|at| tree.nodes[at].attribute("href"));
    said.and_then(|href| address(href, base)).unwrap_or_else(|| base.clone())
}

/// An address of the web without its fragment.
fn address(href: &str, base: &Url) -> Option<Url> {
    let href = href.trim();
    if href.len() > ADDRESS_MAX {
        return None;
    }
    let mut url = base.join(href).ok()?;
    url.set_fragment(None);
    let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
    (is_web && url.username().is_empty() && url.as_str().len() <= ADDRESS_MAX).then_some(url)
}

fn links_of(tree: &Tree, base: &Url) -> Vec<Url> {
    let mut seen = HashSet::new();
    let mut links = Vec::new();
    for node in tree.nodes.iter().filter(|node| matches!(node.name.as_str(), "a" | "area")) {
        if links.len() >= LINKS_MAX {
            break;
        }
        let Some(href) = node.attribute("href").filter(|href| !href.trim().starts_with('#')) else {
            continue;
        };
        // A link to the page itself is none.
        if !node.has_word("rel", "nofollow")
            && let Some(url) = address(href, base)
            && url.as_str() != base.as_str().split('#').next().unwrap_or_default()
            && seen.insert(url.clone())
        {
            links.push(url);
        }
    }
    links
}

fn canonical_of(tree: &Tree, base: &Url) -> Option<Url> {
    let link = tree.nodes.iter().find(|node| {
        node.name == "link" && node.has_word("rel", "canonical") && node.attribute("href").is_some()
    })?;
    address(link.attribute("href")?, base)
}

/// The words of `<meta name="robots">`.
fn robots_of(tree: &Tree) -> HashSet<String> {
    let is_robots = |name: &str| {
        ["robots", "googlebot", "frontdeskbot"].iter().any(|known| name.eq_ignore_ascii_case(known))
    };
    let metas = tree.nodes.iter().filter(|node| node.attribute("name").is_some_and(is_robots));
    let contents = metas.filter_map(|node| node.attribute("content"));
    contents
        .flat_map(|content| content.split([',', ' ']))
        .map(|word| word.trim().to_ascii_lowercase())
        .collect()
}

fn refresh_of(tree: &Tree, base: &Url) -> Option<Url> {
    let is_refresh = |value: &str| value.eq_ignore_ascii_case("refresh");
    let meta = tree.nodes.iter().find(|n| n.attribute("http-equiv").is_some_and(is_refresh))?;
    let (_, to) = meta.attribute("content")?.split_once([';', ','])?;
    let to = to.trim();
    let target = match to.get(..3) {
        Some(start) if start.eq_ignore_ascii_case("url") => {
            to[3..].trim_start().strip_prefix('=')?.trim()
        }
        _ => to,
    };
    address(target.trim_matches(['"', '\'']), base)
}

fn asks_password(tree: &Tree) -> bool {
    let is_password = |kind: &str| kind.trim().eq_ignore_ascii_case("password");
    tree.nodes
        .iter()
        .any(|node| node.name == "input" && node.attribute("type").is_some_and(is_password))
}

/// Whether there is a script, or an element that scripts fill.
fn runs_scripts(tree: &Tree) -> bool {
    tree.nodes.iter().any(|node| {
        let kind = node.attribute("type").unwrap_or_default().to_ascii_lowercase();
        node.name == "script"
            && (kind.is_empty() || kind.contains("javascript") || kind == "module")
    })
}

/// Letters and digits of the content.
fn letters_of(tree: &Tree) -> usize {
    let limits = Limits { characters: 20_000, ..Limits::default() };
    let mut builder = Builder::new(&limits);
    content::put(tree, &mut builder);
    let letters = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).count();
    let sections = builder.finish().sections;
    let of_section = |body: &Body| match body {
        Body::Text(paragraphs) => paragraphs.iter().map(|text| letters(text)).sum::<usize>(),
        Body::Table { header, rows } => {
            header.iter().chain(rows.iter().flatten()).map(|text| letters(text)).sum()
        }
    };
    let headings = tree.nodes.iter().filter(|node| is_heading(&node.name)).count();
    // A heading counts little: a page of scripts may have one that says that they are needed.
    sections.iter().map(|section| of_section(&section.body)).sum::<usize>() + headings
}
