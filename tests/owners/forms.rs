//! What forms keep, what they ask about, and in which words pages tell what an owner has to know.

use http::StatusCode;
use serde_json::{Value, json};

use crate::agents_pages::send;
use crate::desk::{Desk, add_agent, add_function};
use crate::setting_up::{begun, newcomer, rows};

/// Where an agent's page is.
fn page(desk: &Desk) -> String {
    format!("/agents/{}", desk.agent)
}

#[tokio::test]
async fn going_on_keeps_the_answers_that_were_typed() {
    let desk = Desk::open().await;
    let browser = newcomer(&desk).await;
    let agent = begun(&browser, "tried").await;
    let screen = browser.get(&format!("/setup?agent={agent}&step=try")).await.text;
    let (_, form) = screen.split_once("id=\"answers\"").expect("one form has the answers");
    let (form, _) = form.split_once("</form>").unwrap();
    assert!(form.contains("name=\"answer-0\"") && form.contains("Go on to the number"), "{form}");
    let tried = format!("/setup/{agent}/tried");
    let long = browser.form(&tried, &[("answer-1", &"y".repeat(1_501))]).await;
    assert_eq!(long.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", long.text);
    assert!(
        long.text.contains("<a href=\"#answer-1\">Do I need an appointment?</a>"),
        "{}",
        long.text
    );
    let on = browser.form(&tried, &[("answer-0", "40 pounds.")]).await;
    assert_eq!(on.header("location"), format!("/setup?agent={agent}&step=number"), "{}", on.text);
    let back = browser.get(&format!("/setup?agent={agent}&step=try")).await.text;
    assert!(back.contains("40 pounds.") && back.contains("1 of 6 answered"), "{back}");
    // So does the way to the test call.
    let talk = [("answer-0", "40 pounds."), ("answer-2", "Colour, too."), ("then", "talk")];
    let talk = browser.form(&format!("/setup/{agent}/answers"), &talk).await;
    assert_eq!(talk.header("location"), format!("/agents/{agent}/try"), "{}", talk.text);
    assert!(browser.get("/setup").await.text.contains("Which number does it answer?"));
    let back = browser.get(&format!("/setup?agent={agent}&step=try")).await.text;
    assert!(back.contains("Colour, too.") && back.contains("2 of 6 answered"), "{back}");
}

#[tokio::test]
async fn all_that_is_wrong_with_the_hours_is_told_at_the_top() {
    let desk = Desk::open().await;
    let browser = newcomer(&desk).await;
    let agent = begun(&browser, "voice").await;
    let address = format!("/setup/{agent}/hours");
    let sent = [
        ("hours", "own"),
        ("keeps", "hours"),
        ("monday.0.open", "18:00"),
        ("monday.0.close", "09:00"),
        ("tuesday.0.open", "08:00"),
        ("wednesday.0.open", "08:00"),
        ("wednesday.0.close", "17:00"),
        ("wednesday.1.open", "16:00"),
        ("wednesday.1.close", "19:00"),
        ("date0.from", "2026-12-26"),
        ("date0.to", "2026-12-24"),
        ("team", "12"),
    ];
    let refused = browser.form(&address, &sent).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.text);
    let (_, told) = refused.text.split_once("This was not saved.").expect("it is said");
    let (told, form) = told.split_once("<form").unwrap();
    for (id, words) in [
        ("monday-0-close", "tick “until the next day”"),
        ("tuesday-0-close", "both times are needed"),
        ("wednesday-1-open", "08:00 to 17:00 and 16:00 to 19:00 overlap"),
        ("date0-to", "the last day is before the first"),
        ("team", "This is no telephone number."),
    ] {
        assert!(told.contains(&format!("href=\"#{id}\"")) && told.contains(words), "{id}: {told}");
        assert!(form.contains(&format!("id=\"{id}\"")), "{id} is a field");
    }
    assert!(
        form.contains("value=\"16:00\"") && form.contains("value=\"12\""),
        "all is kept: {form}"
    );
    // A night is written by its tick.
    let night = [
        ("hours", "own"),
        ("keeps", "hours"),
        ("monday.0.open", "18:00"),
        ("monday.0.close", "02:00"),
        ("monday.0.overnight", "yes"),
    ];
    let kept = browser.form(&address, &night).await;
    assert_eq!(kept.status, StatusCode::SEE_OTHER, "{}", kept.text);
    let stored = rows(&desk, agent).await["business"]["operating_schedule"].clone();
    assert_eq!(stored["monday"], json!([{"open": "18:00", "close": "02:00"}]));
    // The address that a browser remembers leads to the screen.
    for (form, step) in [
        ("business", "business"),
        ("hours", "hours"),
        ("voice", "voice"),
        ("answers", "try"),
        ("tried", "number"),
        ("account", "number"),
        ("finish", "number"),
    ] {
        let opened = browser.get(&format!("/setup/{agent}/{form}")).await;
        assert_eq!(
            opened.header("location"),
            format!("/setup?agent={agent}&step={step}"),
            "{form}"
        );
    }
}

