//! Cameras: v4l2, rtsp and file sources → decoded frames, with a state that tells the truth.
//!
//! A camera that delivers no frames has failed, whatever its socket says. The camera is never blocked by whoever
//! looks at its frames: the newest frame wins. Reconnects for ever with capped back-off; never panics on bad input.

mod frame;

pub use frame::{Frame, LatestFrame};

use std::time::Duration;

/// What a camera is doing, judged by the age of its last frame alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CameraState {
    /// Frames arrive.
    Live,
    /// Connected, but the last frame is older than the limit.
    Stalled,
    /// No device, no server, or the stream ended.
    Absent,
    /// Started a moment ago; no frame yet.
    Unknown,
}

/// A camera's state as shown to staff.
#[derive(Debug, Clone, serde::Serialize)]
pub struct CameraStatus {
    /// The config's name for it.
    pub name: String,
    /// `v4l2`, `rtsp` or `file`.
    pub kind: &'static str,
    /// See [`CameraState`].
    pub state: CameraState,
    /// Age of the last frame, seconds; `None` before the first.
    pub last_frame_age_seconds: Option<f64>,
    /// Frames delivered since start.
    pub frames: u64,
    /// Frames a second over the last few seconds.
    pub fps: f64,
    /// Size of the last frame, px.
    pub width: u32,
    /// Size of the last frame, px.
    pub height: u32,
    /// What went wrong last and what is tried next, when not live.
    pub problem: Option<String>,
}

/// Longest pause between two tries to reopen a camera.
pub const MAX_BACKOFF: Duration = Duration::from_secs(10);
