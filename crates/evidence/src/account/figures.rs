//! What a lesson's account says, held against itself: figures that do not add up, verdicts that do not follow from them.

use super::{REQUIRED_SHARE, Span, length, span, unsigned};
use crate::record::{CameraCoverage, Coverage, WorkstationCoverage};
use crate::verdict::{Finding, Severity};
use jiff::Timestamp;

/// Shares that are closer to each other than this are the same: a number in JSON may be read as one right beside it.
const SAME_SHARE: f64 = 1e-9;

/// One account, and what is found wrong with it.
pub(super) struct Claims<'c> {
    pub coverage: &'c Coverage,
    /// What it is of.
    pub span: Span,
    seq: u64,
    found: Vec<Finding>,
}

/// The account, in words.
pub(super) fn about(seq: u64, Coverage { class, start, .. }: &Coverage) -> String {
    format!("record {seq}, the account of the lesson of class {class} at {start}")
}

impl<'c> Claims<'c> {
    /// The account that is record `seq`; one that is of no time is a finding.
    pub fn read(seq: u64, coverage: &'c Coverage) -> Result<Claims<'c>, Finding> {
        let Coverage { from, end, .. } = coverage;
        match span(from, end) {
            Some(span) => Ok(Claims { coverage, span, seq, found: Vec::new() }),
            None => {
                let message = format!("{}: its span, {from} to {end}, is none", about(seq, coverage));
                Err(Finding { severity: Severity::Failure, code: "wrong_account", seq: Some(seq), message })
            }
        }
    }

    /// All that was found.
    pub fn into_findings(self) -> Vec<Finding> {
        self.found
    }

    /// Adds a failure.
    pub fn fail(&mut self, code: &'static str, problem: impl std::fmt::Display) {
        self.add(Severity::Failure, code, problem);
    }

    fn add(&mut self, severity: Severity, code: &'static str, problem: impl std::fmt::Display) {
        let message = format!("{}: {problem}", about(self.seq, self.coverage));
        self.found.push(Finding { severity, code, seq: Some(self.seq), message });
    }

    /// Judges each camera's figures. `difference` tells, in words, what is wrong with them.
    pub fn cameras(&mut self, difference: impl Fn(&CameraCoverage, &Span) -> Option<String>) {
        for claimed in &self.coverage.cameras {
            let (camera, ms) = (&claimed.camera, claimed.unexplained_ms);
            if let Some(difference) = difference(claimed, &self.span) {
                self.fail("wrong_account", format_args!("of camera {camera} it does not say {difference}"));
            } else if ms > 0 {
                let problem = format!("{ms} ms of camera {camera} are neither recorded nor explained by a gap");
                self.add(Severity::Warning, "unexplained_time", problem);
            }
        }
    }

    /// Likewise each workstation's.
    pub fn workstations(&mut self, difference: impl Fn(&WorkstationCoverage, &Span) -> Option<String>) {
        for claimed in &self.coverage.workstations {
            if let Some(difference) = difference(claimed, &self.span) {
                let workstation = &claimed.workstation;
                self.fail(
                    "wrong_account",
                    format_args!("of workstation {workstation} it does not add up: {difference}"),
                );
            }
        }
    }

    /// Judges whether its verdicts follow from its figures.
    pub fn verdicts(&mut self) {
        let coverage = self.coverage;
        for claimed in &coverage.cameras {
            if let Some(wrong) = contradicted(claimed.complete, camera_verdict(claimed, coverage.required_share)) {
                self.fail("wrong_verdict", format_args!("it calls camera {} {wrong}", claimed.camera));
            }
        }
        for claimed in &coverage.workstations {
            let verdict = workstation_verdict(claimed, coverage.required_share);
            if let Some(wrong) = contradicted(claimed.complete, verdict) {
                self.fail("wrong_verdict", format_args!("it calls workstation {} {wrong}", claimed.workstation));
            }
        }
        if coverage.roll_call_recorded == Some(true) && coverage.roll_call.is_none() {
            self.fail("wrong_verdict", "it calls its roll call recorded, and names none");
        } else if coverage.complete && !is_shown(coverage) {
            self.fail("wrong_verdict", "it calls the lesson complete, though by its own figures it is not");
        }
    }
}

/// Where a camera's figures are not those of the span, or of each other, in words.
pub(super) fn camera_difference(claimed: &CameraCoverage, span: &Span) -> Option<String> {
    let CameraCoverage { required_ms, recorded_ms, gaps_ms, unexplained_ms, .. } = claimed;
    let gaps = total(gaps_ms.values());
    let sum = recorded_ms.saturating_add(gaps).saturating_add(*unexplained_ms);
    let required = unsigned(length(span));
    if *required_ms != required {
        return Some(format!("what the lesson has: required_ms is {required_ms}, the lesson has {required}"));
    }
    (sum != required).then(|| {
        format!(
            "what adds up: recorded_ms, gaps_ms and unexplained_ms are {recorded_ms}, {gaps} and {unexplained_ms}, in \
             all {sum} of {required}"
        )
    })
}

/// Likewise a workstation's.
pub(super) fn workstation_difference(claimed: &WorkstationCoverage, span: &Span) -> Option<String> {
    let WorkstationCoverage { required_ms, visible_ms, hidden_ms, unknown_ms, .. } = claimed;
    let hidden = total(hidden_ms.values());
    let sum = visible_ms.saturating_add(hidden).saturating_add(*unknown_ms);
    let required = unsigned(length(span));
    if *required_ms != required {
        return Some(format!("required_ms is {required_ms}, the lesson has {required}"));
    }
    (sum != required).then(|| {
        format!("visible_ms, hidden_ms and unknown_ms are {visible_ms}, {hidden} and {unknown_ms}, in all {sum} of {required}")
    })
}

/// The sum, ms.
pub(super) fn total<'ms>(ms: impl Iterator<Item = &'ms u64>) -> u64 {
    ms.fold(0, |sum, ms| sum.saturating_add(*ms))
}

