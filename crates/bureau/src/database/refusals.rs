//! Pushes that did not verify: which appliance, why, how often, and the proof when there is one.
//!
//! Anybody who can reach the server can cause those without proof, so they are few and the newest stay. Those with
//! proof only the holder of the appliance's key can cause; the first stay, whatever follows.

use super::{ApplianceRow, Database, DatabaseError};
use rusqlite::params;

/// Refusals without proof that are kept of an appliance.
const MOST_UNPROVEN: i64 = 100;
/// Refusals with proof that are kept of an appliance.
const MOST_PROVEN: i64 = 1000;

/// A push that did not verify.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewRefusal<'a> {
    /// The record it is about.
    pub seq: Option<u64>,
    /// What did not verify.
    pub problem: &'a str,
    /// What the appliance signed although it contradicts what it signed before: a record, or a checkpoint.
    pub proof: Option<&'a str>,
}

/// A push that did not verify, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct RefusalRow {
    pub device: String,
    /// When it first came, RFC 3339.
    pub first: String,
    /// When it last came, RFC 3339.
    pub newest: String,
    pub times: u64,
    #[serde(rename = "index")]
    pub seq: Option<u64>,
    pub problem: String,
    pub proof: Option<String>,
    /// When staff settled it, RFC 3339.
    pub settled: Option<String>,
}

impl Database {
    /// Notes down that a push did not verify; the same again is counted.
    pub(crate) fn refuse(
        &self,
        appliance: &ApplianceRow,
        time: &str,
        refusal: &NewRefusal<'_>,
    ) -> Result<(), DatabaseError> {
        let NewRefusal { seq, problem, proof } = *refusal;
        let seq = seq.map(|seq| seq as i64);
        self.transaction(|transaction| {
            let connection = &transaction.0;
            let again = connection.execute(
                "UPDATE refusals SET newest = ?2, times = times + 1 WHERE appliance = ?1 AND problem = ?3 AND seq IS ?4
                 AND settled IS NULL AND (proof IS NULL) = (?5 IS NULL)",
                params![appliance.id, time, problem, seq, proof],
            )?;
            if again > 0 {
                return Ok(());
            }
            if proof.is_some() {
                // Past the limit they are counted with the newest.
                let counted = connection.execute(
                    "UPDATE refusals SET newest = ?2, times = times + 1 WHERE id =
                     (SELECT max(id) FROM refusals WHERE appliance = ?1 AND proof IS NOT NULL) AND
                     (SELECT count(*) FROM refusals WHERE appliance = ?1 AND proof IS NOT NULL) >= ?3",
                    params![appliance.id, time, MOST_PROVEN],
                )?;
                if counted > 0 {
                    return Ok(());
                }
            }
            connection.execute(
                "INSERT INTO refusals (appliance, time, seq, problem, newest, proof) VALUES (?1, ?2, ?3, ?4, ?2, ?5)",
                params![appliance.id, time, seq, problem, proof],
            )?;
            connection.execute(
                "DELETE FROM refusals WHERE appliance = ?1 AND proof IS NULL AND id NOT IN
                 (SELECT id FROM refusals WHERE appliance = ?1 AND proof IS NULL ORDER BY id DESC LIMIT ?2)",
                params![appliance.id, MOST_UNPROVEN],
            )?;
            Ok(())
        })
    }

    /// The newest refusals, those that nobody has settled first; of one appliance, or of all.
    pub(crate) fn refusals(
        &self,
        appliance: Option<&ApplianceRow>,
        limit: u32,
    ) -> Result<Vec<RefusalRow>, DatabaseError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(
            "SELECT a.device, r.time, coalesce(r.newest, r.time), r.times, r.seq, r.problem, r.proof, r.settled
             FROM refusals r JOIN appliances a ON a.id = r.appliance WHERE ?1 IS NULL OR r.appliance = ?1
             ORDER BY r.settled IS NOT NULL, r.proof IS NULL, coalesce(r.newest, r.time) DESC, r.id DESC LIMIT ?2",
        )?;
        let rows = statement.query_map(params![appliance.map(|appliance| appliance.id), limit], |row| {
            Ok(RefusalRow {
                device: row.get(0)?,
                first: row.get(1)?,
                newest: row.get(2)?,
                times: row.get::<_, i64>(3)? as u64,
                seq: row.get::<_, Option<i64>>(4)?.map(|seq| seq as u64),
                problem: row.get(5)?,
                proof: row.get(6)?,
                settled: row.get(7)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Marks an appliance's refusals as looked into, and that a record came before its time; nothing is removed. Tells how
    /// many there were.
    pub(crate) fn settle(&self, appliance: &ApplianceRow, time: &str) -> Result<usize, DatabaseError> {
        self.transaction(|transaction| {
            let connection = &transaction.0;
            let ahead = "UPDATE appliances SET lead = NULL, lead_seq = NULL WHERE id = ?1 AND lead IS NOT NULL";
            let refusals = "UPDATE refusals SET settled = ?2 WHERE appliance = ?1 AND settled IS NULL";
            Ok(connection.execute(ahead, [appliance.id])?
                + connection.execute(refusals, params![appliance.id, time])?)
        })
    }
}
