//! The appliance in operation: cameras, check-in, recording, sync, clock watch and pages, started together and stopped in order.

use crate::alarm;
use crate::camera::{Camera, Decode};
use crate::checkin::live::{Live, Trouble};
use crate::checkin::{Service, WorkerError};
use crate::config::{CameraConfig, Config};
use crate::coverage::{self, people_service::PeopleService};
use crate::journal::{Journal, JournalError};
use crate::lasting::Lasting;
use crate::recording::{self, RecordingError};
use crate::store::StoreError;
use crate::sync::{self, SyncStatus};
use crate::vision::{PersonDetector, Vision};
use crate::web;
use std::io::ErrorKind;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Why the appliance does not run.
#[derive(Debug, thiserror::Error)]
pub enum ApplianceError {
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The check-in.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// The recording.
    #[error("the recording cannot begin: {0}")]
    Recording(#[from] RecordingError),
    /// The watch over what the cameras show.
    #[error("no thread could be started for the watch over the pictures: {0}")]
    Coverage(std::io::Error),
    /// The system refuses a thread.
    #[error("no thread could be started for the people at the workstations: {0}")]
    People(std::io::Error),
    /// The check-in's thread ended without a word.
    #[error("the check-in has stopped")]
    CheckinEnded,
}

impl ApplianceError {
    /// Whether the disk is full, which passes.
    fn is_no_room(&self) -> bool {
        match self {
            ApplianceError::Journal(error) | ApplianceError::Recording(RecordingError::Journal(error)) => {
                error.is_no_room()
            }
            ApplianceError::Recording(RecordingError::Store(error)) => matches!(error, StoreError::Full),
            ApplianceError::Recording(RecordingError::Io { source, .. }) => {
                matches!(source.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
            }
            _ => false,
        }
    }
}

/// What looks after lessons; it begins once the appliance's start is on record.
pub struct Lessons {
    /// Their recording.
    pub recording: Arc<recording::Service>,
    /// The watch over what the recordings show.
    pub coverage: Arc<coverage::Service>,
}

/// [`Lessons`], once they have begun.
pub type Late = Arc<OnceLock<Lessons>>;

/// An appliance that is running.
pub struct Appliance {
    /// Its settings.
    pub config: Arc<Config>,
    /// Its log.
    pub journal: Arc<Journal>,
    /// What the kiosk shows.
    pub live: Arc<Live>,
    /// Its cameras.
    pub cameras: Arc<Vec<Camera>>,
    /// How far the bureau has countersigned.
    pub sync: watch::Receiver<SyncStatus>,
    /// The check-in; absent without a camera.
    pub checkin: Option<Service>,
    /// What looks after lessons; not before the start is on record.
    pub lessons: Late,
    /// The look for people, where there is a model for it.
    people: Arc<OnceLock<PeopleService>>,
    has_failed: bool,
    stop: watch::Sender<bool>,
    pages: Option<JoinHandle<()>>,
    tasks: Vec<JoinHandle<()>>,
}

/// How long the pages may take to journal who has looked at what.
const PAGES_END: Duration = Duration::from_secs(5);

/// How often a start that could not be recorded is tried again.
const BEGIN_EVERY: Duration = Duration::from_secs(3);

/// How often it is looked whether a class is over.
const CLOSE_EVERY: Duration = Duration::from_secs(600);

/// How often it is looked whether lessons are looked after by now.
const LESSONS_EVERY: Duration = Duration::from_millis(500);

/// How often the wall clock is held against the monotonic one.
const CLOCK_EVERY: Duration = Duration::from_secs(1);

impl Appliance {
    /// Starts everything. Must be called inside a tokio runtime.
    ///
    /// `listener` is where the pages are served. `vision` is given when there is a check-in camera; the models are loaded before anything is started, so that
    /// a wrong model file is told at once.
    pub fn start(
        config: Config,
        journal: Journal,
        vision: Option<Vision>,
        listener: Option<TcpListener>,
    ) -> Result<Appliance, ApplianceError> {
        let (config, journal) = (Arc::new(config), Arc::new(journal));
        let mut beginning =
            Start { config: config.clone(), journal: journal.clone(), is_told: false, full_since: None };
        match beginning.tell() {
            Err(error) if !error.is_no_room() => return Err(error),
            _ => {}
        }
        let live = Arc::new(Live::default());
        let model = vision.as_ref().map(|vision| vision.model().to_owned());
        let checkin_camera = config.checkin_camera().map(|camera| camera.name.clone());
        let start = |camera: &CameraConfig| {
            let is_checkin = checkin_camera.as_ref() == Some(&camera.name);
            Camera::start(camera, if is_checkin { Decode::All } else { Decode::KeyFrames })
        };
        let cameras = Arc::new(config.cameras.iter().map(start).collect::<Vec<_>>());
        let checkin = match (config.checkin_camera(), vision) {
            (Some(wanted), Some(vision)) => {
                let camera = cameras.iter().find(|camera| camera.name() == wanted.name);
                let frames = camera.map(|camera| camera.frames().clone()).unwrap_or_default();
                let (config, journal, live) = (config.clone(), journal.clone(), live.clone());
                Some(Service::start(config, journal, live, &wanted.name, frames, vision)?)
            }
            _ => None,
        };
        let lessons = Late::default();
        let mut tasks = vec![
            tokio::spawn(watch_clock(journal.clone())),
            tokio::spawn(close_classes(journal.clone(), config.checkin.close_after_days)),
        ];
        match beginning.begin(&cameras) {
            Ok(begun) => drop(lessons.set(begun)),
            Err(error) if error.is_no_room() => {
                tracing::error!(%error, "the start cannot be recorded; trying again, and nothing is recorded until then");
                live.trouble(Trouble::Starting, Some(error.to_string()));
                tasks.push(tokio::spawn(begin_later(beginning, cameras.clone(), live.clone(), lessons.clone())));
            }
            Err(error) => return Err(error),
        }
        let alarm = Arc::new(alarm::Service::new(&config, journal.clone()));
        let (stop, stopping) = watch::channel(false);
        let status = SyncStatus::of(&journal, config.sync.as_ref()).unwrap_or_else(|_| SyncStatus::unknown());
        let (status, sync) = watch::channel(status);
        tasks.push(match config.sync.clone() {
            Some(settings) => tokio::spawn(sync::run(journal.clone(), settings, status, stopping.clone())),
            // Without a bureau the log still grows, and the pages show how far.
            None => tokio::spawn(watch_log(journal.clone(), status)),
        });
        let app = Arc::new(web::App {
            config: config.clone(),
            journal: journal.clone(),
            live: live.clone(),
            desk: checkin.as_ref().map(|checkin| checkin.desk().clone()),
            model,
            progress: checkin.as_ref().map(|checkin| checkin.progress().clone()),
            cameras: cameras.clone(),
            lessons: lessons.clone(),
            alarm: Some(alarm.clone()),
            sync: sync.clone(),
            access: web::Access::default(),
            stills: web::Stills::default(),
        });
        let source = app.clone();
        tasks.push(tokio::spawn(alarm.run(Arc::new(move || source.status()))));
        let mut pages = None;
        if let Some(listener) = listener {
            pages = Some(tokio::spawn(async move {
                if let Err(error) = web::serve(listener, app, stopping).await {
                    tracing::error!(%error, "the pages are no longer served");
                }
            }));
        }
        let people = Arc::default();
        let has_failed = false;
        Ok(Appliance { config, journal, live, cameras, sync, checkin, lessons, people, has_failed, stop, pages, tasks })
    }

