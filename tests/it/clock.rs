//! A wall clock that is wrong, and is set right while the appliance runs.

use crate::camera::free_port;
use crate::coverage::{assert_adds_up, assert_log_adds_up, records, wait_for};
use evidence::record::{Coverage, Data, GapCause};
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};
use rollcall::camera::{Camera, Decode};
use rollcall::clock::{Clock, SystemClock};
use rollcall::config::Config;
use rollcall::journal::{Journal, PlanSource, testing};
use rollcall::recording::Service;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// The machine's clock, whose wall time can be stepped.
#[derive(Default)]
pub struct SteppedClock {
    system: SystemClock,
    by_ms: AtomicI64,
}

impl SteppedClock {
    pub fn step(&self, by: SignedDuration) {
        self.by_ms.fetch_add(by.as_millis() as i64, Ordering::Relaxed);
    }
}

impl Clock for SteppedClock {
    fn now(&self) -> Timestamp {
        self.system.now() + SignedDuration::from_millis(self.by_ms.load(Ordering::Relaxed))
    }
    fn monotonic(&self) -> Duration {
        self.system.monotonic()
    }
    fn quality(&self) -> evidence::record::ClockQuality {
        evidence::record::ClockQuality::Synced
    }
    fn boot_id(&self) -> String {
        self.system.boot_id()
    }
}

/// A zone in which it is noon now, so that no test crosses midnight.
pub fn noon() -> TimeZone {
    let second = Timestamp::now().as_second().rem_euclid(86_400) as i32;
    let offset = 43_200 - second;
    TimeZone::fixed(Offset::from_seconds(offset - offset.rem_euclid(60)).expect("less than a day"))
}

/// A machine without a clock of its own starts with the time of when it was switched off, a day and two hours ago; then
/// the network tells it what time it is. One lesson lies between, another goes on.
#[test]
fn what_the_clock_jumps_over_after_a_start_with_an_old_time_is_told_of() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("rollcall.toml");
    let port = free_port();
    let text = format!(
        "[appliance]\nsite = \"site\"\nroom = \"301\"\nstate_dir = \"state\"\n\
         [[camera]]\nname = \"back\"\nkind = \"rtsp\"\nurl = \"rtsp://127.0.0.1:{port}/camera\"\n"
    );
    std::fs::write(&file, text).expect("written");
    let config = Config::load(&file).expect("a config");
    let (clock, zone) = (Arc::new(SteppedClock::default()), noon());
    let old = SignedDuration::from_hours(26);
    clock.step(-old);
    let state = &config.appliance.state_dir;
    let journal = Journal::initialise(state, "site", "301", clock.clone(), zone.clone()).expect("initialised");
    let now = Timestamp::now().to_zoned_datetime(zone);
    let mut class = testing::class("2026-001", &["1"], &["T1"]);
    class.lessons.truncate(1);
    class.lessons.push(class.lessons[0].clone());
    let hour = SignedDuration::from_hours(1);
    let ends = [&now - hour * 23, &now + SignedDuration::from_secs(12)];
    for (lesson, end) in class.lessons.iter_mut().zip(&ends) {
        (lesson.date, lesson.start, lesson.end) = (end.date(), (end - hour).time(), end.time());
        lesson.room = String::new();
    }
    journal.import_class(&class, &"00".repeat(32), PlanSource::File, "301").expect("imported");

    let journal = Arc::new(journal);
    let cameras: Vec<_> = config.cameras.iter().map(|camera| Camera::start(camera, Decode::KeyFrames)).collect();
    let service = Service::start(&config, journal.clone(), Arc::new(cameras)).expect("records");
    std::thread::sleep(Duration::from_secs(3));
    clock.step(old);
    let of = |data| match data {
        Data::Coverage(coverage) => Some(coverage),
        _ => None,
    };
    let accounts: Vec<Coverage> = wait_for("two accounts", 60, || {
        let accounts: Vec<_> = records(&journal).into_iter().filter_map(of).collect();
        (accounts.len() == 2).then_some(accounts)
    });
    service.stop();
    accounts.iter().for_each(assert_adds_up);
    assert_log_adds_up(&journal);
    let [past, present] = [0, 1].map(|at: usize| &accounts[at].cameras[0]);
    assert_eq!((past.unexplained_ms, past.gaps_ms[&GapCause::ClockStep]), (0, past.required_ms), "{past:?}");
    assert_eq!(present.unexplained_ms, 0, "{present:?}");
    assert_eq!(present.gaps_ms.keys().collect::<Vec<_>>(), [&GapCause::CameraAbsent, &GapCause::ClockStep]);
    // It went on for less than 12 s.
    let absent = present.gaps_ms[&GapCause::CameraAbsent];
    assert!((4000..12_000).contains(&absent), "{present:?}");
}
