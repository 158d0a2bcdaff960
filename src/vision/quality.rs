//! Whether a face can be seen well enough, and if not, what the person can do about it.

use super::Face;
use crate::config::QualityConfig;

/// Where a face looks, degrees; all zero when it faces the camera upright.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Pose {
    /// Turn about the vertical; positive when the person's left side is farther away.
    pub yaw: f32,
    /// Nod; positive when the chin is farther away (looking down).
    pub pitch: f32,
    /// Tilt in the picture; positive clockwise.
    pub roll: f32,
}

/// How well a face can be seen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quality {
    /// Distance between the eye centres, px.
    pub pupil_distance_px: f32,
    /// Variance of the aligned face's Laplacian, grey levels squared.
    pub sharpness: f32,
    /// Mean brightness, 0–255.
    pub brightness: f32,
    /// Part of the face inside the picture, 0–1.
    pub inside: f32,
}

/// What is wrong with a face that is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalReason {
    /// Too far away.
    TooSmall,
    /// Partly outside the picture.
    CutOff,
    /// Not facing the camera.
    Turned,
    /// Too little light.
    TooDark,
    /// Too much light.
    TooBright,
    /// Not sharp.
    Blurred,
}

/// A limit that a face does not meet.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// Which.
    pub reason: RefusalReason,
    /// What was measured.
    pub value: f32,
    /// The limit.
    pub limit: f32,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (what, unit) = match self.reason {
            RefusalReason::TooSmall => ("the face is too small: pupils", " px apart"),
            RefusalReason::CutOff => ("the face is cut off: part inside the picture", ""),
            RefusalReason::Turned => ("the face is turned by", "°"),
            RefusalReason::TooDark => ("the face is too dark: brightness", ""),
            RefusalReason::TooBright => ("the face is too bright: brightness", ""),
            RefusalReason::Blurred => ("the face is blurred: sharpness", ""),
        };
        write!(f, "{what} {:.2}{unit}, limit {:.2}", self.value, self.limit)
    }
}

/// Holds a face against the limits; the first that is not met is told, in the order in which a person can mend them.
pub fn judge(face: &Face, limits: &QualityConfig) -> Result<(), Refusal> {
    let Face { quality, pose, .. } = face;
    let at_least = |reason, value: f32, limit: f32| {
        if value >= limit { Ok(()) } else { Err(Refusal { reason, value, limit }) }
    };
    let at_most = |reason, value: f32, limit: f32| {
        if value <= limit { Ok(()) } else { Err(Refusal { reason, value, limit }) }
    };
    at_least(RefusalReason::TooSmall, quality.pupil_distance_px, limits.min_pupil_distance_px)?;
    at_least(RefusalReason::CutOff, quality.inside, limits.min_inside)?;
    at_most(RefusalReason::Turned, pose.yaw.abs(), limits.max_yaw_degrees)?;
    at_most(RefusalReason::Turned, pose.pitch.abs(), limits.max_pitch_degrees)?;
    at_most(RefusalReason::Turned, pose.roll.abs(), limits.max_roll_degrees)?;
    at_least(RefusalReason::TooDark, quality.brightness, limits.min_brightness)?;
    at_most(RefusalReason::TooBright, quality.brightness, limits.max_brightness)?;
    at_least(RefusalReason::Blurred, quality.sharpness, limits.min_sharpness)
}
