//! One active agent holds a number: the one that has had it longest.

use std::time::Duration;

use frontdesk::clock::{Clock, within};
use frontdesk::line::directory::{Directory, LookUp};
use frontdesk::store::migrate::migrate;

use crate::fixture::{Fixture, fixture};

/// Plain: the program need not read it.
const NUMBER: &str = "+442079460958";
/// Read by the program; SQL sees the same digits.
const PLAIN: &str = "+44 20 7946 0958";
/// Read by the program; SQL sees other digits.
const ODD: &str = "+44 (0)20 7946 0958";

/// Adds an active agent of another tenant.
async fn add(fixture: &Fixture, name: &str, written: &str) -> Result<(), sqlx::Error> {
    let sql = "with account as (
            insert into auth.users (id, email) values (gen_random_uuid(), $1 || '@b.c') returning id),
        owner as (insert into customer (uuid, email, username, plan_id)
            select id, $1 || '@b.c', $1, 1 from account returning uuid)
        insert into voice_agents (name, created_by, twilio_phone_number)
            select $1, uuid, $2 from owner";
    sqlx::query(sql).bind(name).bind(written).execute(&fixture.pool).await.map(drop)
}

/// A database with Mia, who has another number that the program has read, and these agents.
async fn with(agents: &[(&str, &str)]) -> Fixture {
    let fixture = fixture().await;
    assert_eq!(fixture.store.agents_by_number("+15559870001").await.unwrap().len(), 1);
    for (name, written) in agents {
        add(&fixture, name, written).await.unwrap();
    }
    fixture
}

/// Who answers, for a process that remembers nothing.
async fn answers(fixture: &Fixture) -> String {
    let asking = async {
        loop {
            let directory = Directory::new(fixture.store.clone(), Clock::real());
            match directory.look_up(NUMBER).await {
                LookUp::Found(agent) => return agent.name.clone(),
                LookUp::Unknown => panic!("nobody has the number"),
                // A look-up waits for as long as a caller may, which says nothing of who holds it.
                LookUp::Unavailable => {}
            }
        }
    };
    within(Duration::from_secs(30), asking).await.expect("an answer")
}

async fn holder(fixture: &Fixture) -> String {
    let held = "select string_agg(name, ',') from voice_agents where number_held = '+442079460958'";
    fixture.text(held).await.unwrap_or_default()
}

#[tokio::test]
async fn an_odd_spelling_does_not_take_a_number_that_another_has() {
    for (first, second) in [(PLAIN, ODD), (NUMBER, ODD), (ODD, PLAIN), (ODD, NUMBER)] {
        // Neither is read before both are written.
        let fixture = with(&[("Ada", first), ("Eve", second)]).await;
        assert_eq!(answers(&fixture).await, "Ada", "{first} {second}");
        assert_eq!(holder(&fixture).await, "Ada", "{first} {second}");
    }
    // A number that the program has read is refused where SQL sees the same one.
    let fixture = with(&[("Ada", ODD)]).await;
    assert_eq!(answers(&fixture).await, "Ada");
    let error = add(&fixture, "Eve", PLAIN).await.unwrap_err().into_database_error().unwrap();
    assert_eq!(error.code().as_deref(), Some("23505"));
    assert_eq!(error.message(), "this number cannot be used here");
}

#[tokio::test]
async fn a_row_that_was_never_read_does_not_take_a_number_by_what_its_tenant_says_was_read() {
    let fixture = with(&[("Eve", "call 020 7946 0000"), ("Ada", NUMBER)]).await;
    for forgery in [
        "update voice_agents set number_e164 = '+442079460958' where name = 'Eve'",
        "update voice_agents set number_e164 = '+442079460958', number_held = '+442079460958',
            number_since = '2000-01-01' where name = 'Eve'",
    ] {
        fixture.sql(forgery).await;
        assert_eq!(holder(&fixture).await, "", "{forgery}");
    }
    assert_eq!(answers(&fixture).await, "Ada");
    assert_eq!(holder(&fixture).await, "Ada");
}

