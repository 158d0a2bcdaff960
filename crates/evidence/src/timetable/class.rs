//! What the plans of one class demand: the newest, and what it takes over of those before.

use super::due::{Due, Listed, listed};
use super::{Recorded, SLACK};
use crate::record::{ClockQuality, Lesson, Record};
use crate::verdict::Finding;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Accounts that one lesson has at most, each for what it was made longer by after the one before.
const MOST_PARTS: usize = 100;

pub(super) struct Class {
    /// The newest plan.
    pub plan: u64,
    pub came: Timestamp,
    /// Whether anything vouches for the clock that says when it came.
    is_clock_set: bool,
    /// Lessons, as the plan counts them.
    announced: u64,
    /// Those of which there are records.
    told: u64,
    /// By beginning: what the plan says.
    planned: BTreeMap<Timestamp, Due>,
    /// By beginning: what is owed, of plans before it too, as far as that had begun when it came.
    pub due: BTreeMap<Timestamp, Due>,
    /// What the plan before it demanded soon, or of what goes on, and it has not asked for yet.
    dropped: BTreeMap<Timestamp, Due>,
    /// Those that were over when it came, and of which no plan before it told.
    late: Vec<Due>,
    /// The beginnings of all that were over when their plan came.
    known_late: BTreeSet<Timestamp>,
}

/// Whether a lesson has begun when a plan comes, or a class is closed.
fn has_begun(start: Timestamp, now: Timestamp) -> bool {
    now.duration_since(start) >= SLACK
}

/// Whether the lesson has its account, or was told to be over when its plan came: by a clock that is behind it may be yet to
/// come.
fn is_told(due: &BTreeMap<Timestamp, Due>, known_late: &BTreeSet<Timestamp>, start: &Timestamp) -> bool {
    known_late.contains(start) || due.get(start).is_some_and(|lesson| lesson.is_accounted)
}

impl Class {
    /// With the plan of `record`, that came at `came`. What has its account stays, though by a clock that is behind, as after
    /// a start, it has not begun.
    pub fn new(record: &Record, came: Timestamp, lessons: u32, before: Option<Class>) -> Class {
        let (mut due, mut dropped, mut known_late) = Default::default();
        if let Some(before) = before {
            (due, dropped, known_late) = (before.due, before.planned, before.known_late);
            let is_told = |start: &Timestamp| is_told(&due, &known_late, start);
            dropped.retain(|start, lesson| lesson.is_near(*start, came) && came < lesson.end && !is_told(start));
            due.retain(|start, lesson| lesson.is_accounted || has_begun(*start, came));
        }
        let (plan, is_clock_set) = (record.seq, record.clock != ClockQuality::Unset);
        let (planned, late) = Default::default();
        Class { plan, came, is_clock_set, announced: lessons.into(), told: 0, planned, due, dropped, late, known_late }
    }

    /// Takes a lesson of the plan; tells, when it is the last, what is wrong with them.
    pub fn lesson(&mut self, name: &str, seq: u64, lesson: &Lesson, recorded: &Recorded) -> Vec<Finding> {
        if lesson.plan != self.plan {
            return Vec::new();
        }
        self.told += 1;
        if let (Ok(start), Ok(end)) = (lesson.start.parse::<Timestamp>(), lesson.end.parse::<Timestamp>()) {
            let lesson = Due::new(seq, lesson, end);
            if self.dropped.get(&start).is_some_and(|before| !before.is_more_than(&lesson, recorded)) {
                self.dropped.remove(&start);
            }
            self.planned.insert(start, lesson.clone());
            self.demand(start, lesson);
        }
        self.settle(name)
    }

