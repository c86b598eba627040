//! A database whose connections are all at work is told apart from one that is lost.

use frontdesk::call_log::writer::LogWriter;
use frontdesk::store::Store;
use metrics_exporter_prometheus::PrometheusBuilder;
use sqlx::ConnectOptions;
use uuid::Uuid;

use crate::fixture::{eventually, fixture};
use crate::proxy::{Proxy, Wire};

#[tokio::test]
async fn slow_statements_on_every_connection_are_no_lost_database() {
    let fixture = fixture().await;
    let proxy = Proxy::to(&fixture.database.options()).await;
    let url = proxy.options(fixture.database.options()).to_url_lossy();
    // One for calls, one for the rest, and one to listen.
    let store = Store::sharing(url.as_str(), 3).unwrap();
    let mut hold = fixture.pool.acquire().await.unwrap();
    sqlx::query("select pg_advisory_lock(7)").execute(&mut *hold).await.unwrap();
    let wait = async |store: Store| {
        sqlx::query("select pg_advisory_xact_lock(7)").execute(store.pool()).await
    };
    let recorder = PrometheusBuilder::new().build_recorder();
    let _counting = metrics::set_default_local_recorder(&recorder);
    let folder = tempfile::tempdir().unwrap();
    let slow = frontdesk::clock::spawn({
        let (calls, rest) = (store.clone(), store.in_background());
        async move { futures_util::join!(wait(calls), wait(rest)) }
    });
    eventually("both wait", async || {
        let waiting = "select count(*) from pg_locks where locktype = 'advisory' and not granted
            and database = (select oid from pg_database where datname = current_database())";
        sqlx::query_scalar::<_, i64>(waiting).fetch_one(&fixture.pool).await.unwrap() == 2
    })
    .await;
    let (log, _task) =
        LogWriter::start(store, folder.path().to_owned(), Uuid::new_v4(), true).unwrap();
    eventually("it was asked for three times", async || {
        assert!(log.is_database_up(), "it is taken for lost");
        recorder.handle().render().contains("frontdesk_database_busy_total 3\n")
    })
    .await;
    // The same without anybody who answers.
    proxy.set(Wire::Stalled);
    eventually("it is lost", async || !log.is_database_up()).await;
    proxy.set(Wire::Joined);
    sqlx::query("select pg_advisory_unlock(7)").execute(&mut *hold).await.unwrap();
    eventually("it is back", async || log.is_database_up()).await;
    slow.abort();
}

#[tokio::test]
async fn a_role_that_is_given_no_connection_has_lost_the_database() {
    let fixture = fixture().await;
    let role = format!("shut_out_{}", Uuid::new_v4().simple());
    fixture.sql(&format!("create role {role} login connection limit 0")).await;
    let url = fixture.database.options().username(&role).to_url_lossy();
    let store = Store::sharing(url.as_str(), 3).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (log, _task) =
        LogWriter::start(store, folder.path().to_owned(), Uuid::new_v4(), true).unwrap();
    eventually("it is lost", async || !log.is_database_up()).await;
    fixture.sql(&format!("alter role {role} connection limit -1")).await;
    eventually("it is back", async || log.is_database_up()).await;
    fixture.sql(&format!("drop role {role}")).await;
}