/// Whether by its own figures the lesson was shown as required. Where a verdict is absent, as in records of before it was
/// told, the figures give it; they have meant the same in all versions.
pub(super) fn is_shown(coverage: &Coverage) -> bool {
    let share = coverage.required_share;
    !coverage.cameras.is_empty()
        && coverage.cameras.iter().all(|claimed| is_camera_enough(claimed, share) && claimed.unexplained_ms == 0)
        && coverage.workstations.iter().all(|claimed| is_workstation_enough(claimed, share))
        && is_roll_call_shown(coverage)
}

/// Whether a camera has shown enough, as far as can be told.
pub(super) fn is_camera_enough(claimed: &CameraCoverage, required_share: f64) -> bool {
    claimed.complete.or_else(|| camera_verdict(claimed, required_share)) != Some(false)
}

/// Whether a workstation was visible for long enough, as far as can be told.
pub(super) fn is_workstation_enough(claimed: &WorkstationCoverage, required_share: f64) -> bool {
    claimed.complete.or_else(|| workstation_verdict(claimed, required_share)) != Some(false)
}

fn is_roll_call_shown(coverage: &Coverage) -> bool {
    match (coverage.roll_call_recorded, &coverage.roll_call) {
        (Some(true), Some(roll_call)) => {
            let is_in = |start: Timestamp| {
                let span = span(&coverage.from, &coverage.end);
                span.is_some_and(|span| span.start <= start && start <= span.end)
            };
            roll_call.start.parse().is_ok_and(is_in)
        }
        (Some(_), _) => false,
        // It has been told since cameras have had verdicts.
        (None, _) => coverage.cameras.iter().all(|claimed| claimed.complete.is_none()),
    }
}

/// Whether less is required than is meant to be.
pub(super) fn is_lenient(required_share: f64) -> bool {
    required_share < REQUIRED_SHARE - SAME_SHARE
}

/// Whether a camera has shown enough, as [`verdict`].
fn camera_verdict(claimed: &CameraCoverage, required_share: f64) -> Option<bool> {
    let not_shown = total(claimed.impaired_ms.values().chain(&claimed.unwatched_ms));
    match claimed.unexplained_ms {
        0 => verdict(claimed.recorded_ms.saturating_sub(not_shown), claimed.required_ms, required_share),
        _ => Some(false),
    }
}

fn workstation_verdict(claimed: &WorkstationCoverage, required_share: f64) -> Option<bool> {
    verdict(claimed.visible_ms, claimed.required_ms, required_share)
}

/// Whether so much is enough; `None` where that hangs on a number's last digits.
fn verdict(visible_ms: u64, required_ms: u64, required_share: f64) -> Option<bool> {
    let share = if required_ms == 0 { 1.0 } else { visible_ms as f64 / required_ms as f64 };
    ((share - required_share).abs() >= SAME_SHARE).then_some(share >= required_share)
}

/// What is claimed, and that it is not what the figures say, in words; `None` where it is, or where either is not told.
fn contradicted(claimed: Option<bool>, verdict: Option<bool>) -> Option<String> {
    let word = |is_complete| if is_complete { "complete" } else { "incomplete" };
    let (claimed, verdict) = claimed.zip(verdict).filter(|(claimed, verdict)| claimed != verdict)?;
    Some(format!("{}, but by its own figures that is {}", word(claimed), word(verdict)))
}
