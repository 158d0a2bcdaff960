//! The moments that recordings and accounts tell of, against those at which they were written down.
//!
//! An appliance writes a segment down when it is closed, and a lesson's account when the lesson is over: no earlier, and not
//! hours later. Where a start or a step of the clock explains it, nothing is told; the rest are warnings, as a disk that
//! could not be written delays records too.

use crate::record::{Coverage, Data, Record, Segment};
use crate::times::{TOLERANCE, last_moment, words};
use crate::verdict::Finding;
use jiff::{SignedDuration, Timestamp};
use std::collections::HashMap;

/// What is written down this long after it ended is late.
const LATE: SignedDuration = SignedDuration::from_hours(1);
/// A segment ends at a key frame after ten minutes at most.
const LONGEST_SEGMENT: SignedDuration = SignedDuration::from_hours(1);
/// Shorter ones may be the same without anybody's doing: a camera that has just begun may send the same first pictures each
/// time, before it shows anything.
const SHORTEST_ALIKE: SignedDuration = SignedDuration::from_secs(10);

/// Takes a whole log's records one by one, in order.
#[derive(Default)]
pub struct Entered {
    /// The latest moment that the clock is known to have shown.
    shown: Option<Timestamp>,
    /// When the appliance was last started or its clock set: what ended before that may have been written down late.
    started: Option<Timestamp>,
    /// By class: when its newest plan came.
    plans: HashMap<String, Timestamp>,
    /// By the beginning of a file's SHA-256: the record of the segment.
    files: HashMap<String, u64>,
    /// A record was no good: it may have been a start.
    is_blind: bool,
    ahead: Several,
    late: Several,
    long: Several,
    same: Several,
}

/// Findings of one kind, told as one.
#[derive(Default)]
struct Several {
    count: u64,
    /// The record, and what is to be said of it.
    first: Option<(u64, String)>,
    most: SignedDuration,
}

impl Several {
    fn add(&mut self, seq: u64, by: SignedDuration, what: impl FnOnce() -> String) {
        self.count += 1;
        self.most = self.most.max(by);
        self.first.get_or_insert_with(|| (seq, what()));
    }

    fn finish(self, code: &'static str, message: impl FnOnce(u64, String, String) -> String) -> Option<Finding> {
        let (seq, what) = self.first?;
        Some(Finding::warning(code, seq, message(self.count, words(self.most), what)))
    }
}

impl Entered {
    /// Takes the next record, which verifies and is in its place.
    pub fn take(&mut self, record: &Record) {
        let Ok(time) = record.time.parse::<Timestamp>() else { return };
        if let Data::Segment(segment) = &record.data {
            self.segment(record.seq, segment);
        }
        if let Some((text, end)) = last_moment(&record.data).and_then(|text| Some((text, text.parse().ok()?)))
            && !self.is_blind
        {
            self.ahead(record, time, text, end);
            self.late(record, time, text, end);
        }
        match &record.data {
            Data::Plan(plan) => drop(self.plans.insert(plan.class.clone(), time)),
            Data::Appliance(event) if event.event == "started" => self.started = self.started.max(Some(time)),
            Data::Clock(step) => {
                let expected = step.expected.parse().ok();
                self.shown = self.shown.max(expected);
                if expected.is_some_and(|expected| time.duration_since(expected).abs() > TOLERANCE) {
                    self.started = self.started.max(Some(time));
                }
            }
            _ => {}
        }
        self.shown = self.shown.max(Some(time));
    }

    /// Goes past a record that does not verify. It is told by others; from here on nothing is early or late.
    pub fn take_bad(&mut self) {
        self.is_blind = true;
    }

    fn segment(&mut self, seq: u64, segment: &Segment) {
        let Segment { camera, start, end, sha256, .. } = segment;
        let times = start.parse::<Timestamp>().ok().zip(end.parse::<Timestamp>().ok());
        let length = times.map_or(SignedDuration::ZERO, |(start, end)| end.duration_since(start));
        if length > LONGEST_SEGMENT {
            self.long.add(seq, length, || format!("record {seq}, camera {camera}, {start} to {end}"));
        }
        if length < SHORTEST_ALIKE {
            return;
        }
        // Half of it tells files apart as surely, in half the memory.
        let file = sha256.get(..32).unwrap_or(sha256);
        match self.files.get(file) {
            Some(other) => {
                let what =
                    || format!("that of record {seq}, camera {camera}, {start} to {end}, is that of record {other}");
                self.same.add(seq, SignedDuration::ZERO, what);
            }
            None => drop(self.files.insert(file.to_owned(), seq)),
        }
    }

