//! Functions over the API and on their pages, and trying them.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::desk::{Answered, Body, Desk, NUMBER};

fn list(desk: &Desk) -> String {
    format!("/api/v1/agents/{}/functions", desk.agent)
}

fn field(answered: &Answered) -> String {
    assert_eq!(answered.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", answered.text);
    answered.json()["field"].as_str().unwrap_or_default().to_owned()
}

/// A service that answers each request with what it was asked, as JSON. Its address.
async fn echo() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    frontdesk::clock::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut asked = vec![0; 16 * 1024];
            let mut length = 0;
            // The head, and a body of as many bytes as it says.
            loop {
                let read = stream.read(&mut asked[length..]).await.unwrap_or(0);
                length += read;
                let text = String::from_utf8_lossy(&asked[..length]).into_owned();
                let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                let lower = head.to_ascii_lowercase();
                let wanted = lower.split("content-length: ").nth(1);
                let wanted =
                    wanted.and_then(|rest| rest.lines().next()?.trim().parse().ok()).unwrap_or(0);
                if read == 0 || body.len() >= wanted {
                    break;
                }
            }
            let answer = json!({"asked": String::from_utf8_lossy(&asked[..length])}).to_string();
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                answer.len()
            );
            let _ = stream.write_all((head + &answer).as_bytes()).await;
        }
    });
    address.to_string()
}

#[tokio::test]
async fn a_function_is_made_changed_and_removed_and_the_next_call_knows() {
    let desk = Desk::open().await;
    let maintainer = desk.sign_in("maintainer@example.com").await;
    let new = json!({"type": "json_api", "name": "weather", "purpose": "Says the weather.",
        "data": {"url": "https://weather.example/{{ args.place }}", "headers": {"Authorization": "Bearer k1"}},
        "variables": [{"name": "place", "type": "text", "required": true}]});
    let made = maintainer.post(&list(&desk), new).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let made = made.json();
    assert_eq!(made["data"]["headers"]["Authorization"], "********", "a key that is written out");
    let known = |name: &str| {
        let agent = desk.app.directory.remembered(NUMBER).unwrap();
        agent.functions.rows.iter().any(|row| row.name == name)
    };
    assert!(known("weather"));
    let path = format!("/api/v1/functions/{}", made["id"].as_str().unwrap());
    let change = json!({"name": "forecast", "data": made["data"], "version": made["version"]});
    let changed = maintainer.patch(&path, change.clone()).await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.text);
    assert!(known("forecast") && !known("weather"));
    let stored: String =
        sqlx::query_scalar("select data ->> 'headers' from functions where name = 'forecast'")
            .fetch_one(&desk.pool)
            .await
            .unwrap();
    assert!(stored.contains("Bearer k1"), "a mask that is sent back keeps it");
    let refused =
        maintainer.patch(&path, json!({"name": "other", "version": made["version"]})).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert_eq!(refused.json()["conflict"]["stored"]["name"], "forecast");
    let off = maintainer.patch(&path, json!({"is_active": false})).await;
    assert_eq!(off.json()["is_active"], false);
    assert!(!known("forecast"));
    assert_eq!(
        maintainer.send(Method::DELETE, &path, Body::None).await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(maintainer.get(&path).await.status, StatusCode::NOT_FOUND);

    // Its last version brings it back, but for the key.
    let versions = maintainer.get(&format!("/api/v1/agents/{}/versions", desk.agent)).await.json();
    let switched = &versions["items"][1];
    assert_eq!(switched["changes"][0]["field"], "is_active");
    let back = format!("/api/v1/agents/{}/versions/{}/restore", desk.agent, switched["n"]);
    let back = maintainer.post(&back, json!({})).await;
    assert_eq!(
        (back.status, &back.json()["missing"]),
        (StatusCode::OK, &json!(["headers.Authorization"])),
        "{}",
        back.text
    );
    assert_eq!(maintainer.get(&path).await.json()["name"], "forecast");
    let stored: Vec<String> =
        sqlx::query_scalar("select concat(before, after) from agent_versions")
            .fetch_all(&desk.pool)
            .await
            .unwrap();
    assert!(!stored.concat().contains("Bearer k1"));
}

