//! The roll call at the kiosk: a teacher of the lesson's class begins and ends it, and the log bookmarks it.

use super::kiosk::refusal;
use super::{App, blocking, error, internal};
use crate::alarm::message::{plain_en, plain_zh};
use crate::attention::Attention;
use crate::checkin::{Staff, admit};
use crate::class::{Class, ClassId, Role, mask};
use crate::clock::local;
use crate::journal::JournalError;
use crate::recording::Plan;
use crate::store::{StoreError, View};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use evidence::record::WindowKind;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::cmp::Reverse;
use std::sync::Arc;

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route("/kiosk/rollcall", post(call))
}

/// A lesson whose roll call can be taken now.
#[derive(Serialize)]
struct Callable {
    class: String,
    name: String,
    /// When it begins by the plan, ms since the Unix epoch: names the lesson.
    lesson: i64,
    begins: String,
    teachers: Vec<(String, String)>,
    expected: u32,
    present: u32,
    /// Since when one goes on, local time, and for how long.
    since: Option<String>,
    seconds: i64,
    /// When the last one that is over was taken.
    done: Option<String>,
}

/// What the kiosk says of roll calls and of what staff should look after.
pub(super) fn state(app: &App) -> Value {
    let mut attention = app.status().attention;
    let callable = callable(app).unwrap_or_else(|error| {
        if !attention.iter().any(|one| matches!(one, Attention::StatusUnknown { .. })) {
            attention.push(Attention::StatusUnknown { message: error.to_string() });
        }
        Vec::new()
    });
    attention.retain(is_of_the_room);
    attention.sort_by_key(urgency);
    json!({ "lessons": callable, "attention": attention.iter().map(texts).collect::<Vec<_>>() })
}

/// What it says when nobody can tell: what was said last, and that.
pub(super) fn unknown(last: &Value) -> Value {
    let mut room = last.clone();
    let unknown = texts(&Attention::StatusUnknown { message: String::new() });
    match room["attention"].as_array_mut() {
        Some(attention) => attention.insert(0, unknown),
        None => room["attention"] = json!([unknown]),
    }
    room
}

/// In both languages, and what tells it from others though figures in it change. What a server or a driver says of itself is
/// for the staff page; the kiosk says what to do.
fn texts(attention: &Attention) -> Value {
    let chinese = plain_zh(attention);
    let key = match attention {
        Attention::DiskLow { .. } => "disk_low".into(),
        Attention::RecordingsDiskFull { .. } => "recordings_disk_full".into(),
        Attention::ForeignRecordings { .. } => "foreign_recordings".into(),
        Attention::NotArchivable { .. } => "not_archivable".into(),
        Attention::NotJournalled { camera, .. } => format!("not_journalled {camera}"),
        Attention::KeyFramesRare { camera, .. } => format!("key_frames_rare {camera}"),
        _ => chinese.clone(),
    };
    json!([chinese, plain_en(attention), key])
}

/// Whether it is about cameras and recordings: what a teacher in the room can look after at once.
fn is_of_the_room(attention: &Attention) -> bool {
    !matches!(
        attention,
        Attention::SyncAlarm { .. }
            | Attention::NotRegistered
            | Attention::Unsent { .. }
            | Attention::ClockUnset
            | Attention::NotEnrolled { .. }
            | Attention::NoClass
            | Attention::NothingRecorded
            | Attention::WorkstationsUnmarked { .. }
            | Attention::LessonIncomplete { .. }
            | Attention::NoWorkstations { .. }
            | Attention::AlarmUndelivered { .. }
            | Attention::Trouble { .. }
    )
}

/// The order in which the kiosk says it: what spoils the lesson that goes on first, of that the newest; what is no alarm
/// last.
fn urgency(attention: &Attention) -> (u8, Reverse<Option<Timestamp>>) {
    let (rank, since) = match attention {
        Attention::NotRecorded { since, .. } | Attention::Finding { since, .. } => (0, since.parse().ok()),
        Attention::NotWatched { .. } | Attention::WorkstationsUnseen { .. } => (1, None),
        Attention::RecorderHangs { .. }
        | Attention::WatchHangs
        | Attention::NotJournalled { .. }
        | Attention::StatusUnknown { .. } => (2, None),
        Attention::RecordingsDiskFull { .. } | Attention::RecordingsDiskUnknown => (3, None),
        Attention::KeyFramesRare { .. }
        | Attention::NotArchived { .. }
        | Attention::NotArchivable { .. }
        | Attention::ForeignRecordings { .. } => (5, None),
        _ => (4, None),
    };
    (rank, Reverse(since))
}

fn callable(app: &App) -> Result<Vec<Callable>, StoreError> {
    let reader = app.journal.store().read()?;
    let mut found = Vec::new();
    for (id, start) in callable_now(app)? {
        if let Some(row) = reader.class(&id)?.filter(|row| row.closed.is_none()) {
            found.push(lesson_state(app, &reader, &row.class, start)?);
        }
    }
    Ok(found)
}

/// The lessons whose roll call can be taken now: from the lead time, which may lie before midnight, to the end. Each by its
/// class and its beginning, in order of time.
fn callable_now(app: &App) -> Result<Vec<(ClassId, Timestamp)>, StoreError> {
    let lessons = Plan::new(&app.config).lessons_at(&app.journal, app.journal.clock().now())?;
    let mut lessons: Vec<_> = lessons.into_iter().map(|lesson| (lesson.class, lesson.start)).collect();
    lessons.sort_by_key(|(_, start)| *start);
    Ok(lessons)
}

