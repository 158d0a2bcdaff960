//! Every refusal as JSON, `{"code": "…", "error": "…"}`: our own, and those that axum words as plain text (a body that
//! is not JSON, too long or of another type, a wrong method, a WebSocket without an upgrade).

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// Longest plain-text reason that is passed on, bytes.
const MAX_REASON: usize = 4 << 10;

/// An error for programs and people.
pub(super) fn error(status: StatusCode, code: &str, message: &str) -> Response {
    (status, Json(json!({ "code": code, "error": message }))).into_response()
}

/// Ours, not the asker's: the reason goes to the log, not to the page.
pub(super) fn internal(problem: &dyn std::fmt::Display) -> Response {
    tracing::error!(%problem, "a page could not be made");
    error(StatusCode::INTERNAL_SERVER_ERROR, "failed", "the appliance could not do this; its log says why")
}

/// Words what axum refused by itself as JSON; keeps its status and its other headers.
pub(super) async fn as_json(request: Request<Body>, next: Next) -> Response {
    let response = next.run(request).await;
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) || is_json(response.headers()) {
        return response;
    }
    let (parts, body) = response.into_parts();
    let reason = to_bytes(body, MAX_REASON).await.unwrap_or_default();
    let reason = String::from_utf8_lossy(&reason);
    let text = if reason.trim().is_empty() { status.canonical_reason().unwrap_or("refused") } else { reason.trim() };
    let mut worded = error(status, "bad_request", text);
    for (name, value) in &parts.headers {
        if name != CONTENT_TYPE && name != CONTENT_LENGTH {
            worded.headers_mut().insert(name, value.clone());
        }
    }
    worded
}

fn is_json(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value: &HeaderValue| value.as_bytes().starts_with(b"application/json"))
}
