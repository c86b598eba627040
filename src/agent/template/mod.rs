//! Templates and conditions that owners write into function rows. What a caller says goes in as a
//! value, never as source; a name that does not exist is an error, so a typing error is reported
//! and does not become an empty text.

#[cfg(test)]
mod blowup_tests;
mod bound;
mod bounded_words;
mod error;
mod facts;
mod program;
mod structure;
#[cfg(test)]
mod structure_tests;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use minijinja::value::{Serde, Value as Context};
use minijinja::{Environment, ErrorKind, Output, UndefinedBehavior};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

pub use bound::{Budget, FILLED_IN_MAX};
pub use error::TemplateError;
use error::{failed, syntax};
pub use facts::Facts;
use program::Program;
use structure::Source;

/// What one rendering may use: about as many instructions, or 64 bytes of text for each.
const FUEL: u64 = 8_000;
/// The same, of a file of PROMPTS_DIR: a whole prompt takes some thousand.
pub(super) const FUEL_OF_FILES: u64 = 500_000;
/// How deep a template may nest while it is rendered.
pub(super) const DEPTH_MAX: usize = 40;
/// How deep JSON with templates in it may nest.
const TREE_DEPTH_MAX: usize = 16;
/// What does not stand for itself in an address, RFC 3986 section 2.3.
const RESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

static TEXT: LazyLock<Environment<'static>> = LazyLock::new(|| environment(Place::Text));
static PATH: LazyLock<Environment<'static>> = LazyLock::new(|| environment(Place::Path));
static QUERY: LazyLock<Environment<'static>> = LazyLock::new(|| environment(Place::Query));

/// Where a text will stand, which says how values are written into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Anywhere: as they are.
    Text,
    /// In the path of an address: encoded, and never an empty step or one up.
    Path,
    /// In the query of an address: encoded.
    Query,
}

/// A text with values in it: `Your order {{ args.order }}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(String);

impl Template {
    /// Checks a source. It may ask for the names in `known` and for nothing else.
    ///
    /// # Errors
    /// If it is too long, cannot be parsed or asks for another name.
    pub fn parse(source: &str, known: &BTreeSet<String>) -> Result<Self, TemplateError> {
        structure::check(source, Source::Row)?;
        let template = TEXT.template_from_str(source).map_err(syntax)?;
        checked_names(template.undeclared_variables(false), known)?;
        Program::of_text(source).map_err(syntax)?.check()?;
        Ok(Self(source.to_owned()))
    }

    /// As it is written.
    pub fn source(&self) -> &str {
        &self.0
    }

    /// What it asks for, with what of it: `args.date`.
    pub(super) fn asks(&self) -> BTreeSet<String> {
        let read = TEXT.template_from_str(&self.0);
        read.map(|read| in_order(read.undeclared_variables(true))).unwrap_or_default()
    }

    /// The text, with these values.
    ///
    /// # Errors
    /// If a value that it asks for is not there or does not suit, or if it uses too much.
    pub fn render(&self, values: &Context) -> Result<String, TemplateError> {
        self.render_for(Place::Text, values)
    }

    /// The text, with these values written as the place needs it.
    ///
    /// # Errors
    /// If a value that it asks for is not there or does not suit, or if it uses too much.
    pub fn render_for(&self, place: Place, values: &Context) -> Result<String, TemplateError> {
        let environment = match place {
            Place::Text => &TEXT,
            Place::Path => &PATH,
            Place::Query => &QUERY,
        };
        let program = Program::of_text(&self.0).map_err(syntax)?;
        let rendered = program.text(environment, values.clone());
        let text = rendered.map_err(|error| failed(&error, &self.0))?;
        if text.len() > FILLED_IN_MAX { Err(TemplateError::TooMuch) } else { Ok(text) }
    }
}

/// A question about values: `party > 4`. Braces around it are accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition(Expression);

impl Condition {
    /// Checks a source. It may ask for the names in `known` and for nothing else.
    ///
    /// # Errors
    /// If it is too long, cannot be parsed or asks for another name.
    pub fn parse(source: &str, known: &BTreeSet<String>) -> Result<Self, TemplateError> {
        let source = source.trim();
        Expression::parse(in_braces(source).unwrap_or(source), known).map(Self)
    }

