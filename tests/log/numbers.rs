//! A number is found however somebody wrote it: in an agent's row, under an appointment, in an
//! earlier call.

use frontdesk::agent::phone_number::{is_withheld, normalise_e164};
use frontdesk::clock::{self, Clock};
use frontdesk::line::directory::{Directory, LookUp};
use frontdesk::store::IdempotencyKey;

use crate::fixture::{Fixture, fixture};

/// Spellings of one number that need no country.
const INTERNATIONAL: [&str; 9] = [
    "+442079460958",
    "+44 20 7946 0958",
    "+44 (0)20 7946 0958",
    "+4402079460958",
    "(+44) 20-7946.0958",
    "tel:+44-20-7946-0958",
    "\u{202A}+44\u{A0}20\u{202F}7946\u{2011}0958\u{202C}",
    "\u{FEFF}+44\u{200B}2079460958",
    "0044 (0)20 7946 0958",
];
/// Spellings of it in its own country.
const NATIONAL: [&str; 3] = ["020 7946 0958", "(020) 7946\u{2013}0958", "44 20 7946 0958"];
const NUMBER: &str = "+442079460958";

async fn put(fixture: &Fixture, sql: &str, written: &str) {
    sqlx::query(sqlx::AssertSqlSafe(sql.to_owned()))
        .bind(fixture.agent)
        .bind(written)
        .execute(&fixture.pool)
        .await
        .unwrap();
}

async fn business(fixture: &Fixture, columns: &str, values: &str) {
    let agent = fixture.agent;
    fixture.sql("delete from business_details").await;
    fixture
        .sql(&format!(
            "insert into business_details (voice_agent_id, {columns}) values ('{agent}', {values})"
        ))
        .await;
}

async fn is_answered(fixture: &Fixture) -> bool {
    let directory = Directory::new(fixture.store.clone(), Clock::real());
    matches!(directory.look_up(NUMBER).await, LookUp::Found(_))
}

const AGENT: &str = "update voice_agents set twilio_phone_number = $2 where id = $1";

#[tokio::test]
async fn an_agents_number_is_found_however_it_is_written() {
    let fixture = fixture().await;
    for written in INTERNATIONAL {
        put(&fixture, AGENT, written).await;
        assert!(is_answered(&fixture).await, "{written}");
    }
    put(&fixture, AGENT, NATIONAL[0]).await;
    assert!(!is_answered(&fixture).await, "no country is known");
    // What was read is read again, as the business turns out to have a country.
    business(&fixture, "business_timezone", "'Europe/London'").await;
    for written in NATIONAL {
        put(&fixture, AGENT, written).await;
        assert!(is_answered(&fixture).await, "{written}");
    }
    fixture.sql("update business_details set business_timezone = 'America/New_York'").await;
    assert!(!is_answered(&fixture).await, "it is in another country");
    fixture.sql("update business_details set business_phone = '+44 20 7946 0000'").await;
    assert!(is_answered(&fixture).await, "its own number says more than its clock");
    for written in ["anonymous", "+266696687", "", "at the desk"] {
        put(&fixture, AGENT, written).await;
        assert!(!is_answered(&fixture).await, "{written}");
    }
}

#[tokio::test]
async fn an_agent_that_is_made_this_moment_answers_under_any_spelling() {
    let fixture = fixture().await;
    let directory = Directory::new(fixture.store.clone(), Clock::real());
    business(&fixture, "business_timezone", "'Europe/London'").await;
    for written in [INTERNATIONAL[2], NATIONAL[0]] {
        put(&fixture, AGENT, "+15559870001").await;
        directory.refresh(Some(fixture.agent), Some("+15559870001")).await;
        assert!(matches!(directory.look_up(NUMBER).await, LookUp::Unknown));
        put(&fixture, AGENT, written).await;
        directory.refresh(Some(fixture.agent), Some(written)).await;
        assert!(matches!(directory.look_up(NUMBER).await, LookUp::Found(_)), "{written}");
    }
}

#[tokio::test]
async fn an_agent_that_may_not_have_its_number_keeps_no_other_from_being_found() {
    let fixture = fixture().await;
    put(&fixture, AGENT, INTERNATIONAL[2]).await;
    fixture
        .sql(
            "insert into voice_agents (name, created_by, twilio_phone_number)
            select n::text, created_by, '+1 (555) 987-000' || n
            from voice_agents, generate_series(1, 3) n",
        )
        .await;
    // As a number is unique that several wrote in their rows.
    fixture.sql("alter table voice_agents add check (number_e164 <> '+15559870002')").await;
    // A sequence keeps what a statement told it that was refused.
    sqlx::raw_sql(
        "create sequence last_backend; create sequence changes_of_backend;
            create function see_backend() returns trigger language plpgsql as $$ begin
                if (select is_called and last_value <> pg_backend_pid() from last_backend) then
                    perform nextval('changes_of_backend');
                end if;
                perform setval('last_backend', pg_backend_pid());
                return new;
            end $$;
            create trigger see before update of number_e164 on voice_agents
                for each row execute function see_backend()",
    )
    .execute(&fixture.pool)
    .await
    .unwrap();
    assert!(is_answered(&fixture).await);
    let unread = "select string_agg(name, ',') from voice_agents where number_e164 is null";
    assert_eq!(fixture.text(unread).await.as_deref(), Some("2"));
    // PostgreSQL says "refused" before it unlocks: to another back end the rows are still somebody's.
    let change =
        "select is_called::text from changes_of_backend where (select is_called from last_backend)";
    assert_eq!(fixture.text(change).await.as_deref(), Some("false"));
}

