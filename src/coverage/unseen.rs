//! Workstations that the plan needs and nobody can judge: marked in no picture, or in none that tells anything of them.
//!
//! Pure: what lessons need and what cameras show in, what nobody has seen for a while out. What a camera does not show
//! because it is dead or blind is told of that camera, and not once more of each workstation.

use super::service::{CameraWatch, Current};
use super::watch::GRACE;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// How the workstations stand that a class's lessons need: those that go on, or those that are to begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LessonWatch {
    /// The class.
    pub class: String,
    /// Whether a lesson goes on, roll call included; or else one begins within a day.
    pub has_begun: bool,
    /// While it goes on, those that no camera has told anything of for 35 s; before, those that no camera's picture marks.
    pub unseen: Vec<String>,
}

/// The workstations that each camera's reference picture marks.
pub(super) type Marked = BTreeMap<String, BTreeSet<String>>;

/// Since when each workstation that goes on to be needed was last seen, by class and name.
#[derive(Default)]
pub(super) struct Unseen {
    since: BTreeMap<(String, String), Instant>,
}

impl Unseen {
    /// Takes how it stands `now`. `is_known` tells whether it is known of a lesson's workstation whether it is to be seen,
    /// or told already why not.
    pub fn take(
        &mut self,
        now: Instant,
        lessons: &[Current],
        is_known: impl Fn(&Current, &str) -> bool,
    ) -> Vec<LessonWatch> {
        let mut since = std::mem::take(&mut self.since);
        let mut unseen: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for lesson in lessons {
            let of_class = unseen.entry(lesson.class.to_string()).or_default();
            for name in &lesson.workstations {
                let key = (lesson.class.to_string(), name.clone());
                let last = if is_known(lesson, name) { now } else { since.remove(&key).unwrap_or(now) };
                if now.saturating_duration_since(last) >= GRACE {
                    of_class.insert(name.clone());
                }
                // Two lessons that overlap need it at once: what one of them knows counts.
                let kept = self.since.entry(key).or_insert(last);
                *kept = last.max(*kept);
            }
        }
        watches(unseen, true)
    }
}

/// Of lessons that are to begin: the workstations that no picture of their cameras marks.
pub(super) fn unmarked(lessons: &[Current], marked: &Marked) -> Vec<LessonWatch> {
    let mut unmarked: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for lesson in lessons {
        let missing = lesson.workstations.iter().filter(|name| marking(lesson, name, marked).next().is_none());
        unmarked.entry(lesson.class.to_string()).or_default().extend(missing.cloned());
    }
    watches(unmarked, false)
}

/// Whether a camera of the lesson tells whether the workstation is to be seen, or all that mark it are told of already.
/// `watches` are those of the cameras that send pictures which can be judged.
pub(super) fn is_known(lesson: &Current, workstation: &str, marked: &Marked, watches: &[&CameraWatch]) -> bool {
    let of = |camera: &String| watches.iter().find(|watch| watch.camera == *camera);
    let tells = |(name, state): &(String, String)| name == workstation && state != "unknown";
    let is_seen = lesson.cameras.iter().filter_map(of).any(|watch| watch.workstations.iter().any(tells));
    let mut marking = marking(lesson, workstation, marked).peekable();
    is_seen || marking.peek().is_some() && marking.all(|camera| of(camera).is_none())
}

/// The cameras of the lesson in whose pictures the workstation is marked.
fn marking<'l>(lesson: &'l Current, workstation: &str, marked: &Marked) -> impl Iterator<Item = &'l String> {
    lesson.cameras.iter().filter(move |camera| marked.get(*camera).is_some_and(|names| names.contains(workstation)))
}

fn watches(unseen: BTreeMap<String, BTreeSet<String>>, has_begun: bool) -> Vec<LessonWatch> {
    let of = |(class, unseen): (String, BTreeSet<String>)| LessonWatch {
        class,
        has_begun,
        unseen: unseen.into_iter().collect(),
    };
    unseen.into_iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::class::ClassId;
    use jiff::Timestamp;
    use std::time::Duration;

    fn lesson(workstations: &[&str]) -> Current {
        Current {
            class: ClassId::new("2026-001").expect("valid"),
            start: Timestamp::UNIX_EPOCH,
            cameras: vec!["back".into(), "front".into()],
            workstations: workstations.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    fn marked(marks: &[(&str, &[&str])]) -> Marked {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        marks.iter().map(|(camera, of)| ((*camera).to_owned(), names(of))).collect()
    }

    fn watch(camera: &str, workstations: &[(&str, &str)]) -> CameraWatch {
        let of = |(name, state): &(&str, &str)| ((*name).to_owned(), (*state).to_owned());
        let workstations = workstations.iter().map(of).collect();
        CameraWatch { camera: camera.into(), workstations, ..CameraWatch::default() }
    }

    #[test]
    fn what_no_picture_marks_or_none_can_tell_of_is_not_known() {
        let (lesson, marked) = (lesson(&["1", "17"]), marked(&[("back", &["1", "017"]), ("front", &["1"])]));
        let is_known = |name, watches: &[&CameraWatch]| is_known(&lesson, name, &marked, watches);
        let (visible, hidden) = (watch("back", &[("1", "visible")]), watch("back", &[("1", "hidden")]));
        let (unknown, silent) = (watch("back", &[("1", "unknown")]), watch("front", &[]));
        assert!(is_known("1", &[&visible, &silent]) && is_known("1", &[&hidden]), "a finding tells that it is hidden");
        assert!(!is_known("1", &[&unknown, &silent]) && !is_known("1", &[&unknown]));
        assert!(is_known("1", &[]), "both cameras that mark it are told of already");
        assert!(!is_known("17", &[&visible, &silent]) && !is_known("17", &[]), "017 is not 17");
    }

    #[test]
    fn what_was_not_known_for_35_seconds_of_a_lesson_is_unseen_until_it_is_known_again() {
        let mut unseen = Unseen::default();
        let begun = Instant::now();
        let lessons = [lesson(&["1", "17"])];
        let mut at = |seconds: u64, known: &[&str]| {
            let found = unseen.take(begun + Duration::from_secs(seconds), &lessons, |_, name| known.contains(&name));
            let [LessonWatch { class, has_begun: true, unseen }] = &found[..] else { panic!("{found:?}") };
            assert_eq!(class, "2026-001");
            unseen.join(" ")
        };
        assert_eq!(at(0, &["1"]), "");
        assert_eq!(at(34, &["1"]), "");
        assert_eq!(at(35, &["1"]), "17", "it was marked by nobody");
        assert_eq!(at(69, &[]), "17", "the other one's polygon is gone, too");
        assert_eq!(at(70, &[]), "1 17");
        assert_eq!(at(71, &["1", "17"]), "");
        assert_eq!(at(105, &[]), "");
        assert_eq!(at(106, &[]), "1 17");
        assert_eq!(unseen.take(begun + Duration::from_secs(107), &[], |_, _| false), []);
        let again = unseen.take(begun + Duration::from_secs(108), &lessons, |_, _| false);
        assert!(again[0].unseen.is_empty(), "the next lesson counts anew");
    }

    #[test]
    fn before_a_lesson_it_is_known_what_is_marked_nowhere() {
        let lessons = [lesson(&["1", "17"]), lesson(&["2", "17"])];
        let found = unmarked(&lessons, &marked(&[("back", &["1"]), ("front", &["2"]), ("door", &["17"])]));
        let expected = LessonWatch { class: "2026-001".into(), has_begun: false, unseen: vec!["17".into()] };
        assert_eq!(found, [expected], "the camera at the door does not record it");
    }
}
