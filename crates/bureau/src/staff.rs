//! What the bureau's staff may read, with their token: appliances, records, checkpoints, refused pushes.

use crate::database::{ApplianceRow, DatabaseError};
use crate::folder::Bureau;
use crate::pages;
use crate::push::PushError;
use crate::review;
use crate::server::{App, blocking, error, internal};
use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{Request, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// Most records, or refusals, in one answer.
const MAX_LISTED: usize = 1000;

/// The staff's routes.
pub(crate) fn routes(bureau: Arc<Bureau>) -> Router<App> {
    Router::new()
        .route("/", get(pages::status))
        .route("/appliances/{id}", get(pages::review))
        .route("/v1/appliances", get(appliances))
        .route("/v1/appliances/{id}/records", get(records))
        .route("/v1/appliances/{id}/checkpoint", get(checkpoint))
        .route("/v1/appliances/{id}/refusals", get(refusals))
        .route("/v1/appliances/{id}/review", get(reviewed))
        .layer(from_fn_with_state(bureau, staff_only))
}

/// Lets in whoever has the staff's token, as a bearer token or as the password of HTTP Basic.
async fn staff_only(State(bureau): State<Arc<Bureau>>, request: Request<Body>, next: Next) -> Response {
    let given = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(token);
    // Hashes are compared, so that the time taken tells nothing about the token.
    if given.is_some_and(|token| evidence::sha256_hex(token.as_bytes()) == bureau.token_sha256) {
        return next.run(request).await;
    }
    let refusal = error(StatusCode::UNAUTHORIZED, "the staff's token is needed", Value::Null);
    ([(WWW_AUTHENTICATE, "Basic realm=\"bureau\", charset=\"UTF-8\"")], refusal).into_response()
}

fn token(authorization: &str) -> Option<String> {
    let (scheme, credentials) = authorization.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(credentials.trim().to_owned());
    }
    let pair = BASE64_STANDARD.decode(credentials.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    Some(String::from_utf8(pair).ok()?.split_once(':')?.1.to_owned())
}

async fn appliances(State(bureau): State<Arc<Bureau>>) -> Result<Response, Response> {
    let rows = blocking(&bureau, |bureau| bureau.database.appliances()).await?.map_err(|problem| internal(&problem))?;
    let list = rows.iter().map(|row| {
        json!({
            "device": row.device, "key": row.key, "registered": row.registered, "records": row.size,
            "countersigned_at": row.countersigned_at, "received_at": row.received_at, "refusals": row.refusals,
            "contradictions": row.contradictions, "site": row.site, "room": row.room, "version": row.version, "last_time": row.last_time,
            "last_clock": row.last_clock, "ahead": row.ahead,
        })
    });
    Ok(Json(list.collect::<Vec<_>>()).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Range {
    #[serde(default)]
    first: u64,
    limit: Option<usize>,
}

async fn records(
    State(bureau): State<Arc<Bureau>>,
    device: Result<Path<String>, PathRejection>,
    range: Result<Query<Range>, QueryRejection>,
) -> Result<Response, Response> {
    let Query(range) = range.map_err(|problem| error(StatusCode::BAD_REQUEST, &problem.body_text(), Value::Null))?;
    let limit = range.limit.unwrap_or(MAX_LISTED).min(MAX_LISTED);
    let first = range.first.min(i64::MAX as u64);
    let records = of_appliance(&bureau, device, move |bureau, row| bureau.database.records(row, first, limit)).await?;
    Ok(Json(json!({ "first": first, "records": records })).into_response())
}

async fn checkpoint(
    State(bureau): State<Arc<Bureau>>,
    device: Result<Path<String>, PathRejection>,
) -> Result<Response, Response> {
    let note = of_appliance(&bureau, device, |bureau, row| bureau.database.newest_receipt(row)).await?;
    match note {
        Some(note) => Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8")], note).into_response()),
        None => Err(error(StatusCode::NOT_FOUND, "nothing of this appliance has been countersigned yet", Value::Null)),
    }
}

async fn refusals(
    State(bureau): State<Arc<Bureau>>,
    device: Result<Path<String>, PathRejection>,
) -> Result<Response, Response> {
    let list =
        of_appliance(&bureau, device, |bureau, row| bureau.database.refusals(Some(row), MAX_LISTED as u32)).await?;
    Ok(Json(list).into_response())
}

async fn reviewed(
    State(bureau): State<Arc<Bureau>>,
    device: Result<Path<String>, PathRejection>,
) -> Result<Response, Response> {
    let review = of_appliance(&bureau, device, review::newest).await?;
    match review {
        Some(review) => Ok(Json(review).into_response()),
        None => Err(not_looked_through()),
    }
}

pub(crate) fn not_looked_through() -> Response {
    error(StatusCode::NOT_FOUND, "this appliance's log has not been looked through yet", Value::Null)
}

pub(crate) async fn of_appliance<T: Send + 'static>(
    bureau: &Arc<Bureau>,
    device: Result<Path<String>, PathRejection>,
    work: impl FnOnce(&Bureau, &ApplianceRow) -> Result<T, DatabaseError> + Send + 'static,
) -> Result<T, Response> {
    let unknown = || error(StatusCode::NOT_FOUND, &PushError::Unknown.to_string(), Value::Null);
    let Path(device) = device.map_err(|_| unknown())?;
    let found = blocking(bureau, move |bureau| {
        let row = bureau.database.appliance(&device)?;
        row.map(|row| work(bureau, &row)).transpose()
    });
    match found.await? {
        Ok(Some(value)) => Ok(value),
        Ok(None) => Err(unknown()),
        Err(problem) => Err(internal(&problem)),
    }
}
