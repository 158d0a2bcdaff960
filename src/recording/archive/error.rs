//! Why something is not archived.

use super::target::MARKER;
use crate::journal::JournalError;
use crate::store::StoreError;
use std::path::PathBuf;

/// Why something is not archived.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The settings, or the file with the credentials.
    #[error("{path}: {problem}")]
    Settings {
        /// The file, or the key.
        path: String,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// The folder is not the archive, or not there.
    #[error(
        "{0} holds no `{MARKER}`: is the disk or share mounted? `rollcall recording archive --init` marks a new archive",
        MARKER = MARKER
    )]
    Unmarked(PathBuf),
    /// A file or folder.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The recordings' disk is not there: nothing of them is lost.
    #[error("{path}: {source}")]
    NoRecordings {
        /// Their folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The store.
    #[error("the archive's {key}: {problem}")]
    Remote {
        /// The object.
        key: String,
        /// What the store, or the line, says.
        problem: String,
    },
    /// What came back is not what was sent.
    #[error("the archive's {key} was read back and is not what was sent; it is sent again at the next try")]
    NotWhole {
        /// The object.
        key: String,
    },
    /// Some objects.
    #[error(
        "{objects} of the archive's objects failed, {rest}; the first: {first}",
        rest = if *is_given_up { "and not all that follows was tried" } else { "all else is archived" }
    )]
    Objects {
        /// How many.
        objects: usize,
        /// Whether what follows was left for the next try: too many had failed in a row, or a day's list.
        is_given_up: bool,
        /// What the first has met with.
        first: Box<ArchiveError>,
    },
    /// Somebody else archives at the moment.
    #[error("another process of this appliance archives at the moment")]
    Busy,
    /// A stop was asked for.
    #[error("stopped; what has arrived is not sent again")]
    Stopped,
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ArchiveError {
    /// Whether it is about one object: others may do better.
    pub(super) fn is_of_an_object(&self) -> bool {
        matches!(self, ArchiveError::Io { .. } | ArchiveError::Remote { .. } | ArchiveError::NotWhole { .. })
    }
}
