//! Where the readers put what they find: sections under headings, within the limits.

use super::text;
use super::{Body, Document, Limits, Section};

/// A longer heading is a paragraph.
const HEADING_MAX: usize = 200;
/// Headings kept in a path.
const DEPTH_MAX: usize = 6;

/// Collects a document.
#[derive(Debug)]
pub(super) struct Builder<'a> {
    limits: &'a Limits,
    document: Document,
    headings: Vec<(u8, String)>,
    /// Whether a section stands under the innermost heading.
    heading_used: bool,
    paragraphs: Vec<String>,
    page: Option<u32>,
    characters: usize,
    cells: usize,
}

impl<'a> Builder<'a> {
    pub(super) fn new(limits: &'a Limits) -> Self {
        Self {
            limits,
            document: Document::default(),
            headings: Vec::new(),
            heading_used: true,
            paragraphs: Vec::new(),
            page: None,
            characters: 0,
            cells: 0,
        }
    }

    pub(super) fn limits(&self) -> &'a Limits {
        self.limits
    }

    /// What the document calls itself; the first that is said counts.
    pub(super) fn title(&mut self, title: &str) {
        let title = text::line(text::first(title, 4 * HEADING_MAX));
        if self.document.title.is_none() && !title.is_empty() {
            self.document.title = Some(text::first(&title, HEADING_MAX).trim_end().to_owned());
        }
    }

    /// Whether there is a title.
    pub(super) fn has_title(&self) -> bool {
        self.document.title.is_some()
    }

    /// Whether anything was said.
    pub(super) fn is_empty(&self) -> bool {
        self.document.sections.is_empty() && self.paragraphs.is_empty() && self.heading_used
    }

    /// The page, slide or sheet of what follows.
    pub(super) fn page(&mut self, page: u32) {
        if self.page != Some(page) {
            self.flush();
            self.page = Some(page);
        }
    }

    /// A heading; 1 is the outermost level.
    pub(super) fn heading(&mut self, level: u8, heading: &str) {
        let heading = text::line(heading);
        if heading.is_empty() {
            return;
        }
        if text::characters(&heading) > HEADING_MAX {
            self.paragraph(&heading);
            return;
        }
        self.leave_headings(level);
        if self.headings.len() >= DEPTH_MAX {
            // The deepest of them gives way, and is not lost if nothing stood under it.
            self.use_heading();
            self.headings.pop();
        }
        if let Some(heading) = self.afford(&heading) {
            self.headings.push((level, heading));
            self.heading_used = false;
        }
    }

    /// What follows stands under no heading of this level or a deeper one.
    pub(super) fn leave_headings(&mut self, level: u8) {
        self.flush();
        if self.headings.last().is_some_and(|(last, _)| *last >= level) {
            self.use_heading();
        }
        while self.headings.last().is_some_and(|(last, _)| *last >= level) {
            self.headings.pop();
        }
    }

    /// A paragraph; it may have lines.
    pub(super) fn paragraph(&mut self, paragraph: &str) {
        let paragraph = text::lines(paragraph);
        if !paragraph.is_empty()
            && let Some(paragraph) = self.afford(&paragraph)
        {
            self.paragraphs.push(paragraph);
        }
    }

    /// An item of a list.
    pub(super) fn item(&mut self, item: &str) {
        let item = text::lines(item);
        if !item.is_empty() {
            self.paragraph(&format!("- {item}"));
        }
    }

    /// A table. Empty rows are left out, and so is an empty table. Ends the paragraphs before.
    pub(super) fn table(&mut self, header: Vec<String>, rows: Vec<Vec<String>>) {
        self.flush();
        let mut kept = Vec::new();
        let header = if header.iter().any(|cell| !cell.trim().is_empty()) {
            self.row(header)
        } else {
            Some(Vec::new())
        };
        let Some(header) = header else { return };
        for row in rows {
            let Some(row) = self.row(row) else { break };
            if !row.is_empty() {
                kept.push(row);
            }
        }
        if !(header.is_empty() && kept.is_empty()) {
            self.section(Body::Table { header, rows: kept });
        }
    }

    /// How many characters may still come.
    pub(super) fn characters_left(&self) -> usize {
        self.limits.characters.saturating_sub(self.characters)
    }

    /// How many cells may still come.
    pub(super) fn cells_left(&self) -> usize {
        self.limits.cells.saturating_sub(self.cells)
    }

    /// Whether more can be taken.
    pub(super) fn is_full(&self) -> bool {
        self.characters >= self.limits.characters
            || self.document.sections.len() >= self.limits.sections
    }

    /// Something of the document was left out.
    pub(super) fn cut_off(&mut self) {
        self.document.cut_off = true;
    }

    pub(super) fn finish(mut self) -> Document {
        self.flush();
        self.use_heading();
        self.document
    }

    /// A row, cleaned, its empty end left out; none if the limits are reached.
    fn row(&mut self, row: Vec<String>) -> Option<Vec<String>> {
        if row.iter().all(|cell| cell.trim().is_empty()) {
            return Some(Vec::new());
        }
        if row.len() > self.cells_left() {
            self.cut_off();
            return None;
        }
        let mut cells = Vec::with_capacity(row.len());
        for cell in row {
            let cell = text::line(&cell);
            cells.push(if cell.is_empty() { cell } else { self.afford(&cell)? });
        }
        while cells.last().is_some_and(String::is_empty) {
            cells.pop();
        }
        self.cells += cells.len();
        Some(cells)
    }

    /// The text, or as much of it as the limit leaves.
    fn afford(&mut self, text: &str) -> Option<String> {
        let left = self.characters_left();
        let kept = text::first(text, left);
        self.characters += text::characters(kept);
        if kept.len() < text.len() {
            self.cut_off();
        }
        let kept = kept.trim_end();
        (!kept.is_empty()).then(|| kept.to_owned())
    }

    fn flush(&mut self) {
        if !self.paragraphs.is_empty() {
            let paragraphs = std::mem::take(&mut self.paragraphs);
            self.section(Body::Text(paragraphs));
        }
    }

    /// A heading under which nothing stands is a section, so that its words are not lost.
    fn use_heading(&mut self) {
        if !self.heading_used {
            self.section(Body::Text(Vec::new()));
        }
    }

    fn section(&mut self, body: Body) {
        if self.document.sections.len() >= self.limits.sections {
            self.cut_off();
            return;
        }
        let headings = self.headings.iter().map(|(_, heading)| heading.clone()).collect();
        self.document.sections.push(Section { headings, body, page: self.page });
        self.heading_used = true;
    }
}
