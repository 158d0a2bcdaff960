//! What is kept: a thread that cleans up, one that archives, and how both stand.

use super::RecordingError;
use super::archive::{ArchiveStatus, Archiver, Pass};
use super::retention::{Cleaned, Cleaner};
use super::space::{DiskStatus, Reserve};
use crate::config::Config;
use crate::journal::Journal;
use crate::store::Amount;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How often room and budgets are looked at.
const CLEAN_EVERY: Duration = Duration::from_secs(5);
/// … while nothing may be deleted though it should: that has been looked at in full.
const STUCK_EVERY: Duration = Duration::from_secs(60);
/// How often it is looked whether a day is closed and not archived.
const ARCHIVE_EVERY: Duration = Duration::from_secs(300);
/// After a failure the archive is tried again this much later, at first and at most.
const RETRY: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(3600));
/// How soon a stop is noticed.
const PULSE: Duration = Duration::from_millis(200);

/// How what is kept stands.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Keeping {
    /// The recordings' disk; absent when it cannot be asked.
    pub disk: Option<DiskStatus>,
    /// Bytes that recording leaves free there.
    pub reserve_bytes: u64,
    /// What is here of each camera.
    pub cameras: Vec<CameraKept>,
    /// Why what should have been deleted cannot be, and what to do.
    pub cannot_delete: Option<String>,
    /// The archive, where there is one.
    pub archive: Option<ArchiveStatus>,
}

/// What is kept of one camera.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CameraKept {
    /// The camera.
    pub camera: String,
    /// Segments and bytes.
    #[serde(flatten)]
    pub amount: Amount,
    /// What it may take, bytes; absent means as much as there is.
    pub budget_bytes: Option<u64>,
}

/// What both threads work with.
pub(super) struct Keeper {
    config: Config,
    journal: Arc<Journal>,
    reserve: Reserve,
    status: Mutex<Keeping>,
}

impl Keeper {
    pub(super) fn new(config: &Config, journal: Arc<Journal>) -> Keeper {
        let keeper =
            Keeper { config: config.clone(), journal, reserve: Reserve::new(config), status: Mutex::default() };
        let room = keeper.reserve.look().ok();
        keeper.tell(|status| status.disk = room.map(|room| room.disk));
        keeper
    }

    pub(super) fn status(&self) -> Keeping {
        self.status.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    fn tell(&self, change: impl FnOnce(&mut Keeping)) {
        change(&mut self.status.lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
    }

    /// Cleans up until `stop`.
    pub(super) fn clean(&self, mut cleaner: Cleaner, stop: &AtomicBool) {
        let mut next = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            if Instant::now() >= next {
                let is_stuck = self.clean_once(&mut cleaner);
                next = Instant::now() + if is_stuck { STUCK_EVERY } else { CLEAN_EVERY };
            }
            std::thread::sleep(PULSE);
        }
    }

    /// Tells whether nothing may be deleted though it should.
    fn clean_once(&self, cleaner: &mut Cleaner) -> bool {
        let room = self.reserve.look();
        if let Err(error) = &room {
            tracing::error!(%error, "the recordings' disk cannot be asked how full it is");
        }
        let room = room.ok();
        let cannot_delete = match cleaner.run(&self.config, &self.journal, room) {
            Ok(cleaned) => problem(&cleaned, cleaner.doomed()),
            Err(error) => {
                tracing::error!(%error, "no recordings could be deleted; trying again");
                Some(error.to_string())
            }
        };
        let cameras = cleaner.kept().iter().map(|(camera, amount)| CameraKept {
            camera: camera.clone(),
            amount: *amount,
            budget_bytes: self.config.retention.budget_of(camera),
        });
        let is_stuck = cannot_delete.is_some();
        self.tell(|status| {
            status.disk = room.map(|room| room.disk);
            status.reserve_bytes = room.map_or(0, |room| room.reserve_bytes);
            status.cameras = cameras.collect();
            status.cannot_delete = cannot_delete;
        });
        is_stuck
    }

    /// Archives closed days until `stop`.
    pub(super) fn archive(&self, mut archiver: Archiver, stop: &AtomicBool) {
        self.tell(|status| status.archive = Some(archiver.status().clone()));
        let (mut next, mut pause) = (Instant::now(), RETRY.0);
        while !stop.load(Ordering::Relaxed) {
            if Instant::now() >= next {
                match archiver.run(&self.config, &self.journal, Pass::ClosedDays, stop) {
                    Ok(_) => (next, pause) = (Instant::now() + ARCHIVE_EVERY, RETRY.0),
                    Err(error) => {
                        tracing::error!(%error, "archiving has failed; trying again in {} s", pause.as_secs());
                        next = Instant::now() + pause;
                        pause = (pause * 2).min(RETRY.1);
                    }
                }
                self.tell(|status| status.archive = Some(archiver.status().clone()));
            }
            std::thread::sleep(PULSE);
        }
    }
}

fn problem(cleaned: &Cleaned, doomed: usize) -> Option<String> {
    if doomed > 0 {
        return Some(format!("{doomed} files cannot be removed; see the log, and who owns the recordings' folder"));
    }
    let megabytes = cleaned.wanting.div_ceil(1 << 20);
    (cleaned.wanting > 0).then(|| format!("{megabytes} MB should be deleted, but {}", cleaned.held.text()))
}

/// What is kept, without a running appliance. Looks at everything.
pub fn keeping(config: &Config, journal: &Journal) -> Result<Keeping, RecordingError> {
    let kept = journal.store().read()?.kept_amounts()?;
    let room = Reserve::new(config).look().ok();
    let cameras = kept.into_iter().map(|(camera, amount)| {
        let budget_bytes = config.retention.budget_of(&camera);
        CameraKept { camera, amount, budget_bytes }
    });
    Ok(Keeping {
        disk: room.map(|room| room.disk),
        reserve_bytes: room.map_or(0, |room| room.reserve_bytes),
        cameras: cameras.collect(),
        cannot_delete: None,
        archive: ArchiveStatus::of(config, journal)?,
    })
}
