//! What is found in a log: how bad it is, and how much of it is listed.

use serde::Serialize;
use std::collections::HashMap;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Needs an explanation, but the evidence stands.
    Warning,
    /// The evidence does not stand.
    Failure,
}

/// Something found in a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// A word for programs, such as `bad_signature`.
    pub code: &'static str,
    /// The record it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// A sentence for people.
    pub message: String,
}

/// What a verdict is of: how far the bureau has countersigned, what a disc claims to hold, how much of that is good, and how
/// many lessons were recorded as they should be.
const HEAD: [&str; 4] = ["countersigned", "claim", "segments", "lessons"];

impl Finding {
    /// Whether it says what the verdict is of. Such a finding is never left out.
    pub fn is_head(&self) -> bool {
        self.severity == Severity::Note && HEAD.contains(&self.code)
    }

    /// A warning about a record.
    pub(crate) fn warning(code: &'static str, seq: u64, message: String) -> Finding {
        Finding { severity: Severity::Warning, code, seq: Some(seq), message }
    }
}

/// Most findings of a severity that are listed one by one: warnings take no failure's place.
const MAX_FINDINGS: usize = 1000;
/// Findings of one code that are listed whatever there is of others.
const LISTED_OF_EACH: usize = 20;

/// Findings, of which so many are listed that one can read them.
#[derive(Default)]
pub struct Findings {
    listed: Vec<Finding>,
    /// How many are listed, by severity.
    of_severity: [usize; 3],
    /// Likewise, by code.
    of_code: HashMap<&'static str, usize>,
    left_out: u64,
    /// Whether any is a failure, listed or not.
    has_failed: bool,
}

impl Findings {
    /// Takes one more.
    pub fn add(&mut self, finding: Finding) {
        self.has_failed |= finding.severity == Severity::Failure;
        let of_severity = &mut self.of_severity[finding.severity as usize];
        let of_code = self.of_code.entry(finding.code).or_default();
        if *of_severity >= MAX_FINDINGS && *of_code >= LISTED_OF_EACH && !finding.is_head() {
            self.left_out += 1;
            return;
        }
        *of_severity += 1;
        *of_code += 1;
        self.listed.push(finding);
    }

    /// Counts one that says nothing new.
    pub fn leave_out(&mut self) {
        self.left_out += 1;
    }

    /// Those that are listed, in the order that they came in, with a note of how many are not; and whether none was a failure.
    pub fn finish(mut self) -> (Vec<Finding>, bool) {
        if self.left_out > 0 {
            let message = format!("{} more findings are not listed", self.left_out);
            self.listed.push(Finding { severity: Severity::Note, code: "more", seq: None, message });
        }
        (self.listed, !self.has_failed)
    }
}

impl Extend<Finding> for Findings {
    fn extend<T: IntoIterator<Item = Finding>>(&mut self, findings: T) {
        findings.into_iter().for_each(|finding| self.add(finding));
    }
}
