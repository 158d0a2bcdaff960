//! The local pages: kiosk, staff page, metrics. On loopback only: they have no login yet.
//!
//! Reads everything; whatever is done here needs a teacher's PIN, and so does a look at a recording.

mod access;
mod errors;
mod guard;
mod kiosk;
mod media;
mod metrics;
mod recordings;
mod rollcall;
mod staff;
mod workstations;

pub use access::Access;
pub use workstations::Stills;

use crate::alarm;
use crate::appliance::Late;
use crate::camera::Camera;
use crate::checkin::live::Live;
use crate::checkin::{Desk, Progress};
use crate::config::Config;
use crate::journal::Journal;
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
use std::time::Duration;
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
    /// SHA-256 (hex) of the embedding model in use; absent without a camera.
    pub model: Option<String>,
    /// The check-in's counters; absent without a camera.
    pub progress: Option<Arc<Progress>>,
    /// The recording of lessons and the watch over it, once they have begun.
    pub lessons: Late,
    /// The alarms, where there are some.
    pub alarm: Option<Arc<alarm::Service>>,
    /// The cameras.
    pub cameras: Arc<Vec<Camera>>,
    /// How far the bureau has countersigned.
    pub sync: watch::Receiver<SyncStatus>,
    /// Who may look at recordings.
    pub access: Access,
    /// Pictures that may become a camera's reference.
    pub stills: Stills,
}

impl App {
    /// What the appliance is doing, as far as it is known.
    pub fn status(&self) -> Status {
        let trouble = self.live.troubles().borrow().clone();
        let log = self.sync.borrow().clone();
        let lessons = self.lessons.get();
        let recordings = lessons.map(|lessons| lessons.recording.status()).unwrap_or_default();
        let running = Running {
            cameras: &self.cameras,
            recordings,
            coverage: lessons.map(|lessons| lessons.coverage.status()).unwrap_or_default(),
            lessons: lessons.map(|lessons| lessons.coverage.lessons()).unwrap_or_default(),
            alarms: self.alarm.as_ref().map(|alarm| alarm.list()).unwrap_or_default(),
            undelivered: self.alarm.as_ref().map(|alarm| alarm.undelivered()).unwrap_or_default(),
            keeping: lessons.map(|lessons| lessons.recording.keeping()),
            model: self.model.clone(),
        };
        status::gather_what_is_known(&self.config, &self.journal, running, log, trouble)
    }
}

/// How often it is looked whether somebody has stopped looking at a recording.
const VIEWINGS_EVERY: Duration = Duration::from_secs(5);

/// Longest body of a request.
const MAX_BODY: usize = 16 << 10;

/// All routes.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/api/status", get(api_status))
        .merge(access::routes())
        .merge(kiosk::routes())
        .merge(media::routes())
        .merge(recordings::routes())
        .merge(rollcall::routes())
        .merge(workstations::routes())
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
        served = async { axum::serve(listener, router(app.clone())).await } => served,
        () = journal_viewings(app.clone()) => Ok(()),
        () = stopped => {
            access::flush(&app, true);
            Ok(())
        }
    }
}

/// Journals what was looked at once nobody does any more. Never ends.
async fn journal_viewings(app: Arc<App>) {
    let mut ticks = tokio::time::interval(VIEWINGS_EVERY);
    loop {
        ticks.tick().await;
        let app = app.clone();
        let _ = tokio::task::spawn_blocking(move || access::flush(&app, false)).await;
    }
}

async fn api_status(State(app): State<Arc<App>>) -> Result<Response, Response> {
    let status = blocking(move || Ok(app.status())).await?;
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
