//! `/recordings`: a day's timeline, camera by camera, and its playback. `/api/recordings` is the same as JSON.
//!
//! What is told here comes from the journal's rows, so it is what the records say: segments, gaps, findings, roll
//! calls, and each lesson's account. Only what goes on now is asked of the recording itself.

use super::access::viewer;
use super::staff::Words;
use super::{App, asset, blocking, error, internal};
use crate::attention::names::cause_name;
use crate::class::{ClassId, Span};
use crate::clock::local;
use crate::recording::{CameraRecording, Lesson, Plan, account_from, account_made};
use crate::store::{FindingRow, GapRow, RollcallRow, SegmentRow, StoreError, View};
use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use evidence::record::{CameraCoverage, Coverage, GapCause, WorkstationCoverage};
use jiff::civil::{Date, Time};
use jiff::{SignedDuration, Timestamp, ToSpan};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

pub(super) fn routes() -> Router<Arc<App>> {
    let script = |text: &'static str| get(async move || asset(JAVASCRIPT, text));
    Router::new()
        .route("/recordings", get(page))
        .route("/api/recordings", get(api))
        .route("/recordings/recordings.css", get(async || asset("text/css; charset=utf-8", CSS)))
        .route("/recordings/recordings.js", script(include_str!("assets/recordings.js")))
        .route("/recordings/timeline.js", script(include_str!("assets/timeline.js")))
        .route("/recordings/player.js", script(include_str!("assets/player.js")))
        .route("/recordings/mp4.js", script(include_str!("assets/mp4.js")))
        .route("/staff/identify.js", script(include_str!("assets/identify.js")))
        .route("/staff/text.js", script(include_str!("assets/staff-text.js")))
        .route("/findings/thumbnails/{file}", get(thumbnail))
}

const CSS: &str = include_str!("assets/recordings.css");

#[derive(Deserialize)]
struct Wanted {
    #[serde(default)]
    lang: String,
    #[serde(default)]
    date: Option<String>,
}

impl Wanted {
    fn date(&self, app: &App) -> Result<Date, Response> {
        let bad = |_| error(StatusCode::BAD_REQUEST, "date", "give the date as YYYY-MM-DD");
        match &self.date {
            Some(text) => text.parse().map_err(bad),
            None => Ok(local(&**app.journal.clock(), app.journal.zone()).date()),
        }
    }
}

