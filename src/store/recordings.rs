//! Segments and gaps as queries need them, derived from their records in the same transaction.

use super::words::{from_word, sql, word};
use super::{StoreError, View, Write};
use crate::class::ClassId;
use evidence::record::GapCause;
use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row, params};
use std::collections::{BTreeMap, BTreeSet};

/// A segment of a camera's recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentRow {
    /// Its record.
    pub seq: u64,
    /// The camera.
    pub camera: String,
    /// Its first moment.
    pub start: Timestamp,
    /// The first moment after it.
    pub end: Timestamp,
    /// Its file, below the folder of the recordings.
    pub path: String,
    /// Length of the file.
    pub bytes: u64,
    /// SHA-256 (hex) of the file.
    pub sha256: String,
}

/// A span in which a camera should have been recorded and was not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GapRow {
    /// Its record.
    pub seq: u64,
    /// The camera.
    pub camera: String,
    /// Its first moment.
    pub start: Timestamp,
    /// The first moment after it.
    pub end: Timestamp,
    /// Why.
    pub cause: GapCause,
}

/// A recorder's last sign of life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AliveRow {
    /// The camera.
    pub camera: String,
    /// When.
    pub at: Timestamp,
    /// Since when nothing had been recorded, though it should have been, and why.
    pub gap: Option<(Timestamp, GapCause)>,
}

/// A segment that was begun and is not journalled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnfinishedRow {
    /// Where it will be, below the folder of the recordings.
    pub path: String,
    /// How much of it is certainly on disk …
    pub bytes: u64,
    /// … and the SHA-256 (hex) of that …
    pub sha256: String,
    /// … at this moment.
    pub at: Timestamp,
}

/// Segments, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Amount {
    /// How many.
    pub segments: u64,
    /// Length of their files, bytes.
    pub bytes: u64,
}

/// A segment whose file is here, and what the archive has of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptRow {
    /// The segment.
    pub segment: SegmentRow,
    /// The `archive` record, if one tells that it is archived.
    pub archived: Option<u64>,
}

const SEGMENT: &str = "seq, camera, start_ms, end_ms, path, bytes, sha256";
const GAP: &str = "seq, camera, start_ms, end_ms, cause";

/// What shows or misses anything of a span: it begins no earlier before the span than the longest is long, which an index
/// tells. So what lies further back is not looked at.
fn within(columns: &str, table: &str) -> String {
    format!(
        "SELECT {columns} FROM {table} WHERE camera = ?1 AND start_ms < ?3 AND end_ms > ?2
         AND start_ms > ?2 - (SELECT max(end_ms - start_ms) FROM {table} WHERE camera = ?1) ORDER BY start_ms, seq"
    )
}

fn last_of_camera() -> String {
    format!("SELECT {SEGMENT} FROM segments WHERE camera = ?1 ORDER BY seq DESC LIMIT 1")
}

fn not_archived() -> String {
    format!("SELECT {SEGMENT} FROM unarchived JOIN segments ON seq = unarchived.segment ORDER BY unarchived.segment")
}

