//! How a session speaks: responses asked for, carried out step by step, cancelled.

use std::time::Duration;

use serde_json::{Value, json};

use super::fault::{Failing, TurnFault};
use super::outputs::fill_text;
use super::reply::{Content, Reply, Step};
use super::script::ErrorBody;
use super::session::{Outgoing, Session};
use super::shape::{self, Refusal, Root};

/// Responses at a time, those outside the conversation included.
const REPLIES_MAX: usize = 8;
/// Messages of [`TurnFault::Nonsense`].
const NONSENSE_MESSAGES: u16 = 100;
/// What 50 ms of audio cost in tokens, as the real service counts it out.
const BYTES_PER_TOKEN: usize = 400;

impl Session {
    /// Whether a response of the conversation is on its way.
    pub(super) fn is_busy(&self) -> bool {
        self.replies.iter().any(|reply| !reply.out_of_band)
    }

    pub(super) fn create_response(
        &mut self,
        now: Duration,
        params: Option<&Value>,
    ) -> Result<(), Refusal> {
        let params = params.filter(|params| !params.is_null());
        if let Some(params) = params {
            shape::check(Root::Response, params)?;
        }
        let params = params.unwrap_or(&Value::Null);
        let active = self.replies.iter().find(|reply| !reply.out_of_band);
        if let Some(active) = active
            && params["conversation"] != "none"
        {
            return Err(Refusal {
                code: "conversation_already_has_active_response",
                message: format!(
                    "Conversation already has an active response in progress: {}. \
                     Wait until the response is finished before creating a new one.",
                    active.id
                ),
                param: None,
            });
        }
        if self.replies.len() >= REPLIES_MAX {
            return Err(Refusal::value("response", "too many responses at a time"));
        }
        if !self.conduct.is_mulaw && !self.is_text_only(params) {
            let problem = "the rehearsal service hears and speaks audio/pcmu only";
            return Err(Refusal::value("session.audio.output.format", problem));
        }
        self.start_reply(now, params);
        Ok(())
    }

    /// Starts a response to what was said last; `params` are those of `response.create`, or null.
    pub(super) fn start_reply(&mut self, now: Duration, params: &Value) {
        let out_of_band = params["conversation"] == "none";
        let content = self.choose(params, out_of_band);
        let reply = Reply::new(now, content, params["metadata"].clone(), out_of_band, |kind| {
            self.name(kind)
        });
        let mut response = response(&reply, "in_progress", Value::Null, Value::Null);
        response["output_modalities"] =
            json!([if reply.content.text_only { "text" } else { "audio" }]);
        self.replies.push(reply);
        self.emit(json!({"type": "response.created", "response": response}));
    }

    fn is_text_only(&self, params: &Value) -> bool {
        match &params["output_modalities"] {
            Value::Null => self.conduct.text_only,
            modalities => modalities[0] == "text",
        }
    }

