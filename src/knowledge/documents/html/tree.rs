//! A page as a tree of elements, from its tokens.
//!
//! A browser's own rules for what stands in what (tables in paragraphs, formatting across blocks)
//! matter little for text, and their time grows with the square of the depth. Here a tag costs the
//! depth at most, which is bounded, and so are the nodes.

use std::collections::BTreeMap;

use html5gum::emitters::default::DefaultEmitter;
use html5gum::{HtmlString, Spanned, Token, Tokenizer};

/// Deeper elements are not opened; their text is that of the element around them.
const DEPTH_MAX: usize = 200;
/// Elements and texts that are kept.
const NODES_MAX: usize = 400_000;
/// Tags and texts that are looked at: a tag that ends nothing makes no node.
const TOKENS_MAX: usize = 4 * NODES_MAX;
/// Bytes of an attribute's value that are kept.
const VALUE_MAX: usize = 4_096;

/// Attributes that matter here.
const KEPT: [&str; 22] = [
    "aria-controls",
    "aria-expanded",
    "aria-hidden",
    "charset",
    "class",
    "colspan",
    "content",
    "hidden",
    "href",
    "http-equiv",
    "id",
    "name",
    "open",
    "property",
    "rel",
    "role",
    "rowspan",
    "scope",
    "src",
    "style",
    "type",
    "value",
];

/// An element or a text.
#[derive(Debug)]
pub(super) struct Node {
    /// The element's name in small letters; empty for a text.
    pub(super) name: String,
    /// The text; empty for an element.
    pub(super) text: String,
    attributes: Vec<(&'static str, String)>,
    pub(super) children: Vec<usize>,
    pub(super) parent: usize,
}

impl Node {
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Whether the attribute is this word, or one of its words.
    pub(super) fn has_word(&self, name: &str, word: &str) -> bool {
        self.attribute(name)
            .is_some_and(|value| value.split_whitespace().any(|one| one.eq_ignore_ascii_case(word)))
    }
}

/// A page's elements; the first is a root above all.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) nodes: Vec<Node>,
    /// Whether the page has more than was kept.
    pub(super) cut_off: bool,
}

impl Tree {
    /// Reads a page.
    pub(super) fn read(html: &str) -> Self {
        let root = Node {
            name: "#root".to_owned(),
            text: String::new(),
            attributes: Vec::new(),
            children: Vec::new(),
            parent: 0,
        };
        let mut tree = Self { nodes: vec![root], cut_off: false };
        let mut open = vec![0];
        let mut emitter = DefaultEmitter::new_with_span();
        emitter.naively_switch_states(true);
        for (count, token) in Tokenizer::new_with_emitter(html, emitter).enumerate() {
            // The error type has no value.
            let Ok(token) = token;
            if tree.nodes.len() >= NODES_MAX || count >= TOKENS_MAX {
                tree.cut_off = true;
                break;
            }
            match token {
                Token::StartTag(tag) => {
                    let name = string(&tag.name);
                    let closed = tag.self_closing && is_foreign(&name);
                    tree.start(&name, &tag.attributes, closed, &mut open);
                }
                Token::EndTag(tag) => tree.end(&string(&tag.name), &mut open),
                Token::String(text) => tree.text(&text.value, &open),
                Token::Comment(_) | Token::Doctype(_) | Token::Error(_) => {}
            }
        }
        tree
    }

    fn start(
        &mut self,
        name: &str,
        attributes: &BTreeMap<HtmlString, Spanned<HtmlString, ()>>,
        closed: bool,
        open: &mut Vec<usize>,
    ) {
        if name == "html" || name == "body" || name == "head" {
            // Each stands once; a second one adds nothing that matters here.
            self.close_implied(name, open);
        }
        self.close_implied(name, open);
        let parent = open.last().copied().unwrap_or(0);
        let kept = KEPT.iter().filter_map(|key| {
            let value = string(attributes.get(key.as_bytes())?);
            Some((*key, value[..value.floor_char_boundary(VALUE_MAX)].to_owned()))
        });
        let node = Node {
            name: name.to_owned(),
            text: String::new(),
            attributes: kept.collect(),
            children: Vec::new(),
            parent,
        };
        let at = self.put(node);
        if !(closed || is_void(name)) && open.len() < DEPTH_MAX {
            open.push(at);
        }
    }

    fn end(&mut self, name: &str, open: &mut Vec<usize>) {
        if name == "p" && !self.is_open("p", open) || name == "br" {
            return;
        }
        // A cell's formatting does not end the table around it.
        let edge = if is_table_part(name) { "table" } else { "td" };
        for at in (1..open.len()).rev() {
            let other = self.nodes[open[at]].name.as_str();
            if other == name || (is_heading(other) && is_heading(name)) {
                open.truncate(at);
                return;
            }
            if other == edge || (edge == "td" && matches!(other, "th" | "caption")) {
                // `</div>` in a cell does not end what stands around the table, `</body>` does.
                if !matches!(name, "table" | "body" | "html") {
                    return;
                }
            }
        }
    }

