//! What the bureau keeps, in one SQLite file. A push is one transaction; WAL and `synchronous=FULL`: what was
//! answered is on disk.
//!
//! A record's row also holds the tree nodes that it completes (its own leaf hash first), so no hash is computed
//! twice and any earlier root can be told.

mod refusals;
mod reviews;
mod schema;
mod transaction;

pub(crate) use refusals::{NewRefusal, RefusalRow};
pub(crate) use reviews::{Review, Reviewed};
pub(crate) use transaction::{About, Transaction};

use evidence::key::VerifyingKey;
use rusqlite::{Connection, ErrorCode, OptionalExtension, TransactionBehavior, params};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

/// How long another program's transaction is waited for.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Why the database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// SQLite.
    #[error("the bureau's database: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A file cannot be made or read.
    #[error("the bureau's database: {0}")]
    File(#[from] std::io::Error),
    /// A value in it makes no sense.
    #[error("the bureau's database is damaged: {0}; restore a backup")]
    Damaged(String),
    /// Written by a newer program.
    #[error("the bureau's database has format {found}, this program knows {known}: install the newer program again")]
    Newer {
        /// The file's.
        found: usize,
        /// The newest that this program knows.
        known: usize,
    },
}

impl DatabaseError {
    /// Whether it may well go by itself, or once somebody makes room: another program holds the database, or the
    /// disk is full.
    pub fn is_passing(&self) -> bool {
        let DatabaseError::Sqlite(error) = self else { return false };
        let code = error.sqlite_error_code();
        matches!(code, Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::DiskFull))
    }
}

/// The bureau's database.
pub struct Database {
    connection: Mutex<Connection>,
}

/// An appliance that has registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplianceRow {
    /// Its row.
    pub(crate) id: i64,
    /// Its id.
    pub device: String,
    /// Its key.
    pub key: VerifyingKey,
    /// When it registered, RFC 3339.
    pub registered: String,
    /// Records that the bureau has.
    pub size: u64,
    /// When the bureau last countersigned: seconds since the Unix epoch.
    pub countersigned_at: Option<u64>,
    /// When the newest records came, by the bureau's clock: seconds since the Unix epoch. Only these show that the
    /// appliance is at work: a receipt can be asked for again by anybody who has seen a checkpoint.
    pub received_at: Option<u64>,
    /// Pushes in its name that did not verify, since staff last settled them.
    pub refusals: u64,
    /// Those among them that its own signature shows to contradict what it sent before.
    pub contradictions: u64,
    /// The place that its records name.
    pub site: Option<String>,
    /// The room that its records name.
    pub room: Option<String>,
    /// Its software, as its records say.
    pub version: Option<String>,
    /// The newest record's time, RFC 3339, by the appliance's clock.
    pub last_time: Option<String>,
    /// What that clock was worth: `synced`, `holdover` or `unset`.
    pub last_clock: Option<String>,
    /// The record whose time was furthest ahead of the bureau's clock when it came, since staff last settled that.
    pub ahead: Option<Ahead>,
}

/// A record that came before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Ahead {
    /// Its place in the log.
    pub seq: u64,
    /// How much later its time is than the bureau's clock was, s.
    pub seconds: u64,
}

const APPLIANCE: &str = "SELECT a.id, a.device, a.key, a.registered,
    (SELECT coalesce(max(seq) + 1, 0) FROM records WHERE appliance = a.id), a.countersigned,
    (SELECT coalesce(sum(times), 0) FROM refusals WHERE appliance = a.id AND settled IS NULL),
    (SELECT coalesce(sum(times), 0) FROM refusals WHERE appliance = a.id AND settled IS NULL AND proof IS NOT NULL),
    a.site, a.room, a.version, a.last_time, a.last_clock,
    (SELECT time FROM receipts WHERE appliance = a.id AND size > 0 ORDER BY size DESC LIMIT 1), a.lead, a.lead_seq
    FROM appliances a";

impl Database {
    /// Opens what [`Database::create`] made.
    pub fn open(path: &Path) -> Result<Database, DatabaseError> {
        // SQLite would make a missing file, and with it an empty bureau.
        std::fs::metadata(path)?;
        let mut connection = Connection::open(path)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        schema::migrate(&mut connection)?;
        Ok(Database { connection: Mutex::new(connection) })
    }

    /// Makes a new one, for its owner alone.
    pub fn create(path: &Path) -> Result<Database, DatabaseError> {
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        Database::open(path)
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Does `work` in one transaction, which nobody else's comes between; nothing of it is kept if it fails.
    pub(crate) fn transaction<T, E: From<DatabaseError>>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut connection = self.lock();
        let begun = connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let transaction = Transaction(begun.map_err(DatabaseError::from)?);
        let value = work(&transaction)?;
        transaction.0.commit().map_err(DatabaseError::from)?;
        Ok(value)
    }

