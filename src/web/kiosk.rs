//! `/kiosk`: the page that trainees stand in front of.
//!
//! `/kiosk/live` is a WebSocket. Binary messages are pictures: a big-endian u32 with the length of a JSON header
//! (`number`, `captured_unix_ms`, `faces`), the header, a JPEG. Text messages are JSON with a `type`: `recent`
//! (the last outcomes, when the page connects or has fallen behind), `outcome`, `expectations`, `pending_qr`,
//! `enrolling`, `status` (every second: a page that hears nothing for some seconds is cut off), `room` (every other
//! second: lessons whose roll call can be taken, and what staff should look after). A page that is slow misses
//! pictures, never outcomes.

use super::{App, asset, blocking, internal, rollcall};
use crate::camera::CameraState;
use crate::checkin::live::LivePicture;
use crate::checkin::{self, CONSENT_NOTICE, DeclineRequest, Desk, DeskError, EnrolRequest, Staff};
use crate::class::mask;
use crate::clock::local;
use crate::sync::{Link, SyncState};
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;

const HTML: &str = include_str!("assets/kiosk.html");
const CSS: &str = include_str!("assets/kiosk.css");
const JS: &str = include_str!("assets/kiosk.js");
const DIALOGS_JS: &str = include_str!("assets/kiosk-dialogs.js");
const ROLLCALL_JS: &str = include_str!("assets/kiosk-rollcall.js");
const TEXT_JS: &str = include_str!("assets/kiosk-text.js");

/// How often it is looked at lessons, roll calls and alarms.
const ROOM_EVERY: Duration = Duration::from_secs(2);
/// A look that takes longer hangs, as on a disk that does not answer.
const ROOM_ANSWER: Duration = Duration::from_secs(10);

/// Outcomes that a page is told of when it connects.
const RECENT: usize = 5;

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/kiosk", get(async || asset("text/html; charset=utf-8", HTML)))
        .route("/kiosk/kiosk.css", get(async || asset("text/css; charset=utf-8", CSS)))
        .route("/kiosk/kiosk.js", get(async || asset(JAVASCRIPT, JS)))
        .route("/kiosk/kiosk-dialogs.js", get(async || asset(JAVASCRIPT, DIALOGS_JS)))
        .route("/kiosk/kiosk-rollcall.js", get(async || asset(JAVASCRIPT, ROLLCALL_JS)))
        .route("/kiosk/kiosk-text.js", get(async || asset(JAVASCRIPT, TEXT_JS)))
        .route("/kiosk/live", get(open))
        .route("/kiosk/notice", get(async || asset("text/plain; charset=utf-8", CONSENT_NOTICE)))
        .route("/kiosk/teachers", get(teachers))
        .route("/kiosk/roster", post(roster))
        .route("/kiosk/enrol", post(enrol))
        .route("/kiosk/decline", post(decline))
        .route("/kiosk/qr", post(confirm))
        .route("/kiosk/qr/dismiss", post(dismiss))
}

async fn open(State(app): State<Arc<App>>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.max_message_size(1 << 10).on_upgrade(move |socket| async move {
        // It ends when the page is gone.
        let _ = feed(socket, &app).await;
    })
}

