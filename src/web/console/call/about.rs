//! What a call came to: the summary first, then what has to be looked at.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use maud::{Markup, html};
use serde_json::Value;

use super::proposal::{self, Spoken};
use crate::call::question_key;
use crate::post_call::tasks::{claimed, says_whole};
use crate::store::call_page::CallPage;
use crate::store::{TaskKind, TaskRow, TaskVerdict};
use crate::twilio::rest::KeptMessage;
use crate::web::console::{tasks, words};

/// A list in a JSON value; nothing where there is none.
pub(super) fn list<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    value[name].as_array().into_iter().flatten()
}

/// A text in a JSON value; empty where there is none.
pub(super) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default().trim()
}

/// The caller's name, where they said it.
pub(super) fn caller_name(summary: &Value) -> &str {
    let names = ["full_name", "name", "caller_name", "caller"];
    let datum = list(summary, "data_collected").find(|datum| names.contains(&text(datum, "name")));
    datum.map(|datum| text(datum, "value")).unwrap_or_default()
}

/// The summary, or why there is none.
pub(super) fn summary(call: &CallPage, zone: &TimeZone) -> Markup {
    let summary = call.summary.reveal();
    let words = match summary {
        Value::String(words) => words.trim(),
        other => Some(text(other, "summary"))
            .filter(|words| !words.is_empty())
            .unwrap_or(text(other, "text")),
    };
    let title = text(summary, "title");
    if words.is_empty() && title.is_empty() {
        return html! { p .quiet { (no_summary(call, zone)) } };
    }
    let urgent = text(summary, "urgent_reason");
    html! {
        section .card aria-labelledby="summary" {
            h2 #summary { @if title.is_empty() { "Summary" } @else { bdi { (title) } } }
            @if summary["urgent"] == true {
                p { span .badge.bad { "urgent" } @if !urgent.is_empty() { " " bdi { (urgent) } } }
            }
            p { bdi { (words) } }
            (items("What follows from it", &list(summary, "action_items").filter_map(Value::as_str).collect::<Vec<_>>()))
            // Who called stands at the top.
            @let data: Vec<_> = list(summary, "data_collected").filter(|datum| text(datum, "value") != caller_name(summary)).collect();
            @if !data.is_empty() {
                dl {
                    @for datum in data {
                        dt { (text(datum, "name").replace('_', " ")) } dd { bdi { (text(datum, "value")) } }
                    }
                }
            }
        }
    }
}

fn items(heading: &str, items: &[&str]) -> Markup {
    html! {
        @if !items.is_empty() {
            h3 { (heading) }
            ul { @for item in items { li { bdi { (item) } } } }
        }
    }
}

fn no_summary(call: &CallPage, zone: &TimeZone) -> String {
    if call.ended_us.is_none() {
        return "The call goes on. A summary is made when it is over.".to_owned();
    }
    if let Some(day) = removed(call.metadata.reveal(), "transcript", zone) {
        return format!("Summary and words were removed on {day}, as the agent's settings say.");
    }
    match call.is_summary_due {
        true => "The summary is being made. It is usually here within a minute.".to_owned(),
        false => "There is no summary of this call.".to_owned(),
    }
}

/// The day on which something was removed, if it was.
pub(super) fn removed(metadata: &Value, what: &str, zone: &TimeZone) -> Option<String> {
    let at = metadata["removed"][what].as_str()?;
    // As PostgreSQL writes it in JSON.
    let at: Option<Timestamp> = at.parse().ok();
    let day = at.map(|at| at.to_zoned(zone.clone()).strftime("%-d %b %Y").to_string());
    Some(day.unwrap_or_else(|| "an unknown day".to_owned()))
}

