//! What recordings show of lessons. Whether a disc holds all that was recorded of those that it is of: whoever makes one may
//! leave a camera out, or an hour, and claim no more than what is there.

use super::finding;
use evidence::disc::Claim;
use evidence::record::{Data, Record, Segment};
use evidence::verdict::{Finding, Severity};
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Lessons that have an account in the log.
#[derive(Default)]
pub(super) struct Lessons {
    lessons: Vec<Lesson>,
}

struct Lesson {
    seq: u64,
    class: String,
    start: String,
    from: Timestamp,
    end: Timestamp,
    cameras: HashSet<String>,
}

impl Lessons {
    /// Takes the log's next record.
    pub(super) fn take(&mut self, record: &Record) {
        let Data::Coverage(coverage) = &record.data else { return };
        let (Ok(from), Ok(end)) = (coverage.from.parse(), coverage.end.parse()) else { return };
        self.lessons.push(Lesson {
            seq: record.seq,
            class: coverage.class.clone(),
            start: coverage.start.clone(),
            from,
            end,
            cameras: coverage.cameras.iter().map(|camera| camera.camera.clone()).collect(),
        });
    }

    /// Those that a disc with this claim is of: of its days, and of its class if it names one.
    pub(super) fn on(&self, claim: Option<&Claim>) -> Partial<'_> {
        let days: HashSet<&str> =
            claim.iter().flat_map(|claim| &claim.spans).filter_map(|span| span.from.get(..10)).collect();
        let class = claim.and_then(|claim| claim.class.as_deref());
        let is_meant = |lesson: &&Lesson| {
            lesson.start.get(..10).is_some_and(|day| days.contains(day))
                && class.is_none_or(|class| lesson.class == class)
        };
        Partial { lessons: self.lessons.iter().filter(is_meant).collect(), left_out: BTreeMap::new() }
    }

    /// How many lessons these segments show something of, in words; `None` for none.
    pub(super) fn shown_by<'s>(&self, segments: impl Iterator<Item = &'s Segment>) -> Option<String> {
        let mut cameras: HashMap<&str, Spans> = HashMap::new();
        for segment in segments {
            if let (Ok(start), Ok(end)) = (segment.start.parse(), segment.end.parse()) {
                cameras.entry(&segment.camera).or_default().push((start, end));
            }
        }
        for spans in cameras.values_mut() {
            spans.sort_unstable();
            let mut latest = Timestamp::MIN;
            for (_, end) in spans {
                latest = latest.max(*end);
                *end = latest;
            }
        }
        let is_shown = |lesson: &&Lesson| {
            let mut its = lesson.cameras.iter().filter_map(|camera| cameras.get(camera.as_str()));
            its.any(|spans| touches(spans, lesson))
        };
        let shown: Vec<&Lesson> = self.lessons.iter().filter(is_shown).collect();
        let Lesson { seq, class, start, .. } = shown.first()?;
        // A lesson may have several accounts.
        let count = shown.iter().map(|lesson| (&lesson.class, &lesson.start)).collect::<HashSet<_>>().len();
        Some(format!(
            "lessons that they show: {count}, the first of class {class} at {start} (its account: record {seq})"
        ))
    }
}

/// Spans of one camera, by their beginning; each ends where the last of them and of those before it does.
type Spans = Vec<(Timestamp, Timestamp)>;

fn touches(spans: &Spans, lesson: &Lesson) -> bool {
    let before_its_end = spans.partition_point(|(start, _)| *start < lesson.end);
    before_its_end.checked_sub(1).is_some_and(|last| spans[last].1 > lesson.from)
}

/// What of a disc's lessons it leaves out.
pub(super) struct Partial<'l> {
    lessons: Vec<&'l Lesson>,
    /// By lesson's account and camera: how many segments.
    left_out: BTreeMap<(u64, String), u64>,
}

impl Partial<'_> {
    /// Takes a segment that the disc does not claim.
    pub(super) fn leave_out(&mut self, segment: &Segment) {
        let (Ok(start), Ok(end)) = (segment.start.parse::<Timestamp>(), segment.end.parse::<Timestamp>()) else {
            return;
        };
        let shows =
            |lesson: &&&Lesson| start < lesson.end && lesson.from < end && lesson.cameras.contains(&segment.camera);
        for lesson in self.lessons.iter().filter(shows) {
            *self.left_out.entry((lesson.seq, segment.camera.clone())).or_default() += 1;
        }
    }

    /// One finding for each lesson of which something was recorded that the disc does not claim.
    pub(super) fn finish(&self) -> Vec<Finding> {
        let message = |lesson: &&Lesson| {
            let its = self.left_out.range((lesson.seq, String::new())..(lesson.seq + 1, String::new()));
            let cameras: Vec<String> = its.map(|((_, camera), count)| format!("{count} of camera {camera}")).collect();
            (!cameras.is_empty()).then(|| {
                let (class, start) = (&lesson.class, &lesson.start);
                let message = format!(
                    "the disc does not hold all that was recorded of the lesson of class {class} at {start}: it leaves \
                     out segments: {}",
                    cameras.join(", ")
                );
                finding(Severity::Warning, "partial_disc", Some(lesson.seq), message)
            })
        };
        self.lessons.iter().filter_map(message).collect()
    }
}
