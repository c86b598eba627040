//! The numbers and ids of agents that have a token of their own, whether they have been read or
//! not: what somebody asks for who is not known to be Twilio is told apart from what anybody can
//! make up. A few bytes an agent.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};

use parking_lot::RwLock;
use uuid::Uuid;

/// The most agents that are listed. One beyond is served as one that nothing is known of.
pub(super) const LISTED_MAX: u32 = 100_000;

/// The list, of hashes: a number that is taken for another one costs a question to the database.
#[derive(Debug, Default)]
pub(super) struct Listed {
    hasher: RandomState,
    known: RwLock<HashSet<u64>>,
}

impl Listed {
    /// Puts these in the place of what was listed before.
    pub(super) fn replace(&self, agents: &[(Uuid, Option<String>)]) {
        let mut known = HashSet::with_capacity(agents.len() * 2);
        for (id, number) in agents {
            known.insert(self.hasher.hash_one(id));
            known.extend(number.as_deref().map(|number| self.hasher.hash_one(number)));
        }
        *self.known.write() = known;
    }

    /// Whether this number, E.164, or this id is listed.
    pub(super) fn has(&self, whose: impl Hash) -> bool {
        let known = self.known.read();
        known.contains(&self.hasher.hash_one(whose))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_listed_is_what_was_read_last() {
        let listed = Listed::default();
        let (ada, eve) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let number = "+15559870001".to_owned();
        listed.replace(&[(ada, Some(number.clone())), (eve, None)]);
        assert!(listed.has(ada) && listed.has(eve) && listed.has(number.as_str()));
        assert!(!listed.has("+15559870002") && !listed.has(Uuid::from_u128(3)));
        listed.replace(&[(eve, None)]);
        assert!(!listed.has(ada) && !listed.has(number.as_str()) && listed.has(eve));
    }
}
