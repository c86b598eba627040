//! Whom the caller was put through to, and what came of it.

use serde_json::{Value, json};

use crate::call::TransferTarget;

/// The transfers of a call, oldest first.
#[derive(Default)]
pub(super) struct Transfers(Vec<Transfer>);

struct Transfer {
    target: TransferTarget,
    /// Whether they answered; none while nothing says so.
    answered: Option<bool>,
}

impl Transfers {
    pub(super) fn begin(&mut self, target: TransferTarget) {
        self.0.push(Transfer { target, answered: None });
    }

    pub(super) fn end(&mut self, answered: bool) {
        if let Some(last) = self.0.last_mut() {
            last.answered = Some(answered);
        }
    }

    /// Whom the caller was put through to, while nothing says how that went.
    pub(super) fn pending(&self) -> Option<&TransferTarget> {
        self.0.last().filter(|last| last.answered.is_none()).map(|last| &last.target)
    }

    /// As `metadata.transfers` has them.
    pub(super) fn rows(&self) -> Value {
        let row = |one: &Transfer| json!({"target": one.target.name, "answered": one.answered});
        self.0.iter().map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::{CallRecord, LogEvent};

    #[test]
    fn the_row_says_whom_a_caller_was_put_through_to_and_who_answered() {
        let started = |name: &str| LogEvent::TransferStarted {
            target: TransferTarget {
                name: name.to_owned(),
                number: "+15550003333".to_owned().into(),
            },
        };
        let ended = |answered| LogEvent::TransferEnded { answered };
        let mut record = CallRecord::new();
        for event in
            [started("sales"), ended(false), started("Ann"), ended(true), started("the desk")]
        {
            record.apply(9_000, &event);
        }
        assert_eq!(record.transfer().map(|target| target.name.as_str()), Some("the desk"));
        let expected = json!([{"target": "sales", "answered": false},
            {"target": "Ann", "answered": true}, {"target": "the desk", "answered": null}]);
        assert_eq!(record.metadata()["transfers"], expected);
    }
}
