//! One camera's picture: what is wrong with it, and which workstations it shows. Pure: pictures in, conditions out.
//!
//! Compared with a reference picture by structure, not by brightness: lights that go on and off, and people who come
//! and go, change a picture without anything being wrong. The reference is never learnt from what comes later.

mod grey;
mod motion;
mod noise;
mod reference;
mod repeat;
#[cfg(test)]
mod tests;

use crate::config::CoverageConfig;
use crate::picture::Picture;
use crate::store::{Sight, Workstation};
use evidence::record::{FindingKind, HiddenCause};
use grey::correlation;
use motion::Map;
use reference::{Reference, Scales, WIDTH};
use repeat::{Memory, Repeats};
use std::collections::BTreeMap;
use std::time::Duration;

/// A condition that holds in one sample. It becomes a finding when it lasts.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// What is wrong with the picture.
    pub what: FindingKind,
    /// What was measured, by name; see docs/coverage.md.
    pub measured: BTreeMap<String, f64>,
    /// How long it had held, unseen, when it was first seen: that a picture comes again shows only later.
    pub lasted: Duration,
}

impl Condition {
    /// One that begins with the sample that shows it.
    pub fn new(what: FindingKind, measured: BTreeMap<String, f64>) -> Condition {
        Condition { what, measured, lasted: Duration::ZERO }
    }
}

/// One sample of a camera's picture, judged.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sample {
    /// What is wrong with the picture as a whole.
    pub conditions: Vec<Condition>,
    /// How each workstation that is marked in it is to be seen; `None`: it cannot be told.
    pub sights: Vec<(String, Option<Sight>)>,
    /// There is no reference, or none that it could be held against: hardly anything can be told.
    pub cannot_be_judged: bool,
    /// The camera has turned so far that too little of the reference's place is to be seen.
    pub has_turned_away: bool,
}

/// Why a picture cannot be a reference: others held against it would tell nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// It shows hardly anything, as with the lens covered or the lights off.
    #[error(
        "nothing in the picture could be told apart: take it with the lights on, the lens free and the room in focus"
    )]
    NoStructure,
    /// A workstation is marked so small that no part of it is looked at.
    #[error("workstation {0} is marked too small to be looked at: draw it around the whole place")]
    TooSmall(String),
}

/// Whether `picture` can be a reference with these workstations marked in it; if not, why.
pub fn unusable(picture: &Picture, workstations: &[Workstation]) -> Option<Unusable> {
    let reference = Reference::new(picture, workstations);
    if !reference.has_structure() {
        return Some(Unusable::NoStructure);
    }
    reference.without_cells().map(|name| Unusable::TooSmall(name.to_owned()))
}

/// Judges one camera's pictures, one after another.
pub struct Judge {
    limits: CoverageConfig,
    reference: Option<Reference>,
    workstations: Vec<Workstation>,
    memory: Memory,
    /// What was wrong with the sample before, repetition aside.
    seen_so: Vec<FindingKind>,
}

/// A picture whose spread is below this shows nothing at all, grey levels.
const NOTHING: f32 = 4.0;
/// When this share of the reference's points is where it was, the camera has not moved.
const STANDS: f32 = 0.4;
/// A covered lens leaves less than this of the reference's points in place.
const COVERED_IN_PLACE: f32 = 0.35;
/// The coarse picture of a camera that is out of focus is still this like the reference's.
const BLURRED_LIKENESS: f32 = 0.55;
/// A workstation is outside the picture when more than this share of it is.
const OUTSIDE: f32 = 0.5;
/// A camera has turned away when more than this share of the reference's place is outside the picture.
const TURNED_AWAY: f64 = 0.25;

impl Judge {
    /// `reference` is the picture as it should be; without one, nothing can be said of moves, focus and workstations.
    pub fn new(limits: &CoverageConfig, reference: Option<&Picture>, workstations: Vec<Workstation>) -> Judge {
        let reference = reference.map(|picture| Reference::new(picture, &workstations));
        let memory = Memory::new(limits.sample_seconds);
        Judge { limits: limits.clone(), reference, workstations, memory, seen_so: Vec::new() }
    }

