//! Real files of each kind, hostile ones, and what holds for any bytes.

mod any_bytes;
mod hostile;
mod hostile_pdf;
mod pages;
mod samples;
mod splitting;

use super::*;

/// Reads a document that can be read.
fn read(kind: Kind, bytes: &[u8]) -> Document {
    extract(kind, bytes, &Limits::default()).expect("a document that can be read")
}

/// Everything that a document says, a line for each heading, paragraph and row.
fn said(document: &Document) -> String {
    let mut lines = Vec::new();
    let mut headings: &[String] = &[];
    for section in &document.sections {
        if section.headings != headings {
            headings = &section.headings;
            lines.push(format!("# {}", headings.join(" > ")));
        }
        match &section.body {
            Body::Text(paragraphs) => lines.extend(paragraphs.iter().cloned()),
            Body::Table { header, rows } => {
                lines.push(format!("| {} |", header.join(" | ")));
                lines.extend(rows.iter().map(|row| format!("{}.", row.join(", "))));
            }
        }
    }
    lines.join("\n")
}

/// Characters of a document, those of headings each time.
fn characters(document: &Document) -> usize {
    let of_body = |body: &Body| -> usize {
        match body {
            Body::Text(paragraphs) => paragraphs.iter().map(|text| text::characters(text)).sum(),
            Body::Table { header, rows } => {
                header.iter().chain(rows.iter().flatten()).map(|cell| text::characters(cell)).sum()
            }
        }
    };
    document.sections.iter().map(|section| of_body(&section.body)).sum::<usize>()
}

fn cells(document: &Document) -> usize {
    let of_body = |body: &Body| -> usize {
        match body {
            Body::Text(_) => 0,
            Body::Table { header, rows } => header.len() + rows.iter().map(Vec::len).sum::<usize>(),
        }
    };
    document.sections.iter().map(|section| of_body(&section.body)).sum()
}

/// A zip archive of these parts.
fn zipped(parts: &[(&str, &[u8])]) -> Vec<u8> {
    use std::io::Write;
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, data) in parts {
        zip.start_file(*name, zip::write::SimpleFileOptions::default()).expect("a part");
        zip.write_all(data).expect("its data");
    }
    zip.finish().expect("an archive").into_inner()
}
