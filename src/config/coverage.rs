//! `[coverage]`: when a picture, or a workstation in it, is not as it should be.

use serde::Deserialize;

/// Limits of what a recording must show.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CoverageConfig {}

impl CoverageConfig {
    pub(super) fn check(&self) -> Result<(), (String, String)> {
        Ok(())
    }
}
