//! Today, with several businesses: whose is whose, and what people do with tasks where they meet them.

use frontdesk::store::access::Read;
use http::StatusCode;
use serde_json::json;
use uuid::Uuid;

use crate::calls::{CALLER, add_call};
use crate::desk::{Desk, add_agent, give_access};
use crate::viewer::{access, owner_of};

/// A desk whose owner has a second business, Lime Street Salon.
async fn two_businesses() -> (Desk, Uuid) {
    let desk = Desk::open().await;
    let owner: String =
        desk.made("select uuid::text from customer where email like 'owner@%'").await;
    let salon =
        add_agent(&desk.pool, owner.parse().unwrap(), "Lime Street Salon", "+15559870002").await;
    (desk, salon)
}

async fn add_task(desk: &Desk, agent: Uuid, kind: &str, key: Option<&str>) -> (i64, Uuid) {
    let call = add_call(desk, agent, json!({})).await;
    let id = sqlx::query_scalar(
        "insert into call_tasks (voice_agent_id, call_log_id, kind, ordinal, text, urgency, at,
            caller_number, question_key)
        values ($1, $2, $3, 1, 'Call <i>back</i>', 1, now(), $4, $5) returning id",
    )
    .bind(agent)
    .bind(call)
    .bind(kind)
    .bind(CALLER)
    .bind(key)
    .fetch_one(&desk.pool)
    .await
    .unwrap();
    (id, call)
}

#[tokio::test]
async fn each_thing_says_which_business_it_is_of() {
    let (desk, salon) = two_businesses().await;
    let owner = desk.sign_in("owner@example.com").await;
    add_task(&desk, desk.agent, "message", None).await;
    add_task(&desk, salon, "message", None).await;
    desk.sql(&format!(
        "insert into appointments (voice_agent_id, name, phone_number, service, schedule_time, status)
        values ('{salon}', 'Ann', '', 'Cut', current_date + time '12:00', 'missed')"
    ))
    .await;
    let page = owner.get("/").await.text;
    assert_eq!(page.matches("+447700900123\">Call<").count(), 2, "nobody's are merged: {page}");
    let badge = |name: &str| format!("<span class=\"badge\"><bdi>{name}</bdi></span>");
    assert_eq!(page.matches(&badge("Bright Smile")).count(), 1, "{page}");
    assert_eq!(page.matches(&badge("Lime Street Salon")).count(), 2, "a task and a booking");
    assert!(page.contains("did not come") && page.contains("href=\"/bookings/"), "{page}");
    assert!(page.contains("Call &lt;i&gt;back"), "{page}");
    // One that is chosen is not named again, and goes with one.
    let page = owner.get(&format!("/?agent={salon}")).await.text;
    assert!(!page.contains(&badge("Lime Street Salon")), "{page}");
    for address in ["/calls", "/live", "/bookings", "/knowledge", "/usage", "/webhooks", "/"] {
        let link = format!("href=\"{address}?agent={salon}\"");
        assert!(page.contains(&link), "{link}: {page}");
    }
    assert!(page.contains("action=\"/tasks/") && page.contains(&format!("?agent={salon}")));
}

#[tokio::test]
async fn a_task_stands_there_with_the_time_at_which_its_call_began() {
    let (desk, _) = two_businesses().await;
    let owner = desk.sign_in("owner@example.com").await;
    let (task, call) = add_task(&desk, desk.agent, "message", None).await;
    desk.sql(&format!(
        "update call_logs set call_start = '2026-10-05T09:07Z', call_end = '2026-10-05T09:31Z'
        where id = '{call}'"
    ))
    .await;
    desk.sql(&format!("update call_tasks set at = '2026-10-05T09:31Z' where id = {task}")).await;
    for address in ["/".to_owned(), format!("/callers/{CALLER}")] {
        let page = owner.get(&address).await.text;
        assert!(page.contains(":07</time>") && !page.contains(":31</time>"), "{address}: {page}");
    }
}

