//! What the log says was deleted: whether the film is elsewhere, and whether the bureau had countersigned it by then.
//!
//! Beside recordings this is told of each segment that a disc claims and does not hold; of a log alone, of all that are gone.

use super::partial::Lessons;
use super::runs::Remark;
use super::{Since, about, finding};
use evidence::record::{Data, DeletionReason, Record, Segment};
use evidence::verdict::{Finding, Severity};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

/// Receipts that are exported are no further apart than those that there were, and this.
const RECEIPTS_APART: SignedDuration = SignedDuration::from_hours(25);

/// Takes the log's records one by one, in order.
#[derive(Default)]
pub(super) struct Deletions {
    /// Segments that a record says are archived.
    archived: HashSet<u64>,
    /// Segment → what the first record of its deletion says: no later one makes good what it tells.
    deleted: BTreeMap<u64, Arc<Deleted>>,
    /// The latest moment that the clock is known to have shown.
    shown: Option<Timestamp>,
}

struct Deleted {
    seq: u64,
    /// As its record has it.
    time: String,
    /// What the clock had shown by then. An appliance that forgets the time while it is off may delete before its clock is
    /// set again.
    shown: Option<Timestamp>,
    reason: DeletionReason,
}

/// A segment whose file was deleted.
struct Gone<'l> {
    seq: u64,
    segment: &'l Segment,
    deleted: &'l Deleted,
}

impl Deletions {
    /// Takes the log's next record. `segments`: those before it.
    pub(super) fn take(&mut self, record: &Record, segments: &BTreeMap<u64, Segment>) {
        let expected = match &record.data {
            Data::Clock(step) => step.expected.parse().ok(),
            _ => None,
        };
        self.shown = self.shown.max(expected).max(record.time.parse().ok());
        match &record.data {
            Data::Archive(archive) => self.archived.extend(&archive.segments),
            Data::Deletion(deletion) => {
                let Record { seq, time, .. } = record;
                let (seq, time, shown, reason) = (*seq, time.clone(), self.shown, deletion.reason);
                let deleted = Arc::new(Deleted { seq, time, shown, reason });
                // Nothing but what that camera had recorded by then: another deletion excuses nothing.
                let is_its = |seq: &&u64| segments.get(seq).is_some_and(|its| its.camera == deletion.camera);
                for segment in deletion.segments.iter().filter(is_its) {
                    self.deleted.entry(*segment).or_insert_with(|| deleted.clone());
                }
            }
            _ => {}
        }
    }

    /// Why a segment's file is not where the disc claims it to be.
    pub(super) fn absent(&self, segment: u64) -> Remark {
        let Some(deleted) = self.deleted.get(&segment) else {
            let what = "is missing: the disc claims to hold this span, and no record says that it was deleted";
            return Remark::failure("missing_segment", what.into()).dated();
        };
        let Deleted { seq, time, reason, .. } = &**deleted;
        let (severity, code, what) = match reason {
            DeletionReason::Lost => (
                Severity::Warning,
                "lost_segment",
                format!("record {seq} of {time} says that its file was lost and staff have given it up"),
            ),
            reason => {
                let reason = serde_json::to_value(reason).unwrap_or_default();
                let reason = reason.as_str().unwrap_or_default();
                let what = format!("record {seq} says that it was deleted at {time} ({reason})");
                match self.archived.contains(&segment) {
                    true => (Severity::Note, "deleted_segment", format!("{what}; the archive holds it")),
                    false => (Severity::Warning, "deleted_unarchived", format!("{what}; no archive holds it")),
                }
            }
        };
        Remark { severity, code, what: format!("is not on this disc: {what}"), is_dated: false }
    }

    /// What a log without recordings tells of films that are gone: all that were given up as lost, and all that were deleted
    /// and are in no archive.
    pub(super) fn gone(&self, segments: &BTreeMap<u64, Segment>, lessons: &Lessons) -> Vec<Finding> {
        let gone = self.deleted.iter().filter_map(|(seq, deleted)| {
            let segment = segments.get(seq)?;
            Some(Gone { seq: *seq, segment, deleted })
        });
        let (lost, mut unarchived): (Vec<_>, Vec<_>) =
            gone.partition(|gone| gone.deleted.reason == DeletionReason::Lost);
        let is_archived = |gone: &Gone<'_>| self.archived.contains(&gone.seq);
        unarchived.retain(|gone| !is_archived(gone));
        let in_archive = match lost.iter().filter(|gone| is_archived(gone)).count() {
            0 => String::new(),
            count => format!("; records say that {count} of them are archived"),
        };
        let what = format!("were lost, and staff have given them up{in_archive}");
        let lost = told("lost_segment", &what, &lost, lessons);
        let what = "were deleted, and no record says that they are archived";
        lost.into_iter().chain(told("deleted_unarchived", what, &unarchived, lessons)).collect()
    }

    /// Deletions of what the bureau had not countersigned: the appliance deletes nothing before that. Receipts are thinned
    /// out when they are exported, to one a day at most: less than a day tells nothing.
    pub(super) fn early(&self, segments: &BTreeMap<u64, Segment>, since: &Since<'_>) -> Option<Finding> {
        let latest = |deleted: &Deleted| deleted.shown?.checked_add(RECEIPTS_APART).ok();
        let is_early = |(segment, deleted): &(&u64, &Arc<Deleted>)| match since.covering(**segment) {
            None => true,
            Some(receipt) => receipt.time().zip(latest(deleted)).is_some_and(|(receipt, latest)| receipt > latest),
        };
        let mut early = self.deleted.iter().filter(is_early).filter(|_| !since.receipts.is_empty());
        let (segment, deleted) = early.next()?;
        let Deleted { seq, time, .. } = &**deleted;
        let (count, about) = (early.count() + 1, about(*segment, segments.get(segment)?));
        let message = format!(
            "{count} segments were deleted before the bureau had countersigned their records: the first, {about}, by record \
             {seq} of {time}"
        );
        Some(finding(Severity::Warning, "deleted_early", Some(*seq), message))
    }
}

/// Segments that are gone, as one: how many, of when and which cameras, the first, and how many lessons they show.
fn told(code: &'static str, what: &str, gone: &[Gone<'_>], lessons: &Lessons) -> Option<Finding> {
    let Gone { seq: first, segment, deleted: Deleted { seq, time, .. } } = gone.first()?;
    let moment = |text: &str| Some((text.parse::<Timestamp>().ok()?, text.to_owned()));
    let from = gone.iter().filter_map(|gone| moment(&gone.segment.start)).min();
    let until = gone.iter().filter_map(|gone| moment(&gone.segment.end)).max();
    let span = from.zip(until).map_or(String::new(), |((_, from), (_, until))| format!(", {from} to {until},"));
    let cameras: BTreeSet<&str> = gone.iter().map(|gone| gone.segment.camera.as_str()).collect();
    let cameras = cameras.into_iter().collect::<Vec<_>>().join(", ");
    let shown = lessons.shown_by(gone.iter().map(|gone| gone.segment));
    let message = format!(
        "{} segments of camera {cameras}{span} {what}: the first, {}, by record {seq} of {time}{}",
        gone.len(),
        about(*first, segment),
        shown.map_or(String::new(), |shown| format!("; {shown}"))
    );
    Some(finding(Severity::Warning, code, Some(*first), message))
}
