//! Any bytes of each kind: no panic, and within the limits.

use proptest::prelude::*;

use super::*;

const KINDS: [Kind; 9] = [
    Kind::Page,
    Kind::Pdf,
    Kind::Docx,
    Kind::Xlsx,
    Kind::Csv,
    Kind::Pptx,
    Kind::Markdown,
    Kind::Html,
    Kind::Text,
];

const SAMPLES: [&[u8]; 8] = [
    include_bytes!("data/sample.docx"),
    include_bytes!("data/sample.xlsx"),
    include_bytes!("data/sample.pptx"),
    include_bytes!("data/sample.pdf"),
    include_bytes!("data/unicode.pdf"),
    include_bytes!("data/owner.pdf"),
    include_bytes!("data/bakery.html"),
    include_bytes!("data/dentist.html"),
];

fn small() -> Limits {
    Limits {
        bytes: 1 << 20,
        characters: 500,
        sections: 20,
        cells: 40,
        zip_entries: 90,
        unpacked: 4 << 20,
    }
}

fn check(kind: Kind, bytes: &[u8]) {
    for limits in [small(), Limits::default()] {
        let Ok(document) = read_as_said(kind, bytes, &limits) else { continue };
        assert!(document.sections.len() <= limits.sections);
        assert!(characters(&document) <= limits.characters);
        assert!(cells(&document) <= limits.cells);
        super::splitting::check(&document);
    }
}

/// As `extract`, but a panic of a library is one.
fn read_as_said(kind: Kind, bytes: &[u8], limits: &Limits) -> Result<Document, Unreadable> {
    let read = extract(kind, bytes, limits);
    if let Err(Unreadable::Broken(reason)) = &read {
        assert_ne!(reason, "something in it cannot be read", "a panic of {kind:?}");
    }
    read
}

/// A sample with some bytes changed, and its end cut off.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<prop::sample::Index>(), any::<u8>());
    (0..SAMPLES.len(), prop::collection::vec(change, 0..12), any::<prop::sample::Index>(), 0..4)
        .prop_map(|(sample, changes, end, cut)| {
            let mut bytes = SAMPLES[sample].to_vec();
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            if cut == 0 {
                bytes.truncate(end.index(bytes.len()));
            }
            bytes
        })
}

/// Pieces of HTML, Markdown, CSV and robots.txt.
const PIECES: &[&str] = &[
    "<table>",
    "<tr>",
    "<td>",
    "<th colspan=9>",
    "</table>",
    "</td>",
    "<p>",
    "</p>",
    "<div hidden>",
    "</div>",
    "<h1>",
    "<h2>",
    "</h1>",
    "<li>",
    "<ul>",
    "</ul>",
    "<dl><dt>",
    "<dd>",
    "<details>",
    "<summary>",
    "</summary>",
    "</details>",
    "<footer>",
    "<nav>",
    "<a href=x>",
    "</a>",
    "<br>",
    "<script>",
    "</script>",
    "<!--",
    "-->",
    "&amp;",
    "&#0;",
    "&nbsp",
    "<svg/>",
    "<title>",
    "text ",
    "a?",
    "b:",
    "\n",
    "\n\n",
    "# ",
    "- ",
    "| a | b |\n",
    "|-|-|\n",
    "> ",
    "```",
    "**",
    "[x](y)",
    ",",
    ";",
    "\t",
    "\"",
    "\u{0}",
    "\u{202e}",
    "é",
    "1",
    "[",
    "]",
    "<",
    "&",
    "Allow: /*",
    "$",
    "User-agent: *\n",
    "Disallow: ",
    "Sitemap: http://a",
    "<url><loc>",
    "</loc></url>",
    "_",
];

/// Some of those in any order.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(PIECES);
    prop::collection::vec(piece, 0..120).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn any_bytes_at_all(bytes in prop::collection::vec(any::<u8>(), 0..600), kind in 0..9_usize) {
        let _ = guess(None, None, &bytes);
        check(KINDS[kind], &bytes);
        let _ = sitemap::read(&bytes);
    }

    #[test]
    fn samples_that_are_damaged(bytes in damaged()) {
        if let Some(kind) = guess(None, None, &bytes) {
            check(kind, &bytes);
        }
    }

    #[test]
    fn pieces_in_any_order(text in pieces()) {
        for kind in [Kind::Page, Kind::Markdown, Kind::Csv, Kind::Text] {
            check(kind, text.as_bytes());
        }
        let base = url::Url::parse("https://a.example/b").expect("an address");
        let _ = html::Page::read(text.as_bytes(), None, &base);
        let robots = robots::Robots::read(text.as_bytes(), "FrontdeskBot");
        let _ = robots.is_allowed(&text);
        let _ = sitemap::read(text.as_bytes());
    }
}
