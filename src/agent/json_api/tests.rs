//! Which rows are accepted, and what they come to.

use minijinja::context;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::agent::template::value_of;

fn values(args: Value) -> Context {
    context! {
        args => value_of(&args),
        caller => "+15551230001",
        agent => context! { name => "Bright Smiles", id => "a1" },
        secrets => context! { KEY => "s3cr3t/+", HOST => "tenant-1", BASE => "https://crm.example/v2/" },
    }
}

fn request(data: Value, args: Value) -> Result<ApiRequest, RequestError> {
    JsonApi::read(&data).expect("the row is accepted").request(&values(args))
}

fn url(address: &str, args: Value) -> Result<String, RequestError> {
    request(json!({"url": address}), args).map(|request| request.url.into())
}

#[test]
fn a_row_becomes_a_request() {
    let data = json!({
        "method": "post",
        "url": "https://crm.example/orders/{{ args.order }}?v=2#top",
        "headers": {"Authorization": "Bearer {{ secrets.KEY }}", "X-Count": 3, "X-None": null},
        "query": {"from": "{{ caller }}", "tag": ["a", "{{ args.tag }}"], "none": "{{ args.none }}"},
        "body": {"party": "{{ args.party }}", "note": "for {{ args.name }}"},
        "timeout_ms": 50,
        "result": "/data/0",
    });
    let api = JsonApi::read(&data).unwrap();
    assert_eq!(api.time_limit, Duration::from_millis(100));
    assert_eq!(api.result, "/data/0");
    assert!(!api.is_idempotent());
    let args = json!({"order": "A/7", "party": 4, "name": "\"Ann\"", "tag": "b&c", "none": null});
    let request = api.request(&values(args)).unwrap();
    assert_eq!(request.method, Method::POST);
    assert_eq!(
        request.url.as_str(),
        "https://crm.example/orders/A%2F7?v=2&from=%2B15551230001&tag=a&tag=b%26c"
    );
    assert_eq!(request.headers["authorization"], "Bearer s3cr3t/+");
    assert_eq!(request.headers["x-count"], "3");
    assert_eq!(request.headers["content-type"], "application/json");
    assert_eq!(format!("{:?}", request.headers["authorization"]), "Sensitive");
    assert_eq!(request.body.as_deref(), Some(r#"{"note":"for \"Ann\"","party":4}"#));
}

#[test]
fn little_need_be_said() {
    let api = JsonApi::read(&json!({"url": "https://crm.example"})).unwrap();
    assert_eq!(api.time_limit, Duration::from_secs(8));
    let request = api.request(&values(json!({}))).unwrap();
    assert_eq!((request.method, request.url.as_str()), (Method::GET, "https://crm.example/"));
    assert!(request.body.is_none() && request.headers.is_empty());
    let posted = request_of_body(json!({"a": 1}), json!({}));
    assert_eq!(posted.method, Method::POST);
}

fn request_of_body(body: Value, headers: Value) -> ApiRequest {
    let data = json!({"url": "https://crm.example/", "body": body, "headers": headers});
    let args = json!({"name": "\",\"admin\":true,\"x\":\"&a=b", "n": 2});
    request(data, args).unwrap()
}

#[test]
fn no_value_writes_fields_into_a_body() {
    let json_text = request_of_body(json!(r#"{"name": "{{ args.name }}"}"#), json!({}));
    let expected = json!({"name": "\",\"admin\":true,\"x\":\"&a=b"});
    assert_eq!(serde_json::from_str::<Value>(&json_text.body.unwrap()).unwrap(), expected);
    let form = request_of_body(
        json!({"name": "{{ args.name }}", "n": "{{ args.n }}"}),
        json!({"Content-Type": "application/x-www-form-urlencoded"}),
    );
    let body = form.body.unwrap();
    let pairs: Vec<_> = url::form_urlencoded::parse(body.as_bytes()).collect();
    assert_eq!(pairs.len(), 2, "{body}");
    let text = request_of_body(json!("n is {{ args.n }}"), json!({}));
    assert_eq!(text.body.as_deref(), Some("n is 2"));
    assert_eq!(text.headers["content-type"], "text/plain; charset=utf-8");
    let whole = request_of_body(json!("{{ args }}"), json!({}));
    assert_eq!(whole.headers["content-type"], "application/json");
}

#[test]
fn a_bad_row_is_refused_by_the_name_of_its_field() {
    let with = |name: &str, value: Value| {
        let mut data = json!({"url": "https://crm.example/x"});
        data[name] = value;
        JsonApi::read(&data).map(drop).map_err(|fault| fault.path)
    };
    for (name, value, path) in [
        ("method", json!("TRACE"), "method"),
        ("method", json!(1), "method"),
        ("url", Value::Null, "url"),
        ("url", json!("crm.example/x"), "url"),
        ("url", json!("ftp://crm.example/x"), "url"),
        ("url", json!("https://"), "url"),
        ("url", json!("https://u:p@crm.example/x"), "url"),
        ("url", json!("https://crm.exa\nmple/x"), "url"),
        ("url", json!("https://{{ args.host }}/x"), "url"),
        ("url", json!("https://crm.example{{ args.rest }}"), "url"),
        ("url", json!("https://crm.example:{{ args.port }}/x"), "url"),
        ("url", json!("https://crm.example\\{{ args.host }}/x"), ""),
        ("url", json!("https://crm.example@{{ caller }}/x"), "url"),
        ("url", json!("{{ args.url }}"), "url"),
        ("url", json!("{% if true %}{{ args.url }}{% endif %}"), "url"),
        ("url", json!("https://crm.example/{{ name }}"), "url"),
        ("url", json!("https://crm.example/{{ args.x"), "url"),
        ("headers", json!(["a"]), "headers"),
        ("headers", json!({"Host": "x"}), "headers.Host"),
        ("headers", json!({"Proxy-Authorization": "x"}), "headers.Proxy-Authorization"),
        ("headers", json!({"a b": "x"}), "headers.a b"),
        ("headers", json!({"a": {}}), "headers.a"),
        ("headers", json!({"a": "{{ secret.KEY }}"}), "headers.a"),
        ("query", json!("a=b"), "query"),
        ("query", json!({"a": ["{{ b }}"]}), "query.a.0"),
        ("body", json!({"a": [{"b": "{{ c }}"}]}), "body.a.0.b"),
        ("body", json!(r#"{"n": {{ args.n }}}"#), "body"),
        ("timeout_ms", json!("soon"), "timeout_ms"),
        ("result", json!("data.items"), "result"),
        ("result", json!(1), "result"),
    ] {
        let expected = if path.is_empty() { Ok(()) } else { Err(path.to_owned()) };
        assert_eq!(with(name, value.clone()), expected, "{name}: {value}");
    }
    assert_eq!(JsonApi::read(&json!("x")).unwrap_err().path, "data");
}

#[test]
fn the_owner_may_choose_the_host_in_the_settings() {
    let args = json!({"id": "7"});
    assert_eq!(
        url("{{ secrets.BASE }}/orders/{{ args.id }}", args.clone()).unwrap(),
        "https://crm.example/v2/orders/7"
    );
    assert_eq!(
        url("https://{{ secrets.HOST }}.crm.example/orders?id={{ args.id }}", args.clone())
            .unwrap(),
        "https://tenant-1.crm.example/orders?id=7"
    );
    assert_eq!(
        url("https://u:{{ secrets.HOST }}@crm.example/orders", args),
        Err(RequestError::Address)
    );
}

#[test]
fn a_backslash_ends_the_host() {
    let moved = url("https://crm.example\\{{ args.x }}/y", json!({"x": "@evil.example"})).unwrap();
    assert_eq!(moved, "https://crm.example/%40evil.example/y");
}

#[test]
fn a_header_is_one_line() {
    let data = json!({"url": "https://crm.example/", "headers": {"X-Name": "{{ args.name }}"}});
    for (name, ok) in [("Ann", true), ("Zoë", true), ("a\r\nX-Admin: 1", false), ("a\0", false)] {
        let made = request(data.clone(), json!({"name": name}));
        assert_eq!(made.is_ok(), ok, "{name:?}");
    }
}

#[test]
fn what_is_missing_is_named() {
    let missing = |data: Value| match request(data, json!({})) {
        Err(RequestError::Template(error)) => error.to_string(),
        _ => panic!("a template error is expected"),
    };
    let at = "https://crm.example/";
    assert_eq!(
        missing(json!({"url": format!("{at}{{{{ args.id }}}}")})),
        "url: args.id is missing"
    );
    assert_eq!(
        missing(json!({"url": at, "headers": {"X-A": "{{ secrets.NONE }}"}})),
        "headers: x-a: secrets.NONE is missing"
    );
    assert_eq!(
        missing(json!({"url": at, "query": {"a": "{{ args.b }}"}})),
        "query: a: args.b is missing"
    );
    assert_eq!(
        missing(json!({"url": at, "body": {"a": ["{{ args.b }}"]}})),
        "body: a: 0: args.b is missing"
    );
}

proptest! {
    #[test]
    fn whatever_a_caller_says_stays_in_its_place(said in "\\PC{1,40}") {
        let template = "https://crm.example:8443/a/{{ args.said }}/b?c={{ args.said }}";
        let args = json!({"said": said});
        if let Ok(url) = url(template, args) {
            let url = Url::parse(&url).unwrap();
            prop_assert_eq!(url.host_str(), Some("crm.example"));
            prop_assert_eq!(url.port(), Some(8443));
            prop_assert_eq!(url.path_segments().map(Iterator::count), Some(3));
            let pairs: Vec<_> = url.query_pairs().into_owned().collect();
            prop_assert_eq!(pairs, vec![("c".to_owned(), said)]);
            prop_assert_eq!(url.fragment(), None);
        }
    }
}
