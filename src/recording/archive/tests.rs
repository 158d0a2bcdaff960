use super::*;
use crate::clock::TestClock;
use crate::recording::{Described, journal_segment};
use evidence::record::{Sound, VideoCodec};
use jiff::civil::date;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

/// An appliance on 23 November, with an archive that is a folder.
struct House {
    folder: tempfile::TempDir,
    config: Config,
    journal: Journal,
    archiver: Archiver,
}

impl House {
    fn new() -> House {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("rollcall.toml");
        let text = "[appliance]\nsite = \"site\"\nroom = \"301\"\nstate_dir = \"state\"\n\
                    [archive]\nname = \"nas\"\nfolder = \"nas\"\n";
        fs::write(&file, text).expect("written");
        let config = Config::load(&file).expect("a config");
        let clock = Arc::new(TestClock::at("2026-11-23T04:00:00Z".parse().expect("a time")));
        let state = &config.appliance.state_dir;
        let journal = Journal::initialise(state, "site", "301", clock, config.timezone()).expect("initialised");
        marker::mark(&config.recordings()).expect("marked");
        fs::create_dir(folder.path().join("nas")).expect("made");
        Archiver::init(config.archive.as_ref().expect("configured")).expect("marked");
        let archiver = Archiver::new(&config, &journal).expect("readable").expect("there is an archive");
        House { folder, config, journal, archiver }
    }

    /// A minute of a day, with so many bytes. Tells where its object belongs.
    fn record(&self, day: i8, minute: i8, bytes: usize) -> PathBuf {
        let start = date(2026, 11, day).at(8, minute, 0, 0).to_zoned_datetime(self.journal.zone().clone());
        let start = start.expect("a time");
        let path = start.strftime("back/%Y-%m-%d/%Y-%m-%dT%H-%M-%S.%3f%z.mp4").to_string();
        let file = self.config.recordings().join(&path);
        fs::create_dir_all(file.parent().expect("a folder")).expect("made");
        fs::write(&file, vec![minute as u8; bytes]).expect("written");
        let (bytes, sha256) = hash_file(&file).expect("there");
        let (start, end) = (start.timestamp(), start.timestamp() + Duration::from_secs(60));
        let object = self.folder.path().join("nas").join(&self.journal.log().origin).join(&path);
        let row = SegmentRow { seq: 0, camera: "back".into(), start, end, path, bytes, sha256 };
        let described = Described {
            frames: 10,
            lost_packets: Some(0),
            codec: VideoCodec::H264,
            width: 160,
            height: 120,
            sound: Sound::None,
            recovered: false,
        };
        journal_segment(&self.journal, row, described).expect("journalled");
        object
    }

    fn run(&mut self) -> Result<u64, ArchiveError> {
        let stop = AtomicBool::new(false);
        let done = self.archiver.run(&self.config, &self.journal, Pass::ClosedDays, &stop);
        done.map(|done| done.segments)
    }

    fn waiting(&self) -> u64 {
        self.archiver.status().waiting.segments
    }
}

/// Nothing can be put in its place.
fn block(object: &Path) {
    fs::create_dir_all(object.join("in the way")).expect("made");
}

