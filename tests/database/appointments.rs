//! Booking: two callers never have the same time, and what is done is done once.

use frontdesk::calendar::slots::Busy;
use frontdesk::clock;
use frontdesk::store::{Appointment, IdempotencyKey, NewAppointment, Placement, Store};
use futures_util::future::join_all;
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgPool;
use uuid::Uuid;

use super::common::FreshDatabase;
use super::{agent, migrated};

const MINUTE_US: i64 = 60_000_000;
const USUAL_MINUTES: u32 = 60;
/// 2036-12-08 09:00 UTC: far enough ahead that it never lies behind.
const NINE_US: i64 = 2_112_339_600_000_000;
const CALLER: &str = "+15551230001";

struct Bench {
    database: FreshDatabase,
    pool: PgPool,
    store: Store,
    agent: Uuid,
}

impl Bench {
    async fn new() -> Self {
        let (database, pool) = migrated().await;
        let agent = agent(&pool).await;
        Self { database, store: Store::new(pool.clone()), pool, agent }
    }

    /// An appointment that somebody else wrote, beginning some minutes after nine.
    async fn write(&self, agent: Uuid, after_nine: i64, duration: &str, status: &str) -> Uuid {
        let start_us = NINE_US + after_nine * MINUTE_US;
        sqlx::query_scalar(AssertSqlSafe(format!(
            "insert into appointments
                (voice_agent_id, name, phone_number, service, schedule_time, duration_minutes, status)
            values ('{agent}', 'Other', '{CALLER}', 'any',
                timestamptz 'epoch' + {start_us} * interval '1 microsecond', {duration}, '{status}')
            returning id"
        )))
        .fetch_one(&self.pool)
        .await
        .expect("it is written")
    }

    /// Tries to book an hour, some minutes after nine.
    async fn book(&self, after_nine: i64) -> Placement {
        self.book_as(deed(), after_nine, "Ana").await
    }

    async fn book_as(&self, deed: IdempotencyKey, after_nine: i64, name: &str) -> Placement {
        let new = appointment(self.agent, deed, after_nine, 60, name);
        self.store.book_appointment(&new).await.expect("an answer")
    }

    async fn busy(&self, from: i64, until: i64, except: Option<Uuid>) -> Vec<(i64, i64)> {
        let span = (NINE_US + from * MINUTE_US, NINE_US + until * MINUTE_US);
        let busy =
            self.store.busy(self.agent, span, USUAL_MINUTES, except).await.expect("an answer");
        let after_nine = |us: i64| (us - NINE_US) / MINUTE_US;
        let minutes = |busy: Busy| (after_nine(busy.from_us), after_nine(busy.until_us));
        busy.into_iter().map(minutes).collect()
    }

    async fn own(&self, number: &str, deed: &IdempotencyKey) -> Vec<Appointment> {
        let number = number.to_owned().into();
        let own = self.store.callers_appointments(self.agent, &number, NINE_US, deed);
        own.await.expect("an answer")
    }

    /// Minutes after nine, status, and whether it was ever updated.
    async fn row(&self, id: Uuid) -> (i64, String, bool) {
        sqlx::query_as(
            "select ((extract(epoch from schedule_time) * 1000000)::bigint - $2) / $3, status::text,
                updated_at is not null from appointments where id = $1",
        )
        .bind(id)
        .bind(NINE_US)
        .bind(MINUTE_US)
        .fetch_one(&self.pool)
        .await
        .expect("the row")
    }

    async fn count(&self, condition: &str) -> i64 {
        let count = format!("select count(*) from appointments where {condition}");
        sqlx::query_scalar(AssertSqlSafe(count)).fetch_one(&self.pool).await.expect("a count")
    }
}

fn deed() -> IdempotencyKey {
    IdempotencyKey { call_log_id: Uuid::new_v4(), engine_call_id: "call_1".to_owned() }
}

fn appointment(
    agent_id: Uuid,
    deed: IdempotencyKey,
    after_nine: i64,
    minutes: u32,
    name: &str,
) -> NewAppointment {
    NewAppointment {
        deed,
        agent_id,
        start_us: NINE_US + after_nine * MINUTE_US,
        minutes,
        name: name.to_owned().into(),
        phone: CALLER.to_owned().into(),
        service: format!("Check-up for {name}").into(),
        notes: None,
    }
}

