//! Whether each lesson that a plan demands has its account in the log, and the account is of what the plan demands.
//!
//! A plan says what is yet to come: it takes the place of the one before it for the lessons that have not begun. Of those
//! that had ended when it came, nothing was to be recorded. Closing a class gives up what has not begun.

use crate::record::{Coverage, Data, Lesson, Plan, Record};
use crate::verdict::Finding;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// An account is made when the last segment is closed and watched: within minutes of the lesson's end, on an appliance
/// that is on.
const PATIENCE: SignedDuration = SignedDuration::from_hours(1);
/// Lessons named in one finding.
const NAMED: usize = 5;

/// Holds the lessons of a log's plans against their accounts. Takes the log's records, or those of a class, one by one, in
/// order.
#[derive(Default)]
pub struct Timetable {
    classes: BTreeMap<String, Class>,
    /// A record was no good: what is missing may have been in it.
    is_blind: bool,
}

/// What the newest plan of a class demands.
struct Class {
    plan: u64,
    came: Timestamp,
    /// Lessons, as the plan counts them.
    announced: u64,
    /// Those of which there are records.
    told: u64,
    /// By beginning: the plan's, and those of plans before it that had begun when it came.
    due: BTreeMap<Timestamp, Due>,
}

/// A lesson that must have an account.
struct Due {
    seq: u64,
    /// As its record has it.
    start: String,
    end: Timestamp,
    cameras: Vec<String>,
    workstations: Vec<String>,
    is_accounted: bool,
}

impl Timetable {
    /// Takes the next record, which verifies and is in its place; tells what it shows to be wrong.
    pub fn take(&mut self, record: &Record) -> Option<Finding> {
        if self.is_blind {
            return None;
        }
        let now = record.time.parse().ok()?;
        match &record.data {
            Data::Plan(plan) => self.plan(record.seq, now, plan),
            Data::Lesson(lesson) => {
                self.lesson(record.seq, lesson);
                None
            }
            Data::Closing(closing) => {
                let class = self.classes.get_mut(&closing.class)?;
                class.due.retain(|start, _| *start <= now);
                None
            }
            Data::Coverage(coverage) => self.coverage(record.seq, coverage),
            _ => None,
        }
    }

    /// Goes past a record that does not verify. It is told by others; from here on nothing is missed.
    pub fn take_bad(&mut self) {
        self.is_blind = true;
    }

