//! `[recording]`: what is kept of the lessons, and where.

use evidence::account::REQUIRED_SHARE;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// How lessons are recorded. Which, the plan says.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RecordingConfig {
    /// Where segments are kept; absent means `recordings` in the state directory.
    pub folder: Option<PathBuf>,
    /// A lesson is recorded from this many minutes before its start, so that the roll call is in it.
    pub lead_minutes: i64,
    /// Whether cameras are recorded outside lessons too, without sound. What is not needed is not kept, for the people in
    /// the room; an institution that watches its rooms at night may want it.
    pub outside_lessons: bool,
    /// Segments end at the first key frame after a multiple of this, seconds.
    pub segment_seconds: u64,
    /// A lesson without a roll call this many minutes after its start is a finding.
    pub rollcall_minutes: i64,
    /// A lesson is complete when each camera, and each workstation, shows this share of it, 0 to 1.
    pub required_share: f64,
    /// What encodes the pictures of cameras that do not do so themselves (`v4l2`, `file`): an H.264 encoder of
    /// libavcodec that takes pictures from memory. One that cannot be opened is replaced by `libx264`.
    pub encoder: String,
    /// Pictures a second of those, at most.
    pub encoded_fps: u32,
    /// Kilobits a second of those, at most; a still picture takes less.
    pub encoded_kilobits: u32,
}

impl Default for RecordingConfig {
    fn default() -> Self {
        RecordingConfig {
            folder: None,
            lead_minutes: 10,
            outside_lessons: false,
            rollcall_minutes: 15,
            segment_seconds: 60,
            required_share: REQUIRED_SHARE,
            encoder: "libx264".into(),
            encoded_fps: 10,
            encoded_kilobits: 2000,
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
        if !ENCODERS.contains(&self.encoder.as_str()) {
            return wrong("encoder", format!("{:?} is not one of {}", self.encoder, ENCODERS.join(", ")));
        }
        if !(1..=60).contains(&self.encoded_fps) {
            return wrong("encoded_fps", format!("{} is not between 1 and 60", self.encoded_fps));
        }
        if !(100..=20_000).contains(&self.encoded_kilobits) {
            return wrong("encoded_kilobits", format!("{} is not between 100 and 20000", self.encoded_kilobits));
        }
        Ok(())
    }
}

/// Encoders that take pictures from memory, as libavcodec calls them.
const ENCODERS: [&str; 5] = ["libx264", "h264_v4l2m2m", "h264_nvenc", "h264_qsv", "h264_omx"];
