//! The recording as one thing to start and stop: a thread for each camera, and one that follows the plan.

use super::follow::{Shared, State, lock};
use super::keep::{Keeper, Keeping};
use super::plan::Plan;
use super::recorder::{Recorder, Settings, TOLERANCE};
use super::space::Reserve;
use super::worker::{Units, Worker};
use super::{marker, recover};
use crate::camera::{Camera, Encoding};
use crate::clock::StepWatch;
use crate::config::{CameraSource, Config};
use crate::coverage::Progress;
use crate::journal::{Journal, JournalError};
use crate::store::StoreError;
use evidence::record::GapCause;
use jiff::Timestamp;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// Why nothing can be recorded.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// A file or folder of the recordings.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system refuses a thread.
    #[error("no thread could be started for the recording: {0}")]
    Thread(std::io::Error),
}

/// How a camera's recording stands.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct CameraRecording {
    /// The camera.
    pub camera: String,
    /// Whether the plan wants it recorded now.
    pub wanted: bool,
    /// Whether a segment is being written.
    pub recording: bool,
    /// When that segment began, RFC 3339.
    #[serde(default)]
    pub begun: Option<String>,
    /// Since when nothing is recorded though it is wanted, RFC 3339, and why.
    pub gap: Option<(String, GapCause)>,
    /// Facts that are on disk but could not be journalled yet.
    pub waiting: usize,
    /// How long ago its recorder was last at work, seconds. It is several times a second, unless it hangs.
    #[serde(default)]
    pub idle_seconds: f64,
}

/// A recording that is running. Stops when dropped.
pub struct Service {
    shared: Arc<Shared>,
    keeper: Arc<Keeper>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Journals what the others tell.
    journalling: Mutex<Option<JoinHandle<()>>>,
    archive: Mutex<Option<JoinHandle<()>>>,
}

/// How long a stop waits for the archive, which may itself wait for a store that does not answer. What is half sent is
/// sent again.
const ARCHIVE_END: Duration = Duration::from_secs(3);

impl Service {
    /// Recovers what an earlier run has left, then records `cameras` as the plan wants it.
    pub fn start(config: &Config, journal: Arc<Journal>, cameras: Arc<Vec<Camera>>) -> Result<Service, RecordingError> {
        Service::start_late(config, journal, cameras, None)
    }

    /// Likewise; a full disk has kept it from beginning from `full_since` on.
    pub fn start_late(
        config: &Config,
        journal: Arc<Journal>,
        cameras: Arc<Vec<Camera>>,
        full_since: Option<Timestamp>,
    ) -> Result<Service, RecordingError> {
        let root = config.recordings();
        if marker::claim(&journal, &root)? {
            let recovered = recover::recover_segments(&journal, &root)?;
            if recovered > 0 {
                tracing::warn!(recovered, "segments that were left unfinished have been closed");
            }
        } else {
            tracing::error!(folder = %root.display(), "the recordings' disk is not there; nothing is recorded");
        }
        let mut plan = Plan::new(config);
        let (now, clock) = (journal.clock().now(), StepWatch::new(&**journal.clock(), TOLERANCE));
        let encoding = Encoding {
            encoder: config.recording.encoder.clone(),
            fps: config.recording.encoded_fps,
            kilobits: config.recording.encoded_kilobits,
        };
        let mut workers = Vec::new();
        for (at, camera) in cameras.iter().enumerate() {
            let Some(settings) = config.cameras.iter().find(|known| known.name == camera.name() && known.record) else {
                continue;
            };
            let (told, off) = recover::account_for_absence(&journal, &mut plan, camera.name(), full_since, now)?;
            let is_coded = matches!(settings.source, CameraSource::Rtsp { .. });
            let settings = Settings {
                folder: root.join(camera.name()),
                zone: journal.zone().clone(),
                segment: Duration::from_secs(config.recording.segment_seconds),
                stall: Duration::from_secs_f64(settings.stall_seconds),
                reserve: Reserve::new(config),
            };
            let units =
                if is_coded { Units::Sent(camera.units()) } else { Units::Encoded(camera.encoded(encoding.clone())) };
            workers.push((at, (told, off), Recorder::new(settings, off), units));
        }
        let states: Vec<State> = workers.iter().map(|(at, ..)| State::new(cameras[*at].name())).collect();
        let wanted = states.iter().map(|state| plan.wanted(&journal, &state.camera, now));
        let wanted = wanted.collect::<Result<_, _>>()?;
        let missing = plan.missing(&journal, now)?;
        let shared = Arc::new(Shared::new(config, journal, states, wanted));
        *lock(&shared.missing) = missing;
        // Before anything is recorded: nothing that begins later is a recorder's own.
        shared.give_sign_of_life(now, false)?;
        let keeper = Arc::new(Keeper::new(config, shared.journal.clone()));
        let (threads, journalling, archive) = (Mutex::default(), Mutex::default(), Mutex::default());
        let service = Service { shared: shared.clone(), keeper: keeper.clone(), threads, journalling, archive };
        let (journalling, accounts) = (shared.clone(), Plan::new(config));
        *lock(&service.journalling) = Some(spawn("journalling", move || journalling.journal_all(accounts))?);
        if config.archive.is_some() {
            let (shared, keeper) = (shared.clone(), keeper.clone());
            let thread = spawn("archive", move || keeper.archive(None, &shared.stop))?;
            *lock(&service.archive) = Some(thread);
        }
        let stop = shared.clone();
        service.spawn("retention", move || keeper.clean(&stop.stop))?;
        for (index, (at, told, recorder, units)) in workers.into_iter().enumerate() {
            let cameras = (at, cameras.clone());
            let worker = Worker::new(shared.clone(), index, cameras, units, recorder, told);
            service.spawn("recorder", move || worker.run())?;
        }
        service.spawn("recording plan", move || shared.follow(plan, clock))?;
        Ok(service)
    }

