//! What those read and write who come through Supabase's REST interface: PostgREST takes the role of the
//! token and puts its claims into a setting, each request in a transaction of its own.

use sqlx::postgres::PgPool;
use sqlx::{AssertSqlSafe, Postgres, Transaction};
use uuid::Uuid;

use super::common::run;
use super::{agent, migrated};

/// PostgreSQL's code for what a grant does not allow, or a policy's `with check`.
const NOT_ALLOWED: &str = "42501";

/// Two businesses, and people with every access to the first.
pub(super) struct Town {
    pub(super) pool: PgPool,
    _database: super::FreshDatabase,
    pub(super) agent: Uuid,
    other_agent: Uuid,
    pub(super) owner: Uuid,
    pub(super) maintainer: Uuid,
    pub(super) support: Uuid,
    former: Uuid,
    pub(super) stranger: Uuid,
    admin: Uuid,
}

async fn creator(pool: &PgPool, agent: Uuid) -> Uuid {
    sqlx::query_scalar("select created_by from public.voice_agents where id = $1")
        .bind(agent)
        .fetch_one(pool)
        .await
        .expect("an agent")
}

pub(super) async fn person(pool: &PgPool) -> Uuid {
    let id = Uuid::new_v4();
    for sql in [
        format!("insert into auth.users (id, email) values ('{id}', '{id}@example.com')"),
        format!(
            "insert into public.customer (uuid, email, username, plan_id) \
             values ('{id}', '{id}@example.com', 'person', 1)"
        ),
    ] {
        sqlx::query(AssertSqlSafe(sql)).execute(pool).await.expect("a person");
    }
    id
}

pub(super) async fn town() -> Town {
    let (database, pool) = migrated().await;
    let (agent, other_agent) = (agent(&pool).await, agent(&pool).await);
    let (owner, stranger) = (creator(&pool, agent).await, creator(&pool, other_agent).await);
    let mut people = Vec::new();
    for access in ["support", "maintainer", "owner"] {
        let id = person(&pool).await;
        let grant = format!(
            "insert into public.voice_agents_access (voice_agent_id, user_id, access, status) \
             values ('{agent}', '{id}', '{access}', {})",
            access != "owner"
        );
        sqlx::query(AssertSqlSafe(grant)).execute(&pool).await.expect("an access");
        people.push(id);
    }
    let admin = person(&pool).await;
    let rows = format!(
        "update public.customer set isadmin = true where uuid = '{admin}';
         do $$ declare agent uuid; begin
            foreach agent in array array['{agent}', '{other_agent}']::uuid[] loop
                insert into public.business_details (voice_agent_id, business_name)
                    values (agent, 'Sample');
                insert into public.functions (name, assistant_id, type) values ('f', agent, 'form');
                insert into public.call_logs (voice_agent_id, call_start, call_end, status)
                    values (agent, now(), now(), 'completed');
                insert into public.appointments (voice_agent_id, name, phone_number, service,
                    schedule_time) values (agent, 'A', '+1', 'cut', now());
                insert into public.sources (voice_agent_id, name, size) values (agent, 'a.pdf', 1);
                insert into public.scrapping_data (voice_agent_id) values (agent);
                insert into public.voice_agents_access (voice_agent_id, user_id, access)
                    select agent, created_by, 'owner' from public.voice_agents where id = agent;
            end loop; end $$;
         select public.usage_fold(10)"
    );
    run(&mut pool.acquire().await.expect("a connection"), &rows).await;
    Town {
        pool,
        _database: database,
        agent,
        other_agent,
        owner,
        support: people[0],
        maintainer: people[1],
        former: people[2],
        stranger,
        admin,
    }
}

/// A request of this role, with this subject. What it does is rolled back.
pub(super) async fn request(
    pool: &PgPool,
    role: &str,
    person: Uuid,
) -> Transaction<'static, Postgres> {
    let mut request = pool.begin().await.expect("a transaction");
    let claims = format!(
        "set local role {role}; \
         set local request.jwt.claims = '{{\"sub\":\"{person}\",\"role\":\"{role}\"}}'"
    );
    run(&mut request, &claims).await;
    request
}