#[tokio::test]
async fn the_choice_of_an_agent_leads_somewhere() {
    let (desk, salon) = two_businesses().await;
    let owner = desk.sign_in("owner@example.com").await;
    let agent = desk.agent;
    let booking = desk
        .made(&format!(
            "insert into appointments (voice_agent_id, name, phone_number, service, schedule_time)
            values ('{agent}', 'Ann', '', '', now()) returning id::text"
        ))
        .await;
    for (page, action) in [
        (format!("/agents/{agent}"), "/agents"),
        (format!("/agents/{agent}/functions"), "/agents"),
        (format!("/bookings/{booking}"), "/bookings"),
        ("/account".to_owned(), "/"),
        ("/usage?days=7".to_owned(), "/usage"),
    ] {
        let text = owner.get(&page).await.text;
        let form = format!("class=\"switch\" method=\"get\" action=\"{action}\"");
        assert!(text.contains(&form), "{page}: {text}");
    }
    let to = owner.get(&format!("/agents?agent={salon}")).await;
    assert_eq!(to.header("location"), format!("/agents/{salon}"));
    let theirs = owner.get(&format!("/agents?agent={}", desk.other_agent)).await;
    assert_eq!(theirs.header("location"), format!("/agents/{agent}"), "one's own first one");
}

#[tokio::test]
async fn people_is_about_an_agent_of_ones_own() {
    let (desk, salon) = two_businesses().await;
    // The older agent is one that they only support.
    let other: String =
        desk.made("select uuid::text from customer where email like 'other@%'").await;
    give_access(&desk.pool, desk.agent, other.parse().unwrap(), "support").await;
    desk.sql(&format!(
        "update voice_agents set created_at = now() - interval '9 days' where id = '{}'",
        desk.agent
    ))
    .await;
    let other = desk.sign_in("other@example.com").await;
    let page = other.get("/people").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    assert!(page.text.contains("Who may do what at <bdi>Iron Pipes</bdi>"), "{}", page.text);
    assert!(!page.text.contains("Olivia"));
    let theirs = other.get(&format!("/people?agent={}", desk.agent)).await;
    assert_eq!(theirs.status, StatusCode::FORBIDDEN);
    let nobodys = other.get(&format!("/people?agent={salon}")).await;
    assert!(nobodys.text.contains("Iron Pipes"), "what one does not see is not chosen");
}

