//! Conditions that last, or come again and again, become findings; those that pass do not. Pure: samples in, beginnings
//! and ends out.
//!
//! A finding begins with the first sample that showed it, though it is told only when it has lasted; it ends with the
//! first good sample, told when that has lasted. Durations are monotonic; the wall clock only labels them.

use super::picture::{Condition, Sample};
use crate::config::CoverageConfig;
use crate::store::Sight;
use evidence::record::{FindingKind, HiddenCause};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::time::Duration;

/// A finding has begun or ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// It has begun, at a moment that lies in the past by as long as it took to be sure.
    Begun {
        /// What is wrong.
        what: FindingKind,
        /// The workstation, when it is about one, and why it is hidden.
        workstation: Option<(String, HiddenCause)>,
        /// When the first sample showed it.
        since: Timestamp,
        /// What was measured when it was settled.
        measured: BTreeMap<String, f64>,
    },
    /// It has ended.
    Ended {
        /// What was wrong.
        what: FindingKind,
        /// The workstation, when it was about one.
        workstation: Option<String>,
        /// When the first good sample after it came.
        end: Timestamp,
        /// Whether it is not known to be over: what would show it cannot be told any more.
        is_left: bool,
        /// What was measured when it was last seen.
        measured: BTreeMap<String, f64>,
    },
}

/// What a finding is about: the picture, or a workstation in it.
type About = (FindingKind, Option<String>);

/// What one sample shows of it.
#[derive(Default)]
struct Held {
    cause: Option<HiddenCause>,
    measured: BTreeMap<String, f64>,
    lasted: Duration,
}

/// One camera's findings.
pub struct Findings {
    limits: CoverageConfig,
    states: BTreeMap<About, State>,
}

struct State {
    /// Since when it has held without a break, before it is a finding; or since when it has not, once it is one.
    turned: Option<(Timestamp, Duration)>,
    /// Since when it has held again and again, before it is a finding.
    often: Option<(Timestamp, Duration)>,
    /// Samples since then in which it has held, and in which it has not.
    held: u32,
    free: u32,
    is_open: bool,
    cause: Option<HiddenCause>,
    measured: BTreeMap<String, f64>,
}

impl State {
    fn new(cause: Option<HiddenCause>) -> State {
        State { turned: None, often: None, held: 0, free: 0, is_open: false, cause, measured: BTreeMap::new() }
    }

    /// Whether it holds too often for something that passes.
    fn is_often(&self, what: FindingKind) -> bool {
        self.free * least_often(what) <= self.held
    }
}

/// What holds again and again, with breaks, for this long is a finding too.
const OFTEN: Duration = Duration::from_secs(30);

/// So many samples in which it holds for each in which it does not: people pass a workstation, nobody passes a whole picture.
fn least_often(what: FindingKind) -> u32 {
    if what == FindingKind::WorkstationHidden { 2 } else { 1 }
}

impl Findings {
    /// None yet.
    pub fn new(limits: &CoverageConfig) -> Findings {
        Findings { limits: limits.clone(), states: BTreeMap::new() }
    }

