//! The lessons of each class that are accounted for: how many there are, how many of them are complete, and what the
//! others lack.

use super::figures::{
    Claims, about, camera_difference, is_camera_enough, is_lenient, is_shown, is_workstation_enough, total,
    workstation_difference,
};
use super::{REQUIRED_SHARE, length_of, word};
use crate::record::{CameraCoverage, Coverage, Data, Record};
use crate::times::canonical;
use crate::verdict::{Finding, Severity};
use std::collections::BTreeMap;

/// Incomplete lessons that are listed one by one.
const MAX_LISTED: usize = 1000;
/// Cameras and workstations named of one of them.
const NAMED: usize = 5;

/// Takes lessons' accounts one by one, in order, and judges each by its own figures. That is all that can be said without
/// the segments and gaps, as of a class's records alone.
#[derive(Default)]
pub struct Lessons {
    /// By class, and by when the lesson begins.
    classes: BTreeMap<String, BTreeMap<String, Last>>,
    /// Of all [`Last::lack`]: how many are told in words.
    listed: usize,
    /// What the account before required, if that was too little.
    lenient_share: Option<f64>,
}

/// A lesson's last account.
struct Last {
    is_complete: bool,
    /// Its record, and what it lacks.
    lack: Option<(u64, String)>,
}

impl Lessons {
    /// Those of a class, whether there are any or not.
    pub fn of(class: &str) -> Lessons {
        Lessons { classes: [(class.to_owned(), BTreeMap::new())].into(), ..Lessons::default() }
    }

    /// Takes the next record, which verifies; tells what is wrong with it if it is an account.
    pub fn take(&mut self, record: &Record) -> Vec<Finding> {
        let mut found: Vec<Finding> = self.count(record).into_iter().collect();
        if let Data::Coverage(coverage) = &record.data {
            match Claims::read(record.seq, coverage) {
                Ok(mut claims) => {
                    claims.cameras(camera_difference);
                    claims.workstations(workstation_difference);
                    claims.verdicts();
                    found.extend(claims.into_findings());
                }
                Err(finding) => found.push(finding),
            }
        }
        found
    }

    /// Takes a record without judging it. Tells of an account that requires less than is meant to be, where that begins.
    pub(super) fn count(&mut self, Record { seq, data, .. }: &Record) -> Option<Finding> {
        match data {
            Data::Plan(plan) => {
                self.classes.entry(plan.class.clone()).or_default();
                None
            }
            Data::Coverage(coverage) => self.account(*seq, coverage),
            _ => None,
        }
    }

    fn account(&mut self, seq: u64, coverage: &Coverage) -> Option<Finding> {
        let lessons = self.classes.entry(coverage.class.clone()).or_default();
        let start = canonical(&coverage.start);
        let before = lessons.remove(&start);
        self.listed -= usize::from(before.is_some_and(|before| before.lack.is_some()));
        let is_complete = coverage.complete && coverage.roll_call_recorded == Some(true) && is_shown(coverage);
        let lack = (!is_complete && self.listed < MAX_LISTED).then(|| (seq, lack(seq, coverage)));
        self.listed += usize::from(lack.is_some());
        lessons.insert(start, Last { is_complete, lack });
        let share = Some(coverage.required_share).filter(|share| is_lenient(*share));
        let before = std::mem::replace(&mut self.lenient_share, share);
        share.filter(|share| before != Some(*share)).map(|share| {
            let about = about(seq, coverage);
            let message = format!(
                "{about}: for it, a share of {share} of the time is enough, not {REQUIRED_SHARE}: what it calls complete \
                 may not be"
            );
            Finding::warning("other_limits", seq, message)
        })
    }

    /// Of each class how many lessons are accounted for, and how many are complete; and those that are not.
    pub fn finish(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        for (class, lessons) in &self.classes {
            let complete = lessons.values().filter(|last| last.is_complete).count();
            let lacking: Vec<&(u64, String)> = lessons.values().filter_map(|last| last.lack.as_ref()).collect();
            let more = match lessons.len() - complete - lacking.len() {
                0 => String::new(),
                more => format!("; {more} of the others are not listed"),
            };
            let count = if lessons.len() == 1 { "1 lesson".into() } else { format!("{} lessons", lessons.len()) };
            let message = format!("class {class}: {count} accounted for, {complete} complete{more}");
            found.push(Finding { severity: Severity::Note, code: "lessons", seq: None, message });
            let lacking = lacking.into_iter();
            found.extend(lacking.map(|(seq, lack)| Finding::warning("incomplete_lesson", *seq, lack.clone())));
        }
        found
    }
}

/// What is missing for a lesson to be complete, in words.
fn lack(seq: u64, coverage: &Coverage) -> String {
    let share = coverage.required_share;
    let mut lacks = Vec::new();
    let cameras = coverage.cameras.iter().filter(|claimed| !is_camera_enough(claimed, share)).map(camera_lack);
    lacks.extend(some_of(cameras.collect(), "; ", "cameras"));
    if coverage.cameras.is_empty() {
        lacks.push("no camera had to record it".into());
    }
    let hidden = coverage.workstations.iter().filter(|claimed| !is_workstation_enough(claimed, share));
    if let Some(names) = some_of(hidden.map(|claimed| claimed.workstation.clone()).collect(), ", ", "workstations") {
        lacks.push(format!("not visible for long enough: workstation {names}"));
    }
    match (coverage.roll_call_recorded, &coverage.roll_call) {
        (Some(true), Some(_)) => {}
        (None, Some(_)) => lacks.push("whether its roll call is recorded is not told".into()),
        (Some(false), Some(_)) => lacks.push("its roll call is not recorded, or not to its end".into()),
        (_, None) => lacks.push("no roll call in time".into()),
    }
    if lacks.is_empty() {
        lacks.push("what it lacks is not told".into());
    }
    format!("{} is not of a complete lesson: {}", about(seq, coverage), lacks.join("; "))
}

/// What a camera has recorded, and what most of the rest was lost to.
fn camera_lack(claimed: &CameraCoverage) -> String {
    let gaps = claimed.gaps_ms.iter().map(|(cause, ms)| (word(cause), *ms));
    let impaired = claimed.impaired_ms.iter().map(|(what, ms)| (word(what), *ms));
    let unwatched = claimed.unwatched_ms.map(|ms| ("unwatched".to_owned(), ms));
    let unexplained = ("unexplained".to_owned(), claimed.unexplained_ms);
    let all = gaps.chain(impaired).chain(unwatched).chain([unexplained]).filter(|(_, ms)| *ms > 0);
    let largest = all.max_by_key(|(_, ms)| *ms).map(|(cause, ms)| format!(", {cause} for {}", length_of(ms)));
    let CameraCoverage { camera, recorded_ms, required_ms, .. } = claimed;
    let shown = recorded_ms.saturating_sub(total(claimed.impaired_ms.values().chain(&claimed.unwatched_ms)));
    let of_which = if shown == *recorded_ms { String::new() } else { format!(" ({} shown)", length_of(shown)) };
    let (recorded, required) = (length_of(*recorded_ms), length_of(*required_ms));
    format!("camera {camera} recorded {recorded} of {required}{of_which}{}", largest.unwrap_or_default())
}

/// The first few, and how many more there are; `None` for none.
fn some_of(mut all: Vec<String>, between: &str, what: &str) -> Option<String> {
    let more = all.len().saturating_sub(NAMED);
    all.truncate(NAMED);
    let named = all.join(between);
    match more {
        0 => (!named.is_empty()).then_some(named),
        more => Some(format!("{named} and {more} more {what}")),
    }
}

#[cfg(test)]
mod tests;
