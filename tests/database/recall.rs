//! What `_search` finds, before and after the migration, on the same passages.

use std::time::Duration;

use frontdesk::clock::Stopwatch;
use frontdesk::store::migrate::migrate;
use frontdesk::store::{Store, StoreError};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sqlx::AssertSqlSafe;
use sqlx::postgres::{PgConnection, PgPool, PgPoolCopyExt};
use uuid::Uuid;

use super::common::{FreshDatabase, pool, run};
use super::{agent, migrated, seeded, supabase};

const DIMENSIONS: usize = 1536;
const CENTRES: usize = 200;
const PASSAGES: usize = 10_000;
const QUERIES: usize = 60;

fn noise(rng: &mut StdRng) -> f32 {
    rng.random::<f32>() - 0.5
}

/// A centre with as much noise as keeps its cluster apart from the others.
fn near(centre: &[f32], rng: &mut StdRng) -> Vec<f32> {
    centre.iter().map(|value| value + 0.5 * noise(rng)).collect()
}

/// Loads the passages with a binary copy: vector's wire form is its length, a zero, big-endian
/// floats.
async fn load(pool: &PgPool, table: &str, vectors: &[Vec<f32>]) {
    let mut data = b"PGCOPY\n\xff\r\n\0".to_vec();
    data.extend([0; 8]);
    for vector in vectors {
        data.extend(1_i16.to_be_bytes());
        data.extend((4 + 4 * DIMENSIONS as i32).to_be_bytes());
        data.extend((DIMENSIONS as u16).to_be_bytes());
        data.extend(0_u16.to_be_bytes());
        data.extend(vector.iter().flat_map(|value| value.to_be_bytes()));
    }
    data.extend((-1_i16).to_be_bytes());
    let sql = format!("copy public.\"{table}\" (embedding) from stdin (format binary)");
    let mut copy = pool.copy_in_raw(&sql).await.expect("a copy starts");
    for part in data.chunks(1 << 20) {
        copy.send(part).await.expect("a part is sent");
    }
    assert_eq!(copy.finish().await.expect("the copy ends"), vectors.len() as u64);
}

async fn similarities(connection: &mut PgConnection, sql: &str, query: &[f32]) -> Vec<f64> {
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned()))
        .bind(query)
        .fetch_all(connection)
        .await
        .expect("a search")
}

/// Passages in clusters, with their metadata, and questions that are near some of the clusters.
fn clustered() -> (Vec<Vec<f32>>, Vec<Vec<f32>>) {
    let mut rng = StdRng::seed_from_u64(7);
    let centres: Vec<Vec<f32>> =
        (0..CENTRES).map(|_| (0..DIMENSIONS).map(|_| noise(&mut rng)).collect()).collect();
    let passages = (0..PASSAGES).map(|n| near(&centres[n % CENTRES], &mut rng)).collect();
    let queries = (0..QUERIES).map(|n| near(&centres[n * 3 % CENTRES], &mut rng)).collect();
    (passages, queries)
}

/// The share of the true nearest five that the agent's search finds, by distance, so that ties
/// count as found.
async fn recall(pool: &PgPool, agent: Uuid, queries: &[Vec<f32>]) -> f64 {
    let exact = format!(
        "select 1 - (embedding <=> $1::real[]::vector) from public.\"zz_{agent}\" \
         order by (embedding <=> $1::real[]::vector) + 0 limit 5"
    );
    let store = Store::new(pool.clone());
    let mut found = 0;
    for query in queries {
        let mut connection = pool.acquire().await.expect("a connection");
        let truth = similarities(&mut connection, &exact, query).await;
        assert_eq!(truth.len(), 5);
        drop(connection);
        let answers = store.search_passages(agent, query, 5).await.expect("a search");
        let answers = answers.expect("the agent has a search function");
        found += answers.iter().filter(|passage| passage.similarity >= truth[4] - 1e-9).count();
    }
    found as f64 / (5 * queries.len()) as f64
}

