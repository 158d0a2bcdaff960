//! Segments and gaps: their rows, their files, their order and what became of them, against the records that tell.

use super::{Found, Severity};
use crate::recording::{RecordingError, hash_file, is_foreign};
use crate::store::{Reader, SegmentRow, Store, StoreError};
use evidence::record::{Archive, Data, Deletion, DeletionReason, Gap, Record, Segment};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// A segment is noted down a moment after its file was made.
const JUST_NOW: Duration = Duration::from_secs(5);

/// Where the files are, and how closely they are looked at.
#[derive(Debug, Clone)]
pub struct Files {
    /// The folder of the recordings.
    pub root: PathBuf,
    /// Whether each file is read and hashed; otherwise only its length is looked at.
    pub hash: bool,
}

/// What the log says of the recordings.
#[derive(Default)]
pub(super) struct Recordings {
    segments: BTreeMap<u64, Segment>,
    gaps: BTreeMap<u64, Gap>,
    /// Segment → the record that says that it is archived, and that says that it was deleted.
    archived: BTreeMap<u64, u64>,
    deleted: BTreeMap<u64, u64>,
    /// Those of them that are lost, and were given up.
    lost: BTreeSet<u64>,
}

impl Recordings {
    /// Takes the next record, which verifies.
    pub(super) fn take(&mut self, seq: u64, record: &Record) {
        match &record.data {
            Data::Gap(gap) => drop(self.gaps.insert(seq, gap.clone())),
            Data::Archive(Archive { segments, .. }) => {
                self.archived.extend(segments.iter().map(|segment| (*segment, seq)));
            }
            Data::Deletion(Deletion { segments, reason, .. }) => {
                self.deleted.extend(segments.iter().map(|segment| (*segment, seq)));
                if *reason == DeletionReason::Lost {
                    self.lost.extend(segments);
                }
            }
            Data::Segment(segment) => drop(self.segments.insert(seq, segment.clone())),
            _ => {}
        }
    }

    /// What of the recordings is here, and how far they were deleted by rule, as the log says.
    pub(super) fn kept(&self) -> Kept {
        let ms = |text: &str| text.parse::<Timestamp>().map_or(0, |time| time.as_millisecond());
        let mut kept = Kept::default();
        for (seq, segment) in &self.segments {
            let (start, end) = (ms(&segment.start), ms(&segment.end));
            if !self.deleted.contains_key(seq) {
                let known = kept.here.entry(segment.camera.clone()).or_default().entry(start).or_insert(end);
                *known = end.max(*known);
                kept.longest = kept.longest.max(end - start);
            } else if !self.lost.contains(seq) {
                let until = kept.gone.entry(segment.camera.clone()).or_insert(end);
                *until = end.max(*until);
            }
        }
        kept
    }

    /// Compares with the rows in `reader`'s snapshot, which it gives back.
    pub(super) fn compare(
        &self,
        reader: &Reader<'_>,
        found: &mut Found,
    ) -> Result<BTreeMap<u64, SegmentRow>, StoreError> {
        let rows = reader.segments_from(0, usize::MAX >> 1)?;
        let rows: BTreeMap<u64, SegmentRow> = rows.into_iter().map(|row| (row.seq, row)).collect();
        for (seq, segment) in &self.segments {
            match rows.get(seq) {
                None => found.fail(
                    "wrong_row",
                    "segments",
                    Some(*seq),
                    format!("record {seq} is a segment, but has no row"),
                ),
                Some(row) if !is_of(row, segment) => {
                    let message = format!("the row of record {seq} does not say what the record says");
                    found.fail("wrong_row", "segments", Some(*seq), message);
                }
                Some(_) => {}
            }
        }
        for seq in rows.keys().filter(|seq| !self.segments.contains_key(seq)) {
            let message = format!("there is a row for record {seq}, which is no segment that verifies");
            found.fail("wrong_row", "segments", Some(*seq), message);
        }
        let became = [("archived", &self.archived, reader.archived()?), ("deleted", &self.deleted, reader.deleted()?)];
        for (table, told, rows) in became {
            for (segment, seq) in told {
                if rows.get(segment) != Some(seq) {
                    let message =
                        format!("record {seq} says that the segment of record {segment} is {table}, its row does not");
                    found.fail("wrong_row", table, Some(*seq), message);
                }
            }
            for (segment, seq) in rows.iter().filter(|(segment, _)| !told.contains_key(segment)) {
                let message = format!("a row says that the segment of record {segment} is {table}, but no record does");
                found.fail("wrong_row", table, Some(*seq), message);
            }
        }
        let unarchived: BTreeSet<u64> = reader.unarchived()?.into_iter().map(|row| row.seq).collect();
        for seq in rows.keys() {
            let is_done = self.archived.contains_key(seq) || self.deleted.contains_key(seq);
            if is_done == unarchived.contains(seq) {
                let message =
                    format!("whether the segment of record {seq} is still to be archived is not as the log says");
                found.fail("wrong_row", "unarchived", Some(*seq), message);
            }
        }
        let mut gaps: BTreeMap<u64, _> = reader.all_gaps()?.into_iter().map(|row| (row.seq, row)).collect();
        for (seq, gap) in &self.gaps {
            let is_same = gaps.remove(seq).is_some_and(|row| {
                row.camera == gap.camera
                    && row.cause == gap.cause
                    && is_at(row.start, &gap.start)
                    && is_at(row.end, &gap.end)
            });
            if !is_same {
                found.fail(
                    "wrong_row",
                    "gaps",
                    Some(*seq),
                    format!("the row of the gap of record {seq} is missing or differs"),
                );
            }
        }
        for seq in gaps.keys() {
            found.fail(
                "wrong_row",
                "gaps",
                Some(*seq),
                format!("there is a row for record {seq}, which is no gap that verifies"),
            );
        }
        Ok(rows)
    }

