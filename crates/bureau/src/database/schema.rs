//! The tables, and the steps that bring an older file up to date. A file that a newer program wrote is refused.

use super::DatabaseError;
use rusqlite::{Connection, TransactionBehavior};

/// What each version adds to the one before; `user_version` counts the steps that a file has had.
const STEPS: [&str; 5] = [
    // Files from before the version was counted have these already.
    "
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
",
    // `note` and `time` stay those of the first receipt for a size: the tightest bound on when its records were there.
    // `countersigned`, `site` … spare a search through receipts and records whenever an appliance is looked at.
    // `newest`, `times`, `proof`, `settled`: a refusal that comes again is counted, and may be proof.
    // `clock` holds the newest time that this bureau has signed with.
    "
ALTER TABLE receipts ADD COLUMN renewed_note TEXT;
ALTER TABLE receipts ADD COLUMN renewed_time INTEGER;
ALTER TABLE appliances ADD COLUMN countersigned INTEGER;
ALTER TABLE appliances ADD COLUMN site TEXT;
ALTER TABLE appliances ADD COLUMN room TEXT;
ALTER TABLE appliances ADD COLUMN version TEXT;
ALTER TABLE appliances ADD COLUMN last_time TEXT;
ALTER TABLE appliances ADD COLUMN last_clock TEXT;
UPDATE appliances SET countersigned = (SELECT max(time) FROM receipts WHERE appliance = appliances.id);
ALTER TABLE refusals ADD COLUMN newest TEXT;
ALTER TABLE refusals ADD COLUMN times INTEGER NOT NULL DEFAULT 1;
ALTER TABLE refusals ADD COLUMN proof TEXT;
ALTER TABLE refusals ADD COLUMN settled TEXT;
CREATE INDEX refusals_of_appliance ON refusals (appliance, problem);
CREATE TABLE clock (id INTEGER PRIMARY KEY CHECK (id = 0), newest INTEGER NOT NULL) STRICT;
INSERT INTO clock (id, newest) SELECT 0, coalesce(max(countersigned), 0) FROM appliances;
",
    // How far the time of a record was ahead of the bureau's clock when it came, s, and which that was: the furthest that
    // nobody has settled.
    "
ALTER TABLE appliances ADD COLUMN lead INTEGER;
ALTER TABLE appliances ADD COLUMN lead_seq INTEGER;
",
    // What the newest look through each whole log found, JSON.
    "
CREATE TABLE reviews (appliance INTEGER PRIMARY KEY REFERENCES appliances (id), review TEXT NOT NULL) STRICT;
",
    // Of each log, which lessons it accounts for, and which its plans give to other rooms: by class and beginning (ms since
    // the Unix epoch). Reviews have another form from here on; each log is looked through again.
    "
DELETE FROM reviews;
CREATE TABLE accounted (
    appliance INTEGER NOT NULL REFERENCES appliances (id), class TEXT NOT NULL, start INTEGER NOT NULL,
    PRIMARY KEY (appliance, class, start)) STRICT, WITHOUT ROWID;
CREATE INDEX accounted_lessons ON accounted (class, start);
CREATE TABLE elsewhere (
    appliance INTEGER NOT NULL REFERENCES appliances (id), class TEXT NOT NULL, start INTEGER NOT NULL,
    ends INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (appliance, class, start)) STRICT, WITHOUT ROWID;
",
];

/// Brings a file up to date; does nothing to one that is.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), DatabaseError> {
    let version = |connection: &Connection| connection.query_row("PRAGMA user_version", [], |row| row.get::<_, u32>(0));
    if version(connection)? as usize == STEPS.len() {
        return Ok(());
    }
    // Somebody else may be at it too: the version is read again once nobody can be.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let known = version(&transaction)? as usize;
    if known > STEPS.len() {
        return Err(DatabaseError::Newer { found: known, known: STEPS.len() });
    }
    for step in &STEPS[known..] {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", STEPS.len() as u32)?;
    Ok(transaction.commit()?)
}
