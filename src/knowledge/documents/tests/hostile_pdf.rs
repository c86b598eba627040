//! PDFs made to do harm: each ends soon, within the limits.

use super::*;

/// A PDF of these objects, the first its catalogue.
fn pdf(objects: &[String]) -> Vec<u8> {
    let mut file = b"%PDF-1.7\n".to_vec();
    let mut places = Vec::new();
    for (at, object) in objects.iter().enumerate() {
        places.push(file.len());
        file.extend(format!("{} 0 obj\n{object}\nendobj\n", at + 1).bytes());
    }
    let table = file.len();
    file.extend(format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1).bytes());
    for place in places {
        file.extend(format!("{place:010} 00000 n \n").bytes());
    }
    let size = objects.len() + 1;
    let trailer = format!("trailer<</Size {size}/Root 1 0 R>>\nstartxref\n{table}\n%%EOF");
    file.extend(trailer.bytes());
    file
}

fn stream(dictionary: &str, data: &str) -> String {
    format!("<</Length {}{dictionary}>>stream\n{data}\nendstream", data.len())
}

/// A page that draws this. Object 5 is a font, more objects follow.
fn page(content: &str, resources: &str, more: &[String]) -> Vec<u8> {
    let mut objects = vec![
        "<</Type/Catalog/Pages 2 0 R>>".to_owned(),
        "<</Type/Pages/Kids[3 0 R]/Count 1>>".to_owned(),
        format!("<</Type/Page/Parent 2 0 R/Contents 4 0 R/Resources<<{resources}>>>>"),
        stream("", content),
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>".to_owned(),
    ];
    objects.extend_from_slice(more);
    pdf(&objects)
}

const FONT: &str = "/Font<</F1 5 0 R>>";

#[test]
fn a_form_that_draws_itself_ends() {
    let own = format!("/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</A 6 0 R>>{FONT}>>");
    let form = stream(&own, "BT /F1 9 Tf (again ) Tj ET /A Do");
    let resources = format!("/XObject<</A 6 0 R>>{FONT}");
    let text = said(&read(Kind::Pdf, &page("/A Do", &resources, &[form])));
    assert!(text.starts_with("again") && text.len() < 200, "{text}");
}

#[test]
fn forms_that_draw_forms_end() {
    // Each draws the next four times: in the end 4 to the 30th.
    let form = |at: usize| {
        let next = at + 7;
        let own = format!("/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</A {next} 0 R>>>>");
        stream(&own, "/A Do /A Do /A Do /A Do")
    };
    let forms: Vec<String> = (0..30).map(form).collect();
    let content = "BT /F1 9 Tf (hello) Tj ET /A Do";
    let resources = format!("/XObject<</A 6 0 R>>{FONT}");
    assert_eq!(said(&read(Kind::Pdf, &page(content, &resources, &forms))), "hello");
}

#[test]
fn streams_that_unpack_to_too_much_are_not_unpacked() {
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut packed, &vec![b' '; 8 << 20]).expect("packed");
    let packed = packed.finish().expect("packed");
    let head = "%PDF-1.7\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids\
                [3 0 R]>>endobj\n3 0 obj<</Type/Page/Contents 4 0 R>>endobj\n4 0 obj<<";
    let start = format!("/Filter/FlateDecode/Length {}>>stream\n", packed.len());
    let file = |kind: &str| {
        let end = b"\nendstream endobj\ntrailer<</Root 1 0 R>>".as_slice();
        [head.as_bytes(), kind.as_bytes(), start.as_bytes(), &packed, end].concat()
    };
    let limits = Limits { unpacked: 4 << 20, ..Limits::default() };
    assert_eq!(extract(Kind::Pdf, &file(""), &limits), Err(Unreadable::Bomb));
    assert_eq!(extract(Kind::Pdf, &file("/Subtype/Image"), &limits), Err(Unreadable::Bomb));
    assert_eq!(extract(Kind::Pdf, &file(""), &Limits::default()), Err(Unreadable::NoText));
}

#[test]
fn what_is_nested_or_goes_round_ends() {
    let catalogue = || "<</Type/Catalog/Pages 2 0 R>>".to_owned();
    let kids = |kids: &str| pdf(&[catalogue(), format!("<</Type/Pages/Kids{kids}>>")]);
    let files = [
        page(&"[".repeat(200_000), "", &[]),
        page(&"/a <</b ".repeat(100_000), "", &[]),
        page(&"q ".repeat(100_000), "", &[]),
        page(&"BT ".repeat(100_000), "", &[]),
        kids(&"[".repeat(200_000)),
        kids("[2 0 R 2 0 R]"),
        kids("2 0 R"),
        pdf(&["<</Type/Catalog/Pages 1 0 R>>".to_owned()]),
        b"%PDF-1.7\nxref\n0 4294967295\ntrailer<</Size 4294967295/Root 1 0 R>>".to_vec(),
        b"%PDF-1.7\ntrailer<</Prev 9/Root 1 0 R>>\nstartxref\n9\n%%EOF".to_vec(),
    ];
    for file in files {
        let read = extract(Kind::Pdf, &file, &Limits::default());
        assert!(read.is_err(), "{read:?}");
        let reason = Unreadable::Broken("something in it cannot be read".to_owned());
        assert_ne!(read, Err(reason));
    }
}

#[test]
fn numbers_without_sense_and_letters_without_end() {
    let content = "BT /F1 1e38 Tf 1e38 0 0 1e38 1e38 1e38 Tm (a) Tj /F1 0 Tf (b) Tj -1e38 Tz (c) Tj \
                   0 0 0 0 0 0 Tm (d) Tj ET";
    let _ = extract(Kind::Pdf, &page(content, FONT, &[]), &Limits::default());
    let content = format!("BT /F1 9 Tf {}", "0 -20 Td (abc def) Tj ".repeat(50_000));
    let document = read(Kind::Pdf, &page(&content, FONT, &[]));
    assert!(document.cut_off && characters(&document) <= 500_000);
}
