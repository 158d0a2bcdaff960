//! What the cleaner leaves alone: a disk that is not there, files that free nothing, and more while one stays.

use crate::check::with_key;
use crate::disk::Small;
use crate::recording_keep::{House, house};
use evidence::record::{ClockQuality, Data, Deletion, FindingKind};
use jiff::{SignedDuration, Timestamp};
use rollcall::class::ClassId;
use rollcall::clock::TestClock;
use rollcall::config::Config;
use rollcall::journal::{Journal, NewFinding};
use rollcall::recording::retention::{Cleaner, give_up, lost};
use rollcall::recording::{Reserve, Service, mark};
use std::fs;
use std::io::ErrorKind;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// More than any disk has: room is always wanted.
const NO_ROOM: &str = "[retention]\nreserve_bytes = 4000000000000000\n";

fn deletions(house: &House) -> Vec<Deletion> {
    let data = house.data().into_iter();
    data.filter_map(|data| if let Data::Deletion(deletion) = data { Some(deletion) } else { None }).collect()
}

fn wait(what: &str, is_so: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < end, "never: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn nothing_is_deleted_while_the_recordings_disk_is_not_mounted() {
    let house = house(NO_ROOM);
    house.countersign(1_790_000_000);
    let (root, away) = (house.config.recordings(), house.path.join("away"));
    // What is found at boot is the bare mount point.
    fs::rename(&root, &away).expect("moved");
    fs::create_dir(&root).expect("made");
    let service = Service::start(&house.config, house.journal.clone(), Arc::default()).expect("starts all the same");
    std::thread::sleep(Duration::from_secs(7));
    assert_eq!((service.keeping().disk, deletions(&house)), (None, Vec::new()));
    fs::remove_dir(&root).expect("nothing was put into it");
    fs::rename(&away, &root).expect("moved");
    wait("it is mounted, and room is made", || house.here() == [false; 6]);
    wait("the disk is known", || service.keeping().disk.is_some());
    service.stop();
    assert_eq!(deletions(&house).len(), 1);
    assert_eq!(house.problems(), []);
}

#[test]
fn a_new_disk_is_marked_by_hand_and_one_with_known_recordings_by_itself() {
    let house = house("");
    let (root, marker) = (house.config.recordings(), house.config.recordings().join("rollcall-recordings"));
    let start = || drop(Service::start(&house.config, house.journal.clone(), Arc::default()).expect("starts"));
    // From before there were marks.
    fs::remove_file(&marker).expect("marked");
    start();
    assert!(marker.is_file());
    fs::remove_dir_all(&root).expect("removed");
    start();
    assert!(!root.exists(), "it is not mounted");
    mark(&root).expect("marked");
    assert!(Reserve::new(&house.config).look().is_ok());
}

#[test]
fn a_file_that_is_not_there_is_not_deleted_and_frees_nothing() {
    let house = house("[retention]\nbudget_bytes = 1\n");
    house.countersign(1_790_000_000);
    for at in [0, 1] {
        fs::remove_file(house.file(at)).expect("removed");
    }
    let cleaned = house.clean();
    assert_eq!((cleaned.deleted.segments, cleaned.held.missing.segments), (4, 2), "{cleaned:?}");
    let expected: Vec<u64> = house.segments[2..].iter().map(|row| row.seq).collect();
    assert_eq!(deletions(&house).into_iter().map(|deletion| deletion.segments).collect::<Vec<_>>(), [expected]);
    let codes: Vec<_> = house.problems().into_iter().map(|(code, seq, _)| (code, seq)).collect();
    let missing = |at: usize| ("missing_segment".to_owned(), Some(house.segments[at].seq));
    assert_eq!(codes, [missing(0), missing(1)], "that they are missing stays a finding");
}

#[test]
fn nothing_more_is_recorded_as_deleted_while_one_file_cannot_be_removed() {
    let mut house = house("[retention]\nbudget_bytes = 1\n");
    house.countersign(1_790_000_000);
    let busy = house.file(2);
    let mount = |words: &[&str]| Command::new(words[0]).args(&words[1..]).arg(&busy).output();
    let bound = mount(&["mount", "--bind", busy.to_str().expect("UTF-8")]);
    if !bound.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: this user may not mount a file");
        return;
    }
    let mut cleaner = Cleaner::start(&house.config, &house.journal).expect("starts");
    let run = |house: &House, cleaner: &mut Cleaner| {
        let room = Reserve::new(&house.config).look().expect("a disk");
        cleaner.run(&house.config, &house.journal, room).expect("runs").deleted.segments
    };
    assert_eq!((run(&house, &mut cleaner), cleaner.doomed()), (6, 1));
    house.record(house.days[1], 9);
    house.countersign(1_790_000_100);
    assert_eq!((run(&house, &mut cleaner), deletions(&house).len()), (0, 1));
    assert!(house.file(6).exists());
    mount(&["umount"]).expect("unmounted");
    assert_eq!((run(&house, &mut cleaner), cleaner.doomed()), (1, 0));
    assert_eq!(house.here(), [false; 7]);
}