    fn demand(&mut self, mut start: Timestamp, mut new: Due) {
        for _ in 0..MOST_PARTS {
            match self.due.get(&start).filter(|begun| begun.is_accounted) {
                Some(Due { end, .. }) if start < *end && *end < new.end => {
                    start = *end;
                    new = Due { start: start.to_string(), is_rest: true, ..new };
                }
                Some(_) => return,
                None => break,
            }
        }
        match self.due.get_mut(&start) {
            Some(begun) if begun.plan == self.plan => {}
            Some(begun) => begun.change(&new, self.came),
            None if new.was_over(self.came) && !new.is_rest => {
                if !new.is_elsewhere && self.known_late.insert(start) {
                    self.late.push(new);
                }
            }
            // By a clock that is behind it is yet to come, and was over before.
            None if !self.is_clock_set && !new.is_rest && self.known_late.contains(&start) => {}
            None => drop(self.due.insert(start, new)),
        }
    }

    /// What is wrong with the plan's lessons, once all of them are told.
    pub fn settle(&mut self, name: &str) -> Vec<Finding> {
        if self.told != self.announced {
            return Vec::new();
        }
        let dropped = std::mem::take(&mut self.dropped);
        let dropped = given_up(name, self.plan, dropped.values(), "leaves out, moves, shortens or asks less of");
        let late = self.too_late(name);
        self.late.clear();
        late.into_iter().chain(dropped).collect()
    }

    /// Takes the class's closing; tells what it gives up that was to begin soon.
    pub fn close(&mut self, name: &str, seq: u64, now: Timestamp) -> Option<Finding> {
        let planned = std::mem::take(&mut self.planned);
        let is_told = |start: &Timestamp| is_told(&self.due, &self.known_late, start);
        let is_soon = |start: Timestamp, lesson: &Due| !has_begun(start, now) && lesson.is_near(start, now);
        let dropped = planned.iter().filter(|(start, lesson)| is_soon(**start, lesson) && !is_told(start));
        let found = given_up(name, seq, dropped.map(|(_, lesson)| lesson), "closes the class and gives up");
        self.due.retain(|start, lesson| lesson.is_accounted || has_begun(*start, now));
        found
    }

    /// The lesson that has an account of `start` to `end`, if that is owed here.
    pub fn accounted(&mut self, start: Timestamp, end: Timestamp) -> Option<&mut Due> {
        let mut at = start;
        if !self.due.contains_key(&start) && start < end {
            // A plan that made the lesson shorter meanwhile lets what is left begin sooner.
            let is_rest = |lesson: &Due| lesson.is_rest && !lesson.is_accounted;
            at = *self.due.range(start..end).find(|(_, lesson)| is_rest(lesson))?.0;
        }
        let lesson = self.due.get_mut(&at)?;
        lesson.is_accounted = true;
        (!lesson.is_elsewhere).then_some(lesson)
    }

    fn too_late(&self, name: &str) -> Option<Finding> {
        let (first, last) = (self.late.first()?, self.late.last()?);
        let message = format!(
            "record {}, a plan of class {name}: {} of its lessons were over when it came, so nothing tells whether they were \
             recorded: the first at {}, the last at {}",
            self.plan,
            self.late.len(),
            first.start,
            last.start
        );
        Some(Finding::warning("planned_too_late", self.plan, message))
    }

    /// The lessons that the plan counts, where they are not those that follow it; and what is known of those then.
    pub fn untold(&self, name: &str) -> Vec<Finding> {
        let Class { plan, announced, told, .. } = self;
        if announced == told {
            return Vec::new();
        }
        let message = format!(
            "record {plan}, the plan of class {name}, counts {announced} lessons, and {told} follow it: which had to be \
             recorded is not known"
        );
        [Finding::warning("lessons_untold", *plan, message)].into_iter().chain(self.too_late(name)).collect()
    }
}

fn given_up<'d>(name: &str, seq: u64, lessons: impl Iterator<Item = &'d Due>, how: &str) -> Option<Finding> {
    let Listed { count, text, .. } = listed(lessons)?;
    let message = format!(
        "record {seq}, of class {name}, {how} {count} lessons less than a day before they were to begin, or while they went \
         on; such a change has to be reported a day before (article 6(2)3): {text}"
    );
    Some(Finding::warning("lesson_dropped", seq, message))
}