fn lesson_state(app: &App, view: &View, class: &Class, start: Timestamp) -> Result<Callable, StoreError> {
    let zone = app.journal.zone();
    let text = |time: Timestamp, format: &str| time.to_zoned_datetime(zone.clone()).strftime(format).to_string();
    let calls = view.rollcalls(&class.id, start)?;
    let running = calls.iter().find(|call| call.end.is_none());
    let (expected, present) = counts(app, view, class)?;
    let now = app.journal.clock().now();
    let teachers = class.people().filter(|person| person.role == Role::Teacher);
    Ok(Callable {
        class: class.id.to_string(),
        name: class.name.clone(),
        lesson: start.as_millisecond(),
        begins: text(start, "%H:%M"),
        teachers: teachers.map(|person| (person.number.clone(), mask(&person.name))).collect(),
        expected,
        present,
        since: running.map(|call| text(call.start, "%H:%M:%S")),
        seconds: running.map_or(0, |call| now.duration_since(call.start).as_secs().max(0)),
        done: calls.iter().filter(|call| call.end.is_some()).map(|call| text(call.start, "%H:%M")).next_back(),
    })
}

/// Trainees on the roster, and those who have checked in on arrival today.
fn counts(app: &App, view: &View, class: &Class) -> Result<(u32, u32), StoreError> {
    let today = local(&**app.journal.clock(), app.journal.zone()).date();
    let accepted = view.accepted_on(today)?;
    let is_here = |number: &str| {
        accepted.iter().any(|(id, who, window)| *id == class.id && who == number && *window == WindowKind::Arrival)
    };
    let present = class.trainees.iter().filter(|trainee| is_here(&trainee.number)).count();
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    Ok((count(class.trainees.len()), count(present)))
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Event {
    Begin,
    End,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    staff: Staff,
    lesson: i64,
    event: Event,
}

async fn call(State(app): State<Arc<App>>, Json(call): Json<Call>) -> Result<Response, Response> {
    blocking(move || {
        let class = admit(&app.journal, &call.staff).map_err(|problem| refusal(&problem))?;
        let lesson = lesson(&app, &class, call.lesson)?;
        let done = match call.event {
            Event::Begin => app.journal.begin_rollcall(&class, lesson, &call.staff.number),
            Event::End => app.journal.end_rollcall(&class, lesson, &call.staff.number),
        };
        let appended = done.map_err(|problem| match problem {
            JournalError::Refused(why) => error(StatusCode::CONFLICT, "rollcall_refused", &why),
            other => internal(&other),
        })?;
        Ok(Json(json!({ "seq": appended.seq, "time": appended.time })).into_response())
    })
    .await
}

/// The beginning of the class's lesson that begins at `wanted` (ms), if its roll call can be taken now.
fn lesson(app: &App, class: &ClassId, wanted: i64) -> Result<Timestamp, Response> {
    let none = || error(StatusCode::CONFLICT, "no_lesson", "no lesson of this class is given here now");
    let lessons = callable_now(app).map_err(|problem| internal(&problem))?;
    let is_wanted = |(of, start): &(ClassId, Timestamp)| of == class && start.as_millisecond() == wanted;
    lessons.into_iter().find(is_wanted).map(|(_, start)| start).ok_or_else(none)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_finding_is_said_before_what_was_there_before_and_what_is_no_alarm_last() {
        let finding = |camera: &str, minute: u32| Attention::Finding {
            what: evidence::record::FindingKind::Covered,
            camera: Some(camera.into()),
            workstation: None,
            class: None,
            since: format!("2026-11-24T08:{minute:02}:00.000+08:00"),
        };
        let camera = || "door".to_owned();
        let rare = Attention::KeyFramesRare { camera: camera(), milliseconds: 5000 };
        let gap = Attention::NotRecorded {
            camera: camera(),
            since: "2026-11-24T00:05:00.000Z".into(),
            cause: evidence::record::GapCause::Network,
        };
        let low = Attention::DiskLow { free_bytes: 1 };
        let full = Attention::RecordingsDiskFull { free_bytes: 1, reserve_bytes: 2 };
        let blind = Attention::NotWatched { camera: camera() };
        let mut attention = vec![
            rare.clone(),
            low.clone(),
            full.clone(),
            Attention::WatchHangs,
            blind.clone(),
            finding("back", 1),
            gap.clone(),
            finding("front", 9),
        ];
        attention.sort_by_key(urgency);
        let expected = [finding("front", 9), gap, finding("back", 1), blind, Attention::WatchHangs, full, low, rare];
        assert_eq!(attention, expected);
    }

    #[test]
    fn what_is_said_with_another_figure_is_nothing_new() {
        let key = |attention: Attention| texts(&attention)[2].clone();
        let full = |free_bytes| Attention::RecordingsDiskFull { free_bytes, reserve_bytes: 1 << 40 };
        assert_eq!(key(full(1 << 30)), key(full(1 << 31)));
        let waiting = |camera: &str, facts| Attention::NotJournalled { camera: camera.into(), facts };
        assert_eq!(key(waiting("back", 1)), key(waiting("back", 2)));
        assert_ne!(key(waiting("back", 1)), key(waiting("front", 1)));
    }

    #[test]
    fn when_nobody_can_tell_the_kiosk_says_so_beside_what_it_said_last() {
        let last = json!({ "lessons": [{ "class": "2026-001" }], "attention": [["旧", "old"]] });
        let room = unknown(&last);
        assert_eq!(room["lessons"], last["lessons"], "a roll call can still be taken");
        let texts: Vec<_> = room["attention"].as_array().expect("a list").iter().map(|texts| &texts[1]).collect();
        assert!(texts[0].as_str().is_some_and(|text| text.contains("cannot be read")), "{room}");
        assert_eq!((texts.len(), texts[1]), (2, &json!("old")));
        assert_eq!(unknown(&Value::Null)["attention"].as_array().map(Vec::len), Some(1));
    }
}
