//! Tests of function rows: good ones, bad ones, odd ones.

use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use super::function::{Builtin, FunctionSource, Functions, Work};
use super::{Agent, AgentSource};

fn row(n: u128, kind: &str, name: &str, data: Value) -> FunctionSource {
    FunctionSource {
        id: Uuid::from_u128(n),
        kind: Some(kind.to_owned()),
        data: data.into(),
        name: Some(name.to_owned()),
        ..FunctionSource::default()
    }
}

fn agent(functions: Vec<FunctionSource>) -> Agent {
    Agent::new(AgentSource {
        number: Some("+15559870002".to_owned().into()),
        status: "active".to_owned(),
        functions,
        ..AgentSource::default()
    })
}

fn names(functions: &Functions) -> Vec<&str> {
    functions.rows.iter().map(|function| function.name.as_str()).collect()
}

fn flow() -> Value {
    step(json!({"end": "Bye."}))
}

/// A flow of this one step.
fn step(node: Value) -> Value {
    json!({"start": "a", "nodes": {"a": node}})
}

#[test]
fn rows_of_all_types_are_read() {
    let mut form = row(
        2,
        "form",
        "sign_up",
        json!({"title": "New patient", "submit_url": "https://a.example/x"}),
    );
    form.variables = json!([{"name": "email", "type": "email"}]).into();
    form.purpose = Some("Signs a patient up. ".to_owned());
    form.trigger_reason = Some("they are new".to_owned());
    form.save_data = true;
    let api = json!({"url": "https://a.example/{{ args.plan }}"});
    let mut api = row(1, "json_api", "look-up", api);
    api.variables = json!([{"name": "plan", "required": true}]).into();
    let agent = agent(vec![
        api,
        form,
        row(3, "flows", "urgent", flow()),
        row(4, "function", "book", json!({"builtin": "book_appointment", "extra": 1})),
        row(5, "function", "", json!({"builtin": "take_message"})),
    ]);
    assert_eq!(agent.faults, []);
    assert_eq!(names(&agent.functions), ["look-up", "sign_up", "urgent", "book", "take_message"]);
    let [api, form, flow, builtin, _] = &agent.functions.rows[..] else { panic!("five") };
    assert!(matches!(api.work, Work::JsonApi(_)) && !api.saves);
    assert!(matches!(&form.work, Work::Form(form) if form.title.as_deref() == Some("New patient")));
    assert_eq!(form.description, "Signs a patient up. Use it when: they are new");
    assert!(form.saves);
    assert!(matches!(flow.work, Work::Flow(_)));
    let Work::Builtin(Builtin::BookAppointment, data) = &builtin.work else { panic!("built in") };
    assert_eq!(data["extra"], 1);
}

