//! The log's rows, the tree's nodes in them, and the bureau's receipts.

use super::words::sql;
use super::{StoreError, View, Write};
use evidence::jws::SignedRecord;
use evidence::tree::{Hash, Nodes};
use rusqlite::{OptionalExtension, params};

/// A row of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRow {
    /// Place in the log, from 0.
    pub seq: u64,
    /// The record.
    pub record: SignedRecord,
    /// The perfect subtrees that it completes, itself first, as [`evidence::tree::Frontier::push`] gives them.
    pub nodes: Vec<Hash>,
}

/// A checkpoint that the bureau has countersigned, as stored: verified when it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Records that it covers.
    pub size: u64,
    /// The signed note, for `evidence::checkpoint::Countersigned::parse`.
    pub note: String,
    /// When the bureau first countersigned this size, by its clock, seconds since the Unix epoch.
    pub countersigned_at: u64,
    /// When it last did.
    pub repeated_at: u64,
}

impl View {
    /// Records in the log.
    pub fn log_size(&self) -> Result<u64, StoreError> {
        let mut statement = self.connection.prepare_cached("SELECT max(seq) FROM log")?;
        let last: Option<i64> = statement.query_row([], |row| row.get(0))?;
        Ok(last.map_or(0, |last| last as u64 + 1))
    }

    /// One record.
    pub fn record(&self, seq: u64) -> Result<Option<SignedRecord>, StoreError> {
        let mut statement = self.connection.prepare_cached("SELECT jws FROM log WHERE seq = ?1")?;
        let text = statement.query_row([sql(seq)], |row| row.get(0)).optional()?;
        Ok(text.map(SignedRecord::from_text))
    }

    /// The records from `first` on: `limit` at most, and no more once they exceed `bytes` together.
    pub fn records(&self, first: u64, limit: usize, bytes: usize) -> Result<Vec<SignedRecord>, StoreError> {
        let mut statement =
            self.connection.prepare_cached("SELECT jws FROM log WHERE seq >= ?1 ORDER BY seq LIMIT ?2")?;
        let mut rows = statement.query(params![sql(first), limit as i64])?;
        let mut records = Vec::new();
        let mut length = 0;
        while let Some(row) = rows.next()? {
            let text: String = row.get(0)?;
            length += text.len();
            if length > bytes && !records.is_empty() {
                break;
            }
            records.push(SignedRecord::from_text(text));
        }
        Ok(records)
    }

    /// The rows from `first` on, `limit` at most, in order. Numbers may be missing in a damaged log.
    pub fn log_rows(&self, first: u64, limit: usize) -> Result<Vec<LogRow>, StoreError> {
        let mut statement =
            self.connection.prepare_cached("SELECT seq, jws, nodes FROM log WHERE seq >= ?1 ORDER BY seq LIMIT ?2")?;
        let mut rows = statement.query(params![sql(first), limit as i64])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(read_row(row)?);
        }
        Ok(found)
    }

    /// The newest receipt.
    pub fn newest_receipt(&self) -> Result<Option<Receipt>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT size, note, countersigned_at, repeated_at FROM receipts ORDER BY size DESC LIMIT 1",
        )?;
        Ok(statement.query_row([], read_receipt).optional()?)
    }

    /// All receipts, smallest first.
    pub fn receipts(&self) -> Result<Vec<Receipt>, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT size, note, countersigned_at, repeated_at FROM receipts ORDER BY size")?;
        let receipts = statement.query_map([], read_receipt)?.collect::<Result<_, _>>()?;
        Ok(receipts)
    }
}

/// Reads seq, jws, nodes.
pub(super) fn read_row(row: &rusqlite::Row<'_>) -> Result<LogRow, StoreError> {
    let seq: i64 = row.get(0)?;
    let (nodes, rest) = row.get_ref(2)?.as_blob().map_err(rusqlite::Error::from)?.as_chunks::<32>();
    if !rest.is_empty() {
        let problem = format!("the nodes of record {seq} are not 32 bytes each");
        return Err(StoreError::Value { what: "the tree", problem });
    }
    Ok(LogRow { seq: seq as u64, record: SignedRecord::from_text(row.get(1)?), nodes: nodes.to_vec() })
}

fn read_receipt(row: &rusqlite::Row<'_>) -> Result<Receipt, rusqlite::Error> {
    let number = |at: usize| row.get::<_, i64>(at).map(|number| number as u64);
    Ok(Receipt { size: number(0)?, note: row.get(1)?, countersigned_at: number(2)?, repeated_at: number(3)? })
}

/// Subtree (level L, index I) is kept in row (I + 1) · 2^L − 1, at position L: nothing is ever hashed again.
impl Nodes for View {
    type Error = StoreError;

    fn node(&self, level: u32, index: u64) -> Result<Hash, StoreError> {
        let seq = ((index + 1) << level) - 1;
        let mut statement =
            self.connection.prepare_cached("SELECT substr(nodes, ?2 * 32 + 1, 32) FROM log WHERE seq = ?1")?;
        let node: Option<Vec<u8>> = statement.query_row(params![sql(seq), level], |row| row.get(0)).optional()?;
        node.and_then(|node| Hash::try_from(node).ok()).ok_or_else(|| StoreError::Value {
            what: "the tree",
            problem: format!("record {seq} holds no node of level {level}"),
        })
    }
}

impl Write<'_> {
    /// Appends a row. For `journal` only: it signs, numbers and hashes.
    pub(crate) fn append_row(&self, seq: u64, record: &SignedRecord, nodes: &[Hash]) -> Result<(), StoreError> {
        let mut statement =
            self.connection().prepare_cached("INSERT INTO log (seq, jws, nodes) VALUES (?1, ?2, ?3)")?;
        statement.execute(params![sql(seq), record.as_str(), nodes.as_flattened()])?;
        Ok(())
    }

    /// Keeps a receipt. For `journal` only: it verifies. Of several for one size, the first note stays.
    pub(crate) fn put_receipt(&self, size: u64, note: &str, countersigned_at: u64) -> Result<(), StoreError> {
        let mut statement = self.connection().prepare_cached(
            "INSERT INTO receipts (size, note, countersigned_at, repeated_at) VALUES (?1, ?2, ?3, ?3)
             ON CONFLICT (size) DO UPDATE SET repeated_at = max(repeated_at, excluded.repeated_at)",
        )?;
        statement.execute(params![sql(size), note, sql(countersigned_at)])?;
        Ok(())
    }
}