/// How many rows a person's statement gives or changes, or the SQLSTATE of its refusal.
async fn comes_to(town: &Town, person: Uuid, sql: &str) -> Result<u64, String> {
    let mut request = request(&town.pool, "authenticated", person).await;
    let sql = sql.replace("$agent", &town.agent.to_string());
    match sqlx::query(AssertSqlSafe(sql)).execute(&mut *request).await {
        Ok(done) => Ok(done.rows_affected()),
        Err(error) => {
            let error = error.into_database_error().expect("the database's own");
            Err(error.code().expect("a code").into_owned())
        }
    }
}

#[tokio::test]
async fn each_sees_what_is_theirs() {
    let town = town().await;
    // Rows of both businesses: what each person sees of them.
    for (table, support, maintainer) in [
        ("voice_agents", 1, 1),
        ("business_details", 1, 1),
        ("call_logs", 1, 1),
        ("appointments", 1, 1),
        ("sources", 1, 1),
        ("scrapping_data", 1, 1),
        ("usage_days", 1, 1),
        // With the keys that are written out in them.
        ("functions", 0, 0),
    ] {
        let sql = format!("select 1 from public.{table}");
        for (who, expected) in [
            (town.support, support),
            (town.maintainer, maintainer),
            (town.owner, 1),
            (town.stranger, 1),
            (town.admin, 2),
            (town.former, 0),
            (Uuid::new_v4(), 0),
        ] {
            assert_eq!(comes_to(&town, who, &sql).await, Ok(expected), "{table}");
        }
    }
    // One's own access, and owners everybody's of their agent.
    let access = "select 1 from public.voice_agents_access";
    for (who, expected) in [
        (town.support, 1),
        (town.maintainer, 1),
        (town.owner, 4),
        (town.stranger, 1),
        (town.admin, 5),
    ] {
        assert_eq!(comes_to(&town, who, access).await, Ok(expected));
    }
    let customers = "select 1 from public.customer";
    assert_eq!(comes_to(&town, town.owner, customers).await, Ok(1));
    assert_eq!(comes_to(&town, town.admin, customers).await, Ok(6));
    for table in ["call_events", "call_words", "frontdesk_sessions", "audit_log", "usage_calls"] {
        let sql = format!("select 1 from public.{table}");
        assert_eq!(comes_to(&town, town.admin, &sql).await, Err(NOT_ALLOWED.into()), "{table}");
    }
    let passages = "select 1 from public.\"zz_$agent\"";
    assert_eq!(comes_to(&town, town.owner, passages).await, Err(NOT_ALLOWED.into()));
}

/// Statements that name the first business's rows by their id, and who may carry them out.
const WRITES: &[(&str, &str)] = &[
    ("maintainer", "update public.voice_agents set name = 'x' where id = '$agent'"),
    (
        "maintainer",
        "update public.business_details set business_name = 'x', business_timezone = 'UTC' where voice_agent_id = '$agent'",
    ),
    ("owner", "update public.functions set purpose = 'x' where assistant_id = '$agent'"),
    ("owner", "delete from public.functions where assistant_id = '$agent'"),
    (
        "maintainer",
        "update public.appointments set status = 'cancelled' where voice_agent_id = '$agent'",
    ),
    ("maintainer", "delete from public.appointments where voice_agent_id = '$agent'"),
    ("maintainer", "update public.sources set name = 'x' where voice_agent_id = '$agent'"),
    ("maintainer", "delete from public.sources where voice_agent_id = '$agent'"),
    (
        "owner",
        "update public.voice_agents_access set access = 'support' where voice_agent_id = '$agent' and access = 'maintainer'",
    ),
    (
        "maintainer",
        "insert into public.appointments (voice_agent_id, name, phone_number, service, schedule_time) values ('$agent', 'B', '+1', 'cut', now())",
    ),
    (
        "maintainer",
        "insert into public.sources (voice_agent_id, name, size) values ('$agent', 'b.pdf', 1)",
    ),
];

