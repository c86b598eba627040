//! What is kept of what people write through Supabase's REST interface, and what ends with it.

use sqlx::{AssertSqlSafe, Row};

use super::common::run;
use super::rest::{Town, person, request, town};

/// Carries it out as this person, who may; it stays.
async fn write(town: &Town, who: uuid::Uuid, sql: &str) {
    let mut request = request(&town.pool, "authenticated", who).await;
    let sql = sql.replace("$agent", &town.agent.to_string());
    let done = sqlx::query(AssertSqlSafe(sql)).execute(&mut *request).await.expect("a permission");
    assert_eq!(done.rows_affected(), 1);
    request.commit().await.expect("a transaction");
}

#[tokio::test]
async fn every_write_is_written_down_without_what_was_written() {
    let town = town().await;
    let invited = person(&town.pool).await;
    let invites = format!(
        "insert into public.voice_agents_access (voice_agent_id, user_id, access)
        values ('$agent', '{invited}', 'support')"
    );
    let makes = format!(
        "insert into public.voice_agents (name, created_by) values ('x', '{}')",
        town.owner
    );
    let cases = [
        ("update public.voice_agents set name = 'Zed' where id = '$agent'", "agent.change", "name"),
        (&makes, "agent.make", ""),
        (
            "update public.business_details set business_name = 'Zed', business_phone = '+1'
                where voice_agent_id = '$agent'",
            "agent.change",
            "business_name, business_phone",
        ),
        (
            "update public.functions set purpose = 'Zed', is_active = false
                where assistant_id = '$agent'",
            "function.change",
            "is_active, purpose",
        ),
        ("delete from public.functions where assistant_id = '$agent'", "function.delete", ""),
        (
            "update public.appointments set name = 'Zed' where voice_agent_id = '$agent'",
            "booking.change",
            "name",
        ),
        ("delete from public.appointments where voice_agent_id = '$agent'", "booking.cancel", ""),
        (
            "update public.sources set name = 'Zed' where voice_agent_id = '$agent'",
            "agent.change",
            "name",
        ),
        (&invites, "access.invite", ""),
        (
            "update public.voice_agents_access set access = 'support'
                where voice_agent_id = '$agent' and access = 'maintainer'",
            "access.change",
            "access",
        ),
        ("update public.customer set username = 'Zed'", "account.change", "username"),
    ];
    for (sql, action, columns) in cases {
        write(&town, town.owner, sql).await;
        let line = sqlx::query(
            "select action, actor, actor_kind, object, change, voice_agent_id from public.audit_log
            order by id desc limit 1",
        )
        .fetch_one(&town.pool)
        .await
        .expect("a line");
        assert_eq!(line.get::<String, _>("action"), action, "{sql}");
        assert_eq!(line.get::<uuid::Uuid, _>("actor"), town.owner);
        assert_eq!(line.get::<String, _>("actor_kind"), "supabase");
        let change: Option<serde_json::Value> = line.get("change");
        let written = change.as_ref().and_then(|change| change["written"].as_str());
        assert_eq!(written.unwrap_or(""), columns, "{sql}");
        if action != "agent.make" && action != "account.change" {
            assert_eq!(line.get::<uuid::Uuid, _>("voice_agent_id"), town.agent, "{sql}");
        }
    }
    let count = "select count(*) from public.audit_log";
    let lines: i64 = sqlx::query_scalar(count).fetch_one(&town.pool).await.expect("a count");
    assert_eq!(lines, cases.len() as i64, "one line for each");
}

#[tokio::test]
async fn a_text_that_is_on_every_page_has_a_length() {
    let town = town().await;
    let long = "<".repeat(201);
    for (column, sql) in [
        ("username", "update public.customer set username = '$long'"),
        ("company", "update public.customer set company = '$long'"),
        ("name", "update public.voice_agents set name = '$long' where id = '$agent'"),
        (
            "business_name",
            "update public.business_details set business_name = '$long'
                where voice_agent_id = '$agent'",
        ),
        ("name", "update public.appointments set name = '$long' where voice_agent_id = '$agent'"),
    ] {
        let sql = sql.replace("$long", &long).replace("$agent", &town.agent.to_string());
        let mut request = request(&town.pool, "authenticated", town.owner).await;
        let refused = sqlx::query(AssertSqlSafe(sql.clone())).execute(&mut *request).await;
        let refused = refused.expect_err(&sql).to_string();
        assert!(refused.contains(&format!("{column} is longer than 200 letters")), "{refused}");
        // The server, and whoever adopts a database with longer ones, is not held up.
        drop(request);
        let mut server = town.pool.begin().await.expect("a transaction");
        sqlx::query(AssertSqlSafe(sql)).execute(&mut *server).await.expect("the server's own");
    }
}

#[tokio::test]
async fn a_text_that_was_too_long_before_keeps_nobody_from_changing_another() {
    let town = town().await;
    let long = "x".repeat(100_001);
    let adopted = format!("update public.business_details set business_summary = '{long}'");
    run(&mut town.pool.acquire().await.expect("a connection"), &adopted).await;
    let sql =
        "update public.business_details set business_phone = '+1' where voice_agent_id = '$agent'";
    write(&town, town.owner, sql).await;
}

