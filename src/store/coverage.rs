//! What the recordings show, as queries need it: references, findings, sights of workstations, looks for people, roll calls.

use super::recordings::time;
use super::words::{from_word, sql, word};
use super::{StoreError, View, Write};
use crate::class::ClassId;
use evidence::record::{FindingKind, HiddenCause, MarkedWorkstation};
use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row, params};
use std::collections::BTreeMap;

/// A workstation as it is marked in a camera's reference picture.
pub type Workstation = MarkedWorkstation;

/// A camera's picture as it should be.
#[derive(Debug, Clone, PartialEq)]
pub struct ReferenceRow {
    /// The camera.
    pub camera: String,
    /// Its record.
    pub seq: u64,
    /// JPEG.
    pub picture: Vec<u8>,
    /// Where the workstations are.
    pub workstations: Vec<Workstation>,
}

/// A finding, and whether it has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindingRow {
    /// The record of its beginning.
    pub seq: u64,
    /// What is wrong.
    pub what: FindingKind,
    /// The camera, when it is about one.
    pub camera: Option<String>,
    /// The workstation, when it is about one.
    pub workstation: Option<String>,
    /// The class, when it is about one.
    pub class: Option<String>,
    /// When it began.
    pub start: Timestamp,
    /// When it ended, and the record of that.
    pub end: Option<(Timestamp, u64)>,
    /// SHA-256 (hex) of its small picture.
    pub thumbnail: Option<String>,
}

/// How a workstation was to be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sight {
    /// It was.
    Visible,
    /// It was not, and why.
    Hidden(HiddenCause),
}

/// A span in which a workstation was to be seen in one way in one camera's picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SightRow {
    /// The workstation.
    pub workstation: String,
    /// The camera.
    pub camera: String,
    /// Its first moment.
    pub start: Timestamp,
    /// The first moment after it.
    pub end: Timestamp,
    /// How.
    pub sight: Sight,
}

/// A look for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookRow {
    /// The camera.
    pub camera: String,
    /// When.
    pub at: Timestamp,
    /// At which workstation; `None` is the whole picture.
    pub workstation: Option<String>,
    /// People seen; `None` when it could not be told.
    pub people: Option<u32>,
}

/// A roll call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RollcallRow {
    /// The record of its beginning.
    pub seq: u64,
    /// The class.
    pub class: ClassId,
    /// When its lesson begins by the plan.
    pub lesson: Timestamp,
    /// When it began.
    pub start: Timestamp,
    /// When it ended, and the record of that.
    pub end: Option<(Timestamp, u64)>,
}

pub(super) const FINDING: &str = "seq, what, camera, workstation, class, start_ms, end_ms, end_seq, thumbnail";
pub(super) const ROLLCALL: &str = "seq, class, lesson_ms, start_ms, end_ms, end_seq";

/// Of those that have ended, none begins earlier before the span than the longest is long.
pub(super) fn findings_within() -> String {
    format!(
        "SELECT {FINDING}, EXISTS (SELECT 1 FROM thumbnails WHERE sha256 = thumbnail) FROM findings
         WHERE start_ms < ?2 AND (end_ms IS NULL OR (end_ms >= ?1
             AND start_ms >= ?1 - (SELECT max(end_ms - start_ms) FROM findings)))
         ORDER BY start_ms, seq"
    )
}

