//! Asks about one appointment alone, with only the lines that it hangs on: whoever sums a whole call
//! up finds more than was settled. Only a plain yes lets it be written.

use std::sync::LazyLock;
use std::time::Duration;

use jiff::Zoned;
use serde::Deserialize;
use serde_json::{Value, json};

use super::appointments::Candidate;
use super::ask::{Chat, Question};
use super::transcript::Transcript;
use crate::agent::schema::Schema;

/// So many lines before and behind the proposal and its answer are shown.
const LINES_AROUND: i64 = 6;
/// A short answer to few lines. With the summary's time it is less than an attempt of the job has.
const LIMIT: Duration = Duration::from_secs(20);
const INSTRUCTIONS: &str = include_str!("../second_look.md");

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let schema = json!({
        "type": "object", "additionalProperties": false,
        "required": ["settled", "contradicting_line"],
        "properties": {
            "settled": {"type": "string", "enum": ["yes", "no", "unclear"],
                "description": "Whether the two have settled on this day and this time."},
            "contradicting_line": {"type": "integer",
                "description": "The number of a line that speaks against it; 0 if none does."},
        },
    });
    Schema::new(schema).expect("a test admits the schema")
});

#[derive(Deserialize)]
struct Answer {
    settled: Settled,
    contradicting_line: i64,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Settled {
    Yes,
    No,
    Unclear,
}

/// Why the appointment is not written after all, if so. A service that does not answer costs nobody
/// the summary, which it has given already: the owner finds a proposal.
pub(super) async fn objection(
    chat: &Chat,
    transcript: &Transcript,
    began: &Zoned,
    candidate: &Candidate,
) -> Option<&'static str> {
    let record = record(transcript, began, candidate).to_string();
    let question = Question { name: "appointment", schema: &SCHEMA, limit: LIMIT };
    match chat.ask(&question, INSTRUCTIONS.to_owned(), record).await {
        Ok(answer) => read(&answer),
        Err(error) => {
            tracing::warn!(%error, "an appointment could not be looked at again");
            Some("a second look gave no answer")
        }
    }
}

fn read(answer: &str) -> Option<&'static str> {
    let answer: Option<Value> = serde_json::from_str(answer).ok();
    let answer = answer.filter(|answer| SCHEMA.check(answer).is_empty());
    match answer.and_then(|answer| serde_json::from_value(answer).ok()) {
        Some(Answer { settled: Settled::Yes, contradicting_line: 0 }) => None,
        Some(Answer { settled: Settled::Yes | Settled::No, .. }) => {
            Some("a second look found something against it")
        }
        Some(Answer { settled: Settled::Unclear, .. }) => Some("a second look found it unclear"),
        None => Some("a second look gave no answer"),
    }
}

/// What is asked about: when the call was, the appointment, and the lines.
fn record(transcript: &Transcript, began: &Zoned, candidate: &Candidate) -> Value {
    let [offer, answer, day, time] = candidate.lines;
    let shown = offer - LINES_AROUND..=answer + LINES_AROUND;
    let mut places: Vec<usize> = shown
        .chain([day, time])
        .filter_map(|number| usize::try_from(number).ok()?.checked_sub(1))
        .collect();
    places.sort_unstable();
    places.dedup();
    let local = candidate.local;
    json!({
        "call_began": began.strftime("%A %Y-%m-%d %H:%M").to_string(),
        "appointment": {"weekday": local.strftime("%A").to_string(),
            "date": local.date().to_string(), "time": local.strftime("%H:%M").to_string()},
        "transcript": transcript.told_of(places.into_iter()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_yes_is_one() {
        let against = Some("a second look found something against it");
        let none = Some("a second look gave no answer");
        for (answer, expected) in [
            (r#"{"settled": "yes", "contradicting_line": 0}"#, None),
            (r#"{"settled": "yes", "contradicting_line": 4}"#, against),
            (r#"{"settled": "yes", "contradicting_line": -1}"#, against),
            (r#"{"settled": "no", "contradicting_line": 0}"#, against),
            (
                r#"{"settled": "unclear", "contradicting_line": 0}"#,
                Some("a second look found it unclear"),
            ),
            (r#"{"settled": "yes"}"#, none),
            (r#"{"settled": "Yes", "contradicting_line": 0}"#, none),
            (r#"{"settled": true, "contradicting_line": 0}"#, none),
            ("yes", none),
        ] {
            assert_eq!(read(answer), expected, "{answer}");
        }
    }
}
