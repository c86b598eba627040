//! What many calls come to.

use std::fmt;

use serde::Serialize;

use super::CallReport;
use crate::rehearsal::stamp::{Histogram, Summary};

/// Where measured values lie.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Spread {
    /// How many there are.
    pub count: usize,
    /// Half of them are at most this.
    pub p50: u64,
    /// 99 of 100 are at most this.
    pub p99: u64,
    /// The largest value.
    pub max: u64,
}

impl Spread {
    /// The spread of `values`, in their own unit; all zero when there are none.
    pub fn of(values: impl IntoIterator<Item = u64>) -> Self {
        let mut values: Vec<u64> = values.into_iter().collect();
        values.sort_unstable();
        let Some(&max) = values.last() else { return Self::default() };
        let at = |percent: usize| values[(values.len() * percent).div_ceil(100).max(1) - 1];
        Self { count: values.len(), p50: at(50), p99: at(99), max }
    }
}

/// Many calls in one table.
#[derive(Debug, Clone, Serialize)]
pub struct Totals {
    /// Calls that were placed.
    pub calls: usize,
    /// Of these, taken by the server.
    pub answered: usize,
    /// Not taken, or something went wrong.
    pub failed: usize,
    /// Nothing went wrong, and the agent was heard without a gap.
    pub held: usize,
    /// How often agents began to speak.
    pub replies: u64,
    /// Gaps that were heard in the middle of a reply.
    pub underruns: u64,
    /// How many `clear` messages came.
    pub clears: u64,
    /// How long the voice webhook took, microseconds.
    pub webhook_us: Spread,
    /// From the answer to the first agent audio, milliseconds.
    pub first_audio_ms: Spread,
    /// From the end of the caller's speech to the agent audio that answers it, milliseconds.
    pub turn_ms: Spread,
    /// How old stamped agent audio was when it came, from the speech service through the server
    /// to the phone, microseconds; with stamps only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine_to_phone: Option<Summary>,
}

impl Totals {
    /// Adds the reports of many calls up.
    pub fn of(reports: &[CallReport]) -> Self {
        let count = |of: fn(&CallReport) -> bool| reports.iter().filter(|call| of(call)).count();
        let sum = |of: fn(&CallReport) -> u64| reports.iter().map(of).sum();
        let mut stamps: Option<Histogram> = None;
        for histogram in reports.iter().filter_map(|call| call.stamps.as_ref()) {
            stamps.get_or_insert_default().merge(histogram);
        }
        Self {
            calls: reports.len(),
            answered: count(|call| call.answered),
            failed: count(|call| call.failed),
            held: count(|call| call.held),
            replies: sum(|call| call.replies),
            underruns: sum(|call| call.underruns),
            clears: sum(|call| call.clears),
            webhook_us: Spread::of(reports.iter().filter_map(|call| call.webhook_us)),
            first_audio_ms: Spread::of(reports.iter().filter_map(|call| call.first_audio_ms)),
            turn_ms: Spread::of(reports.iter().flat_map(|call| call.turns_ms.iter().copied())),
            engine_to_phone: stamps.map(|histogram| histogram.summary()),
        }
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { calls, answered, failed, held, replies, underruns, clears, .. } = self;
        writeln!(f, "calls {calls}, answered {answered}, failed {failed}, held {held}")?;
        writeln!(f, "replies {replies}, gaps heard {underruns}, clears {clears}")?;
        writeln!(f, "{:<28}{:>8}{:>10}{:>10}{:>10}", "milliseconds", "count", "p50", "p99", "max")?;
        let webhook = Summary {
            count: self.webhook_us.count as u64,
            p50_us: self.webhook_us.p50,
            p99_us: self.webhook_us.p99,
            max_us: self.webhook_us.max,
        };
        line_us(f, "voice webhook", webhook)?;
        for (what, spread) in
            [("answer to first audio", self.first_audio_ms), ("caller to agent", self.turn_ms)]
        {
            let Spread { count, p50, p99, max } = spread;
            writeln!(f, "{what:<28}{count:>8}{p50:>10}{p99:>10}{max:>10}")?;
        }
        match self.engine_to_phone {
            Some(summary) => line_us(f, "speech service to phone", summary),
            None => Ok(()),
        }
    }
}

fn line_us(f: &mut fmt::Formatter<'_>, what: &str, summary: Summary) -> fmt::Result {
    let [p50, p99, max] =
        [summary.p50_us, summary.p99_us, summary.max_us].map(|us| us as f64 / 1_000.0);
    writeln!(f, "{what:<28}{:>8}{p50:>10.2}{p99:>10.2}{max:>10.2}", summary.count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_names_values_that_occurred() {
        assert_eq!(
            Spread::of((1..=200).rev()),
            Spread { count: 200, p50: 100, p99: 198, max: 200 }
        );
        assert_eq!(Spread::of([7]), Spread { count: 1, p50: 7, p99: 7, max: 7 });
        assert_eq!(Spread::of([]), Spread::default());
    }
}
