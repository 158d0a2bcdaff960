//! The encrypted database (SQLCipher): schema, queries, transactions. Nobody else speaks SQL.
//!
//! What [`Write::commit`] has returned for is on disk (WAL, `synchronous=FULL`). One writer; readers see a steady
//! snapshot and never wait for it. Other processes may open the same file at the same time.
//!
//! - [`Store::read`] gives a [`Reader`]: every query of [`View`], all over one snapshot.
//! - [`Store::begin`] gives a [`Write`]: the same queries, and everything that changes something.
//!
//! Records are only appended through `journal`, which owns the signing key.

mod checkins;
mod connection;
mod coverage;
mod error;
mod former;
mod inspect;
pub mod keys;
mod log;
mod people;
mod pin;
mod recordings;
mod settings;
mod spare;
mod wal;
mod words;
pub mod yardstick;

pub use checkins::CheckinRow;
pub use coverage::{FindingRow, LookRow, ReferenceRow, RollcallRow, Sight, SightRow, Workstation};
pub use error::StoreError;
pub use former::{ErasedPerson, FormerPerson};
pub use log::{LogRow, Receipt};
pub use people::{ClassRow, ConsentRow, QrToken, Template};
pub use pin::PinCheck;
pub use recordings::{AliveRow, Amount, GapRow, KeptRow, SegmentRow, UnfinishedRow};
pub use settings::{Registration, SyncAlarm};
pub(crate) use words::word;

use connection::Access;
use keys::StoreKey;
use rusqlite::Connection;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// The database's file name in the state directory.
pub const FILE_NAME: &str = "rollcall.db";

/// Connections that are kept open for readers.
const IDLE_READERS: usize = 4;

/// An open database. Shared between threads in an `Arc`.
pub struct Store {
    path: PathBuf,
    key: StoreKey,
    writer: Mutex<View>,
    readers: Mutex<Vec<View>>,
    /// For what looks at the file itself, outside any snapshot.
    pages: Mutex<View>,
    pins: Mutex<()>,
}

/// A connection with every query that changes nothing; see [`Store::read`].
pub struct View {
    connection: Connection,
}

/// One snapshot of the database; as many queries as wanted. Keep it short: the write-ahead log grows meanwhile.
pub struct Reader<'s> {
    store: &'s Store,
    view: Option<View>,
}

/// A write transaction. Nothing of it is kept unless [`Write::commit`] returns `Ok`.
///
/// Beginning a second one on the same thread before this one ends waits for ever.
pub struct Write<'s> {
    view: MutexGuard<'s, View>,
    is_open: bool,
}

impl Store {
    /// Makes a new, empty database at `path`.
    pub fn create(path: &Path, key: &StoreKey) -> Result<Store, StoreError> {
        Store::with_writer(path, key, connection::create(path, key)?)
    }

    /// Opens the database at `path`; brings its schema up to date. A full disk is no hindrance: see `spare`.
    pub fn open(path: &Path, key: &StoreKey) -> Result<Store, StoreError> {
        let open = || Store::with_writer(path, key, connection::open(path, key)?);
        match open() {
            Err(StoreError::Full) if spare::give_up(path) => open(),
            opened => opened.inspect(|_| spare::keep(path)),
        }
    }

    fn with_writer(path: &Path, key: &StoreKey, writer: Connection) -> Result<Store, StoreError> {
        let pages = connection::connect(path, key, Access::Read)?;
        Ok(Store {
            path: path.to_owned(),
            key: key.clone(),
            writer: Mutex::new(View { connection: writer }),
            readers: Mutex::new(Vec::new()),
            pages: Mutex::new(View { connection: pages }),
            pins: Mutex::new(()),
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Begins a snapshot.
    pub fn read(&self) -> Result<Reader<'_>, StoreError> {
        let idle = lock(&self.readers).pop();
        let view = match idle {
            Some(view) => view,
            None => View { connection: connection::connect(&self.path, &self.key, Access::Read)? },
        };
        view.connection.prepare_cached("BEGIN")?.execute([])?;
        Ok(Reader { store: self, view: Some(view) })
    }

    /// Begins a write transaction; waits while this process writes, and ten seconds while another one does.
    pub fn begin(&self) -> Result<Write<'_>, StoreError> {
        self.begin_by(Store::patience())
    }

    /// How long whoever wants to write now waits for another process.
    pub(crate) fn patience() -> Instant {
        Instant::now() + Duration::from_secs(error::BUSY_SECONDS)
    }

    /// Likewise; waits for another process up to `moment`. Those who have waited for each other meanwhile do not wait
    /// for it one after the other.
    pub(crate) fn begin_by(&self, moment: Instant) -> Result<Write<'_>, StoreError> {
        let view = lock(&self.writer);
        view.connection.busy_timeout(moment.saturating_duration_since(Instant::now()))?;
        let begun = view.connection.prepare_cached("BEGIN IMMEDIATE").and_then(|mut begin| begin.execute([]));
        view.connection.busy_timeout(Duration::from_secs(error::BUSY_SECONDS))?;
        begun?;
        Ok(Write { view, is_open: true })
    }

    /// Tries whether a check-in could be written down: writes as much to the disk, and takes it away again.
    pub fn try_write(&self) -> Result<(), StoreError> {
        for is_there in [true, false] {
            let write = self.begin()?;
            write.set_trial(is_there)?;
            write.commit()?;
        }
        Ok(())
    }
}

impl Deref for Reader<'_> {
    type Target = View;
    fn deref(&self) -> &View {
        self.view.as_ref().expect("taken only when dropped")
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        let Some(view) = self.view.take() else { return };
        let ended = view.connection.prepare_cached("ROLLBACK").and_then(|mut statement| statement.execute([]));
        // A connection that cannot end its snapshot is closed instead of being used again.
        if ended.is_ok() && view.connection.is_autocommit() {
            let mut idle = lock(&self.store.readers);
            if idle.len() < IDLE_READERS {
                idle.push(view);
            }
        }
    }
}

impl Write<'_> {
    /// Makes it durable: returns when it is on disk.
    pub fn commit(mut self) -> Result<(), StoreError> {
        self.view.connection.prepare_cached("COMMIT")?.execute([])?;
        self.is_open = false;
        Ok(())
    }

    fn connection(&self) -> &Connection {
        &self.view.connection
    }
}

impl Deref for Write<'_> {
    type Target = View;
    fn deref(&self) -> &View {
        &self.view
    }
}

impl Drop for Write<'_> {
    fn drop(&mut self) {
        // After some errors (a full disk) SQLite has rolled back already.
        if self.is_open && !self.view.connection.is_autocommit() {
            let rolled_back = self.view.connection.execute_batch("ROLLBACK");
            if let Err(error) = rolled_back {
                tracing::error!(%error, "a failed transaction could not be rolled back");
            }
        }
    }
}

/// Panics abort the process, so a poisoned lock guards nothing broken.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
