//! `[coverage]`: when a picture, or a workstation in it, is not as it should be.

use serde::{Deserialize, Serialize};

/// Limits of what a recording must show. docs/coverage.md says how each is measured and where its default comes from.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct CoverageConfig {
    /// Seconds between two looks at a camera's picture.
    pub sample_seconds: f64,
    /// A picture whose mean brightness (0–255) is below this is dark.
    pub dark_brightness: f32,
    /// A picture of which more than this share is at the upper end of the scale is over-exposed, 0 to 1.
    pub bright_share: f32,
    /// A picture that has less than this share of the reference's fine detail is out of focus, 0 to 1.
    pub sharpness_ratio: f32,
    /// A camera that has turned by more than this is moved, percent of the picture's width.
    pub moved_percent: f32,
    /// When more than this share of the reference's structure has given way to flat areas, the lens is covered, 0 to 1.
    pub covered_share: f32,
    /// When less than this share of the reference's structure is found again, the picture is another place's, 0 to 1.
    pub replaced_share: f32,
    /// Pictures whose noise correlates by more than this in three quarters of their parts are the same, 0 to 1.
    pub same_noise: f32,
    /// A workstation of which less than this share is to be seen is obstructed, 0 to 1.
    pub visible_share: f32,
    /// A condition of the picture is a finding when it has lasted for this many seconds.
    pub begin_seconds: f64,
    /// A workstation is hidden when something has stood before it for this many seconds: people walk past.
    pub obstructed_seconds: f64,
    /// A finding ends when all has been well for this many seconds.
    pub end_seconds: f64,
}

impl Default for CoverageConfig {
    fn default() -> Self {
        CoverageConfig {
            sample_seconds: 2.0,
            dark_brightness: 20.0,
            bright_share: 0.5,
            sharpness_ratio: 0.4,
            moved_percent: 1.0,
            covered_share: 0.6,
            replaced_share: 0.12,
            same_noise: 0.4,
            visible_share: 0.3,
            begin_seconds: 3.5,
            obstructed_seconds: 5.5,
            end_seconds: 3.5,
        }
    }
}

impl CoverageConfig {
    pub(super) fn check(&self) -> Result<(), (String, String)> {
        let within = |key: &str, value: f64, from: f64, to: f64| {
            if (from..=to).contains(&value) {
                return Ok(());
            }
            Err((format!("coverage.{key}"), format!("{value} is not between {from} and {to}")))
        };
        within("sample_seconds", self.sample_seconds, 0.2, 5.0)?;
        within("dark_brightness", self.dark_brightness.into(), 0.0, 128.0)?;
        within("bright_share", self.bright_share.into(), 0.05, 1.0)?;
        within("sharpness_ratio", self.sharpness_ratio.into(), 0.0, 1.0)?;
        within("moved_percent", self.moved_percent.into(), 0.5, 50.0)?;
        within("covered_share", self.covered_share.into(), 0.1, 1.0)?;
        within("replaced_share", self.replaced_share.into(), 0.0, 1.0)?;
        within("same_noise", self.same_noise.into(), 0.1, 1.0)?;
        within("visible_share", self.visible_share.into(), 0.0, 1.0)?;
        within("begin_seconds", self.begin_seconds, 0.0, 60.0)?;
        within("obstructed_seconds", self.obstructed_seconds, 0.0, 600.0)?;
        within("end_seconds", self.end_seconds, 0.0, 60.0)
    }
}
