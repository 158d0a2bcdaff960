//! The recording as one thing to start and stop: a thread for each camera, and one that follows the plan.

use super::accounts::{account_of, close_lessons};
use super::archive::Archiver;
use super::keep::{Keeper, Keeping};
use super::plan::{Lesson, Plan};
use super::recorder::{Fact, Now, Recorder, Settings, Wanted};
use super::retention::Cleaner;
use super::space::Reserve;
use super::{journal_fact, recover};
use crate::camera::{Camera, CameraStatus, EncodedUnits, Encoding, Unit};
use crate::class::Span;
use crate::config::{CameraSource, Config};
use crate::journal::{Journal, JournalError};
use crate::lasting::Lasting;
use crate::store::{AliveRow, StoreError};
use evidence::record::GapCause;
use jiff::{SignedDuration, Timestamp};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard};
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
    /// A date past the calendar's end.
    #[error("the calendar: {0}")]
    Date(String),
    /// The system refuses a thread.
    #[error("no thread could be started for the recording: {0}")]
    Thread(std::io::Error),
}

/// How a camera's recording stands.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CameraRecording {
    /// The camera.
    pub camera: String,
    /// Whether the plan wants it recorded now.
    pub wanted: bool,
    /// Whether a segment is being written.
    pub recording: bool,
    /// Since when nothing is recorded though it is wanted, RFC 3339, and why.
    pub gap: Option<(String, GapCause)>,
    /// Facts that are on disk but could not be journalled yet.
    pub waiting: usize,
}

/// How often the plan is looked at, and a sign of life given.
const PULSE: Duration = Duration::from_secs(1);
/// Units that are taken before it is looked what time it is.
const AT_ONCE: usize = 3000;
/// Every so many pulses it is looked whether a lesson is over.
const ACCOUNT_EVERY: u64 = 5;
/// Pictures are encoded from this long before a span begins.
const ENCODE_AHEAD: SignedDuration = SignedDuration::from_secs(4);
/// A span that is wanted only after it has begun by this much came late.
const LATE: SignedDuration = SignedDuration::from_secs(5);

/// A recording that is running. Stops when dropped.
pub struct Service {
    shared: Arc<Shared>,
    keeper: Arc<Keeper>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct Shared {
    journal: Arc<Journal>,
    root: PathBuf,
    required_share: f64,
    rollcall_minutes: i64,
    /// What each of the recorders is to record, in their order.
    wanted: Mutex<Vec<Vec<Wanted>>>,
    recorders: Mutex<Vec<State>>,
    /// Cameras that lessons need now and that are not recorded.
    missing: Mutex<Vec<(String, Span)>>,
    stop: AtomicBool,
}

#[derive(Clone)]
struct State {
    camera: String,
    wanted: bool,
    recording: bool,
    gap: Option<(Timestamp, GapCause)>,
    waiting: usize,
    /// Up to when all is told of what is wanted; `None`: nothing is left to tell.
    told: Option<Timestamp>,
    /// A lesson has ended here: what is not recorded is to be told up to then.
    border: Option<Timestamp>,
}

impl Service {
    /// Recovers what an earlier run has left, then records `cameras` as the plan wants it.
    pub fn start(config: &Config, journal: Arc<Journal>, cameras: Arc<Vec<Camera>>) -> Result<Service, RecordingError> {
        let root = config.recordings();
        std::fs::create_dir_all(&root).map_err(|source| RecordingError::Io { path: root.clone(), source })?;
        let recovered = recover::recover_segments(&journal, &root)?;
        if recovered > 0 {
            tracing::warn!(recovered, "segments that were left unfinished have been closed");
        }
        let cleaner = Cleaner::start(config, &journal)?;
        let mut plan = Plan::new(config);
        let now = journal.clock().now();
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
            let told = recover::account_for_absence(&journal, &mut plan, camera.name(), now)?;
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
            workers.push((at, told, Recorder::new(settings, GapCause::ApplianceOff), units));
        }
        let states = workers.iter().map(|(at, ..)| State {
            camera: cameras[*at].name().to_owned(),
            wanted: false,
            recording: false,
            gap: None,
            waiting: 0,
            // Until its recorder has looked.
            told: Some(Timestamp::MIN),
            border: None,
        });
        let states: Vec<State> = states.collect();
        let wanted = states.iter().map(|state| plan.wanted(&journal, &state.camera, now));
        let shared = Arc::new(Shared {
            required_share: config.recording.required_share,
            rollcall_minutes: config.recording.rollcall_minutes,
            wanted: Mutex::new(wanted.collect::<Result<_, _>>()?),
            missing: Mutex::new(plan.missing(&journal, now)?),
            journal,
            root,
            recorders: Mutex::new(states),
            stop: AtomicBool::new(false),
        });
        let keeper = Arc::new(Keeper::new(config, shared.journal.clone()));
        let service = Service { shared: shared.clone(), keeper: keeper.clone(), threads: Mutex::default() };
        if let Some(archiver) = Archiver::new(config, &shared.journal)? {
            let (shared, keeper) = (shared.clone(), keeper.clone());
            service.spawn("archive", move || keeper.archive(archiver, &shared.stop))?;
        }
        let stop = shared.clone();
        service.spawn("retention", move || keeper.clean(cleaner, &stop.stop))?;
        for (index, (at, told, recorder, units)) in workers.into_iter().enumerate() {
            let (shared, cameras) = (shared.clone(), cameras.clone());
            let worker = Worker {
                shared,
                index,
                camera: at,
                cameras,
                units,
                recorder,
                told,
                seen: None,
                facts: VecDeque::new(),
                trouble: Lasting::default(),
            };
            service.spawn("recorder", move || worker.run())?;
        }
        service.spawn("recording plan", move || shared.follow(plan))?;
        Ok(service)
    }

