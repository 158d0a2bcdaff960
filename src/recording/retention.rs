//! The only one who deletes recordings: oldest first, when a budget, the reserve or a term asks for it.
//!
//! Never what the bureau has not countersigned, nor what is not archived where that is asked for, nor what an open
//! finding or a lesson without its account still needs. The record comes before the deed: a crash in between is made
//! good at the next start. What is lost already is given up by staff, with such a record too.

use super::plan::{Lesson, Plan};
use super::space::Room;
use super::stray::{self, Stray};
use super::{RecordingError, marker};
use crate::config::Config;
use crate::journal::{Journal, JournalError};
use crate::pulse::Pulse;
use crate::store::{Amount, FindingRow, KeptRow, SegmentRow, StoreError};
use evidence::record::{ClockQuality, Data, Deletion, DeletionReason};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::SystemTime;

/// Segments that are looked at, or deleted, in one go.
const BATCH: usize = 500;

/// Why segments may not be deleted, and how much each reason holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Held {
    /// The bureau has not countersigned their records.
    pub not_countersigned: Amount,
    /// No archive holds them.
    pub not_archived: Amount,
    /// They show what a finding that has not ended is about.
    pub finding: Amount,
    /// They belong to a lesson whose account has not been made.
    pub lesson: Amount,
    /// Their files are not on the recordings' disk: to delete them would free nothing.
    pub missing: Amount,
}

impl Held {
    fn add(&mut self, why: Hold, bytes: u64) {
        let amount = match why {
            Hold::NotCountersigned => &mut self.not_countersigned,
            Hold::NotArchived => &mut self.not_archived,
            Hold::Finding => &mut self.finding,
            Hold::Lesson => &mut self.lesson,
            Hold::Missing => &mut self.missing,
        };
        amount.segments += 1;
        amount.bytes += bytes;
    }

    /// The reasons in words, with what to do.
    pub fn text(&self) -> String {
        let reasons = [
            (
                self.not_countersigned,
                "are not countersigned by the bureau: let the appliance reach it (`rollcall sync`)",
            ),
            (self.not_archived, "are not archived: see `rollcall recording archive`"),
            (self.finding, "show what a finding that has not ended is about"),
            (self.lesson, "belong to lessons whose accounts are not made"),
            (self.missing, "have no file on the recordings' disk: see `rollcall check`"),
        ];
        let told = reasons.iter().filter(|(amount, _)| amount.segments > 0);
        let told: Vec<_> = told
            .map(|(amount, why)| format!("{} segments ({} MB) {why}", amount.segments, amount.bytes >> 20))
            .collect();
        if told.is_empty() { "there are no recordings: something else fills the disk".into() } else { told.join("; ") }
    }
}

/// Why a segment must stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hold {
    NotCountersigned,
    NotArchived,
    Finding,
    Lesson,
    Missing,
}

/// What a run of the cleaner has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cleaned {
    /// Deleted.
    pub deleted: Amount,
    /// Bytes that should have been freed besides, and may not be.
    pub wanting: u64,
    /// What stood in the way.
    pub held: Held,
}

/// Which segments may go, as things stand now.
struct Rules {
    countersigned: u64,
    only_archived: bool,
    findings: Vec<FindingRow>,
    lessons: Vec<Lesson>,
    root: PathBuf,
    /// The file system of `root`, if it is there.
    device: Option<u64>,
}

impl Rules {
    fn now(config: &Config, journal: &Journal, plan: &mut Plan) -> Result<Rules, StoreError> {
        let lessons = plan.over(journal, Timestamp::MAX)?;
        let reader = journal.store().read()?;
        Ok(Rules {
            countersigned: reader.newest_receipt()?.map_or(0, |receipt| receipt.size),
            only_archived: config.retention.only_archived && config.archive.is_some(),
            findings: reader.open_findings()?,
            lessons,
            device: config.recordings().metadata().ok().map(|found| found.dev()),
            root: config.recordings(),
        })
    }

