//! What can go wrong with the database, and what to do about it.

use rusqlite::ErrorCode;
use std::path::PathBuf;

/// Why the store did not do what was asked. Nothing is half done: a failed transaction leaves no trace.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no database yet.
    #[error("there is no database at {0}; make one with `rollcall init`")]
    Missing(PathBuf),
    /// There is one already.
    #[error("{0} exists already; it is never overwritten")]
    Exists(PathBuf),
    /// The key does not open it, or its first page is damaged; encryption makes these look the same.
    #[error(
        "{0} cannot be read with this store.key: the key is another database's, or the file's first page is \
         damaged. Put the right store.key back"
    )]
    WrongKey(PathBuf),
    /// A plain SQLite file.
    #[error("{0} is a database, but not an encrypted one; it was not made by rollcall")]
    NotEncrypted(PathBuf),
    /// Made by a newer version.
    #[error(
        "{path} has schema version {found}; this program knows versions up to {known}. Install the newer rollcall again"
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest that this program knows.
        known: u32,
    },
    /// The write-ahead log was altered: opening would silently drop what comes after.
    #[error(
        "{path}: the write-ahead log is damaged at frame {frame} of {frames} (byte {offset}), and {commits} \
         transactions after it would be dropped silently. Keep a copy of the state folder before anything else"
    )]
    DamagedWal {
        /// The `-wal` file.
        path: PathBuf,
        /// The damaged frame, from 1; 0 is the file's header.
        frame: u64,
        /// Frames in the file.
        frames: u64,
        /// Where the frame begins in the file.
        offset: u64,
        /// Transactions behind it.
        commits: u64,
    },
    /// No room.
    #[error("the disk that holds the database is full; nothing of this was written. Free some space and try again")]
    Full,
    /// Another process holds the database.
    #[error("another process is writing to the database and has not finished within {0} s")]
    Busy(u64),
    /// A row that may exist once exists already.
    #[error("exists already: {0}")]
    Duplicate(String),
    /// A damaged page.
    #[error("the database is damaged ({0}); `rollcall check` tells where")]
    Damaged(String),
    /// A stored value that cannot be read.
    #[error("{what} in the database cannot be read: {problem}; `rollcall check` tells more")]
    Value {
        /// Which.
        what: &'static str,
        /// Why not.
        problem: String,
    },
    /// A file or folder.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Keys.
    #[error(transparent)]
    Key(#[from] super::keys::KeyFileError),
    /// Anything else that SQLite says.
    #[error("database: {0}")]
    Sql(rusqlite::Error),
}

/// How long a writer waits for another process, seconds.
pub(super) const BUSY_SECONDS: u64 = 10;

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let rusqlite::Error::SqliteFailure(failure, message) = &error else { return StoreError::Sql(error) };
        let text = || message.clone().unwrap_or_else(|| failure.to_string());
        match failure.code {
            ErrorCode::DiskFull => StoreError::Full,
            // The -shm file finds no room.
            _ if failure.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE => StoreError::Full,
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => StoreError::Busy(BUSY_SECONDS),
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => StoreError::Damaged(text()),
            ErrorCode::ConstraintViolation if failure.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE => {
                StoreError::Duplicate(text())
            }
            ErrorCode::ConstraintViolation if failure.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY => {
                StoreError::Duplicate(text())
            }
            _ => StoreError::Sql(error),
        }
    }
}
