//! Whether each lesson that a plan demands has its account in the log, and the account is of what the plan demands.
//!
//! A plan says what is yet to come: it takes the place of the one before it for the lessons that have not begun. What a
//! lesson that has begun owes does not become less, and it goes on where the new plan leaves it out. Of those that had
//! ended when the plan came, nothing was to be recorded here; that is told, for who plans late is asked for nothing.
//! Closing a class gives up what has not begun.

mod class;
mod due;

use crate::record::{Coverage, Data, Plan, Record};
use crate::verdict::{Finding, Severity};
use class::Class;
use due::{Listed, listed};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// An account is made when the last segment is closed and watched: within minutes of the lesson's end, on an appliance
/// that is on.
const PATIENCE: SignedDuration = SignedDuration::from_hours(1);
/// A plan that comes right after a lesson still has that lesson's account made.
const GRACE: SignedDuration = SignedDuration::from_mins(1);
/// A plan changes what has begun a moment before its own record has its time.
const SLACK: SignedDuration = SignedDuration::from_secs(1);
/// A change of the plan is to be reported so long before (article 6(2)3: 提前1日).
const NOTICE: SignedDuration = SignedDuration::from_hours(24);
/// Lessons named in one finding.
const NAMED: usize = 5;

/// By name, the cameras that were recorded at the newest start: the record of the start since which they have been at each.
type Recorded = BTreeMap<String, u64>;

/// Holds the lessons of a log's plans against their accounts. Takes the log's records, or those of a class, one by one, in
/// order.
#[derive(Default)]
pub struct Timetable {
    classes: BTreeMap<String, Class>,
    /// None: that the records do not tell, as those of a class.
    recorded: Recorded,
    /// A record was no good: what is missing may have been in it.
    is_blind: bool,
}

impl Timetable {
    /// Takes the next record, which verifies and is in its place; tells what it shows to be wrong.
    pub fn take(&mut self, record: &Record) -> Vec<Finding> {
        let Ok(now) = record.time.parse() else { return Vec::new() };
        if self.is_blind {
            return Vec::new();
        }
        match &record.data {
            Data::Plan(plan) => self.plan(record, now, plan),
            Data::Lesson(lesson) => match self.classes.get_mut(&lesson.class) {
                Some(class) => class.lesson(&lesson.class, record.seq, lesson, &self.recorded),
                None => Vec::new(),
            },
            Data::Closing(closing) => {
                let class = self.classes.get_mut(&closing.class);
                class.and_then(|class| class.close(&closing.class, record.seq, now)).into_iter().collect()
            }
            Data::Coverage(coverage) => self.coverage(record.seq, coverage).into_iter().collect(),
            Data::Appliance(event) if event.event == "started" => {
                let before = std::mem::take(&mut self.recorded);
                let recorded = event.cameras.iter().filter(|camera| camera.recorded).map(|camera| camera.name.clone());
                let since = |name: &String| before.get(name).copied().unwrap_or(record.seq);
                self.recorded = recorded.map(|name| (name.clone(), since(&name))).collect();
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    /// Goes past a record that does not verify. It is told by others; from here on nothing is missed.
    pub fn take_bad(&mut self) {
        self.is_blind = true;
    }

    /// What is missing, if the appliance has come as far as `now`; and what the log cannot tell.
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
            let here = || class.due.values().filter(|lesson| !lesson.is_elsewhere);
            let missing = listed(here().filter(|lesson| !lesson.is_accounted && is_past(lesson.end)));
            if let Some(Listed { first, text, .. }) = missing {
                let message = format!(
                    "class {name}: lessons that had to be recorded have no account, so nothing tells whether they were: {text}"
                );
                found.push(Finding::warning("no_account", first, message));
            }
            if let Some(Listed { first, count, text }) = listed(here().filter(|lesson| lesson.lacks_workstations())) {
                let message = format!(
                    "class {name}: the plan names no workstations for {count} practice lessons, so nothing tells whether \
                     all were in the picture: {text}"
                );
                found.push(Finding::warning("no_workstations", first, message));
            }
            let elsewhere = class.due.values().filter(|lesson| lesson.is_elsewhere).count();
            if elsewhere > 0 {
                let message = format!(
                    "class {name}: {elsewhere} lessons are given in other rooms: whether they were recorded, only the logs \
                     of the appliances there tell"
                );
                let (severity, code) = (Severity::Note, "lessons_elsewhere");
                found.push(Finding { severity, code, seq: Some(class.plan), message });
            }
        }
        found
    }

    fn plan(&mut self, record: &Record, now: Timestamp, plan: &Plan) -> Vec<Finding> {
        let name = &plan.class;
        let before = self.classes.remove(name);
        let mut found: Vec<Finding> = before.iter().flat_map(|before| before.untold(name)).collect();
        let class = self.classes.entry(name.clone()).or_insert(Class::new(record, now, plan.lessons, before));
        found.extend(class.settle(name));
        found
    }

    fn coverage(&mut self, seq: u64, coverage: &Coverage) -> Option<Finding> {
        let (start, from) = (coverage.start.parse().ok()?, coverage.from.parse::<Timestamp>().ok()?);
        let end: Timestamp = coverage.end.parse().ok()?;
        let lesson = self.classes.get_mut(&coverage.class)?.accounted(start, end)?;
        let mut left_out = Vec::new();
        if from > start {
            left_out.push(format!("it is from {} on only", coverage.from));
        }
        if end < lesson.end {
            left_out.push(format!("it ends at {}", coverage.end));
        }
        // What comes after, if the plan makes the lesson longer, begins here.
        lesson.end = end;
        let named = |what: &str, names: Vec<&String>| {
            (!names.is_empty()).then(|| {
                let names: Vec<&str> = names.into_iter().map(String::as_str).collect();
                format!("{what} {} are not in it", names.join(", "))
            })
        };
        let is_camera = |name: &&String| !coverage.cameras.iter().any(|told| told.camera == **name);
        // Which all are that are recorded, the starts tell; of those that one has taken out since, it tells itself.
        let all = self.recorded.iter().filter(|(_, since)| lesson.cameras.is_empty() && **since < lesson.seq);
        let cameras = lesson.cameras.iter().chain(all.map(|(name, _)| name));
        left_out.extend(named("cameras", cameras.filter(is_camera).collect()));
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

#[cfg(test)]
mod tests;
