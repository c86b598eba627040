//! Whose a database's objects are, as far as this program runs or replaces them.
//!
//! Whoever owns a function, a table with its triggers, or a type decides what runs when it is used.
//! `migrate` uses those of `public`, often as a superuser. So each that it would use belongs to its
//! own role or to a superuser, or it stops. `serve` and `doctor` look again, since triggers can be laid
//! at any time: for them, the role that migrated is none of the strangers.

use std::collections::BTreeSet;

use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnection;

/// An object in `public`, or in our own schema, that another role owns: a stranger's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stranger {
    /// What it is: `function public.format(text,name)`.
    pub object: String,
    /// The role that owns the object.
    pub owner: String,
}

/// What stands in the way of running our functions in this database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Distrust {
    /// Every role may create objects in `public`, as in databases that are older than PostgreSQL 15.
    pub(super) public_may_create: bool,
    /// Objects that others own: those that have a name of ours, which the migrations would use or
    /// replace without taking them away; functions and operators that have a name of PostgreSQL's
    /// own, which statements may pick instead of that; and triggers on our tables that run others'
    /// functions.
    pub(super) strangers: Vec<Stranger>,
}

const PUBLIC_MAY_CREATE: &str = "
select exists (
    select from pg_namespace n, aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) a
    where n.nspname = 'public' and a.grantee = 0 and a.privilege_type = 'CREATE')";

/// Whose objects are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trusts {
    /// Ours and superusers', and of those who may act as us anyway.
    Ourselves,
    /// Also those of who migrated, unless we are a superuser: then that would make them one.
    Migrator,
}

/// $1: the names of our functions, $2: of our tables, $3: of our types, $4: whether who migrated is
/// trusted.
const STRANGERS: &str = r"
-- The table of users, where the server makes people: not at Supabase, whose own it is.
with people as (
    select c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'auth' and c.relname = 'users' and not exists (
        select from pg_attribute a where a.attrelid = c.oid and a.attname = 'encrypted_password')
), objects (object, owner) as (
    select case p.prokind when 'p' then 'procedure ' when 'a' then 'aggregate ' else 'function ' end
        || p.oid::regprocedure::text, p.proowner
    from pg_proc p
    where p.pronamespace = 'public'::regnamespace
        and (p.proname::text = any ($1) or p.proname like 'zz\_%\_search'
            or exists (select from pg_proc own
                where own.pronamespace = 'pg_catalog'::regnamespace and own.proname = p.proname))
    union all
    select 'operator ' || o.oid::regoperator::text, o.oprowner
    from pg_operator o
    where o.oprnamespace = 'public'::regnamespace
        and exists (select from pg_operator own
            where own.oprnamespace = 'pg_catalog'::regnamespace and own.oprname = o.oprname)
    union all
    select case c.relkind when 'v' then 'view ' when 'm' then 'materialized view '
            when 'f' then 'foreign table ' when 'S' then 'sequence ' when 'i' then 'index '
            when 'c' then 'type ' else 'table ' end
        || c.oid::regclass::text, c.relowner
    from pg_class c
    where c.relnamespace = 'public'::regnamespace and c.relname::text = any ($2)
        or c.oid in (select oid from people)
    union all
    select 'type ' || t.oid::regtype::text, t.typowner
    from pg_type t
    where t.typnamespace = 'public'::regnamespace and t.typname::text = any ($3)
    union all
    -- All that is in a schema of our name, whatever we have there.
    select 'schema ' || n.oid::regnamespace::text, n.nspowner
    from pg_namespace n where n.nspname = 'frontdesk'
    union all
    select 'function ' || p.oid::regprocedure::text, p.proowner
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname = 'frontdesk'
    union all
    -- What a trigger runs, also in its condition, runs as whoever writes to the table, but for a
    -- definer function, which runs as its owner: such as Supabase's webhooks.
    select format('trigger %I on %s', t.tgname, c.oid::regclass), p.proowner
    from pg_trigger t
    join pg_class c on c.oid = t.tgrelid
    join pg_depend d on d.classid = 'pg_trigger'::regclass and d.objid = t.oid
    left join pg_operator o on d.refclassid = 'pg_operator'::regclass and o.oid = d.refobjid
    join pg_proc p on p.oid = case d.refclassid
        when 'pg_proc'::regclass then d.refobjid else o.oprcode::oid end
    where (c.relnamespace = 'public'::regnamespace and c.relname::text = any ($2)
            or c.oid in (select oid from people))
        and not t.tgisinternal and not p.prosecdef
)
select distinct o.object, r.rolname::text
from objects o join pg_roles r on r.oid = o.owner
where not r.rolsuper and not pg_has_role(r.oid, current_user, 'MEMBER')
    and not ($4 and r.oid = (select m.relowner from pg_class m
            where m.oid = to_regclass('public._sqlx_migrations'))
        and not (select us.rolsuper from pg_roles us where us.rolname = current_user))
