//! What needs attention, from a status that is made up.

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
    std::fs::write(&file, "[appliance]\nsite = \"site\"\nroom = \"301\"\nstate_dir = \"state\"\n").expect("written");
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
        found
            .retain(|one| matches!(one, Attention::WorkstationsUnseen { .. } | Attention::WorkstationsUnmarked { .. }));
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
        no_camera: false,
        no_workstations: false,
    };
    assert_eq!(found, [expected], "yesterday's only: an older one is in the recordings, today's is complete");
    let text = found[0].to_string();
    assert!(text.contains("lesson of 2026-11-23 08:00") && text.contains("workstation 17"), "{text}");
    assert!(text.contains("no roll call is recorded"), "{text}");
    let text = chinese::chinese(&found[0]);
    assert!(text.contains("11-23 08:00") && text.contains("工位 17") && text.contains("没有录到课前点名"), "{text}");
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
        let found = attention(&status, 0, None, None);
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
    std::fs::write(&file, "[appliance]\nsite = \"site\"\nroom = \"301\"\nstate_dir = \"state\"\n").expect("written");
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
    assert!(chinese::chinese(told[0]).contains("未填写工位") && told[0].to_string().contains("names no workstations"));
}

#[test]
fn an_account_that_lacks_nothing_but_workstations_or_cameras_says_so() {
    let told = |cameras: &[&str]| {
        let camera = |name: &&str| {
            serde_json::json!({
                "camera": name, "required_ms": 60_000, "recorded_ms": 60_000, "gaps_ms": {}, "unexplained_ms": 0,
                "complete": true
            })
        };
        let account = serde_json::json!({
            "class": "2026-001", "start": "2026-11-24T08:00:00.000+08:00", "end": "2026-11-24T08:01:00.000+08:00",
            "from": "2026-11-24T08:00:00.000+08:00", "cameras": cameras.iter().map(camera).collect::<Vec<_>>(),
            "roll_call_recorded": true, "required_share": 0.99, "complete": false
        });
        let told = of_account(serde_json::from_value(account).expect("an account")).expect("not complete");
        (chinese::chinese(&told), told.to_string())
    };
    let (chinese, english) = told(&["back"]);
    assert!(chinese.contains("不完整：计划没有填写工位"), "{chinese}");
    assert!(english.contains("not complete: its plan names no workstations"), "{english}");
    let (chinese, english) = told(&[]);
    assert!(chinese.contains("不完整：没有摄像头录像。"), "{chinese}");
    assert!(english.contains("not complete: no camera records here"), "{english}");
}

#[test]
fn records_need_attention_when_they_have_waited_for_a_day_and_the_bureau_does_not_answer() {
    let folder = tempfile::tempdir().expect("a folder");
    let (config, journal) = appliance(folder.path());
    let running = Some(Running::default());
    let mut status = gather(&config, &journal, running, SyncStatus::unknown(), None).expect("gathered");
    status.log.state = SyncState::Waiting { retry_in_seconds: 8 };
    (status.log.log_size, status.log.countersigned) = (5, 3);
    let now = 1_800_000_000;
    let is_told = |status: &crate::status::Status, hours: i64| {
        let found = attention(status, now, None, Some(now - hours * 3600));
        found.contains(&Attention::Unsent { records: 2 })
    };
    assert!(is_told(&status, 25), "it does not run: nobody sends them");
    status.keeping = Some(crate::recording::Keeping::default());
    assert!(!is_told(&status, 25), "it has just been started, after a weekend");
    status.log.link = Link::Offline;
    assert!(is_told(&status, 25) && !is_told(&status, 23));
    status.log.link = Link::Online;
    assert!(!is_told(&status, 25), "they are on their way");
}
