//! `/`: the institution's staff see who is in and who is missing, the cameras, the log, and what needs attention.
//!
//! Read-only. Full names are shown: whoever sees this page stands at the appliance or administers it.

use super::{App, asset, blocking, internal};
use crate::attention::Attention;
use crate::attention::chinese::chinese;
use crate::attention::names::{Name, finding_name};
use crate::camera::CameraState;
use crate::checkin;
use crate::class::{Role, Window, windows};
use crate::clock::local;
use crate::status::Status;
use crate::store::CheckinRow;
use crate::sync::{Link, SyncState};
use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::http::header::CACHE_CONTROL;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use evidence::record::{ClockQuality, Method, WindowKind};
use jiff::ZonedDateTime;
use serde::Deserialize;
use std::sync::Arc;

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/", get(page))
        .route("/staff/staff.css", get(async || asset("text/css; charset=utf-8", include_str!("assets/staff.css"))))
        .route(
            "/staff/staff.js",
            get(async || asset("text/javascript; charset=utf-8", include_str!("assets/staff.js"))),
        )
}

#[derive(Deserialize)]
struct Wanted {
    #[serde(default)]
    lang: String,
}

/// The two languages of every text on the pages.
#[derive(Clone, Copy)]
pub(super) struct Words {
    english: bool,
}

impl Words {
    pub(super) const CHINESE: Words = Words { english: false };
    pub(super) const ENGLISH: Words = Words { english: true };

    /// Those that an address asks for.
    pub(super) fn of(lang: &str) -> Words {
        if lang == "en" { Words::ENGLISH } else { Words::CHINESE }
    }

    pub(super) fn t<'t>(&self, chinese: &'t str, english: &'t str) -> &'t str {
        if self.english { english } else { chinese }
    }

    pub(super) fn name(&self, (chinese, english): Name) -> &'static str {
        self.t(chinese, english)
    }
}

#[derive(Template)]
#[template(path = "staff.html")]
struct Page {
    words: Words,
    status: Status,
    now: String,
    attention: Vec<String>,
    classes: Vec<ClassView>,
    cameras: Vec<CameraView>,
    log: LogView,
    clock: String,
    findings: Vec<FindingView>,
}

struct FindingView {
    what: &'static str,
    place: String,
    time: String,
    open: bool,
    thumbnail: Option<String>,
}

struct ClassView {
    number: String,
    name: String,
    windows: String,
    arrived: usize,
    trainees: usize,
    people: Vec<PersonView>,
}

struct PersonView {
    number: String,
    name: String,
    is_teacher: bool,
    arrival: Option<String>,
    departure: Option<String>,
    mark: &'static str,
    state: String,
}

pub(super) struct CameraView {
    pub name: String,
    pub mark: &'static str,
    pub state: String,
    pub detail: String,
    pub has_picture: bool,
}

struct LogView {
    records: u64,
    countersigned: u64,
    last: String,
    mark: &'static str,
    state: String,
}

async fn page(State(app): State<Arc<App>>, Query(wanted): Query<Wanted>) -> Result<Response, Response> {
    let words = Words::of(&wanted.lang);
    let html = blocking(move || render(&app, words)).await?;
    Ok(([(CACHE_CONTROL, "no-store")], Html(html)).into_response())
}

fn render(app: &App, words: Words) -> Result<String, Response> {
    let status = app.status();
    let now = local(&**app.journal.clock(), app.journal.zone());
    // When the database cannot be read, the page says so, and shows the rest.
    let (classes, findings) = match status.unknown {
        Some(_) => Default::default(),
        None => read(app, words, &now).map_err(|problem| internal(&problem))?,
    };
    let page = Page {
        words,
        now: now.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        attention: status.attention.iter().map(|attention| sentence(attention, words)).collect(),
        classes,
        cameras: status.cameras.iter().map(|camera| camera_view(camera, words)).collect(),
        log: log_view(&status, words, &now),
        clock: match status.clock {
            ClockQuality::Synced => words.t("已同步", "synchronised").into(),
            ClockQuality::Holdover { seconds } => {
                format!("{} {} min", words.t("未同步", "not synchronised for"), seconds / 60)
            }
            ClockQuality::Unset => words.t("未校时", "never synchronised").into(),
        },
        findings,
        status,
    };
    page.render().map_err(|problem| internal(&problem))
}

