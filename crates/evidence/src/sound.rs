//! Whether lessons were recorded with sound. Without it they may be with the bureau's consent only (article 6(1)), which
//! the institution's plan names and nobody but the bureau can check.

use crate::account::Span;
use crate::moments::Moments;
use crate::record::{Coverage, Data, Record, Segment, Sound};
use crate::verdict::Finding;
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap};

/// Cameras named in one finding.
const NAMED: usize = 5;

/// Takes a whole log's records one by one, in order.
#[derive(Default)]
pub struct Sounds {
    /// By camera and what became of the sound: what its segments show, those that follow each other as one.
    shown: HashMap<(String, Sound), Vec<Span>>,
    /// By class, and by when the lesson begins: its last account.
    classes: BTreeMap<String, BTreeMap<Timestamp, Lesson>>,
    /// A record was no good: it may have been a segment with sound.
    is_blind: bool,
}

/// A lesson that has its account.
struct Lesson {
    seq: u64,
    /// As its record has it.
    start: String,
    span: Span,
    cameras: Vec<String>,
    consent: Option<String>,
    /// Whether all records before it are good.
    is_whole: bool,
}

impl Sounds {
    /// Takes the next record, which verifies and is in its place.
    pub fn take(&mut self, record: &Record) {
        match &record.data {
            Data::Segment(segment) => self.segment(segment),
            Data::Coverage(coverage) => self.account(record.seq, coverage),
            _ => {}
        }
    }

    /// Goes past a record that does not verify. It is told by others; from here on no lesson lacks sound.
    pub fn take_bad(&mut self) {
        self.is_blind = true;
    }

    fn segment(&mut self, segment: &Segment) {
        let (Ok(start), Ok(end)) = (segment.start.parse::<Timestamp>(), segment.end.parse()) else { return };
        let spans = self.shown.entry((segment.camera.clone(), segment.sound)).or_default();
        match spans.last_mut() {
            Some(last) if (last.start..=last.end).contains(&start) => last.end = last.end.max(end),
            _ => spans.push(start..end),
        }
    }

    fn account(&mut self, seq: u64, coverage: &Coverage) {
        let (Ok(start), Ok(end)) = (coverage.start.parse::<Timestamp>(), coverage.end.parse()) else { return };
        let lesson = Lesson {
            seq,
            start: coverage.start.clone(),
            span: start..end,
            cameras: coverage.cameras.iter().map(|claimed| claimed.camera.clone()).collect(),
            consent: coverage.sound_consent.clone(),
            is_whole: !self.is_blind,
        };
        self.classes.entry(coverage.class.clone()).or_default().insert(start, lesson);
    }

    /// What was found, as one of each class, and of each consent.
    pub fn finish(self) -> Vec<Finding> {
        let shown: HashMap<(String, Sound), Moments> =
            self.shown.into_iter().map(|(key, spans)| (key, Moments::of(spans))).collect();
        let has = |lesson: &Lesson, sound: Sound| {
            let mut shown = lesson.cameras.iter().filter_map(|camera| shown.get(&(camera.clone(), sound)));
            shown.any(|moments| moments.within(&lesson.span).length() > 0)
        };
        let mut found = Vec::new();
        for (class, lessons) in &self.classes {
            let mut consents: BTreeMap<&str, Vec<&Lesson>> = BTreeMap::new();
            let mut silent: Vec<&Lesson> = Vec::new();
            let mut dropped = 0;
            for lesson in lessons.values() {
                match &lesson.consent {
                    Some(consent) => consents.entry(consent).or_default().push(lesson),
                    None if !lesson.is_whole || has(lesson, Sound::Recorded) => {}
                    None => {
                        let is_dropped = has(lesson, Sound::Dropped);
                        dropped += usize::from(is_dropped);
                        silent.extend(Some(lesson).filter(|lesson| is_dropped || has(lesson, Sound::None)));
                    }
                }
            }
            found.extend(consents.into_iter().filter_map(|(consent, lessons)| by_consent(class, consent, &lessons)));
            found.extend(without_consent(class, &silent, dropped));
        }
        found
    }
}

fn by_consent(class: &str, consent: &str, lessons: &[&Lesson]) -> Option<Finding> {
    let first = lessons.first()?;
    let message = format!(
        "class {class}: {} lessons were to be recorded without sound, with the bureau's consent {consent}: the first, record \
         {}, the account of the lesson at {}. That it was given, and for what, the bureau's own file tells",
        lessons.len(),
        first.seq,
        first.start
    );
    Some(Finding::warning("no_sound", first.seq, message))
}

