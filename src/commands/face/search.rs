//! 1:N figures: how often an enrolled person is missed when strangers are taken for somebody at a given rate.

use crate::vision::{Embedding, Gallery};
use std::collections::BTreeMap;

/// Misses at a rate of strangers accepted.
#[derive(serde::Serialize)]
pub struct Rate {
    pub fpir: f64,
    pub fnir: f64,
    pub threshold: f32,
}

#[derive(serde::Serialize)]
pub struct SearchReport {
    /// People enrolled at a time.
    pub enrolled: usize,
    /// Galleries drawn; everybody is enrolled in one of them.
    pub galleries: usize,
    pub mated_searches: usize,
    pub stranger_searches: usize,
    pub rates: Vec<Rate>,
}

/// Enrols `enrolled` people at a time by their first photo and searches with all other photos; people with one photo
/// are strangers to every gallery.
pub fn evaluate(photos: &[(&str, &Embedding)], enrolled: usize) -> SearchReport {
    let mut people: BTreeMap<&str, Vec<&Embedding>> = BTreeMap::new();
    for (person, embedding) in photos {
        people.entry(person).or_default().push(embedding);
    }
    let people: Vec<Vec<&Embedding>> = people.into_values().collect();
    let with_probe: Vec<usize> = (0..people.len()).filter(|at| people[*at].len() > 1).collect();
    let (mut mated, mut strangers) = (Vec::new(), Vec::new());
    let mut galleries = 0;
    for members in with_probe.chunks(enrolled.max(1)).filter(|chunk| chunk.len() == enrolled.min(with_probe.len())) {
        galleries += 1;
        let mut gallery = Gallery::new(people[members[0]][0].values().len());
        for &member in members {
            gallery.add(member as u32, people[member][0]);
        }
        for (at, embeddings) in people.iter().enumerate() {
            let is_member = members.contains(&at);
            for probe in embeddings.iter().skip(usize::from(is_member)) {
                let Some(found) = gallery.search(probe) else { continue };
                match is_member {
                    true => mated.push(if found.person == at as u32 { found.score } else { -1.0 }),
                    false => strangers.push(found.score),
                }
            }
        }
    }
    strangers.sort_by(|a: &f32, b| b.total_cmp(a));
    let rates = [1e-2, 1e-3, 1e-4]
        .into_iter()
        .filter(|fpir| strangers.len() as f64 * fpir >= 1.0 && !mated.is_empty())
        .map(|fpir| {
            let threshold = strangers[(strangers.len() as f64 * fpir).floor() as usize].next_up();
            let missed = mated.iter().filter(|score| **score < threshold).count();
            Rate { fpir, fnir: missed as f64 / mated.len() as f64, threshold }
        })
        .collect();
    SearchReport { enrolled, galleries, mated_searches: mated.len(), stranger_searches: strangers.len(), rates }
}