impl View {
    /// A camera's reference, if it has one.
    pub fn reference(&self, camera: &str) -> Result<Option<ReferenceRow>, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT camera, seq, picture, workstations FROM camera_references WHERE camera = ?1")?;
        let mut rows = statement.query([camera])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let workstations = serde_json::from_str(&row.get::<_, String>(3)?)
            .map_err(|error| StoreError::Value { what: "a reference's workstations", problem: error.to_string() })?;
        let seq = row.get::<_, i64>(1)? as u64;
        Ok(Some(ReferenceRow { camera: row.get(0)?, seq, picture: row.get(2)?, workstations }))
    }

    /// The record of a camera's reference, if it has one: another record is another reference.
    pub fn reference_seq(&self, camera: &str) -> Result<Option<u64>, StoreError> {
        let mut statement = self.connection.prepare_cached("SELECT seq FROM camera_references WHERE camera = ?1")?;
        let seq = statement.query_row([camera], |row| row.get::<_, i64>(0)).optional()?;
        Ok(seq.map(|seq| seq as u64))
    }

    /// The findings that go on, or went on, at some moment of the span, in order of time; without the small pictures that
    /// are not kept any more.
    pub fn findings(&self, from: Timestamp, until: Timestamp) -> Result<Vec<FindingRow>, StoreError> {
        let mut statement = self.connection.prepare_cached(&findings_within())?;
        let mut rows = statement.query(params![from.as_millisecond(), until.as_millisecond()])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let (finding, is_kept) = (read_finding(row)?, row.get(9)?);
            found.push(FindingRow { thumbnail: finding.thumbnail.filter(|_| is_kept), ..finding });
        }
        Ok(found)
    }

    /// The findings that have not ended.
    pub fn open_findings(&self) -> Result<Vec<FindingRow>, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached(&format!("SELECT {FINDING} FROM findings WHERE end_ms IS NULL ORDER BY seq"))?;
        let mut rows = statement.query([])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(read_finding(row)?);
        }
        Ok(found)
    }

    /// Whether the finding that begins with record `seq` goes on.
    pub fn is_open_finding(&self, seq: u64) -> Result<bool, StoreError> {
        let mut statement =
            self.connection.prepare_cached("SELECT 1 FROM findings WHERE seq = ?1 AND end_ms IS NULL")?;
        Ok(statement.query_row([sql(seq)], |_| Ok(())).optional()?.is_some())
    }

    /// A finding's small picture (JPEG).
    pub fn thumbnail(&self, sha256: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let mut statement = self.connection.prepare_cached("SELECT jpeg FROM thumbnails WHERE sha256 = ?1")?;
        Ok(statement.query_row([sha256], |row| row.get(0)).optional()?)
    }

    /// How a workstation was to be seen in any camera's picture within the span, in order of time.
    pub fn sights(&self, workstation: &str, from: Timestamp, until: Timestamp) -> Result<Vec<SightRow>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT workstation, camera, start_ms, end_ms, state FROM sights
             WHERE workstation = ?1 AND start_ms < ?3 AND end_ms > ?2 ORDER BY start_ms, camera",
        )?;
        let mut rows = statement.query(params![workstation, from.as_millisecond(), until.as_millisecond()])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let sight = match row.get::<_, String>(4)?.as_str() {
                "visible" => Sight::Visible,
                cause => Sight::Hidden(from_word("why a workstation is hidden", cause)?),
            };
            let (start, end) = (time(row.get(2)?)?, time(row.get(3)?)?);
            found.push(SightRow { workstation: row.get(0)?, camera: row.get(1)?, start, end, sight });
        }
        Ok(found)
    }

    /// The looks for people within the span, in order of time.
    pub fn looks(&self, from: Timestamp, until: Timestamp) -> Result<Vec<LookRow>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT camera, at_ms, workstation, people FROM looks
             WHERE at_ms >= ?1 AND at_ms < ?2 ORDER BY at_ms, camera, workstation",
        )?;
        let mut rows = statement.query(params![from.as_millisecond(), until.as_millisecond()])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let workstation = Some(row.get::<_, String>(2)?).filter(|name| !name.is_empty());
            found.push(LookRow { camera: row.get(0)?, at: time(row.get(1)?)?, workstation, people: row.get(3)? });
        }
        Ok(found)
    }

    /// The roll calls of a class's lesson that begins at `lesson`, in order of time.
    pub fn rollcalls(&self, class: &ClassId, lesson: Timestamp) -> Result<Vec<RollcallRow>, StoreError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {ROLLCALL} FROM rollcalls WHERE class = ?1 AND lesson_ms = ?2 ORDER BY start_ms, seq"
        ))?;
        let mut rows = statement.query(params![class.as_str(), lesson.as_millisecond()])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(read_rollcall(row)?);
        }
        Ok(found)
    }

    /// The roll calls that began within the span, in order of time.
    pub fn rollcalls_between(&self, from: Timestamp, until: Timestamp) -> Result<Vec<RollcallRow>, StoreError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {ROLLCALL} FROM rollcalls WHERE start_ms >= ?1 AND start_ms < ?2 ORDER BY start_ms, seq"
        ))?;
        let mut rows = statement.query(params![from.as_millisecond(), until.as_millisecond()])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(read_rollcall(row)?);
        }
        Ok(found)
    }
}

