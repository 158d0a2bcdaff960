use super::*;
use crate::record::{
    ApplianceEvent, CameraCoverage, CameraInUse, ClockQuality, Closing, Lesson, LessonKind, WorkstationCoverage,
};

const CLASS: &str = "2026-001";

/// The moment so many hours after the epoch.
fn at(hours: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hours)
}

#[derive(Default)]
struct Log {
    timetable: Timetable,
    size: u64,
    /// Whether nothing vouches for the clock.
    is_unset: bool,
}

impl Log {
    fn take(&mut self, hours: i64, data: Data) -> Vec<&'static str> {
        self.messages(at(hours), data).into_iter().map(|(code, _)| code).collect()
    }

    fn messages(&mut self, time: Timestamp, data: Data) -> Vec<(&'static str, String)> {
        let (device, time) = ("rollcall-a".into(), time.to_string());
        let clock = if self.is_unset { ClockQuality::Unset } else { ClockQuality::Synced };
        let record = Record { device, seq: self.size, time, clock, data };
        self.size += 1;
        self.timetable.take(&record).into_iter().map(|finding| (finding.code, finding.message)).collect()
    }

    /// Imports a plan of lessons from hour to hour, and of so many more of which nothing is told.
    fn plan(&mut self, hours: i64, lessons: &[(i64, i64)], untold: u32) -> Vec<&'static str> {
        let plan = self.size;
        let lessons: Vec<Lesson> = lessons.iter().map(|(start, end)| lesson(plan, *start, *end)).collect();
        self.plan_of(hours, &lessons, untold)
    }

    /// Likewise, of lessons whose plan is the next record.
    fn plan_of(&mut self, hours: i64, lessons: &[Lesson], untold: u32) -> Vec<&'static str> {
        let mut found = self.take(hours, Data::Plan(Plan { lessons: lessons.len() as u32 + untold, ..new_plan() }));
        for lesson in lessons {
            found.extend(self.take(hours, Data::Lesson(lesson.clone())));
        }
        found
    }

    /// Starts the appliance with these cameras.
    fn start(&mut self, hours: i64, cameras: &[&str]) {
        let camera =
            |name: &&str| CameraInUse { name: (*name).into(), kind: "rtsp".into(), recorded: *name != "spare" };
        let event = ApplianceEvent {
            event: "started".into(),
            version: "1".into(),
            boot: "b".into(),
            site: "s".into(),
            room: "r".into(),
            cameras: cameras.iter().map(camera).collect(),
            limits: BTreeMap::new(),
        };
        assert_eq!(self.take(hours, Data::Appliance(event)), NONE);
    }

    fn close(&mut self, hours: i64) -> Vec<&'static str> {
        self.take(hours, Data::Closing(Closing { class: CLASS.into(), reason: "staff".into() }))
    }

    fn account(&mut self, start: i64, end: i64) -> Vec<&'static str> {
        self.take(end, Data::Coverage(coverage(start, end)))
    }

    fn missing(&self, hours: i64) -> Vec<(&'static str, u64)> {
        let found = self.timetable.finish(at(hours));
        found.into_iter().map(|finding| (finding.code, finding.seq.expect("of a record"))).collect()
    }
}

fn new_plan() -> Plan {
    Plan {
        class: CLASS.into(),
        sha256: "00".repeat(32),
        trainees: 1,
        teachers: 1,
        lessons: 0,
        first_day: "1970-01-01".into(),
        last_day: "1970-01-02".into(),
        source: "file".into(),
    }
}

fn lesson(plan: u64, start: i64, end: i64) -> Lesson {
    Lesson {
        class: CLASS.into(),
        plan,
        start: at(start).to_string(),
        end: at(end).to_string(),
        kind: LessonKind::Practice,
        teacher: "T1".into(),
        elsewhere: false,
        cameras: vec!["back".into()],
        workstations: vec!["7".into()],
        sound_consent: None,
    }
}