    /// What is said, by the script: to instructions what they ask for, else what follows a
    /// function's output, else the reply to the last turn, else a greeting or a filler.
    fn choose(&mut self, params: &Value, out_of_band: bool) -> Content {
        let script = &self.manner.script;
        let instructed = params["instructions"].as_str().and_then(|text| script.instructed(text));
        let (turn_index, is_new) = match self.typed {
            Some(typed) => (Some(typed.index), !typed.is_replied),
            None => (self.heard_count.checked_sub(1), self.heard_count > self.replied_count),
        };
        let turn = turn_index.and_then(|index| script.turns.get(index));
        let output = |function: &str| self.conversation.output_of(function);
        let (mut error, mut fault) = match self.manner.take_failure() {
            Some(Failing::Error(error)) => (Some(error), None),
            Some(Failing::Mute) => (None, Some(TurnFault::NoAudio)),
            None => (None, None),
        };
        let mut functions = Vec::new();
        let text = if let Some(text) = instructed {
            text.to_owned()
        } else if out_of_band {
            script.otherwise.clone()
        } else if self.conversation.ends_with_output() {
            turn.and_then(|turn| turn.after(&output)).unwrap_or(&script.otherwise).clone()
        } else if let (true, Some(index), Some(turn)) = (is_new, turn_index, turn) {
            if turn.error.is_some() && self.failed_turn != turn_index && error.is_none() {
                self.failed_turn = turn_index;
                error = turn.error.clone();
            }
            if error.is_none() {
                fault = fault.or_else(|| self.manner.take_fault(index));
                // A reply that comes to nothing is given when it is asked for again.
                let is_given = !matches!(fault, Some(TurnFault::Silence | TurnFault::NoAudio));
                match &mut self.typed {
                    Some(typed) => typed.is_replied = is_given,
                    None => self.replied_count = self.heard_count - usize::from(!is_given),
                }
                if self.may_call(params) {
                    functions = turn.functions.iter().map(|call| call.quoting(&output)).collect();
                }
            }
            turn.reply.clone()
        } else if self.heard_count == 0 && self.conversation.len() == 0 {
            script.greeting.clone()
        } else {
            script.otherwise.clone()
        };
        let first_audio = turn.and_then(|turn| turn.first_audio_ms).map(Duration::from_millis);
        Content {
            spoken: (!text.is_empty()).then(|| self.manner.voice.speak(&fill_text(&text, &output))),
            functions,
            error,
            fault,
            first_audio: first_audio.unwrap_or(self.manner.first_audio),
            text_only: self.is_text_only(params),
        }
    }

    /// Whether any function is on offer. Which, the script knows better: a model may also call
    /// what does not exist.
    fn may_call(&self, params: &Value) -> bool {
        let session = self.settings.session();
        let field = |name: &str| match &params[name] {
            Value::Null => session[name].clone(),
            value => value.clone(),
        };
        field("tool_choice") != "none"
            && field("tools").as_array().is_some_and(|tools| !tools.is_empty())
    }

    /// Carries out the steps that are due.
    pub(super) fn advance_replies(&mut self, now: Duration) {
        let mut index = 0;
        while index < self.replies.len() {
            let Some(step) = self.replies[index].next(now) else {
                index += 1;
                continue;
            };
            let mut reply = self.replies.remove(index);
            if self.carry_out(&mut reply, step) {
                self.replies.insert(index, reply);
            }
        }
    }

    /// Does one step; whether the response goes on.
    fn carry_out(&mut self, reply: &mut Reply, step: Step) -> bool {
        match step {
            Step::OpenMessage => self.open_message(reply),
            Step::Words(words) => self.say_words(reply, &words),
            Step::Audio(range) => {
                self.has_spoken = true;
                reply.message.audio_bytes = range.end;
                let spoken = reply.content.spoken.clone().expect("only speech has audio");
                let event_id = self.name("event");
                self.outbox.push_back(Outgoing::Audio {
                    event_id,
                    response_id: reply.id.clone(),
                    item_id: reply.message.id.clone(),
                    spoken,
                    range,
                });
                self.conversation.set_audio(&reply.message.id, reply.message.audio_bytes as u64);
            }
            Step::CloseMessage => self.close_message(reply, "completed"),
            Step::OpenCall(call) => self.open_call(reply, call),
            Step::Arguments(call, piece) => {
                reply.calls[call].arguments += &piece;
                let item = &reply.calls[call];
                let event = json!({"type": "response.function_call_arguments.delta",
                    "response_id": &*reply.id, "item_id": item.id, "call_id": item.call_id,
                    "output_index": reply.call_index(call), "delta": piece});
                self.emit(event);
            }
            Step::CloseCall(call) => self.close_call(reply, call, "completed"),
            Step::Fail(error) => {
                self.finish(reply, "failed", failed(&error));
                return false;
            }
            Step::Break(TurnFault::Drop) => self.outbox.push_back(Outgoing::Drop),
            Step::Break(TurnFault::Stall) => self.outbox.push_back(Outgoing::Stall),
            Step::Break(TurnFault::Nonsense) => self.talk_nonsense(NONSENSE_MESSAGES),
            Step::Break(TurnFault::Deaf) => self.is_deaf = true,
            // These leave steps out.
            Step::Break(TurnFault::Silence | TurnFault::NoAudio) => {}
            Step::Finish => {
                self.finish(reply, "completed", Value::Null);
                return false;
            }
        }
        true
    }

