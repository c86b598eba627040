//! Follows the operations of a PDF's page that place text.

use hayro_font::hayro_cmap::BfString;
use hayro_font::{CMapResolverFn, Font, FontCache, FontGlyph, FontResolverFn};
use hayro_syntax::content::TypedIter;
use hayro_syntax::content::ops::TypedInstruction;
use hayro_syntax::object::dict::keys::{BASE_FONT, MATRIX, RESOURCES, SUBTYPE};
use hayro_syntax::object::{self, Dict, Name, Number, Object};
use hayro_syntax::page::Resources;

use super::pdf::Left;
use super::pdf_lines::{Glyph, Glyphs};

/// Forms within forms.
const DEPTH_MAX: usize = 12;
/// Operations that a form counts as, besides its own.
const FORM_COST: usize = 400;
/// States that are saved within states.
const STATES_MAX: usize = 256;

/// A transformation: a point (x, y) becomes (a x + c y + e, b x + d y + f).
#[derive(Debug, Clone, Copy)]
struct Matrix([f64; 6]);

impl Matrix {
    const IDENTITY: Self = Self([1.0, 0.0, 0.0, 1.0, 0.0, 0.0]);

    /// First this, then `next`.
    fn then(self, next: Self) -> Self {
        let ([a, b, c, d, e, f], [g, h, i, j, k, l]) = (self.0, next.0);
        Self([
            a * g + b * i,
            a * h + b * j,
            c * g + d * i,
            c * h + d * j,
            e * g + f * i + k,
            e * h + f * j + l,
        ])
    }

    fn moved(x: f64, y: f64) -> Self {
        Self([1.0, 0.0, 0.0, 1.0, x, y])
    }
}

/// What a page's state says of text.
#[derive(Clone)]
struct State<'a> {
    page: Matrix,
    font: Option<Font<'a>>,
    bold: bool,
    size: f64,
    between: f64,
    words: f64,
    scale: f64,
    leading: f64,
    rise: f64,
}

/// Follows operations, and gives what text they show.
pub(super) struct Showing<'f, 'a> {
    fonts: &'f FontCache<'a>,
    font_resolver: &'f FontResolverFn,
    cmap_resolver: &'f CMapResolverFn,
    left: &'f mut Left,
    state: State<'a>,
    saved: Vec<State<'a>>,
    matrix: Matrix,
    line: Matrix,
    depth: usize,
}

impl<'f, 'a> Showing<'f, 'a> {
    pub(super) fn new(
        fonts: &'f FontCache<'a>,
        font_resolver: &'f FontResolverFn,
        cmap_resolver: &'f CMapResolverFn,
        left: &'f mut Left,
    ) -> Self {
        let state = State {
            page: Matrix::IDENTITY,
            font: None,
            bold: false,
            size: 1.0,
            between: 0.0,
            words: 0.0,
            scale: 1.0,
            leading: 0.0,
            rise: 0.0,
        };
        let (matrix, line) = (Matrix::IDENTITY, Matrix::IDENTITY);
        let saved = Vec::new();
        Self { fonts, font_resolver, cmap_resolver, left, state, saved, matrix, line, depth: 0 }
    }

    /// Follows a page's or a form's operations.
    pub(super) fn run(&mut self, content: &[u8], resources: &Resources<'a>, to: &mut Glyphs) {
        let mut operations = TypedIter::new(content);
        let saved = self.saved.len();
        while let Some(operation) = operations.next() {
            let Some(rest) = self.left.operations.checked_sub(1) else {
                self.left.cut_off = true;
                break;
            };
            self.left.operations = rest;
            if self.left.glyphs == 0 {
                self.left.cut_off = true;
                break;
            }
            self.follow(&operation, resources, saved, to);
        }
        // A form leaves the state as it was.
        if self.saved.len() > saved {
            self.state = self.saved[saved].clone();
            self.saved.truncate(saved);
        }
    }

    fn follow(
        &mut self,
        operation: &TypedInstruction<'_, '_>,
        resources: &Resources<'a>,
        saved: usize,
        to: &mut Glyphs,
    ) {
        use TypedInstruction as Op;
        match operation {
            Op::SaveState(_) if self.saved.len() < STATES_MAX => {
                self.saved.push(self.state.clone());
            }
            Op::RestoreState(_) if self.saved.len() > saved => {
                self.state = self.saved.pop().unwrap_or_else(|| self.state.clone());
            }
            Op::Transform(t) => {
                self.state.page =
                    matrix([&t.0, &t.1, &t.2, &t.3, &t.4, &t.5]).then(self.state.page);
            }
            Op::BeginText(_) => {
                self.matrix = Matrix::IDENTITY;
                self.line = Matrix::IDENTITY;
            }
            Op::TextFont(font) => {
                self.state.size = font.1.as_f64();
                self.set_font(font.0, resources);
            }
            Op::CharacterSpacing(n) => self.state.between = n.0.as_f64(),
            Op::WordSpacing(n) => self.state.words = n.0.as_f64(),
            Op::HorizontalScaling(n) => self.state.scale = n.0.as_f64() / 100.0,
            Op::TextLeading(n) => self.state.leading = n.0.as_f64(),
            Op::TextRise(n) => self.state.rise = n.0.as_f64(),
            Op::NextLine(n) => self.next_line(n.0.as_f64(), n.1.as_f64()),
            Op::NextLineAndSetLeading(n) => {
                self.state.leading = -n.1.as_f64();
                self.next_line(n.0.as_f64(), n.1.as_f64());
            }
            Op::NextLineUsingLeading(_) => self.next_line(0.0, -self.state.leading),
            Op::SetTextMatrix(t) => {
                self.matrix = matrix([&t.0, &t.1, &t.2, &t.3, &t.4, &t.5]);
                self.line = self.matrix;
            }
            Op::ShowText(text) => self.show(text.0, to),
            Op::NextLineAndShowText(text) => {
                self.next_line(0.0, -self.state.leading);
                self.show(text.0, to);
            }
            Op::ShowTextWithParameters(text) => {
                self.state.words = text.0.as_f64();
                self.state.between = text.1.as_f64();
                self.next_line(0.0, -self.state.leading);
                self.show(text.2, to);
            }
            Op::ShowTexts(texts) => {
                texts.0.iter::<Object<'_>>().for_each(|part| self.show_part(&part, to));
            }
            Op::XObject(name) => self.form(name.0, resources, to),
            _ => {}
        }
    }