/// What the database tells: the classes of today, and today's findings.
fn read(
    app: &App,
    words: Words,
    now: &ZonedDateTime,
) -> Result<(Vec<ClassView>, Vec<FindingView>), crate::store::StoreError> {
    Ok((classes(app, words, now)?, findings(app, words, now)?))
}

/// Findings shown at most.
const FINDINGS: usize = 12;

/// Today's findings, newest first.
fn findings(app: &App, words: Words, now: &ZonedDateTime) -> Result<Vec<FindingView>, crate::store::StoreError> {
    let from = now.start_of_day().map_or(now.timestamp(), |start| start.timestamp());
    let rows = app.journal.store().read()?.findings(from, now.timestamp())?;
    let view = |row: crate::store::FindingRow| FindingView {
        what: words.name(finding_name(row.what)),
        place: [row.camera, row.workstation].into_iter().flatten().collect::<Vec<_>>().join(" · "),
        time: row.start.to_zoned_datetime(now.time_zone().clone()).strftime("%H:%M:%S").to_string(),
        open: row.end.is_none(),
        thumbnail: row.thumbnail,
    };
    Ok(rows.into_iter().rev().take(FINDINGS).map(view).collect())
}

fn classes(app: &App, words: Words, now: &ZonedDateTime) -> Result<Vec<ClassView>, crate::store::StoreError> {
    let reader = app.journal.store().read()?;
    let accepted = reader.accepted_rows_on(now.date())?;
    let room = &app.config.appliance.room;
    let policy = checkin::policy(&app.config);
    let mut views = Vec::new();
    for class in reader.classes()?.into_iter().map(|row| row.class) {
        if !class.is_in(room, now.date()) {
            continue;
        }
        let enrolled = reader.enrolled_with(&class.id, app.model.as_deref())?;
        let with_any_model = reader.enrolled(&class.id)?;
        let windows = windows(&class, now.date(), room, now.time_zone(), &policy);
        let mut qr_only = Vec::new();
        for person in class.people() {
            if reader.consent(&class.id, &person.number)?.is_some_and(|consent| !consent.given) {
                qr_only.push(person.number.clone());
            }
        }
        let people: Vec<PersonView> = class
            .people()
            .map(|person| {
                let row = |kind| {
                    let is_theirs = |row: &&CheckinRow| {
                        row.class.as_deref() == Some(class.id.as_str())
                            && row.person.as_deref() == Some(&person.number)
                            && row.window == Some(kind)
                    };
                    accepted.iter().find(is_theirs)
                };
                let (arrival, departure) = (row(WindowKind::Arrival), row(WindowKind::Departure));
                let face = match &person.number {
                    number if enrolled.contains(number) || qr_only.contains(number) => Face::NotWanting,
                    number if with_any_model.contains(number) => Face::OfAnotherModel,
                    _ => Face::NotEnrolled,
                };
                let (mark, state) = state(arrival, &windows, now, face, words);
                PersonView {
                    number: person.number.clone(),
                    name: person.name.clone(),
                    is_teacher: person.role == Role::Teacher,
                    arrival: arrival.map(|row| time_of(row, words)),
                    departure: departure.map(|row| time_of(row, words)),
                    mark,
                    state,
                }
            })
            .collect();
        views.push(ClassView {
            arrived: people.iter().filter(|person| !person.is_teacher && person.arrival.is_some()).count(),
            trainees: class.trainees.len(),
            windows: windows_text(&windows, words),
            number: class.id.to_string(),
            name: class.name,
            people,
        });
    }
    Ok(views)
}

/// How somebody stands with the face that is to be recognised.
enum Face {
    /// It is enrolled, or the person checks in by QR code.
    NotWanting,
    /// It was enrolled before the embedding model was changed.
    OfAnotherModel,
    NotEnrolled,
}

