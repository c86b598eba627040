//! Words that stay after the call: a message for the business, a text to the caller's own phone.

use parking_lot::Mutex;
use serde_json::{Value, json};
use tracing::warn;

use super::offers::builtin;
use super::{CallContext, Outcome, PRETENDED, Run, signature};
use crate::agent::Agent;
use crate::agent::function::Builtin;
use crate::agent::phone_number::{caller_number, is_withheld, normalise_local};
use crate::call::{CallRecord, LogEvent};
use crate::engine::FunctionSignature;
use crate::private::Private;
use crate::twilio::rest::{MAX_MESSAGE_CHARACTERS, RestError, TwilioRest};

/// The longest message that is taken, in characters.
const TAKEN_CHARACTERS: usize = 2_000;
/// The longest way to write where somebody can be called back.
const CALLBACK_CHARACTERS: usize = 40;
/// Texts of one call.
const TEXTS_MAX: usize = 3;

/// What was said when a text may have left.
const MAY_BE_SENT: &str = "this text may have been sent, which cannot be known; do not send it \
                           again, and tell the caller that it may arrive";

/// The texts that a call has sent, so that none is sent twice.
#[derive(Debug, Default)]
pub struct Texts(Mutex<Vec<Text>>);

#[derive(Debug)]
struct Text {
    engine_call_id: String,
    body: Private<String>,
    /// Whether Twilio has said that it took it; until then it may have.
    is_taken: bool,
}

/// `take_message`, which every agent has.
pub(super) fn take_message_signature() -> FunctionSignature {
    signature(
        "take_message",
        "Leave a message for the business, when the caller wants something passed on or what they \
         need cannot be done now. Read it back first.",
        json!({
            "text": {
                "type": "string",
                "description": "The message with everything that is needed to act on it, such as \
                                the caller's name.",
            },
            "callback": {
                "type": "string",
                "description": "The number to call back, with its country code; leave it out for \
                                the number that the caller calls from.",
            },
        }),
        &["text"],
    )
}

/// `send_sms`, for an agent that has a number and an account to send it with.
pub(super) fn send_sms_signature(agent: &Agent, twilio: &TwilioRest) -> Option<FunctionSignature> {
    let can_send = agent.number.is_some() && twilio.has_account(agent);
    can_send.then(|| {
        signature(
            "send_sms",
            "Send a text message to the number that the caller calls from, such as an address or a \
             link. Only if the caller agrees; never to another number.",
            json!({"text": {"type": "string", "description": "The text, at most 1600 characters."}}),
            &["text"],
        )
    })
}

/// Keeps a message for the owner. It is written down with the call's events.
///
/// # Errors
/// Why it is refused.
pub(super) fn take_message(caller: &CallContext, arguments: &Value) -> Result<Outcome, String> {
    let text = read_text(arguments, TAKEN_CHARACTERS)?;
    let given = arguments["callback"].as_str().map(str::trim).filter(|given| !is_withheld(given));
    let callback = match given {
        None => caller_number(caller.caller.reveal()),
        // A number that is not complete is kept as it was said: the owner can read it.
        Some(given) => {
            let read = normalise_local(given, caller.agent.region).or_else(|| as_said(given));
            Some(read.ok_or(NO_CALLBACK)?)
        }
    };
    let mut outcome = Outcome::done(json!({"callback": callback}));
    outcome.notes = vec![LogEvent::MessageTaken { text: text.to_owned(), callback }];
    Ok(outcome)
}

const NO_CALLBACK: &str = "callback is not a telephone number: give its digits with the country \
                           code, such as +15551230001, or leave it out for the caller's own number";

