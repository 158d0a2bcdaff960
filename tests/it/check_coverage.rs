//! What is changed in the tables about what recordings show is found, and it is told where.

use crate::check::{look, with_key, words};
use evidence::record::{FindingKind, MarkedWorkstation};
use jiff::{SignedDuration, Timestamp};
use rollcall::class::recorded_span;
use rollcall::clock::{Clock, TestClock};
use rollcall::journal::testing::class;
use rollcall::journal::{Journal, NewFinding, PlanSource};
use rollcall::store::{FILE_NAME, LookRow};
use std::collections::BTreeMap;
use std::sync::Arc;
use tempfile::TempDir;

/// Records 3: a reference; 4 and 5: a finding and its end; 6: a finding that goes on; 7 and 8: a roll call; 9: another
/// reference.
fn appliance() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Arc::new(TestClock::at("2026-11-23T00:00:00Z".parse().expect("a time")));
    let zone = jiff::tz::TimeZone::UTC;
    let journal = Journal::initialise(folder.path(), "site", "301", clock.clone(), zone).expect("made");
    let class = class("2026-001", &["1", "2"], &["T1"]);
    journal.import_class(&class, &"00".repeat(32), PlanSource::File, "301").expect("imported");
    let polygon = vec![[0.1, 0.1], [0.4, 0.1], [0.4, 0.6]];
    let marked = [MarkedWorkstation { workstation: "A1".into(), polygon }];
    let picture = rollcall::picture::Picture::black(64, 48).to_jpeg(80).expect("encodes");
    journal.set_reference("back", &picture, &marked, "staff:T1").expect("set");
    let begin = |what, thumbnail: &[u8]| {
        let new = NewFinding {
            what,
            camera: Some("back".into()),
            workstation: None,
            class: Some(class.id.clone()),
            start: clock.now(),
            measured: BTreeMap::new(),
        };
        journal.begin_finding(new, Some(thumbnail)).expect("journalled")
    };
    let covered = begin(FindingKind::Covered, b"a small picture");
    let end = clock.now() + SignedDuration::from_secs(9);
    journal.end_finding(&covered, end, BTreeMap::new()).expect("journalled");
    begin(FindingKind::Frozen, b"another small picture");
    let lesson = recorded_span(&class.lessons[0], journal.zone(), 0).expect("a span").from;
    journal.begin_rollcall(&class.id, lesson, "T1").expect("begins");
    journal.end_rollcall(&class.id, lesson, "T1").expect("ends");
    let other_picture = rollcall::picture::Picture::black(48, 64).to_jpeg(80).expect("encodes");
    journal.set_reference("back", &other_picture, &marked, "staff:T1").expect("set");
    let look = |workstation: Option<&str>, people| LookRow {
        camera: "back".into(),
        at: Timestamp::UNIX_EPOCH,
        workstation: workstation.map(str::to_owned),
        people,
    };
    let write = journal.store().begin().expect("begun");
    write.put_looks(&[look(None, Some(2)), look(Some("A1"), Some(1))]).expect("put");
    write.commit().expect("on disk");
    folder
}