fn state(
    arrival: Option<&CheckinRow>,
    windows: &[Window],
    now: &ZonedDateTime,
    face: Face,
    words: Words,
) -> (&'static str, String) {
    let closed = windows.iter().any(|window| window.kind == WindowKind::Arrival && window.closes <= *now);
    match (arrival, closed, face) {
        (Some(_), ..) => ("good", words.t("已到", "here").into()),
        (None, true, _) => ("bad", words.t("缺勤", "missing").into()),
        (None, false, Face::NotWanting) => ("wait", words.t("未到", "expected").into()),
        (None, false, Face::OfAnotherModel) => {
            ("warn", words.t("人脸模型已更换，需重新登记", "the face model has changed: enrol again").into())
        }
        (None, false, Face::NotEnrolled) => ("warn", words.t("未登记人脸", "not enrolled").into()),
    }
}

fn time_of(row: &CheckinRow, words: Words) -> String {
    let time = row.time.get(11..16).unwrap_or_default();
    match row.method {
        Method::Face => time.into(),
        Method::Qr => format!("{time} {}", words.t("二维码", "QR code")),
    }
}

fn windows_text(windows: &[Window], words: Words) -> String {
    let text = |window: &Window| {
        let kind = match window.kind {
            WindowKind::Arrival => words.t("上课签到", "arrival"),
            WindowKind::Departure => words.t("下课签退", "departure"),
        };
        format!("{kind} {}–{}", window.opens.strftime("%H:%M"), window.closes.strftime("%H:%M"))
    };
    windows.iter().map(text).collect::<Vec<_>>().join("  ·  ")
}

pub(super) fn camera_view(camera: &crate::camera::CameraStatus, words: Words) -> CameraView {
    let (mark, state) = match camera.state {
        CameraState::Live => ("good", words.t("正常", "live")),
        CameraState::Stalled => ("bad", words.t("画面停滞", "stalled")),
        CameraState::Absent => ("bad", words.t("未连接", "absent")),
        CameraState::Unknown => ("wait", words.t("正在连接", "connecting")),
    };
    let age = match camera.last_frame_age_seconds {
        None => words.t("尚无画面", "no frame yet").into(),
        Some(age) if age < 1.0 => format!("{}×{} · {:.0} fps", camera.width, camera.height, camera.fps),
        Some(age) => format!("{} {age:.0} s", words.t("最后一帧距今", "last frame, age")),
    };
    let detail = camera.problem.as_ref().map_or(age.clone(), |problem| format!("{age} · {problem}"));
    CameraView { name: camera.name.clone(), mark, state: state.into(), detail, has_picture: camera.frames > 0 }
}

fn log_view(status: &Status, words: Words, now: &ZonedDateTime) -> LogView {
    let log = &status.log;
    let (mark, state) = match &log.state {
        SyncState::UpToDate if log.link == Link::Offline => {
            ("warn", words.t("离线，已有记录全部签认", "offline; all records so far are countersigned").into())
        }
        SyncState::UpToDate => ("good", words.t("全部已由监管平台签认", "all countersigned by the bureau").into()),
        SyncState::Sending => ("wait", words.t("正在上传", "sending").into()),
        SyncState::Waiting { retry_in_seconds } => (
            "warn",
            format!(
                "{} {retry_in_seconds} s",
                words.t("离线，自动重试，间隔", "offline; the next try comes by itself, in")
            ),
        ),
        SyncState::NotRegistered => ("warn", words.t("未在监管平台注册", "not registered with a bureau").into()),
        SyncState::Alarm => {
            ("bad", words.t("监管平台核验未通过，已停止上传", "the bureau says it does not verify").into())
        }
    };
    let last = log.countersigned_at.and_then(|at| jiff::Timestamp::from_second(at).ok());
    let last = last.map(|at| at.to_zoned_datetime(now.time_zone().clone()).strftime("%Y-%m-%d %H:%M:%S").to_string());
    LogView {
        records: log.log_size,
        countersigned: log.countersigned,
        last: last.unwrap_or_else(|| words.t("从未", "never").into()),
        mark,
        state,
    }
}

/// What needs attention, and what to do about it.
pub(super) fn sentence(attention: &Attention, words: Words) -> String {
    if words.english { attention.to_string() } else { chinese(attention) }
}