#[tokio::test]
async fn a_task_is_ticked_and_noted_where_it_is_met() {
    let (desk, salon) = two_businesses().await;
    let support = desk.sign_in("support@example.com").await;
    let owner = desk.sign_in("owner@example.com").await;
    let (task, call) = add_task(&desk, desk.agent, "message", None).await;
    let path = format!("/tasks/{task}");
    let noted = support.form(&path, &[("note", " <b>She</b> rings back. ")]).await;
    assert_eq!((noted.status, noted.header("location")), (StatusCode::SEE_OTHER, "/"));
    for page in ["/".to_owned(), format!("/calls/{call}"), format!("/callers/{CALLER}")] {
        let text = owner.get(&page).await.text;
        assert!(text.contains("&lt;b&gt;She&lt;/b&gt; rings back."), "{page}: {text}");
    }
    assert_eq!(
        desk.made("select note || ' ' || (done_at is null)::text from call_tasks").await,
        "<b>She</b> rings back. true",
        "it is still open"
    );
    let (id, query) = (call.to_string(), format!("?agent={}&words=filling", desk.agent));
    let ticked = owner.form(&format!("{path}{query}"), &[("done", "yes"), ("call", &id)]).await;
    assert_eq!(ticked.header("location"), format!("/calls/{id}{query}"));
    let ticked = owner.form(&format!("{path}?agent={salon}"), &[("done", "no")]).await;
    assert_eq!(ticked.header("location"), format!("/?agent={salon}"));
    let done = owner.form(&format!("{path}?agent={}", desk.agent), &[("done", "yes")]).await;
    let saved = format!("/?agent={}&saved={task}", desk.agent);
    assert_eq!(done.header("location"), saved);
    let page = owner.get(&saved).await.text;
    let said = page.split("Saved as done: message").nth(1).expect("it says what was saved");
    assert!(said.split("</form>").next().unwrap().contains("Not done"), "it is taken back: {page}");
    let page = owner.get(&format!("/calls/{id}{query}")).await.text;
    let action = format!("action=\"{path}?agent={}&amp;words=filling\"", desk.agent);
    assert!(page.contains(&action), "{page}");
    let long = "x".repeat(2_001);
    let refused = support.form(&path, &[("note", &long)]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.text);
    let gone = support.form(&path, &[("note", "")]).await;
    assert_eq!(gone.status, StatusCode::SEE_OTHER);
    assert_eq!(desk.made("select (note is null)::text from call_tasks").await, "true");
    let other = desk.sign_in("other@example.com").await;
    let theirs = other.form(&path, &[("note", "mine")]).await;
    assert_eq!(theirs.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_question_is_answered_where_it_is_met() {
    let (desk, salon) = two_businesses().await;
    let owner = desk.sign_in("owner@example.com").await;
    let now: String = desk.made("select now()::text").await;
    let columns =
        json!({"metadata": {"gaps": ["Is there parking?"]}, "call_start": now, "call_end": now});
    add_call(&desk, salon, columns).await;
    let (_, call) = add_task(&desk, salon, "gap", Some("is there parking")).await;
    let page = owner.get(&format!("/?agent={salon}")).await.text;
    assert!(page.contains("Answer it") && page.contains(&format!("/calls/{call}")), "{page}");
    let viewer = owner_of(&desk.pool, salon).await;
    let read = access::<Read>(&desk.pool, &viewer, salon).await;
    let gap = desk.app.store.gaps(&read).await.unwrap()[0].id.to_string();
    assert!(page.contains(&format!("name=\"gap\" value=\"{gap}\"")), "{page}");
    let support = desk.sign_in("support@example.com").await;
    assert!(!support.get("/").await.text.contains("Answer it"), "support only reads");
    let chosen = salon.to_string();
    let form = [("gap", &*gap), ("answer", "Behind."), ("back", "today"), ("chosen", &*chosen)];
    let done = owner.form(&format!("/knowledge/{salon}/answers"), &form).await;
    let saved = format!("/?agent={salon}&saved=answer");
    assert_eq!(done.header("location"), saved, "{}", done.text);
    let page = owner.get(&saved).await.text;
    assert!(page.contains("Saved. The next call knows it."), "{page}");
    assert!(!page.contains("Answer it") && page.contains("Done in the last day"), "{page}");
}

#[tokio::test]
async fn a_message_is_heard_where_it_is_met() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let (_, call) = add_task(&desk, desk.agent, "voicemail", None).await;
    let player = format!("src=\"/api/v1/calls/{call}/voicemail\"");
    assert!(!owner.get("/").await.text.contains(&player), "it is not kept any more");
    desk.sql(
        "update call_logs set metadata = '{\"voicemail\": {\"recording_url\": \
         \"https://api.twilio.com/2010-04-01/Accounts/AC1/Recordings/RE1\"}}'",
    )
    .await;
    let page = owner.get("/").await.text;
    assert!(page.contains(&player) && page.contains("Listen"), "{page}");
}

#[tokio::test]
async fn what_the_agent_claimed_is_settled_with_one_tap() {
    let (desk, _) = two_businesses().await;
    let claim = |said: &str| format!("update call_tasks set text = '{said}' where id = ");
    let (booked, call) = add_task(&desk, desk.agent, "claim", None).await;
    let said = claim("Agent said “You are booked.”, but no booking was made.");
    desk.sql(&format!("{said}{booked}")).await;
    desk.sql(&format!(
        "update call_logs set metadata = '{{\"unbacked_claims\": [{{\"text\": \"You are booked.\", \
         \"claim\": \"booked\", \"at\": \"00:24\"}}]}}' where id = '{call}'"
    ))
    .await;
    let (sent, _) = add_task(&desk, desk.agent, "claim", None).await;
    let said = claim("Agent said “I sent a text.”, but no text was sent.");
    desk.sql(&format!("{said}{sent}")).await;
    let support = desk.sign_in("support@example.com").await;
    let owner = desk.sign_in("owner@example.com").await;
    let new = format!("/bookings/new?agent={}&task={booked}", desk.agent);
    let book = format!("{}&amp;phone=%2B447700900123", new.replace('&', "&amp;"));
    for page in ["/".to_owned(), format!("/calls/{call}")] {
        let shown = owner.get(&page).await.text;
        assert!(
            shown.contains("It is booked") && shown.contains("It did not say so"),
            "{page}: {shown}"
        );
        assert!(shown.contains(&book), "{page}: {shown}");
        let shown = support.get(&page).await.text;
        assert!(shown.contains("It did not say so") && !shown.contains(&book), "{page}: {shown}");
    }
    assert!(owner.get("/").await.text.contains("It is done"), "a text is not booked");
    let task = format!("/tasks/{booked}");
    let tap = async |word: &str| {
        let done = support.form(&task, &[("done", "yes"), ("verdict", word)]).await;
        assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text);
    };
    tap("booked").await;
    // It was the wrong button, and a colleague has written meanwhile what the page does not show yet.
    let note = [("note", "Ann rings her.\nIt is booked.")];
    owner.form(&task, &note).await;
    tap("not_so").await;
    let page = owner.get(&format!("/calls/{call}")).await.text;
    assert!(page.contains("Ann rings her.\nThe agent did not say so."), "{page}");
    assert!(page.contains("Somebody looked: the agent did not say so."), "{page}");
    assert!(!page.contains("Please check."), "it is settled: {page}");
    assert!(page.contains("Not done") && !page.contains("It is booked"), "{page}");
    // She does not want it any more.
    tap("otherwise").await;
    let page = owner.get(&format!("/calls/{call}")).await.text;
    assert!(page.contains("Ann rings her.\nIt is settled otherwise."), "{page}");
    assert!(!page.contains("The agent did not say so"), "{page}");
    // What a tap said goes with the tick.
    assert_eq!(support.form(&task, &[("done", "no")]).await.status, StatusCode::SEE_OTHER);
    let page = owner.get(&format!("/calls/{call}")).await.text;
    assert!(page.contains("Ann rings her.") && !page.contains("It is settled"), "{page}");
    // Whoever books it sees what the caller was told, and settles it by that.
    let form = owner.get(&new).await.text;
    assert!(form.contains("but no booking was made") && form.contains(&format!("/calls/{call}")));
    assert!(form.contains("The call was on"), "the day by which it was said: {form}");
    let task_id = booked.to_string();
    let agent = desk.agent.to_string();
    let fields = [
        ("agent", &*agent),
        ("task", &*task_id),
        ("date", "2031-03-04"),
        ("time", "10:00"),
        ("minutes", "30"),
        ("name", "Sue"),
        ("closed", "true"),
    ];
    let made = owner.form("/bookings/new", &fields).await;
    assert_eq!(made.status, StatusCode::SEE_OTHER, "{}", made.text);
    let page = owner.get(&format!("/calls/{call}")).await.text;
    assert!(page.contains("It is booked.") && page.contains("Not done"), "{page}");
    assert!(page.contains("It is booked now.") && !page.contains("Please check."), "{page}");
    // The call and the booking name each other, and the agent did not book it.
    let address = made.header("location").split('?').next().unwrap();
    let by = "Booked after this call by <bdi>";
    assert!(page.contains(by) && page.contains(&format!("href=\"{address}\"")), "{page}");
    let booking = owner.get(address).await.text;
    assert!(booking.contains(&format!("href=\"/calls/{call}\"")), "{booking}");
    assert!(!booking.contains("by the agent"), "{booking}");
    // Of another business's task nothing is shown and nothing done.
    let other = desk.sign_in("other@example.com").await;
    let stolen = format!("/bookings/new?agent={}&task={sent}", desk.other_agent);
    assert!(!other.get(&stolen).await.text.contains("I sent a text"));
}