#[tokio::test]
async fn nothing_that_is_written_into_a_row_takes_a_number() {
    let steals = [
        "update voice_agents set created_at = '2000-01-01' where name = 'Eve'",
        "update voice_agents set number_since = '2000-01-01' where name = 'Eve'",
        "update voice_agents set number_held = '+442079460958' where name <> 'Ada'",
        "update voice_agents set number_e164 = '+442079460958' where name <> 'Ada'",
        "update voice_agents set number_e164 = '+442079460958', number_held = '+442079460958',
            number_since = '2000-01-01', created_at = '2000-01-01' where name <> 'Ada'",
        "insert into voice_agents (name, created_by, twilio_phone_number, number_e164, number_held,
            number_since, created_at)
            select 'Zoe', created_by, 'tel:+44 20 7946 0958', '+442079460958', '+442079460958',
                '2000-01-01', '2000-01-01' from voice_agents where name = 'Eve'",
        "update voice_agents set twilio_phone_number = '0044 (0)20 7946 0958' where name = 'Mia'",
    ];
    for is_held in [false, true] {
        for steal in steals {
            // Mia is older than Ada.
            let fixture = with(&[("Ada", NUMBER), ("Eve", ODD)]).await;
            if is_held {
                assert_eq!(answers(&fixture).await, "Ada");
            }
            fixture.sql(steal).await;
            assert_eq!(answers(&fixture).await, "Ada", "{is_held}: {steal}");
            assert_eq!(holder(&fixture).await, "Ada", "{is_held}: {steal}");
        }
    }
}

#[tokio::test]
async fn the_next_agent_answers_when_the_holder_gives_the_number_up() {
    for gives_up in [
        "update voice_agents set status = 'inactive' where name = 'Ada'",
        "update voice_agents set status = 'deleted' where name = 'Ada'",
        "delete from voice_agents where name = 'Ada'",
        "update voice_agents set twilio_phone_number = '+442079460000' where name = 'Ada'",
        "update voice_agents set twilio_phone_number = null where name = 'Ada'",
    ] {
        let fixture = with(&[("Ada", NUMBER), ("Eve", ODD), ("Zoe", "tel:+44-20-7946-0958")]).await;
        assert_eq!(answers(&fixture).await, "Ada");
        fixture.sql(gives_up).await;
        assert_eq!(holder(&fixture).await, "", "{gives_up}");
        assert_eq!(answers(&fixture).await, "Eve", "{gives_up}");
        assert_eq!(holder(&fixture).await, "Eve", "{gives_up}");
        // Whoever comes back stands behind those who were there meanwhile.
        let back = "update voice_agents set status = 'active',
            twilio_phone_number = '0044 (0)20 7946 0958' where name = 'Ada'";
        fixture.sql(back).await;
        assert_eq!(answers(&fixture).await, "Eve", "{gives_up}");
        fixture.sql("update voice_agents set status = 'suspended' where name = 'Eve'").await;
        assert_eq!(answers(&fixture).await, "Zoe", "{gives_up}");
    }
}

#[tokio::test]
async fn a_holder_may_change_what_does_not_change_its_number() {
    let fixture = with(&[("Ada", PLAIN), ("Eve", ODD)]).await;
    assert_eq!(answers(&fixture).await, "Ada");
    for change in [
        "update voice_agents set twilio_phone_number = '+442079460958' where name = 'Ada'",
        "update voice_agents set twilio_phone_number = '+44 20-7946-0958' where name = 'Ada'",
        "update voice_agents set name = 'Ada', number_held = null where name = 'Ada'",
        "insert into business_details (voice_agent_id, business_timezone)
            select id, 'Europe/London' from voice_agents where name = 'Ada'",
    ] {
        fixture.sql(change).await;
        assert_eq!(holder(&fixture).await, "Ada", "{change}");
        assert_eq!(answers(&fixture).await, "Ada", "{change}");
    }
    // A national number is read again in another country, and is another one there.
    let fixture = with(&[("Ada", "020 7946 0958"), ("Eve", ODD)]).await;
    let place = "insert into business_details (voice_agent_id, business_timezone)
        select id, 'Europe/London' from voice_agents where name = 'Ada'";
    fixture.sql(place).await;
    assert_eq!(answers(&fixture).await, "Ada");
    fixture.sql("update business_details set business_phone = '+44 20 7946 0000'").await;
    assert_eq!(answers(&fixture).await, "Ada", "it is the same country");
    fixture.sql("update business_details set business_phone = '+33 1 42 68 53 00'").await;
    assert_eq!(answers(&fixture).await, "Eve");
}