impl Write<'_> {
    /// Keeps a camera's reference in the place of the one before, whose picture is kept too; its record is in this
    /// transaction.
    pub fn put_reference(&self, row: &ReferenceRow) -> Result<(), StoreError> {
        if let Some(before) = self.reference(&row.camera)?.filter(|before| before.picture != row.picture) {
            self.connection()
                .prepare_cached("INSERT OR IGNORE INTO former_pictures (sha256, jpeg) VALUES (?1, ?2)")?
                .execute(params![evidence::sha256_hex(&before.picture), before.picture])?;
        }
        let workstations = serde_json::to_string(&row.workstations)
            .map_err(|error| StoreError::Value { what: "a reference's workstations", problem: error.to_string() })?;
        self.connection()
            .prepare_cached(
                "INSERT OR REPLACE INTO camera_references (camera, seq, picture, workstations) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![row.camera, sql(row.seq), row.picture, workstations])?;
        Ok(())
    }

    /// Keeps a finding that has begun, whose record is in this transaction, and its small picture.
    pub fn put_finding(&self, row: &FindingRow, thumbnail: Option<&[u8]>) -> Result<(), StoreError> {
        if let (Some(sha256), Some(jpeg)) = (&row.thumbnail, thumbnail) {
            self.connection()
                .prepare_cached("INSERT OR IGNORE INTO thumbnails (sha256, jpeg) VALUES (?1, ?2)")?
                .execute(params![sha256, jpeg])?;
        }
        self.connection()
            .prepare_cached(
                "INSERT INTO findings (seq, what, camera, workstation, class, start_ms, thumbnail)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                sql(row.seq),
                word(row.what),
                row.camera,
                row.workstation,
                row.class,
                row.start.as_millisecond(),
                row.thumbnail
            ])?;
        Ok(())
    }

    /// Notes down that a finding has ended, whose record is in this transaction.
    pub fn end_finding(&self, begun: u64, end: Timestamp, seq: u64) -> Result<(), StoreError> {
        self.connection()
            .prepare_cached("UPDATE findings SET end_ms = ?2, end_seq = ?3 WHERE seq = ?1")?
            .execute(params![sql(begun), end.as_millisecond(), sql(seq)])?;
        Ok(())
    }

    /// Deletes the small pictures of findings that have ended, began before `until`, and are about `camera` or about none,
    /// once no segment that shows their beginning is here any more. `cameras` are all that have segments. Tells how many
    /// that were. A segment of `camera` that ended at `until` has been deleted by rule in this transaction: `rollcall
    /// check` misses no small picture of which that can be said.
    pub fn forget_thumbnails(&self, camera: &str, cameras: &[String], until: Timestamp) -> Result<usize, StoreError> {
        let mut statement = self.connection().prepare_cached(
            "SELECT thumbnail, camera, start_ms, end_ms FROM findings
             WHERE thumbnail IN (SELECT sha256 FROM thumbnails)",
        )?;
        // Two findings may have the same picture, as of a lens that is covered.
        let mut pictures: BTreeMap<String, Vec<(Option<String>, i64, bool)>> = BTreeMap::new();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let has_ended = row.get::<_, Option<i64>>(3)?.is_some();
            pictures.entry(row.get(0)?).or_default().push((row.get(1)?, row.get(2)?, has_ended));
        }
        let mut forgotten = 0;
        for (sha256, findings) in pictures {
            let is_due = |(about, start, has_ended): &(Option<String>, i64, bool)| {
                *has_ended && *start < until.as_millisecond() && about.as_ref().is_none_or(|about| about == camera)
            };
            if !findings.iter().all(is_due) {
                continue;
            }
            let mut is_shown = false;
            for (about, start, _) in &findings {
                let among = about.as_ref().map_or(cameras, std::slice::from_ref);
                for camera in among {
                    is_shown |= self.shows(camera, *start)?;
                }
            }
            if !is_shown {
                let mut delete = self.connection().prepare_cached("DELETE FROM thumbnails WHERE sha256 = ?1")?;
                forgotten += delete.execute([sha256])?;
            }
        }
        Ok(forgotten)
    }

    /// Whether a segment of `camera` that shows a moment is here.
    fn shows(&self, camera: &str, moment: i64) -> Result<bool, StoreError> {
        let mut statement = self.connection().prepare_cached(
            "SELECT 1 FROM segments WHERE camera = ?1 AND start_ms <= ?2 AND end_ms > ?2
             AND start_ms > ?2 - (SELECT max(end_ms - start_ms) FROM segments WHERE camera = ?1)
             AND NOT EXISTS (SELECT 1 FROM deleted WHERE deleted.segment = segments.seq)",
        )?;
        Ok(statement.query_row(params![camera, moment], |_| Ok(())).optional()?.is_some())
    }

    /// Notes down spans of sight, each in the place of what was known of that time before; spans of one state that touch
    /// become one. An empty span changes nothing.
    pub fn put_sights(&self, rows: &[SightRow]) -> Result<(), StoreError> {
        for row in rows {
            let state = match row.sight {
                Sight::Visible => "visible".to_owned(),
                Sight::Hidden(cause) => word(cause),
            };
            let (mut start, mut end) = (row.start.as_millisecond(), row.end.as_millisecond());
            if start >= end {
                continue;
            }
            let touching = params![row.workstation, row.camera, start, end];
            let connection = self.connection();
            let mut statement = connection.prepare_cached(
                "SELECT start_ms, end_ms, state FROM sights
                 WHERE workstation = ?1 AND camera = ?2 AND start_ms <= ?4 AND end_ms >= ?3",
            )?;
            let known = statement.query_map(touching, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            let known = known.collect::<Result<Vec<(i64, i64, String)>, _>>()?;
            connection
                .prepare_cached(
                    "DELETE FROM sights WHERE workstation = ?1 AND camera = ?2 AND start_ms <= ?4 AND end_ms >= ?3",
                )?
                .execute(touching)?;
            let mut pieces = Vec::new();
            for (from, until, before) in known {
                if before == state {
                    (start, end) = (start.min(from), end.max(until));
                } else {
                    pieces.push((from, until.min(row.start.as_millisecond()), before.clone()));
                    pieces.push((from.max(row.end.as_millisecond()), until, before));
                }
            }
            pieces.push((start, end, state));
            for (from, until, state) in pieces.into_iter().filter(|(from, until, _)| from < until) {
                connection
                    .prepare_cached(
                        "INSERT OR REPLACE INTO sights (workstation, camera, start_ms, end_ms, state)
                         VALUES (?1, ?2, ?3, ?4, ?5)",
                    )?
                    .execute(params![row.workstation, row.camera, from, until, state])?;
            }
        }
        Ok(())
    }

    /// Notes down looks for people.
    pub fn put_looks(&self, rows: &[LookRow]) -> Result<(), StoreError> {
        for row in rows {
            let workstation = row.workstation.as_deref().unwrap_or_default();
            self.connection()
                .prepare_cached(
                    "INSERT OR REPLACE INTO looks (camera, at_ms, workstation, people) VALUES (?1, ?2, ?3, ?4)",
                )?
                .execute(params![row.camera, row.at.as_millisecond(), workstation, row.people])?;
        }
        Ok(())
    }

    /// Forgets the sights and looks from before `moment`; tells how many that were.
    pub fn forget_seen(&self, moment: Timestamp) -> Result<usize, StoreError> {
        let moment = moment.as_millisecond();
        let sights = self.connection().execute("DELETE FROM sights WHERE end_ms < ?1", [moment])?;
        Ok(sights + self.connection().execute("DELETE FROM looks WHERE at_ms < ?1", [moment])?)
    }

    /// Keeps a roll call that has begun, whose record is in this transaction.
    pub fn put_rollcall(&self, row: &RollcallRow) -> Result<(), StoreError> {
        self.connection()
            .prepare_cached("INSERT INTO rollcalls (seq, class, lesson_ms, start_ms) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![
                sql(row.seq),
                row.class.as_str(),
                row.lesson.as_millisecond(),
                row.start.as_millisecond()
            ])?;
        Ok(())
    }

    /// Notes down that a roll call has ended, whose record is in this transaction.
    pub fn end_rollcall(&self, begun: u64, end: Timestamp, seq: u64) -> Result<(), StoreError> {
        self.connection()
            .prepare_cached("UPDATE rollcalls SET end_ms = ?2, end_seq = ?3 WHERE seq = ?1")?
            .execute(params![sql(begun), end.as_millisecond(), sql(seq)])?;
        Ok(())
    }
}

