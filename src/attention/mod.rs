//! What staff should look after, as the status has it; in English and in Chinese. No name, no ID number.

pub mod chinese;
pub mod english;

use crate::camera::CameraState;
use crate::recording::archive::Unfit;
use crate::recording::{DiskStatus, Keeping};
use crate::status::Status;
use crate::sync::SyncState;
use evidence::record::{ClockQuality, FindingKind, GapCause};
use serde::{Deserialize, Serialize};

/// Below this share of free space the disk is called low.
const LOW_DISK: f64 = 0.05;
/// … and below this many bytes.
const LOW_DISK_BYTES: u64 = 2 << 30;
/// A recorder that was not at work for this long hangs.
const HANGING_SECONDS: f64 = 10.0;
/// The watch over the pictures and who deletes recordings hang when they were not at work for this long.
const HANGING_WITH_MUCH_TO_DO_SECONDS: f64 = 30.0;
/// Key frames of a recorded camera may be so far apart: samples follow each other by as much.
const KEY_FRAME_SECONDS: f64 = 2.5;
/// Records may wait this long for the bureau before staff are told.
const UNSENT_SECONDS: i64 = 24 * 3600;

/// Something that staff should look after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Attention {
    /// A camera does not deliver frames.
    Camera {
        /// Its name.
        camera: String,
        /// What it does instead.
        state: CameraState,
        /// What is wrong, if known.
        problem: Option<String>,
    },
    /// A lesson goes on and a camera is not recorded.
    NotRecorded {
        /// The camera.
        camera: String,
        /// Since when, RFC 3339.
        since: String,
        /// Why.
        cause: GapCause,
    },
    /// A camera's recorder is not at work any more: it hangs, as on a disk that does not answer.
    RecorderHangs {
        /// The camera.
        camera: String,
    },
    /// The watch over the pictures is not at work any more: what the cameras show is not looked at.
    WatchHangs,
    /// Who deletes recordings is not at work any more: it hangs, as on a disk that does not answer.
    CleanerHangs,
    /// What a camera's recording, or the watch over it, has to tell cannot be journalled.
    NotJournalled {
        /// The camera.
        camera: String,
        /// Segments, gaps and findings that wait.
        facts: usize,
    },
    /// A lesson goes on and a camera is recorded, but its pictures cannot be judged.
    NotWatched {
        /// The camera.
        camera: String,
    },
    /// A camera is recorded, and its key frames come too far apart: what is wrong with its picture is found late.
    KeyFramesRare {
        /// The camera.
        camera: String,
        /// How far apart, ms.
        milliseconds: u64,
    },
    /// Sending has stopped until staff have acted.
    SyncAlarm {
        /// What happened, and what to do.
        message: String,
    },
    /// No bureau receives this appliance's records.
    NotRegistered,
    /// The bureau has countersigned nothing for a day, and records wait.
    Unsent {
        /// Records that wait.
        records: u64,
    },
    /// Records carry a time that nobody vouches for.
    ClockUnset,
    /// The disk is nearly full.
    DiskLow {
        /// Bytes left.
        free_bytes: u64,
    },
    /// The disk cannot be asked how full it is.
    DiskUnknown,
    /// The recordings' disk cannot be asked how full it is.
    RecordingsDiskUnknown,
    /// The recordings' disk is full up to its reserve: nothing is recorded.
    RecordingsDiskFull {
        /// Bytes left.
        free_bytes: u64,
        /// Bytes that are to stay free.
        reserve_bytes: u64,
    },
    /// Recordings should be deleted and may not be.
    CannotDelete {
        /// Why, and what to do.
        message: String,
    },
    /// Files among the recordings that no recorder has written, or not so: they are not vouched for.
    ForeignRecordings {
        /// How many.
        files: usize,
        /// The first, below the recordings' folder.
        first: String,
    },
    /// Recordings cannot be archived.
    NotArchived {
        /// Why, and what to do.
        message: String,
    },
    /// Segments that no archive holds are gone, or not what was recorded.
    NotArchivable {
        /// How many.
        segments: usize,
        /// The first, below the recordings' folder.
        first: String,
    },
    /// People of a class can be recognised by nothing yet.
    NotEnrolled {
        /// The class.
        class: String,
        /// How many.
        people: usize,
        /// Of them, those who are enrolled, but with another embedding model than the one in use.
        #[serde(default)]
        other_model: usize,
    },
    /// There is no class.
    NoClass,
    /// A class has lessons here today, and no camera is recorded.
    NothingRecorded,
    /// Something is wrong with what a recording shows, or with a lesson.
    Finding {
        /// What.
        what: FindingKind,
        /// The camera, when it is about one.
        camera: Option<String>,
        /// The workstation, when it is about one.
        workstation: Option<String>,
        /// The class, when it is about no camera.
        class: Option<String>,
        /// Since when, RFC 3339.
        since: String,
    },
    /// Somebody who is to be told of alarms cannot be.
    AlarmUndelivered {
        /// The target's name in the config.
        target: String,
        /// Why.
        problem: String,
    },
    /// Check-ins cannot be written down.
    Trouble {
        /// Why.
        message: String,
    },
}

