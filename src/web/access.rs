//! Who may look at recordings: staff who have given a class, a teacher's number and its PIN, for fifteen idle minutes. The
//! recordings of a class are reviewed after its last lesson: that the class has been closed keeps nobody from it.
//!
//! What they look at is journalled, one record for each stretch of one camera's recording. A stretch is known from the
//! segments that were served, so no page can forget to tell of it.

use super::kiosk::refusal;
use super::{App, blocking, error, internal};
use crate::checkin::{Staff, admit_of};
use crate::class::{ClassId, Person, Span, mask, recorded_span};
use crate::journal::Journal;
use crate::store::{ClassRow, Reader, SegmentRow, StoreError, View};
use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use evidence::record::{Role, Viewing, ViewingKind};
use serde::Deserialize;
use serde_json::json;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

const NAME: &str = "rollcall_staff";
/// A session that nobody uses ends after this.
const SESSION_IDLE: Duration = Duration::from_secs(15 * 60);
/// A stretch that nobody goes on with is journalled after this.
const VIEWING_IDLE: Duration = Duration::from_secs(60);
/// A stretch is journalled after this even when it goes on, so that a power cut costs little of it.
const VIEWING_LONGEST: Duration = Duration::from_secs(10 * 60);

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/staff/session", get(who).post(identify).delete(leave))
        .route("/staff/teachers", get(async |State(app): State<Arc<App>>| offered(app, |_, _, _| Ok(false)).await))
        .route("/staff/viewers", get(async |State(app): State<Arc<App>>| offered(app, has_recordings).await))
        .route("/recordings/viewing", post(go_on))
}

/// A member of staff who has given a PIN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Viewer {
    token: String,
    /// The class.
    pub class: ClassId,
    /// Roster number there.
    pub number: String,
}

struct Session {
    viewer: Viewer,
    used: Instant,
    stretch: Option<Stretch>,
}

/// What is being looked at without a break.
#[derive(Debug, Clone)]
struct Stretch {
    camera: String,
    span: Span,
    begun: Instant,
    touched: Instant,
}

/// The sessions of staff. They live as long as the program does.
#[derive(Default)]
pub struct Access {
    sessions: Mutex<HashMap<String, Session>>,
    /// What is over and could not be journalled yet, in order.
    unwritten: Mutex<Vec<(Viewer, Played)>>,
    /// The program ends: nothing is served that nobody would journal.
    is_closing: AtomicBool,
}

/// Whether something may be served, and what that has ended.
pub(super) enum Served {
    /// It may not: the session has ended meanwhile.
    Refused,
    /// It may.
    Noted(Option<(Viewer, Played)>),
}

impl Session {
    /// Whether it is used; one that nobody uses is over.
    fn is_open(&self) -> bool {
        self.used.elapsed() < SESSION_IDLE
    }
}

impl Access {
    fn unwritten(&self) -> MutexGuard<'_, Vec<(Viewer, Played)>> {
        self.unwritten.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<String, Session>> {
        self.sessions.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn open(&self, class: ClassId, number: String) -> String {
        let token = evidence::hex(&rand::random::<[u8; 32]>());
        let viewer = Viewer { token: token.clone(), class, number };
        self.sessions().insert(token.clone(), Session { viewer, used: Instant::now(), stretch: None });
        token
    }

    /// Who asks, if they have identified themselves; that keeps their session alive.
    fn viewer(&self, headers: &HeaderMap) -> Option<Viewer> {
        let token = cookie(headers)?;
        let mut sessions = self.sessions();
        let session = sessions.get_mut(token).filter(|session| session.is_open())?;
        session.used = Instant::now();
        Some(session.viewer.clone())
    }

    /// Whether who asks has identified themselves; that does not keep their session alive.
    pub(super) fn knows(&self, headers: &HeaderMap) -> bool {
        let sessions = self.sessions();
        let session = cookie(headers).and_then(|token| sessions.get(token));
        session.is_some_and(Session::is_open)
    }

    /// Notes that a segment is about to be served.
    fn served(&self, viewer: &Viewer, row: &SegmentRow, view: &View) -> Result<Served, StoreError> {
        let mut sessions = self.sessions();
        let is_closing = self.is_closing.load(Ordering::SeqCst);
        let Some(session) = sessions.get_mut(&viewer.token).filter(|_| !is_closing) else {
            return Ok(Served::Refused);
        };
        let span = Span { from: row.start, until: row.end };
        let now = Instant::now();
        if let Some(stretch) = &mut session.stretch
            && stretch.camera == row.camera
            && stretch.goes_on_with(span, view)?
        {
            stretch.span.until = stretch.span.until.max(span.until);
            stretch.touched = now;
            return Ok(Served::Noted(None));
        }
        let next = Stretch { camera: row.camera.clone(), span, begun: now, touched: now };
        let before = session.stretch.replace(next);
        Ok(Served::Noted(before.map(|stretch| (session.viewer.clone(), stretch.played()))))
    }

    /// The stretches that are over; all of them when `all`. Forgets sessions that nobody uses.
    fn over(&self, all: bool) -> Vec<(Viewer, Played)> {
        let mut sessions = self.sessions();
        let mut over = Vec::new();
        for session in sessions.values_mut() {
            let is_over = |stretch: &mut Stretch| {
                all || stretch.touched.elapsed() >= VIEWING_IDLE || stretch.begun.elapsed() >= VIEWING_LONGEST
            };
            let taken = session.stretch.take_if(is_over);
            over.extend(taken.map(|stretch| (session.viewer.clone(), stretch.played())));
        }
        sessions.retain(|_, session| session.is_open());
        over
    }
}

/// A stretch that is over.
pub(super) struct Played {
    camera: String,
    span: Span,
}

impl Stretch {
    fn played(self) -> Played {
        Played { camera: self.camera, span: self.span }
    }