fn coverage(start: i64, end: i64) -> Coverage {
    Coverage {
        class: CLASS.into(),
        start: at(start).to_string(),
        end: at(end).to_string(),
        from: at(start).to_string(),
        cameras: vec![CameraCoverage {
            camera: "back".into(),
            required_ms: 0,
            recorded_ms: 0,
            gaps_ms: BTreeMap::new(),
            unexplained_ms: 0,
            impaired_ms: BTreeMap::new(),
            unwatched_ms: None,
            complete: Some(true),
        }],
        workstations: vec![WorkstationCoverage {
            workstation: "7".into(),
            cameras: vec!["back".into()],
            required_ms: 0,
            visible_ms: 0,
            hidden_ms: BTreeMap::new(),
            unknown_ms: 0,
            people: None,
            complete: Some(true),
        }],
        roll_call: None,
        roll_call_recorded: Some(true),
        sound_consent: None,
        required_share: 0.99,
        complete: true,
    }
}

const NONE: [&str; 0] = [];

#[test]
fn a_lesson_without_an_account_is_missed_once_it_is_over() {
    let mut log = Log::default();
    log.plan(0, &[(8, 10), (10, 12), (20, 22)], 0);
    assert_eq!(log.missing(11), [], "the first has only just ended");
    assert_eq!(log.account(8, 10), NONE);
    assert_eq!(log.missing(13), []);
    assert_eq!(log.missing(14), [("no_account", 2)]);
    assert_eq!(log.account(10, 12), NONE);
    assert_eq!(log.missing(20), []);
    let message = log.timetable.finish(at(30)).remove(0).message;
    assert!(message.ends_with("whether they were: 1970-01-01T20:00:00Z (record 3)"), "{message}");
}

#[test]
fn what_is_given_elsewhere_another_log_tells_of() {
    let mut log = Log::default();
    let elsewhere = Lesson { elsewhere: true, ..lesson(0, 14, 16) };
    assert_eq!(log.plan_of(0, &[lesson(0, 8, 10), elsewhere], 0), NONE);
    assert_eq!(log.account(8, 10), NONE);
    assert_eq!(log.missing(40), [("lessons_elsewhere", 0)]);
    let note = log.timetable.finish(at(40)).remove(0);
    assert_eq!(note.severity, Severity::Note);
    assert!(note.message.contains("1 lessons are given in other rooms"), "{}", note.message);
}

#[test]
fn what_was_over_when_its_plan_came_is_told_once_and_missed_by_nobody() {
    let mut log = Log::default();
    let lessons = [(2, 4), (4, 6), (8, 10)];
    assert_eq!(log.plan(9, &lessons, 0), ["planned_too_late"], "of a class that had begun before the appliance knew");
    assert_eq!(log.account(8, 10), NONE);
    assert_eq!(log.plan(12, &lessons, 0), NONE, "nothing is new");
    assert_eq!(log.missing(40), []);
    log.plan(13, &[(11, 12), (8, 10), (20, 22)], 1);
    assert_eq!(log.missing(15), [("lessons_untold", 9), ("planned_too_late", 9)], "though others are not told of");
}

#[test]
fn a_lesson_that_is_taken_out_before_and_put_back_after_is_told_both_times() {
    let (with, without) = ([(32, 34), (60, 62)], [(60, 62)]);
    // The evening before, in the morning, or by closing the class.
    for hours in [20, 31] {
        let mut log = Log::default();
        log.plan(0, &with, 0);
        assert_eq!(log.plan(hours, &without, 0), ["lesson_dropped"], "{hours}");
        assert_eq!(log.plan(35, &with, 0), ["planned_too_late"]);
    }
    let mut log = Log::default();
    log.plan(0, &with, 0);
    assert_eq!(log.close(31), ["lesson_dropped"]);
    assert_eq!(log.plan(35, &with, 0), ["planned_too_late"]);
    // With notice, nothing is wrong.
    let mut log = Log::default();
    log.plan(0, &with, 0);
    assert_eq!(log.plan(7, &without, 0), NONE);
    assert_eq!(log.missing(50), []);
}

