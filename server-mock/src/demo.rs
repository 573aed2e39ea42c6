//! The pages at `/demo/`, which use the npm package on the server they talk to.
//!
//! The package is not made by cargo: what the pages load of it is kept beside them (`tests/run demo` makes it anew).

use axum::Router;
use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;

/// Nothing from elsewhere, no inline script or style, and of WebAssembly no more than it needs.
const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; connect-src 'self'; \
                      img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// The name below `/demo/`, what it is, the bytes.
const FILES: [(&str, &str, &[u8]); 21] = [
    ("", HTML, include_bytes!("../demo/index.html")),
    ("one.html", HTML, include_bytes!("../demo/one.html")),
    ("compare.html", HTML, include_bytes!("../demo/compare.html")),
    ("base.css", CSS, include_bytes!("../demo/base.css")),
    ("pair.css", CSS, include_bytes!("../demo/pair.css")),
    ("one.css", CSS, include_bytes!("../demo/one.css")),
    ("compare.css", CSS, include_bytes!("../demo/compare.css")),
    ("pair.js", SCRIPT, include_bytes!("../demo/pair.js")),
    ("one.js", SCRIPT, include_bytes!("../demo/one.js")),
    ("compare.js", SCRIPT, include_bytes!("../demo/compare.js")),
    ("contestants.js", SCRIPT, include_bytes!("../demo/contestants.js")),
    ("person.js", SCRIPT, include_bytes!("../demo/person.js")),
    ("tally.js", SCRIPT, include_bytes!("../demo/tally.js")),
    ("packets.js", SCRIPT, include_bytes!("../demo/packets.js")),
    ("words.js", SCRIPT, include_bytes!("../demo/words.js")),
    ("cable.js", SCRIPT, include_bytes!("../demo/cable.js")),
    ("links.js", SCRIPT, include_bytes!("../demo/links.js")),
    ("package/index.js", SCRIPT, include_bytes!("../demo/package/index.js")),
    ("package/rejoin.wasm", "application/wasm", include_bytes!("../demo/package/rejoin.wasm")),
    ("package/socket.io.js", SCRIPT, include_bytes!("../demo/package/socket.io.js")),
    ("package/manifest.json", "application/json", include_bytes!("../demo/package/manifest.json")),
];

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
    let Some((_, kind, bytes)) = FILES.iter().find(|(known, ..)| *known == name) else {
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
