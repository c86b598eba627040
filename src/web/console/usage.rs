//! `/usage`: calls by day, and what one's plan says.

use std::sync::Arc;

use crate::web::routing::get;
use axum::Router;
use axum::extract::Query;
use jiff::ToSpan as _;
use jiff::civil::Date;
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

use super::errors::Shown;
use super::layout::{Section, Shell};
use super::time;
use crate::store::usage::{Plan, UsageDay};
use crate::web::AppState;
use crate::web::session::PageRequest;

/// Days that are shown unless said.
const DAYS: i64 = 30;
/// The most.
const DAYS_MAX: i64 = 366;

/// Its route.
pub(super) fn router() -> Router<Arc<AppState>> {
    Router::new().route("/usage", get(page))
}

/// What the page is asked with.
#[derive(Debug, Deserialize)]
struct Wanted {
    #[serde(default, deserialize_with = "crate::web::query::empty_is_none")]
    agent: Option<Uuid>,
    /// So many days, today the last.
    #[serde(default, deserialize_with = "crate::web::query::empty_is_none")]
    days: Option<i64>,
}

async fn page(PageRequest { state, viewer }: PageRequest, Query(wanted): Query<Wanted>) -> Shown {
    let store = &state.owners.store;
    let shell = Shell::of(store, viewer, wanted.agent).await?;
    let days = wanted.days.unwrap_or(DAYS).clamp(1, DAYS_MAX);
    let to = shell.now.date();
    let from = to.checked_sub((days - 1).days()).unwrap_or(to);
    let dates = (from.to_string(), to.to_string());
    let rows = store.usage_together(&shell.listed(), (&dates.0, &dates.1)).await?;
    let plan = store.plan(&shell.viewer).await?;
    let body = body(&shell, days, (from, to), &rows, &plan);
    Ok(shell.page(Some(Section::Usage), "Usage", &body))
}

fn add(total: &mut UsageDay, row: &UsageDay) {
    total.calls += row.calls;
    total.answered += row.answered;
    total.put_through += row.put_through;
    total.voicemail += row.voicemail;
    total.no_answer += row.no_answer;
    total.failed += row.failed;
    total.seconds += row.seconds;
    total.turns += row.turns;
    total.input_tokens += row.input_tokens;
    total.output_tokens += row.output_tokens;
}

fn body(
    shell: &Shell,
    days: i64,
    (from, to): (Date, Date),
    rows: &[UsageDay],
    plan: &Plan,
) -> Markup {
    let mut total = UsageDay::default();
    rows.iter().for_each(|row| add(&mut total, row));
    html! {
        h1 { "Usage" }
        p .zone { (from.strftime("%-d %b %Y").to_string()) " to " (to.strftime("%-d %b %Y").to_string()) ", days as the business has them (" (shell.zone_name()) "). Tests do not count." }
        form .filters method="get" {
            @if let Some(agent) = shell.chosen { input type="hidden" name="agent" value=(agent); }
            div {
                label for="days" { "Days" }
                select #days name="days" {
                    @for choice in [7, 30, 90, 365] { option value=(choice) selected[choice == days] { "Last " (choice) } }
                }
            }
            button type="submit" { "Show" }
        }
        @if total.calls == 0 {
            p .empty { "No calls in this time. A call appears here as soon as it is over." }
        } @else {
            p {
                strong { (total.calls) @if total.calls == 1 { " call" } @else { " calls" } }
                " · " (time::length(total.seconds)) " · " (total.answered) " answered · " (total.put_through) " put through · "
                (total.voicemail) " left a recorded message · " (total.no_answer) " missed · " (total.failed) " broke off"
            }
            (table(rows, to))
            p .quiet {
                "The speech service bills by tokens: " (grouped(total.input_tokens)) " in and "
                (grouped(total.output_tokens)) " out. What that costs is on its bill."
            }
        }
        (plan_of(plan))
    }
}

fn table(rows: &[UsageDay], today: Date) -> Markup {
    let most = rows.iter().map(|row| row.calls).max().unwrap_or(1).max(1);
    html! {
        div .scroll tabindex="0" role="region" aria-label="Calls by day" {
            table .days {
                thead { tr {
                    th scope="col" { "Day" } th .wide scope="col" { span .hidden { "How many calls" } } th .number scope="col" { "Calls" }
                    th .number scope="col" { "Time" }
                    @for name in ["Answered", "Put through", "Recorded message", "Missed", "Broke off"] { th .number .wide scope="col" { (name) } }
                    th .number scope="col" { "Time to answer" }
                } }
                tbody {
                    @for row in rows {
                        @let day = day(&row.day, today);
                        tr {
                            th scope="row" { time datetime=(row.day) { (day) } p .narrow { (outcomes(row)) } }
                            td .wide { progress max=(most) value=(row.calls) aria-label={ (row.calls) " calls on " (day) } {} }
                            td .number { (row.calls) } td .number { (time::length(row.seconds)) }
                            @for count in [row.answered, row.put_through, row.voicemail, row.no_answer, row.failed] {
                                td .number .wide { (count) }
                            }
                            td .number { @match row.median_answer_ms { Some(ms) => (time::tenths(u64::try_from(ms).unwrap_or_default())), None => "–" } }
                        }
                    }
                }
            }
        }
    }
}

/// What came of a day's calls, where there is no room for a column each: `9 answered, 1 recorded message`.
fn outcomes(row: &UsageDay) -> String {
    let words = [
        (row.answered, "answered"),
        (row.put_through, "put through"),
        (row.voicemail, "recorded message"),
        (row.no_answer, "missed"),
        (row.failed, "broke off"),
    ];
    let some = words.iter().filter(|(count, _)| *count > 0);
    some.map(|(count, what)| format!("{count} {what}")).collect::<Vec<_>>().join(", ")
}

/// `Mon 30 Nov`, with the year where it is another one.
fn day(day: &str, today: Date) -> String {
    match day.parse::<Date>() {
        Ok(date) if date.year() == today.year() => date.strftime("%a %-d %b").to_string(),
        Ok(date) => date.strftime("%a %-d %b %Y").to_string(),
        Err(_) => day.to_owned(),
    }
}

/// `13,990`.
fn grouped(count: i64) -> String {
    let digits = count.unsigned_abs().to_string();
    let mut grouped = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

fn plan_of(plan: &Plan) -> Markup {
    html! {
        h2 { "Your plan" }
        @if plan.mode.is_none() && plan.agents_allowed <= 0 {
            p .quiet { "You have no plan, and no limit on agents." }
        } @else {
            dl {
                @if let Some(mode) = &plan.mode { dt { "Plan" } dd { (mode) @if plan.is_trial { " (trial)" } } }
                dt { "Agents" } dd { (plan.agents) " of " (plan.agents_allowed) }
                @if plan.mode.is_some() {
                    dt { "Credits" } dd { (plan.credits) " of " (plan.credits_allowed) ". A call is never cut off for want of them." }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_counts_are_as_people_write_them() {
        let today = Date::constant(2026, 11, 30);
        assert_eq!(day("2026-11-30", today), "Mon 30 Nov");
        assert_eq!(day("2025-11-30", today), "Sun 30 Nov 2025");
        assert_eq!(day("odd", today), "odd");
        let counts = [0, 999, 13_990, 1_000_000].map(grouped);
        assert_eq!(counts, ["0", "999", "13,990", "1,000,000"]);
        let row = UsageDay { answered: 9, voicemail: 1, ..UsageDay::default() };
        assert_eq!(outcomes(&row), "9 answered, 1 recorded message");
    }
}
