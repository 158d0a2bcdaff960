//! 1:1 figures: accuracy over listed pairs, and TAR at fixed FAR.

use crate::vision::Embedding;
use anyhow::{Context, Result, bail};
use std::collections::HashMap;
use std::path::Path;

/// Two photos by name, and whether they show the same person.
pub struct Pair {
    pub left: String,
    pub right: String,
    pub same: bool,
}

/// Below every score: what a photo without a face scores.
const NO_FACE: f32 = -1.0;

/// True accepts at a rate of false accepts.
#[derive(serde::Serialize)]
pub struct Rate {
    pub far: f64,
    pub tar: f64,
    pub threshold: f32,
}

#[derive(serde::Serialize)]
pub struct Verification {
    pub same_pairs: usize,
    pub different_pairs: usize,
    /// Pairs that could not be compared because no face was found: errors in `accuracy`, misses in `rates`.
    pub missing_pairs: usize,
    /// Mean accuracy over ten parts of the list, each judged with the best threshold of the other nine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    pub rates: Vec<Rate>,
}

/// Reads LFW's pair list: `name i j`, or `name1 i name2 j`. A first line of counts is passed over.
pub fn read(file: &Path) -> Result<Vec<Pair>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut pairs = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let photo = |name: &str, index: &str| -> Result<String> {
            let index: u32 = index
                .parse()
                .with_context(|| format!("{}:{}: {index:?} is not a photo's number", file.display(), number + 1))?;
            Ok(format!("{name}_{index:04}"))
        };
        match words[..] {
            [] => {}
            [count] | [count, _] if number == 0 && count.parse::<u32>().is_ok() => {}
            [name, i, j] => pairs.push(Pair { left: photo(name, i)?, right: photo(name, j)?, same: true }),
            [name, i, other, j] => pairs.push(Pair { left: photo(name, i)?, right: photo(other, j)?, same: false }),
            _ => bail!("{}:{}: expected `name i j` or `name1 i name2 j`, found {line:?}", file.display(), number + 1),
        }
    }
    Ok(pairs)
}

/// Compares listed pairs.
pub fn verify_listed(pairs: &[Pair], embeddings: &HashMap<String, &Embedding>) -> Verification {
    let scored: Vec<(Option<f32>, bool)> = pairs
        .iter()
        .map(|pair| {
            let both = embeddings.get(&pair.left).zip(embeddings.get(&pair.right));
            (both.map(|(left, right)| left.cosine(right)), pair.same)
        })
        .collect();
    let (mut same, mut different) = (Vec::new(), Vec::new());
    for (score, is_same) in &scored {
        let score = score.unwrap_or(NO_FACE);
        if *is_same { same.push(score) } else { different.push(score) }
    }
    Verification {
        same_pairs: same.len(),
        different_pairs: different.len(),
        missing_pairs: scored.iter().filter(|(score, _)| score.is_none()).count(),
        accuracy: Some(folded_accuracy(&scored)),
        rates: rates(same, different),
    }
}

/// Compares every photo with every other; a photo without a face is like no other.
pub fn verify_all(photos: &[(&str, Option<&Embedding>)]) -> Verification {
    let (mut same, mut different) = (Vec::new(), Vec::new());
    let mut missing_pairs = 0;
    for (at, (person, embedding)) in photos.iter().enumerate() {
        for (other_person, other) in &photos[at + 1..] {
            let score = embedding.zip(*other).map(|(embedding, other)| embedding.cosine(other));
            missing_pairs += usize::from(score.is_none());
            let score = score.unwrap_or(NO_FACE);
            if person == other_person { same.push(score) } else { different.push(score) }
        }
    }
    Verification {
        same_pairs: same.len(),
        different_pairs: different.len(),
        missing_pairs,
        accuracy: None,
        rates: rates(same, different),
    }
}

fn folded_accuracy(scored: &[(Option<f32>, bool)]) -> f64 {
    const FOLDS: usize = 10;
    // Of either kind a tenth to each part, in the list's order: lists come in runs of the same and of the different,
    // and a threshold found on more of one kind than of the other is not the one to judge the rest by.
    let mut seen = [0usize; 2];
    let of_kind = [false, true].map(|kind| scored.iter().filter(|(_, same)| *same == kind).count());
    let folds: Vec<usize> = scored
        .iter()
        .map(|(_, same)| {
            let kind = usize::from(*same);
            seen[kind] += 1;
            (seen[kind] - 1) * FOLDS / of_kind[kind]
        })
        .collect();
    let fold_of = |at: usize| folds[at];
    let right = |score: Option<f32>, same: bool, threshold: f32| score.is_some_and(|s| (s >= threshold) == same);
    let total: f64 = (0..FOLDS)
        .map(|fold| {
            let (held, others): (Vec<_>, Vec<_>) = scored.iter().enumerate().partition(|(at, _)| fold_of(*at) == fold);
            let correct = |part: &[(usize, &(Option<f32>, bool))], threshold| {
                part.iter().filter(|(_, (score, same))| right(*score, *same, threshold)).count()
            };
            let candidates = (0..1000).map(|step| step as f32 / 1000.0);
            let best = candidates.max_by_key(|threshold| correct(&others, *threshold)).unwrap_or(0.5);
            correct(&held, best) as f64 / held.len().max(1) as f64
        })
        .sum();
    total / FOLDS as f64
}

fn rates(same: Vec<f32>, mut different: Vec<f32>) -> Vec<Rate> {
    if same.is_empty() || different.is_empty() {
        return Vec::new();
    }
    different.sort_by(|a, b| b.total_cmp(a));
    [1e-2, 1e-3, 1e-4]
        .into_iter()
        .map(|far| {
            // the least threshold that lets at most this share of different pairs through
            let allowed = (different.len() as f64 * far).floor() as usize;
            let threshold = different[allowed.min(different.len() - 1)].next_up();
            let accepted = same.iter().filter(|score| **score >= threshold).count();
            Rate { far, tar: accepted as f64 / same.len() as f64, threshold }
        })
        .collect()
}
