//! Evidence discs: what an officer is told of them, and what excuses nothing.

mod disc;

use disc::{Disc, at, read};
use evidence::record::Data;
use serde_json::json;
use std::fs;

#[test]
fn segments_that_follow_one_another_are_told_as_one_and_hide_nothing_behind_them() {
    let mut disc = Disc::new();
    let seqs: Vec<u64> = (0..60).map(|minute| disc.segment("back", minute)).collect();
    disc.countersign(&at(61));
    disc.write(None, &["back"], &[(0, 60)]);
    assert_eq!(disc.found(), []);
    assert!(disc.told("segments").starts_with("60 of 60 files"));

    seqs[..50].iter().for_each(|seq| fs::remove_file(disc.file(*seq)).expect("there"));
    fs::write(disc.file(seqs[58]), "altered").expect("written");
    assert_eq!(disc.found(), [("missing_segment", Some(seqs[0])), ("altered_segment", Some(seqs[58]))]);
    let told = disc.told("missing_segment");
    let expected =
        format!("50 segments of camera back, {} to {} (records 0 to 49): the first, record 0, ", at(0), at(50));
    assert!(told.starts_with(&expected), "{told}");
    let file = "recordings/back/2026-11-24/2026-11-24T08-00-00.000+0800.mp4 is missing: ";
    assert!(told.contains(file) && told.contains("countersigned at 2026-11-24T01:01:00Z"), "{told}");
    assert!(disc.told("segments").starts_with("9 of 10 files"));

    // One that is there parts what is missing.
    fs::write(disc.file(seqs[20]), "back 20").expect("written");
    let missing: Vec<u64> = disc.found().iter().filter_map(|(_, seq)| *seq).collect();
    assert_eq!(missing, [seqs[0], seqs[21], seqs[58]]);
}

#[test]
fn what_a_disc_claims_and_how_much_of_it_is_good_is_told_however_much_there_is_besides() {
    let mut disc = Disc::new();
    for minute in 0..30 {
        disc.segment("back", minute);
        disc.segment("front", minute);
    }
    // Each of these records is of before the one before it.
    for minute in 0..30 {
        let gap = json!({"camera": "side", "start": at(0), "end": at(1), "cause": "network"});
        disc.add(&at(200 - 2 * minute), Data::Gap(read(gap)));
    }
    disc.write(None, &["back", "front"], &[(0, 30)]);
    let printed = disc.printed();
    for expected in [
        format!("the disc claims all of camera back, front from {} to {}", at(0), at(30)),
        "60 of 60 files of recordings are exactly as they were recorded".into(),
        "bureau/test countersigned the first 91 records at 2026-11-24T04:00:00Z".into(),
        "more findings: 26 time_went_back; --json lists them".into(),
    ] {
        assert!(printed.contains(&expected), "{expected} is not in {printed}");
    }
}

#[test]
fn a_disc_that_leaves_out_what_was_recorded_of_its_lessons_says_so() {
    let lesson = |disc: &mut Disc, class: &str, from: u64, until: u64| {
        for minute in from..until {
            disc.segment("back", minute);
            disc.segment("front", minute);
        }
        let ms = (until - from) * 60_000;
        let camera = |name: &str| {
            json!({"camera": name, "required_ms": ms, "recorded_ms": ms, "gaps_ms": {}, "unexplained_ms": 0,
                   "complete": true})
        };
        let coverage = json!({
            "class": class, "start": at(from), "end": at(until), "from": at(from), "cameras": [camera("back"), camera("front")],
            "required_share": 0.95, "complete": true,
        });
        disc.add(&at(until), Data::Coverage(read(coverage)))
    };
    let made = |class: Option<&str>, cameras: &[&str], spans: &[(u64, u64)]| {
        let mut disc = Disc::new();
        let seqs = [lesson(&mut disc, "A", 0, 3), lesson(&mut disc, "B", 5, 7), lesson(&mut disc, "A", 10, 12)];
        disc.write(class, cameras, spans);
        let found = disc.verdict().findings.into_iter().filter(|finding| finding.code == "partial_disc");
        (seqs, found.map(|finding| (finding.seq, finding.message)).collect::<Vec<_>>())
    };
    assert_eq!(made(None, &["back", "front"], &[(0, 60)]).1, []);
    assert_eq!(
        made(Some("A"), &["back", "front"], &[(0, 3), (10, 12)]).1,
        [],
        "another class's lesson was not asked for"
    );
    let (seqs, found) = made(Some("A"), &["back"], &[(0, 3), (10, 11)]);
    let message = |start: u64, what: &str| {
        let start = at(start);
        format!(
            "the disc does not hold all that was recorded of the lesson of class A at {start}: it leaves out {what}"
        )
    };
    assert_eq!(
        found,
        [
            (Some(seqs[0]), message(0, "segments: 3 of camera front")),
            (Some(seqs[2]), message(10, "segments: 1 of camera back, 2 of camera front"))
        ]
    );
}

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

#[test]
fn what_a_desk_computer_leaves_in_a_folder_is_told_and_fails_nothing() {
    let mut disc = Disc::new();
    let seq = disc.segment("back", 0);
    disc.write(None, &["back"], &[(0, 60)]);
    let day = disc.file(seq).parent().expect("a folder").to_owned();
    let own = disc.file(seq).file_name().expect("a name").to_str().expect("text").to_owned();
    let recordings = disc.path().join("recordings");
    for path in
        [recordings.join(".DS_Store"), day.join("Thumbs.db"), day.join("desktop.ini"), day.join(format!("._{own}"))]
    {
        fs::write(path, "not a film").expect("written");
    }
    assert_eq!(disc.found(), [("foreign_file", None)]);
    let told = disc.told("foreign_file");
    assert_eq!(told, "4 files are no recordings and were not looked at: the first, recordings/.DS_Store");
    assert!(disc.verdict().verified && disc.told("segments").starts_with("1 of 1 files"));
    // A film that no record vouches for is another matter.
    for name in ["film.mp4", "FILM.MP4"] {
        fs::write(day.join(name), "a film").expect("written");
    }
    assert_eq!(disc.found(), [("unknown_segment", None), ("foreign_file", None)]);
    assert!(
        disc.told("unknown_segment")
            .starts_with("2 files of one folder belong to no record: the first, recordings/back/")
    );
}
