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
            (Some(seqs[0]), message(0, "3 segments of camera front")),
            (Some(seqs[2]), message(10, "1 segments of camera back, 2 segments of camera front"))
        ]
    );
}
