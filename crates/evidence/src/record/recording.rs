//! What was recorded, what was not, and what became of it: `segment`, `gap`, `archive`, `deletion`, `viewing`.
//!
//! For every second that the plan wants recorded there is a segment that shows it or a gap that says why none does.

use serde::{Deserialize, Serialize};

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

/// Segments were copied to an archive and read back: each hash there is the one in its record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Archive {
    /// The camera.
    pub camera: String,
    /// The local date that they began on, `YYYY-MM-DD`.
    pub date: String,
    /// The archive's name in the appliance's config.
    pub archive: String,
    /// The records of the segments, in their order.
    pub segments: Vec<u64>,
    /// Length of all of them, bytes.
    pub bytes: u64,
}

/// Segments' files were deleted from the appliance. Their records stay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deletion {
    /// The camera.
    pub camera: String,
    /// The records of the segments, in their order.
    pub segments: Vec<u64>,
    /// Length of all of them, bytes.
    pub bytes: u64,
    /// Why.
    pub reason: DeletionReason,
    /// Whether all of them had been archived.
    pub archived: bool,
}

/// Why segments were deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeletionReason {
    /// The camera's byte budget was used up.
    Budget,
    /// The disk's reserve of free bytes was touched.
    Reserve,
    /// Their term was over.
    Expired,
    /// Their files were gone already; staff have given them up.
    Lost,
}

/// Somebody looked at a recording, or took a copy of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Viewing {
    /// The class that the viewer belongs to.
    pub class: String,
    /// The viewer's roster number there.
    pub by: String,
    /// The camera.
    pub camera: String,
    /// The first moment that was asked for, RFC 3339 with offset and milliseconds.
    pub start: String,
    /// The first moment after it, likewise.
    pub end: String,
    /// Looked at, or taken.
    pub what: ViewingKind,
}

/// What was done with a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ViewingKind {
    /// Played in the browser.
    Played,
    /// Downloaded.
    Downloaded,
}