#[tokio::test]
async fn of_doubles_in_an_adopted_database_the_oldest_holds_the_number() {
    let fixture = with(&[("Eve", PLAIN), ("Ada", ODD), ("Zoe", "tel:+44-20-7946-0958")]).await;
    for sql in [
        "update voice_agents set created_at = '2020-01-01' where name = 'Ada'",
        "update voice_agents set created_at = '2019-01-01', status = 'inactive' where name = 'Zoe'",
        "update voice_agents set created_at = null where name = 'Mia'",
        "drop trigger z_number_is_held on voice_agents",
        "alter table voice_agents drop column number_since, drop column number_held",
        "delete from _sqlx_migrations where version = 21",
    ] {
        fixture.sql(sql).await;
    }
    assert_eq!(migrate(&fixture.pool).await.unwrap().migrations, 1);
    fixture.sql("update voice_agents set created_at = '2001-01-01' where name = 'Eve'").await;
    assert_eq!(answers(&fixture).await, "Ada");
    assert_eq!(holder(&fixture).await, "Ada");
    // The migration may run again over what is held.
    fixture.sql("delete from _sqlx_migrations where version = 21").await;
    migrate(&fixture.pool).await.unwrap();
    assert_eq!(holder(&fixture).await, "Ada");
    assert_eq!(answers(&fixture).await, "Ada");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_claims_at_the_same_time_one_succeeds() {
    let fixture = with(&[("Ada", PLAIN), ("Eve", ODD)]).await;
    for first in ["Ada", "Eve", "Ada", "Eve", "Ada"] {
        // Nobody holds it, and this agent has had it longest.
        fixture.sql("alter table voice_agents disable trigger z_number_is_held").await;
        let unheld = format!(
            "update voice_agents set number_held = null,
                number_since = case when name = '{first}' then '2020-01-01'::timestamptz
                    else '2021-01-01'::timestamptz end"
        );
        fixture.sql(&unheld).await;
        fixture.sql("alter table voice_agents enable trigger z_number_is_held").await;
        let found = futures_util::future::join_all((0..6).map(|_| answers(&fixture))).await;
        assert_eq!(found, [first; 6]);
        assert_eq!(holder(&fixture).await, first);
    }
    // A claim that waits for another one's end does not succeed beside it.
    let claim = |name: &str| {
        format!("update voice_agents set number_held = '{NUMBER}' where name = '{name}'")
    };
    fixture.sql("alter table voice_agents disable trigger z_number_is_held").await;
    fixture.sql("update voice_agents set number_held = null").await;
    let (one, other) = (claim("Ada"), claim("Eve"));
    let claims = [one, other].map(|sql| sqlx::query(sqlx::AssertSqlSafe(sql)));
    let [one, other] = claims.map(|claim| claim.execute(&fixture.pool));
    let (one, other) = tokio::join!(one, other);
    assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
}

/// What stands behind the trigger.
#[tokio::test]
async fn no_two_rows_can_hold_one_number() {
    let fixture = with(&[("Ada", PLAIN), ("Eve", ODD)]).await;
    assert_eq!(answers(&fixture).await, "Ada");
    fixture.sql("alter table voice_agents disable trigger z_number_is_held").await;
    let both = "update voice_agents set number_held = '+442079460958' where name = 'Eve'";
    let error = sqlx::query(both).execute(&fixture.pool).await.unwrap_err();
    let error = error.into_database_error().unwrap();
    assert_eq!(error.constraint(), Some("idx_voice_agents_number_held"));
}