#[tokio::test]
async fn what_is_not_accepted_is_named() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let api = |data: Value| json!({"type": "json_api", "name": "ask", "data": data});
    for (new, name) in [
        (json!({"name": "x"}), "type"),
        (json!({"type": "magic"}), "type"),
        (
            json!({"type": "form", "name": "has space", "data": {}, "variables": [{"name": "a"}]}),
            "name",
        ),
        (
            json!({"type": "json_api", "name": "prices", "data": {"url": "https://x.example"}}),
            "name",
        ),
        (
            json!({"type": "json_api", "name": "end_call", "data": {"url": "https://x.example"}}),
            "name",
        ),
        (json!({"type": "function", "data": {"builtin": "fly"}}), "data.builtin"),
        (json!({"type": "form", "name": "f", "data": {}}), "variables"),
        (
            json!({"type": "form", "name": "f", "data": {"submit_url": "x"}, "variables": [{"name": "a"}]}),
            "data.submit_url",
        ),
        (json!({"type": "flows", "name": "f", "data": {}}), "data.nodes"),
        (api(json!({})), "data.url"),
        (api(json!({"url": "https://{{ args.host }}/"})), "data.url"),
        (api(json!({"url": "https://x.example/{{ nonsense }}"})), "data.url"),
        (api(json!({"url": "https://x.example/", "headers": {"Host": "y"}})), "data.headers.Host"),
        (api(json!({"url": "https://x.example/", "body": "{\"a\": "})), "data.body"),
        (api(json!({"url": "https://x.example/", "timeout_ms": 99})), "data.timeout_ms"),
        (api(json!({"url": "https://x.example/", "timeout_ms": 60_000})), "data.timeout_ms"),
        (api(json!({"url": "https://x.example/", "timeout_ms": "60000"})), "data.timeout_ms"),
        (
            json!({"type": "json_api", "name": "ask", "data": {"url": "https://x.example/"}, "variables": [{"type": "text"}]}),
            "variables[0].name",
        ),
        (json!({"type": "json_api", "name": "ask", "data": [1]}), "data"),
        (json!({"type": "json_api", "name": "ask", "assistant_id": "x"}), "assistant_id"),
        (json!({"type": "json_api", "name": "ask", "is_active": "yes"}), "is_active"),
        (
            api(json!({"url": "https://x.example/", "headers": {"Authorization": "********"}})),
            "data.headers.Authorization",
        ),
    ] {
        let answered = owner.post(&list(&desk), new.clone()).await;
        assert_eq!(field(&answered), name, "{new}: {}", answered.text);
    }
    // One that is switched off is checked too.
    let off = json!({"type": "json_api", "name": "ask", "data": {}, "is_active": false});
    assert_eq!(field(&owner.post(&list(&desk), off).await), "data.url");
    let count: i64 =
        sqlx::query_scalar("select count(*) from functions").fetch_one(&desk.pool).await.unwrap();
    assert_eq!(count, 2, "nothing was written");
}

#[tokio::test]
async fn a_time_limit_out_of_bounds_from_before_hinders_no_other_change() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let data = json!({"url": "https://x.example/", "timeout_ms": 20_000});
    let new = json!({"type": "json_api", "name": "ask", "data": data});
    let made = owner.post(&list(&desk), new).await.json();
    let id = made["id"].as_str().unwrap();
    desk.sql(&format!(
        "update functions set data = data || '{{\"timeout_ms\": 60000}}' where id = '{id}'"
    ))
    .await;
    let path = format!("/api/v1/functions/{id}");
    let data = json!({"url": "https://y.example/", "timeout_ms": 60_000});
    let kept = owner.patch(&path, json!({"data": data})).await;
    assert_eq!(kept.status, StatusCode::OK, "{}", kept.text);
    let data = json!({"url": "https://y.example/", "timeout_ms": 70_000});
    let refused = owner.patch(&path, json!({"data": data})).await;
    assert_eq!(field(&refused), "data.timeout_ms", "{}", refused.text);
}

#[tokio::test]
async fn what_steps_call_is_neither_removed_nor_renamed() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let steps = json!({"type": "flows", "name": "steps", "data": {"start": "a", "nodes":
        {"a": {"call": "prices", "next": "b"}, "b": {"end": "Bye."}}}});
    assert_eq!(owner.post(&list(&desk), steps).await.status, StatusCode::CREATED);
    let path = format!("/api/v1/functions/{}", desk.function);
    for refused in [
        owner.send(Method::DELETE, &path, Body::None).await,
        owner.patch(&path, json!({"name": "costs"})).await,
    ] {
        assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.text);
        assert!(refused.text.contains("steps"), "{}", refused.text);
    }
}