#[tokio::test]
async fn each_writes_what_their_access_allows() {
    let town = town().await;
    for (least, sql) in WRITES {
        let may_maintain = *least == "maintainer";
        for (who, may) in [
            ("support", false),
            ("maintainer", may_maintain),
            ("owner", true),
            ("stranger", false),
            ("former", false),
            ("admin", true),
        ] {
            let person = match who {
                "support" => town.support,
                "maintainer" => town.maintainer,
                "owner" => town.owner,
                "stranger" => town.stranger,
                "former" => town.former,
                _ => town.admin,
            };
            let came = comes_to(&town, person, sql).await;
            if may {
                assert_eq!(came, Ok(1), "{who}: {sql}");
            } else {
                // A row that is not seen is not changed; one that may not be there is refused.
                let refused = came == Ok(0) || came == Err(NOT_ALLOWED.into());
                assert!(refused, "{who}: {came:?} {sql}");
            }
        }
    }
}

#[tokio::test]
async fn no_row_is_moved_to_or_taken_from_another_business() {
    let town = town().await;
    let other = town.other_agent;
    for sql in [
        format!(
            "update public.appointments set voice_agent_id = '$agent' where voice_agent_id = '{other}'"
        ),
        format!(
            "update public.functions set assistant_id = '$agent' where assistant_id = '{other}'"
        ),
        format!(
            "update public.business_details set voice_agent_id = '$agent' where voice_agent_id = '{other}'"
        ),
        format!(
            "update public.voice_agents set created_by = '{}' where id = '$agent'",
            town.stranger
        ),
        "update public.call_logs set summary = null".to_owned(),
        "delete from public.call_logs".to_owned(),
        format!(
            "insert into public.voice_agents (name, created_by) values ('x', '{}')",
            town.owner
        ),
        "insert into public.functions (name, assistant_id, created_by) values ('x', null, null)"
            .to_owned(),
    ] {
        assert_eq!(comes_to(&town, town.stranger, &sql).await, Err(NOT_ALLOWED.into()), "{sql}");
    }
    // Whoever makes an agent reads it back at once.
    let makes = format!(
        "insert into public.voice_agents (name, created_by) values ('x', '{}') returning id, name",
        town.stranger
    );
    assert_eq!(comes_to(&town, town.stranger, &makes).await, Ok(1));
    // But not without end.
    let makes = format!(
        "insert into public.voice_agents (name, created_by)
        select 'x', '{}' from generate_series(1, 101)",
        town.stranger
    );
    assert_eq!(comes_to(&town, town.stranger, &makes).await, Err("PT409".into()));
}

#[tokio::test]
async fn nobody_reads_a_secret_or_writes_what_they_pay_for() {
    let town = town().await;
    for who in [town.support, town.maintainer, town.owner, town.admin] {
        for column in ["twilio_credentials", "private_settings", "*"] {
            let sql = format!("select {column} from public.voice_agents");
            assert_eq!(comes_to(&town, who, &sql).await, Err(NOT_ALLOWED.into()), "{column}");
        }
        // Not by what a statement gives back, nor by what it looks for; nor by having a function send it
        // elsewhere. And an agent ends through the program, which ends its calls first.
        for sql in [
            "delete from public.voice_agents where id = '$agent'",
            "update public.functions set data = '{}' where assistant_id = '$agent'",
            "update public.functions set type = 'json_api' where assistant_id = '$agent'",
            "update public.functions set variables = '{}' where assistant_id = '$agent'",
            "insert into public.functions (name, assistant_id, type) values ('g', '$agent', 'form')",
            "update public.voice_agents set name = 'x' returning twilio_credentials",
            "select id from public.voice_agents where private_settings::text like '%key%'",
            "update public.voice_agents set private_settings = '{}'",
            "update public.voice_agents set twilio_credentials = '{}'",
        ] {
            assert_eq!(comes_to(&town, who, sql).await, Err(NOT_ALLOWED.into()), "{sql}");
        }
        for (column, value) in [
            ("isadmin", "true"),
            ("plan_id", "2"),
            ("plan_mode", "'x'"),
            ("trial", "true"),
            ("voiceagents_allowed", "9"),
            ("source_links_allowed", "9"),
            ("total_voiceagents", "0"),
            ("allowed_msg_credits", "9"),
            ("total_credits", "9"),
            ("stripe_id", "'x'"),
            ("subscription_id", "'x'"),
            ("email", "'x'"),
            ("uuid", "gen_random_uuid()"),
            ("created_at", "now()"),
        ] {
            let sql = format!("update public.customer set {column} = {value}");
            assert_eq!(comes_to(&town, who, &sql).await, Err(NOT_ALLOWED.into()), "{column}");
        }
    }
    let own = "update public.customer set username = 'a', phone = 'b', company = 'c', title = 'd'";
    assert_eq!(comes_to(&town, town.owner, own).await, Ok(1));
    let another = format!("{own} where uuid = '{}'", town.stranger);
    assert_eq!(comes_to(&town, town.owner, &another).await, Ok(0));
}

