//! Structured mutation: what is valid is changed in its fields, types, lengths, characters and
//! nesting, so that it stays close to what is read and comes deep into it.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// One change: where, which, how much. Numbers are taken modulo what there is.
pub(crate) type Edit = (u32, u8, u32);

/// Nothing is made larger that has grown to this, in bytes.
const GROWN: usize = 48 * 1024;

/// A few changes.
pub(crate) fn edits() -> impl Strategy<Value = Vec<Edit>> {
    prop::collection::vec(any::<Edit>(), 0..5)
}

/// Texts that have broken something somewhere before.
pub(crate) const ODD_TEXTS: [&str; 44] = [
    "",
    " ",
    "\0",
    "\u{feff}",
    "\u{202e}abc",
    "é",
    "e\u{301}",
    "👩\u{200d}👩\u{200d}👧",
    "\u{1d5d4}",
    "ß",
    "İ",
    "\u{2028}",
    "\r\n",
    "\t",
    "\"",
    "'",
    "\\",
    "\\u0000",
    "]]>",
    "<Say>",
    "&amp;",
    "%00",
    "%",
    "../..",
    "//",
    "https://user:pass@[::1]:99999/?#",
    "http://example.com/{{ args.a }}",
    "+15551230001",
    "+1",
    "00:00",
    "24:00",
    "25:61",
    "2026-02-30",
    "9999-12-31",
    "-009999-01-01",
    "Europe/London",
    "NaN",
    "1e400",
    "{{ args.a }}",
    "{{ 'x' * 1000000 }}",
    "{% for i in range(100000) %}{{ i }}{% endfor %}",
    "{{ caller * 3 }}",
    "((((((((((a+)+)+)+)+)+)+)+)+)+)$",
    "[0-9]{1,9999}",
];

/// A value that is none of those that are expected, or is at their end.
pub(crate) fn odd(n: u32) -> Value {
    let numbers = [
        json!(0),
        json!(-1),
        json!(1),
        json!(0.5),
        json!(1e308),
        json!(-1e308),
        json!(5e-324),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(4_294_967_296_u64),
        json!(65_536),
    ];
    let others = [json!(null), json!(true), json!(false), json!([]), json!({})];
    let n = n as usize;
    match n % 4 {
        0 => numbers[n / 4 % numbers.len()].clone(),
        1 => others[n / 4 % others.len()].clone(),
        _ => Value::from(ODD_TEXTS[n / 4 % ODD_TEXTS.len()]),
    }
}

/// A value with some changes.
pub(crate) fn mutated(value: &Value, edits: &[Edit]) -> Value {
    let mut value = value.clone();
    for (at, which, how) in edits {
        change(&mut value, *at, *which, *how);
    }
    value
}

fn change(whole: &mut Value, at: u32, which: u8, how: u32) {
    let nodes = count(whole);
    let is_grown = size(whole) > GROWN;
    let another = nth(whole, how as usize % nodes).clone();
    let node = nth_mut(whole, &mut (at as usize % nodes)).expect("it is one of them");
    match which % 14 {
        0 | 1 => *node = odd(how),
        2 => drop_one(node, how),
        3 => rename_one(node, how),
        4 => add_one(node, how),
        5 if !is_grown => repeat_one(node, how),
        6 if !is_grown => nest(node, how),
        7 if !is_grown => lengthen(node, how),
        8 => insert_text(node, how),
        9 => shorten(node, how),
        10 if !is_grown && size(&another) < GROWN / 8 => *node = another,
        11 => *node = Value::String(node.to_string()),
        12 => other_type(node),
        _ => swap_two(node, how),
    }
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(fields) => fields.values().map(count).sum(),
        _ => 0,
    }
}

fn size(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() + 2,
        Value::Array(items) => 2 + items.iter().map(size).sum::<usize>(),
        Value::Object(fields) => fields.iter().map(|(name, v)| name.len() + 4 + size(v)).sum(),
        _ => 8,
    }
}

fn nth(value: &Value, n: usize) -> &Value {
    fn find<'v>(value: &'v Value, n: &mut usize) -> Option<&'v Value> {
        if *n == 0 {
            return Some(value);
        }
        *n -= 1;
        match value {
            Value::Array(items) => items.iter().find_map(|item| find(item, n)),
            Value::Object(fields) => fields.values().find_map(|field| find(field, n)),
            _ => None,
        }
    }
    find(value, &mut { n }).unwrap_or(value)
}

fn nth_mut<'v>(value: &'v mut Value, n: &mut usize) -> Option<&'v mut Value> {
    if *n == 0 {
        return Some(value);
    }
    *n -= 1;
    match value {
        Value::Array(items) => items.iter_mut().find_map(|item| nth_mut(item, n)),
        Value::Object(fields) => fields.values_mut().find_map(|field| nth_mut(field, n)),
        _ => None,
    }
}

fn name_at(fields: &Map<String, Value>, n: u32) -> Option<String> {
    let n = (n as usize).checked_rem(fields.len())?;
    fields.keys().nth(n).cloned()
}

fn drop_one(node: &mut Value, how: u32) {
    match node {
        Value::Array(items) if !items.is_empty() => {
            items.remove(how as usize % items.len());
        }
        Value::Object(fields) => {
            if let Some(name) = name_at(fields, how) {
                fields.remove(&name);
            }
        }
        other => *other = Value::Null,
    }
}

