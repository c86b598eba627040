//! Word: headings by their style, paragraphs, lists and tables.

use std::collections::HashMap;

use super::Unreadable;
use super::build::Builder;
use super::office::Archive;
use super::text;
use super::xml::{Element, Events, Met};

/// Styles that are read; Word allows about 4,000.
const STYLES_MAX: usize = 5_000;
/// Columns of a table; Word allows 63.
const COLUMNS_MAX: usize = 200;

/// What a style makes of a paragraph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Title,
    Heading(u8),
    Item,
    Hidden,
}

/// Reads a Word file.
///
/// # Errors
///
/// It cannot be opened, or its text cannot be read.
pub(super) fn read(bytes: &[u8], to: &mut Builder<'_>) -> Result<(), Unreadable> {
    let expected = "Word file (.docx)";
    let mut archive = Archive::open(bytes, expected, to.limits())?;
    let main = main_part(&mut archive)?.ok_or(Unreadable::WrongKind { expected })?;
    let folder = main.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
    let styles = archive.part(&format!("{folder}/styles.xml"))?.unwrap_or_default();
    let styles = styles_of(&styles);
    let xml = archive.part(&main)?.ok_or(Unreadable::WrongKind { expected })?;
    let read = Reading::new(&styles).read(&xml, to);
    if let Err(reason) = read {
        if to.is_empty() {
            return Err(Unreadable::Broken(format!("its text cannot be read ({reason})")));
        }
        to.cut_off();
    }
    read_beside(&mut archive, &folder, &styles, to)?;
    if let Some(core) = archive.part("docProps/core.xml")? {
        to.title(&title_of(&core));
    }
    Ok(())
}

/// Footnotes, and the letterhead, where an address and a telephone number stand.
fn read_beside(
    archive: &mut Archive<'_>,
    folder: &str,
    styles: &HashMap<String, Role>,
    to: &mut Builder<'_>,
) -> Result<(), Unreadable> {
    let is_beside = |name: &&String| {
        let within = name.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/'));
        within.is_some_and(|part| {
            let kinds = ["header", "footer", "footnotes", "endnotes"];
            part.ends_with(".xml") && kinds.iter().any(|kind| part.starts_with(kind))
        })
    };
    let mut parts: Vec<String> = archive.names().iter().filter(is_beside).cloned().collect();
    parts.sort();
    parts.dedup();
    to.leave_headings(1);
    let mut seen: Vec<String> = Vec::new();
    for part in parts.iter().take(32) {
        let Some(xml) = archive.part(part)? else { continue };
        // A part beside the text that is damaged is left out.
        if !seen.contains(&xml) && Reading::new(styles).read(&xml, to).is_ok() {
            seen.push(xml);
        }
    }
    Ok(())
}

/// The part with the text, as the archive says, which is nearly always `word/document.xml`.
fn main_part(archive: &mut Archive<'_>) -> Result<Option<String>, Unreadable> {
    let usual = "word/document.xml";
    if archive.names().iter().any(|name| name.eq_ignore_ascii_case(usual)) {
        return Ok(Some(usual.to_owned()));
    }
    let Some(relations) = archive.part("_rels/.rels")? else { return Ok(None) };
    let mut events = Events::new(&relations);
    while let Ok(Some(met)) = events.next() {
        if let Met::Start(element) = met
            && element.attribute("Type").is_some_and(|kind| kind.ends_with("/officeDocument"))
        {
            let target = element.attribute("Target").unwrap_or_default();
            return Ok(Some(target.trim_start_matches('/').to_owned()));
        }
    }
    Ok(None)
}

fn title_of(core: &str) -> String {
    let mut events = Events::new(core);
    let (mut title, mut within) = (String::new(), false);
    while let Ok(Some(met)) = events.next() {
        match met {
            Met::Start(element) => within = element.name() == "title",
            Met::End(_) => within = false,
            Met::Text(text) if within => title.push_str(&text),
            Met::Text(_) => {}
        }
    }
    // What the program wrote, not the owner.
    let made_up = ["word document", "untitled", "microsoft word"];
    let lower = title.to_lowercase();
    if made_up.iter().any(|word| lower.starts_with(word)) { String::new() } else { title }
}

/// What each style makes of a paragraph, by its identifier. The name says it in English in every
/// language's Word; the identifier does not.
fn styles_of(xml: &str) -> HashMap<String, Role> {
    let mut roles = HashMap::new();
    let mut parents: HashMap<String, String> = HashMap::new();
    let mut events = Events::new(xml);
    let (mut id, mut styles) = (String::new(), 0);
    while let Ok(Some(met)) = events.next() {
        let Met::Start(element) = met else { continue };
        match element.name() {
            "style" => {
                styles += 1;
                if styles > STYLES_MAX {
                    break;
                }
                id = element.attribute("styleId").unwrap_or_default();
            }
            "name" => {
                let name = element.attribute("val").unwrap_or_default().to_lowercase();
                if let Some(role) = role_of(&name) {
                    roles.insert(id.clone(), role);
                }
            }
            "basedOn" => {
                parents.insert(id.clone(), element.attribute("val").unwrap_or_default());
            }
            "outlineLvl" => {
                if let Some(level) = outline(&element) {
                    roles.entry(id.clone()).or_insert(Role::Heading(level));
                }
            }
            _ => {}
        }
    }
    let ids: Vec<String> = parents.keys().cloned().collect();
    for id in ids {
        let mut ancestor = &id;
        for _ in 0..10 {
            if let Some(role) = roles.get(ancestor).copied() {
                roles.insert(id.clone(), role);
                break;
            }
            let Some(parent) = parents.get(ancestor) else { break };
            ancestor = parent;
        }
    }
    roles
}