    /// Compares with the files, which takes as long as reading them does.
    pub(super) fn files(&self, store: &Store, rows: &BTreeMap<u64, SegmentRow>, files: &Files, found: &mut Found) {
        let by_hash: HashMap<&str, u64> =
            self.segments.iter().map(|(seq, segment)| (segment.sha256.as_str(), *seq)).collect();
        for (seq, row) in rows {
            // The record vouches for the file; the row only says where it is.
            let Some(segment) = self.segments.get(seq) else { continue };
            let path = files.root.join(&row.path);
            let name =
                format!("{} of record {seq} (camera {}, {} to {})", row.path, row.camera, segment.start, segment.end);
            let looked =
                if files.hash { hash_file(&path).map(|(bytes, hash)| (bytes, Some(hash))) } else { length(&path) };
            if let Some(deletion) = self.deleted.get(seq) {
                if looked.is_ok() {
                    let message = format!(
                        "{name} was deleted by record {deletion}, but is still there; the next start removes it"
                    );
                    found.add(Severity::Warning, "not_deleted", "recordings", Some(*seq), message);
                }
                continue;
            }
            let (code, message) = match looked {
                Ok((bytes, None)) if bytes == segment.bytes => continue,
                Ok((_, Some(hash))) if hash == segment.sha256 => continue,
                Ok((_, Some(hash))) => match by_hash.get(hash.as_str()).and_then(|other| self.segments.get(other)) {
                    Some(other) => {
                        let (camera, start, here) = (&other.camera, &other.start, &segment.start);
                        let what = format!("that of camera {camera} at {start}");
                        if start.get(..10) == here.get(..10) {
                            ("swapped_segment", format!("{name} holds another recording: {what}"))
                        } else {
                            ("other_day_segment", format!("{name} holds a recording of another day: {what}"))
                        }
                    }
                    None => ("altered_segment", format!("{name} is not the file that was recorded")),
                },
                Ok((bytes, None)) => {
                    let expected = segment.bytes;
                    ("altered_segment", format!("{name} has {bytes} bytes; {expected} were recorded"))
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    // The daemon may have deleted it since the log was read.
                    if store.read().and_then(|reader| reader.deletion_of(&row.path)).is_ok_and(|by| by.is_some()) {
                        continue;
                    }
                    ("missing_segment", format!("{name} is missing"))
                }
                Err(error) => ("unreadable", format!("{name} cannot be read: {error}")),
            };
            found.fail(code, "recordings", Some(*seq), message);
        }
        let known: std::collections::HashSet<&str> = rows.values().map(|row| row.path.as_str()).collect();
        let present = crate::recording::files(&files.root).unwrap_or_else(|error| {
            let message =
                format!("the folder cannot be read, so what no record vouches for is not looked for: {error}");
            found.add(Severity::Warning, "unreadable", "recordings", None, message);
            Vec::new()
        });
        for path in present {
            let relative = path.strip_prefix(&files.root).unwrap_or(&path).to_string_lossy().into_owned();
            if path.extension().is_none_or(|extension| extension != "mp4") {
                // What is being written is no finding, nor what was begun a moment ago.
                let is_new = path.metadata().and_then(|file| file.modified()).is_ok_and(is_recent);
                let is_own = || Ok::<_, RecordingError>(!is_foreign(&*store.read()?, &files.root, &path)?);
                if !is_new && !is_own().unwrap_or(false) && path.exists() {
                    let message = format!("{relative} was written by no recorder, or not so");
                    found.add(Severity::Warning, "unknown_segment", "recordings", None, message);
                }
            } else if !known.contains(relative.as_str())
                // The daemon may have journalled it since the rows were read.
                && !store.read().and_then(|reader| reader.is_segment(&relative)).unwrap_or(false)
            {
                let message = format!("{relative} is vouched for by no record");
                found.add(Severity::Warning, "unknown_segment", "recordings", None, message);
            }
        }
    }
}