    /// Whether a segment lies within it or is the next of this camera, be there a gap before it or not.
    fn goes_on_with(&self, span: Span, view: &View) -> Result<bool, StoreError> {
        if span.from < self.span.from {
            return Ok(false);
        }
        Ok(span.from <= self.span.until || view.segments(&self.camera, self.span.until, span.from)?.is_empty())
    }
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get_all(COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|text| text.split(';')).find_map(|pair| pair.trim().strip_prefix(NAME)?.strip_prefix('='))
}

/// Who asks; a refusal to those who have not identified themselves.
pub(super) fn viewer(app: &App, headers: &HeaderMap) -> Result<Viewer, Response> {
    app.access.viewer(headers).ok_or_else(not_identified)
}

fn not_identified() -> Response {
    error(StatusCode::UNAUTHORIZED, "identify", "recordings are shown to staff who have given a PIN")
}

/// Notes that a segment is about to be served, and journals what that has ended. An error is the answer: nothing is served
/// to nobody, and nothing while it cannot be journalled.
pub(super) fn serve(app: &App, viewer: &Viewer, row: &SegmentRow, reader: Reader<'_>) -> Result<(), Response> {
    let served = app.access.served(viewer, row, &reader).map_err(|problem| internal(&problem))?;
    drop(reader);
    match served {
        Served::Refused => Err(not_identified()),
        Served::Noted(ended) => journal_played(app, ended),
    }
}

/// Journals what somebody did with a recording.
pub(super) fn journal_viewing(
    journal: &Journal,
    viewer: &Viewer,
    camera: &str,
    span: Span,
    what: ViewingKind,
) -> Result<(), Response> {
    let viewing = Viewing {
        class: viewer.class.to_string(),
        by: viewer.number.clone(),
        camera: camera.into(),
        start: journal.time_text(span.from),
        end: journal.time_text(span.until),
        what,
    };
    journal.append_viewing(viewing).map(|_| ()).map_err(|problem| internal(&problem))
}

/// Journals stretches that are over, after those that could not be journalled before. What cannot be is kept.
fn journal_played(app: &App, played: impl IntoIterator<Item = (Viewer, Played)>) -> Result<(), Response> {
    let mut unwritten = app.access.unwritten();
    unwritten.extend(played);
    while let Some((viewer, Played { camera, span })) = unwritten.first() {
        journal_viewing(&app.journal, viewer, camera, *span, ViewingKind::Played)?;
        unwritten.remove(0);
    }
    Ok(())
}

/// Journals the stretches that are over; all of them when `all`. To be called every few seconds, and at the end.
pub(super) fn flush(app: &App, all: bool) {
    if all {
        app.access.is_closing.store(true, Ordering::SeqCst);
    }
    // What fails is in the program's log already, and is tried again.
    let _ = journal_played(app, app.access.over(all));
}

async fn identify(State(app): State<Arc<App>>, Json(staff): Json<Staff>) -> Result<Response, Response> {
    blocking(move || {
        let is_admitted = |view: &View, row: &ClassRow| Ok(row.closed.is_none() || has_recordings(&app, view, row)?);
        let class = admit_of(&app.journal, &staff, is_admitted).map_err(|problem| refusal(&problem))?;
        let body = Json(json!({ "class": class.as_str(), "number": staff.number }));
        let token = app.access.open(class, staff.number);
        let cookie = format!("{NAME}={token}; HttpOnly; SameSite=Strict; Path=/");
        Ok(([(SET_COOKIE, cookie), (CACHE_CONTROL, "no-store".into())], body).into_response())
    })
    .await
}

async fn who(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, Response> {
    let viewer = viewer(&app, &headers)?;
    let body = json!({ "class": viewer.class.as_str(), "number": viewer.number });
    Ok(([(CACHE_CONTROL, "no-store")], Json(body)).into_response())
}

async fn leave(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, Response> {
    blocking(move || {
        let session = cookie(&headers).and_then(|token| app.access.sessions().remove(token));
        if let Some(Session { viewer, stretch: Some(stretch), .. }) = session {
            journal_played(&app, [(viewer, stretch.played())])?;
        }
        let gone = format!("{NAME}=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0");
        Ok(([(SET_COOKIE, gone)], StatusCode::NO_CONTENT).into_response())
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GoOn {
    playing: bool,
    /// The segment that is being shown.
    #[serde(default)]
    seq: Option<u64>,
}

/// The page says every few seconds that it still plays, and once that it has stopped.
async fn go_on(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Json(GoOn { playing, seq }): Json<GoOn>,
) -> Result<StatusCode, Response> {
    let viewer = viewer(&app, &headers)?;
    blocking(move || {
        match seq.filter(|_| playing) {
            // What the browser still had is looked at as well, though it was not asked for again.
            Some(seq) => {
                let reader = app.journal.store().read().map_err(|problem| internal(&problem))?;
                let found = reader.segments_from(seq, 1).map_err(|problem| internal(&problem))?;
                let row = found.into_iter().find(|row| row.seq == seq);
                if let Some(row) = row {
                    serve(&app, &viewer, &row, reader)?;
                }
            }
            None if playing => {}
            None => {
                let stretch = app.access.sessions().get_mut(&viewer.token).and_then(|session| session.stretch.take());
                journal_played(&app, stretch.map(|stretch| (viewer.clone(), stretch.played())))?;
            }
        }
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

/// Whether recordings of a class's lessons in this room are still here.
fn has_recordings(app: &App, view: &View, row: &ClassRow) -> Result<bool, StoreError> {
    let cameras = view.alive()?;
    let lessons = row.class.lessons.iter().filter(|lesson| lesson.is_in(&app.config.appliance.room));
    // The newest first: what is deleted is deleted from the oldest on.
    for span in lessons.rev().filter_map(|lesson| recorded_span(lesson, app.journal.zone(), 0)) {
        for known in &cameras {
            if view.is_last_kept(&known.camera, span.from, span.until)? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Whom the pages offer when they ask for a PIN: the teachers of the classes that are not closed, then of the closed ones
/// those that are `wanted`, the newest first. Names are masked.
async fn offered(
    app: Arc<App>,
    wanted: impl Fn(&App, &View, &ClassRow) -> Result<bool, StoreError> + Send + 'static,
) -> Result<Response, Response> {
    let list = blocking(move || {
        let classes = || {
            let reader = app.journal.store().read()?;
            let (mut classes, mut closed): (Vec<_>, Vec<_>) =
                reader.all_classes()?.into_iter().partition(|row| row.closed.is_none());
            closed.sort_by_key(|row| std::cmp::Reverse(row.class.days().map(|(_, last)| last)));
            for row in closed {
                if wanted(&app, &reader, &row)? {
                    classes.push(row);
                }
            }
            Ok::<_, StoreError>(classes)
        };
        let of = |row: ClassRow| {
            let is_teacher = |person: &&Person| person.role == Role::Teacher && !person.is_erased();
            let teachers = row.class.people().filter(is_teacher);
            let teachers: Vec<_> = teachers.map(|person| (person.number.clone(), mask(&person.name))).collect();
            let is_closed = row.closed.is_some();
            json!({ "class": row.class.id, "name": row.class.name, "closed": is_closed, "teachers": teachers })
        };
        let classes = classes().map_err(|problem| internal(&problem))?;
        Ok(classes.into_iter().map(of).collect::<Vec<_>>())
    });
    Ok(([(CACHE_CONTROL, "no-store")], Json(list.await?)).into_response())
}