/// Two servers with connections of their own, and everybody at once.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_hundred_attempts_at_twenty_times_exactly_twenty_are_booked() {
    let bench = Bench::new().await;
    let servers = [(); 2].map(|()| Store::at(&bench.database.url(), 20).expect("an address"));
    let attempts = (0..200).map(|n| {
        let new = appointment(bench.agent, deed(), n % 20 * 30, 30, "Ana");
        let server = servers[usize::from(n / 20 % 2 == 1)].clone();
        clock::spawn(async move { server.book_appointment(&new).await })
    });
    let outcomes: Vec<Placement> = join_all(attempts)
        .await
        .into_iter()
        .map(|outcome| outcome.expect("it ends").expect("no error"))
        .collect();
    let count = |wanted| outcomes.iter().filter(|outcome| **outcome == wanted).count();
    assert_eq!((count(Placement::Placed), count(Placement::Taken)), (20, 180));
    let booked = "count(distinct schedule_time) filter (where status = 'pending')";
    let booked = format!("(select {booked} = count(*) from appointments)");
    assert_eq!(bench.count(&booked).await, 20);
}

#[tokio::test]
async fn what_is_tried_again_is_done_once() {
    let bench = Bench::new().await;
    let first = deed();
    assert_eq!(bench.book_as(first.clone(), 0, "Ana").await, Placement::Placed);
    assert_eq!(bench.book_as(first.clone(), 0, "Ana").await, Placement::Placed);
    let asked_again = IdempotencyKey { engine_call_id: "call_2".to_owned(), ..first.clone() };
    assert_eq!(bench.book_as(asked_again.clone(), 0, "ANA").await, Placement::Placed);
    assert_eq!(bench.count("true").await, 1, "and each time it is the one appointment");
    assert_eq!(bench.count("service = 'Check-up for ANA'").await, 1, "with what was said last");

    assert_eq!(bench.book_as(asked_again, 0, "Leo").await, Placement::Taken, "somebody else");
    assert_eq!(bench.book_as(deed(), 0, "Ana").await, Placement::Taken, "another telephone call");
    assert_eq!(bench.count("duration_minutes = 60 and status = 'pending'").await, 1);
}

#[tokio::test]
async fn what_others_wrote_is_respected_whatever_it_looks_like() {
    let bench = Bench::new().await;
    let other = agent(&bench.pool).await;
    // Without a length that can be used, it takes as long as usual.
    bench.write(bench.agent, 0, "null", "pending").await;
    bench.write(bench.agent, 30, "0", "pending").await;
    bench.write(bench.agent, 300, "-5", "pending").await;
    bench.write(bench.agent, 120, "15", "pending").await;
    for status in ["cancelled", "missed", "completed"] {
        bench.write(bench.agent, 180, "60", status).await;
    }
    bench.write(other, 180, "60", "pending").await;
    assert_eq!(bench.busy(-600, 600, None).await, [(0, 90), (120, 135), (300, 360)]);
    assert_eq!(bench.busy(30, 125, None).await, [(30, 90), (120, 125)], "as far as was asked");

    for (after_nine, expected) in [
        (-59, Placement::Taken),
        (-60, Placement::Placed),
        (89, Placement::Taken),
        (90, Placement::Taken),
        (134, Placement::Taken),
        (135, Placement::Placed),
        (195, Placement::Placed),
        (241, Placement::Taken),
        (359, Placement::Taken),
        (360, Placement::Placed),
    ] {
        assert_eq!(bench.book(after_nine).await, expected, "{after_nine}");
    }
    // Written days ago, and not over.
    bench.write(bench.agent, -3000, "10000", "pending").await;
    assert_eq!(bench.book(600).await, Placement::Taken);
    assert_eq!(bench.busy(500, 600, None).await, [(500, 600)]);
}

#[tokio::test]
async fn an_appointment_is_moved_once_and_is_not_in_its_own_way() {
    let bench = Bench::new().await;
    let id = bench.write(bench.agent, 0, "null", "pending").await;
    bench.write(bench.agent, 120, "30", "pending").await;
    let to = async |deed: &IdempotencyKey, after_nine: i64| {
        let start_us = NINE_US + after_nine * MINUTE_US;
        let moved =
            bench.store.move_appointment(deed, id, bench.agent, start_us, USUAL_MINUTES).await;
        moved.expect("an answer")
    };
    assert_eq!(bench.busy(0, 200, Some(id)).await, [(120, 150)]);
    let first = deed();
    assert_eq!(to(&first, 61).await, Placement::Taken);
    assert_eq!(to(&first, 30).await, Placement::Placed);
    assert_eq!(bench.row(id).await, (30, "pending".to_owned(), true));
    assert_eq!(to(&deed(), 60).await, Placement::Placed);
    assert_eq!(to(&deed(), 200).await, Placement::Placed);
    let last = deed();
    assert_eq!(to(&last, 300).await, Placement::Placed);
    assert_eq!(to(&last, 300).await, Placement::Placed);
    assert_eq!(bench.row(id).await.0, 300);
    let own = bench.own(CALLER, &last).await;
    assert!(own.iter().any(|own| own.id == id && own.is_changed), "{own:?}");

    let elsewhere = agent(&bench.pool).await;
    let foreign =
        bench.store.move_appointment(&deed(), id, elsewhere, NINE_US, USUAL_MINUTES).await;
    assert_eq!(foreign, Ok(Placement::Gone), "another agent's");
    sqlx::query("update appointments set status = 'completed'").execute(&bench.pool).await.unwrap();
    assert_eq!(to(&deed(), 400).await, Placement::Gone);
}

