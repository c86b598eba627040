//! Appointments that were only spoken of in a call: one tap books them, or says that they are right.

use http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::desk::{Client, Desk};

/// A call in which two appointments were spoken of, with a task for each of those named.
async fn add_call(desk: &Desk, tasks: &[&str]) -> Uuid {
    let told = json!([
        {"date": "2027-03-01", "time": "14:30", "name": "Ann Reed", "service": "Filling",
            "agent": "Half past two?", "caller": "Yes.", "why": "the number is withheld", "written": false},
        {"date": "soon", "time": "", "name": "Caller", "service": "Appointment",
            "agent": "", "caller": "Maybe.", "why": "no date and time", "written": false},
    ]);
    let id: Uuid = sqlx::query_scalar(
        "insert into call_logs (voice_agent_id, call_start, call_end, caller_number, caller_e164, status,
            call_sid, transcript, metadata)
        values ($1, now(), now(), '+447700900123', '+447700900123', 'completed', 'CA' || md5('x'), '',
            jsonb_build_object('extracted_appointments', $2::jsonb)) returning id",
    )
    .bind(desk.agent)
    .bind(told.to_string())
    .fetch_one(&desk.pool)
    .await
    .unwrap();
    for (n, text) in (1..).zip(tasks) {
        sqlx::query(
            "insert into call_tasks (voice_agent_id, call_log_id, kind, ordinal, text, urgency, at)
            values ($1, $2, 'booking_check', $3, $4, 2, now())",
        )
        .bind(desk.agent)
        .bind(id)
        .bind(n)
        .bind(text)
        .execute(&desk.pool)
        .await
        .unwrap();
    }
    id
}

async fn open_tasks(desk: &Desk) -> i64 {
    let count = "select count(*) from call_tasks where done_at is null";
    sqlx::query_scalar(count).fetch_one(&desk.pool).await.unwrap()
}

async fn bookings(desk: &Desk) -> Value {
    let all = "select coalesce(jsonb_agg(jsonb_build_array(name, phone_number, service,
        to_char(schedule_time at time zone 'UTC', 'YYYY-MM-DD HH24:MI'))), '[]') from appointments";
    sqlx::query_scalar(all).fetch_one(&desk.pool).await.unwrap()
}

/// The fields of the form behind a page's button `Book it`.
fn fields(page: &str) -> Vec<(String, String)> {
    let form = page.split("action=\"/bookings/new\">").nth(1).expect("there is such a form");
    let form = form.split("</form>").next().unwrap();
    let attribute = |input: &str, name: &str| {
        let value = input.split(&format!(" {name}=\"")).nth(1).unwrap();
        value.split('"').next().unwrap().to_owned()
    };
    let inputs = form.split("<input").skip(1);
    inputs.map(|input| (attribute(input, "name"), attribute(input, "value"))).collect()
}

async fn send(client: &Client, fields: &[(String, String)]) -> crate::desk::Answered {
    let fields: Vec<(&str, &str)> =
        fields.iter().map(|(name, value)| (&**name, &**value)).collect();
    client.form("/bookings/new", &fields).await
}

#[tokio::test]
async fn one_tap_books_what_was_spoken_of_once() {
    let desk = Desk::open().await;
    let maintainer = desk.sign_in("maintainer@example.com").await;
    let support = desk.sign_in("support@example.com").await;
    let id = add_call(&desk, &["Please check: 1 March — not booked."]).await;
    let path = format!("/calls/{id}");
    assert!(!support.get(&path).await.text.contains("Book it"));
    let page = maintainer.get(&path).await.text;
    let today = maintainer.get("/").await.text;
    assert!(today.contains(&format!("href=\"/calls/{id}#spoken-of\"")), "{today}");
    let booked = async || {
        let calls = support.get("/api/v1/calls").await.json();
        calls["items"][0]["booking"].clone()
    };
    assert_eq!(booked().await, false, "it was spoken of alone");
    let fields = fields(&page);
    assert_eq!(send(&support, &fields).await.status, StatusCode::FORBIDDEN);
    let made = send(&maintainer, &fields).await;
    assert_eq!(made.status, StatusCode::SEE_OTHER, "{}", made.text);
    assert!(made.header("location").ends_with("?done=made"), "{}", made.header("location"));
    let expected = json!([["Ann Reed", "+447700900123", "Filling", "2027-03-01 14:30"]]);
    assert_eq!(bookings(&desk).await, expected);
    assert_eq!(open_tasks(&desk).await, 0, "there is nothing to check any more");
    assert_eq!(booked().await, true);
    let again = send(&maintainer, &fields).await;
    assert_eq!((again.status, again.header("location")), (StatusCode::SEE_OTHER, &*path));
    assert_eq!(bookings(&desk).await, expected, "a second tap books nothing");
    let page = maintainer.get(&path).await.text;
    assert!(page.contains("and is <a href=\"/bookings/"), "{page}");
    assert!(page.contains("Booked after this call by <bdi>"), "{page}");
    let booking = made.header("location").split('?').next().unwrap();
    let booking = maintainer.get(booking).await.text;
    assert!(booking.contains(&format!("href=\"{path}\"")), "it names its call: {booking}");
}

