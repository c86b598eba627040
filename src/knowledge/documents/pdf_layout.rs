//! The lines of a PDF's pages to paragraphs, headings and tables.

use std::collections::{HashMap, HashSet};

use super::build::Builder;
use super::pdf_lines::Line;
use super::{tables, text};

/// A longer line is no heading.
const HEADING_MAX: usize = 120;
/// Levels of headings told by their size; bold ones of the text's size are one below.
const LEVELS_MAX: usize = 4;

/// Puts the lines of all pages.
pub(super) fn put(mut pages: Vec<Vec<Line>>, to: &mut Builder<'_>) {
    drop_repeated(&mut pages);
    let style = Style::of(&pages);
    let mut writing =
        Writing { style: &style, paragraph: String::new(), item: false, last: None, edge: 0.0 };
    for (at, lines) in pages.iter().enumerate() {
        if to.is_full() {
            to.cut_off();
            break;
        }
        // A paragraph that goes on belongs to the page where it begins.
        if !writing.goes_on(lines) {
            writing.end_paragraph(to);
        }
        let page = u32::try_from(at + 1).unwrap_or(u32::MAX);
        writing.page(lines, page, to);
    }
    writing.end_paragraph(to);
}

/// Lines at the head and foot of most pages stand once, and numbers of pages not at all.
fn drop_repeated(pages: &mut [Vec<Line>]) {
    if pages.len() < 3 {
        return;
    }
    let key = |line: &Line| -> String {
        let digits = |c: char| if c.is_ascii_digit() { '#' } else { c };
        line.text().chars().map(digits).collect::<String>().replace("##", "#").replace("##", "#")
    };
    let is_edge = |at: usize, count: usize| at < 2 || at + 2 >= count;
    let mut counts: HashMap<String, usize> = HashMap::new();
    for lines in pages.iter() {
        let edges = lines.iter().enumerate().filter(|(at, _)| is_edge(*at, lines.len()));
        for key in edges.map(|(_, line)| key(line)).collect::<HashSet<_>>() {
            *counts.entry(key).or_default() += 1;
        }
    }
    let most = (pages.len() * 3).div_ceil(5).max(3);
    let mut seen = HashSet::new();
    for lines in pages.iter_mut() {
        let (mut at, count) = (0, lines.len());
        lines.retain(|line| {
            let edge = is_edge(at, count);
            at += 1;
            let key = key(line);
            let repeated = edge && counts.get(&key).is_some_and(|count| *count >= most);
            let letters = key.chars().filter(|c| c.is_alphabetic()).count();
            let is_number = key.contains('#') && letters <= 10;
            !(repeated && (is_number || !seen.insert(key)))
        });
    }
}

/// What is usual in a document.
struct Style {
    /// The size of most letters, doubled and rounded.
    body: i64,
    /// Sizes of headings, the largest first.
    headings: Vec<i64>,
    /// From one line to the next, in sizes.
    leading: f64,
    bold: bool,
    /// A heading in bold letters of the text's size.
    bold_level: u8,
}

impl Style {
    fn of(pages: &[Vec<Line>]) -> Self {
        let mut letters: HashMap<i64, usize> = HashMap::new();
        let (mut bold, mut all) = (0, 0);
        let mut gaps = Vec::new();
        for lines in pages {
            for line in lines {
                let count = line.letters();
                *letters.entry(line.rounded_size()).or_default() += count;
                all += count;
                bold += if line.bold { count } else { 0 };
            }
            let pairs = lines.windows(2).filter(|pair| pair[0].cells.len() == 1);
            gaps.extend(pairs.map(|pair| (pair[0].height - pair[1].height) / pair[0].size));
        }
        let body = letters.iter().max_by_key(|(size, count)| (**count, **size));
        let body = body.map_or(20, |(size, _)| *size);
        gaps.retain(|gap| (0.8..2.5).contains(gap));
        gaps.sort_by(f64::total_cmp);
        // Lines within paragraphs are closer than the gaps between them.
        let leading = gaps.get(gaps.len() / 3).copied().unwrap_or(1.25);
        let mut headings: Vec<i64> =
            letters.keys().copied().filter(|size| *size as f64 >= body as f64 * 1.12).collect();
        headings.sort_unstable_by_key(|size| -size);
        let bold_level = headings.len().min(LEVELS_MAX) + 1;
        Self {
            body,
            headings,
            leading,
            bold: bold * 2 > all,
            bold_level: u8::try_from(bold_level).unwrap_or(u8::MAX),
        }
    }

    /// The level of a heading, if a line looks like one.
    fn level(&self, line: &Line) -> Option<u8> {
        let text = line.text();
        let letters = text.chars().filter(|c| c.is_alphabetic()).count();
        let length = text::characters(&text);
        if line.cells.len() > 1 || letters < 2 || length > HEADING_MAX || item_of(&text).is_some() {
            return None;
        }
        let size = line.rounded_size();
        if let Some(at) = self.headings.iter().position(|other| *other == size) {
            return u8::try_from(at.min(LEVELS_MAX - 1) + 1).ok();
        }
        let ends = text.trim_end().ends_with(['.', ',', ';', ':']);
        let bold = line.bold && !self.bold && size >= self.body && !ends && length <= 80;
        bold.then_some(self.bold_level)
    }
}

/// The text of a list's item without its mark.
fn item_of(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let marks = ['•', '◦', '▪', '●', '■', '‣', '·', '○', '–', '-', '*', '✓', '➢', '❖', '□'];
    let rest = line.strip_prefix(marks)?;
    rest.starts_with(char::is_whitespace).then(|| rest.trim_start())
}

