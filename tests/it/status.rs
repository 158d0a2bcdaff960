//! What staff are told needs attention, and what they are not bothered with.

use rollcall::attention::Attention;
use rollcall::attention::chinese::chinese;
use rollcall::class::Class;
use rollcall::clock::TestClock;
use rollcall::config::Config;
use rollcall::coverage::CameraWatch;
use rollcall::journal::testing::class;
use rollcall::journal::{EnrolledFace, Journal, JournalError, PlanSource};
use rollcall::recording::archive::ArchiveStatus;
use rollcall::recording::{CameraRecording, Keeping};
use rollcall::status::{Running, gather};
use rollcall::sync::SyncStatus;
use std::path::Path;
use std::sync::Arc;

/// An appliance on the day of a lesson of a class with two trainees and a teacher.
fn appliance(folder: &Path) -> (Config, Journal, Class) {
    let file = folder.join("rollcall.toml");
    std::fs::write(&file, "[appliance]\nsite = \"site\"\nroom = \"301\"\nstate_dir = \"state\"\n").expect("written");
    let config = Config::load(&file).expect("a config");
    let roster = class("2026-001", &["1", "2"], &["T1"]);
    let lesson = roster.lessons.first().expect("a lesson").date;
    let clock = Arc::new(TestClock::at(format!("{lesson}T04:00:00Z").parse().expect("a time")));
    let journal = Journal::initialise(&config.appliance.state_dir, "site", "301", clock, jiff::tz::TimeZone::UTC)
        .expect("initialised");
    journal.import_class(&roster, &"00".repeat(32), PlanSource::File, "301").expect("imported");
    (config, journal, roster)
}

#[test]
fn who_declined_face_recognition_is_not_listed_as_needing_enrolment() {
    let folder = tempfile::tempdir().expect("a folder");
    let (config, journal, roster) = appliance(folder.path());
    let unenrolled = || {
        let status = gather(&config, &journal, None, SyncStatus::unknown(), None).expect("gathered");
        let of_class = |attention: &Attention| match attention {
            Attention::NotEnrolled { people, .. } => Some(*people),
            _ => None,
        };
        (status.attention.iter().find_map(of_class), status.classes[0].qr_only)
    };
    assert_eq!(unenrolled(), (Some(3), 0));
    journal.give_consent(&roster.id, "1", &"11".repeat(32), "cli").expect("consented");
    assert_eq!(unenrolled(), (Some(3), 0), "consent alone recognises nobody");
    journal.withdraw_consent(&roster.id, "1", "cli").expect("withdrawn");
    assert_eq!(unenrolled(), (Some(2), 1));
}

#[test]
fn who_was_enrolled_with_another_model_than_the_one_in_use_is_to_be_enrolled_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let (config, journal, roster) = appliance(folder.path());
    let (old, new) = ("5c".repeat(32), "6d".repeat(32));
    for number in ["1", "2"] {
        journal.give_consent(&roster.id, number, &"11".repeat(32), "cli").expect("consented");
        let face = EnrolledFace { photo: "22".repeat(32), embedding: vec![0; 12] };
        let enrolled: Result<_, JournalError> = journal.enrol(&roster.id, number, &[face], &old, "cli", |_| Ok(()));
        enrolled.expect("enrolled");
    }
    let told = |model: &str| {
        let running = Running { model: Some(model.to_owned()), ..Running::default() };
        let status = gather(&config, &journal, Some(running), SyncStatus::unknown(), None).expect("gathered");
        let told = status.attention.into_iter().find(|one| matches!(one, Attention::NotEnrolled { .. }));
        (status.classes[0].enrolled, told.expect("the teacher is never enrolled"))
    };
    let wanting = |people, other_model| Attention::NotEnrolled { class: "2026-001".into(), people, other_model };
    assert_eq!(told(&old), (2, wanting(1, 0)));
    let (enrolled, attention) = told(&new);
    assert_eq!((enrolled, &attention), (0, &wanting(3, 2)));
    assert!(attention.to_string().contains("the face model has changed: 2 people"), "{attention}");
    assert!(chinese(&attention).contains("人脸模型已更换"));
}

