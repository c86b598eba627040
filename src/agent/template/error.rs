//! Why a template cannot be used, without the values that went in.

use std::ops::Range;

use minijinja::ErrorKind;

use super::{FILLED_IN_MAX, TREE_DEPTH_MAX};

/// Why a template cannot be used. Says nothing of the values that went in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// It is too long.
    #[error("a template of {bytes} bytes; accepted are at most {most}")]
    TooLong {
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        most: usize,
    },
    /// It is nested too deep, or chained too long, for the engine.
    #[error("{found} {what}; accepted are at most {most}")]
    Nested {
        /// How deep it is.
        found: usize,
        /// How deep it may be.
        most: usize,
        /// What it has so many of.
        what: &'static str,
    },
    /// It could make a value that is small and takes for ever to be written.
    #[error(
        "a list or map that is in another one, multiplied, or long, with names in it; accepted are \
         constants"
    )]
    Wraps,
    /// It has a statement that it cannot have where it stands.
    #[error("the statement {0}, which is not accepted here")]
    Statement(String),
    /// It has a word that it cannot have.
    #[error("the {what} {name}, which is not accepted here")]
    Word {
        /// What kind of word it is.
        what: &'static str,
        /// The word that is not allowed.
        name: String,
    },
    /// JSON that is too deep.
    #[error("templates nested deeper than {TREE_DEPTH_MAX}")]
    TooDeep,
    /// It cannot be parsed.
    #[error("{0}")]
    Syntax(String),
    /// It asks for what is never there.
    #[error("{name} is not known here; known are {known}")]
    Unknown {
        /// The name that is not defined.
        name: String,
        /// The names that are known.
        known: String,
    },
    /// It asks for what is not there this time, or may not be empty where it stands.
    #[error("{0} is missing")]
    Missing(String),
    /// It comes to too much.
    #[error("more than {FILLED_IN_MAX} bytes came of it")]
    TooMuch,
    /// It failed on the values that it was given.
    #[error("{kind} in line {line}")]
    Failed {
        /// The template engine's class of the error.
        kind: ErrorKind,
        /// Where, from 1; 0 if that is not known.
        line: usize,
    },
    /// One of several has one of these faults.
    #[error("{field}: {error}")]
    Below {
        /// Which one: the name of a field, or the place in a list from 0.
        field: String,
        /// The fault of that template.
        error: Box<TemplateError>,
    },
}

impl TemplateError {
    /// The same, seen from what holds the field.
    pub fn below(self, field: impl Into<String>) -> Self {
        Self::Below { field: field.into(), error: Box::new(self) }
    }

    /// What is missing, if that is the fault: as it is written, such as `args.date`.
    pub fn missing(&self) -> Option<&str> {
        match self {
            Self::Missing(name) => Some(name),
            Self::Below { error, .. } => error.missing(),
            _ => None,
        }
    }
}

pub(super) fn syntax(error: minijinja::Error) -> TemplateError {
    TemplateError::Syntax(error.to_string())
}

/// The text of a failure can have values in it: it goes no further.
pub(super) fn failed(error: &minijinja::Error, source: &str) -> TemplateError {
    match (error.kind(), error.range()) {
        (ErrorKind::UndefinedError, Some(range)) => TemplateError::Missing(name_at(source, range)),
        (kind, _) => TemplateError::Failed { kind, line: error.line().unwrap_or(0) },
    }
}

/// What stands at `range` of a source. The engine's range of `a.b.c` may begin behind the `a`.
fn name_at(source: &str, range: Range<usize>) -> String {
    let is_of_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
    let before = source.get(..range.start).unwrap_or_default();
    let start = before.trim_end_matches(is_of_name).len();
    source.get(start..range.end).unwrap_or(source).trim().to_owned()
}