    /// Tells of a moment that was yet to come. One that the clock had shown before it was put back had come.
    fn ahead(&mut self, record: &Record, time: Timestamp, text: &str, end: Timestamp) {
        let by = end.duration_since(time.max(self.shown.unwrap_or(time)));
        // A crash may have come long after the record before it, and a start may begin with any time.
        let is_recovered = matches!(&record.data, Data::Segment(segment) if segment.recovered);
        if by > TOLERANCE && !is_recovered {
            let Record { seq, time, data, .. } = record;
            self.ahead.add(*seq, by, || format!("record {seq} of {time}, a {}, tells of {text}", data.kind()));
        }
    }

    fn late(&mut self, record: &Record, time: Timestamp, text: &str, end: Timestamp) {
        let plan = match &record.data {
            Data::Segment(Segment { recovered: false, .. }) => None,
            // A plan may come after the lesson.
            Data::Coverage(Coverage { class, .. }) => self.plans.get(class).copied(),
            _ => return,
        };
        let by = time.duration_since(end);
        let is_explained = self.started.max(plan).is_some_and(|moment| moment >= end);
        if by > LATE && !is_explained {
            let Record { seq, time, data, .. } = record;
            self.late.add(*seq, by, || format!("record {seq} of {time}, a {}, ended at {text}", data.kind()));
        }
    }

    /// What was found, each kind as one.
    pub fn finish(self) -> Vec<Finding> {
        let ahead = self.ahead.finish("recorded_ahead", |count, most, first| {
            format!(
                "{count} records tell of moments that were yet to come when they were written, by up to {most}, and the clock \
                 had not shown them before: the first, {first}"
            )
        });
        let late = self.late.finish("entered_late", |count, most, first| {
            format!(
                "{count} segments and accounts of lessons were written down more than an hour after they ended, by up to \
                 {most}, with no start of the appliance in between: the first, {first}. Ask whether its disk could not be \
                 written then, and what its alarms said"
            )
        });
        let long = self.long.finish("long_segment", |count, most, first| {
            format!("{count} segments are longer than an hour, by their records up to {most}: the first, {first}")
        });
        let same = self.same.finish("same_file", |count, _, first| {
            format!("{count} segments have the very file of another one: the first, {first}")
        });
        [ahead, late, long, same].into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, read, record};
    use serde_json::{Value, json};

    #[derive(Default)]
    struct Log {
        entered: Entered,
        next: u64,
    }

    impl Log {
        fn take(&mut self, minute: i64, data: Data) -> &mut Log {
            self.entered.take(&record(self.next, &at(minute), data));
            self.next += 1;
            self
        }

        fn segment_of(&mut self, minute: i64, from: i64, until: i64, more: Value) -> &mut Log {
            let mut segment = json!({
                "camera": "back", "start": at(from), "end": at(until), "frames": 1, "bytes": 1,
                "sha256": crate::sha256_hex(self.next.to_string().as_bytes()), "codec": "h264", "width": 1, "height": 1,
                "sound": "none",
            });
            segment.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            self.take(minute, Data::Segment(read(segment)))
        }

        fn segment(&mut self, minute: i64, from: i64, until: i64) -> &mut Log {
            self.segment_of(minute, from, until, json!({}))
        }

        fn started(&mut self, minute: i64) -> &mut Log {
            let event = json!({"event": "started", "version": "1", "boot": "b", "site": "s", "room": "r"});
            self.take(minute, Data::Appliance(read(event)))
        }

        fn clock(&mut self, expected: i64, observed: i64) -> &mut Log {
            let step = json!({"expected": at(expected), "observed": at(observed)});
            self.take(observed, Data::Clock(read(step)))
        }

        fn plan(&mut self, minute: i64) -> &mut Log {
            let plan = json!({"class": "A", "sha256": "", "trainees": 1, "teachers": 1, "lessons": 1,
                              "first_day": "2026-11-24", "last_day": "2026-11-24", "source": "file"});
            self.take(minute, Data::Plan(read(plan)))
        }

        fn account(&mut self, minute: i64, from: i64, until: i64) -> &mut Log {
            let coverage = json!({"class": "A", "start": at(from), "end": at(until), "from": at(from), "cameras": [],
                                  "required_share": 0.99, "complete": false});
            self.take(minute, Data::Coverage(read(coverage)))
        }

        fn found(&mut self) -> Vec<(&'static str, String)> {
            let found = std::mem::take(self).entered.finish();
            found.into_iter().map(|finding| (finding.code, finding.message)).collect()
        }

