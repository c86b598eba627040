//! What holds for all passages.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

fn passages(document: &Document) -> Vec<Passage> {
    split(document, &SplitLimits::default()).passages
}

fn section(headings: &[&str], body: Body) -> Section {
    Section { headings: headings.iter().map(|text| (*text).to_owned()).collect(), body, page: None }
}

fn text(paragraphs: &[&str]) -> Body {
    Body::Text(paragraphs.iter().map(|text| (*text).to_owned()).collect())
}

fn document(sections: Vec<Section>) -> Document {
    Document { title: Some("T".to_owned()), sections, cut_off: false }
}

#[test]
fn small_neighbours_are_joined_with_their_headings() {
    let found = passages(&document(vec![
        section(&["Hours"], text(&["Mostly open."])),
        section(&["Hours", "Monday"], text(&["9 to 17"])),
        section(&["Hours", "Tuesday"], text(&["9 to 18"])),
        section(&["Staff", "Ann"], text(&["Cuts."])),
    ]));
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].heading.as_deref(), Some("Hours"));
    assert_eq!(found[0].text, "Mostly open.\nMonday\n9 to 17\nTuesday\n9 to 18");
    assert_eq!(found[1].heading.as_deref(), Some("Staff > Ann"));
    assert_eq!(found[1].position, 1);
}

#[test]
fn a_question_and_its_answer_stay_together_and_alone() {
    let found = passages(&document(vec![
        section(&["FAQ", "Do you take cards?"], text(&["Yes."])),
        section(&["FAQ", "Is there parking?"], text(&["No."])),
        section(&["FAQ", "More"], text(&["Call us."])),
    ]));
    let texts: Vec<_> = found.iter().map(|passage| passage.text.as_str()).collect();
    assert_eq!(texts, ["Yes.", "No.", "Call us."]);

    // A question that is a paragraph goes with what follows it.
    let long = "word ".repeat(190);
    let found = passages(&document(vec![section(&[], text(&[&long, "And dogs?", &long]))]));
    assert_eq!(found.len(), 2);
    assert!(found[1].text.starts_with("And dogs?\nword"));
}

#[test]
fn rows_are_said_with_their_names() {
    let row = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
    let table = Body::Table {
        header: row(&["Service", "Price", "Note"]),
        rows: vec![row(&["Cut", "€25"]), row(&["Colour", "", ""])],
    };
    let found = passages(&document(vec![section(&["Prices"], table)]));
    assert_eq!(found[0].text, "Note\nService: Cut; Price: €25\nService: Colour");

    let rows = (0..200).map(|at| row(&[&format!("Item {at}"), &format!("{at}.00"), "x"])).collect();
    let table = Body::Table { header: row(&["Service", "Price", "Note"]), rows };
    let found = passages(&document(vec![section(&["Prices"], table)]));
    assert!(found.len() > 5);
    for passage in &found {
        assert!(passage.text.lines().all(|line| line.starts_with("Service: Item ")));
    }
}

#[test]
fn passages_are_bounded_and_it_is_said() {
    let paragraph = "A sentence of some words. ".repeat(55);
    let sections =
        (0..30).map(|at| section(&[&format!("H{at}")], text(&[paragraph.as_str()]))).collect();
    let limits = SplitLimits { passages: 10, ..SplitLimits::default() };
    let found = split(&document(sections), &limits);
    assert_eq!(found.passages.len(), 10);
    assert!(found.cut_off);
}

/// Words as letters and digits: a sentence may end within what has no space in it (`yes?no`).
fn words(text: &str) -> impl Iterator<Item = String> + use<'_> {
    let words = text.split(|c: char| !c.is_alphanumeric());
    words.filter(|word| !word.is_empty()).map(str::to_owned)
}

fn words_of(document: &Document) -> HashSet<String> {
    let mut all = HashSet::new();
    for section in &document.sections {
        all.extend(section.headings.iter().flat_map(|heading| words(heading)));
        match &section.body {
            Body::Text(paragraphs) => all.extend(paragraphs.iter().flat_map(|text| words(text))),
            Body::Table { header, rows } => {
                all.extend(header.iter().chain(rows.iter().flatten()).flat_map(|cell| words(cell)));
            }
        }
    }
    all
}

/// Checks what holds for any document; `max` is the longest word's length.
pub(super) fn check(document: &Document) {
    let limits = SplitLimits::default();
    let split = split(document, &limits);
    let mut said = HashSet::new();
    for (at, passage) in split.passages.iter().enumerate() {
        assert_eq!(passage.position as usize, at);
        assert!(!passage.text.trim().is_empty());
        assert!(super::text::characters(&passage.text) <= limits.max, "{}", passage.text);
        assert!(!passage.text.contains('\0'));
        said.extend(words(&passage.text));
        said.extend(passage.heading.iter().flat_map(|heading| words(heading)));
    }
    assert!(split.passages.len() <= limits.passages);
    if !split.cut_off {
        for word in words_of(document) {
            // A longer word is divided.
            assert!(word.len() > 700 || said.contains(&word), "{word:?} is lost");
        }
    }
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,8}( [a-z?:]{1,8}){0,12}",
        "[a-zé.;:?]{1,9}( [a-zé.;:?]{1,9}){0,400}",
        "[a-zé]{1,2500}",
    ]
}

fn any_section() -> impl Strategy<Value = Section> {
    let headings = prop::collection::vec("[A-C]{1,2}[?]{0,1}( [a-z]{1,60}){0,3}", 0..4);
    let table = (0_usize..6).prop_flat_map(|width| {
        let row = || prop::collection::vec(prop_oneof!["", "[a-z0-9]{1,9}", any_text()], 0..=width);
        (row(), prop::collection::vec(row(), 0..8))
    });
    let body = prop_oneof![
        prop::collection::vec(any_text(), 0..6).prop_map(Body::Text),
        table.prop_map(|(header, rows)| Body::Table { header, rows }),
    ];
    (headings, body).prop_map(|(headings, body)| Section { headings, body, page: None })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn nothing_is_lost_and_passages_are_within_their_limit(
        sections in prop::collection::vec(any_section(), 0..12)
    ) {
        check(&document(sections));
    }
}
