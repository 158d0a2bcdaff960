//! `[checkin]`: which faces are good enough, when two are the same, and when a check-in counts.

use serde::{Deserialize, Serialize};

/// `[checkin]`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct CheckinConfig {
    /// The check-in camera; the first camera when absent.
    pub camera: Option<String>,
    /// `[checkin.quality]`.
    pub quality: QualityConfig,
    /// `[checkin.enrolment]`.
    pub enrolment: EnrolmentConfig,
    /// `[checkin.decision]`.
    pub decision: DecisionConfig,
    /// `[checkin.windows]`.
    pub windows: WindowConfig,
    /// A class is closed by itself so many days after that of its last lesson: its face templates are erased.
    pub close_after_days: u16,
}

impl Default for CheckinConfig {
    fn default() -> Self {
        CheckinConfig {
            camera: None,
            quality: QualityConfig::default(),
            enrolment: EnrolmentConfig::default(),
            decision: DecisionConfig::default(),
            windows: WindowConfig::default(),
            close_after_days: 7,
        }
    }
}

/// `[checkin.quality]`: a face outside any of these limits is not used, and the kiosk says why.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct QualityConfig {
    /// Least distance between the pupils, px.
    pub min_pupil_distance_px: f32,
    /// Largest turn to a side, degrees.
    pub max_yaw_degrees: f32,
    /// Largest nod up or down, degrees.
    pub max_pitch_degrees: f32,
    /// Largest tilt, degrees.
    pub max_roll_degrees: f32,
    /// Least sharpness of the aligned 112×112 face: variance of its Laplacian, grey levels squared.
    pub min_sharpness: f32,
    /// Least mean brightness of the face, 0–255.
    pub min_brightness: f32,
    /// Greatest mean brightness of the face, 0–255.
    pub max_brightness: f32,
    /// Least part of the face that must lie inside the picture, 0–1.
    pub min_inside: f32,
}

/// `[checkin.decision]`: see docs/faces.md for where the figures come from.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct DecisionConfig {
    /// Least cosine of a track's mean embedding with the best template.
    pub threshold: f32,
    /// Least distance by which the best person leads the second best.
    pub margin: f32,
    /// Good frames of one track before a decision.
    pub min_frames: u32,
    /// Good frames after which a track that matches nobody is called unknown.
    pub unknown_frames: u32,
    /// Seconds that a track without a good frame lasts before its refusal is recorded.
    pub refuse_after_seconds: f64,
    /// Least cosine at which enrolment calls a face already somebody else's.
    pub duplicate_threshold: f32,
}

/// `[checkin.windows]`: minutes around a day's lessons, which are the plan's.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct WindowConfig {
    /// The arrival window opens this long before the day's first lesson.
    pub arrival_before_minutes: i64,
    /// … and closes this long after its start.
    pub arrival_after_minutes: i64,
    /// The departure window opens at the last lesson's end and closes this long after it.
    pub departure_after_minutes: i64,
}

/// `[checkin.enrolment]`: stricter limits for the picture that all others are compared with; the rest are those of
/// `[checkin.quality]`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct EnrolmentConfig {
    /// Least distance between the pupils, px.
    pub min_pupil_distance_px: f32,
    /// Largest turn to a side, degrees.
    pub max_yaw_degrees: f32,
    /// Largest nod up or down, degrees.
    pub max_pitch_degrees: f32,
}

impl Default for EnrolmentConfig {
    fn default() -> Self {
        EnrolmentConfig { min_pupil_distance_px: 36.0, max_yaw_degrees: 20.0, max_pitch_degrees: 22.0 }
    }
}

impl CheckinConfig {
    /// The limits that a picture to enrol must meet.
    pub fn enrolment_quality(&self) -> QualityConfig {
        QualityConfig {
            min_pupil_distance_px: self.enrolment.min_pupil_distance_px,
            max_yaw_degrees: self.enrolment.max_yaw_degrees,
            max_pitch_degrees: self.enrolment.max_pitch_degrees,
            ..self.quality.clone()
        }
    }
}

impl Default for QualityConfig {
    fn default() -> Self {
        QualityConfig {
            min_pupil_distance_px: 28.0,
            max_yaw_degrees: 30.0,
            max_pitch_degrees: 25.0,
            max_roll_degrees: 30.0,
            min_sharpness: 40.0,
            min_brightness: 45.0,
            max_brightness: 220.0,
            min_inside: 0.9,
        }
    }
}

impl Default for DecisionConfig {
    fn default() -> Self {
        DecisionConfig {
            threshold: 0.73,
            margin: 0.06,
            min_frames: 3,
            unknown_frames: 10,
            refuse_after_seconds: 2.5,
            duplicate_threshold: 0.62,
        }
    }
}

impl Default for WindowConfig {
    fn default() -> Self {
        WindowConfig { arrival_before_minutes: 30, arrival_after_minutes: 10, departure_after_minutes: 30 }
    }
}

impl CheckinConfig {
    pub(super) fn check(&self) -> Result<(), (String, String)> {
        let decision = &self.decision;
        let fractions = [
            ("checkin.decision.threshold", decision.threshold),
            ("checkin.decision.margin", decision.margin),
            ("checkin.decision.duplicate_threshold", decision.duplicate_threshold),
            ("checkin.quality.min_inside", self.quality.min_inside),
        ];
        for (key, value) in fractions {
            if !(0.0..=1.0).contains(&value) {
                return Err((key.into(), format!("{value} is not between 0 and 1")));
            }
        }
        if decision.min_frames == 0 || decision.unknown_frames < decision.min_frames {
            return Err((
                "checkin.decision.min_frames".into(),
                format!(
                    "needs 1 ≤ min_frames ({}) ≤ unknown_frames ({})",
                    decision.min_frames, decision.unknown_frames
                ),
            ));
        }
        if self.quality.min_brightness >= self.quality.max_brightness {
            return Err(("checkin.quality.min_brightness".into(), "must be below max_brightness".into()));
        }
        let windows = &self.windows;
        for (key, minutes) in [
            ("checkin.windows.arrival_before_minutes", windows.arrival_before_minutes),
            ("checkin.windows.arrival_after_minutes", windows.arrival_after_minutes),
            ("checkin.windows.departure_after_minutes", windows.departure_after_minutes),
        ] {
            if !(0..=600).contains(&minutes) {
                return Err((key.into(), format!("{minutes} is not between 0 and 600 minutes")));
            }
        }
        Ok(())
    }
}
