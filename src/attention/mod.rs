//! What staff should look after, as the status has it; in English and in Chinese. No name, no ID number.

pub mod chinese;
pub mod english;
pub mod names;
#[cfg(test)]
mod tests;

use crate::camera::CameraState;
use crate::recording::archive::Unfit;
use crate::recording::{DiskStatus, Keeping};
use crate::status::Status;
use crate::sync::{Link, SyncState};
use evidence::record::{ClockQuality, Coverage, FindingKind, GapCause};
use serde::{Deserialize, Serialize};

/// Below this share of free space the disk is called low.
const LOW_DISK: f64 = 0.05;
/// … and below this many bytes.
const LOW_DISK_BYTES: u64 = 2 << 30;
/// A recorder that was not at work for this long hangs.
const HANGING_SECONDS: f64 = 10.0;
/// The watch over the pictures and who deletes recordings hang when they were not at work for this long.
const HANGING_WITH_MUCH_TO_DO_SECONDS: f64 = 30.0;
/// Who archives may wait for one answer of a store for longer than ten minutes; it hangs when it was not at work for this long.
const HANGING_ARCHIVE_SECONDS: u64 = 1800;
/// Key frames of a recorded camera may be so far apart: samples follow each other by as much.
const KEY_FRAME_SECONDS: f64 = 2.5;
/// Records may wait this long for the bureau before staff are told.
const UNSENT_SECONDS: i64 = 24 * 3600;

/// Something that staff should look after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Attention {
    /// What the database tells cannot be read: nobody knows whether something else needs attention.
    StatusUnknown {
        /// Why.
        message: String,
    },
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
    /// Who archives recordings is not at work any more: it hangs, as on a share that does not answer.
    ArchiveHangs,
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
    /// A lesson goes on, and nobody can tell of some of its workstations whether they are to be seen.
    WorkstationsUnseen {
        /// The class.
        class: String,
        /// Their numbers in the plan.
        workstations: Vec<String>,
    },
    /// A lesson begins within a day, and some of its workstations are marked in no camera's picture.
    WorkstationsUnmarked {
        /// The class.
        class: String,
        /// Their numbers in the plan.
        workstations: Vec<String>,
    },
    /// A lesson of today or yesterday is over, and its account says that it is not complete.
    LessonIncomplete {
        /// The class.
        class: String,
        /// When it began by its plan, RFC 3339.
        lesson: String,
        /// The cameras that have not shown enough of it.
        cameras: Vec<String>,
        /// The workstations that were not to be seen for long enough.
        workstations: Vec<String>,
        /// Whether no roll call is recorded.
        no_roll_call: bool,
        /// Whether no camera had to record it.
        #[serde(default)]
        no_camera: bool,
        /// Whether it is practice, and its plan names no workstations.
        #[serde(default)]
        no_workstations: bool,
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
    /// Records have waited for a day, and the bureau does not answer.
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
    /// A day has been closed for days and is not archived: the line may be too slow for what is recorded.
    ArchiveLate {
        /// How many days ago it was.
        days: i32,
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
    /// A class has practice here today for which its plan names no workstations.
    NoWorkstations {
        /// The class.
        class: String,
        /// How many of today's lessons.
        lessons: usize,
    },
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

/// All that needs attention as `status` has it, at `now` (Unix time, s). `trouble` is why check-ins cannot be written down;
/// `waiting_since` the time of the oldest record that the bureau has not countersigned.
pub(crate) fn attention(
    status: &Status,
    now: i64,
    trouble: Option<String>,
    waiting_since: Option<i64>,
) -> Vec<Attention> {
    let mut found: Vec<Attention> = trouble.map(|message| Attention::Trouble { message }).into_iter().collect();
    if let Some(message) = &status.unknown {
        found.push(Attention::StatusUnknown { message: message.clone() });
    }
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
    for lesson in &status.lessons {
        let told = status.lessons.iter().filter(|other| other.has_begun && other.class == lesson.class);
        let told: Vec<&String> = told.flat_map(|other| &other.unseen).collect();
        let is_new = |name: &&String| lesson.has_begun || !told.contains(name);
        let workstations: Vec<String> = lesson.unseen.iter().filter(is_new).cloned().collect();
        let class = lesson.class.clone();
        match (workstations.is_empty(), lesson.has_begun) {
            (true, _) => {}
            (false, true) => found.push(Attention::WorkstationsUnseen { class, workstations }),
            (false, false) => found.push(Attention::WorkstationsUnmarked { class, workstations }),
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
    } else if status.log.link != Link::Online
        && (status.log.link == Link::Offline || status.keeping.is_none())
        && waiting_since.is_some_and(|since| now - since > UNSENT_SECONDS)
    {
        found.push(Attention::Unsent { records: waiting });
    }
    if status.unknown.is_none() && status.classes.is_empty() {
        found.push(Attention::NoClass);
    }
    // `keeping`: it runs.
    if status.keeping.is_some() && status.recordings.is_empty() && status.classes.iter().any(|class| class.today) {
        found.push(Attention::NothingRecorded);
    }
    for class in status.classes.iter().filter(|class| class.without_workstations > 0) {
        let (class, lessons) = (class.class.clone(), class.without_workstations);
        found.push(Attention::NoWorkstations { class, lessons });
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

/// What a lesson's account tells, when it is not complete.
pub(crate) fn of_account(account: Coverage) -> Option<Attention> {
    if account.complete {
        return None;
    }
    let is_short = |complete: Option<bool>| complete == Some(false);
    let no_roll_call = !account.roll_call_recorded.unwrap_or(account.roll_call.is_some());
    let no_camera = account.cameras.is_empty();
    let is_shown = !no_camera && !account.cameras.iter().any(|camera| is_short(camera.complete));
    // An account does not say of what kind its lesson was: nothing else is missing.
    let no_workstations = account.workstations.is_empty() && is_shown && !no_roll_call;
    let cameras = account.cameras.into_iter().filter(|camera| is_short(camera.complete));
    let workstations = account.workstations.into_iter().filter(|workstation| is_short(workstation.complete));
    Some(Attention::LessonIncomplete {
        class: account.class,
        lesson: account.start,
        cameras: cameras.map(|camera| camera.camera).collect(),
        workstations: workstations.map(|workstation| workstation.workstation).collect(),
        no_roll_call,
        no_camera,
        no_workstations,
    })
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
    if let Some(archive) = &keeping.archive {
        if archive.idle_seconds > HANGING_ARCHIVE_SECONDS {
            found.push(Attention::ArchiveHangs);
        }
        match (&archive.problem, archive.late_days) {
            (Some(message), _) => found.push(Attention::NotArchived { message: message.clone() }),
            (None, Some(days)) => found.push(Attention::ArchiveLate { days }),
            (None, None) => {}
        }
        let unfit = archive.unfit.clone();
        found.extend(unfit.map(|Unfit { segments, first }| Attention::NotArchivable { segments, first }));
    }
    found
}
