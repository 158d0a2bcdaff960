//! The HTTPS server: routes, limits, errors as JSON.

use crate::database::{ApplianceRow, DatabaseError};
use crate::folder::{Bureau, CERTIFICATE, CERTIFICATE_KEY, FolderError};
use crate::pages;
use crate::push::{MAX_RECORDS, Push, PushError, push};
use crate::register::{RegisterError, Request as RegisterRequest, register};
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, Request, StatusCode};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use axum_server::tls_rustls::RustlsConfig;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::Deserialize;
use serde_json::{Value, json};
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

/// Longest body, compressed or not.
const MAX_BODY: usize = 32 << 20;
/// For a whole request: a client that sends a byte a minute does not hold a connection for ever.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(120);
/// Most records in one answer.
const MAX_LISTED: usize = 1000;

/// The server's routes.
pub fn router(bureau: Arc<Bureau>) -> Router {
    let staff = Router::new()
        .route("/", get(pages::status))
        .route("/v1/appliances", get(appliances))
        .route("/v1/appliances/{id}/records", get(records))
        .route("/v1/appliances/{id}/checkpoint", get(checkpoint))
        .layer(from_fn_with_state(bureau.clone(), staff_only));
    Router::new()
        .route("/v1/register", post(register_appliance))
        .route("/v1/appliances/{id}/log", post(push_log))
        .route("/healthz", get(async || "ok\n"))
        .merge(staff)
        .fallback(async || error(StatusCode::NOT_FOUND, "there is nothing at this address", Value::Null))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn(in_time))
        .with_state(bureau)
}

/// Serves on `listener` until the process ends.
pub async fn serve(bureau: Arc<Bureau>, listener: std::net::TcpListener) -> Result<(), FolderError> {
    let tls = tls(&bureau)?;
    let failed = |source| FolderError::File { path: "the server".into(), source };
    listener.set_nonblocking(true).map_err(failed)?;
    let server = axum_server::from_tcp_rustls(listener, RustlsConfig::from_config(Arc::new(tls))).map_err(failed)?;
    server.serve(router(bureau).into_make_service()).await.map_err(failed)
}

fn tls(bureau: &Bureau) -> Result<rustls::ServerConfig, FolderError> {
    let wrong = |name: &str, problem: String| FolderError::Content { path: bureau.path(name), problem };
    let chain: Vec<_> = CertificateDer::pem_file_iter(bureau.path(CERTIFICATE))
        .and_then(Iterator::collect)
        .map_err(|error| wrong(CERTIFICATE, error.to_string()))?;
    let key = PrivateKeyDer::from_pem_file(bureau.path(CERTIFICATE_KEY))
        .map_err(|error| wrong(CERTIFICATE_KEY, error.to_string()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| FolderError::Tls(error.to_string()))?;
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(tls)
}

/// An error as every client gets it: `{"error": "…", …}`.
pub(crate) fn error(status: StatusCode, message: &str, more: Value) -> Response {
    let mut body = json!({ "error": message });
    if let (Value::Object(body), Value::Object(more)) = (&mut body, more) {
        body.extend(more);
    }
    (status, Json(body)).into_response()
}

pub(crate) fn internal(problem: &dyn std::fmt::Display) -> Response {
    tracing::error!(%problem, "a request failed");
    error(StatusCode::INTERNAL_SERVER_ERROR, "the bureau's server has failed; try again later", Value::Null)
}

async fn in_time(request: Request<Body>, next: Next) -> Response {
    match tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => error(StatusCode::REQUEST_TIMEOUT, "the request took too long", Value::Null),
    }
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
    if let Some(token) = authorization.strip_prefix("Bearer ") {
        return Some(token.trim().to_owned());
    }
    let pair = BASE64_STANDARD.decode(authorization.strip_prefix("Basic ")?.trim()).ok()?;
    Some(String::from_utf8(pair).ok()?.split_once(':')?.1.to_owned())
}

/// Does work on the database away from the threads that serve connections.
pub(crate) async fn blocking<T: Send + 'static>(
    bureau: &Arc<Bureau>,
    work: impl FnOnce(&Bureau) -> T + Send + 'static,
) -> Result<T, Response> {
    let bureau = bureau.clone();
    tokio::task::spawn_blocking(move || work(&bureau)).await.map_err(|error| internal(&error))
}

