//! The recordings on an evidence disc (录像光盘) against their records: which file, whose, when, and since when.
//!
//! Where a file belongs follows from its signed record, and so does what must be in it. What a record says that was
//! deleted is told apart from what is missing; what the disc does not claim to hold is not on it, and that is all.

mod files;
mod partial;
mod runs;

use crate::verify::time_of;
use evidence::checkpoint::Countersigned;
use evidence::disc::{CLAIM, Claim, RECORDINGS, path_of};
use evidence::record::{Data, DeletionReason, Record, Segment};
use evidence::verdict::{Finding, Severity};
use files::{claim, hash, is_recording, list};
use jiff::{SignedDuration, Timestamp};
use partial::Lessons;
use rayon::prelude::*;
use runs::{Remark, Runs};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

/// Folders within folders are followed this far: camera, date, and one to spare.
const MAX_DEPTH: usize = 4;
/// Receipts that are exported are no further apart than those that there were, and this.
const RECEIPTS_APART: SignedDuration = SignedDuration::from_hours(25);
/// Spans of a claim that are told one by one.
const CLAIMS_TOLD: usize = 20;

/// Between which receipts something must have happened.
pub(crate) struct Since<'r> {
    /// The newest last.
    receipts: &'r [Countersigned],
}

impl<'r> Since<'r> {
    pub(crate) fn new(receipts: &'r [Countersigned]) -> Since<'r> {
        Since { receipts }
    }

    /// The oldest receipt over record `seq`.
    fn covering(&self, seq: u64) -> Option<&'r Countersigned> {
        self.receipts.iter().find(|receipt| receipt.checkpoint().size > seq)
    }

    /// When what record `seq` vouches for can have changed.
    fn text(&self, seq: u64) -> String {
        match self.covering(seq) {
            Some(receipt) => format!("countersigned at {}: it happened after that", time_of(receipt)),
            None => "its record is not countersigned: nothing tells since when".into(),
        }
    }
}

/// What the log says of recordings.
#[derive(Default)]
pub(crate) struct Recordings {
    segments: BTreeMap<u64, Segment>,
    /// Segments that a record says are archived.
    archived: HashSet<u64>,
    /// Segment → what the record of its deletion says.
    deleted: BTreeMap<u64, Arc<Deleted>>,
    /// What the last record says of the disc that the log was written to: the SHA-256 (hex) of its claim.
    claim: Option<String>,
    lessons: Lessons,
}

struct Deleted {
    seq: u64,
    time: String,
    reason: DeletionReason,
}

/// A file that was read: its SHA-256, or why it cannot be.
type Contents = Result<String, String>;

impl Recordings {
    /// Takes a record that verifies and is in its place.
    pub(crate) fn take(&mut self, record: &Record) {
        self.claim = match &record.data {
            Data::Export(export) => export.claim.clone(),
            _ => None,
        };
        self.lessons.take(record);
        match &record.data {
            Data::Segment(segment) => drop(self.segments.insert(record.seq, segment.clone())),
            Data::Archive(archive) => self.archived.extend(&archive.segments),
            Data::Deletion(deletion) => {
                let (time, reason) = (record.time.clone(), deletion.reason);
                let deleted = Arc::new(Deleted { seq: record.seq, time, reason });
                // Nothing but what that camera had recorded by then: another deletion excuses nothing.
                let is_its = |seq: &u64| self.segments.get(seq).is_some_and(|its| its.camera == deletion.camera);
                let its = deletion.segments.iter().filter(|seq| is_its(seq));
                self.deleted.extend(its.map(|segment| (*segment, deleted.clone())));
            }
            _ => {}
        }
    }