fn read_end(row: &Row<'_>, at: usize) -> Result<Option<(Timestamp, u64)>, StoreError> {
    match (row.get::<_, Option<i64>>(at)?, row.get::<_, Option<i64>>(at + 1)?) {
        (Some(end), Some(seq)) => Ok(Some((time(end)?, seq as u64))),
        _ => Ok(None),
    }
}

pub(super) fn read_finding(row: &Row<'_>) -> Result<FindingRow, StoreError> {
    Ok(FindingRow {
        seq: row.get::<_, i64>(0)? as u64,
        what: from_word("a finding", &row.get::<_, String>(1)?)?,
        camera: row.get(2)?,
        workstation: row.get(3)?,
        class: row.get(4)?,
        start: time(row.get(5)?)?,
        end: read_end(row, 6)?,
        thumbnail: row.get(8)?,
    })
}

pub(super) fn read_rollcall(row: &Row<'_>) -> Result<RollcallRow, StoreError> {
    let class = ClassId::new(&row.get::<_, String>(1)?)
        .map_err(|problem| StoreError::Value { what: "a roll call's class", problem })?;
    Ok(RollcallRow {
        seq: row.get::<_, i64>(0)? as u64,
        class,
        lesson: time(row.get(2)?)?,
        start: time(row.get(3)?)?,
        end: read_end(row, 4)?,
    })
}
