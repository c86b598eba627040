//! What is wrong with a value? The schema is one that was admitted; each step is counted.

use std::mem;

use serde_json::{Map, Number, Value};

use super::VIOLATIONS_MAX;
use super::format::is_format;
use super::pattern::{self, Pattern};

/// Something that a value breaks.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Violation<'s> {
    /// Where in the value: names and places, from 0.
    pub(crate) path: Vec<String>,
    /// The rule that the value breaks.
    pub(crate) rule: Rule<'s>,
}

/// What a value can break.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Rule<'s> {
    /// A property must be there and is not.
    Missing {
        /// The name of the missing property.
        name: String,
        /// Its schema; null if there is none.
        definition: &'s Value,
    },
    /// A property must not be there.
    Unexpected(String),
    /// Another keyword.
    Keyword {
        /// The name of the keyword.
        keyword: &'s str,
        /// The schema that it is in.
        definition: &'s Value,
    },
    /// The value takes too many steps to check. Nothing is said about the rest of it.
    TooMuch,
}

/// Checks a value in at most `steps` steps.
pub(super) fn check<'s>(schema: &'s Value, value: &Value, steps: usize) -> Vec<Violation<'s>> {
    let mut check = Check { steps, most: VIOLATIONS_MAX, path: Vec::new(), found: Vec::new() };
    if check.schema(schema, value).is_err() {
        check.found.push(Violation { path: Vec::new(), rule: Rule::TooMuch });
    }
    check.found
}

/// There are no steps left.
struct Exhausted;

type Checked<T = ()> = Result<T, Exhausted>;

struct Check<'s> {
    steps: usize,
    /// How many violations are enough.
    most: usize,
    path: Vec<String>,
    found: Vec<Violation<'s>>,
}

impl<'s> Check<'s> {
    fn spend(&mut self, steps: usize) -> Checked {
        self.steps = self.steps.checked_sub(steps).ok_or(Exhausted)?;
        Ok(())
    }

    fn is_enough(&self) -> bool {
        self.found.len() >= self.most
    }

    fn add(&mut self, rule: Rule<'s>) {
        if !self.is_enough() {
            self.found.push(Violation { path: self.path.clone(), rule });
        }
    }

