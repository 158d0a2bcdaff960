//! Check-ins as queries need them, derived from their records in the same transaction, and capture photos.

use super::words::{from_word, sql, word};
use super::{StoreError, View, Write};
use crate::class::ClassId;
use evidence::record::{Checkin, CheckinOutcome, Method, WindowKind};
use jiff::civil::Date;
use rusqlite::{OptionalExtension, params};

/// An attempt to check in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckinRow {
    /// Its record.
    pub seq: u64,
    /// The local date that it counts for.
    pub date: String,
    /// What came of it.
    pub outcome: CheckinOutcome,
    /// The class, when known.
    pub class: Option<String>,
    /// The roster number, when known.
    pub person: Option<String>,
    /// The window that was open.
    pub window: Option<WindowKind>,
    /// Face or QR code.
    pub method: Method,
    /// The record's time, RFC 3339.
    pub time: String,
}

impl CheckinRow {
    /// The row that is derived from a check-in's record.
    pub fn of(seq: u64, time: &str, checkin: &Checkin) -> CheckinRow {
        CheckinRow {
            seq,
            date: checkin.date.clone(),
            outcome: checkin.outcome,
            class: checkin.class.clone(),
            person: checkin.person.clone(),
            window: checkin.window,
            method: checkin.method,
            time: time.to_owned(),
        }
    }
}

const COLUMNS: &str = "seq, date, outcome, class, person, window, method, time";

