//! What was deleted: what that excuses on a disc, and what is told of it in a log alone.

use super::disc::{Disc, at, read};
use evidence::record::Data;
use serde_json::json;
use std::fs;

#[test]
fn a_deletion_excuses_no_more_than_an_honest_appliance_deletes() {
    let deletion = |camera: &str, segments: &[u64], reason: &str, archived: bool| {
        let deletion =
            json!({"camera": camera, "segments": segments, "bytes": 1, "reason": reason, "archived": archived});
        Data::Deletion(read(deletion))
    };
    let archive = |camera: &str, segments: &[u64]| {
        let archive =
            json!({"camera": camera, "date": "2026-11-24", "archive": "nas", "segments": segments, "bytes": 1});
        Data::Archive(read(archive))
    };
    // Three segments that are countersigned, and what is done with them; their files are gone.
    let done = |acts: &[Data]| {
        let mut disc = Disc::new();
        let seqs: Vec<u64> = (0..3).map(|minute| disc.segment("back", minute)).collect();
        disc.countersign(&at(10));
        for act in acts {
            disc.add(&at(20), act.clone());
        }
        disc.write(None, &["back"], &[(0, 60)]);
        seqs.iter().for_each(|seq| fs::remove_file(disc.file(*seq)).expect("there"));
        disc
    };
    let archived = done(&[archive("back", &[0, 1, 2]), deletion("back", &[0, 1, 2], "budget", true)]);
    assert_eq!(archived.found(), []);
    let told = archived.told("deleted_segment");
    assert!(told.starts_with("3 segments of camera back") && told.ends_with("the archive holds it"), "{told}");

    let unarchived = done(&[archive("back", &[0]), deletion("back", &[0, 1, 2], "expired", false)]);
    assert_eq!(unarchived.found(), [("deleted_unarchived", Some(1))]);
    let told = unarchived.told("deleted_unarchived");
    assert!(told.starts_with("2 segments of camera back") && told.ends_with("no archive holds it"), "{told}");
    let lost = done(&[archive("back", &[0, 1, 2]), deletion("back", &[0, 1, 2], "lost", true)]);
    assert_eq!(lost.found(), [("lost_segment", Some(0))]);

    let claimed = done(&[deletion("back", &[0, 1, 2], "budget", true)]);
    assert_eq!(claimed.found(), [("not_archived", Some(3)), ("deleted_unarchived", Some(0))]);
    assert!(claimed.told("deleted_unarchived").contains("no archive holds it"));
    let another = done(&[deletion("front", &[0, 1, 2], "budget", false)]);
    assert_eq!(another.found(), [("wrong_segment", Some(3)), ("missing_segment", Some(0))]);
}

#[test]
fn a_deletion_of_what_is_yet_to_come_excuses_nothing() {
    let mut disc = Disc::new();
    let deletion = json!({"camera": "back", "segments": [1], "bytes": 1, "reason": "budget", "archived": false});
    disc.add(&at(0), Data::Deletion(read(deletion)));
    let seq = disc.segment("back", 1);
    disc.write(None, &["back"], &[(0, 60)]);
    fs::remove_file(disc.file(seq)).expect("there");
    assert_eq!(disc.found(), [("wrong_segment", Some(0)), ("missing_segment", Some(1))]);
}

#[test]
fn what_was_deleted_before_the_bureau_had_countersigned_it_is_told() {
    let found = |countersigned: &str| {
        let mut disc = Disc::new();
        let seq = disc.segment("back", 0);
        let deletion = json!({"camera": "back", "segments": [seq], "bytes": 1, "reason": "budget", "archived": false});
        disc.add(&at(2), Data::Deletion(read(deletion)));
        disc.write(None, &["front"], &[(0, 60)]);
        disc.countersign_only(countersigned);
        disc.found()
    };
    assert_eq!(found(&at(240)), []);
    // The exported receipts are the last of each day, if there are many.
    assert_eq!(found("2026-11-24T23:59:59.000+08:00"), []);
    assert_eq!(found("2026-11-25T23:59:59.000+08:00"), [("deleted_early", Some(1))]);
}

fn deletion(camera: &str, segments: &[u64], reason: &str) -> Data {
    let deletion = json!({"camera": camera, "segments": segments, "bytes": 1, "reason": reason, "archived": false});
    Data::Deletion(read(deletion))
}

