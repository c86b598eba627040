//! The same findings for the console's page Health.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use super::examine;
use super::finding::{Finding, Verdict};
use crate::config::Config;
use crate::web::doctor::{self, Examining, Found};

/// What looks, with this configuration.
pub fn examiner(config: Config) -> impl Fn() -> Examining + Send + Sync + 'static {
    let config = Arc::new(config);
    move || {
        let config = Arc::clone(&config);
        Box::pin(async move {
            let runtime = Handle::current();
            // On a thread of its own: what it does between two waits keeps no call waiting. What could
            // not be read would have kept the server from starting.
            let examining = move || runtime.block_on(examine(&config, &[]));
            match spawn_blocking(examining).await {
                Ok(report) => report.0.into_iter().map(found).collect(),
                Err(_) => {
                    let remedy = "run `frontdesk doctor` on the server, and report what it prints";
                    vec![found(Finding::warn("doctor", "it broke off", remedy))]
                }
            }
        })
    }
}

fn found(finding: Finding) -> Found {
    Found {
        what: finding.check,
        verdict: match finding.verdict {
            Verdict::Ok => doctor::Verdict::Well,
            Verdict::Warn => doctor::Verdict::Look,
            Verdict::Fail => doctor::Verdict::Wrong,
        },
        found: finding.found,
        remedy: finding.remedy,
    }
}