struct Writing<'a> {
    style: &'a Style,
    paragraph: String,
    item: bool,
    last: Option<Line>,
    /// The right edge of the column that is read.
    edge: f64,
}

impl Writing<'_> {
    fn page(&mut self, lines: &[Line], page: u32, to: &mut Builder<'_>) {
        let mut at = 0;
        let edges = edges(lines);
        if self.paragraph.is_empty() {
            to.page(page);
        }
        while let Some(line) = lines.get(at) {
            let rows = rows_from(&lines[at..]);
            if rows.len() >= 2 {
                self.end_paragraph(to);
                to.page(page);
                at += rows.len();
                tables::put(rows, to);
                self.last = None;
                continue;
            }
            if let Some(level) = self.style.level(line) {
                self.end_paragraph(to);
                to.page(page);
                let (heading, count) = self.heading_from(&lines[at..], level);
                // Many PDFs have no title of their own; the largest words of the first page are it.
                if page == 1 && level == 1 {
                    to.title(&heading);
                }
                to.heading(level, &heading);
                at += count;
                self.last = None;
                continue;
            }
            if !self.is_same_paragraph(line) {
                self.end_paragraph(to);
                to.page(page);
            }
            self.edge = edges[at];
            self.add(line);
            at += 1;
        }
    }

    /// A heading of some lines.
    fn heading_from(&self, lines: &[Line], level: u8) -> (String, usize) {
        let mut heading = lines[0].text();
        let mut count = 1;
        while let Some(next) = lines.get(count)
            && self.style.level(next) == Some(level)
            && next.size == lines[0].size
            && (0.0..1.4).contains(&((lines[count - 1].height - next.height) / next.size))
            && heading.len() + next.text().len() < HEADING_MAX
        {
            heading.push(' ');
            heading.push_str(&next.text());
            count += 1;
        }
        (heading, count)
    }

    /// Whether the first line of a page goes on with the paragraph before.
    fn goes_on(&self, lines: &[Line]) -> bool {
        let ended = self.paragraph.trim_end().ends_with(['.', '!', '?', ':', ';']);
        let small = lines.first().is_some_and(|line| {
            let text = line.text();
            text.chars().next().is_some_and(char::is_lowercase) && line.cells.len() == 1
        });
        !self.paragraph.is_empty() && !ended && small
    }

    fn is_same_paragraph(&self, line: &Line) -> bool {
        let Some(last) = &self.last else { return self.paragraph.is_empty() };
        let text = line.text();
        if item_of(&text).is_some() || line.cells.len() != last.cells.len() || line.cells.len() > 1
        {
            return false;
        }
        let ended = self.paragraph.trim_end().ends_with(['.', '!', '?', ':', ';']);
        let small = text.chars().next().is_some_and(char::is_lowercase);
        let gap = (last.height - line.height) / last.size;
        if !(0.0..self.style.leading * 4.0).contains(&gap) {
            // In another column.
            return !ended && small;
        }
        let similar = (last.size - line.size).abs() <= 0.1 * last.size;
        let close = gap <= self.style.leading * 1.22;
        // A line that ends early, before one that begins anew, ends a paragraph.
        let indented = line.start > last.start + line.size && !self.item;
        similar && close && !(ended && indented)
    }

    fn add(&mut self, line: &Line) {
        let text = line.cells.iter().map(|cell| cell.trim()).collect::<Vec<_>>().join("; ");
        let text = match item_of(&text) {
            Some(item) => {
                self.item = true;
                item.to_owned()
            }
            None => text,
        };
        // A word that is divided at the end of a line is one again.
        let divided = self.paragraph.ends_with('-')
            && self.paragraph.chars().rev().nth(1).is_some_and(char::is_lowercase)
            && text.starts_with(char::is_lowercase);
        if divided {
            self.paragraph.pop();
        } else if !self.paragraph.is_empty() {
            // A line that ends early is a line of its own, such as of an address.
            let early = self.last.as_ref().is_some_and(|last| ends_early(last, line, self.edge));
            self.paragraph.push(if early { '\n' } else { ' ' });
        }
        self.paragraph.push_str(&text);
        self.last = Some(line.clone());
    }

    fn end_paragraph(&mut self, to: &mut Builder<'_>) {
        let paragraph = std::mem::take(&mut self.paragraph);
        self.last = None;
        if std::mem::take(&mut self.item) { to.item(&paragraph) } else { to.paragraph(&paragraph) }
    }
}

/// Whether the first word of the next line would have had its place in this one.
fn ends_early(last: &Line, next: &Line, edge: f64) -> bool {
    let text = next.text();
    let word = text.split_whitespace().next().map_or(0, text::characters);
    let per_letter = (next.end - next.start) / text::characters(&text).max(1) as f64;
    last.end + per_letter * (word as f64 + 2.0) < edge
}

/// Where the lines end that begin where each line does: the right edge of its column.
fn edges(lines: &[Line]) -> Vec<f64> {
    let column = |line: &Line| (line.start / 5.0).round().clamp(-1e6, 1e6) as i64;
    let mut ends: HashMap<i64, f64> = HashMap::new();
    for line in lines {
        let end = ends.entry(column(line)).or_insert(line.end);
        *end = end.max(line.end);
    }
    lines.iter().map(|line| ends.get(&column(line)).copied().unwrap_or(line.end)).collect()
}

/// The rows of a table that begin here: lines with wide gaps, as many in each.
fn rows_from(lines: &[Line]) -> Vec<Vec<String>> {
    let width = lines.first().map_or(0, |line| line.cells.len());
    if width < 2 {
        return Vec::new();
    }
    let rows = lines.iter().take_while(|line| line.cells.len() == width);
    rows.map(|line| line.cells.clone()).collect()
}