/// What is read while the row of the business is being written must not be kept beside it.
#[tokio::test]
async fn a_number_is_read_again_when_the_business_was_written_meanwhile() {
    for (is_first, written) in [(true, NATIONAL[0]), (false, NATIONAL[0]), (true, NATIONAL[1])] {
        let fixture = fixture().await;
        put(&fixture, AGENT, written).await;
        put(&fixture, CALL, written).await;
        put(&fixture, APPOINTMENT, written).await;
        fixture.sql("update voice_agents set number_e164 = null").await;
        let mut owner = fixture.pool.begin().await.unwrap();
        let write = format!(
            "insert into business_details (voice_agent_id, business_timezone, business_phone)
            values ('{}', 'Europe/London', '+44 20 7946 9999')",
            fixture.agent
        );
        if is_first {
            sqlx::raw_sql(sqlx::AssertSqlSafe(write)).execute(&mut *owner).await.unwrap();
            // Nobody sees it yet.
            let _ = fixture.store.agents_by_number(NUMBER).await;
            let _ = fixture.store.caller_history(fixture.agent, NUMBER).await;
            let deed =
                IdempotencyKey { call_log_id: uuid::Uuid::nil(), engine_call_id: "c1".to_owned() };
            let number = NUMBER.to_owned().into();
            let _ = fixture.store.callers_appointments(fixture.agent, &number, 0, &deed).await;
            owner.commit().await.unwrap();
        } else {
            // It is written between the reading and the keeping, which waits for the table.
            let lock = format!("lock table voice_agents in exclusive mode; {write}");
            sqlx::raw_sql("lock table voice_agents in exclusive mode")
                .execute(&mut *owner)
                .await
                .unwrap();
            let store = fixture.store.clone();
            let looking = clock::spawn(async move { store.agents_by_number(NUMBER).await });
            waited_for(&fixture, "voice_agents").await;
            sqlx::raw_sql(sqlx::AssertSqlSafe(lock)).execute(&mut *owner).await.unwrap();
            owner.commit().await.unwrap();
            let _ = looking.await;
        }
        assert!(is_answered(&fixture).await, "{is_first} {written}");
        assert_eq!(known(&fixture).await, (1, 1, 1), "{is_first} {written}");
    }
}

async fn waited_for(fixture: &Fixture, table: &str) {
    let waits = format!(
        "select count(*)::text from pg_locks where relation = '{table}'::regclass and not granted"
    );
    while fixture.text(&waits).await.as_deref() == Some("0") {
        clock::pause(std::time::Duration::from_millis(5)).await;
    }
}

/// How many earlier calls are known, and how many appointments are to come, with the number.
async fn known(fixture: &Fixture) -> (usize, usize, i64) {
    let history = fixture.store.caller_history(fixture.agent, NUMBER).await.unwrap();
    let deed = IdempotencyKey { call_log_id: uuid::Uuid::nil(), engine_call_id: "c1".to_owned() };
    let number = NUMBER.to_owned().into();
    let own = fixture.store.callers_appointments(fixture.agent, &number, 0, &deed).await.unwrap();
    (history.calls.len(), own.len(), history.appointments)
}

const CALL: &str = "insert into call_logs (voice_agent_id, caller_number, call_start, call_end)
    values ($1, $2, now(), now())";
const APPOINTMENT: &str = "insert into appointments (voice_agent_id, phone_number, name, service,
        schedule_time) values ($1, $2, 'Ada', 'cut', now() + interval '1 day')";

#[tokio::test]
async fn appointments_and_earlier_calls_are_found_however_the_number_is_written() {
    let fixture = fixture().await;
    business(&fixture, "business_timezone", "'Europe/London'").await;
    for written in INTERNATIONAL.iter().chain(&NATIONAL) {
        fixture.sql("delete from call_logs").await;
        fixture.sql("delete from appointments").await;
        put(&fixture, CALL, written).await;
        put(&fixture, APPOINTMENT, written).await;
        assert_eq!(known(&fixture).await, (1, 1, 1), "{written}");
    }
    // Written anew it is another's, and copied too, whatever was read before.
    fixture.sql("update call_logs set caller_number = '(020) 7946 0001'").await;
    fixture.sql("update appointments set phone_number = '(020) 7946 0001'").await;
    assert_eq!(known(&fixture).await, (0, 0, 0));
    fixture
        .sql(
            "insert into appointments (voice_agent_id, phone_number, phone_e164, name, service,
                schedule_time)
            select voice_agent_id, '020 7946 0002', '+442079460958', name, service, schedule_time
            from appointments",
        )
        .await;
    assert_eq!(known(&fixture).await, (0, 0, 0));
}

