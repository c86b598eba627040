//! Waiting for what a page will show, by looking from inside the page.

use std::sync::atomic::Ordering;

use frontdesk::clock::{Stopwatch, within};
use serde_json::Value;

use super::DEADLINE;
use super::page::{Fault, Page, quoted, text_of};

/// Looks in the page until there is something, for at most a second: then the test looks whether
/// the deadline has passed.
const LOOKS: &str = r"new Promise(done => {
    const end = performance.now() + 1000;
    const look = () => {
        let found;
        try { found = (FIND)(); } catch (error) { found = {why: String(error)}; }
        if (found.ok || performance.now() > end) done(found); else setTimeout(look, 20);
    };
    look();
})";

impl Page {
    /// Runs a function in the page until it gives an object with `ok`, and gives that. Until then it
    /// gives `why` not.
    pub(super) async fn poll(&self, what: &str, find: &str) -> Value {
        let before = Stopwatch::start();
        let mut last = Value::Null;
        while before.elapsed() < DEADLINE {
            let scripts = self.scripts.load(Ordering::Relaxed);
            // Without scripts there are no timers, and a page changes only by being replaced.
            let script = if scripts { LOOKS.replace("FIND", find) } else { format!("({find})()") };
            let mut changes = self.journal.changes();
            match self.evaluate(&script).await {
                Ok(found) if !found["ok"].is_null() => return found,
                Ok(found) => last = found,
                Err(Fault::Gone) => continue,
                Err(Fault::Threw(error)) => panic!("{what}: {error}"),
            }
            if !scripts {
                // The loop looks whether the deadline has passed.
                let _ = within(DEADLINE, changes.changed()).await;
            }
        }
        let why = last["why"].as_str().unwrap_or("the page was replaced again and again");
        let url = self.url().await;
        let shown = self.eval("document.body?.innerText ?? ''").await;
        let shown: String = shown.as_str().unwrap_or_default().chars().take(600).collect();
        panic!("{what}: {why}\nat {url}, which shows:\n{shown}");
    }

    /// Waits until there is such an element.
    pub(crate) async fn wait_for(&self, selector: &str) {
        let find = format!(
            "() => document.querySelector({}) ? {{ok: true}} : {{why: 'there is none'}}",
            quoted(selector)
        );
        self.poll(&format!("waited for {selector}"), &find).await;
    }

    /// Waits until there is no such element.
    pub(crate) async fn wait_until_gone(&self, selector: &str) {
        let find = format!(
            "() => document.querySelector({}) ? {{why: 'it is there'}} : {{ok: true}}",
            quoted(selector)
        );
        self.poll(&format!("waited until {selector} is gone"), &find).await;
    }

    /// Waits until the first such element shows a text that contains this.
    pub(crate) async fn wait_for_text(&self, selector: &str, part: &str) {
        let find = format!(
            "() => {{ {} return text.includes({}) ? {{ok: true}} : {{why: 'it says: ' + text}}; }}",
            text_of(selector),
            quoted(part)
        );
        self.poll(&format!("waited for {selector} to say {part:?}"), &find).await;
    }

    /// Waits until the address contains this and the document there has loaded.
    pub(crate) async fn wait_for_url(&self, part: &str) {
        let find = format!(
            "() => location.href.includes({}) && document.readyState === 'complete'
                ? {{ok: true}} : {{why: 'it is ' + location.href}}",
            quoted(part)
        );
        self.poll(&format!("waited for an address with {part:?}"), &find).await;
    }
}
