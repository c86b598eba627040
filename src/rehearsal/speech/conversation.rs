//! The conversation that the service keeps: items in order, as the client may list, add to, cut
//! and delete from them (protocols 5.3). Pure.

use serde_json::{Value, json};

use super::shape::Refusal;

/// More items than a call has; the oldest go first, as the service's own truncation does it.
const ITEMS_MAX: usize = 2_000;
const BYTES_PER_MS: u64 = 8;

/// The items of a session.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    items: Vec<Item>,
}

#[derive(Debug)]
struct Item {
    /// As it is on the wire, `id` included.
    wire: Value,
    /// The assistant's audio so far, in μ-law bytes; `None` where there is none to cut.
    audio_bytes: Option<u64>,
}

impl Item {
    fn id(&self) -> &str {
        self.wire["id"].as_str().unwrap_or_default()
    }
}

impl Conversation {
    /// The item that the next one would follow.
    pub(super) fn last_id(&self) -> Value {
        self.items.last().map_or(Value::Null, |item| item.id().into())
    }

    /// The item as it is on the wire.
    pub(super) fn get(&self, id: &str) -> Option<&Value> {
        self.items.iter().find(|item| item.id() == id).map(|item| &item.wire)
    }

    /// How many items there are.
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether the newest item is a function's output, which nothing was said to yet.
    pub(super) fn ends_with_output(&self) -> bool {
        let mut newest = self.items.iter().rev().map(|item| &item.wire);
        // System messages beside the output, such as passages, do not answer it.
        newest
            .find(|item| item["role"] != "system")
            .is_some_and(|item| item["type"] == "function_call_output")
    }

    /// The newest output of a function, if it is JSON.
    pub(super) fn output_of(&self, function: &str) -> Option<Value> {
        let of_type = |kind| {
            self.items.iter().map(|item| &item.wire).filter(move |wire| wire["type"] == kind)
        };
        let is_of = |output: &&Value| {
            of_type("function_call")
                .any(|call| call["name"] == function && call["call_id"] == output["call_id"])
        };
        let newest = of_type("function_call_output").rfind(is_of)?;
        serde_json::from_str(newest["output"].as_str()?).ok()
    }

    /// Puts the service's own item at the end; gives the id of the one before it.
    pub(super) fn append(&mut self, wire: Value) -> Value {
        let previous = self.last_id();
        let audio_bytes = (wire["role"] == "assistant").then_some(0);
        self.insert(self.items.len(), Item { wire, audio_bytes });
        previous
    }

    /// Changes one of the service's own items.
    pub(super) fn replace(&mut self, wire: Value) {
        if let Some(item) = self.items.iter_mut().find(|item| item.wire["id"] == wire["id"]) {
            item.wire = wire;
        }
    }

    /// Says how much audio one of the service's own items has now, in bytes.
    pub(super) fn set_audio(&mut self, id: &str, audio_bytes: u64) {
        // The item that grows is the newest, or nearly.
        if let Some(item) = self.items.iter_mut().rev().find(|item| item.id() == id) {
            item.audio_bytes = Some(audio_bytes);
        }
    }

    /// Takes in a client's item, to which `id` is given if it has none, behind the item that
    /// `previous` names: `None` is the end, `root` the front. Gives the item and the id before it.
    ///
    /// # Errors
    /// What is wrong with the item or the place.
    pub(super) fn create(
        &mut self,
        mut wire: Value,
        previous: Option<&str>,
        id: impl FnOnce() -> String,
    ) -> Result<(Value, Value), Refusal> {
        self.check(&wire)?;
        if wire["id"].as_str().is_none() {
            wire["id"] = id().into();
        } else if self.get(wire["id"].as_str().unwrap_or_default()).is_some() {
            return Err(refusal("item_create_duplicate_item_id", "item.id", "already exists"));
        }
        wire["object"] = "realtime.item".into();
        wire["status"] = "completed".into();
        let place = match previous {
            None => self.items.len(),
            Some("root") => 0,
            Some(id) => {
                1 + self.position(id, "item_create_invalid_previous_item_id", "previous_item_id")?
            }
        };
        let before =
            place.checked_sub(1).map_or(Value::Null, |before| self.items[before].id().into());
        self.insert(place, Item { wire: wire.clone(), audio_bytes: None });
        Ok((wire, before))
    }

