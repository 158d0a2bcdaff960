//! References, findings, roll calls, small pictures and looks for people: their rows against the records they come from.

use super::recordings::Recordings;
use super::{Found, Severity};
use crate::store::{FindingRow, Reader, ReferenceRow, RollcallRow, StoreError};
use evidence::record::{Data, Finding, Record, Reference, Rollcall, RollcallEvent};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// A roll call's row tells when it was taken; its record, when that was journalled.
const JOURNALLED_WITHIN: SignedDuration = SignedDuration::from_mins(1);

/// A roll call: the record of its beginning, its time, and the record of its end with its time.
type Taken = (Rollcall, String, Option<(u64, String)>);

/// What the log says of what the recordings show.
#[derive(Default)]
pub(super) struct Coverage {
    /// Each camera's newest.
    references: BTreeMap<String, (u64, Reference)>,
    /// By camera and picture: the newest record that has it.
    pictures: BTreeMap<(String, String), u64>,
    /// By the record of the beginning: it, and the record of the end.
    findings: BTreeMap<u64, (Finding, Option<(u64, Finding)>)>,
    /// By the record of the beginning, with its time, and the record of the end.
    rollcalls: BTreeMap<u64, Taken>,
    /// Records that do not verify: what hangs on them cannot be judged.
    bad: BTreeSet<u64>,
}

impl Coverage {
    /// Takes the next record; `None` is one that does not verify.
    pub(super) fn take(&mut self, seq: u64, record: Option<&Record>) {
        let Some(record) = record else {
            self.bad.insert(seq);
            return;
        };
        match &record.data {
            Data::Reference(reference) => {
                self.pictures.insert((reference.camera.clone(), reference.picture.clone()), seq);
                self.references.insert(reference.camera.clone(), (seq, reference.clone()));
            }
            Data::Finding(finding) => self.take_finding(seq, finding),
            Data::Rollcall(rollcall) => self.take_rollcall(seq, &record.time, rollcall),
            _ => {}
        }
    }

    fn take_finding(&mut self, seq: u64, finding: &Finding) {
        let (Some(begun), Some(_)) = (finding.begun, &finding.end) else {
            self.findings.insert(seq, (finding.clone(), None));
            return;
        };
        // One that ends none that goes on is told with the log.
        if let Some((start, end @ None)) = self.findings.get_mut(&begun)
            && is_same(start, finding)
        {
            *end = Some((seq, finding.clone()));
        }
    }

    fn take_rollcall(&mut self, seq: u64, time: &str, rollcall: &Rollcall) {
        if rollcall.event == RollcallEvent::Started {
            self.rollcalls.insert(seq, (rollcall.clone(), time.to_owned(), None));
            return;
        }
        let of_lesson = |began: &Rollcall| (&began.class, &began.lesson) == (&rollcall.class, &rollcall.lesson);
        let open = self.rollcalls.values_mut().rev().find(|(began, _, end)| end.is_none() && of_lesson(began));
        if let Some((.., end)) = open {
            *end = Some((seq, time.to_owned()));
        }
    }