impl View {
    /// The segments of `camera` that show anything of the span, in order of time.
    pub fn segments(&self, camera: &str, from: Timestamp, until: Timestamp) -> Result<Vec<SegmentRow>, StoreError> {
        let mut statement = self.connection.prepare_cached(&within(SEGMENT, "segments"))?;
        let mut rows = statement.query(params![camera, from.as_millisecond(), until.as_millisecond()])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(read_segment(row)?);
        }
        Ok(found)
    }

    /// The segments from record `first` on, `limit` at most, in order of their records.
    pub fn segments_from(&self, first: u64, limit: usize) -> Result<Vec<SegmentRow>, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached(&format!("SELECT {SEGMENT} FROM segments WHERE seq >= ?1 ORDER BY seq LIMIT ?2"))?;
        let mut rows = statement.query(params![sql(first), limit as i64])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(read_segment(row)?);
        }
        Ok(found)
    }

    /// The segments of `camera` whose files are here and that begin at `from` or later, oldest first.
    pub fn kept(&self, camera: &str, from: Timestamp, limit: usize) -> Result<Vec<KeptRow>, StoreError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {SEGMENT}, (SELECT archived.seq FROM archived WHERE archived.segment = segments.seq)
             FROM segments WHERE camera = ?1 AND start_ms >= ?2
             AND NOT EXISTS (SELECT 1 FROM deleted WHERE deleted.segment = segments.seq)
             ORDER BY start_ms, seq LIMIT ?3"
        ))?;
        let mut rows = statement.query(params![camera, from.as_millisecond(), limit as i64])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let archived = row.get::<_, Option<i64>>(7)?.map(|seq| seq as u64);
            found.push(KeptRow { segment: read_segment(row)?, archived });
        }
        Ok(found)
    }

    /// Whether the file of the last segment of `camera` that begins in the span is here: the oldest are deleted first.
    pub fn is_last_kept(&self, camera: &str, from: Timestamp, until: Timestamp) -> Result<bool, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT NOT EXISTS (SELECT 1 FROM deleted WHERE deleted.segment = last.seq) FROM
             (SELECT seq FROM segments WHERE camera = ?1 AND start_ms >= ?2 AND start_ms < ?3
              ORDER BY start_ms DESC, seq DESC LIMIT 1) AS last",
        )?;
        let span = params![camera, from.as_millisecond(), until.as_millisecond()];
        Ok(statement.query_row(span, |row| row.get(0)).optional()?.unwrap_or(false))
    }

    /// What is here of each camera. Looks at every segment that there has ever been.
    pub fn kept_amounts(&self) -> Result<BTreeMap<String, Amount>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT camera, count(*), sum(bytes) FROM segments
             WHERE NOT EXISTS (SELECT 1 FROM deleted WHERE deleted.segment = segments.seq) GROUP BY camera",
        )?;
        let mut rows = statement.query([])?;
        let mut found = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let (segments, bytes) = (row.get::<_, i64>(1)? as u64, row.get::<_, i64>(2)? as u64);
            found.insert(row.get(0)?, Amount { segments, bytes });
        }
        Ok(found)
    }

    /// The segments whose files are here and that no archive holds, in order of their records.
    pub fn unarchived(&self) -> Result<Vec<SegmentRow>, StoreError> {
        let mut statement = self.connection.prepare_cached(&not_archived())?;
        let mut rows = statement.query([])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(read_segment(row)?);
        }
        Ok(found)
    }

    /// The archived segments of the files below `prefix`, in order of their files.
    pub fn archived_below(&self, prefix: &str) -> Result<Vec<SegmentRow>, StoreError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {SEGMENT} FROM segments WHERE path >= ?1 AND path < ?1 || char(1114111)
             AND EXISTS (SELECT 1 FROM archived WHERE archived.segment = segments.seq) ORDER BY path"
        ))?;
        let mut rows = statement.query([prefix])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(read_segment(row)?);
        }
        Ok(found)
    }

    /// The latest moment that an archived segment shows.
    pub fn archived_until(&self) -> Result<Option<Timestamp>, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT max(end_ms) FROM segments WHERE seq = (SELECT max(segment) FROM archived)")?;
        statement.query_row([], |row| row.get::<_, Option<i64>>(0))?.map(time).transpose()
    }

    /// The `deletion` record of the segment whose file this is or was, if there is one.
    pub fn deletion_of(&self, path: &str) -> Result<Option<u64>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT deleted.seq FROM deleted JOIN segments ON segments.seq = deleted.segment WHERE segments.path = ?1",
        )?;
        Ok(statement.query_row([path], |row| row.get::<_, i64>(0)).optional()?.map(|seq| seq as u64))
    }

    /// The newest `deletion` record.
    pub fn newest_deletion(&self) -> Result<Option<u64>, StoreError> {
        let mut statement = self.connection.prepare_cached("SELECT max(seq) FROM deleted")?;
        Ok(statement.query_row([], |row| row.get::<_, Option<i64>>(0))?.map(|seq| seq as u64))
    }

    /// Every segment that an archive holds → its `archive` record.
    pub fn archived(&self) -> Result<BTreeMap<u64, u64>, StoreError> {
        self.became("SELECT segment, seq FROM archived")
    }

    /// Every segment that was deleted → its `deletion` record.
    pub fn deleted(&self) -> Result<BTreeMap<u64, u64>, StoreError> {
        self.became("SELECT segment, seq FROM deleted")
    }

    fn became(&self, query: &str) -> Result<BTreeMap<u64, u64>, StoreError> {
        let mut statement = self.connection.prepare_cached(query)?;
        let mut rows = statement.query([])?;
        let mut found = BTreeMap::new();
        while let Some(row) = rows.next()? {
            found.insert(row.get::<_, i64>(0)? as u64, row.get::<_, i64>(1)? as u64);
        }
        Ok(found)
    }

    /// The segment of `camera` that was journalled last.
    pub fn last_segment(&self, camera: &str) -> Result<Option<SegmentRow>, StoreError> {
        let mut statement = self.connection.prepare_cached(&last_of_camera())?;
        let mut rows = statement.query([camera])?;
        rows.next()?.map(read_segment).transpose()
    }

    /// The cameras that anything is known of: a segment or a gap.
    pub fn cameras_recorded(&self) -> Result<BTreeSet<String>, StoreError> {
        let mut statement =
            self.connection.prepare_cached("SELECT camera FROM segments UNION SELECT camera FROM gaps")?;
        let cameras = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        Ok(cameras)
    }

    /// Whether a file belongs to a segment.
    pub fn is_segment(&self, path: &str) -> Result<bool, StoreError> {
        let mut statement = self.connection.prepare_cached("SELECT 1 FROM segments WHERE path = ?1")?;
        Ok(statement.query_row([path], |_| Ok(())).optional()?.is_some())
    }

    /// The gaps of `camera` in the span, in order of time.
    pub fn gaps(&self, camera: &str, from: Timestamp, until: Timestamp) -> Result<Vec<GapRow>, StoreError> {
        let mut statement = self.connection.prepare_cached(&within(GAP, "gaps"))?;
        let mut rows = statement.query(params![camera, from.as_millisecond(), until.as_millisecond()])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(read_gap(row)?);
        }
        Ok(found)
    }

    /// Every gap, in order of their records.
    pub fn all_gaps(&self) -> Result<Vec<GapRow>, StoreError> {
        let mut statement = self.connection.prepare_cached(&format!("SELECT {GAP} FROM gaps ORDER BY seq"))?;
        let mut rows = statement.query([])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(read_gap(row)?);
        }
        Ok(found)
    }

    /// The record of the account of a class's lesson that began at `start`, if it has been made.
    pub fn coverage(&self, class: &ClassId, start: Timestamp) -> Result<Option<u64>, StoreError> {
        let mut statement =
            self.connection.prepare_cached("SELECT seq FROM coverages WHERE class = ?1 AND start_ms = ?2")?;
        let seq = statement.query_row(params![class.as_str(), start.as_millisecond()], |row| row.get::<_, i64>(0));
        Ok(seq.optional()?.map(|seq| seq as u64))
    }

    /// The records of the accounts of the lessons that began within the span, in order of time.
    pub fn coverages(&self, from: Timestamp, until: Timestamp) -> Result<Vec<u64>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT seq FROM coverages WHERE start_ms >= ?1 AND start_ms < ?2 ORDER BY start_ms, seq",
        )?;
        let seqs = statement.query_map(params![from.as_millisecond(), until.as_millisecond()], |row| {
            row.get::<_, i64>(0).map(|seq| seq as u64)
        })?;
        Ok(seqs.collect::<Result<_, _>>()?)
    }

    /// What is known of a segment that was begun and is not journalled.
    pub fn unfinished(&self, path: &str) -> Result<Option<UnfinishedRow>, StoreError> {
        Ok(self.all_unfinished()?.into_iter().find(|row| row.path == path))
    }

    /// The segments that were begun and are not journalled: few.
    pub fn all_unfinished(&self) -> Result<Vec<UnfinishedRow>, StoreError> {
        let query = "SELECT path, bytes, sha256, at_ms FROM unfinished ORDER BY path";
        let mut statement = self.connection.prepare_cached(query)?;
        let mut rows = statement.query([])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let (bytes, at) = (row.get::<_, i64>(1)? as u64, time(row.get(3)?)?);
            found.push(UnfinishedRow { path: row.get(0)?, bytes, sha256: row.get(2)?, at });
        }
        Ok(found)
    }

    /// The last sign of life of each recorder.
    pub fn alive(&self) -> Result<Vec<AliveRow>, StoreError> {
        let mut statement =
            self.connection.prepare_cached("SELECT camera, at_ms, gap_start_ms, gap_cause FROM alive")?;
        let mut rows = statement.query([])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let gap = match (row.get::<_, Option<i64>>(2)?, row.get::<_, Option<String>>(3)?) {
                (Some(start), Some(cause)) => Some((time(start)?, from_word("a gap's cause", &cause)?)),
                _ => None,
            };
            found.push(AliveRow { camera: row.get(0)?, at: time(row.get(1)?)?, gap });
        }
        Ok(found)
    }
}

