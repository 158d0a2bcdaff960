//! `[recording]`: what is kept of the lessons, and where.

use serde::Deserialize;
use std::path::PathBuf;

/// How lessons are recorded. Which, the plan says.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RecordingConfig {
    /// Where segments are kept; absent means `recordings` in the state directory.
    pub folder: Option<PathBuf>,
    /// A lesson is recorded from this many minutes before its start, so that the roll call is in it.
    pub lead_minutes: i64,
    /// Segments end at the first key frame after a multiple of this, seconds.
    pub segment_seconds: u64,
    /// A lesson without a roll call this many minutes after its start is a finding.
    pub rollcall_minutes: i64,
    /// A lesson is complete when each camera, and each workstation, shows this share of it, 0 to 1.
    pub required_share: f64,
}

impl Default for RecordingConfig {
    fn default() -> Self {
        RecordingConfig {
            folder: None,
            lead_minutes: 10,
            rollcall_minutes: 15,
            segment_seconds: 60,
            required_share: 0.99,
        }
    }
}

impl RecordingConfig {
    pub(super) fn check(&self) -> Result<(), (String, String)> {
        let wrong = |key: &str, message: String| Err((format!("recording.{key}"), message));
        if !(0..=120).contains(&self.lead_minutes) {
            return wrong("lead_minutes", format!("{} is not between 0 and 120", self.lead_minutes));
        }
        if !(1..=240).contains(&self.rollcall_minutes) {
            return wrong("rollcall_minutes", format!("{} is not between 1 and 240", self.rollcall_minutes));
        }
        if !(10..=600).contains(&self.segment_seconds) || 3600 % self.segment_seconds != 0 {
            return wrong(
                "segment_seconds",
                format!("{} is not a part of an hour between 10 and 600", self.segment_seconds),
            );
        }
        if !(0.0..=1.0).contains(&self.required_share) {
            return wrong("required_share", format!("{} is not between 0 and 1", self.required_share));
        }
        Ok(())
    }
}