    /// Holds the files in `folder` against the records.
    pub(crate) fn judge(&self, folder: &Path, device: &str, since: &Since<'_>) -> Vec<Finding> {
        let mut found: Vec<Finding> = self.deleted_early(since).into_iter().collect();
        let root = folder.join(RECORDINGS);
        let has_files = root.symlink_metadata().is_ok();
        let claim = match claim(&folder.join(CLAIM)) {
            Ok(claim) => claim,
            Err(problem) => {
                found.push(finding(Severity::Failure, "bad_claim", None, format!("{CLAIM}: {problem}")));
                None
            }
        };
        if claim.is_none() && !has_files && self.claim.is_none() {
            if !self.segments.is_empty() {
                let count = self.segments.len();
                let message = format!("the records name {count} segments of recordings; none are in this folder");
                found.push(finding(Severity::Note, "no_recordings", None, message));
            }
            return found;
        }
        let problem = match &claim {
            None => Some(("no_claim", format!("without {CLAIM} nothing says which recordings should be here"))),
            Some(claim) if claim.claim.device != device => {
                let message = format!("{CLAIM} is of {}, but the log is that of {device}", claim.claim.device);
                Some(("wrong_claim", message))
            }
            Some(claim) if self.claim.as_ref() != Some(&claim.sha256) => {
                let message = match self.claim {
                    Some(_) => format!("{CLAIM} is altered: it is not what the log's last record says that it was"),
                    None => format!("the log's last record does not vouch for {CLAIM}: the log is not this disc's"),
                };
                Some(("altered_claim", message))
            }
            Some(_) => None,
        };
        let problem = problem.map(|(code, message)| finding(Severity::Failure, code, None, message));
        found.extend(problem);
        let claim = claim.map(|claim| claim.claim);
        let mut paths = Vec::new();
        if has_files {
            list(&root, MAX_DEPTH, &mut paths, &mut found);
        }
        let (paths, mut foreign): (Vec<_>, Vec<_>) = paths.into_iter().partition(|path| is_recording(path));
        foreign.sort_unstable();
        if let Some(first) = foreign.first() {
            let (count, first) = (foreign.len(), first.strip_prefix(folder).unwrap_or(first).display());
            let message = format!("{count} files are no recordings and were not looked at: the first, {first}");
            found.push(finding(Severity::Warning, "foreign_file", None, message));
        }
        let files: HashMap<String, Contents> = paths
            .into_par_iter()
            .map(|path| {
                let name = path.strip_prefix(&root).unwrap_or(&path).to_string_lossy().into_owned();
                (name, hash(&path).map_err(|error| error.to_string()))
            })
            .collect();
        self.compare(&files, claim.as_ref(), since, &mut found);
        // The worst first: what is listed is limited.
        found.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        found
    }

    fn compare(
        &self,
        files: &HashMap<String, Contents>,
        claim: Option<&Claim>,
        since: &Since<'_>,
        found: &mut Vec<Finding>,
    ) {
        let by_hash: HashMap<&str, u64> =
            self.segments.iter().map(|(seq, segment)| (segment.sha256.as_str(), *seq)).collect();
        let mut known = HashSet::new();
        let (mut good, mut elsewhere) = (0u64, 0u64);
        let (mut runs, mut partial) = (Runs::new(since), self.lessons.on(claim));
        for (seq, segment) in &self.segments {
            let Some(path) = path_of(segment) else {
                let message = format!("the segment of record {seq} names no camera and time for its file");
                found.push(finding(Severity::Failure, "bad_segment", Some(*seq), message));
                continue;
            };
            let is_claimed = is_claimed(claim, segment);
            let remark = match files.get(&path) {
                Some(Ok(hash)) if *hash == segment.sha256 => {
                    good += 1;
                    None
                }
                Some(Ok(hash)) => Some(self.replaced(segment, hash, &by_hash, files)),
                Some(Err(problem)) => Some(Remark::failure("unreadable", format!("cannot be read: {problem}"))),
                None if !is_claimed => {
                    elsewhere += 1;
                    partial.leave_out(segment);
                    None
                }
                None => Some(self.absent(*seq)),
            };
            runs.take(*seq, segment, &path, remark);
            known.insert(path);
        }
        found.extend(runs.finish());
        found.extend(partial.finish());
        self.unknown(files, &known, &by_hash, found);
        let on_disc = files.len();
        let message = format!("{good} of {on_disc} files of recordings are exactly as they were recorded");
        found.push(finding(Severity::Note, "segments", None, message));
        if elsewhere > 0 {
            let message = format!("{elsewhere} segments that the records name are not on this disc, nor claimed to be");
            found.push(finding(Severity::Note, "not_on_disc", None, message));
        }
        found.extend(claim.into_iter().flat_map(claimed));
    }

    /// What is in the place of a segment's file instead of it.
    fn replaced(
        &self,
        segment: &Segment,
        hash: &str,
        by_hash: &HashMap<&str, u64>,
        files: &HashMap<String, Contents>,
    ) -> Remark {
        let other = by_hash.get(hash).and_then(|other| Some((*other, self.segments.get(other)?)));
        let (code, what) = match other {
            Some((other_seq, other)) => {
                let own = path_of(other).and_then(|path| files.get(&path)?.as_ref().ok());
                let other_about = about(other_seq, other);
                if own.is_some_and(|own| *own == segment.sha256) {
                    ("swapped_segment", format!("is swapped with that of {other_about}"))
                } else if other.start.get(..10) != segment.start.get(..10) {
                    ("other_day_segment", format!("is from another day: it is that of {other_about}"))
                } else {
                    ("other_segment", format!("is another recording: that of {other_about}"))
                }
            }
            None => ("altered_segment", "is altered: it is not the file that was recorded".into()),
        };
        Remark::failure(code, what).dated()
    }