    fn schema(&mut self, schema: &'s Value, value: &Value) -> Checked {
        self.spend(1)?;
        match schema {
            Value::Bool(false) => self.add(Rule::Keyword { keyword: "false", definition: schema }),
            Value::Object(fields) => {
                let is_nullable = fields.get("nullable") == Some(&Value::Bool(true));
                if value.is_null() && is_nullable {
                    return Ok(());
                }
                for (keyword, rule) in fields {
                    if self.is_enough() {
                        break;
                    }
                    self.spend(1)?;
                    if !self.keyword(keyword, rule, fields, value)? {
                        self.add(Rule::Keyword { keyword, definition: schema });
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether a keyword holds. What it finds further down it adds itself.
    fn keyword(
        &mut self,
        keyword: &str,
        rule: &'s Value,
        schema: &'s Map<String, Value>,
        value: &Value,
    ) -> Checked<bool> {
        match keyword {
            "type" => return Ok(is_of_type(rule, value)),
            "const" => return self.is_equal(rule, value),
            "enum" => {
                for one in rule.as_array().into_iter().flatten() {
                    if self.is_equal(one, value)? {
                        return Ok(true);
                    }
                }
                return Ok(false);
            }
            "anyOf" | "oneOf" | "allOf" | "not" => return self.combination(keyword, rule, value),
            _ => {}
        }
        match value {
            Value::String(text) => self.text(keyword, rule, text),
            Value::Number(number) => Ok(holds_of_number(keyword, rule, number)),
            Value::Array(items) => self.list(keyword, rule, schema, items),
            Value::Object(fields) => self.object(keyword, rule, schema, fields),
            Value::Null | Value::Bool(_) => Ok(true),
        }
    }

    fn combination(&mut self, keyword: &str, rule: &'s Value, value: &Value) -> Checked<bool> {
        let schemas = rule.as_array().map_or(std::slice::from_ref(rule), Vec::as_slice);
        let mut holding = 0;
        for schema in schemas {
            holding += usize::from(self.does_hold(schema, value)?);
        }
        Ok(match keyword {
            "anyOf" => holding > 0,
            "oneOf" => holding == 1,
            "allOf" => holding == schemas.len(),
            _ => holding == 0,
        })
    }

    /// Whether a schema holds for a value, of which nothing else is told.
    fn does_hold(&mut self, schema: &'s Value, value: &Value) -> Checked<bool> {
        let found = mem::take(&mut self.found);
        let most = mem::replace(&mut self.most, 1);
        let outcome = self.schema(schema, value);
        let holds = self.found.is_empty();
        (self.found, self.most) = (found, most);
        outcome.map(|()| holds)
    }

    fn text(&mut self, keyword: &str, rule: &Value, text: &str) -> Checked<bool> {
        if !matches!(keyword, "minLength" | "maxLength" | "pattern" | "format") {
            return Ok(true);
        }
        self.spend(text.len() / 64)?;
        Ok(match keyword {
            "minLength" => text.chars().count() as u64 >= count(rule),
            "maxLength" => text.chars().count() as u64 <= count(rule),
            "format" => rule.as_str().is_none_or(|format| is_format(format, text)),
            _ => {
                self.spend(pattern::STEPS)?;
                let pattern = rule.as_str().and_then(Pattern::new);
                pattern.is_some_and(|pattern| pattern.matches(text))
            }
        })
    }

    fn list(
        &mut self,
        keyword: &str,
        rule: &'s Value,
        schema: &'s Map<String, Value>,
        items: &[Value],
    ) -> Checked<bool> {
        match keyword {
            "minItems" => Ok(items.len() as u64 >= count(rule)),
            "maxItems" => Ok(items.len() as u64 <= count(rule)),
            "uniqueItems" if rule == &Value::Bool(true) => self.are_unique(items),
            "prefixItems" => {
                let schemas = rule.as_array().into_iter().flatten();
                for (index, (schema, item)) in schemas.zip(items).enumerate() {
                    self.below(index.to_string(), schema, item)?;
                }
                Ok(true)
            }
            "items" => {
                let first = schema.get("prefixItems").and_then(Value::as_array).map_or(0, Vec::len);
                for (index, item) in items.iter().enumerate().skip(first) {
                    self.below(index.to_string(), rule, item)?;
                }
                Ok(true)
            }
            _ => Ok(true),
        }
    }

    fn object(
        &mut self,
        keyword: &str,
        rule: &'s Value,
        schema: &'s Map<String, Value>,
        fields: &Map<String, Value>,
    ) -> Checked<bool> {
        let properties = schema.get("properties").and_then(Value::as_object);
        match keyword {
            "minProperties" => return Ok(fields.len() as u64 >= count(rule)),
            "maxProperties" => return Ok(fields.len() as u64 <= count(rule)),
            "properties" => {
                for (name, schema) in rule.as_object().into_iter().flatten() {
                    self.spend(1)?;
                    if let Some(value) = fields.get(name) {
                        self.below(name.clone(), schema, value)?;
                    }
                }
            }
            "required" => {
                for name in rule.as_array().into_iter().flatten().filter_map(Value::as_str) {
                    self.spend(1)?;
                    if !fields.contains_key(name) {
                        let definition = properties.and_then(|known| known.get(name));
                        let definition = definition.unwrap_or(&Value::Null);
                        self.add(Rule::Missing { name: name.to_owned(), definition });
                    }
                }
            }
            "additionalProperties" => {
                for (name, value) in fields {
                    self.spend(1)?;
                    if properties.is_some_and(|known| known.contains_key(name)) {
                        continue;
                    }
                    match rule {
                        Value::Bool(false) => self.add(Rule::Unexpected(name.clone())),
                        schema => self.below(name.clone(), schema, value)?,
                    }
                }
            }
            _ => {}
        }
        Ok(true)
    }

    fn below(&mut self, step: String, schema: &'s Value, value: &Value) -> Checked {
        self.path.push(step);
        let outcome = self.schema(schema, value);
        self.path.pop();
        outcome
    }

    fn are_unique(&mut self, items: &[Value]) -> Checked<bool> {
        for (index, item) in items.iter().enumerate() {
            for other in &items[..index] {
                if self.is_equal(item, other)? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Whether two values are the same: 1 and 1.0 are.
    fn is_equal(&mut self, one: &Value, other: &Value) -> Checked<bool> {
        self.spend(1)?;
        Ok(match (one, other) {
            (Value::Number(one), Value::Number(other)) => {
                one == other || one.as_f64() == other.as_f64()
            }
            (Value::String(one), Value::String(other)) => {
                self.spend(one.len().min(other.len()) / 64)?;
                one == other
            }
            (Value::Array(one), Value::Array(other)) => {
                let mut is_equal = one.len() == other.len();
                for (one, other) in one.iter().zip(other) {
                    is_equal = is_equal && self.is_equal(one, other)?;
                }
                is_equal
            }
            (Value::Object(one), Value::Object(other)) => {
                let mut is_equal = one.len() == other.len();
                for (name, one) in one {
                    is_equal = is_equal
                        && match other.get(name) {
                            Some(other) => self.is_equal(one, other)?,
                            None => false,
                        };
                }
                is_equal
            }
            (one, other) => one == other,
        })
    }
}

fn count(rule: &Value) -> u64 {
    rule.as_u64().unwrap_or_default()
}

fn is_of_type(rule: &Value, value: &Value) -> bool {
    let is_of = |name: &Value| match (name.as_str().unwrap_or_default(), value) {
        ("string", Value::String(_))
        | ("number", Value::Number(_))
        | ("boolean", Value::Bool(_))
        | ("array", Value::Array(_))
        | ("object", Value::Object(_))
        | ("null", Value::Null) => true,
        ("integer", Value::Number(number)) => {
            number.is_i64() || number.is_u64() || number.as_f64().is_some_and(|n| n.fract() == 0.0)
        }
        _ => false,
    };
    match rule {
        Value::Array(names) => names.iter().any(is_of),
        one => is_of(one),
    }
}

fn holds_of_number(keyword: &str, rule: &Value, number: &Number) -> bool {
    let (Some(limit), Some(number)) = (rule.as_f64(), number.as_f64()) else { return true };
    match keyword {
        "minimum" => number >= limit,
        "maximum" => number <= limit,
        "exclusiveMinimum" => number > limit,
        "exclusiveMaximum" => number < limit,
        "multipleOf" => {
            // 0.3 is thrice 0.1, although its nearest binary number is not.
            let times = number / limit;
            (times - times.round()).abs() <= 1e-9 * times.abs().max(1.0)
        }
        _ => true,
    }
}
