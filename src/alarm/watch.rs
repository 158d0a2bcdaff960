//! What needs attention now, held against what did before: beginnings and ends. Pure.

use crate::attention::Attention;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Alarms that are kept to be shown.
const KEPT: usize = 50;

/// Something that needed attention, and whether it still does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarm {
    /// What.
    pub attention: Attention,
    /// When it was noticed, RFC 3339.
    pub begun: String,
    /// When it was noticed that it no longer does; absent while it goes on.
    pub ended: Option<String>,
}

/// An alarm begins or ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// It needs attention.
    Begun(Attention),
    /// It no longer does.
    Ended(Attention),
    /// Nobody looks any more, as when the lesson is over: it is not known whether it still would.
    Left(Attention),
}

/// Alarms since start.
#[derive(Debug, Default)]
pub(super) struct Alarms {
    /// Oldest first; those that go on are never dropped.
    kept: VecDeque<(Option<Timestamp>, Timestamp, Attention)>,
}

impl Alarms {
    /// Takes what needs attention now; tells what has begun and what has ended.
    pub fn take(&mut self, now: Timestamp, attention: &[Attention]) -> Vec<Event> {
        let mut events = Vec::new();
        let is_unknown = attention.iter().any(|one| matches!(one, Attention::StatusUnknown { .. }));
        let wanted: Vec<&Attention> = attention.iter().filter(|one| is_alarm(one, attention)).collect();
        for (ended, _, known) in self.kept.iter_mut().filter(|(ended, ..)| ended.is_none()) {
            // What has been told goes on until it is over, whatever else has begun meanwhile.
            match attention.iter().find(|one| is_same(one, known)) {
                // A lesson's end moves the beginning that is yet to be told of: the first holds.
                Some(Attention::NotRecorded { .. }) => {}
                // Figures in it may have changed: the newest are shown.
                Some(one) => *known = one.clone(),
                // Nobody knows whether it is over.
                None if is_unknown && is_read(known) => {}
                None => {
                    *ended = Some(now);
                    // A lesson that was not complete never will be.
                    if matches!(known, Attention::LessonIncomplete { .. }) {
                        continue;
                    }
                    // What goes on for another cause is not over: that is told next.
                    if !attention.iter().any(|one| takes_the_place(one, known)) {
                        events.push(Event::Ended(known.clone()));
                    }
                }
            }
        }
        for one in wanted {
            if !self.kept.iter().any(|(ended, _, known)| ended.is_none() && is_same(one, known)) {
                self.kept.push_back((None, now, one.clone()));
                events.push(Event::Begun(one.clone()));
            }
        }
        while self.kept.len() > KEPT {
            let Some(oldest) = self.kept.iter().position(|(ended, ..)| ended.is_some()) else { break };
            self.kept.remove(oldest);
        }
        events
    }

    /// What needs attention when nobody knows: what did before, and that.
    pub fn unknown(&self, problem: &str) -> Vec<Attention> {
        let known = self.kept.iter().filter(|(ended, ..)| ended.is_none()).map(|(.., known)| known.clone());
        let mut all: Vec<Attention> = known.filter(|known| !matches!(known, Attention::StatusUnknown { .. })).collect();
        all.push(Attention::StatusUnknown { message: problem.to_owned() });
        all
    }

    /// All that are kept, newest first.
    pub fn list(&self, text: impl Fn(Timestamp) -> String) -> Vec<Alarm> {
        let of = |(ended, begun, attention): &(Option<Timestamp>, Timestamp, Attention)| Alarm {
            attention: attention.clone(),
            begun: text(*begun),
            ended: ended.map(&text),
        };
        self.kept.iter().rev().map(of).collect()
    }
}

/// Whether somebody has to be told, wherever they are. What belongs to setting up is shown on the page only; a camera
/// whose recording is missing is told of once.
fn is_alarm(attention: &Attention, all: &[Attention]) -> bool {
    let is_told =
        |name: &str| all.iter().any(|one| matches!(one, Attention::NotRecorded { camera, .. } if camera == name));
    match attention {
        Attention::Camera { camera, .. } => !is_told(camera),
        Attention::NotRegistered
        | Attention::ClockUnset
        | Attention::NotEnrolled { .. }
        | Attention::NoClass
        | Attention::NothingRecorded
        | Attention::WorkstationsUnmarked { .. }
        | Attention::NoWorkstations { .. }
        | Attention::KeyFramesRare { .. }
        | Attention::AlarmUndelivered { .. } => false,
        _ => true,
    }
}

