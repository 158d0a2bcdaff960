//! Queries for `rollcall check`: pages and rows one by one, so that damage in one place hides no other.

use super::log::read_row;
use super::words::sql;
use super::{LogRow, Store, StoreError, View, lock};
use rusqlite::OptionalExtension;
use std::collections::BTreeSet;

/// Looks at a page that seems damaged; another process may just have been writing it.
const LOOKS: usize = 3;

impl Store {
    /// What is wrong with the file's pages: their authentication codes (HMAC), also where nothing is kept at present.
    pub fn damaged_pages(&self) -> Result<Vec<String>, StoreError> {
        let watch = lock(&self.watch);
        let mut damaged: Option<BTreeSet<String>> = None;
        for _ in 0..LOOKS {
            let mut statement = watch.connection.prepare("PRAGMA cipher_integrity_check")?;
            let found = statement.query_map([], |row| row.get(0))?.collect::<Result<BTreeSet<String>, _>>()?;
            let still = match damaged {
                None => found,
                Some(before) => before.intersection(&found).cloned().collect(),
            };
            if still.is_empty() {
                return Ok(Vec::new());
            }
            damaged = Some(still);
        }
        Ok(damaged.unwrap_or_default().into_iter().collect())
    }
}

impl View {
    /// The names of the tables.
    pub fn tables(&self) -> Result<Vec<String>, StoreError> {
        let mut statement = self.connection.prepare(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
        )?;
        let names = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        Ok(names)
    }

    /// What is wrong with a table and its indexes as SQLite sees them, foreign keys included.
    pub fn damage_of(&self, table: &str) -> Result<Vec<String>, StoreError> {
        let mut found = Vec::new();
        self.connection.pragma(None, "integrity_check", table, |row| {
            let message: String = row.get(0)?;
            if message != "ok" {
                found.push(message.trim().to_owned());
            }
            Ok(())
        })?;
        self.connection.pragma(None, "foreign_key_check", table, |row| {
            let (row, parent): (Option<i64>, String) = (row.get(1)?, row.get(2)?);
            let row = row.map_or_else(String::new, |row| format!("row {row} "));
            found.push(format!("{row}refers to something in {parent} that is not there"));
            Ok(())
        })?;
        Ok(found)
    }

    /// One row of the log.
    pub fn log_row(&self, seq: u64) -> Result<Option<LogRow>, StoreError> {
        let mut statement = self.connection.prepare_cached("SELECT seq, jws, nodes FROM log WHERE seq = ?1")?;
        statement.query_row([sql(seq)], |row| Ok(read_row(row))).optional()?.transpose()
    }
}