    /// A text, or the gap before the next one.
    fn show_part(&mut self, part: &Object<'_>, to: &mut Glyphs) {
        match part {
            Object::String(text) => self.show(text, to),
            Object::Number(n) => self.advance(-n.as_f64() / 1000.0 * self.state.size),
            _ => {}
        }
    }

    fn set_font(&mut self, name: &Name<'_>, resources: &Resources<'a>) {
        let dict = resources.get_font(name);
        self.state.bold = dict.as_ref().is_some_and(|dict| {
            let name = dict.get::<Name<'_>>(BASE_FONT).map(|name| name.as_str().to_lowercase());
            name.is_some_and(|name| {
                ["bold", "black", "heavy", "semibd"].iter().any(|word| name.contains(word))
            })
        });
        self.state.font =
            dict.and_then(|dict| self.fonts.font(&dict, self.font_resolver, self.cmap_resolver));
    }

    fn next_line(&mut self, x: f64, y: f64) {
        self.line = Matrix::moved(x, y).then(self.line);
        self.matrix = self.line;
    }

    fn advance(&mut self, by: f64) {
        let horizontal = self.state.font.as_ref().is_none_or(Font::is_horizontal);
        let (x, y) = if horizontal { (by * self.state.scale, 0.0) } else { (0.0, by) };
        self.matrix = Matrix::moved(x, y).then(self.matrix);
    }

    fn show(&mut self, text: &object::String<'_>, to: &mut Glyphs) {
        let Some(font) = self.state.font.clone() else { return };
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            let Some(rest) = self.left.glyphs.checked_sub(1) else { return };
            self.left.glyphs = rest;
            let (code, length) = font.read_code(bytes, at);
            at += length.max(1);
            let glyph = match font.glyph(font.map_code(code), code) {
                FontGlyph::Outline(glyph) => glyph.as_unicode(),
                FontGlyph::Type3(glyph) => glyph.as_unicode(),
            };
            let text = match glyph {
                Some(BfString::Char(c)) => c.to_string(),
                Some(BfString::String(text)) => text,
                None => {
                    self.left.unknown += 1;
                    String::new()
                }
            };
            let advance = font.code_advance(code);
            let width = if font.is_horizontal() { advance.x } else { advance.y };
            let width = width / 1000.0 * self.state.size;
            self.place(text, width, to);
            let words = if code == 32 && length == 1 { self.state.words } else { 0.0 };
            self.advance(width + self.state.between + words);
        }
    }

    fn place(&self, text: String, width: f64, to: &mut Glyphs) {
        let state = &self.state;
        let scaled = Matrix([state.size * state.scale, 0.0, 0.0, state.size, 0.0, state.rise]);
        let [a, b, c, d, x, y] = scaled.then(self.matrix).then(state.page).0;
        let across = a.hypot(b);
        let size = c.hypot(d);
        let em = if state.size == 0.0 { 0.0 } else { width / state.size * across };
        if text.is_empty() || !(x.is_finite() && y.is_finite() && size.is_finite()) {
            return;
        }
        let angle = if across > 0.0 { b.atan2(a) } else { 0.0 };
        to.push(Glyph { text, x, y, width: em.abs(), size, angle, bold: state.bold });
    }

    /// A form, which a page draws as a part of it.
    fn form(&mut self, name: &Name<'_>, resources: &Resources<'a>, to: &mut Glyphs) {
        let Some(stream) = resources.get_x_object(name) else { return };
        let dict = stream.dict();
        let is_form = dict.get::<Name<'_>>(SUBTYPE).is_some_and(|kind| kind.as_str() == "Form");
        if !is_form || self.depth >= DEPTH_MAX {
            return;
        }
        self.left.operations = self.left.operations.saturating_sub(FORM_COST);
        // A form may be drawn on each page, so what it unpacks to counts each time.
        let Some(content) = self.left.decode(&stream) else { return };
        let own = dict.get::<Dict<'_>>(RESOURCES).map(Resources::new);
        let (before, matrix, line) = (self.state.clone(), self.matrix, self.line);
        let moved = dict.get::<[f64; 6]>(MATRIX).map_or(Matrix::IDENTITY, Matrix);
        self.state.page = moved.then(self.state.page);
        self.depth += 1;
        self.run(&content, own.as_ref().unwrap_or(resources), to);
        self.depth -= 1;
        (self.state, self.matrix, self.line) = (before, matrix, line);
    }
}

fn matrix(numbers: [&Number; 6]) -> Matrix {
    Matrix(numbers.map(Number::as_f64))
}
