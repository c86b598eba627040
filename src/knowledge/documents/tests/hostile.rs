//! Files made to do harm: each ends soon, within the limits. `examples/measure.rs` has them in
//! full size.

use super::*;

/// What is read of a file, and that it is within the limits.
fn bounded(kind: Kind, bytes: &[u8]) -> Result<Document, Unreadable> {
    let limits = Limits::default();
    let read = extract(kind, bytes, &limits);
    if let Ok(document) = &read {
        assert!(document.sections.len() <= limits.sections);
        assert!(characters(document) <= limits.characters);
        assert!(cells(document) <= limits.cells);
    }
    read
}

fn word(xml: &str) -> Vec<u8> {
    zipped(&[("word/document.xml", xml.as_bytes())])
}

#[test]
fn a_file_that_is_too_large_says_so() {
    let read = extract(Kind::Text, &vec![b'a'; (25 << 20) + 1], &Limits::default());
    assert_eq!(read, Err(Unreadable::TooLarge { mebibytes: 25 }));
    let message = read.expect_err("too large").to_string();
    assert_eq!(
        message,
        "This file is larger than 25 MB. Upload it in parts, or only the part that callers ask about."
    );
}

#[test]
fn a_zip_that_unpacks_to_too_much_is_not_opened() {
    let limits = Limits { unpacked: 1 << 20, ..Limits::default() };
    let large = vec![b' '; 2 << 20];
    let bomb = zipped(&[("word/document.xml", &large)]);
    assert!(bomb.len() < 10_000);
    assert_eq!(extract(Kind::Docx, &bomb, &limits), Err(Unreadable::Bomb));
    // Many that are small enough each.
    let part = vec![b' '; 300 << 10];
    let bomb = zipped(&[("a", &part), ("b", &part), ("c", &part), ("d", &part)]);
    assert_eq!(extract(Kind::Xlsx, &bomb, &limits), Err(Unreadable::Bomb));
    let names: Vec<String> = (0..5_001).map(|at| at.to_string()).collect();
    let parts: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
    assert_eq!(extract(Kind::Pptx, &zipped(&parts), &Limits::default()), Err(Unreadable::Bomb));
}

#[test]
fn entities_do_not_grow() {
    let mut xml = "<!DOCTYPE l [<!ENTITY a0 'ha'>".to_owned();
    for at in 1..30 {
        let before = at - 1;
        xml += &format!("<!ENTITY a{at} '&a{before};&a{before};'>");
    }
    xml += "]><d><p><t>one &a29;&amp;&#65;</t></p></d>";
    assert_eq!(said(&read(Kind::Docx, &word(&xml))), "one &A");
    let list = "<!DOCTYPE l [<!ENTITY a 'b'>]><urlset><url><loc>https://a.example/&a;</loc></url>";
    assert_eq!(sitemap::read(list.as_bytes()).pages[0].url.as_str(), "https://a.example/");
}

#[test]
fn what_is_nested_deeply_ends() {
    let deep = word(&"<p>".repeat(100_000));
    assert!(matches!(bounded(Kind::Docx, &deep), Err(Unreadable::Broken(_))));
    for piece in ["<div>", "<table><tr><td>a", "<b><p>x", "<ul><li>a", "<svg>", "<dl><dt>a<dd>b"] {
        let _ = bounded(Kind::Html, piece.repeat(50_000).as_bytes());
    }
    let text = "<i>".repeat(1_000) + "kept" + &"</i>".repeat(1_000);
    assert_eq!(said(&read(Kind::Html, text.as_bytes())), "kept");
    for piece in [">", "[", "[a](", "*a _b ", "- - - ", "`a``b", "<a b='", "1. > "] {
        let _ = bounded(Kind::Markdown, piece.repeat(20_000).as_bytes());
    }
    let _ = sitemap::read("<urlset><url><loc>".repeat(50_000).as_bytes());
}

