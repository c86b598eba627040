//! What in a template could make much of little, done so that it is measured first: `+`, `*`, `sum`
//! and `tojson`; and what looks at all of a text and is charged for none of it. The engine's other
//! filters measure by themselves.

use minijinja::filters;
use minijinja::value::{Kwargs, Value as Context, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State};

use super::bound::{self, FILLED_IN_MAX};
use super::program::{OTHER_FILTERS, OTHER_TESTS, PLUS, TIMES};

/// The most spaces that `tojson` begins each level with.
const INDENT_MAX: usize = 8;
/// How many bytes of a text cost as much as an instruction, as the engine has it.
const UNITS_PER_FUEL: u64 = 64;

/// Gives an environment these words, and takes from it what rows may not name.
pub(super) fn add_to(environment: &mut Environment<'static>) {
    for name in OTHER_FILTERS {
        environment.remove_filter(name);
    }
    for name in OTHER_TESTS {
        environment.remove_test(name);
    }
    environment.add_filter(PLUS, plus);
    environment.add_filter(TIMES, times);
    environment.add_filter("sum", sum);
    environment.add_filter("tojson", to_json);
    environment.add_filter("min", |state: &State<'_, '_>, values: Context, named: Kwargs| {
        weigh(state, &values).and_then(|()| filters::min(state, values, named))
    });
    environment.add_filter("max", |state: &State<'_, '_>, values: Context, named: Kwargs| {
        weigh(state, &values).and_then(|()| filters::max(state, values, named))
    });
    environment.add_filter("sort", |state: &State<'_, '_>, values: Context, named: Kwargs| {
        weigh(state, &values).and_then(|()| filters::sort(state, values, named))
    });
    environment.add_filter("unique", |state: &State<'_, '_>, values: Context, named: Kwargs| {
        weigh(state, &values).and_then(|()| filters::unique(state, values, named))
    });
    environment.add_filter("dictsort", |state: &State<'_, '_>, values: Context, named: Kwargs| {
        weigh(state, &values).and_then(|()| filters::dictsort(&values, named))
    });
    environment.add_filter("default", or_default);
    environment.add_filter("d", or_default);
}

/// The engine's own stands in only for what does not exist; what was not given is there, and empty.
fn or_default(value: Context, other: Option<Context>, lax: Option<bool>) -> Context {
    let is_nothing = value.is_undefined() || value.is_none();
    if is_nothing || (lax == Some(true) && !value.is_true()) {
        other.unwrap_or_else(|| Context::from(""))
    } else {
        value
    }
}

/// Two numbers, as they are calculated with.
enum Pair {
    Whole(i128, i128),
    Broken(f64, f64),
}

impl Pair {
    fn of(left: &Context, right: &Context) -> Option<Self> {
        let is_number =
            |value: &Context| matches!(value.kind(), ValueKind::Number | ValueKind::Bool);
        if !is_number(left) || !is_number(right) {
            return None;
        }
        let whole = |value: &Context| {
            let is_whole = value.is_integer() || value.kind() == ValueKind::Bool;
            is_whole.then(|| i128::try_from(value.clone()).ok())
        };
        match (whole(left), whole(right)) {
            (Some(left), Some(right)) => Some(Self::Whole(left?, right?)),
            _ => Some(Self::Broken(float(left)?, float(right)?)),
        }
    }
}

fn float(value: &Context) -> Option<f64> {
    let whole = || i128::try_from(value.clone()).ok().map(|whole| whole as f64);
    f64::try_from(value.clone()).ok().or_else(whole)
}

fn number(whole: i128) -> Context {
    i64::try_from(whole).map_or_else(|_| Context::from(whole), Context::from)
}

fn unfit() -> Error {
    ErrorKind::InvalidOperation.into()
}