    /// Reads in one transaction: what others write meanwhile is not seen, and they need not wait.
    pub(crate) fn snapshot<T, E: From<DatabaseError>>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut connection = self.lock();
        let begun = connection.transaction_with_behavior(TransactionBehavior::Deferred);
        work(&Transaction(begun.map_err(DatabaseError::from)?))
    }

    /// Whether it can be read.
    pub(crate) fn probe(&self) -> Result<(), DatabaseError> {
        Ok(self.lock().query_row("SELECT count(*) FROM clock", [], |row| row.get::<_, i64>(0)).map(drop)?)
    }

    /// All appliances, in the order of their registration.
    pub fn appliances(&self) -> Result<Vec<ApplianceRow>, DatabaseError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(&format!("{APPLIANCE} ORDER BY a.id"))?;
        let mut rows = statement.query([])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(read_appliance(row)?);
        }
        Ok(found)
    }

    /// One appliance.
    pub fn appliance(&self, device: &str) -> Result<Option<ApplianceRow>, DatabaseError> {
        appliance(&self.lock(), device)
    }

    /// Records from `first` on, `limit` at most.
    pub fn records(&self, appliance: &ApplianceRow, first: u64, limit: usize) -> Result<Vec<String>, DatabaseError> {
        records(&self.lock(), appliance, first, limit)
    }

    /// The newest countersigned checkpoint.
    pub fn newest_receipt(&self, appliance: &ApplianceRow) -> Result<Option<String>, DatabaseError> {
        newest_receipt(&self.lock(), appliance)
    }

    /// Keeps the hash of a registration code.
    pub(crate) fn invite(&self, code_sha256: &str, unix_seconds: u64) -> Result<(), DatabaseError> {
        self.lock().execute(
            "INSERT INTO invites (code_sha256, created) VALUES (?1, ?2)",
            params![code_sha256, unix_seconds as i64],
        )?;
        Ok(())
    }

    /// The newest time that this bureau has signed with, seconds since the Unix epoch.
    pub(crate) fn newest_time(&self) -> Result<u64, DatabaseError> {
        newest_time(&self.lock())
    }

    /// Lets the bureau sign with `unix_seconds` again, although it has signed with later times.
    pub(crate) fn set_newest_time(&self, unix_seconds: u64) -> Result<(), DatabaseError> {
        self.lock().execute("UPDATE clock SET newest = ?1", [unix_seconds as i64])?;
        Ok(())
    }

    /// Writes a copy into a new file: whole, although others write meanwhile.
    pub(crate) fn copy_to(&self, path: &Path) -> Result<(), DatabaseError> {
        let target = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        self.lock().execute("VACUUM INTO ?1", [path.to_string_lossy()])?;
        Ok(target.sync_all()?)
    }
}

fn appliance(connection: &Connection, device: &str) -> Result<Option<ApplianceRow>, DatabaseError> {
    let mut statement = connection.prepare_cached(&format!("{APPLIANCE} WHERE a.device = ?1"))?;
    let mut rows = statement.query([device])?;
    rows.next()?.map(read_appliance).transpose()
}

fn records(
    connection: &Connection,
    appliance: &ApplianceRow,
    first: u64,
    limit: usize,
) -> Result<Vec<String>, DatabaseError> {
    let mut statement = connection
        .prepare_cached("SELECT jws FROM records WHERE appliance = ?1 AND seq >= ?2 ORDER BY seq LIMIT ?3")?;
    let rows = statement.query_map(params![appliance.id, first as i64, limit as i64], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn newest_receipt(connection: &Connection, appliance: &ApplianceRow) -> Result<Option<String>, DatabaseError> {
    let mut statement = connection.prepare_cached(
        "SELECT coalesce(renewed_note, note) FROM receipts WHERE appliance = ?1 ORDER BY size DESC LIMIT 1",
    )?;
    Ok(statement.query_row([appliance.id], |row| row.get(0)).optional()?)
}

fn newest_time(connection: &Connection) -> Result<u64, DatabaseError> {
    Ok(connection.query_row("SELECT newest FROM clock", [], |row| row.get::<_, i64>(0))? as u64)
}

fn read_appliance(row: &rusqlite::Row<'_>) -> Result<ApplianceRow, DatabaseError> {
    let (key, device): (String, String) = (row.get(2)?, row.get(1)?);
    let key = key.parse().map_err(|error| DatabaseError::Damaged(format!("the key of {device}: {error}")))?;
    Ok(ApplianceRow {
        id: row.get(0)?,
        device,
        key,
        registered: row.get(3)?,
        size: row.get::<_, i64>(4)? as u64,
        countersigned_at: row.get::<_, Option<i64>>(5)?.map(|time| time as u64),
        refusals: row.get::<_, i64>(6)? as u64,
        contradictions: row.get::<_, i64>(7)? as u64,
        site: row.get(8)?,
        room: row.get(9)?,
        version: row.get(10)?,
        last_time: row.get(11)?,
        last_clock: row.get(12)?,
        received_at: row.get::<_, Option<i64>>(13)?.map(|time| time as u64),
        ahead: row
            .get::<_, Option<i64>>(14)?
            .zip(row.get::<_, Option<i64>>(15)?)
            .map(|(seconds, seq)| Ahead { seq: seq as u64, seconds: seconds as u64 }),
    })
}
