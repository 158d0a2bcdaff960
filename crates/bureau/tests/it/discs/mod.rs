//! Evidence discs: what an officer is told of them, and what excuses nothing.

mod deletions;
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
fn a_disc_holds_the_references_by_which_its_cameras_were_judged_as_they_were_set() {
    let mut disc = Disc::new();
    let picture = |contents: &str| evidence::sha256_hex(contents.as_bytes());
    let reference = |camera: &str, contents: &str| {
        let reference = json!({"camera": camera, "picture": picture(contents), "workstations": [], "by": "staff:T1"});
        Data::Reference(read(reference))
    };
    // Another one holds when the disc begins; a camera that is not on the disc, and what is set later, need not be there.
    disc.add(&at(0), reference("back", "before"));
    let seq = disc.add(&at(1), reference("back", "first"));
    disc.add(&at(1), reference("side", "of the side"));
    disc.segment("back", 2);
    disc.segment("back", 3);
    let finding =
        json!({"what": "covered", "camera": "back", "start": at(3), "thumbnail": picture("small"), "measured": {}});
    disc.add(&at(4), Data::Finding(read(finding)));
    disc.add(&at(4), reference("back", "second"));
    disc.add(&at(90), reference("back", "later"));
    disc.write(None, &["back"], &[(2, 60)]);
    let pictures = disc.path().join("pictures");
    let file = |contents: &str| pictures.join(format!("{}.jpg", picture(contents)));
    let of_pictures = |disc: &Disc| {
        let found = disc.found().into_iter().filter(|(code, _)| code.contains("picture"));
        found.collect::<Vec<_>>()
    };
    assert_eq!(of_pictures(&disc), [("missing_picture", Some(seq))]);
    assert!(
        disc.told("missing_picture")
            .starts_with("2 reference pictures are not on this disc: the first, that of record 1,")
    );

    fs::create_dir(&pictures).expect("made");
    ["first", "second", "small"].iter().for_each(|one| fs::write(file(one), one).expect("written"));
    assert_eq!(of_pictures(&disc), []);
    assert_eq!(disc.told("pictures"), "3 of 3 pictures are exactly those of their records");

    fs::write(file("first"), "altered").expect("written");
    fs::write(file("of nothing"), "of nothing").expect("written");
    fs::write(pictures.join("Thumbs.db"), "of a desk computer").expect("written");
    let mut found = of_pictures(&disc);
    found.sort_unstable();
    assert_eq!(found, [("altered_picture", Some(seq)), ("unknown_picture", None)]);
    assert!(!disc.verdict().verified);
    fs::remove_file(file("of nothing")).expect("there");
    fs::write(file("first"), "first").expect("written");
    // Small pictures go with the recordings.
    fs::remove_file(file("small")).expect("there");
    assert_eq!(of_pictures(&disc), []);
}

#[test]
fn what_computers_and_network_storage_leave_in_a_folder_is_told_and_fails_nothing() {
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
    // What lies in a folder that is not looked at is no recording, whatever it is called.
    for folder in [recordings.join("@eaDir"), day.join("#recycle"), disc.path().join("pictures/.thumbnails")] {
        fs::create_dir_all(&folder).expect("made");
        fs::write(folder.join("film.mp4"), "a film").expect("written");
    }
    fs::write(disc.path().join("pictures/Thumbs.db"), "not a picture").expect("written");
    assert_eq!(disc.found(), [("foreign_file", None)]);
    let told = disc.told("foreign_file");
    let expected = "8 files or folders are neither recordings nor pictures and were not looked at: the first, ";
    assert!(told.starts_with(expected) && told.ends_with("pictures/.thumbnails"), "{told}");
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
    // So is a folder that nobody's computer makes.
    fs::create_dir(disc.path().join("pictures/more")).expect("made");
    assert!(disc.told("unreadable").ends_with("pictures/more: is neither a file nor a folder that belongs here"));
}
