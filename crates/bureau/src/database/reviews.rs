//! What the bureau found when it last looked through an appliance's whole log.

use super::{ApplianceRow, Database, DatabaseError};
use rusqlite::{OptionalExtension, params};
use serde::{Deserialize, Serialize};

/// A look through an appliance's whole log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Review {
    /// When, seconds since the Unix epoch.
    pub time: u64,
    /// Records that the log had.
    pub records: u64,
    /// What does not stand.
    pub failures: u64,
    /// What needs an explanation.
    pub warnings: u64,
    /// The first of those, failures first.
    pub findings: Vec<Reviewed>,
}

/// A failure or a warning of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reviewed {
    pub is_failure: bool,
    pub code: String,
    /// The record it is about.
    pub seq: Option<u64>,
    pub message: String,
}

impl Database {
    /// The newest look through an appliance's log.
    pub(crate) fn review(&self, appliance: &ApplianceRow) -> Result<Option<Review>, DatabaseError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached("SELECT review FROM reviews WHERE appliance = ?1")?;
        let text: Option<String> = statement.query_row([appliance.id], |row| row.get(0)).optional()?;
        let parse =
            |text: String| serde_json::from_str(&text).map_err(|error| DatabaseError::Damaged(error.to_string()));
        text.map(parse).transpose()
    }

    /// Keeps a look through an appliance's log in place of the one before.
    pub(crate) fn put_review(&self, appliance: &ApplianceRow, review: &Review) -> Result<(), DatabaseError> {
        let text = serde_json::to_string(review).expect("strings and numbers serialise");
        self.lock().execute(
            "INSERT OR REPLACE INTO reviews (appliance, review) VALUES (?1, ?2)",
            params![appliance.id, text],
        )?;
        Ok(())
    }
}
