//! The words of calls: found, gone with the transcript, and never in the way of a call that ends.

use sqlx::AssertSqlSafe;
use sqlx::postgres::PgPool;
use uuid::Uuid;

use super::common::run;
use super::{agent, migrated};

pub(super) async fn call(pool: &PgPool, agent: Uuid, sid: &str) -> Uuid {
    sqlx::query_scalar(
        "insert into public.call_logs (voice_agent_id, call_start, status, call_sid, metadata) \
         values ($1, '2026-11-29 02:00Z', 'in-progress', $2, '{}') returning id",
    )
    .bind(agent)
    .bind(sid)
    .fetch_one(pool)
    .await
    .expect("a call")
}

/// Completes it as the server does.
async fn complete(pool: &PgPool, call: Uuid, transcript: &str, metadata: &str) -> u64 {
    let mut connection = pool.acquire().await.expect("a connection");
    // What the parser of words would need for what callers may spell out is minutes.
    run(&mut connection, "set statement_timeout = '10s'").await;
    let done = sqlx::query(
        "update public.call_logs set call_end = call_start + interval '1 minute', \
         duration = interval '1 minute', status = 'completed', transcript = $2, \
         metadata = $3::jsonb where id = $1",
    )
    .bind(call)
    .bind(transcript)
    .bind(metadata)
    .execute(&mut *connection)
    .await
    .expect("a call that ends is written");
    run(&mut connection, "reset statement_timeout").await;
    done.rows_affected()
}

async fn found(pool: &PgPool, words: &str) -> Vec<Uuid> {
    sqlx::query_scalar(
        "select call_log_id from public.call_words where words @@ public.words_query($1) \
         order by call_log_id",
    )
    .bind(words)
    .fetch_all(pool)
    .await
    .expect("a search")
}

#[tokio::test]
async fn a_call_is_found_by_what_was_said_and_summed_up() {
    let (_database, pool) = migrated().await;
    let agent = agent(&pool).await;
    let (one, test) = (call(&pool, agent, "CA1").await, call(&pool, agent, "FT1").await);
    let said = "[00:01] Agent: Bright Smile, how can I help?\n\
                [00:03] Caller: It's O'Brien, my tooth-ache is back: +44 7700 900123, ÄRGER";
    for id in [one, test] {
        assert_eq!(complete(&pool, id, said, "{}").await, 1);
    }
    let mut both = vec![one, test];
    both.sort();
    for words in
        ["o'brien", "TOOTH", "tooth-ache", "tooth/ache", "7700 900123", "ärger", "bri", "smile hel"]
    {
        assert_eq!(found(&pool, words).await, both, "{words}");
    }
    // Neither times nor who speaks, and nothing where nothing is looked for.
    for words in ["00:03", "caller", "agent", "", " . ", "tooth missing", "' | missing", "!missing"]
    {
        assert_eq!(found(&pool, words).await, Vec::<Uuid>::new(), "{words}");
    }
    let summary = r#"{"title": "Emergency", "action_items": ["call back"], "intent": "hidden",
        "data_collected": [{"name": "name", "value": "Okafor"}]}"#;
    sqlx::query("update public.call_logs set summary = $2::jsonb where id = $1")
        .bind(one)
        .bind(summary)
        .execute(&pool)
        .await
        .expect("a summary");
    for words in ["emergency", "call back", "okafor", "o'brien"] {
        assert!(found(&pool, words).await.contains(&one), "{words}");
    }
    assert_eq!(found(&pool, "hidden").await, Vec::<Uuid>::new());
}

#[tokio::test]
async fn words_go_with_the_transcript_and_with_the_call() {
    let (_database, pool) = migrated().await;
    let agent = agent(&pool).await;
    let (one, two) = (call(&pool, agent, "CA1").await, call(&pool, agent, "CA2").await);
    for id in [one, two] {
        complete(&pool, id, "[00:01] Caller: secret", "{}").await;
    }
    let store = frontdesk::store::Store::new(pool.clone());
    sqlx::query("update public.aftercall_jobs set state = 'done'").execute(&pool).await.unwrap();
    sqlx::query("update public.call_logs set call_start = '2020-01-01' where id = $1")
        .bind(one)
        .execute(&pool)
        .await
        .expect("an old call");
    assert_eq!(store.remove_transcripts(agent, 30, 10).await, Ok(1));
    assert_eq!(found(&pool, "secret").await, [two]);
    sqlx::query("delete from public.call_logs where id = $1")
        .bind(two)
        .execute(&pool)
        .await
        .unwrap();
    assert_eq!(found(&pool, "secret").await, Vec::<Uuid>::new());
}

