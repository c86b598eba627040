//! Passages of a document: as much as answers one question, with its headings.
//!
//! A section is kept whole where it fits, and neighbours that say little are joined. A table's rows
//! are said as `Service: Haircut; Price: €25`: then each row is understood alone, by a search and by
//! whoever reads it aloud, wherever the table is divided. A grid of bare cells is neither.

use text_splitter::{ChunkCapacity, ChunkConfig, TextSplitter};

use super::text::characters;
use super::{Body, Document, Section};

/// A paragraph is cut into pieces of this size before the splitter looks for its sentences, which
/// takes longer than linear time.
const PIECE_MAX: usize = 20_000;
/// Ends of sentences in scripts without spaces.
const ENDS: [char; 6] = ['。', '！', '？', '．', '，', '、'];
/// A longer question or lead-in is no lead-in.
const LEAD_MAX: usize = 200;

/// How long passages are, in characters, and how many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SplitLimits {
    /// What a passage grows to.
    pub target: usize,
    /// What a passage never exceeds. At least `target`.
    pub max: usize,
    /// Sections shorter than that are joined.
    pub tiny: usize,
    /// The most passages.
    pub passages: usize,
}

impl Default for SplitLimits {
    fn default() -> Self {
        Self { target: 1_000, max: 1_500, tiny: 200, passages: 10_000 }
    }
}

/// A part of a document that an answer is looked up in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// The document's title; empty if it has none.
    pub title: String,
    /// The headings it stands under, joined with ` > `.
    pub heading: Option<String>,
    /// What it says. Never empty.
    pub text: String,
    /// Its place among the document's passages, from 0.
    pub position: u32,
    /// The page of a PDF, the slide or the sheet that it begins on.
    pub page: Option<u32>,
}

/// A document's passages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Passages {
    /// In the document's order.
    pub passages: Vec<Passage>,
    /// Whether the document or its passages reached a limit, so that something is not in them.
    pub cut_off: bool,
}

/// Splits a document into passages.
#[must_use]
pub fn split(document: &Document, limits: &SplitLimits) -> Passages {
    let limits = SplitLimits { max: limits.max.max(limits.target).max(1), ..limits.clone() };
    let title = document.title.clone().unwrap_or_default();
    let mut to = Joining { limits: &limits, open: None, done: Passages::default(), title };
    for section in &document.sections {
        if to.done.cut_off {
            break;
        }
        to.section(section);
    }
    to.close();
    to.done.cut_off |= document.cut_off;
    to.done
}

/// A passage that may still grow.
struct Open<'a> {
    headings: &'a [String],
    text: String,
    length: usize,
    page: Option<u32>,
    /// Whether all that is in it was said by tiny sections.
    tiny: bool,
    /// The last heading within the text.
    last: Option<&'a String>,
}

struct Joining<'a> {
    limits: &'a SplitLimits,
    open: Option<Open<'a>>,
    done: Passages,
    title: String,
}

impl<'a> Joining<'a> {
    fn section(&mut self, section: &'a Section) {
        let mut headings = &section.headings[..];
        let mut texts = match &section.body {
            Body::Text(paragraphs) => pack(paragraphs, self.limits),
            Body::Table { header, rows } => pack(&said(header, rows, self.limits), self.limits),
        };
        if texts.is_empty() {
            // A heading alone is the text.
            let Some((last, above)) = headings.split_last() else { return };
            headings = above;
            texts = pack(std::slice::from_ref(last), self.limits);
        }
        for text in texts {
            let length = characters(&text);
            let tiny = length < self.limits.tiny;
            let next = Open { headings, text, length, page: section.page, tiny, last: None };
            let Some(next) = self.join(next) else { continue };
            self.close();
            self.open = Some(next);
        }
    }

