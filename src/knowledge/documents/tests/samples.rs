//! Real files of each kind. `make_samples.py` made those in `data`.

use super::*;

#[test]
fn word_has_headings_lists_tables_and_the_letterhead() {
    let bytes = include_bytes!("data/sample.docx");
    assert_eq!(guess(None, None, bytes), Some(Kind::Docx));
    let document = read(Kind::Docx, bytes);
    assert_eq!(document.title.as_deref(), Some("Salon Anna"));
    assert_eq!(
        said(&document),
        "We cut and colour hair in the old town.\n\
         # Prices\n| Service | Price | Minutes |\nCut, €25, 30.\nColour, €60, 90.\n\
         # Questions > Do you take cards?\nYes, all of them.\n\
         # Questions > Parking\n- Behind the house\n- In the street\n\
         # \nSalon Anna, High Street 5, phone 555 0100"
    );
    assert!(!document.cut_off);
}

#[test]
fn excel_says_dates_and_numbers_as_a_person_reads_them() {
    let bytes = include_bytes!("data/sample.xlsx");
    assert_eq!(guess(None, None, bytes), Some(Kind::Xlsx));
    let document = read(Kind::Xlsx, bytes);
    assert_eq!(
        said(&document),
        "# Price list\nPrices 2026\n\
         | Service | Price | Discount | Valid from | Opens | Open |\n\
         Cut, €25.50, 20%, 2026-03-05, 09:30, TRUE.\n\
         Colour, €1,060.00, 0.3, 2026-03-06 14:30, , FALSE.\n\
         Closed on holidays\n\
         # \n|  |\nMonday, 9-17.\nTuesday, 9-18.\n\
         # Far\nfirst"
    );
    // The cell in the last row and column of the sheet was left out.
    assert!(document.cut_off);
    assert_eq!(document.sections.last().and_then(|section| section.page), Some(4));
}

#[test]
fn powerpoint_has_titles_points_and_tables_without_notes() {
    let bytes = include_bytes!("data/sample.pptx");
    assert_eq!(guess(None, None, bytes), Some(Kind::Pptx));
    let document = read(Kind::Pptx, bytes);
    assert_eq!(document.title.as_deref(), Some("Our clinic"));
    assert_eq!(
        said(&document),
        "# Our clinic\nWelcome\n\
         # Opening hours\n- Monday to Friday 8 to 18\n- Saturday 9 to 12\n\
         # Prices\n| Treatment | Price |\nCheck-up, €40.\nCleaning, €80."
    );
    let pages: Vec<_> = document.sections.iter().map(|section| section.page).collect();
    assert_eq!(pages, [Some(1), Some(2), Some(3)]);
}

#[test]
fn pdf_has_headings_paragraphs_and_tables_by_page() {
    let bytes = include_bytes!("data/sample.pdf");
    assert_eq!(guess(None, None, bytes), Some(Kind::Pdf));
    let document = read(Kind::Pdf, bytes);
    assert_eq!(document.title.as_deref(), Some("Hotel Seaview guide"));
    assert_eq!(
        said(&document),
        "# Hotel Seaview\n\
         # Rooms\nEach of our forty rooms looks at the sea. Breakfast is served from seven to ten \
         in the hall on the ground floor, and on request it is brought to the room.\n\
         Check-in is from three in the afternoon.\n\
         # Prices\n| Room | Price |\nSingle, 90 EUR.\nDouble, 140 EUR.\n\
         # Pets\nDogs are welcome for 15 EUR a night."
    );
    assert_eq!(document.sections.last().and_then(|section| section.page), Some(2));
    // One that asks for a password only to change it.
    let owner = read(Kind::Pdf, include_bytes!("data/owner.pdf"));
    assert!(said(&owner).contains("Dogs are welcome"));
}

#[test]
fn pdf_with_fonts_of_its_own_and_of_each_program() {
    let text = said(&read(Kind::Pdf, include_bytes!("data/fpdf.pdf")));
    assert!(text.contains("Fresh bread from six in the morning.") && text.contains("Café au lait"));
    let text = said(&read(Kind::Pdf, include_bytes!("data/unicode.pdf")));
    assert!(text.contains("Čeština: otevřeno od 8 do 17"), "{text}");
    assert!(text.contains("Русский: открыто с 8 до 17") && text.contains("Fish 12 €"), "{text}");
}

#[test]
fn a_pdf_that_cannot_be_read_says_why() {
    let why = |bytes: &[u8]| extract(Kind::Pdf, bytes, &Limits::default());
    assert_eq!(why(include_bytes!("data/locked.pdf")), Err(Unreadable::Encrypted));
    assert_eq!(why(include_bytes!("data/picture.pdf")), Err(Unreadable::NoText));
    assert!(matches!(why(b"%PDF-1.7\nnothing"), Err(Unreadable::Broken(_))));
    assert_eq!(why(b"nothing"), Err(Unreadable::WrongKind { expected: "PDF" }));
}

#[test]
fn values_with_any_separator() {
    let semicolons = "Service;Price\nCut;\"25,50 €\"\n\"Colour; long\";\"60,00 €\"\n";
    let document = read(Kind::Csv, semicolons.as_bytes());
    assert_eq!(said(&document), "| Service | Price |\nCut, 25,50 €.\nColour; long, 60,00 €.");
    let tabs = said(&read(Kind::Csv, b"Day\tOpen\tClose\nMon\t9\t17\n\nTue\t9\t18"));
    assert_eq!(tabs, "| Day | Open | Close |\nMon, 9, 17.\nTue, 9, 18.");
    let excel = said(&read(Kind::Csv, b"sep=|\nMonday|9-17\nTuesday|9-18"));
    assert_eq!(excel, "|  |\nMonday, 9-17.\nTuesday, 9-18.");
    let commas = said(&read(Kind::Csv, b"Name,Phone\r\n\"Ann \"\"A\"\" Lee\",555 0100\r\n"));
    assert_eq!(commas, "| Name | Phone |\nAnn \"A\" Lee, 555 0100.");
}

#[test]
fn markdown_has_headings_lists_tables_and_code() {
    let source = "---\ntitle: x\n---\n# Salon\n\nCut & [colour](https://a.example).\nSame line.\n\n\
                  ## Prices\n\n| Service | Price |\n|---|---|\n| Cut | **25** |\n\n\
                  1. Wash\n2. Cut\n   - short\n\n```\nlet a = 1;\n  b\n```\n<p>bare</p>\n";
    let document = read(Kind::Markdown, source.as_bytes());
    assert_eq!(document.title.as_deref(), Some("Salon"));
    assert_eq!(
        said(&document),
        "# Salon\nCut & colour. Same line.\n\
         # Salon > Prices\n| Service | Price |\nCut, 25.\n- Wash\n- Cut\n- short\n\
         let a = 1;\nb\nbare"
    );
}

#[test]
fn text_is_paragraphs() {
    let document = read(Kind::Text, b"One\r\nline.\r\n\r\n\r\nTwo.\0\x07\x0cThree");
    assert_eq!(document.sections.len(), 1);
    assert_eq!(said(&document), "One\nline.\nTwo.\nThree");
    assert_eq!(extract(Kind::Text, b" \n\0", &Limits::default()), Err(Unreadable::Empty));
}
