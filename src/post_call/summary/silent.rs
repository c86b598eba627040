//! What a call comes to in which the caller said nothing: that needs no model.

use serde_json::{Value, json};

use crate::agent::Agent;
use crate::private::Private;
use crate::store::{EndedCall, Findings};

/// Sums up a call without a word of the caller.
pub(super) fn findings(agent: &Agent, call: &EndedCall) -> Findings {
    let voicemail = &call.metadata.reveal()["voicemail"];
    let seconds = voicemail["seconds"].as_u64();
    let (title, summary, outcome) = match call.status.as_str() {
        "voicemail" => {
            let length = seconds.map_or(String::new(), |seconds| format!(" of {seconds} seconds"));
            let summary = format!("The caller left a recorded message{length}.");
            ("Voicemail", summary, "voicemail")
        }
        "transferred" => (
            "Put through",
            "The caller was put through and said nothing to the agent.".to_owned(),
            "transferred",
        ),
        "no-answer" => (
            "No conversation",
            "The caller did not reach anybody and left no message.".to_owned(),
            "no_conversation",
        ),
        "failed" => (
            "No conversation",
            "The call broke off before the caller said anything.".to_owned(),
            "no_conversation",
        ),
        _ => (
            "No conversation",
            "The caller said nothing that was understood.".to_owned(),
            "no_conversation",
        ),
    };
    let action_items: &[&str] = match outcome {
        "voicemail" => &["Listen to the recorded message."],
        _ => &[],
    };
    Findings {
        summary: Private::new(json!({
            "title": title, "summary": summary, "intent": "", "outcome": outcome,
            "sentiment": "neutral", "action_items": action_items, "unanswered_questions": [],
            "data_collected": [], "language": agent.settings.language, "urgent": false,
            "urgent_reason": "", "unbacked_claims": [], "model": Value::Null,
        })),
        metadata: Private::new(json!({"unbacked_claims": []})),
        appointments: Private::new(json!([])),
        tasks: Vec::new(),
    }
}
