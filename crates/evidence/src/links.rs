//! Whether records that name others name what is there: a segment the one before it, an archive and a deletion their
//! segments, the end of a finding and of a roll call its beginning.
//!
//! An honest appliance writes no other. A deletion of what it does not name rightly would excuse recordings that are missing.

use crate::record::{Archive, Data, Deletion, Finding as Found, Record, Rollcall, RollcallEvent, Segment};
use crate::times::canonical;
use crate::verdict::{Finding, Severity};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Takes a whole log's records one by one, in order.
#[derive(Default)]
pub struct Links {
    /// By camera, its segments.
    segments: HashMap<String, HashSet<u64>>,
    /// By camera, its newest segment: the record, and the file's SHA-256.
    newest: HashMap<String, (u64, String)>,
    archived: HashSet<u64>,
    /// By the record of the beginning: findings that have not ended.
    findings: BTreeMap<u64, Found>,
    /// Roll calls that have not ended: class and lesson, [`canonical`].
    rollcalls: Vec<(String, String)>,
    /// Records that do not verify. What they said, nobody can tell: what may hang on them is not judged.
    bad: BTreeSet<u64>,
}

impl Links {
    /// Takes the next record, which verifies and is in its place; tells what is wrong with what it names.
    pub fn take(&mut self, record: &Record) -> Vec<Finding> {
        let seq = record.seq;
        match &record.data {
            Data::Segment(segment) => self.segment(seq, segment).into_iter().collect(),
            Data::Archive(Archive { camera, segments, .. }) => {
                let wrong = self.wrong_segment("archive", seq, camera, segments);
                self.archived.extend(segments);
                wrong.into_iter().collect()
            }
            Data::Deletion(deletion) => self.deletion(seq, deletion),
            Data::Finding(finding) => self.finding(seq, finding).into_iter().collect(),
            Data::Rollcall(rollcall) => self.rollcall(seq, rollcall).into_iter().collect(),
            _ => Vec::new(),
        }
    }

    /// Goes past a record that does not verify. It is told by others.
    pub fn take_bad(&mut self, seq: u64) {
        self.bad.insert(seq);
        // It may have been any camera's newest segment.
        self.newest.clear();
    }

    fn segment(&mut self, seq: u64, segment: &Segment) -> Option<Finding> {
        let Segment { camera, sha256, previous, .. } = segment;
        self.segments.entry(camera.clone()).or_default().insert(seq);
        let message = match self.newest.insert(camera.clone(), (seq, sha256.clone())) {
            Some((_, before)) if previous.as_ref() == Some(&before) => return None,
            Some((before, _)) => format!("the segment of record {seq} does not follow that of record {before}"),
            None if previous.is_none() || !self.bad.is_empty() => return None,
            None => format!("the segment of record {seq} follows one that the log does not hold"),
        };
        Some(failure("broken_chain", seq, message))
    }

    fn deletion(&self, seq: u64, deletion: &Deletion) -> Vec<Finding> {
        let Deletion { camera, segments, archived, .. } = deletion;
        let mut found: Vec<Finding> = self.wrong_segment("deletion", seq, camera, segments).into_iter().collect();
        if *archived && self.bad.is_empty() && !segments.iter().all(|segment| self.archived.contains(segment)) {
            let message = format!("record {seq} deletes segments as archived that no record says are");
            found.push(failure("not_archived", seq, message));
        }
        found
    }

    fn wrong_segment(&self, what: &str, seq: u64, camera: &str, segments: &[u64]) -> Option<Finding> {
        let its = self.segments.get(camera);
        let is_known = |segment: &u64| its.is_some_and(|its| its.contains(segment)) || self.bad.contains(segment);
        let wrong = segments.iter().find(|segment| !is_known(segment))?;
        let message =
            format!("the {what} of record {seq} names record {wrong}, which is no segment of {camera} before it");
        Some(failure("wrong_segment", seq, message))
    }