impl View {
    /// Who was accepted on `date`, and in which window.
    pub fn accepted_on(&self, date: Date) -> Result<Vec<(ClassId, String, WindowKind)>, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT class, person, window FROM checkins WHERE date = ?1 AND outcome = 'accepted'")?;
        let mut rows = statement.query([date.to_string()])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let (class, person, window): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let class =
                ClassId::new(&class).map_err(|problem| StoreError::Value { what: "a class number", problem })?;
            found.push((class, person, from_word("a check-in's window", &window)?));
        }
        Ok(found)
    }

    /// The accepted check-ins of `date`, in the order of the log.
    pub fn accepted_rows_on(&self, date: Date) -> Result<Vec<CheckinRow>, StoreError> {
        self.checkin_rows("date = ?1 AND outcome = 'accepted' ORDER BY seq", [date.to_string()])
    }

    /// Whether a check-in of whoever has this number was ever accepted.
    pub fn has_checked_in(&self, class: &ClassId, number: &str) -> Result<bool, StoreError> {
        let query = "SELECT EXISTS (SELECT 1 FROM checkins WHERE outcome = 'accepted' AND class = ?1 AND person = ?2)";
        Ok(self.connection.query_row(query, [class.as_str(), number], |row| row.get(0))?)
    }

    /// How many attempts of `date` came to each outcome.
    pub fn outcomes_on(&self, date: Date) -> Result<Vec<(CheckinOutcome, u64)>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT outcome, count(*) FROM checkins WHERE date = ?1 GROUP BY outcome ORDER BY outcome",
        )?;
        let mut rows = statement.query([date.to_string()])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let (outcome, count): (String, i64) = (row.get(0)?, row.get(1)?);
            found.push((from_word("a check-in's outcome", &outcome)?, count as u64));
        }
        Ok(found)
    }

    /// The newest `limit` attempts, newest first.
    pub fn recent_checkins(&self, limit: u32) -> Result<Vec<CheckinRow>, StoreError> {
        self.checkin_rows("true ORDER BY seq DESC LIMIT ?1", [limit])
    }

    /// The attempts whose records are `first` and later, `limit` at most, in the order of the log.
    pub fn checkins_from(&self, first: u64, limit: usize) -> Result<Vec<CheckinRow>, StoreError> {
        self.checkin_rows("seq >= ?1 ORDER BY seq LIMIT ?2", [sql(first), limit as i64])
    }

    /// The attempt of one record.
    pub fn checkin_of(&self, seq: u64) -> Result<Option<CheckinRow>, StoreError> {
        Ok(self.checkin_rows("seq = ?1", [sql(seq)])?.pop())
    }

    fn checkin_rows<P: rusqlite::Params>(&self, which: &str, values: P) -> Result<Vec<CheckinRow>, StoreError> {
        let mut statement = self.connection.prepare_cached(&format!("SELECT {COLUMNS} FROM checkins WHERE {which}"))?;
        let mut rows = statement.query(values)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let text = |at: usize| row.get::<_, String>(at);
            let window: Option<String> = row.get(5)?;
            found.push(CheckinRow {
                seq: row.get::<_, i64>(0)? as u64,
                date: text(1)?,
                outcome: from_word("a check-in's outcome", &text(2)?)?,
                class: row.get(3)?,
                person: row.get(4)?,
                window: window.map(|window| from_word("a check-in's window", &window)).transpose()?,
                method: from_word("a check-in's method", &text(6)?)?,
                time: text(7)?,
            });
        }
        Ok(found)
    }

    /// The capture photo (JPEG) with this SHA-256 (hex).
    pub fn capture(&self, sha256: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let mut statement = self.connection.prepare_cached("SELECT jpeg FROM captures WHERE sha256 = ?1 LIMIT 1")?;
        Ok(statement.query_row([sha256], |row| row.get(0)).optional()?)
    }

    /// The capture photo of a record: its SHA-256 as stored (hex) and the JPEG.
    pub fn capture_of(&self, seq: u64) -> Result<Option<(String, Vec<u8>)>, StoreError> {
        let mut statement = self.connection.prepare_cached("SELECT sha256, jpeg FROM captures WHERE seq = ?1")?;
        Ok(statement.query_row([sql(seq)], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
    }

    /// How many photos are kept of a person's check-ins in a class, in the records before `end`.
    pub fn captures_of(&self, class: &str, number: &str, end: u64) -> Result<usize, StoreError> {
        let query = "SELECT count(*) FROM captures JOIN checkins USING (seq)
                     WHERE class = ?1 AND person = ?2 AND seq < ?3";
        Ok(self.connection.query_row(query, params![class, number, sql(end)], |row| row.get::<_, i64>(0))? as usize)
    }

    /// The records from `first` on that have a capture photo, `limit` at most, in order.
    pub fn capture_seqs(&self, first: u64, limit: usize) -> Result<Vec<u64>, StoreError> {
        let mut statement =
            self.connection.prepare_cached("SELECT seq FROM captures WHERE seq >= ?1 ORDER BY seq LIMIT ?2")?;
        let rows = statement.query_map(params![sql(first), limit as i64], |row| row.get::<_, i64>(0))?;
        Ok(rows.map(|seq| seq.map(|seq| seq as u64)).collect::<Result<_, _>>()?)
    }
}

impl Write<'_> {
    /// Derives the row of a check-in's record. For `journal` only.
    pub(crate) fn put_checkin(&self, seq: u64, time: &str, checkin: &Checkin) -> Result<(), StoreError> {
        let mut statement = self
            .connection()
            .prepare_cached(&format!("INSERT INTO checkins ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"))?;
        statement.execute(params![
            sql(seq),
            checkin.date,
            word(checkin.outcome),
            checkin.class,
            checkin.person,
            checkin.window.map(word),
            word(checkin.method),
            time
        ])?;
        Ok(())
    }

    /// Erases the photos of a person's check-ins. `secure_delete` overwrites them.
    pub(crate) fn erase_captures(&self, class: &str, number: &str) -> Result<(), StoreError> {
        let query = "DELETE FROM captures WHERE seq IN (SELECT seq FROM checkins WHERE class = ?1 AND person = ?2)";
        self.connection().execute(query, [class, number])?;
        Ok(())
    }

    /// Keeps a record's capture photo. For `journal` only: the record must hold this hash.
    pub(crate) fn put_capture(&self, seq: u64, sha256: &str, jpeg: &[u8]) -> Result<(), StoreError> {
        let mut statement =
            self.connection().prepare_cached("INSERT INTO captures (seq, sha256, jpeg) VALUES (?1, ?2, ?3)")?;
        statement.execute(params![sql(seq), sha256, jpeg])?;
        Ok(())
    }
}
