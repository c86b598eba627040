//! Who answers a number is known, also while the database is away.

use std::sync::Arc;

use frontdesk::agent::Agent;
use frontdesk::clock::{self, Clock};
use frontdesk::line::directory::{Directory, LookUp};
use frontdesk::store::Store;
use metrics_exporter_prometheus::PrometheusBuilder;

use crate::fixture::{eventually, fixture};
use crate::proxy::{Proxy, Wire};

const NUMBER: &str = "+15559870001";

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_could_not_be_read_is_read_by_a_later_call() {
    let fixture = fixture().await;
    let proxy = Proxy::to(&fixture.database.options()).await;
    let store = Store::connect_lazily(proxy.options(fixture.database.options()), 4);
    let directory = Directory::new(store, Clock::real());
    let name = async || match directory.look_up(NUMBER).await {
        LookUp::Found(agent) => agent.name.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(name().await, "Mia");
    proxy.set(Wire::Stalled);
    fixture.sql("update voice_agents set name = 'Ada'").await;
    // Comes back although the wire is silent.
    directory.refresh(Some(fixture.agent), Some(NUMBER)).await;
    assert_eq!(name().await, "Mia");
    proxy.set(Wire::Joined);
    eventually("the new name", async || name().await == "Ada").await;
}

#[tokio::test]
async fn an_unknown_number_answers_as_soon_as_its_agent_is_told() {
    let fixture = fixture().await;
    let directory = Directory::new(fixture.store.clone(), Clock::real());
    fixture.sql("update voice_agents set twilio_phone_number = null").await;
    assert!(matches!(directory.look_up(NUMBER).await, LookUp::Unknown));
    fixture.sql("update voice_agents set twilio_phone_number = '+15559870001'").await;
    directory.refresh(Some(fixture.agent), Some(NUMBER)).await;
    assert!(matches!(directory.look_up(NUMBER).await, LookUp::Found(_)));
}

#[tokio::test]
async fn what_was_read_before_a_change_and_comes_after_it_is_not_remembered() {
    let fixture = fixture().await;
    // The first who reads has seen the rows as they were, and is kept waiting for the answer.
    fixture
        .sql(
            "create function held() returns boolean as $$
            begin
                if pg_try_advisory_lock(8) then
                    perform pg_advisory_lock_shared(7);
                end if;
                return true;
            end $$ language plpgsql stable",
        )
        .await;
    fixture.sql("alter table functions rename to function_rows").await;
    fixture.sql("create view functions as select * from function_rows where held()").await;
    let mut hold = fixture.pool.acquire().await.unwrap();
    sqlx::query("select pg_advisory_lock(7)").execute(&mut *hold).await.unwrap();
    let directory = Directory::new(fixture.store.clone(), Clock::real());
    let early = Arc::clone(&directory);
    let early = clock::spawn(async move { early.look_up(NUMBER).await });
    eventually("somebody waits", async || {
        let waiting = "select count(*) from pg_locks where locktype = 'advisory' and not granted
            and database = (select oid from pg_database where datname = current_database())";
        sqlx::query_scalar::<_, i64>(waiting).fetch_one(&fixture.pool).await.unwrap() == 1
    })
    .await;
    fixture.sql("update voice_agents set name = 'Ada'").await;
    directory.refresh(Some(fixture.agent), Some(NUMBER)).await;
    sqlx::query("select pg_advisory_unlock(7)").execute(&mut *hold).await.unwrap();

    let name = |found: LookUp| match found {
        LookUp::Found(agent) => agent.name.clone(),
        other => panic!("{other:?}"),
    };
    // It was read once more.
    assert_eq!(name(early.await.unwrap()), "Ada");
    fixture.sql("alter table voice_agents rename to away").await;
    assert_eq!(name(directory.look_up(NUMBER).await), "Ada", "it is remembered");
}

#[tokio::test]
async fn all_agents_are_read_at_once_and_only_doubtful_numbers_by_themselves() {
    let fixture = fixture().await;
    fixture
        .sql(
            "insert into voice_agents (name, created_by, twilio_phone_number, status)
            select name, created_by, number, 'inactive' from voice_agents,
                unnest(array['+15559870002', '+15559870003', '+15559870003']) as number",
        )
        .await;
    let recorder = PrometheusBuilder::new().build_recorder();
    let counting = metrics::set_default_local_recorder(&recorder);
    let directory = Directory::new(fixture.store.clone(), Clock::real());
    Arc::clone(&directory).warm().await;
    directory.refresh(None, None).await;
    drop(counting);
    // Once when it was warmed and once when everything was read again, of the number of two.
    let numbers = recorder.handle().render();
    assert!(numbers.contains("frontdesk_agent_reads_total 2\n"), "{numbers}");
    fixture.sql("alter table voice_agents rename to away").await;
    for number in [NUMBER, "+15559870002", "+15559870003"] {
        assert!(matches!(directory.look_up(number).await, LookUp::Found(_)), "{number}");
    }
}

/// Of each column no more comes here than an agent takes, and each that has more is named.
#[tokio::test]
async fn rows_of_any_size_are_read_within_bounds() {
    let fixture = fixture().await;
    let agent = fixture.agent;
    let function = |name: &str, data: &str, variables: &str| {
        format!(
            "insert into functions (assistant_id, type, name, purpose, data, variables,
                created_at)
            values ('{agent}', 'json_api', '{name}', 'asks', {data}, {variables},
                clock_timestamp());"
        )
    };
    let small = r#"'{"method": "GET", "url": "https://api.example.com/"}'"#;
    let large = "jsonb_build_object('method', 'GET', 'url', repeat('u', 20000000))";
    let mut sql = function("small", small, "'[]'") + &function("large", large, "'[]'");
    sql += &function("many", small, "jsonb_build_array(repeat('v', 20000000))");
    // Each is small enough, and all of them are not.
    for n in 0..40 {
        let padded = "jsonb_build_object('method', 'GET', 'url', 'https://api.example.com/',
            'notes', repeat('n', 200000))";
        sql += &function(&format!("padded_{n}"), padded, "'[]'");
    }
    sql += &format!(
        "delete from business_details;
        insert into business_details (voice_agent_id, business_name, business_summary,
            additional_context, type_of_business, business_timezone, operating_schedule)
        values ('{agent}', 'Bright', repeat('s', 30000000), 'few words', repeat('é', 20000000),
            repeat('z', 20000000), jsonb_build_object('monday', repeat('m', 20000000)));
        update voice_agents set private_settings =
            jsonb_build_object('greeting', 'Hello.', 'x', repeat('x', 20000000)),
            \"takeOverTimeout\" = repeat('9', 20000000),
            twilio_credentials = jsonb_build_object('account_sid', repeat('a', 20000000))"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&fixture.pool).await.unwrap();
    let rows = fixture.store.agents_by_number(NUMBER).await.unwrap();
    let held = format!("{:?}", rows[0].business).len()
        + rows[0].private_settings.reveal().to_string().len()
        + rows[0].account_sid.as_ref().map_or(0, |sid| sid.reveal().len());
    assert!(held < 500_000, "{held}");
    let of_functions = rows[0]
        .functions
        .iter()
        .map(|row| row.data.reveal().to_string().len() + row.variables.reveal().to_string().len());
    let held: usize = of_functions.sum();
    assert!(held < 3_000_000, "{held}");

    let agent = Agent::new(rows.into_iter().next().unwrap());
    let business = &agent.business;
    assert_eq!(business.name.as_deref(), Some("Bright"));
    assert_eq!(business.context.as_deref(), Some("few words"));
    assert_eq!(business.summary.as_ref().unwrap().chars().count(), 65_536);
    assert_eq!(business.kind.as_ref().unwrap().chars().count(), 65_536);
    let faults: Vec<String> = agent.faults.iter().map(ToString::to_string).collect();
    for said in [
        "business_summary: found more than is read, accepted is at most 65536 characters; the rest \
         is left out",
        "type_of_business: found more than is read",
        "private_settings: found more JSON than is read",
        "operating_schedule: found more JSON than is read",
        "takeOverTimeout: ",
        "business_timezone: ",
        ".data: found more JSON than is read",
        ".variables: found more JSON than is read",
    ] {
        assert!(faults.iter().any(|fault| fault.contains(said)), "{said}: {faults:#?}");
    }
    let names: Vec<&str> = agent.functions.rows.iter().map(|row| row.name.as_str()).collect();
    assert!(names.contains(&"small") && !names.contains(&"large") && !names.contains(&"many"));
    assert!((5..12).contains(&names.len()), "{names:?}");
}