    /// Joins to the open passage, or gives it back.
    fn join(&mut self, next: Open<'a>) -> Option<Open<'a>> {
        let Some(open) = &mut self.open else { return Some(next) };
        let same = open.headings == next.headings;
        let both = open.tiny && next.tiny;
        if same && (open.tiny || next.tiny) && open.length + 1 + next.length <= self.limits.target {
            open.add(None, &next);
            open.tiny = both;
            return None;
        }
        let Some((own, above)) = next.headings.split_last() else { return Some(next) };
        if !both || is_question(own) {
            return Some(next);
        }
        let more = characters(own) + next.length + 2;
        let is_answer = open.headings.last().is_some_and(|heading| is_question(heading));
        if open.headings == above && !is_answer && open.length + more <= self.limits.target {
            open.add(Some(own), &next);
            return None;
        }
        let Some((first, above_open)) = open.headings.split_last() else { return Some(next) };
        let longer = characters(first) + 1;
        if above_open == above
            && !is_question(first)
            && open.length + longer + more <= self.limits.target
        {
            open.text.insert(0, '\n');
            open.text.insert_str(0, first);
            open.last = Some(first);
            open.headings = above;
            open.add(Some(own), &next);
            return None;
        }
        Some(next)
    }

    fn close(&mut self) {
        let Some(open) = self.open.take() else { return };
        if open.text.trim().is_empty() {
            return;
        }
        if self.done.passages.len() >= self.limits.passages {
            self.done.cut_off = true;
            return;
        }
        let heading = (!open.headings.is_empty()).then(|| open.headings.join(" > "));
        self.done.passages.push(Passage {
            title: self.title.clone(),
            heading,
            text: open.text,
            position: u32::try_from(self.done.passages.len()).unwrap_or(u32::MAX),
            page: open.page,
        });
    }
}

impl<'a> Open<'a> {
    fn add(&mut self, heading: Option<&'a String>, next: &Self) {
        if let Some(heading) = heading
            && self.last != Some(heading)
        {
            self.text.push('\n');
            self.text.push_str(heading);
            self.last = Some(heading);
        }
        self.text.push('\n');
        self.text.push_str(&next.text);
        self.length = characters(&self.text);
    }
}

/// A question, in most scripts.
fn is_question(text: &str) -> bool {
    text.trim_end().ends_with(['?', '？', '؟'])
}

/// Whether a paragraph says what comes next: a question, or `We take:`.
fn leads(paragraph: &str) -> bool {
    paragraph.ends_with([':', '?', '：', '？', '؟']) && characters(paragraph) <= LEAD_MAX
}

/// Puts paragraphs together up to the target, each text at most of the greatest length.
fn pack(paragraphs: &[String], limits: &SplitLimits) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    // Paragraphs of the text that grows, and its length.
    let mut open: Vec<&str> = Vec::new();
    let mut length = 0;
    let mut long: Vec<String>;
    for paragraph in paragraphs {
        if texts.len() > limits.passages {
            break;
        }
        let paragraph = paragraph.trim();
        let more = characters(paragraph);
        if more == 0 {
            continue;
        }
        let together = if open.is_empty() { more } else { length + 1 + more };
        // A small rest is not left alone where both fit.
        let fits = together <= limits.target
            || ((length < limits.target / 3 || more < limits.tiny) && together <= limits.max);
        if fits {
            open.push(paragraph);
            length = together;
            continue;
        }
        // What leads to this paragraph goes with it.
        let lead = (open.len() > 1).then(|| open.pop_if(|last| leads(last))).flatten();
        if !open.is_empty() {
            texts.push(open.join("\n"));
        }
        open.clear();
        open.extend(lead);
        open.push(paragraph);
        let joined = open.join("\n");
        length = characters(&joined);
        if length > limits.max {
            long = sentences(&joined, limits);
            open.clear();
            length = 0;
            texts.append(&mut long);
        }
    }
    if !open.is_empty() {
        texts.push(open.join("\n"));
    }
    texts
}