#[test]
fn json_in_a_text_is_what_the_text_says() {
    let mut row = row(1, "form", "f", json!(r#"{"title": "T"}"#));
    row.variables = json!(r#"[{"name": "a"}]"#).into();
    let agent = agent(vec![row]);
    assert_eq!(agent.faults, []);
    assert_eq!(agent.functions.rows[0].parameters.names(), ["a"]);
}

#[test]
fn a_bad_row_is_reported_by_id_and_field_and_left_out() {
    let id = Uuid::from_u128(7);
    let with = |change: &dyn Fn(&mut FunctionSource)| {
        let mut row = row(7, "flows", "f", flow());
        change(&mut row);
        row
    };
    for (bad, field) in [
        (with(&|row| row.kind = None), "type"),
        (with(&|row| row.kind = Some("magic".to_owned())), "type"),
        (with(&|row| row.name = None), "name"),
        (with(&|row| row.name = Some("two words".to_owned())), "name"),
        (with(&|row| row.name = Some("é".to_owned())), "name"),
        (with(&|row| row.name = Some("x".repeat(65))), "name"),
        (with(&|row| row.name = Some("older".to_owned())), "name"),
        (with(&|row| row.name = Some("end_call".to_owned())), "name"),
        (with(&|row| row.variables = json!(7).into()), "variables"),
        (with(&|row| row.variables = json!([{"name": "answer"}]).into()), "variables.answer"),
        (with(&|row| row.data = Value::Null.into()), "data.nodes"),
        (with(&|row| row.data = json!([]).into()), "data"),
        (row(7, "flows", "f", step(json!({"say": "x", "next": "b"}))), "data.nodes.a.next"),
        (row(7, "flows", "f", step(json!({"call": "nobody"}))), "data.nodes.call nobody"),
        (row(7, "flows", "f", step(json!({"call": "f"}))), "data.nodes.call f"),
        (with(&|row| row.kind = Some("form".to_owned())), "variables"),
        (
            with(&|row| {
                row.kind = Some("form".to_owned());
                row.variables = json!([{"name": "confirmed"}]).into();
            }),
            "variables.confirmed",
        ),
        (
            with(&|row| {
                row.kind = Some("form".to_owned());
                row.variables = json!([{"name": "a"}]).into();
                row.data = json!({"submit_url": "ftp://a.example"}).into();
            }),
            "data.submit_url",
        ),
        (with(&|row| row.kind = Some("json_api".to_owned())), "data.url"),
        (with(&|row| row.kind = Some("function".to_owned())), "data.builtin"),
        (
            with(&|row| {
                row.kind = Some("function".to_owned());
                row.data = json!({"builtin": "fly"}).into();
            }),
            "data.builtin",
        ),
    ] {
        let agent = agent(vec![row(1, "flows", "older", flow()), bad]);
        assert_eq!(names(&agent.functions), ["older"], "{field}");
        let paths: Vec<&str> = agent.faults.iter().map(|fault| fault.path.as_str()).collect();
        assert_eq!(paths[0], format!("functions.{id}.{field}"));
        assert!(agent.faults[0].to_string().ends_with("; the function is left out"));
    }
}

#[test]
fn rows_tune_and_take_away_what_is_built_in() {
    let removed = |rows: Vec<FunctionSource>| {
        let agent = agent(rows);
        assert_eq!(agent.faults, []);
        agent.functions.removed.into_iter().collect::<Vec<_>>()
    };
    let sms = json!({"builtin": "send_sms"});
    let mut off = row(1, "function", "sms", sms.clone());
    off.is_active = Some(false);
    assert_eq!(removed(vec![off.clone()]), [Builtin::SendSms]);
    let text = json!(sms.to_string());
    assert_eq!(
        removed(vec![FunctionSource { data: text.into(), ..off.clone() }]),
        [Builtin::SendSms]
    );
    // Another row gives it back.
    assert_eq!(removed(vec![off.clone(), row(2, "function", "text_me", sms)]), []);
    // Inactive rows of other types, and ones that make no sense, take nothing away and are silent.
    let mut other = row(3, "json_api", "send_sms", json!({"builtin": "send_sms"}));
    other.is_active = Some(false);
    let mut odd = row(4, "function", "x", json!({"builtin": 7}));
    odd.is_active = Some(false);
    assert_eq!(removed(vec![other, odd]), []);
    // Not said is active.
    let mut unsaid = off;
    unsaid.is_active = None;
    assert_eq!(removed(vec![unsaid]), []);
}

#[test]
fn flows_call_what_can_be_called() {
    let calls = |name: &str| json!({"start": "a", "nodes": {"a": {"call": name, "next": "b"}, "b": {"end": "x"}}});
    let mut form = row(1, "form", "fill", json!({}));
    form.variables = json!([{"name": "a"}]).into();
    let mut off = row(2, "function", "x", json!({"builtin": "send_sms"}));
    off.is_active = Some(false);
    let agent = agent(vec![
        form,
        off,
        row(3, "json_api", "find", json!({"url": "https://a.example/"})),
        row(4, "function", "note", json!({"builtin": "take_message"})),
        row(5, "flows", "f_api", calls("find")),
        row(6, "flows", "f_tuned", calls("note")),
        row(7, "flows", "f_builtin", calls("check_availability")),
        row(8, "flows", "f_form", calls("fill")),
        row(9, "flows", "f_flow", calls("f_api")),
        row(10, "flows", "f_removed", calls("send_sms")),
    ]);
    assert_eq!(names(&agent.functions), ["fill", "find", "note", "f_api", "f_tuned", "f_builtin"]);
    assert_eq!(agent.faults.len(), 3);
}

#[test]
fn there_is_an_end_to_the_rows() {
    let rows = (0..70).map(|n| row(n, "flows", &format!("f{n}"), flow())).collect();
    let agent = agent(rows);
    assert_eq!((agent.functions.rows.len(), agent.faults.len()), (64, 6));
}

/// JSON of any shape, with names that mean something in it now and then.
fn any_json() -> impl Strategy<Value = Value> {
    let name = prop_oneof![
        "[a-z{}%_ ]{0,6}",
        prop::sample::select(vec![
            "nodes",
            "start",
            "say",
            "ask",
            "call",
            "branch",
            "next",
            "collect",
            "type",
            "name",
            "properties",
            "items",
            "enum",
            "pattern",
            "$ref",
            "builtin",
            "url",
            "required",
            "if",
        ])
        .prop_map(str::to_owned),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        name.clone().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((name.clone(), inner), 0..6)
                .prop_map(|fields| fields.into_iter().collect::<Value>()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_row_breaks_an_agent(
        kind in prop::sample::select(vec!["json_api", "form", "flows", "function"]),
        data in any_json(),
        variables in any_json(),
        arguments in any_json(),
    ) {
        let mut odd = row(1, kind, "odd", data);
        odd.variables = variables.into();
        let agent = agent(vec![odd, row(2, "flows", "good", flow())]);
        prop_assert!(agent.functions.rows.iter().any(|function| function.name == "good"));
        prop_assert!(agent.functions.rows.len() == 2 || !agent.faults.is_empty());
        if let (Some(arguments), Some(function)) = (arguments.as_object(), agent.functions.rows.first()) {
            let _ = function.parameters.check(arguments);
            let checked = function.parameters.check_some(arguments);
            prop_assert!(checked.wrong.iter().all(|(name, _)| !checked.good.contains_key(name)));
        }
    }
}
