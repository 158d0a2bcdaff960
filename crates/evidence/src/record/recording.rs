//! What was recorded and what was not: `segment`, `gap`, and a lesson's account, `coverage`.
//!
//! For every second that the plan wants recorded there is a segment that shows it or a gap that says why none does.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A piece of one camera's recording: a fragmented MP4 file that is closed and on disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Segment {
    /// The camera's name in the appliance's config.
    pub camera: String,
    /// When its first frame arrived, RFC 3339 with offset and milliseconds.
    pub start: String,
    /// When its last frame ended, likewise.
    pub end: String,
    /// Video frames in it.
    pub frames: u64,
    /// Network packets that were lost on their way from the camera; absent where a crash has taken the count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost_packets: Option<u64>,
    /// Length of the file, bytes.
    pub bytes: u64,
    /// SHA-256 (hex) of the file.
    pub sha256: String,
    /// SHA-256 (hex) of the same camera's segment before this one; absent for its first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
    /// How the picture is coded.
    pub codec: VideoCodec,
    /// Width of the picture, px.
    pub width: u32,
    /// Height of the picture, px.
    pub height: u32,
    /// What became of the sound.
    pub sound: Sound,
    /// Whether it was left unfinished by a crash or a power cut and closed at the next start.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub recovered: bool,
}

/// How a recording's picture is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VideoCodec {
    /// ITU-T H.264
    H264,
    /// ITU-T H.265
    H265,
}

/// What became of the sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sound {
    /// It is in the segment.
    Recorded,
    /// The plan says that none is kept; it never reached the disk.
    Dropped,
    /// The camera sends none, or none that can be kept.
    None,
}

/// A span in which a camera that should have been recorded was not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gap {
    /// The camera's name in the appliance's config.
    pub camera: String,
    /// When it began, RFC 3339 with offset and milliseconds.
    pub start: String,
    /// When it ended, likewise.
    pub end: String,
    /// Why.
    pub cause: GapCause,
}

/// Why nothing was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GapCause {
    /// The camera is not there: unplugged, switched off, or it refuses to serve.
    CameraAbsent,
    /// The camera is connected and sends no pictures.
    CameraStalled,
    /// The camera cannot be reached over the network.
    Network,
    /// There was no room for it on the disk.
    DiskFull,
    /// It could not be written, though there was room.
    WriteFailed,
    /// The appliance was off, or its software did not run.
    ApplianceOff,
    /// The wall clock was stepped over this span: nobody lived through it.
    ClockStep,
    /// Staff stopped the recording.
    OperatorStop,
    /// The plan that wants it recorded came after it had begun.
    PlanLate,
}

/// The account of a lesson's recording, made when it is over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coverage {
    /// The class.
    pub class: String,
    /// When the lesson began by its plan, RFC 3339 with offset and milliseconds.
    pub start: String,
    /// When it ended by its plan, likewise.
    pub end: String,
    /// From when on it had to be recorded, for the roll call to be in it; likewise.
    pub from: String,
    /// Each camera that had to record it.
    pub cameras: Vec<CameraCoverage>,
    /// Share of the time, 0 to 1, that each camera must show.
    pub required_share: f64,
    /// Whether each camera shows that much, and nothing is unexplained.
    pub complete: bool,
}

/// One camera's account of a lesson. Recorded, gaps and unexplained add up to what was required.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CameraCoverage {
    /// The camera's name in the appliance's config.
    pub camera: String,
    /// From `from` to `end`, ms.
    pub required_ms: u64,
    /// Shown by segments, ms.
    pub recorded_ms: u64,
    /// Not shown, by cause, ms.
    pub gaps_ms: BTreeMap<GapCause, u64>,
    /// Neither shown nor explained, ms: always 0, unless something is wrong with the appliance.
    pub unexplained_ms: u64,
}