/// `rm`, and a record that says that it was lost: no disc is asked for, and the log is whole.
#[test]
fn films_that_are_gone_are_told_of_a_log_without_any() {
    let mut disc = Disc::new();
    for minute in 0..4 {
        disc.segment("back", minute);
        disc.segment("front", minute);
    }
    let account = |disc: &mut Disc, class: &str, from: u64, until: u64, camera: &str| {
        let ms = (until - from) * 60_000;
        let (is_recorded, recorded) = (camera == "back", if camera == "back" { ms } else { 0 });
        let camera = json!({"camera": camera, "required_ms": ms, "recorded_ms": recorded, "gaps_ms": {},
                            "unexplained_ms": ms - recorded, "complete": is_recorded});
        let coverage = json!({"class": class, "start": at(from), "end": at(until), "from": at(from), "cameras": [camera],
                              "required_share": 0.99, "complete": false});
        disc.add(&at(until), Data::Coverage(read(coverage)))
    };
    let shown = account(&mut disc, "A", 0, 2, "back");
    account(&mut disc, "B", 2, 4, "back");
    account(&mut disc, "B", 2, 4, "back");
    account(&mut disc, "C", 0, 4, "side");
    disc.countersign(&at(5));
    let archive = json!({"camera": "front", "date": "2026-11-24", "archive": "nas", "segments": [1, 3, 5], "bytes": 1});
    disc.add(&at(6), Data::Archive(read(archive)));
    let lost = disc.add(&at(7), deletion("back", &[0, 2, 4], "lost"));
    disc.add(&at(7), deletion("front", &[5], "lost"));
    let deleted = disc.add(&at(8), deletion("front", &[1, 3, 7], "budget"));
    // It was lost, whatever is said of it afterwards.
    disc.add(&at(9), deletion("back", &[0], "budget"));
    disc.write_log_alone();
    let gone = |disc: &Disc| {
        let codes = ["lost_segment", "deleted_unarchived", "deleted_segment"];
        disc.found().into_iter().filter(|(code, _)| codes.contains(code)).collect::<Vec<_>>()
    };
    assert_eq!(gone(&disc), [("lost_segment", Some(0)), ("deleted_unarchived", Some(7))]);
    assert_eq!(
        disc.told("lost_segment"),
        format!(
            "4 segments of camera back, front, {} to {}, were lost, and staff have given them up; records say that 1 of them \
             are archived: the first, record 0, camera back, {} to {}, by record {lost} of {}; lessons that they show: 2, \
             the first of class A at {} (its account: record {shown})",
            at(0),
            at(3),
            at(0),
            at(1),
            at(7),
            at(0)
        )
    );
    assert_eq!(
        disc.told("deleted_unarchived"),
        format!(
            "1 segments of camera front, {} to {}, were deleted, and no record says that they are archived: the first, record \
             7, camera front, {} to {}, by record {deleted} of {}",
            at(3),
            at(4),
            at(3),
            at(4),
            at(8)
        )
    );
    let verdict = disc.verdict();
    assert!(verdict.verified, "they need an explanation, and the log stands: {verdict}");

    // Of a disc it is told once, of what that claims.
    let mut disc = Disc::new();
    let seqs: Vec<u64> = (0..3).map(|minute| disc.segment("back", minute)).collect();
    disc.countersign(&at(5));
    disc.add(&at(7), deletion("back", &seqs[..2], "lost"));
    disc.write(None, &["back"], &[(1, 60)]);
    fs::remove_file(disc.file(seqs[1])).expect("there");
    assert_eq!(gone(&disc), [("lost_segment", Some(seqs[1]))]);
}

#[test]
fn a_deletion_by_a_clock_that_is_days_behind_is_not_early() {
    // A segment that begins then, what comes after it, and its deletion on the 20th; the only receipt is of the 24th.
    let is_early = |start: &str, end: &str, before: Option<Data>| {
        let mut disc = Disc::new();
        let seq = disc.segment_of("back", start, end, end, "a film");
        if let Some(data) = before {
            disc.add("2026-11-20T08:01:30.000+08:00", data);
        }
        disc.add("2026-11-20T08:02:00.000+08:00", deletion("back", &[seq], "reserve"));
        disc.write_log_alone();
        disc.found().iter().any(|(code, _)| *code == "deleted_early")
    };
    let (start, end) = ("2026-11-20T08:00:00.000+08:00", "2026-11-20T08:01:00.000+08:00");
    assert!(is_early(start, end, None));
    // The log had come to the 24th before the clock fell back.
    assert!(!is_early(&at(0), &at(1), None));
    let step = json!({"expected": at(0), "observed": "2026-11-20T08:01:30.000+08:00"});
    assert!(!is_early(start, end, Some(Data::Clock(read(step)))), "the clock had shown the 24th");
}
