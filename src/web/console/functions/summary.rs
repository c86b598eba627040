//! What JSON in a function's form says, in words: what the agent asks for, and the steps that it follows.

use std::collections::{BTreeSet, VecDeque};

use maud::{Markup, html};
use serde_json::Value;

use super::fields::TYPES;
use crate::agent::function::Builtin;
use crate::web::console::words::short;
use crate::web::deeds;

/// So many steps or variables are told.
const TOLD_MAX: usize = 60;
/// So much of a text is told, in characters.
const TEXT_CHARACTERS: usize = 160;

/// What the agent asks the caller for, by a field's JSON; nothing where that says nothing of it.
pub(super) fn asked_for(json: &str) -> Markup {
    let read: Value = serde_json::from_str(json).unwrap_or_default();
    let variables = variables(&read);
    html! {
        @if !variables.is_empty() {
            p .quiet { "Asks for: " (variables[..variables.len().min(TOLD_MAX)].join(", ")) @if variables.len() > TOLD_MAX { ", and more" } "." }
        }
    }
}

/// `plan (text, needed)` for each of a list, or of a JSON Schema's properties.
fn variables(read: &Value) -> Vec<String> {
    let needed: Vec<&str> =
        read["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let of_schema = read["properties"].as_object().into_iter().flatten();
    let of_schema = of_schema.map(|(name, of)| variable(name, of, needed.contains(&name.as_str())));
    let of_list = read
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|of| Some(variable(of["name"].as_str()?, of, of["required"] == true)));
    of_schema.chain(of_list).collect()
}

fn variable(name: &str, of: &Value, is_needed: bool) -> String {
    let choices = choices(of);
    let kind = match of["type"].as_str() {
        _ if choices.is_some() => choices.unwrap_or_default(),
        None => "text".to_owned(),
        Some("string") => "text".to_owned(),
        Some("object") => "several parts".to_owned(),
        Some(kind) => called(kind),
    };
    let needed = if is_needed { ", needed" } else { "" };
    format!("{} ({kind}{needed})", short(name, TEXT_CHARACTERS))
}

/// What owners call a kind of value.
fn called(kind: &str) -> String {
    let known = TYPES.iter().find(|(known, _)| *known == kind);
    known.map_or_else(|| short(kind, TEXT_CHARACTERS), |(_, words)| (*words).to_owned())
}

/// `one of yes, no`.
fn choices(of: &Value) -> Option<String> {
    let list = of["enum"].as_array().or(of["choices"].as_array())?;
    let words: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
    Some(format!("one of {}", short(&words.join(", "), TEXT_CHARACTERS)))
}

/// The steps of a flow, in the order in which they come; nothing where the JSON has none.
pub(super) fn steps(start: &str, json: &str) -> Markup {
    let nodes: Value = serde_json::from_str(json).unwrap_or_default();
    let (order, unreached) = order(start, &nodes);
    html! {
        @if !order.is_empty() {
            p .hint { "What is written below, in words and in its order:" }
            ol {
                @for id in order.iter().take(TOLD_MAX) { li { b { bdi { (id) } } ": " (step(&nodes[*id])) } }
            }
            @if order.len() > TOLD_MAX { p .quiet { "And " (order.len() - TOLD_MAX) " more." } }
        }
        @if !unreached.is_empty() {
            p .note.warn { "No step leads to: " (short(&unreached.join(", "), TEXT_CHARACTERS)) "." }
        }
    }
}

/// The names of the steps: those that are gone to, and those to which nothing leads.
fn order<'n>(start: &str, nodes: &'n Value) -> (Vec<&'n str>, Vec<&'n str>) {
    let all = || nodes.as_object().into_iter().flatten();
    let (mut order, mut seen) = (Vec::new(), BTreeSet::new());
    let mut next: VecDeque<&str> = VecDeque::from([start]);
    while let Some(id) = next.pop_front() {
        let Some((id, node)) = all().find(|(known, _)| *known == id) else { continue };
        if seen.insert(id) {
            order.push(id.as_str());
            let cases = node["branch"].as_array().into_iter().flatten();
            let leads = cases.map(|case| &case["next"]).chain([&node["next"], &node["on_error"]]);
            next.extend(leads.filter_map(Value::as_str));
        }
    }
    let unreached = all().filter(|(id, _)| !seen.contains(id)).map(|(id, _)| id.as_str());
    (order, unreached.collect())
}

