//! The HTTPS server: routes, limits, errors as JSON.

use crate::database::DatabaseError;
use crate::folder::{Bureau, CERTIFICATE, CERTIFICATE_KEY, FolderError};
use crate::intake::{Intake, Limits, MAX_BODY, encoding};
use crate::push::{MAX_RECORDS, Push, PushError, push};
use crate::register::{RegisterError, Request as RegisterRequest, register};
use crate::staff;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRef, Path, State};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use axum_server::tls_rustls::RustlsConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// For a whole request, with its wait for a worker.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(120);
/// Longest request for registration.
const MAX_REGISTRATION: usize = 4096;

/// What the routes share.
#[derive(Clone)]
pub(crate) struct App {
    bureau: Arc<Bureau>,
    intake: Arc<Intake>,
}

impl FromRef<App> for Arc<Bureau> {
    fn from_ref(app: &App) -> Arc<Bureau> {
        app.bureau.clone()
    }
}

/// The server's routes.
pub fn router(bureau: Arc<Bureau>) -> Router {
    limited_router(bureau, &Limits::default())
}

fn limited_router(bureau: Arc<Bureau>, limits: &Limits) -> Router {
    Router::new()
        .route("/v1/register", post(register_appliance))
        .route("/v1/appliances/{id}/log", post(push_log))
        .route("/healthz", get(health))
        .merge(staff::routes(bureau.clone()))
        .fallback(async || error(StatusCode::NOT_FOUND, "there is nothing at this address", Value::Null))
        .method_not_allowed_fallback(async || {
            error(StatusCode::METHOD_NOT_ALLOWED, "this address takes another method", Value::Null)
        })
        .layer(from_fn(guard))
        .with_state(App { bureau, intake: Arc::new(Intake::new(limits)) })
}

/// Serves on `listener` until the process ends.
pub async fn serve(bureau: Arc<Bureau>, listener: std::net::TcpListener, limits: &Limits) -> Result<(), FolderError> {
    let tls = tls(&bureau)?;
    let failed = |source| FolderError::File { path: "the server".into(), source };
    let server = axum_server::from_tcp_rustls(listener, RustlsConfig::from_config(Arc::new(tls))).map_err(failed)?;
    // A client that sends a byte a minute, or nothing, does not hold a connection for ever.
    let mut server = server.http1_only().first_request_timeout(limits.head);
    server.http_builder().http1().header_read_timeout(limits.head);
    server.serve(limited_router(bureau, limits).into_make_service()).await.map_err(failed)
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

/// The bureau has failed, not its client, who is not told how.
pub(crate) fn internal(problem: &DatabaseError) -> Response {
    tracing::error!(%problem, "a request failed");
    if problem.is_passing() {
        return unavailable("the bureau's server cannot write just now; try again later");
    }
    failed()
}

fn failed() -> Response {
    error(StatusCode::INTERNAL_SERVER_ERROR, "the bureau's server has failed; try again later", Value::Null)
}

fn unavailable(message: &str) -> Response {
    ([(RETRY_AFTER, "30")], error(StatusCode::SERVICE_UNAVAILABLE, message, Value::Null)).into_response()
}

/// Every answer comes in time, and is what it says it is.
async fn guard(request: Request<Body>, next: Next) -> Response {
    let answer = tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await;
    let mut answer =
        answer.unwrap_or_else(|_| error(StatusCode::REQUEST_TIMEOUT, "the request took too long", Value::Null));
    answer.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

/// Does work on the database away from the threads that serve connections.
pub(crate) async fn blocking<T: Send + 'static>(
    bureau: &Arc<Bureau>,
    work: impl FnOnce(&Bureau) -> T + Send + 'static,
) -> Result<T, Response> {
    let bureau = bureau.clone();
    tokio::task::spawn_blocking(move || work(&bureau)).await.map_err(|problem| {
        tracing::error!(%problem, "a request failed");
        failed()
    })
}

/// For whoever watches the server: `ok` when the database can be read too.
async fn health(State(bureau): State<Arc<Bureau>>) -> Result<&'static str, Response> {
    blocking(&bureau, |bureau| bureau.database.probe()).await?.map_err(|problem| internal(&problem))?;
    Ok("ok\n")
}

async fn register_appliance(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, Response> {
    let body = app.intake.read(body, MAX_REGISTRATION).await?;
    let request: RegisterRequest = body.json(encoding(&headers).as_deref())?;
    match blocking(&app.bureau, move |bureau| register(bureau, &request)).await? {
        Ok(reply) => Ok(Json(reply).into_response()),
        Err(RegisterError::Database(problem)) => Err(internal(&problem)),
        Err(problem @ RegisterError::Code(_)) => Err(error(StatusCode::FORBIDDEN, &problem.to_string(), Value::Null)),
        Err(problem) => Err(error(StatusCode::BAD_REQUEST, &problem.to_string(), Value::Null)),
    }
}

async fn push_log(
    State(app): State<App>,
    device: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Response> {
    let device = device.map_or(String::new(), |Path(device)| device);
    // A stranger's body is not kept, not even for a moment.
    let asked = device.clone();
    let known = blocking(&app.bureau, move |bureau| bureau.database.appliance(&asked)).await?;
    if known.map_err(|problem| internal(&problem))?.is_none() {
        app.intake.discard(body).await;
        return Err(push_error(&PushError::Unknown));
    }
    let body = app.intake.read(body, MAX_BODY).await?;
    let worker = app.intake.worker().await?;
    let encoding = encoding(&headers);
    let pushed = blocking(&app.bureau, move |bureau| {
        // Both are given back when the work is done, even if nobody waits for the answer any more.
        let (_worker, body) = (worker, body);
        let request: Push = body.json(encoding.as_deref())?;
        Ok::<_, Response>(push(bureau, &device, &request))
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
        PushError::Clock { .. } => unavailable(&message),
        PushError::Database(problem) => internal(problem),
    }
}
