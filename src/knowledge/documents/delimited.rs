//! Values with separators (CSV).

use csv_core::{ReadFieldResult, Reader, ReaderBuilder};

use super::build::Builder;
use super::tables;

const SEPARATORS: [u8; 4] = *b",;\t|";
/// How much of the text is looked at to guess the separator.
const SAMPLE_BYTES: usize = 64 << 10;
const SAMPLE_ROWS: usize = 100;
/// Columns that are read; what stands farther right is not a table that a person reads.
const COLUMNS_MAX: usize = 500;

/// Reads values with separators.
pub(super) fn read(text: &str, to: &mut Builder<'_>) {
    let (separator, text) = separator_of(text);
    let mut left = to.cells_left();
    let mut grid = Vec::new();
    for row in Rows::new(text, separator) {
        if row.cut_off {
            to.cut_off();
        }
        // A line with nothing in it is not the end of the table here: programs write them by
        // mistake.
        if row.cells.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        let Some(rest) = left.checked_sub(row.cells.len()) else {
            to.cut_off();
            break;
        };
        left = rest;
        grid.push(row.cells);
    }
    tables::put(grid, to);
}

/// A row; `cut_off` if it has more columns than are read.
struct Row {
    cells: Vec<String>,
    cut_off: bool,
}

/// The rows of a text, one after the other. A row without end takes no more memory than a long one.
struct Rows<'a> {
    reader: Reader,
    rest: &'a [u8],
    done: bool,
}

impl<'a> Rows<'a> {
    fn new(text: &'a str, separator: u8) -> Self {
        let reader = ReaderBuilder::new().delimiter(separator).build();
        Self { reader, rest: text.as_bytes(), done: false }
    }
}

impl Iterator for Rows<'_> {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        let mut row = Row { cells: Vec::new(), cut_off: false };
        let mut cell = Vec::new();
        let mut buffer = [0; 1024];
        while !self.done {
            let (result, read, written) = self.reader.read_field(self.rest, &mut buffer);
            self.rest = &self.rest[read..];
            cell.extend_from_slice(&buffer[..written]);
            match result {
                // An empty rest says that there is no more.
                ReadFieldResult::InputEmpty | ReadFieldResult::OutputFull => {}
                ReadFieldResult::Field { record_end } => {
                    if row.cells.len() < COLUMNS_MAX {
                        row.cells.push(String::from_utf8_lossy(&cell).into_owned());
                    } else {
                        row.cut_off = true;
                    }
                    cell.clear();
                    if record_end {
                        return Some(row);
                    }
                }
                ReadFieldResult::End => self.done = true,
            }
        }
        None
    }
}

/// The separator, as Excel's first line `sep=;` says it, else the one that makes the most rows of
/// the same width.
fn separator_of(text: &str) -> (u8, &str) {
    if let Some(rest) = text.strip_prefix("sep=")
        && let Some(separator) = rest.bytes().next().filter(|byte| SEPARATORS.contains(byte))
        && let Some(rest) = rest[1..].strip_prefix("\r\n").or(rest[1..].strip_prefix('\n'))
    {
        return (separator, rest);
    }
    let sample = &text[..text.floor_char_boundary(SAMPLE_BYTES)];
    let best = SEPARATORS.into_iter().rev().max_by_key(|separator| score(sample, *separator));
    (best.unwrap_or(b','), text)
}

/// How many rows have the most frequent width above one, then how wide they are: a comma in each
/// price makes two columns of one.
fn score(sample: &str, separator: u8) -> usize {
    let rows = Rows::new(sample, separator).take(SAMPLE_ROWS);
    let widths: Vec<usize> = rows.map(|row| row.cells.len()).collect();
    let rows_of = |width: usize| widths.iter().filter(|other| **other == width).count();
    let candidates = widths.iter().filter(|width| **width > 1);
    candidates.map(|width| rows_of(*width) * 1_000 + *width).max().unwrap_or(0)
}
