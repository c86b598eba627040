//! Which parts of a page are not its content: menus, banners, what is hidden.

use std::collections::HashSet;

use super::tree::{Node, Tree};

/// Elements that never hold what a person reads.
const NEVER: [&str; 24] = [
    "applet", "area", "audio", "base", "canvas", "datalist", "embed", "head", "iframe", "link",
    "map", "meta", "noembed", "noframes", "noscript", "object", "progress", "script", "style",
    "svg", "template", "textarea", "title", "video",
];

/// Finds what is left out of a page.
pub(super) struct Parts<'a> {
    tree: &'a Tree,
    /// Identifiers of what a button shows when it is pressed, such as the answer to a question.
    shown_by_button: HashSet<&'a str>,
    lengths: Vec<Length>,
}

impl<'a> Parts<'a> {
    pub(super) fn new(tree: &'a Tree) -> Self {
        let mut shown_by_button = HashSet::new();
        for node in &tree.nodes {
            if let Some(ids) = node.attribute("aria-controls") {
                shown_by_button.extend(ids.split_whitespace());
            }
        }
        Self { tree, shown_by_button, lengths: lengths(tree) }
    }

    /// Whether an element and all below it is left out.
    pub(super) fn is_left_out(&self, at: usize) -> bool {
        let node = &self.tree.nodes[at];
        if node.name.is_empty() || matches!(node.name.as_str(), "html" | "body" | "main") {
            return NEVER.contains(&node.name.as_str());
        }
        NEVER.contains(&node.name.as_str())
            || self.is_hidden(node)
            || self.is_control(at)
            || is_menu(node)
            || self.is_banner(at)
            || (self.is_link_list(at) && self.is_beside(at))
    }

    fn is_hidden(&self, node: &Node) -> bool {
        let style = node.attribute("style").unwrap_or_default().to_ascii_lowercase();
        let style: String = style.split_whitespace().collect();
        let hidden = node.attribute("hidden").is_some()
            || node
                .attribute("aria-hidden")
                .is_some_and(|value| value.eq_ignore_ascii_case("true"))
            || style.contains("display:none")
            || style.contains("visibility:hidden")
            || (node.name == "dialog" && node.attribute("open").is_none());
        if ["sr-only", "visually-hidden", "screen-reader-text"]
            .iter()
            .any(|class| node.has_word("class", class))
        {
            return true;
        }
        // The answers of a list of questions are hidden until one is pressed.
        hidden && !self.is_shown_by_button(node)
    }

    fn is_shown_by_button(&self, node: &Node) -> bool {
        let by_id = node.attribute("id").is_some_and(|id| self.shown_by_button.contains(id));
        let by_role = node.has_word("role", "tabpanel");
        let marks = ["accordion", "faq", "collapse", "toggle", "tab-content", "tab-pane", "answer"];
        let lower = names_of(node);
        (by_id || by_role || marks.iter().any(|mark| lower.contains(mark)))
            && !lower.contains("nav")
            && !lower.contains("menu")
    }

    /// Parts of a form that say nothing. A button that opens an answer is the question.
    fn is_control(&self, at: usize) -> bool {
        let node = &self.tree.nodes[at];
        match node.name.as_str() {
            "input" | "select" | "label" => true,
            "button" => {
                let opens = node.attribute("aria-expanded").is_some()
                    || node.attribute("aria-controls").is_some()
                    || super::tree::is_heading(&self.tree.nodes[node.parent].name);
                !opens
            }
            _ => false,
        }
    }

    /// A notice about cookies. Never most of the page: its `class` may be a state of the page.
    fn is_banner(&self, at: usize) -> bool {
        let node = &self.tree.nodes[at];
        if !matches!(node.name.as_str(), "div" | "section" | "aside" | "dialog" | "form" | "footer")
        {
            return false;
        }
        let marks = [
            "cookie",
            "gdpr",
            "onetrust",
            "cmplz",
            "cky-",
            "cybot",
            "usercentrics",
            "consent",
            "didomi",
            "borlabs",
            "klaro",
            "iubenda",
            "truste",
        ];
        let lower = names_of(node);
        marks.iter().any(|mark| lower.contains(mark))
            && self.lengths[at].all <= 3_000
            && self.lengths[at].all * 2 < self.lengths[0].all
    }

    /// Mostly links: four letters in five.
    fn is_link_list(&self, at: usize) -> bool {
        let node = &self.tree.nodes[at];
        let Length { all, links, count } = self.lengths[at];
        matches!(node.name.as_str(), "ul" | "ol" | "div" | "section" | "aside" | "table")
            && all > 0
            && links * 5 >= all * 4
            && count >= 2
    }

    /// In the head, the foot or the side of a page, or in an element named as a list of links. A
    /// list of links elsewhere may be a list of services, and one named `menu` a list of dishes.
    fn is_beside(&self, at: usize) -> bool {
        let lower = names_of(&self.tree.nodes[at]);
        let marks = [
            "breadcrumb",
            "social",
            "share",
            "pagination",
            "pager",
            "related",
            "tag-cloud",
            "navbar",
            "navigation",
            "mainmenu",
            "main-menu",
            "topbar",
            "top-bar",
            "sidebar",
        ];
        let is_nav = lower.split([' ', '-', '_']).any(|word| word == "nav");
        if is_nav || marks.iter().any(|mark| lower.contains(mark)) {
            return true;
        }
        let mut around = self.tree.nodes[at].parent;
        while around != 0 {
            let node = &self.tree.nodes[around];
            match node.name.as_str() {
                "header" | "footer" | "aside" => return true,
                "main" | "article" => return false,
                _ if node.has_word("role", "contentinfo") || node.has_word("role", "banner") => {
                    return true;
                }
                _ => around = node.parent,
            }
        }
        false
    }
}

/// A menu, by its element, role or name.
fn is_menu(node: &Node) -> bool {
    node.name == "nav"
        || ["navigation", "search", "menubar", "menu"].iter().any(|r| node.has_word("role", r))
        || node.has_word("class", "skip-link")
        || node.has_word("class", "breadcrumbs")
}

/// A link that leads away. An address for mail and a telephone number are content.
fn is_link(node: &Node) -> bool {
    node.name == "a"
        && node.attribute("href").is_some_and(|href| {
            let href = href.trim_start().to_ascii_lowercase();
            !(href.starts_with("tel:") || href.starts_with("mailto:"))
        })
}

fn names_of(node: &Node) -> String {
    let class = node.attribute("class").unwrap_or_default();
    let id = node.attribute("id").unwrap_or_default();
    format!("{class} {id}").to_ascii_lowercase()
}

/// What stands in and below an element.
#[derive(Debug, Clone, Copy, Default)]
struct Length {
    /// Bytes of text.
    all: usize,
    /// Those of them within links.
    links: usize,
    /// Links.
    count: usize,
}

fn lengths(tree: &Tree) -> Vec<Length> {
    let mut lengths = vec![Length::default(); tree.nodes.len()];
    // A child comes after its parent, so from the end each is summed before its parent.
    for at in (0..tree.nodes.len()).rev() {
        let node = &tree.nodes[at];
        if node.name.is_empty() {
            lengths[at].all = node.text.split_whitespace().map(str::len).sum();
        }
        if NEVER.contains(&node.name.as_str()) {
            lengths[at] = Length::default();
        }
        if is_link(node) {
            lengths[at].links = lengths[at].all;
            lengths[at].count += 1;
        }
        if at != 0 {
            let own = lengths[at];
            let parent = &mut lengths[node.parent];
            parent.all += own.all;
            parent.links += own.links;
            parent.count += own.count;
        }
    }
    lengths
}
