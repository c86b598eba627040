//! What differs between two documents, field by field.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// A field before and after.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(in crate::web) struct FieldChange {
    /// Where it is, such as `settings.limits.call_seconds`.
    pub(in crate::web) field: String,
    /// Before; null if it was not there.
    #[schema(value_type = Value)]
    pub(in crate::web) before: Value,
    /// After; null if it is removed.
    #[schema(value_type = Value)]
    pub(in crate::web) after: Value,
}

/// The fields that differ. Objects are looked into; a list is one value.
pub(in crate::web) fn changes(before: &Value, after: &Value) -> Vec<FieldChange> {
    let mut found = Vec::new();
    walk(&mut Vec::new(), before, after, &mut found);
    found
}

fn walk<'v>(
    path: &mut Vec<&'v str>,
    before: &'v Value,
    after: &'v Value,
    found: &mut Vec<FieldChange>,
) {
    const NULL: Value = Value::Null;
    if before == after {
        return;
    }
    let is_object = |value: &Value| value.is_object() || value.is_null();
    if (before.is_object() || after.is_object()) && is_object(before) && is_object(after) {
        let fields =
            |value: &'v Value| value.as_object().into_iter().flatten().map(|(name, _)| name);
        let in_before = |name: &&String| before.get(name.as_str()).is_none();
        for name in fields(before).chain(fields(after).filter(in_before)) {
            path.push(name);
            let at = |value: &'v Value| value.get(name.as_str()).unwrap_or(&NULL);
            walk(path, at(before), at(after), found);
            path.pop();
        }
        return;
    }
    found.push(FieldChange { field: path.join("."), before: before.clone(), after: after.clone() });
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_differs_is_found_field_by_field() {
        let before = json!({"name": "A", "settings": {"a": {"b": 1, "c": [1]}}, "same": {}});
        let after =
            json!({"name": "B", "settings": {"a": {"c": [1, 2]}, "d": {"e": "x"}}, "same": {}});
        let found = changes(&before, &after);
        let found: Vec<String> = found
            .iter()
            .map(|one| format!("{}: {} -> {}", one.field, one.before, one.after))
            .collect();
        assert_eq!(
            found,
            [
                r#"name: "A" -> "B""#,
                "settings.a.b: 1 -> null",
                "settings.a.c: [1] -> [1,2]",
                r#"settings.d.e: null -> "x""#,
            ]
        );
        assert!(changes(&before, &before).is_empty());
    }
}