#[test]
fn what_cannot_be_read_there_is_sent_again_and_what_fails_holds_up_nothing_else() {
    let mut house = House::new();
    // Reading this fails, and its length is right.
    let decoy = house.folder.path().join("decoy");
    fs::create_dir(&decoy).expect("made");
    let length = decoy.metadata().expect("there").len() as usize;
    let first = house.record(20, 0, 1000);
    let (blocked, unreadable) = (house.record(20, 1, 1000), house.record(20, 2, length));
    let (next_day, last) = (house.record(21, 3, 1000), house.record(21, 4, 1000));
    block(&blocked);
    symlink(&decoy, &unreadable).expect("made");

    let error = house.run().expect_err("one object fails");
    assert!(matches!(&error, ArchiveError::Io { path, .. } if *path == blocked), "{error}");
    assert_eq!(house.archiver.status().problem, Some(error.to_string()));
    assert_eq!((house.waiting(), house.archiver.status().due.as_deref()), (1, Some("2026-11-20")));
    for object in [&first, &next_day, &last] {
        assert_eq!(fs::metadata(object).expect("there").len(), 1000);
    }
    assert_eq!(fs::read(&unreadable).expect("it is a file now"), vec![2; length]);

    fs::remove_dir_all(&blocked).expect("removed");
    // What is archived is not looked at again: not even that it is gone.
    fs::remove_file(&first).expect("removed");
    assert_eq!(house.run().expect("archived"), 1);
    assert!(!first.exists() && blocked.is_file());
    assert_eq!((house.waiting(), house.archiver.status().due.as_ref()), (0, None));
    assert_eq!(house.archiver.status().problem, None);
    let manifest = fs::read_to_string(blocked.with_file_name("manifest.json")).expect("there");
    let manifest: serde_json::Value = serde_json::from_str(&manifest).expect("JSON");
    assert_eq!(manifest["segments"].as_array().expect("a list").len(), 3);
}

#[test]
fn three_failures_in_a_row_end_a_days_turn_and_three_such_days_the_pass() {
    let mut house = House::new();
    house.record(16, 0, 1000);
    for minute in 1..6 {
        block(&house.record(16, minute, 1000));
    }
    house.record(17, 6, 1000);
    let error = house.run().expect_err("objects fail");
    assert!(matches!(error, ArchiveError::Objects { objects: 3, is_given_up: true, .. }), "{error}");
    assert!(error.to_string().contains("failed, and not all that follows was tried; the first: "), "{error}");
    assert_eq!(house.waiting(), 5, "what came before them is archived, and so is the next day");

    for day in [17, 18, 19] {
        for minute in 7..10 {
            block(&house.record(day, minute, 1000));
        }
    }
    house.record(20, 10, 1000);
    let error = house.run().expect_err("the archive seems to be away");
    assert!(matches!(error, ArchiveError::Objects { objects: 9, .. }), "{error}");
    assert_eq!((house.waiting(), house.archiver.status().due.as_deref()), (15, Some("2026-11-16")));

    // Days that fail for good hold up no later one for good.
    house.run().expect_err("the archive seems to be away");
    assert_eq!((house.waiting(), house.archiver.status().due.as_deref()), (14, Some("2026-11-16")));
}

#[test]
fn what_was_read_back_in_a_pass_that_failed_is_looked_for_again() {
    let mut house = House::new();
    let (whole, blocked) = (house.record(20, 0, 1000), house.record(20, 1, 1000));
    let manifest = whole.with_file_name("manifest.json");
    block(&blocked);
    block(&manifest);
    house.run().expect_err("neither the second object nor the list can be written");
    assert_eq!(house.waiting(), 2);
    // The store is set back to what it was before.
    for path in [&blocked, &manifest] {
        fs::remove_dir_all(path).expect("removed");
    }
    fs::remove_file(&whole).expect("removed");
    assert_eq!(house.run().expect("archived"), 2);
    assert!(whole.is_file() && blocked.is_file());
}

#[test]
fn another_process_that_archives_for_an_hour_is_trouble_until_it_ends() {
    let mut house = House::new();
    let other = lock(&house.config.appliance.state_dir).expect("free");
    assert!(matches!(house.run(), Err(ArchiveError::Busy)));
    assert_eq!(house.archiver.status().problem, None, "it may have much to do");
    let (begun, busy) = (house.archiver.busy_since.expect("since now"), Err(ArchiveError::Busy));
    assert_eq!(house.archiver.problem(&busy, begun + Duration::from_secs(3599)), None);
    let problem = house.archiver.problem(&busy, begun + Duration::from_secs(7260)).expect("it takes long");
    assert!(problem.contains("for 121 minutes"), "{problem}");
    drop(other);
    assert_eq!(house.run().expect("nothing is due"), 0);
    assert_eq!(house.archiver.problem(&busy, begun + Duration::from_secs(7260)), None, "it begins anew");
}