/// `dropped`: of how many lessons the appliance had sound and kept none.
fn without_consent(class: &str, lessons: &[&Lesson], dropped: usize) -> Option<Finding> {
    let first = lessons.first()?;
    let more = if first.cameras.len() > NAMED { " and others" } else { "" };
    let named = first.cameras.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    let kept = match dropped {
        0 => "their cameras sent none that can be kept".to_owned(),
        dropped => format!("of {dropped} of them it was dropped, as of lessons that have one"),
    };
    let message = format!(
        "class {class}: {} lessons were recorded without any sound, and their accounts name no consent of the bureau; {kept}: \
         the first, record {}, the account of the lesson at {}, cameras {named}{more}",
        lessons.len(),
        first.seq,
        first.start
    );
    Some(Finding::warning("no_sound_recorded", first.seq, message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, read, record};
    use serde_json::json;

    #[derive(Default)]
    struct Log {
        sounds: Sounds,
        next: u64,
    }

    impl Log {
        fn take(&mut self, data: Data) -> &mut Log {
            self.sounds.take(&record(self.next, &at(0), data));
            self.next += 1;
            self
        }

        fn segment(&mut self, camera: &str, from: i64, until: i64, sound: &str) -> &mut Log {
            self.take(Data::Segment(read(json!({
                "camera": camera, "start": at(from), "end": at(until), "frames": 1, "bytes": 1, "sha256": "", "codec": "h264",
                "width": 1, "height": 1, "sound": sound,
            }))))
        }

        fn account(&mut self, from: i64, until: i64, consent: Option<&str>) -> &mut Log {
            let camera = |name: &str| json!({"camera": name, "required_ms": 1, "recorded_ms": 1, "gaps_ms": {}, "unexplained_ms": 0});
            self.take(Data::Coverage(read(json!({
                "class": "A", "start": at(from), "end": at(until), "from": at(from - 10),
                "cameras": [camera("back"), camera("front")], "sound_consent": consent, "required_share": 0.99,
                "complete": true,
            }))))
        }

        fn found(&mut self) -> Vec<(&'static str, String)> {
            let found = std::mem::take(self).sounds.finish();
            found.into_iter().map(|finding| (finding.code, finding.message)).collect()
        }

        fn codes(&mut self) -> Vec<&'static str> {
            self.found().into_iter().map(|(code, _)| code).collect()
        }
    }

    #[test]
    fn lessons_without_sound_are_counted_by_consent() {
        let mut log = Log::default();
        log.segment("back", 0, 120, "dropped").account(0, 60, Some("12号")).account(60, 120, Some("12号"));
        log.account(60, 120, Some("12号")).account(120, 180, Some("13号"));
        let message = |count, consent, record, minute| {
            let message = format!(
                "class A: {count} lessons were to be recorded without sound, with the bureau's consent {consent}: the first, \
                 record {record}, the account of the lesson at {}. That it was given, and for what, the bureau's own file tells",
                at(minute)
            );
            ("no_sound", message)
        };
        assert_eq!(log.found(), [message(2, "12号", 1, 0), message(1, "13号", 4, 120)]);
    }

    #[test]
    fn lessons_without_sound_and_without_a_consent_are_told() {
        let mut log = Log::default();
        log.segment("back", -10, 20, "none").segment("front", 0, 60, "none").account(0, 60, None);
        log.segment("back", 60, 120, "none").account(60, 120, None);
        let expected = "class A: 2 lessons were recorded without any sound, and their accounts name no consent of the bureau; \
                        their cameras sent none that can be kept: the first, record 2, the account of the lesson at \
                        2026-11-24T08:00:00Z, cameras back, front";
        assert_eq!(log.found(), [("no_sound_recorded", expected.to_owned())]);
        let found = log.segment("back", 0, 60, "dropped").account(0, 60, None).found();
        assert!(found[0].1.contains("of 1 of them it was dropped"), "{found:?}");
        // One camera's is enough, and some of it.
        log.segment("back", 0, 60, "none").segment("front", 59, 60, "recorded");
        assert_eq!(log.account(0, 60, None).codes(), [""; 0]);
        log.segment("back", 0, 60, "none").segment("side", 0, 60, "recorded").segment("front", -10, 0, "recorded");
        assert_eq!(
            log.account(0, 60, None).codes(),
            ["no_sound_recorded"],
            "another camera's, and the lesson's before"
        );
        assert_eq!(log.account(0, 60, None).codes(), [""; 0], "where nothing is recorded, others tell");
        log.segment("back", 0, 60, "none").sounds.take_bad();
        assert_eq!(log.account(0, 60, None).codes(), [""; 0], "it may have been there");
    }
}
