//! Tests of forms: each kind of field, corrections, a change of topic, handing in once.

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Map, Value, json};

use super::arguments::Parameters;
use super::arguments_tests::good;
use super::form::{FormProgress, FormStep};

fn fields() -> Parameters {
    good(json!([
        {"name": "full_name", "description": "First and last name"},
        {"name": "email", "type": "email"},
        {"name": "notes", "required": false},
    ]))
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().expect("an object").clone()
}

/// Calls a form after the caller has spoken.
fn take(progress: &mut FormProgress, fields: &Parameters, arguments: Value) -> FormStep {
    static TURN: AtomicU32 = AtomicU32::new(0);
    progress.take(fields, &object(arguments), TURN.fetch_add(1, Ordering::Relaxed))
}

/// What the model is told.
fn told(progress: &mut FormProgress, fields: &Parameters, arguments: Value) -> (bool, Value) {
    match take(progress, fields, arguments) {
        FormStep::Tell { ok, output } => (ok, output),
        FormStep::Submit(values) => panic!("handed in: {values:?}"),
    }
}

#[test]
fn fields_are_asked_one_by_one_read_back_and_handed_in_once() {
    let (fields, mut form) = (fields(), FormProgress::default());
    let (ok, output) = told(&mut form, &fields, json!({}));
    assert!(ok);
    assert_eq!(
        output,
        json!({"ask": "First and last name", "field": "full_name", "accepted": "a text"})
    );
    let (_, output) = told(&mut form, &fields, json!({"full_name": "Ada Lovelace"}));
    assert_eq!((&output["ask"], &output["field"]), (&json!("email"), &json!("email")));
    let (_, output) = told(&mut form, &fields, json!({"email": "ada@example.com"}));
    assert_eq!(output["field"], "notes");
    assert!(output["optional"].is_string());
    let (ok, output) = told(&mut form, &fields, json!({"notes": null}));
    assert!(ok);
    let values = json!({"full_name": "Ada Lovelace", "email": "ada@example.com"});
    assert_eq!(output["read_back"], values);
    let step = take(&mut form, &fields, json!({"confirmed": true}));
    assert_eq!(step, FormStep::Submit(object(values)));
    // Asked again while it is on its way, or after it was given up: never a second time.
    let (ok, output) = told(&mut form, &fields, json!({"confirmed": true}));
    assert!(!ok && output["error"].as_str().unwrap().contains("not known"));
    assert_eq!(
        form.submitted(Some(true)),
        FormStep::Tell { ok: true, output: json!({"done": true}) }
    );
    for again in [json!({"confirmed": true}), json!({"full_name": "Eve"}), json!({})] {
        let (ok, output) = told(&mut form, &fields, again);
        assert!(ok && output["done"] == true && output["note"].is_string());
    }
}

#[test]
fn nothing_is_handed_in_that_was_not_read_back() {
    let (fields, mut form) = (fields(), FormProgress::default());
    let all = json!({"full_name": "Ada", "email": "a@b.co", "notes": "x", "confirmed": true});
    let (_, output) = told(&mut form, &fields, all.clone());
    assert_eq!(output["read_back"]["notes"], "x");
    // A change with the yes is read back first.
    let (_, output) = told(&mut form, &fields, json!({"email": "c@d.co", "confirmed": true}));
    assert_eq!(output["read_back"]["email"], "c@d.co");
    // So is a no.
    let (_, output) = told(&mut form, &fields, json!({"confirmed": false}));
    assert!(output["read_back"].is_object());
    // The same values once more are no change.
    let step = take(&mut form, &fields, json!({"email": "c@d.co", "confirmed": "yes"}));
    assert!(matches!(step, FormStep::Submit(values) if values["email"] == "c@d.co"));
}

#[test]
fn the_model_does_not_confirm_for_the_caller() {
    let (fields, mut form) = (good(json!([{"name": "a"}])), FormProgress::default());
    let confirmed = object(json!({"confirmed": true}));
    form.take(&fields, &object(json!({"a": "x"})), 3);
    for turn in [3, 3, 0] {
        let step = form.take(&fields, &confirmed, turn);
        let FormStep::Tell { ok: false, output } = step else { panic!("{step:?}") };
        assert!(output["error"].as_str().unwrap().contains("wait"), "{output}");
    }
    // Read back once more, it was read back before; changed, it was not.
    form.take(&fields, &object(json!({})), 4);
    let mut changed = form.clone();
    assert!(matches!(form.take(&fields, &confirmed, 4), FormStep::Submit(_)));
    changed.take(&fields, &object(json!({"a": "y"})), 4);
    assert!(matches!(changed.take(&fields, &confirmed, 4), FormStep::Tell { ok: false, .. }));
    assert!(matches!(changed.take(&fields, &confirmed, 5), FormStep::Submit(_)));
}