/// A text that is too long, split at sentences where there are some.
fn sentences(text: &str, limits: &SplitLimits) -> Vec<String> {
    let capacity = ChunkCapacity::new(limits.target.max(1))
        .with_max(limits.max)
        .unwrap_or_else(|_| ChunkCapacity::new(limits.max));
    let splitter = TextSplitter::new(ChunkConfig::new(capacity));
    let mut rest = text;
    let mut chunks = Vec::new();
    while !rest.is_empty() && chunks.len() <= limits.passages {
        let (piece, after) = cut_piece(rest, limits.target);
        rest = after;
        if piece.contains(char::is_whitespace) || piece.contains(ENDS) {
            let found = splitter.chunks(piece).filter(|chunk| !chunk.trim().is_empty());
            chunks.extend(found.map(str::to_owned));
        } else {
            // A word without end.
            let letters: Vec<char> = piece.chars().collect();
            chunks.extend(letters.chunks(limits.target.max(1)).map(String::from_iter));
        }
    }
    chunks
}

/// The first piece of a text, cut at white space if there is some. A word that is longer than a
/// passage is a piece: with others, the splitter would divide those, too.
fn cut_piece(text: &str, longest: usize) -> (&str, &str) {
    let text = text.trim_start();
    let most = text.floor_char_boundary(PIECE_MAX.max(4 * longest));
    let mut from = 0;
    while from < most {
        let word = text[from..].find(char::is_whitespace).map_or(text.len(), |at| from + at);
        if word - from > longest {
            // The long word, or all that stands before it.
            return if from == 0 { cut_word(text, word) } else { text.split_at(from) };
        }
        if word >= most {
            return text.split_at(if from == 0 { word } else { from });
        }
        let space = text[word..].chars().next().map_or(1, char::len_utf8);
        from = word + space;
    }
    text.split_at(from.min(text.len()))
}

/// A word without end is cut where it is.
fn cut_word(text: &str, end: usize) -> (&str, &str) {
    text.split_at(text.floor_char_boundary(end.min(PIECE_MAX)))
}

/// A table's rows as they are said.
fn said(header: &[String], rows: &[Vec<String>], limits: &SplitLimits) -> Vec<String> {
    let width = rows.iter().map(Vec::len).max().unwrap_or(0);
    // Names of columns with nothing in them are said once, so that they are not lost.
    let is_used = |at: usize| rows.iter().any(|row| row.get(at).is_some_and(|c| !c.is_empty()));
    let names = header.iter().enumerate();
    let bare: Vec<&str> = names
        .filter(|(at, name)| !(name.is_empty() || *at < width && is_used(*at)))
        .map(|(_, name)| name.as_str())
        .collect();
    let mut lines = Vec::with_capacity(rows.len() + 1);
    if !bare.is_empty() {
        lines.push(bare.join("; "));
    }
    for row in rows {
        say_row(header, row, limits, &mut lines);
    }
    lines
}

/// A row as one line, or as some where it is longer than a passage.
fn say_row(header: &[String], row: &[String], limits: &SplitLimits, lines: &mut Vec<String>) {
    let cells = row.iter().enumerate().filter(|(_, cell)| !cell.is_empty());
    let said: Vec<String> = cells
        .map(|(at, cell)| match header.get(at) {
            Some(name) if !name.is_empty() => format!("{}: {cell}", name.trim_end_matches(':')),
            _ => cell.clone(),
        })
        .collect();
    // A pair without names of columns: `Monday: 9 to 5`.
    if header.is_empty() && said.len() == 2 {
        let pair = format!("{}: {}", said[0].trim_end_matches(':'), said[1]);
        if characters(&pair) <= limits.max {
            lines.push(pair);
            return;
        }
    }
    let mut line = String::new();
    let mut length = 0;
    for cell in said {
        let more = characters(&cell) + 2;
        if !line.is_empty() && length + more > limits.max {
            lines.push(std::mem::take(&mut line));
            length = 0;
        }
        if !line.is_empty() {
            line.push_str("; ");
        }
        line.push_str(&cell);
        length += more;
    }
    lines.extend((!line.is_empty()).then_some(line));
}
