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
/// are strangers to every gallery. Without a face in the photo (`None`) a search finds nobody, and enrolment takes the
/// person's next photo.
pub fn evaluate(photos: &[(&str, Option<&Embedding>)], enrolled: usize) -> SearchReport {
    let mut people: BTreeMap<&str, Vec<Option<&Embedding>>> = BTreeMap::new();
    for (person, embedding) in photos {
        people.entry(person).or_default().push(*embedding);
    }
    let mut people: Vec<Vec<Option<&Embedding>>> = people.into_values().collect();
    for photos in &mut people {
        // The first with a face becomes the template; the others keep their order.
        let first = photos.iter().position(Option::is_some).unwrap_or(0);
        photos[..=first].rotate_right(1);
    }
    let with_probe: Vec<usize> =
        (0..people.len()).filter(|at| people[*at].len() > 1 && people[*at][0].is_some()).collect();
    let (mut mated, mut strangers) = (Vec::new(), Vec::new());
    let mut galleries = 0;
    for members in with_probe.chunks(enrolled.max(1)).filter(|chunk| chunk.len() == enrolled.min(with_probe.len())) {
        galleries += 1;
        let templates = || members.iter().filter_map(|&member| people[member][0].map(|face| (member, face)));
        let Some((_, some)) = templates().next() else { continue };
        let mut gallery = Gallery::new(some.values().len());
        for (member, template) in templates() {
            gallery.add(member as u32, template);
        }
        for (at, embeddings) in people.iter().enumerate() {
            let is_member = members.contains(&at);
            for probe in embeddings.iter().skip(usize::from(is_member)) {
                let found = probe.and_then(|probe| gallery.search(probe));
                match is_member {
                    true => mated.push(found.filter(|found| found.person == at as u32).map_or(-1.0, |f| f.score)),
                    false => strangers.push(found.map_or(-1.0, |found| found.score)),
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
