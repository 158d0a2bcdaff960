use super::*;
use crate::clock::TestClock;
use crate::config::Config;
use crate::journal::{JournalError, PlanSource, testing};
use jiff::tz::TimeZone;
use std::sync::Arc;
use std::time::Instant;

#[test]
fn a_recovered_segment_ends_when_it_was_last_written_whatever_its_camera_says() {
    let at = |second: i64| Timestamp::from_second(1_800_000_000 + second).expect("in range");
    assert_eq!(end_of(at(0), 20.0, at(21)), at(20));
    assert_eq!(end_of(at(0), 40.0, at(21)), at(21), "its clock runs at twice the speed");
    assert_eq!(end_of(at(0), 20.0, at(-100)), at(20), "the file's time is lost");
    for seconds in [1e12, 1e300, f64::INFINITY] {
        assert_eq!(end_of(at(0), seconds, at(21)), at(21), "{seconds} s");
    }
}

/// An appliance with a lesson from 8:00 to 11:30, whose clock stands at 7:00.
struct Room {
    config: Config,
    journal: Journal,
    clock: Arc<TestClock>,
    _folder: tempfile::TempDir,
}

/// A time of the lesson's day.
fn at(time: &str) -> Timestamp {
    format!("2026-11-23T{time}+08:00").parse().expect("a time")
}

impl Room {
    fn new() -> Room {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("rollcall.toml");
        let text = "[appliance]\nsite = \"site\"\nroom = \"301\"\nstate_dir = \"state\"\n\
                    [recording]\nlead_minutes = 0\n\
                    [[camera]]\nname = \"back\"\nkind = \"rtsp\"\nurl = \"rtsp://127.0.0.1/camera\"\n";
        fs::write(&file, text).expect("written");
        let config = Config::load(&file).expect("a config");
        let clock = Arc::new(TestClock::at(at("07:00:00")));
        let (state, zone) = (&config.appliance.state_dir, TimeZone::get("Asia/Shanghai").expect("bundled"));
        let journal = Journal::initialise(state, "site", "301", clock.clone(), zone).expect("initialised");
        let class = testing::class("2026-001", &["1"], &["T1"]);
        journal.import_class(&class, &"00".repeat(32), PlanSource::File, "301").expect("imported");
        Room { config, journal, clock, _folder: folder }
    }

    fn alive(&self, at: Timestamp) {
        let write = self.journal.store().begin().expect("begins");
        write.set_alive(&[AliveRow { camera: "back".into(), at, gap: None }]).expect("written");
        write.commit().expect("committed");
    }

    /// Tells of the absence up to `now`; all gaps that are on record then.
    fn start(&self, now: Timestamp) -> Vec<(Timestamp, Timestamp, GapCause)> {
        self.clock.step_to(now);
        let mut plan = Plan::new(&self.config);
        account_for_absence(&self.journal, &mut plan, "back", None, now).expect("told");
        let gaps = self.journal.store().read().and_then(|reader| reader.all_gaps()).expect("reads");
        gaps.into_iter().map(|row| (row.start, row.end, row.cause)).collect()
    }
}

#[test]
fn what_a_step_of_the_clock_leapt_over_keeps_its_cause_after_a_restart() {
    let room = Room::new();
    let stepped = (at("08:30:00"), at("08:40:00"), GapCause::ClockStep);
    journal_gap(&room.journal, "back", at("08:00:00"), at("08:30:00"), GapCause::CameraAbsent).expect("journalled");
    journal_gap(&room.journal, "back", stepped.0, stepped.1, stepped.2).expect("journalled");
    journal_gap(&room.journal, "back", at("08:40:00"), at("09:00:00"), GapCause::CameraAbsent).expect("journalled");
    room.alive(at("09:00:00"));
    assert_eq!(room.start(at("09:00:10")).len(), 3, "what lies before now stays open");
    let told = room.start(at("12:00:00"));
    assert_eq!(told[1], stepped);
    assert_eq!(told[3..], [(at("09:00:00"), at("11:30:00"), GapCause::ApplianceOff)]);
}

#[test]
fn what_a_step_of_the_clock_leapt_over_and_comes_after_all_while_it_is_off_is_told_of() {
    let room = Room::new();
    journal_gap(&room.journal, "back", at("08:00:00"), at("08:40:00"), GapCause::ClockStep).expect("journalled");
    // It was put back to 8:00 and ran on until 8:20.
    room.alive(at("08:20:00"));
    assert_eq!(room.start(at("12:00:00"))[1..], [(at("08:20:00"), at("11:30:00"), GapCause::ApplianceOff)]);
}

#[test]
fn what_had_just_begun_when_the_power_failed_is_taken_away_and_a_film_that_is_put_there_is_not() {
    let room = Room::new();
    let root = room.config.recordings();
    let put = |name: &str| {
        let path = root.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(&path, b"nothing yet").expect("written");
        path
    };
    let (begun, whole) = (put("back/2026-11-23/2026-11-23T08-01-00.000+0800.mp4.part"), put("back/2026-11-23/a.mp4"));
    let older = put("back/2026-11-22/2026-11-22T08-01-00.000+0800.mp4.part");
    let oldest = put("back/2026-11-21/2026-11-21T08-01-00.000+0800.mp4.part");
    put("back/zzz/notes");
    assert_eq!(recover_segments(&room.journal, &root).expect("recovers"), 0);
    assert_eq!([&begun, &older, &oldest, &whole].map(|path| path.exists()), [false, false, true, true]);
}

/// How long a start looks for what an earlier run has left, among 100,000 files that are journalled: at what can be left,
/// and at every file.
#[test]
#[ignore = "takes a minute; makes 100,000 files"]
fn a_start_is_as_fast_with_a_hundred_thousand_files() {
    const FILES: usize = 100_000;
    let room = Room::new();
    let root = room.config.recordings();
    let names: Vec<String> = (0..FILES).map(|at| format!("back/day {:03}/{at}.mp4", at / 1440)).collect();
    for name in &names {
        let path = root.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        File::create(path).expect("made");
    }
    let journalled: Result<(), JournalError> = room.journal.transaction(|batch| {
        for name in &names {
            let (camera, cause) = ("back".to_owned(), GapCause::ApplianceOff);
            let (from, until) = (room.journal.time_text(at("08:00:00")), room.journal.time_text(at("08:01:00")));
            let gap = evidence::record::Gap { camera: camera.clone(), start: from, end: until, cause };
            let seq = batch.append(evidence::record::Data::Gap(gap))?.seq;
            let (start, end, path) = (at("08:00:00"), at("08:01:00"), name.clone());
            batch.put_segment(&SegmentRow { seq, camera, start, end, path, bytes: 0, sha256: String::new() })?;
        }
        Ok(())
    });
    journalled.expect("journalled");
    let begun = Instant::now();
    assert_eq!(recover_segments(&room.journal, &root).expect("recovers"), 0);
    let what_can_be_left = begun.elapsed();
    let begun = Instant::now();
    for path in files::files(&root).expect("reads") {
        assert!(matches!(recover_segment(&room.journal, &root, &path), Ok(Became::Left)));
    }
    println!("{FILES} files: {what_can_be_left:?}; looking at each: {:?}", begun.elapsed());
    assert!(what_can_be_left.as_secs() < 1);
}
