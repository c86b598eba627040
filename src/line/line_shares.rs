//! Who may have one more line once lines are scarce: no business takes what all share.

use std::time::Duration;

use uuid::Uuid;

use crate::clock::Stopwatch;

/// A business whose last call is longer ago is not reckoned with.
const LATELY: Duration = Duration::from_secs(24 * 3600);

/// How many lines are taken.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Taken {
    /// By all.
    pub(super) all: usize,
    /// By the business that wants one more.
    pub(super) own: usize,
}

impl Taken {
    /// Whether half of the lines are taken.
    pub(super) fn is_scarce(self, lines: usize) -> bool {
        self.all * 2 >= lines
    }

    /// Whether three quarters of the lines are taken.
    pub(super) fn is_last_quarter(self, lines: usize) -> bool {
        self.all * 4 >= lines * 3
    }

    /// Whether a business has its part while others are about: who has half of the lines leaves the last
    /// tenth to those that have fewer. Nobody else about, it may have all; of fewer than ten, too: a free
    /// line that no caller gets helps nobody.
    pub(super) fn is_share_taken(self, lines: usize, are_others_about: bool) -> bool {
        let others = are_others_about || self.all > self.own;
        let is_last_tenth = self.all + lines / 10 >= lines;
        others && is_last_tenth && self.own * 2 >= lines
    }
}

/// The two businesses that had calls last: whoever asks, one of them is another.
#[derive(Debug, Default)]
pub(super) struct LastBusinesses([Option<(Uuid, Stopwatch)>; 2]);

impl LastBusinesses {
    /// A call of this business comes in, taken or not. Whether another one had a call lately.
    pub(super) fn note(&mut self, owner: Uuid) -> bool {
        let [last, before] = &mut self.0;
        if last.as_ref().is_some_and(|(known, _)| *known != owner) {
            *before = last.take();
        }
        *last = Some((owner, Stopwatch::start()));
        before.as_ref().is_some_and(|(_, since)| since.elapsed() < LATELY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANNA: Uuid = Uuid::from_u128(1);
    const BEN: Uuid = Uuid::from_u128(2);
    const CARA: Uuid = Uuid::from_u128(3);

    #[test]
    fn a_business_leaves_the_last_lines_to_others_while_they_are_about() {
        for (own, all, lines, others, expected) in [
            (19, 19, 20, false, false),
            (17, 17, 20, true, false),
            (18, 18, 20, true, true),
            (17, 18, 20, false, true),
            (9, 18, 20, true, false),
            (10, 18, 20, true, true),
            (0, 19, 20, true, false),
            // Of few lines none is kept.
            (8, 8, 9, true, false),
            (0, 0, 1, true, false),
        ] {
            let taken = Taken { all, own };
            assert_eq!(taken.is_share_taken(lines, others), expected, "{own} of {all} of {lines}");
        }
        assert!(Taken { all: 15, own: 0 }.is_last_quarter(20));
        assert!(!Taken { all: 14, own: 14 }.is_last_quarter(20));
        assert!(Taken { all: 5, own: 0 }.is_scarce(10) && !Taken { all: 4, own: 4 }.is_scarce(10));
    }

    #[test]
    fn whether_another_business_had_calls_is_known() {
        let mut last = LastBusinesses::default();
        assert!(!last.note(ANNA) && !last.note(ANNA));
        assert!(last.note(BEN) && last.note(BEN) && last.note(ANNA));
        assert!(last.note(CARA) && last.note(CARA) && last.note(BEN));
    }
}