    /// Deletes an item.
    ///
    /// # Errors
    /// There is none of this id.
    pub(super) fn delete(&mut self, id: &str) -> Result<(), Refusal> {
        let position = self.position(id, "item_delete_invalid_item_id", "item_id")?;
        self.items.remove(position);
        Ok(())
    }

    /// Cuts the assistant's audio; the words go, because nobody knows where they were cut.
    ///
    /// # Errors
    /// There is no such audio, or it is shorter.
    pub(super) fn truncate(&mut self, id: &str, content: u64, end_ms: u64) -> Result<(), Refusal> {
        let position = self.position(id, "item_truncate_invalid_item_id", "item_id")?;
        let item = &mut self.items[position];
        let Some(audio_bytes) = item.audio_bytes else {
            return Err(Refusal::value("item_id", "only assistant audio can be truncated"));
        };
        if content != 0 {
            return Err(Refusal::value("content_index", "the item has one part"));
        }
        let real_ms = audio_bytes / BYTES_PER_MS;
        if end_ms > real_ms {
            return Err(Refusal {
                code: "invalid_value",
                message: format!("Audio content of {real_ms}ms is already shorter than {end_ms}ms"),
                param: Some("audio_end_ms".to_owned()),
            });
        }
        item.audio_bytes = Some(end_ms * BYTES_PER_MS);
        if let Some(words) = item.wire.pointer_mut("/content/0/transcript") {
            *words = Value::Null;
        }
        Ok(())
    }

    fn insert(&mut self, place: usize, item: Item) {
        self.items.insert(place, item);
        if self.items.len() > ITEMS_MAX {
            self.items.remove(0);
        }
    }

    fn position(&self, id: &str, code: &'static str, param: &str) -> Result<usize, Refusal> {
        let found = self.items.iter().position(|item| item.id() == id);
        found.ok_or_else(|| refusal(code, param, &format!("no item '{id}' in the conversation")))
    }

    fn check(&self, item: &Value) -> Result<(), Refusal> {
        match item["type"].as_str() {
            Some("message") => check_message(item),
            Some("function_call") => {
                for field in ["name", "arguments"] {
                    require_text(item, field)?;
                }
                Ok(())
            }
            Some("function_call_output") => {
                require_text(item, "output")?;
                let call_id = require_text(item, "call_id")?;
                let is_call = |known: &Item| {
                    known.wire["type"] == "function_call" && known.wire["call_id"] == call_id
                };
                if self.items.iter().any(is_call) {
                    return Ok(());
                }
                let problem = format!("no function call '{call_id}' in the conversation");
                Err(refusal("invalid_tool_call_id", "item.call_id", &problem))
            }
            Some(other) => Err(Refusal::value("item.type", &format!("'{other}' is not supported"))),
            None => Err(Refusal::missing("item.type")),
        }
    }
}

fn check_message(item: &Value) -> Result<(), Refusal> {
    let accepted: &[&str] = match item["role"].as_str() {
        Some("user") => &["input_text", "input_audio", "input_image"],
        Some("system") => &["input_text"],
        Some("assistant") => &["output_text"],
        _ => return Err(Refusal::value("item.role", "user, system or assistant is expected")),
    };
    let Some(parts) = item["content"].as_array() else {
        return Err(Refusal::missing("item.content"));
    };
    for (index, part) in parts.iter().enumerate() {
        let kind = part["type"].as_str().unwrap_or_default();
        if !accepted.contains(&kind) {
            let param = format!("item.content[{index}].type");
            return Err(Refusal::value(&param, &format!("'{kind}' is not one of {accepted:?}")));
        }
        if kind.ends_with("_text") && !part["text"].is_string() {
            return Err(Refusal::missing(&format!("item.content[{index}].text")));
        }
    }
    Ok(())
}