#[test]
fn a_lesson_of_which_less_is_asked_at_short_notice_is_told_once() {
    let plain = |plan| lesson(plan, 8, 10);
    let elsewhere = |plan| Lesson { elsewhere: true, ..plain(plan) };
    let less: [fn(u64) -> Lesson; 5] = [
        |plan| lesson(plan, 8, 9),
        |plan| lesson(plan, 9, 10),
        |plan| Lesson { elsewhere: true, ..lesson(plan, 8, 10) },
        |plan| Lesson { cameras: vec!["front".into()], ..lesson(plan, 8, 10) },
        |plan| Lesson { workstations: vec!["8".into()], ..lesson(plan, 8, 10) },
    ];
    for (at, less) in less.into_iter().enumerate() {
        let mut log = Log::default();
        log.plan_of(0, &[plain(0)], 0);
        assert_eq!(log.plan_of(7, &[less(2)], 0), ["lesson_dropped"], "{at}");
        assert_eq!(log.plan_of(7, &[less(4)], 0), NONE, "{at}");
    }
    let more = Lesson { cameras: Vec::new(), workstations: vec!["8".into(), "7".into()], ..lesson(2, 8, 11) };
    let mut log = Log::default();
    log.plan_of(0, &[plain(0)], 0);
    assert_eq!(log.plan_of(7, &[more], 0), NONE);
    let mut log = Log::default();
    log.plan_of(0, &[elsewhere(0)], 0);
    assert_eq!(log.plan(7, &[], 0), NONE, "it was none of this room's");
}

#[test]
fn a_new_plan_takes_the_place_of_what_has_not_begun_and_takes_nothing_from_what_has() {
    let mut log = Log::default();
    log.plan(0, &[(8, 10), (12, 14), (16, 18)], 0);
    assert_eq!(log.account(8, 10), NONE);
    assert_eq!(log.plan(13, &[(8, 10), (12, 13), (20, 22)], 0), ["lesson_dropped"], "one shortened, one left out");
    assert_eq!(log.missing(19), [("no_account", 2)], "the second had begun, the third has not");
    // It was recorded until the new plan came.
    assert_eq!(log.account(12, 13), NONE);
    assert_eq!(log.missing(30), [("no_account", 8)]);
}

#[test]
fn what_goes_on_when_its_plan_comes_again_owes_what_it_did() {
    let begun = || {
        let mut log = Log::default();
        log.plan(0, &[(8, 10)], 0);
        assert_eq!(log.plan(9, &[(8, 10)], 0), NONE);
        log
    };
    let less = Coverage { cameras: Vec::new(), ..coverage(8, 9) };
    assert_eq!(begun().take(10, Data::Coverage(less)), ["less_than_planned"]);
    let less = Coverage { workstations: Vec::new(), ..coverage(8, 10) };
    assert_eq!(begun().take(10, Data::Coverage(less)), ["less_than_planned"]);
    assert_eq!(begun().account(8, 10), NONE);
    // Left out, it goes on to its end, with its cameras.
    let mut log = Log::default();
    log.plan(0, &[(8, 10), (40, 41)], 0);
    assert_eq!(log.plan(9, &[(40, 41)], 0), ["lesson_dropped"]);
    assert_eq!(log.missing(12), [("no_account", 1)]);
    assert_eq!(log.account(8, 9), ["less_than_planned"]);
    // Moved to another room, it stays here; and what it is asked for more it has to show as well.
    let mut log = Log::default();
    log.plan(0, &[(8, 10)], 0);
    let (cameras, workstations) = (vec!["front".into()], vec!["8".into()]);
    log.plan_of(9, &[Lesson { elsewhere: true, cameras, workstations, ..lesson(2, 8, 10) }], 0);
    let found = log.messages(at(10), Data::Coverage(coverage(8, 10)));
    assert!(found[0].1.ends_with("cameras front are not in it; workstations 8 are not in it"), "{found:?}");
    // Where either plan names no cameras, all are recorded: which those are, it does not say.
    let mut log = Log::default();
    log.plan(0, &[(8, 10)], 0);
    log.plan_of(9, &[Lesson { cameras: Vec::new(), ..lesson(2, 8, 10) }], 0);
    let any = Coverage { cameras: Vec::new(), ..coverage(8, 10) };
    assert_eq!(log.take(10, Data::Coverage(any)), NONE);
}

