//! How much may come of templates: a text of a few bytes can repeat itself to a megabyte, and a row
//! can have hundreds of these.

use std::io::{self, Write};

use minijinja::ErrorKind;
use minijinja::value::{Value as Context, ValueKind};
use serde::Serialize as _;
use serde_json::Value;
use serde_json::ser::{PrettyFormatter, Serializer};

use super::TemplateError;

/// The most that one request, or the arguments of one function, come to, in bytes. Whoever reads
/// them wants a few kilobytes.
pub const FILLED_IN_MAX: usize = 256 * 1024;

/// What may still be filled in.
#[derive(Debug)]
pub struct Budget(usize);

impl Default for Budget {
    /// The whole of it.
    fn default() -> Self {
        Self(FILLED_IN_MAX)
    }
}

impl Budget {
    /// Takes a text, or as much as a value is when it is written.
    ///
    /// # Errors
    /// If so much is not left.
    pub fn take(&mut self, bytes: usize) -> Result<(), TemplateError> {
        self.0 = self.0.checked_sub(bytes).ok_or(TemplateError::TooMuch)?;
        Ok(())
    }

    /// A value as JSON.
    ///
    /// # Errors
    /// If so much is not left, or it is no JSON.
    pub(super) fn json_of(&mut self, value: &Context) -> Result<Value, TemplateError> {
        let json = json_of(value, self.0)?;
        self.take(match &json {
            Value::String(text) => text.len(),
            Value::Null | Value::Bool(_) | Value::Number(_) => 8,
            other => other.to_string().len(),
        })?;
        Ok(json)
    }
}

/// A value as JSON of at most so many bytes: a list may be a thousand times as long as what it
/// takes in the engine.
pub(super) fn json_of(value: &Context, most: usize) -> Result<Value, TemplateError> {
    let unfit = TemplateError::Failed { kind: ErrorKind::BadSerialization, line: 0 };
    match value.kind() {
        ValueKind::Undefined
        | ValueKind::None
        | ValueKind::Bool
        | ValueKind::Number
        | ValueKind::String => serde_json::to_value(value).map_err(|_| unfit),
        _ => {
            let mut written = Bounded { bytes: Vec::new(), most };
            match serde_json::to_writer(&mut written, value) {
                Ok(()) => serde_json::from_slice(&written.bytes).map_err(|_| unfit),
                Err(error) if error.is_io() => Err(TemplateError::TooMuch),
                Err(_) => Err(unfit),
            }
        }
    }
}

/// How much a value is as JSON, with so many spaces before each level.
///
/// # Errors
/// If it is more than `most` bytes, or no JSON.
pub(super) fn bytes_as_json(
    value: &Context,
    spaces: usize,
    most: usize,
) -> Result<usize, TemplateError> {
    let mut written = Bounded { bytes: Vec::new(), most };
    let indent = " ".repeat(spaces);
    let pretty = PrettyFormatter::with_indent(indent.as_bytes());
    value
        .serialize(&mut Serializer::with_formatter(&mut written, pretty))
        .map_err(|_| TemplateError::TooMuch)?;
    Ok(written.bytes.len())
}

/// Takes no more than it may.
struct Bounded {
    bytes: Vec<u8>,
    most: usize,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.most {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
