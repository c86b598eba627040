//! Room that all businesses of a process share, and of which none has all: so much altogether, and so much for
//! each.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use uuid::Uuid;

/// The room.
#[derive(Debug)]
pub(super) struct Shares {
    /// How much there is altogether.
    max: u32,
    /// How much of it one business may hold. What is more by itself is for one that holds nothing.
    each: u32,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    all: u32,
    by: HashMap<Uuid, u32>,
}

/// A part that somebody holds. Dropped, it is free at once.
#[derive(Debug)]
pub(super) struct Share {
    shares: Arc<Shares>,
    of: Uuid,
    amount: u32,
}

/// Why there is no part for somebody now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoShare {
    /// The business has its share.
    Business,
    /// All of it is taken.
    All,
}

impl Shares {
    /// All of it is free.
    pub(super) fn new(max: u32, each: u32) -> Arc<Self> {
        Arc::new(Self { max, each, held: Mutex::default() })
    }

    /// Takes so much for one of these businesses: the one that holds least.
    pub(super) fn take(
        self: &Arc<Self>,
        businesses: impl IntoIterator<Item = Uuid>,
        amount: u32,
    ) -> Result<Share, NoShare> {
        let mut held = self.held.lock();
        let has = |of: &Uuid| held.by.get(of).copied().unwrap_or_default();
        let least = businesses.into_iter().map(|of| (has(&of), of)).min();
        let (has, of) = least.ok_or(NoShare::Business)?;
        if has > 0 && has.saturating_add(amount) > self.each {
            return Err(NoShare::Business);
        }
        if held.all.saturating_add(amount) > self.max {
            return Err(NoShare::All);
        }
        held.all += amount;
        held.by.insert(of, has + amount);
        Ok(Share { shares: Arc::clone(self), of, amount })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut held = self.shares.held.lock();
        held.all -= self.amount;
        if let Some(has) = held.by.get_mut(&self.of) {
            *has -= self.amount;
            if *has == 0 {
                held.by.remove(&self.of);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANNA: Uuid = Uuid::from_u128(1);
    const BEN: Uuid = Uuid::from_u128(2);
    const CARA: Uuid = Uuid::from_u128(3);

    fn refusal(taken: Result<Share, NoShare>) -> Option<NoShare> {
        taken.err()
    }

    #[test]
    fn none_has_all_of_it() {
        let shares = Shares::new(10, 4);
        let first = shares.take([ANNA], 3).unwrap();
        assert_eq!(refusal(shares.take([ANNA], 2)), Some(NoShare::Business));
        let rest = shares.take([ANNA], 1).unwrap();
        let ben = shares.take([BEN], 4).unwrap();
        assert_eq!(refusal(shares.take([CARA], 3)), Some(NoShare::All));
        drop(first);
        let cara = shares.take([CARA], 3).unwrap();
        drop((rest, ben, cara));
        assert!(shares.held.lock().by.is_empty() && shares.held.lock().all == 0);
    }

    #[test]
    fn who_works_for_several_takes_from_the_one_that_holds_least() {
        let shares = Shares::new(10, 2);
        let _full = [shares.take([ANNA], 1).unwrap(), shares.take([ANNA], 1).unwrap()];
        let of_both = shares.take([ANNA, BEN], 1).unwrap();
        assert_eq!(of_both.of, BEN);
        assert_eq!(refusal(shares.take([ANNA], 1)), Some(NoShare::Business));
        assert_eq!(refusal(shares.take([], 1)), Some(NoShare::Business));
    }

    #[test]
    fn what_is_more_than_a_share_is_for_whoever_holds_nothing() {
        let shares = Shares::new(10, 2);
        let long = shares.take([ANNA], 7).unwrap();
        assert_eq!(refusal(shares.take([ANNA], 1)), Some(NoShare::Business));
        let ben = shares.take([BEN], 2).unwrap();
        drop((long, ben));
        assert_eq!(refusal(shares.take([ANNA], 11)), Some(NoShare::All));
    }
}