/// The same as the usage of that day.
#[tokio::test]
async fn yesterday_says_how_long_all_calls_were_together() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let at = async |clock: &str| {
        let sql = format!(
            "select ((now() at time zone 'Europe/London')::date - 1 + time '{clock}')
                ::timestamp at time zone 'Europe/London' || ''"
        );
        desk.made(&sql).await
    };
    for (from, to, status) in
        [("10:00", "10:04:02", "transferred"), ("11:00", "11:02:13", "completed")]
    {
        let (start, end) = (at(from).await, at(to).await);
        let columns = json!({"call_start": start, "call_end": end, "status": status});
        add_call(&desk, desk.agent, columns).await;
    }
    let page = owner.get("/").await.text;
    assert!(page.contains("2 calls") && page.contains(" · 6 min 15 s in all"), "{page}");
    assert!(!page.contains(" each"), "{page}");
}

#[tokio::test]
async fn what_is_urgent_is_there_however_much_is_newer() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let (urgent, call) = add_task(&desk, desk.agent, "urgent", None).await;
    desk.sql(&format!(
        "update call_tasks set urgency = 3, at = now() - interval '3 days', text = 'Urgent: bleeding.',
            caller_number = '+15550100' where id = {urgent}"
    ))
    .await;
    desk.sql(&format!(
        "insert into call_tasks (voice_agent_id, call_log_id, kind, ordinal, text, urgency, at)
        select '{}', '{call}', 'missed', n, 'Missed call ' || n, 1, now() from generate_series(2, 230) n",
        desk.agent
    ))
    .await;
    let page = owner.get("/").await.text;
    let (before, _) = page.split_once("bleeding.").expect("it is there");
    assert!(!before.contains("Missed call "), "it comes first");
    assert!(page.contains("There is more"), "{page}");
}