    fn text(&mut self, text: &[u8], open: &[usize]) {
        let text = String::from_utf8_lossy(text);
        let parent = open.last().copied().unwrap_or(0);
        // The tokens of a long text are pieces of it.
        if let Some(last) = self.nodes[parent].children.last().copied()
            && self.nodes[last].name.is_empty()
        {
            self.nodes[last].text.push_str(&text);
            return;
        }
        self.put(Node {
            name: String::new(),
            text: text.into_owned(),
            attributes: Vec::new(),
            children: Vec::new(),
            parent,
        });
    }

    fn put(&mut self, node: Node) -> usize {
        let at = self.nodes.len();
        self.nodes[node.parent].children.push(at);
        self.nodes.push(node);
        at
    }

    fn is_open(&self, name: &str, open: &[usize]) -> bool {
        open.iter().any(|at| self.nodes[*at].name == name)
    }

    /// Closes what this tag ends without saying so.
    fn close_implied(&self, name: &str, open: &mut Vec<usize>) {
        let (ended, edges): (&[&str], &[&str]) = match name {
            "li" => (&["li"], &["ul", "ol", "menu", "table"]),
            "dt" | "dd" => (&["dt", "dd"], &["dl", "table"]),
            "tr" => (&["tr"], &["table"]),
            "td" | "th" => (&["td", "th"], &["tr", "table"]),
            "tbody" | "thead" | "tfoot" => (&["tbody", "thead", "tfoot", "caption"], &["table"]),
            "option" | "optgroup" => (&["option"], &["select"]),
            "body" => (&["head"], &["body"]),
            _ if ends_paragraph(name) => (&["p"], &["td", "th", "li", "div", "button", "table"]),
            _ => return,
        };
        for at in (1..open.len()).rev() {
            let other = self.nodes[open[at]].name.as_str();
            if ended.contains(&other) {
                open.truncate(at);
                return;
            }
            if edges.contains(&other) {
                return;
            }
        }
    }

    /// The elements and texts below, in their order, each with whether `enter` went into it.
    pub(super) fn walk(&self, from: usize, mut enter: impl FnMut(usize, &Node) -> bool) {
        let mut stack = vec![from];
        while let Some(at) = stack.pop() {
            let node = &self.nodes[at];
            if enter(at, node) {
                stack.extend(node.children.iter().rev());
            }
        }
    }

    /// All text below, as one line.
    pub(super) fn text_of(&self, from: usize) -> String {
        let mut line = String::new();
        self.walk(from, |_, node| {
            crate_text(&mut line, node);
            true
        });
        line.trim_end().to_owned()
    }

    /// The first element of this name.
    pub(super) fn first(&self, name: &str) -> Option<usize> {
        self.nodes.iter().position(|node| node.name == name)
    }
}

fn crate_text(line: &mut String, node: &Node) {
    if node.name.is_empty() {
        super::super::text::append(line, &node.text);
    } else if is_block(&node.name) || node.name == "br" {
        super::super::text::append(line, " ");
    }
}

fn string(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn is_void(name: &str) -> bool {
    matches!(
        name,
        "area"
            | "base"
            | "br"
            | "col"
            | "embed"
            | "hr"
            | "img"
            | "input"
            | "link"
            | "meta"
            | "param"
            | "source"
            | "track"
            | "wbr"
    )
}

/// Drawings and formulas, whose elements may close themselves.
fn is_foreign(name: &str) -> bool {
    matches!(
        name,
        "svg"
            | "path"
            | "circle"
            | "rect"
            | "line"
            | "g"
            | "use"
            | "polygon"
            | "polyline"
            | "ellipse"
            | "stop"
            | "math"
            | "image"
    )
}

fn is_table_part(name: &str) -> bool {
    matches!(name, "td" | "th" | "tr" | "tbody" | "thead" | "tfoot" | "caption")
}

/// `h1` to `h6`.
pub(super) fn is_heading(name: &str) -> bool {
    matches!(name, "h1" | "h2" | "h3" | "h4" | "h5" | "h6")
}

fn ends_paragraph(name: &str) -> bool {
    is_heading(name)
        || (is_block(name) && !matches!(name, "body" | "html" | "head" | "tr" | "td" | "th"))
}

/// Whether an element stands on lines of its own.
pub(super) fn is_block(name: &str) -> bool {
    matches!(
        name,
        "address"
            | "article"
            | "aside"
            | "blockquote"
            | "body"
            | "caption"
            | "center"
            | "dd"
            | "details"
            | "dialog"
            | "dir"
            | "div"
            | "dl"
            | "dt"
            | "fieldset"
            | "figcaption"
            | "figure"
            | "footer"
            | "form"
            | "h1"
            | "h2"
            | "h3"
            | "h4"
            | "h5"
            | "h6"
            | "head"
            | "header"
            | "hgroup"
            | "hr"
            | "html"
            | "legend"
            | "li"
            | "main"
            | "menu"
            | "nav"
            | "ol"
            | "option"
            | "p"
            | "pre"
            | "search"
            | "section"
            | "summary"
            | "table"
            | "tbody"
            | "td"
            | "tfoot"
            | "th"
            | "thead"
            | "tr"
            | "ul"
    )
}
