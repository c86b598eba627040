//! The response that the service is working on: whose it is, what came of it, and what has to be
//! taken back of one that nobody heard.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::Value;

use super::codec::{Order, push};
use super::outcome::outcome;
use super::wire::{ServerItem, text};
use crate::call::{Event, ReplyId, Usage};
use crate::engine::Report;

/// The most function calls of one response. No model makes more; a call answers fewer.
const FUNCTIONS_MAX: usize = 128;
/// The most items of one response that are remembered. A reply has one or two.
const ITEMS_MAX: usize = 32;
/// The most tokens of one response that are believed: a thousand times what any model may use.
const TOKENS_MAX: u64 = 1_000_000_000;

#[derive(Debug)]
pub(super) struct ActiveResponse {
    /// Empty if the service gave none: then everything is about this one.
    pub(super) id: String,
    pub(super) reply: ReplyId,
    /// It is no longer wanted.
    pub(super) cancelled: bool,
    /// Whether some of its words have come.
    pub(super) has_words: bool,
    /// Its messages.
    messages: Vec<String>,
    /// Its items of which audio was passed on while it was wanted.
    audible: Vec<String>,
    /// Function calls reported, by the service's call id.
    reported: BTreeSet<String>,
    /// Arguments that are said to be complete, until the item or the response says so too.
    announced: BTreeMap<String, (String, String)>,
}

impl ActiveResponse {
    pub(super) fn new(id: String, reply: ReplyId) -> Self {
        Self {
            id,
            reply,
            cancelled: false,
            has_words: false,
            messages: Vec::new(),
            audible: Vec::new(),
            reported: BTreeSet::new(),
            announced: BTreeMap::new(),
        }
    }

    /// Whether an event that names this response is about it. A number says nothing of one that is
    /// named with words, nor the other way round.
    pub(super) fn is_named(&self, id: Option<&str>) -> bool {
        let is_number = |id: &str| id.parse::<f64>().is_ok();
        self.id.is_empty()
            || id.is_none_or(|id| id == self.id || is_number(id) != is_number(&self.id))
    }

    /// Whether a response is this one: by its name, or by the reply that it says it is.
    pub(super) fn is(&self, id: Option<&str>, reply: Option<ReplyId>) -> bool {
        match reply {
            Some(reply) => reply == self.reply || !self.id.is_empty() && id == Some(&self.id),
            None => self.is_named(id),
        }
    }

    /// Audio of this item is passed on.
    pub(super) fn note_audio(&mut self, item: &str) {
        if !self.cancelled && self.audible.last().is_none_or(|last| last != item) {
            remember(&mut self.audible, item);
        }
    }

    /// An item was begun or is complete.
    pub(super) fn note_item(&mut self, item: &ServerItem) {
        if let (Some("message"), Some(id)) = (item.kind.as_deref(), &item.id)
            && !self.messages.contains(id)
        {
            remember(&mut self.messages, id);
        }
    }

    pub(super) fn note_arguments(&mut self, call_id: &str, name: &str, arguments: &str) {
        if self.announced.len() < FUNCTIONS_MAX {
            self.announced.insert(call_id.to_owned(), (name.to_owned(), arguments.to_owned()));
        }
    }

    /// An item is complete. Arguments of an interrupted call are a fragment, so only a completed
    /// one counts (protocols 5.4).
    pub(super) fn function_item(&mut self, item: ServerItem, reports: &mut VecDeque<Report>) {
        let is_complete = item.status.as_deref().is_none_or(|status| status == "completed");
        if item.kind.as_deref() != Some("function_call") || !is_complete {
            return;
        }
        if let (Some(call_id), Some(name)) = (item.call_id.or(item.id), item.name) {
            self.function(call_id, name, item.arguments.unwrap_or_default(), reports);
        }
    }

    fn function(
        &mut self,
        engine_call_id: String,
        name: String,
        arguments: String,
        reports: &mut VecDeque<Report>,
    ) {
        let has_place = self.reported.len() < FUNCTIONS_MAX;
        if has_place && self.reported.insert(engine_call_id.clone()) {
            let reply = self.reply;
            push(reports, Event::FunctionWanted { reply, engine_call_id, name, arguments });
        }
    }

    /// How it ended. One that was heard, or wants something done, is complete unless it says otherwise
    /// in a word that is known: asking again would have it said twice.
    fn status(&self, response: &Value) -> String {
        const KNOWN: [&str; 4] = ["completed", "cancelled", "failed", "incomplete"];
        let says = text(&response["status"]).map(|says| says.to_ascii_lowercase());
        let says = says.unwrap_or_else(|| "completed".to_owned());
        let came = !self.audible.is_empty() || !self.reported.is_empty();
        let is_failure = response["status_details"]["error"].is_object();
        match KNOWN.contains(&says.as_str()) || !came || is_failure {
            true => says,
            false => "completed".to_owned(),
        }
    }

    /// It has ended. Of a response that cannot be read the reply ends too, with what came of it.
    pub(super) fn ended(
        mut self,
        response: &Value,
        reports: &mut VecDeque<Report>,
        orders: &mut VecDeque<Order>,
    ) {
        let status = self.status(response);
        let output = response["output"].as_array().map(Vec::as_slice).unwrap_or_default();
        if !self.has_words {
            let reply = self.reply;
            for text in output.iter().flat_map(transcripts) {
                push(reports, Event::ReplyWords { reply, text: text.to_owned() });
            }
        }
        for item in output {
            let item = ServerItem::from(item);
            self.note_item(&item);
            if status == "completed" {
                self.function_item(item, reports);
            }
        }
        // Whether arguments are a fragment only a response says that can be read.
        if status == "completed" && response.is_object() {
            for (call_id, (name, arguments)) in std::mem::take(&mut self.announced) {
                self.function(call_id, name, arguments, reports);
            }
        }
        if self.cancelled {
            // The model would believe that it said what nobody heard.
            let unheard = self.messages.into_iter().filter(|item| !self.audible.contains(item));
            orders.extend(unheard.map(Order::Delete));
        }
        let usage = &response["usage"];
        let usage = Usage {
            input_tokens: tokens(&usage["input_tokens"]),
            output_tokens: tokens(&usage["output_tokens"]),
        };
        let outcome = outcome(&status, &response["status_details"]);
        push(reports, Event::ReplyEnded { reply: self.reply, outcome, usage });
    }
}

fn remember(items: &mut Vec<String>, item: &str) {
    if items.len() < ITEMS_MAX {
        items.push(item.to_owned());
    }
}

/// A count, also as a fraction or a text; what is none is zero.
fn tokens(value: &Value) -> u64 {
    let fraction = || text(value)?.parse::<f64>().ok();
    // The conversion saturates: a negative number is zero.
    value.as_u64().or_else(|| Some(fraction()? as u64)).unwrap_or(0).min(TOKENS_MAX)
}

/// The words of an item of a response's output.
fn transcripts(item: &Value) -> impl Iterator<Item = &str> {
    let parts = item["content"].as_array().map(Vec::as_slice).unwrap_or_default();
    parts.iter().filter_map(|part| part["transcript"].as_str())
}