/// All that needs attention as `status` has it, at `now` (Unix time, s). `trouble` is why check-ins cannot be written down.
pub(crate) fn attention(status: &Status, now: i64, trouble: Option<String>) -> Vec<Attention> {
    let mut found: Vec<Attention> = trouble.map(|message| Attention::Trouble { message }).into_iter().collect();
    if status.log.state == SyncState::Alarm {
        found.push(Attention::SyncAlarm { message: status.log.error.clone().unwrap_or_default() });
    }
    for camera in &status.cameras {
        if !matches!(camera.state, CameraState::Live | CameraState::Unknown) {
            let (camera, state, problem) = (camera.name.clone(), camera.state, camera.problem.clone());
            found.push(Attention::Camera { camera, state, problem });
        }
    }
    for recording in &status.recordings {
        if let Some((since, cause)) = &recording.gap {
            let (camera, since) = (recording.camera.clone(), since.clone());
            found.push(Attention::NotRecorded { camera, since, cause: *cause });
        }
        if recording.idle_seconds > HANGING_SECONDS {
            found.push(Attention::RecorderHangs { camera: recording.camera.clone() });
        }
        let watch = status.coverage.iter().find(|watch| watch.camera == recording.camera);
        let facts = recording.waiting + watch.map_or(0, |watch| watch.waiting);
        if facts > 0 {
            found.push(Attention::NotJournalled { camera: recording.camera.clone(), facts });
        }
    }
    if status.coverage.iter().any(|watch| watch.idle_seconds > HANGING_WITH_MUCH_TO_DO_SECONDS) {
        found.push(Attention::WatchHangs);
    }
    for watch in status.coverage.iter().filter(|watch| watch.blind) {
        let camera = status.cameras.iter().find(|camera| camera.name == watch.camera);
        if camera.is_some_and(|camera| camera.state == CameraState::Live) {
            found.push(Attention::NotWatched { camera: watch.camera.clone() });
        }
    }
    let is_recorded = |name: &str| status.recordings.iter().any(|recording| recording.camera == name);
    for camera in status.cameras.iter().filter(|camera| is_recorded(&camera.name)) {
        if let Some(seconds) = camera.key_frame_seconds.filter(|seconds| *seconds > KEY_FRAME_SECONDS) {
            let milliseconds = (seconds * 1000.0) as u64;
            found.push(Attention::KeyFramesRare { camera: camera.name.clone(), milliseconds });
        }
    }
    match status.disk {
        None => found.push(Attention::DiskUnknown),
        Some(disk) => {
            let limit = ((disk.total_bytes as f64 * LOW_DISK) as u64).min(LOW_DISK_BYTES);
            if disk.free_bytes < limit {
                found.push(Attention::DiskLow { free_bytes: disk.free_bytes });
            }
        }
    }
    if let Some(keeping) = &status.keeping {
        found.extend(of_keeping(keeping));
    }
    if status.clock == ClockQuality::Unset {
        found.push(Attention::ClockUnset);
    }
    let waiting = status.log.log_size.saturating_sub(status.log.countersigned);
    if status.log.state == SyncState::NotRegistered {
        found.push(Attention::NotRegistered);
    } else if waiting > 0 && status.log.countersigned_at.is_none_or(|at| now - at > UNSENT_SECONDS) {
        found.push(Attention::Unsent { records: waiting });
    }
    if status.classes.is_empty() {
        found.push(Attention::NoClass);
    }
    // `keeping`: it runs.
    if status.keeping.is_some() && status.recordings.is_empty() && status.classes.iter().any(|class| class.today) {
        found.push(Attention::NothingRecorded);
    }
    for class in status.classes.iter().filter(|class| class.today) {
        let people = (class.trainees + class.teachers).saturating_sub(class.enrolled + class.qr_only);
        if people > 0 {
            let (class, other_model) = (class.class.clone(), class.other_model.min(people));
            found.push(Attention::NotEnrolled { class, people, other_model });
        }
    }
    found
}

