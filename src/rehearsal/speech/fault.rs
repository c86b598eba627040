//! What can be made to go wrong: of the whole service while it runs, and of single turns of a script.

use serde::Deserialize;
use serde_json::Value;

use super::script::ErrorBody;
use super::shape::Refusal;

/// Something to go wrong, of the service.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// Every session's socket ends without a word.
    DropSockets,
    /// Every session's socket is closed properly.
    CloseSockets {
        /// The WebSocket close code.
        code: u16,
    },
    /// Connects are refused from now on.
    RefuseConnects {
        /// The HTTP status of the refusal.
        status: u16,
    },
    /// Connects are taken and not answered from now on.
    HangConnects,
    /// Connects are answered again.
    AcceptConnects,
    /// Chat completions are refused from now on.
    RefuseChats {
        /// The HTTP status of the refusal.
        status: u16,
    },
    /// Chat completions are answered again.
    AcceptChats,
    /// Sessions neither read nor write from now on.
    Stall,
    /// Stalled sessions go on.
    Resume,
    /// The next response, of whichever session asks for one first, fails.
    FailResponse {
        /// The error that the response ends with.
        error: ErrorBody,
    },
    /// Every response fails from now on; without `error` no longer.
    FailResponses {
        /// How, such as `rate_limit_exceeded`.
        #[serde(default)]
        error: Option<ErrorBody>,
    },
    /// The next response is completed without audio.
    MuteResponse,
    /// The sessions that there are hear nothing any more.
    Deafen,
    /// Every session is sent messages that make no sense.
    Nonsense {
        /// How many messages are sent to each session.
        messages: u16,
    },
    /// A field of `session.update` is refused from now on, whatever its value is.
    RefuseSetting {
        /// Its place in the session, such as `audio.output.voice`; of a function, `tools.` and its
        /// name.
        field: String,
        /// The error names no field: only its message does.
        #[serde(default)]
        unnamed: bool,
    },
    /// Every session is sent an `error` event, such as `insufficient_quota`.
    Error {
        /// The error that is sent.
        error: ErrorBody,
    },
}

/// Something to go wrong with the first reply to a turn, in whichever session that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TurnFault {
    /// Half-way the socket ends without a word.
    Drop,
    /// Half-way the session stops to write and to mind what it reads.
    Stall,
    /// It never begins: the session goes on and gives no reply.
    Silence,
    /// It is completed, with its words and without audio.
    NoAudio,
    /// Before its audio come a hundred messages that make no sense.
    Nonsense,
    /// When it has been given the session hears nothing any more.
    Deaf,
}

/// A field that is refused, in [`Fault::RefuseSetting`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RefusedField {
    /// Its place.
    pub(super) field: String,
    /// Only the message says so.
    pub(super) unnamed: bool,
}

impl RefusedField {
    /// Why an update is refused that has this field.
    pub(super) fn refusal(&self, change: &Value) -> Option<Refusal> {
        let place = match self.field.strip_prefix("tools.") {
            Some(name) => {
                let tools = change["tools"].as_array()?;
                let index = tools.iter().position(|tool| tool["name"] == name)?;
                format!("session.tools[{index}].parameters")
            }
            None => {
                let pointer = format!("/{}", self.field.replace('.', "/"));
                change.pointer(&pointer).filter(|value| !value.is_null())?;
                format!("session.{}", self.field)
            }
        };
        let mut refusal = Refusal::value(&place, "it is not supported");
        if self.unnamed {
            refusal.param = None;
        }
        Some(refusal)
    }
}

/// How the next response fails, in [`Fault::FailResponse`] and [`Fault::MuteResponse`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failing {
    /// With this error.
    Error(ErrorBody),
    /// It is completed without audio.
    Mute,
}

/// Messages that make no sense, of each kind there is.
pub(super) const NONSENSE: [&str; 4] = ["{", "[1, 2]", r#"{"type":7}"#, "\u{feff}nothing at all"];
