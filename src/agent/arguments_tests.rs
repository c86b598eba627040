//! Tests of variables as a schema, and of arguments against it.

use serde_json::{Value, json};

use super::arguments::Parameters;
use super::fault::Faults;
use super::region::Region;
use super::variables;

/// What these variables come to, and the paths of what is wrong with them.
pub(super) fn read(variables: Value) -> (Option<Parameters>, Vec<String>) {
    let mut faults = Faults::default();
    let region = Region::of("+15559870002");
    let parameters =
        variables::read(Some(&variables), "variables", &["answer"], region, &mut faults);
    (parameters, faults.0.into_iter().map(|fault| fault.path).collect())
}

pub(super) fn good(variables: Value) -> Parameters {
    let (parameters, faults) = read(variables);
    assert_eq!(faults, [""; 0]);
    parameters.expect("there are no faults")
}

fn check(parameters: &Parameters, arguments: Value) -> Result<Value, String> {
    parameters.check(arguments.as_object().expect("an object")).map(Value::Object)
}

#[test]
fn a_list_of_variables_becomes_a_schema() {
    let parameters = good(json!([
        {"name": "party", "type": "integer", "description": "How many", "required": true,
         "minimum": 1, "maximum": 20},
        {"name": "phone", "type": "phone"},
        {"name": "when", "type": "string", "format": "date", "required": false},
        {"name": "seat", "type": "choice", "enum": ["inside", 2]},
        {"name": "tags", "type": "list"},
        {"name": "code", "pattern": "^[A-Z]{3}$", "note": "ours"},
    ]));
    assert_eq!(parameters.names(), ["party", "phone", "when", "seat", "tags", "code"]);
    assert_eq!(
        parameters.schema(),
        &json!({
            "type": "object",
            "properties": {
                "party": {"type": "integer", "description": "How many", "minimum": 1, "maximum": 20},
                "phone": {"type": "string", "format": "phone"},
                "when": {"type": "string", "format": "date"},
                "seat": {"type": "string", "enum": ["inside", "2"]},
                "tags": {"type": "array", "items": {}},
                "code": {"type": "string", "pattern": "^[A-Z]{3}$"},
            },
            "required": ["party"],
            "additionalProperties": false,
        })
    );
    let optional: Vec<_> =
        parameters.names().iter().filter(|name| parameters.is_optional(name)).collect();
    assert_eq!(optional, ["when"]);
}

#[test]
fn a_schema_stays_a_schema() {
    let parameters = good(json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "properties": {
            "a": {"type": "array"}, "b": {"type": ["integer", "null"]}, "c": {"type": "string"}},
        "required": ["c", "b"],
    }));
    assert_eq!(parameters.names(), ["c", "b", "a"]);
    assert!(parameters.is_optional("a") && !parameters.is_optional("b"));
    assert_eq!(parameters.schema()["type"], "object");
    assert_eq!(parameters.schema()["properties"]["a"]["items"], json!({}));
    assert!(parameters.schema().get("$schema").is_none());
    assert!(check(&parameters, json!({"b": 1, "c": "x", "more": 1})).is_ok());
    assert!(check(&parameters, json!({"b": "one", "c": "x"})).is_err());
}

#[test]
fn nothing_is_a_function_without_arguments() {
    for none in [json!(null), json!([]), json!({}), json!({"type": "object"})] {
        let parameters = good(none.clone());
        assert_eq!(check(&parameters, json!({})), Ok(json!({})), "{none}");
        assert_eq!(parameters.schema()["type"], "object");
        assert!(parameters.schema()["properties"].is_object());
    }
}

