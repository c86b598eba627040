//! The forms of functions.

use super::*;

#[test]
fn what_is_shown_and_sent_back_is_no_change() {
    let document = json!({
        "type": "json_api", "name": "prices", "purpose": "Says prices.", "trigger_reason": null,
        "is_active": true, "save_data": false, "is_shownable": false,
        "data": {"url": "https://x.example/{{ args.what }}", "headers": {"X-Key": "{{ secrets.K }}", "A": 1},
            "query": {"q": ["a", "b"]}, "body": {"a": "{{ args.what }}"}, "timeout_ms": 500},
        "variables": [{"name": "what", "type": "string", "required": true},
            {"name": "size", "enum": ["s", "l"]}],
    });
    let given = change("json_api", &texts(&document), &document);
    assert_eq!(given.wrong, []);
    for (name, value) in given.fields {
        assert_eq!(value, document[&name], "{name}");
    }
}

#[test]
fn a_name_is_made_of_what_an_owner_writes() {
    for (text, name) in [
        ("New patient?", "new_patient"),
        ("Préstamo  nuevo", "prestamo_nuevo"),
        ("get-Prices_2", "get-Prices_2"),
        ("予約", "予約"),
    ] {
        assert_eq!(tool_name(text.to_owned()), name);
    }
}

#[test]
fn a_time_limit_is_said_in_seconds() {
    let document =
        json!({"type": "json_api", "data": {"url": "https://x.example", "timeout_ms": 2500}});
    assert_eq!(texts(&document)[TIME_LIMIT], "2.5");
    let sent = |text: &str| Sent::from([(TIME_LIMIT.to_owned(), text.to_owned())]);
    for (text, ms) in [("2.5", 2500), ("8", 8000), ("0,5", 500), ("12.3456", 12_346)] {
        let data = data("json_api", &sent(text), &document, &mut Vec::new());
        assert_eq!(data["timeout_ms"], ms, "{text}");
    }
    for odd in ["soon", "-1", "1e9", "NaN", "0", "0.05", "20.1", "3600"] {
        let mut wrong = Vec::new();
        data("json_api", &sent(odd), &document, &mut wrong);
        assert_eq!(wrong[0].field, TIME_LIMIT, "{odd}");
    }
    // One that was stored before stays as it is.
    let document = json!({"type": "json_api", "data": {"timeout_ms": 60_000}});
    let same = data("json_api", &sent("60"), &document, &mut Vec::new());
    assert_eq!(same["timeout_ms"], 60_000);
}

#[test]
fn variables_that_say_more_are_shown_as_json() {
    let document = json!({"variables": [{"name": "code", "pattern": "^[0-9]+$"}]});
    let texts = texts(&document);
    assert!(texts["variables"].contains("pattern") && variables(&texts).is_empty());
    let wrong: Sent = [("variables".to_owned(), "{".to_owned())].into();
    assert_eq!(change("form", &wrong, &document).wrong[0].field, "variables");
}