#[tokio::test]
async fn nobody_promotes_themself() {
    let town = town().await;
    let insert = |person: Uuid, access: &str| {
        format!(
            "insert into public.voice_agents_access (voice_agent_id, user_id, access) \
             values ('$agent', '{person}', '{access}')"
        )
    };
    let raises = "update public.voice_agents_access set access = 'owner', status = true \
                  where voice_agent_id = '$agent'";
    for who in [town.support, town.maintainer, town.former, town.stranger] {
        assert_eq!(comes_to(&town, who, raises).await, Ok(0));
        let refused = Err(NOT_ALLOWED.into());
        assert_eq!(comes_to(&town, who, &insert(who, "owner")).await, refused);
    }
    // An owner makes owners, of others, and no administrators.
    let owner = town.owner;
    // By an invitation, which is theirs to accept.
    let made = insert(town.stranger, "owner");
    let invites = format!(
        "with made as ({made} returning status, invited_at) \
         select 1 from made where not status and invited_at is not null"
    );
    assert_eq!(comes_to(&town, owner, &invites).await, Ok(1));
    for (person, access) in [(town.stranger, "admin"), (owner, "admin"), (owner, "owner")] {
        let came = comes_to(&town, owner, &insert(person, access)).await;
        assert_eq!(came, Err(NOT_ALLOWED.into()), "{access}");
    }
    assert_eq!(comes_to(&town, town.admin, &insert(town.stranger, "admin")).await, Ok(1));
    // Whoever has an access may leave it.
    let leaves = "delete from public.voice_agents_access where voice_agent_id = '$agent'";
    assert_eq!(comes_to(&town, town.support, leaves).await, Ok(1));
}

#[tokio::test]
async fn a_number_that_a_customer_writes_is_not_the_servers_to_give() {
    let town = town().await;
    let bare = format!(
        "update public.voice_agents set twilio_credentials = '{{}}' where id = '{}'",
        town.agent
    );
    run(&mut town.pool.acquire().await.expect("a connection"), &bare).await;
    let number = "update public.voice_agents set twilio_phone_number = '+15559870777'
        where id = $1 returning number_typed, coalesce(number_e164, twilio_phone_number)";
    for (person, is_typed) in [(town.owner, true), (town.maintainer, true), (town.admin, false)] {
        let mut request = request(&town.pool, "authenticated", person).await;
        let (typed, read): (Option<String>, Option<String>) = sqlx::query_as(number)
            .bind(town.agent)
            .fetch_one(&mut *request)
            .await
            .expect("the number is theirs to write");
        assert_eq!(typed.is_some(), is_typed);
        assert_eq!(read.as_deref(), Some(if is_typed { "" } else { "+15559870777" }));
    }
    // Nobody says of themselves that it was assigned.
    let sql = "update public.voice_agents set number_typed = null where id = '$agent'";
    assert_eq!(comes_to(&town, town.owner, sql).await, Err(NOT_ALLOWED.to_owned()));
}
