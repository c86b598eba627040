//! One list at a time is taken away by each person, and a few by all people of a business.

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;
use uuid::Uuid;

use super::shares::{Share, Shares};

/// How many of the lists that are taken away may be of one business: each reads one page after another.
const OF_BUSINESS: u32 = 3;

/// Who takes a list away now.
#[derive(Debug)]
pub(super) struct Exports {
    people: Mutex<HashSet<Uuid>>,
    shares: Arc<Shares>,
}

/// Somebody's turn; dropped, they may take another.
#[derive(Debug)]
pub(super) struct Turn {
    exports: Arc<Exports>,
    person: Uuid,
    _share: Share,
}

impl Exports {
    /// Nobody takes one.
    pub(super) fn new() -> Arc<Self> {
        let shares = Shares::new(u32::MAX, OF_BUSINESS);
        Arc::new(Self { people: Mutex::default(), shares })
    }

    /// This person's turn with a list of these businesses' calls, unless they have one, or others of the
    /// businesses have enough.
    pub(super) fn turn(
        self: &Arc<Self>,
        person: Uuid,
        businesses: impl IntoIterator<Item = Uuid>,
    ) -> Option<Turn> {
        let mut people = self.people.lock();
        if people.contains(&person) {
            return None;
        }
        let share = self.shares.take(businesses, 1).ok()?;
        people.insert(person);
        Some(Turn { exports: Arc::clone(self), person, _share: share })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut people = self.exports.people.lock();
        people.remove(&self.person);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_one_turn_at_a_time() {
        let exports = Exports::new();
        let (anna, ben) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let business = [Uuid::from_u128(9)];
        let turn = exports.turn(anna, business).unwrap();
        assert!(exports.turn(anna, business).is_none());
        assert!(exports.turn(ben, business).is_some());
        drop(turn);
        assert!(exports.turn(anna, business).is_some());
    }

    #[test]
    fn a_business_leaves_others_theirs() {
        let exports = Exports::new();
        let person = |n| Uuid::from_u128(n);
        let (business, other) = ([Uuid::from_u128(90)], [Uuid::from_u128(91)]);
        let turns: Vec<_> = (0..3).map(|n| exports.turn(person(n), business).unwrap()).collect();
        assert!(exports.turn(person(3), business).is_none());
        let theirs = exports.turn(person(3), other).unwrap();
        drop((turns, theirs));
        assert!(exports.turn(person(3), business).is_some());
    }
}