/// What has to be looked at: claims without a deed, appointments, messages, open questions. Messages and
/// questions that stand whole among what there is to do are not said twice.
pub(super) fn notes(call: &CallPage, spoken: &Spoken<'_>, tasks: &[TaskRow]) -> Markup {
    let metadata = call.metadata.reveal();
    let is_there = |kind: TaskKind, said: &str| {
        let mut tasks = tasks.iter().filter(|task| task.kind == kind);
        tasks.any(|task| says_whole(kind, task.text.reveal(), said))
    };
    let questions = || list(metadata, "gaps").filter_map(Value::as_str);
    let told: BTreeSet<String> =
        questions().filter(|one| is_there(TaskKind::Gap, one)).map(question_key).collect();
    let open = questions().filter(|one| !told.contains(&question_key(one))).collect::<Vec<_>>();
    html! {
        @for claim in list(metadata, "unbacked_claims") { (self::claim(claim, tasks)) }
        @for (place, told) in list(metadata, "extracted_appointments").enumerate() {
            (proposal::note(call, (place, told), spoken))
        }
        @for message in list(metadata, "messages") {
            @let is_said = text(message, "callback").is_empty() && is_there(TaskKind::Message, text(message, "text"));
            @if !is_said { (self::message(message)) }
        }
        (voicemail(call))
        (items("Questions without an answer", &open))
    }
}

/// What the agent said and nothing shows; where somebody has settled it, what came of it.
fn claim(claim: &Value, tasks: &[TaskRow]) -> Markup {
    let text_of_task = claimed(claim);
    let is_of = |task: &&TaskRow| {
        task.kind == TaskKind::Claim
            && *task.text.reveal() == text_of_task
            && task.done_us.is_some()
    };
    let settled = tasks.iter().find(is_of).map(|task| {
        let note = task.note.as_ref().map_or("", |note| note.reveal().as_str());
        match TaskVerdict::in_note(note) {
            Some(TaskVerdict::Booked) => "It is booked now.",
            Some(TaskVerdict::Done) => "It is done now.",
            Some(TaskVerdict::Otherwise) => "It is settled otherwise.",
            Some(TaskVerdict::NotSo) => "Somebody looked: the agent did not say so.",
            None => "Somebody has looked at it, and ticked it off.",
        }
    });
    let truth = match text(claim, "claim") {
        "booked" => "no booking was made",
        "rescheduled" => "no booking was moved",
        "cancelled" => "no booking was cancelled",
        "text_sent" => "no text was sent",
        "message_taken" => "no message was written down",
        "transferred" => "the caller was not put through",
        _ => "nothing shows that it was done",
    };
    html! {
        p .note.warn[settled.is_none()] {
            b { @if settled.is_some() { "Settled. " } @else { "Please check. " } }
            @if settled.is_some() { "The call's words are: " } @else { "The agent said " }
            bdi { "“" (text(claim, "text")) "”" }
            @if !text(claim, "at").is_empty() { " at " (text(claim, "at")) }
            @match settled {
                None => { ", and " (truth) "." }
                Some(what) => { ". In the call " (truth) ". " (what) }
            }
        }
    }
}

fn message(message: &Value) -> Markup {
    let callback = text(message, "callback");
    html! {
        p .note {
            b { "Message: " } bdi { (text(message, "text")) }
            @if !callback.is_empty() { " Call back: " (words::number(callback)) "." }
        }
    }
}

/// Whether the caller left a recorded message. Twilio's word of where it is may not have come.
pub(super) fn has_message(call: &CallPage) -> bool {
    let is_told = call.status == "voicemail" && call.ended_us.is_some();
    is_told || !call.metadata.reveal()["voicemail"].is_null()
}

fn voicemail(call: &CallPage) -> Markup {
    let metadata = call.metadata.reveal();
    let voicemail = &metadata["voicemail"];
    if !has_message(call) {
        return html! {};
    }
    let is_kept = KeptMessage::read(text(voicemail, "recording_url"), false).is_some();
    let why_not = match (metadata["sample"] == true, voicemail.is_null()) {
        (true, _) => " It is a sample: there is nothing to hear.",
        (false, true) => " Where it is has not come here, so it can't be heard here.",
        (false, false) => " It is not kept any more.",
    };
    html! {
        div .note #message {
            p {
                b { "The caller left a recorded message" }
                @if let Some(seconds) = voicemail["seconds"].as_u64() { " of " (seconds) " seconds" }
                "." @if !is_kept { (why_not) }
            }
            @if is_kept {
                audio controls preload="none" aria-label="The caller's message" data-tells
                    src={ "/api/v1/calls/" (call.id) "/voicemail" } {}
                (tasks::not_fetched())
                p .hint { "It is kept at Twilio. Who listens is written down." }
            }
        }
    }
}
