//! What is kept: a thread that cleans up, one that archives, and how both stand.

use super::RecordingError;
use super::archive::{ArchiveError, ArchiveStatus, Archiver, Pass, Standing};
use super::retention::{Cleaned, Cleaner};
use super::space::{DiskStatus, Reserve, Room};
use crate::config::Config;
use crate::journal::Journal;
use crate::lasting::Lasting;
use crate::pulse::Pulse;
use crate::store::Amount;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant, SystemTime};

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
    /// The recordings' disk; absent when it is not mounted, or cannot be asked.
    pub disk: Option<DiskStatus>,
    /// Bytes that recording leaves free there.
    pub reserve_bytes: u64,
    /// What is here of each camera.
    pub cameras: Vec<CameraKept>,
    /// Why what should have been deleted cannot be, and what to do.
    pub cannot_delete: Option<String>,
    /// The archive, where there is one.
    pub archive: Option<ArchiveStatus>,
    /// Files among the recordings that no recorder can have written, found in the first minutes after the start.
    #[serde(default)]
    pub foreign: Vec<String>,
    /// How long ago whoever deletes was last at work, seconds. It is several times a second, unless it hangs.
    #[serde(default)]
    pub idle_seconds: u64,
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
    /// Of who deletes.
    pulse: Pulse,
    /// What who archives tells, once that has begun.
    archive: OnceLock<Arc<Standing>>,
    /// Before anything was recorded.
    begun: SystemTime,
}

impl Keeper {
    /// Nothing is recorded yet.
    pub(super) fn new(config: &Config, journal: Arc<Journal>) -> Keeper {
        let (reserve, status, pulse) = (Reserve::new(config), Mutex::default(), Pulse::default());
        let (archive, begun) = (OnceLock::new(), SystemTime::now());
        let keeper = Keeper { config: config.clone(), journal, reserve, status, pulse, archive, begun };
        let room = keeper.reserve.look().ok();
        keeper.tell(|status| status.disk = room.map(|room| room.disk));
        keeper
    }

    pub(super) fn status(&self) -> Keeping {
        let status = self.status.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
        let today = crate::clock::local(&**self.journal.clock(), self.journal.zone()).date();
        let archive = self.archive.get().map(|standing| standing.status(today, Instant::now()));
        Keeping { archive, idle_seconds: self.idle().as_secs(), ..status }
    }

    /// For how long who deletes has not been at work.
    pub(super) fn idle(&self) -> Duration {
        self.pulse.idle()
    }

