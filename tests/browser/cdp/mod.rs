//! A browser for tests: headless Chromium, driven over its DevTools protocol (CDP).
//!
//! ```ignore
//! #[path = "../browser/cdp/mod.rs"]
//! mod cdp;
//! use cdp::{Browser, check_page};
//!
//! #[tokio::test]
//! async fn a_visitor_signs_in() {
//!     let Some(browser) = Browser::shared().await else { return };
//!     let page = browser.page().await;
//!     page.goto(&format!("{base}/sign-in")).await;
//!     check_page(&page, "sign-in").await;
//!     page.fill("#email", "ada@example.com").await;
//!     page.click_text("Continue").await;
//!     page.wait_for_text("h1", "Today").await;
//! }
//! ```
//!
//! - **Which Chromium.** `FRONTDESK_CHROMIUM` names it and `FRONTDESK_AXE` names axe-core's script;
//!   `scripts/test` sets both, `scripts/browser chromium` and `scripts/browser axe` print them. With
//!   `FRONTDESK_CHROMIUM=none` there is no browser: [`Browser::start`] and [`Browser::shared`] say
//!   so on standard error and give `None`. With `CI` set they panic instead.
//! - **Processes.** [`Browser::shared`] is one process for all tests of a program, and what to use;
//!   [`Browser::start`] is one of the test's own, for other [`BrowserOptions`] (what the microphone
//!   hears). A process ends with its test or program, also when that panics or is killed.
//! - **Pages.** Each [`Browser::page`] has cookies, storage and cache of its own, in light colours,
//!   with reduced motion, 1280×800. It is closed with its value. A dialog (`confirm`) is accepted at
//!   once; [`Page::dialogs`] tells its words.
//! - **Every host name is 127.0.0.1.** `http://clinic.example:PORT` reaches the test's own server,
//!   and nothing leaves the machine.
//! - **Faults panic**, with the page's address: no method returns an error.
//! - **Waiting.** `text`, `click`, `fill`, `choose`, `submit` wait until their element is there and
//!   can be used. `goto`, `reload` and `submit` wait until the document has loaded. After a `click`
//!   or `press` that leads elsewhere, wait for what it leads to: [`Page::wait_for`],
//!   [`Page::wait_for_text`], [`Page::wait_for_url`]. `exists`, `html`, `url` and `eval` tell what
//!   is there now. All give up after [`DEADLINE`].
//! - **Looking** is [`Page::set_viewport`], [`Page::set_dark`], [`Page::throttle`],
//!   [`Page::screenshot`], [`Page::lcp_ms`], [`Page::axe`], [`Page::cookies`]; [`check_page`] is what
//!   each page has to pass, and [`faults`] what it would say.
//! - **Selectors** are CSS, and mean the first match. [`Page::click_text`] takes the words on a
//!   button or link, all of them.
//! - **Without JavaScript** ([`Page::set_javascript`], before `goto`) everything works but
//!   [`Page::axe`], [`check_page`] and promises in [`Page::eval`].
//! - **Since the last `goto` or `reload`** count [`Page::requests`], [`Page::console_errors`] and
//!   [`Page::dialogs`].
#![allow(
    dead_code,
    unused_imports,
    clippy::allow_attributes,
    reason = "each test program compiles this library and uses its own part of it"
)]

mod axe;
mod check;
mod connection;
mod input;
mod journal;
mod page;
mod process;
mod view;
mod wait;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OnceCell;

pub(crate) use axe::Violation;
pub(crate) use check::{check_page, faults, screenshots};
pub(crate) use journal::Request;
pub(crate) use page::Page;
pub(crate) use process::{BrowserOptions, Microphone, Process};

use connection::Connection;

/// How long anything may take before the test fails. Everything takes much less.
pub(crate) const DEADLINE: Duration = Duration::from_secs(40);

/// A connection of one test to a browser.
#[derive(Debug, Clone)]
pub(crate) struct Browser {
    connection: Connection,
    process: Arc<Process>,
}

impl Browser {
    /// A browser of the test's own. `None` only where the browser tests are left out, which is said
    /// on standard error.
    ///
    /// # Panics
    ///
    /// When there is no Chromium or it does not start.
    pub(crate) async fn start(options: BrowserOptions) -> Option<Self> {
        let process = Arc::new(Process::start(&options).await?);
        Some(Self::of(process).await)
    }

    /// The browser of this test program, which the first test starts. Otherwise as
    /// [`Browser::start`].
    pub(crate) async fn shared() -> Option<Self> {
        static SHARED: OnceCell<Option<Arc<Process>>> = OnceCell::const_new();
        let starts = || async { Process::start(&BrowserOptions::default()).await.map(Arc::new) };
        let process = SHARED.get_or_init(starts).await;
        Some(Self::of(Arc::clone(process.as_ref()?)).await)
    }

    /// A connection belongs to the runtime of one test, the process to all of them.
    async fn of(process: Arc<Process>) -> Self {
        Self { connection: Connection::open(&process.address).await, process }
    }

    /// A new page with nothing in common with others.
    pub(crate) async fn page(&self) -> Page {
        Page::open(self.clone()).await
    }

    /// Its process.
    pub(crate) fn process(&self) -> &Process {
        &self.process
    }
}
