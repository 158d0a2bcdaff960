//! `[retention]`: how much of the recordings is kept on this appliance, and what must never be deleted.

use serde::Deserialize;

/// When segments may be deleted.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetentionConfig {}

impl RetentionConfig {
    pub(super) fn check(&self) -> Result<(), (String, String)> {
        Ok(())
    }
}