fn require_text<'a>(item: &'a Value, field: &str) -> Result<&'a str, Refusal> {
    item[field].as_str().ok_or_else(|| Refusal::missing(&format!("item.{field}")))
}

fn refusal(code: &'static str, param: &str, problem: &str) -> Refusal {
    let message = format!("Invalid '{param}': {problem}.");
    Refusal { code, message, param: Some(param.to_owned()) }
}

/// The caller's item of one stretch of speech.
pub(super) fn caller_item(id: &str) -> Value {
    json!({"id": id, "object": "realtime.item", "type": "message", "status": "completed",
        "role": "user", "content": [{"type": "input_audio", "transcript": null}]})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(role: &str, kind: &str) -> Value {
        json!({"type": "message", "role": role, "content": [{"type": kind, "text": "hello"}]})
    }

    fn spoken(audio_bytes: u64) -> Conversation {
        let mut conversation = Conversation::default();
        let item = json!({"id": "item_a", "type": "message", "role": "assistant",
            "content": [{"type": "output_audio", "transcript": "Good morning"}]});
        conversation.append(item);
        conversation.set_audio("item_a", audio_bytes);
        conversation
    }

    #[test]
    fn items_go_where_the_client_wants_them() {
        let mut conversation = Conversation::default();
        let id = |id: &str| id.to_owned();
        conversation.create(text("user", "input_text"), None, || id("a")).unwrap();
        conversation.create(text("assistant", "output_text"), None, || id("b")).unwrap();
        let (item, before) =
            conversation.create(text("system", "input_text"), Some("a"), || id("c")).unwrap();
        assert_eq!(
            (&item["id"], &item["status"], before),
            (&json!("c"), &json!("completed"), json!("a"))
        );
        let front = conversation.create(text("system", "input_text"), Some("root"), || id("d"));
        assert_eq!(front.unwrap().1, Value::Null);
        let order: Vec<_> = conversation.items.iter().map(Item::id).collect();
        assert_eq!(order, ["d", "a", "c", "b"]);
    }

    #[test]
    fn bad_items_are_refused() {
        let mut conversation = spoken(0);
        let mut duplicate = text("user", "input_text");
        duplicate["id"] = "item_a".into();
        let cases = [
            (duplicate, None, "item_create_duplicate_item_id"),
            (text("user", "input_text"), Some("nobody"), "item_create_invalid_previous_item_id"),
            (text("assistant", "output_audio"), None, "invalid_value"),
            (text("assistant", "text"), None, "invalid_value"),
            (
                json!({"type": "function_call_output", "call_id": "c", "output": "{}"}),
                None,
                "invalid_tool_call_id",
            ),
            (json!({"type": "message", "role": "user"}), None, "missing_required_parameter"),
            (json!({}), None, "missing_required_parameter"),
        ];
        for (item, previous, code) in cases {
            let refused = conversation.create(item, previous, || "x".to_owned());
            assert_eq!(refused.unwrap_err().code, code);
        }
        assert_eq!(conversation.len(), 1);
    }

    #[test]
    fn truncating_erases_the_words_and_stays_within_the_audio() {
        let mut conversation = spoken(16_000);
        let too_long = conversation.truncate("item_a", 0, 2_001).unwrap_err();
        assert_eq!(too_long.param.as_deref(), Some("audio_end_ms"));
        conversation.truncate("item_a", 0, 1_200).unwrap();
        assert_eq!(conversation.get("item_a").unwrap()["content"][0]["transcript"], Value::Null);
        assert!(conversation.truncate("item_a", 0, 1_300).is_err());
        let unknown = conversation.truncate("item_b", 0, 0).unwrap_err();
        assert_eq!(unknown.code, "item_truncate_invalid_item_id");
    }

    #[test]
    fn deleting_what_is_not_there_is_an_error() {
        let mut conversation = spoken(0);
        conversation.delete("item_a").unwrap();
        assert_eq!(conversation.delete("item_a").unwrap_err().code, "item_delete_invalid_item_id");
    }
}
