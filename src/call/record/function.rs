//! One run of a function, as it was written down: the row's, and what a new engine session is told.

use serde_json::{Value, json};

use super::Line;
use crate::call::Role;
use crate::call::functions::{END_CALL, SEARCH_KNOWLEDGE, returned};

/// The most that a new engine session is told of an output, in bytes.
const HISTORY_OUTPUT: usize = 1_000;

/// One run of a function.
pub(crate) struct FunctionRecord {
    pub(super) turn: Option<u32>,
    /// What the model called.
    pub(crate) name: String,
    /// With what; a string when that was not JSON.
    pub(crate) arguments: Value,
    pub(super) row: Option<String>,
    /// What came of it, if that is known.
    pub(crate) outcome: Option<FunctionOutcome>,
}

/// What came of a function.
pub(crate) struct FunctionOutcome {
    /// Whether it did what was asked.
    pub(crate) ok: bool,
    /// What the model was told; a string when it was not JSON.
    pub(crate) result: Value,
    pub(super) took_ms: u64,
    pub(super) at_ms: u64,
}

impl FunctionRecord {
    /// As `metadata.functions` has it; what was not known to finish has no result.
    pub(super) fn row(&self) -> Value {
        let outcome = self.outcome.as_ref();
        json!({
            "id": self.row,
            "name": self.name,
            "arguments": self.arguments,
            "ok": outcome.map(|outcome| outcome.ok),
            "ms": outcome.map(|outcome| outcome.took_ms),
            "result": outcome.map(|outcome| &outcome.result),
        })
    }

    /// What a new engine session is told of it. A wish to end the call that came to nothing says
    /// nothing about what was done.
    pub(super) fn line(&self) -> Option<Line> {
        let outcome = self.outcome.as_ref().filter(|_| self.name != END_CALL)?;
        let mut output = outcome.result.to_string();
        output.truncate(output.floor_char_boundary(HISTORY_OUTPUT));
        let text = returned(&self.name, &output);
        Some(Line { started_ms: outcome.at_ms, turn: self.turn, role: Role::System, text })
    }

    /// Whether it did what was asked and that may have been what the caller asked about.
    pub(super) fn did_more_than_look(&self) -> bool {
        self.outcome.as_ref().is_some_and(|outcome| outcome.ok) && self.name != SEARCH_KNOWLEDGE
    }
}
