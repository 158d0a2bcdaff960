//! Why a record was not appended.

use crate::store::StoreError;
use crate::store::keys::KeyFileError;
use evidence::checkpoint::CheckpointError;
use evidence::record::RecordError;
use std::path::PathBuf;

/// Nothing was appended, unless the error says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The keys.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// What should be signed is no record.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A checkpoint or receipt does not verify.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The log's state cannot be believed.
    #[error("the log cannot be continued: {0}. Run `rollcall check`")]
    Broken(String),
    /// The log is another appliance's.
    #[error("this log was written by {found}, but the device.key is that of {expected}: put the right device.key back")]
    OtherDevice {
        /// The appliance of the key.
        expected: String,
        /// The appliance that wrote the log.
        found: String,
    },
    /// A receipt for a log that this is not.
    #[error("the receipt is not for this log: {0}")]
    Receipt(String),
    /// This person's check-in in this window was accepted already.
    #[error("{person} of class {class} was accepted in this window already")]
    AlreadyAccepted {
        /// The class.
        class: String,
        /// The roster number.
        person: String,
    },
    /// A finding that has ended does not end again.
    #[error("the finding of record {0} has ended already")]
    FindingEnded(u64),
    /// What is asked for breaks a rule.
    #[error("{0}")]
    Refused(String),
    /// `init` has been run before.
    #[error("{0} is an appliance's state already; it is never overwritten")]
    AlreadyInitialised(PathBuf),
}

impl JournalError {
    /// Whether the disk is full, which passes.
    pub fn is_no_room(&self) -> bool {
        matches!(self, JournalError::Store(StoreError::Full))
    }
}
