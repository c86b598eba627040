//! Which schemas are taken, and what each keyword checks.

use serde_json::{Value, json};

use super::*;

fn holds(schema: &Value, value: &Value) -> bool {
    let schema = Schema::new(schema.clone()).unwrap_or_else(|why| panic!("{schema}: {why:?}"));
    schema.check(value).is_empty()
}

#[test]
fn each_keyword_is_checked() {
    for (schema, good, bad) in [
        (json!({"type": "integer"}), json!([1, -1, 2.0]), json!([1.5, "1", null])),
        (json!({"type": ["string", "null"]}), json!(["", null]), json!([1, []])),
        (json!({"type": "number", "nullable": true}), json!([1, null]), json!(["", {}])),
        (
            json!({"enum": [1, "a", [1], {"b": 2}]}),
            json!([1.0, "a", [1.0], {"b": 2}]),
            json!([2, "b", [], {"b": 2, "c": 1}]),
        ),
        (json!({"const": {"a": [1]}}), json!([{"a": [1]}]), json!([{"a": []}, 1])),
        (json!({"minimum": 1, "maximum": 3}), json!([1, 3, "x"]), json!([0, 3.5])),
        (json!({"exclusiveMinimum": 1, "exclusiveMaximum": 3}), json!([2, 1.5]), json!([1, 3])),
        (json!({"multipleOf": 0.1}), json!([0.3, 1, 0]), json!([0.35])),
        (json!({"multipleOf": 15}), json!([30, 45]), json!([20])),
        (json!({"minLength": 2, "maxLength": 3}), json!(["éé", "abc", 1]), json!(["a", "abcd"])),
        (json!({"pattern": "^a+$"}), json!(["aa", 7]), json!(["b", ""])),
        (json!({"format": "date"}), json!(["2026-11-30"]), json!(["30.11.2026"])),
        (json!({"format": "date-time"}), json!(["2026-11-30T15:00:00Z"]), json!(["2026-11-30"])),
        (json!({"format": "uuid"}), json!(["00000000-0000-0000-0000-000000000000"]), json!(["x"])),
        (json!({"format": "colour"}), json!(["anything"]), json!([])),
        (json!({"minItems": 1, "maxItems": 2}), json!([[1], [1, 2]]), json!([[], [1, 2, 3]])),
        (json!({"uniqueItems": true}), json!([[1, 2], []]), json!([[1, 1.0], ["a", "a"]])),
        (json!({"items": {"type": "string"}}), json!([["a"], []]), json!([["a", 1]])),
        (
            json!({"prefixItems": [{"type": "string"}], "items": false}),
            json!([["a"], []]),
            json!([[1], ["a", 1]]),
        ),
        (
            json!({"properties": {"a": {"type": "string"}}}),
            json!([{"a": ""}, {"b": 1}, 1]),
            json!([{"a": 1}]),
        ),
        (json!({"required": ["a"]}), json!([{"a": null}, "x"]), json!([{}])),
        (
            json!({"properties": {"a": {}}, "additionalProperties": false}),
            json!([{"a": 1}, {}]),
            json!([{"b": 1}]),
        ),
        (
            json!({"additionalProperties": {"type": "integer"}}),
            json!([{"b": 1}]),
            json!([{"b": "x"}]),
        ),
        (
            json!({"minProperties": 1, "maxProperties": 1}),
            json!([{"a": 1}]),
            json!([{}, {"a": 1, "b": 2}]),
        ),
        (json!({"anyOf": [{"type": "string"}, {"minimum": 5}]}), json!(["a", 5, null]), json!([4])),
        (json!({"oneOf": [{"minimum": 1}, {"minimum": 5}]}), json!([1, 4]), json!([0, 5])),
        (json!({"allOf": [{"minimum": 1}, {"maximum": 5}]}), json!([1, 5]), json!([0, 6])),
        (json!({"not": {"type": "string"}}), json!([1]), json!(["a"])),
        (json!(false), json!([]), json!([1, null])),
        (
            json!({"title": "t", "x-note": {"a": 1}, "default": 1, "$comment": "c"}),
            json!([1]),
            json!([]),
        ),
    ] {
        for value in good.as_array().unwrap() {
            assert!(holds(&schema, value), "{schema}: {value}");
        }
        for value in bad.as_array().unwrap() {
            assert!(!holds(&schema, value), "{schema}: {value}");
        }
    }
}

