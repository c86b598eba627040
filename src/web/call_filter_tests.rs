//! What calls are looked for by is read as people write it, and what is not accepted is named.

use super::*;

fn here() -> Here {
    let zone = TimeZone::get("Europe/London").unwrap();
    Here { zone, region: Region::of_zone("Europe/London") }
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn dates_are_days_of_the_business() {
    let read = |from: &str, to: &str| {
        let wanted = WantedCalls { from: some(from), to: some(to), ..WantedCalls::default() };
        let filter = wanted.filter(&here()).unwrap();
        let text = |us: Option<i64>| Timestamp::from_microsecond(us.unwrap()).unwrap().to_string();
        (text(filter.from_us), text(filter.until_us))
    };
    // A day of 25 hours: summer time ends.
    let (from, until) = read("2026-10-25", "2026-10-25");
    assert_eq!((&*from, &*until), ("2026-10-24T23:00:00Z", "2026-10-26T00:00:00Z"));
    let (from, until) = read("2026-03-29", "2026-03-29T14:05:00+02:00");
    assert_eq!((&*from, &*until), ("2026-03-29T00:00:00Z", "2026-03-29T12:05:00Z"));
    assert_eq!(read("2026-03-29T14:05:00 02:00", "2026-03-30").0, "2026-03-29T12:05:00Z");
}

#[test]
fn what_is_not_accepted_is_named() {
    type Change = fn(&mut WantedCalls);
    let cases: [(&str, Change); 13] = [
        ("from", |w| w.from = some("yesterday")),
        ("from", |w| w.from = some("-009999-01-01")),
        ("to", |w| w.to = some("2026-13-01")),
        ("to", |w| w.to = some("2026-11-01T10:00:00")),
        ("to", |w| (w.from, w.to) = (some("2026-11-02"), some("2026-11-01T00:00:00Z"))),
        ("outcome", |w| w.outcome = some("great")),
        ("number", |w| w.number = some("012")),
        ("words", |w| w.words = Some("x".repeat(201))),
        ("function", |w| w.function = Some("x".repeat(201))),
        ("tests", |w| w.tests = some("maybe")),
        ("after", |w| w.after = some("9223372036854775807.0")),
        ("limit", |w| w.limit = some("0")),
        ("agent", |w| w.agent = some("1")),
    ];
    for (field, change) in cases {
        let mut wanted = WantedCalls::default();
        change(&mut wanted);
        let read = wanted
            .agent()
            .and_then(|_| wanted.limit())
            .and_then(|_| wanted.after())
            .and_then(|_| wanted.filter(&here()));
        assert_eq!(read.unwrap_err().field, field);
    }
}

#[test]
fn numbers_are_read_as_people_write_them() {
    for text in ["07700 900123", "+44 7700 900123", " 447700900123", "00447700900123"] {
        let wanted = WantedCalls { number: some(text), ..WantedCalls::default() };
        let number = wanted.filter(&here()).unwrap().number.unwrap();
        assert_eq!(number.reveal(), "+447700900123", "{text}");
    }
}

#[test]
fn the_last_digits_of_a_number_are_enough() {
    let read = |text: &str| {
        let wanted = WantedCalls { number: some(text), ..WantedCalls::default() };
        wanted.filter(&here()).map(|filter| (filter.number.is_some(), filter.number_end))
    };
    for (text, digits) in [("0123", "0123"), (" 900 123 ", "900123"), ("90-01.23", "900123")] {
        assert_eq!(read(text).unwrap(), (false, Some(Private::new(digits.to_owned()))), "{text}");
    }
    assert_eq!(read("07700 900123").unwrap(), (true, None));
    for odd in ["abc", "123", "+1234", "1234a", "12345678901234567890"] {
        assert!(read(odd).unwrap_err().detail.contains("last 4 digits"), "{odd}");
    }
}

#[test]
fn a_place_is_read_back() {
    let place = CallPlace { started_us: 1_795_960_800_000_000, id: Uuid::from_u128(7) };
    assert_eq!(read_cursor(&cursor(place)), Some(place));
    let wanted = WantedCalls {
        words: some("a&b"),
        outcome: some(" "),
        after: some("1.2"),
        ..WantedCalls::default()
    };
    assert_eq!(wanted.query(&[("after", "x")]), "?words=a%26b&after=x");
    assert_eq!(WantedCalls::default().query(&[]), "");
}
