//! How a page is seen: size, colours, scripts, speed; and what is seen of it.

use std::path::Path;
use std::sync::atomic::Ordering;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::page::Page;

/// The time of the largest paint so far, once there is one and the page has settled.
const LCP: &str = r"new Promise(done => {
    let last = null;
    const observer = new PerformanceObserver(list => {
        for (const entry of list.getEntries()) last = entry.startTime;
        requestAnimationFrame(() => requestAnimationFrame(() => done(last)));
    });
    observer.observe({type: 'largest-contentful-paint', buffered: true});
    setTimeout(() => done(last), 20000);
})";

/// Waits until nothing moves and what was changed is painted.
const AT_REST: &str = r"(async () => {
    const frame = () => new Promise(requestAnimationFrame);
    await frame();
    const ends = animation => animation.effect?.getComputedTiming().endTime !== Infinity;
    await Promise.allSettled(document.getAnimations().filter(ends).map(one => one.finished));
    await frame();
    return true;
})()";

impl Page {
    /// The size in CSS pixels, and whether it is a telephone: with touch and its own viewport rules.
    pub(crate) async fn set_viewport(&self, width: u32, height: u32, mobile: bool) {
        let size = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile,
        });
        self.call("Emulation.setDeviceMetricsOverride", size).await;
        self.call("Emulation.setTouchEmulationEnabled", json!({"enabled": mobile})).await;
    }

    /// Whether the user prefers dark colours.
    pub(crate) async fn set_dark(&self, dark: bool) {
        let media = json!({"features": [
            {"name": "prefers-color-scheme", "value": if dark { "dark" } else { "light" }},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]});
        self.call("Emulation.setEmulatedMedia", media).await;
    }

    /// Whether scripts of pages run, from the next `goto` on.
    pub(crate) async fn set_javascript(&self, on: bool) {
        self.call("Emulation.setScriptExecutionDisabled", json!({"value": !on})).await;
        self.scripts.store(on, Ordering::Relaxed);
    }

    /// Puts the browser into a time zone.
    pub(crate) async fn set_zone(&self, zone: &str) {
        self.call("Emulation.setTimezoneOverride", json!({"timezoneId": zone})).await;
    }

    /// Slows the line and the processor: at least `rtt_ms` from a request to its answer, `kbps`
    /// kilobits a second both ways, and scripts that take `cpu` times as long.
    pub(crate) async fn throttle(&self, rtt_ms: u32, kbps: u32, cpu: u32) {
        let bytes_s = f64::from(kbps) * 1000.0 / 8.0;
        let line = json!({
            "offline": false, "latency": rtt_ms,
            "downloadThroughput": bytes_s, "uploadThroughput": bytes_s,
        });
        self.call("Network.emulateNetworkConditions", line).await;
        self.call("Emulation.setCPUThrottlingRate", json!({"rate": cpu})).await;
    }

    /// The cookies that the open document's address gets, also those that its scripts do not see, as
    /// the protocol's `Network.Cookie`: `name`, `value`, `httpOnly`, `secure`, `sameSite`, `expires`.
    pub(crate) async fn cookies(&self) -> Vec<Value> {
        let mut found = self.call("Network.getCookies", json!({})).await;
        match found["cookies"].take() {
            Value::Array(cookies) => cookies,
            other => panic!("cookies are {other}"),
        }
    }

    /// Gives the page a cookie for an address that scripts do not see, such as a session's.
    pub(crate) async fn set_cookie(&self, url: &str, name: &str, value: &str) {
        let secure = url.starts_with("https:");
        let cookie = json!({
            "url": url, "name": name, "value": value, "httpOnly": true, "secure": secure,
        });
        self.call("Network.setCookie", cookie).await;
    }

    /// When the largest part of the page so far was painted, in milliseconds from the start of the
    /// navigation (Largest Contentful Paint).
    pub(crate) async fn lcp_ms(&self) -> f64 {
        let painted = self.eval(LCP).await;
        match painted.as_f64() {
            Some(painted) => painted,
            None => panic!("nothing was painted at {}", self.url().await),
        }
    }

    /// Waits until transitions and animations that end have ended.
    pub(crate) async fn at_rest(&self) {
        self.eval(AT_REST).await;
    }

    /// Writes the whole page, also what is below the window, into a PNG file.
    pub(crate) async fn screenshot(&self, path: &Path) {
        let layout = self.call("Page.getLayoutMetrics", json!({})).await;
        let size = &layout["cssContentSize"];
        let clip = json!({
            "x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1,
        });
        let params = json!({"format": "png", "captureBeyondViewport": true, "clip": clip});
        self.capture(path, params).await;
    }

    /// Photographs what is seen without scrolling.
    pub(crate) async fn screenshot_of_view(&self, path: &Path) {
        self.capture(path, json!({"format": "png"})).await;
    }

    async fn capture(&self, path: &Path, params: Value) {
        let image = self.call("Page.captureScreenshot", params).await;
        let image = STANDARD.decode(image["data"].as_str().unwrap_or_default());
        let image = image.expect("Chromium encodes its screenshots");
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).expect("the folder of screenshots is made");
        }
        std::fs::write(path, image).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}
