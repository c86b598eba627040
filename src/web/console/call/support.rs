//! What only somebody who looks into a fault needs: folded.

use maud::{Markup, html};
use serde_json::Value;

use crate::store::call_page::CallPage;
use crate::web::console::words::short;

/// The longest value that is shown, in characters.
const VALUE_CHARACTERS: usize = 500;

/// Names and numbers of a call.
pub(super) fn details(call: &CallPage) -> Markup {
    let metadata = call.metadata.reveal();
    let mut all = vec![("Call", call.id.to_string())];
    all.extend(call.call_sid.clone().map(|sid| ("Twilio's call", sid)));
    let named = [
        ("Media streams", "stream_sids"),
        ("Engine", "engine"),
        ("Model", "model"),
        ("Ended by", "ended_by"),
        ("Why it could not go on", "fallback_reason"),
        ("Twilio's stream errors", "stream_errors"),
        ("Settings that were refused", "refused_settings"),
        ("Left out", "left_out"),
    ];
    all.extend(named.map(|(name, key)| (name, shown(&metadata[key]))));
    let usage = &metadata["usage"];
    let tokens = [&usage["input_tokens"], &usage["output_tokens"]].map(Value::as_u64);
    if let [Some(read), Some(written)] = tokens {
        all.push(("Tokens", format!("{read} read, {written} written")));
    }
    html! {
        details {
            summary { "Details for support" }
            dl #support {
                dt { "Status" } dd { bdi { (call.status) } }
                @for (name, value) in all.into_iter().filter(|(_, value)| !value.is_empty()) {
                    dt { (name) } dd { bdi { (value) } }
                }
            }
            p { button type="button" data-copy="support" { "Copy" } }
        }
    }
}

fn shown(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    };
    short(&text, VALUE_CHARACTERS)
}