#[tokio::test]
async fn odd_hours_are_asked_about_and_those_that_are_stored_stay() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    desk.sql(&format!(
        "update business_details set operating_schedule = '{{\"monday\": [{{\"open\": \"09:00\", \
        \"close\": \"17:00\"}}, {{\"open\": \"16:00\", \"close\": \"19:00\"}}]}}'
        where voice_agent_id = '{}'",
        desk.agent
    ))
    .await;
    let stored = [
        ("keeps", "hours"),
        ("monday.0.open", "09:00"),
        ("monday.0.close", "17:00"),
        ("monday.1.open", "16:00"),
        ("monday.1.close", "19:00"),
        ("business.business_timezone", "Europe/London"),
        ("settings.hours.closed", "fallback"),
    ];
    let saved = send(&desk, &owner, "hours", &stored).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.text);
    let swapped = [("friday.0.open", "18:00"), ("friday.0.close", "09:00")];
    let swapped = send(&desk, &owner, "hours", &[&stored[..], &swapped[..]].concat()).await;
    assert_eq!(swapped.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", swapped.text);
    assert!(swapped.text.contains("<a href=\"#friday-0-close\">Friday</a>"), "{}", swapped.text);
    assert!(swapped.text.contains("name=\"friday.0.overnight\""), "{}", swapped.text);
    // Programs write a night as they did, and no times that overlap.
    let api = format!("/api/v1{}", page(&desk));
    let range = |open: &str, close: &str| json!({"open": open, "close": close});
    let night = json!({"monday": [range("18:00", "02:00")]});
    let kept = owner.patch(&api, json!({"business": {"operating_schedule": night}})).await;
    assert_eq!(kept.status, StatusCode::OK, "{}", kept.text);
    let odd = json!({"friday": [range("09:00", "17:00"), range("16:00", "19:00")]});
    let odd = owner.patch(&api, json!({"business": {"operating_schedule": odd}})).await;
    assert_eq!(odd.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", odd.text);
    assert_eq!(odd.json()["field"], "business.operating_schedule.friday");
}

#[tokio::test]
async fn a_pause_is_told_where_owners_look_and_one_tap_ends_it() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let support = desk.sign_in("support@example.com").await;
    let words = "takes no calls: it is set to “Unavailable for now”";
    let pages = ["/".to_owned(), "/calls".to_owned(), format!("/calls?agent={}", desk.agent)];
    let status = format!("{}/status", page(&desk));
    for path in &pages {
        assert!(!owner.get(path).await.text.contains(words), "{path}");
        owner.form(&status, &[("status", "away")]).await;
        let shown = owner.get(path).await.text;
        assert!(shown.contains(words), "{path}: {shown}");
        assert!(shown.contains(&format!("action=\"{status}\"")), "{path}: {shown}");
        let looks_only = support.get(path).await.text;
        assert!(looks_only.contains(words) && !looks_only.contains("Switch it on"), "{looks_only}");
        let (page, chosen) = path.split_once("?agent=").unwrap_or((path, ""));
        let from = if page == "/" { "today" } else { "calls" };
        let form = [("status", "on"), ("from", from), ("chosen", chosen)];
        assert_eq!(owner.form(&status, &form).await.header("location"), path.as_str());
    }
    desk.sql(&format!("update voice_agents set status = 'suspended' where id = '{}'", desk.agent))
        .await;
    let shown = owner.get("/").await.text;
    assert!(shown.contains("has suspended it") && !shown.contains("Switch it on"), "{shown}");
    let other = desk.sign_in("other@example.com").await;
    assert!(!other.get("/").await.text.contains("has suspended it"), "it is not theirs");
    desk.sql(&format!("update voice_agents set status = 'inactive' where id = '{}'", desk.agent))
        .await;
    let shown = owner.get("/").await.text;
    assert!(shown.contains("it is switched off") && shown.contains("Switch it on"), "{shown}");
}