/// Whether only the database tells of it.
fn is_read(attention: &Attention) -> bool {
    matches!(attention, Attention::Finding { .. } | Attention::LessonIncomplete { .. } | Attention::Unsent { .. })
}

/// Whether `one` is what has become of `known`: a camera is still not recorded, more workstations are unseen.
fn takes_the_place(one: &Attention, known: &Attention) -> bool {
    match (one, known) {
        (Attention::NotRecorded { camera: one, .. }, Attention::NotRecorded { camera: known, .. }) => one == known,
        (Attention::WorkstationsUnseen { class: one, .. }, Attention::WorkstationsUnseen { class: known, .. }) => {
            one == known
        }
        _ => false,
    }
}

/// Whether `one` is about the same as `other`, which is known, though figures in them may differ.
fn is_same(one: &Attention, other: &Attention) -> bool {
    match (one, other) {
        // Others than those that were told of are something new.
        (
            Attention::WorkstationsUnseen { class: one, workstations },
            Attention::WorkstationsUnseen { class: other, workstations: known },
        ) => one == other && workstations.iter().all(|name| known.contains(name)),
        (Attention::Camera { camera: one, .. }, Attention::Camera { camera: other, .. })
        | (Attention::NotJournalled { camera: one, .. }, Attention::NotJournalled { camera: other, .. }) => {
            one == other
        }
        (
            Attention::NotRecorded { camera: one, cause, .. },
            Attention::NotRecorded { camera: other, cause: other_cause, .. },
        ) => one == other && cause == other_cause,
        (Attention::Finding { .. }, Attention::Finding { .. })
        | (Attention::LessonIncomplete { .. }, Attention::LessonIncomplete { .. })
        | (Attention::RecorderHangs { .. }, Attention::RecorderHangs { .. })
        | (Attention::NotWatched { .. }, Attention::NotWatched { .. }) => one == other,
        _ => std::mem::discriminant(one) == std::mem::discriminant(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::CameraState;
    use evidence::record::GapCause;

    #[test]
    fn each_event_is_told_once_and_its_end_once() {
        let mut alarms = Alarms::default();
        let mut take = |attention: &[Attention]| alarms.take(Timestamp::UNIX_EPOCH, attention);
        let low = |free_bytes| Attention::DiskLow { free_bytes };
        let absent = Attention::Camera { camera: "back".into(), state: CameraState::Absent, problem: None };
        let gap = Attention::NotRecorded {
            camera: "back".into(),
            since: "2026-11-24T08:00:00.000+08:00".into(),
            cause: GapCause::CameraAbsent,
        };
        assert_eq!(take(&[low(9), Attention::NoClass]), [Event::Begun(low(9))]);
        assert_eq!(take(&[low(8)]), [], "the same, with another figure");
        let events = take(&[low(7), absent.clone(), gap.clone()]);
        assert_eq!(events, [Event::Begun(gap.clone())], "the camera's own state is not told beside its gap");
        assert_eq!(
            take(std::slice::from_ref(&absent)),
            [Event::Ended(low(7)), Event::Ended(gap.clone()), Event::Begun(absent.clone())]
        );
        assert_eq!(take(&[absent.clone(), gap.clone()]), [Event::Begun(gap.clone())], "the camera is still absent");
        let network = Attention::NotRecorded {
            camera: "back".into(),
            since: "2026-11-24T08:05:00.000+08:00".into(),
            cause: GapCause::Network,
        };
        assert_eq!(take(&[absent.clone(), network.clone()]), [Event::Begun(network.clone())], "still not recorded");
        assert_eq!(take(&[]), [Event::Ended(absent), Event::Ended(network)]);
        assert_eq!(take(&[]), []);
        assert!(alarms.list(|time| time.to_string()).iter().all(|alarm| alarm.ended.is_some()));
    }

    #[test]
    fn what_is_not_known_to_be_over_goes_on() {
        let mut alarms = Alarms::default();
        let finding = Attention::Finding {
            what: evidence::record::FindingKind::Covered,
            camera: Some("back".into()),
            workstation: None,
            class: None,
            since: "2026-11-24T08:00:00.000+08:00".into(),
        };
        let unknown = |message: &str| Attention::StatusUnknown { message: message.into() };
        let now = Timestamp::UNIX_EPOCH;
        let events = alarms.take(now, &[finding.clone(), Attention::WatchHangs]);
        assert_eq!(events, [Event::Begun(finding.clone()), Event::Begun(Attention::WatchHangs)]);
        // The database cannot be read: of the watch it is known without it that it is at work again.
        let events = alarms.take(now, &[unknown("locked")]);
        assert_eq!(events, [Event::Ended(Attention::WatchHangs), Event::Begun(unknown("locked"))]);
        let all = alarms.unknown("it does not answer");
        assert_eq!(all, [finding.clone(), unknown("it does not answer")]);
        assert_eq!(alarms.take(now, &all), []);
        let events = alarms.take(now, &[]);
        assert_eq!(events, [Event::Ended(finding), Event::Ended(unknown("it does not answer"))]);
    }

    #[test]
    fn more_workstations_that_nobody_sees_are_told_of_and_fewer_are_not() {
        let mut alarms = Alarms::default();
        let mut take = |attention: &[Attention]| alarms.take(Timestamp::UNIX_EPOCH, attention);
        let unseen = |names: &[&str]| Attention::WorkstationsUnseen {
            class: "2026-001".into(),
            workstations: names.iter().map(|name| (*name).to_owned()).collect(),
        };
        assert_eq!(take(&[unseen(&["17"])]), [Event::Begun(unseen(&["17"]))]);
        assert_eq!(take(&[unseen(&["17", "5"])]), [Event::Begun(unseen(&["17", "5"]))]);
        assert_eq!(take(&[unseen(&["5"])]), []);
        assert_eq!(take(&[]), [Event::Ended(unseen(&["5"]))]);
    }

    #[test]
    fn a_lesson_that_is_not_complete_is_told_of_once_and_never_said_to_be_over() {
        let mut alarms = Alarms::default();
        let mut take = |attention: &[Attention]| alarms.take(Timestamp::UNIX_EPOCH, attention);
        let lesson = |hour: u32| Attention::LessonIncomplete {
            class: "2026-001".into(),
            lesson: format!("2026-11-24T{hour:02}:00:00.000+08:00"),
            cameras: Vec::new(),
            workstations: vec!["17".into()],
            no_roll_call: false,
            no_camera: false,
            no_workstations: false,
        };
        assert_eq!(take(&[lesson(8)]), [Event::Begun(lesson(8))]);
        assert_eq!(take(&[lesson(8), lesson(14)]), [Event::Begun(lesson(14))]);
        assert_eq!(take(&[lesson(14)]), [], "yesterday is over");
        assert_eq!(take(&[]), []);
    }

    #[test]
    fn a_gap_that_goes_on_over_a_lessons_end_is_told_once_with_its_first_moment() {
        let mut alarms = Alarms::default();
        let mut take = |attention: &[Attention]| alarms.take(Timestamp::UNIX_EPOCH, attention);
        let gap = |camera: &str, minute: u32| Attention::NotRecorded {
            camera: camera.into(),
            since: format!("2026-11-24T09:{minute:02}:00.000+08:00"),
            cause: GapCause::CameraAbsent,
        };
        assert_eq!(take(&[gap("back", 10)]), [Event::Begun(gap("back", 10))]);
        // A lesson has ended at half past; the next has begun.
        assert_eq!(take(&[gap("back", 30)]), []);
        assert_eq!(take(&[gap("back", 30), gap("front", 31)]), [Event::Begun(gap("front", 31))]);
        assert_eq!(take(&[gap("front", 31)]), [Event::Ended(gap("back", 10))]);
    }
}
