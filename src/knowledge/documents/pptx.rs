//! PowerPoint: each slide's title as a heading, its text and tables. Notes are left out.

use std::collections::{HashMap, HashSet};

use super::Unreadable;
use super::build::Builder;
use super::office::Archive;
use super::text;
use super::xml::{Element, Events, Met};

/// Slides that are read.
const SLIDES_MAX: usize = 2_000;

/// Reads a PowerPoint file.
///
/// # Errors
///
/// It cannot be opened, or none of its slides can be read.
pub(super) fn read(bytes: &[u8], to: &mut Builder<'_>) -> Result<(), Unreadable> {
    let expected = "PowerPoint file (.pptx)";
    let mut archive = Archive::open(bytes, expected, to.limits())?;
    let Some(main) = archive.part("ppt/presentation.xml")? else {
        return Err(Unreadable::WrongKind { expected });
    };
    let relations = archive.part("ppt/_rels/presentation.xml.rels")?.unwrap_or_default();
    let slides = slides_of(&main, &relations);
    let mut wrong = None;
    for (at, slide) in slides.iter().take(SLIDES_MAX).enumerate() {
        let Some(xml) = archive.part(slide)? else { continue };
        to.page(u32::try_from(at + 1).unwrap_or(u32::MAX));
        to.leave_headings(1);
        match Slide::default().read(&xml, to) {
            Ok(slide) => slide.put(to),
            Err(reason) => {
                to.cut_off();
                wrong = Some(Unreadable::Broken(format!("a slide cannot be read ({reason})")));
            }
        }
    }
    if slides.len() > SLIDES_MAX {
        to.cut_off();
    }
    match wrong {
        Some(error) if to.is_empty() => Err(error),
        _ => Ok(()),
    }
}

/// The slides' parts, in the order of the presentation.
fn slides_of(main: &str, relations: &str) -> Vec<String> {
    let mut targets = HashMap::new();
    let mut events = Events::new(relations);
    while let Ok(Some(met)) = events.next() {
        if let Met::Start(element) = met
            && let (Some(id), Some(target)) = (element.attribute("Id"), element.attribute("Target"))
        {
            let whole = target.strip_prefix('/').map(str::to_owned);
            targets.insert(id, whole.unwrap_or_else(|| format!("ppt/{target}")));
        }
    }
    let mut slides = Vec::new();
    let mut seen = HashSet::new();
    let mut events = Events::new(main);
    while let Ok(Some(met)) = events.next() {
        if let Met::Start(element) = met
            && element.name() == "sldId"
            && let Some(target) =
                element.attribute_with_prefix("id").and_then(|id| targets.get(&id))
        {
            // Each once: a part that stands a thousand times would be read as often.
            if seen.insert(target.clone()) {
                slides.push(target.clone());
            }
        }
    }
    slides
}

/// What stands on a slide.
enum Part {
    Paragraph(String),
    Item(String),
    Table(Vec<Vec<String>>),
}

/// A slide while it is read.
#[derive(Default)]
struct Slide {
    hidden: bool,
    title: String,
    parts: Vec<Part>,
    characters: usize,
    cells: usize,
    paragraph: String,
    /// The placeholder that a shape fills, such as `title`.
    place: String,
    item: bool,
    in_text: bool,
    skipped: usize,
    table: Option<Vec<Vec<String>>>,
    row: Vec<String>,
    cell: String,
}

impl Slide {
    fn read(mut self, xml: &str, to: &mut Builder<'_>) -> Result<Self, String> {
        let mut events = Events::new(xml);
        while let Some(met) = events.next()? {
            if self.characters > to.limits().characters || self.cells > to.limits().cells {
                to.cut_off();
                break;
            }
            match met {
                Met::Start(element) => self.start(&element),
                Met::End(name) => self.end(&name),
                Met::Text(text) if self.in_text && self.skipped == 0 => {
                    text::append(&mut self.paragraph, &text);
                    self.characters += text.len();
                }
                Met::Text(_) => {}
            }
        }
        Ok(self)
    }

    fn start(&mut self, element: &Element<'_>) {
        if self.skipped > 0 || element.name() == "Fallback" {
            self.skipped += 1;
            return;
        }
        match element.name() {
            "sld" => self.hidden = element.attribute("show").is_some_and(|show| show == "0"),
            "sp" | "graphicFrame" => self.place.clear(),
            "ph" => self.place = element.attribute("type").unwrap_or_else(|| "body".to_owned()),
            "t" => self.in_text = true,
            "br" => text::break_line(&mut self.paragraph),
            "tab" => text::append(&mut self.paragraph, " "),
            "p" => self.item = self.place == "body" || self.place == "obj",
            "buNone" => self.item = false,
            "buChar" | "buAutoNum" => self.item = true,
            "tbl" => self.table = Some(Vec::new()),
            _ => {}
        }
    }

    fn end(&mut self, name: &str) {
        if self.skipped > 0 {
            self.skipped -= 1;
            return;
        }
        match name {
            "t" => self.in_text = false,
            "p" => self.end_paragraph(),
            "tc" => {
                self.cells += 1;
                self.row.push(std::mem::take(&mut self.cell));
            }
            "tr" => {
                let row = std::mem::take(&mut self.row);
                self.table.get_or_insert_default().push(row);
            }
            "tbl" => self.parts.extend(self.table.take().map(Part::Table)),
            _ => {}
        }
    }

    fn end_paragraph(&mut self) {
        let paragraph = std::mem::take(&mut self.paragraph);
        if self.table.is_some() {
            text::append(&mut self.cell, " ");
            text::append(&mut self.cell, &paragraph);
            return;
        }
        match self.place.as_str() {
            "title" | "ctrTitle" => {
                text::append(&mut self.title, " ");
                text::append(&mut self.title, &paragraph);
            }
            // On each slide the same.
            "sldNum" | "dt" | "ftr" | "hdr" => {}
            _ if paragraph.trim().is_empty() => {}
            _ if self.item => self.parts.push(Part::Item(paragraph)),
            _ => self.parts.push(Part::Paragraph(paragraph)),
        }
    }

    fn put(self, to: &mut Builder<'_>) {
        if self.hidden {
            return;
        }
        to.title(&self.title);
        to.heading(1, &self.title);
        // One point is a paragraph.
        let points = self.parts.iter().filter(|part| matches!(part, Part::Item(_))).count();
        for part in self.parts {
            match part {
                Part::Item(text) if points > 1 => to.item(&text),
                Part::Item(text) | Part::Paragraph(text) => to.paragraph(&text),
                Part::Table(rows) => super::tables::put(rows, to),
            }
        }
    }
}
