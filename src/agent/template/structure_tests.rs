//! What is too deep for the engine is refused before it sees it, and what is just not too deep
//! passes all of the engine on a small stack.

use std::thread;

use proptest::prelude::*;
use serde_json::json;

use super::structure::{BLOCKS_MAX, BOUND_MAX, BRACKETS_MAX, EXPRESSION_DEPTH_MAX};
use super::*;

/// A quarter of what a thread of the runtime has: templates are read and filled in deep in a task.
const STACK_BYTES: usize = 512 * 1024;

fn known() -> BTreeSet<String> {
    ["a", "b"].map(str::to_owned).into()
}

/// What comes of a source as each of the things that it can be in a row, and in a file.
fn outcome(source: String) -> [bool; 4] {
    let work = move || {
        let values = minijinja::context! { a => 1, b => value_of(&json!([[1, 2], {"b": "x"}])) };
        let template = Template::parse(&source, &known());
        if let Ok(template) = &template {
            for place in [Place::Text, Place::Path, Place::Query] {
                drop(template.render_for(place, &values));
            }
        }
        let condition = Condition::parse(&source, &known());
        if let Ok(condition) = &condition {
            drop(condition.holds(&values));
        }
        let tree = TemplateTree::parse(&json!({"x": source}), &known());
        if let Ok(tree) = &tree {
            drop(tree.render(&values));
        }
        let file = check_file(&source);
        // What a row cannot have because it takes for ever is the operator's own affair.
        if file.is_ok() && template.is_ok() {
            let mut environment = minijinja::Environment::new();
            environment.set_recursion_limit(DEPTH_MAX);
            environment.set_fuel(Some(FUEL_OF_FILES));
            drop(environment.render_str(&source, values));
        }
        [template.is_ok(), condition.is_ok(), tree.is_ok(), file.is_ok()]
    };
    let thread = thread::Builder::new().stack_size(STACK_BYTES).spawn(work);
    thread.expect("a thread starts").join().expect("the work ends")
}

/// Ways to nest: what is at the beginning, at each level before, in the middle, at each level after,
/// and at the end.
const WAYS: [(&str, &str, &str, &str, &str); 38] = [
    ("{{ ", "-", "1", "", " }}"),
    ("{{ ", "- ", "1", "", " }}"),
    ("{{ ", "not ", "a", "", " }}"),
    ("{{ ", "(", "a", ")", " }}"),
    ("{{ ", "[", "a", "]", " }}"),
    ("{{ ", "{1:", "a", "}", " }}"),
    ("{{ ", "(a,", "a", ")", " }}"),
    ("{{ ", "b[", "0", "]", " }}"),
    ("{{ ", "-(", "1", ")", " }}"),
    ("{{ ", "(1+", "1", ")+1", " }}"),
    ("{{ ", "a|d(", "1", ")", " }}"),
    ("{{ ", "", "a", "|string", " }}"),
    ("{{ ", "", "b", "|batch(1)", " }}"),
    ("{{ ", "", "b", "|list", " }}"),
    ("{{ ", "", "b", ".b", " }}"),
    ("{{ ", "", "b", "[0]", " }}"),
    ("{{ ", "", "b", "[0:1]", " }}"),
    ("{{ ", "", "range", "(1)", " }}"),
    ("{{ ", "", "1", "+1", " }}"),
    ("{{ ", "", "1", "~1", " }}"),
    ("{{ ", "", "2", "**1", " }}"),
    ("{{ ", "", "1", "*1", " }}"),
    ("{{ ", "", "a", " or a", " }}"),
    ("{{ ", "", "a", " and a", " }}"),
    ("{{ ", "", "1", "<2", " }}"),
    ("{{ ", "", "1", " in b", " }}"),
    ("{{ ", "", "a", " is defined", " }}"),
    ("{{ ", "", "a", " is not eq -1", " }}"),
    ("{{ ", "1 if a else ", "1", "", " }}"),
    ("{{ ", "", "1", " if a", " }}"),
    ("", "{% if a %}", "x", "{% endif %}", ""),
    ("", "{% for x in b %}", "x", "{% endfor %}", ""),
    ("", "{% with x = [b] %}", "{{ x }}", "{% endwith %}", ""),
    ("", "{% filter upper %}", "x", "{% endfilter %}", ""),
    ("", "{% set x %}", "x", "{% endset %}", ""),
    ("{% if a == 2 %}x", "{% elif a == 3 %}y", "{% else %}z", "", "{% endif %}"),
    ("{% set x = b %}", "{% set x = x|list %}", "{{ x ~ x }}{{ x == x }}{{ x }}", "", ""),
    ("{% set x = b %}", "{% set x = x|batch(1) %}", "{{ x ~ x }}{{ x == x }}{{ x }}", "", ""),
];