#[tokio::test]
async fn an_appointment_is_cancelled_once_and_its_time_is_free() {
    let bench = Bench::new().await;
    let id = bench.write(bench.agent, 60, "60", "pending").await;
    let elsewhere = agent(&bench.pool).await;
    let cancel = async |deed: &IdempotencyKey, agent| {
        bench.store.cancel_appointment(deed, id, agent).await.expect("an answer")
    };
    assert!(!cancel(&deed(), elsewhere).await, "another agent's");
    let first = deed();
    assert!(cancel(&first, bench.agent).await);
    assert!(cancel(&first, bench.agent).await, "it is, by this deed");
    assert!(!cancel(&deed(), bench.agent).await, "it was, by another");
    assert_eq!(bench.row(id).await, (60, "cancelled".to_owned(), true));
    let own = bench.own(CALLER, &first).await;
    assert_eq!(own.iter().map(|own| own.is_changed).collect::<Vec<_>>(), [true]);
    assert_eq!(bench.own(CALLER, &deed()).await, []);
    assert_eq!(bench.book(60).await, Placement::Placed);
}

#[tokio::test]
async fn a_callers_appointments_are_those_of_their_number_that_are_to_come() {
    let bench = Bench::new().await;
    for (after_nine, number, status) in [
        (300, "+1 (555) 123-0001", "pending"),
        (120, CALLER, "pending"),
        (0, CALLER, "pending"),
        (180, CALLER, "cancelled"),
        (240, "+15551230002", "pending"),
        // As it is dialled in the country of the number that the agent answers.
        (360, "5551230001", "pending"),
        (420, "551230001", "pending"),
    ] {
        let id = bench.write(bench.agent, after_nine, "null", status).await;
        let number = format!("update appointments set phone_number = '{number}' where id = '{id}'");
        sqlx::query(AssertSqlSafe(number)).execute(&bench.pool).await.expect("a number");
    }
    let own = bench.own(CALLER, &deed()).await;
    let starts: Vec<i64> = own.iter().map(|own| (own.start_us - NINE_US) / MINUTE_US).collect();
    assert_eq!(starts, [120, 300, 360]);
    assert_eq!((own[0].name.reveal().as_str(), own[0].minutes), ("Other", None));
}

#[tokio::test]
async fn what_callers_say_is_never_a_statement() {
    let bench = Bench::new().await;
    let said = "'; drop table appointments; --\0 $$ %s {}";
    assert_eq!(bench.book_as(deed(), 0, said).await, Placement::Placed);
    let odd = IdempotencyKey { engine_call_id: "'\0\\".to_owned(), ..deed() };
    assert_eq!(bench.book_as(odd.clone(), 60, said).await, Placement::Placed);
    assert_eq!(bench.book_as(odd, 60, said).await, Placement::Placed);
    let name: Vec<String> = sqlx::query_scalar("select distinct name from appointments")
        .fetch_all(&bench.pool)
        .await
        .expect("the table is there");
    assert_eq!(name, [said.replace('\0', "")]);
    assert_eq!(bench.own("' or true --", &deed()).await, []);
}

#[tokio::test]
async fn nobody_books_past_the_server() {
    let bench = Bench::new().await;
    let open: Vec<String> = sqlx::query_scalar(
        "select p.oid::regprocedure::text from pg_proc p
        where p.proname in ('appointment_book', 'appointment_move', 'appointments_taking')
            and (has_function_privilege('anon', p.oid, 'execute')
                or has_function_privilege('authenticated', p.oid, 'execute'))",
    )
    .fetch_all(&bench.pool)
    .await
    .expect("the functions");
    assert_eq!(open, Vec::<String>::new());
}
