//! What staff and kiosk are told about the connection to the bureau.

use super::SyncError;
use crate::config::SyncConfig;
use crate::journal::Journal;
use serde::{Deserialize, Serialize};

/// How far the bureau has countersigned the log. As JSON flat: `{"state":"waiting","retry_in_seconds":8,"log_size":…}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncStatus {
    /// What goes on.
    #[serde(flatten)]
    pub state: SyncState,
    /// Records in the log.
    pub log_size: u64,
    /// Records that the newest receipt covers.
    pub countersigned: u64,
    /// When the bureau last countersigned that many, by its own clock: seconds since the Unix epoch.
    pub countersigned_at: Option<i64>,
    /// The last failure: what it was, and what is tried next. Gone once a push succeeds.
    pub error: Option<String>,
    /// Whether the bureau answers.
    #[serde(default)]
    pub link: Link,
}

/// Whether the bureau answers: what the last exchange with it came to. A try that goes on changes nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Link {
    /// Nothing has come of the first one yet.
    #[default]
    NotYet,
    /// It answered as a bureau does.
    Online,
    /// It did not.
    Offline,
}

/// What the sending does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum SyncState {
    /// There is no bureau to send to: not registered, or no `[sync]` in the config. The log grows and waits.
    NotRegistered,
    /// The bureau has countersigned every record.
    UpToDate,
    /// Records are under way, or about to be.
    Sending,
    /// The last try failed; the next one comes by itself.
    Waiting {
        /// In so many seconds.
        retry_in_seconds: u64,
    },
    /// The bureau says that the log does not verify: staff must act. Nothing is sent until then.
    Alarm,
}

impl SyncStatus {
    /// What the database tells, for those who do not run the sending themselves; `config` is `[sync]`.
    pub fn of(journal: &Journal, config: Option<&SyncConfig>) -> Result<SyncStatus, SyncError> {
        let reader = journal.store().read()?;
        let (log_size, receipt) = (reader.log_size()?, reader.newest_receipt()?);
        let countersigned = receipt.as_ref().map_or(0, |receipt| receipt.size);
        let (state, error) = match (reader.registration()?, config, reader.sync_alarm()?) {
            (_, _, Some(alarm)) => (SyncState::Alarm, Some(alarm.message)),
            (None, None, _) => (SyncState::NotRegistered, None),
            (None, Some(_), _) => (SyncState::NotRegistered, Some(SyncError::NotRegistered.to_string())),
            (Some(bureau), None, _) => {
                (SyncState::NotRegistered, Some(SyncError::NoConfig { bureau: bureau.name }.to_string()))
            }
            (Some(_), Some(_), _) if countersigned >= log_size => (SyncState::UpToDate, None),
            (Some(_), Some(_), _) => (SyncState::Sending, None),
        };
        let countersigned_at = receipt.and_then(|receipt| i64::try_from(receipt.repeated_at).ok());
        Ok(SyncStatus { state, log_size, countersigned, countersigned_at, error, link: Link::NotYet })
    }

    /// Before anything is known.
    pub fn unknown() -> SyncStatus {
        SyncStatus {
            state: SyncState::NotRegistered,
            log_size: 0,
            countersigned: 0,
            countersigned_at: None,
            error: None,
            link: Link::NotYet,
        }
    }
}
