//! A lesson that must have an account, and what it must be of.

use super::{GRACE, NAMED, NOTICE, Recorded, SLACK};
use crate::record::{Lesson, LessonKind};
use jiff::Timestamp;

/// A lesson that must have an account.
#[derive(Clone)]
pub(super) struct Due {
    pub seq: u64,
    /// Its plan.
    pub plan: u64,
    /// As its record has it.
    pub start: String,
    pub end: Timestamp,
    /// In another room: another appliance's log has its account.
    pub is_elsewhere: bool,
    /// What a lesson that was made longer after its account has left: it begins where that ends.
    pub is_rest: bool,
    pub is_accounted: bool,
    /// None: all that are recorded.
    pub cameras: Vec<String>,
    pub workstations: Vec<String>,
    pub kind: LessonKind,
}

impl Due {
    pub fn new(seq: u64, lesson: &Lesson, end: Timestamp) -> Due {
        Due {
            seq,
            plan: lesson.plan,
            start: lesson.start.clone(),
            end,
            is_elsewhere: lesson.elsewhere,
            is_rest: false,
            is_accounted: false,
            cameras: lesson.cameras.clone(),
            workstations: lesson.workstations.clone(),
            kind: lesson.kind,
        }
    }

    /// What it owes, it having begun when a plan came that says otherwise: it stays in its room, keeps its cameras and
    /// workstations beside new ones, and ends no sooner than the plan came.
    pub fn change(&mut self, new: &Due, came: Timestamp) {
        self.plan = new.plan;
        self.end = new.end.max(self.end.min(came.checked_sub(SLACK).unwrap_or(came)));
        self.cameras = match self.cameras.is_empty() || new.cameras.is_empty() {
            true => Vec::new(),
            false => both(&self.cameras, &new.cameras),
        };
        self.workstations = both(&self.workstations, &new.workstations);
    }

    /// Whether it was over when a plan came.
    pub fn was_over(&self, came: Timestamp) -> bool {
        came.duration_since(self.end) >= GRACE
    }

    /// Whether it is given here, and a change of it at `now` would be too late to be reported a day before.
    pub fn is_near(&self, start: Timestamp, now: Timestamp) -> bool {
        !self.is_elsewhere && start.duration_since(now) < NOTICE
    }

    /// Whether `new` asks for less. Where nothing tells which cameras are `recorded`, any that are named are fewer than all.
    pub fn is_more_than(&self, new: &Due, recorded: &Recorded) -> bool {
        let lacks = |had: &[String], has: &[String]| had.iter().any(|name| !has.contains(name));
        let lacks_camera = match (self.cameras.is_empty(), new.cameras.is_empty()) {
            (_, true) => false,
            (true, false) => recorded.is_empty() || recorded.keys().any(|name| !new.cameras.contains(name)),
            _ => lacks(&self.cameras, &new.cameras),
        };
        new.is_elsewhere || new.end < self.end || lacks_camera || lacks(&self.workstations, &new.workstations)
    }

    /// Whether nothing tells which workstations have to be in the picture (article 6(1)).
    pub fn lacks_workstations(&self) -> bool {
        self.kind == LessonKind::Practice && self.workstations.is_empty()
    }
}

/// What is in one list or the other, in order.
fn both(one: &[String], other: &[String]) -> Vec<String> {
    let more = other.iter().filter(|name| !one.contains(name));
    one.iter().chain(more).cloned().collect()
}

/// Lessons in words.
pub(super) struct Listed {
    /// The first one's record.
    pub first: u64,
    pub count: usize,
    /// The first of them.
    pub text: String,
}

/// `None` where there are none.
pub(super) fn listed<'d>(lessons: impl Iterator<Item = &'d Due>) -> Option<Listed> {
    let lessons: Vec<&Due> = lessons.collect();
    let first = lessons.first()?.seq;
    let lesson = |lesson: &&Due| format!("{} (record {})", lesson.start, lesson.seq);
    let named = lessons.iter().take(NAMED).map(lesson).collect::<Vec<_>>().join(", ");
    let more = match lessons.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Some(Listed { first, count: lessons.len(), text: format!("{named}{more}") })
}
