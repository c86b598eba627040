//! The letters of a PDF's page to lines.

use super::text;

/// A letter, or some that are drawn as one, on a page.
pub(super) struct Glyph {
    pub(super) text: String,
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) size: f64,
    pub(super) angle: f64,
    pub(super) bold: bool,
}

/// A line of a page.
#[derive(Debug, Clone)]
pub(super) struct Line {
    /// What stands in it, divided where there is a wide gap.
    pub(super) cells: Vec<String>,
    /// Where it begins and ends along its direction.
    pub(super) start: f64,
    pub(super) end: f64,
    /// How high it stands across its direction.
    pub(super) height: f64,
    pub(super) size: f64,
    pub(super) angle: f64,
    pub(super) bold: bool,
    /// The place of the last letter: one drawn twice looks bold.
    last: f64,
}

impl Line {
    /// Letters and digits.
    pub(super) fn letters(&self) -> usize {
        let chars = self.cells.iter().flat_map(|cell| cell.chars());
        chars.filter(|c| c.is_alphanumeric()).count()
    }

    /// What stands in it.
    pub(super) fn text(&self) -> String {
        self.cells.iter().map(|cell| cell.trim()).collect::<Vec<_>>().join(" ")
    }

    /// Its letters' size, doubled and rounded.
    pub(super) fn rounded_size(&self) -> i64 {
        (self.size * 2.0).round().clamp(0.0, 10_000.0) as i64
    }
}

/// A page's letters, put together to lines as they come.
#[derive(Default)]
pub(super) struct Glyphs {
    lines: Vec<Line>,
}

impl Glyphs {
    /// A letter, in the order in which the page draws them, which is nearly always the order in
    /// which they are read.
    pub(super) fn push(&mut self, glyph: Glyph) {
        let (sin, cos) = glyph.angle.sin_cos();
        let along = glyph.x * cos + glyph.y * sin;
        let height = glyph.y * cos - glyph.x * sin;
        if let Some(line) = self.lines.last_mut()
            && (line.angle - glyph.angle).abs() < 0.02
            && (line.height - height).abs() < 0.4 * line.size.max(glyph.size)
            && along > line.end - line.size.max(glyph.size)
        {
            let size = line.size.max(glyph.size);
            let gap = along - line.end;
            let cell = line.cells.last_mut().expect("a line has a cell from its first letter on");
            if (along - line.last).abs() < 0.1 * size && cell.ends_with(&glyph.text) {
                return;
            }
            if gap > size && !cell.trim().is_empty() {
                line.cells.push(String::new());
            } else if gap > 0.17 * size && !cell.ends_with(' ') {
                cell.push(' ');
            }
            let cell = line.cells.last_mut().expect("the cell that was just there");
            cell.push_str(&glyph.text);
            line.end = line.end.max(along + glyph.width);
            line.last = along;
            if !glyph.text.trim().is_empty() {
                line.size = size;
                line.bold &= glyph.bold;
            }
            return;
        }
        if glyph.text.trim().is_empty() {
            return;
        }
        self.lines.push(Line {
            cells: vec![glyph.text],
            start: along,
            end: along + glyph.width,
            height,
            size: glyph.size,
            angle: glyph.angle,
            bold: glyph.bold,
            last: along,
        });
    }

    pub(super) fn into_lines(self) -> Vec<Line> {
        let mut lines = self.lines;
        for line in &mut lines {
            line.cells.retain(|cell| !cell.trim().is_empty());
        }
        lines.retain(|line| line.letters() > 0 || !text::line(&line.text()).is_empty());
        lines
    }
}
