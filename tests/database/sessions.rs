//! Whether a session at Supabase goes on, as its own tables say; and where there are none.

use frontdesk::store::{Store, StoreError};
use uuid::Uuid;

use super::common::run;
use super::{execute, migrated, supabase};
use sqlx::ConnectOptions as _;

const PERSON: Uuid = Uuid::from_u128(1);
const SOMEBODY_ELSE: Uuid = Uuid::from_u128(2);
const SESSION: Uuid = Uuid::from_u128(3);

/// What Supabase's Auth has, as far as it is asked for, with one person and their session.
const AUTH: &str = "
alter table auth.users add column if not exists banned_until timestamptz,
    add column if not exists deleted_at timestamptz;
create table auth.sessions (
    id uuid primary key, user_id uuid not null references auth.users (id) on delete cascade,
    created_at timestamptz, updated_at timestamptz, not_after timestamptz, aal text
);
insert into auth.users (id, email) values
    ('00000000-0000-0000-0000-000000000001', 'a@example.com'),
    ('00000000-0000-0000-0000-000000000002', 'b@example.com');
insert into auth.sessions (id, user_id)
    values ('00000000-0000-0000-0000-000000000003', '00000000-0000-0000-0000-000000000001');
";

#[tokio::test]
async fn where_there_are_no_sessions_nothing_speaks_against_one() {
    let (_database, pool) = migrated().await;
    let store = Store::new(pool.clone());
    for session in [Some(SESSION), None] {
        assert_eq!(store.supabase_session_is_alive(PERSON, session).await, Ok(true));
    }
    // A person whom the server has made a row for.
    sqlx::query("insert into auth.users (id) values ($1)")
        .bind(PERSON)
        .execute(&pool)
        .await
        .expect("the row is made");
    assert_eq!(store.supabase_session_is_alive(PERSON, Some(SESSION)).await, Ok(true));
}

#[tokio::test]
async fn a_session_that_was_ended_or_whose_person_is_shut_out_is_not_alive() {
    let (database, pool) = migrated().await;
    execute(&database, "public", AUTH).await;
    let store = Store::new(pool);
    let alive = async |user, session| store.supabase_session_is_alive(user, session).await.unwrap();
    assert!(alive(PERSON, Some(SESSION)).await);
    assert!(alive(PERSON, None).await);
    // Somebody else's, nobody's, and a person who is not there.
    assert!(!alive(SOMEBODY_ELSE, Some(SESSION)).await);
    assert!(!alive(PERSON, Some(Uuid::from_u128(9))).await);
    assert!(!alive(Uuid::from_u128(9), Some(SESSION)).await);
    assert!(!alive(Uuid::from_u128(9), None).await);
    for (change, is_alive) in [
        ("update auth.sessions set not_after = now() - interval '1 second'", false),
        ("update auth.sessions set not_after = now() + interval '1 hour'", true),
        ("update auth.users set banned_until = now() + interval '1 hour'", false),
        ("update auth.users set banned_until = 'infinity'", false),
        ("update auth.users set banned_until = now() - interval '1 second'", true),
        ("update auth.users set deleted_at = now()", false),
        ("update auth.users set deleted_at = null", true),
        // Columns that another version of Auth has not.
        ("alter table auth.users drop column banned_until, drop column deleted_at", true),
        ("alter table auth.sessions drop column not_after", true),
    ] {
        execute(&database, "public", change).await;
        assert_eq!(alive(PERSON, Some(SESSION)).await, is_alive, "{change}");
    }
    execute(&database, "public", "delete from auth.sessions").await;
    assert!(!alive(PERSON, Some(SESSION)).await);
    // The person's other tokens are not concerned.
    assert!(alive(PERSON, None).await);
}

#[tokio::test]
async fn a_server_that_may_not_look_lets_nobody_in() {
    let (database, owner) = supabase().await;
    let mut admin = database.options().connect().await.expect("the test's database answers");
    run(&mut admin, AUTH).await;
    let store = Store::new(super::common::pool(owner, 1).await);
    let refused = store.supabase_session_is_alive(PERSON, Some(SESSION)).await;
    assert_eq!(refused, Err(StoreError::Away("SQLSTATE 42501".to_owned())));
    run(&mut admin, "grant select on auth.sessions to frontdesk_owner").await;
    assert_eq!(store.supabase_session_is_alive(PERSON, Some(SESSION)).await, Ok(true));
}

#[tokio::test]
async fn whoever_changes_their_address_at_supabase_is_invited_by_the_new_one() {
    let (database, owner) = supabase().await;
    frontdesk::store::migrate::migrate(&super::common::pool(owner.clone(), 1).await)
        .await
        .expect("an empty project is migrated");
    let users = "insert into auth.users (id, email) values
        ('00000000-0000-0000-0000-000000000001', 'a@example.com'),
        ('00000000-0000-0000-0000-000000000002', 'b@example.com')";
    execute(&database, "public", users).await;
    let store = Store::new(super::common::pool(owner, 2).await);
    let address = async |person| {
        let viewer = store.person_of_supabase(person).await.expect("the database answers");
        viewer.map(|viewer| viewer.email().reveal().clone())
    };
    assert_eq!(address(PERSON).await.as_deref(), Some("a@example.com"));
    assert_eq!(address(SOMEBODY_ELSE).await.as_deref(), Some("b@example.com"));
    let moved = "update auth.users set email = 'new@example.com'
        where id = '00000000-0000-0000-0000-000000000001'";
    execute(&database, "public", moved).await;
    assert_eq!(address(PERSON).await.as_deref(), Some("new@example.com"));
    // Two who have changed places: the one who comes first takes nothing that is still another's.
    let changed = "update auth.users set email = case email when 'b@example.com'
        then 'c@example.com' else 'b@example.com' end";
    execute(&database, "public", changed).await;
    assert_eq!(address(PERSON).await.as_deref(), Some("b@example.com"));
    assert_eq!(address(SOMEBODY_ELSE).await.as_deref(), Some("c@example.com"));
    // People of single sign-on may share an address: that of a customer stays theirs.
    let both = "update auth.users set email = 'c@example.com', is_sso_user = true
        where id = '00000000-0000-0000-0000-000000000001'";
    execute(&database, "public", both).await;
    assert_eq!(address(PERSON).await.as_deref(), Some("b@example.com"), "and they are let in");
}