    /// What it asks for, with what of it: `args.date`.
    pub(super) fn asks(&self) -> BTreeSet<String> {
        self.0.asks()
    }

    /// Whether it holds for these values.
    ///
    /// # Errors
    /// If a value that it asks for is not there or does not suit, or if it uses too much.
    pub fn holds(&self, values: &Context) -> Result<bool, TemplateError> {
        Ok(self.0.value(values)?.is_true())
    }
}

/// One expression, without braces.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Expression(String);

impl Expression {
    fn parse(source: &str, known: &BTreeSet<String>) -> Result<Self, TemplateError> {
        structure::check(source, Source::Expression)?;
        let expression = TEXT.compile_expression(source).map_err(syntax)?;
        checked_names(expression.undeclared_variables(false), known)?;
        Program::of_expression(source).map_err(syntax)?.check()?;
        Ok(Self(source.trim().to_owned()))
    }

    fn asks(&self) -> BTreeSet<String> {
        let read = TEXT.compile_expression(&self.0);
        read.map(|read| in_order(read.undeclared_variables(true))).unwrap_or_default()
    }

    fn value(&self, values: &Context) -> Result<Context, TemplateError> {
        let program = Program::of_expression(&self.0).map_err(syntax)?;
        let value =
            program.value(&TEXT, values.clone()).map_err(|error| failed(&error, &self.0))?;
        // The engine itself is strict only about what is done with a value.
        if value.is_undefined() { Err(TemplateError::Missing(self.0.clone())) } else { Ok(value) }
    }
}

/// JSON in which every string is a template. The keys are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemplateTree {
    /// What stays as it is.
    Fixed(Value),
    /// A string that becomes a string.
    Text(Template),
    /// A string that is one expression in braces and becomes its value, a number for example.
    Value(ValueTemplate),
    /// A JSON array of templates.
    List(Vec<TemplateTree>),
    /// A JSON object of templates.
    Fields(BTreeMap<String, TemplateTree>),
}

/// One expression that becomes its value: `{{ args.party }}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueTemplate(Expression);

impl TemplateTree {
    /// Checks every string in `value`.
    ///
    /// # Errors
    /// That of the first template that is wrong, or that the value is too deep.
    pub fn parse(value: &Value, known: &BTreeSet<String>) -> Result<Self, TemplateError> {
        Self::parse_at(value, known, 0)
    }

    fn parse_at(
        value: &Value,
        known: &BTreeSet<String>,
        depth: usize,
    ) -> Result<Self, TemplateError> {
        if depth > TREE_DEPTH_MAX {
            return Err(TemplateError::TooDeep);
        }
        let below = |value: &Value| Self::parse_at(value, known, depth + 1);
        Ok(match value {
            Value::String(source) => Self::parse_text(source, known)?,
            Value::Array(items) => Self::List(each_item(items, below)?),
            Value::Object(fields) => Self::Fields(each_field(fields, below)?),
            fixed => Self::Fixed(fixed.clone()),
        })
    }

    fn parse_text(source: &str, known: &BTreeSet<String>) -> Result<Self, TemplateError> {
        // `{{ a }} and {{ b }}` has braces around it too; what is between them is no expression.
        match in_braces(source).map(|source| Expression::parse(source, known)) {
            Some(Ok(expression)) => Ok(Self::Value(ValueTemplate(expression))),
            _ => Template::parse(source, known).map(Self::Text),
        }
    }

    /// What its templates ask for, with what of it: `args.date`.
    pub(super) fn asks(&self) -> BTreeSet<String> {
        match self {
            Self::Fixed(_) => BTreeSet::new(),
            Self::Text(template) => template.asks(),
            Self::Value(ValueTemplate(expression)) => expression.asks(),
            Self::List(items) => items.iter().flat_map(Self::asks).collect(),
            Self::Fields(fields) => fields.values().flat_map(Self::asks).collect(),
        }
    }

    /// The JSON, with these values in its strings.
    ///
    /// # Errors
    /// That of the first template that fails.
    pub fn render(&self, values: &Context) -> Result<Value, TemplateError> {
        self.render_within(&mut Budget::default(), values)
    }