    /// Whether deleting this file makes room on the recordings' disk.
    fn is_here(&self, path: &str) -> bool {
        let found = fs::symlink_metadata(self.root.join(Path::new(path)));
        found.is_ok_and(|found| found.is_file() && Some(found.dev()) == self.device)
    }

    fn hold(&self, row: &KeptRow) -> Option<Hold> {
        let segment = &row.segment;
        let is_about = |finding: &&FindingRow| finding.camera.as_ref().is_none_or(|camera| *camera == segment.camera);
        if !self.is_here(&segment.path) {
            Some(Hold::Missing)
        } else if segment.seq >= self.countersigned {
            Some(Hold::NotCountersigned)
        } else if self.lessons.iter().any(|at| at.span.from < segment.end && segment.start < at.span.until) {
            Some(Hold::Lesson)
        } else if self.findings.iter().filter(is_about).any(|finding| finding.start < segment.end) {
            Some(Hold::Finding)
        } else if self.only_archived && row.archived.is_none() {
            Some(Hold::NotArchived)
        } else {
            None
        }
    }
}

/// What is kept, held, and may go, of all cameras. Looks at every segment that there has ever been.
pub fn survey(config: &Config, journal: &Journal) -> Result<(BTreeMap<String, Amount>, Amount, Held), StoreError> {
    let rules = Rules::now(config, journal, &mut Plan::new(config))?;
    let kept = journal.store().read()?.kept_amounts()?;
    let (mut free, mut held) = (Amount::default(), Held::default());
    for camera in kept.keys() {
        for row in journal.store().read()?.kept(camera, Timestamp::MIN, usize::MAX >> 1)? {
            match rules.hold(&row) {
                Some(why) => held.add(why, row.segment.bytes),
                None => {
                    free.segments += 1;
                    free.bytes += row.segment.bytes;
                }
            }
        }
    }
    Ok((kept, free, held))
}

/// Decides and deletes. One an appliance.
pub struct Cleaner {
    root: PathBuf,
    plan: Plan,
    /// What is here, counted up to record `counted`.
    kept: BTreeMap<String, Amount>,
    counted: u64,
    /// No segment of the camera that is older than this is here.
    oldest: BTreeMap<String, Timestamp>,
    /// Files whose deletion is on record and has failed so far.
    doomed: Vec<PathBuf>,
    /// The name of the newest day's folder.
    today: Option<String>,
    /// The newest record of a deletion that is in the count.
    newest: Option<u64>,
    /// Its sign of life, also while there is much to do.
    pulse: Pulse,
}

impl Cleaner {
    /// Counts what is here, and removes the files whose deletion an earlier run has recorded but not done. The disk must
    /// be mounted.
    pub fn start(config: &Config, journal: &Journal) -> Result<Cleaner, RecordingError> {
        let (now, stop) = (SystemTime::now(), AtomicBool::new(false));
        Ok(Cleaner::start_with(config, journal, Pulse::default(), now, &stop)?.0)
    }

    /// Likewise; `pulse` beats while it works, and `stop` ends the look at what is here. Recording began at `begun` or
    /// later. Tells which files, below the folder of the recordings, no recorder has written.
    pub(super) fn start_with(
        config: &Config,
        journal: &Journal,
        pulse: Pulse,
        begun: SystemTime,
        stop: &AtomicBool,
    ) -> Result<(Cleaner, Vec<String>), RecordingError> {
        let root = config.recordings();
        let Stray { doomed, foreign } = stray::look(journal, &root, begun, &pulse, stop)?;
        let mut cleaner = Cleaner {
            plan: Plan::new(config),
            kept: BTreeMap::new(),
            counted: 0,
            oldest: BTreeMap::new(),
            doomed,
            today: None,
            newest: None,
            pulse,
            root,
        };
        cleaner.remove();
        cleaner.recount(journal)?;
        Ok((cleaner, foreign))
    }

