//! The local pages: kiosk, staff page, metrics. On loopback only: they have no login yet.
//!
//! Reads everything; the only things that can be done here are the desk's, each with a teacher's PIN.

mod errors;
mod guard;
mod kiosk;
mod metrics;
mod staff;

use crate::alarm;
use crate::camera::Camera;
use crate::checkin::live::Live;
use crate::checkin::{Desk, Progress};
use crate::config::Config;
use crate::coverage;
use crate::journal::{Journal, JournalError};
use crate::recording;
use crate::status::{self, Running, Status};
use crate::sync::SyncStatus;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use errors::{error, internal};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// What the pages show.
pub struct App {
    /// The settings.
    pub config: Arc<Config>,
    /// The log and the database.
    pub journal: Arc<Journal>,
    /// What the kiosk shows.
    pub live: Arc<Live>,
    /// What staff can ask of the check-in; absent without a camera.
    pub desk: Option<Desk>,
    /// The check-in's counters; absent without a camera.
    pub progress: Option<Arc<Progress>>,
    /// The recording of lessons, where there is one.
    pub recording: Option<Arc<recording::Service>>,
    /// The watch over what the cameras show, where there is one.
    pub coverage: Option<Arc<coverage::Service>>,
    /// The alarms, where there are some.
    pub alarm: Option<Arc<alarm::Service>>,
    /// The cameras.
    pub cameras: Arc<Vec<Camera>>,
    /// How far the bureau has countersigned.
    pub sync: watch::Receiver<SyncStatus>,
}

impl App {
    fn status(&self) -> Result<Status, Response> {
        self.gather().map_err(|error| internal(&error))
    }

    /// What the appliance is doing.
    pub fn gather(&self) -> Result<Status, JournalError> {
        let trouble = self.live.troubles().borrow().clone();
        let log = self.sync.borrow().clone();
        let recordings = self.recording.as_ref().map(|recording| recording.status()).unwrap_or_default();
        let running = Running {
            cameras: &self.cameras,
            recordings,
            coverage: self.coverage.as_ref().map(|coverage| coverage.status()).unwrap_or_default(),
            alarms: self.alarm.as_ref().map(|alarm| alarm.list()).unwrap_or_default(),
            undelivered: self.alarm.as_ref().map(|alarm| alarm.undelivered()).unwrap_or_default(),
            keeping: self.recording.as_ref().map(|recording| recording.keeping()),
        };
        status::gather(&self.config, &self.journal, Some(running), log, trouble)
    }
}

/// Longest body of a request.
const MAX_BODY: usize = 16 << 10;

/// All routes.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/api/status", get(api_status))
        .merge(kiosk::routes())
        .merge(staff::routes())
        .merge(metrics::routes())
        .fallback(async || error(StatusCode::NOT_FOUND, "not_found", "there is nothing at this address"))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn(errors::as_json))
        .layer(from_fn(guard::guard))
        .with_state(app)
}

/// Serves until `stop` turns true or its sender is gone.
pub async fn serve(listener: TcpListener, app: Arc<App>, mut stop: watch::Receiver<bool>) -> std::io::Result<()> {
    let stopped = async move {
        let _ = stop.wait_for(|stop| *stop).await;
    };
    // Open kiosk pages must not hold up a stop.
    tokio::select! {
        served = async { axum::serve(listener, router(app)).await } => served,
        () = stopped => Ok(()),
    }
}

async fn api_status(State(app): State<Arc<App>>) -> Result<Response, Response> {
    let status = blocking(move || app.status()).await?;
    Ok(([(CACHE_CONTROL, "no-store")], Json(status)).into_response())
}

/// Does work on the database away from the threads that serve connections.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Response> + Send + 'static,
) -> Result<T, Response> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(internal(&error)))
}

/// A file that is part of the program.
fn asset(content_type: &'static str, text: &'static str) -> Response {
    ([(CONTENT_TYPE, content_type), (CACHE_CONTROL, "no-cache")], text).into_response()
}