#[tokio::test]
async fn versions_are_in_an_owners_words() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let hours = [
        ("keeps", "hours"),
        ("monday.0.open", "08:00"),
        ("monday.0.close", "12:00"),
        ("monday.1.open", "13:00"),
        ("monday.1.close", "17:00"),
        ("date0.from", "2026-12-25"),
        ("business.business_timezone", "Europe/London"),
        ("settings.hours.closed", "answer"),
    ];
    let saved = send(&desk, &owner, "hours", &hours).await;
    let saved = owner.get(saved.header("location")).await.text;
    let people = [
        ("settings.transfer.targets.0.name", "team"),
        ("settings.transfer.targets.0.number", "+442079460958"),
    ];
    assert_eq!(send(&desk, &owner, "messages", &people).await.status, StatusCode::SEE_OTHER);
    owner.form(&format!("{}/status", page(&desk)), &[("status", "off")]).await;
    let versions = owner.get(&format!("{}/versions", page(&desk))).await.text;
    for (shown, words) in [
        (&saved, "Opening hours, Monday"),
        (&saved, "08:00–12:00, 13:00–17:00"),
        (&saved, "Opening hours, Fri 25 December 2026"),
        (&versions, "Who callers can be put through to: team"),
        (&versions, "+44 20 7946 0958"),
        (&versions, "switched off"),
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let main = versions.split("<main").nth(1).unwrap();
    for machine in ["&quot;", "settings.transfer", ">inactive<", "monday"] {
        assert!(!main.contains(machine), "{machine}: {main}");
    }
}

#[tokio::test]
async fn what_nobody_can_use_is_refused() {
    let desk = Desk::open().await;
    let browser = newcomer(&desk).await;
    let business = [
        ("name", "Curl & Co"),
        ("trade", "salon"),
        ("zone", "Europe/London"),
        ("website", "not a url"),
    ];
    let refused = browser.form("/setup", &business).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text.contains("<a href=\"#website\">Website</a>"), "{}", refused.text);
    let owner = desk.sign_in("owner@example.com").await;
    let account = |phone: &'static str| [("name", "Olivia Owner"), ("phone", phone)];
    let refused = owner.form("/account", &account("12")).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.text);
    assert!(refused.text.contains("Phone: It is no whole telephone number"), "{}", refused.text);
    for phone in ["+1 212 555 0123", "020 7946 0000", ""] {
        let kept = owner.form("/account", &account(phone)).await;
        assert_eq!(kept.status, StatusCode::SEE_OTHER, "{phone}: {}", kept.text);
    }
    // What was stored before may stay.
    desk.sql("update customer set phone = '12' where email = 'owner@example.com'").await;
    assert_eq!(owner.form("/account", &account("12")).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn an_agent_without_a_number_is_not_said_to_answer() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let people = [
        ("settings.transfer.targets.0.name", "team"),
        ("settings.transfer.targets.0.number", "+442079460958"),
    ];
    send(&desk, &owner, "messages", &people).await;
    let shown = owner.get(&page(&desk)).await.text;
    assert!(shown.contains("badge good\">It answers calls."), "{shown}");
    assert!(shown.contains("Puts through to team · when it cannot answer, a message"), "{shown}");
    desk.sql(&format!(
        "update voice_agents set twilio_phone_number = null where id = '{}'",
        desk.agent
    ))
    .await;
    let shown = owner.get(&page(&desk)).await.text;
    assert!(!shown.contains("It answers calls."), "{shown}");
    assert!(
        shown.contains("badge warn\">It is ready to answer. Nobody can call it yet."),
        "{shown}"
    );
}

