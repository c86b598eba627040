//! Twilio's webhook forms: read strictly as a form, leniently as to what is in them.
//!
//! Any field may be missing, empty or new; all are kept, in order, because the signature covers
//! all of them.

use crate::private::Private;

pub use crate::agent::phone_number::normalise_e164;

/// The largest body that is read. Twilio's forms are below 4 KiB without `AddOns`, which may be
/// 256 KiB: three times that with every character escaped. What is being read of all requests has a
/// bound of its own.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;
/// The most of `From` that is kept: a SIP address with its parameters is shorter.
const FROM_MAX_BYTES: usize = 256;
/// The longest address of a recording.
const URL_MAX_BYTES: usize = 2_048;
/// The most fields that are read. Twilio sends about 40.
pub const MAX_FIELDS: usize = 200;

/// Why a form was not read. No message holds a field's value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// The body is too large.
    #[error("form of {found} bytes: at most {MAX_BODY_BYTES} are accepted")]
    TooLarge {
        /// Its size in bytes.
        found: usize,
    },
    /// There are too many fields.
    #[error("form of more than {MAX_FIELDS} fields")]
    TooManyFields,
    /// A `%` is not followed by two hexadecimal digits.
    #[error("form field {field} has a % that is not followed by two hexadecimal digits")]
    BadEscape {
        /// The field, counted from 1.
        field: usize,
    },
    /// A name or value is not UTF-8.
    #[error("form field {field} is not UTF-8")]
    NotUtf8 {
        /// The field, counted from 1.
        field: usize,
    },
    /// A field that is needed is absent or empty.
    #[error("form field {name} is missing")]
    Missing {
        /// The field's name.
        name: &'static str,
    },
    /// A field's value is not of its kind.
    #[error("form field {name} is not {accepted}")]
    Unacceptable {
        /// The field's name.
        name: &'static str,
        /// What it should have been.
        accepted: &'static str,
    },
}

/// A form as it was sent, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    fields: Private<Vec<(String, String)>>,
}

impl Form {
    /// Reads an `application/x-www-form-urlencoded` body.
    ///
    /// # Errors
    /// If it is too large, has too many fields, a broken escape or text that is not UTF-8.
    pub fn parse(body: &[u8]) -> Result<Self, FormError> {
        if body.len() > MAX_BODY_BYTES {
            return Err(FormError::TooLarge { found: body.len() });
        }
        let mut fields = Vec::new();
        for pair in body.split(|&byte| byte == b'&').filter(|pair| !pair.is_empty()) {
            if fields.len() == MAX_FIELDS {
                return Err(FormError::TooManyFields);
            }
            let field = fields.len() + 1;
            let (name, value) = match pair.iter().position(|&byte| byte == b'=') {
                Some(at) => (&pair[..at], &pair[at + 1..]),
                None => (pair, &[][..]),
            };
            fields.push((decode(name, field)?, decode(value, field)?));
        }
        Ok(Self { fields: Private::new(fields) })
    }

    /// All fields in the order in which they were sent, for the signature.
    pub fn fields(&self) -> &[(String, String)] {
        self.fields.reveal()
    }

