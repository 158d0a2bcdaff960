//! `[archive]`: where closed days are copied to.

use serde::Deserialize;

/// The archive: a folder, or an S3-compatible store.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ArchiveConfig {}

impl ArchiveConfig {
    pub(super) fn check(&self) -> Result<(), (String, String)> {
        Ok(())
    }
}
