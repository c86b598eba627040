//! Who is called when the server forwards a call, and what they do.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

/// What becomes of a call to a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FarEnd {
    /// It is answered, unless it may not ring for so long.
    Answers {
        /// How long it rings.
        rings: Duration,
        /// How long they talk before the far end hangs up.
        talks: Duration,
    },
    /// The number is busy.
    Busy,
    /// It rings for as long as it may.
    NoAnswer,
    /// It cannot be reached.
    Failed,
}

impl Default for FarEnd {
    /// Answered after 2 s, over after 5 s more.
    fn default() -> Self {
        Self::Answers { rings: Duration::from_secs(2), talks: Duration::from_secs(5) }
    }
}

/// How a call to another party ended, in Twilio's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, strum::IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
#[serde(rename_all = "kebab-case")]
pub enum DialStatus {
    /// It was answered, and is over.
    Completed,
    /// The number was busy.
    Busy,
    /// Nobody answered in time.
    NoAnswer,
    /// It could not be reached.
    Failed,
    /// The caller hung up, or the call was moved, before anybody answered.
    Canceled,
}

impl DialStatus {
    /// The status as Twilio writes it.
    pub fn word(self) -> &'static str {
        self.into()
    }
}

/// The course of a call to another party that nobody disturbs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Course {
    pub(super) rings: Duration,
    /// How long they talk; none if it is not answered.
    pub(super) talks: Option<Duration>,
    pub(super) status: DialStatus,
}

impl FarEnd {
    /// What becomes of a call that may ring for `timeout` and last for `time_limit`.
    pub(super) fn course(self, timeout: Duration, time_limit: Duration) -> Course {
        /// How long a network takes to say that somebody is busy, or nobody.
        const TONE: Duration = Duration::from_secs(1);
        let (rings, talks, status) = match self {
            Self::Answers { rings, talks } if rings < timeout => {
                (rings, Some(talks.min(time_limit)), DialStatus::Completed)
            }
            Self::Answers { .. } | Self::NoAnswer => (timeout, None, DialStatus::NoAnswer),
            Self::Busy => (TONE, None, DialStatus::Busy),
            Self::Failed => (TONE, None, DialStatus::Failed),
        };
        Course { rings, talks, status }
    }
}

/// Who is called when all of `numbers` ring at once, and what becomes of it: whoever answers
/// first. Where nobody does, the one who rings longest says what came of it. Numbers that
/// `far_ends` does not have are answered.
pub(super) fn first(
    far_ends: &BTreeMap<String, FarEnd>,
    numbers: &[String],
    timeout: Duration,
    time_limit: Duration,
) -> Option<(String, Course)> {
    let course = |number: &String| {
        let far_end = far_ends.get(number).copied().unwrap_or_default();
        (number.clone(), far_end.course(timeout, time_limit))
    };
    let courses = || numbers.iter().map(course);
    let answered = courses().filter(|(_, course)| course.talks.is_some());
    answered
        .min_by_key(|(_, course)| course.rings)
        .or_else(|| courses().max_by_key(|(_, course)| course.rings))
}

/// A number and its far end, as `+15550001111=busy`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberedFarEnd {
    /// The telephone number.
    pub number: String,
    /// What becomes of calls to it.
    pub far_end: FarEnd,
}

impl FromStr for NumberedFarEnd {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const ACCEPTED: &str =
            "accepted: a number, = and answers, busy, no-answer or failed, as +15550001111=busy";
        let (number, what) = text.split_once('=').ok_or(ACCEPTED)?;
        let far_end = match what.trim() {
            "answers" => FarEnd::default(),
            "busy" => FarEnd::Busy,
            "no-answer" => FarEnd::NoAnswer,
            "failed" => FarEnd::Failed,
            _ => return Err(ACCEPTED),
        };
        Ok(Self { number: number.trim().to_owned(), far_end })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_call_rings_and_lasts_as_long_as_it_may() {
        let answers = FarEnd::Answers { rings: s(8), talks: s(60) };
        let course = |rings, talks, status| Course { rings, talks, status };
        for (far_end, timeout, expected) in [
            (answers, s(20), course(s(8), Some(s(30)), DialStatus::Completed)),
            (answers, s(8), course(s(8), None, DialStatus::NoAnswer)),
            (FarEnd::NoAnswer, s(20), course(s(20), None, DialStatus::NoAnswer)),
            (FarEnd::Busy, s(20), course(s(1), None, DialStatus::Busy)),
            (FarEnd::Failed, s(20), course(s(1), None, DialStatus::Failed)),
        ] {
            assert_eq!(far_end.course(timeout, s(30)), expected);
        }
    }

    #[test]
    fn of_several_the_first_to_answer_is_put_through() {
        let slow = FarEnd::Answers { rings: s(9), talks: s(1) };
        let far_ends = BTreeMap::from([
            ("1".to_owned(), FarEnd::Busy),
            ("2".to_owned(), slow),
            ("4".to_owned(), FarEnd::NoAnswer),
        ]);
        let first = |numbers: &[&str]| {
            let numbers: Vec<String> = numbers.iter().map(|&number| number.to_owned()).collect();
            let first = super::first(&far_ends, &numbers, s(20), s(30));
            first.map(|(number, course)| (number, course.status))
        };
        assert_eq!(first(&["1", "2", "3"]), Some(("3".to_owned(), DialStatus::Completed)));
        assert_eq!(first(&["1", "2"]), Some(("2".to_owned(), DialStatus::Completed)));
        assert_eq!(first(&["4", "1"]), Some(("4".to_owned(), DialStatus::NoAnswer)));
        assert_eq!(first(&[]), None);
    }

    #[test]
    fn a_far_end_is_read_from_an_argument() {
        let read: NumberedFarEnd = "+15550001111=no-answer".parse().unwrap();
        assert_eq!((read.number.as_str(), read.far_end), ("+15550001111", FarEnd::NoAnswer));
        assert!("+15550001111".parse::<NumberedFarEnd>().is_err());
        assert!("+15550001111=asleep".parse::<NumberedFarEnd>().unwrap_err().contains("busy"));
    }
}
