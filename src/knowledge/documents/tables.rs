//! Which rows of a grid are its names, which are notes, and where one table ends.

use super::build::Builder;

/// Puts a grid of cells as a person sees it: a row with one cell before the table is its title, an
/// empty row ends a table, and the first row names the columns if it looks like it.
pub(super) fn put(grid: Vec<Vec<String>>, to: &mut Builder<'_>) {
    let mut block: Vec<Vec<String>> = Vec::new();
    let mut header: Vec<String> = Vec::new();
    let mut blocks = grid.into_iter().peekable();
    while blocks.peek().is_some() {
        block.clear();
        for row in blocks.by_ref() {
            if row.iter().all(|cell| cell.trim().is_empty()) {
                break;
            }
            block.push(row);
        }
        header = put_block(std::mem::take(&mut block), header, to);
    }
}

/// Puts one block; `before` are the names of the block above, which may go on here. Gives the names
/// that were used.
fn put_block(mut rows: Vec<Vec<String>>, before: Vec<String>, to: &mut Builder<'_>) -> Vec<String> {
    let width = rows.iter().map(|row| filled(row)).max().unwrap_or(0);
    if width > 1 {
        let notes = rows.iter().take_while(|row| filled(row) == 1).count();
        for note in rows.drain(..notes) {
            to.paragraph(&note.concat());
        }
    }
    if rows.is_empty() {
        return before;
    }
    if width == 1 {
        for row in rows {
            to.paragraph(&row.concat());
        }
        return before;
    }
    drop_empty_columns(&mut rows);
    let header = if is_header(&rows) {
        rows.remove(0)
    } else if before.len() == rows.iter().map(Vec::len).max().unwrap_or(0) {
        before
    } else {
        Vec::new()
    };
    to.table(header.clone(), rows);
    header
}

fn filled(row: &[String]) -> usize {
    row.iter().filter(|cell| !cell.trim().is_empty()).count()
}

fn drop_empty_columns(rows: &mut [Vec<String>]) {
    let width = rows.iter().map(Vec::len).max().unwrap_or(0);
    let mut used = vec![false; width];
    for row in rows.iter() {
        for (used, cell) in used.iter_mut().zip(row) {
            *used |= !cell.trim().is_empty();
        }
    }
    if used.iter().all(|used| *used) {
        return;
    }
    for row in rows.iter_mut() {
        let mut used = used.iter();
        row.retain(|_| *used.next().unwrap_or(&false));
    }
}

/// Whether the first row names the columns: nearly all of its cells are filled, each with other
/// words that are not a number or a date, and something below is not like it.
pub(super) fn is_header(rows: &[Vec<String>]) -> bool {
    let [first, rest @ ..] = rows else { return false };
    let width = rows.iter().map(Vec::len).max().unwrap_or(0);
    if rest.is_empty() || width < 2 {
        return false;
    }
    let names: Vec<&str> = first.iter().map(|cell| cell.trim()).filter(|c| !c.is_empty()).collect();
    let mut different = names.clone();
    different.sort_unstable();
    different.dedup();
    // The corner above the rows' own names is often empty.
    let enough = names.len() + 1 >= width && names.len() * 3 >= width * 2;
    let are_names = names.iter().all(|name| !is_value(name) && name.len() <= 80);
    if !(enough && are_names && different.len() == names.len()) {
        return false;
    }
    // Monday | 9 to 5, and Tuesday | 9 to 6 below: a list of pairs has no names, unless what stands
    // below is of another kind.
    let values = rest.iter().take(50).flatten().any(|cell| is_value(cell));
    width > 2 || values || rest.len() > 2
}

/// Whether a cell is a number, a price, a date or a time, not a name.
fn is_value(cell: &str) -> bool {
    let cell = cell.trim();
    let digits = cell.chars().filter(char::is_ascii_digit).count();
    let letters = cell.chars().filter(|c| c.is_alphabetic()).count();
    // `90 EUR`, `£5 an hour`.
    let begins = cell.trim_start_matches(['$', '€', '£', '¥', '+', '-', '~', '<', '>', ' ']);
    digits > 0 && (digits >= letters || begins.starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(text: &str) -> Vec<Vec<String>> {
        text.lines().map(|line| line.split('|').map(str::to_owned).collect()).collect()
    }

    #[test]
    fn the_first_row_names_the_columns_if_it_looks_like_it() {
        assert!(is_header(&grid("Service|Price\nCut|25\nColour|60")));
        assert!(is_header(&grid("|Price|Time\nCut|25|30 min")));
        assert!(!is_header(&grid("Monday|9-17\nTuesday|9-18")));
        assert!(!is_header(&grid("Cut|25\nColour|60")));
        assert!(!is_header(&grid("Name|Ann")));
    }
}
