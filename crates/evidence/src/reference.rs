//! Cameras' references: whether one was changed while a lesson went on, and whether what is marked in one is less than
//! before, or in one place with another. A picture is held against them, so who changes them changes what is found.

mod place;

use crate::record::{Coverage, Data, Record, Reference};
use crate::verdict::Finding;
use jiff::Timestamp;
use place::Place;
use std::collections::{BTreeMap, BTreeSet};

/// Workstations named in one finding.
const NAMED: usize = 10;
/// Of more workstations in one picture it is not looked which are in one place with which: no appliance takes more.
const MOST_WORKSTATIONS: usize = 200;
/// A workstation that keeps less than this share of its place is told.
const KEPT: f64 = 0.5;
/// Two are in one place when more than this share of the smaller one is the other's too.
const SHARED: f64 = 0.75;
/// What the appliance takes for a reference by itself, where there is none.
const APPLIANCE: &str = "appliance";

/// Takes a log's records one by one, in order.
#[derive(Default)]
pub struct References {
    cameras: BTreeMap<String, Camera>,
}

/// What the log tells of one camera so far.
#[derive(Default)]
struct Camera {
    /// The newest reference's picture.
    picture: String,
    /// By workstation: where it is in that.
    marked: BTreeMap<String, Place>,
    /// Pairs that are in one place.
    pairs: BTreeSet<(String, String)>,
    /// References that staff have set: when, the record, and both with who it was, in words.
    set: Vec<(Timestamp, u64, String)>,
}

impl References {
    /// Takes the next record, which verifies and is in its place; tells what it shows to be wrong.
    pub fn take(&mut self, record: &Record) -> Vec<Finding> {
        match &record.data {
            Data::Reference(reference) => self.reference(record, reference),
            Data::Coverage(coverage) => self.changed(coverage),
            _ => Vec::new(),
        }
    }

    fn reference(&mut self, record: &Record, reference: &Reference) -> Vec<Finding> {
        let Reference { camera: name, picture, workstations, by } = reference;
        let marked: BTreeMap<String, Place> =
            workstations.iter().map(|marked| (marked.workstation.clone(), Place::of(&marked.polygon))).collect();
        let before = self.cameras.remove(name).unwrap_or_default();
        let is_elsewhere =
            |workstation: &String| self.cameras.values().any(|camera| camera.marked.contains_key(workstation));
        let is_same_picture = before.picture == *picture;
        let less = before.marked.iter().filter_map(|(workstation, place)| {
            let kept = match marked.get(workstation) {
                None if is_elsewhere(workstation) => return None,
                None => return Some(format!("workstation {workstation} is marked no more")),
                Some(now) if is_same_picture => now.common(place),
                // Of another picture only the size can be compared.
                Some(now) => now.area(),
            };
            let share = kept / place.area();
            (share < KEPT)
                .then(|| format!("workstation {workstation} has {:.0} % of the place that it had", 100.0 * share))
        });
        let less = in_words(less);
        let pairs = pairs(&marked);
        let new = pairs.difference(&before.pairs).map(|(one, other)| format!("{one} and {other}"));
        let piled = in_words(new);
        let mut set = before.set;
        if by != APPLIANCE {
            let words = format!("by {by} at {} (record {})", record.time, record.seq);
            set.extend(record.time.parse().ok().map(|time| (time, record.seq, words)));
        }
        self.cameras.insert(name.clone(), Camera { picture: picture.clone(), marked, pairs, set });
        let about = format!("record {}, the reference of camera {name} by {by} at {}", record.seq, record.time);
        let told = [
            less.map(|text| ("marks_reduced", format!("{about}: {text}"))),
            piled.map(|text| ("marks_coincide", format!("{about}: workstations are marked in one place: {text}"))),
        ];
        told.into_iter().flatten().map(|(code, message)| Finding::warning(code, record.seq, message)).collect()
    }

    /// The references that were set while a lesson went on.
    fn changed(&self, coverage: &Coverage) -> Vec<Finding> {
        let Coverage { class, start, from, end, .. } = coverage;
        let (Ok(from), Ok(end)) = (from.parse::<Timestamp>(), end.parse::<Timestamp>()) else { return Vec::new() };
        let mut found = Vec::new();
        for camera in &coverage.cameras {
            let Some(known) = self.cameras.get(&camera.camera) else { continue };
            let during: Vec<_> = known.set.iter().filter(|(time, ..)| (from..end).contains(time)).collect();
            let Some((_, first, _)) = during.first() else { continue };
            let text = in_words(during.iter().map(|(.., words)| words.clone()));
            let message = format!(
                "while the lesson of class {class} at {start} went on, the reference of camera {} was set {}: its picture is \
                 held against another from then on",
                camera.camera,
                text.unwrap_or_default()
            );
            found.push(Finding::warning("reference_changed", *first, message));
        }
        found
    }
}

/// Those that are in one place.
fn pairs(marked: &BTreeMap<String, Place>) -> BTreeSet<(String, String)> {
    let marked: Vec<(&String, &Place)> = marked.iter().take(MOST_WORKSTATIONS).collect();
    let mut pairs = BTreeSet::new();
    for (at, (one, place)) in marked.iter().enumerate() {
        for (other, other_place) in &marked[at + 1..] {
            let smaller = place.area().min(other_place.area());
            if place.common(other_place) > SHARED * smaller {
                pairs.insert(((*one).clone(), (*other).clone()));
            }
        }
    }
    pairs
}