    /// The camera was away, or nobody looked: what comes next repeats nothing. Its usual noise stays known.
    pub fn forget(&mut self) {
        self.memory.clear();
    }

    /// Takes over what the camera's judge before it has seen: the reference is another one, the camera is not.
    pub fn succeed(&mut self, before: Judge) {
        (self.memory, self.seen_so) = (before.memory, before.seen_so);
    }

    /// Judges the next sample. `at` is monotonic, since some moment of the judge's life.
    pub fn look(&mut self, picture: &Picture, at: Duration) -> Sample {
        let scales = Scales::of(picture);
        let mut conditions = self.light(&scales);
        let is_lit = conditions.is_empty();
        let mut map = Map::NONE;
        let reference =
            self.reference.as_ref().filter(|reference| reference.has_structure() && reference.fits(&scales));
        match reference {
            Some(reference) => {
                let matches = reference.matches(&scales);
                if let Some(condition) = self.against(reference, &scales, &matches, is_lit, &mut map) {
                    // Black without any structure left is a cover, not darkness: in the dark something is always seen.
                    // White all over is too much light.
                    let is_white = conditions.iter().any(|condition| condition.what == FindingKind::OverExposed);
                    if condition.what == FindingKind::Covered && !is_white {
                        conditions.clear();
                    }
                    if condition.what != FindingKind::Covered || !is_white {
                        conditions.push(condition);
                    }
                }
            }
            None if is_lit && scales.grey.spread() < NOTHING => {
                let measured = measured([("spread", scales.grey.spread()), ("mean_brightness", scales.grey.mean())]);
                conditions = vec![Condition::new(FindingKind::Covered, measured)];
            }
            None => {}
        }
        let seen_so: Vec<FindingKind> = conditions.iter().map(|condition| condition.what).collect();
        if seen_so != self.seen_so {
            self.memory.see_otherwise();
            self.seen_so = seen_so;
        }
        match self.memory.take(picture, at, self.limits.same_noise) {
            Repeats::No => {}
            // A covered lens, or a black picture, is the same again and again without being frozen.
            Repeats::Frozen { .. } if conditions.iter().any(|condition| hides_noise(condition.what)) => {}
            Repeats::Frozen { likeness, lasted } => {
                let measured = measured([("noise_likeness", likeness)]);
                conditions.push(Condition { what: FindingKind::Frozen, measured, lasted });
            }
            Repeats::Looped { period, likeness, lasted } => {
                let measured = measured([("noise_likeness", likeness), ("period_seconds", period.as_secs_f32())]);
                conditions.push(Condition { what: FindingKind::Looped, measured, lasted });
            }
        }
        let sights = self.sights(&scales, &map, &conditions, reference);
        let (width, height) = (WIDTH as f64, scales.grey.height as f64);
        let has_turned_away = map.share_outside(width, height) > TURNED_AWAY;
        Sample { conditions, sights, cannot_be_judged: reference.is_none(), has_turned_away }
    }

    /// Too dark, or too bright.
    fn light(&self, scales: &Scales) -> Vec<Condition> {
        let grey = &scales.grey;
        let (mean, bright) = (grey.mean(), grey.share_above(250.0));
        let values = measured([("mean_brightness", mean), ("bright_share", bright)]);
        let what = if mean < self.limits.dark_brightness {
            FindingKind::Dark
        } else if bright > self.limits.bright_share {
            FindingKind::OverExposed
        } else {
            return Vec::new();
        };
        vec![Condition::new(what, values)]
    }

