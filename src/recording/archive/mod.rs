//! The archive: closed days are copied to a folder or an S3-compatible store, and what has arrived is read back.
//!
//! A segment counts as archived when what the archive gives back has the SHA-256 in its record, and the `archive`
//! record is journalled after that. What is there and whole is not sent again. Nothing is ever deleted there.

mod pace;
mod target;

pub use pace::Pace;
pub use target::Target;

use super::{hash_file, marker, plan::Plan};
use crate::config::{ArchiveConfig, Config};
use crate::journal::{Journal, JournalError};
use crate::store::{Amount, SegmentRow, StoreError};
use evidence::record::{Archive, Data};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::SystemTime;

/// Segments named by one `archive` record, at most: a record has its longest length.
const RECORD_SEGMENTS: usize = 2000;
/// In the state directory, locked by whoever archives.
const LOCK: &str = "archive.lock";

/// Why something is not archived.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The settings, or the file with the credentials.
    #[error("{path}: {problem}")]
    Settings {
        /// The file, or the key.
        path: String,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// The folder is not the archive, or not there.
    #[error(
        "{0} holds no `{MARKER}`: is the disk or share mounted? `rollcall recording archive --init` marks a new archive",
        MARKER = target::MARKER
    )]
    Unmarked(PathBuf),
    /// A file or folder.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The store.
    #[error("the archive's {key}: {problem}")]
    Remote {
        /// The object.
        key: String,
        /// What the store, or the line, says.
        problem: String,
    },
    /// What came back is not what was sent.
    #[error("the archive's {key} was read back and is not what was sent; it is sent again at the next try")]
    NotWhole {
        /// The object.
        key: String,
    },
    /// Somebody else archives at the moment.
    #[error("another process of this appliance archives at the moment")]
    Busy,
    /// A stop was asked for.
    #[error("stopped; what has arrived is not sent again")]
    Stopped,
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How the archive stands.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ArchiveStatus {
    /// Its name.
    pub name: String,
    /// The last moment that the newest archived segment shows, RFC 3339.
    pub archived_until: Option<String>,
    /// What is not archived yet, closed or not.
    pub waiting: Amount,
    /// Why the last try has failed, if it has.
    pub problem: Option<String>,
    /// What cannot be archived any more, if there is such a thing. All else is.
    #[serde(default)]
    pub unfit: Option<Unfit>,
}

/// Segments that no archive holds and that are gone here, or not what was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unfit {
    /// How many.
    pub segments: usize,
    /// The first file, below the recordings' folder.
    pub first: String,
}

impl ArchiveStatus {
    /// As the database tells it; `None` where there is no archive.
    pub fn of(config: &Config, journal: &Journal) -> Result<Option<ArchiveStatus>, StoreError> {
        let Some(archive) = &config.archive else { return Ok(None) };
        let mut status = ArchiveStatus { name: archive.name.clone(), ..ArchiveStatus::default() };
        status.look(journal, &journal.store().read()?.unarchived(0)?)?;
        Ok(Some(status))
    }

    fn look(&mut self, journal: &Journal, unarchived: &[SegmentRow]) -> Result<(), StoreError> {
        self.archived_until = journal.store().read()?.archived_until()?.map(|time| journal.time_text(time));
        self.waiting = amount(unarchived);
        Ok(())
    }
}

/// Which days are archived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// Those before today whose lessons are all accounted for.
    ClosedDays,
    /// Today as well, when its lessons are all accounted for.
    WithToday,
}

/// Copies, reads back, journals.
pub struct Archiver {
    settings: ArchiveConfig,
    /// Made when it is first needed, so that a store that is away does not hold up the start.
    target: Option<Target>,
    status: ArchiveStatus,
    /// Every segment before this record is archived or deleted.
    from: u64,
    /// Read back, but not journalled yet.
    verified: HashSet<u64>,
    /// Read, and found not to be what was recorded; their length and time then, so that they are read again only when
    /// something has become of them.
    altered: HashMap<u64, Looks>,
}

/// A file's length, and when it was last changed.
type Looks = (u64, SystemTime);

impl Archiver {
    /// `None` where there is no archive.
    pub fn new(config: &Config, journal: &Journal) -> Result<Option<Archiver>, StoreError> {
        let status = ArchiveStatus::of(config, journal)?;
        Ok(config.archive.clone().zip(status).map(|(settings, status)| Archiver {
            settings,
            target: None,
            status,
            from: 0,
            verified: HashSet::new(),
            altered: HashMap::new(),
        }))
    }

    /// How it stands.
    pub fn status(&self) -> &ArchiveStatus {
        &self.status
    }

