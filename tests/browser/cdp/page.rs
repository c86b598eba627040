//! A page: where it is, what it says, and what happened in it.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde_json::{Value, json};

use super::Browser;
use super::journal::{BINDING, Journal, Request, exception};

/// The world of the page's helper: scripts of the page do not see it.
const HELPER_WORLD: &str = "frontdesk-tests";

/// Tells of each violation of the page's Content-Security-Policy.
const HELPER: &str = r"document.addEventListener('securitypolicyviolation', event =>
    BINDING(`${event.effectiveDirective} forbids ${event.blockedURI} ` +
        `(${event.sourceFile || event.documentURI}:${event.lineNumber})`), true)";

/// A page of the browser. It is closed with this value.
#[derive(Debug)]
pub(crate) struct Page {
    browser: Browser,
    context: String,
    session: String,
    pub(super) journal: Arc<Journal>,
    /// Whether scripts of pages run.
    pub(super) scripts: AtomicBool,
}

/// Why a script gave nothing.
pub(super) enum Fault {
    /// The document that it ran in was replaced.
    Gone,
    /// It threw, or it is not a script.
    Threw(String),
}

impl Page {
    pub(super) async fn open(browser: Browser) -> Self {
        let call = async |method, params| {
            let answer = browser.connection.call(None, method, params).await;
            answer.unwrap_or_else(|error| panic!("{method}: {error}"))
        };
        let context = call("Target.createBrowserContext", json!({"disposeOnDetach": true})).await;
        let context = string(&context, "browserContextId");
        let target = json!({"url": "about:blank", "browserContextId": context});
        let target = string(&call("Target.createTarget", target).await, "targetId");
        let attach = json!({"targetId": target, "flatten": true});
        let session = string(&call("Target.attachToTarget", attach).await, "sessionId");
        let journal = Arc::new(Journal::new(&target));
        browser.connection.follow(&session, &journal).await;
        let page = Self { browser, context, session, journal, scripts: AtomicBool::new(true) };
        page.prepare().await;
        page
    }

    async fn prepare(&self) {
        for domain in ["Page.enable", "Network.enable", "Log.enable", "Runtime.enable"] {
            self.call(domain, json!({})).await;
        }
        self.call("Page.setLifecycleEventsEnabled", json!({"enabled": true})).await;
        let attach = json!({"autoAttach": true, "waitForDebuggerOnStart": true, "flatten": true});
        self.call("Target.setAutoAttach", attach).await;
        // Otherwise only one page at a time has the focus.
        self.call("Emulation.setFocusEmulationEnabled", json!({"enabled": true})).await;
        let binding = json!({"name": BINDING, "executionContextName": HELPER_WORLD});
        self.call("Runtime.addBinding", binding).await;
        let source = HELPER.replace("BINDING", BINDING);
        let helper = json!({"source": source, "worldName": HELPER_WORLD});
        self.call("Page.addScriptToEvaluateOnNewDocument", helper).await;
        self.set_viewport(1280, 800, false).await;
        self.set_dark(false).await;
    }

    /// Sends a command of the protocol to this page.
    pub(super) async fn try_call(
        &self,
        method: &'static str,
        params: Value,
    ) -> Result<Value, String> {
        self.browser.connection.call(Some(&self.session), method, params).await
    }

