//! The numbers of `/metrics`: collected in the process, rendered when asked for.

use std::sync::OnceLock;
use std::time::Duration;

use metrics::{describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::clock::{self, Stopwatch};

/// Durations are counted in these, in seconds.
const BUCKETS: [f64; 12] =
    [0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// Work after calls takes seconds, and hours where a service is down.
const LAG: &str = "frontdesk_aftercall_lag_seconds";
const LAG_BUCKETS: [f64; 10] = [0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 3_600.0, 86_400.0];

/// Collects numbers from now on; `None` if somebody else already does.
pub(super) fn install() -> Option<PrometheusHandle> {
    static HANDLE: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    HANDLE
        .get_or_init(|| {
            let recorder = PrometheusBuilder::new()
                .set_buckets_for_metric(Matcher::Full(LAG.into()), &LAG_BUCKETS)
                .ok()?
                .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &BUCKETS)
                .ok()?
                .build_recorder();
            let handle = recorder.handle();
            metrics::set_global_recorder(recorder).ok()?;
            describe();
            Some(handle)
        })
        .clone()
}

fn describe() {
    describe_gauge!("frontdesk_calls_live", "Calls that this process holds");
    describe_counter!("frontdesk_calls_started_total", "Calls that got a slot");
    describe_counter!("frontdesk_calls_ended_total", "Calls that ended, by status and by whom");
    describe_counter!("frontdesk_calls_rejected_total", "Calls not taken, by reason");
    describe_histogram!("frontdesk_webhook_seconds", "Voice webhook to its answer");
    describe_histogram!("frontdesk_first_audio_seconds", "Speech stopped to first audio sent");
    describe_histogram!("frontdesk_own_time_seconds", "Our own share of a turn, by what was sent");
    describe_counter!(
        "frontdesk_engine_errors_total",
        "Errors of the engine: fatal, lost, refused (a reply), benign"
    );
    describe_counter!("frontdesk_recalls_total", "Searches of agents' knowledge, by outcome");
    describe_histogram!("frontdesk_recall_seconds", "A search, embedding included");
    describe_histogram!("frontdesk_search_seconds", "A search in the database, of one vector");
    describe_counter!("frontdesk_embedding_cache_hits_total", "Embeddings not asked for again");
    describe_counter!("frontdesk_aftercall_jobs_total", "Attempts at work after calls, by outcome");
    describe_histogram!(LAG, "A call's completion to the work done");
    describe_counter!(
        "frontdesk_aftercall_unbacked_claims_total",
        "Statements of agents that no function backs"
    );
    describe_counter!("frontdesk_aftercall_deliveries_total", "Owners told, by outcome");
    describe_counter!(
        "frontdesk_database_slow_total",
        "Statements of the call log that were given up for their time"
    );
    describe_counter!(
        "frontdesk_database_busy_total",
        "Times that the database was there and no connection to it came free for a second"
    );
    describe_gauge!("frontdesk_database_up", "Whether the database answers");
    describe_gauge!("frontdesk_log_spool_bytes", "Log on disk that the database has not");
    describe_gauge!("frontdesk_event_loop_lag_seconds", "How late a timer of one second was");
}

/// Measures for ever how late the runtime is, and lets old numbers go.
pub(super) async fn watch_lag() {
    const EACH: Duration = Duration::from_secs(1);
    loop {
        let since = Stopwatch::start();
        clock::pause(EACH).await;
        gauge!("frontdesk_event_loop_lag_seconds")
            .set(since.elapsed().saturating_sub(EACH).as_secs_f64());
        if let Some(handle) = install() {
            handle.run_upkeep();
        }
    }
}