fn nested((begin, before, middle, after, end): (&str, &str, &str, &str, &str), n: usize) -> String {
    format!("{begin}{}{middle}{}{end}", before.repeat(n), after.repeat(n))
}

#[test]
fn what_nests_without_end_is_refused() {
    for way in WAYS {
        // As many as a source of 8 KB has, and as a file has.
        for bytes in [8_000, 60_000] {
            let n = bytes / (way.1.len() + way.3.len());
            let source = nested(way, n);
            assert_eq!(outcome(source), [false; 4], "{way:?} {n} times");
        }
    }
}

#[test]
fn what_is_just_accepted_is_not_too_deep_for_the_engine() {
    for way in WAYS {
        let most = (1..=EXPRESSION_DEPTH_MAX)
            .rev()
            .find(|n| structure::check(&nested(way, *n), Source::Row).is_ok());
        let most = most.unwrap_or_else(|| panic!("{way:?} is accepted nowhere"));
        outcome(nested(way, most));
    }
    // All at once: the deepest expression in the deepest block, with the deepest brackets.
    let brackets = ["(".repeat(BRACKETS_MAX), "1".to_owned(), ")".repeat(BRACKETS_MAX)].concat();
    let chain = "+1".repeat(EXPRESSION_DEPTH_MAX - BRACKETS_MAX - 1);
    let [open, close] = ["{% if a %}", "{% endif %}"].map(|tag| tag.repeat(BLOCKS_MAX));
    for expression in [format!("1{chain}+{brackets}"), format!("-{brackets}{chain}")] {
        let source = format!("{open}{{{{ {expression} }}}}{close}");
        assert_eq!(outcome(source), [true, false, true, true]);
    }
    let chain = "|batch(1)".repeat(BOUND_MAX / 2);
    let deep = format!(
        "{{% set x = b{chain} %}}{{{{ x ~ x }}}}{{{{ x == x }}}}{{{{ x|tojson }}}}{{{{ x }}}}"
    );
    assert_eq!(outcome(deep), [true, false, true, true]);
}

#[test]
fn a_value_that_holds_another_many_times_is_refused() {
    let doubling =
        |statement: &str| format!("{{% set x = 1 %}}{}{{{{ x ~ '' }}}}", statement.repeat(40));
    for source in [
        doubling("{% set x = [x, x] %}"),
        doubling("{% set x = (x, x) %}"),
        doubling("{% set x = {1: x, 2: x} %}"),
        doubling("{% set y = [x, x] %}{% set x = [y, y] %}"),
        doubling("{% set x = [1]|batch(9, x) %}"),
        doubling("{% set x = range(9)|map('d', x) %}"),
        doubling("{% set x = [1]|chain(x) %}{% set x = x|chain(x) %}"),
        "{% for x in [[b, b]] %}".repeat(20) + "{{ x ~ x }}" + &"{% endfor %}".repeat(20),
        "{% with x = [[b, b]] %}".repeat(20) + "{{ x ~ x }}" + &"{% endwith %}".repeat(20),
        "{{ [[[1]*1000]*1000]*1000 ~ '' }}".to_owned(),
        "{{ (['x'*500000] * 20000) ~ '' }}".to_owned(),
        "{% set l = ['x'*500000] %}{{ l * 20000 ~ '' }}".to_owned(),
        "{{ [1]|batch(20000, 'x'*500000) ~ '' }}".to_owned(),
        "{{ [1]|batch(20000, a) ~ '' }}".to_owned(),
        "{{ range(9000)|map(attribute='q', default=a) ~ '' }}".to_owned(),
        "{{ [range(100000), range(100000)] ~ '' }}".to_owned(),
        format!("{{% set s = 'x'*500000 %}}{{{{ [{}] ~ '' }}}}", "s,".repeat(1_000)),
        "{{ [[[[[[a,a],a],a],a],a],a] ~ '' }}".to_owned(),
        "{{ range(9)|map(attribute='q', default=range(9)|map(attribute='q', default=b)) }}"
            .to_owned(),
    ] {
        assert_eq!(outcome(source.clone())[..3], [false; 3], "{source}");
    }
    for source in [
        "{{ [a, b, 'x'] }}",
        "{{ {'x': a, 'y': 2}[a] }}",
        "{% if a in ['x', 'y'] and a not in ('z', 'w') %}{% endif %}",
        "{% set days = {'mon': ['9', '17'], 'tue': []} %}{{ days.mon }}{{ days[a][0] }}",
        "{% for x in ['x', 'y'] %}{{ x }}{% endfor %}",
        "{% for x, y in b|items %}{{ x }}{{ y }}{% endfor %}",
        "{{ b|map(attribute='x')|join(', ') }}",
        "{{ (a + 1) * 2 * 3 }}",
        "{% for i in range(3) %}{{ i * 15 }}{% endfor %}",
        "{{ b|batch(2)|list }}{{ b|map('upper')|join(' ') }}",
        "{% set x = b|list %}{{ x[0] }}{{ x|join(', ') }}",
    ] {
        let parsed = Template::parse(source, &known());
        assert!(parsed.is_ok(), "{source}: {parsed:?}");
    }
}