    fn finding(&mut self, seq: u64, finding: &Found) -> Option<Finding> {
        let (Some(begun), Some(_)) = (finding.begun, &finding.end) else {
            self.findings.insert(seq, finding.clone());
            return None;
        };
        let is_same = |start: &Found| {
            (start.what, &start.camera, &start.workstation, &start.class, canonical(&start.start))
                == (finding.what, &finding.camera, &finding.workstation, &finding.class, canonical(&finding.start))
        };
        if self.bad.contains(&begun) {
            return None;
        }
        if self.findings.get(&begun).is_some_and(is_same) {
            self.findings.remove(&begun);
            return None;
        }
        let message =
            format!("the finding of record {seq} ends none that goes on: it names record {begun} as its beginning");
        Some(failure("broken_finding", seq, message))
    }

    fn rollcall(&mut self, seq: u64, rollcall: &Rollcall) -> Option<Finding> {
        let called = (rollcall.class.clone(), canonical(&rollcall.lesson));
        if rollcall.event == RollcallEvent::Started {
            self.rollcalls.push(called);
            return None;
        }
        if let Some(at) = self.rollcalls.iter().rposition(|begun| *begun == called) {
            self.rollcalls.remove(at);
            return None;
        }
        if !self.bad.is_empty() {
            return None;
        }
        let message = format!("the roll call of record {seq} ends, but no record says that it began");
        Some(failure("broken_rollcall", seq, message))
    }
}