#[test]
fn whatever_is_changed_in_what_recordings_show_is_found_and_located() {
    let alterations: &[(&str, &[&str])] = &[
        ("DELETE FROM camera_references", &["wrong_row camera_references 9"]),
        ("UPDATE camera_references SET picture = x'00'", &["wrong_photo camera_references 9"]),
        (
            "UPDATE camera_references SET workstations = replace(workstations, 'A1', 'A2')",
            &["wrong_row camera_references 9"],
        ),
        (
            "INSERT INTO camera_references SELECT 'front', seq, picture, workstations FROM camera_references",
            &["wrong_row camera_references 9"],
        ),
        ("DELETE FROM former_pictures", &["wrong_photo former_pictures 3"]),
        ("UPDATE former_pictures SET jpeg = x'00'", &["wrong_photo former_pictures 3"]),
        (
            "INSERT INTO former_pictures VALUES ('00', x'00')",
            &["wrong_photo former_pictures", "unknown_photo former_pictures"],
        ),
        ("DELETE FROM findings WHERE seq = 4", &["wrong_row findings 4"]),
        ("UPDATE findings SET what = 'dark' WHERE seq = 4", &["wrong_row findings 4"]),
        ("UPDATE findings SET start_ms = start_ms + 1000 WHERE seq = 4", &["wrong_row findings 4"]),
        ("UPDATE findings SET end_ms = end_ms - 1000 WHERE seq = 4", &["wrong_row findings 4"]),
        ("UPDATE findings SET camera = 'front' WHERE seq = 6", &["wrong_row findings 6"]),
        ("UPDATE findings SET end_ms = start_ms, end_seq = 7 WHERE seq = 6", &["wrong_row findings 6"]),
        ("UPDATE findings SET end_ms = NULL, end_seq = NULL WHERE seq = 4", &["wrong_row findings 4"]),
        (
            "INSERT INTO findings SELECT 7, what, camera, workstation, class, start_ms, end_ms, end_seq, thumbnail
             FROM findings WHERE seq = 4",
            &["wrong_row findings 7"],
        ),
        (
            "UPDATE thumbnails SET jpeg = x'00' WHERE jpeg = CAST('a small picture' AS BLOB)",
            &["wrong_photo thumbnails 4"],
        ),
        ("DELETE FROM thumbnails WHERE jpeg = CAST('another small picture' AS BLOB)", &["wrong_photo thumbnails 6"]),
        ("DELETE FROM rollcalls", &["wrong_row rollcalls 7"]),
        ("UPDATE rollcalls SET start_ms = start_ms - 600000", &["wrong_row rollcalls 7"]),
        ("UPDATE rollcalls SET lesson_ms = lesson_ms + 1", &["wrong_row rollcalls 7"]),
        ("UPDATE rollcalls SET end_ms = NULL, end_seq = NULL", &["wrong_row rollcalls 7"]),
        ("UPDATE looks SET people = 3 WHERE workstation = 'A1'", &["impossible_look looks"]),
        ("UPDATE looks SET people = -1 WHERE workstation = 'A1'", &["impossible_look looks"]),
        ("DELETE FROM looks WHERE workstation = ''", &["impossible_look looks"]),
    ];
    let folder = appliance();
    let path = folder.path().join(FILE_NAME);
    let report = look(folder.path()).expect("readable");
    assert!(report.ok && words(&report).is_empty(), "{report}");
    let whole = std::fs::read(&path).expect("the database");
    let mut wrong = Vec::new();
    for (sql, expected) in alterations {
        std::fs::write(&path, &whole).expect("restored");
        assert!(with_key(folder.path()).execute(sql, []).expect(sql) > 0, "{sql} changes nothing");
        let report = look(folder.path()).expect("readable");
        if words(&report) != *expected || report.ok {
            wrong.push(format!("{sql}\nexpected {expected:?}\n   found {:?}\n{report}", words(&report)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_reference_picture_that_was_overwritten_before_they_were_kept_is_not_missed() {
    let folder = appliance();
    let connection = with_key(folder.path());
    connection.execute("DELETE FROM former_pictures", []).expect("deleted");
    // As the migration leaves it.
    connection.execute("INSERT INTO pictures_since SELECT camera, seq FROM camera_references", []).expect("put");
    let report = look(folder.path()).expect("readable");
    assert!(report.ok && words(&report).is_empty(), "{report}");
}

#[test]
fn a_workstation_that_is_marked_no_more_is_told_here_and_at_the_bureau() {
    let folder = appliance();
    let (clock, zone) =
        (Arc::new(TestClock::at("2026-11-23T00:10:00Z".parse().expect("a time"))), jiff::tz::TimeZone::UTC);
    let journal = Journal::open_state(folder.path(), clock, zone).expect("opened");
    let picture = rollcall::picture::Picture::black(48, 64).to_jpeg(80).expect("encodes");
    let seq = journal.set_reference("back", &picture, &[], "staff:T1").expect("set").seq;
    let report = look(folder.path()).expect("readable");
    assert!(report.ok, "{report}");
    assert_eq!(words(&report), [format!("marks_reduced log {seq}")], "{report}");
    let export = folder.path().join("export");
    rollcall::commands::export::export_log(&journal, &export).expect("exported");
    let verdict = bureau::verify(&export, None).expect("readable");
    assert!(verdict.findings.iter().any(|one| (one.code, one.seq) == ("marks_reduced", Some(seq))), "{verdict}");
}
