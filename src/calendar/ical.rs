//! Calendars as other programs read them: iCalendar (RFC 5545). What a text says was written by a
//! stranger: it never becomes a line of its own.

use std::fmt::Write as _;

use jiff::Timestamp;

/// The longest line, in bytes, without its end.
const LINE_MAX: usize = 75;

/// How certain an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certainty {
    /// It is to be checked.
    Tentative,
    /// It is booked.
    Confirmed,
    /// It will not be.
    Cancelled,
}

impl Certainty {
    fn word(self) -> &'static str {
        match self {
            Self::Tentative => "TENTATIVE",
            Self::Confirmed => "CONFIRMED",
            Self::Cancelled => "CANCELLED",
        }
    }
}

/// An event. Times are microseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Names it for ever, whatever else of it changes.
    pub uid: String,
    /// When it begins.
    pub start_us: i64,
    /// When it is over.
    pub end_us: i64,
    /// What stands in the calendar.
    pub summary: String,
    /// What else is said of it.
    pub description: String,
    /// Where more can be read.
    pub url: String,
    /// How certain it is.
    pub certainty: Certainty,
    /// How often it was changed.
    pub sequence: i32,
    /// When it was made.
    pub created_us: i64,
    /// When it was last changed.
    pub changed_us: i64,
}

/// The calendar of this name.
pub fn calendar(name: &str, events: &[Event]) -> String {
    let mut text = String::new();
    line(&mut text, "BEGIN:VCALENDAR");
    line(&mut text, "VERSION:2.0");
    line(&mut text, "PRODID:-//Frontdesk//Bookings//EN");
    line(&mut text, "CALSCALE:GREGORIAN");
    line(&mut text, &format!("NAME:{}", escaped(name)));
    line(&mut text, &format!("X-WR-CALNAME:{}", escaped(name)));
    line(&mut text, "REFRESH-INTERVAL;VALUE=DURATION:PT1H");
    line(&mut text, "X-PUBLISHED-TTL:PT1H");
    for event in events {
        write_event(&mut text, event);
    }
    line(&mut text, "END:VCALENDAR");
    text
}

fn write_event(text: &mut String, event: &Event) {
    line(text, "BEGIN:VEVENT");
    line(text, &format!("UID:{}", escaped(&event.uid)));
    // Without a METHOD this is when it was last changed, so that the same calendar reads the same.
    line(text, &format!("DTSTAMP:{}", utc(event.changed_us)));
    line(text, &format!("DTSTART:{}", utc(event.start_us)));
    line(text, &format!("DTEND:{}", utc(event.end_us)));
    line(text, &format!("SUMMARY:{}", escaped(&event.summary)));
    if !event.description.is_empty() {
        line(text, &format!("DESCRIPTION:{}", escaped(&event.description)));
    }
    line(text, &format!("URL:{}", plain(&event.url)));
    line(text, &format!("STATUS:{}", event.certainty.word()));
    line(text, &format!("SEQUENCE:{}", event.sequence));
    line(text, &format!("CREATED:{}", utc(event.created_us)));
    line(text, &format!("LAST-MODIFIED:{}", utc(event.changed_us)));
    let takes = if event.certainty == Certainty::Cancelled { "TRANSPARENT" } else { "OPAQUE" };
    line(text, &format!("TRANSP:{takes}"));
    line(text, "END:VEVENT");
}

/// A time, in UTC: no calendar then has to know a zone.
fn utc(us: i64) -> String {
    let time = Timestamp::from_microsecond(us).unwrap_or_default();
    time.strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// A text as a value: what would end it or part it is escaped, and no control character is left.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' | ';' | ',' => {
                escaped.push('\\');
                escaped.push(letter);
            }
            '\r' => {
                letters.next_if_eq(&'\n');
                escaped.push_str("\\n");
            }
            '\n' | '\u{85}' | '\u{2028}' | '\u{2029}' => escaped.push_str("\\n"),
            '\t' => escaped.push(' '),
            letter if letter.is_control() => {}
            letter => escaped.push(letter),
        }
    }
    escaped
}

/// An address: it has no character that must be escaped, and none that ends a line.
fn plain(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control() && !letter.is_whitespace()).collect()
}

