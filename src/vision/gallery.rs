//! 1:N search: the templates of many people in one flat table, compared one after the other.
//!
//! At 10,000 templates of 192 values this reads 7.7 MB, which takes well under a millisecond; an index would save
//! nothing and could miss somebody.

use super::Embedding;
use super::embedding::dot;

/// Templates and whose they are.
pub struct Gallery {
    dimensions: usize,
    values: Vec<f32>,
    people: Vec<u32>,
}

/// What a search finds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Match {
    /// The most similar person.
    pub person: u32,
    /// Cosine with that person's best template.
    pub score: f32,
    /// The most similar other person, and the cosine.
    pub second: Option<(u32, f32)>,
}

impl Gallery {
    /// An empty gallery for embeddings of this many values.
    pub fn new(dimensions: usize) -> Gallery {
        Gallery { dimensions, values: Vec::new(), people: Vec::new() }
    }

    /// Adds a template; a person may have several. One of another length is of another model and is left out,
    /// and so is one that is no direction: nothing can be compared with it.
    pub fn add(&mut self, person: u32, template: &Embedding) {
        let is_direction = template.values().iter().all(|value| value.is_finite());
        if is_direction && template.values().len() == self.dimensions {
            self.values.extend_from_slice(template.values());
            self.people.push(person);
        }
    }

    /// Templates in it.
    pub fn len(&self) -> usize {
        self.people.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.people.is_empty()
    }

    /// The most similar person and the next; `None` when the gallery is empty.
    pub fn search(&self, face: &Embedding) -> Option<Match> {
        let face = face.values();
        if face.len() != self.dimensions {
            return None;
        }
        let mut best: Option<(u32, f32)> = None;
        let mut second: Option<(u32, f32)> = None;
        for (template, &person) in self.values.chunks_exact(self.dimensions).zip(&self.people) {
            let score = dot(template, face);
            match best {
                Some((first, top)) if person == first => best = Some((first, top.max(score))),
                Some((_, top)) if score <= top => {
                    if second.is_none_or(|(_, lower)| score > lower) {
                        second = Some((person, score));
                    }
                }
                _ => {
                    second = best;
                    best = Some((person, score));
                }
            }
        }
        best.map(|(person, score)| Match { person, score, second })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_another_person_not_another_template() {
        let at = |x: f32, y: f32| Embedding::from_sum(&[x, y, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        let mut gallery = Gallery::new(8);
        gallery.add(2, &at(0.0, 1.0));
        gallery.add(1, &at(1.0, 0.05));
        gallery.add(1, &at(1.0, 0.0));
        gallery.add(3, &at(1.0, 0.5));
        gallery.add(1, &at(1.0, 0.1));
        let found = gallery.search(&at(1.0, 0.0)).expect("not empty");
        assert_eq!((found.person, found.second.expect("others").0), (1, 3));
        assert!(found.score > 0.9999);
        assert_eq!(Gallery::new(8).search(&at(1.0, 0.0)), None);
    }
}
