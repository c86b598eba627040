//! Markdown: headings, paragraphs, lists, tables and code.

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use super::build::Builder;
use super::text;

/// Bytes that are read at once: the library takes a hundred times as much memory. What a link
/// refers to is found in the same part only, and its text is read in any case.
const PART_MAX: usize = 1 << 20;

/// Reads Markdown.
pub(super) fn read(source: &str, to: &mut Builder<'_>) {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS;
    let mut rest = source;
    while !rest.is_empty() {
        let (part, after) = cut(rest);
        rest = after;
        let mut reading = Reading::default();
        for event in Parser::new_ext(part, options) {
            if to.is_full() {
                to.cut_off();
                return;
            }
            reading.event(event, to);
        }
        reading.end_paragraph(to);
    }
}

/// The first part of a long source, which ends before a heading, else before an empty line, else
/// at the end of a line, if there is one in its second half.
fn cut(source: &str) -> (&str, &str) {
    if source.len() <= PART_MAX {
        return (source, "");
    }
    let end = source.floor_char_boundary(PART_MAX);
    let half = source.floor_char_boundary(PART_MAX / 2);
    let at = ["\n#", "\n\n", "\n"].iter().find_map(|mark| source[half..end].rfind(mark));
    source.split_at(at.map_or(end, |at| half + at + 1))
}

#[derive(Default)]
struct Reading {
    text: String,
    /// Lists and items that are open.
    items: usize,
    in_metadata: bool,
    in_code: bool,
    cells: Vec<String>,
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Reading {
    fn event(&mut self, event: Event<'_>, to: &mut Builder<'_>) {
        match event {
            Event::Start(tag) => self.start(&tag, to),
            Event::End(tag) => self.end(tag, to),
            Event::Text(_) if self.in_metadata => {}
            Event::Text(text) if self.in_code => self.text.push_str(&text),
            Event::Text(text) | Event::Code(text) => text::append(&mut self.text, &text),
            Event::InlineHtml(html) if html.starts_with("<br") => text::break_line(&mut self.text),
            Event::SoftBreak => text::append(&mut self.text, " "),
            Event::HardBreak => text::break_line(&mut self.text),
            Event::Rule => self.end_paragraph(to),
            // What stands between tags is text of a paragraph of its own; the tags are not.
            Event::Html(html) => text::append(&mut self.text, &without_tags(&html)),
            _ => {}
        }
    }

    fn start(&mut self, tag: &Tag<'_>, to: &mut Builder<'_>) {
        match tag {
            Tag::MetadataBlock(_) => self.in_metadata = true,
            Tag::Heading { .. } | Tag::Paragraph | Tag::HtmlBlock => self.end_paragraph(to),
            Tag::Item => {
                self.end_paragraph(to);
                self.items += 1;
            }
            Tag::CodeBlock(_) => {
                self.end_paragraph(to);
                self.in_code = true;
            }
            Tag::Table(_) => {
                self.end_paragraph(to);
                self.header.clear();
                self.rows.clear();
            }
            Tag::TableCell => self.text.clear(),
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd, to: &mut Builder<'_>) {
        match tag {
            TagEnd::MetadataBlock(_) => self.in_metadata = false,
            TagEnd::Heading(level) => {
                let heading = std::mem::take(&mut self.text);
                if level == HeadingLevel::H1 && to.is_empty() {
                    to.title(&heading);
                }
                to.heading(level as u8, &heading);
            }
            TagEnd::Item => {
                self.end_paragraph(to);
                self.items = self.items.saturating_sub(1);
            }
            TagEnd::CodeBlock => {
                self.end_paragraph(to);
                self.in_code = false;
            }
            TagEnd::TableCell => self.cells.push(std::mem::take(&mut self.text)),
            TagEnd::TableHead => self.header = std::mem::take(&mut self.cells),
            TagEnd::TableRow if self.rows.len() < to.cells_left() => {
                self.rows.push(std::mem::take(&mut self.cells));
            }
            TagEnd::TableRow => {
                self.cells.clear();
                to.cut_off();
            }
            TagEnd::Table => {
                to.table(std::mem::take(&mut self.header), std::mem::take(&mut self.rows));
            }
            TagEnd::Paragraph | TagEnd::HtmlBlock => self.end_paragraph(to),
            _ => {}
        }
    }

    fn end_paragraph(&mut self, to: &mut Builder<'_>) {
        let text = std::mem::take(&mut self.text);
        if self.items > 0 { to.item(&text) } else { to.paragraph(&text) }
    }
}

fn without_tags(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut in_tag = false;
    for c in html.chars() {
        match c {
            '<' => in_tag = true,
            '>' => in_tag = false,
            _ if !in_tag => text.push(c),
            _ => {}
        }
    }
    text
}