    /// Marks a new archive.
    pub fn init(config: &ArchiveConfig) -> Result<(), ArchiveError> {
        Target::open(config)?.init()
    }

    /// Archives what is due; tells how much that was. What is gone here, or altered, stands in the status and holds up
    /// nothing else.
    pub fn run(
        &mut self,
        config: &Config,
        journal: &Journal,
        pass: Pass,
        stop: &AtomicBool,
    ) -> Result<Amount, ArchiveError> {
        let done = self.try_run(config, journal, pass, stop);
        self.status.problem = match &done {
            // Neither is a trouble of the archive.
            Ok(_) | Err(ArchiveError::Busy | ArchiveError::Stopped) => None,
            Err(error) => Some(error.to_string()),
        };
        done
    }

    fn try_run(
        &mut self,
        config: &Config,
        journal: &Journal,
        pass: Pass,
        stop: &AtomicBool,
    ) -> Result<Amount, ArchiveError> {
        let _lock = lock(&config.appliance.state_dir)?;
        let rows = journal.store().read()?.unarchived(self.from)?;
        self.from = rows.first().map_or(self.from, |row| row.seq);
        self.status.look(journal, &rows)?;
        let mut days: BTreeMap<(String, String), Vec<SegmentRow>> = BTreeMap::new();
        let is_open = open_days(config, journal, pass)?;
        for row in rows {
            // `<camera>/<date>/<file>`
            if let Some(date) = row.path.split('/').nth(1).filter(|date| !is_open(date)) {
                days.entry((date.to_owned(), row.camera.clone())).or_default().push(row);
            }
        }
        let mut done = Amount::default();
        // Also when nothing is due: that it is away should be known before it is needed.
        let target = match self.target.take() {
            Some(target) => target,
            None => Target::open(&self.settings)?,
        };
        let mut pace = Pace::new(self.settings.max_bytes_per_second, stop);
        let mut unfit: Vec<String> = Vec::new();
        let mut result = target.check();
        for ((date, camera), rows) in &days {
            if result.is_err() {
                break;
            }
            let day = self.day(config, journal, &target, camera, date, rows, &mut unfit, &mut pace);
            result = day.map(|more| {
                done.segments += more.segments;
                done.bytes += more.bytes;
            });
        }
        self.target = Some(target);
        if result.as_ref().is_err_and(|error| !matches!(error, ArchiveError::Stopped)) {
            // What comes back may be another disk.
            self.verified.clear();
        }
        let rows = journal.store().read()?.unarchived(self.from)?;
        self.status.look(journal, &rows)?;
        result?;
        // Only a pass that came to its end has seen them all.
        let segments = unfit.len();
        self.status.unfit = unfit.into_iter().next().map(|first| Unfit { segments, first });
        Ok(done)
    }

    /// One camera's day; what cannot be vouched for any more joins `unfit`.
    #[allow(clippy::too_many_arguments)]
    fn day(
        &mut self,
        config: &Config,
        journal: &Journal,
        target: &Target,
        camera: &str,
        date: &str,
        rows: &[SegmentRow],
        unfit: &mut Vec<String>,
        pace: &mut Pace<'_>,
    ) -> Result<Amount, ArchiveError> {
        let mut whole = Vec::new();
        for row in rows {
            if self.copy(config, journal, target, row, pace)? {
                whole.push(row.clone());
            } else {
                unfit.push(row.path.clone());
            }
        }
        self.finish(journal, target, camera, date, &whole)?;
        Ok(amount(&whole))
    }

    /// Makes sure that the archive holds a segment, and reads it back. `false`: the file here is not what was recorded.
    fn copy(
        &mut self,
        config: &Config,
        journal: &Journal,
        target: &Target,
        row: &SegmentRow,
        pace: &mut Pace<'_>,
    ) -> Result<bool, ArchiveError> {
        if self.verified.contains(&row.seq) {
            return Ok(true);
        }
        let expected = (row.bytes, row.sha256.clone());
        let key = format!("{}/{}", journal.log().origin, row.path);
        let is_there = target.length(&key)? == Some(row.bytes) && target.hash(&key, pace)? == expected;
        if !is_there {
            let path = config.recordings().join(&row.path);
            if !self.is_whole(&config.recordings(), &path, row)? {
                return Ok(false);
            }
            target.put(&key, &path, pace)?;
            if target.hash(&key, pace)? != expected {
                return Err(ArchiveError::NotWhole { key });
            }
        }
        self.verified.insert(row.seq);
        Ok(true)
    }

