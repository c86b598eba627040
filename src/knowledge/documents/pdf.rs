//! PDF: the text of each page.
//!
//! hayro reads the file and its fonts; what a page shows is followed here, and only its text. So no
//! picture is decoded, and a page that draws itself again and again is stopped.

use std::borrow::Cow;
use std::io::Read;
use std::sync::Arc;

use flate2::read::ZlibDecoder;
use hayro_font::{CMapResolverFn, FontCache, FontQuery, FontResolverFn};
use hayro_syntax::object::dict::keys::CONTENTS;
use hayro_syntax::object::{Array, Object, Stream};
use hayro_syntax::page::Page;
use hayro_syntax::{DecryptionError, LoadPdfError, Pdf};

use super::build::Builder;
use super::pdf_layout;
use super::pdf_lines::Glyphs;
use super::pdf_text::Showing;
use super::{Unreadable, decode};

/// Pages that are read.
const PAGES_MAX: usize = 5_000;
/// Packed streams; a file of 25 MiB has some ten thousand.
const STREAMS_MAX: usize = 100_000;
/// Operations of all pages.
const OPERATIONS_MAX: usize = 20_000_000;
/// Letters of a page that are kept; a page has some thousands.
const PAGE_GLYPHS_MAX: usize = 200_000;

/// What is left of the limits while a PDF is read.
pub(super) struct Left {
    /// Bytes that one stream may unpack to.
    unpacked: usize,
    /// Bytes that may still be unpacked, a form that is drawn on each page counted each time.
    all_unpacked: usize,
    /// Operations that may still be followed.
    pub(super) operations: usize,
    /// Letters that may still be kept, of the page and of the document.
    pub(super) glyphs: usize,
    /// Whether a limit was reached.
    pub(super) cut_off: bool,
    /// Letters of which it is not said which they are.
    pub(super) unknown: usize,
}

impl Left {
    /// A stream's data, if it unpacks to no more than is left.
    pub(super) fn decode<'a>(&mut self, stream: &Stream<'a>) -> Option<Cow<'a, [u8]>> {
        let raw = stream.raw_data();
        let is_large = is_packed(&raw) && unpacked_size(&raw, self.unpacked).is_none();
        if is_large {
            self.cut_off = true;
            return None;
        }
        let data = stream.decoded_data().ok()?;
        let left = self.all_unpacked.checked_sub(data.len());
        self.cut_off |= left.is_none();
        self.all_unpacked = left?;
        Some(data)
    }
}

/// Reads a PDF.
///
/// # Errors
///
/// It is encrypted, damaged, or has no text.
pub(super) fn read(bytes: &[u8], to: &mut Builder<'_>) -> Result<(), Unreadable> {
    let start = &bytes[..bytes.len().min(1024)];
    if super::kind::find(start, b"%PDF").is_none() {
        return Err(Unreadable::WrongKind { expected: "PDF" });
    }
    check_streams(bytes, to.limits().unpacked)?;
    let pdf = Pdf::new(bytes.to_vec()).map_err(|error| match error {
        LoadPdfError::Decryption(DecryptionError::PasswordProtected) => Unreadable::Encrypted,
        LoadPdfError::Decryption(_) => Unreadable::Encrypted,
        LoadPdfError::Invalid => Unreadable::Broken("its parts cannot be found".to_owned()),
    })?;
    let pages = pdf.pages();
    if pages.is_empty() {
        return Err(Unreadable::Broken("it has no pages".to_owned()));
    }
    let mut left = Left {
        unpacked: to.limits().unpacked / 4,
        all_unpacked: to.limits().unpacked,
        operations: OPERATIONS_MAX,
        glyphs: 0,
        cut_off: pages.len() > PAGES_MAX,
        unknown: 0,
    };
    let mut characters_left = to.limits().characters.saturating_mul(2);
    let fonts = FontCache::new();
    let (font_resolver, cmap_resolver) = resolvers();
    let mut read = Vec::new();
    for page in pages.iter().take(PAGES_MAX) {
        left.glyphs = characters_left.min(PAGE_GLYPHS_MAX);
        let before = left.glyphs;
        let mut glyphs = Glyphs::default();
        let content = content_of(page, &mut left);
        let mut showing = Showing::new(&fonts, &font_resolver, &cmap_resolver, &mut left);
        showing.run(&content, page.resources(), &mut glyphs);
        characters_left -= before - left.glyphs;
        read.push(glyphs.into_lines());
        if characters_left == 0 || left.operations == 0 {
            left.cut_off = true;
            break;
        }
    }
    let letters: usize = read.iter().flatten().map(|line| line.letters()).sum();
    if letters < read.len() * 2 || letters < left.unknown {
        let pictures = left.unknown <= letters;
        return Err(if pictures { Unreadable::NoText } else { Unreadable::NoLetters });
    }
    if left.cut_off {
        to.cut_off();
    }
    to.title(&title_of(&pdf));
    pdf_layout::put(read, to);
    Ok(())
}

