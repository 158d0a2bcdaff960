//! The archive: closed days are copied to a folder or an S3-compatible store, and what has arrived is read back.
//!
//! A segment counts as archived when what the archive gives back has the SHA-256 in its record, and the `archive`
//! record is journalled after that. What is there and whole is not sent again. Nothing is ever deleted there.

mod error;
mod pace;
mod status;
mod target;

pub use error::ArchiveError;
pub use pace::Pace;
pub(super) use status::Standing;
pub use status::{ArchiveStatus, Unfit};
pub use target::Target;

use super::{hash_file, marker, plan::Plan};
use crate::config::{ArchiveConfig, Config};
use crate::journal::Journal;
use crate::store::{Amount, SegmentRow, StoreError};
use evidence::record::{Archive, Data};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant, SystemTime};

/// Segments named by one `archive` record, at most: a record has its longest length.
const RECORD_SEGMENTS: usize = 2000;
/// In the state directory, locked by whoever archives.
const LOCK: &str = "archive.lock";
/// Another process that archives for longer than this is trouble: it may hang.
const BUSY_PATIENCE: Duration = Duration::from_secs(3600);
/// So many objects of a day in a row that fail are the end of that day's turn, and so many days of the pass: an archive
/// that is away fails for each of them.
const FAILURES: usize = 3;

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
    /// Read back, but not journalled yet.
    verified: HashSet<u64>,
    /// Read, and found not to be what was recorded; their length and time then, so that they are read again only when
    /// something has become of them.
    altered: HashMap<u64, Looks>,
    /// Days and cameras that were given up when they were last tried: the others go before them.
    given_up: BTreeSet<(String, String)>,
    /// Since when another process has archived at each try.
    busy_since: Option<Instant>,
    standing: Arc<Standing>,
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
            standing: Arc::new(Standing::new(status.clone())),
            status,
            verified: HashSet::new(),
            altered: HashMap::new(),
            given_up: BTreeSet::new(),
            busy_since: None,
        }))
    }

    /// Where others see how it stands while it is at work.
    pub(super) fn standing(&self) -> Arc<Standing> {
        self.standing.clone()
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
        self.status.problem = self.problem(&done, Instant::now());
        self.tell();
        done
    }

    fn tell(&self) {
        self.standing.tell(&self.status, Instant::now());
    }

    /// What is wrong after a try.
    fn problem(&mut self, done: &Result<Amount, ArchiveError>, now: Instant) -> Option<String> {
        let since = match done {
            Err(ArchiveError::Busy) => *self.busy_since.get_or_insert(now),
            _ => {
                self.busy_since = None;
                now
            }
        };
        match done {
            // Neither is a trouble of the archive, unless the other process hangs.
            Err(ArchiveError::Busy) if now.saturating_duration_since(since) >= BUSY_PATIENCE => {
                let minutes = now.saturating_duration_since(since).as_secs() / 60;
                Some(format!(
                    "another process has archived for {minutes} minutes: `rollcall recording archive`; does it hang?"
                ))
            }
            Ok(_) | Err(ArchiveError::Busy | ArchiveError::Stopped) => None,
            Err(error) => Some(error.to_string()),
        }
    }

    fn try_run(
        &mut self,
        config: &Config,
        journal: &Journal,
        pass: Pass,
        stop: &AtomicBool,
    ) -> Result<Amount, ArchiveError> {
        let _lock = lock(&config.appliance.state_dir)?;
        let rows = journal.store().read()?.unarchived()?;
        self.status.look(journal, &rows)?;
        let mut days: BTreeMap<(String, String), Vec<SegmentRow>> = BTreeMap::new();
        let is_open = open_days(config, journal, pass)?;
        for row in rows {
            // `<camera>/<date>/<file>`
            if let Some(date) = row.path.split('/').nth(1).filter(|date| !is_open(date)) {
                days.entry((date.to_owned(), row.camera.clone())).or_default().push(row);
            }
        }
        // Also when nothing is due: that it is away should be known before it is needed.
        let target = match self.target.take() {
            Some(target) => target,
            None => Target::open(&self.settings)?,
        };
        let pace = Pace::new(self.settings.max_bytes_per_second, stop, self.standing.pulse.clone());
        let mut turn = Turn { config, journal, target: &target, pace, unfit: Vec::new(), failed: Vec::new() };
        let result = target.check().and_then(|()| self.archive_days(&mut turn, &days));
        let Turn { unfit, failed, .. } = turn;
        let has_failed =
            !failed.is_empty() || result.as_ref().is_err_and(|error| !matches!(error, ArchiveError::Stopped));
        if has_failed && matches!(target, Target::Folder(_)) {
            // What comes back may be another disk. Of a store it need not be fetched again.
            self.verified.clear();
        }
        self.target = Some(target);
        let rows = journal.store().read()?.unarchived()?;
        self.status.look(journal, &rows)?;
        let done = result?;
        // Only a pass that came to its end has seen them all.
        let is_given_up = !self.given_up.is_empty();
        if !is_given_up || !unfit.is_empty() {
            let segments = unfit.len();
            self.status.unfit = unfit.into_iter().next().map(|first| Unfit { segments, first });
        }
        let objects = failed.len();
        match failed.into_iter().next() {
            Some(first) if objects == 1 && !is_given_up => Err(first),
            Some(first) => Err(ArchiveError::Objects { objects, is_given_up, first: Box::new(first) }),
            None => Ok(done),
        }
    }

    /// The days in order, each camera's by itself, and those that were given up before after all others. What fails of one
    /// holds up none of the others, unless all fails.
    fn archive_days(
        &mut self,
        turn: &mut Turn<'_>,
        days: &BTreeMap<(String, String), Vec<SegmentRow>>,
    ) -> Result<Amount, ArchiveError> {
        self.given_up.retain(|day| days.contains_key(day));
        let (mut done, mut lost_days) = (Amount::default(), 0);
        let mut left: Option<String> = None;
        let oldest = |left: &Option<String>, given_up: &BTreeSet<(String, String)>| {
            left.iter().chain(given_up.first().map(|(date, _)| date)).min().cloned()
        };
        let (before, others): (Vec<_>, Vec<_>) = days.iter().partition(|(day, _)| self.given_up.contains(*day));
        for (day, rows) in others.into_iter().chain(before) {
            let (date, camera) = day;
            let is_due = |row: &SegmentRow| !self.altered.contains_key(&row.seq);
            self.status.due = oldest(&left, &self.given_up).or_else(|| rows.iter().any(is_due).then(|| date.clone()));
            self.tell();
            let Day { archived, failed, is_given_up } = self.day(turn, camera, date, rows)?;
            done.segments += archived.segments;
            done.bytes += archived.bytes;
            if failed > 0 && left.as_ref().is_none_or(|left| date < left) {
                left = Some(date.clone());
            }
            match is_given_up {
                true => drop(self.given_up.insert(day.clone())),
                false => drop(self.given_up.remove(day)),
            }
            lost_days = if is_given_up && archived.segments == 0 { lost_days + 1 } else { 0 };
            if lost_days == FAILURES {
                break;
            }
        }
        self.status.due = oldest(&left, &self.given_up);
        Ok(done)
    }

    /// One camera's day. What is whole there when something fails is journalled all the same: it need not be read again.
    fn day(&mut self, turn: &mut Turn<'_>, camera: &str, date: &str, rows: &[SegmentRow]) -> Result<Day, ArchiveError> {
        let (mut whole, mut failed, mut in_a_row) = (Vec::new(), 0, 0);
        let mut result = Ok(());
        for row in rows {
            // A stop is heeded before each file, whatever is left to do for it.
            let copied = turn.pace.take(0).and_then(|()| self.copy(turn, row));
            in_a_row = if copied.is_err() { in_a_row + 1 } else { 0 };
            match copied {
                Ok(true) => whole.push(row.clone()),
                Ok(false) => turn.unfit.push(row.path.clone()),
                Err(error) if error.is_of_an_object() => {
                    tracing::error!(%error, camera, date, "a segment could not be archived; going on with the others");
                    turn.failed.push(error);
                    failed += 1;
                    result = turn.target.check();
                }
                Err(error) => result = Err(error),
            }
            if result.is_err() || in_a_row == FAILURES {
                break;
            }
        }
        let finished = self.finish(turn, camera, date, &whole);
        result?;
        let is_given_up = in_a_row == FAILURES || finished.is_err();
        let archived = match finished {
            Ok(()) => amount(&whole),
            Err(error) if error.is_of_an_object() => {
                turn.failed.push(error);
                failed += 1;
                Amount::default()
            }
            Err(error) => return Err(error),
        };
        Ok(Day { archived, failed, is_given_up })
    }

    /// Makes sure that the archive holds a segment, and reads it back. `false`: the file here is not what was recorded.
    fn copy(&mut self, turn: &mut Turn<'_>, row: &SegmentRow) -> Result<bool, ArchiveError> {
        let Turn { config, journal, target, pace, .. } = turn;
        let expected = (row.bytes, row.sha256.clone());
        let key = format!("{}/{}", journal.log().origin, row.path);
        let is_long_enough = target.length(&key)? == Some(row.bytes);
        // What was read back in an earlier pass need not be read again, but must be there: a store may have been set back.
        if self.verified.remove(&row.seq) && is_long_enough {
            self.verified.insert(row.seq);
            return Ok(true);
        }
        let is_there = is_long_enough
            && match target.hash(&key, pace) {
                Err(ArchiveError::Stopped) => return Err(ArchiveError::Stopped),
                Err(error) => {
                    tracing::warn!(%error, "what is in the archive cannot be read; it is sent again");
                    false
                }
                Ok(found) => found == expected,
            };
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
        marker::check(root).map_err(|source| ArchiveError::NoRecordings { path: root.to_owned(), source })?;
        let problem = found.err().map_or("it is not what was recorded".into(), |error| error.to_string());
        let is_known = self.altered.contains_key(&row.seq);
        self.altered.insert(row.seq, looks.unwrap_or((0, SystemTime::UNIX_EPOCH)));
        if !is_known {
            tracing::error!(file = %path.display(), problem, "a segment cannot be archived");
        }
        Ok(false)
    }

    /// Manifest, then records.
    fn finish(&mut self, turn: &Turn<'_>, camera: &str, date: &str, whole: &[SegmentRow]) -> Result<(), ArchiveError> {
        let Turn { journal, target, .. } = turn;
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

/// One pass: what it works with, and what has come of it.
struct Turn<'t> {
    config: &'t Config,
    journal: &'t Journal,
    target: &'t Target,
    pace: Pace<'t>,
    /// Files that cannot be vouched for any more.
    unfit: Vec<String>,
    /// What objects have met with.
    failed: Vec<ArchiveError>,
}

/// What became of one camera's day.
struct Day {
    archived: Amount,
    failed: usize,
    /// Too much failed in a row.
    is_given_up: bool,
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

#[cfg(test)]
mod tests;
