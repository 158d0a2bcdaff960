//! Whether anybody was there: an empty room that is recorded in full is a complete lesson by its account. And whether two
//! classes had lessons here at once.
//!
//! Numbers of people, by what roll calls, looks at workstations and findings tell. They ask somebody to look at the
//! recording, and prove nothing.

use crate::moments::Moments;
use crate::record::{Coverage, Data, Finding as Found, FindingKind, PeopleSeen, Record, Rollcall};
use crate::times::words;
use crate::verdict::Finding;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, HashMap};

/// Lessons that go on at once, of which each is compared with those that begin: a room has not that many.
const MOST_AT_ONCE: usize = 50;

/// Takes a whole log's records one by one, in order.
#[derive(Default)]
pub struct People {
    /// By class, and by when the lesson begins: its last account.
    classes: BTreeMap<String, BTreeMap<Timestamp, Lesson>>,
    /// By class and by when the lesson begins.
    rollcalls: HashMap<(String, Timestamp), Called>,
    /// By class: `few_people` by beginning and record, with the end.
    few: HashMap<String, BTreeMap<(Timestamp, u64), Option<Timestamp>>>,
    /// A record was no good: it may have told of people.
    is_blind: bool,
}

/// A lesson that has its account.
struct Lesson {
    seq: u64,
    /// As its record has it.
    start: String,
    from: Timestamp,
    end: Timestamp,
    /// Looks that found nobody, where none found anybody at any workstation.
    empty_looks: u64,
    /// Whether all records before it are good.
    is_whole: bool,
}

/// The most trainees that a lesson's roll calls tell of.
#[derive(Default)]
struct Called {
    expected: u32,
    present: u32,
}

impl Lesson {
    /// In words.
    fn about(&self) -> String {
        format!("record {}, the account of the lesson at {}", self.seq, self.start)
    }
}

impl People {
    /// Takes the next record, which verifies and is in its place.
    pub fn take(&mut self, record: &Record) {
        match &record.data {
            Data::Rollcall(rollcall) => self.rollcall(rollcall),
            Data::Finding(finding) if finding.what == FindingKind::FewPeople => self.few_people(record.seq, finding),
            Data::Coverage(coverage) => self.account(record.seq, coverage),
            _ => {}
        }
    }

    /// Goes past a record that does not verify. It is told by others; from here on no roll call is called empty.
    pub fn take_bad(&mut self) {
        self.is_blind = true;
    }

    fn rollcall(&mut self, rollcall: &Rollcall) {
        let Ok(lesson) = rollcall.lesson.parse() else { return };
        let called = self.rollcalls.entry((rollcall.class.clone(), lesson)).or_default();
        called.expected = called.expected.max(rollcall.expected);
        called.present = called.present.max(rollcall.present);
    }

    fn few_people(&mut self, seq: u64, finding: &Found) {
        let (Some(class), Ok(start)) = (&finding.class, finding.start.parse()) else { return };
        let of_class = self.few.entry(class.clone()).or_default();
        match (finding.begun, &finding.end) {
            (Some(begun), Some(end)) => {
                // Of several ends the first counts: an appliance ends a finding once.
                if let Some(known) = of_class.get_mut(&(start, begun)) {
                    *known = known.or(end.parse().ok());
                }
            }
            _ => drop(of_class.insert((start, seq), None)),
        }
    }

    fn account(&mut self, seq: u64, coverage: &Coverage) {
        let Coverage { class, start: text, from, end, workstations, .. } = coverage;
        let (Ok(start), Ok(from), Ok(end)) = (text.parse(), from.parse::<Timestamp>(), end.parse::<Timestamp>()) else {
            return;
        };
        if end <= from {
            return;
        }
        let seen: Option<Vec<PeopleSeen>> = workstations.iter().map(|row| row.people).collect();
        let is_empty = |seen: &Vec<PeopleSeen>| seen.iter().all(|looks| looks.present == 0);
        let empty_looks = seen.filter(is_empty).into_iter().flatten().map(|looks| u64::from(looks.absent)).sum();
        let lesson = Lesson { seq, start: text.clone(), from, end, empty_looks, is_whole: !self.is_blind };
        self.classes.entry(class.clone()).or_default().insert(start, lesson);
    }

    /// What was found, each kind as one of each class.
    pub fn finish(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        for (class, lessons) in &self.classes {
            found.extend(self.nobody_present(class, lessons));
            found.extend(nobody_seen(class, lessons));
            found.extend(self.fewer(class, lessons));
        }
        found.extend(self.at_once());
        found
    }

    fn nobody_present(&self, class: &str, lessons: &BTreeMap<Timestamp, Lesson>) -> Option<Finding> {
        let expected = |(start, lesson): (&Timestamp, &Lesson)| {
            let called = self.rollcalls.get(&(class.to_owned(), *start))?;
            (lesson.is_whole && called.present == 0 && called.expected > 0).then_some(called.expected)
        };
        let mut empty = lessons.iter().filter_map(|(start, lesson)| Some((lesson, expected((start, lesson))?)));
        let (first, expected) = empty.next()?;
        let message = format!(
            "class {class}: at the roll call of {} lessons none of the trainees was there: the first, {}, 0 of {expected} \
             trainees",
            1 + empty.count(),
            first.about()
        );
        Some(Finding::warning("nobody_present", first.seq, message))
    }