    /// Counts anew what is here.
    fn recount(&mut self, journal: &Journal) -> Result<(), StoreError> {
        let reader = journal.store().read()?;
        (self.kept, self.counted) = (reader.kept_amounts()?, reader.log_size()?);
        self.newest = reader.newest_deletion()?;
        Ok(())
    }

    /// What is here of each camera.
    pub fn kept(&self) -> &BTreeMap<String, Amount> {
        &self.kept
    }

    /// Files whose deletion is on record and fails.
    pub fn doomed(&self) -> usize {
        self.doomed.len()
    }

    /// Deletes what has to go and may. `room` is the disk's. As long as a file stays whose deletion is on record, no
    /// further one is recorded.
    pub fn run(&mut self, config: &Config, journal: &Journal, room: Room) -> Result<Cleaned, JournalError> {
        let now = journal.clock().now();
        self.today = Some(now.to_zoned_datetime(journal.zone().clone()).date().to_string());
        self.remove();
        self.count(journal)?;
        let mut cleaned = Cleaned::default();
        if !self.doomed.is_empty() {
            return Ok(cleaned);
        }
        let cameras: Vec<String> = self.kept.keys().cloned().collect();
        let over = |cleaner: &Cleaner, camera: &str| {
            let kept = cleaner.kept.get(camera).map_or(0, |amount| amount.bytes);
            config.retention.budget_of(camera).map_or(0, |budget| kept.saturating_sub(budget))
        };
        let wanting = room.wanting();
        // A clock that ran on by itself may have been put forward by years.
        let term = config.retention.term_days.filter(|_| journal.clock().quality() == ClockQuality::Synced);
        let mut is_over = cameras.iter().any(|camera| over(self, camera) > 0);
        if is_over && journal.store().read()?.newest_deletion()? != self.newest {
            // Staff have given some up: they are not here any more.
            self.recount(journal)?;
            is_over = cameras.iter().any(|camera| over(self, camera) > 0);
        }
        if wanting == 0 && term.is_none() && !is_over {
            return Ok(cleaned);
        }
        let rules = Rules::now(config, journal, &mut self.plan)?;
        if let Some(days) = term {
            let until = now - SignedDuration::from_hours(24 * i64::from(days));
            for camera in &cameras {
                let due = |row: &KeptRow, _| row.segment.end < until;
                self.delete(journal, &rules, std::slice::from_ref(camera), DeletionReason::Expired, due, &mut cleaned)?;
            }
        }
        for camera in &cameras {
            let over = over(self, camera);
            let due = |_: &KeptRow, freed| freed < over;
            let budget = DeletionReason::Budget;
            let freed = self.delete(journal, &rules, std::slice::from_ref(camera), budget, due, &mut cleaned)?;
            cleaned.wanting += over.saturating_sub(freed);
        }
        // What went already makes room as well.
        let wanting = wanting.saturating_sub(cleaned.deleted.bytes);
        let due = |_: &KeptRow, freed| freed < wanting;
        let freed = self.delete(journal, &rules, &cameras, DeletionReason::Reserve, due, &mut cleaned)?;
        cleaned.wanting = cleaned.wanting.max(wanting.saturating_sub(freed));
        Ok(cleaned)
    }

