//! What is logged, and what is not.

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, registry};

/// A log in lines, of what the words of a filter ask for.
///
/// The filters are for all layers: a filter of a single layer keeps its answer about a line until the
/// line comes, and where it is only asked whether one would be logged, as for each line of the `log`
/// crate, the next line of the thread is taken for that one and left out.
pub fn subscriber<W>(
    words: &str,
    is_coloured: bool,
    writer: W,
) -> impl Subscriber + for<'span> LookupSpan<'span> + Send + Sync
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let lines = fmt::layer().with_writer(writer).with_ansi(is_coloured).with_target(false);
    registry().with(EnvFilter::new(words)).with(filter_fn(is_public)).with(lines)
}

/// Below `info` libraries print what goes over the wire, which is what callers say; and what a database
/// raises as a notice may hold rows.
fn is_public(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    let is_own = target == "frontdesk" || target.starts_with("frontdesk::");
    is_own || (*metadata.level() <= Level::INFO && target != "sqlx::postgres::notice")
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use tracing::dispatcher;
    use tracing_subscriber::filter::LevelFilter;

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// What is logged of this by a filter of these words.
    fn logged(words: &str, happens: impl FnOnce()) -> String {
        let kept = Kept::default();
        let writer = kept.clone();
        let subscriber = subscriber(words, false, move || writer.clone());
        tracing::subscriber::with_default(subscriber, happens);
        String::from_utf8(kept.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn levels_that_nobody_asked_for_cost_nothing() {
        for (words, most) in [
            ("info", LevelFilter::INFO),
            ("warn,frontdesk=debug", LevelFilter::DEBUG),
            ("trace", LevelFilter::TRACE),
        ] {
            let subscriber = subscriber(words, false, std::io::sink);
            assert_eq!(subscriber.max_level_hint(), Some(most), "{words}");
        }
    }

    #[test]
    fn a_question_whether_something_would_be_logged_costs_no_line() {
        let log = logged("frontdesk=debug", || {
            let asked = tracing::debug_span!(target: "hyper", "asked");
            let asked = asked.metadata().unwrap();
            for n in 0..3 {
                // As is asked for each line of the `log` crate.
                assert!(!dispatcher::get_default(|log| log.enabled(asked)));
                tracing::info!(n, "logged");
            }
        });
        assert_eq!(log.matches("logged").count(), 3, "{log}");
    }

    #[test]
    fn what_libraries_say_to_themselves_is_not_logged() {
        let log = logged("trace", || {
            tracing::debug!(target: "hyper", "what a caller said");
            tracing::info!(target: "sqlx::postgres::notice", "a row");
            tracing::info!(target: "hyper", "one");
            tracing::trace!(target: "frontdesk::line", "two");
        });
        assert!(log.contains("one") && log.contains("two"), "{log}");
        assert!(!log.contains("caller") && !log.contains("row"), "{log}");
    }
}
