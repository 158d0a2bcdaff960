use super::*;
use crate::clock::TestClock;
use crate::config::Config;
use crate::journal::{PlanSource, testing};
use jiff::tz::TimeZone;
use std::sync::Arc;

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