fn rename_one(node: &mut Value, how: u32) {
    if let Value::Object(fields) = node
        && let Some(name) = name_at(fields, how)
        && let Some(value) = fields.remove(&name)
    {
        let odd = ODD_TEXTS[how as usize / 7 % ODD_TEXTS.len()];
        fields.insert(format!("{name}{odd}"), value);
    }
}

fn add_one(node: &mut Value, how: u32) {
    match node {
        Value::Array(items) => items.push(odd(how)),
        Value::Object(fields) => {
            let name = ODD_TEXTS[how as usize / 5 % ODD_TEXTS.len()];
            fields.insert(name.to_owned(), odd(how));
        }
        other => *other = json!([other.clone(), odd(how)]),
    }
}

fn repeat_one(node: &mut Value, how: u32) {
    let times = how as usize % 70;
    match node {
        Value::Array(items) if !items.is_empty() => {
            let item = items[how as usize % items.len()].clone();
            items.extend(std::iter::repeat_n(item, times));
        }
        Value::Object(fields) => {
            if let Some(name) = name_at(fields, how) {
                let value = fields[&name].clone();
                fields.extend((0..times).map(|n| (format!("{name}{n}"), value.clone())));
            }
        }
        other => *other = Value::Array(vec![other.clone(); times]),
    }
}

fn nest(node: &mut Value, how: u32) {
    for n in 0..how % 60 {
        let inner = node.take();
        *node = if (how >> (n % 16)) & 1 == 0 { json!([inner]) } else { json!({"a": inner}) };
    }
}

fn lengthen(node: &mut Value, how: u32) {
    let times = how as usize % 3_000;
    match node {
        Value::String(text) if text.is_empty() => *text = "x".repeat(times),
        Value::String(text) => *text = text.repeat(times.min(12_000 / text.len()) + 1),
        other => *other = Value::String("é".repeat(times)),
    }
}

fn insert_text(node: &mut Value, how: u32) {
    if let Value::String(text) = node {
        let at = text.floor_char_boundary(how as usize % (text.len() + 1));
        text.insert_str(at, ODD_TEXTS[how as usize / 3 % ODD_TEXTS.len()]);
    } else {
        *node = Value::from(ODD_TEXTS[how as usize % ODD_TEXTS.len()]);
    }
}

fn shorten(node: &mut Value, how: u32) {
    match node {
        Value::String(text) => {
            let at = text.floor_char_boundary(how as usize % (text.len() + 1));
            text.truncate(at);
        }
        Value::Array(items) => items.truncate(how as usize % (items.len() + 1)),
        other => *other = Value::Null,
    }
}

fn other_type(node: &mut Value) {
    *node = match node.take() {
        Value::String(text) => match text.parse::<i64>() {
            Ok(number) => json!(number),
            Err(_) => json!({"value": text}),
        },
        Value::Number(number) => Value::String(number.to_string()),
        Value::Bool(flag) => Value::String(flag.to_string()),
        Value::Array(items) => Value::Object(
            items.into_iter().enumerate().map(|(n, item)| (n.to_string(), item)).collect(),
        ),
        Value::Object(fields) => Value::Array(fields.into_iter().map(|(_, value)| value).collect()),
        Value::Null => json!(0),
    };
}

fn swap_two(node: &mut Value, how: u32) {
    match node {
        Value::Array(items) if items.len() > 1 => {
            let (a, b) = (how as usize % items.len(), how as usize / 7 % items.len());
            items.swap(a, b);
        }
        Value::Object(fields) => {
            if let (Some(a), Some(b)) = (name_at(fields, how), name_at(fields, how / 7))
                && let (Some(first), Some(second)) =
                    (fields.get(&a).cloned(), fields.get(&b).cloned())
            {
                fields.insert(a, second);
                fields.insert(b, first);
            }
        }
        Value::Number(number) => *node = json!(-number.as_f64().unwrap_or_default()),
        _ => {}
    }
}

/// A text with some changes that its own form knows nothing of: cut, doubled, something put in.
pub(crate) fn damaged(text: &str, edits: &[Edit]) -> String {
    let mut text = text.to_owned();
    for (at, which, how) in edits {
        let from = text.floor_char_boundary(*at as usize % (text.len() + 1));
        let until = text.floor_char_boundary((from + *how as usize % 24).min(text.len()));
        match which % 8 {
            0 => text.replace_range(from..until.max(from), ""),
            1 => text.insert_str(from, ODD_TEXTS[*how as usize % ODD_TEXTS.len()]),
            2 if text.len() < GROWN => {
                let piece = text[from..until.max(from)].repeat(*how as usize % 40);
                text.insert_str(from, &piece);
            }
            3 if how % 4 == 0 => text.truncate(from),
            4 => {
                let odd = char::from_u32(how % 0x11_0000).unwrap_or('?');
                text.insert(from, odd);
            }
            5 => {
                let odd = ODD_TEXTS[*how as usize % ODD_TEXTS.len()];
                text.replace_range(from..until.max(from), odd);
            }
            _ => {}
        }
    }
    text
}