/// Numbers are added, texts joined; lists are neither.
fn plus(left: &Context, right: &Context) -> Result<Context, Error> {
    if let (Some(left), Some(right)) = (left.as_str(), right.as_str()) {
        let is_bounded = left.len() + right.len() <= FILLED_IN_MAX;
        return is_bounded.then(|| [left, right].concat().into()).ok_or_else(unfit);
    }
    match Pair::of(left, right).ok_or_else(unfit)? {
        Pair::Whole(left, right) => left.checked_add(right).map(number).ok_or_else(unfit),
        Pair::Broken(left, right) => Ok(Context::from(left + right)),
    }
}

/// Numbers are multiplied, texts repeated; lists are neither.
fn times(left: &Context, right: &Context) -> Result<Context, Error> {
    let repeated = match (left.as_str(), right.as_str()) {
        (Some(text), None) => Some((text, right)),
        (None, Some(text)) => Some((text, left)),
        _ => None,
    };
    if let Some((text, count)) = repeated {
        let count = count.is_integer().then(|| i128::try_from(count.clone()).ok()).flatten();
        let count = count.map(|count| usize::try_from(count.max(0)).unwrap_or(usize::MAX));
        let count = count.filter(|count| text.len().saturating_mul(*count) <= FILLED_IN_MAX);
        // Nothing, any number of times, is not walked through.
        let count = count.map(|count| if text.is_empty() { 0 } else { count });
        return count.map(|count| text.repeat(count).into()).ok_or_else(unfit);
    }
    match Pair::of(left, right).ok_or_else(unfit)? {
        Pair::Whole(left, right) => left.checked_mul(right).map(number).ok_or_else(unfit),
        Pair::Broken(left, right) => Ok(Context::from(left * right)),
    }
}

/// Charges for the texts in a list or map: whoever puts them in order reads them, and writes each of
/// them small.
fn weigh(state: &State<'_, '_>, values: &Context) -> Result<(), Error> {
    let weigh_one = |value: &Context| {
        let bytes = value.as_str().map_or(0, str::len);
        state.consume_fuel(1 + bytes as u64 / UNITS_PER_FUEL)
    };
    let is_map = values.kind() == ValueKind::Map;
    for item in values.try_iter()? {
        weigh_one(&item)?;
        if is_map {
            weigh_one(&values.get_item(&item)?)?;
        }
    }
    Ok(())
}

/// The engine's own adds lists too.
fn sum(
    state: &State<'_, '_>,
    values: Context,
    attribute: Option<String>,
    start: Option<Context>,
    named: Kwargs,
) -> Result<Context, Error> {
    let attribute = attribute.map_or_else(|| named.get("attribute"), |it| Ok(Some(it)))?;
    let start = start.map_or_else(|| named.get("start"), |it| Ok(Some(it)))?;
    named.assert_all_used()?;
    let mut sum = start.unwrap_or_else(|| Context::from(0));
    for item in values.try_iter()? {
        state.consume_fuel(1)?;
        let item = match &attribute {
            Some(name) => item.get_attr(name)?,
            None => item,
        };
        if !item.is_undefined() {
            let is_text = sum.kind() == ValueKind::String || item.kind() == ValueKind::String;
            sum = if is_text { Err(unfit()) } else { plus(&sum, &item) }?;
        }
    }
    Ok(sum)
}

/// As the engine writes it, once it is known that it is not too much.
fn to_json(
    state: &State<'_, '_>,
    value: &Context,
    indent: Option<Context>,
    named: Kwargs,
) -> Result<Context, Error> {
    let indent = indent.map_or_else(|| named.get("indent"), |it| Ok(Some(it)))?;
    let spaces = match &indent {
        None => 0,
        Some(indent) => match bool::try_from(indent.clone()) {
            Ok(is_indented) => usize::from(is_indented) * 2,
            Err(_) => usize::try_from(indent.clone())?,
        },
    };
    if spaces > INDENT_MAX {
        return Err(unfit());
    }
    let bytes = bound::bytes_as_json(value, spaces, FILLED_IN_MAX).map_err(|_| unfit())?;
    // Four bytes cost as much as an instruction, as in the engine's own.
    state.consume_fuel(bytes as u64 / 4)?;
    filters::tojson(value, indent, named)
}