#[tokio::test]
async fn functions_are_listed_once_and_in_words() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    add_function(&desk.pool, desk.agent, "messages_too").await;
    let new = json!({"type": "json_api", "name": "check_insurance", "data": {"url": "https://x.example"},
        "variables": [{"name": "plan", "type": "text", "required": true}]});
    let made = owner.post(&format!("/api/v1/agents/{}/functions", desk.agent), new).await.json();
    let used = json!({"functions": [{"id": made["id"], "name": "check_insurance", "ok": true}]});
    sqlx::query(
        "insert into call_logs (voice_agent_id, call_start, call_sid, metadata)
        values ($1, now() - interval '1 day', 'CA1', $2::jsonb)",
    )
    .bind(desk.agent)
    .bind(used.to_string())
    .execute(&desk.pool)
    .await
    .unwrap();
    let shown = owner.get(&format!("{}/functions", page(&desk))).await.text;
    assert!(shown.contains("Check insurance") && shown.contains("used once"), "{shown}");
    assert!(!shown.contains("used 1 times") && !shown.contains("used 0 times"), "{shown}");
    let (made_here, every) = shown.split_once("What every agent can").unwrap();
    assert!(!made_here.contains("Take a message"), "{made_here}");
    assert_eq!(every.matches(">Take a message</a>").count(), 2, "its rows: {every}");
    assert!(!every.contains("grow\">Take a message<"), "and not once more: {every}");
    let function = format!("{}/functions/{}", page(&desk), made["id"].as_str().unwrap());
    let shown = owner.get(&function).await.text;
    assert!(shown.contains("name=\"argument.plan\"") && shown.contains("Plan (needed)"), "{shown}");
}

#[tokio::test]
async fn bookings_of_two_agents_say_whose_they_are() {
    let desk = Desk::open().await;
    let owner: String =
        desk.made("select uuid::text from customer where email like 'owner@%'").await;
    let salon =
        add_agent(&desk.pool, owner.parse().unwrap(), "Lime Street Salon", "+15559870002").await;
    let schedule: Value = json!({"monday": [{"open": "07:30", "close": "19:00"}]});
    sqlx::query(
        "update business_details set operating_schedule = $1::jsonb where voice_agent_id = $2",
    )
    .bind(schedule.to_string())
    .bind(salon)
    .execute(&desk.pool)
    .await
    .unwrap();
    let owner = desk.sign_in("owner@example.com").await;
    let both = owner.get("/bookings").await.text;
    assert!(both.contains("class=\"brand\" href=\"/\">Frontdesk<"), "it is of both: {both}");
    let feed = both.split("id=\"feed\"").nth(1).unwrap();
    assert!(feed.contains("Lime Street Salon") && feed.contains("Bright Smile"), "{feed}");
    assert!(both.contains("choose one agent at the top"), "{both}");
    let one = owner.get(&format!("/bookings?agent={salon}")).await.text;
    assert!(one.contains(">Lime Street Salon</a>"), "{one}");
    assert!(one.contains(">07:00</th>") && one.contains(">18:00</th>"), "when it is open: {one}");
    assert_eq!(one.matches("<br>closed").count(), 6, "every day but Monday: {one}");
    assert!(one.contains("class=\"shut\""), "{one}");
}
