//! Excel: each sheet a table, its cells as a person reads them.

use std::io::Cursor;

use calamine::{DataRef, ExcelDateTime, Reader, SheetType, SheetVisible, Xlsx, XlsxError};

use super::build::Builder;
use super::numbers;
use super::office::Archive;
use super::tables;
use super::{Limits, Unreadable};

/// Sheets that are read.
const SHEETS_MAX: usize = 200;
/// Columns that are read; what stands farther right is not a table that a person reads.
const COLUMNS_MAX: u32 = 500;

/// Reads an Excel file.
///
/// # Errors
///
/// It cannot be opened, or none of its sheets can be read.
pub(super) fn read(bytes: &[u8], to: &mut Builder<'_>) -> Result<(), Unreadable> {
    let limits: &Limits = to.limits();
    let mut archive = Archive::open(bytes, "Excel file (.xlsx)", limits)?;
    if !archive.names().iter().any(|name| name.to_ascii_lowercase().ends_with("workbook.xml")) {
        return Err(Unreadable::WrongKind { expected: "Excel file (.xlsx)" });
    }
    check_counts(&mut archive)?;
    drop(archive);
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).map_err(|error| broken(&error))?;
    let sheets: Vec<_> = book.sheets_metadata().to_vec();
    let mut wrong = None;
    for (at, sheet) in sheets.iter().take(SHEETS_MAX).enumerate() {
        // A hidden sheet holds lists and sums that its owner does not show.
        if sheet.visible != SheetVisible::Visible || sheet.typ != SheetType::WorkSheet {
            continue;
        }
        if to.is_full() {
            to.cut_off();
            break;
        }
        to.page(u32::try_from(at + 1).unwrap_or(u32::MAX));
        to.leave_headings(1);
        if !is_default_name(&sheet.name) {
            to.heading(1, &sheet.name);
        }
        match grid(&mut book, &sheet.name, to) {
            Ok(grid) => tables::put(grid, to),
            Err(error) => {
                to.cut_off();
                wrong = Some(broken(&error));
            }
        }
    }
    if sheets.len() > SHEETS_MAX {
        to.cut_off();
    }
    match wrong {
        Some(error) if to.is_empty() => Err(error),
        _ => Ok(()),
    }
}

/// calamine makes room for as many strings as a file says it has, which may be a lie.
fn check_counts(archive: &mut Archive<'_>) -> Result<(), Unreadable> {
    let is_strings = |name: &&String| name.to_ascii_lowercase().ends_with("sharedstrings.xml");
    let parts: Vec<String> = archive.names().iter().filter(is_strings).cloned().collect();
    for part in parts {
        let xml = archive.part(&part)?.unwrap_or_default();
        for (at, name) in xml.match_indices("uniqueCount") {
            let value = xml[at + name.len()..].trim_start_matches([' ', '\t', '\r', '\n', '=']);
            let value = value.trim_start_matches(['"', '\'', ' ']);
            let end = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
            // A string takes five bytes at least. A number that is too large for us is too large.
            if end > 0 && value[..end].parse().map_or(true, |count: usize| count > xml.len()) {
                let reason = "it says that it has more words than it can have".to_owned();
                return Err(Unreadable::Broken(reason));
            }
        }
    }
    Ok(())
}

fn broken(error: &XlsxError) -> Unreadable {
    match error {
        XlsxError::Password => Unreadable::Encrypted,
        other => Unreadable::Broken(format!("its sheets cannot be read ({other})")),
    }
}

/// The name that a program gives: `Sheet1`, `Tabelle 2`, `Feuil1`. It says nothing.
fn is_default_name(name: &str) -> bool {
    let word = name.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end().to_lowercase();
    let words =
        ["sheet", "tabelle", "feuil", "hoja", "foglio", "blad", "planilha", "arkusz", "лист"];
    word.len() < name.len() && words.contains(&word.as_str())
}

/// A sheet's cells. It is read cell by cell: one in the last row and column of a sheet would else
/// take the memory of all those before.
fn grid(
    book: &mut Xlsx<Cursor<&[u8]>>,
    sheet: &str,
    to: &mut Builder<'_>,
) -> Result<Vec<Vec<String>>, XlsxError> {
    let mut cells = book.worksheet_cells_reader(sheet)?;
    let mut left = to.cells_left();
    // One word of a file may stand in each of its cells.
    let mut bytes_left = to.characters_left().saturating_mul(4);
    let mut grid: Vec<Vec<String>> = Vec::new();
    let mut last_row = None;
    while let Some((cell, style)) = cells.next_cell_with_style_id()? {
        let (row, column) = cell.get_position();
        if matches!(cell.get_value(), DataRef::Empty) {
            continue;
        }
        if column >= COLUMNS_MAX {
            to.cut_off();
            continue;
        }
        let format = cells.styles().get(style).and_then(|style| style.number_format.as_ref());
        let said = said(cell.get_value(), format.map(|format| format.format_code.as_str()));
        if said.trim().is_empty() {
            continue;
        }
        let Some(rest) = bytes_left.checked_sub(said.len()) else {
            to.cut_off();
            break;
        };
        bytes_left = rest;
        let is_new = last_row != Some(row);
        if is_new {
            // However many rows are empty, one of them ends the table.
            if last_row.is_some_and(|last| row > last + 1 || row < last) {
                grid.push(Vec::new());
            }
            grid.push(Vec::new());
            last_row = Some(row);
        }
        let Some(cells) = grid.last_mut() else { continue };
        let column = column as usize;
        // The empty cells before this one take places, too.
        let more = (column + 1).saturating_sub(cells.len());
        let Some(rest) = left.checked_sub(more) else {
            to.cut_off();
            break;
        };
        left = rest;
        cells.resize(cells.len().max(column + 1), String::new());
        cells[column] = said;
    }
    Ok(grid)
}

fn said(value: &DataRef<'_>, format: Option<&str>) -> String {
    match value {
        DataRef::Int(value) => numbers::said(*value as f64, format),
        DataRef::Float(value) => numbers::said(*value, format),
        DataRef::String(text) => text.clone(),
        DataRef::SharedString(text) => (*text).to_owned(),
        DataRef::Bool(value) => if *value { "TRUE" } else { "FALSE" }.to_owned(),
        DataRef::DateTime(time) => said_time(time, format),
        DataRef::DateTimeIso(time) | DataRef::DurationIso(time) => {
            time.replace('T', " ").trim_end_matches(" 00:00:00").to_owned()
        }
        DataRef::Error(_) | DataRef::Empty => String::new(),
    }
}

/// `2026-03-05`, `2026-03-05 14:30`, `14:30`; a duration is `1:30`. The order of a date's parts
/// is not in doubt in any country then.
fn said_time(time: &ExcelDateTime, format: Option<&str>) -> String {
    let value = time.as_f64();
    if time.is_duration() {
        let minutes = (value.abs() * 1440.0).round().min(1e9) as u64;
        let sign = if value < 0.0 { "-" } else { "" };
        return format!("{sign}{}:{:02}", minutes / 60, minutes % 60);
    }
    let (year, month, day, hour, minute, second, _) = time.to_ymd_hms_milli();
    let seconds = if second == 0 { String::new() } else { format!(":{second:02}") };
    let clock = format!("{hour:02}:{minute:02}{seconds}");
    let shown = format.unwrap_or_default().to_ascii_lowercase();
    if (0.0..1.0).contains(&value) {
        return clock;
    }
    let date = format!("{year:04}-{month:02}-{day:02}");
    let has_clock = value.fract() != 0.0 && (shown.is_empty() || shown.contains('h'));
    if has_clock { format!("{date} {clock}") } else { date }
}
