//! What the bureau found when it last looked through an appliance's whole log, and which lessons that accounts for.

use super::{ApplianceRow, Database, DatabaseError};
use crate::rooms::{Elsewhere, Rooms};
use evidence::verdict::Severity;
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
    /// The first of those, failures first; then notes of its lessons.
    pub findings: Vec<Reviewed>,
}

/// Something that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reviewed {
    #[serde(deserialize_with = "SeverityWord::deserialize")]
    pub severity: Severity,
    pub code: String,
    /// The record it is about.
    pub seq: Option<u64>,
    pub message: String,
}

/// [`Severity`] as it is read.
#[derive(Deserialize)]
#[serde(remote = "Severity", rename_all = "snake_case")]
enum SeverityWord {
    Note,
    Warning,
    Failure,
}

impl Review {
    /// What it says of lessons, and neither fails nor needs an explanation.
    pub fn notes(&self) -> impl Iterator<Item = &Reviewed> {
        self.findings.iter().filter(|finding| finding.severity == Severity::Note)
    }

    /// Failures and warnings that are listed.
    pub fn problems(&self) -> impl Iterator<Item = &Reviewed> {
        self.findings.iter().filter(|finding| finding.severity > Severity::Note)
    }
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

    /// Keeps a look through an appliance's log, and the lessons of that log, in place of those before.
    pub(crate) fn put_review(
        &self,
        appliance: &ApplianceRow,
        review: &Review,
        rooms: &Rooms,
    ) -> Result<(), DatabaseError> {
        let text = serde_json::to_string(review).expect("strings and numbers serialise");
        self.transaction(|transaction| {
            let (connection, id) = (&transaction.0, appliance.id);
            connection
                .execute("INSERT OR REPLACE INTO reviews (appliance, review) VALUES (?1, ?2)", params![id, text])?;
            connection.execute("DELETE FROM accounted WHERE appliance = ?1", [id])?;
            connection.execute("DELETE FROM elsewhere WHERE appliance = ?1", [id])?;
            let mut accounted =
                connection.prepare_cached("INSERT INTO accounted (appliance, class, start) VALUES (?1, ?2, ?3)")?;
            for (class, start) in rooms.accounted() {
                accounted.execute(params![id, class, start])?;
            }
            let mut elsewhere = connection.prepare_cached(
                "INSERT INTO elsewhere (appliance, class, start, ends, seq) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?;
            for Elsewhere { class, start, end, seq } in rooms.elsewhere() {
                elsewhere.execute(params![id, class, start, end, *seq as i64])?;
            }
            Ok(())
        })
    }

    /// Lessons that an appliance's plans give to other rooms, that were over at `unix_ms`, and that no appliance's log accounts
    /// for, as far as the logs were looked through; the earliest first.
    pub(crate) fn nowhere(&self, appliance: &ApplianceRow, unix_ms: i64) -> Result<Vec<Elsewhere>, DatabaseError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(
            "SELECT class, start, ends, seq FROM elsewhere e WHERE appliance = ?1 AND ends < ?2 AND NOT EXISTS
             (SELECT 1 FROM accounted a WHERE a.class = e.class AND a.start = e.start) ORDER BY start, class",
        )?;
        let rows = statement.query_map(params![appliance.id, unix_ms], |row| {
            let seq = row.get::<_, i64>(3)? as u64;
            Ok(Elsewhere { class: row.get(0)?, start: row.get(1)?, end: row.get(2)?, seq })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