#[derive(Template)]
#[template(path = "recordings.html")]
struct Page {
    words: Words,
    room: String,
    date: String,
    weekday: &'static str,
    before: String,
    after: String,
    causes: Vec<(String, &'static str)>,
}

async fn page(State(app): State<Arc<App>>, Query(wanted): Query<Wanted>) -> Result<Response, Response> {
    let date = wanted.date(&app)?;
    let words = Words::of(&wanted.lang);
    let days = ["星期一", "星期二", "星期三", "星期四", "星期五", "星期六", "星期日"];
    let english = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
    let at = usize::try_from(date.weekday().to_monday_zero_offset()).unwrap_or_default();
    let cause = |cause: GapCause| (crate::store::word(cause), words.name(cause_name(cause)));
    let page = Page {
        room: app.config.appliance.room.clone(),
        date: date.to_string(),
        weekday: words.t(days[at], english[at]),
        before: date.saturating_sub(1.day()).to_string(),
        after: date.saturating_add(1.day()).to_string(),
        causes: CAUSES.map(cause).to_vec(),
        words,
    };
    let html = page.render().map_err(|problem| internal(&problem))?;
    Ok(([(CACHE_CONTROL, "no-store")], Html(html)).into_response())
}

/// Every cause of a gap, in the legend's order.
const CAUSES: [GapCause; 9] = [
    GapCause::CameraAbsent,
    GapCause::CameraStalled,
    GapCause::Network,
    GapCause::DiskFull,
    GapCause::WriteFailed,
    GapCause::ApplianceOff,
    GapCause::ClockStep,
    GapCause::OperatorStop,
    GapCause::PlanLate,
];

/// One day. Times are ms since the Unix epoch.
#[derive(Serialize)]
struct Day {
    date: String,
    now: i64,
    /// What to add to UTC for the appliance's local time, ms.
    utc_offset_ms: i64,
    lessons: Vec<LessonView>,
    cameras: Vec<CameraView>,
    findings: Vec<FindingView>,
    rollcalls: Vec<RollcallView>,
}

#[derive(Serialize)]
struct LessonView {
    class: String,
    name: String,
    topic: String,
    from: i64,
    start: i64,
    end: i64,
    /// Those that have to record it; none: all.
    cameras: Vec<String>,
    accounts: Vec<AccountView>,
    /// What its account says, once it is made.
    verdict: Option<VerdictView>,
}

/// A lesson's account, as it was journalled when the lesson was over.
#[derive(Serialize)]
struct VerdictView {
    complete: bool,
    required_share: f64,
    /// Whether a camera has recorded the roll call.
    roll_call_recorded: bool,
    cameras: Vec<ShownView>,
    workstations: Vec<ShownView>,
}

/// For how long a camera has shown the lesson, or a workstation was to be seen.
#[derive(Serialize)]
struct ShownView {
    name: String,
    required_ms: u64,
    shown_ms: u64,
    /// Of the rest: nobody knows whether it did, or was.
    unknown_ms: u64,
    /// Absent in accounts of before this was told.
    complete: Option<bool>,
}

/// A camera's account of a lesson, as far as the lesson has come.
#[derive(Serialize)]
struct AccountView {
    camera: String,
    required_ms: i64,
    recorded_ms: i64,
    gaps_ms: BTreeMap<GapCause, i64>,
    unexplained_ms: i64,
    is_over: bool,
}

#[derive(Serialize)]
struct CameraView {
    camera: String,
    /// From here on a segment is being written.
    writing_since: Option<i64>,
    segments: Vec<SegmentView>,
    gaps: Vec<GapView>,
}

#[derive(Serialize)]
struct SegmentView {
    seq: u64,
    start: i64,
    end: i64,
    bytes: u64,
}

#[derive(Serialize)]
struct GapView {
    start: i64,
    end: i64,
    cause: GapCause,
    /// It goes on.
    open: bool,
}

#[derive(Serialize)]
struct FindingView {
    seq: u64,
    what: evidence::record::FindingKind,
    camera: Option<String>,
    workstation: Option<String>,
    start: i64,
    end: Option<i64>,
    thumbnail: Option<String>,
}

#[derive(Serialize)]
struct RollcallView {
    class: String,
    start: i64,
    end: Option<i64>,
}

async fn api(
    State(app): State<Arc<App>>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Result<Response, Response> {
    let date = wanted.date(&app)?;
    // Others are not told of pictures that they would not be shown.
    let shows_pictures = date == local(&**app.journal.clock(), app.journal.zone()).date() || app.access.knows(&headers);
    let day = blocking(move || {
        let mut day = day(&app, date).map_err(|problem| internal(&problem))?;
        day.findings.iter_mut().filter(|_| !shows_pictures).for_each(|finding| finding.thumbnail = None);
        Ok(day)
    });
    Ok(([(CACHE_CONTROL, "no-store")], Json(day.await?)).into_response())
}

fn day(app: &App, date: Date) -> Result<Day, StoreError> {
    let zone = app.journal.zone();
    let now = app.journal.clock().now();
    let start = date
        .to_datetime(Time::midnight())
        .to_zoned_datetime(zone.clone())
        .map_or(Timestamp::MIN, |start| start.timestamp());
    let whole = Span { from: start, until: start.saturating_add(SignedDuration::from_hours(24)).unwrap_or(start) };
    // Asked before the rows are: what has become of a segment in between is a row then.
    let is_today = whole.from <= now && now < whole.until;
    let running = app.lessons.get().filter(|_| is_today).map(|lessons| lessons.recording.status()).unwrap_or_default();
    let reader = app.journal.store().read()?;
    let classes: BTreeMap<ClassId, String> =
        reader.all_classes()?.into_iter().map(|row| (row.class.id, row.class.name)).collect();
    let planned = Plan::of_all_classes(&app.config, &app.journal)?.lessons_on(&app.journal, date)?;
    let mut names = cameras(app, &reader)?;
    // A camera that a lesson needs and that is not there is shown as what it is.
    for lesson in &planned {
        let unknown = lesson.cameras.iter().filter(|camera| !names.contains(camera)).cloned().collect::<Vec<_>>();
        names.extend(unknown);
    }
    let read = |name: String| {
        let running = running.iter().find(|running| running.camera == name);
        Camera::read(&reader, name, whole, running, now)
    };
    let cameras: Vec<Camera> = names.into_iter().map(read).collect::<Result<_, _>>()?;
    let name = |lesson: &Lesson| classes.get(&lesson.class).cloned().unwrap_or_default();
    let mut lessons: Vec<LessonView> =
        planned.iter().map(|lesson| lesson_view(lesson, name(lesson), &cameras, now)).collect();
    for (view, lesson) in lessons.iter_mut().zip(&planned) {
        view.verdict = account_made(&reader, &lesson.class, lesson.start)?.map(verdict_view);
    }
    lessons.sort_by_key(|lesson| (lesson.start, lesson.class.clone()));
    Ok(Day {
        date: date.to_string(),
        now: now.as_millisecond(),
        utc_offset_ms: i64::from(zone.to_offset(start).seconds()) * 1000,
        lessons,
        findings: reader.findings(whole.from, whole.until)?.into_iter().map(finding_view).collect(),
        rollcalls: reader.rollcalls_between(whole.from, whole.until)?.into_iter().map(rollcall_view).collect(),
        cameras: cameras.into_iter().map(Camera::view).collect(),
    })
}

/// The cameras that record, and those that once did.
fn cameras(app: &App, view: &View) -> Result<Vec<String>, StoreError> {
    let mut names: Vec<String> =
        app.config.cameras.iter().filter(|camera| camera.record).map(|camera| camera.name.clone()).collect();
    for row in view.alive()? {
        if !names.contains(&row.camera) {
            names.push(row.camera);
        }
    }
    Ok(names)
}

/// What one camera did in a day.
struct Camera {
    name: String,
    segments: Vec<SegmentRow>,
    /// The last one may go on.
    gaps: Vec<GapRow>,
    has_open_gap: bool,
    /// From here on a segment is being written.
    writing_since: Option<Timestamp>,
    /// Not all that is known has become rows.
    is_behind: bool,
}

impl Camera {
    /// `running` is how its recording stood a moment ago, if the day is today.
    fn read(
        view: &View,
        name: String,
        day: Span,
        running: Option<&CameraRecording>,
        now: Timestamp,
    ) -> Result<Camera, StoreError> {
        let segments = view.segments(&name, day.from, day.until)?;
        let mut gaps = view.gaps(&name, day.from, day.until)?;
        let open = running.and_then(|running| running.gap.as_ref());
        if let Some((since, cause)) = open
            && let Ok(start) = since.parse::<Timestamp>()
        {
            gaps.push(GapRow { seq: u64::MAX, camera: name.clone(), start, end: now.max(start), cause: *cause });
        }
        let has_open_gap = open.is_some();
        let begun = running.and_then(|running| running.begun.as_ref()?.parse::<Timestamp>().ok());
        // It may have been closed meanwhile, and others after it: each begins where the one before it ends.
        let past = |since: Timestamp, row: &SegmentRow| {
            if row.start <= since && since < row.end { row.end } else { since }
        };
        let writing_since = begun.map(|begun| segments.iter().fold(begun, past));
        let is_behind = running.is_some_and(|running| running.waiting > 0);
        Ok(Camera { name, segments, gaps, has_open_gap, writing_since, is_behind })
    }

    /// Up to when it is known what became of the lesson that goes on.
    fn known_until(&self, now: Timestamp) -> Timestamp {
        let ends = self.segments.iter().map(|row| row.end).chain(self.gaps.iter().map(|row| row.end));
        match self.writing_since {
            Some(_) if self.is_behind => ends.max().unwrap_or(Timestamp::MIN),
            Some(since) => since,
            None => now,
        }
    }

    fn account(&self, lesson: Span, now: Timestamp) -> AccountView {
        let is_over = lesson.until <= now;
        let until = if is_over { lesson.until } else { lesson.until.min(self.known_until(now)).max(lesson.from) };
        let found = account_from(Span { from: lesson.from, until }, &self.segments, self.gaps.clone());
        AccountView {
            camera: self.name.clone(),
            required_ms: found.required_ms,
            recorded_ms: found.recorded_ms,
            unexplained_ms: found.unexplained_ms(),
            gaps_ms: found.gaps_ms,
            is_over,
        }
    }

    fn view(self) -> CameraView {
        let gaps = self.gaps.len();
        let gap = |(at, row): (usize, GapRow)| GapView {
            start: row.start.as_millisecond(),
            end: row.end.as_millisecond(),
            cause: row.cause,
            open: self.has_open_gap && at + 1 == gaps,
        };
        let segment = |row: SegmentRow| SegmentView {
            seq: row.seq,
            start: row.start.as_millisecond(),
            end: row.end.as_millisecond(),
            bytes: row.bytes,
        };
        CameraView {
            camera: self.name,
            writing_since: self.writing_since.map(Timestamp::as_millisecond),
            segments: self.segments.into_iter().map(segment).collect(),
            gaps: self.gaps.into_iter().enumerate().map(gap).collect(),
        }
    }
}

fn lesson_view(lesson: &Lesson, name: String, cameras: &[Camera], now: Timestamp) -> LessonView {
    let has_begun = lesson.span.from <= now;
    let must = |camera: &&Camera| has_begun && lesson.cameras.contains(&camera.name);
    LessonView {
        class: lesson.class.to_string(),
        name,
        topic: lesson.topic.clone(),
        from: lesson.span.from.as_millisecond(),
        start: lesson.start.as_millisecond(),
        end: lesson.span.until.as_millisecond(),
        cameras: lesson.cameras.clone(),
        accounts: cameras.iter().filter(must).map(|camera| camera.account(lesson.span, now)).collect(),
        verdict: None,
    }
}

fn verdict_view(account: Coverage) -> VerdictView {
    VerdictView {
        complete: account.complete,
        required_share: account.required_share,
        roll_call_recorded: account.roll_call_recorded.unwrap_or(account.roll_call.is_some()),
        cameras: account.cameras.into_iter().map(camera_shown).collect(),
        workstations: account.workstations.into_iter().map(workstation_shown).collect(),
    }
}

fn camera_shown(account: CameraCoverage) -> ShownView {
    let unwatched = account.unwatched_ms.unwrap_or_default();
    let not_shown = account.impaired_ms.values().sum::<u64>() + unwatched;
    ShownView {
        name: account.camera,
        required_ms: account.required_ms,
        shown_ms: account.recorded_ms.saturating_sub(not_shown),
        unknown_ms: unwatched + account.unexplained_ms,
        complete: account.complete,
    }
}

fn workstation_shown(account: WorkstationCoverage) -> ShownView {
    ShownView {
        name: account.workstation,
        required_ms: account.required_ms,
        shown_ms: account.visible_ms,
        unknown_ms: account.unknown_ms,
        complete: account.complete,
    }
}

fn finding_view(row: FindingRow) -> FindingView {
    FindingView {
        seq: row.seq,
        what: row.what,
        camera: row.camera,
        workstation: row.workstation,
        start: row.start.as_millisecond(),
        end: row.end.map(|(end, _)| end.as_millisecond()),
        thumbnail: row.thumbnail,
    }
}

fn rollcall_view(row: RollcallRow) -> RollcallView {
    RollcallView {
        class: row.class.to_string(),
        start: row.start.as_millisecond(),
        end: row.end.map(|(end, _)| end.as_millisecond()),
    }
}

/// A finding's small picture: today's to whoever stands here, an earlier day's to staff who have given a PIN.
async fn thumbnail(
    State(app): State<Arc<App>>,
    Path(file): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Response> {
    let none = || error(StatusCode::NOT_FOUND, "no_picture", "there is no such picture");
    let sha256 = file.strip_suffix(".jpg").ok_or_else(none)?.to_owned();
    let jpeg = blocking(move || {
        let now = app.journal.clock().now();
        let today = local(&**app.journal.clock(), app.journal.zone()).start_of_day().map_or(now, |day| day.timestamp());
        let reader = app.journal.store().read().map_err(|problem| internal(&problem))?;
        let findings = reader.findings(today, now).map_err(|problem| internal(&problem))?;
        if !findings.iter().any(|finding| finding.thumbnail.as_ref() == Some(&sha256)) {
            viewer(&app, &headers)?;
        }
        reader.thumbnail(&sha256).map_err(|problem| internal(&problem))
    });
    let jpeg = jpeg.await?.ok_or_else(none)?;
    Ok(([(CONTENT_TYPE, "image/jpeg"), (CACHE_CONTROL, "private, no-store")], jpeg).into_response())
}

#[cfg(test)]
mod tests;
