//! Which fields a change of an agent is of, by their names alone: what the audit log may say of it.

use serde_json::Value;

use super::PartChange;

/// The fields that changes are of, without what stands in them: `name`, `settings.greeting`,
/// `business.operating_schedule`. What is below a setting may be named after people.
pub(super) fn changed_fields(parts: &[PartChange]) -> Vec<String> {
    let mut fields = Vec::new();
    for part in parts {
        // What is new or gone is that as a whole.
        let (Some(before), Some(after)) = (&part.before, &part.after) else { continue };
        match part.part.as_str() {
            "agent" => {
                let own = differing(before, after).filter(|name| *name != "settings");
                fields.extend(own.map(str::to_owned));
                let settings = differing(&before["settings"], &after["settings"]);
                fields.extend(settings.map(|name| format!("settings.{name}")));
            }
            "business" => {
                fields.extend(differing(before, after).map(|name| format!("business.{name}")));
            }
            _ => {}
        }
    }
    fields
}

/// The names of what differs between two objects.
fn differing<'v>(before: &'v Value, after: &'v Value) -> impl Iterator<Item = &'v str> {
    let names = |value: &'v Value| value.as_object().into_iter().flatten().map(|(name, _)| &**name);
    let gone = names(before).filter(move |name| after.get(name).is_none());
    names(after).chain(gone).filter(move |name| before.get(name) != after.get(name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn changed_fields_are_named_without_what_stands_in_them() {
        let part = |part: &str, before: Value, after: Value| PartChange {
            part: part.to_owned(),
            before: Some(before),
            after: Some(after),
        };
        let parts = [
            part(
                "agent",
                json!({"name": "A", "settings": {"greeting": "Hi", "transfer": {"targets": {"Ann": "1"}}}}),
                json!({"name": "B", "settings": {"transfer": {"targets": {"Bob": "2"}}}}),
            ),
            part("business", json!({"x": 1, "y": 2}), json!({"x": 1, "y": 3, "z": null})),
            part("function 1", json!({"name": "a"}), json!({"name": "b"})),
            PartChange {
                part: "agent".to_owned(),
                before: None,
                after: Some(json!({"name": "A"})),
            },
        ];
        let fields = ["name", "settings.transfer", "settings.greeting", "business.y", "business.z"];
        assert_eq!(changed_fields(&parts), fields);
    }
}