    fn fewer(&self, class: &str, lessons: &BTreeMap<Timestamp, Lesson>) -> Option<Finding> {
        let few = self.few.get(class)?;
        // One that was left open by a crash may end much later: it is counted for the lesson that it began in.
        let length = |lesson: &Lesson| {
            let within = few.range((lesson.from, 0)..(lesson.end, 0));
            let spans = within.map(|((start, _), end)| *start..end.unwrap_or(lesson.end).min(lesson.end));
            Moments::of(spans).length()
        };
        let lasting = lessons.values().map(|lesson| (lesson, length(lesson))).filter(|(_, ms)| *ms > 0);
        let lasting: Vec<(&Lesson, i64)> = lasting.collect();
        let (first, ms) = lasting.first()?;
        let in_words = |ms| words(SignedDuration::from_millis(ms));
        let message = format!(
            "class {class}: in {} lessons fewer people were seen than had checked in, for {} in all: the first, {}, for {}",
            lasting.len(),
            in_words(lasting.iter().map(|(_, ms)| ms).sum()),
            first.about(),
            in_words(*ms)
        );
        Some(Finding::warning("few_people", first.seq, message))
    }

    /// Of each two classes those of their lessons that went on at the same time.
    fn at_once(&self) -> Vec<Finding> {
        let mut all: Vec<(&String, Timestamp, &Lesson)> = Vec::new();
        for (class, lessons) in &self.classes {
            all.extend(lessons.iter().map(|(start, lesson)| (class, *start, lesson)));
        }
        all.sort_by_key(|(_, start, _)| *start);
        let mut go_on: Vec<(&String, &Lesson)> = Vec::new();
        let mut pairs: BTreeMap<(&String, &String), (u64, String, u64)> = BTreeMap::new();
        for (class, start, lesson) in all {
            go_on.retain(|(_, other)| other.end > start);
            for (other_class, other) in go_on.iter().filter(|(other_class, _)| *other_class != class) {
                let pair = (class.min(other_class), class.max(other_class));
                let first = || {
                    let text = format!("{}, class {other_class}, and {}, class {class}", other.about(), lesson.about());
                    (0, text, other.seq)
                };
                pairs.entry(pair).or_insert_with(first).0 += 1;
            }
            if start < lesson.end && go_on.len() < MOST_AT_ONCE {
                go_on.push((class, lesson));
            }
        }
        let told = pairs.into_iter().map(|((one, other), (count, first, seq))| {
            let message = format!(
                "classes {one} and {other}: lessons of both went on in this room at the same time, {count} times: the first, \
                 {first}. Two classes may share a room: hold their rosters against each other"
            );
            Finding::warning("classes_at_once", seq, message)
        });
        told.collect()
    }
}