#[test]
fn tables_without_end_are_cut_off() {
    let rows = read(Kind::Csv, "a,b,c\n".repeat(80_000).as_bytes());
    assert!(rows.cut_off && cells(&rows) <= 200_000);
    let rows = "<tr><td>a<td>b".repeat(120_000);
    let rows = read(Kind::Html, format!("<table>{rows}").as_bytes());
    assert!(rows.cut_off && cells(&rows) <= 200_000);
    let _ = bounded(Kind::Csv, ",".repeat(300_000).as_bytes());
    let _ = bounded(Kind::Html, "<td colspan=50>".repeat(30_000).as_bytes());
    let row = "<tr><tc><p><r><t>a</t></r></p></tc><tc><p><t>b</t></p></tc></tr>".repeat(110_000);
    let rows = read(Kind::Docx, &word(&format!("<d><tbl>{row}</tbl></d>")));
    assert!(rows.cut_off && cells(&rows) <= 200_000);
}

#[test]
fn a_line_without_end_is_cut_off_and_split() {
    let text = "a".repeat(5 << 20);
    let document = read(Kind::Text, text.as_bytes());
    assert!(document.cut_off);
    let passages = split(&document, &SplitLimits::default());
    assert!(passages.cut_off && passages.passages.len() > 2_000);
    assert!(passages.passages.iter().all(|passage| passage.text.len() <= 1_500));
}

#[test]
fn more_words_than_a_sheet_can_have_are_not_believed() {
    let office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let book = format!(
        "<workbook xmlns:r='{office}'><sheets><sheet name='A' sheetId='1' r:id='r1'/></sheets>\
         </workbook>"
    );
    let relation = |id: &str, kind: &str, target: &str| {
        format!("<Relationship Id='{id}' Type='{office}/{kind}' Target='{target}'/>")
    };
    let root = relation("r0", "officeDocument", "xl/workbook.xml");
    let root = format!("<Relationships>{root}</Relationships>");
    let relations = format!(
        "<Relationships>{}{}</Relationships>",
        relation("r1", "worksheet", "worksheets/sheet1.xml"),
        relation("r2", "sharedStrings", "sharedStrings.xml")
    );
    let sheet =
        "<worksheet><sheetData><row r='1'><c r='A1'><v>1</v></c></row></sheetData></worksheet>";
    let file = |count: &str| {
        let strings = format!("<sst uniqueCount='{count}'><si><t>a</t></si></sst>");
        zipped(&[
            ("_rels/.rels", root.as_bytes()),
            ("xl/workbook.xml", book.as_bytes()),
            ("xl/_rels/workbook.xml.rels", relations.as_bytes()),
            ("xl/worksheets/sheet1.xml", sheet.as_bytes()),
            ("xl/sharedStrings.xml", strings.as_bytes()),
        ])
    };
    assert_eq!(said(&read(Kind::Xlsx, &file("1"))), "# A\n1");
    for count in ["99999999999", "99999999999999999999999"] {
        assert!(matches!(bounded(Kind::Xlsx, &file(count)), Err(Unreadable::Broken(_))));
    }
}

#[test]
fn files_of_another_kind_say_so() {
    let old = [b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1".as_slice(), &[0; 600]].concat();
    assert_eq!(bounded(Kind::Xlsx, &old), Err(Unreadable::OldOffice));
    let name: Vec<u8> = "EncryptedPackage".bytes().flat_map(|byte| [byte, 0]).collect();
    assert_eq!(bounded(Kind::Docx, &[old, name].concat()), Err(Unreadable::Encrypted));
    let zip = zipped(&[("a.txt", b"a")]);
    for kind in [Kind::Docx, Kind::Xlsx, Kind::Pptx] {
        assert!(matches!(bounded(kind, &zip), Err(Unreadable::WrongKind { .. })));
        assert!(matches!(bounded(kind, b"text"), Err(Unreadable::WrongKind { .. })));
        assert!(matches!(bounded(kind, b"PK\x03\x04"), Err(Unreadable::Broken(_))));
    }
    assert_eq!(guess(None, None, &zip), None);
}
