//! Templates of rows and files: any text, any nesting, read and filled in on a stack of the size
//! that a thread of the runtime has left. An overflow ends the process, and with it the test.

use std::collections::BTreeMap;
use std::thread;

use frontdesk::agent::function::Work;
use frontdesk::agent::prompt::Prompts;
use frontdesk::agent::template::value_of;
use minijinja::value::Value as Context;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::functions::{agent, facts};
use crate::harness::{corpus, fuzz};

const STACK_BYTES: usize = 1024 * 1024;
/// What templates are made of, each of it up to some thousand times.
const PARTS: [&str; 72] = [
    "{{",
    "}}",
    "{%",
    "%}",
    "{#",
    "#}",
    "{{-",
    "-}}",
    " ",
    "-",
    "- ",
    "not ",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "{1:",
    "a",
    "args",
    "args.a",
    "1",
    "'x'",
    "\"",
    "'",
    ".b",
    "[0]",
    "[1:2]",
    "()",
    "(1)",
    "|upper",
    "|batch(1)",
    "|list",
    "|d(",
    "|map('list')",
    "+1",
    "~1",
    "**1",
    "*2",
    "//3",
    " or a",
    " and a",
    " == 1",
    " < 2",
    " in a",
    " is defined",
    " is not eq -1",
    " if a",
    " if a else ",
    ",",
    ":",
    "=",
    "{% if a %}",
    "{% elif a %}",
    "{% else %}",
    "{% endif %}",
    "{% for x in [a] %}",
    "{% endfor %}",
    "{% for x in a recursive %}",
    "{% with x = [a] %}",
    "{% endwith %}",
    "{% set x = [x] %}",
    "{% set x %}",
    "{% endset %}",
    "{% filter upper %}",
    "{% endfilter %}",
    "{% macro f() %}",
    "{% endmacro %}",
    "{{ f() }}",
    "{% raw %}",
    "é",
];

fn check(source: &str) {
    let url = "https://crm.example/";
    let node = |node: Value| json!({"start": "a", "nodes": {"a": node, "b": {"end": "Bye."}}});
    let rows = [
        ("json_api", json!({"url": format!("{url}{source}"), "body": {"a": source}})),
        ("json_api", json!({"url": url, "body": source, "query": {"a": source}})),
        ("json_api", json!({"url": url, "headers": {"X-A": source}})),
        ("flows", node(json!({"say": source, "next": "b"}))),
        ("flows", node(json!({"branch": [{"if": source, "next": "b"}], "next": "b"}))),
    ];
    for (kind, data) in rows {
        let row = json!({"type": kind, "name": "x", "data": data, "variables": [{"name": "a"}]});
        for function in &agent(&[row]).functions.rows {
            if let Work::JsonApi(api) = &function.work {
                let mut values = facts().values();
                values.insert("args".to_owned(), value_of(&json!({"a": [1, {"b": "x"}]})));
                values.insert("secrets".to_owned(), Context::from(()));
                drop(api.request(&Context::from_pairs(values)));
            }
        }
    }
    drop(Prompts::with(&BTreeMap::from([("filler.md".to_owned(), source.to_owned())])));
}

fn check_on_a_small_stack(source: String) {
    let thread = thread::Builder::new().stack_size(STACK_BYTES).spawn(move || check(&source));
    thread.expect("a thread starts").join().expect("nothing panics");
}

#[test]
fn fuzz_templates() {
    for (_, text) in corpus("templates") {
        check_on_a_small_stack(text);
    }
    let part =
        (0..PARTS.len(), prop_oneof![4 => 1..4_usize, 2 => 4..40_usize, 1 => 40..3_000_usize]);
    let strategy = prop::collection::vec(part, 1..16);
    fuzz("templates", 40, strategy, |parts| {
        let parts = parts.into_iter().map(|(which, times)| PARTS[which].repeat(times));
        // As a row is at most, and a little more.
        let source: String = parts.collect::<String>().chars().take(9_000).collect();
        check_on_a_small_stack(source);
        Ok(())
    });
}
