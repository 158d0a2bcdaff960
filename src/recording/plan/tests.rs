use super::*;
use crate::clock::TestClock;
use crate::journal::{PlanSource, testing};
use jiff::civil::date;
use jiff::tz::TimeZone;
use std::sync::Arc;
use std::time::Duration;

/// An appliance at 7:00 of a day with a lesson from 8:00 to 11:30, and another on the next day.
struct Room {
    config: Config,
    plan: Plan,
    journal: Journal,
    clock: Arc<TestClock>,
    class: Class,
    _folder: tempfile::TempDir,
}

impl Room {
    fn new() -> Room {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("rollcall.toml");
        let text = "[appliance]\nsite = \"site\"\nroom = \"301\"\n\
                    [[camera]]\nname = \"back\"\nkind = \"rtsp\"\nurl = \"rtsp://127.0.0.1/camera\"\n";
        std::fs::write(&file, text).expect("written");
        let config = Config::load(&file).expect("a config");
        let plan = Plan::new(&config);
        let clock = Arc::new(TestClock::at("2026-11-22T23:00:00Z".parse().expect("a time")));
        let zone = TimeZone::get("Asia/Shanghai").expect("bundled");
        let journal = Journal::initialise(&folder.path().join("state"), "site", "301", clock.clone(), zone);
        let mut class = testing::class("2026-001", &["1"], &["T1"]);
        let next = class::Lesson { date: date(2026, 11, 24), ..class.lessons[0].clone() };
        class.lessons.push(next);
        Room { config, plan, journal: journal.expect("initialised"), clock, class, _folder: folder }
    }

    fn import(&self) {
        self.journal.import_class(&self.class, &"00".repeat(32), PlanSource::File).expect("imported");
    }

    fn hours(&self, hours: u64) {
        self.clock.advance(Duration::from_secs(hours * 3600));
    }

    /// The days of the lessons that are over and have no account.
    fn over(&mut self) -> Vec<i8> {
        let over = self.plan.over(&self.journal, self.clock_now()).expect("reads");
        over.into_iter().map(|lesson| self.plan.day(&self.journal, lesson.start).day()).collect()
    }

    fn clock_now(&self) -> Timestamp {
        self.journal.clock().now()
    }

    /// How many lessons a day of November has.
    fn lessons(&mut self, day: i8) -> usize {
        self.plan.lessons_on(&self.journal, date(2026, 11, day)).expect("reads").len()
    }
}

#[test]
fn a_lesson_that_has_begun_when_its_class_is_closed_goes_on_and_has_its_account() {
    let mut room = Room::new();
    room.import();
    room.hours(2);
    room.journal.close_class(&room.class.id).expect("closed");
    let now = room.clock_now();
    assert_eq!(room.plan.lessons_at(&room.journal, now).expect("reads").len(), 1);
    assert_eq!((room.lessons(23), room.lessons(24)), (1, 0), "what was yet to come is dropped");
    let mut all = Plan::of_all_classes(&room.config, &room.journal).expect("reads");
    assert_eq!(
        all.lessons_on(&room.journal, date(2026, 11, 24)).expect("reads").len(),
        1,
        "it was planned all the same"
    );
    room.hours(4);
    assert_eq!(room.over(), [23]);
    let write = room.journal.store().begin().expect("begins");
    let start = "2026-11-23T00:00:00Z".parse().expect("a time");
    write.put_coverage(0, &room.class.id, start).expect("written");
    write.commit().expect("committed");
    assert!(room.over().is_empty());
    room.hours(48);
    assert!(room.over().is_empty());
}

#[test]
fn a_lesson_that_is_over_keeps_its_account_when_the_plan_is_imported_again_with_it_or_without() {
    let mut room = Room::new();
    room.import();
    room.hours(6);
    assert_eq!(room.over(), [23]);
    room.import();
    assert_eq!(room.over(), [23]);
    room.import();
    assert_eq!((room.over(), room.lessons(23)), (vec![23], 1));
    room.class.lessons.remove(0);
    room.import();
    assert_eq!((room.over(), room.lessons(23), room.lessons(24)), (vec![23], 1, 1));
    room.journal.close_class(&room.class.id).expect("closed");
    assert_eq!((room.over(), room.lessons(24)), (vec![23], 0));
}

#[test]
fn a_lesson_that_was_over_when_its_plan_was_first_imported_has_none() {
    let mut room = Room::new();
    room.hours(6);
    room.import();
    room.import();
    assert!(room.over().is_empty());
    room.journal.close_class(&room.class.id).expect("closed");
    assert_eq!((room.over(), room.lessons(23)), (Vec::new(), 0));
}

#[test]
fn outside_lessons_nothing_is_recorded_unless_the_config_says_so() {
    let mut room = Room::new();
    room.import();
    let now = room.clock_now();
    let wanted = |plan: &mut Plan, camera: &str| -> Vec<String> {
        let span = Span { from: now, until: now + SignedDuration::from_hours(24) };
        let zone = room.journal.zone();
        let spans = plan.recorded_between(&room.journal, camera, span).expect("reads");
        let text = |time: Timestamp| time.to_zoned_datetime(zone.clone()).strftime("%d %H:%M").to_string();
        let sound = |recorded: &RecordedSpan| if recorded.sound { "" } else { " no sound" };
        spans.iter().map(|at| format!("{}–{}{}", text(at.span.from), text(at.span.until), sound(at))).collect()
    };
    let lessons = ["23 07:50–23 11:30", "24 07:50–24 11:30"];
    assert_eq!(wanted(&mut room.plan, "back"), lessons);
    room.config.recording.outside_lessons = true;
    let always = [
        "23 00:00–23 07:50 no sound",
        lessons[0],
        "23 11:30–24 00:00 no sound",
        "24 00:00–24 07:50 no sound",
        lessons[1],
        "24 11:30–25 00:00 no sound",
    ];
    assert_eq!(wanted(&mut Plan::new(&room.config), "back"), always);
    assert!(wanted(&mut Plan::new(&room.config), "front").is_empty(), "it is not recorded here");
}
