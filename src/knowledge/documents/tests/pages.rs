//! Pages: nothing of a short business page that matters is lost, and what a crawl asks.

use url::Url;

use super::html::{Page, links};
use super::*;

fn base() -> Url {
    Url::parse("https://bakery.example/index.html").expect("an address")
}

#[test]
fn hours_in_the_foot_and_the_telephone_in_the_head_are_kept() {
    let document = read(Kind::Page, include_bytes!("data/bakery.html"));
    assert_eq!(document.title.as_deref(), Some("Corner Bakery & Café"));
    assert_eq!(
        said(&document),
        "Call us: 555 0100\n\
         # Fresh bread every day\nWe bake from five in the morning.\n\
         # Fresh bread every day > What we bake\n- Rye bread\n- Cakes for weddings\n\
         # Fresh bread every day > Can I order ahead?\nYes, until noon of the day before.\n\
         Sign in a@bakery.example Map Print\n\
         # Opening hours\n|  |\nMonday to Friday, 6:00–18:00.\nSaturday, 7:00–13:00.\n\
         Sunday, closed.\nCorner Bakery\n12 Mill Lane\nAshford\n© 2026 Corner Bakery"
    );
}

#[test]
fn answers_that_open_when_pressed_are_kept_and_forms_are_not() {
    let text = said(&read(Kind::Html, include_bytes!("data/dentist.html")));
    let kept = [
        "| Treatment | Price | Duration |\nCheck-up, $60, 20 min.",
        "Do you take my insurance?\nWe take all of the large ones.",
        "Is there parking?\nYes, behind the house.",
        "What if it hurts at night?\nCall 555 0199",
        "Monday: 8 to 16\nTuesday: 10 to 18",
    ];
    for part in kept {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    for part in ["Your name", "Send", "Morning", "newsletter", "JavaScript", "Team"] {
        assert!(!text.contains(part), "{part} is in\n{text}");
    }
}

#[test]
fn a_table_that_lays_out_the_page_is_not_a_table() {
    let page = "<body><table><tr><td>Menu<td><h1>Soup</h1><p>Daily from 11.</p>\
                <table><tr><td>Small<td>3.50<tr><td>Large<td>5.00</table></table>";
    let text = said(&read(Kind::Page, page.as_bytes()));
    assert_eq!(text, "Menu\n# Soup\nDaily from 11.\n|  |\nSmall, 3.50.\nLarge, 5.00.");
}

#[test]
fn the_character_set_is_what_the_page_says() {
    let page = b"<meta charset=windows-1252><p>Caf\xE9 \x80 5 &amp; &#8364;&nbsp;6 &eacute;</p>";
    assert_eq!(said(&read(Kind::Page, page)), "Café € 5 & € 6 é");
    let label = Some("text/html; charset=iso-8859-2");
    let document = extract_labelled(Kind::Page, b"<p>\xE8esky", label, &Limits::default());
    assert_eq!(said(&document.expect("a page")), "česky");
}

#[test]
fn links_are_of_the_web_once_and_without_fragments() {
    let found: Vec<String> =
        links(include_bytes!("data/bakery.html"), &base()).iter().map(Url::to_string).collect();
    assert_eq!(
        found,
        [
            "https://bakery.example/",
            "https://bakery.example/menu",
            "https://bakery.example/about",
            "https://bakery.example/rye",
            "https://bakery.example/cakes",
            "https://maps.example/q?x=1&y=2",
            "https://facebook.example/b",
            "https://insta.example/b",
        ]
    );
    let page =
        b"<base href='/de/'><a href='a#b'>a</a><a href='//x.example'>x</a><a href='#c'>c</a>";
    let found = links(page, &base());
    assert_eq!(found[0].as_str(), "https://bakery.example/de/a");
    assert_eq!(found[1].as_str(), "https://x.example/");
    assert_eq!(found.len(), 2);
    let page = b"<meta name=robots content='NOINDEX,nofollow'><a href=a>a</a>";
    let page = Page::read(page, None, &base());
    assert!(page.noindex && page.links.is_empty());
}

#[test]
fn a_page_says_what_it_is() {
    let page = Page::read(include_bytes!("data/bakery.html"), None, &base());
    assert_eq!(page.canonical.map(String::from).as_deref(), Some("https://bakery.example/?ref=x"));
    assert!(!(page.noindex || page.sign_in || page.needs_scripts));

    let sign_in = b"<title>Log in</title><form><h1>Welcome back</h1><label>Password</label>\
                    <input type=password><a href=/forgot>Forgot it?</a></form><script src=a></script>";
    assert!(Page::read(sign_in, None, &base()).sign_in);

    let scripts = b"<div id=root></div><noscript>You need to enable JavaScript</noscript>\
                    <script type=module src=/app.js></script>";
    let page = Page::read(scripts, None, &base());
    assert!(page.needs_scripts && !page.sign_in);
    assert_eq!(extract(Kind::Page, scripts, &Limits::default()), Err(Unreadable::Empty));

    let moved = b"<meta http-equiv=Refresh content=\"0; URL='/new'\">";
    let page = Page::read(moved, None, &base());
    assert_eq!(page.refresh.map(String::from).as_deref(), Some("https://bakery.example/new"));
}

#[test]
fn sitemaps_packed_or_not() {
    let xml = b"<?xml version='1.0'?><urlset xmlns='http://www.sitemaps.org/schemas/sitemap/0.9'>\
        <url><loc> https://a.example/?a=1&amp;b=2#c </loc><lastmod>2026-03-05</lastmod>\
        <image:image><image:loc>https://a.example/i.png</image:loc></image:image></url>\
        <url><loc>ftp://a.example/</loc></url><url><loc>https://a.example/two</loc></url></urlset>";
    let sitemap = sitemap::read(xml);
    let found: Vec<_> = sitemap.pages.iter().map(|entry| entry.url.as_str()).collect();
    assert_eq!(found, ["https://a.example/?a=1&b=2", "https://a.example/two"]);
    assert_eq!(sitemap.pages[0].changed.as_deref(), Some("2026-03-05"));

    let index =
        b"<sitemapindex><sitemap><loc>https://a.example/s1.xml.gz</loc></sitemap></sitemapindex>";
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, index).expect("packed");
    let sitemap = sitemap::read(&packed.finish().expect("packed"));
    assert_eq!(sitemap.sitemaps[0].url.as_str(), "https://a.example/s1.xml.gz");
    assert!(sitemap.pages.is_empty() && !sitemap.cut_off);

    assert_eq!(sitemap::read(b"https://a.example/1\nhttps://a.example/2").pages.len(), 2);
}
