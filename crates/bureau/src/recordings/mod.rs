//! The recordings on an evidence disc (录像光盘) against their records: which file, whose, when, and since when.
//!
//! Where a file belongs follows from its signed record, and so does what must be in it. What a record says that was
//! deleted is told apart from what is missing; what the disc does not claim to hold is not on it, and that is all.

mod deletions;
mod files;
mod partial;
mod pictures;
mod runs;

use crate::verify::time_of;
use deletions::Deletions;
use evidence::checkpoint::Countersigned;
use evidence::disc::{CLAIM, Claim, PICTURES, RECORDINGS, path_of};
use evidence::record::{Data, Record, Segment};
use evidence::verdict::{Finding, Severity};
use files::{Listed, claim, hash};
use partial::Lessons;
use pictures::Pictures;
use rayon::prelude::*;
use runs::{Remark, Runs};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

/// Folders within folders are followed this far: camera, date, and one to spare.
const MAX_DEPTH: usize = 4;
/// Spans of a claim that are told one by one.
const CLAIMS_TOLD: usize = 20;

/// Between which receipts something must have happened.
pub(crate) struct Since<'r> {
    /// By size: the newest last.
    receipts: &'r [Countersigned],
}

impl<'r> Since<'r> {
    pub(crate) fn new(receipts: &'r [Countersigned]) -> Since<'r> {
        Since { receipts }
    }

    /// The oldest receipt over record `seq`.
    fn covering(&self, seq: u64) -> Option<&'r Countersigned> {
        self.receipts.get(self.receipts.partition_point(|receipt| receipt.checkpoint().size <= seq))
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
    deletions: Deletions,
    /// What the last record says of the disc that the log was written to: the SHA-256 (hex) of its claim.
    claim: Option<String>,
    lessons: Lessons,
    pictures: Pictures,
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
        self.pictures.take(record);
        self.deletions.take(record, &self.segments);
        if let Data::Segment(segment) = &record.data {
            self.segments.insert(record.seq, segment.clone());
        }
    }

    /// What the records tell of deletions, and the files in `folder`, if there is one, against the records.
    pub(crate) fn judge(&self, folder: Option<&Path>, device: &str, since: &Since<'_>) -> Vec<Finding> {
        let mut found: Vec<Finding> = self.deletions.early(&self.segments, since).into_iter().collect();
        let Some(folder) = folder else {
            found.extend(self.deletions.gone(&self.segments, &self.lessons));
            return found;
        };
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
            found.extend(self.deletions.gone(&self.segments, &self.lessons));
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
        let (mut recordings, mut pictures) = (Listed::of("mp4"), Listed::of("jpg"));
        if has_files {
            recordings.list(&root, MAX_DEPTH, &mut found);
        }
        let pictures_root = folder.join(PICTURES);
        if pictures_root.symlink_metadata().is_ok() {
            pictures.list(&pictures_root, 1, &mut found);
        }
        found.extend(foreign(folder, [recordings.foreign, pictures.foreign].concat()));
        let files: HashMap<String, Contents> = recordings
            .files
            .into_par_iter()
            .map(|path| {
                let name = path.strip_prefix(&root).unwrap_or(&path).to_string_lossy().into_owned();
                (name, hash(&path).map_err(|error| error.to_string()))
            })
            .collect();
        self.compare(&files, claim.as_ref(), since, &mut found);
        found.extend(self.pictures.judge(pictures.files, claim.as_ref()));
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
                None => Some(self.deletions.absent(*seq)),
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
}

fn about(seq: u64, segment: &Segment) -> String {
    format!("record {seq}, camera {}, {} to {}", segment.camera, segment.start, segment.end)
}

fn finding(severity: Severity, code: &'static str, seq: Option<u64>, message: String) -> Finding {
    Finding { severity, code, seq, message }
}

/// What lies beside recordings and pictures and is none, as one.
fn foreign(folder: &Path, mut paths: Vec<PathBuf>) -> Option<Finding> {
    paths.sort_unstable();
    let first = paths.first()?;
    let (count, first) = (paths.len(), first.strip_prefix(folder).unwrap_or(first).display());
    let message = format!(
        "{count} files or folders are neither recordings nor pictures and were not looked at: the first, {first}"
    );
    Some(finding(Severity::Warning, "foreign_file", None, message))
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
