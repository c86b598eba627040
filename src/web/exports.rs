//! One list at a time is taken away by each person.

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;
use uuid::Uuid;

/// Who takes a list away now.
#[derive(Debug, Default)]
pub(super) struct Exports(Mutex<HashSet<Uuid>>);

/// Somebody's turn; dropped, they may take another.
#[derive(Debug)]
pub(super) struct Turn {
    exports: Arc<Exports>,
    person: Uuid,
}

impl Exports {
    /// This person's turn, unless they have one.
    pub(super) fn turn(self: &Arc<Self>, person: Uuid) -> Option<Turn> {
        let mut people = self.0.lock();
        people.insert(person).then(|| Turn { exports: Arc::clone(self), person })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut people = self.exports.0.lock();
        people.remove(&self.person);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_one_turn_at_a_time() {
        let exports = Arc::<Exports>::default();
        let (anna, ben) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let turn = exports.turn(anna).unwrap();
        assert!(exports.turn(anna).is_none());
        assert!(exports.turn(ben).is_some());
        drop(turn);
        assert!(exports.turn(anna).is_some());
    }
}