#[test]
fn what_was_collected_stays_through_a_change_of_topic() {
    let (fields, mut form) = (fields(), FormProgress::default());
    told(&mut form, &fields, json!({"full_name": "Ada"}));
    // Another function is called; later the model comes back without knowing where it was.
    let (_, output) = told(&mut form, &fields, json!({}));
    assert_eq!(output["field"], "email");
    let (_, output) = told(&mut form, &fields, json!({"email": "a@b.co", "notes": ""}));
    assert_eq!(output["read_back"]["full_name"], "Ada");
}

#[test]
fn each_kind_of_field_is_checked_by_itself() {
    for (kind, wrong, right, kept) in [
        (json!({"type": "phone"}), json!("12"), json!("555 123 0001"), json!("+15551230001")),
        (
            json!({"type": "email"}),
            json!("ada"),
            json!("ada@example.com"),
            json!("ada@example.com"),
        ),
        (json!({"type": "date"}), json!("tomorrow"), json!("2026-12-01"), json!("2026-12-01")),
        (json!({"type": "time"}), json!("noonish"), json!("3 pm"), json!("15:00")),
        (json!({"type": "number"}), json!("few"), json!("4"), json!(4.0)),
        (
            json!({"type": "choice", "enum": ["yes", "no"]}),
            json!("maybe"),
            json!("Yes"),
            json!("yes"),
        ),
        (json!({"type": "text", "pattern": "^A"}), json!("b"), json!("Ab"), json!("Ab")),
    ] {
        let mut field = kind.clone();
        field["name"] = json!("it");
        let (fields, mut form) = (good(json!([field])), FormProgress::default());
        let (ok, output) = told(&mut form, &fields, json!({"it": wrong}));
        assert!(!ok, "{kind}");
        assert!(output["error"].as_str().unwrap().starts_with("it must be "), "{output}");
        assert_eq!(output["field"], "it");
        let (ok, output) = told(&mut form, &fields, json!({"it": right}));
        assert!(ok);
        assert_eq!(output["read_back"], json!({"it": kept}), "{kind}");
    }
}

#[test]
fn good_values_are_kept_beside_wrong_ones_and_wrong_ones_replace_nothing_silently() {
    let (fields, mut form) = (fields(), FormProgress::default());
    let (ok, output) =
        told(&mut form, &fields, json!({"full_name": "Ada", "email": "ada", "fax": "1"}));
    assert!(!ok);
    let error = output["error"].as_str().unwrap();
    assert!(error.contains("email must be") && error.contains("no argument fax"), "{error}");
    assert_eq!(output["field"], "email");
    let (_, output) = told(&mut form, &fields, json!({"email": "a@b.co", "notes": null}));
    assert_eq!(output["read_back"], json!({"full_name": "Ada", "email": "a@b.co"}));
    // A correction that cannot be used: the old value is not handed in in its place.
    let (ok, _) = told(&mut form, &fields, json!({"email": "c@", "confirmed": true}));
    assert!(!ok);
    let (ok, output) = told(&mut form, &fields, json!({"confirmed": true}));
    assert_eq!((ok, &output["field"]), (true, &json!("email")));
}

#[test]
fn a_form_that_was_not_taken_is_not_tried_again() {
    let (fields, mut form) = (good(json!([{"name": "a"}])), FormProgress::default());
    told(&mut form, &fields, json!({"a": "x"}));
    let step = take(&mut form, &fields, json!({"confirmed": true}));
    assert!(matches!(step, FormStep::Submit(_)));
    assert!(matches!(form.submitted(Some(false)), FormStep::Tell { ok: false, .. }));
    let (ok, output) = told(&mut form, &fields, json!({"confirmed": true}));
    assert!(!ok && output["error"].as_str().unwrap().contains("message"));
}

#[test]
fn a_long_text_is_read_back_in_part_and_handed_in_whole() {
    let (fields, mut form) = (good(json!([{"name": "a"}])), FormProgress::default());
    let long = "ö".repeat(1500);
    let (_, output) = told(&mut form, &fields, json!({"a": long}));
    assert_eq!(output["read_back"]["a"].as_str().unwrap().chars().count(), 201);
    let step = take(&mut form, &fields, json!({"confirmed": true}));
    assert_eq!(step, FormStep::Submit(object(json!({"a": long}))));
}