    /// Takes the next sample, seen at `wall`, and at `at` by a clock that never steps; tells what has begun or ended.
    pub fn take(&mut self, wall: Timestamp, at: Duration, sample: &Sample) -> Vec<Change> {
        let mut holds: BTreeMap<About, Held> = BTreeMap::new();
        for Condition { what, measured, lasted } in &sample.conditions {
            let held = Held { cause: what.hides(), measured: measured.clone(), lasted: *lasted };
            holds.insert((*what, None), held);
        }
        let hides_all = |(_, workstation): &About, state: &State| workstation.is_none() && state.cause.is_some();
        let is_hidden_whole = self.states.iter().any(|(about, state)| state.is_open && hides_all(about, state));
        // Since when the whole picture has shown nothing, be it now for another reason than before.
        let pending = self.states.iter().filter(|(about, state)| !state.is_open && hides_all(about, state));
        let pending = pending.filter_map(|(_, state)| state.turned).min_by_key(|(_, from)| *from);
        let mut unknown = Vec::new();
        for (name, sight) in &sample.sights {
            let about = (FindingKind::WorkstationHidden, Some(name.clone()));
            match sight {
                None => unknown.push(about),
                // What hides all of the picture is a finding of its own.
                Some(Sight::Hidden(cause @ (HiddenCause::Obstructed | HiddenCause::OutsidePicture))) => {
                    holds.insert(about, Held { cause: Some(*cause), ..Held::default() });
                }
                // What hides all of it may pass; whether something stands before the workstation as well cannot be told.
                Some(Sight::Hidden(_)) if !is_hidden_whole && self.is_suspected(&about) => unknown.push(about),
                Some(_) => {}
            }
        }
        let mut changes = Vec::new();
        for (about, Held { cause, measured, lasted }) in &holds {
            let state = self.states.entry(about.clone()).or_insert_with(|| State::new(*cause));
            state.measured.clone_from(measured);
            if state.is_open {
                state.turned = None;
                continue;
            }
            state.cause = *cause;
            let (since, from) = *state.turned.get_or_insert_with(|| {
                let begun = before(wall, at, *lasted);
                let earlier = pending.filter(|(_, from)| about.1.is_none() && cause.is_some() && *from < begun.1);
                earlier.unwrap_or(begun)
            });
            let often = *state.often.get_or_insert((since, from));
            state.held += 1;
            let needed = Duration::from_secs_f64(match about.0 {
                FindingKind::WorkstationHidden => self.limits.obstructed_seconds,
                _ => self.limits.begin_seconds,
            });
            let lasts = at.saturating_sub(from) >= needed;
            if lasts || at.saturating_sub(often.1) >= OFTEN.max(needed) {
                // Who passed before what stays is no part of it.
                let since = if lasts { since } else { often.0 };
                (state.is_open, state.turned) = (true, None);
                changes.push(Change::Begun {
                    what: about.0,
                    workstation: about.1.clone().zip(*cause),
                    since,
                    measured: measured.clone(),
                });
            }
        }
        let enough = Duration::from_secs_f64(self.limits.end_seconds);
        self.states.retain(|about, state| {
            if holds.contains_key(about) || unknown.contains(about) {
                return true;
            }
            if !state.is_open {
                state.turned = None;
                state.free += 1;
                return state.is_often(about.0);
            }
            let (end, from) = *state.turned.get_or_insert((wall, at));
            if at.saturating_sub(from) < enough {
                return true;
            }
            // Behind what hides the whole picture, or in one that cannot be judged, it may well hold; but for its brightness.
            let is_brightness = matches!(about.0, FindingKind::Dark | FindingKind::OverExposed);
            let hides = |condition: &Condition| condition.what != about.0 && condition.what.hides().is_some();
            let is_left = !is_brightness && (sample.cannot_be_judged || sample.conditions.iter().any(hides));
            changes.push(ended(about, state, end, is_left));
            false
        });
        changes
    }

    /// Whether it holds, or has held again and again, but not for long enough yet.
    fn is_suspected(&self, about: &About) -> bool {
        self.states.get(about).is_some_and(|state| !state.is_open)
    }

    /// Ends what goes on: nobody looks any more.
    pub fn close(&mut self, wall: Timestamp) -> Vec<Change> {
        let states = std::mem::take(&mut self.states);
        let open = states.iter().filter(|(_, state)| state.is_open);
        open.map(|(about, state)| ended(about, state, state.turned.map_or(wall, |(since, _)| since), true)).collect()
    }

    /// Why no workstation of the picture is to be seen, by what is a finding now.
    pub fn whole_picture(&self) -> Option<HiddenCause> {
        self.states
            .iter()
            .filter(|((_, workstation), state)| workstation.is_none() && state.is_open)
            .find_map(|(_, state)| state.cause)
    }

    /// Why a workstation is hidden, by what is a finding now.
    pub fn workstation(&self, name: &str) -> Option<HiddenCause> {
        let state = self.states.get(&(FindingKind::WorkstationHidden, Some(name.to_owned())));
        state.filter(|state| state.is_open).and_then(|state| state.cause)
    }
}