#[test]
fn a_lesson_that_a_plan_ends_when_it_comes_ends_a_moment_before_that_is_journalled() {
    let moment = |seconds, ms| at(9) + SignedDuration::from_secs(seconds) + SignedDuration::from_millis(ms);
    let account = |end: Timestamp| {
        let mut log = Log::default();
        log.plan(0, &[(7, 10)], 0);
        let plan = log.size;
        log.messages(moment(0, 340), Data::Plan(Plan { lessons: 1, ..new_plan() }));
        log.messages(moment(0, 340), Data::Lesson(lesson(plan, 7, 8)));
        log.take(10, Data::Coverage(Coverage { end: end.to_string(), ..coverage(7, 9) }))
    };
    assert_eq!(account(moment(0, 123)), NONE);
    assert_eq!(account(moment(-2, 0)), ["less_than_planned"], "but not sooner");
}

#[test]
fn what_a_lesson_is_made_longer_by_after_its_account_is_due_too() {
    let mut log = Log::default();
    log.plan(0, &[(8, 10)], 0);
    assert_eq!(log.account(8, 10), NONE);
    assert_eq!(log.plan(11, &[(8, 12)], 0), NONE);
    assert_eq!(log.plan(11, &[(8, 12)], 0), NONE);
    assert_eq!(log.missing(14), [("no_account", 4)]);
    assert_eq!(log.account(10, 12), NONE);
    assert_eq!(log.missing(14), []);
    // A plan that made it shorter in between lets the rest begin sooner.
    assert_eq!(log.plan(13, &[(8, 14)], 0), NONE);
    assert_eq!(log.account(11, 14), NONE);
    assert_eq!(log.missing(20), []);
}

#[test]
fn closing_gives_up_what_has_not_begun() {
    let mut log = Log::default();
    log.plan(0, &[(8, 10), (12, 14), (80, 82)], 0);
    assert_eq!(log.close(9), ["lesson_dropped"]);
    assert_eq!(log.missing(90), [("no_account", 1)]);
    let mut log = Log::default();
    log.plan(0, &[(8, 10), (80, 82)], 0);
    assert_eq!(log.close(9), NONE, "what goes on goes on");
}

#[test]
fn an_account_of_less_than_the_plan_demands_is_named() {
    let mut log = Log::default();
    log.plan(0, &[(8, 10)], 0);
    let less = Coverage { cameras: Vec::new(), workstations: Vec::new(), from: at(9).to_string(), ..coverage(8, 9) };
    let found = log.messages(at(10), Data::Coverage(less)).remove(0);
    assert_eq!(
        (found.0, &*found.1),
        (
            "less_than_planned",
            "record 2, the account of the lesson of class 2026-001 at 1970-01-01T08:00:00Z, is of less than the plan \
             demands (record 1): it is from 1970-01-01T09:00:00Z on only; it ends at 1970-01-01T09:00:00Z; cameras back are \
             not in it; workstations 7 are not in it"
        )
    );
    assert_eq!(log.missing(30), []);
}

#[test]
fn practice_without_workstations_is_told_once_for_a_class() {
    let mut log = Log::default();
    let bare = |plan, start| Lesson { workstations: Vec::new(), ..lesson(plan, start, start + 2) };
    let theory = |plan| Lesson { kind: LessonKind::Theory, ..bare(plan, 12) };
    for plan in [0, 4] {
        log.plan_of(0, &[bare(plan, 8), bare(plan, 10), theory(plan)], 0);
    }
    assert_eq!(log.missing(1), [("no_workstations", 5)]);
    let message = log.timetable.finish(at(1)).remove(0).message;
    assert!(message.contains("no workstations for 2 practice lessons"), "{message}");
}

#[test]
fn lessons_that_the_plan_counts_and_does_not_name_are_missed() {
    let mut log = Log::default();
    log.plan(0, &[(8, 10)], 2);
    log.account(8, 10);
    assert_eq!(log.missing(1), [], "the log may go on");
    assert_eq!(log.missing(2), [("lessons_untold", 0)]);
    assert_eq!(log.plan(12, &[(20, 22)], 0), ["lessons_untold"]);
    assert_eq!(log.missing(14), []);
}

#[test]
fn behind_a_record_that_is_no_good_nothing_is_missed() {
    let mut log = Log::default();
    log.plan(0, &[(8, 10)], 1);
    log.timetable.take_bad();
    assert_eq!(log.missing(30), []);
}