    fn spawn(&self, name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), RecordingError> {
        let thread = Builder::new().name(name.into()).spawn(run).map_err(RecordingError::Thread)?;
        lock(&self.threads).push(thread);
        Ok(())
    }

    /// How each camera's recording stands.
    pub fn status(&self) -> Vec<CameraRecording> {
        let text = |time| self.shared.journal.time_text(time);
        let of = |state: &State| CameraRecording {
            camera: state.camera.clone(),
            wanted: state.wanted,
            recording: state.recording,
            gap: state.gap.map(|(since, cause)| (text(since), cause)),
            waiting: state.waiting,
        };
        let mut status: Vec<_> = lock(&self.shared.recorders).iter().map(of).collect();
        for (camera, span) in &*lock(&self.shared.missing) {
            let gap = Some((text(span.from), GapCause::CameraAbsent));
            let camera = camera.clone();
            status.push(CameraRecording { camera, wanted: true, recording: false, gap, waiting: 0 });
        }
        status
    }
}

impl Service {
    /// How what is kept stands.
    pub fn keeping(&self) -> Keeping {
        self.keeper.status()
    }

    /// Closes the open segments, journals what there is to tell and returns when that is done.
    pub fn stop(&self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in lock(&self.threads).drain(..) {
            let _ = thread.join();
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn now(&self) -> Now {
        Now { wall: self.journal.clock().now(), monotonic: Instant::now() }
    }

    fn follow(&self, mut plan: Plan) {
        let mut beat = 0;
        while !self.stop.load(Ordering::Relaxed) {
            // What was wanted before still is.
            if let Err(error) = self.read_plan(&mut plan) {
                tracing::error!(%error, "the plan cannot be read");
            }
            if beat % ACCOUNT_EVERY == 0
                && let Err(error) = self.close_lessons(&mut plan)
            {
                tracing::error!(%error, "a lesson's account could not be made; trying again");
            }
            beat += 1;
            if let Err(error) = self.give_sign_of_life() {
                tracing::error!(%error, "no sign of life could be noted down");
            }
            std::thread::sleep(PULSE);
        }
    }

    fn read_plan(&self, plan: &mut Plan) -> Result<(), StoreError> {
        let now = self.journal.clock().now();
        let cameras: Vec<String> = lock(&self.recorders).iter().map(|state| state.camera.clone()).collect();
        let wanted = cameras.iter().map(|camera| plan.wanted(&self.journal, camera, now));
        let wanted = wanted.collect::<Result<Vec<_>, _>>()?;
        *lock(&self.wanted) = wanted;
        *lock(&self.missing) = plan.missing(&self.journal, now)?;
        Ok(())
    }

    /// What a recorder is to record at `now`.
    fn wanted(&self, index: usize, now: Timestamp) -> Option<Wanted> {
        let wanted = lock(&self.wanted);
        wanted.get(index)?.iter().find(|wanted| wanted.from <= now && now < wanted.until).copied()
    }

    fn close_lessons(&self, plan: &mut Plan) -> Result<(), JournalError> {
        let cameras: Vec<String> = lock(&self.recorders).iter().map(|state| state.camera.clone()).collect();
        let (share, minutes) = (self.required_share, self.rollcall_minutes);
        let is_told = |lesson: &Lesson| self.is_told(lesson);
        close_lessons(&self.journal, plan, &cameras, is_told, share, minutes, self.journal.clock().now())
    }

    /// Whether what became of a lesson is journalled by all of its cameras; what is not recorded is asked for. A segment
    /// that goes on over its end belongs into its account.
    fn is_told(&self, lesson: &Lesson) -> bool {
        let mut is_told = true;
        for state in &mut *lock(&self.recorders) {
            let is_behind = state.told.is_some_and(|told| told < lesson.span.until);
            if lesson.cameras.contains(&state.camera) && (is_behind || state.waiting > 0) {
                is_told = false;
                state.border = state.border.max(Some(lesson.span.until));
            }
        }
        is_told
    }

    fn give_sign_of_life(&self) -> Result<(), StoreError> {
        let at = self.journal.clock().now();
        let rows = lock(&self.recorders)
            .iter()
            .map(|state| AliveRow { camera: state.camera.clone(), at, gap: state.gap })
            .collect::<Vec<_>>();
        let write = self.journal.store().begin()?;
        write.set_alive(&rows)?;
        write.commit()
    }
}

/// Where a camera's coded pictures come from.
enum Units {
    /// It sends them.
    Sent(Receiver<Unit>),
    /// They are encoded here.
    Encoded(EncodedUnits),
}

impl Units {
    fn receiver(&self) -> &Receiver<Unit> {
        match self {
            Units::Sent(units) => units,
            Units::Encoded(encoded) => encoded.units(),
        }
    }
}

struct Worker {
    shared: Arc<Shared>,
    index: usize,
    camera: usize,
    cameras: Arc<Vec<Camera>>,
    units: Units,
    recorder: Recorder,
    /// Up to when an earlier run has told of the span that was wanted at the start.
    told: Option<Timestamp>,
    /// What was wanted when that was looked at last.
    seen: Option<Wanted>,
    /// What is yet to be journalled.
    facts: VecDeque<Fact>,
    trouble: Lasting,
}

impl Worker {
    fn run(mut self) {
        let mut ticked = None;
        let mut is_first = true;
        while !self.shared.stop.load(Ordering::Relaxed) {
            // First what has come meanwhile: a disk that was slow is no camera that stands still.
            for _ in 0..AT_ONCE {
                let Ok(unit) = self.units.receiver().try_recv() else { break };
                self.take(unit);
            }
            if ticked.is_none_or(|ticked: Instant| ticked.elapsed() >= PULSE / 2) {
                ticked = Some(Instant::now());
                self.tick(is_first);
                is_first = false;
            }
            match self.units.receiver().recv_timeout(PULSE / 4) {
                Ok(unit) => self.take(unit),
                Err(RecvTimeoutError::Timeout) => {}
                // The camera is gone for good; time still has to be told of.
                Err(RecvTimeoutError::Disconnected) => std::thread::sleep(PULSE / 4),
            }
        }
        self.facts.extend(self.recorder.stop(self.shared.now()));
        self.journal();
    }

    fn take(&mut self, unit: Unit) {
        let now = self.shared.now();
        // Looked at for each unit: at a border between spans, sound ends with the very first after it.
        let wanted = self.shared.wanted(self.index, now.wall);
        let is_on_time = |wanted: Wanted| now.wall.duration_since(wanted.from) <= LATE;
        if wanted.is_some_and(|wanted| self.recorder.since().is_some() || is_on_time(wanted)) {
            self.facts.extend(self.recorder.set_wanted(wanted, None, now));
        }
        self.facts.extend(self.recorder.take(unit, now));
        if !self.facts.is_empty() {
            self.journal();
        }
    }

    fn tick(&mut self, is_first: bool) {
        let now = self.shared.now();
        let wanted = self.shared.wanted(self.index, now.wall);
        let mut told = self.told.take().filter(|_| is_first);
        let known = std::mem::replace(&mut self.seen, wanted);
        if let Some(wanted) = wanted.filter(|_| !is_first && known != wanted)
            && now.wall.duration_since(wanted.from) > LATE
        {
            // What was recorded for another lesson, or has been told of, needs no telling.
            let until = self.recorder.since().unwrap_or(now.wall);
            self.tell_late(Span { from: wanted.from, until });
            told = Some(until);
        }
        self.facts.extend(self.recorder.set_wanted(wanted, told, now));
        if let Units::Encoded(encoded) = &self.units {
            // A little before it begins, so that its first moment is shown.
            let soon = self.shared.wanted(self.index, now.wall + ENCODE_AHEAD);
            encoded.set_wanted(wanted.or(soon).is_some());
            if encoded.has_failed() {
                self.recorder.cannot_encode();
            }
        }
        let CameraStatus { state, unreachable, .. } = self.cameras[self.camera].status();
        self.facts.extend(self.recorder.tick(now, state, unreachable));
        let border = lock(&self.shared.recorders)[self.index].border.take();
        self.facts.extend(border.and_then(|border| self.recorder.tell_until(border)));
        self.journal();
        let mut states = lock(&self.shared.recorders);
        let state = &mut states[self.index];
        state.wanted = wanted.is_some();
        state.recording = self.recorder.is_recording();
        state.gap = self.recorder.pending();
        state.waiting = self.facts.len();
        state.told = self.recorder.told();
    }

    /// The plan came after `span` had begun, or all of it.
    fn tell_late(&mut self, span: Span) {
        if span.until.duration_since(span.from) <= LATE {
            return;
        }
        let camera = self.cameras[self.camera].name();
        let missing = account_of(&self.shared.journal, camera, span).map(|account| account.unexplained);
        for missing in missing.unwrap_or_else(|_| vec![span]) {
            self.facts.push_back(Fact::Gap { start: missing.from, end: missing.until, cause: GapCause::PlanLate });
        }
    }

    /// Journals what there is to tell, in order; what fails is tried again.
    fn journal(&mut self) {
        let camera = self.cameras[self.camera].name();
        while let Some(fact) = self.facts.front() {
            if let Err(error) = journal_fact(&self.shared.journal, &self.shared.root, camera, fact) {
                if self.trouble.is_due() {
                    tracing::error!(%error, camera, "a segment or gap could not be journalled; trying again");
                }
                return;
            }
            self.trouble.end();
            self.facts.pop_front();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
