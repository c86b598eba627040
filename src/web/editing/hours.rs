//! Hours that nobody means: two times of a day that overlap. Rows that have such hours are read as before;
//! what is written anew is refused.

use serde_json::Value;

use crate::agent::hours::{Hours, Written, WrittenDay};
use crate::agent::{Agent, AgentSource, BusinessSource};
use crate::web::problem::{FieldError, Problem};

const SCHEDULE: &str = "business.operating_schedule";
const DAYS: [&str; 7] =
    ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// Looks at the days that `after` has otherwise than `before`.
///
/// # Errors
/// [`Problem`]: the days of which two times overlap.
pub(super) fn check(before: &Value, after: &Value) -> Result<(), Problem> {
    if before == after {
        return Ok(());
    }
    let (before, after) = (read(before), read(after));
    let mut wrong = Vec::new();
    let week = DAYS.iter().zip(before.week()).zip(after.week());
    for ((day, before), after) in week {
        if before != after {
            wrong.extend(overlap(day, &after));
        }
    }
    let known = before.dates();
    for day in after.dates().iter().filter(|day| !known.contains(day)) {
        let name = match day.0 {
            WrittenDay::On(date) => date.to_string(),
            WrittenDay::Yearly(month, day) => format!("{month:02}-{day:02}"),
        };
        wrong.extend(overlap(&format!("exceptions.{name}"), &day.1));
    }
    Problem::all_invalid(wrong).map_or(Ok(()), Err)
}

fn read(schedule: &Value) -> Hours {
    let business =
        BusinessSource { operating_schedule: Some(schedule.clone()), ..BusinessSource::default() };
    Agent::new(AgentSource { business: Some(business), ..AgentSource::default() }).hours
}

fn overlap(day: &str, written: &Written) -> Option<FieldError> {
    let Written::Known(ranges) = written else { return None };
    let mut pairs = ranges
        .iter()
        .enumerate()
        .flat_map(|(n, one)| ranges[..n].iter().map(move |two| (two, one)));
    let clock = |at: u16| format!("{:02}:{:02}", at / 60 % 24, at % 60);
    let said = |range: &(u16, u16)| format!("{}-{}", clock(range.0), clock(range.1));
    let (one, other) = pairs.find(|(one, other)| one.0 < other.1 && other.0 < one.1)?;
    let (one, other) = (said(one), said(other));
    let detail = format!("{one} and {other} overlap; accepted are times of a day that do not");
    Some(FieldError { field: format!("{SCHEDULE}.{day}"), detail })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn times_that_overlap_are_refused_where_they_are_new() {
        let range = |open: &str, close: &str| json!({"open": open, "close": close});
        let odd = json!([range("08:00", "17:00"), range("16:00", "19:00")]);
        let fields = |before: &Value, after: &Value| {
            let refused = check(before, after).unwrap_err();
            (refused.field.unwrap_or_default(), refused.detail.unwrap_or_default())
        };
        let week = json!({"wednesday": odd});
        let (field, why) = fields(&Value::Null, &week);
        assert_eq!(field, "business.operating_schedule.wednesday");
        assert!(why.starts_with("08:00-17:00 and 16:00-19:00 overlap"), "{why}");
        let dated = json!({"exceptions": {"2026-12-24": odd, "01-02": odd}});
        assert_eq!(fields(&week, &dated).0, "business.operating_schedule.exceptions.2026-12-24");
        let more = json!({"wednesday": odd, "thursday": [range("09:00", "12:00")]});
        assert!(check(&week, &more).is_ok(), "what is stored may stay");
        // A night, and a day in two parts.
        let night = json!({"monday": [range("18:00", "02:00"), range("09:00", "12:00")],
            "tuesday": [range("09:00", "12:00"), range("12:00", "13:00")], "friday": "closed"});
        assert!(check(&Value::Null, &night).is_ok());
    }
}