#[tokio::test]
async fn many_numbers_are_read_and_the_rows_do_not_seem_to_have_changed() {
    let fixture = fixture().await;
    let agent = fixture.agent;
    fixture
        .sql(&format!(
            "insert into appointments (voice_agent_id, phone_number, name, service, schedule_time,
                updated_at)
            select '{agent}', '+44 (0)20 7946 ' || 1000 + n, 'Ada', 'cut',
                now() + interval '1 day', '2026-01-01'
            from generate_series(1, 350) n"
        ))
        .await;
    put(&fixture, APPOINTMENT, INTERNATIONAL[2]).await;
    assert_eq!(known(&fixture).await.1, 1);
    let unread = "select count(*)::text from appointments where phone_e164 is null";
    assert_eq!(fixture.text(unread).await.as_deref(), Some("0"));
    let touched = "select count(*)::text from appointments where updated_at > '2026-01-01'
        and phone_e164 <> '+442079460958'";
    assert_eq!(fixture.text(touched).await.as_deref(), Some("0"));
}

#[tokio::test]
async fn what_sql_compares_as_it_stands_the_program_reads_as_it_stands() {
    let fixture = fixture().await;
    let plainly = "select ($2 ~ '^\\+(?!(1|[2-9][0-9]{0,2})0)[1-9][0-9]{7,14}$')::text
        where $1::uuid is not null";
    let mut as_they_stand = 0;
    let codes =
        ["1", "20", "225", "242", "33", "39", "44", "49", "52", "54", "55", "7", "86", "999"];
    for code in codes {
        for rest in
            ["2079460958", "02079460958", "1512345678", "0512345678", "66696687", "5551230001"]
        {
            let written = format!("+{code}{rest}");
            let is_plain: String = sqlx::query_scalar(plainly)
                .bind(fixture.agent)
                .bind(&written)
                .fetch_one(&fixture.pool)
                .await
                .unwrap();
            let read = normalise_e164(&written);
            if is_plain == "true" {
                as_they_stand += 1;
                assert!(read.as_ref() == Some(&written) || is_withheld(&written), "{written}");
            }
        }
    }
    assert!(as_they_stand > 40, "{as_they_stand}");
}

#[tokio::test]
async fn a_number_that_cannot_be_read_just_now_is_not_taken_for_nobodys() {
    let fixture = fixture().await;
    let directory = Directory::new(fixture.store.clone(), Clock::real());
    // Somebody writes the agent's row.
    put(&fixture, AGENT, INTERNATIONAL[2]).await;
    let mut hold = fixture.pool.begin().await.unwrap();
    sqlx::query("update voice_agents set name = name").execute(&mut *hold).await.unwrap();
    let found = directory.look_up(NUMBER).await;
    assert!(matches!(found, LookUp::Unavailable), "{found:?}");
    hold.commit().await.unwrap();
    // It was not remembered.
    assert!(matches!(directory.look_up(NUMBER).await, LookUp::Found(_)));
}

#[tokio::test]
async fn a_number_that_was_read_and_cannot_be_kept_just_now_is_not_taken_for_nobodys() {
    let fixture = fixture().await;
    put(&fixture, AGENT, INTERNATIONAL[2]).await;
    fail_writes(&fixture, "voice_agents").await;
    let directory = Directory::new(fixture.store.clone(), Clock::real());
    let found = directory.look_up(NUMBER).await;
    assert!(matches!(found, LookUp::Unavailable), "{found:?}");
    // One that needs no reading is found all the same, and where all are read nobody is nobody.
    const PLAIN: &str = "+15559870001";
    fixture.sql("alter table voice_agents disable trigger failing").await;
    put(&fixture, AGENT, PLAIN).await;
    fixture.sql("alter table voice_agents enable trigger failing").await;
    assert!(matches!(directory.look_up(PLAIN).await, LookUp::Found(_)));
    let found = directory.look_up(NUMBER).await;
    assert!(matches!(found, LookUp::Unknown), "{found:?}");
}

#[tokio::test]
async fn an_appointment_whose_number_cannot_be_read_just_now_is_not_taken_for_none() {
    let fixture = fixture().await;
    put(&fixture, APPOINTMENT, INTERNATIONAL[2]).await;
    fail_writes(&fixture, "appointments").await;
    let deed = IdempotencyKey { call_log_id: fixture.agent, engine_call_id: "1".to_owned() };
    let find = async || {
        let number = NUMBER.to_owned().into();
        fixture.store.callers_appointments(fixture.agent, &number, 0, &deed).await
    };
    let found = find().await;
    assert!(found.is_err(), "{found:?}");
    fixture.sql("drop trigger failing on appointments").await;
    assert_eq!(find().await.unwrap().len(), 1);
}

/// Has updates of a table fail for a reason that passes.
async fn fail_writes(fixture: &Fixture, table: &str) {
    fixture
        .sql(
            "create or replace function failing() returns trigger language plpgsql as $$
            begin raise exception 'not now' using errcode = 'lock_not_available'; end $$",
        )
        .await;
    let trigger = format!(
        "create trigger failing before update on {table} for each row execute function failing()"
    );
    fixture.sql(&trigger).await;
}
