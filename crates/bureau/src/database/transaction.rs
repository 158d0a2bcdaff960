//! What is read and written within one transaction.

use super::{Ahead, ApplianceRow, DatabaseError};
use evidence::key::VerifyingKey;
use evidence::tree::{Hash, Nodes};
use rusqlite::{OptionalExtension, params};

/// An invitation as it is known.
pub(crate) struct InviteRow {
    pub created: u64,
    pub device: Option<String>,
}

/// What new records say about their appliance; what is `None` stays as it was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct About {
    pub site: Option<String>,
    pub room: Option<String>,
    pub version: Option<String>,
    pub last_time: Option<String>,
    pub last_clock: Option<&'static str>,
    pub ahead: Option<Ahead>,
}

/// What can be read and written within [`super::Database::transaction`].
pub(crate) struct Transaction<'c>(pub(super) rusqlite::Transaction<'c>);

impl Transaction<'_> {
    pub fn appliance(&self, device: &str) -> Result<Option<ApplianceRow>, DatabaseError> {
        super::appliance(&self.0, device)
    }

    pub fn put_appliance(&self, device: &str, key: &VerifyingKey, now: &str) -> Result<(), DatabaseError> {
        self.0.execute(
            "INSERT INTO appliances (device, key, registered) VALUES (?1, ?2, ?3)",
            params![device, key.to_string(), now],
        )?;
        Ok(())
    }

    /// Keeps what new records say about their appliance.
    pub fn put_about(&self, appliance: &ApplianceRow, about: &About) -> Result<(), DatabaseError> {
        self.0.execute(
            "UPDATE appliances SET site = coalesce(?2, site), room = coalesce(?3, room), version = coalesce(?4, version),
             last_time = coalesce(?5, last_time), last_clock = coalesce(?6, last_clock) WHERE id = ?1",
            params![appliance.id, about.site, about.room, about.version, about.last_time, about.last_clock],
        )?;
        if let Some(Ahead { seq, seconds }) = about.ahead {
            self.0.execute(
                "UPDATE appliances SET lead = ?2, lead_seq = ?3 WHERE id = ?1 AND coalesce(lead, 0) < ?2",
                params![appliance.id, seconds as i64, seq as i64],
            )?;
        }
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

    /// Records from `first` on, `limit` at most.
    pub fn records(&self, appliance: &ApplianceRow, first: u64, limit: usize) -> Result<Vec<String>, DatabaseError> {
        super::records(&self.0, appliance, first, limit)
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

    /// The newest receipt for exactly this many records.
    pub fn receipt(&self, appliance: &ApplianceRow, size: u64) -> Result<Option<String>, DatabaseError> {
        let mut statement = self
            .0
            .prepare_cached("SELECT coalesce(renewed_note, note) FROM receipts WHERE appliance = ?1 AND size = ?2")?;
        Ok(statement.query_row(params![appliance.id, size as i64], |row| row.get(0)).optional()?)
    }

    /// The receipt for the most records.
    pub fn newest_receipt(&self, appliance: &ApplianceRow) -> Result<Option<String>, DatabaseError> {
        super::newest_receipt(&self.0, appliance)
    }

    /// All sizes that there are receipts for, the smallest first, and when each was first countersigned.
    pub fn receipt_times(&self, appliance: &ApplianceRow) -> Result<Vec<(u64, u64)>, DatabaseError> {
        let mut statement =
            self.0.prepare_cached("SELECT size, time FROM receipts WHERE appliance = ?1 ORDER BY size")?;
        let number = |row: &rusqlite::Row<'_>, at: usize| row.get::<_, i64>(at).map(|number| number as u64);
        let rows = statement.query_map([appliance.id], |row| Ok((number(row, 0)?, number(row, 1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The first receipt for exactly this many records: the tightest bound on when they were there.
    pub fn first_receipt(&self, appliance: &ApplianceRow, size: u64) -> Result<Option<String>, DatabaseError> {
        let mut statement = self.0.prepare_cached("SELECT note FROM receipts WHERE appliance = ?1 AND size = ?2")?;
        Ok(statement.query_row(params![appliance.id, size as i64], |row| row.get(0)).optional()?)
    }

    /// Keeps a receipt. Of several for as many records the first stays, and the newest.
    pub fn put_receipt(
        &self,
        appliance: &ApplianceRow,
        size: u64,
        note: &str,
        unix_seconds: u64,
    ) -> Result<(), DatabaseError> {
        let time = unix_seconds as i64;
        self.0.execute(
            "INSERT INTO receipts (appliance, size, note, time) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (appliance, size) DO UPDATE SET renewed_note = excluded.note, renewed_time = excluded.time",
            params![appliance.id, size as i64, note, time],
        )?;
        self.0.execute("UPDATE appliances SET countersigned = ?2 WHERE id = ?1", [appliance.id, time])?;
        self.0.execute("UPDATE clock SET newest = max(newest, ?1)", [time])?;
        Ok(())
    }

    /// The newest time that this bureau has signed with, seconds since the Unix epoch.
    pub fn newest_time(&self) -> Result<u64, DatabaseError> {
        super::newest_time(&self.0)
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
