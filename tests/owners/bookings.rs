//! Bookings: over the API, on their pages, and in other calendars.

use frontdesk::private::Private;
use frontdesk::rehearsal::phone::api::Api;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::desk::{Body, Client, Desk, add_agent};

async fn patch(client: &Client, id: &str, body: Value) -> crate::desk::Answered {
    client.send(Method::PATCH, &format!("/api/v1/appointments/{id}"), Body::Json(body)).await
}

/// Books over the API; its id.
async fn book(desk: &Desk, client: &Client, start: &str, name: &str) -> String {
    let body = json!({"agent": desk.agent, "start": start, "minutes": 30, "name": name});
    let made = client.post("/api/v1/appointments", body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    made.json()["id"].as_str().unwrap().to_owned()
}

async fn actions(desk: &Desk) -> Vec<String> {
    let sql = "select action from audit_log where action not like 'sign_in%' order by id";
    sqlx::query_scalar(sql).fetch_all(&desk.pool).await.unwrap()
}

#[tokio::test]
async fn a_booking_is_made_moved_and_cancelled() {
    let desk = Desk::open().await;
    let client = desk.sign_in("maintainer@example.com").await;
    let body = json!({"agent": desk.agent, "start": "2026-12-01T10:00", "name": " Anna\nKhan ",
        "phone": "020 7946 0000", "service": "Check-up", "notes": "first visit"});
    let made = client.post("/api/v1/appointments", body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let made = made.json();
    assert_eq!(made["start"], "2026-12-01T10:00:00.000+00:00");
    assert_eq!(made["end"], "2026-12-01T11:00:00.000+00:00", "as long as they usually take");
    assert_eq!(made["name"], "Anna Khan");
    assert_eq!(made["phone"], "+442079460000");
    assert_eq!((&made["source"], &made["status"]), (&json!("person"), &json!("pending")));
    let id = made["id"].as_str().unwrap();

    let moved = patch(&client, id, json!({"start": "2026-07-02T09:30", "minutes": 45})).await;
    assert_eq!(moved.status, StatusCode::OK, "{}", moved.text);
    let moved = moved.json();
    assert_eq!(moved["start"], "2026-07-02T09:30:00.000+01:00", "summer time");
    assert_eq!((&moved["minutes"], &moved["notes"]), (&json!(45), &json!("first visit")));
    assert_eq!(moved["revision"], 1);

    let path = format!("/api/v1/appointments/{id}?reason=ill");
    for _ in 0..2 {
        let gone = client.send(Method::DELETE, &path, Body::None).await;
        assert_eq!(gone.status, StatusCode::NO_CONTENT, "{}", gone.text);
    }
    let now = client.get(&format!("/api/v1/appointments/{id}")).await.json();
    assert_eq!((&now["status"], &now["reason"]), (&json!("cancelled"), &json!("ill")));
    assert_eq!(now["revision"], 2, "cancelled once");
    assert_eq!(actions(&desk).await, ["booking.make", "booking.move", "booking.cancel"]);
}

#[tokio::test]
async fn two_in_one_time_are_a_conflict_that_shows_both() {
    let desk = Desk::open().await;
    let client = desk.sign_in("owner@example.com").await;
    let first = book(&desk, &client, "2026-12-01T10:00", "Anna").await;
    let mut body = json!({"agent": desk.agent, "start": "2026-12-01T10:15", "minutes": 30,
        "name": "Ben"});
    let taken = client.post("/api/v1/appointments", body.clone()).await;
    assert_eq!(taken.status, StatusCode::CONFLICT, "{}", taken.text);
    let conflict = &taken.json()["conflict"];
    assert_eq!(conflict["wanted"]["start"], "2026-12-01T10:15:00.000+00:00");
    assert_eq!(conflict["in_the_way"][0]["id"], json!(first));
    body["overlap"] = json!(true);
    let both = client.post("/api/v1/appointments", body).await;
    assert_eq!(both.status, StatusCode::CREATED, "on purpose: {}", both.text);
    let ben = both.json()["id"].as_str().unwrap().to_owned();
    let came = patch(&client, &ben, json!({"status": "completed", "notes": "x"})).await;
    assert_eq!(came.status, StatusCode::OK, "what overlaps already is not asked again");
    let again = patch(&client, &ben, json!({"status": "pending"})).await;
    assert_eq!(again.status, StatusCode::CONFLICT, "its time was free meanwhile");
    let beside = book(&desk, &client, "2026-12-01T10:30", "Cleo").await;
    let onto = patch(&client, &beside, json!({"start": "2026-12-01T10:29"})).await;
    assert_eq!(onto.status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn a_caller_and_a_person_never_get_the_same_time() {
    let desk = Desk::open().await;
    let client = desk.sign_in("owner@example.com").await;
    let id = book(&desk, &client, "2026-12-01T10:00", "Anna").await;
    // What the agent asks during a call.
    let ask = format!(
        "select appointment_book(gen_random_uuid(), 'x', '{}', '2026-12-01T10:15Z', 30, 'Ben', '', \
        '', null)",
        desk.agent
    );
    let asked = |sql: String| {
        let pool = desk.pool.clone();
        async move {
            let query = sqlx::query_scalar::<_, String>(sqlx::AssertSqlSafe(sql));
            query.fetch_one(&pool).await.unwrap()
        }
    };
    assert_eq!(asked(ask.clone()).await, "taken");
    let path = format!("/api/v1/appointments/{id}");
    client.send(Method::DELETE, &path, Body::None).await;
    assert_eq!(asked(ask).await, "booked", "a cancelled one takes no time");
    let body =
        json!({"agent": desk.agent, "start": "2026-12-01T10:00", "minutes": 30, "name": "C"});
    let taken = client.post("/api/v1/appointments", body).await;
    assert_eq!(taken.status, StatusCode::CONFLICT);
    assert_eq!(taken.json()["conflict"]["in_the_way"][0]["source"], "agent");
}

#[tokio::test]
async fn a_change_of_what_somebody_else_changed_is_lost_on_nobody() {
    let desk = Desk::open().await;
    let client = desk.sign_in("owner@example.com").await;
    let id = book(&desk, &client, "2026-12-01T10:00", "Anna").await;
    let first = patch(&client, &id, json!({"notes": "one", "revision": 0})).await;
    assert_eq!(first.status, StatusCode::OK);
    let second = patch(&client, &id, json!({"notes": "two", "revision": 0})).await;
    assert_eq!(second.status, StatusCode::CONFLICT);
    assert_eq!(second.json()["conflict"]["now"]["notes"], "one");

    let form = [
        ("revision", "0"),
        ("date", "2026-12-02"),
        ("time", "11:00"),
        ("minutes", "30"),
        ("name", "Anna"),
        ("notes", "three"),
    ];
    let shown = client.form(&format!("/bookings/{id}"), &form).await;
    assert_eq!(shown.status, StatusCode::CONFLICT);
    assert!(shown.text.contains("changed this booking meanwhile"), "{}", shown.text);
    assert!(shown.text.contains("<dt>Notes</dt><dd><bdi>one</bdi>"), "what it is: {}", shown.text);
    assert!(shown.text.contains(">three</textarea>"), "what they wanted");
    assert!(shown.text.contains("name=\"revision\" value=\"1\""), "sent again it is done");
}

#[tokio::test]
async fn what_is_not_accepted_is_named() {
    let desk = Desk::open().await;
    let client = desk.sign_in("owner@example.com").await;
    let good = json!({"agent": desk.agent, "start": "2026-12-01T10:00", "name": "Anna"});
    for (field, value) in [
        ("start", json!("2026-12-01")),
        ("start", json!("2027-03-28T01:30")),
        ("start", json!("2026-10-25T01:30")),
        ("start", json!(7)),
        ("minutes", json!(0)),
        ("minutes", json!(100_000)),
        ("minutes", json!("30")),
        ("name", json!("  ")),
        ("name", Value::Null),
        ("phone", json!("nobody")),
        ("notes", json!("x".repeat(4001))),
        ("agent", json!("x")),
        ("status", json!("completed")),
        ("booked_by", json!("x")),
    ] {
        let mut body = good.clone();
        body[field] = value.clone();
        let refused = client.post("/api/v1/appointments", body).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{field} {value}");
        assert_eq!(refused.json()["field"], field, "{value}: {}", refused.text);
    }
    // One of the two times that the clock shows is accepted with its offset.
    let mut body = good.clone();
    body["start"] = json!("2026-10-25T01:30:00+00:00");
    let second = client.post("/api/v1/appointments", body).await;
    assert_eq!(second.json()["start"], "2026-10-25T01:30:00.000+00:00");
    for query in ["agent=x", "from=x", "to=2026", "status=x", "after=x", "limit=0", "limit=9999"] {
        let refused = client.get(&format!("/api/v1/appointments?{query}")).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{query}");
        assert_eq!(refused.json()["field"], query.split('=').next().unwrap());
    }
}

#[tokio::test]
async fn a_list_is_by_time_and_goes_on_where_it_stopped() {
    let desk = Desk::open().await;
    let client = desk.sign_in("owner@example.com").await;
    for (start, name) in [
        ("2026-10-24T23:30", "before"),
        ("2026-10-25T00:00", "first"),
        ("2026-10-25T12:00", "second"),
        ("2026-10-25T23:30", "last"),
        ("2026-10-26T00:00", "after"),
    ] {
        book(&desk, &client, start, name).await;
    }
    desk.sql(&format!(
        "insert into appointments (voice_agent_id, name, phone_number, service, schedule_time)
        values ('{}', 'theirs', '', '', '2026-10-25T12:00Z'),
            ('{}', 'at no time', '', '', 'infinity')",
        desk.other_agent, desk.agent
    ))
    .await;
    let mut names = Vec::new();
    let mut after = String::new();
    for _ in 0..9 {
        let path = format!("/api/v1/appointments?from=2026-10-25&to=2026-10-25&limit=2{after}");
        let page = client.get(&path).await.json();
        for item in page["items"].as_array().unwrap() {
            names.push(item["name"].as_str().unwrap().to_owned());
        }
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    assert_eq!(names, ["first", "second", "last"], "the day on which clocks are put back");
    let other = format!("/api/v1/appointments?agent={}", desk.other_agent);
    assert_eq!(client.get(&other).await.status, StatusCode::NOT_FOUND);
    let all = client.get("/api/v1/appointments?limit=1000").await.json();
    assert_eq!(all["items"].as_array().unwrap().len(), 5, "nobody else's, and none at no time");
}

#[tokio::test]
async fn pages_show_a_day_and_a_week_and_change_bookings() {
    let desk = Desk::open().await;
    let client = desk.sign_in("maintainer@example.com").await;
    let new = client.get("/bookings/new?day=2026-10-25").await;
    assert!(new.text.contains("value=\"2026-10-25\""), "{}", new.text);
    let agent = desk.agent.to_string();
    let mut form = vec![
        ("agent", agent.as_str()),
        ("date", "2026-10-25"),
        ("time", "01:30"),
        ("minutes", "30"),
        ("name", "<script>alert(1)</script>"),
        ("service", "<b>Filling</b>"),
        ("notes", "\"><img src=x>"),
    ];
    let past = client.form("/bookings/new", &[&form[..], &[("which", "first")]].concat()).await;
    assert_eq!(past.status, StatusCode::CONFLICT);
    assert!(past.text.contains("Sunday 25 October 2026 is past."), "{}", past.text);
    assert!(past.text.contains("outside the opening hours"), "{}", past.text);
    let count = desk.made("select count(*)::text from appointments").await;
    assert_eq!(count, "0", "it is asked first");
    form.push(("past", "true"));
    let closed = client.form("/bookings/new", &[&form[..], &[("which", "first")]].concat()).await;
    assert_eq!(closed.status, StatusCode::CONFLICT, "it is asked about: {}", closed.text);
    form.push(("closed", "true"));
    let which = client.form("/bookings/new", &form).await;
    assert_eq!(which.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(which.text.contains("The second one, 01:30 GMT"), "{}", which.text);
    form.push(("which", "second"));
    let made = client.form("/bookings/new", &form).await;
    assert_eq!(made.status, StatusCode::SEE_OTHER, "{}", made.text);
    let page = made.header("location").split('?').next().unwrap().to_owned();
    form[2] = ("time", "01:45");
    let taken = client.form("/bookings/new", &form).await;
    assert_eq!(taken.status, StatusCode::CONFLICT);
    assert!(taken.text.contains("Something else is booked in that time"), "{}", taken.text);
    form.push(("overlap", "true"));
    assert_eq!(client.form("/bookings/new", &form).await.status, StatusCode::SEE_OTHER);

    let week = client.get("/bookings?day=2026-10-21").await;
    assert!(week.text.contains("<th scope=\"col\">Sun 25 Oct<br>closed</th>"), "{}", week.text);
    assert!(week.text.contains(">01:30 GMT</time>"), "which of the two: {}", week.text);
    assert!(week.text.contains("until 02:15 "), "the hour that it goes on in: {}", week.text);
    let shown = client.get(&format!("{page}?done=made")).await;
    for text in [&week.text, &shown.text, &taken.text] {
        assert!(!text.contains("<script>alert") && !text.contains("<img") && !text.contains("<b>"));
    }
    assert!(shown.text.contains("Sunday 25 October 2026, 01:30 GMT–02:00"), "{}", shown.text);

    // Sent as it is shown, it stays where it is: the form says which half past one it was.
    assert!(shown.text.contains("name=\"which\" value=\"second\""), "{}", shown.text);
    let form = [
        ("revision", "0"),
        ("date", "2026-10-26"),
        ("time", "09:00"),
        ("minutes", "30"),
        ("name", "Anna"),
        ("phone", ""),
        ("service", ""),
        ("notes", ""),
    ];
    // A day that is past, and a time at which the business is closed, are asked about first.
    let asked = client.form(&page, &form).await;
    assert_eq!(asked.status, StatusCode::CONFLICT, "{}", asked.text);
    assert!(asked.text.contains("Monday 26 October 2026 is past."), "{}", asked.text);
    assert!(!asked.text.contains("outside the opening hours"), "{}", asked.text);
    let closed = [&form[..1], &[("date", "2031-03-02"), ("past", "true")], &form[2..]].concat();
    let closed = client.form(&page, &closed).await;
    assert_eq!(closed.status, StatusCode::CONFLICT, "a Sunday: {}", closed.text);
    assert!(closed.text.contains("outside the opening hours"), "{}", closed.text);
    assert!(closed.text.contains("name=\"past\" value=\"true\""), "{}", closed.text);
    let moved = client.form(&page, &[&form[..], &[("past", "true")]].concat()).await;
    assert_eq!(moved.status, StatusCode::SEE_OTHER, "{}", moved.text);
    let shown = client.get(moved.header("location")).await;
    let words = "Moved from Sunday 25 October, 01:30 GMT to Monday 26 October, 09:00.";
    assert!(shown.text.contains(words), "{}", shown.text);
    // Somebody was quicker: what was typed stays, where it is sent again.
    let stale = [("revision", "0"), ("reason", "Ann & Bob are ill")];
    let stale = client.form(&format!("{page}/cancel"), &stale).await;
    assert_eq!(stale.status, StatusCode::CONFLICT);
    let typed = stale.text.split("<summary>Cancel</summary>").collect::<Vec<_>>();
    let [before, cancel] = typed[..] else { panic!("{}", stale.text) };
    assert!(before.ends_with("<details class=\"card\" open>"), "{before}");
    assert!(cancel.contains("value=\"Ann &amp; Bob are ill\""), "{cancel}");
    let cancel = [("revision", "1"), ("reason", "ill")];
    let cancelled = client.form(&format!("{page}/cancel"), &cancel).await;
    assert_eq!(cancelled.status, StatusCode::SEE_OTHER, "{}", cancelled.text);
    let again = client.form(&format!("{page}/reopen"), &[("revision", "2")]).await;
    assert_eq!(again.header("location"), format!("{page}?done=pending"));
    let came = client.form(&format!("{page}/came"), &[("revision", "3")]).await;
    assert_eq!(came.header("location"), format!("{page}?done=completed"));
}

#[tokio::test]
async fn what_was_only_understood_is_confirmed_with_one_tap() {
    let desk = Desk::open().await;
    let client = desk.sign_in("maintainer@example.com").await;
    let sql = format!(
        "insert into call_logs (voice_agent_id, caller_number, call_sid, call_start) \
        values ('{}', '+447700900123', 'CA0', now()) returning id::text",
        desk.agent
    );
    let call = desk.made(&sql).await;
    let sql = format!(
        "insert into appointments (voice_agent_id, name, phone_number, service, schedule_time, \
        is_extracted, booking_key) values ('{}', 'Reed', '', '', now() + interval '1 day', \
        true, '{call}:extracted:1') returning id::text",
        desk.agent
    );
    let id = desk.made(&sql).await;
    let path = format!("/bookings/{id}");
    let shown = client.get(&path).await;
    assert!(shown.text.contains("please check"), "{}", shown.text);
    assert!(shown.text.contains(&format!("href=\"/calls/{call}\"")), "{}", shown.text);
    let right = client.form(&format!("{path}/check"), &[("revision", "0")]).await;
    assert_eq!(right.header("location"), format!("{path}?done=checked"));
    assert!(!client.get(&path).await.text.contains("please check"));
    let item = client.get(&format!("/api/v1/appointments/{id}")).await.json();
    assert_eq!((&item["to_check"], &item["source"]), (&json!(false), &json!("extracted")));
    assert_eq!(actions(&desk).await, ["booking.check"]);
}

#[tokio::test]
async fn who_may_not_book_is_told_so_and_it_is_written_down() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let id = book(&desk, &owner, "2026-12-01T10:00", "Anna").await;
    let support = desk.sign_in("support@example.com").await;
    let page = support.get(&format!("/bookings/{id}")).await;
    assert!(page.text.contains("Anna") && !page.text.contains("Cancel this"), "{}", page.text);
    let refused = support.form(&format!("/bookings/{id}/cancel"), &[("revision", "0")]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(!support.get("/bookings/new").await.text.contains("name=\"name\""));
    assert_eq!(actions(&desk).await, ["booking.make", "access.refused"]);

    let other = desk.sign_in("other@example.com").await;
    let attempts = [
        format!("/bookings/{id}"),
        format!("/bookings/{id}/cancel"),
        format!("/bookings/{id}/came"),
        "/bookings/none".to_owned(),
    ];
    for path in attempts {
        assert_eq!(other.form(&path, &[]).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(other.get(&format!("/bookings/{id}")).await.status, StatusCode::NOT_FOUND);
    let agent = desk.agent.to_string();
    let form =
        [("agent", agent.as_str()), ("date", "2026-12-01"), ("time", "12:00"), ("name", "X")];
    assert_eq!(other.form("/bookings/new", &form).await.status, StatusCode::NOT_FOUND);
    assert_eq!(other.form("/bookings/feed", &form).await.status, StatusCode::NOT_FOUND);
    assert!(!other.get("/bookings?day=2026-12-01").await.text.contains("Anna"));
}

#[tokio::test]
async fn a_calendar_reads_the_bookings_until_it_is_stopped() {
    let desk = Desk::open().await;
    let client = desk.sign_in("owner@example.com").await;
    let feed = format!("/api/v1/agents/{}/calendar-feed", desk.agent);
    let made = client.post(&feed, json!({})).await;
    assert_eq!(made.status, StatusCode::CREATED);
    let url = made.json()["url"].as_str().unwrap().to_owned();
    let path = url[url.find("/feeds/").unwrap()..].to_owned();
    let kept: bool = sqlx::query_scalar(
        "select exists (select from calendar_feeds f where row_to_json(f)::text like '%' || $1 || '%')",
    )
    .bind(&path[7..path.len() - 4])
    .fetch_one(&desk.pool)
    .await
    .unwrap();
    assert!(!kept, "the secret itself is nowhere");
    desk.sql(&format!(
        "insert into appointments (voice_agent_id, name, phone_number, service, special_notes, \
            schedule_time, duration_minutes, status) values \
        ('{0}', E'Bob\\r\\nEND:VEVENT\\nATTENDEE:mailto:x@evil.example', '+447700900123', 'Check; up', \
            'a, b', date_trunc('day', now()) + interval '10 hours', 30, 'pending'), \
        ('{0}', 'Gone', '', '', null, now() + interval '1 day', 30, 'cancelled'), \
        ('{1}', 'Theirs', '', '', null, now(), 30, 'pending')",
        desk.agent, desk.other_agent
    ))
    .await;
    // A calendar is not signed in.
    let calendar = desk.stranger();
    let read = calendar.get(&path).await;
    assert_eq!(read.status, StatusCode::OK);
    assert_eq!(read.header("content-type"), "text/calendar; charset=utf-8");
    let unfolded = read.text.replace("\r\n ", "");
    let lines: Vec<&str> = unfolded.split("\r\n").collect();
    assert_eq!(lines.iter().filter(|line| **line == "BEGIN:VEVENT").count(), 2, "{unfolded}");
    assert!(!lines.iter().any(|line| line.starts_with("ATTENDEE")), "{unfolded}");
    assert!(lines.contains(&"X-WR-CALNAME:Bright Smile"));
    assert!(lines.contains(&"STATUS:CANCELLED") && lines.contains(&"SUMMARY:Cancelled: Gone"));
    let summary = "SUMMARY:Bob\\nEND:VEVENT\\nATTENDEE:mailto:x@evil.example: Check\\; up";
    assert!(lines.contains(&summary), "{unfolded}");
    assert!(lines.contains(&"DESCRIPTION:Phone: +447700900123\\na\\, b"), "{unfolded}");

    let state = client.get(&feed).await.json();
    assert!(state["last_read"].is_string(), "{state}");
    let page = client.get("/bookings").await;
    assert!(page.text.contains("A calendar last read it today"), "{}", page.text);
    let next = client.post(&feed, json!({})).await.json()["url"].as_str().unwrap().to_owned();
    let next = next[next.find("/feeds/").unwrap()..].to_owned();
    assert_eq!(calendar.get(&path).await.status, StatusCode::NOT_FOUND, "the one before");
    assert_eq!(calendar.get(&next).await.status, StatusCode::OK);
    let stop = [("agent", desk.agent.to_string())];
    let stop: Vec<(&str, &str)> = stop.iter().map(|(name, id)| (*name, id.as_str())).collect();
    assert_eq!(client.form("/bookings/feed/stop", &stop).await.status, StatusCode::SEE_OTHER);
    assert_eq!(calendar.get(&next).await.status, StatusCode::NOT_FOUND);
    assert_eq!(actions(&desk).await, ["feed.make", "feed.make", "feed.revoke"]);
}

#[tokio::test]
async fn a_calendar_that_asks_all_the_time_has_to_wait() {
    let desk = Desk::open().await;
    let client = desk.sign_in("owner@example.com").await;
    let agent = desk.agent.to_string();
    let shown = client.form("/bookings/feed", &[("agent", &agent)]).await;
    assert_eq!(shown.status, StatusCode::OK);
    let at = shown.text.find("/feeds/").unwrap();
    let path = shown.text[at..].split(".ics").next().unwrap().to_owned() + ".ics";
    let calendar = desk.stranger();
    let first = calendar.get(&path).await;
    let http = reqwest::Client::new();
    let url = format!("http://{}{path}", desk.app.address);
    let known = http.get(&url).header("if-none-match", first.header("etag")).send().await.unwrap();
    assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
    for _ in 2..60 {
        assert_eq!(calendar.get(&path).await.status, StatusCode::OK);
    }
    let late = calendar.get(&path).await;
    assert_eq!(late.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(late.header("retry-after").parse::<u64>().unwrap() <= 61);
    for odd in ["/feeds/x.ics", "/feeds/..%2F..%2Fetc", "/feeds/.ics"] {
        assert_eq!(calendar.get(odd).await.status, StatusCode::NOT_FOUND, "{odd}");
    }
}

#[tokio::test]
async fn a_free_hour_of_the_week_begins_a_booking() {
    let desk = Desk::open().await;
    let maintainer = desk.sign_in("maintainer@example.com").await;
    let support = desk.sign_in("support@example.com").await;
    book(&desk, &maintainer, "2099-12-03T10:30", "Ann").await;
    let week = format!("/bookings?day=2099-12-03&agent={}", desk.agent);
    let page = maintainer.get(&week).await.text;
    let hour = |hour: &str| {
        format!("/bookings/new?day=2099-12-03&amp;time={hour}&amp;agent={}", desk.agent)
    };
    assert!(page.contains(&hour("11:00")), "it is free from 11:00: {page}");
    assert!(!page.contains(&hour("10:00")), "{page}");
    assert!(!support.get(&week).await.text.contains("/bookings/new"), "they book nothing");
    let one = maintainer.get("/bookings?day=2099-12-03").await.text;
    assert!(one.contains(&hour("11:00")), "of the only business: {one}");
    // What goes on from the day before takes the hours after midnight.
    let night =
        json!({"agent": desk.agent, "start": "2099-12-02T22:00", "minutes": 720, "name": "Eve"});
    let made = maintainer.post("/api/v1/appointments", night).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let page = maintainer.get(&week).await.text;
    assert!(!page.contains(&hour("09:00")) && page.contains(&hour("11:00")), "{page}");
    // On the week's first day too.
    let sunday =
        json!({"agent": desk.agent, "start": "2099-11-29T22:00", "minutes": 720, "name": "Bo"});
    let made = maintainer.post("/api/v1/appointments", sunday).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let page = maintainer.get(&week).await.text;
    let monday = |at: &str| hour(at).replace("2099-12-03", "2099-11-30");
    assert!(!page.contains(&monday("09:00")) && page.contains(&monday("10:00")), "{page}");
    let past = maintainer.get("/bookings?day=2026-01-05").await.text;
    assert!(!past.contains("&amp;time="), "{past}");
    let form = maintainer.get(&hour("11:00").replace("&amp;", "&")).await.text;
    assert!(form.contains("value=\"2099-12-03\"") && form.contains("value=\"11:00\""), "{form}");
    let odd = maintainer.get(&hour("soon").replace("&amp;", "&")).await;
    assert_eq!(odd.status, StatusCode::OK, "{}", odd.text);
}

#[tokio::test]
async fn an_hour_of_several_businesses_begins_no_booking() {
    let desk = Desk::open().await;
    let owner = desk.made("select uuid::text from customer where email like 'owner@%'").await;
    let salon =
        add_agent(&desk.pool, owner.parse().unwrap(), "Lime Street Salon", "+15559870002").await;
    let owner = desk.sign_in("owner@example.com").await;
    // The other business may be in another zone, and has a calendar of its own.
    let both = owner.get("/bookings?day=2099-12-03").await.text;
    assert!(both.contains("<table class=\"week\"") && !both.contains("&amp;time="), "{both}");
    let one = owner.get(&format!("/bookings?day=2099-12-03&agent={salon}")).await.text;
    let hour = format!("/bookings/new?day=2099-12-03&amp;time=11:00&amp;agent={salon}");
    assert!(one.contains(&hour), "{one}");
}

#[tokio::test]
async fn who_cancels_may_have_a_text_sent() {
    const ACCOUNT: &str = "AC00000000000000000000000000000001";
    let token = Private::new("the-operators-auth-token".to_owned());
    let twilio = Api::new(Some(ACCOUNT.to_owned()), Some(token));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    twilio.serve(listener);
    let account = ("TWILIO_ACCOUNT_SID", ACCOUNT.to_owned());
    let desk = Desk::open_with(&[("TWILIO_API_URL", url), account]).await;
    let client = desk.sign_in("maintainer@example.com").await;
    let booked = async |phone: &str, hour: u8| {
        let body = json!({"agent": desk.agent, "start": format!("2099-12-01T{hour}:00"),
            "name": "Ann", "phone": phone});
        let made = client.post("/api/v1/appointments", body).await;
        format!("/bookings/{}", made.json()["id"].as_str().unwrap())
    };
    let page = booked("020 7946 0000", 10).await;
    let shown = client.get(&page).await.text;
    assert!(shown.contains("Tell them by a text to <bdi>+442079460000"), "{shown}");
    let support = desk.sign_in("support@example.com").await;
    assert!(!support.get(&page).await.text.contains("Tell them"), "they cancel nothing");
    let text = [("revision", "0"), ("tell", "yes"), ("text", "We are <b>closed</b> then.")];
    let cancel = format!("{page}/cancel");
    let done = client.form(&cancel, &text).await;
    assert_eq!(
        done.header("location"),
        format!("{page}?done=cancelled&told=sent"),
        "{}",
        done.text
    );
    assert!(client.get(done.header("location")).await.text.contains("They are told by a text."));
    // Once more, and nobody is told twice.
    client.form(&cancel, &text).await;
    let sent = twilio.messages();
    let sent: Vec<_> = sent.iter().map(|sent| (&*sent.to, sent.body.as_str())).collect();
    assert_eq!(sent, [("+442079460000", "We are <b>closed</b> then.")]);
    assert_eq!(actions(&desk).await.iter().filter(|deed| *deed == "booking.text").count(), 1);
    // Nobody is told who is not to be, or cannot be.
    let page = booked("020 7946 0001", 12).await;
    client.form(&format!("{page}/cancel"), &[("revision", "0"), ("text", "Gone.")]).await;
    let page = booked("", 14).await;
    assert!(client.get(&page).await.text.contains("No text is sent: call them"));
    let done = client.form(&format!("{page}/cancel"), &text).await;
    assert!(done.header("location").ends_with("&told=not"), "{}", done.text);
    assert_eq!(twilio.messages().len(), 1);
    // Somebody moved it meanwhile: what was suggested is of the time before, what was typed stays.
    let page = booked("020 7946 0003", 16).await;
    let api = page.replace("/bookings/", "/api/v1/appointments/");
    let moved = client.patch(&api, json!({"start": "2099-12-01T17:00"})).await;
    assert_eq!(moved.status, StatusCode::OK, "{}", moved.text);
    for (text, shown) in [("At 16:00 it is.", "17:00 is cancelled."), ("Ill.", ">Ill.</textarea>")]
    {
        let form =
            [("revision", "0"), ("tell", "yes"), ("suggested", "At 16:00 it is."), ("text", text)];
        let again = client.form(&format!("{page}/cancel"), &form).await;
        assert_eq!(again.status, StatusCode::CONFLICT);
        assert!(again.text.contains(shown), "{}", again.text);
    }
    // The operator may pay for them.
    let page = booked("020 7946 0002", 15).await;
    let mut told = Vec::new();
    for revision in (0..40).step_by(2).map(|revision: u32| revision.to_string()) {
        let form = [("revision", revision.as_str()), ("tell", "yes")];
        let done = client.form(&format!("{page}/cancel"), &form).await;
        told.push(done.header("location").to_owned());
        let again = revision.parse::<u32>().unwrap() + 1;
        client.form(&format!("{page}/reopen"), &[("revision", &again.to_string())]).await;
    }
    let often = told.pop().unwrap();
    assert!(told.iter().all(|told| told.ends_with("&told=sent")), "{told:?}");
    assert_eq!(often, format!("{page}?done=cancelled&told=often"));
    assert_eq!(twilio.messages().len(), 20);
    let shown = client.get(&often).await.text;
    assert!(shown.contains("No text was sent: you have had many sent"), "{shown}");
}

/// Waits until something is done, or waits for a lock of the database's.
async fn done_or_waiting<T>(desk: &Desk, doing: &tokio::task::JoinHandle<T>) {
    let waiting = "select exists (select from pg_locks l join pg_stat_activity a using (pid)
        where not l.granted and a.datname = current_database())";
    let waited = async {
        loop {
            let is_waiting: bool = sqlx::query_scalar(waiting).fetch_one(&desk.pool).await.unwrap();
            if is_waiting || doing.is_finished() {
                return;
            }
            frontdesk::clock::pause(std::time::Duration::from_millis(10)).await;
        }
    };
    let limit = std::time::Duration::from_secs(20);
    frontdesk::clock::within(limit, waited).await.expect("it is done or waits");
}

async fn feeds_in_force(desk: &Desk) -> String {
    desk.made("select count(*)::text from calendar_feeds where revoked_at is null").await
}

#[tokio::test]
async fn of_two_calendar_addresses_that_are_made_at_once_one_works() {
    let desk = Desk::open().await;
    let maintainer = desk.sign_in("maintainer@example.com").await;
    // Another process makes one, and has not finished.
    let mut other = desk.pool.begin().await.unwrap();
    sqlx::query("select pg_advisory_xact_lock(hashtextextended($1::text, 4))")
        .bind(desk.agent)
        .execute(&mut *other)
        .await
        .unwrap();
    sqlx::query("insert into calendar_feeds (token_hash, voice_agent_id) values (sha256('x'), $1)")
        .bind(desk.agent)
        .execute(&mut *other)
        .await
        .unwrap();
    let path = format!("/api/v1/agents/{}/calendar-feed", desk.agent);
    let making = frontdesk::clock::spawn(async move { maintainer.post(&path, json!({})).await });
    done_or_waiting(&desk, &making).await;
    other.commit().await.unwrap();
    assert_eq!(making.await.unwrap().status, StatusCode::CREATED);
    assert_eq!(feeds_in_force(&desk).await, "1");
}

#[tokio::test]
async fn whoever_is_removed_at_that_moment_makes_no_calendar_address() {
    let desk = Desk::open().await;
    let maintainer = desk.sign_in("maintainer@example.com").await;
    let mut owner = desk.pool.begin().await.unwrap();
    sqlx::query("delete from voice_agents_access where access = 'maintainer'")
        .execute(&mut *owner)
        .await
        .unwrap();
    let agent = desk.agent.to_string();
    let making = frontdesk::clock::spawn(async move {
        maintainer.form("/bookings/feed", &[("agent", agent.as_str())]).await
    });
    done_or_waiting(&desk, &making).await;
    owner.commit().await.unwrap();
    assert_eq!(making.await.unwrap().status, StatusCode::NOT_FOUND);
    assert_eq!(feeds_in_force(&desk).await, "0");
}