/// Whatever a call holds its row is completed, and soon.
#[tokio::test]
async fn no_words_and_no_numbers_keep_a_call_from_being_completed() {
    let (_database, pool) = migrated().await;
    let agent = agent(&pool).await;
    let long = |part: &str| part.repeat(100_000 / part.len());
    for (n, transcript) in [
        long("a_"),
        long("a-1."),
        long("<!--"),
        long("a/"),
        long("http://"),
        long("1e-"),
        long("x"),
        long("\u{4e00} "),
        long("\u{301}"),
        long("[00:01] Agent: x\n"),
        "\u{7f}".to_owned(),
        (0..200_000).map(|n| format!("{n} ")).collect(),
        String::new(),
    ]
    .iter()
    .enumerate()
    {
        let id = call(&pool, agent, &format!("CA{n}")).await;
        assert_eq!(complete(&pool, id, transcript, "{}").await, 1);
    }
    for (n, metadata) in [
        "null", "[]", "7", "\"x\"", r#"{"turns": 7, "usage": []}"#, r#"{"turns": [null, 7, [], {}]}"#,
        r#"{"turns": [{"latency_ms": {"first_audio": 1e400}}, {"latency_ms": {"first_audio": -1}}]}"#,
        r#"{"turns": [{"latency_ms": {"first_audio": "x"}}, {"latency_ms": 3}]}"#,
        r#"{"usage": {"input_tokens": 1e500, "output_tokens": -5}}"#,
        r#"{"usage": {"input_tokens": null, "output_tokens": {}}, "gaps": {}}"#, r#"{"gaps": 7}"#,
    ]
    .iter()
    .enumerate()
    {
        let id = call(&pool, agent, &format!("CB{n}")).await;
        assert_eq!(complete(&pool, id, "[00:01] Caller: x", metadata).await, 1);
    }
    let counted: i64 = sqlx::query_scalar("select count(*) from public.usage_calls")
        .fetch_one(&pool)
        .await
        .expect("a count");
    assert_eq!(counted, 24, "what is odd counts as nothing, and the call counts");
    for zone in ["nowhere", "", "Europe/London"] {
        let sets = format!(
            "insert into public.business_details (voice_agent_id, business_timezone) \
             values ('{agent}', '{zone}') on conflict (voice_agent_id) do update \
             set business_timezone = excluded.business_timezone"
        );
        sqlx::query(AssertSqlSafe(sets)).execute(&pool).await.expect("a zone");
        let id = call(&pool, agent, &format!("CC{zone}")).await;
        assert_eq!(complete(&pool, id, "x", "{}").await, 1);
    }
    for time in ["'infinity'", "'-infinity'", "'200000-01-01'", "'4000-01-01 BC'"] {
        let id = call(&pool, agent, &format!("CD{time}")).await;
        let sets = format!("update public.call_logs set call_start = {time} where id = '{id}'");
        sqlx::query(AssertSqlSafe(sets)).execute(&pool).await.expect("a time");
        let ends = format!(
            "update public.call_logs set call_end = {time}, status = 'x' where id = '{id}'"
        );
        sqlx::query(AssertSqlSafe(ends)).execute(&pool).await.expect("it ends");
    }
    // Nor what is broken.
    for table in ["call_words", "usage_deltas", "usage_calls"] {
        let breaks = format!("alter table public.{table} rename to broken_{table}");
        sqlx::query(AssertSqlSafe(breaks)).execute(&pool).await.expect("it is broken");
        let id = call(&pool, agent, &format!("CE{table}")).await;
        assert_eq!(complete(&pool, id, "x", "{}").await, 1);
    }
}