#[test]
fn variables_that_cannot_be_used_are_named() {
    for (variables, path) in [
        (json!("text"), "variables"),
        (json!(7), "variables"),
        (json!([7]), "variables[0]"),
        (json!([{"type": "string"}]), "variables[0].name"),
        (json!([{"name": ""}]), "variables[0].name"),
        (json!([{"name": "a\nb"}]), "variables[0].name"),
        (json!([{"name": "a"}, {"name": "a"}]), "variables[1].name"),
        (json!([{"name": "a", "type": "colour"}]), "variables[0].type"),
        (json!([{"name": "a", "type": "choice"}]), "variables[0].type"),
        (json!([{"name": "a", "type": 7}]), "variables[0].type"),
        (json!([{"name": "a", "required": "yes"}]), "variables[0].required"),
        (json!([{"name": "a", "enum": []}]), "variables[0].enum"),
        (json!([{"name": "a", "enum": [{}]}]), "variables[0].enum"),
        (json!([{"name": "a", "description": 7}]), "variables[0].description"),
        (json!([{"name": "a", "pattern": "["}]), "variables.properties.a.pattern"),
        (json!([{"name": "a", "minimum": "x"}]), "variables.properties.a.minimum"),
        (json!([{"name": "answer"}]), "variables.answer"),
        (Value::Array((0..51).map(|n| json!({"name": n.to_string()})).collect()), "variables"),
        (json!({"type": "string"}), "variables.properties"),
        (json!({"type": "string", "properties": {}}), "variables.type"),
        (json!({"properties": {}, "oneOf": []}), "variables.oneOf"),
        (json!({"properties": {"a": {"type": "nothing"}}}), "variables.properties.a.type"),
        (json!({"properties": {"a": {"$ref": "#/b"}}}), "variables.properties.a.$ref"),
        (json!({"properties": {}, "$defs": {}}), "variables.$defs"),
        (json!({"properties": {"a": {"if": {}}}}), "variables.properties.a.if"),
    ] {
        let (parameters, faults) = read(variables.clone());
        assert!(parameters.is_none(), "{variables}");
        assert!(faults.first().is_some_and(|fault| fault == path), "{variables}: {faults:?}");
    }
    let mut deep = json!({"type": "string"});
    for _ in 0..60 {
        deep = json!({"type": "object", "properties": {"a": deep}});
    }
    assert_eq!(read(deep).1, ["variables"]);
}

#[test]
fn what_a_model_writes_a_little_differently_is_brought_into_form() {
    for (variable, given, formed) in [
        (json!({"type": "integer"}), json!("4"), json!(4)),
        (json!({"type": "integer"}), json!(4.0), json!(4.0)),
        (json!({"type": "number"}), json!(" 4.5 "), json!(4.5)),
        (json!({"type": "boolean"}), json!("yes"), json!(true)),
        (json!({"type": "text"}), json!(12), json!("12")),
        (json!({"type": "text"}), json!(" a "), json!("a")),
        (json!({"type": "array"}), json!("[1]"), json!([1])),
        (json!({"enum": ["Check-up", "Crown"]}), json!("check-UP "), json!("Check-up")),
        (json!({"type": "integer", "enum": [1, 2]}), json!("2"), json!(2)),
        (json!({"type": "phone"}), json!("(555) 123-0001"), json!("+15551230001")),
        (json!({"type": "phone"}), json!(5551230001_u64), json!("+15551230001")),
        (json!({"format": "tel"}), json!("+44 20 7946 0958"), json!("+442079460958")),
        (json!({"type": "date"}), json!("2026-11-30T09:00"), json!("2026-11-30")),
        (json!({"type": "time"}), json!("9:30 PM"), json!("21:30")),
        (json!({"type": "time"}), json!("09:30:00"), json!("09:30")),
        (json!({"type": "email"}), json!(" ada@example.com"), json!("ada@example.com")),
    ] {
        let mut named = variable.clone();
        named["name"] = json!("a");
        let found = check(&good(json!([named])), json!({"a": given}));
        assert_eq!(found, Ok(json!({"a": formed})), "{variable} {given}");
    }
}

