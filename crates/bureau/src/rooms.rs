//! Which lessons a log accounts for, and which its plans give to other rooms. One log cannot tell whether those were recorded;
//! all logs together can, so that no lesson is left by each appliance to another.

use evidence::record::{Data, Lesson, Record};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A lesson that is given in another room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Elsewhere {
    pub class: String,
    /// When it begins by its plan, ms since the Unix epoch.
    pub start: i64,
    /// When it ends, likewise.
    pub end: i64,
    /// Its record.
    pub seq: u64,
}

/// Takes a log's records one by one, in order.
#[derive(Default)]
pub(crate) struct Rooms {
    /// Class, and beginning.
    accounted: BTreeSet<(String, i64)>,
    classes: HashMap<String, Planned>,
}

/// What the plans of one class give to other rooms.
#[derive(Default)]
struct Planned {
    /// The newest plan.
    plan: u64,
    /// By beginning.
    elsewhere: BTreeMap<i64, Elsewhere>,
}

impl Rooms {
    /// Takes the next record, which verifies and is in its place.
    pub fn take(&mut self, record: &Record) {
        match &record.data {
            Data::Plan(plan) => {
                self.give_up(&plan.class, &record.time);
                self.classes.entry(plan.class.clone()).or_default().plan = record.seq;
            }
            Data::Closing(closing) => self.give_up(&closing.class, &record.time),
            Data::Lesson(lesson) => self.lesson(record.seq, lesson),
            Data::Coverage(coverage) => {
                self.accounted.extend(ms(&coverage.start).map(|start| (coverage.class.clone(), start)));
            }
            _ => {}
        }
    }

    /// Lessons that have an account: class, and beginning.
    pub fn accounted(&self) -> impl Iterator<Item = &(String, i64)> {
        self.accounted.iter()
    }

    /// Lessons that are given in other rooms.
    pub fn elsewhere(&self) -> impl Iterator<Item = &Elsewhere> {
        self.classes.values().flat_map(|planned| planned.elsewhere.values())
    }

    /// A plan takes the place of the one before it for what has not begun; closing a class gives that up.
    fn give_up(&mut self, class: &str, time: &str) {
        if let Some((planned, now)) = self.classes.get_mut(class).zip(ms(time)) {
            drop(planned.elsewhere.split_off(&now));
        }
    }

    fn lesson(&mut self, seq: u64, lesson: &Lesson) {
        let planned = self.classes.get_mut(&lesson.class).filter(|planned| planned.plan == lesson.plan);
        let (Some(planned), Some(start), Some(end)) = (planned, ms(&lesson.start), ms(&lesson.end)) else { return };
        if lesson.elsewhere {
            let class = lesson.class.clone();
            planned.elsewhere.entry(start).or_insert(Elsewhere { class, start, end, seq });
        }
    }
}

fn ms(time: &str) -> Option<i64> {
    Some(time.parse::<Timestamp>().ok()?.as_millisecond())
}
