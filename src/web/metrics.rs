//! `/metrics` for Prometheus. Labels are cameras, states and outcomes; never a person or a class.

use super::{App, blocking, internal};
use crate::attention::Attention;
use crate::camera::CameraState;
use crate::status::Status;
use crate::sync::{Link, SyncState};
use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

type Labels = Vec<(String, String)>;

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route("/metrics", get(metrics))
}

async fn metrics(State(app): State<Arc<App>>) -> Result<Response, Response> {
    let text = blocking(move || collect(&app)).await?;
    Ok(([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response())
}

fn collect(app: &App) -> Result<String, Response> {
    let status = app.status();
    let mut registry = Registry::with_prefix("rollcall");
    let gauge = |registry: &mut Registry, name: &str, help: &str, value: i64| {
        let gauge = Gauge::<i64>::default();
        gauge.set(value);
        registry.register(name, help, gauge);
    };
    gauge(&mut registry, "log_records", "Records in the log", status.log.log_size as i64);
    gauge(
        &mut registry,
        "log_countersigned_records",
        "Records that the bureau has countersigned",
        status.log.countersigned as i64,
    );
    if let Some(at) = status.log.countersigned_at {
        gauge(&mut registry, "log_countersigned_time_seconds", "When the bureau last countersigned, Unix time", at);
    }
    gauge(
        &mut registry,
        "sync_alarm",
        "1 when sending has stopped until staff have acted",
        i64::from(status.log.state == SyncState::Alarm),
    );
    let is_online = i64::from(status.log.link == Link::Online);
    gauge(&mut registry, "bureau_online", "1 when the last exchange with the bureau succeeded", is_online);
    gauge(&mut registry, "attention", "Things that need attention", status.attention.len() as i64);
    if let Some(disk) = status.disk {
        gauge(&mut registry, "disk_free_bytes", "Bytes free on the disk of the state", disk.free_bytes as i64);
    }
    if let Some(bytes) = resident_bytes() {
        gauge(&mut registry, "resident_memory_bytes", "Resident memory of this process", bytes);
    }
    cameras(&mut registry, &status.cameras);
    recorders(&mut registry, &status.recordings);
    if let Some(keeping) = &status.keeping {
        kept(&mut registry, keeping);
    }
    if let Some(progress) = &app.progress {
        let frames = progress.frames.load(Ordering::Relaxed);
        registry.register("checkin_frames", "Frames looked at for faces", ConstCounter::new(frames));
        let micros = progress.frame_micros.load(Ordering::Relaxed) as i64;
        gauge(
            &mut registry,
            "checkin_frame_microseconds",
            "From the last frame's arrival to the end of work on it",
            micros,
        );
    }
    coverage(&mut registry, &status);
    let today = crate::clock::local(&**app.journal.clock(), app.journal.zone()).date();
    let counts = app.journal.store().read().and_then(|reader| reader.outcomes_on(today));
    let is_unknown = i64::from(status.unknown.is_some() || counts.is_err());
    gauge(&mut registry, "status_unknown", "1 when the database cannot be read: what it tells is left out", is_unknown);
    if let Ok(counts) = counts {
        let checkins = Family::<Labels, Gauge>::default();
        for (outcome, count) in counts {
            checkins.get_or_create(&vec![("outcome".into(), word(outcome))]).set(count as i64);
        }
        registry.register("checkins_today", "Check-in records of today, by outcome", checkins);
    }
    let mut text = String::new();
    encode(&mut text, &registry).map_err(|error| internal(&error))?;
    Ok(text)
}

fn cameras(registry: &mut Registry, cameras: &[crate::camera::CameraStatus]) {
    let state = Family::<Labels, Gauge>::default();
    let frames = Family::<Labels, Counter>::default();
    let age = Family::<Labels, Gauge<f64, AtomicU64>>::default();
    let fps = Family::<Labels, Gauge<f64, AtomicU64>>::default();
    let keys = Family::<Labels, Gauge<f64, AtomicU64>>::default();
    for camera in cameras {
        let label = || vec![("camera".to_owned(), camera.name.clone())];
        for known in [CameraState::Live, CameraState::Stalled, CameraState::Absent, CameraState::Unknown] {
            let mut labels = label();
            labels.push(("state".into(), format!("{known:?}").to_lowercase()));
            state.get_or_create(&labels).set(i64::from(camera.state == known));
        }
        frames.get_or_create(&label()).inc_by(camera.frames);
        fps.get_or_create(&label()).set(camera.fps);
        if let Some(seconds) = camera.key_frame_seconds {
            keys.get_or_create(&label()).set(seconds);
        }
        if let Some(seconds) = camera.last_frame_age_seconds {
            age.get_or_create(&label()).set(seconds);
        }
    }
    registry.register("camera_state", "1 for the state that a camera is in", state);
    registry.register("camera_frames", "Frames since start", frames);
    registry.register("camera_last_frame_age_seconds", "Age of the last frame", age);
    registry.register("camera_key_frame_seconds", "How far apart key frames come", keys);
    registry.register("camera_frames_per_second", "Frames a second over the last seconds", fps);
}

fn recorders(registry: &mut Registry, recordings: &[crate::recording::CameraRecording]) {
    let (waiting, idle) = (Family::<Labels, Gauge>::default(), Family::<Labels, Gauge<f64, AtomicU64>>::default());
    for recording in recordings {
        let label = vec![("camera".to_owned(), recording.camera.clone())];
        waiting.get_or_create(&label).set(recording.waiting as i64);
        idle.get_or_create(&label).set(recording.idle_seconds);
    }
    registry.register("recording_waiting", "Segments and gaps that cannot be journalled yet", waiting);
    registry.register("recording_idle_seconds", "How long ago the recorder was last at work", idle);
}

fn kept(registry: &mut Registry, keeping: &crate::recording::Keeping) {
    let (bytes, budget) = (Family::<Labels, Gauge>::default(), Family::<Labels, Gauge>::default());
    for kept in &keeping.cameras {
        let label = vec![("camera".to_owned(), kept.camera.clone())];
        bytes.get_or_create(&label).set(kept.amount.bytes as i64);
        if let Some(limit) = kept.budget_bytes {
            budget.get_or_create(&label).set(limit as i64);
        }
    }
    registry.register("recordings_bytes", "Bytes of recordings on this appliance", bytes);
    registry.register("recordings_budget_bytes", "Bytes that a camera's recordings may take", budget);
    let gauge = |registry: &mut Registry, name: &str, help: &str, value: i64| {
        let gauge = Gauge::<i64>::default();
        gauge.set(value);
        registry.register(name, help, gauge);
    };
    // A disk that cannot be asked has no value, which is not 0 and not endless.
    if let Some(disk) = keeping.disk {
        gauge(registry, "recordings_disk_free_bytes", "Bytes free on the recordings' disk", disk.free_bytes as i64);
        let reserve = keeping.reserve_bytes as i64;
        gauge(registry, "recordings_reserve_bytes", "Bytes that recording leaves free there", reserve);
    }
    let idle = keeping.idle_seconds as i64;
    gauge(registry, "retention_idle_seconds", "How long ago whoever deletes recordings was last at work", idle);
    let is_stuck = i64::from(keeping.cannot_delete.is_some());
    gauge(registry, "recordings_cannot_delete", "1 when recordings should be deleted and may not be", is_stuck);
    if let Some(archive) = &keeping.archive {
        let waiting = archive.waiting.bytes as i64;
        gauge(registry, "archive_waiting_bytes", "Bytes of recordings that no archive holds yet", waiting);
        let is_failing = i64::from(archive.problem.is_some());
        let unfit = archive.unfit.as_ref().map_or(0, |unfit| unfit.segments as i64);
        gauge(registry, "archive_unfit_segments", "Segments that are lost or altered and that no archive holds", unfit);
        let idle = archive.idle_seconds as i64;
        gauge(registry, "archive_idle_seconds", "How long ago whoever archives was last at work", idle);
        let late = i64::from(archive.late_days.unwrap_or_default());
        gauge(
            registry,
            "archive_late_days",
            "How many days ago the oldest day was that is late to be archived; 0: none",
            late,
        );
        gauge(registry, "archive_failing", "1 when the last try to archive has failed", is_failing);
    }
}

/// What is wrong with what the cameras show, and how long each workstation was to be seen.
fn coverage(registry: &mut Registry, status: &Status) {
    let findings = Family::<Labels, Gauge>::default();
    let gaps = Family::<Labels, Gauge>::default();
    let (unseen, incomplete) = (Gauge::<i64>::default(), Gauge::<i64>::default());
    for attention in &status.attention {
        match attention {
            Attention::Finding { what, camera, workstation, .. } => {
                let mut labels = vec![("what".into(), word(what))];
                labels.push(("camera".into(), camera.clone().unwrap_or_default()));
                labels.push(("workstation".into(), workstation.clone().unwrap_or_default()));
                findings.get_or_create(&labels).inc();
            }
            Attention::NotRecorded { camera, cause, .. } => {
                let labels = vec![("camera".into(), camera.clone()), ("cause".into(), word(cause))];
                gaps.get_or_create(&labels).set(1);
            }
            Attention::WorkstationsUnseen { workstations, .. } => {
                unseen.inc_by(workstations.len() as i64);
            }
            Attention::LessonIncomplete { .. } => {
                incomplete.inc();
            }
            _ => {}
        }
    }
    registry.register("workstations_unseen", "Workstations of lessons that go on of which no camera tells", unseen);
    // What the database does not tell is not 0.
    if status.unknown.is_none() {
        registry.register("lessons_incomplete", "Lessons of today and yesterday that are not complete", incomplete);
        registry.register("finding_open", "1 for each finding that goes on", findings);
    }
    registry.register("recording_gap_open", "1 while a lesson goes on and a camera is not recorded", gaps);
    let seconds = Family::<Labels, Counter<f64, AtomicU64>>::default();
    let samples = Family::<Labels, Counter>::default();
    let watching = Family::<Labels, Gauge>::default();
    let blind = Family::<Labels, Gauge>::default();
    let waiting = Family::<Labels, Gauge>::default();
    let idle = Family::<Labels, Gauge<f64, AtomicU64>>::default();
    for watch in &status.coverage {
        let label = || ("camera".to_owned(), watch.camera.clone());
        samples.get_or_create(&vec![label()]).inc_by(watch.samples);
        watching.get_or_create(&vec![label()]).set(i64::from(watch.watching));
        blind.get_or_create(&vec![label()]).set(i64::from(watch.blind));
        waiting.get_or_create(&vec![label()]).set(watch.waiting as i64);
        idle.get_or_create(&vec![label()]).set(watch.idle_seconds);
        for (workstation, state, length) in &watch.seconds {
            let labels = vec![label(), ("workstation".into(), workstation.clone()), ("state".into(), state.clone())];
            seconds.get_or_create(&labels).inc_by(*length);
        }
    }
    registry.register("coverage_samples", "Pictures judged since start", samples);
    registry.register("coverage_watching", "1 while a lesson goes on that the camera has to show", watching);
    registry.register("coverage_blind", "1 while too few of its pictures can be judged", blind);
    registry.register("coverage_waiting", "Findings that cannot be journalled yet", waiting);
    registry.register("coverage_idle_seconds", "How long ago the watch over the pictures was last at work", idle);
    registry.register(
        "coverage_workstation_seconds",
        "Seconds since start that a workstation was visible, hidden or unknown, as judged at the time",
        seconds,
    );
}

fn word(value: impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn resident_bytes() -> Option<i64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<i64>().ok()? * 1024)
}