#[test]
fn a_term_is_over_only_by_a_clock_that_is_synchronised() {
    let mut house = house("[retention]\nterm_days = 30\n");
    house.countersign(1_790_000_000);
    // Two months on, by its own word.
    let clock = Arc::new(TestClock::at(Timestamp::now() + SignedDuration::from_hours(24 * 60)));
    let (state, zone) = (&house.config.appliance.state_dir, house.journal.zone().clone());
    house.journal = Arc::new(Journal::open_state(state, clock.clone(), zone).expect("opens"));
    for quality in [ClockQuality::Unset, ClockQuality::Holdover { seconds: 60 }] {
        clock.set_quality(quality);
        assert_eq!(house.clean().deleted.segments, 0);
    }
    clock.set_quality(ClockQuality::Synced);
    assert_eq!(house.clean().deleted.segments, 6);
}

/// A finding of a camera, or of a class, at second 10 of a segment, with a small picture; tells its record.
fn find(house: &House, camera: Option<&str>, segment: usize, picture: &[u8], has_ended: bool) -> u64 {
    let start = house.segments[segment].start + SignedDuration::from_secs(10);
    let new = NewFinding {
        what: FindingKind::Covered,
        camera: camera.map(str::to_owned),
        workstation: None,
        class: camera.is_none().then(|| ClassId::new("2026-001").expect("valid")),
        start,
        measured: Default::default(),
    };
    let row = house.journal.begin_finding(new, Some(picture)).expect("journalled");
    if has_ended {
        let end = start + SignedDuration::from_secs(5);
        house.journal.end_finding(&row, end, Default::default()).expect("journalled");
    }
    row.seq
}

fn is_kept(house: &House, picture: &[u8]) -> bool {
    let reader = house.journal.store().read().expect("reads");
    reader.thumbnail(&evidence::sha256_hex(picture)).expect("reads").is_some()
}

/// The records of findings whose small pictures `rollcall check` misses.
fn missed(house: &House) -> Vec<u64> {
    let missed = house.problems().into_iter().filter(|(code, ..)| code == "wrong_photo");
    let mut missed: Vec<u64> = missed.filter_map(|(_, seq, _)| seq).collect();
    missed.sort_unstable();
    missed
}

#[test]
fn the_small_pictures_of_findings_go_with_the_recordings_that_show_the_same() {
    let mut house = house("");
    let gone = [find(&house, Some("back"), 1, b"gone", true), find(&house, None, 0, b"a class's", true)];
    let front = find(&house, Some("front"), 1, b"another camera's, not ended", false);
    let later = find(&house, Some("back"), 4, b"later", true);
    find(&house, Some("back"), 0, b"twice", true);
    let twice = find(&house, Some("back"), 5, b"twice", true);
    house.countersign(1_790_000_000);
    house.config.retention.budget_bytes = Some(house.segments[3..].iter().map(|row| row.bytes).sum());
    house.clean();
    assert_eq!(house.here(), [false, false, false, true, true, true]);
    let pictures = [b"gone".as_slice(), b"a class's", b"another camera's, not ended", b"later", b"twice"];
    assert_eq!(pictures.map(|picture| is_kept(&house, picture)), [false, false, true, true, true]);
    assert_eq!(house.problems(), [], "that they are gone is as it should be");
    let shown = house.journal.store().read().and_then(|reader| reader.findings(Timestamp::MIN, Timestamp::MAX));
    let shown = shown.expect("reads").into_iter().filter(|row| row.thumbnail.is_none()).map(|row| row.seq);
    assert_eq!(shown.collect::<std::collections::BTreeSet<_>>(), gone.into(), "no page asks for what is gone");
    // Whoever deletes by hand is found out.
    let deleted = with_key(&house.config.appliance.state_dir).execute("DELETE FROM thumbnails", []);
    assert_eq!(deleted.expect("deletes"), 3);
    assert_eq!(missed(&house), [front, later, twice]);
}

#[test]
fn the_small_picture_of_what_is_lost_stays() {
    let house = house("");
    let finding = find(&house, Some("back"), 0, b"all that is left", true);
    house.countersign(1_790_000_000);
    fs::remove_file(house.file(0)).expect("removed");
    let lost = lost(&house.config, &house.journal).expect("looks").segments;
    assert_eq!(give_up(&house.journal, lost).expect("given up").segments, 1);
    assert!(is_kept(&house, b"all that is left"));
    with_key(&house.config.appliance.state_dir).execute("DELETE FROM thumbnails", []).expect("deletes");
    assert_eq!(missed(&house), [finding]);
}

#[test]
fn a_disk_that_can_only_be_read_has_no_room_to_tell_of() {
    let Some(disk) = Small::mount("4m") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("rollcall.toml");
    let text = format!(
        "[appliance]\nsite = \"site\"\nroom = \"301\"\nstate_dir = \".\"\n[recording]\nfolder = {:?}\n",
        disk.folder.path()
    );
    fs::write(&file, text).expect("written");
    let config = Config::load(&file).expect("a config");
    mark(&config.recordings()).expect("marked");
    assert!(Reserve::new(&config).look().is_ok());
    let remount = Command::new("mount").args(["-o", "remount,ro"]).arg(disk.folder.path()).status();
    assert!(remount.expect("mount").success());
    let error = Reserve::new(&config).look().expect_err("it can only be read");
    assert_eq!(error.kind(), ErrorKind::ReadOnlyFilesystem);
    assert!(error.to_string().contains("ReadWritePaths="), "{error}");
}