#[tokio::test]
async fn whoever_leaves_has_left() {
    let town = town().await;
    let leaves =
        format!("delete from public.voice_agents_access where user_id = '{}'", town.support);
    write(&town, town.support, &leaves).await;
    let last = "select action from public.audit_log order by id desc limit 1";
    let action: String = sqlx::query_scalar(last).fetch_one(&town.pool).await.expect("a line");
    assert_eq!(action, "access.leave");
}

#[tokio::test]
async fn a_calendar_feed_ends_with_the_access_of_whoever_made_it() {
    let town = town().await;
    let mut ended = 0;
    for ends in [
        "delete from public.voice_agents_access where user_id = '$who'",
        "update public.voice_agents_access set status = false where user_id = '$who'",
        "update public.voice_agents_access set access = 'support' where user_id = '$who'",
    ] {
        let who = person(&town.pool).await;
        let made = format!(
            "insert into public.voice_agents_access (voice_agent_id, user_id, access, status)
                values ('{agent}', '{who}', 'maintainer', true);
            insert into public.calendar_feeds (token_hash, voice_agent_id, created_by)
                values (decode(md5('{who}'), 'hex'), '{agent}', '{who}')",
            agent = town.agent
        );
        run(&mut town.pool.acquire().await.expect("a connection"), &made).await;
        let live = "select count(*) from public.calendar_feeds
            where created_by = $1 and revoked_at is null";
        let count = async || -> i64 {
            sqlx::query_scalar(live).bind(who).fetch_one(&town.pool).await.expect("a count")
        };
        assert_eq!(count().await, 1);
        write(&town, town.owner, &ends.replace("$who", &who.to_string())).await;
        assert_eq!(count().await, 0, "{ends}");
        let noted =
            "select count(*) from public.audit_log where action = 'feed.revoke' and actor = $1";
        let noted = sqlx::query_scalar::<_, i64>(noted).bind(town.owner);
        ended += 1;
        assert_eq!(noted.fetch_one(&town.pool).await.expect("a count"), ended, "{ends}");
    }
}

#[tokio::test]
async fn a_deleted_agent_is_gone_for_its_members() {
    let town = town().await;
    let deleted =
        format!("update public.voice_agents set status = 'deleted' where id = '{}'", town.agent);
    run(&mut town.pool.acquire().await.expect("a connection"), &deleted).await;
    for who in [town.owner, town.support] {
        for table in ["call_logs", "appointments", "business_details", "voice_agents_access"] {
            let mut request = request(&town.pool, "authenticated", who).await;
            let sql =
                format!("select 1 from public.{table} where voice_agent_id = '{}'", town.agent);
            let seen =
                sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut *request).await.expect("rows");
            // But their own access, which they may leave.
            let own = usize::from(table == "voice_agents_access");
            assert_eq!(seen.len(), own, "{table}");
        }
    }
}

#[tokio::test]
async fn nobody_but_an_owner_moves_the_host_of_a_function_by_what_it_is_made_of() {
    let town = town().await;
    let url = |url: &str| {
        format!(
            "update public.functions set data = jsonb_build_object('url', '{url}')
            where assistant_id = '{}'",
            town.agent
        )
    };
    let name =
        format!("update public.voice_agents set name = '127.0.0.1' where id = '{}'", town.agent);
    let renames = async |who: uuid::Uuid| {
        let mut request = request(&town.pool, "authenticated", who).await;
        sqlx::query(AssertSqlSafe(name.clone())).execute(&mut *request).await.is_ok()
    };
    for (address, may) in [
        ("http://{{ agent.name }}:18099/x", false),
        ("{{ agent.name }}/x", false),
        ("https://{% if agent.name %}a{% endif %}.example/x", false),
        ("https://{# a/b #}{{ agent.name }}.example/x", false),
        ("{# a/b #}{{ agent.name }}/x", false),
        ("\u{a0}https://{{ agent.name }}/x", false),
        ("https://a{{ \"/\" if false }}{{ agent.name }}/x", false),
        ("https://crm.example/{{ agent.name }}", true),
        ("https://crm.example\\{{ agent.name }}", true),
        ("https://crm.example/?a={{ agent.name }}", true),
        ("https://{{ args.shop }}.example/", true),
    ] {
        run(&mut town.pool.acquire().await.expect("a connection"), &url(address)).await;
        assert_eq!(renames(town.maintainer).await, may, "{address}");
        assert!(renames(town.owner).await, "{address}");
    }
    let in_a_string = format!(
        "update public.functions set data = to_jsonb(jsonb_build_object('url',
            'https://{{{{ agent.name }}}}.example/x')::text) where assistant_id = '{}'",
        town.agent
    );
    run(&mut town.pool.acquire().await.expect("a connection"), &in_a_string).await;
    assert!(!renames(town.maintainer).await && renames(town.owner).await);
}
