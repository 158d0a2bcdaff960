//! What staff should look after, as the status has it; in English and in Chinese. No name, no ID number.

pub mod chinese;
pub mod english;

use crate::camera::CameraState;
use crate::recording::archive::Unfit;
use crate::recording::{DiskStatus, Keeping};
use crate::status::Status;
use crate::sync::SyncState;
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

/// All that needs attention as `status` has it, at `now` (Unix time, s). `trouble` is why check-ins cannot be written down.
pub(crate) fn attention(status: &Status, now: i64, trouble: Option<String>) -> Vec<Attention> {
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
    } else if waiting > 0 && status.log.countersigned_at.is_none_or(|at| now - at > UNSENT_SECONDS) {
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
    let cameras = account.cameras.into_iter().filter(|camera| is_short(camera.complete));
    let workstations = account.workstations.into_iter().filter(|workstation| is_short(workstation.complete));
    Some(Attention::LessonIncomplete {
        class: account.class,
        lesson: account.start,
        cameras: cameras.map(|camera| camera.camera).collect(),
        workstations: workstations.map(|workstation| workstation.workstation).collect(),
        no_roll_call: !account.roll_call_recorded.unwrap_or(account.roll_call.is_some()),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::TestClock;
    use crate::config::Config;
    use crate::coverage::LessonWatch;
    use crate::journal::Journal;
    use crate::status::{Running, gather};
    use crate::sync::SyncStatus;
    use std::sync::Arc;

    /// A config and a journal on the morning of 24 November.
    fn appliance(folder: &std::path::Path) -> (Config, Journal) {
        let file = folder.join("rollcall.toml");
        std::fs::write(&file, "[appliance]\nsite = \"site\"\nroom = \"301\"\nstate_dir = \"state\"\n")
            .expect("written");
        let config = Config::load(&file).expect("a config");
        let clock = Arc::new(TestClock::at("2026-11-24T01:00:00Z".parse().expect("a time")));
        let journal = Journal::initialise(&config.appliance.state_dir, "site", "301", clock, config.timezone());
        (config, journal.expect("initialised"))
    }

    #[test]
    fn workstations_that_nobody_sees_need_attention_and_before_the_lesson_those_that_nobody_has_marked() {
        let folder = tempfile::tempdir().expect("a folder");
        let (config, journal) = appliance(folder.path());
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>();
        let lesson =
            |has_begun, unseen: &[&str]| LessonWatch { class: "2026-001".into(), has_begun, unseen: names(unseen) };
        let told = |lessons: Vec<LessonWatch>| {
            let running = Running { lessons, ..Running::default() };
            let status = gather(&config, &journal, Some(running), SyncStatus::unknown(), None).expect("gathered");
            let mut found = status.attention;
            found.retain(|one| {
                matches!(one, Attention::WorkstationsUnseen { .. } | Attention::WorkstationsUnmarked { .. })
            });
            found
        };
        let class = || "2026-001".to_owned();
        assert_eq!(told(vec![lesson(true, &[]), lesson(false, &[])]), []);
        let found = told(vec![lesson(true, &["17"]), lesson(false, &["17", "18"])]);
        let unseen = Attention::WorkstationsUnseen { class: class(), workstations: names(&["17"]) };
        let unmarked = Attention::WorkstationsUnmarked { class: class(), workstations: names(&["18"]) };
        assert_eq!(found, [unseen, unmarked], "each is told once");
        assert!(found[0].to_string().contains("workstations 17:") && found[1].to_string().contains("workstations 18:"));
        assert!(chinese::chinese(&found[0]).contains("工位 17 ") && chinese::chinese(&found[1]).contains("工位 18 "));
    }

    #[test]
    fn a_lesson_of_today_or_yesterday_that_is_not_complete_needs_attention_and_says_why() {
        let folder = tempfile::tempdir().expect("a folder");
        let (config, journal) = appliance(folder.path());
        let account = |day: u32, complete: bool, is_recorded: bool| -> Coverage {
            let shown = |name: &str, complete: bool| {
                serde_json::json!({
                    "workstation": name, "cameras": [], "required_ms": 60_000, "visible_ms": 0, "hidden_ms": {},
                    "unknown_ms": 60_000, "complete": complete
                })
            };
            serde_json::from_value(serde_json::json!({
                "class": "2026-001", "start": format!("2026-11-{day}T08:00:00.000+08:00"),
                "end": format!("2026-11-{day}T08:01:00.000+08:00"), "from": format!("2026-11-{day}T08:00:00.000+08:00"),
                "cameras": [{
                    "camera": "back", "required_ms": 60_000, "recorded_ms": 60_000, "gaps_ms": {}, "unexplained_ms": 0,
                    "complete": true
                }],
                "workstations": [shown("16", true), shown("17", complete)], "roll_call_recorded": is_recorded,
                "required_share": 0.99, "complete": complete
            }))
            .expect("an account")
        };
        let class = crate::class::ClassId::new("2026-001").expect("valid");
        for (day, complete, is_recorded) in [(22, false, true), (23, false, false), (24, true, true)] {
            let account = account(day, complete, is_recorded);
            let start = account.start.parse().expect("a time");
            let put = journal.transaction(|batch| {
                let seq = batch.append(evidence::record::Data::Coverage(account))?.seq;
                batch.put_coverage(seq, &class, start)?;
                Ok::<_, crate::journal::JournalError>(())
            });
            put.expect("journalled");
        }
        let status = gather(&config, &journal, None, SyncStatus::unknown(), None).expect("gathered");
        let mut found = status.attention;
        found.retain(|one| matches!(one, Attention::LessonIncomplete { .. }));
        let expected = Attention::LessonIncomplete {
            class: "2026-001".into(),
            lesson: "2026-11-23T08:00:00.000+08:00".into(),
            cameras: Vec::new(),
            workstations: vec!["17".into()],
            no_roll_call: true,
        };
        assert_eq!(found, [expected], "yesterday's only: an older one is in the recordings, today's is complete");
        let text = found[0].to_string();
        assert!(text.contains("lesson of 2026-11-23 08:00") && text.contains("workstation 17"), "{text}");
        assert!(text.contains("no roll call is recorded"), "{text}");
        let text = chinese::chinese(&found[0]);
        assert!(
            text.contains("11-23 08:00") && text.contains("工位 17") && text.contains("没有录到课前点名"),
            "{text}"
        );
    }

    #[test]
    fn key_frames_of_a_recorded_camera_that_are_too_far_apart_need_attention() {
        let folder = tempfile::tempdir().expect("a folder");
        let (config, journal) = appliance(folder.path());
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

    #[test]
    fn practice_of_today_without_workstations_needs_attention() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("rollcall.toml");
        std::fs::write(&file, "[appliance]\nsite = \"site\"\nroom = \"301\"\nstate_dir = \"state\"\n")
            .expect("written");
        let config = Config::load(&file).expect("a config");
        let clock = Arc::new(TestClock::at("2026-11-23T04:00:00Z".parse().expect("a time")));
        let journal = Journal::initialise(&config.appliance.state_dir, "site", "301", clock, config.timezone());
        let journal = journal.expect("initialised");
        let mut class = crate::journal::testing::class("2026-001", &["1"], &["T1"]);
        let theory = class.lessons[0].clone();
        let practice = |room: &str| crate::class::Lesson {
            kind: crate::class::LessonKind::Practice,
            room: room.into(),
            ..theory.clone()
        };
        let mut tomorrow = practice("");
        tomorrow.date = tomorrow.date.tomorrow().expect("a day");
        let named = crate::class::Lesson { workstations: vec!["1".into()], ..practice("") };
        class.lessons = vec![theory.clone(), practice(""), practice("302"), named, tomorrow];
        let source = crate::journal::PlanSource::File;
        journal.import_class(&class, &"00".repeat(32), source, "301").expect("imported");
        let status = gather(&config, &journal, None, SyncStatus::unknown(), None).expect("gathered");
        let is_it = |one: &&Attention| matches!(one, Attention::NoWorkstations { .. });
        let told: Vec<&Attention> = status.attention.iter().filter(is_it).collect();
        assert_eq!(told, [&Attention::NoWorkstations { class: "2026-001".into(), lessons: 1 }]);
        assert!(
            chinese::chinese(told[0]).contains("未填写工位") && told[0].to_string().contains("names no workstations")
        );
    }
}
