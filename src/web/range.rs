//! Parts of a file (RFC 9110, 14): what players ask for when somebody goes to another place.

use std::ops::Range;

use http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, RANGE};
use http::{HeaderMap, HeaderValue, StatusCode};

/// What was asked for of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    /// All of it.
    Whole,
    /// This part of it, which is not empty.
    Part(Range<u64>),
    /// A part that it does not have.
    Beyond,
}

impl Asked {
    /// What the request's headers ask for of so many bytes. What is not understood, and several parts
    /// at once, are taken for all of it, as the RFC allows.
    pub(super) fn of(headers: &HeaderMap, bytes: u64) -> Self {
        let text = headers.get(RANGE).and_then(|range| range.to_str().ok());
        let Some((first, last)) = text
            .and_then(|text| text.trim().strip_prefix("bytes="))
            .and_then(|range| range.split_once('-'))
        else {
            return Self::Whole;
        };
        let number = |text: &str| match text.trim() {
            "" => Some(None),
            digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                // A number that does not fit is beyond every file.
                Some(Some(digits.parse().unwrap_or(u64::MAX)))
            }
            _ => None,
        };
        let part = match (number(first), number(last)) {
            (Some(Some(first)), Some(Some(last))) if first > last => return Self::Whole,
            (Some(Some(first)), Some(last)) => {
                first..last.map_or(bytes, |last| last.saturating_add(1).min(bytes))
            }
            (Some(None), Some(Some(length))) => bytes.saturating_sub(length)..bytes,
            _ => return Self::Whole,
        };
        if part.is_empty() { Self::Beyond } else { Self::Part(part) }
    }

    /// The bytes to send, of so many.
    pub(super) fn bytes(&self, bytes: u64) -> Range<u64> {
        match self {
            Self::Whole => 0..bytes,
            Self::Part(part) => part.clone(),
            Self::Beyond => 0..0,
        }
    }

    /// The status and headers of the answer.
    pub(super) fn answer(&self, bytes: u64) -> (StatusCode, HeaderMap) {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        let part = self.bytes(bytes);
        headers.insert(CONTENT_LENGTH, HeaderValue::from(part.end - part.start));
        let said = match self {
            Self::Whole => return (StatusCode::OK, headers),
            Self::Part(part) => format!("bytes {}-{}/{bytes}", part.start, part.end - 1),
            Self::Beyond => format!("bytes */{bytes}"),
        };
        let said = HeaderValue::from_str(&said).expect("digits and signs alone");
        headers.insert(CONTENT_RANGE, said);
        let status = match self {
            Self::Beyond => StatusCode::RANGE_NOT_SATISFIABLE,
            Self::Whole | Self::Part(_) => StatusCode::PARTIAL_CONTENT,
        };
        (status, headers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(range: &str, bytes: u64) -> Asked {
        let mut headers = HeaderMap::new();
        headers.insert(RANGE, HeaderValue::from_str(range).unwrap());
        Asked::of(&headers, bytes)
    }

    #[test]
    fn a_part_is_what_the_rfc_says() {
        for (range, expected) in [
            ("bytes=0-0", Asked::Part(0..1)),
            ("bytes=0-1", Asked::Part(0..2)),
            ("bytes=10-", Asked::Part(10..100)),
            ("bytes= 90 - 500 ", Asked::Part(90..100)),
            ("bytes=-10", Asked::Part(90..100)),
            ("bytes=-1000", Asked::Part(0..100)),
            ("bytes=5-99999999999999999999999", Asked::Part(5..100)),
            ("bytes=100-", Asked::Beyond),
            ("bytes=99999999999999999999999-", Asked::Beyond),
            ("bytes=-0", Asked::Beyond),
            ("bytes=9-3", Asked::Whole),
            ("bytes=0-1,5-6", Asked::Whole),
            ("bytes=-", Asked::Whole),
            ("bytes=+1-2", Asked::Whole),
            ("items=0-1", Asked::Whole),
            ("0-1", Asked::Whole),
        ] {
            assert_eq!(asked(range, 100), expected, "{range}");
        }
        assert_eq!(asked("bytes=0-", 0), Asked::Beyond);
        assert_eq!(Asked::of(&HeaderMap::new(), 100), Asked::Whole);
    }

    #[test]
    fn the_answer_says_which_part_it_is() {
        let answer = |asked: Asked| {
            let (status, headers) = asked.answer(100);
            let text =
                |name| headers.get(name).map(|v: &HeaderValue| v.to_str().unwrap().to_owned());
            (status.as_u16(), text(CONTENT_RANGE), text(CONTENT_LENGTH).unwrap())
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(answer(Asked::Whole), (200, None, "100".to_owned()));
        assert_eq!(answer(Asked::Part(0..2)), (206, some("bytes 0-1/100"), "2".to_owned()));
        assert_eq!(answer(Asked::Beyond), (416, some("bytes */100"), "0".to_owned()));
    }
}
