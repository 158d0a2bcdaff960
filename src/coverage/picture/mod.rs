//! One camera's picture: what is wrong with it, and which workstations it shows. Pure: pictures in, conditions out.

use crate::picture::Picture;
use crate::store::{Sight, Workstation};
use evidence::record::FindingKind;
use std::collections::BTreeMap;
use std::time::Duration;

/// A condition that holds in one sample. It becomes a finding when it lasts.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// What is wrong with the picture.
    pub what: FindingKind,
    /// What was measured, by name.
    pub measured: BTreeMap<String, f64>,
}

/// One sample of a camera's picture, judged.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sample {
    /// What is wrong with the picture as a whole.
    pub conditions: Vec<Condition>,
    /// How each workstation that is marked in it is to be seen; `None`: it cannot be told.
    pub sights: Vec<(String, Option<Sight>)>,
}

/// Judges one camera's pictures, one after another.
pub struct Judge {
    workstations: Vec<Workstation>,
}

impl Judge {
    /// `reference` is the picture as it should be; without one, nothing can be said of moves and workstations.
    pub fn new(_reference: Option<&Picture>, workstations: Vec<Workstation>) -> Judge {
        Judge { workstations }
    }

    /// Judges the next sample. `at` is monotonic, since some moment of the judge's life.
    pub fn look(&mut self, _picture: &Picture, _at: Duration) -> Sample {
        let sights = self.workstations.iter().map(|marked| (marked.workstation.clone(), None)).collect();
        Sample { conditions: Vec::new(), sights }
    }
}