/// Texts the caller, once for each request and each text.
///
/// # Errors
/// Why it is refused.
pub(super) async fn send_sms(run: Run<'_>, arguments: &Value) -> Result<Outcome, String> {
    let Run { function_services, caller, request } = run;
    let text = read_text(arguments, MAX_MESSAGE_CHARACTERS)?;
    let to = caller_number(caller.caller.reveal()).ok_or(
        "the caller's number is withheld, so no text can be sent to it; say it instead, or take a \
         message",
    )?;
    let from = caller.agent.number.as_ref().ok_or(NO_TEXTS)?;
    if caller.pretends() {
        let would = json!({"to": to, "text": text});
        let told = json!({"sent": true, "would_have_sent": would, "test": PRETENDED});
        return Ok(Outcome::done(told));
    }
    if let Some(instead) = caller.texts.begin(&request.engine_call_id, text) {
        return Ok(instead);
    }
    // Dropped here, it stays among those that may have been sent.
    let sent = function_services.twilio.send_message(&caller.agent, &to, from, text).await;
    caller.texts.settle(&request.engine_call_id, &sent);
    let Err(error) = sent else { return Ok(Outcome::done(json!({"sent": true}))) };
    warn!(%error, "a text was not sent");
    let why = match error {
        RestError::Unknown => MAY_BE_SENT,
        RestError::NoAccount | RestError::Sealed => NO_TEXTS,
        RestError::Refused { code: 21_610, .. } => {
            "it was not sent: the caller has opted out of texts from this number; say it instead"
        }
        RestError::Refused { code: 21_211 | 21_614, .. } => {
            "it was not sent: the caller's number cannot receive texts; say it instead"
        }
        _ => "it was not sent; say it instead, or try once more later",
    };
    Err(why.to_owned())
}

const NO_TEXTS: &str = "no texts can be sent from this line; say it instead";

impl Texts {
    /// Those that a call has sent, or may have sent, by what was written down of it.
    pub fn of(agent: &Agent, record: &CallRecord) -> Self {
        let texts = record.functions().filter_map(|function| {
            builtin(agent, &function.name).filter(|builtin| *builtin == Builtin::SendSms)?;
            let is_taken = match &function.outcome {
                Some(outcome) if outcome.ok => true,
                Some(outcome) if outcome.result["error"] != MAY_BE_SENT => return None,
                _ => false,
            };
            let body = read_text(&function.arguments, MAX_MESSAGE_CHARACTERS).ok()?;
            // The engine that named it is gone.
            let engine_call_id = String::new();
            Some(Text { engine_call_id, body: Private::new(body.to_owned()), is_taken })
        });
        Self(Mutex::new(texts.take(TEXTS_MAX).collect()))
    }

    /// Takes a place for a text before it is sent. For one that is not to be sent, says why.
    fn begin(&self, engine_call_id: &str, body: &str) -> Option<Outcome> {
        let mut texts = self.0.lock();
        let same =
            |text: &&Text| text.engine_call_id == engine_call_id || text.body.reveal() == body;
        if let Some(text) = texts.iter().find(same) {
            return Some(match text.is_taken {
                true => Outcome::done(json!({"sent": true, "before": true})),
                false => Outcome::refused(MAY_BE_SENT),
            });
        }
        if texts.len() == TEXTS_MAX {
            return Some(Outcome::refused(format!(
                "{TEXTS_MAX} texts were sent in this call, and no more may be; say it instead"
            )));
        }
        texts.push(Text {
            engine_call_id: engine_call_id.to_owned(),
            body: Private::new(body.to_owned()),
            is_taken: false,
        });
        None
    }

    /// What came of a text. One that was certainly not sent gives its place back.
    fn settle(&self, engine_call_id: &str, sent: &Result<(), RestError>) {
        let mut texts = self.0.lock();
        let Some(at) = texts.iter().position(|text| text.engine_call_id == engine_call_id) else {
            return;
        };
        match sent {
            Ok(()) => texts[at].is_taken = true,
            Err(RestError::Unknown) => {}
            Err(_) => drop(texts.remove(at)),
        }
    }
}

/// The argument `text`.
fn read_text(arguments: &Value, characters_max: usize) -> Result<&str, String> {
    let text = arguments["text"].as_str().unwrap_or_default().trim();
    match text.chars().count() {
        0 => Err("text is missing: give the words of the message".to_owned()),
        long if long > characters_max => {
            Err(format!("text has {long} characters: at most {characters_max} are accepted"))
        }
        _ => Ok(text),
    }
}

/// A number that is not complete, if it can be one at all.
fn as_said(text: &str) -> Option<String> {
    let digits = text.chars().filter(char::is_ascii_digit).count();
    let is_short = text.chars().count() <= CALLBACK_CHARACTERS;
    (digits >= 3 && is_short).then(|| text.to_owned())
}

#[cfg(test)]
#[path = "messages_tests.rs"]
mod tests;