async fn feed(mut socket: WebSocket, app: &Arc<App>) -> Result<(), axum::Error> {
    let mut pictures = app.live.pictures();
    let mut expectations = app.live.expectations();
    let mut pending = app.live.pending_qr();
    let mut enrolling = app.live.enrolling();
    let mut outcomes = app.live.outcomes();
    socket.send(recent(app)).await?;
    expectations.mark_changed();
    pending.mark_changed();
    enrolling.mark_changed();
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    let mut room = watch_room(app.clone());
    loop {
        let message = tokio::select! {
            biased;
            outcome = outcomes.recv() => match outcome {
                Ok(outcome) => text("outcome", json!({ "outcome": *outcome })),
                Err(RecvError::Lagged(_)) => recent(app),
                Err(RecvError::Closed) => return Ok(()),
            },
            _ = pending.changed() => text("pending_qr", json!({ "pending": *pending.borrow_and_update() })),
            _ = enrolling.changed() => text("enrolling", json!({ "enrolling": *enrolling.borrow_and_update() })),
            _ = expectations.changed() => text("expectations", json!({ "classes": *expectations.borrow_and_update() })),
            _ = seconds.tick() => text("status", status(app)),
            Some(room) = room.recv() => text("room", room),
            from_page = socket.recv() => match from_page {
                // The page has nothing to say here; pings are answered by themselves.
                Some(Ok(_)) => continue,
                _ => return Ok(()),
            },
            _ = pictures.changed() => {
                let picture = pictures.borrow_and_update().clone();
                match picture {
                    Some(picture) => Message::Binary(packed(&picture).into()),
                    None => continue,
                }
            }
        };
        socket.send(message).await?;
    }
}

/// Looks at the room away from the threads that serve, every other second, until nobody listens.
fn watch_room(app: Arc<App>) -> mpsc::Receiver<Value> {
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        let (mut asked, mut last) = (None, json!({ "lessons": [], "attention": [] }));
        loop {
            // One that hangs is not asked for once more.
            let answer = asked.get_or_insert_with(|| {
                let app = app.clone();
                tokio::task::spawn_blocking(move || rollcall::state(&app))
            });
            let room = match tokio::time::timeout(ROOM_ANSWER, answer).await {
                Ok(answer) => {
                    asked = None;
                    answer.inspect(|room| last.clone_from(room)).unwrap_or_else(|_| rollcall::unknown(&last))
                }
                Err(_) => rollcall::unknown(&last),
            };
            if sender.send(room).await.is_err() {
                return;
            }
            tokio::select! {
                () = sender.closed() => return,
                () = tokio::time::sleep(ROOM_EVERY) => {}
            }
        }
    });
    receiver
}

fn text(kind: &str, mut value: Value) -> Message {
    value["type"] = kind.into();
    Message::Text(value.to_string().into())
}

fn recent(app: &App) -> Message {
    let newest_first: Vec<_> =
        app.live.recent().into_iter().rev().take(RECENT).map(|outcome| json!(*outcome)).collect();
    text("recent", json!({ "outcomes": newest_first }))
}

fn packed(picture: &LivePicture) -> Vec<u8> {
    let header = json!({
        "number": picture.number, "captured_unix_ms": picture.captured_unix_ms, "faces": picture.faces,
    });
    let header = header.to_string();
    let mut bytes = Vec::with_capacity(4 + header.len() + picture.jpeg.len());
    bytes.extend_from_slice(&(header.len() as u32).to_be_bytes());
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(&picture.jpeg);
    bytes
}

fn status(app: &App) -> Value {
    let sync = app.sync.borrow().clone();
    let camera = app.config.checkin_camera().and_then(|wanted| app.cameras.iter().find(|c| c.name() == wanted.name));
    let now = local(&**app.journal.clock(), app.journal.zone());
    json!({
        "online": sync.link == Link::Online,
        "link": sync.link,
        "registered": sync.state != SyncState::NotRegistered,
        "alarm": sync.state == SyncState::Alarm,
        "waiting": sync.log_size.saturating_sub(sync.countersigned),
        "countersigned_at": sync.countersigned_at.and_then(|at| jiff::Timestamp::from_second(at).ok()).map(|at| {
            at.to_zoned_datetime(app.journal.zone().clone()).strftime("%Y-%m-%dT%H:%M:%S").to_string()
        }),
        "camera": camera.map_or(CameraState::Absent, |camera| camera.status().state),
        "trouble": app.live.troubles().borrow().is_some(),
        "time": now.strftime("%Y-%m-%dT%H:%M:%S").to_string(),
        "site": app.config.appliance.site,
        "room": app.config.appliance.room,
    })
}

