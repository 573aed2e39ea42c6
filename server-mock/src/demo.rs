//! The browser chat at `/demo/`: a page that uses the npm package, on the server it talks to.
//!
//! The package is not made by cargo. A server that was built before it says so instead of showing the page.

use axum::Router;
use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;

/// Nothing from elsewhere, no inline script or style, and of WebAssembly no more than it needs.
const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; connect-src 'self'; \
                      img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const MISSING: &str = "The demo page needs the npm package, and this server was built before it.\n\
                       Build it with `tests/run browser`, then build the server again.\n";

/// The page's own files.
const PAGE: [(&str, &str, &[u8]); 4] = [
    ("", "text/html; charset=utf-8", include_bytes!("../demo/index.html")),
    ("demo.css", "text/css; charset=utf-8", include_bytes!("../demo/demo.css")),
    ("demo.js", "text/javascript; charset=utf-8", include_bytes!("../demo/demo.js")),
    ("network.js", "text/javascript; charset=utf-8", include_bytes!("../demo/network.js")),
];

/// The npm package's.
#[cfg(with_package)]
const PACKAGE: [(&str, &str, &[u8]); 3] = [
    (
        "rejoin/index.js",
        "text/javascript; charset=utf-8",
        include_bytes!(concat!(env!("OUT_DIR"), "/index.js")),
    ),
    (
        "rejoin/inline.js",
        "text/javascript; charset=utf-8",
        include_bytes!(concat!(env!("OUT_DIR"), "/inline.js")),
    ),
    ("rejoin/rejoin.wasm", "application/wasm", include_bytes!(concat!(env!("OUT_DIR"), "/rejoin.wasm"))),
];
#[cfg(not(with_package))]
const PACKAGE: [(&str, &str, &[u8]); 0] = [];

/// The routes, unless the WebSocket is where they would be.
pub(crate) fn router(websocket: &str) -> Router {
    if websocket == "/demo" || websocket.starts_with("/demo/") {
        return Router::new();
    }
    Router::new()
        .route("/demo", get(async || Redirect::permanent("/demo/")))
        .route("/demo/", get(async || file("")))
        .route("/demo/{*file}", get(async |Path(name): Path<String>| file(&name)))
}

fn file(name: &str) -> Response {
    if PACKAGE.is_empty() {
        return (StatusCode::SERVICE_UNAVAILABLE, MISSING).into_response();
    }
    let Some((_, kind, bytes)) = PAGE.iter().chain(&PACKAGE).find(|(known, ..)| *known == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let headers: [(HeaderName, &str); 4] = [
        (CONTENT_TYPE, kind),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // The next version of the server has other files under the same names.
        (CACHE_CONTROL, "no-cache"),
    ];
    (headers, *bytes).into_response()
}
