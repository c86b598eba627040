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

    /// Whether a business has its part, half of the lines: where others are about, the other half is
    /// theirs, so that who holds none finds one. Nobody else about, it may have all.
    pub(super) fn is_share_taken(self, lines: usize, are_others_about: bool) -> bool {
        let others = are_others_about || self.all > self.own;
        others && self.own >= lines.div_ceil(2)
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
    fn a_business_has_half_of_the_lines_while_others_are_about() {
        for (own, all, others, expected) in [
            (9, 9, false, false),
            (5, 5, true, true),
            (4, 4, true, false),
            (5, 6, false, true),
            (0, 9, true, false),
        ] {
            assert_eq!(Taken { all, own }.is_share_taken(10, others), expected, "{own} of {all}");
        }
        // The one line that there is.
        assert!(!Taken::default().is_share_taken(1, true));
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