    /// The recording of lessons, unless the disk was full at the start and still is.
    pub fn recording(&self) -> Option<&Arc<recording::Service>> {
        self.lessons.get().map(|lessons| &lessons.recording)
    }

    /// The watch over what the recordings show, likewise.
    pub fn coverage(&self) -> Option<&Arc<coverage::Service>> {
        self.lessons.get().map(|lessons| &lessons.coverage)
    }

    /// Begins to look for people at the workstations, once lessons are looked after: what an earlier run has left open is
    /// ended before. Without, nothing is known of people.
    pub fn look_for_people(&mut self, detector: PersonDetector) -> Result<(), ApplianceError> {
        let (config, journal, cameras) = (self.config.clone(), self.journal.clone(), self.cameras.clone());
        let people = self.people.clone();
        let begin =
            move || PeopleService::start(&config, journal, cameras, detector).map(|begun| drop(people.set(begun)));
        if self.lessons.get().is_some() {
            return begin().map_err(ApplianceError::People);
        }
        self.tasks.push(tokio::spawn(after(self.lessons.clone(), move || {
            if let Err(error) = begin() {
                tracing::error!(error = %ApplianceError::People(error), "nobody looks for people");
            }
        })));
        Ok(())
    }

    /// Waits until the check-in fails, which it does not unless the models do.
    pub async fn failed(&mut self) -> ApplianceError {
        loop {
            tokio::time::sleep(Duration::from_millis(500)).await;
            if self.checkin.as_ref().is_some_and(Service::has_ended) {
                self.has_failed = true;
                let ended = self.checkin.take().map(Service::stop);
                return match ended {
                    Some(Err(error)) => error.into(),
                    _ => ApplianceError::CheckinEnded,
                };
            }
        }
    }