/// The JSON in a body, which may be compressed with zstd; never more than [`MAX_BODY`] is unpacked.
fn read_json<T: serde::de::DeserializeOwned>(encoding: Option<String>, body: &[u8]) -> Result<T, Response> {
    let bad = |message: &str| error(StatusCode::BAD_REQUEST, message, Value::Null);
    let unpacked;
    let json = match encoding.as_deref() {
        None | Some("identity") => body,
        Some("zstd") => {
            let decoder = zstd::stream::read::Decoder::new(body).map_err(|problem| bad(&problem.to_string()))?;
            let mut bytes = Vec::new();
            let read = decoder.take(MAX_BODY as u64 + 1).read_to_end(&mut bytes);
            read.map_err(|problem| bad(&format!("the body is not zstd: {problem}")))?;
            unpacked = bytes;
            &unpacked[..]
        }
        Some(other) => {
            let message = format!("Content-Encoding {other:?} is not known; send zstd, or none");
            return Err(error(StatusCode::UNSUPPORTED_MEDIA_TYPE, &message, Value::Null));
        }
    };
    if json.len() > MAX_BODY {
        return Err(error(
            StatusCode::PAYLOAD_TOO_LARGE,
            "the body is longer than 32 MiB; send fewer records",
            Value::Null,
        ));
    }
    serde_json::from_slice(json).map_err(|problem| bad(&format!("the body is not what it should be: {problem}")))
}

fn encoding(headers: &HeaderMap) -> Option<String> {
    headers.get(CONTENT_ENCODING).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

async fn register_appliance(
    State(bureau): State<Arc<Bureau>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Response> {
    let request: RegisterRequest = read_json(encoding(&headers), &body)?;
    match blocking(&bureau, move |bureau| register(bureau, &request)).await? {
        Ok(reply) => Ok(Json(reply).into_response()),
        Err(RegisterError::Database(problem)) => Err(internal(&problem)),
        Err(problem @ RegisterError::Code(_)) => Err(error(StatusCode::FORBIDDEN, &problem.to_string(), Value::Null)),
        Err(problem) => Err(error(StatusCode::BAD_REQUEST, &problem.to_string(), Value::Null)),
    }
}

async fn push_log(
    State(bureau): State<Arc<Bureau>>,
    Path(device): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Response> {
    let encoding = encoding(&headers);
    let pushed = blocking(&bureau, move |bureau| {
        let body: Push = read_json(encoding, &body)?;
        Ok::<_, Response>(push(bureau, &device, &body))
    })
    .await??;
    match pushed {
        Ok(receipt) => Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8")], receipt).into_response()),
        Err(problem) => Err(push_error(&problem)),
    }
}

fn push_error(problem: &PushError) -> Response {
    let message = problem.to_string();
    match problem {
        PushError::Unknown => error(StatusCode::NOT_FOUND, &message, Value::Null),
        PushError::Gap { size } => error(StatusCode::CONFLICT, &message, json!({ "size": size })),
        PushError::TooMany(_) => error(StatusCode::PAYLOAD_TOO_LARGE, &message, json!({ "most": MAX_RECORDS })),
        PushError::DoesNotVerify { seq, .. } => {
            error(StatusCode::UNPROCESSABLE_ENTITY, &message, json!({ "code": "does_not_verify", "index": seq }))
        }
        PushError::Database(problem) => internal(problem),
    }
}

async fn appliances(State(bureau): State<Arc<Bureau>>) -> Result<Response, Response> {
    let rows = blocking(&bureau, |bureau| bureau.database.appliances()).await?.map_err(|problem| internal(&problem))?;
    let list = rows.iter().map(|row| {
        json!({
            "device": row.device, "key": row.key, "registered": row.registered, "records": row.size,
            "countersigned_at": row.countersigned_at, "refusals": row.refusals,
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
    Path(device): Path<String>,
    Query(range): Query<Range>,
) -> Result<Response, Response> {
    let limit = range.limit.unwrap_or(MAX_LISTED).min(MAX_LISTED);
    let first = range.first.min(i64::MAX as u64);
    let records = of_appliance(&bureau, device, move |bureau, row| bureau.database.records(row, first, limit)).await?;
    Ok(Json(json!({ "first": first, "records": records })).into_response())
}

async fn checkpoint(State(bureau): State<Arc<Bureau>>, Path(device): Path<String>) -> Result<Response, Response> {
    let note = of_appliance(&bureau, device, |bureau, row| bureau.database.newest_receipt(row)).await?;
    match note {
        Some(note) => Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8")], note).into_response()),
        None => Err(error(StatusCode::NOT_FOUND, "nothing of this appliance has been countersigned yet", Value::Null)),
    }
}

async fn of_appliance<T: Send + 'static>(
    bureau: &Arc<Bureau>,
    device: String,
    work: impl FnOnce(&Bureau, &ApplianceRow) -> Result<T, DatabaseError> + Send + 'static,
) -> Result<T, Response> {
    let found = blocking(bureau, move |bureau| {
        let row = bureau.database.appliance(&device)?;
        row.map(|row| work(bureau, &row)).transpose()
    });
    match found.await? {
        Ok(Some(value)) => Ok(value),
        Ok(None) => Err(error(StatusCode::NOT_FOUND, &PushError::Unknown.to_string(), Value::Null)),
        Err(problem) => Err(internal(&problem)),
    }
}
