//! Style and scripts, under names that carry their hash: a browser keeps them for a year.

use std::sync::{Arc, LazyLock};

use crate::web::routing::get;
use axum::Router;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use sha2::{Digest as _, Sha256};

use crate::web::AppState;

/// A file that pages refer to.
pub(crate) struct Asset {
    /// Its path, with the hash.
    pub(crate) path: String,
    kind: &'static str,
    body: Bytes,
}

impl Asset {
    fn new(name: &str, ending: &str, kind: &'static str, body: &'static [u8]) -> Self {
        let hash = &Sha256::digest(body)[..6];
        let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        let path = format!("/assets/{name}-{hash}.{ending}");
        Self { path, kind, body: Bytes::from_static(body) }
    }
}

/// The style of all pages.
pub(crate) static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("style", "css", "text/css; charset=utf-8", include_bytes!("assets/style.css"))
});

/// The mark in the browser's tab.
pub(crate) static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("icon", "svg", "image/svg+xml", include_bytes!("assets/icon.svg")));

/// What all pages have of JavaScript.
pub(crate) static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("app", "js", "text/javascript; charset=utf-8", include_bytes!("assets/app.js"))
});

/// What plays the recording of a call.
pub(crate) static PLAYER: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("player", "js", "text/javascript; charset=utf-8", include_bytes!("assets/player.js"))
});

/// What the page of test calls has of JavaScript.
pub(crate) static TRY: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("try", "js", "text/javascript; charset=utf-8", include_bytes!("assets/try.js"))
});

/// The telephone's sound, which runs beside that page.
pub(crate) static PHONE: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("phone", "js", "text/javascript; charset=utf-8", include_bytes!("assets/phone.js"))
});

/// What the pages of live calls have of JavaScript.
pub(crate) static LIVE: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("live", "js", "text/javascript; charset=utf-8", include_bytes!("assets/live.js"))
});

/// What the page that waits for a first call has of JavaScript.
pub(crate) static WAIT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("wait", "js", "text/javascript; charset=utf-8", include_bytes!("assets/wait.js"))
});

/// All of them.
static ALL: LazyLock<Vec<&'static Asset>> =
    LazyLock::new(|| vec![&STYLE, &ICON, &SCRIPT, &PLAYER, &LIVE, &TRY, &PHONE, &WAIT]);

/// Their route.
pub(super) fn router() -> Router<Arc<AppState>> {
    Router::new().route("/assets/{name}", get(asset))
}

async fn asset(Path(name): Path<String>) -> Response {
    let wanted = format!("/assets/{name}");
    match ALL.iter().find(|asset| asset.path == wanted) {
        Some(asset) => (
            [
                (CONTENT_TYPE, HeaderValue::from_static(asset.kind)),
                (CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable")),
            ],
            asset.body.clone(),
        )
            .into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
