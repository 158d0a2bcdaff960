use super::*;
use crate::clock::TestClock;
use crate::journal::{PlanSource, testing};
use crate::recording::accounts::close_lessons;
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
        self.journal.import_class(&self.class, &"00".repeat(32), PlanSource::File, "301").expect("imported");
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
    let mut all_on = |day| all.lessons_on(&room.journal, date(2026, 11, day)).expect("reads").len();
    assert_eq!((all_on(23), all_on(24)), (1, 0), "nor is it shown as one that had to be recorded");
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

#[test]
fn a_plan_that_comes_in_mid_lesson_takes_nothing_from_what_has_begun() {
    let mut room = Room::new();
    room.class.lessons[0].workstations = vec!["1".into(), "2".into()];
    room.import();
    room.hours(2);
    let lesson = |room: &mut Room| {
        let mut lessons = room.plan.lessons_on(&room.journal, date(2026, 11, 23)).expect("reads");
        assert_eq!(lessons.len(), 1, "{lessons:?}");
        let lesson = lessons.remove(0);
        let end = lesson.span.until.to_zoned_datetime(room.journal.zone().clone());
        (end.strftime("%H:%M").to_string(), lesson.workstations)
    };
    // At 9:00 it moves to another room, loses a workstation and gets another, and has been over since 8:30.
    let planned = &mut room.class.lessons[0];
    (planned.room, planned.end) = ("302".into(), jiff::civil::time(8, 30, 0, 0));
    planned.workstations = vec!["2".into(), "3".into()];
    room.import();
    let all = ["1", "2", "3"].map(str::to_owned).to_vec();
    assert_eq!(lesson(&mut room), ("09:00".into(), all.clone()));
    // Nor does it help to say so twice.
    room.class.lessons[0].workstations.clear();
    room.import();
    assert_eq!(lesson(&mut room), ("09:00".into(), all.clone()));
    // It may go on for longer.
    room.class.lessons[0].end = jiff::civil::time(12, 0, 0, 0);
    room.import();
    assert_eq!(lesson(&mut room), ("12:00".into(), all));
    room.hours(4);
    assert_eq!(room.over(), [23]);
}

#[test]
fn a_lesson_that_is_made_longer_after_its_account_has_another_for_the_rest() {
    let mut room = Room::new();
    room.import();
    room.hours(5);
    assert_eq!(room.over(), [23]);
    let account = |room: &Room, start: Timestamp, seq: u64| {
        let write = room.journal.store().begin().expect("begins");
        write.put_coverage(seq, &room.class.id, start).expect("written");
        write.commit().expect("committed");
    };
    let start: Timestamp = "2026-11-23T00:00:00Z".parse().expect("a time");
    account(&room, start, 0);
    assert!(room.over().is_empty());
    let until = |hour| jiff::civil::time(hour, 0, 0, 0);
    for end in [13, 14] {
        room.class.lessons[0].end = until(end);
        room.import();
        let lessons = room.plan.lessons_on(&room.journal, date(2026, 11, 23)).expect("reads");
        let starts: Vec<i64> = lessons.iter().map(|lesson| lesson.start.duration_since(start).as_mins()).collect();
        assert_eq!(starts, [0, 210], "8:00 and 11:30");
        assert_eq!(lessons[1].span.until.duration_since(start).as_hours(), i64::from(end) - 8);
    }
    room.hours(3);
    assert_eq!(room.over(), [23], "the rest");
    account(&room, start + SignedDuration::from_mins(210), 1);
    assert!(room.over().is_empty());
    room.import();
    assert!(room.over().is_empty());
}

/// Makes the accounts that are due, and tells what the verifiers then say of the log.
fn verified(room: &mut Room) -> Vec<&'static str> {
    let (now, cameras) = (room.clock_now(), room.plan.cameras().to_vec());
    close_lessons(&room.journal, &mut room.plan, &cameras, |_| true, 0.99, 15, now).expect("accounts");
    let reader = room.journal.store().read().expect("reads");
    let mut timetable = evidence::timetable::Timetable::default();
    let mut found = Vec::new();
    for record in reader.records(0, usize::MAX >> 1, usize::MAX).expect("reads") {
        let record = evidence::jws::read_unverified(record.as_str()).expect("a record");
        found.extend(timetable.take(&record));
    }
    found.extend(timetable.finish(now));
    found.into_iter().map(|finding| finding.code).collect()
}

#[test]
fn the_verifiers_demand_no_more_than_is_recorded_when_a_plan_comes_in_mid_lesson() {
    let begun = || {
        let mut room = Room::new();
        room.class.lessons[1].date = date(2026, 11, 25);
        room.class.lessons[0].workstations = vec!["1".into(), "2".into()];
        room.import();
        room.hours(2);
        room.clock.advance(Duration::from_micros(1400));
        room
    };
    type Change = (fn(&mut Class), &'static [&'static str]);
    let changes: [Change; 5] = [
        (|_| {}, &[]),
        (|class| class.lessons[0].end = jiff::civil::time(8, 30, 0, 0), &["lesson_dropped"]),
        (|class| drop(class.lessons.remove(0)), &["lesson_dropped"]),
        (|class| class.lessons[0].workstations = vec!["2".into(), "3".into()], &["lesson_dropped"]),
        (|class| class.lessons[0].room = "302".into(), &["lesson_dropped"]),
    ];
    for (at, (change, expected)) in changes.into_iter().enumerate() {
        let mut room = begun();
        change(&mut room.class);
        room.import();
        room.import();
        room.hours(5);
        assert_eq!(verified(&mut room), expected, "{at}");
    }
    let mut room = begun();
    room.journal.close_class(&room.class.id).expect("closed");
    room.hours(5);
    assert_eq!(verified(&mut room), [""; 0]);
    // Made longer when its account is made.
    let mut room = begun();
    room.hours(3);
    assert_eq!(verified(&mut room), [""; 0]);
    for end in [13, 14] {
        room.class.lessons[0].end = jiff::civil::time(end, 0, 0, 0);
        room.import();
        room.hours(3);
        assert_eq!(verified(&mut room), [""; 0], "{end}");
    }
}