fn role_of(name: &str) -> Option<Role> {
    if let Some(level) = name.strip_prefix("heading ") {
        return Some(Role::Heading(level.trim().parse().ok().filter(|n| (1..=9).contains(n))?));
    }
    match name {
        "title" => Some(Role::Title),
        // A table of contents repeats the headings.
        _ if name.starts_with("toc ") || name == "table of figures" => Some(Role::Hidden),
        _ if name.starts_with("list bullet") || name.starts_with("list number") => Some(Role::Item),
        _ => None,
    }
}

fn outline(element: &Element<'_>) -> Option<u8> {
    let level: u8 = element.attribute("val")?.parse().ok()?;
    (level < 9).then_some(level + 1)
}

/// A table that is open: its finished rows, the row and the cell that are open.
#[derive(Default)]
struct Table {
    rows: Vec<Vec<String>>,
    row: Vec<String>,
    cell: String,
}

struct Reading<'a> {
    styles: &'a HashMap<String, Role>,
    paragraph: String,
    role: Option<Role>,
    in_text: bool,
    /// Elements around here whose text is left out.
    skipped: usize,
    vanish: bool,
    /// A table in a cell is text of that cell.
    tables: Vec<Table>,
}

impl<'a> Reading<'a> {
    fn new(styles: &'a HashMap<String, Role>) -> Self {
        Self {
            styles,
            paragraph: String::new(),
            role: None,
            in_text: false,
            skipped: 0,
            vanish: false,
            tables: Vec::new(),
        }
    }

    fn read(mut self, xml: &str, to: &mut Builder<'_>) -> Result<(), String> {
        let mut events = Events::new(xml);
        let read = loop {
            if to.is_full() {
                to.cut_off();
                break Ok(());
            }
            match events.next() {
                Ok(Some(Met::Start(element))) => self.start(&element),
                Ok(Some(Met::End(name))) => self.end(&name, to),
                Ok(Some(Met::Text(text))) => {
                    if self.in_text && self.skipped == 0 && !self.vanish {
                        text::append(&mut self.paragraph, &text);
                    }
                }
                Ok(None) => break Ok(()),
                Err(reason) => break Err(reason),
            }
        };
        // What stood before the damage is kept.
        while !self.tables.is_empty() {
            self.end("tr", to);
            self.end("tbl", to);
        }
        self.end("p", to);
        read
    }

    fn start(&mut self, element: &Element<'_>) {
        // The same text again for old programs, what was deleted, and formulas' other forms.
        if self.skipped > 0 || matches!(element.name(), "Fallback" | "del" | "moveFrom") {
            self.skipped += 1;
            return;
        }
        match element.name() {
            "t" => self.in_text = true,
            "tab" | "ptab" => text::append(&mut self.paragraph, " "),
            "br" | "cr" => text::break_line(&mut self.paragraph),
            "noBreakHyphen" => self.paragraph.push('-'),
            "r" => self.vanish = false,
            "vanish" => self.vanish = is_on(element),
            "pStyle" => {
                let id = element.attribute("val").unwrap_or_default();
                self.role = self.styles.get(&id).copied().or(self.role);
            }
            "outlineLvl" => self.role = outline(element).map(Role::Heading).or(self.role),
            // Headings may be numbered, too.
            "numPr" => self.role = self.role.or(Some(Role::Item)),
            "tbl" => self.tables.push(Table::default()),
            _ => {}
        }
    }

    fn end(&mut self, name: &str, to: &mut Builder<'_>) {
        if self.skipped > 0 {
            self.skipped -= 1;
            return;
        }
        match name {
            "t" => self.in_text = false,
            "p" => self.end_paragraph(to),
            "tc" => {
                if let Some(table) = self.tables.last_mut() {
                    let cell = std::mem::take(&mut table.cell);
                    if table.row.len() < COLUMNS_MAX {
                        table.row.push(cell);
                    } else {
                        to.cut_off();
                    }
                }
            }
            "tr" => {
                if let Some(table) = self.tables.last_mut() {
                    if table.rows.len() < to.cells_left() {
                        table.rows.push(std::mem::take(&mut table.row));
                    } else {
                        table.row.clear();
                        to.cut_off();
                    }
                }
            }
            "tbl" => self.end_table(to),
            _ => {}
        }
    }

    fn end_paragraph(&mut self, to: &mut Builder<'_>) {
        let paragraph = std::mem::take(&mut self.paragraph);
        let role = self.role.take();
        self.vanish = false;
        if role == Some(Role::Hidden) {
            return;
        }
        if let Some(table) = self.tables.last_mut() {
            text::append(&mut table.cell, " ");
            text::append(&mut table.cell, &paragraph);
            return;
        }
        match role {
            Some(Role::Title) if !to.has_title() => {
                to.title(&paragraph);
                // A title is said once more where something stands before it.
                if !to.is_empty() {
                    to.paragraph(&paragraph);
                }
            }
            Some(Role::Heading(level)) => to.heading(level, &paragraph),
            Some(Role::Item) => to.item(&paragraph),
            _ => to.paragraph(&paragraph),
        }
    }

    fn end_table(&mut self, to: &mut Builder<'_>) {
        let Some(table) = self.tables.pop() else { return };
        if let Some(outer) = self.tables.last_mut() {
            for row in table.rows {
                text::append(&mut outer.cell, " ");
                text::append(&mut outer.cell, &row.join("; "));
            }
            return;
        }
        super::tables::put(table.rows, to);
    }
}

fn is_on(element: &Element<'_>) -> bool {
    !matches!(element.attribute("val").as_deref(), Some("0" | "false" | "off"))
}
