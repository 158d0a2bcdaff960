//! Queries for `rollcall check`: pages and rows one by one, so that damage in one place hides no other.

use super::coverage::{FINDING, ROLLCALL, read_finding, read_rollcall};
use super::log::read_row;
use super::recordings::time;
use super::words::sql;
use super::{FindingRow, LogRow, ReferenceRow, RollcallRow, Store, StoreError, View, lock};
use jiff::Timestamp;
use rusqlite::OptionalExtension;
use std::collections::{BTreeMap, BTreeSet};

/// Looks at a page that seems damaged; another process may just have been writing it.
const LOOKS: usize = 3;

impl Store {
    /// What is wrong with the file's pages: their authentication codes (HMAC), also where nothing is kept at present.
    pub fn damaged_pages(&self) -> Result<Vec<String>, StoreError> {
        let pages = lock(&self.pages);
        let mut damaged: Option<BTreeSet<String>> = None;
        for _ in 0..LOOKS {
            let mut statement = pages.connection.prepare("PRAGMA cipher_integrity_check")?;
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

    /// Every camera's reference, by camera.
    pub fn all_references(&self) -> Result<Vec<ReferenceRow>, StoreError> {
        let mut statement = self.connection.prepare("SELECT camera FROM camera_references ORDER BY camera")?;
        let cameras = statement.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
        let mut found = Vec::new();
        for camera in cameras {
            found.extend(self.reference(&camera)?);
        }
        Ok(found)
    }

    /// The SHA-256 (hex) that each reference picture is kept under in the place of which another was set.
    pub fn former_picture_names(&self) -> Result<Vec<String>, StoreError> {
        let mut statement = self.connection.prepare("SELECT sha256 FROM former_pictures ORDER BY sha256")?;
        Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
    }

    /// A reference picture (JPEG) in the place of which another was set.
    pub fn former_picture(&self, sha256: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let mut statement = self.connection.prepare_cached("SELECT jpeg FROM former_pictures WHERE sha256 = ?1")?;
        Ok(statement.query_row([sha256], |row| row.get(0)).optional()?)
    }

    /// By camera, the record of the first reference whose picture is kept; a camera that is not in it has kept all.
    pub fn pictures_since(&self) -> Result<BTreeMap<String, u64>, StoreError> {
        let mut statement = self.connection.prepare("SELECT camera, seq FROM pictures_since")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as u64)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Every finding, in order of their records.
    pub fn all_findings(&self) -> Result<Vec<FindingRow>, StoreError> {
        let mut statement = self.connection.prepare(&format!("SELECT {FINDING} FROM findings ORDER BY seq"))?;
        let mut rows = statement.query([])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(read_finding(row)?);
        }
        Ok(found)
    }

    /// Every roll call, in order of their records.
    pub fn all_rollcalls(&self) -> Result<Vec<RollcallRow>, StoreError> {
        let mut statement = self.connection.prepare(&format!("SELECT {ROLLCALL} FROM rollcalls ORDER BY seq"))?;
        let mut rows = statement.query([])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(read_rollcall(row)?);
        }
        Ok(found)
    }

    /// The SHA-256 (hex) that each small picture is kept under.
    pub fn thumbnail_names(&self) -> Result<Vec<String>, StoreError> {
        let mut statement = self.connection.prepare("SELECT sha256 FROM thumbnails ORDER BY sha256")?;
        Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
    }

    /// Looks that cannot have been: the camera, the moment, and why.
    pub fn impossible_looks(&self) -> Result<Vec<(String, Timestamp, &'static str)>, StoreError> {
        let mut statement = self.connection.prepare(
            "SELECT l.camera, l.at_ms, l.people < 0, w.at_ms IS NULL
             FROM looks l LEFT JOIN looks w ON w.camera = l.camera AND w.at_ms = l.at_ms AND w.workstation = ''
             WHERE l.people < 0 OR w.at_ms IS NULL OR l.people > coalesce(w.people, 0)
             ORDER BY l.at_ms, l.camera, l.workstation LIMIT 1000",
        )?;
        let mut rows = statement.query([])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let problem = match (row.get(2)?, row.get(3)?) {
                (Some(true), _) => "fewer than nobody was seen",
                (_, true) => "a workstation was looked at, and the picture was not",
                _ => "more people were seen at a workstation than in the whole picture",
            };
            found.push((row.get(0)?, time(row.get(1)?)?, problem));
        }
        Ok(found)
    }

    /// One row of the log.
    pub fn log_row(&self, seq: u64) -> Result<Option<LogRow>, StoreError> {
        let mut statement = self.connection.prepare_cached("SELECT seq, jws, nodes FROM log WHERE seq = ?1")?;
        statement.query_row([sql(seq)], |row| Ok(read_row(row))).optional()?.transpose()
    }
}