    /// Files that belong to no segment: those of one folder told as one.
    fn unknown(
        &self,
        files: &HashMap<String, Contents>,
        known: &HashSet<String>,
        by_hash: &HashMap<&str, u64>,
        found: &mut Vec<Finding>,
    ) {
        let mut folders: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for path in files.keys().filter(|path| !known.contains(*path)) {
            folders.entry(path.rsplit_once('/').map_or("", |(folder, _)| folder)).or_default().push(path);
        }
        for paths in folders.values_mut() {
            paths.sort_unstable();
            let path = paths[0];
            let other = files[path].as_ref().ok().and_then(|hash| by_hash.get(hash.as_str()));
            let whose = other.and_then(|seq| Some(about(*seq, self.segments.get(seq)?)));
            let what = match whose {
                Some(whose) => format!("is that of {whose}, under a name that is not its own"),
                None => "is vouched for by no record".into(),
            };
            let message = match paths.len() {
                1 => format!("{RECORDINGS}/{path} {what}"),
                count => {
                    format!("{count} files of one folder belong to no record: the first, {RECORDINGS}/{path}, {what}")
                }
            };
            found.push(finding(Severity::Failure, "unknown_segment", None, message));
        }
    }

    /// Why a segment's file is not where the disc claims it to be.
    fn absent(&self, segment: u64) -> Remark {
        let Some(deleted) = self.deleted.get(&segment) else {
            let what = "is missing: the disc claims to hold this span, and no record says that it was deleted";
            return Remark::failure("missing_segment", what.into()).dated();
        };
        let Deleted { seq, time, reason } = &**deleted;
        let is_archived = self.archived.contains(&segment) && *reason != DeletionReason::Lost;
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
                match is_archived {
                    true => (Severity::Note, "deleted_segment", format!("{what}; the archive holds it")),
                    false => (Severity::Warning, "deleted_unarchived", format!("{what}; no archive holds it")),
                }
            }
        };
        Remark { severity, code, what: format!("is not on this disc: {what}"), is_dated: false }
    }

    /// Deletions of what the bureau had not countersigned: the appliance deletes nothing before that. Receipts are thinned
    /// out when they are exported, to one a day at most: less than a day tells nothing.
    fn deleted_early(&self, since: &Since<'_>) -> Option<Finding> {
        let latest = |deleted: &Deleted| deleted.time.parse::<Timestamp>().ok()?.checked_add(RECEIPTS_APART).ok();
        let is_early = |(segment, deleted): &(&u64, &Arc<Deleted>)| match since.covering(**segment) {
            None => true,
            Some(receipt) => receipt.time().zip(latest(deleted)).is_some_and(|(receipt, latest)| receipt > latest),
        };
        let mut early = self.deleted.iter().filter(is_early).filter(|_| !since.receipts.is_empty());
        let (segment, deleted) = early.next()?;
        let Deleted { seq, time, .. } = &**deleted;
        let (count, about) = (early.count() + 1, about(*segment, self.segments.get(segment)?));
        let message = format!(
            "{count} segments were deleted before the bureau had countersigned their records: the first, {about}, by record \
             {seq} of {time}"
        );
        Some(finding(Severity::Warning, "deleted_early", Some(*seq), message))
    }
}

fn about(seq: u64, segment: &Segment) -> String {
    format!("record {seq}, camera {}, {} to {}", segment.camera, segment.start, segment.end)
}

fn finding(severity: Severity, code: &'static str, seq: Option<u64>, message: String) -> Finding {
    Finding { severity, code, seq, message }
}

/// What the disc claims to hold: one finding for each span, whatever cameras it is of.
fn claimed(claim: &Claim) -> Vec<Finding> {
    let mut spans: Vec<(&str, &str, Vec<&str>)> = Vec::new();
    for span in &claim.spans {
        match spans.iter().position(|(from, until, _)| (*from, *until) == (&*span.from, &*span.until)) {
            Some(at) => spans[at].2.push(&span.camera),
            None if spans.len() <= CLAIMS_TOLD => spans.push((&span.from, &span.until, vec![&span.camera])),
            None => {}
        }
    }
    let mut told: Vec<String> = spans
        .iter()
        .map(|(from, until, cameras)| {
            format!("the disc claims all of camera {} from {from} to {until}", cameras.join(", "))
        })
        .collect();
    if told.len() > CLAIMS_TOLD {
        told[CLAIMS_TOLD] = "the disc claims more spans than are told here".into();
    }
    told.into_iter().map(|message| finding(Severity::Note, "claim", None, message)).collect()
}

fn is_claimed(claim: Option<&Claim>, segment: &Segment) -> bool {
    let time = |text: &str| text.parse::<jiff::Timestamp>().ok();
    let (Some(start), Some(end)) = (time(&segment.start), time(&segment.end)) else { return true };
    claim.into_iter().flat_map(|claim| &claim.spans).filter(|span| span.camera == segment.camera).any(|span| {
        match (time(&span.from), time(&span.until)) {
            (Some(from), Some(until)) => start < until && from < end,
            // A claim that cannot be read excuses nothing.
            _ => true,
        }
    })
}