    /// What is missing, if the appliance has come as far as `now`.
    pub fn finish(&self, now: Timestamp) -> Vec<Finding> {
        if self.is_blind {
            return Vec::new();
        }
        let is_past = |moment: Timestamp| now.duration_since(moment) > PATIENCE;
        let mut found = Vec::new();
        for (name, class) in &self.classes {
            if is_past(class.came) {
                found.extend(class.untold(name));
            }
            let missing: Vec<&Due> =
                class.due.values().filter(|lesson| !lesson.is_accounted && is_past(lesson.end)).collect();
            let Some(first) = missing.first() else { continue };
            let lesson = |lesson: &&Due| format!("{} (record {})", lesson.start, lesson.seq);
            let named = missing.iter().take(NAMED).map(lesson).collect::<Vec<_>>().join(", ");
            let more = match missing.len().saturating_sub(NAMED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let message = format!(
                "class {name}: lessons that had to be recorded have no account, so nothing tells whether they were: {named}{more}"
            );
            found.push(Finding::warning("no_account", first.seq, message));
        }
        found
    }

    fn plan(&mut self, seq: u64, now: Timestamp, plan: &Plan) -> Option<Finding> {
        let class = Class { plan: seq, came: now, announced: plan.lessons.into(), told: 0, due: BTreeMap::new() };
        let before = self.classes.insert(plan.class.clone(), class)?;
        let untold = before.untold(&plan.class);
        let begun = before.due.into_iter().filter(|(start, _)| *start <= now);
        // Until now it had to be recorded; what of the rest, and by which cameras, the new plan may say otherwise.
        let kept =
            begun.map(|(start, lesson)| (start, Due { end: lesson.end.min(now), cameras: Vec::new(), ..lesson }));
        self.classes.get_mut(&plan.class)?.due = kept.collect();
        untold
    }

    fn lesson(&mut self, seq: u64, lesson: &Lesson) {
        let Some(class) = self.classes.get_mut(&lesson.class).filter(|class| class.plan == lesson.plan) else { return };
        class.told += 1;
        let (Ok(start), Ok(end)) = (lesson.start.parse::<Timestamp>(), lesson.end.parse::<Timestamp>()) else { return };
        if lesson.elsewhere || end <= class.came {
            return;
        }
        class.due.entry(start).or_insert_with(|| Due {
            seq,
            start: lesson.start.clone(),
            end,
            cameras: lesson.cameras.clone(),
            workstations: lesson.workstations.clone(),
            is_accounted: false,
        });
    }

    fn coverage(&mut self, seq: u64, coverage: &Coverage) -> Option<Finding> {
        let start = coverage.start.parse().ok()?;
        let lesson = self.classes.get_mut(&coverage.class)?.due.get_mut(&start)?;
        lesson.is_accounted = true;
        let mut left_out = Vec::new();
        if coverage.end.parse::<Timestamp>().is_ok_and(|end| end < lesson.end) {
            left_out.push(format!("it ends at {}", coverage.end));
        }
        let named = |what: &str, names: Vec<&String>| {
            (!names.is_empty()).then(|| {
                let names: Vec<&str> = names.into_iter().map(String::as_str).collect();
                format!("{what} {} are not in it", names.join(", "))
            })
        };
        let is_camera = |name: &&String| !coverage.cameras.iter().any(|told| told.camera == **name);
        left_out.extend(named("cameras", lesson.cameras.iter().filter(is_camera).collect()));
        let is_workstation = |name: &&String| !coverage.workstations.iter().any(|told| told.workstation == **name);
        left_out.extend(named("workstations", lesson.workstations.iter().filter(is_workstation).collect()));
        (!left_out.is_empty()).then(|| {
            let message = format!(
                "record {seq}, the account of the lesson of class {} at {}, is of less than the plan demands (record {}): {}",
                coverage.class,
                coverage.start,
                lesson.seq,
                left_out.join("; ")
            );
            Finding::warning("less_than_planned", seq, message)
        })
    }
}

impl Class {
    /// The lessons that the plan counts, where they are not those that follow it.
    fn untold(&self, name: &str) -> Option<Finding> {
        let Class { plan, announced, told, .. } = self;
        (announced != told).then(|| {
            let message = format!(
                "record {plan}, the plan of class {name}, counts {announced} lessons, and {told} follow it: which had to be \
                 recorded is not known"
            );
            Finding::warning("lessons_untold", *plan, message)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{CameraCoverage, ClockQuality, Closing, LessonKind, WorkstationCoverage};

    const CLASS: &str = "2026-001";

    /// The moment so many hours after the epoch.
    fn at(hours: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hours)
    }

    #[derive(Default)]
    struct Log {
        timetable: Timetable,
        size: u64,
    }

    impl Log {
        fn take(&mut self, hours: i64, data: Data) -> Option<&'static str> {
            let (device, time) = ("rollcall-a".into(), at(hours).to_string());
            let record = Record { device, seq: self.size, time, clock: ClockQuality::Synced, data };
            self.size += 1;
            self.timetable.take(&record).map(|finding| finding.code)
        }

        /// Imports a plan of lessons from hour to hour, and of so many more of which nothing is told.
        fn plan(&mut self, hours: i64, lessons: &[(i64, i64)], untold: u32) -> Option<&'static str> {
            let plan = self.size;
            let found = self.take(
                hours,
                Data::Plan(Plan {
                    class: CLASS.into(),
                    sha256: "00".repeat(32),
                    trainees: 1,
                    teachers: 1,
                    lessons: lessons.len() as u32 + untold,
                    first_day: "1970-01-01".into(),
                    last_day: "1970-01-02".into(),
                    source: "file".into(),
                }),
            );
            for (start, end) in lessons {
                assert_eq!(self.take(hours, Data::Lesson(lesson(plan, *start, *end))), None);
            }
            found
        }

        fn account(&mut self, start: i64, end: i64) -> Option<&'static str> {
            self.take(end, Data::Coverage(coverage(start, end)))
        }

