//! Conditions that last become findings; those that pass do not. Pure: samples in, beginnings and ends out.

use super::picture::Sample;
use crate::config::CoverageConfig;
use evidence::record::{FindingKind, HiddenCause};
use jiff::Timestamp;
use std::collections::BTreeMap;

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
        /// What was measured, at its worst.
        measured: BTreeMap<String, f64>,
    },
}

/// One camera's findings.
pub struct Findings {
    _limits: CoverageConfig,
}

impl Findings {
    /// None yet.
    pub fn new(limits: &CoverageConfig) -> Findings {
        Findings { _limits: limits.clone() }
    }

    /// Takes the next sample; tells what has begun or ended.
    pub fn take(&mut self, _at: Timestamp, _sample: &Sample) -> Vec<Change> {
        Vec::new()
    }

    /// Ends what goes on: nobody looks any more.
    pub fn close(&mut self, _at: Timestamp) -> Vec<Change> {
        Vec::new()
    }
}