order by o.object";

/// Looks at the database, with pg_catalog alone on the connection's path.
pub(super) async fn distrust(
    connection: &mut PgConnection,
    migrations: &Migrator,
    trusts: Trusts,
) -> Result<Distrust, sqlx::Error> {
    let public_may_create =
        sqlx::query_scalar(PUBLIC_MAY_CREATE).fetch_one(&mut *connection).await?;
    let functions = created(migrations, "create or replace function public.");
    let mut tables = created(migrations, "create table if not exists public.");
    tables.extend(created(migrations, "create table public."));
    tables.push("_sqlx_migrations".to_owned());
    let types = created(migrations, "create type public.");
    let mut strangers = strangers(connection, (&functions, &tables, &types), trusts).await?;
    if strangers.is_empty() {
        // Only now: reading a table that a stranger owns may run the stranger's code.
        let agents = embeddings_tables(connection).await?;
        strangers = self::strangers(connection, (&[], &agents, &[]), trusts).await?;
    }
    Ok(Distrust { public_may_create, strangers })
}

async fn strangers(
    connection: &mut PgConnection,
    (functions, tables, types): (&[String], &[String], &[String]),
    trusts: Trusts,
) -> Result<Vec<Stranger>, sqlx::Error> {
    let rows: Vec<(String, String)> = sqlx::query_as(STRANGERS)
        .bind(functions)
        .bind(tables)
        .bind(types)
        .bind(trusts == Trusts::Migrator)
        .fetch_all(connection)
        .await?;
    Ok(rows.into_iter().map(|(object, owner)| Stranger { object, owner }).collect())
}

/// The names of the agents' embeddings tables, whether they are there or not.
async fn embeddings_tables(connection: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
    let agents: bool = sqlx::query_scalar("select to_regclass('public.voice_agents') is not null")
        .fetch_one(&mut *connection)
        .await?;
    if !agents {
        return Ok(Vec::new());
    }
    sqlx::query_scalar("select 'zz_' || id::text from public.voice_agents")
        .fetch_all(connection)
        .await
}

/// The names of what the migrations create, each of which they create in this very spelling.
fn created(migrations: &Migrator, how: &str) -> Vec<String> {
    let mut names = BTreeSet::new();
    for migration in migrations.iter() {
        let sql = migration.sql.as_str();
        names.extend(sql.match_indices(how).map(|(at, _)| {
            let rest = &sql[at + how.len()..];
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            rest[..end.unwrap_or(rest.len())].to_owned()
        }));
    }
    // A name that is put in when the statement is made is none.
    names.remove("");
    names.into_iter().collect()
}

/// What is to be done about each, in one line.
pub(super) fn advice(strangers: &[Stranger], role: &str) -> String {
    let each = strangers.iter().take(NAMED_MAX).map(|Stranger { object, owner }| {
        // A trigger has no owner; the owner of its function counts.
        if object.starts_with("trigger ") {
            return format!("{object}, which runs a function of {owner} (`drop {object}`)");
        }
        format!("{object} of {owner} (`drop {object}` or `alter {object} owner to {role}`)")
    });
    let mut said = each.collect::<Vec<_>>().join(", ");
    if let Some(more @ 1..) = strangers.len().checked_sub(NAMED_MAX) {
        said.push_str(&format!(", and {more} more"));
    }
    said
}

/// As many are named in one line.
const NAMED_MAX: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_migrations_create_is_found_in_them() {
        let all = super::super::migrate::files();
        let functions = created(&all, "create or replace function public.");
        for name in ["call_admit", "create_embeddings_table", "withhold_from_public_roles"] {
            assert!(functions.iter().any(|function| function == name), "{functions:?}");
        }
        // Every creation is in the spelling that is looked for.
        for migration in all.iter() {
            let sql = migration.sql.as_str().to_lowercase();
            let count = |what: &str| sql.matches(what).count();
            assert_eq!(
                count("\ncreate or replace function "),
                count("\ncreate or replace function public.")
                    + count("\ncreate or replace function frontdesk."),
                "{}: a function without its schema",
                migration.version
            );
            assert_eq!(count("\ncreate function "), 0, "{}", migration.version);
            assert_eq!(
                count("\ncreate table "),
                count("\ncreate table if not exists public."),
                "{}: a table in another spelling",
                migration.version
            );
        }
    }

    #[test]
    fn the_advice_is_one_line_however_many_there_are() {
        let stranger = Stranger { object: "function public.f()".into(), owner: "x".into() };
        let one = advice(std::slice::from_ref(&stranger), "me");
        assert_eq!(
            one,
            "function public.f() of x (`drop function public.f()` or `alter function public.f() \
             owner to me`)"
        );
        assert!(advice(&vec![stranger; 23], "me").ends_with(", and 3 more"));
    }
}
