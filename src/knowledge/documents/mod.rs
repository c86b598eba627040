//! Documents that an owner adds: bytes in, passages out.
//!
//! `guess` says what the bytes are, `extract` reads them into sections under their headings, and
//! `split` makes passages of those. For a crawl there are `html::Page`, `robots` and `sitemap`.
//! Nothing here asks the network, reads a clock or a file. What is read is hostile until shown
//! otherwise: each step stops at the `Limits`, and says so by `cut_off`.

mod build;
mod decode;
mod delimited;
pub mod html;
mod kind;
mod markdown;
mod numbers;
mod office;
mod pdf;
mod pdf_layout;
mod pdf_lines;
mod pdf_text;
mod plain;
mod pptx;
pub mod robots;
pub mod sitemap;
pub mod split;
mod tables;
mod text;
mod unreadable;
mod word;
mod xlsx;
mod xml;

pub use kind::{Kind, guess};
pub use split::{Passage, Passages, SplitLimits, split};
pub use unreadable::Unreadable;

use std::panic::{AssertUnwindSafe, catch_unwind};

use build::Builder;

/// The most that is read, and the most that comes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the document.
    pub bytes: usize,
    /// Characters of the text, those of headings and tables included.
    pub characters: usize,
    /// Sections.
    pub sections: usize,
    /// Cells of all tables.
    pub cells: usize,
    /// Entries of a zip archive (Word, Excel, PowerPoint).
    pub zip_entries: usize,
    /// Bytes that everything compressed in a document may have when it is unpacked.
    pub unpacked: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 25 << 20,
            characters: 4 << 20,
            sections: 20_000,
            cells: 200_000,
            zip_entries: 5_000,
            unpacked: 100 << 20,
        }
    }
}

/// What a document says, in its order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Document {
    /// What it calls itself.
    pub title: Option<String>,
    /// Its parts.
    pub sections: Vec<Section>,
    /// Whether a limit was reached, so that something of the document is not in it.
    pub cut_off: bool,
}

/// A part of a document under one heading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// The headings it stands under, the outermost first.
    pub headings: Vec<String>,
    /// What stands there.
    pub body: Body,
    /// The page of a PDF, the slide or the sheet, from 1.
    pub page: Option<u32>,
}

/// What stands under a heading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Paragraphs. A list's items each begin with `- `. Empty for a heading with nothing under it.
    Text(Vec<String>),
    /// A table. A row has as many cells as the widest row, or fewer.
    Table {
        /// The names of the columns; empty if the table has none.
        header: Vec<String>,
        /// The rows below.
        rows: Vec<Vec<String>>,
    },
}

/// Reads a document.
///
/// # Errors
///
/// An [`Unreadable`], which says what an owner can do.
pub fn extract(kind: Kind, bytes: &[u8], limits: &Limits) -> Result<Document, Unreadable> {
    extract_labelled(kind, bytes, None, limits)
}

/// Reads a document that came with a `Content-Type`, which may name the character set.
///
/// # Errors
///
/// An [`Unreadable`], which says what an owner can do.
pub fn extract_labelled(
    kind: Kind,
    bytes: &[u8],
    content_type: Option<&str>,
    limits: &Limits,
) -> Result<Document, Unreadable> {
    if bytes.len() > limits.bytes {
        return Err(Unreadable::TooLarge { mebibytes: limits.bytes >> 20 });
    }
    // The libraries are not ours: what one of them gives up on is a damaged file.
    let document = catch_unwind(AssertUnwindSafe(|| read(kind, bytes, content_type, limits)))
        .unwrap_or_else(|_| Err(Unreadable::Broken("something in it cannot be read".to_owned())))?;
    if document.sections.is_empty() { Err(Unreadable::Empty) } else { Ok(document) }
}

fn read(
    kind: Kind,
    bytes: &[u8],
    content_type: Option<&str>,
    limits: &Limits,
) -> Result<Document, Unreadable> {
    let mut to = Builder::new(limits);
    match kind {
        Kind::Page | Kind::Html => html::read(bytes, content_type, &mut to),
        Kind::Pdf => pdf::read(bytes, &mut to)?,
        Kind::Docx => word::read(bytes, &mut to)?,
        Kind::Xlsx => xlsx::read(bytes, &mut to)?,
        Kind::Pptx => pptx::read(bytes, &mut to)?,
        Kind::Csv => delimited::read(&decode::text(bytes, content_type), &mut to),
        Kind::Markdown => markdown::read(&decode::text(bytes, content_type), &mut to),
        Kind::Text => plain::read(&decode::text(bytes, content_type), &mut to),
    }
    Ok(to.finish())
}

#[cfg(test)]
mod tests;