/// What of the recordings is here and what is not.
#[derive(Default)]
pub(super) struct Kept {
    /// By camera: beginnings and ends of segments, ms.
    here: BTreeMap<String, BTreeMap<i64, i64>>,
    /// No segment of these is longer, ms.
    longest: i64,
    /// By camera: the latest moment that a segment showed which was deleted by rule, ms.
    gone: BTreeMap<String, i64>,
}

impl Kept {
    /// Whether the recordings of a camera, or where it is none of all, have been deleted by rule past a moment, and none
    /// that shows it is here.
    pub(super) fn have_gone(&self, camera: Option<&str>, moment: Timestamp) -> bool {
        let (at, longest) = (moment.as_millisecond(), self.longest.max(1));
        let is_about = |name: &str| camera.is_none_or(|camera| camera == name);
        let shows = |segments: &BTreeMap<i64, i64>| segments.range(at - longest + 1..=at).any(|(_, end)| *end > at);
        let mut gone = self.gone.iter().filter(|(name, _)| is_about(name));
        let mut here = self.here.iter().filter(|(name, _)| is_about(name));
        gone.any(|(_, until)| at < *until) && !here.any(|(_, segments)| shows(segments))
    }
}

fn is_recent(time: SystemTime) -> bool {
    time.elapsed().is_ok_and(|age| age < JUST_NOW)
}

fn length(path: &Path) -> io::Result<(u64, Option<String>)> {
    Ok((path.metadata()?.len(), None))
}

fn is_of(row: &SegmentRow, segment: &Segment) -> bool {
    row.camera == segment.camera
        && row.bytes == segment.bytes
        && row.sha256 == segment.sha256
        && is_at(row.start, &segment.start)
        && is_at(row.end, &segment.end)
}

fn is_at(time: jiff::Timestamp, text: &str) -> bool {
    text.parse::<jiff::Timestamp>().is_ok_and(|told| told.as_millisecond() == time.as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::TestClock;
    use crate::journal::Journal;
    use std::sync::Arc;

    #[test]
    fn a_segment_that_was_closed_while_the_files_were_read_is_not_unknown() {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Arc::new(TestClock::at("2026-11-23T00:00:00Z".parse().expect("a time")));
        let journal = Journal::initialise(&folder.path().join("state"), "site", "301", clock, jiff::tz::TimeZone::UTC);
        let journal = journal.expect("initialised");
        let root = folder.path().join("recordings");
        std::fs::create_dir(&root).expect("made");
        for name in ["closed.mp4", "foreign.mp4"] {
            std::fs::write(root.join(name), b"film").expect("written");
        }
        // The rows were read before this one came.
        let (start, end) = (Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH);
        let (camera, path, sha256) = ("back".into(), "closed.mp4".into(), String::new());
        let write = journal.store().begin().expect("begins");
        write.put_segment(&SegmentRow { seq: 0, camera, start, end, path, bytes: 4, sha256 }).expect("put");
        write.commit().expect("committed");
        let mut found = Found::default();
        let files = Files { root, hash: true };
        Recordings::default().files(journal.store(), &BTreeMap::new(), &files, &mut found);
        let messages: Vec<_> = found.problems.iter().map(|problem| (problem.code, problem.message.as_str())).collect();
        assert_eq!(messages, [("unknown_segment", "foreign.mp4 is vouched for by no record")]);
    }
}