    /// Stops everything; the last record says so.
    pub async fn stop(mut self) -> Result<(), ApplianceError> {
        self.stop.send_replace(true);
        if let Some(mut pages) = self.pages.take()
            && tokio::time::timeout(PAGES_END, &mut pages).await.is_err()
        {
            pages.abort();
        }
        let checkin = self.checkin.take();
        let stopped = tokio::task::spawn_blocking(move || checkin.map_or(Ok(()), Service::stop)).await;
        for task in self.tasks.drain(..) {
            task.abort();
            // What it was doing is done, or will not be.
            let _ = task.await;
        }
        let (lessons, people) = (self.lessons.clone(), std::mem::take(&mut self.people));
        let has_failed = self.has_failed;
        let stop = move || {
            drop(people);
            if let Some(Lessons { recording, coverage }) = lessons.get() {
                coverage.stop();
                if has_failed { recording.stop() } else { recording.stop_as_meant() }
            }
        };
        let _ = tokio::task::spawn_blocking(stop).await;
        self.journal.append_event("stopped", &self.config.appliance.site, &self.config.appliance.room)?;
        Ok(stopped.unwrap_or(Ok(()))?)
    }
}

/// What is written down at a start, in this order, before lessons are looked after.
struct Start {
    config: Arc<Config>,
    journal: Arc<Journal>,
    is_told: bool,
    /// When there was no room for it.
    full_since: Option<Instant>,
}

impl Start {
    /// Records the start, once.
    fn tell(&mut self) -> Result<(), ApplianceError> {
        if !self.is_told {
            let told = self.journal.append_start(&self.config);
            self.noted(told.map_err(ApplianceError::from))?;
            self.is_told = true;
        }
        Ok(())
    }

    /// Records it and what an earlier run has left open, and begins to look after lessons.
    fn begin(&mut self, cameras: &Arc<Vec<Camera>>) -> Result<Lessons, ApplianceError> {
        self.tell()?;
        let begun = self.look_after_lessons(cameras);
        self.noted(begun)
    }

    /// Remembers since when the disk is full.
    fn noted<T>(&mut self, done: Result<T, ApplianceError>) -> Result<T, ApplianceError> {
        if done.as_ref().is_err_and(ApplianceError::is_no_room) {
            self.full_since.get_or_insert_with(Instant::now);
        }
        done
    }

