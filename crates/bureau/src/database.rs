//! What the bureau keeps, in one SQLite file. A push is one transaction; WAL and `synchronous=FULL`: what was
//! answered is on disk.
//!
//! A record's row also holds the tree nodes that it completes (its own leaf hash first), so no hash is computed
//! twice and any earlier root can be told.

use evidence::key::VerifyingKey;
use evidence::tree::{Hash, Nodes};
use rusqlite::{Connection, OptionalExtension, params};
use std::path::Path;
use std::sync::{Mutex, MutexGuard};

/// Why the database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// SQLite.
    #[error("the bureau's database: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A value in it makes no sense.
    #[error("the bureau's database is damaged: {0}")]
    Damaged(String),
}

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS appliances (
    id INTEGER PRIMARY KEY, device TEXT NOT NULL UNIQUE, key TEXT NOT NULL, registered TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS invites (
    code_sha256 TEXT PRIMARY KEY, created INTEGER NOT NULL, device TEXT) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS records (
    appliance INTEGER NOT NULL REFERENCES appliances (id), seq INTEGER NOT NULL, jws TEXT NOT NULL, nodes BLOB NOT NULL,
    PRIMARY KEY (appliance, seq)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS receipts (
    appliance INTEGER NOT NULL REFERENCES appliances (id), size INTEGER NOT NULL, note TEXT NOT NULL, time INTEGER NOT NULL,
    PRIMARY KEY (appliance, size)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS refusals (
    id INTEGER PRIMARY KEY, appliance INTEGER NOT NULL REFERENCES appliances (id), time TEXT NOT NULL, seq INTEGER,
    problem TEXT NOT NULL) STRICT;
";

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
    /// Pushes that did not verify.
    pub refusals: u64,
}

/// A push that did not verify.
#[derive(Debug, Clone)]
pub(crate) struct RefusalRow {
    pub device: String,
    pub time: String,
    pub seq: Option<u64>,
    pub problem: String,
}

const APPLIANCE: &str = "SELECT a.id, a.device, a.key, a.registered,
    (SELECT coalesce(max(seq) + 1, 0) FROM records WHERE appliance = a.id),
    (SELECT max(time) FROM receipts WHERE appliance = a.id),
    (SELECT count(*) FROM refusals WHERE appliance = a.id) FROM appliances a";

impl Database {
    /// Opens it, or makes it.
    pub fn open(path: &Path) -> Result<Database, DatabaseError> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(std::time::Duration::from_secs(10))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.execute_batch(SCHEMA)?;
        Ok(Database { connection: Mutex::new(connection) })
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
        let begun = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate);
        let transaction = Transaction(begun.map_err(DatabaseError::from)?);
        let value = work(&transaction)?;
        transaction.0.commit().map_err(DatabaseError::from)?;
        Ok(value)
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
        let connection = self.lock();
        let mut statement = connection
            .prepare_cached("SELECT jws FROM records WHERE appliance = ?1 AND seq >= ?2 ORDER BY seq LIMIT ?3")?;
        let rows = statement.query_map(params![appliance.id, first as i64, limit as i64], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The newest countersigned checkpoint.
    pub fn newest_receipt(&self, appliance: &ApplianceRow) -> Result<Option<String>, DatabaseError> {
        let connection = self.lock();
        let mut statement =
            connection.prepare_cached("SELECT note FROM receipts WHERE appliance = ?1 ORDER BY size DESC LIMIT 1")?;
        Ok(statement.query_row([appliance.id], |row| row.get(0)).optional()?)
    }

    /// The newest refusals, newest first.
    pub(crate) fn refusals(&self, limit: u32) -> Result<Vec<RefusalRow>, DatabaseError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(
            "SELECT a.device, r.time, r.seq, r.problem FROM refusals r JOIN appliances a ON a.id = r.appliance
             ORDER BY r.id DESC LIMIT ?1",
        )?;
        let rows = statement.query_map([limit], |row| {
            let seq: Option<i64> = row.get(2)?;
            Ok(RefusalRow {
                device: row.get(0)?,
                time: row.get(1)?,
                seq: seq.map(|seq| seq as u64),
                problem: row.get(3)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Notes down that a push did not verify.
    pub(crate) fn refuse(
        &self,
        appliance: &ApplianceRow,
        time: &str,
        seq: Option<u64>,
        problem: &str,
    ) -> Result<(), DatabaseError> {
        self.lock().execute(
            "INSERT INTO refusals (appliance, time, seq, problem) VALUES (?1, ?2, ?3, ?4)",
            params![appliance.id, time, seq.map(|seq| seq as i64), problem],
        )?;
        Ok(())
    }

    /// Keeps the hash of a registration code.
    pub(crate) fn invite(&self, code_sha256: &str, unix_seconds: u64) -> Result<(), DatabaseError> {
        self.lock().execute(
            "INSERT INTO invites (code_sha256, created) VALUES (?1, ?2)",
            params![code_sha256, unix_seconds as i64],
        )?;
        Ok(())
    }
}

fn appliance(connection: &Connection, device: &str) -> Result<Option<ApplianceRow>, DatabaseError> {
    let mut statement = connection.prepare_cached(&format!("{APPLIANCE} WHERE a.device = ?1"))?;
    let mut rows = statement.query([device])?;
    rows.next()?.map(read_appliance).transpose()
}

fn read_appliance(row: &rusqlite::Row<'_>) -> Result<ApplianceRow, DatabaseError> {
    let (key, device): (String, String) = (row.get(2)?, row.get(1)?);
    let key = key.parse().map_err(|error| DatabaseError::Damaged(format!("the key of {device}: {error}")))?;
    let (size, time, refusals): (i64, Option<i64>, i64) = (row.get(4)?, row.get(5)?, row.get(6)?);
    Ok(ApplianceRow {
        id: row.get(0)?,
        device,
        key,
        registered: row.get(3)?,
        size: size as u64,
        countersigned_at: time.map(|time| time as u64),
        refusals: refusals as u64,
    })
}

/// An invitation as it is known.
pub(crate) struct InviteRow {
    pub created: u64,
    pub device: Option<String>,
}

/// What can be read and written within [`Database::transaction`].
pub(crate) struct Transaction<'c>(rusqlite::Transaction<'c>);

impl Transaction<'_> {
    pub fn appliance(&self, device: &str) -> Result<Option<ApplianceRow>, DatabaseError> {
        appliance(&self.0, device)
    }

    pub fn put_appliance(&self, device: &str, key: &VerifyingKey, now: &str) -> Result<(), DatabaseError> {
        self.0.execute(
            "INSERT INTO appliances (device, key, registered) VALUES (?1, ?2, ?3) ON CONFLICT (device) DO NOTHING",
            params![device, key.to_string(), now],
        )?;
        Ok(())
    }

    pub fn invitation(&self, code_sha256: &str) -> Result<Option<InviteRow>, DatabaseError> {
        let mut statement = self.0.prepare_cached("SELECT created, device FROM invites WHERE code_sha256 = ?1")?;
        let row = statement.query_row([code_sha256], |row| {
            Ok(InviteRow { created: row.get::<_, i64>(0)? as u64, device: row.get(1)? })
        });
        Ok(row.optional()?)
    }

    pub fn use_invitation(&self, code_sha256: &str, device: &str) -> Result<(), DatabaseError> {
        self.0.execute("UPDATE invites SET device = ?2 WHERE code_sha256 = ?1", [code_sha256, device])?;
        Ok(())
    }

    /// The bytes of a record that is kept.
    pub fn record(&self, appliance: &ApplianceRow, seq: u64) -> Result<Option<String>, DatabaseError> {
        let mut statement = self.0.prepare_cached("SELECT jws FROM records WHERE appliance = ?1 AND seq = ?2")?;
        Ok(statement.query_row(params![appliance.id, seq as i64], |row| row.get(0)).optional()?)
    }

    /// Keeps a record and the tree nodes that it completes.
    pub fn put_record(
        &self,
        appliance: &ApplianceRow,
        seq: u64,
        jws: &str,
        nodes: &[Hash],
    ) -> Result<(), DatabaseError> {
        let mut statement =
            self.0.prepare_cached("INSERT INTO records (appliance, seq, jws, nodes) VALUES (?1, ?2, ?3, ?4)")?;
        statement.execute(params![appliance.id, seq as i64, jws, nodes.as_flattened()])?;
        Ok(())
    }

    /// The receipt for exactly this many records.
    pub fn receipt(&self, appliance: &ApplianceRow, size: u64) -> Result<Option<String>, DatabaseError> {
        let mut statement = self.0.prepare_cached("SELECT note FROM receipts WHERE appliance = ?1 AND size = ?2")?;
        Ok(statement.query_row(params![appliance.id, size as i64], |row| row.get(0)).optional()?)
    }

    /// Keeps a receipt, in the place of an older one for as many records.
    pub fn put_receipt(
        &self,
        appliance: &ApplianceRow,
        size: u64,
        note: &str,
        unix_seconds: u64,
    ) -> Result<(), DatabaseError> {
        self.0.execute(
            "INSERT INTO receipts (appliance, size, note, time) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (appliance, size) DO UPDATE SET note = excluded.note, time = excluded.time",
            params![appliance.id, size as i64, note, unix_seconds as i64],
        )?;
        Ok(())
    }

    /// The tree over an appliance's records.
    pub fn tree<'t>(&'t self, appliance: &'t ApplianceRow) -> Tree<'t> {
        Tree { transaction: self, appliance }
    }
}

/// The nodes of one appliance's tree.
pub(crate) struct Tree<'t> {
    transaction: &'t Transaction<'t>,
    appliance: &'t ApplianceRow,
}

impl Nodes for Tree<'_> {
    type Error = DatabaseError;

    fn node(&self, level: u32, index: u64) -> Result<Hash, DatabaseError> {
        // A subtree is completed by its last leaf.
        let seq = ((index + 1) << level) - 1;
        let mut statement =
            self.transaction.0.prepare_cached("SELECT nodes FROM records WHERE appliance = ?1 AND seq = ?2")?;
        let nodes: Option<Vec<u8>> =
            statement.query_row(params![self.appliance.id, seq as i64], |row| row.get(0)).optional()?;
        let damaged = || DatabaseError::Damaged(format!("{} record {seq}: no tree node", self.appliance.device));
        let nodes = nodes.ok_or_else(damaged)?;
        let (hashes, _) = nodes.as_chunks::<32>();
        hashes.get(level as usize).copied().ok_or_else(damaged)
    }
}