    fn tell(&self, change: impl FnOnce(&mut Keeping)) {
        change(&mut self.status.lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
    }

    /// Cleans up until `stop`.
    pub(super) fn clean(&self, stop: &AtomicBool) {
        let (mut next, mut cleaner, mut trouble) = (Instant::now(), None, Lasting::default());
        while !stop.load(Ordering::Relaxed) {
            self.pulse.beat();
            if Instant::now() >= next {
                let is_stuck = self.clean_once(&mut cleaner, &mut trouble, stop);
                next = Instant::now() + if is_stuck { STUCK_EVERY } else { CLEAN_EVERY };
            }
            std::thread::sleep(PULSE);
        }
    }

    /// Tells whether nothing may be deleted though it should. Nothing is deleted on a disk that cannot be asked.
    fn clean_once(&self, cleaner: &mut Option<Cleaner>, trouble: &mut Lasting, stop: &AtomicBool) -> bool {
        let room = self.reserve.look();
        match &room {
            Ok(_) if trouble.end() => tracing::info!("the recordings' disk can be asked again"),
            Ok(_) => {}
            Err(error) => {
                if trouble.is_due() {
                    tracing::error!(%error, "the recordings' disk cannot be asked how full it is; nothing is deleted");
                }
                // What comes back may be another disk.
                *cleaner = None;
            }
        }
        let room = room.ok();
        let cannot_delete = room.and_then(|room| {
            self.run_cleaner(cleaner, room, stop).unwrap_or_else(|error| {
                tracing::error!(%error, "no recordings could be deleted; trying again");
                Some(error.to_string())
            })
        });
        let cameras: Option<Vec<_>> = cleaner.as_ref().map(|cleaner| {
            let of = |(camera, amount): (&String, &Amount)| CameraKept {
                camera: camera.clone(),
                amount: *amount,
                budget_bytes: self.config.retention.budget_of(camera),
            };
            cleaner.kept().iter().map(of).collect()
        });
        let is_stuck = cannot_delete.is_some();
        self.tell(|status| {
            status.disk = room.map(|room| room.disk);
            status.reserve_bytes = room.map_or(0, |room| room.reserve_bytes);
            status.cameras = cameras.unwrap_or_else(|| std::mem::take(&mut status.cameras));
            status.cannot_delete = cannot_delete;
            // Until somebody has taken them away.
            status.foreign.retain(|file| room.is_none() || self.is_foreign_still(file));
        });
        is_stuck
    }

    /// Whether it is there and no record vouches for it: a recorder may have journalled late what it could not note down.
    fn is_foreign_still(&self, file: &str) -> bool {
        let is_journalled = || self.journal.store().read().and_then(|reader| reader.is_segment(file)).unwrap_or(false);
        self.config.recordings().join(file).exists() && !is_journalled()
    }

    /// Tells why what should have been deleted cannot be, if it cannot.
    fn run_cleaner(
        &self,
        known: &mut Option<Cleaner>,
        room: Room,
        stop: &AtomicBool,
    ) -> Result<Option<String>, RecordingError> {
        let cleaner = match known {
            Some(cleaner) => cleaner,
            None => {
                let pulse = self.pulse.clone();
                let (cleaner, foreign) = Cleaner::start_with(&self.config, &self.journal, pulse, self.begun, stop)?;
                self.tell(|status| status.foreign = foreign);
                known.insert(cleaner)
            }
        };
        let cleaned = cleaner.run(&self.config, &self.journal, room)?;
        Ok(problem(&cleaned, cleaner.doomed()))
    }

    /// Archives closed days until `stop`. Without an `archiver` it makes one, here, where nothing waits for it.
    pub(super) fn archive(&self, mut archiver: Option<Archiver>, stop: &AtomicBool) {
        let (mut next, mut pause) = (Instant::now(), RETRY.0);
        while !stop.load(Ordering::Relaxed) {
            if let Some(standing) = self.archive.get() {
                standing.pulse.beat();
            }
            if Instant::now() >= next {
                match self.archive_once(&mut archiver, stop) {
                    Ok(()) => (next, pause) = (Instant::now() + ARCHIVE_EVERY, RETRY.0),
                    // Somebody else does it.
                    Err(ArchiveError::Busy) => next = Instant::now() + ARCHIVE_EVERY,
                    Err(error) => {
                        tracing::error!(%error, "archiving has failed; trying again in {} s", pause.as_secs());
                        next = Instant::now() + pause;
                        pause = (pause * 2).min(RETRY.1);
                    }
                }
            }
            std::thread::sleep(PULSE);
        }
    }

    fn archive_once(&self, known: &mut Option<Archiver>, stop: &AtomicBool) -> Result<(), ArchiveError> {
        let archiver = match known {
            Some(archiver) => archiver,
            None => {
                let Some(archiver) = Archiver::new(&self.config, &self.journal)? else { return Ok(()) };
                known.insert(archiver)
            }
        };
        self.archive.get_or_init(|| archiver.standing());
        archiver.run(&self.config, &self.journal, Pass::ClosedDays, stop).map(drop)
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
        foreign: Vec::new(),
        idle_seconds: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    fn keeper(folder: &std::path::Path) -> Keeper {
        let file = folder.join("rollcall.toml");
        let text = "[appliance]\nsite = \"site\"\nroom = \"301\"\nstate_dir = \"state\"\n\
                    [archive]\nname = \"nas\"\nfolder = \"nas\"\n";
        std::fs::write(&file, text).expect("written");
        let config = Config::load(&file).expect("a config");
        let (state, clock) = (&config.appliance.state_dir, Arc::new(SystemClock::default()));
        let journal = Journal::initialise(state, "site", "301", clock, config.timezone()).expect("initialised");
        Keeper::new(&config, Arc::new(journal))
    }

    fn wait_for(what: &str, is_so: &dyn Fn() -> bool) {
        let end = Instant::now() + Duration::from_secs(30);
        while !is_so() {
            assert!(Instant::now() < end, "never {what}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn a_cleaner_that_hangs_gives_no_sign_of_life_until_it_goes_on() {
        let folder = tempfile::tempdir().expect("a folder");
        let (keeper, stop) = (keeper(folder.path()), AtomicBool::new(false));
        std::thread::scope(|scope| {
            let hold = keeper.status.lock().expect("free");
            scope.spawn(|| keeper.clean(&stop));
            wait_for("idle", &|| keeper.idle() > PULSE * 6);
            drop(hold);
            wait_for("at work again", &|| keeper.idle() < PULSE * 2);
            stop.store(true, Ordering::Relaxed);
        });
    }

    #[test]
    fn an_archiver_that_hangs_gives_no_sign_of_life_until_it_goes_on() {
        let folder = tempfile::tempdir().expect("a folder");
        let (keeper, stop) = (keeper(folder.path()), AtomicBool::new(false));
        let archiver = Archiver::new(&keeper.config, &keeper.journal).expect("readable").expect("there is an archive");
        let standing = archiver.standing();
        assert_eq!(keeper.status().archive, None);
        std::thread::scope(|scope| {
            let hold = standing.lock();
            scope.spawn(|| keeper.archive(Some(archiver), &stop));
            wait_for("idle", &|| standing.pulse.idle() > PULSE * 6);
            drop(hold);
            wait_for("at work again", &|| standing.pulse.idle() < PULSE * 2);
            let archive = keeper.status().archive.expect("it is told of");
            assert!(archive.problem.is_some_and(|problem| problem.contains("mounted")) && archive.idle_seconds < 5);
            stop.store(true, Ordering::Relaxed);
        });
    }
}