/// The moment that was so long before.
fn before(wall: Timestamp, at: Duration, by: Duration) -> (Timestamp, Duration) {
    (wall.saturating_sub(SignedDuration::try_from(by).unwrap_or_default()).unwrap_or(wall), at.saturating_sub(by))
}

fn ended(about: &About, state: &State, end: Timestamp, is_left: bool) -> Change {
    Change::Ended { what: about.0, workstation: about.1.clone(), end, is_left, measured: state.measured.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wall(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).expect("in range")
    }

    fn dark() -> Sample {
        let condition = Condition::new(FindingKind::Dark, BTreeMap::from([("mean_brightness".into(), 4.0)]));
        Sample { conditions: vec![condition], ..Sample::default() }
    }

    fn sight(sight: Option<Sight>) -> Sample {
        Sample { sights: vec![("A1".into(), sight)], ..Sample::default() }
    }

    /// Every other second a sample; the changes, and at which second they were told.
    fn told(samples: &[Sample]) -> Vec<(i64, Change)> {
        let mut findings = Findings::new(&CoverageConfig::default());
        let mut told = Vec::new();
        for (number, sample) in samples.iter().enumerate() {
            let second = 2 * number as i64;
            let changes = findings.take(wall(second), Duration::from_secs(second as u64), sample);
            told.extend(changes.into_iter().map(|change| (second, change)));
        }
        told
    }

    #[test]
    fn what_lasts_is_a_finding_from_its_first_sample_to_the_first_good_one() {
        let samples = [&[Sample::default()][..], &vec![dark(); 5], &vec![Sample::default(); 4]].concat();
        let told = told(&samples);
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(matches!(&told[0], (6, Change::Begun { what: FindingKind::Dark, since, .. }) if *since == wall(2)));
        assert!(matches!(&told[1], (16, Change::Ended { what: FindingKind::Dark, end, .. }) if *end == wall(12)));
    }

    #[test]
    fn who_walks_past_is_no_finding_and_who_stays_is_one_within_ten_seconds() {
        let (free, hidden) = (sight(Some(Sight::Visible)), sight(Some(Sight::Hidden(HiddenCause::Obstructed))));
        let past = [&vec![free.clone(); 3][..], &vec![hidden.clone(); 3], &vec![free.clone(); 3]].concat();
        assert_eq!(told(&past), []);
        let stays = [&vec![free; 3][..], &vec![hidden; 6]].concat();
        let told = told(&stays);
        assert!(
            matches!(&told[..], [(12, Change::Begun { workstation: Some((name, HiddenCause::Obstructed)), since, .. })]
                if name == "A1" && *since == wall(6)),
            "{told:?}"
        );
    }

    #[test]
    fn what_comes_again_and_again_is_a_finding_and_who_passes_now_and_then_is_none() {
        let often = |bad: &Sample, held: usize, free: usize| {
            let once = [vec![bad.clone(); held], vec![sight(Some(Sight::Visible)); free]].concat();
            told(&vec![once; 20].concat())
        };
        let obstructed = sight(Some(Sight::Hidden(HiddenCause::Obstructed)));
        for (bad, held, free) in [(&dark(), 1, 1), (&dark(), 2, 1), (&dark(), 2, 2), (&obstructed, 2, 1)] {
            let told = often(bad, held, free);
            assert!(
                matches!(&told[..], [(second, Change::Begun { since, .. })] if *since == wall(0) && (30..36).contains(second)),
                "{held} of {}: {told:?}",
                held + free
            );
        }
        for (bad, held, free) in [(&dark(), 1, 2), (&dark(), 2, 3), (&obstructed, 2, 2), (&obstructed, 1, 1)] {
            assert_eq!(often(bad, held, free), [], "{held} of {}", held + free);
        }
        // Who stays is told from when they came, whoever passed before.
        let then = [vec![obstructed.clone(); 2], vec![sight(Some(Sight::Visible))], vec![obstructed; 5]].concat();
        assert!(matches!(&told(&then)[..], [(12, Change::Begun { since, .. })] if *since == wall(6)));
    }

    #[test]
    fn a_break_in_a_finding_does_not_end_it_and_what_cannot_be_told_changes_nothing() {
        let hidden = || sight(Some(Sight::Hidden(HiddenCause::Obstructed)));
        let mut samples = vec![hidden(); 5];
        samples.extend([sight(Some(Sight::Visible)), hidden(), sight(None), sight(None), sight(None), hidden()]);
        assert_eq!(told(&samples).len(), 1);
    }

    #[test]
    fn what_is_hidden_now_for_one_reason_and_now_for_another_is_hidden() {
        let whole = |what: FindingKind| {
            let sight = what.hides().map(Sight::Hidden);
            Sample { conditions: vec![Condition::new(what, BTreeMap::new())], ..self::sight(sight) }
        };
        let obstructed = || sight(Some(Sight::Hidden(HiddenCause::Obstructed)));
        // Half covered: now more than the limit, now less.
        let half: Vec<Sample> = (0..4).flat_map(|_| [obstructed(), whole(FindingKind::Covered)]).collect();
        let told_of_half = told(&half);
        assert!(
            matches!(&told_of_half[..], [(8, Change::Begun { what: FindingKind::WorkstationHidden, since, .. })]
                if *since == wall(0)),
            "{told_of_half:?}"
        );
        let both: Vec<Sample> = (0..3).flat_map(|_| [whole(FindingKind::Dark), whole(FindingKind::Covered)]).collect();
        let told_of_both = told(&both);
        assert!(
            matches!(&told_of_both[0], (4, Change::Begun { what: FindingKind::Dark, since, .. }) if *since == wall(0))
        );
    }

    #[test]
    fn what_ends_behind_something_else_that_hides_the_picture_is_not_known_to_be_over() {
        let whole =
            |what: FindingKind| Sample { conditions: vec![Condition::new(what, BTreeMap::new())], ..Sample::default() };
        let ending = |then: Sample| {
            let samples: Vec<Sample> =
                std::iter::repeat_n(whole(FindingKind::Moved), 3).chain(std::iter::repeat_n(then, 3)).collect();
            let ended = told(&samples).into_iter().find_map(|(_, change)| match change {
                Change::Ended { what: FindingKind::Moved, is_left, .. } => Some(is_left),
                _ => None,
            });
            ended.expect("ended")
        };
        assert!(!ending(Sample::default()), "it is back in its place");
        assert!(ending(whole(FindingKind::Covered)));
        assert!(ending(Sample { cannot_be_judged: true, ..Sample::default() }));
    }

    #[test]
    fn what_hides_the_whole_picture_for_a_moment_is_no_sight_of_a_workstation() {
        let hidden = || sight(Some(Sight::Hidden(HiddenCause::Obstructed)));
        let dark = || Sample {
            conditions: vec![Condition::new(FindingKind::Dark, BTreeMap::new())],
            ..sight(Some(Sight::Hidden(HiddenCause::Dark)))
        };
        // Two of three samples show it hidden, as far as they show it at all.
        let samples: Vec<Sample> =
            (0..8).flat_map(|_| [hidden(), hidden(), sight(Some(Sight::Visible)), dark()]).collect();
        let begun = told(&samples)
            .into_iter()
            .any(|(_, change)| matches!(change, Change::Begun { what: FindingKind::WorkstationHidden, .. }));
        assert!(begun);
    }

    #[test]
    fn a_step_of_the_wall_clock_makes_no_finding() {
        let mut findings = Findings::new(&CoverageConfig::default());
        assert_eq!(findings.take(wall(0), Duration::ZERO, &dark()), []);
        assert_eq!(findings.take(wall(3600), Duration::from_secs(2), &dark()), []);
        assert_eq!(findings.take(wall(3602), Duration::from_secs(4), &dark()).len(), 1);
        assert!(matches!(&findings.close(wall(3604))[..], [Change::Ended { what: FindingKind::Dark, .. }]));
    }
}
