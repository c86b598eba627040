//! What the language service says of a call: the one shape that is taken, and its limits.

use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::claims::Claim;
use crate::agent::schema::Schema;

/// The shape, as it is asked for and as it is checked.
pub(super) static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let schema = serde_json::from_str(include_str!("../summary_schema.json"));
    Schema::new(schema.expect("a test reads the schema")).expect("a test admits the schema")
});

/// The longest text that is kept, in characters, and the longest list.
const TEXT_CHARACTERS: usize = 2_000;
const ITEMS_MAX: usize = 50;

/// Why an answer cannot be used. Nothing of it is in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// It is not JSON.
    #[error("summary: the answer is not JSON")]
    NotJson,
    /// It is of another shape.
    #[error("summary: the answer is not of the shape that was asked for")]
    Shape,
}

/// An answer of the right shape.
#[derive(Debug, Deserialize)]
pub(super) struct Answer {
    title: String,
    summary: String,
    intent: String,
    outcome: String,
    sentiment: String,
    action_items: Vec<String>,
    unanswered_questions: Vec<String>,
    data_collected: Vec<Datum>,
    language: String,
    urgent: bool,
    urgent_reason: String,
    /// Appointments that are said to have been spoken of.
    pub(super) appointments: Vec<Proposed>,
    /// What the agent is said to have said that it did.
    pub(super) claims: Vec<Claim>,
}

#[derive(Debug, Deserialize)]
struct Datum {
    name: String,
    value: String,
}

/// An appointment that was spoken of. Lines are named by their number, from 1; 0 is none.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Proposed {
    pub(super) name: String,
    pub(super) service: String,
    pub(super) date: String,
    pub(super) time: String,
    pub(super) notes: String,
    /// Where one of the two proposes it.
    pub(super) offer_line: i64,
    /// Where the other answers.
    pub(super) answer_line: i64,
    pub(super) day_line: i64,
    pub(super) time_line: i64,
    /// Where it is taken back.
    pub(super) retracted_line: i64,
    pub(super) verdict: Verdict,
}

/// What became of an appointment that was spoken of, as the model has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    /// One proposed it and the other accepted.
    Agreed,
    /// One side offered a time, and nobody answered.
    Offered,
    /// The other did not want it, or it could not be had.
    Refused,
    /// It was accepted, and taken back later in the call.
    Retracted,
    /// The words do not say.
    Unclear,
}

impl Answer {
    /// Reads an answer.
    ///
    /// # Errors
    /// If it is not of the shape that was asked for.
    pub(super) fn read(said: &str) -> Result<Self, AnswerError> {
        let answer: Value = serde_json::from_str(said).map_err(|_| AnswerError::NotJson)?;
        if !SCHEMA.check(&answer).is_empty() {
            return Err(AnswerError::Shape);
        }
        serde_json::from_value(answer).map_err(|_| AnswerError::Shape)
    }

    /// What goes into `call_logs.summary`.
    pub(super) fn summary(&self) -> Map<String, Value> {
        let data = self.data_collected.iter().take(ITEMS_MAX);
        let data: Vec<Value> = data
            .map(|datum| json!({"name": text(&datum.name), "value": text(&datum.value)}))
            .collect();
        let fields = [
            ("title", json!(text(&self.title))),
            ("summary", json!(text(&self.summary))),
            ("intent", json!(text(&self.intent))),
            ("outcome", json!(self.outcome)),
            ("sentiment", json!(self.sentiment)),
            ("action_items", texts(&self.action_items)),
            ("unanswered_questions", texts(&self.unanswered_questions)),
            ("data_collected", json!(data)),
            ("language", json!(text(&self.language))),
            ("urgent", json!(self.urgent)),
            ("urgent_reason", json!(text(&self.urgent_reason))),
        ];
        fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// A text of at most so many characters.
pub(super) fn text(text: &str) -> String {
    text.trim().chars().take(TEXT_CHARACTERS).collect()
}

fn texts(texts: &[String]) -> Value {
    texts.iter().filter(|one| !one.trim().is_empty()).take(ITEMS_MAX).map(|one| text(one)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> Value {
        json!({"title": " A cleaning ", "summary": "s".repeat(3_000), "intent": "", "outcome": "resolved",
            "sentiment": "neutral", "action_items": ["Call back", " "], "unanswered_questions": [],
            "data_collected": [{"name": "full_name", "value": "Maria"}], "language": "en",
            "urgent": true, "urgent_reason": " A tooth is out ",
            "appointments": [], "claims": [{"kind": "booked", "line": 2, "quote": "You are booked"}]})
    }

    /// OpenAI's strict mode takes a schema only if each object names all its fields as required
    /// and allows no others (platform.openai.com/docs/guides/structured-outputs).
    #[test]
    fn the_schema_is_one_that_strict_output_takes() {
        fn check(schema: &Value) {
            if schema["type"] == "object" {
                assert_eq!(schema["additionalProperties"], false);
                let fields = schema["properties"].as_object().unwrap();
                let required: Vec<&str> = schema["required"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .filter_map(Value::as_str)
                    .collect();
                assert_eq!(required.len(), fields.len());
                assert!(fields.keys().all(|name| required.contains(&name.as_str())));
                fields.values().for_each(check);
            }
            if schema["type"] == "array" {
                check(&schema["items"]);
            }
        }
        check(SCHEMA.json());
    }

    #[test]
    fn an_answer_is_kept_within_limits() {
        let summary = Answer::read(&answer().to_string()).unwrap().summary();
        assert_eq!(summary["title"], "A cleaning");
        assert_eq!(summary["summary"].as_str().unwrap().len(), TEXT_CHARACTERS);
        assert_eq!(summary["action_items"], json!(["Call back"]));
        assert_eq!(summary["data_collected"], json!([{"name": "full_name", "value": "Maria"}]));
        assert_eq!(
            (&summary["urgent"], &summary["urgent_reason"]),
            (&json!(true), &json!("A tooth is out"))
        );
        assert!(!summary.contains_key("claims") && !summary.contains_key("appointments"));
    }

    #[test]
    fn what_has_another_shape_is_refused() {
        assert_eq!(Answer::read("Sure! Here is").unwrap_err(), AnswerError::NotJson);
        let changes: [fn(&mut Value); 6] = [
            |a| a["outcome"] = json!("great"),
            |a| a["summary"] = Value::Null,
            |a| drop(a.as_object_mut().unwrap().remove("title")),
            |a| a["more"] = json!(1),
            |a| a["urgent"] = json!("very"),
            |a| a["claims"] = json!([{"kind": "booked"}]),
        ];
        for change in changes {
            let mut answer = answer();
            change(&mut answer);
            assert_eq!(
                Answer::read(&answer.to_string()).unwrap_err(),
                AnswerError::Shape,
                "{answer}"
            );
        }
    }
}
