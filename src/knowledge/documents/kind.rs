//! What a document is, told by its bytes first, then by its type and name.

use std::io::Cursor;

use zip::ZipArchive;

/// What a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A page of a website, fetched from its address. Read as `Html` is; `guess` never says it.
    Page,
    /// A PDF.
    Pdf,
    /// Word, from 2007 on.
    Docx,
    /// Excel, from 2007 on.
    Xlsx,
    /// Values with separators.
    Csv,
    /// PowerPoint, from 2007 on.
    Pptx,
    /// Markdown.
    Markdown,
    /// An HTML file.
    Html,
    /// Plain text.
    Text,
}

/// Entries of a zip archive that are looked at.
const ENTRIES_MAX: usize = 5_000;

/// What the bytes are: by how they begin, else by the content type, else by the file's name, else
/// by what they look like. None if they are of no kind that can be read, such as a picture.
#[must_use]
pub fn guess(content_type: Option<&str>, file_name: Option<&str>, bytes: &[u8]) -> Option<Kind> {
    let start = &bytes[..bytes.len().min(1024)];
    if find(start, b"%PDF-").is_some() {
        return Some(Kind::Pdf);
    }
    let said = content_type.and_then(by_type);
    let named = file_name.and_then(by_name);
    if start.starts_with(b"PK\x03\x04") {
        return in_zip(bytes);
    }
    // Office 97 to 2003, or a newer file with a password: `extract` says which of them.
    if start.starts_with(b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1") {
        let office = |kind: &Kind| matches!(kind, Kind::Docx | Kind::Xlsx | Kind::Pptx);
        return named.filter(office).or(said.filter(office)).or(Some(Kind::Docx));
    }
    let is_text = !looks_binary(start);
    // `text/plain` is what servers say of anything, so the name may know better.
    match (said, named) {
        _ if !is_text => None,
        (Some(Kind::Text) | None, Some(named)) if is_of_text(named) => Some(named),
        (Some(said), _) if is_of_text(said) => Some(said),
        _ => Some(by_look(start)),
    }
}

fn is_of_text(kind: Kind) -> bool {
    matches!(kind, Kind::Page | Kind::Html | Kind::Csv | Kind::Markdown | Kind::Text)
}

fn by_type(content_type: &str) -> Option<Kind> {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    Some(match essence.as_str() {
        "application/pdf" | "application/x-pdf" => Kind::Pdf,
        "text/html" | "application/xhtml+xml" => Kind::Html,
        "text/markdown" | "text/x-markdown" => Kind::Markdown,
        "text/csv" | "application/csv" | "text/tab-separated-values" => Kind::Csv,
        "text/plain" => Kind::Text,
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
        | "application/msword" => Kind::Docx,
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
        | "application/vnd.ms-excel" => Kind::Xlsx,
        "application/vnd.openxmlformats-officedocument.presentationml.presentation"
        | "application/vnd.ms-powerpoint" => Kind::Pptx,
        _ => return None,
    })
}

fn by_name(name: &str) -> Option<Kind> {
    let (_, ending) = name.rsplit_once('.')?;
    Some(match ending.to_ascii_lowercase().as_str() {
        "pdf" => Kind::Pdf,
        "html" | "htm" | "xhtml" => Kind::Html,
        "md" | "markdown" | "mdown" => Kind::Markdown,
        "csv" | "tsv" | "tab" => Kind::Csv,
        "txt" | "text" => Kind::Text,
        "docx" | "docm" | "doc" => Kind::Docx,
        "xlsx" | "xlsm" | "xls" => Kind::Xlsx,
        "pptx" | "pptm" | "ppt" => Kind::Pptx,
        _ => return None,
    })
}

/// Of the formats in a zip archive, each has its own part.
fn in_zip(bytes: &[u8]) -> Option<Kind> {
    let archive = ZipArchive::new(Cursor::new(bytes)).ok()?;
    let names = archive.file_names_raw().take(ENTRIES_MAX);
    let mut kind = None;
    for name in names {
        let name = name.strip_prefix(b"/").unwrap_or(name);
        let found = match name {
            _ if name.eq_ignore_ascii_case(b"word/document.xml") => Kind::Docx,
            _ if name.eq_ignore_ascii_case(b"xl/workbook.xml") => Kind::Xlsx,
            _ if name.eq_ignore_ascii_case(b"ppt/presentation.xml") => Kind::Pptx,
            // A document's main part may have another name, but the folder has not.
            _ if name.starts_with(b"word/") => {
                kind = kind.or(Some(Kind::Docx));
                continue;
            }
            _ => continue,
        };
        return Some(found);
    }
    kind
}

fn looks_binary(start: &[u8]) -> bool {
    // Text in UTF-16 has zeros.
    if start.starts_with(b"\xFF\xFE") || start.starts_with(b"\xFE\xFF") {
        return false;
    }
    let control = |byte: &&u8| matches!(**byte, 0..=8 | 14..=26 | 28..=31);
    start.iter().filter(control).count() * 20 > start.len()
}

fn by_look(start: &[u8]) -> Kind {
    let text = String::from_utf8_lossy(start).to_ascii_lowercase();
    let text = text.trim_start_matches(['\u{FEFF}', ' ', '\t', '\r', '\n']);
    let tags = ["<!doctype html", "<html", "<head", "<body", "<div", "<p>", "<h1", "<table"];
    let begins = |tag: &str| text.starts_with(tag);
    let is_html = tags.iter().any(|tag| begins(tag))
        || ((text.starts_with("<!--") || text.starts_with("<?xml")) && text.contains("<html"));
    if is_html { Kind::Html } else { Kind::Text }
}

/// Where `needle` begins.
pub(super) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_say_more_than_names() {
        assert_eq!(guess(Some("text/plain"), Some("a.txt"), b"%PDF-1.4"), Some(Kind::Pdf));
        assert_eq!(guess(Some("text/plain"), Some("a.md"), b"# a"), Some(Kind::Markdown));
        assert_eq!(guess(Some("text/csv"), Some("a"), b"a;b"), Some(Kind::Csv));
        assert_eq!(guess(None, None, b"\n<!DOCTYPE html><p>a"), Some(Kind::Html));
        assert_eq!(guess(None, None, b"a b"), Some(Kind::Text));
        assert_eq!(guess(Some("text/plain"), Some("a.pdf"), b"a b"), Some(Kind::Text));
        assert_eq!(guess(None, Some("a.png"), b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), None);
        assert_eq!(guess(None, Some("a.zip"), b"PK\x03\x04"), None);
        let old = b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1";
        assert_eq!(guess(None, Some("prices.xls"), old), Some(Kind::Xlsx));
    }
}