    /// Compares with the rows in `reader`'s snapshot.
    pub(super) fn compare(
        &self,
        reader: &Reader<'_>,
        recordings: &Recordings,
        found: &mut Found,
    ) -> Result<(), StoreError> {
        let table = |table: &'static str, problem: Result<(), StoreError>, found: &mut Found| {
            if let Err(error) = problem {
                found.fail("unreadable", table, None, error.to_string());
            }
        };
        table("camera_references", self.references(reader, found), found);
        table("former_pictures", self.pictures(reader, found), found);
        table("findings", self.findings(reader, found), found);
        table("thumbnails", self.thumbnails(reader, recordings, found), found);
        table("rollcalls", self.rollcalls(reader, found), found);
        table("looks", looks(reader, found), found);
        Ok(())
    }

    fn references(&self, reader: &Reader<'_>, found: &mut Found) -> Result<(), StoreError> {
        let mut wrong = |code, seq, message| found.fail(code, "camera_references", Some(seq), message);
        let mut rows: BTreeMap<String, ReferenceRow> =
            reader.all_references()?.into_iter().map(|row| (row.camera.clone(), row)).collect();
        for (camera, (seq, reference)) in &self.references {
            match rows.remove(camera) {
                None => wrong("wrong_row", *seq, format!("the reference of camera {camera} is missing")),
                Some(row) if self.bad.contains(&row.seq) => {}
                Some(row) if row.seq != *seq || row.workstations != reference.workstations => {
                    let message = format!("the reference of camera {camera} is not what its newest record says");
                    wrong("wrong_row", *seq, message);
                }
                Some(row) if evidence::sha256_hex(&row.picture) != reference.picture => {
                    let message = format!("the reference picture of camera {camera} is not that of record {seq}");
                    wrong("wrong_photo", *seq, message);
                }
                Some(_) => {}
            }
        }
        for (camera, row) in rows.into_iter().filter(|(_, row)| !self.bad.contains(&row.seq)) {
            wrong("wrong_row", row.seq, format!("there is a reference of camera {camera}, but no record of it"));
        }
        Ok(())
    }

    /// The pictures of references in the place of which others were set.
    fn pictures(&self, reader: &Reader<'_>, found: &mut Found) -> Result<(), StoreError> {
        let names = reader.former_picture_names()?;
        let of_record = |sha256: &str| self.pictures.iter().find(|((_, name), _)| name == sha256).map(|(_, seq)| *seq);
        let read = |sha256: &str| reader.former_picture(sha256);
        self.kept_pictures("former_pictures", "reference picture", &names, read, of_record, found);
        let kept: BTreeSet<String> = names.into_iter().collect();
        let since = reader.pictures_since()?;
        for ((camera, sha256), seq) in &self.pictures {
            let is_newest = self.references.get(camera).is_some_and(|(_, newest)| newest.picture == *sha256);
            let was_overwritten = since.get(camera).is_some_and(|since| seq < since);
            if !is_newest && !was_overwritten && !kept.contains(sha256) {
                let message = format!("the picture of camera {camera}'s reference of record {seq} is missing");
                found.fail("wrong_photo", "former_pictures", Some(*seq), message);
            }
        }
        Ok(())
    }

    /// Holds pictures that are kept under their SHA-256 against it, and against the record that has them.
    fn kept_pictures(
        &self,
        table: &'static str,
        word: &str,
        names: &[String],
        read: impl Fn(&str) -> Result<Option<Vec<u8>>, StoreError>,
        of_record: impl Fn(&str) -> Option<u64>,
        found: &mut Found,
    ) {
        for sha256 in names {
            let seq = of_record(sha256);
            match read(sha256) {
                Ok(Some(jpeg)) if evidence::sha256_hex(&jpeg) == *sha256 => {}
                Ok(_) => {
                    let message = format!("the {word} {sha256} is not the one of its record");
                    found.fail("wrong_photo", table, seq, message);
                }
                Err(error) => found.fail("unreadable", table, seq, format!("{sha256}: {error}")),
            }
            if seq.is_none() && self.bad.is_empty() {
                let message = format!("no record has the {word} {sha256}");
                found.add(Severity::Warning, "unknown_photo", table, None, message);
            }
        }
    }

    fn findings(&self, reader: &Reader<'_>, found: &mut Found) -> Result<(), StoreError> {
        let mut wrong = |seq, message| found.fail("wrong_row", "findings", Some(seq), message);
        let mut rows: BTreeMap<u64, FindingRow> =
            reader.all_findings()?.into_iter().map(|row| (row.seq, row)).collect();
        for (seq, (start, end)) in &self.findings {
            let Some(row) = rows.remove(seq) else {
                wrong(*seq, format!("the finding of record {seq} has no row"));
                continue;
            };
            let ended = row.end.is_some_and(|(_, seq)| self.bad.contains(&seq));
            let is_ended_as_told = match (&row.end, end) {
                (None, None) => true,
                (Some((at, by)), Some((seq, finding))) => {
                    by == seq && finding.end.as_deref().is_some_and(|end| is_at(*at, end))
                }
                _ => ended,
            };
            let is_begun_as_told = row.what == start.what
                && row.camera == start.camera
                && row.workstation == start.workstation
                && row.class == start.class
                && row.thumbnail == start.thumbnail
                && is_at(row.start, &start.start);
            if !is_begun_as_told || !is_ended_as_told {
                wrong(*seq, format!("the row of the finding of record {seq} does not say what its records say"));
            }
        }
        for seq in rows.keys().filter(|seq| !self.bad.contains(seq)) {
            wrong(*seq, format!("there is a row for record {seq}, which begins no finding"));
        }
        Ok(())
    }

    fn thumbnails(&self, reader: &Reader<'_>, recordings: &Recordings, found: &mut Found) -> Result<(), StoreError> {
        let mut told: BTreeMap<&str, u64> = BTreeMap::new();
        for (seq, (start, _)) in &self.findings {
            told.extend(start.thumbnail.as_deref().map(|sha256| (sha256, *seq)));
        }
        let names = reader.thumbnail_names()?;
        let read = |sha256: &str| reader.thumbnail(sha256);
        let of_record = |sha256: &str| told.get(sha256).copied();
        self.kept_pictures("thumbnails", "small picture", &names, read, of_record, found);
        let kept: BTreeSet<String> = names.into_iter().collect();
        let mut kept_recordings = None;
        for (sha256, seq) in told.iter().filter(|(sha256, _)| !kept.contains(**sha256)) {
            // It goes with the recordings of its time, once it has ended.
            let recordings = kept_recordings.get_or_insert_with(|| recordings.kept());
            let is_over = |(start, end): &(Finding, Option<(u64, Finding)>)| {
                let begun = start.start.parse::<Timestamp>();
                end.is_some() && begun.is_ok_and(|begun| recordings.have_gone(start.camera.as_deref(), begun))
            };
            let mut its = self.findings.values().filter(|(start, _)| start.thumbnail.as_deref() == Some(*sha256));
            if its.all(is_over) {
                continue;
            }
            let message = format!("the small picture {sha256} of the finding of record {seq} is missing");
            found.fail("wrong_photo", "thumbnails", Some(*seq), message);
        }
        Ok(())
    }

    fn rollcalls(&self, reader: &Reader<'_>, found: &mut Found) -> Result<(), StoreError> {
        let mut wrong = |seq, message| found.fail("wrong_row", "rollcalls", Some(seq), message);
        let mut rows: BTreeMap<u64, RollcallRow> =
            reader.all_rollcalls()?.into_iter().map(|row| (row.seq, row)).collect();
        for (seq, (began, time, end)) in &self.rollcalls {
            let Some(row) = rows.remove(seq) else {
                wrong(*seq, format!("the roll call of record {seq} has no row"));
                continue;
            };
            let is_ended_as_told = match (&row.end, end) {
                (None, None) => true,
                (Some((at, by)), Some((seq, time))) => by == seq && is_near(*at, time),
                (Some((_, by)), None) => self.bad.contains(by),
                (None, Some(_)) => false,
            };
            let is_begun_as_told =
                row.class.as_str() == began.class && is_at(row.lesson, &began.lesson) && is_near(row.start, time);
            if !is_begun_as_told || !is_ended_as_told {
                wrong(*seq, format!("the row of the roll call of record {seq} does not say what its records say"));
            }
        }
        for seq in rows.keys().filter(|seq| !self.bad.contains(seq)) {
            wrong(*seq, format!("there is a row for record {seq}, which begins no roll call"));
        }
        Ok(())
    }
}

/// Looks have no records of their own; they can only contradict each other.
fn looks(reader: &Reader<'_>, found: &mut Found) -> Result<(), StoreError> {
    for (camera, at, problem) in reader.impossible_looks()? {
        let message = format!("the look at camera {camera} at {at}: {problem}");
        found.fail("impossible_look", "looks", None, message);
    }
    Ok(())
}

fn is_same(start: &Finding, end: &Finding) -> bool {
    (start.what, &start.camera, &start.workstation, &start.class, &start.start)
        == (end.what, &end.camera, &end.workstation, &end.class, &end.start)
}

fn is_at(time: Timestamp, text: &str) -> bool {
    text.parse::<Timestamp>().is_ok_and(|told| told.as_millisecond() == time.as_millisecond())
}

fn is_near(time: Timestamp, text: &str) -> bool {
    text.parse::<Timestamp>().is_ok_and(|told| told.duration_since(time).abs() <= JOURNALLED_WITHIN)
}