        fn missing(&self, hours: i64) -> Vec<(&'static str, u64)> {
            let found = self.timetable.finish(at(hours));
            found.into_iter().map(|finding| (finding.code, finding.seq.expect("of a record"))).collect()
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

    #[test]
    fn a_lesson_without_an_account_is_missed_once_it_is_over() {
        let mut log = Log::default();
        log.plan(0, &[(8, 10), (10, 12), (20, 22)], 0);
        assert_eq!(log.missing(11), [], "the first has only just ended");
        assert_eq!(log.account(8, 10), None);
        assert_eq!(log.missing(13), []);
        assert_eq!(log.missing(14), [("no_account", 2)]);
        assert_eq!(log.account(10, 12), None);
        assert_eq!(log.missing(20), []);
        let message = log.timetable.finish(at(30)).remove(0).message;
        assert!(message.ends_with("whether they were: 1970-01-01T20:00:00Z (record 3)"), "{message}");
    }

    #[test]
    fn what_was_over_when_the_plan_came_and_what_is_given_elsewhere_is_not_due() {
        let mut log = Log::default();
        log.plan(12, &[(8, 12)], 1);
        log.take(12, Data::Lesson(Lesson { elsewhere: true, ..lesson(0, 14, 16) }));
        assert_eq!(log.missing(40), []);
    }

    #[test]
    fn a_new_plan_takes_the_place_of_what_has_not_begun_and_takes_nothing_from_what_has() {
        let mut log = Log::default();
        log.plan(0, &[(8, 10), (12, 14), (16, 18)], 0);
        assert_eq!(log.account(8, 10), None);
        assert_eq!(log.plan(13, &[(8, 10), (12, 13), (20, 22)], 0), None);
        assert_eq!(log.missing(19), [("no_account", 2)], "the second had begun, the third has not");
        // It was recorded until the new plan came.
        assert_eq!(log.account(12, 13), None);
        assert_eq!(log.missing(30), [("no_account", 8)]);
    }

    #[test]
    fn closing_gives_up_what_has_not_begun() {
        let mut log = Log::default();
        log.plan(0, &[(8, 10), (12, 14)], 0);
        log.take(9, Data::Closing(Closing { class: CLASS.into(), reason: "staff".into() }));
        assert_eq!(log.missing(30), [("no_account", 1)]);
    }

    #[test]
    fn an_account_of_less_than_the_plan_demands_is_named() {
        let mut log = Log::default();
        log.plan(0, &[(8, 10)], 0);
        let less = Coverage { cameras: Vec::new(), workstations: Vec::new(), ..coverage(8, 9) };
        let record = |data| Record {
            device: "rollcall-a".into(),
            seq: 2,
            time: at(10).to_string(),
            clock: ClockQuality::Synced,
            data,
        };
        let found = log.timetable.take(&record(Data::Coverage(less))).expect("found");
        assert_eq!(
            (found.code, &*found.message),
            (
                "less_than_planned",
                "record 2, the account of the lesson of class 2026-001 at 1970-01-01T08:00:00Z, is of less than the plan \
                 demands (record 1): it ends at 1970-01-01T09:00:00Z; cameras back are not in it; workstations 7 are not \
                 in it"
            )
        );
        assert_eq!(log.missing(30), []);
    }

    #[test]
    fn lessons_that_the_plan_counts_and_does_not_name_are_missed() {
        let mut log = Log::default();
        log.plan(0, &[(8, 10)], 2);
        log.account(8, 10);
        assert_eq!(log.missing(1), [], "the log may go on");
        assert_eq!(log.missing(2), [("lessons_untold", 0)]);
        assert_eq!(log.plan(12, &[(20, 22)], 0), Some("lessons_untold"));
        assert_eq!(log.missing(14), []);
    }

    #[test]
    fn behind_a_record_that_is_no_good_nothing_is_missed() {
        let mut log = Log::default();
        log.plan(0, &[(8, 10)], 1);
        log.timetable.take_bad();
        assert_eq!(log.missing(30), []);
    }
}