#[test]
fn times_that_cannot_be_harm_nobody() {
    for time in [Timestamp::MIN, Timestamp::MAX] {
        let mut log = Log::default();
        log.plan(0, &[(8, 10)], 0);
        let plan = log.size;
        log.messages(time, Data::Plan(Plan { lessons: 1, ..new_plan() }));
        log.messages(time, Data::Lesson(Lesson { end: Timestamp::MIN.to_string(), ..lesson(plan, 8, 10) }));
        log.messages(time, Data::Coverage(Coverage { end: Timestamp::MIN.to_string(), ..coverage(9, 9) }));
        log.timetable.finish(time);
    }
}

#[test]
fn what_has_its_account_is_asked_for_once_though_the_clock_is_behind() {
    let accounted = || {
        let mut log = Log::default();
        log.plan(0, &[(8, 10), (40, 42)], 0);
        assert_eq!(log.account(8, 10), NONE);
        log
    };
    let mut log = accounted();
    assert_eq!(log.plan(2, &[(8, 10), (40, 42)], 0), NONE);
    assert_eq!(log.missing(30), []);
    let mut log = accounted();
    assert_eq!(log.plan(2, &[(40, 42)], 0), NONE, "it was given");
    assert_eq!(log.missing(30), []);
    let mut log = accounted();
    assert_eq!(log.close(7), NONE, "nothing of it is given up");
    assert_eq!(log.plan(7, &[(8, 10), (40, 42)], 0), NONE);
    assert_eq!(log.missing(30), []);
    // Made longer, it owes the rest.
    assert_eq!(log.plan(7, &[(8, 12)], 0), NONE);
    assert_eq!(log.missing(30), [("no_account", 9)]);
}

#[test]
fn what_was_over_when_its_plan_came_is_not_yet_to_come_by_a_clock_that_is_behind() {
    let late = || {
        let mut log = Log::default();
        assert_eq!(log.plan(12, &[(8, 10)], 0), ["planned_too_late"]);
        log
    };
    let mut log = late();
    log.is_unset = true;
    assert_eq!(log.plan(2, &[(8, 10)], 0), NONE);
    assert_eq!(log.missing(30), []);
    assert_eq!(log.close(7), NONE);
    // It was the clock before that was wrong.
    let mut log = late();
    assert_eq!(log.plan(2, &[(8, 10)], 0), NONE);
    assert_eq!(log.missing(30), [("no_account", 3)]);
}

#[test]
fn all_cameras_are_those_that_were_recorded_since_before_the_plan() {
    let planned = || {
        let mut log = Log::default();
        log.start(0, &["back", "front", "spare"]);
        log.plan_of(1, &[Lesson { cameras: Vec::new(), ..lesson(1, 8, 10) }], 0);
        log
    };
    let found = planned().messages(at(10), Data::Coverage(coverage(8, 10)));
    assert!(found[0].0 == "less_than_planned" && found[0].1.ends_with("cameras front are not in it"), "{found:?}");
    let mut log = planned();
    log.start(9, &["front", "back"]);
    assert_eq!(log.account(8, 10), ["less_than_planned"], "as before");
    // What a start between tells is told of that.
    let mut log = planned();
    log.start(7, &["back"]);
    log.start(9, &["back", "front", "side"]);
    assert_eq!(log.account(8, 10), NONE);
}

#[test]
fn who_names_all_cameras_that_are_recorded_asks_for_no_less_than_all() {
    let found = |recorded: &[&str], named: &[&str]| {
        let mut log = Log::default();
        log.start(0, recorded);
        log.plan_of(1, &[Lesson { cameras: Vec::new(), ..lesson(1, 8, 10) }], 0);
        let cameras = named.iter().map(|name| (*name).to_owned()).collect();
        log.plan_of(2, &[Lesson { cameras, ..lesson(3, 8, 10) }], 0)
    };
    assert_eq!(found(&["back", "front", "spare"], &["front", "back"]), NONE);
    assert_eq!(found(&["back", "front"], &["back"]), ["lesson_dropped"]);
    assert_eq!(found(&[], &["back"]), ["lesson_dropped"], "which are recorded is not told");
}