#[tokio::test]
async fn what_cannot_be_booked_so_is_asked_for() {
    let desk = Desk::open().await;
    let maintainer = desk.sign_in("maintainer@example.com").await;
    let id = add_call(&desk, &["One.", "Another."]).await;
    let page = maintainer.get(&format!("/calls/{id}")).await.text;
    let second = page.split("no date and time").nth(1).expect("both are there");
    let mut fields = fields(second);
    let asked = send(&maintainer, &fields).await;
    assert_eq!(asked.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", asked.text);
    assert!(asked.text.contains("name=\"place\" value=\"1\""), "{}", asked.text);
    for (name, value) in [("date", "2027-03-01"), ("time", "09:00")] {
        fields.iter_mut().find(|(known, _)| known == name).unwrap().1 = value.to_owned();
    }
    assert_eq!(send(&maintainer, &fields).await.status, StatusCode::SEE_OTHER);
    assert_eq!(open_tasks(&desk).await, 2, "of several nobody knows which is meant");
    let written: Value = sqlx::query_scalar("select metadata from call_logs where id = $1")
        .bind(id)
        .fetch_one(&desk.pool)
        .await
        .unwrap();
    let told = &written["extracted_appointments"];
    assert_eq!((&told[0]["written"], &told[1]["written"]), (&json!(false), &json!(true)));

    // Another's call is no place for it.
    let foreign: Vec<(String, String)> = fields
        .iter()
        .map(|(name, value)| match name.as_str() {
            "agent" => (name.clone(), desk.other_agent.to_string()),
            "place" => (name.clone(), "0".to_owned()),
            _ => (name.clone(), value.clone()),
        })
        .collect();
    let other = desk.sign_in("other@example.com").await;
    let refused = send(&other, &foreign).await;
    assert_eq!(refused.header("location"), format!("/calls/{id}"), "{}", refused.text);
    assert_eq!(other.get(&format!("/calls/{id}")).await.status, StatusCode::NOT_FOUND);
    let rows: i64 =
        sqlx::query_scalar("select count(*) from appointments where voice_agent_id = $1")
            .bind(desk.other_agent)
            .fetch_one(&desk.pool)
            .await
            .unwrap();
    assert_eq!(rows, 0, "nothing is written then");
}

#[tokio::test]
async fn what_was_written_by_itself_is_checked_on_the_calls_page() {
    let desk = Desk::open().await;
    let maintainer = desk.sign_in("maintainer@example.com").await;
    let id = add_call(&desk, &["Please check: 1 March — agreed by telephone."]).await;
    desk.sql(&format!(
        "update call_logs set metadata = jsonb_set(metadata, '{{extracted_appointments,0,written}}', 'true')
        where id = '{id}'"
    ))
    .await;
    let booking = desk
        .made(&format!(
            "insert into appointments (voice_agent_id, name, phone_number, service, schedule_time,
                is_extracted, booking_key)
            values ('{}', 'Ann Reed', '', '', '2027-03-01 14:30Z', true, '{id}:extracted:1')
            returning id::text",
            desk.agent
        ))
        .await;
    let page = maintainer.get(&format!("/calls/{id}")).await.text;
    let action = format!("action=\"/bookings/{booking}/check\"");
    assert!(page.contains(&action) && page.contains("It is right"), "{page}");
    let checked =
        maintainer.form(&format!("/bookings/{booking}/check"), &[("revision", "0")]).await;
    assert_eq!(checked.status, StatusCode::SEE_OTHER, "{}", checked.text);
    assert_eq!(open_tasks(&desk).await, 0);
    let page = maintainer.get(&format!("/calls/{id}")).await.text;
    assert!(
        !page.contains("It is right") && page.contains(&format!("/bookings/{booking}")),
        "{page}"
    );
}
