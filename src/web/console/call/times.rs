//! How long the caller waited for each answer, as it was at their ear.

use maud::{Markup, html};
use serde_json::Value;

use super::talk::clock;
use crate::web::console::time::tenths;

/// How wide a turn's bar is with its gap, and how high the chart.
const STEP: usize = 10;
const HEIGHT: u64 = 48;
/// The most turns that are drawn.
const TURNS_MAX: usize = 400;
/// The longest wait, milliseconds: what is longer is a fault of the row.
const LONGEST_MS: u64 = 600_000;

/// When a turn began and how long its answer took, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Turn {
    started_ms: u64,
    waited_ms: u64,
}

fn turns(metadata: &Value) -> Vec<Turn> {
    let turns = metadata["turns"].as_array().into_iter().flatten();
    let read = |turn: &Value| {
        let waited_ms = turn["latency_ms"]["first_audio"].as_u64()?;
        let started_ms = turn["started_ms"].as_u64().unwrap_or_default();
        Some(Turn { started_ms, waited_ms: waited_ms.min(LONGEST_MS) })
    };
    turns.filter_map(read).take(TURNS_MAX).collect()
}

/// The middle and the longest wait, milliseconds.
fn middle_and_slowest(turns: &[Turn]) -> Option<(u64, u64)> {
    let mut waits: Vec<u64> = turns.iter().map(|turn| turn.waited_ms).collect();
    waits.sort_unstable();
    Some((*waits.get((waits.len().max(1) - 1) / 2)?, *waits.last()?))
}

/// The chart, with what it says in words.
pub(super) fn chart(metadata: &Value) -> Markup {
    let turns = turns(metadata);
    let Some((middle, slowest)) = middle_and_slowest(&turns) else { return html! {} };
    let words = format!("middle {}, slowest {}", tenths(middle), tenths(slowest));
    let (width, most) = (turns.len() * STEP, slowest.max(1));
    html! {
        h2 { "Answer times" }
        p { "How long the caller waited for an answer: " (words) "." }
        @if turns.len() > 1 {
            div .scroll tabindex="0" role="region" aria-label="Answer times, turn by turn" {
                svg .chart role="img" width=(width) height=(HEIGHT) viewBox={ "0 0 " (width) " " (HEIGHT) }
                    aria-label={ "Time to answer of " (turns.len()) " turns: " (words) } {
                    @for (n, turn) in turns.iter().enumerate() {
                        @let height = (turn.waited_ms * (HEIGHT - 2) / most).max(1);
                        rect x=(n * STEP + 1) y=(HEIGHT - height) width=(STEP - 2) height=(height) fill="currentColor" {
                            title { (clock(turn.started_ms)) ": " (tenths(turn.waited_ms)) }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(waits: &[u64]) -> Value {
        let turn = |ms: &u64| json!({"started_ms": 1, "latency_ms": {"first_audio": ms}});
        json!({"turns": waits.iter().map(turn).collect::<Vec<_>>()})
    }

    #[test]
    fn the_middle_and_the_slowest_are_named() {
        for (waits, expected) in [
            (&[900][..], Some((900, 900))),
            (&[2_100, 400, 900], Some((900, 2_100))),
            (&[1, 2, 3, 4], Some((2, 4))),
            (&[], None),
        ] {
            assert_eq!(middle_and_slowest(&turns(&of(waits))), expected);
        }
        let odd = json!({"turns": [{"latency_ms": 3}, {"latency_ms": {"first_audio": null}}, 7]});
        assert!(turns(&odd).is_empty());
    }

    #[test]
    fn the_chart_has_no_style_and_says_what_it_shows() {
        let chart = chart(&of(&[0, 900, u64::MAX])).into_string();
        assert!(
            chart.contains(
                "aria-label=\"Time to answer of 3 turns: middle 0.9 s, slowest 600.0 s\""
            )
        );
        assert!(!chart.contains("style="), "{chart}");
        assert_eq!(super::chart(&json!(null)).into_string(), "");
    }
}
