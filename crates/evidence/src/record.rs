//! The payload of a record.

/// How good a record's time is.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum ClockQuality {
    /// The kernel's clock is disciplined by a time source.
    Synced,
    /// It was, this many seconds ago.
    Holdover {
        /// Seconds since it was last known to be synchronised.
        seconds: u64,
    },
    /// It never was since start.
    Unset,
}