#[tokio::test]
async fn uses_and_failures_are_counted_without_test_calls() {
    let desk = Desk::open().await;
    let ran = |ok: bool| json!({"id": desk.function, "name": "prices", "ok": ok});
    let calls = [
        ("CA1", json!([ran(true), ran(false)])),
        ("CA2", json!([ran(true)])),
        ("FT1", json!([ran(true)])),
        ("CA3", json!("odd")),
    ];
    for (sid, functions) in calls {
        sqlx::query("insert into call_logs (voice_agent_id, call_start, call_sid, metadata) values ($1, now() - interval '1 day', $2, $3::jsonb)")
            .bind(desk.agent)
            .bind(sid)
            .bind(json!({"functions": functions}).to_string())
            .execute(&desk.pool)
            .await
            .unwrap();
    }
    let owner = desk.sign_in("owner@example.com").await;
    let listed = owner.get(&list(&desk)).await.json();
    assert_eq!(
        (&listed["items"][0]["uses"], &listed["items"][0]["failures"]),
        (&json!(3), &json!(1))
    );
    let shown = owner.get(&format!("/agents/{}/functions", desk.agent)).await.text;
    assert!(shown.contains("used 3 times") && shown.contains("1 failed"), "{shown}");
}

#[tokio::test]
async fn a_function_is_tried_and_no_secret_is_seen() {
    let service = echo().await;
    let desk = Desk::open_with(&[("ALLOW_PRIVATE_TOOL_URLS", service.clone())]).await;
    let owner = desk.sign_in("owner@example.com").await;
    let agent = format!("/api/v1/agents/{}", desk.agent);
    owner.patch(&agent, json!({"settings": {"secrets": {"CRM": "top-secret-1"}}})).await;
    let new = json!({"type": "json_api", "name": "ask", "data": {
            "method": "POST", "url": format!("http://{service}/ask?who={{{{ caller.number }}}}"),
            "headers": {"X-Crm": "{{ secrets.CRM }}", "Authorization": "Bearer written-out-2"},
            "body": {"what": "{{ args.what }}"}},
        "variables": [{"name": "what", "type": "text", "required": true}]});
    let made = owner.post(&list(&desk), new).await.json();
    let path = format!("/api/v1/functions/{}/dry-run", made["id"].as_str().unwrap());
    let ran =
        owner.post(&path, json!({"arguments": {"what": "teeth"}, "caller": "020 7946 0958"})).await;
    assert_eq!(ran.status, StatusCode::OK, "{}", ran.text);
    assert!(
        !ran.text.contains("top-secret-1") && !ran.text.contains("written-out-2"),
        "{}",
        ran.text
    );
    let ran = ran.json();
    assert_eq!(ran["request"]["method"], "POST");
    assert!(ran["request"]["url"].as_str().unwrap().contains("2079460958"), "{ran}");
    assert_eq!(ran["request"]["body"], r#"{"what":"teeth"}"#);
    assert_eq!(ran["answer"]["status"], 200);
    assert!(ran["answer"]["body"].as_str().unwrap().contains("teeth"), "it really asked: {ran}");
    assert!(ran["ms"].is_u64() && ran["output"]["ok"] == true, "{ran}");
    assert_eq!(field(&owner.post(&path, json!({})).await), "arguments");
    assert_eq!(
        field(&owner.post(&path, json!({"arguments": {"what": "x"}, "caller": "me"})).await),
        "caller"
    );
    assert_eq!(field(&owner.post(&path, json!({"argument": {}})).await), "argument");
    let noted: i64 =
        sqlx::query_scalar("select count(*) from audit_log where action = 'function.try'")
            .fetch_one(&desk.pool)
            .await
            .unwrap();
    assert!(noted >= 1);

    let page = format!("/agents/{}/functions/{}", desk.agent, made["id"].as_str().unwrap());
    let shown = owner.get(&page).await.text;
    assert!(shown.contains("This really asks the service") && !shown.contains("written-out-2"));
    let tried = owner
        .form(&format!("{page}/try"), &[("arguments", r#"{"what": "gums"}"#), ("caller", "")])
        .await;
    assert_eq!(tried.status, StatusCode::OK, "{}", tried.text);
    assert!(
        tried.text.contains("gums") && tried.text.contains("Came back after"),
        "{}",
        tried.text
    );
    assert!(!tried.text.contains("top-secret-1") && !tried.text.contains("written-out-2"));
    let wrong = owner.form(&format!("{page}/try"), &[("arguments", "gums")]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn trying_reaches_nothing_private_and_not_too_often() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let new = json!({"type": "json_api", "name": "ask", "data": {"url": "http://127.0.0.1:9/"}});
    let made = owner.post(&list(&desk), new).await.json();
    let path = format!("/api/v1/functions/{}/dry-run", made["id"].as_str().unwrap());
    let mut last = owner.post(&path, json!({})).await;
    assert_eq!(last.json()["answer"], Value::Null);
    assert_eq!(last.json()["output"]["ok"], false);
    let built_in = format!("/api/v1/functions/{}/dry-run", desk.function);
    let would = owner.post(&built_in, json!({})).await.json();
    assert!(would["would"].as_str().unwrap().contains("message"), "{would}");
    for _ in 0..20 {
        last = owner.post(&path, json!({})).await;
    }
    assert_eq!(last.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(!last.header("retry-after").is_empty());
}

#[tokio::test]
async fn a_function_is_written_on_its_page() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let page = format!("/agents/{}/functions", desk.agent);
    for kind in ["json_api", "form", "flows", "function"] {
        let shown = owner.get(&format!("{page}/new?type={kind}")).await;
        assert_eq!(shown.status, StatusCode::OK, "{kind}");
        assert!(shown.text.contains("The agent may use it"), "{kind}");
    }
    let mut fields = vec![
        ("type", "json_api"),
        ("name", "stock"),
        ("purpose", "Says what is there."),
        ("is_active", "yes"),
        ("data.url", "ftp://stock.example/"),
        ("data.headers", "X-Key: {{ secrets.K }}\r\nAccept: */*"),
        ("data.body", "{\"a\": \"{{ args.item }}\"}"),
        ("variables.0.name", "item"),
        ("variables.0.type", "choice"),
        ("variables.0.choices", "pipe, tap"),
        ("variables.0.required", "yes"),
    ];
    let refused = owner.form(&page, &fields).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        refused.text.contains("id=\"data-url-error\"")
            && refused.text.contains("ftp://stock.example/"),
        "{}",
        refused.text
    );
    fields[4].1 = "https://stock.example/";
    let made = owner.form(&page, &fields).await;
    assert_eq!(made.status, StatusCode::SEE_OTHER, "{}", made.text);
    let shown = owner.get(made.header("location")).await.text;
    assert!(shown.contains("Saved.") && shown.contains("stock"), "{shown}");
    let listed = owner.get(&list(&desk)).await.json();
    let stock =
        listed["items"].as_array().unwrap().iter().find(|it| it["name"] == "stock").unwrap();
    assert_eq!(stock["data"]["body"], json!({"a": "{{ args.item }}"}));
    assert_eq!(
        stock["variables"],
        json!([{"name": "item", "type": "choice", "required": true, "enum": ["pipe", "tap"]}])
    );

    let one = format!("{page}/{}", stock["id"].as_str().unwrap());
    let form = owner.get(&one).await.text;
    let version =
        form.split("name=\"version\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    fields.extend([("version", version), ("trigger_reason", "somebody asks")]);
    assert_eq!(owner.form(&one, &fields).await.status, StatusCode::SEE_OTHER);
    fields.retain(|(name, _)| *name != "trigger_reason");
    fields.push(("trigger_reason", "never"));
    let late = owner.form(&one, &fields).await;
    assert_eq!(late.status, StatusCode::CONFLICT);
    assert!(late.text.contains("somebody asks") && late.text.contains("never"), "{}", late.text);
    assert_eq!(owner.form(&format!("{one}/switch"), &[]).await.status, StatusCode::SEE_OTHER);
    assert!(owner.get(&page).await.text.contains(">off<"));
    assert_eq!(owner.form(&format!("{one}/delete"), &[]).await.status, StatusCode::SEE_OTHER);
    assert_eq!(owner.get(&one).await.status, StatusCode::NOT_FOUND);
    let elsewhere = format!("{page}/{}", desk.other_function);
    for rest in ["/switch", "/delete", "/try", ""] {
        assert_eq!(
            owner.form(&format!("{elsewhere}{rest}"), &[]).await.status,
            StatusCode::NOT_FOUND,
            "{rest}"
        );
    }

    let secrets = format!("/agents/{}/secrets", desk.agent);
    let set = owner.form(&secrets, &[("name", "CRM"), ("value", "k-value-1")]).await;
    assert_eq!(set.status, StatusCode::SEE_OTHER, "{}", set.text);
    let shown = owner.get(set.header("location")).await.text;
    assert!(shown.contains("<code>CRM</code> is set") && !shown.contains("k-value-1"), "{shown}");
    owner.form(&secrets, &[("name", "CRM"), ("remove", "yes")]).await;
    assert!(desk.app.directory.remembered(NUMBER).unwrap().settings.secrets.is_empty());
}

#[tokio::test]
async fn steps_are_read_in_words_a_fault_names_its_line_and_people_are_rows() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let page = format!("/agents/{}/functions", desk.agent);
    let broken =
        "{\n  \"a\": {\"ask\": \"Urgent?\", \"collect\": \"u\", \"next\": \"b\"}\n  \"b\": {}\n}";
    let whole = broken.replace("}\n  \"b\": {}", "},\n  \"b\": {\"end\": \"Bye.\"}");
    let mut steps = [
        ("type", "flows"),
        ("name", "The steps"),
        ("is_active", "yes"),
        ("data.start", "a"),
        ("data.nodes", broken),
    ];
    let twice = [("variables.0.name", "a"), ("variables.1.name", "a")];
    let refused = owner.form(&page, &[&steps[..], &twice].concat()).await;
    assert!(
        refused.text.contains("What the agent asks the caller for, line 2"),
        "{}",
        refused.text
    );
    let refused = owner.form(&page, &steps).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let error =
        refused.text.split("id=\"data-nodes-error\"").nth(1).expect("it is beside the field");
    let error = error.split("</p>").next().unwrap();
    assert!(
        error.contains("Line 3, “") && error.contains("b") && error.contains("JSON"),
        "{error}"
    );
    steps[4].1 = &whole;
    let made = owner.form(&page, &steps).await;
    assert_eq!(made.status, StatusCode::SEE_OTHER, "{}", made.text);
    let shown = owner.get(made.header("location")).await.text;
    assert!(shown.contains("the_steps"), "a name that a model can call: {shown}");

    let people = [
        ("type", "function"),
        ("name", "transfer_call"),
        ("is_active", "yes"),
        ("data.builtin", "transfer_call"),
        ("data.targets.0.name", "desk"),
        ("data.targets.0.number", "020 7946 0958"),
    ];
    let made = owner.form(&page, &people).await;
    assert_eq!(made.status, StatusCode::SEE_OTHER, "{}", made.text);
    let listed = owner.get(&list(&desk)).await.json();
    let of = |name: &str| {
        let mut items = listed["items"].as_array().unwrap().iter();
        items.find(|it| it["name"] == name).unwrap_or_else(|| panic!("{name}: {listed}")).clone()
    };
    let (steps, people) = (of("the_steps"), of("transfer_call"));
    assert_eq!(people["data"]["targets"], json!({"desk": "020 7946 0958"}));
    let shown = owner.get(&format!("{page}/{}", steps["id"].as_str().unwrap())).await.text;
    assert!(shown.contains("<bdi>a</bdi></b>: asks “Urgent?” (text), then b"), "{shown}");
    let one = format!("{page}/{}", people["id"].as_str().unwrap());
    let shown = owner.get(&one).await.text;
    assert!(shown.contains("name=\"data.targets.0.name\" value=\"desk\""), "{shown}");
    // A form without the rows takes nobody away; emptied rows do.
    let change = |rows: &[(&'static str, &'static str)]| {
        let fixed =
            [("type", "function"), ("name", "transfer_call"), ("data.builtin", "transfer_call")];
        [&fixed[..], rows].concat()
    };
    for (rows, left) in [
        (&[][..], json!({"desk": "020 7946 0958"})),
        (&[("data.targets.0.name", ""), ("data.targets.0.number", "")][..], Value::Null),
    ] {
        let saved = owner.form(&one, &change(rows)).await;
        assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.text);
        let listed = owner.get(&list(&desk)).await.json();
        let items = listed["items"].as_array().unwrap();
        let people = items.iter().find(|it| it["name"] == "transfer_call").unwrap();
        assert_eq!(people["data"]["targets"], left, "{people}");
    }
}

#[tokio::test]
async fn what_replaces_a_built_in_function_or_can_never_work_is_said_at_once() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let data = json!({"url": "https://x.example/{{ args.plam }}",
        "headers": {"X-Key": "{{ secrets.CRM }}"}});
    let new = json!({"type": "json_api", "name": "check_availability", "data": data,
        "variables": [{"name": "plan"}]});
    let made = owner.post(&list(&desk), new).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let fields = |made: &Answered| {
        let made = made.json();
        let warned = made["warnings"].as_array().unwrap().clone();
        warned.iter().map(|it| it["field"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(fields(&made), ["name", "data.url", "data.headers"], "{}", made.text);
    let page = format!("/agents/{}/functions", desk.agent);
    let one = format!("{page}/{}", made.json()["id"].as_str().unwrap());
    for path in [&page, &one] {
        let shown = owner.get(path).await.text;
        for words in [
            "This replaces “Look for free times”, which every agent has",
            "so args.plam is never there",
            "There is no secret with the name CRM.",
        ] {
            assert!(shown.contains(words), "{path}: {words}: {shown}");
        }
    }
    assert!(owner.get(&page).await.text.contains("replaced by one above"));

    let flow = |nodes: Value| json!({"start": "a", "nodes": nodes});
    for (kind, data, field) in [
        ("json_api", json!({"url": "http://127.0.0.1:9/"}), "data.url"),
        ("json_api", json!({"url": "http://localhost/x"}), "data.url"),
        ("form", json!({"submit_url": "http://10.0.0.7/"}), "data.submit_url"),
        ("flows", flow(json!({"a": {"say": "x", "next": "a"}})), "data.nodes"),
        ("flows", flow(json!({"a": {"transfer": "nobody"}})), "data.nodes.a.transfer"),
        ("function", json!({"builtin": "transfer_call"}), "data.targets"),
    ] {
        let name = if kind == "function" { "" } else { "one" };
        let new = json!({"type": kind, "name": name, "data": data, "variables": [{"name": "v"}]});
        let made = owner.post(&list(&desk), new).await;
        assert_eq!(fields(&made), [field], "{data}: {}", made.text);
        let path = format!("/api/v1/functions/{}", made.json()["id"].as_str().unwrap());
        owner.send(Method::DELETE, &path, Body::None).await;
    }
    let fine = format!("/api/v1/functions/{}", desk.function);
    assert_eq!(owner.get(&fine).await.json()["warnings"], json!([]));
    // One that was stored with a fault says so on its page too.
    desk.sql(&format!("update functions set data = '{{}}' where id = '{}'", desk.function)).await;
    let shown = owner.get(&format!("{page}/{}", desk.function)).await.text;
    assert!(shown.contains("Nothing is written here."), "{shown}");
    let warned = owner.get(&fine).await.json();
    assert_eq!(warned["warnings"][0]["field"], "data.builtin", "{warned}");
}

#[tokio::test]
async fn all_that_is_wrong_with_a_function_is_told_at_once() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let new = json!({"type": "json_api", "name": "two words", "purpose": 7,
        "data": {"url": "nowhere", "headers": {"Host": "x"}, "timeout_ms": 99, "result": "items"},
        "variables": [{"type": "magic"}, {"name": "a", "type": "magic"}]});
    let refused = owner.post(&list(&desk), new).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let refused = refused.json();
    let told: Vec<&str> = refused["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["field"].as_str().unwrap())
        .collect();
    for field in [
        "purpose",
        "name",
        "data.url",
        "data.headers.Host",
        "data.timeout_ms",
        "data.result",
        "variables[0].name",
        "variables[1].type",
    ] {
        assert!(told.contains(&field), "{field}: {refused}");
    }
    assert_eq!(refused["field"], told[0]);

    let page = format!("/agents/{}/functions", desk.agent);
    let sent = [
        ("type", "json_api"),
        ("name", "二 語"),
        ("data.url", "nowhere"),
        ("data.timeout_ms", "soon"),
        ("data.result", "items"),
    ];
    let refused = owner.form(&page, &sent).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    for id in ["name", "data-url", "data-timeout_ms", "data-result"] {
        assert!(refused.text.contains(&format!("id=\"{id}-error\"")), "{id}: {}", refused.text);
        assert!(refused.text.contains(&format!("href=\"#{id}\"")), "{id}: {}", refused.text);
    }
    assert!(refused.text.contains("value=\"二 語\""), "{}", refused.text);
}
