//! The content of a page: headings, paragraphs, lists and tables.

use super::super::build::Builder;
use super::super::{tables, text};
use super::parts::Parts;
use super::tree::{Tree, is_block, is_heading};

/// The level of what opens when it is pressed: below that of each heading.
const PART_LEVEL: u8 = 7;

/// What is to be done: elements are entered and left without recursion.
enum Step {
    Enter(usize),
    Leave(usize),
}

/// Puts a page's content.
pub(super) fn put(tree: &Tree, to: &mut Builder<'_>) {
    let parts = Parts::new(tree);
    let mut walk = Walk { tree, parts: &parts, text: String::new(), item: false };
    let mut steps = vec![Step::Enter(0)];
    while let Some(step) = steps.pop() {
        if to.is_full() {
            to.cut_off();
            return;
        }
        match step {
            Step::Enter(at) => {
                if walk.enter(at, to) {
                    steps.push(Step::Leave(at));
                    steps.extend(tree.nodes[at].children.iter().rev().map(|at| Step::Enter(*at)));
                }
            }
            Step::Leave(at) => walk.leave(at, to),
        }
    }
    walk.end_paragraph(to);
}

struct Walk<'a> {
    tree: &'a Tree,
    parts: &'a Parts<'a>,
    text: String,
    /// Whether the text is an item of a list.
    item: bool,
}

impl Walk<'_> {
    /// Begins an element; whether it is gone into.
    fn enter(&mut self, at: usize, to: &mut Builder<'_>) -> bool {
        let node = &self.tree.nodes[at];
        if node.name.is_empty() {
            text::append(&mut self.text, &node.text);
            return false;
        }
        if self.parts.is_left_out(at) {
            // Two words around it are two words.
            text::append(&mut self.text, " ");
            return false;
        }
        match node.name.as_str() {
            "br" => text::break_line(&mut self.text),
            name if is_heading(name) => {
                self.end_paragraph(to);
                let level = name.as_bytes()[1] - b'0';
                to.heading(level, &self.words(at));
                return false;
            }
            "table" => {
                self.end_paragraph(to);
                if let Some(rows) = self.rows(at, to.cells_left()) {
                    self.put_table(at, rows, to);
                    return false;
                }
            }
            // The question of a part that opens is the heading of that part, and of no more.
            "summary" if !self.has_table_or_heading(at) => {
                self.end_paragraph(to);
                to.heading(PART_LEVEL, &self.words(at));
                return false;
            }
            // The foot of the page stands under no heading of the content.
            "footer" => {
                self.end_paragraph(to);
                if !self.is_in_article(at) {
                    to.leave_headings(1);
                }
            }
            // A name and what is said of it belong together.
            "dd" if !self.text.trim_end().is_empty() => {
                let end = self.text.trim_end().len();
                self.text.truncate(end);
                self.text.push_str(if self.text.ends_with([':', '?']) { " " } else { ": " });
            }
            "li" => {
                self.end_paragraph(to);
                self.item = true;
            }
            "td" | "th" => text::append(&mut self.text, " "),
            name if is_block(name) => self.end_paragraph(to),
            _ => {}
        }
        true
    }

    fn leave(&mut self, at: usize, to: &mut Builder<'_>) {
        match self.tree.nodes[at].name.as_str() {
            "dt" | "td" | "th" => text::append(&mut self.text, " "),
            "li" => {
                self.end_paragraph(to);
                self.item = false;
            }
            "details" => {
                self.end_paragraph(to);
                to.leave_headings(PART_LEVEL);
            }
            name if is_block(name) => self.end_paragraph(to),
            _ => {}
        }
    }

    fn end_paragraph(&mut self, to: &mut Builder<'_>) {
        let text = std::mem::take(&mut self.text);
        if text.trim().is_empty() {
            return;
        }
        if std::mem::take(&mut self.item) { to.item(&text) } else { to.paragraph(&text) }
    }

    /// What a person reads in an element, as one line.
    fn words(&self, at: usize) -> String {
        let mut line = String::new();
        self.tree.walk(at, |at, node| {
            if node.name.is_empty() {
                text::append(&mut line, &node.text);
            } else if is_block(&node.name) || node.name == "br" {
                text::append(&mut line, " ");
            }
            !self.parts.is_left_out(at)
        });
        line
    }

    /// The rows of a table of words. None of one that only lays out the page: with a table or a
    /// heading in it, with long cells, or with one column.
    fn rows(&self, at: usize, most: usize) -> Option<Vec<Vec<String>>> {
        let mut lays_out = false;
        let mut rows: Vec<Vec<String>> = Vec::new();
        let mut cells = 0;
        self.tree.walk(at, |below, node| {
            if lays_out || cells > most || (below != at && self.parts.is_left_out(below)) {
                return false;
            }
            match node.name.as_str() {
                "table" if below != at => lays_out = true,
                name if is_heading(name) => lays_out = true,
                "tr" => rows.push(Vec::new()),
                "td" | "th" => {
                    if self.has_table_or_heading(below) {
                        lays_out = true;
                        return false;
                    }
                    let cell = self.words(below);
                    let span = node.attribute("colspan").and_then(|span| span.parse().ok());
                    let span: usize = span.unwrap_or(1).clamp(1, 50);
                    lays_out |= cell.len() > 1_500;
                    cells += span;
                    if rows.is_empty() {
                        rows.push(Vec::new());
                    }
                    let row = rows.last_mut().expect("a row was pushed if there was none");
                    row.push(cell);
                    row.extend(std::iter::repeat_n(String::new(), span - 1));
                    return false;
                }
                "caption" => return false,
                _ => {}
            }
            true
        });
        let width = rows.iter().map(Vec::len).max().unwrap_or(0);
        (!lays_out && width > 1).then_some(rows)
    }

    fn is_in_article(&self, at: usize) -> bool {
        let mut around = self.tree.nodes[at].parent;
        while around != 0 && self.tree.nodes[around].name != "article" {
            around = self.tree.nodes[around].parent;
        }
        around != 0
    }

    fn has_table_or_heading(&self, at: usize) -> bool {
        let mut has = false;
        self.tree.walk(at, |_, node| {
            has |= node.name == "table" || is_heading(&node.name);
            !has
        });
        has
    }

    fn put_table(&self, at: usize, mut rows: Vec<Vec<String>>, to: &mut Builder<'_>) {
        let children = &self.tree.nodes[at].children;
        if let Some(caption) = children.iter().find(|at| self.tree.nodes[**at].name == "caption") {
            to.paragraph(&self.words(*caption));
        }
        rows.retain(|row| row.iter().any(|cell| !cell.trim().is_empty()));
        if self.first_row_is_names(at) && rows.len() > 1 {
            let header = rows.remove(0);
            to.table(header, rows);
        } else {
            tables::put(rows, to);
        }
    }

    /// Whether the first row stands in `thead`, or has only `th`.
    fn first_row_is_names(&self, at: usize) -> bool {
        let mut first = None;
        self.tree.walk(at, |below, node| {
            if first.is_none() && node.name == "tr" && !node.children.is_empty() {
                first = Some(below);
            }
            first.is_none()
        });
        let Some(row) = first else { return false };
        let row = &self.tree.nodes[row];
        let count = |name: &str| {
            row.children.iter().filter(|at| self.tree.nodes[**at].name == name).count()
        };
        self.tree.nodes[row.parent].name == "thead" || (count("th") > 1 && count("td") == 0)
    }
}