    fn open_message(&mut self, reply: &mut Reply) {
        reply.message.is_open = true;
        self.open_item(reply, 0, message(reply, "in_progress"));
        let part = part(reply);
        self.emit(about_message(reply, "response.content_part.added", json!({"part": part})));
    }

    fn open_item(&mut self, reply: &Reply, output_index: usize, item: Value) {
        self.emit(json!({"type": "response.output_item.added", "response_id": &*reply.id,
            "output_index": output_index, "item": item}));
        if !reply.out_of_band {
            let previous = self.conversation.append(item.clone());
            self.emit(json!({"type": "conversation.item.added",
                "previous_item_id": previous, "item": item}));
        }
    }

    fn say_words(&mut self, reply: &mut Reply, words: &str) {
        reply.message.words += words;
        let kind = if reply.content.text_only {
            "response.output_text.delta"
        } else {
            "response.output_audio_transcript.delta"
        };
        self.emit(about_message(reply, kind, json!({"delta": words})));
    }

    fn close_message(&mut self, reply: &mut Reply, status: &str) {
        reply.message.is_open = false;
        let words = reply.message.words.clone();
        if reply.content.text_only {
            self.emit(about_message(reply, "response.output_text.done", json!({"text": words})));
        } else {
            self.emit(about_message(reply, "response.output_audio.done", json!({})));
            let kind = "response.output_audio_transcript.done";
            self.emit(about_message(reply, kind, json!({"transcript": words})));
        }
        let part = part(reply);
        self.emit(about_message(reply, "response.content_part.done", json!({"part": part})));
        self.close_item(reply, 0, message(reply, status));
    }

    fn open_call(&mut self, reply: &mut Reply, call: usize) {
        reply.calls[call].is_open = true;
        self.open_item(reply, reply.call_index(call), call_item(reply, call, "in_progress"));
    }

    fn close_call(&mut self, reply: &mut Reply, call: usize, status: &str) {
        reply.calls[call].is_open = false;
        let item = &reply.calls[call];
        let event = json!({"type": "response.function_call_arguments.done",
            "response_id": &*reply.id, "item_id": item.id, "call_id": item.call_id,
            "output_index": reply.call_index(call), "arguments": item.arguments,
            "name": reply.content.functions[call].name});
        self.emit(event);
        self.close_item(reply, reply.call_index(call), call_item(reply, call, status));
    }

    fn close_item(&mut self, reply: &mut Reply, output_index: usize, item: Value) {
        if !reply.out_of_band {
            self.conversation.replace(item.clone());
            self.emit(json!({"type": "conversation.item.done", "item": item}));
        }
        self.emit(json!({"type": "response.output_item.done", "response_id": &*reply.id,
            "output_index": output_index, "item": item}));
        reply.output.push(item);
    }

    /// The client cancels: one response by its id, or the conversation's.
    pub(super) fn cancel_by_client(&mut self, response_id: Option<&str>) -> Result<(), Refusal> {
        let wanted = |reply: &Reply| match response_id {
            Some(id) => *reply.id == *id,
            None => !reply.out_of_band,
        };
        let Some(index) = self.replies.iter().position(wanted) else {
            return Err(Refusal {
                code: "response_cancel_not_active",
                message: "Cancellation failed: no active response found".to_owned(),
                param: None,
            });
        };
        self.cancel(index, "client_cancelled");
        Ok(())
    }