    /// The same, with what is left of something larger.
    ///
    /// # Errors
    /// That of the first template that fails, or that it comes to too much.
    pub fn render_within(
        &self,
        budget: &mut Budget,
        values: &Context,
    ) -> Result<Value, TemplateError> {
        Ok(match self {
            Self::Fixed(value) => value.clone(),
            Self::Text(template) => {
                let text = template.render(values)?;
                budget.take(text.len())?;
                Value::String(text)
            }
            Self::Value(ValueTemplate(expression)) => budget.json_of(&expression.value(values)?)?,
            Self::List(items) => {
                Value::Array(each_item(items, |tree| tree.render_within(budget, values))?)
            }
            Self::Fields(fields) => {
                Value::Object(each_field(fields, |tree| tree.render_within(budget, values))?)
            }
        })
    }
}

/// JSON as templates see it.
pub fn value_of(json: &Value) -> Context {
    Context::from(Serde(json))
}

fn each_item<T, U>(
    items: &[T],
    mut change: impl FnMut(&T) -> Result<U, TemplateError>,
) -> Result<Vec<U>, TemplateError> {
    let change =
        |(at, item): (usize, &T)| change(item).map_err(|error| error.below(at.to_string()));
    items.iter().enumerate().map(change).collect()
}

fn each_field<'f, T: 'f, U, C: FromIterator<(String, U)>>(
    fields: impl IntoIterator<Item = (&'f String, &'f T)>,
    mut change: impl FnMut(&T) -> Result<U, TemplateError>,
) -> Result<C, TemplateError> {
    let change = |(name, value): (&String, &T)| match change(value) {
        Ok(changed) => Ok((name.clone(), changed)),
        Err(error) => Err(error.below(name)),
    };
    fields.into_iter().map(change).collect()
}

fn in_order(names: impl IntoIterator<Item = String>) -> BTreeSet<String> {
    names.into_iter().collect()
}

fn in_braces(source: &str) -> Option<&str> {
    source.strip_prefix("{{")?.strip_suffix("}}")
}

/// Whether a file of PROMPTS_DIR can be given to the engine.
///
/// # Errors
/// If it is too long or nested too deep.
pub(super) fn check_file(text: &str) -> Result<(), TemplateError> {
    structure::check(text, Source::File)
}

/// A name is known, or a function that every template has.
fn checked_names(
    asked: impl IntoIterator<Item = String>,
    known: &BTreeSet<String>,
) -> Result<(), TemplateError> {
    let is_known =
        |name: &str| known.contains(name) || TEXT.globals().any(|(global, _)| global == name);
    match asked.into_iter().filter(|name| !is_known(name)).min() {
        Some(name) => {
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            Err(TemplateError::Unknown { name, known: known.join(", ") })
        }
        None => Ok(()),
    }
}

fn environment(place: Place) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(DEPTH_MAX);
    // Both would show the values that went in.
    environment.set_debug(false);
    environment.remove_global("debug");
    // One outlives an iteration, so that a loop could make a value of any depth; the other makes
    // maps under whatever name it is given.
    environment.remove_global("namespace");
    environment.remove_global("dict");
    bounded_words::add_to(&mut environment);
    environment.set_formatter(move |output, _, value| write(output, place, value));
    environment
}

fn write(output: &mut Output<'_>, place: Place, value: &Context) -> Result<(), minijinja::Error> {
    if value.is_undefined() {
        return Err(ErrorKind::UndefinedError.into());
    }
    let text = match bound::json_of(value, FILLED_IN_MAX) {
        // An optional value that was not given is an empty text.
        Ok(Value::Null) => String::new(),
        Ok(Value::String(text)) => text,
        Ok(other) => other.to_string(),
        Err(_) => return Err(ErrorKind::BadSerialization.into()),
    };
    match place {
        Place::Text => output.write_str(&text)?,
        // `DELETE /customers/{{ args.id }}` without an id is another request than the owner meant.
        Place::Path if leaves_its_step(&text) => return Err(ErrorKind::UndefinedError.into()),
        Place::Path | Place::Query => write!(output, "{}", utf8_percent_encode(&text, &RESERVED))?,
    }
    Ok(())
}

/// Whether a step of a path would be empty or go up, for those too who decode `%2F` first.
fn leaves_its_step(text: &str) -> bool {
    text.split(['/', '\\']).any(|step| step.bytes().all(|byte| byte == b'.'))
}