#[test]
fn a_recorder_that_hangs_and_what_cannot_be_journalled_need_attention() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("rollcall.toml");
    std::fs::write(&file, "[appliance]\nsite = \"site\"\nroom = \"301\"\nstate_dir = \"state\"\n").expect("written");
    let config = Config::load(&file).expect("a config");
    let clock = Arc::new(TestClock::at("2026-11-23T04:00:00Z".parse().expect("a time")));
    let journal = Journal::initialise(&config.appliance.state_dir, "site", "301", clock, jiff::tz::TimeZone::UTC)
        .expect("initialised");
    let attention = |idle_seconds: f64, recording: usize, watch: usize| {
        let camera = || "back".to_owned();
        let recording = CameraRecording {
            camera: camera(),
            wanted: true,
            recording: true,
            begun: None,
            gap: None,
            waiting: recording,
            idle_seconds,
        };
        let running = Running {
            recordings: vec![recording],
            coverage: vec![CameraWatch { camera: camera(), waiting: watch, ..CameraWatch::default() }],
            ..Running::default()
        };
        let status = gather(&config, &journal, Some(running), SyncStatus::unknown(), None).expect("gathered");
        let is_about_it =
            |one: &Attention| matches!(one, Attention::RecorderHangs { .. } | Attention::NotJournalled { .. });
        status.attention.into_iter().filter(is_about_it).collect::<Vec<_>>()
    };
    assert_eq!(attention(0.5, 0, 0), []);
    assert_eq!(attention(11.0, 0, 0), [Attention::RecorderHangs { camera: "back".into() }]);
    assert_eq!(attention(0.5, 2, 1), [Attention::NotJournalled { camera: "back".into(), facts: 3 }]);
}

#[test]
fn a_watch_a_cleaner_or_an_archiver_that_hangs_needs_attention() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("rollcall.toml");
    std::fs::write(&file, "[appliance]\nsite = \"site\"\nroom = \"301\"\nstate_dir = \"state\"\n").expect("written");
    let config = Config::load(&file).expect("a config");
    let clock = Arc::new(TestClock::at("2026-11-23T04:00:00Z".parse().expect("a time")));
    let journal = Journal::initialise(&config.appliance.state_dir, "site", "301", clock, jiff::tz::TimeZone::UTC)
        .expect("initialised");
    let attention = |watch: f64, cleaner: u64, archive: Option<ArchiveStatus>| {
        let running = Running {
            coverage: ["back", "front"]
                .map(|camera| CameraWatch { camera: camera.into(), idle_seconds: watch, ..CameraWatch::default() })
                .into(),
            keeping: Some(Keeping { idle_seconds: cleaner, archive, ..Keeping::default() }),
            ..Running::default()
        };
        let status = gather(&config, &journal, Some(running), SyncStatus::unknown(), None).expect("gathered");
        let is_about_it = |one: &Attention| {
            let hangs = matches!(one, Attention::WatchHangs | Attention::CleanerHangs | Attention::ArchiveHangs);
            hangs || matches!(one, Attention::NotArchived { .. } | Attention::ArchiveLate { .. })
        };
        status.attention.into_iter().filter(is_about_it).collect::<Vec<_>>()
    };
    assert_eq!(attention(1.0, 1, None), []);
    assert_eq!(attention(31.0, 1, None), [Attention::WatchHangs], "one thread looks at all cameras");
    assert_eq!(attention(1.0, 31, None), [Attention::CleanerHangs]);
    let archive = |idle_seconds, late_days, problem: Option<&str>| {
        let problem = problem.map(str::to_owned);
        Some(ArchiveStatus { idle_seconds, late_days, problem, ..ArchiveStatus::default() })
    };
    assert_eq!(attention(1.0, 1, archive(1800, None, None)), [], "a store may take its time");
    assert_eq!(attention(1.0, 1, archive(1801, None, None)), [Attention::ArchiveHangs]);
    assert_eq!(attention(1.0, 1, archive(1, Some(4), None)), [Attention::ArchiveLate { days: 4 }]);
    let message = "no room".to_owned();
    assert_eq!(attention(1.0, 1, archive(1, Some(4), Some("no room"))), [Attention::NotArchived { message }]);
}