    /// Deletes the oldest segments of `cameras` that may go, as long as they are `due`, which is given what has been
    /// freed so far; tells how much that was.
    fn delete(
        &mut self,
        journal: &Journal,
        rules: &Rules,
        cameras: &[String],
        reason: DeletionReason,
        due: impl Fn(&KeptRow, u64) -> bool,
        cleaned: &mut Cleaned,
    ) -> Result<u64, JournalError> {
        let (mut freed, mut from) = (0, self.oldest.clone());
        loop {
            self.pulse.beat();
            let mut rows = Vec::new();
            for camera in cameras {
                let since = from.get(camera).copied().unwrap_or(Timestamp::MIN);
                rows.extend(journal.store().read()?.kept(camera, since, BATCH)?);
            }
            // A camera with more to tell than was asked for limits how far the others are looked at.
            rows.sort_by_key(|row| (row.segment.start, row.segment.seq));
            rows.truncate(BATCH);
            let Some(last) = rows.last() else { return Ok(freed) };
            let (end, is_all) = (last.segment.start, rows.len() < BATCH);
            let (mut chosen, mut is_done) = (Vec::new(), false);
            for row in rows {
                if !due(&row, freed) {
                    is_done = true;
                    break;
                }
                match rules.hold(&row) {
                    Some(why) => {
                        // What is not here takes nothing of a budget either.
                        let is_free = why == Hold::Missing && reason == DeletionReason::Budget;
                        freed += if is_free { row.segment.bytes } else { 0 };
                        cleaned.held.add(why, row.segment.bytes);
                    }
                    None => {
                        freed += row.segment.bytes;
                        chosen.push(row);
                    }
                }
            }
            self.delete_rows(journal, chosen, reason, cleaned)?;
            if is_done || is_all || !self.doomed.is_empty() {
                return Ok(freed);
            }
            let next = end + SignedDuration::from_millis(1);
            from.extend(cameras.iter().map(|camera| (camera.clone(), next)));
        }
    }

    /// Record, rows, files, in this order.
    fn delete_rows(
        &mut self,
        journal: &Journal,
        chosen: Vec<KeptRow>,
        reason: DeletionReason,
        cleaned: &mut Cleaned,
    ) -> Result<(), JournalError> {
        let mut groups: BTreeMap<(String, bool), Vec<SegmentRow>> = BTreeMap::new();
        for KeptRow { segment, archived } in chosen {
            groups.entry((segment.camera.clone(), archived.is_some())).or_default().push(segment);
        }
        for ((camera, archived), mut segments) in groups {
            if !self.doomed.is_empty() {
                break;
            }
            segments.sort_by_key(|segment| segment.seq);
            let cameras: Vec<String> = self.kept.keys().cloned().collect();
            let (seq, deleted) = record_deletion(journal, &camera, &cameras, &segments, reason, archived)?;
            self.newest = Some(seq);
            if let Some(kept) = self.kept.get_mut(&camera) {
                kept.segments = kept.segments.saturating_sub(deleted.segments);
                kept.bytes = kept.bytes.saturating_sub(deleted.bytes);
            }
            cleaned.deleted.segments += deleted.segments;
            cleaned.deleted.bytes += deleted.bytes;
            tracing::info!(camera, deleted.segments, deleted.bytes, ?reason, archived, "recordings deleted");
            self.doomed.extend(segments.iter().map(|segment| self.root.join(&segment.path)));
            self.remove();
            // Whatever is held stays at the front, so what is oldest has to be looked for.
            if let Some(first) = journal.store().read()?.kept(&camera, self.since(&camera), 1)?.first() {
                self.oldest.insert(camera, first.segment.start);
            }
        }
        Ok(())
    }

    fn since(&self, camera: &str) -> Timestamp {
        self.oldest.get(camera).copied().unwrap_or(Timestamp::MIN)
    }

