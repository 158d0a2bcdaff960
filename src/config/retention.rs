//! `[retention]`: how much of the recordings is kept on this appliance, and what must never be deleted.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// When segments may be deleted. What the bureau has not countersigned never is, whatever stands here.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetentionConfig {
    /// Bytes that recording leaves free on its file system. Below, nothing more is recorded.
    pub reserve_bytes: u64,
    /// Bytes that are left free besides, for check-ins and the log, where the state directory is on the same file
    /// system.
    pub state_reserve_bytes: u64,
    /// What each camera's recordings may take, bytes; absent means as much as there is.
    pub budget_bytes: Option<u64>,
    /// The same for single cameras, by name.
    pub camera_budget_bytes: BTreeMap<String, u64>,
    /// Recordings are deleted this many days after they were made; absent means when room is needed.
    pub term_days: Option<u32>,
    /// Where there is an `[archive]`: whether only what it holds may be deleted.
    pub only_archived: bool,
}

impl Default for RetentionConfig {
    fn default() -> Self {
        RetentionConfig {
            reserve_bytes: 1 << 30,
            state_reserve_bytes: 1 << 30,
            budget_bytes: None,
            camera_budget_bytes: BTreeMap::new(),
            term_days: None,
            only_archived: true,
        }
    }
}

impl RetentionConfig {
    /// What `camera`'s recordings may take, bytes.
    pub fn budget_of(&self, camera: &str) -> Option<u64> {
        self.camera_budget_bytes.get(camera).copied().or(self.budget_bytes)
    }

    pub(super) fn check(&self) -> Result<(), (String, String)> {
        let wrong = |key: &str, message: String| Err((format!("retention.{key}"), message));
        for (key, value) in [("reserve_bytes", self.reserve_bytes), ("state_reserve_bytes", self.state_reserve_bytes)] {
            // A database that cannot be written cannot even note down that something was deleted.
            if value < 1 << 20 {
                return wrong(
                    key,
                    format!("{value} is less than 1048576 (1 MiB): check-ins would fail with the recording"),
                );
            }
        }
        if self.term_days == Some(0) {
            return wrong("term_days", "0 would delete everything at once; leave it out to keep what fits".into());
        }
        Ok(())
    }
}
