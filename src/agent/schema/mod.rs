//! JSON Schema, as far as the arguments of a function and the answer of a language service need it.
//! An owner writes schemas into rows: each is bounded when it is read, has no references and so no
//! recursion, and a check counts its steps and stops. Pure.

mod admit;
mod check;
mod format;
mod pattern;
#[cfg(test)]
mod tests;

use serde_json::Value;

pub(crate) use check::{Rule, Violation};
pub(super) use format::{PHONE, read_date};

/// The largest schema, written as JSON, bytes. It goes to the speech service with every call.
const BYTES_MAX: usize = 32 * 1024;
/// How deep schemas may stand in one another. Speech services take 5 to 10.
const DEPTH_MAX: usize = 16;
/// The most schemas in one another and values in `enum` and `const`.
const NODES_MAX: usize = 2_000;
/// The most patterns. Each is compiled when it is used.
const PATTERNS_MAX: usize = 32;
/// The most steps of one check: a step is a keyword, a value that is compared, 64 bytes of text.
/// Honest arguments take some hundred.
const STEPS_MAX: usize = 50_000;
/// The most violations that a check names.
const VIOLATIONS_MAX: usize = 100;

/// What is accepted in place of a keyword that is not.
const ACCEPTED_KEYWORDS: &str = "type, enum, const, properties, required, additionalProperties, \
    items, prefixItems, anyOf, oneOf, allOf, not, minimum, maximum, exclusiveMinimum, \
    exclusiveMaximum, multipleOf, minLength, maxLength, pattern, format, minItems, maxItems, \
    uniqueItems, minProperties, maxProperties, nullable";

/// A schema that was admitted.
#[derive(Debug, Clone)]
pub(crate) struct Schema(Value);

/// Why a schema cannot be used. Holds names of keywords and properties, and no other value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SchemaFault {
    /// Where it is, from the top of the schema; empty for the whole.
    pub(crate) path: Vec<String>,
    /// What was found there.
    pub(crate) found: &'static str,
    /// What is accepted there.
    pub(crate) accepted: String,
}

impl Schema {
    /// Takes a schema in.
    ///
    /// # Errors
    /// If a keyword is not one that is checked here or does not hold what it should, or if the
    /// schema is too large or too deep.
    pub(crate) fn new(schema: Value) -> Result<Self, SchemaFault> {
        admit::admit(&schema)?;
        Ok(Self(schema))
    }

    /// The schema as JSON, as the model is given it.
    pub(crate) fn json(&self) -> &Value {
        &self.0
    }

    /// What is wrong with a value, in the order in which the schema has it; at most
    /// [`VIOLATIONS_MAX`] faults. A value that takes too many steps has the fault
    /// [`Rule::TooMuch`].
    pub(crate) fn check<'s>(&'s self, value: &Value) -> Vec<Violation<'s>> {
        check::check(&self.0, value, STEPS_MAX)
    }
}