    /// Removes the files whose deletion is on record. What fails is tried again.
    fn remove(&mut self) {
        self.doomed.retain(|path| match fs::remove_file(path) {
            Ok(()) => {
                self.pulse.beat();
                // Its day's folder, when it was the last one in it and no more can come.
                let day = path.parent().filter(|day| day.file_name().and_then(|name| name.to_str()) < self.today.as_deref());
                if let Some(folder) = day {
                    let _ = fs::remove_dir(folder);
                }
                false
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => {
                tracing::error!(%error, file = %path.display(), "a recording whose deletion is on record cannot be removed");
                true
            }
        });
    }

    /// Takes what was recorded since the last look into the count.
    fn count(&mut self, journal: &Journal) -> Result<(), StoreError> {
        loop {
            let rows = journal.store().read()?.segments_from(self.counted, BATCH)?;
            for row in &rows {
                self.counted = row.seq + 1;
                let kept = self.kept.entry(row.camera.clone()).or_default();
                kept.segments += 1;
                kept.bytes += row.bytes;
                // After a step of the clock back, the newest may be older than the oldest.
                if let Some(oldest) = self.oldest.get_mut(&row.camera) {
                    *oldest = row.start.min(*oldest);
                }
            }
            if rows.len() < BATCH {
                return Ok(());
            }
        }
    }
}

/// Journals that `segments` are deleted, before they are. With them go the small pictures of what was wrong then, which
/// show the same; but not with what is lost, of which they may be all that is left. `cameras` are all that have segments.
fn record_deletion(
    journal: &Journal,
    camera: &str,
    cameras: &[String],
    segments: &[SegmentRow],
    reason: DeletionReason,
    archived: bool,
) -> Result<(u64, Amount), JournalError> {
    let bytes = segments.iter().map(|segment| segment.bytes).sum();
    let seqs: Vec<u64> = segments.iter().map(|segment| segment.seq).collect();
    let deletion = Deletion { camera: camera.into(), segments: seqs.clone(), bytes, reason, archived };
    let until = segments.iter().map(|segment| segment.end).max().filter(|_| reason != DeletionReason::Lost);
    let appended = journal.append_with(Data::Deletion(deletion), |write, seq| {
        write.put_deleted(seq, &seqs)?;
        let forgotten = until.map(|until| write.forget_thumbnails(camera, cameras, until)).transpose()?;
        if let Some(pictures) = forgotten.filter(|pictures| *pictures > 0) {
            tracing::info!(camera, pictures, "small pictures of findings go with the recordings");
        }
        Ok(())
    })?;
    Ok((appended.seq, Amount { segments: seqs.len() as u64, bytes }))
}

/// Segments whose files are gone, though no record says that they were deleted.
#[derive(Debug, Default)]
pub struct Lost {
    /// Oldest first, of each camera.
    pub segments: Vec<KeptRow>,
    /// How many there are besides that the bureau has not countersigned: they cannot be given up yet.
    pub not_countersigned: usize,
}

/// Looks for what is lost. An error where the recordings' disk is not mounted: what is on it is not lost.
pub fn lost(config: &Config, journal: &Journal) -> Result<Lost, RecordingError> {
    let root = config.recordings();
    marker::check(&root).map_err(|source| RecordingError::Io { path: root.clone(), source })?;
    let is_gone = |row: &KeptRow| {
        let found = fs::symlink_metadata(root.join(&row.segment.path));
        found.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    };
    let reader = journal.store().read()?;
    let countersigned = reader.newest_receipt()?.map_or(0, |receipt| receipt.size);
    let mut lost = Lost::default();
    for camera in reader.kept_amounts()?.keys() {
        for row in reader.kept(camera, Timestamp::MIN, usize::MAX >> 1)?.into_iter().filter(is_gone) {
            if row.segment.seq < countersigned {
                lost.segments.push(row);
            } else {
                lost.not_countersigned += 1;
            }
        }
    }
    Ok(lost)
}

/// Journals that staff give up what is lost: from then on it counts as deleted.
pub fn give_up(journal: &Journal, lost: Vec<KeptRow>) -> Result<Amount, JournalError> {
    let mut groups: BTreeMap<(String, bool), Vec<SegmentRow>> = BTreeMap::new();
    for KeptRow { segment, archived } in lost {
        groups.entry((segment.camera.clone(), archived.is_some())).or_default().push(segment);
    }
    let mut given_up = Amount::default();
    for ((camera, archived), mut segments) in groups {
        segments.sort_by_key(|segment| segment.seq);
        for segments in segments.chunks(BATCH) {
            let (_, amount) = record_deletion(journal, &camera, &[], segments, DeletionReason::Lost, archived)?;
            given_up.segments += amount.segments;
            given_up.bytes += amount.bytes;
        }
    }
    Ok(given_up)
}