    /// Cancels the conversation's response, if there is one.
    pub(super) fn cancel_active(&mut self, reason: &str) {
        if let Some(index) = self.replies.iter().position(|reply| !reply.out_of_band) {
            self.cancel(index, reason);
        }
    }

    /// What was begun is closed as it is, with the same `*.done` events (protocols 5.4).
    fn cancel(&mut self, index: usize, reason: &str) {
        let mut reply = self.replies.remove(index);
        if reply.message.is_open {
            self.close_message(&mut reply, "incomplete");
        }
        for call in 0..reply.calls.len() {
            if reply.calls[call].is_open {
                self.close_call(&mut reply, call, "incomplete");
            }
        }
        self.finish(&reply, "cancelled", json!({"type": "cancelled", "reason": reason}));
    }

    fn finish(&mut self, reply: &Reply, status: &str, details: Value) {
        let usage = usage(reply, self.conversation.len());
        let mut response = response(reply, status, details, usage);
        response["output"] = reply.output.clone().into();
        self.emit(json!({"type": "response.done", "response": response}));
        self.emit(json!({"type": "rate_limits.updated", "rate_limits": [
            {"name": "requests", "limit": 5_000, "remaining": 4_999, "reset_seconds": 0.012},
            {"name": "tokens", "limit": 400_000, "remaining": 399_000, "reset_seconds": 0.15}]}));
    }
}

fn failed(error: &ErrorBody) -> Value {
    json!({"type": "failed", "error": error})
}

fn response(reply: &Reply, status: &str, details: Value, usage: Value) -> Value {
    json!({"object": "realtime.response", "id": &*reply.id, "status": status,
        "status_details": details, "output": [], "metadata": reply.metadata, "usage": usage})
}

/// An event about the message of a response.
fn about_message(reply: &Reply, kind: &str, more: Value) -> Value {
    let mut event = more;
    event["type"] = kind.into();
    event["response_id"] = (*reply.id).into();
    event["item_id"] = (*reply.message.id).into();
    event["output_index"] = 0.into();
    event["content_index"] = 0.into();
    event
}

/// The message's only part. Parts and contents have different names for their kinds.
fn part(reply: &Reply) -> Value {
    if reply.content.text_only {
        json!({"type": "text", "text": reply.message.words})
    } else {
        json!({"type": "audio", "transcript": reply.message.words})
    }
}

fn message(reply: &Reply, status: &str) -> Value {
    let mut part = part(reply);
    part["type"] = if reply.content.text_only { "output_text" } else { "output_audio" }.into();
    let is_empty = status == "in_progress" && reply.message.words.is_empty();
    json!({"id": &*reply.message.id, "object": "realtime.item", "type": "message",
        "status": status, "role": "assistant",
        "content": if is_empty { json!([]) } else { json!([part]) }})
}

fn call_item(reply: &Reply, call: usize, status: &str) -> Value {
    let item = &reply.calls[call];
    json!({"id": item.id, "object": "realtime.item", "type": "function_call", "status": status,
        "name": reply.content.functions[call].name, "call_id": item.call_id,
        "arguments": item.arguments})
}

fn usage(reply: &Reply, items: usize) -> Value {
    let audio_out = reply.message.audio_bytes / BYTES_PER_TOKEN;
    let text_out = reply.message.words.split_whitespace().count()
        + reply.calls.iter().map(|call| call.arguments.len() / 4).sum::<usize>();
    let (text_in, audio_in) = (100 + 10 * items, 20 * items);
    json!({"total_tokens": text_in + audio_in + text_out + audio_out,
        "input_tokens": text_in + audio_in, "output_tokens": text_out + audio_out,
        "input_token_details": {"text_tokens": text_in, "audio_tokens": audio_in,
            "image_tokens": 0, "cached_tokens": 0,
            "cached_tokens_details": {"text_tokens": 0, "audio_tokens": 0, "image_tokens": 0}},
        "output_token_details": {"text_tokens": text_out, "audio_tokens": audio_out}})
}