        fn codes(&mut self) -> Vec<&'static str> {
            self.found().into_iter().map(|(code, _)| code).collect()
        }
    }

    #[test]
    fn what_is_written_down_when_it_is_over_is_told_by_nobody() {
        let mut log = Log::default();
        log.started(0).segment(1, 0, 1).segment(2, 1, 2).account(61, 0, 60).segment(120, 55, 61);
        assert_eq!(log.found(), []);
    }

    #[test]
    fn a_moment_that_was_yet_to_come_is_told_unless_the_clock_had_shown_it() {
        let mut log = Log::default();
        assert_eq!(log.segment(1, 0, 6).codes(), [""; 0], "clocks may differ by minutes");
        let gap = json!({"camera": "back", "start": at(2), "end": at(100), "cause": "network"});
        let found = log.started(0).segment(1, 0, 9).take(3, Data::Gap(read(gap))).found();
        assert_eq!(
            found,
            [(
                "recorded_ahead",
                format!(
                    "2 records tell of moments that were yet to come when they were written, by up to 1h 37m, and the clock had \
                     not shown them before: the first, record 1 of {}, a segment, tells of {}",
                    at(1),
                    at(9)
                )
            )]
        );
        // The clock went two hours ahead, and was put back while a segment was recorded.
        assert_eq!(log.segment(119, 118, 119).clock(120, 0).segment(1, 119, 121).codes(), [""; 0]);
        assert_eq!(log.clock(120, 0).segment(1, 119, 130).codes(), ["recorded_ahead"]);
        // A machine that forgets the time while it is off.
        assert_eq!(log.segment_of(-9000, 0, 9, json!({"recovered": true})).codes(), [""; 0]);
    }

    #[test]
    fn what_was_entered_hours_later_is_told_unless_a_start_or_a_step_of_the_clock_explains_it() {
        let mut log = Log::default();
        let found = log.started(0).segment(1, 0, 1).segment(200, 1, 2).account(190, 60, 120).found();
        assert_eq!(found.len(), 1);
        let expected = format!(
            "2 segments and accounts of lessons were written down more than an hour after they ended, by up to 3h 18m, with \
             no start of the appliance in between: the first, record 2 of {}, a segment, ended at {}. Ask",
            at(200),
            at(2)
        );
        assert!(found[0].0 == "entered_late" && found[0].1.starts_with(&expected), "{found:?}");
        assert_eq!(log.started(0).segment(1, 0, 1).started(200).segment(200, 1, 2).codes(), [""; 0]);
        assert_eq!(log.segment_of(200, 1, 2, json!({"recovered": true})).codes(), [""; 0]);
        assert_eq!(log.clock(2, 200).segment(200, 1, 2).codes(), [""; 0]);
        assert_eq!(log.clock(199, 200).segment(200, 1, 2).codes(), ["entered_late"], "a small step explains nothing");
        assert_eq!(log.plan(130).account(200, 60, 120).codes(), [""; 0], "the plan came after the lesson");
        assert_eq!(log.plan(110).account(200, 60, 120).codes(), ["entered_late"]);
        // Gaps are told when they are over, and what had not come when the power failed, at the next start.
        let gap = json!({"camera": "back", "start": at(2), "end": at(3), "cause": "network"});
        assert_eq!(log.take(300, Data::Gap(read(gap))).codes(), [""; 0]);
        log.entered.take_bad();
        assert_eq!(log.segment(200, 1, 2).codes(), [""; 0], "the start may have been there");
    }

    #[test]
    fn segments_that_no_recorder_makes_are_told() {
        let mut log = Log::default();
        assert_eq!(log.segment(60, 0, 60).codes(), [""; 0]);
        assert_eq!(log.segment(61, 0, 61).codes(), ["long_segment"]);
        let same = json!({"sha256": crate::sha256_hex(b"a film")});
        let found = log.segment_of(1, 0, 1, same.clone()).segment(2, 1, 2).segment_of(3, 2, 3, same).found();
        let expected = format!(
            "1 segments have the very file of another one: the first, that of record 2, camera back, {} to {}, is that of \
             record 0",
            at(2),
            at(3)
        );
        assert_eq!(found, [("same_file", expected)]);
        let short = |second: i64| {
            let begin: Timestamp = "2026-11-24T08:00:00Z".parse().expect("a time");
            let time = |second| (begin + SignedDuration::from_secs(second)).to_string();
            json!({"start": time(second), "end": time(second + 9), "sha256": crate::sha256_hex(b"a film")})
        };
        let mut log = Log::default();
        let found = log.segment_of(1, 0, 1, short(0)).segment_of(2, 1, 2, short(30)).found();
        assert_eq!(found, [], "the first pictures of a camera");
    }
}