    /// What is wrong against the reference; `map` is set to where its points lie now.
    fn against(
        &self,
        reference: &Reference,
        scales: &Scales,
        matches: &reference::Matches,
        is_lit: bool,
        map: &mut Map,
    ) -> Option<Condition> {
        let likeness = correlation(&reference.coarse, &scales.coarse);
        let values = || {
            measured([
                ("matched_share", matches.in_place),
                ("flat_share", matches.flat),
                ("sharpness_ratio", matches.sharpness),
                ("likeness", likeness),
            ])
        };
        let named = |what| Some(Condition::new(what, values()));
        let is_sharp = matches.sharpness >= self.limits.sharpness_ratio;
        let blurred = || {
            let is_blurred = is_lit && !is_sharp && likeness >= BLURRED_LIKENESS;
            if is_blurred { named(FindingKind::Blurred) } else { None }
        };
        if matches.in_place >= STANDS && !matches.drifts {
            return blurred();
        }
        let (width, height) = (WIDTH as f64, reference.height());
        if let Some(motion) = reference.motion(scales) {
            let farthest = motion.map.farthest(width, height) * 100.0 / width;
            if farthest > f64::from(self.limits.moved_percent) {
                *map = motion.map;
                let (turn, scale) = motion.map.turn_and_scale(width, height);
                let mut measured = values();
                measured.extend([
                    ("shift_percent".to_owned(), rounded(motion.map.shift(width, height) * 100.0 / width)),
                    ("farthest_percent".to_owned(), rounded(farthest)),
                    ("outside_share".to_owned(), rounded(motion.map.share_outside(width, height))),
                    ("turn_degrees".to_owned(), rounded(turn)),
                    ("scale".to_owned(), rounded(scale)),
                    ("agreeing_points".to_owned(), motion.agreeing as f64),
                ]);
                return Some(Condition::new(FindingKind::Moved, measured));
            }
            // Half hidden, but where it was.
            if (COVERED_IN_PLACE..STANDS).contains(&matches.in_place) {
                return None;
            }
        }
        if matches.in_place >= STANDS || (!is_sharp && likeness >= BLURRED_LIKENESS) {
            return blurred();
        }
        if matches.in_place < COVERED_IN_PLACE && matches.flat >= self.limits.covered_share {
            return named(FindingKind::Covered);
        }
        // Nothing of it, and not for want of focus.
        let shows_nothing_of_it =
            matches.in_place <= self.limits.replaced_share && (is_sharp || likeness < BLURRED_LIKENESS);
        if is_lit && shows_nothing_of_it { named(FindingKind::Replaced) } else { None }
    }

    fn sights(
        &self,
        scales: &Scales,
        map: &Map,
        conditions: &[Condition],
        reference: Option<&Reference>,
    ) -> Vec<(String, Option<Sight>)> {
        let worst = conditions.iter().find_map(|condition| condition.what.hides());
        let all =
            |sight: Option<Sight>| self.workstations.iter().map(|marked| (marked.workstation.clone(), sight)).collect();
        let Some(reference) = reference else { return all(worst.map(Sight::Hidden)) };
        if let Some(cause) = worst {
            return all(Some(Sight::Hidden(cause)));
        }
        let judge = |seen: reference::Seen| {
            if seen.outside > OUTSIDE {
                Sight::Hidden(HiddenCause::OutsidePicture)
            } else if seen.visible / (1.0 - seen.outside).max(0.01) < self.limits.visible_share {
                Sight::Hidden(HiddenCause::Obstructed)
            } else {
                Sight::Visible
            }
        };
        let stations = reference.stations(&scales.grey, map);
        stations.into_iter().map(|(name, seen)| (name.to_owned(), seen.map(judge))).collect()
    }
}

/// Whether a sensor's noise cannot be seen in such a picture.
fn hides_noise(what: FindingKind) -> bool {
    use FindingKind::{Blurred, Covered, Dark, OverExposed};
    matches!(what, Blurred | Covered | Dark | OverExposed)
}

fn measured<const N: usize>(values: [(&str, f32); N]) -> BTreeMap<String, f64> {
    values.into_iter().map(|(name, value)| (name.to_owned(), rounded(f64::from(value)))).collect()
}

/// Records hold three decimals; what is not a number has no place in one.
fn rounded(value: f64) -> f64 {
    if value.is_finite() { (value * 1000.0).round() / 1000.0 } else { -1.0 }
}