/// The first of them; `None` where there are none.
fn in_words(found: impl Iterator<Item = String>) -> Option<String> {
    let found: Vec<String> = found.collect();
    let more = match found.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let named = found.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    (!found.is_empty()).then(|| named + &more)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{CameraCoverage, MarkedWorkstation};
    use crate::testing::record;

    fn at(minutes: i64) -> String {
        (Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_mins(minutes)).to_string()
    }

    fn square(workstation: &str, x: f64, y: f64, side: f64) -> MarkedWorkstation {
        let polygon = vec![[x, y], [x + side, y], [x + side, y + side], [x, y + side]];
        MarkedWorkstation { workstation: workstation.into(), polygon }
    }

    #[derive(Default)]
    struct Log {
        references: References,
        size: u64,
    }

    impl Log {
        fn take(&mut self, minutes: i64, data: Data) -> Vec<(&'static str, String)> {
            let record = record(self.size, &at(minutes), data);
            self.size += 1;
            self.references.take(&record).into_iter().map(|found| (found.code, found.message)).collect()
        }

        fn set(&mut self, camera: &str, picture: &str, marked: &[MarkedWorkstation]) -> Vec<&'static str> {
            self.set_by(0, camera, picture, marked, "staff:T1").into_iter().map(|(code, _)| code).collect()
        }

        fn set_by(
            &mut self,
            minutes: i64,
            camera: &str,
            picture: &str,
            marked: &[MarkedWorkstation],
            by: &str,
        ) -> Vec<(&'static str, String)> {
            let workstations = marked.to_vec();
            let reference = Reference { camera: camera.into(), picture: picture.into(), workstations, by: by.into() };
            self.take(minutes, Data::Reference(reference))
        }

        fn lesson(&mut self, from: i64, end: i64) -> Vec<(&'static str, String)> {
            let camera = CameraCoverage {
                camera: "back".into(),
                required_ms: 0,
                recorded_ms: 0,
                gaps_ms: BTreeMap::new(),
                unexplained_ms: 0,
                impaired_ms: BTreeMap::new(),
                unwatched_ms: None,
                complete: None,
            };
            self.take(
                end,
                Data::Coverage(Coverage {
                    class: "2026-001".into(),
                    start: at(from + 10),
                    end: at(end),
                    from: at(from),
                    cameras: vec![camera],
                    workstations: Vec::new(),
                    roll_call: None,
                    roll_call_recorded: None,
                    sound_consent: None,
                    required_share: 0.99,
                    complete: false,
                }),
            )
        }
    }

    const NONE: [&str; 0] = [];

    #[test]
    fn a_reference_that_staff_set_while_a_lesson_goes_on_is_told() {
        let mut log = Log::default();
        log.set_by(5, "back", "aa", &[], APPLIANCE);
        log.set_by(9, "back", "bb", &[], "staff:T1");
        log.set_by(20, "front", "cc", &[], "staff:T1");
        assert_eq!(log.lesson(10, 60), [], "before it, and of a camera that is none of its");
        log.set_by(60, "back", "bb", &[], "staff:T1");
        log.set_by(70, "back", "dd", &[], "staff:T2");
        log.set_by(80, "back", "aa", &[], APPLIANCE);
        let found = log.lesson(61, 90);
        let expected = "while the lesson of class 2026-001 at 1970-01-01T01:11:00Z went on, the reference of camera back was \
                        set by staff:T2 at 1970-01-01T01:10:00Z (record 5): its picture is held against another from then on";
        assert_eq!(found, [("reference_changed", expected.to_owned())]);
    }

    #[test]
    fn a_workstation_that_is_marked_no_more_or_with_less_is_told() {
        let both = [square("1", 0.1, 0.1, 0.2), square("2", 0.6, 0.1, 0.2)];
        let mut log = Log::default();
        assert_eq!(log.set("back", "aa", &both), NONE);
        assert_eq!(log.set("back", "aa", &both), NONE);
        let found = log.set_by(0, "back", "aa", &both[..1], "staff:T1");
        let expected = "record 2, the reference of camera back by staff:T1 at 1970-01-01T00:00:00Z: workstation 2 is \
                        marked no more";
        assert_eq!(found, [("marks_reduced", expected.to_owned())]);
        // Another camera shows it: it has only moved there.
        log.set("back", "aa", &both);
        log.set("front", "bb", &both[1..]);
        assert_eq!(log.set("back", "aa", &both[..1]), NONE);
        // Smaller, somewhat smaller, and moved within one picture; in another picture it may be anywhere.
        for (picture, changed, expected) in [
            ("aa", square("1", 0.1, 0.1, 0.13), &["marks_reduced"][..]),
            ("aa", square("1", 0.1, 0.1, 0.16), &[]),
            ("aa", square("1", 0.4, 0.4, 0.2), &["marks_reduced"]),
            ("cc", square("1", 0.4, 0.4, 0.2), &[]),
            ("cc", square("1", 0.4, 0.4, 0.13), &["marks_reduced"]),
        ] {
            let mut log = Log::default();
            log.set("back", "aa", &both[..1]);
            assert_eq!(log.set("back", picture, std::slice::from_ref(&changed)), expected, "{picture} {changed:?}");
        }
    }

    #[test]
    fn workstations_in_one_place_are_told_once() {
        let (one, other) = (square("1", 0.1, 0.1, 0.2), square("2", 0.11, 0.1, 0.2));
        let mut log = Log::default();
        let found = log.set_by(0, "back", "aa", &[one.clone(), other.clone()], "staff:T1");
        assert_eq!(found[0].0, "marks_coincide");
        assert!(found[0].1.ends_with("in one place: 1 and 2"), "{found:?}");
        assert_eq!(log.set("back", "aa", &[one.clone(), other]), NONE);
        assert_eq!(log.set("front", "aa", &[one.clone(), square("3", 0.15, 0.15, 0.05)]), ["marks_coincide"]);
        assert_eq!(
            log.set("side", "aa", &[one, square("4", 0.2, 0.1, 0.2)]),
            NONE,
            "half of it stands before the other"
        );
    }
}
