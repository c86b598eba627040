//! What every page has to pass.

use std::path::{Path, PathBuf};

use super::axe::TAGS;
use super::page::Page;

/// Width, height and whether it is a telephone.
const SIZES: [(u32, u32, bool); 2] = [(390, 844, true), (1280, 800, false)];

/// The width that WCAG's reflow asks for: 1280 pixels at a zoom of 400 %.
const REFLOW_WIDTH: u32 = 320;

/// What stands out on the right of the window, if anything can be scrolled to there.
const WIDE: &str = r"(() => {
    const root = document.scrollingElement;
    if (root.scrollWidth <= root.clientWidth) return '';
    const wide = [...document.body.querySelectorAll('*')]
        .filter(element => element.getBoundingClientRect().right > root.clientWidth)
        .slice(0, 3).map(element => element.outerHTML.slice(0, 120));
    return `${root.scrollWidth} of ${root.clientWidth} pixels: ${wide.join(' ')}`;
})()";

/// The hosts and addresses of the page's icons, which are no requests of the page.
const ICONS: &str = r"[...document.querySelectorAll('link[rel~=icon]')]
    .map(link => [new URL(link.href).host, link.href])";

/// Checks the page that is open, on a telephone and on a desk, in light and in dark: axe-core finds
/// nothing, nothing is wider than 320 pixels, the console has no error, and every request went to
/// the page's own host. The screenshots are `target/screenshots/NAME-390-dark.png` and so on. The
/// page is not loaded again, so that what a test has made it show is what is checked; it is left at
/// 1280×800 in light colours.
///
/// # Panics
///
/// With all that was found.
pub(crate) async fn check_page(page: &Page, name: &str) {
    let faults = faults(page, name).await;
    let url = page.url().await;
    assert!(faults.is_empty(), "{name} ({url}):\n- {}", faults.join("\n- "));
}

/// What [`check_page`] finds.
pub(crate) async fn faults(page: &Page, name: &str) -> Vec<String> {
    let mut faults = Vec::new();
    for (width, height, mobile) in SIZES {
        page.set_viewport(width, height, mobile).await;
        for dark in [false, true] {
            page.set_dark(dark).await;
            page.at_rest().await;
            let look = format!("{width}-{}", if dark { "dark" } else { "light" });
            let found = page.axe(&TAGS).await;
            faults.extend(found.iter().map(|violation| format!("{look}: {violation}")));
            page.screenshot(&screenshots().join(format!("{name}-{look}.png"))).await;
        }
    }
    page.set_dark(false).await;
    page.set_viewport(REFLOW_WIDTH, 844, false).await;
    page.at_rest().await;
    let wide = page.eval(WIDE).await;
    if wide != "" {
        faults.push(format!("at {REFLOW_WIDTH} pixels it scrolls sideways: {wide}"));
    }
    page.set_viewport(1280, 800, false).await;
    faults.extend(foreign(page).await.map(|url| format!("a request to a third party: {url}")));
    faults.extend(page.console_errors().await.into_iter().map(|e| format!("console: {e}")));
    faults
}

/// What the page asks of other hosts than its own.
async fn foreign(page: &Page) -> impl Iterator<Item = String> {
    let own = page.eval("location.host").await;
    let icons = page.eval(ICONS).await;
    let icons: Vec<(String, String)> =
        serde_json::from_value(icons).expect("each icon has its host and its address");
    let requests = page.requests().await.into_iter().map(|request| (request.host, request.url));
    let all = requests.chain(icons);
    all.filter(move |(host, _)| !host.is_empty() && own != host.as_str()).map(|(_, url)| url)
}

/// Where screenshots are kept.
pub(crate) fn screenshots() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/screenshots")
}
