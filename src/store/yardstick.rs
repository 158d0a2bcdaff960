//! The yardstick of `rollcall journal bench`: plain SQLite on the same disk, unencrypted, unsigned, otherwise as safe.

use super::StoreError;
use rusqlite::Connection;
use std::path::Path;

/// A table of texts; each insert is a transaction of its own, fsynced (WAL, `synchronous=FULL`).
pub struct PlainTable {
    connection: Connection,
}

impl PlainTable {
    /// Makes it in a new file.
    pub fn create(path: &Path) -> Result<PlainTable, StoreError> {
        let connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.execute_batch("CREATE TABLE log (seq INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT")?;
        Ok(PlainTable { connection })
    }

    /// Inserts one text.
    pub fn insert(&self, text: &str) -> Result<(), StoreError> {
        self.connection.prepare_cached("INSERT INTO log (text) VALUES (?1)")?.execute([text])?;
        Ok(())
    }
}