#[tokio::test]
async fn fault_3_the_nearest_passages_are_found_by_an_index_that_knows_them() {
    let (passages, queries) = clustered();
    // One connection, whose own count of index scans is read below.
    let (database, _) = seeded().await;
    let pool = database.pool(1).await;
    let agent = agent(&pool).await;
    load(&pool, &format!("zz_{agent}"), &passages).await;
    // The seed finds no passage without metadata, and without statistics it reads the table.
    let prepare = format!(
        "update public.\"zz_{agent}\" set metadata = '{{}}'; analyze public.\"zz_{agent}\""
    );
    run(&mut pool.acquire().await.expect("a connection"), &prepare).await;
    let seed = recall(&pool, agent, &queries).await;
    assert!(seed < 0.5, "the seed's own index finds {seed}: this test proves nothing");

    assert_eq!(migrate(&pool).await.expect("it migrates").embeddings_tables, 1);
    let mended = recall(&pool, agent, &queries).await;
    assert!(mended >= 0.98, "recall@5 {mended}, the seed's {seed}");

    // The index is what answers, and no match_count means all of them.
    let scans = "select coalesce(sum(idx_scan), 0)::bigint from pg_stat_user_indexes \
                 where indexrelname like '%_embedding_idx'";
    let mut connection = pool.acquire().await.expect("a connection");
    run(&mut connection, "select pg_stat_force_next_flush()").await;
    let used: i64 = sqlx::query_scalar(scans).fetch_one(&mut *connection).await.expect("a count");
    assert!(used >= QUERIES as i64 / 2, "the index was used {used} times");
    for (match_count, expected) in [("null", PASSAGES), ("1000", 1000), ("0", 0)] {
        let all = format!(
            "select similarity from public.\"zz_{agent}_search\"($1::real[]::vector, {match_count})"
        );
        assert_eq!(similarities(&mut connection, &all, &queries[0]).await.len(), expected);
    }
}

#[tokio::test]
#[ignore = "measures: cargo test --release --test database -- --ignored search_takes --nocapture"]
async fn search_takes_less_than_ten_milliseconds() {
    let (passages, queries) = clustered();
    let (_database, pool) = migrated().await;
    let agent = agent(&pool).await;
    let drop_index = format!("drop index public.\"zz_{agent}_embedding_idx\"");
    run(&mut pool.acquire().await.expect("a connection"), &drop_index).await;
    load(&pool, &format!("zz_{agent}"), &passages).await;
    let since = Stopwatch::start();
    let build = format!(
        "set maintenance_work_mem = '256MB'; select create_embeddings_table('zz_{agent}'); \
         analyze public.\"zz_{agent}\""
    );
    run(&mut pool.acquire().await.expect("a connection"), &build).await;
    println!("index of {PASSAGES} passages built in {:.1?}", since.elapsed());
    println!("recall@5 {:.4}", recall(&pool, agent, &queries).await);

    let store = Store::new(pool);
    let mut took = Vec::new();
    for query in queries.iter().cycle().take(1_000) {
        let since = Stopwatch::start();
        store.search_passages(agent, query, 4).await.expect("a search");
        took.push(since.elapsed());
    }
    took.sort_unstable();
    println!("search: least {:.2?}, p50 {:.2?}, p99 {:.2?}", took[0], took[500], took[990]);
    assert!(took[990] < Duration::from_millis(10));
}

#[tokio::test]
async fn an_agent_is_searched_wherever_the_extension_is() {
    for (database, pool) in [migrated().await, in_a_schema_of_its_own().await] {
        let agent = agent(&pool).await;
        let store = Store::new(pool.clone());
        let mut direction = vec![0.0; DIMENSIONS];
        direction[0] = 1.0;
        assert_eq!(store.search_passages(agent, &direction, 4).await, Ok(Some(vec![])));

        let insert =
            format!("insert into public.\"zz_{agent}\" (content, embedding) values ($1, $2)");
        for (content, second) in [(Some("near"), 0.1), (None, 0.5), (Some("far"), 9.0)] {
            direction[1] = second;
            let insert = sqlx::query(AssertSqlSafe(insert.clone()));
            insert.bind(content).bind(&direction).execute(&pool).await.expect("a passage");
        }
        direction[1] = 0.0;
        let found = store.search_passages(agent, &direction, 2).await.expect("a search");
        let found = found.expect("the agent has a search function");
        let contents: Vec<_> = found.iter().map(|row| (row.id, row.content.as_str())).collect();
        assert_eq!(contents, [(1, "near"), (2, "")]);
        assert!((found[0].similarity - 0.995).abs() < 0.001, "{}", found[0].similarity);

        let refused = store.search_passages(agent, &[1.0, 2.0], 2).await;
        assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
        assert_eq!(store.search_passages(Uuid::new_v4(), &direction, 2).await, Ok(None));
        let drop_table = format!("drop table public.\"zz_{agent}\"");
        run(&mut pool.acquire().await.expect("a connection"), &drop_table).await;
        assert_eq!(store.search_passages(agent, &direction, 2).await, Ok(None));
        drop(database);
    }
}

/// A Supabase-like database, migrated by its owner, whose path does not lead to the extension.
async fn in_a_schema_of_its_own() -> (FreshDatabase, PgPool) {
    let (database, owner) = supabase().await;
    let pool = pool(owner, 2).await;
    migrate(&pool).await.expect("it migrates");
    (database, pool)
}