#[test]
fn what_is_not_checked_is_refused_by_its_place() {
    for (schema, path) in [
        (json!(7), ""),
        (json!({"$ref": "#"}), "$ref"),
        (json!({"$defs": {}}), "$defs"),
        (json!({"$dynamicRef": "#a"}), "$dynamicRef"),
        (json!({"definitions": {}}), "definitions"),
        (json!({"properties": {"a": {"$ref": "http://192.0.2.1/x"}}}), "properties.a.$ref"),
        (json!({"properties": {"a": {"anyOf": [{}, {"if": {}}]}}}), "properties.a.anyOf.1.if"),
        (json!({"patternProperties": {}}), "patternProperties"),
        (json!({"contains": {}}), "contains"),
        (json!({"unevaluatedProperties": false}), "unevaluatedProperties"),
        (json!({"type": "text"}), "type"),
        (json!({"type": []}), "type"),
        (json!({"enum": []}), "enum"),
        (json!({"enum": "a"}), "enum"),
        (json!({"required": true}), "required"),
        (json!({"properties": {"a": 1}}), "properties.a"),
        (json!({"items": [{}]}), "items"),
        (json!({"anyOf": []}), "anyOf"),
        (json!({"minimum": "1"}), "minimum"),
        (json!({"exclusiveMinimum": true}), "exclusiveMinimum"),
        (json!({"multipleOf": 0}), "multipleOf"),
        (json!({"minLength": -1}), "minLength"),
        (json!({"uniqueItems": 1}), "uniqueItems"),
        (json!({"pattern": "(?=a)"}), "pattern"),
        (json!({"description": 1}), "description"),
    ] {
        let fault = Schema::new(schema.clone()).expect_err("it is refused");
        assert_eq!(fault.path.join("."), path, "{schema}");
        assert!(!fault.accepted.is_empty());
    }
    let fault = Schema::new(json!({"$ref": "#"})).expect_err("it is refused");
    assert!(fault.accepted.contains("anyOf") && fault.accepted.contains("prefixItems"));
}

#[test]
fn a_schema_is_bounded() {
    let deep = |levels| (0..levels).fold(json!({}), |inner, _| json!({"items": inner}));
    assert!(Schema::new(deep(DEPTH_MAX)).is_ok());
    assert_eq!(Schema::new(deep(DEPTH_MAX + 1)).unwrap_err().found, "a deeper schema");
    let deep = |levels| (0..levels).fold(json!({}), |inner, _| json!({"anyOf": [inner, {}]}));
    assert_eq!(Schema::new(deep(DEPTH_MAX + 1)).unwrap_err().found, "a deeper schema");
    let many = json!({"enum": vec![1; NODES_MAX + 1]});
    assert_eq!(Schema::new(many).unwrap_err().found, "a larger schema");
    let large = json!({"description": "x".repeat(BYTES_MAX)});
    assert_eq!(Schema::new(large).unwrap_err().found, "a larger schema");
    let patterns = json!({"allOf": vec![json!({"pattern": "a"}); PATTERNS_MAX + 1]});
    assert_eq!(Schema::new(patterns).unwrap_err().found, "one more pattern");
}

#[test]
fn a_check_ends_after_so_many_steps() {
    let unique = Schema::new(json!({"uniqueItems": true})).unwrap();
    let many: Vec<Value> = (0..100_000).map(Value::from).collect();
    assert_eq!(unique.check(&json!(many)).last().map(|it| &it.rule), Some(&Rule::TooMuch));
    // The largest schema that is taken, on arguments that make all of it be looked at.
    let half = json!({"anyOf": vec![json!({"type": "string"}); 900]});
    let schema = Schema::new(json!({"items": {"allOf": [half]}})).unwrap();
    let found = schema.check(&json!(vec![1; 10_000]));
    assert_eq!(found.last().map(|it| &it.rule), Some(&Rule::TooMuch));
    let long = Schema::new(json!({"items": {"maxLength": 1}})).unwrap();
    let texts = vec!["x".repeat(100_000); 100];
    assert_eq!(long.check(&json!(texts)).last().map(|it| &it.rule), Some(&Rule::TooMuch));
    let open = Schema::new(json!({"additionalProperties": false})).unwrap();
    let names: serde_json::Map<_, _> = (0..500).map(|n| (n.to_string(), json!(1))).collect();
    assert_eq!(open.check(&Value::Object(names)).len(), VIOLATIONS_MAX);
}

#[test]
fn a_violation_says_where_it_is() {
    let item = json!({"type": "object", "required": ["name"], "additionalProperties": false,
        "properties": {"name": {"type": "string"}, "n": {"maximum": 3}}});
    let schema = Schema::new(json!({"properties": {"a": {"items": item}}})).unwrap();
    let found = schema.check(&json!({"a": [{"name": "x"}, {"n": 4, "more": 1}]}));
    let found: Vec<String> = found
        .into_iter()
        .map(|violation| {
            let path = violation.path.join(".");
            match violation.rule {
                Rule::Missing { name, definition } => format!("{path} {name} {definition}"),
                Rule::Unexpected(name) => format!("{path} +{name}"),
                Rule::Keyword { keyword, .. } => format!("{path} {keyword}"),
                Rule::TooMuch => path,
            }
        })
        .collect();
    assert_eq!(found, ["a.1 +more", "a.1.n maximum", r#"a.1 name {"type":"string"}"#]);
}
