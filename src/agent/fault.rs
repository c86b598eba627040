//! Lenient reading of what owners write: each value that cannot be used is reported by name, and
//! its default is used; a function with one is left out.

use std::fmt;

use serde_json::{Map, Value};

/// Where the paths of function rows begin.
pub(super) const FUNCTIONS: &str = "functions.";

/// Of a name among the opening hours that is of some day, and nobody knows which.
pub(super) const NO_DATE: &str = "no date that can be read";

/// What stands in the place of JSON that is larger than is read of a row.
pub const TOO_LARGE: &str = "(too large to be read)";
/// Of a text that is cut.
pub(super) const TOO_LONG: &str = "more than is read";
/// As many characters are taken of a text that an owner writes for the prompt.
pub(super) const TEXT_MAX: usize = 65_536;

/// A setting that is not used as it stands. Holds no value, which might be a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingFault {
    /// Where it is, such as `private_settings.limits.call_seconds`.
    pub path: String,
    /// What kind of thing was found there.
    pub found: &'static str,
    /// What is accepted there.
    pub accepted: String,
}

impl fmt::Display for SettingFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, found, accepted } = self;
        let instead = match path.as_str() {
            path if path.starts_with(FUNCTIONS) => "the function is left out",
            // Unsigned would be worse than late: each call is told of once it is mended.
            path if path.ends_with(".webhook.secret") => "nobody is told of calls",
            _ if *found == TOO_LONG => "the rest is left out",
            _ if *found == NO_DATE => "no day is changed by it",
            path if path.starts_with("operating_schedule") => "the hours are not known",
            _ => "the default is used",
        };
        write!(f, "{path}: found {found}, accepted is {accepted}; {instead}")
    }
}

/// The faults found so far.
#[derive(Debug, Default)]
pub(super) struct Faults(pub(super) Vec<SettingFault>);

impl Faults {
    /// The most that are reported of one agent.
    const MOST: usize = 50;

    pub(super) fn add(&mut self, path: String, found: &'static str, accepted: impl Into<String>) {
        self.push(SettingFault { path, found, accepted: accepted.into() });
    }

    pub(super) fn push(&mut self, fault: SettingFault) {
        if self.0.len() < Self::MOST {
            self.0.push(fault);
        }
    }
}

/// What a JSON value is, without saying its content.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(text) if text == TOO_LARGE => "more JSON than is read",
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "another number",
        Value::String(_) => "another text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// The fields of one object, or of none. `null` is the same as absent.
#[derive(Clone)]
pub(super) struct Fields<'v> {
    path: String,
    object: Option<&'v Map<String, Value>>,
}

impl<'v> Fields<'v> {
    /// The fields of `value`, which should be an object with no names but `known`; any name if
    /// `known` is empty.
    pub(super) fn read(
        value: Option<&'v Value>,
        path: impl Into<String>,
        known: &[&str],
        faults: &mut Faults,
    ) -> Self {
        let path = path.into();
        let object = match value {
            None | Some(Value::Null) => None,
            Some(Value::Object(object)) => Some(object),
            Some(other) => {
                faults.add(path.clone(), kind(other), "an object");
                None
            }
        };
        let unknown = |name: &&String| !known.is_empty() && !known.contains(&name.as_str());
        for name in object.into_iter().flat_map(Map::keys).filter(unknown) {
            let name: String = name.chars().take(60).collect();
            let accepted = format!("one of {}", known.join(", "));
            faults.add(format!("{path}.{name}"), "an unknown name", accepted);
        }
        Self { path, object }
    }

    /// The fields of an object in this one.
    pub(super) fn section(&self, name: &str, known: &[&str], faults: &mut Faults) -> Fields<'v> {
        Fields::read(self.get(name), self.path_of(name), known, faults)
    }

    /// All fields, by name.
    pub(super) fn all(&self) -> impl Iterator<Item = (&'v String, &'v Value)> + use<'v> {
        self.object.into_iter().flatten()
    }

    /// Where a field is.
    pub(super) fn path_of(&self, name: &str) -> String {
        format!("{}.{name}", self.path)
    }

    /// A field that is there and not null.
    pub(super) fn get(&self, name: &str) -> Option<&'v Value> {
        self.object?.get(name).filter(|value| !value.is_null())
    }

    /// A field that `read` understands; any other is reported.
    pub(super) fn accept<T>(
        &self,
        name: &str,
        accepted: &str,
        faults: &mut Faults,
        read: impl FnOnce(&'v Value) -> Option<T>,
    ) -> Option<T> {
        let value = self.get(name)?;
        let read = read(value);
        if read.is_none() {
            faults.add(self.path_of(name), kind(value), accepted);
        }
        read
    }

    /// The field as a text; none and a fault where it is something else.
    pub(super) fn text(&self, name: &str, faults: &mut Faults) -> Option<String> {
        self.accept(name, "a text", faults, |value| value.as_str().map(str::to_owned))
    }

    /// The field as a boolean; `default` and a fault where it is something else.
    pub(super) fn flag(&self, name: &str, default: bool, faults: &mut Faults) -> bool {
        self.accept(name, "true or false", faults, Value::as_bool).unwrap_or(default)
    }

    /// A number within `range`.
    pub(super) fn number(
        &self,
        name: &str,
        range: std::ops::RangeInclusive<f64>,
        faults: &mut Faults,
    ) -> Option<f64> {
        let accepted = format!("a number from {} to {}", range.start(), range.end());
        let within = |value: &Value| value.as_f64().filter(|number| range.contains(number));
        self.accept(name, &accepted, faults, within)
    }

    /// A whole number within `range`.
    pub(super) fn whole(
        &self,
        name: &str,
        range: std::ops::RangeInclusive<u32>,
        faults: &mut Faults,
    ) -> Option<u32> {
        let accepted = format!("a whole number from {} to {}", range.start(), range.end());
        self.accept(name, &accepted, faults, |value| {
            let number = value.as_f64().filter(|number| number.fract() == 0.0)?;
            (f64::from(*range.start())..=f64::from(*range.end()))
                .contains(&number)
                .then_some(number as u32)
        })
    }
}