#[test]
fn what_is_wrong_is_one_sentence_with_the_name_and_what_is_accepted() {
    for (variable, given, sentence) in [
        (
            json!({"type": "integer", "minimum": 1}),
            json!("many"),
            "a must be a whole number of at least 1",
        ),
        (
            json!({"type": "integer", "minimum": 1, "maximum": 8}),
            json!(9),
            "a must be a whole number from 1 to 8",
        ),
        (json!({"type": "number"}), json!([]), "a must be a number"),
        (json!({"type": "boolean"}), json!("perhaps"), "a must be true or false"),
        (json!({"enum": ["x", "y"]}), json!("z"), "a must be one of: x, y"),
        (
            json!({"type": "phone"}),
            json!("123"),
            "a must be a telephone number with its area code, such as +15551230001",
        ),
        (
            json!({"type": "email"}),
            json!("ada at example.com"),
            "a must be an email address, such as ada@example.com",
        ),
        (
            json!({"type": "email"}),
            json!("ada@example"),
            "a must be an email address, such as ada@example.com",
        ),
        (json!({"type": "date"}), json!("30.11.2026"), "a must be a date as YYYY-MM-DD"),
        (json!({"type": "date"}), json!("2026-02-30"), "a must be a date as YYYY-MM-DD"),
        (
            json!({"type": "time"}),
            json!("25:00"),
            "a must be a time of day as HH:MM, from 00:00 to 23:59",
        ),
        (
            json!({"pattern": "^[A-Z]{3}$"}),
            json!("abc"),
            "a must be a text that matches ^[A-Z]{3}$",
        ),
        (json!({"maxLength": 2}), json!("abc"), "a must be a text of at most 2 characters"),
        (json!({"type": "text"}), json!("x".repeat(2001)), "a must have at most 2000 characters"),
    ] {
        let mut named = variable.clone();
        named["name"] = json!("a");
        let found = check(&good(json!([named])), json!({"a": given}));
        assert_eq!(found, Err(sentence.to_owned()), "{variable}");
    }
}

#[test]
fn what_is_missing_and_what_is_too_much_is_named() {
    let parameters = good(json!([
        {"name": "name", "required": true}, {"name": "email", "type": "email", "required": true},
        {"name": "notes"},
    ]));
    assert_eq!(
        check(&parameters, json!({"notes": "x"})),
        Err("name is missing: it must be a text; email is missing: it must be an email address, \
             such as ada@example.com"
            .to_owned())
    );
    let full = json!({"name": "Ada", "email": "ada@example.com"});
    assert_eq!(check(&parameters, full.clone()), Ok(full.clone()));
    // Nothing is the same as not there, and as not given where it must be.
    let mut open = full.clone();
    open["notes"] = json!(null);
    assert_eq!(check(&parameters, open), Ok(full.clone()));
    assert!(
        check(&parameters, json!({"name": "", "email": "a@b.cd"})).unwrap_err().starts_with("name")
    );
    let mut more = full;
    more["caller"] = json!("+15550000000");
    assert_eq!(
        check(&parameters, more),
        Err("there is no argument caller; accepted are name, email, notes".to_owned())
    );
    let nested = good(json!({"properties": {"who": {"type": "object", "required": ["name"]}}}));
    let why = check(&nested, json!({"who": {}})).unwrap_err();
    assert_eq!(why, "name in who is missing: it must be a text");
    let nested = good(json!({"properties": {"who": {"items": {"type": "integer"}}}}));
    let why = check(&nested, json!({"who": [1, "x"]})).unwrap_err();
    assert_eq!(why, "1 in who must be a whole number");
    let long: Vec<u32> = (0..100_000).collect();
    let why = check(&nested, json!({"who": long})).unwrap_err();
    assert_eq!(why, "the arguments are too long to be checked: give fewer and shorter ones");
}

#[test]
fn email_addresses_are_told_from_others() {
    let parameters = good(json!([{"name": "a", "type": "email"}]));
    let is_good = |text: &str| check(&parameters, json!({"a": text})).is_ok();
    for good in ["a@b.co", "ada.l+x@mail.example.com", "ö@bücher.example", "o'neil@a-b.org"] {
        assert!(is_good(good), "{good}");
    }
    for bad in [
        "a",
        "@b.co",
        "a@",
        "a b@c.de",
        "a@@b.co",
        ".a@b.co",
        "a..b@c.de",
        "a@b..co",
        "a@-b.co",
        "a@b.c",
        "a@127.0.0.1",
        "a@b,co",
    ] {
        assert!(!is_good(bad), "{bad}");
    }
}
