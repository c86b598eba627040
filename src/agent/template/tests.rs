//! What templates come to, and what they refuse.

use serde_json::json;

use super::*;

fn known() -> BTreeSet<String> {
    ["args", "caller", "call", "agent"].map(str::to_owned).into()
}

fn values() -> Context {
    let facts = Facts {
        caller: "+15551230001".to_owned(),
        call_id: "c1".to_owned(),
        call_sid: "CA1".to_owned(),
        agent_id: "a1".to_owned(),
        agent_name: "Bright Smiles".to_owned(),
        agent_number: "+15551230002".to_owned(),
    };
    let args = json!({
        "name": "Ann O'Neil", "party": 4, "vip": true, "path": "a b/c?d=é", "up": "..",
        "empty": "", "none": null, "list": [1, "x"],
    });
    let mut values = facts.values();
    values.insert("args".to_owned(), value_of(&args));
    Context::from_pairs(values)
}

fn rendered(value: &Value) -> Result<Value, TemplateError> {
    TemplateTree::parse(value, &known())?.render(&values())
}

#[test]
fn one_expression_keeps_its_type_and_anything_else_is_a_text() {
    for (template, expected) in [
        (json!("{{ args.party }}"), json!(4)),
        (json!("{{args.vip}}"), json!(true)),
        (json!("{{ args.list }}"), json!([1, "x"])),
        (json!("{{ args.none }}"), json!(null)),
        (json!("{{ args.party + 1 }}"), json!(5)),
        (json!("{{ caller }}"), json!("+15551230001")),
        (json!("{{ caller.number }}, {{ caller }}"), json!("+15551230001, +15551230001")),
        (json!("{{ call.id }} {{ call.sid }} {{ agent.name }}"), json!("c1 CA1 Bright Smiles")),
        (json!("{{ args.party }} of {{ args.list }}"), json!("4 of [1,\"x\"]")),
        (json!("<{{ args.none }}>"), json!("<>")),
        (json!("{{ args.notes | default('none') }}"), json!("none")),
        (json!("{{ args.none | default('none') }}"), json!("none")),
        (json!("{{ args.empty | default('none') }}"), json!("")),
        (json!("{{ args.empty | d('none', true) }}"), json!("none")),
        (json!("{% if args.none %}x{% endif %}"), json!("")),
        (
            json!({"a": [{"b": "Dear {{ args.name }}", "c": 1}]}),
            json!({"a": [{"b": "Dear Ann O'Neil", "c": 1}]}),
        ),
        (json!({"{{ args.name }}": null}), json!({"{{ args.name }}": null})),
    ] {
        assert_eq!(rendered(&template).as_ref(), Ok(&expected), "{template}");
    }
}

#[test]
fn what_is_missing_is_named_with_its_field() {
    for (template, error) in [
        (json!("{{ args.date }}"), "args.date is missing"),
        (json!("on {{ args.date }}"), "args.date is missing"),
        (json!({"a": [1, "{{ args.date.day }}"]}), "a: 1: args.date.day is missing"),
        (json!("{% if args.date %}x{% endif %}"), "args.date is missing"),
        (json!("at {{ args.date.day.hour }}"), "args.date.day is missing"),
    ] {
        let found = rendered(&template).unwrap_err();
        assert_eq!(found.to_string(), error, "{template}");
        assert!(found.missing().is_some_and(|name| name.starts_with("args.date")), "{template}");
    }
}

#[test]
fn a_template_cannot_run_for_ever_or_grow_for_ever() {
    for template in [
        "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}",
        "{{ 'x' * 100000000 }}",
        "{{ range(100000000) }}",
        "{% for a in range(5000) %}{{ 'x' * 4000 }}{% endfor %}",
    ] {
        let error = rendered(&json!(template)).unwrap_err();
        assert!(matches!(error, TemplateError::Failed { .. }), "{template}: {error}");
    }
    let most = structure::SOURCE_MAX;
    let long = "x".repeat(most + 1);
    assert_eq!(rendered(&json!(long)), Err(TemplateError::TooLong { bytes: most + 1, most }));
    let deep = (0..=TREE_DEPTH_MAX).fold(json!("x"), |inner, _| json!([inner]));
    assert!(rendered(&deep).unwrap_err().to_string().ends_with("deeper than 16"));
}

#[test]
fn values_in_an_address_are_encoded_and_cannot_move_it() {
    let render = |place, source: &str| {
        Template::parse(source, &known()).and_then(|it| it.render_for(place, &values()))
    };
    let path = |source: &str| render(Place::Path, source);
    let query = |source: &str| render(Place::Query, source);
    assert_eq!(path("/x/{{ args.path }}/y z").unwrap(), "/x/a%20b%2Fc%3Fd%3D%C3%A9/y z");
    assert_eq!(query("q={{ args.path }}").unwrap(), "q=a%20b%2Fc%3Fd%3D%C3%A9");
    assert_eq!(query("q={{ args.empty }}{{ args.none }}").unwrap(), "q=");
    for missing in ["args.empty", "args.up", "args.none", "args.date"] {
        let error = path(&format!("/x/{{{{ {missing} }}}}/y")).unwrap_err();
        assert_eq!(error.missing(), Some(missing));
    }
    for (step, leaves) in [
        ("", true),
        (".", true),
        ("..", true),
        ("a/../b", true),
        ("..\\a", true),
        ("a/", true),
        ("a.b", false),
        (".a", false),
        ("03/04/2026", false),
    ] {
        assert_eq!(leaves_its_step(step), leaves, "{step:?}");
    }
}

#[test]
fn a_template_asks_for_known_names_only() {
    let parsed = |value| TemplateTree::parse(&value, &known()).map_err(|error| error.to_string());
    assert!(parsed(json!(["{{ args.x }}", {"a": "{% set y = 1 %}{{ y }}{{ range(3) }}"}])).is_ok());
    let unknown = "is not known here; known are agent, args, call, caller";
    assert_eq!(parsed(json!({"a": ["{{ key }}"]})), Err(format!("a: 0: key {unknown}")));
    assert_eq!(parsed(json!("{{ debug() }}")), Err(format!("debug {unknown}")));
    assert!(parsed(json!("{{ args.x")).is_err());
}

#[test]
fn a_condition_is_answered_in_braces_and_without() {
    let holds = |source: &str| {
        Condition::parse(source, &known()).and_then(|condition| condition.holds(&values()))
    };
    assert_eq!(holds("args.party > 3"), Ok(true));
    assert_eq!(holds("{{ args.party > 4 }}"), Ok(false));
    assert_eq!(holds("args.name == \"Ann O'Neil\" and args.vip"), Ok(true));
    assert_eq!(holds("args.none"), Ok(false));
    assert_eq!(holds("args.date"), Err(TemplateError::Missing("args.date".to_owned())));
    assert!(holds("args.party >").is_err() && holds("party > 3").is_err());
}