impl Write<'_> {
    /// Keeps a segment, whose record is in this transaction.
    pub fn put_segment(&self, row: &SegmentRow) -> Result<(), StoreError> {
        self.connection()
            .prepare_cached(&format!("INSERT INTO segments ({SEGMENT}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"))?
            .execute(params![
                sql(row.seq),
                row.camera,
                row.start.as_millisecond(),
                row.end.as_millisecond(),
                row.path,
                sql(row.bytes),
                row.sha256
            ])?;
        self.forget_unfinished(&row.path)
    }

    /// Keeps a gap, whose record is in this transaction.
    pub fn put_gap(&self, row: &GapRow) -> Result<(), StoreError> {
        self.connection().prepare_cached(&format!("INSERT INTO gaps ({GAP}) VALUES (?1, ?2, ?3, ?4, ?5)"))?.execute(
            params![sql(row.seq), row.camera, row.start.as_millisecond(), row.end.as_millisecond(), word(row.cause)],
        )?;
        Ok(())
    }

    /// Notes down that `segments` are archived, as record `seq` of this transaction says.
    pub fn put_archived(&self, seq: u64, segments: &[u64]) -> Result<(), StoreError> {
        self.put_became("INSERT INTO archived (segment, seq) VALUES (?1, ?2)", seq, segments)
    }

    /// Notes down that the files of `segments` are deleted, as record `seq` of this transaction says.
    pub fn put_deleted(&self, seq: u64, segments: &[u64]) -> Result<(), StoreError> {
        self.put_became("INSERT INTO deleted (segment, seq) VALUES (?1, ?2)", seq, segments)
    }

    fn put_became(&self, query: &str, seq: u64, segments: &[u64]) -> Result<(), StoreError> {
        for segment in segments {
            self.connection().prepare_cached(query)?.execute(params![sql(*segment), sql(seq)])?;
        }
        Ok(())
    }

    /// Keeps where the account of a lesson is.
    pub fn put_coverage(&self, seq: u64, class: &ClassId, start: Timestamp) -> Result<(), StoreError> {
        self.connection()
            .prepare_cached("INSERT INTO coverages (seq, class, start_ms) VALUES (?1, ?2, ?3)")?
            .execute(params![sql(seq), class.as_str(), start.as_millisecond()])?;
        Ok(())
    }

    /// Notes down how far a segment is written, unless it is journalled.
    pub fn put_unfinished(&self, row: &UnfinishedRow) -> Result<(), StoreError> {
        self.connection()
            .prepare_cached(
                "INSERT OR REPLACE INTO unfinished (path, bytes, sha256, at_ms)
                 SELECT ?1, ?2, ?3, ?4 WHERE NOT EXISTS (SELECT 1 FROM segments WHERE path = ?1)",
            )?
            .execute(params![row.path, sql(row.bytes), row.sha256, row.at.as_millisecond()])?;
        Ok(())
    }

    /// Nothing is to be recovered under this name any more.
    pub fn forget_unfinished(&self, path: &str) -> Result<(), StoreError> {
        self.connection().prepare_cached("DELETE FROM unfinished WHERE path = ?1")?.execute([path])?;
        Ok(())
    }

    /// Notes down recorders' signs of life.
    pub fn set_alive(&self, rows: &[AliveRow]) -> Result<(), StoreError> {
        for row in rows {
            let (start, cause) = row.gap.map(|(start, cause)| (start.as_millisecond(), word(cause))).unzip();
            self.connection()
                .prepare_cached(
                    "INSERT OR REPLACE INTO alive (camera, at_ms, gap_start_ms, gap_cause) VALUES (?1, ?2, ?3, ?4)",
                )?
                .execute(params![row.camera, row.at.as_millisecond(), start, cause])?;
        }
        Ok(())
    }
}

fn read_segment(row: &Row<'_>) -> Result<SegmentRow, StoreError> {
    Ok(SegmentRow {
        seq: row.get::<_, i64>(0)? as u64,
        camera: row.get(1)?,
        start: time(row.get(2)?)?,
        end: time(row.get(3)?)?,
        path: row.get(4)?,
        bytes: row.get::<_, i64>(5)? as u64,
        sha256: row.get(6)?,
    })
}

fn read_gap(row: &Row<'_>) -> Result<GapRow, StoreError> {
    Ok(GapRow {
        seq: row.get::<_, i64>(0)? as u64,
        camera: row.get(1)?,
        start: time(row.get(2)?)?,
        end: time(row.get(3)?)?,
        cause: from_word("a gap's cause", &row.get::<_, String>(4)?)?,
    })
}

pub(super) fn time(ms: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_millisecond(ms).map_err(|error| StoreError::Value { what: "a time", problem: error.to_string() })
}

#[cfg(test)]
mod tests;