fn nobody_seen(class: &str, lessons: &BTreeMap<Timestamp, Lesson>) -> Option<Finding> {
    let mut empty = lessons.values().filter(|lesson| lesson.empty_looks > 0);
    let first = empty.next()?;
    let message = format!(
        "class {class}: in {} lessons no look found anybody at any workstation: the first, {}, {} looks that found nobody at \
         one",
        1 + empty.count(),
        first.about(),
        first.empty_looks
    );
    Some(Finding::warning("nobody_seen", first.seq, message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, read, record};
    use serde_json::json;

    #[derive(Default)]
    struct Log {
        people: People,
        next: u64,
    }

    impl Log {
        fn take(&mut self, data: Data) -> &mut Log {
            self.people.take(&record(self.next, &at(0), data));
            self.next += 1;
            self
        }

        fn called(&mut self, lesson: i64, event: &str, present: u32, expected: u32) -> &mut Log {
            let rollcall = json!({"class": "A", "lesson": at(lesson), "event": event, "by": "T1", "expected": expected,
                                  "present": present});
            self.take(Data::Rollcall(read(rollcall)))
        }

        /// Of a lesson with workstations where people were seen by these looks: present, absent, unknown.
        fn account_of(&mut self, class: &str, from: i64, until: i64, looks: &[Option<[u32; 3]>]) -> &mut Log {
            let people = |[present, absent, unknown]: [u32; 3]| json!({"present": present, "absent": absent, "unknown": unknown});
            let workstation = |looks: &Option<[u32; 3]>| {
                json!({"workstation": "1", "cameras": ["back"], "required_ms": 1, "visible_ms": 1, "hidden_ms": {},
                       "unknown_ms": 0, "people": looks.map(people), "complete": true})
            };
            let coverage = json!({"class": class, "start": at(from), "end": at(until), "from": at(from - 10), "cameras": [],
                                  "workstations": looks.iter().map(workstation).collect::<Vec<_>>(),
                                  "required_share": 0.99, "complete": true});
            self.take(Data::Coverage(read(coverage)))
        }

        fn account(&mut self, from: i64, until: i64) -> &mut Log {
            self.account_of("A", from, until, &[])
        }

        fn few(&mut self, class: &str, from: i64, until: Option<i64>, begun: Option<u64>) -> &mut Log {
            let finding = json!({"what": "few_people", "class": class, "start": at(from), "end": until.map(at),
                                 "begun": begun});
            self.take(Data::Finding(read(finding)))
        }

        fn found(&mut self) -> Vec<(&'static str, String)> {
            let found = std::mem::take(self).people.finish();
            found.into_iter().map(|finding| (finding.code, finding.message)).collect()
        }

        fn codes(&mut self) -> Vec<&'static str> {
            self.found().into_iter().map(|(code, _)| code).collect()
        }
    }

    #[test]
    fn a_lesson_at_whose_roll_call_nobody_was_is_told() {
        let mut log = Log::default();
        log.called(0, "started", 0, 12).called(0, "ended", 0, 12).account(0, 60);
        log.called(60, "started", 0, 12).account(60, 120);
        log.called(120, "started", 0, 12).called(120, "ended", 1, 12).account(120, 180);
        let expected = "class A: at the roll call of 2 lessons none of the trainees was there: the first, record 2, the \
                        account of the lesson at 2026-11-24T08:00:00Z, 0 of 12 trainees";
        assert_eq!(log.found(), [("nobody_present", expected.to_owned())]);
        assert_eq!(log.called(0, "started", 0, 0).account(0, 60).codes(), [""; 0], "nobody is on the roster");
        assert_eq!(log.account(0, 60).codes(), [""; 0], "no roll call is told by others");
        assert_eq!(log.called(60, "started", 0, 12).account(0, 60).codes(), [""; 0], "another lesson's");
        log.called(0, "started", 0, 12).people.take_bad();
        assert_eq!(log.account(0, 60).codes(), [""; 0], "that it ended may have been there");
    }

    #[test]
    fn a_lesson_at_whose_workstations_nobody_was_seen_is_told() {
        let mut log = Log::default();
        log.account_of("A", 0, 60, &[Some([0, 100, 20]), Some([0, 0, 120])]);
        log.account_of("A", 0, 60, &[Some([0, 100, 20]), Some([0, 1, 119])]);
        let expected = "class A: in 1 lessons no look found anybody at any workstation: the first, record 1, the account of \
                        the lesson at 2026-11-24T08:00:00Z, 101 looks that found nobody at one";
        assert_eq!(log.found(), [("nobody_seen", expected.to_owned())]);
        for looks in [
            &[][..],
            &[Some([0, 100, 20]), Some([1, 100, 0])],
            &[Some([0, 0, 120])],
            &[Some([0, 100, 20]), None],
            &[None],
        ] {
            assert_eq!(log.account_of("A", 0, 60, looks).codes(), [""; 0], "{looks:?}");
        }
    }

    #[test]
    fn for_how_long_few_people_were_there_is_told() {
        let mut log = Log::default();
        log.few("A", 10, None, None).few("A", 10, Some(30), Some(0)).few("A", 10, Some(11), Some(0));
        log.few("A", 50, None, None).few("B", 0, None, None).account(0, 60);
        log.few("A", 200, None, None).account(180, 240);
        // It ended when the appliance was started again.
        log.few("A", 250, None, None).few("A", 250, Some(400), Some(8)).account(240, 260).account(300, 400);
        let expected = "class A: in 3 lessons fewer people were seen than had checked in, for 1h 20m in all: the first, \
                        record 5, the account of the lesson at 2026-11-24T08:00:00Z, for 30m";
        assert_eq!(log.found(), [("few_people", expected.to_owned())]);
        assert_eq!(log.few("A", 60, None, None).account(0, 60).codes(), [""; 0]);
        assert_eq!(log.few("A", 5, None, None).account(0, -20).codes(), [""; 0], "of no time");
    }

    #[test]
    fn two_classes_at_once_are_told_once() {
        let mut log = Log::default();
        log.account(0, 60).account(60, 120).account_of("B", 30, 90, &[]).account_of("C", 120, 180, &[]);
        let expected = "classes A and B: lessons of both went on in this room at the same time, 2 times: the first, record 0, \
                        the account of the lesson at 2026-11-24T08:00:00Z, class A, and record 2, the account of the lesson \
                        at 2026-11-24T08:30:00Z, class B. Two classes may share a room: hold their rosters against each other";
        assert_eq!(log.found(), [("classes_at_once", expected.to_owned())]);
        assert_eq!(log.account(0, 60).account(30, 90).codes(), [""; 0], "of one class");
        assert_eq!(log.account(0, 60).account_of("B", 60, 90, &[]).codes(), [""; 0], "one after the other");
    }
}
