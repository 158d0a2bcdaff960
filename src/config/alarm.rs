//! `[alarm]`: who is told when something is wrong.

use serde::Deserialize;

/// Where alarms are sent.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AlarmConfig {}

impl AlarmConfig {
    pub(super) fn check(&self) -> Result<(), (String, String)> {
        Ok(())
    }
}