    /// The first value of a field, unless it is absent or empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.fields().iter().find(|(field, _)| field == name)?;
        (!value.is_empty()).then_some(value)
    }

    /// `CallSid`: the call's name, the same in everything that concerns it.
    ///
    /// # Errors
    /// If it is absent or does not look like one.
    pub fn call_sid(&self) -> Result<&str, FormError> {
        let name = "CallSid";
        let sid = self.get(name).ok_or(FormError::Missing { name })?;
        let accepted = "CA and 32 hexadecimal digits";
        if is_call_sid(sid) { Ok(sid) } else { Err(FormError::Unacceptable { name, accepted }) }
    }

    /// `From`: whoever calls. Often a number, but also `anonymous`, `sip:…`, `client:…` or
    /// nothing, so never taken apart.
    /// A longer text than any address is cut: it is kept as long as the call.
    pub fn from(&self) -> Private<String> {
        let from = self.get("From").unwrap_or_default();
        Private::new(from[..from.floor_char_boundary(FROM_MAX_BYTES)].to_owned())
    }

    /// `To`: the number that was called.
    ///
    /// # Errors
    /// If it is absent.
    pub fn to(&self) -> Result<&str, FormError> {
        self.get("To").ok_or(FormError::Missing { name: "To" })
    }

    /// `CallStatus`, if it was sent.
    pub fn call_status(&self) -> Option<CallStatus> {
        self.get("CallStatus").map(CallStatus::read)
    }

    /// Whether the party that a `<Dial>` called answered, by `DialCallStatus` and, where it was
    /// sent, `DialBridged`: a caller who hung up while it rang was not put through.
    pub fn dial_is_answered(&self) -> bool {
        matches!(self.get("DialCallStatus"), Some("completed" | "answered"))
            && self.get("DialBridged") != Some("false")
    }

    /// `RecordingUrl` and `RecordingDuration` in seconds (0 where it was not sent) of what a
    /// `<Record>` recorded; none if that was nothing, or if the address is longer than any of Twilio's.
    pub fn recording(&self) -> Option<(String, u64)> {
        let url = self.get("RecordingUrl").filter(|url| url.len() <= URL_MAX_BYTES)?;
        let seconds = self.get("RecordingDuration").map(|seconds| seconds.parse().unwrap_or(0));
        (seconds != Some(0)).then(|| (url.to_owned(), seconds.unwrap_or(0)))
    }

    /// `StreamSid`, if it was sent.
    pub fn stream_sid(&self) -> Option<&str> {
        self.get("StreamSid")
    }

    /// `StreamEvent`, if it was sent.
    pub fn stream_event(&self) -> Option<StreamEvent> {
        self.get("StreamEvent").map(StreamEvent::read)
    }

    /// `StreamError`: what was wrong with a stream, in Twilio's words.
    pub fn stream_error(&self) -> Option<&str> {
        self.get("StreamError")
    }

    /// The number of what was wrong with a stream: the first five digits in a row, where Twilio
    /// names it. Its words may repeat an address, the number can be written anywhere.
    pub fn stream_error_code(&self) -> Option<&str> {
        let words = self.stream_error()?;
        let numbers = words.split(|c: char| !c.is_ascii_digit());
        numbers.into_iter().find(|number| number.len() == 5)
    }
}

/// Where a call is, as Twilio says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString)]
#[strum(serialize_all = "kebab-case")]
pub enum CallStatus {
    /// Twilio has not dialled yet.
    Queued,
    /// The call is not answered yet.
    Ringing,
    /// The call was answered, and goes on.
    InProgress,
    /// The call was answered, and is over.
    Completed,
    /// The call is over: the other side was busy.
    Busy,
    /// The call is over: it could not be connected.
    Failed,
    /// The call is over: nobody answered.
    NoAnswer,
    /// The call is over: it ended before it was answered.
    Canceled,
    /// A word that is not known here.
    Other,
}

impl CallStatus {
    /// Reads the status as Twilio writes it.
    pub fn read(word: &str) -> Self {
        word.parse().unwrap_or(Self::Other)
    }

    /// Whether the call is over.
    pub fn is_over(self) -> bool {
        matches!(
            self,
            Self::Completed | Self::Busy | Self::Failed | Self::NoAnswer | Self::Canceled
        )
    }
}

/// What became of a media stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamEvent {
    /// The media stream is open.
    Started,
    /// The media stream is closed.
    Stopped,
    /// It could not be opened, or broke.
    Error,
    /// A word that is not known here.
    Other,
}

impl StreamEvent {
    /// Reads the status as Twilio writes it.
    pub fn read(word: &str) -> Self {
        match word {
            "stream-started" => Self::Started,
            "stream-stopped" => Self::Stopped,
            "stream-error" => Self::Error,
            _ => Self::Other,
        }
    }
}

/// Whether `text` is a CallSid: `CA` and 32 hexadecimal digits. No webhook names a call otherwise;
/// calls that do not come from Twilio have a name of another form.
pub fn is_call_sid(text: &str) -> bool {
    text.strip_prefix("CA")
        .is_some_and(|rest| rest.len() == 32 && rest.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn decode(text: &[u8], field: usize) -> Result<String, FormError> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(&byte) = rest.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(|&digit| char::from(digit).to_digit(16));
                match (digit(), digit()) {
                    (Some(high), Some(low)) => (high * 16 + low) as u8,
                    _ => return Err(FormError::BadEscape { field }),
                }
            }
            other => other,
        });
    }
    String::from_utf8(decoded).map_err(|_| FormError::NotUtf8 { field })
}

#[cfg(test)]
#[path = "form_tests.rs"]
mod tests;