/// Substitutes for the fonts that each program has. Predefined maps of Chinese, Japanese and Korean
/// characters are not in: they take a decoder of their own.
fn resolvers() -> (FontResolverFn, CMapResolverFn) {
    let fonts: FontResolverFn = Arc::new(|query: &FontQuery| {
        Some(match query {
            FontQuery::Standard(font) => font.get_font_data(),
            FontQuery::Fallback(font) => font.pick_standard_font().get_font_data(),
        })
    });
    (fonts, Arc::new(|_| None))
}

/// What a page draws.
fn content_of(page: &Page<'_>, left: &mut Left) -> Vec<u8> {
    let mut content = Vec::new();
    if let Some(stream) = page.raw().get::<Stream<'_>>(CONTENTS) {
        content.extend_from_slice(&left.decode(&stream).unwrap_or_default());
    } else if let Some(streams) = page.raw().get::<Array<'_>>(CONTENTS) {
        for object in streams.iter::<Object<'_>>().take(10_000) {
            let Some(stream) = object.into_stream() else { continue };
            content.extend_from_slice(&left.decode(&stream).unwrap_or_default());
            content.push(b' ');
        }
    }
    content
}

/// Refuses what is packed twice, which no program does, and large data in old packings, of which
/// nobody knows what it unpacks to: up to 1,400 times as much, and 64 times.
fn check_filters(dictionary: &[u8], data: &[u8]) -> Result<(), Unreadable> {
    let count = |name: &[u8]| dictionary.windows(name.len()).filter(|w| *w == name).count();
    let (flate, lzw, runs) =
        (count(b"FlateDecode"), count(b"LZWDecode"), count(b"RunLengthDecode"));
    if flate + lzw + runs > 1 {
        return Err(Unreadable::Bomb);
    }
    let most = if lzw > 0 { 256 << 10 } else { 2 << 20 };
    if lzw + runs > 0 && count(b"/Image") == 0 {
        let within = &data[..data.len().min(most)];
        if within.len() == most && super::kind::find(within, b"endstream").is_none() {
            return Err(Unreadable::Bomb);
        }
    }
    Ok(())
}

/// Whether it begins as packed data does: with its method, and a sum that is a multiple of 31.
fn is_packed(data: &[u8]) -> bool {
    let [method, flags, ..] = data else { return false };
    method & 0x0F == 8 && u16::from_be_bytes([*method, *flags]).is_multiple_of(31)
}

/// What data unpacks to, if it is no more than `most`. Data that is damaged counts as far as it
/// can be unpacked.
fn unpacked_size(data: &[u8], most: usize) -> Option<usize> {
    let mut decoder = ZlibDecoder::new(data);
    let mut buffer = [0; 16 << 10];
    let mut size = 0;
    loop {
        match decoder.read(&mut buffer) {
            Ok(0) | Err(_) => return Some(size),
            Ok(read) => size += read,
        }
        if size > most {
            return None;
        }
    }
}

/// Unpacks each stream once, before the library does: it has no limit of its own. Pictures do not
/// count together, because they are not unpacked later.
fn check_streams(bytes: &[u8], most: usize) -> Result<(), Unreadable> {
    let word = b"stream";
    let mut left = most;
    let mut packed = 0;
    let mut at = 0;
    while let Some(found) = super::kind::find(&bytes[at..], word) {
        let start = at + found;
        at = start + word.len();
        if bytes[..start].ends_with(b"end") {
            continue;
        }
        let dictionary = &bytes[start.saturating_sub(400)..start];
        let own = dictionary.windows(4).rposition(|w| w == b" obj").unwrap_or(0);
        let dictionary = &dictionary[own..];
        let mut data = &bytes[at..];
        data = data.strip_prefix(b"\r").unwrap_or(data);
        data = data.strip_prefix(b"\n").unwrap_or(data);
        check_filters(dictionary, data)?;
        if !is_packed(data) {
            continue;
        }
        packed += 1;
        if packed > STREAMS_MAX {
            return Err(Unreadable::Bomb);
        }
        let size = unpacked_size(data, most).ok_or(Unreadable::Bomb)?;
        if super::kind::find(dictionary, b"/Image").is_none() {
            left = left.checked_sub(size).ok_or(Unreadable::Bomb)?;
        }
    }
    Ok(())
}

/// The title in the document's own data, unless a program made it up.
fn title_of(pdf: &Pdf) -> String {
    let Some(title) = &pdf.metadata().title else { return String::new() };
    let title = decode::text(title, None);
    let lower = title.to_lowercase();
    let made_up = ["untitled", "microsoft word", "microsoft powerpoint", "unknown", "document"];
    let files = [".doc", ".docx", ".pdf", ".indd", ".qxd", ".ppt", ".pptx", ".xls", ".xlsx"];
    let is_made_up = made_up.iter().any(|word| lower.starts_with(word))
        || files.iter().any(|ending| lower.trim_end().ends_with(ending))
        || lower.contains("anonymous");
    if is_made_up { String::new() } else { title }
}