fn of_keeping(keeping: &Keeping) -> Vec<Attention> {
    let mut found = Vec::new();
    match keeping.disk {
        None => found.push(Attention::RecordingsDiskUnknown),
        Some(DiskStatus { free_bytes, .. }) if free_bytes < keeping.reserve_bytes => {
            found.push(Attention::RecordingsDiskFull { free_bytes, reserve_bytes: keeping.reserve_bytes });
        }
        Some(_) => {}
    }
    if keeping.idle_seconds as f64 > HANGING_WITH_MUCH_TO_DO_SECONDS {
        found.push(Attention::CleanerHangs);
    }
    found.extend(keeping.cannot_delete.clone().map(|message| Attention::CannotDelete { message }));
    if let Some(first) = keeping.foreign.first() {
        found.push(Attention::ForeignRecordings { files: keeping.foreign.len(), first: first.clone() });
    }
    let problem = keeping.archive.as_ref().and_then(|archive| archive.problem.clone());
    found.extend(problem.map(|message| Attention::NotArchived { message }));
    let unfit = keeping.archive.as_ref().and_then(|archive| archive.unfit.clone());
    found.extend(unfit.map(|Unfit { segments, first }| Attention::NotArchivable { segments, first }));
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::TestClock;
    use crate::config::Config;
    use crate::journal::Journal;
    use crate::status::{Running, gather};
    use crate::sync::SyncStatus;
    use std::sync::Arc;

    #[test]
    fn key_frames_of_a_recorded_camera_that_are_too_far_apart_need_attention() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("rollcall.toml");
        std::fs::write(&file, "[appliance]\nsite = \"site\"\nroom = \"301\"\nstate_dir = \"state\"\n")
            .expect("written");
        let config = Config::load(&file).expect("a config");
        let clock = Arc::new(TestClock::at("2026-11-23T04:00:00Z".parse().expect("a time")));
        let journal = Journal::initialise(&config.appliance.state_dir, "site", "301", clock, config.timezone());
        let journal = journal.expect("initialised");
        let running = Some(Running::default());
        let mut status = gather(&config, &journal, running, SyncStatus::unknown(), None).expect("gathered");
        let recording = serde_json::json!({
            "camera": "back", "wanted": false, "recording": false, "gap": null, "waiting": 0
        });
        status.recordings = vec![serde_json::from_value(recording).expect("a recording")];
        let mut told = |name: &str, seconds: Option<f64>| {
            let camera = serde_json::json!({
                "name": name, "kind": "rtsp", "state": "live", "last_frame_age_seconds": 0.1, "frames": 100, "fps": 25.0,
                "width": 1280, "height": 720, "key_frame_seconds": seconds, "problem": null
            });
            status.cameras = vec![serde_json::from_value(camera).expect("a camera")];
            let found = attention(&status, 0, None);
            found.into_iter().find(|one| matches!(one, Attention::KeyFramesRare { .. }))
        };
        for (name, seconds) in [("back", None), ("back", Some(2.0)), ("back", Some(2.5)), ("door", Some(5.0))] {
            assert_eq!(told(name, seconds), None, "{name} {seconds:?}");
        }
        let rare = told("back", Some(5.04)).expect("told");
        assert_eq!(rare, Attention::KeyFramesRare { camera: "back".into(), milliseconds: 5040 });
        assert!(rare.to_string().contains("come 5.0 s apart") && rare.to_string().contains("to 2 s or less"), "{rare}");
        assert!(chinese::chinese(&rare).contains("关键帧间隔为 5.0 秒"));
    }
}