fn failure(code: &'static str, seq: u64, message: String) -> Finding {
    Finding { severity: Severity::Failure, code, seq: Some(seq), message }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{read, record};
    use serde_json::json;

    #[derive(Default)]
    struct Log {
        links: Links,
        next: u64,
    }

    impl Log {
        /// Tells the codes of what is wrong with the next record.
        fn take(&mut self, data: Data) -> Vec<&'static str> {
            let seq = self.next;
            self.next += 1;
            let found = self.links.take(&record(seq, "2026-11-24T08:00:00.000+08:00", data));
            assert!(found.iter().all(|finding| finding.severity == Severity::Failure && finding.seq == Some(seq)));
            found.into_iter().map(|finding| finding.code).collect()
        }

        fn bad(&mut self) {
            self.links.take_bad(self.next);
            self.next += 1;
        }

        fn segment(&mut self, camera: &str, sha256: &str, previous: Option<&str>) -> Vec<&'static str> {
            let at = "2026-11-24T08:00:00.000+08:00";
            self.take(Data::Segment(read(json!({
                "camera": camera, "start": at, "end": at, "frames": 1, "bytes": 1, "sha256": sha256,
                "previous": previous, "codec": "h264", "width": 1, "height": 1, "sound": "none",
            }))))
        }

        fn archive(&mut self, camera: &str, segments: &[u64]) -> Vec<&'static str> {
            self.take(Data::Archive(read(json!({
                "camera": camera, "date": "2026-11-24", "archive": "nas", "segments": segments, "bytes": 1,
            }))))
        }

        fn deletion(&mut self, camera: &str, segments: &[u64], archived: bool) -> Vec<&'static str> {
            self.take(Data::Deletion(read(json!({
                "camera": camera, "segments": segments, "bytes": 1, "reason": "budget", "archived": archived,
            }))))
        }

        fn finding(&mut self, what: &str, begun: Option<u64>) -> Vec<&'static str> {
            self.finding_at("2026-11-24T08:00:00.000+08:00", what, begun)
        }

        fn finding_at(&mut self, at: &str, what: &str, begun: Option<u64>) -> Vec<&'static str> {
            let end = begun.map(|_| at);
            self.take(Data::Finding(read(json!({"what": what, "start": at, "end": end, "begun": begun}))))
        }

        fn rollcall(&mut self, event: &str) -> Vec<&'static str> {
            self.rollcall_of("2026-11-24T08:00:00.000+08:00", event)
        }

        fn rollcall_of(&mut self, lesson: &str, event: &str) -> Vec<&'static str> {
            self.take(Data::Rollcall(read(json!({
                "class": "A", "lesson": lesson, "event": event, "by": "T1", "expected": 1, "present": 1,
            }))))
        }
    }

    #[test]
    fn each_segment_follows_the_one_before_it_of_its_camera() {
        let mut log = Log::default();
        assert_eq!(log.segment("back", "a", None), [""; 0]);
        assert_eq!(log.segment("front", "b", None), [""; 0]);
        assert_eq!(log.segment("back", "c", Some("a")), [""; 0]);
        assert_eq!(log.segment("back", "d", Some("a")), ["broken_chain"]);
        assert_eq!(log.segment("back", "e", None), ["broken_chain"]);
        assert_eq!(log.segment("side", "f", Some("a")), ["broken_chain"], "of another camera");
        // What a record that does not verify was, nobody can tell.
        log.bad();
        assert_eq!(log.segment("back", "h", Some("g")), [""; 0]);
        assert_eq!(log.segment("back", "i", Some("g")), ["broken_chain"]);
    }

    #[test]
    fn only_a_cameras_own_segments_that_are_there_are_archived_and_deleted() {
        let mut log = Log::default();
        log.segment("back", "a", None);
        log.segment("front", "b", None);
        assert_eq!(log.archive("back", &[1]), ["wrong_segment"]);
        assert_eq!(log.archive("front", &[1]), [""; 0]);
        assert_eq!(log.deletion("front", &[1], true), [""; 0]);
        assert_eq!(log.deletion("back", &[0], true), ["not_archived"]);
        assert_eq!(log.deletion("back", &[0], false), [""; 0]);
        assert_eq!(log.deletion("back", &[1], false), ["wrong_segment"], "another camera's");
        assert_eq!(log.deletion("back", &[8], false), ["wrong_segment"], "one that is yet to come");
        assert_eq!(log.segment("back", "c", Some("a")), [""; 0]);
        log.bad();
        assert_eq!(log.deletion("back", &[9], true), [""; 0], "nobody can tell");
    }

    #[test]
    fn what_ends_had_begun() {
        let mut log = Log::default();
        assert_eq!(log.finding("dark", None), [""; 0]);
        assert_eq!(log.finding("blurred", Some(0)), ["broken_finding"], "another one");
        assert_eq!(log.finding("dark", Some(0)), [""; 0]);
        assert_eq!(log.finding("dark", Some(0)), ["broken_finding"], "it has ended");
        assert_eq!(log.rollcall("ended"), ["broken_rollcall"]);
        assert_eq!(log.rollcall("started"), [""; 0]);
        assert_eq!(log.rollcall("ended"), [""; 0]);
        log.bad();
        assert_eq!(log.finding("dark", Some(7)), [""; 0]);
        assert_eq!(log.rollcall("ended"), [""; 0]);
    }

    #[test]
    fn what_ends_in_another_time_zone_had_begun_at_the_same_moment() {
        let (before, after) = ("2026-11-24T00:00:00.000+00:00", "2026-11-24T08:00:00.000+08:00");
        let mut log = Log::default();
        log.finding_at(before, "dark", None);
        log.rollcall_of(before, "started");
        assert_eq!(log.finding_at(after, "dark", Some(0)), [""; 0]);
        assert_eq!(log.rollcall_of(after, "ended"), [""; 0]);
        log.finding_at(before, "dark", None);
        log.rollcall_of(before, "started");
        let other = "2026-11-24T00:00:00.000+08:00";
        assert_eq!(log.finding_at(other, "dark", Some(4)), ["broken_finding"], "alike but for the offset");
        assert_eq!(log.rollcall_of(other, "ended"), ["broken_rollcall"]);
        log.rollcall_of("today", "started");
        assert_eq!(log.rollcall_of("today", "ended"), [""; 0], "no time, and the same");
    }
}
