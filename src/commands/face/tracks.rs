//! What a check-in compares: the mean of several good frames of one face with a picture that was good enough to enrol.

use super::tail::{self, Impostor};
use crate::config::CheckinConfig;
use crate::vision::{Embedding, Face, judge};
use std::collections::BTreeMap;

/// One photo of somebody; `None`: no face was found in it.
pub struct Shot<'a> {
    pub person: &'a str,
    pub seen: Option<(&'a Embedding, &'a Face)>,
}

/// Misses at a threshold.
#[derive(serde::Serialize)]
pub struct Miss {
    pub threshold: f32,
    pub missed: usize,
    pub share: f64,
}

#[derive(serde::Serialize)]
pub struct TrackReport {
    /// Good frames in a track.
    pub frames: usize,
    pub people: usize,
    pub tracks: usize,
    pub templates: usize,
    /// Photos that check-in would not use: no face, turned away, small, blurred …
    pub refused_frames: usize,
    /// A track with a template of the same person, which is not one of its frames.
    pub same: usize,
    pub different: usize,
    /// The highest score between different people.
    pub highest_different: f32,
    /// The lowest between the same.
    pub lowest_same: f32,
    pub misses: Vec<Miss>,
    /// What decides whether a frame continues a track or is somebody else's.
    pub followed: Followed,
    /// The thresholds for rates of false accepts a comparison; the last is one search in 10,000 among `enrolled`.
    pub enrolled: usize,
    pub thresholds: Vec<tail::Rate>,
}

/// Single photos that check-in would use against the mean of others.
#[derive(serde::Serialize)]
pub struct Followed {
    /// The lowest score of a photo with the mean of all the same person's before it, of three at least.
    pub lowest_same: f32,
    /// The highest of a photo with the mean of all of somebody else's.
    pub highest_different: f32,
}

/// How surely a frame can be told to be of the person that a track follows.
fn follow(runs: &[Vec<&Embedding>]) -> Followed {
    let mean = |run: &[&Embedding]| Embedding::mean(run.iter().copied());
    let same = runs.iter().flat_map(|run| {
        (3..run.len()).filter_map(move |at| Embedding::mean(run[..at].iter().copied()).map(|mean| mean.cosine(run[at])))
    });
    let means: Vec<(usize, Embedding)> =
        runs.iter().enumerate().filter_map(|(person, run)| Some((person, mean(run)?))).collect();
    let different = means.iter().flat_map(|(owner, mean)| {
        let others = runs.iter().enumerate().filter(move |(person, _)| person != owner);
        others.flat_map(|(_, run)| run).map(|photo| mean.cosine(photo))
    });
    Followed { lowest_same: same.fold(1.0, f32::min), highest_different: different.fold(-1.0, f32::max) }
}

/// Puts each person's photos, in the order of their names, into runs of `frames` that check-in would use, and compares
/// each run's mean with every photo of everybody that enrolment would take.
pub fn evaluate(shots: &[Shot], frames: usize, enrolled: usize) -> TrackReport {
    let limits = CheckinConfig::default();
    let enrolment = limits.enrolment_quality();
    let frames = frames.max(1);
    let mut by_person: BTreeMap<&str, Vec<&Shot>> = BTreeMap::new();
    for shot in shots {
        by_person.entry(shot.person).or_default().push(shot);
    }
    let mut refused_frames = 0;
    // The photo's number within the person's, to know which template is in which track.
    let mut templates: Vec<(u32, usize, &Embedding)> = Vec::new();
    let mut tracks: Vec<(u32, Vec<usize>, Embedding)> = Vec::new();
    let mut runs: Vec<Vec<&Embedding>> = vec![Vec::new(); by_person.len()];
    for (person, shots) in by_person.values().enumerate() {
        let mut run: Vec<(usize, &Embedding)> = Vec::new();
        for (number, shot) in shots.iter().enumerate() {
            let Some((embedding, face)) = shot.seen.filter(|(_, face)| judge(face, &limits.quality).is_ok()) else {
                refused_frames += 1;
                continue;
            };
            if judge(face, &enrolment).is_ok() {
                templates.push((person as u32, number, embedding));
            }
            runs[person].push(embedding);
            run.push((number, embedding));
            if run.len() == frames {
                let mean = Embedding::mean(run.iter().map(|(_, embedding)| *embedding));
                tracks.extend(mean.map(|mean| (person as u32, run.iter().map(|(number, _)| *number).collect(), mean)));
                run.clear();
            }
        }
    }
    let mut same = Vec::new();
    let mut different = Vec::new();
    for (owner, members, mean) in &tracks {
        for (person, number, template) in &templates {
            let score = mean.cosine(template);
            if owner != person {
                different.push(Impostor { score, people: (*person, *owner) });
            } else if !members.contains(number) {
                same.push(score);
            }
        }
    }
    let count = |owners: &mut dyn Iterator<Item = u32>| {
        let mut counts = vec![0; by_person.len()];
        owners.for_each(|owner| counts[owner as usize] += 1);
        counts
    };
    let templates_of = count(&mut templates.iter().map(|(person, ..)| *person));
    let tracks_of = count(&mut tracks.iter().map(|(person, ..)| *person));
    let misses = [0.55, 0.60, 0.62, 0.64, 0.66, 0.68, 0.70, 0.73, 0.75].map(|threshold: f32| {
        let missed = same.iter().filter(|score| **score < threshold).count();
        Miss { threshold, missed, share: missed as f64 / same.len().max(1) as f64 }
    });
    let rates = [1e-3, 1e-4, 1e-5, 1e-4 / enrolled.max(1) as f64];
    TrackReport {
        frames,
        people: by_person.len(),
        tracks: tracks.len(),
        templates: templates.len(),
        refused_frames,
        same: same.len(),
        different: different.len(),
        highest_different: different.iter().map(|impostor| impostor.score).fold(-1.0, f32::max),
        lowest_same: same.iter().copied().fold(1.0, f32::min),
        misses: misses.into(),
        followed: follow(&runs),
        enrolled,
        thresholds: tail::thresholds(different, &templates_of, &tracks_of, &rates),
    }
}
