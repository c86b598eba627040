//! What functions were given and gave is shown where the owner says so (`functions.is_shownable`), and
//! to nobody else: not of a row that is gone, and not of a run without an end, of which it is not known
//! whose it is. Whoever reads calls for people reads them through here.

use std::collections::HashSet;

use serde_json::{Value, json};
use uuid::Uuid;

use super::{Result, Store};

/// What a run of a function was given and gave, in an event or in the row of a call.
const VALUES: [&str; 2] = ["arguments", "result"];

/// Whether an event of the call `$1` of the agent `$2` has values that are not shown: `e` is the event,
/// `f` the end of its run, from [`FINISHED`].
pub(super) const IS_HIDDEN: &str = "(e.kind in ('function_called', 'function_finished')
    and (f.run is null or f.row_id is not null and not exists (select from public.functions s
        where s.assistant_id = $2 and s.id::text = f.row_id and s.is_shownable)))";

/// The ends of the runs of the call `$1`: the last one counts.
pub(super) const FINISHED: &str = "select distinct on (f.data ->> 'run')
        f.data ->> 'run' as run, f.data ->> 'row' as row_id
    from public.call_events f where f.call_log_id = $1 and f.kind = 'function_finished'
    order by f.data ->> 'run', f.epoch desc, f.seq desc";

/// Takes the values away; that there were some is said.
pub(super) fn hide(run: &mut Value) {
    let Some(fields) = run.as_object_mut() else { return };
    for name in VALUES {
        if let Some(value) = fields.get_mut(name) {
            *value = Value::Null;
        }
    }
    fields.insert("hidden".to_owned(), json!(true));
}

/// The rows that the runs in a call's `metadata` are of.
pub(super) fn rows_of(metadata: &Value) -> impl Iterator<Item = &str> {
    metadata["functions"].as_array().into_iter().flatten().filter_map(|run| run["id"].as_str())
}

/// A call's `metadata` without what is not shown; `shown` are the ids of rows that are.
pub(super) fn hide_in_metadata(metadata: &mut Value, shown: &HashSet<String>) {
    let runs = metadata.get_mut("functions").and_then(Value::as_array_mut);
    for run in runs.into_iter().flatten() {
        let is_shown = match run["id"].as_str() {
            Some(row) => shown.contains(row),
            // What every agent can do has no row.
            None => run["ok"].is_boolean(),
        };
        if !is_shown {
            hide(run);
        }
    }
}

impl Store {
    /// The ids of these agents' functions whose values their owners want shown.
    pub(super) async fn shown_rows(&self, agents: &[Uuid]) -> Result<HashSet<String>> {
        let shown = sqlx::query_scalar(
            "select id::text from public.functions where assistant_id = any($1) and is_shownable",
        );
        let shown: Vec<String> = shown.bind(agents).fetch_all(&self.pool).await?;
        Ok(shown.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_shown_is_left() {
        let run = |id: Value, ok: Value| json!({"id": id, "name": "x", "ok": ok, "arguments": {"a": 1}, "result": 2});
        let mut metadata = json!({"functions": [
            run(json!("1"), json!(true)), run(json!("2"), json!(true)), run(Value::Null, json!(false)),
            run(Value::Null, Value::Null), 7]});
        hide_in_metadata(&mut metadata, &HashSet::from(["1".to_owned()]));
        let hidden: Vec<bool> =
            (0..4).map(|n| metadata["functions"][n]["hidden"] == true).collect();
        assert_eq!(hidden, [false, true, false, true]);
        assert_eq!(metadata["functions"][0]["arguments"], json!({"a": 1}));
        assert_eq!(metadata["functions"][1]["result"], Value::Null);
        let mut odd = json!({"functions": "x"});
        hide_in_metadata(&mut odd, &HashSet::new());
        assert_eq!(odd, json!({"functions": "x"}));
    }
}