/// The teachers of the classes that are not closed, those with a lesson here today first, names masked: whom the
/// kiosk offers when somebody is to be enrolled, which is mostly before the first day.
async fn teachers(State(app): State<Arc<App>>) -> Result<Response, Response> {
    let list = blocking(move || {
        let today = local(&**app.journal.clock(), app.journal.zone()).date();
        let room = &app.config.appliance.room;
        let reader = app.journal.store().read().map_err(|error| internal(&error))?;
        let classes = reader.classes().map_err(|error| internal(&error))?;
        let mut classes: Vec<_> = classes.into_iter().map(|row| row.class).collect();
        classes.sort_by_key(|class| !class.is_in(room, today));
        let entry = |class: crate::class::Class| {
            let teachers = class.teachers.iter().map(|teacher| json!([teacher.number, mask(&teacher.name)]));
            json!({ "class": class.id.to_string(), "name": class.name, "teachers": teachers.collect::<Vec<_>>() })
        };
        Ok(classes.into_iter().map(entry).collect::<Vec<_>>())
    });
    Ok(Json(list.await?).into_response())
}

fn desk(app: &App) -> Result<Desk, Response> {
    app.desk.clone().ok_or_else(|| refusal(&DeskError::NoCamera))
}

pub(super) fn refusal(problem: &DeskError) -> Response {
    let status = match problem {
        DeskError::WrongPin { .. } | DeskError::NoPin => StatusCode::FORBIDDEN,
        DeskError::Locked { .. } => StatusCode::TOO_MANY_REQUESTS,
        DeskError::Refused(_) | DeskError::NoGoodFace(_) => StatusCode::CONFLICT,
        DeskError::Gone => StatusCode::GONE,
        DeskError::NoCamera => StatusCode::SERVICE_UNAVAILABLE,
        DeskError::Journal(error) => return internal(error),
    };
    let detail = match problem {
        DeskError::WrongPin { left } => json!(left),
        DeskError::Locked { until } => json!(until),
        _ => Value::Null,
    };
    let mut body = json!({ "code": problem.code(), "error": problem.to_string(), "detail": detail });
    if let DeskError::Refused(reason) | DeskError::NoGoodFace(reason) = problem {
        body["reason"] = reason.code().into();
        if let Some((person, class)) = reason.about() {
            (body["person"], body["class"]) = (person.into(), class.into());
        }
    }
    (status, Json(body)).into_response()
}

async fn roster(State(app): State<Arc<App>>, Json(staff): Json<Staff>) -> Result<Response, Response> {
    let roster = desk(&app)?.roster(staff).await.map_err(|problem| refusal(&problem))?;
    Ok(Json(roster).into_response())
}

async fn enrol(State(app): State<Arc<App>>, Json(request): Json<EnrolRequest>) -> Result<Response, Response> {
    let enrolled = desk(&app)?.enrol(request).await.map_err(|problem| refusal(&problem))?;
    Ok(Json(enrolled).into_response())
}

async fn decline(State(app): State<Arc<App>>, Json(request): Json<DeclineRequest>) -> Result<Response, Response> {
    blocking(move || checkin::decline(&app.journal, &request).map_err(|problem| refusal(&problem))).await?;
    Ok(Json(json!({})).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Confirm {
    id: u64,
    /// The teacher's class and number.
    class: String,
    teacher: String,
    pin: String,
}

async fn confirm(
    State(app): State<Arc<App>>,
    Json(Confirm { id, class, teacher, pin }): Json<Confirm>,
) -> Result<Response, Response> {
    let outcome = desk(&app)?.confirm_qr(id, &class, &teacher, &pin).await.map_err(|problem| refusal(&problem))?;
    Ok(Json(json!(*outcome)).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Dismiss {
    id: u64,
}

async fn dismiss(State(app): State<Arc<App>>, Json(Dismiss { id }): Json<Dismiss>) -> Result<Response, Response> {
    let outcome = desk(&app)?.dismiss_qr(id).await.map_err(|problem| refusal(&problem))?;
    Ok(Json(json!(*outcome)).into_response())
}