/// What a step does, and where it leads.
fn step(node: &Value) -> String {
    let text = |name: &str| node[name].as_str().map(|text| short(text.trim(), TEXT_CHARACTERS));
    let does = if let Some(words) = text("say") {
        format!("says “{words}”")
    } else if let Some(question) = text("ask") {
        let kind = choices(node).or_else(|| text("type").map(|kind| called(&kind)));
        let kind = kind.unwrap_or_else(|| "text".to_owned());
        format!("asks “{question}” ({kind})")
    } else if let Some(function) = text("call") {
        format!("uses “{}”", deeds::spoken(&function))
    } else if let Some(cases) = node["branch"].as_array() {
        let case = |case: &Value| {
            let (to, on) = (case["next"].as_str()?, case["if"].as_str().unwrap_or("always"));
            Some(format!("to {} if {}", short(to, TEXT_CHARACTERS), short(on, TEXT_CHARACTERS)))
        };
        let cases: Vec<String> = cases.iter().take(TOLD_MAX).filter_map(case).collect();
        let otherwise = text("next").map(|next| format!(", else to {next}"));
        return format!("goes {}{}", cases.join(", "), otherwise.unwrap_or_default());
    } else if let Some(target) = text("transfer") {
        format!("puts the caller through to {target}")
    } else if let Some(words) = text("end") {
        format!("says “{words}” and hangs up")
    } else {
        "does nothing that is known".to_owned()
    };
    let then = text("next").map(|next| format!(", then {next}")).unwrap_or_default();
    let failing = text("on_error").map(|next| format!("; if that fails, {next}"));
    format!("{does}{then}{}", failing.unwrap_or_default())
}

/// What owners call a built-in function.
pub(super) fn built_in(builtin: Builtin) -> &'static str {
    match builtin {
        Builtin::CheckAvailability => "Look for free times",
        Builtin::BookAppointment => "Book an appointment",
        Builtin::RescheduleAppointment => "Move an appointment",
        Builtin::CancelAppointment => "Cancel an appointment",
        Builtin::TransferCall => "Put the caller through",
        Builtin::TakeMessage => "Take a message",
        Builtin::SendSms => "Send a text message",
        Builtin::SearchKnowledge => "Look something up",
        Builtin::EndCall => "Hang up",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_asked_for_is_told_of_a_list_and_of_a_schema() {
        let list = json!([{"name": "code", "pattern": "^[0-9]+$", "required": true},
            {"name": "size", "type": "string", "enum": ["s", "l"]}, {"odd": 1}]);
        let told = asked_for(&list.to_string()).into_string();
        assert!(told.contains("Asks for: code (text, needed), size (one of s, l)."), "{told}");
        let schema = json!({"type": "object", "required": ["day"], "properties":
            {"day": {"type": "date"}, "guests": {"type": "integer"}}});
        let told = asked_for(&schema.to_string()).into_string();
        assert!(told.contains("day (date, needed), guests (whole number)."), "{told}");
        for nothing in ["", "{", "7", "[]", "[1]", r#"{"properties": 3}"#] {
            assert_eq!(asked_for(nothing).into_string(), "", "{nothing}");
        }
    }

    #[test]
    fn steps_are_told_in_the_order_in_which_they_come() {
        let nodes = json!({
            "bye": {"end": "Thank <you>."},
            "fork": {"branch": [{"if": "urgent == 'yes'", "next": "person"}], "next": "look"},
            "kind": {"ask": "Is it urgent?", "collect": "urgent", "type": "choice",
                "choices": ["yes", "no"], "next": "fork"},
            "look": {"call": "check_availability", "next": "bye", "on_error": "kind"},
            "lost": {"say": "Hello."},
            "person": {"transfer": "on call"},
        });
        let told = steps("kind", &nodes.to_string()).into_string();
        let lines = [
            "kind</bdi></b>: asks “Is it urgent?” (one of yes, no), then fork",
            "fork</bdi></b>: goes to person if urgent == 'yes', else to look",
            "person</bdi></b>: puts the caller through to on call",
            "look</bdi></b>: uses “Check availability”, then bye; if that fails, kind",
            "bye</bdi></b>: says “Thank &lt;you&gt;.” and hangs up",
            "No step leads to: lost.",
        ];
        let mut rest = told.as_str();
        for line in lines {
            let at = rest.find(line);
            assert!(at.is_some(), "{line}: {told}");
            rest = &rest[at.unwrap()..];
        }
        for nothing in ["", "{", "[]", "{}"] {
            assert_eq!(steps("kind", nothing).into_string(), "", "{nothing}");
        }
        assert!(steps("", r#"{"a": 1}"#).into_string().contains("leads to: a"));
    }
}