#[test]
fn a_row_has_no_statement_that_calls_itself() {
    for (source, word) in [
        ("{% macro f(x) %}{{ f([x]) }}{% endmacro %}", "macro"),
        ("{% for x in b recursive %}{{ loop([[x]]) }}{% endfor %}", "recursive"),
        ("{% include 'x' %}", "include"),
        ("{%- extends 'x' %}", "extends"),
    ] {
        let error = Template::parse(source, &known()).unwrap_err();
        assert_eq!(error, TemplateError::Statement(word.to_owned()), "{source}");
    }
    let namespace =
        "{% set n = namespace(x=[]) %}{% for i in range(9) %}{% set n.x = [n.x] %}{% endfor %}";
    assert!(Template::parse(namespace, &known()).is_err());
    for global in ["{% set n = namespace(x=1) %}{{ n.x }}", "{{ dict(x=1) }}", "{{ debug() }}"] {
        let error = Template::parse(global, &known()).unwrap_err();
        assert!(matches!(error, TemplateError::Unknown { .. }), "{global}: {error}");
    }
}

#[test]
fn what_owners_write_is_accepted() {
    let choices: Vec<String> = (0..150).map(|n| format!("'choice {n}': {n}")).collect();
    let sentence =
        "{{ a | default('none') }}, {{ b[0] }} and {{ a + 1 if a else 'x' }}; ".repeat(60);
    let dashes = "-".repeat(6_000);
    let elif: String = (0..20).map(|n| format!("{{% elif a == {n} %}}{n}")).collect();
    for source in [
        format!("{{{{ {{{}}}['choice ' ~ a] }}}}", choices.join(", ")),
        sentence,
        format!("{dashes} {{{{ '{}' }}}} {{# {} #}}", "-(".repeat(500), "((".repeat(200)),
        format!("{{% if a == 99 %}}x{elif}{{% else %}}y{{% endif %}}"),
        format!("{{{{ {} }}}}", ["a"; 40].join(" ~ ', ' ~ ")),
        format!("{{% raw %}}{}{{% endraw %}}", "{{ -".repeat(300)),
    ] {
        let parsed = Template::parse(&source, &known());
        assert!(parsed.is_ok(), "{source}: {parsed:?}");
    }
}

proptest! {
    /// Whatever tokens there are: refused, or harmless.
    #[test]
    fn no_source_overflows_the_stack(
        parts in prop::collection::vec((0..WAYS.len(), 1_usize..120), 1..6),
        separator in prop::sample::select(vec!["", " ", "}}", " %}", ",", "{{"]),
    ) {
        let source: Vec<String> = parts.into_iter().map(|(way, n)| nested(WAYS[way], n)).collect();
        outcome(source.join(separator));
    }
}