    fn spawn(&self, name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), RecordingError> {
        lock(&self.threads).push(spawn(name, run)?);
        Ok(())
    }

    /// How each camera's recording stands.
    pub fn status(&self) -> Vec<CameraRecording> {
        let text = |time| self.shared.journal.time_text(time);
        let of = |state: &State| CameraRecording {
            camera: state.camera.clone(),
            wanted: state.wanted,
            recording: state.begun.is_some(),
            begun: state.begun.map(text),
            gap: state.gap.map(|(since, cause)| (text(since), cause)),
            waiting: state.waiting(),
            idle_seconds: state.turned.elapsed().as_secs_f64(),
        };
        let mut status: Vec<_> = lock(&self.shared.recorders).iter().map(of).collect();
        for (camera, span) in &*lock(&self.shared.missing) {
            let gap = Some((text(span.from), GapCause::CameraAbsent));
            status.push(CameraRecording {
                camera: camera.clone(),
                wanted: true,
                recording: false,
                begun: None,
                gap,
                waiting: 0,
                idle_seconds: 0.0,
            });
        }
        status
    }
}

impl Service {
    /// For how long the recorder that was at work least recently, or whoever follows the plan, has not been.
    pub fn idle(&self) -> Duration {
        let recorders = lock(&self.shared.recorders);
        let idle = recorders.iter().map(|state| state.turned.elapsed());
        idle.chain([self.shared.pulse.idle()]).max().unwrap_or_default()
    }

    /// For how long who journals what the recorders tell has not been at work: a locked database takes ten seconds of each of
    /// its steps.
    pub fn journalling_idle(&self) -> Duration {
        self.shared.journalling.idle()
    }

    /// For how long who deletes recordings has not been at work.
    pub fn cleaner_idle(&self) -> Duration {
        self.keeper.idle()
    }

    /// From now on a lesson's account waits for the watch over the pictures, which tells of its progress here.
    pub fn wait_for(&self, watch: Arc<Progress>) {
        // A second one has nothing to say.
        let _ = self.shared.watch.set(watch);
    }

    /// How what is kept stands.
    pub fn keeping(&self) -> Keeping {
        self.keeper.status()
    }

    /// Closes the open segments, journals what there is to tell and returns when that is done.
    pub fn stop(&self) {
        self.stop_recording();
        self.leave_archive();
    }

    fn stop_recording(&self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in lock(&self.threads).drain(..) {
            let _ = thread.join();
        }
        self.shared.has_ended.store(true, Ordering::Release);
        self.shared.told.notify_one();
        if let Some(thread) = lock(&self.journalling).take() {
            let _ = thread.join();
        }
    }

    /// Waits for the archive a while.
    fn leave_archive(&self) {
        let Some(thread) = lock(&self.archive).take() else { return };
        let end = Instant::now() + ARCHIVE_END;
        while !thread.is_finished() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(50));
        }
        if !thread.is_finished() {
            tracing::warn!("the archive does not answer; what is half sent is sent again");
        }
    }

    /// Likewise; somebody wants it so. The next start says so of the time until then.
    pub fn stop_as_meant(&self) {
        self.stop_recording();
        if let Err(error) = self.shared.note_stop() {
            tracing::error!(%error, "that it was stopped on purpose could not be noted down");
        }
        self.leave_archive();
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, RecordingError> {
    Builder::new().name(name.into()).spawn(run).map_err(RecordingError::Thread)
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop();
    }
}