    /// Whether the file is what was recorded. One bad sector must not keep all that follows from being archived; on a disk
    /// that is not mounted nothing is lost.
    fn is_whole(&mut self, root: &Path, path: &Path, row: &SegmentRow) -> Result<bool, ArchiveError> {
        let looks = path.metadata().and_then(|file| Ok((file.len(), file.modified()?))).ok();
        if looks.is_some() && self.altered.get(&row.seq) == looks.as_ref() {
            return Ok(false);
        }
        let found = hash_file(path);
        if found.as_ref().is_ok_and(|found| *found == (row.bytes, row.sha256.clone())) {
            self.altered.remove(&row.seq);
            return Ok(true);
        }
        marker::check(root).map_err(|source| ArchiveError::Io { path: root.to_owned(), source })?;
        let problem = found.err().map_or("it is not what was recorded".into(), |error| error.to_string());
        let is_known = self.altered.contains_key(&row.seq);
        self.altered.insert(row.seq, looks.unwrap_or((0, SystemTime::UNIX_EPOCH)));
        if !is_known {
            tracing::error!(file = %path.display(), problem, "a segment cannot be archived");
        }
        Ok(false)
    }

    /// Manifest, then records.
    fn finish(
        &mut self,
        journal: &Journal,
        target: &Target,
        camera: &str,
        date: &str,
        whole: &[SegmentRow],
    ) -> Result<(), ArchiveError> {
        if whole.is_empty() {
            return Ok(());
        }
        let manifest = manifest(journal, &self.settings.name, camera, date, whole)?;
        target.put_text(&format!("{}/{camera}/{date}/manifest.json", journal.log().origin), &manifest)?;
        for rows in whole.chunks(RECORD_SEGMENTS) {
            let segments: Vec<u64> = rows.iter().map(|row| row.seq).collect();
            let data = Data::Archive(Archive {
                camera: camera.into(),
                date: date.into(),
                archive: self.settings.name.clone(),
                segments: segments.clone(),
                bytes: amount(rows).bytes,
            });
            journal.append_with(data, |write, seq| write.put_archived(seq, &segments))?;
            self.verified.retain(|seq| !segments.contains(seq));
        }
        let amount = amount(whole);
        tracing::info!(camera, date, amount.segments, amount.bytes, "archived and read back");
        Ok(())
    }
}

fn amount(rows: &[SegmentRow]) -> Amount {
    Amount { segments: rows.len() as u64, bytes: rows.iter().map(|row| row.bytes).sum() }
}

/// Whether a date, as a folder's name, is too new, or has lessons whose accounts are not made.
fn open_days(config: &Config, journal: &Journal, pass: Pass) -> Result<impl Fn(&str) -> bool, StoreError> {
    let day = |time: Timestamp| time.to_zoned_datetime(journal.zone().clone()).date().to_string();
    let today = day(journal.clock().now());
    let lessons = Plan::new(config).over(journal, Timestamp::MAX)?;
    let open: HashSet<String> = lessons.iter().map(|lesson| day(lesson.span.from)).collect();
    Ok(move |date: &str| match pass {
        Pass::ClosedDays => date >= today.as_str() || open.contains(date),
        Pass::WithToday => date > today.as_str() || open.contains(date),
    })
}

/// What stands beside a day's segments: their records as they were signed, and the newest receipt.
fn manifest(
    journal: &Journal,
    archive: &str,
    camera: &str,
    date: &str,
    whole: &[SegmentRow],
) -> Result<String, ArchiveError> {
    let reader = journal.store().read()?;
    let mut rows = reader.archived_below(&format!("{camera}/{date}/"))?;
    rows.extend_from_slice(whole);
    rows.sort_by_key(|row| row.seq);
    let mut segments = Vec::new();
    for row in &rows {
        segments.push(serde_json::json!({
            "file": row.path.rsplit('/').next(),
            "seq": row.seq,
            "start": journal.time_text(row.start),
            "end": journal.time_text(row.end),
            "bytes": row.bytes,
            "sha256": row.sha256,
            "record": reader.record(row.seq)?.map(|record| record.as_str().to_owned()),
        }));
    }
    let log = journal.log();
    let manifest = serde_json::json!({
        "v": 1,
        "device": log.origin,
        "key": log.key,
        "camera": camera,
        "date": date,
        "archive": archive,
        "segments": segments,
        "receipt": reader.newest_receipt()?.map(|receipt| receipt.note),
    });
    Ok(format!("{manifest:#}\n"))
}

fn lock(state: &Path) -> Result<File, ArchiveError> {
    let path = state.join(LOCK);
    let failed = |source| ArchiveError::Io { path: path.clone(), source };
    let file = File::options().create(true).append(true).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(ArchiveError::Busy),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}