    pub(super) async fn call(&self, method: &'static str, params: Value) -> Value {
        let answer = self.try_call(method, params).await;
        answer.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// Goes to an address and waits until the document has loaded. An answer with a status of an
    /// error is a document as well: see [`Page::status`].
    ///
    /// # Panics
    ///
    /// When nothing answers there.
    pub(crate) async fn goto(&self, url: &str) {
        self.journal.turn_the_page();
        let answer = self.call("Page.navigate", json!({"url": url})).await;
        if let Some(error) = answer["errorText"].as_str() {
            panic!("{url}: {error}");
        }
        // Without a loader only the fragment has changed.
        if let Some(loader) = answer["loaderId"].as_str() {
            let loaded = self.journal.until(|state| state.loaded.contains(loader).then_some(()));
            loaded.await.unwrap_or_else(|| panic!("{url} did not load"));
        }
    }

    /// Loads the document again and waits until it has loaded.
    pub(crate) async fn reload(&self) {
        let known = self.documents().await;
        self.journal.turn_the_page();
        self.call("Page.reload", json!({})).await;
        self.loads_another(&known).await;
    }

    /// The documents that were here, and the one that is, which may still load.
    pub(super) async fn documents(&self) -> HashSet<String> {
        let tree = self.call("Page.getFrameTree", json!({})).await;
        let mut known = self.journal.state().loaded.clone();
        known.insert(string(&tree["frameTree"]["frame"], "loaderId"));
        known
    }

    /// Waits until another document than those has loaded.
    pub(super) async fn loads_another(&self, known: &HashSet<String>) {
        let is_new = |loaded: &HashSet<String>| !loaded.is_subset(known);
        let loads = self.journal.until(|state| is_new(&state.loaded).then_some(()));
        if loads.await.is_none() {
            panic!("nothing else loaded at {}", self.url().await);
        }
    }

    /// The status that the document came with; 0 when there was no answer.
    pub(crate) async fn status(&self) -> u16 {
        self.settle().await;
        let state = self.journal.state();
        let documents = state.requests_of_page().rev().filter(|one| one.kind == "Document");
        documents.filter_map(|request| request.status).next().unwrap_or_default()
    }

    /// The address of the document.
    pub(crate) async fn url(&self) -> String {
        self.read("location.href").await
    }

    /// The whole document as it is now.
    pub(crate) async fn html(&self) -> String {
        self.read("document.documentElement.outerHTML").await
    }

    /// Whether there is such an element now.
    pub(crate) async fn exists(&self, selector: &str) -> bool {
        let script = format!("document.querySelector({}) !== null", quoted(selector));
        self.eval(&script).await == true
    }

    /// The words of the first such element as a reader sees them, once there is one.
    pub(crate) async fn text(&self, selector: &str) -> String {
        let found = format!("() => {{ {} return {{ok: true, text}}; }}", text_of(selector));
        let found = self.poll(&format!("the text of {selector}"), &found).await;
        string(&found, "text")
    }

    async fn read(&self, expression: &str) -> String {
        let value = self.eval(expression).await;
        value.as_str().unwrap_or_else(|| panic!("{expression} is {value}")).to_owned()
    }

    /// What a script gives, as JSON; a promise is waited for. It counts as something that the user
    /// did. When the document is replaced meanwhile, it runs again in the next: to leave a page, use
    /// [`Page::click`] and the like.
    pub(crate) async fn eval(&self, script: &str) -> Value {
        let before = frontdesk::clock::Stopwatch::start();
        loop {
            match self.evaluate(script).await {
                Ok(value) => return value,
                Err(Fault::Gone) if before.elapsed() < super::DEADLINE => {}
                Err(Fault::Gone) => panic!("the document was replaced again and again"),
                Err(Fault::Threw(error)) => panic!("{script:.300}: {error}"),
            }
        }
    }

    pub(super) async fn evaluate(&self, script: &str) -> Result<Value, Fault> {
        let params = json!({
            "expression": script,
            "awaitPromise": true,
            "returnByValue": true,
            "userGesture": true,
        });
        let mut answer = match self.try_call("Runtime.evaluate", params).await {
            Ok(answer) => answer,
            Err(error) if is_gone(&error) => return Err(Fault::Gone),
            Err(error) => return Err(Fault::Threw(error)),
        };
        match answer.get("exceptionDetails") {
            Some(details) => Err(Fault::Threw(exception(details))),
            None => Ok(answer["result"]["value"].take()),
        }
    }

    /// All requests since the last `goto` or `reload`, once those are over that end by themselves;
    /// without the page's icon, for which the browser asks when it likes.
    pub(crate) async fn requests(&self) -> Vec<Request> {
        self.settle().await;
        let is_over = |request: &Request| request.ended || request.is_stream();
        // What never ends is told as it is.
        self.journal.until(|state| state.requests_of_page().all(is_over).then_some(())).await;
        self.journal.state().requests_of_page().cloned().collect()
    }

    /// What went wrong since the last `goto` or `reload`: what scripts threw or wrote as an error,
    /// what the browser's log says (a file that is missing), and what the page's policy forbade
    /// (`policy: …`).
    pub(crate) async fn console_errors(&self) -> Vec<String> {
        self.settle().await;
        self.journal.state().errors.clone()
    }

    /// The words of the dialogs since the last `goto` or `reload`. Each was accepted.
    pub(crate) async fn dialogs(&self) -> Vec<String> {
        self.settle().await;
        self.journal.state().dialogs.clone()
    }

    /// Events come in the order of what they tell: with this answer all before it are there.
    async fn settle(&self) {
        self.eval("0").await;
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let context = json!({"browserContextId": self.context});
        self.browser.connection.tell("Target.disposeBrowserContext", context);
    }
}

fn string(value: &Value, name: &str) -> String {
    let text = value[name].as_str();
    text.unwrap_or_else(|| panic!("{name} is missing in {value}")).to_owned()
}

/// A text as JavaScript has it.
pub(super) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// Statements that set `text`, or return why they cannot.
pub(super) fn text_of(selector: &str) -> String {
    format!(
        "const element = document.querySelector({});
        if (!element) return {{why: 'there is none'}};
        const text = (element.innerText ?? element.textContent).trim();",
        quoted(selector)
    )
}

/// Whether the protocol's error says that the document was replaced.
fn is_gone(error: &str) -> bool {
    ["context", "navigated or closed", "Promise was collected"]
        .iter()
        .any(|part| error.contains(part))
}
