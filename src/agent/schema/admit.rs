//! Which schemas are taken: every keyword is known and holds what it should, and the whole is
//! bounded.

use serde_json::{Map, Value};

use super::pattern::Pattern;
use super::{ACCEPTED_KEYWORDS, BYTES_MAX, DEPTH_MAX, NODES_MAX, PATTERNS_MAX, SchemaFault};

/// The types of JSON Schema.
const TYPES: [&str; 7] = ["string", "number", "integer", "boolean", "array", "object", "null"];

/// Keywords that check something and are not checked here. A schema with one would be taken for
/// stricter than it is. Besides these, all that begin with `$`.
const REFUSED: [&str; 19] = [
    "definitions",
    "if",
    "then",
    "else",
    "dependentRequired",
    "dependentSchemas",
    "dependencies",
    "patternProperties",
    "propertyNames",
    "contains",
    "minContains",
    "maxContains",
    "unevaluatedProperties",
    "unevaluatedItems",
    "additionalItems",
    "divisibleBy",
    "disallow",
    "extends",
    "discriminator",
];

/// Keywords with a `$` that say nothing about values.
const HARMLESS: [&str; 2] = ["$schema", "$comment"];

const A_SCHEMA: &str = "a schema: an object, true or false";
const A_NUMBER: &str = "a number";
const A_COUNT: &str = "a whole number, 0 or more";
const A_FLAG: &str = "true or false";
const A_TEXT: &str = "a text";

/// Checks a whole schema.
pub(super) fn admit(schema: &Value) -> Result<(), SchemaFault> {
    let mut admission = Admission::default();
    admission.schema(schema, 0)?;
    // Only now: what is written recurses too.
    if schema.to_string().len() > BYTES_MAX {
        return Err(admission.fault("a larger schema", format!("at most {BYTES_MAX} bytes")));
    }
    Ok(())
}

/// How far the reading has come.
#[derive(Default)]
struct Admission {
    path: Vec<String>,
    nodes: usize,
    patterns: usize,
}

type Admitted = Result<(), SchemaFault>;

impl Admission {
    fn fault(&self, found: &'static str, accepted: impl Into<String>) -> SchemaFault {
        SchemaFault { path: self.path.clone(), found, accepted: accepted.into() }
    }

    /// Does `work` one step further down. What failed stays where the fault was found.
    fn at(&mut self, step: &str, work: impl FnOnce(&mut Self) -> Admitted) -> Admitted {
        self.path.push(step.chars().take(60).collect());
        work(self)?;
        self.path.pop();
        Ok(())
    }

    fn count(&mut self) -> Admitted {
        self.nodes += 1;
        match self.nodes > NODES_MAX {
            true => Err(self.fault("a larger schema", format!("at most {NODES_MAX} parts"))),
            false => Ok(()),
        }
    }

    fn schema(&mut self, schema: &Value, depth: usize) -> Admitted {
        self.count()?;
        if depth > DEPTH_MAX {
            return Err(self.fault("a deeper schema", format!("at most {DEPTH_MAX} levels")));
        }
        match schema {
            Value::Bool(_) => Ok(()),
            Value::Object(fields) => fields.iter().try_for_each(|(keyword, rule)| {
                self.at(keyword, |admission| admission.keyword(keyword, rule, depth))
            }),
            _ => Err(self.fault("something else", A_SCHEMA)),
        }
    }

    fn keyword(&mut self, keyword: &str, rule: &Value, depth: usize) -> Admitted {
        match keyword {
            "type" => self.types(rule),
            "enum" => match rule {
                Value::Array(values) if !values.is_empty() => self.values(rule),
                _ => Err(self.fault("something else", "a list of one value or more")),
            },
            "const" => self.values(rule),
            "properties" => match rule {
                Value::Object(properties) => self.properties(properties, depth),
                _ => Err(self.fault("something else", "an object with a schema for each name")),
            },
            "required" => match rule {
                Value::Array(names) if names.iter().all(Value::is_string) => Ok(()),
                _ => Err(self.fault("something else", "a list of names")),
            },
            "items" if rule.is_array() => {
                Err(self.fault("a list", "one schema; prefixItems takes a list"))
            }
            "items" | "additionalProperties" | "not" => self.schema(rule, depth + 1),
            "anyOf" | "oneOf" | "allOf" | "prefixItems" => match rule {
                Value::Array(schemas) if !schemas.is_empty() => self.schemas(schemas, depth),
                _ => Err(self.fault("something else", "a list of one schema or more")),
            },
            "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" => {
                self.holds(rule.is_number(), A_NUMBER)
            }
            "multipleOf" => {
                let is_positive = rule.as_f64().is_some_and(|number| number > 0.0);
                self.holds(is_positive, "a number above 0")
            }
            "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties"
            | "maxProperties" => self.holds(rule.is_u64(), A_COUNT),
            "uniqueItems" | "nullable" => self.holds(rule.is_boolean(), A_FLAG),
            "format" | "title" | "description" => self.holds(rule.is_string(), A_TEXT),
            "pattern" => self.pattern(rule),
            name if HARMLESS.contains(&name) => Ok(()),
            name if name.starts_with('$') || REFUSED.contains(&name) => {
                Err(self.fault("a keyword that is not checked here", ACCEPTED_KEYWORDS))
            }
            // As JSON Schema has it: what is no keyword is a note.
            _ => self.values(rule),
        }
    }

    fn holds(&self, is_so: bool, accepted: &str) -> Admitted {
        if is_so { Ok(()) } else { Err(self.fault("something else", accepted)) }
    }

    fn types(&mut self, rule: &Value) -> Admitted {
        let is_type = |name: &Value| name.as_str().is_some_and(|name| TYPES.contains(&name));
        let is_good = match rule {
            Value::Array(names) => !names.is_empty() && names.iter().all(is_type),
            one => is_type(one),
        };
        match is_good {
            true => Ok(()),
            false => {
                let accepted = format!("one or a list of {}", TYPES.join(", "));
                Err(self.fault("another type", accepted))
            }
        }
    }

    fn pattern(&mut self, rule: &Value) -> Admitted {
        let Some(source) = rule.as_str() else { return Err(self.fault("something else", A_TEXT)) };
        self.patterns += 1;
        if self.patterns > PATTERNS_MAX {
            return Err(self.fault("one more pattern", format!("at most {PATTERNS_MAX}")));
        }
        match Pattern::new(source) {
            Some(_) => Ok(()),
            None => Err(self.fault(
                "a pattern that cannot be used",
                "a regular expression without references back and looks around, that is not \
                 too large",
            )),
        }
    }

    fn properties(&mut self, properties: &Map<String, Value>, depth: usize) -> Admitted {
        properties.iter().try_for_each(|(name, schema)| {
            self.at(name, |admission| admission.schema(schema, depth + 1))
        })
    }

    fn schemas(&mut self, schemas: &[Value], depth: usize) -> Admitted {
        schemas.iter().enumerate().try_for_each(|(index, schema)| {
            self.at(&index.to_string(), |admission| admission.schema(schema, depth + 1))
        })
    }

    /// Counts values that mean no more than themselves.
    fn values(&mut self, value: &Value) -> Admitted {
        self.count()?;
        match value {
            Value::Array(items) => items.iter().try_for_each(|item| self.values(item)),
            Value::Object(fields) => fields.values().try_for_each(|value| self.values(value)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
        }
    }
}
