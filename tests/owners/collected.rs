//! What functions collected in calls, for whoever may see it.

use http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::calls::add_call;
use crate::desk::Desk;

/// A form of the first business's that asks for an e-mail address.
async fn add_form(desk: &Desk) -> Uuid {
    desk.made(&format!(
        "insert into functions (assistant_id, type, name, data, variables, save_data)
        values ('{}', 'form', 'newsletter', '{{}}', '[{{\"name\": \"email\", \"type\": \"email\"}}]', true)
        returning id::text",
        desk.agent
    ))
    .await
    .parse()
    .unwrap()
}

async fn collect(desk: &Desk, agent: Uuid, function: Uuid, call: &str, arguments: Value) {
    let data = json!({"kind": "function", "function_id": function, "call_log_id": call,
        "arguments": arguments, "result": {"ok": true}});
    sqlx::query("insert into scrapping_data (data, voice_agent_id) values ($1::jsonb, $2)")
        .bind(data.to_string())
        .bind(agent)
        .execute(&desk.pool)
        .await
        .unwrap();
}

#[tokio::test]
async fn what_a_form_collected_is_a_table_and_can_be_taken_away() {
    let desk = Desk::open().await;
    let form = add_form(&desk).await;
    let call = add_call(&desk, desk.agent, json!({})).await.to_string();
    let email = "<script>x</script>@example.com";
    collect(&desk, desk.agent, form, &call, json!({"email": email, "extra": "=1+1"})).await;
    collect(&desk, desk.agent, form, "gone", json!({"email": "b@example.com"})).await;
    // Another agent's row that names this function.
    collect(&desk, desk.other_agent, form, &call, json!({"email": "theirs@example.com"})).await;

    let maintainer = desk.sign_in("maintainer@example.com").await;
    let address = format!("/agents/{}/functions/{form}", desk.agent);
    assert!(maintainer.get(&address).await.text.contains(&format!("{address}/collected")));
    let page = maintainer.get(&format!("{address}/collected")).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    for shown in ["&lt;script&gt;x", "b@example.com", "=1+1", &format!("/calls/{call}")] {
        assert!(page.text.contains(shown), "{shown}: {}", page.text);
    }
    assert!(!page.text.contains("theirs@") && !page.text.contains("<script>x"), "{}", page.text);
    assert!(!page.text.contains("collected.csv"), "a list is the owner's to take away");
    let api = format!("/api/v1/functions/{form}/collected");
    let items = maintainer.get(&api).await.json();
    assert_eq!(items["items"].as_array().map(Vec::len), Some(2), "{items}");
    assert_eq!(items["items"][1]["call_id"], call);
    let odd = maintainer.get(&format!("{api}?after=x")).await;
    assert_eq!(odd.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", odd.text);

    let owner = desk.sign_in("owner@example.com").await;
    let table = owner.get(&format!("{api}.csv")).await;
    assert_eq!(table.header("content-type"), "text/csv; charset=utf-8", "{}", table.text);
    let lines: Vec<&str> = table.text.lines().collect();
    assert_eq!(lines[0], "collected_at,call_id,email,other,result");
    assert_eq!(lines.len(), 3, "{}", table.text);
    assert!(lines[2].contains(&format!("{call},{email}")), "{}", table.text);
    assert!(lines[2].contains(r#""{""extra"":""=1+1""}""#), "{}", table.text);
    let noted = desk.made("select object from audit_log where action = 'collected.export'").await;
    assert_eq!(noted, format!("function {form}"));

    // Not to be shown: nobody sees it.
    desk.sql(&format!("update functions set is_shownable = false where id = '{form}'")).await;
    let page = owner.get(&format!("{address}/collected")).await;
    assert!(page.text.contains("is not shown") && !page.text.contains("b@"), "{}", page.text);
    let setting = format!("href=\"{address}#is_shownable\"");
    assert!(page.text.contains(&setting), "{}", page.text);
    let form_page = owner.get(&address).await.text;
    assert!(form_page.contains("id=\"is_shownable\""), "the link leads somewhere: {form_page}");
    for path in [api.clone(), format!("{api}.csv")] {
        let hidden = owner.get(&path).await;
        assert_eq!(hidden.status, StatusCode::NOT_FOUND, "{}", hidden.text);
    }
}

#[tokio::test]
async fn a_long_list_has_pages() {
    let desk = Desk::open().await;
    let form = add_form(&desk).await;
    desk.sql(&format!(
        "insert into scrapping_data (data, voice_agent_id, created_at)
        select jsonb_build_object('kind', 'function', 'function_id', '{form}', 'arguments',
            jsonb_build_object('email', n || '@example.com')), '{}', now() - n * interval '1 minute'
        from generate_series(1, 120) n",
        desk.agent
    ))
    .await;
    let owner = desk.sign_in("owner@example.com").await;
    let api = format!("/api/v1/functions/{form}/collected");
    let (mut after, mut seen) = (String::new(), Vec::new());
    loop {
        let page = owner.get(&format!("{api}{after}")).await.json();
        for item in page["items"].as_array().unwrap() {
            seen.push(item["arguments"]["email"].as_str().unwrap().to_owned());
        }
        let Some(next) = page["next"].as_str() else { break };
        after = format!("?after={next}");
    }
    let expected: Vec<String> = (1..=120).map(|n| format!("{n}@example.com")).collect();
    assert_eq!(seen, expected);
    let first = owner.get(&format!("/agents/{}/functions/{form}/collected", desk.agent)).await.text;
    assert_eq!(first.matches("@example.com").count(), 50);
    assert!(first.contains("rel=\"next\""), "{first}");
}

#[tokio::test]
async fn who_is_removed_while_they_read_gets_no_more_rows() {
    let desk = Desk::open().await;
    let form = add_form(&desk).await;
    let second = crate::desk::add_person(&desk.pool, "second@example.com", "Second").await;
    crate::desk::give_access(&desk.pool, desk.agent, second, "owner").await;
    // More than sockets hold, so that the server waits for the reader.
    let data = json!({"kind": "function", "function_id": form, "arguments": {"email": "a".repeat(30_000)}});
    sqlx::query(
        "insert into scrapping_data (data, voice_agent_id) select $1::jsonb, $2 from generate_series(1, 700)",
    )
    .bind(data.to_string())
    .bind(desk.agent)
    .execute(&desk.pool)
    .await
    .unwrap();
    let reader = desk.sign_in("second@example.com").await;
    let mut reading = reader.start(&format!("/api/v1/functions/{form}/collected.csv")).await;
    assert_eq!(reading.status(), StatusCode::OK);
    reading.chunk().await.unwrap().unwrap();
    desk.sql("update voice_agents_access set status = false").await;
    loop {
        match reading.chunk().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("it ended as if it were whole"),
            Err(_) => break,
        }
    }
}

/// The form says that what was said is kept, and it is unless its owner says otherwise.
#[tokio::test]
async fn a_new_form_keeps_and_shows_what_callers_say() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let functions = format!("/agents/{}/functions", desk.agent);
    let ticked = |name: &str| format!("name=\"{name}\" value=\"yes\" checked");
    let form = owner.get(&format!("{functions}/new?type=form")).await.text;
    assert!(
        form.contains(&ticked("save_data")) && form.contains(&ticked("is_shownable")),
        "{form}"
    );
    let asks = owner.get(&format!("{functions}/new?type=json_api")).await.text;
    assert!(!asks.contains(&ticked("save_data")), "{asks}");

    let made = add_form(&desk).await;
    desk.sql(&format!("update functions set save_data = false where id = '{made}'")).await;
    let page = owner.get(&format!("{functions}/{made}/collected")).await.text;
    assert!(page.contains("Nothing is kept of what callers say to it"), "{page}");
    assert!(page.contains(&format!("{functions}/{made}#save_data")), "{page}");
}