    fn look_after_lessons(&self, cameras: &Arc<Vec<Camera>>) -> Result<Lessons, ApplianceError> {
        coverage::close_left_open(&self.journal)?;
        let full_since = self.full_since.map(|since| self.journal.clock().now() - since.elapsed());
        let recording =
            recording::Service::start_late(&self.config, self.journal.clone(), cameras.clone(), full_since)?;
        let coverage = coverage::Service::start(&self.config, self.journal.clone(), cameras.clone());
        let coverage = coverage.map_err(ApplianceError::Coverage)?;
        recording.wait_for(coverage.progress());
        Ok(Lessons { recording: Arc::new(recording), coverage: Arc::new(coverage) })
    }
}

/// The disk was full at the start: tries again until there is room.
async fn begin_later(mut start: Start, cameras: Arc<Vec<Camera>>, live: Arc<Live>, lessons: Late) {
    let mut trouble = Lasting::default();
    // It has just been told.
    trouble.is_due();
    loop {
        tokio::time::sleep(BEGIN_EVERY).await;
        let cameras = cameras.clone();
        let tried = tokio::task::spawn_blocking(move || {
            let begun = start.begin(&cameras);
            (start, begun)
        });
        let Ok((given_back, begun)) = tried.await else { return };
        start = given_back;
        match begun {
            Ok(begun) => {
                tracing::info!("the start is on record now");
                let _ = lessons.set(begun);
                live.trouble(Trouble::Starting, None);
                return;
            }
            Err(error) => {
                live.trouble(Trouble::Starting, Some(error.to_string()));
                if trouble.is_due() {
                    tracing::error!(%error, "the start cannot be recorded; trying again");
                }
            }
        }
    }
}

/// Does it once lessons are looked after.
async fn after(lessons: Late, work: impl FnOnce() + Send) {
    while lessons.get().is_none() {
        tokio::time::sleep(LESSONS_EVERY).await;
    }
    work();
}

async fn watch_clock(journal: Arc<Journal>) {
    let (mut ticks, mut trouble) = (tokio::time::interval(CLOCK_EVERY), Lasting::default());
    loop {
        ticks.tick().await;
        let journal = journal.clone();
        if let Ok(watched) = tokio::task::spawn_blocking(move || journal.watch_clock()).await
            && let Some(error) = trouble.due(watched)
        {
            tracing::error!(%error, "a step of the clock could not be recorded; trying again");
        }
    }
}

/// Closes classes that are over: nobody's face is kept for longer than it is needed.
async fn close_classes(journal: Arc<Journal>, days: u16) {
    let (mut ticks, mut trouble) = (tokio::time::interval(CLOSE_EVERY), Lasting::default());
    loop {
        ticks.tick().await;
        let journal = journal.clone();
        let Ok(closed) = tokio::task::spawn_blocking(move || journal.close_what_is_over(days)).await else { continue };
        if let Ok(closed) = &closed {
            closed.iter().for_each(|class| tracing::info!(%class, "it is over: closed, its face templates are erased"));
        }
        if let Some(error) = trouble.due(closed.map(drop)) {
            tracing::error!(%error, "classes that are over could not be closed; trying again");
        }
    }
}

async fn watch_log(journal: Arc<Journal>, status: watch::Sender<SyncStatus>) {
    let mut sizes = journal.sizes();
    while sizes.changed().await.is_ok() {
        if let Ok(now) = SyncStatus::of(&journal, None) {
            status.send_replace(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[tokio::test(flavor = "multi_thread")]
    async fn what_comes_after_lessons_are_looked_after_waits_for_that() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("rollcall.toml");
        std::fs::write(&file, "[appliance]\nsite = \"site\"\nroom = \"301\"\nstate_dir = \"state\"\n")
            .expect("written");
        let config = Arc::new(Config::load(&file).expect("a config"));
        let (state, clock) = (&config.appliance.state_dir, Arc::new(SystemClock::default()));
        let journal = Journal::initialise(state, "site", "301", clock, config.timezone()).expect("initialised");
        let (lessons, is_done) = (Late::default(), Arc::new(AtomicBool::new(false)));
        let done = is_done.clone();
        let task = tokio::spawn(after(lessons.clone(), move || done.store(true, Ordering::Relaxed)));
        tokio::time::sleep(LESSONS_EVERY * 2).await;
        assert!(!is_done.load(Ordering::Relaxed));
        let mut start = Start { config, journal: Arc::new(journal), is_told: false, full_since: None };
        assert!(lessons.set(start.begin(&Arc::default()).expect("begun")).is_ok());
        tokio::time::timeout(Duration::from_secs(30), task).await.expect("in time").expect("not aborted");
        assert!(is_done.load(Ordering::Relaxed));
    }
}