/// Adds a line, folded so that none is too long and no character is cut.
fn line(text: &mut String, content: &str) {
    let mut length = 0;
    for letter in content.chars() {
        if length + letter.len_utf8() > LINE_MAX {
            text.push_str("\r\n ");
            length = 1;
        }
        text.push(letter);
        length += letter.len_utf8();
    }
    // Writing to a string does not fail.
    let _ = text.write_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(summary: &str, description: &str) -> Event {
        Event {
            uid: "a7@frontdesk".to_owned(),
            start_us: 1_795_960_800_000_000,
            end_us: 1_795_962_600_000_000,
            summary: summary.to_owned(),
            description: description.to_owned(),
            url: "https://desk.example.com/bookings/a7".to_owned(),
            certainty: Certainty::Confirmed,
            sequence: 3,
            created_us: 1_795_000_000_000_000,
            changed_us: 1_795_100_000_000_000,
        }
    }

    /// The properties of a calendar, unfolded, as (name, value).
    fn read(text: &str) -> Vec<(String, String)> {
        assert!(text.ends_with("\r\n"));
        assert_eq!(text.matches('\n').count(), text.matches("\r\n").count(), "no bare line feed");
        assert_eq!(text.matches('\r').count(), text.matches("\r\n").count(), "no bare return");
        for line in text.split("\r\n") {
            assert!(line.len() <= LINE_MAX, "{} bytes: {line}", line.len());
        }
        let unfolded = text.replace("\r\n ", "");
        let properties = unfolded.trim_end().split("\r\n").map(|line| {
            let (name, value) = line.split_once(':').expect("a property");
            (name.split(';').next().unwrap().to_owned(), value.to_owned())
        });
        properties.collect()
    }

    /// A value of a text as its reader understands it.
    fn unescaped(value: &str) -> String {
        let mut text = String::new();
        let mut letters = value.chars();
        while let Some(letter) = letters.next() {
            match (letter, letter == '\\') {
                (_, true) => match letters.next().expect("a backslash escapes something") {
                    'n' | 'N' => text.push('\n'),
                    escaped => text.push(escaped),
                },
                (letter, _) => text.push(letter),
            }
        }
        text
    }

    fn value<'a>(properties: &'a [(String, String)], name: &str) -> &'a str {
        let mut found = properties.iter().filter(|(known, _)| known == name);
        let (_, value) = found.next().expect("it is there");
        assert!(found.next().is_none(), "{name} is there once");
        value
    }

    #[test]
    fn an_event_is_read_back() {
        let text = "Anna, \\ B; with\r\nlines — Zoë 日本語 ".repeat(8);
        let read = read(&calendar("Bright; Smile", &[event(&text, "")]));
        assert_eq!(unescaped(value(&read, "SUMMARY")), text.replace("\r\n", "\n"));
        assert_eq!(unescaped(value(&read, "X-WR-CALNAME")), "Bright; Smile");
        assert_eq!(value(&read, "DTSTART"), "20261129T140000Z");
        assert_eq!(value(&read, "DTEND"), "20261129T143000Z");
        assert_eq!(value(&read, "SEQUENCE"), "3");
        assert_eq!(value(&read, "STATUS"), "CONFIRMED");
        assert_eq!(value(&read, "UID"), "a7@frontdesk");
        assert_eq!(value(&read, "DTSTAMP"), value(&read, "LAST-MODIFIED"));
        assert!(!read.iter().any(|(name, _)| name == "DESCRIPTION"));
    }

    #[test]
    fn no_text_makes_a_line_of_its_own() {
        let evil = "Bob\r\nEND:VEVENT\nBEGIN:VEVENT\rATTENDEE:mailto:x@evil.example\u{85}X:1\u{2028}\
                    Y:2\u{0}\u{b}\u{c}\u{1b}";
        let text = calendar(evil, &[event(evil, evil)]);
        let read = read(&text);
        let begins = read.iter().filter(|(name, _)| name == "BEGIN").count();
        assert_eq!(begins, 2, "{text}");
        assert!(!read.iter().any(|(name, _)| ["ATTENDEE", "X", "Y"].contains(&name.as_str())));
        assert!(!text.chars().any(|c| c.is_control() && c != '\r' && c != '\n'));
        assert!(
            unescaped(value(&read, "SUMMARY")).starts_with("Bob\nEND:VEVENT\nBEGIN:VEVENT\nATT")
        );
    }

    #[test]
    fn a_line_is_folded_between_characters() {
        for width in 60..80 {
            let text = format!("{}日本語{}", "x".repeat(width), "é".repeat(90));
            let read = read(&calendar("c", &[event(&text, "")]));
            assert_eq!(value(&read, "SUMMARY"), text);
        }
    }
}
