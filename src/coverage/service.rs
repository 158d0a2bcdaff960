//! Watches what the cameras show while lessons go on: each camera's newest picture every two seconds, held against its
//! reference; findings and sights are written down. Outside lessons nothing is judged and nothing kept. One thread; it
//! never makes a camera wait.

use super::forget::forget;
use super::progress::Progress;
use super::rollcall;
use super::watch::Watch;
use crate::camera::Camera;
use crate::class::ClassId;
use crate::config::Config;
use crate::journal::{Journal, JournalError};
use crate::lasting::Lasting;
use crate::recording::{Lesson, Plan};
use crate::store::StoreError;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// How often it is looked whether a picture is due.
const TURN: Duration = Duration::from_millis(250);
/// How often the plan is looked at.
const PLAN_EVERY: Duration = Duration::from_secs(1);
/// How often what is old is forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(3600);

/// How the watch over one camera's picture stands.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct CameraWatch {
    /// The camera.
    pub camera: String,
    /// Whether a lesson goes on that it has to show.
    pub watching: bool,
    /// Whether it is known how its picture should be.
    pub has_reference: bool,
    /// Pictures judged since start.
    pub samples: u64,
    /// Its workstations, and whether each is visible, hidden or unknown.
    pub workstations: Vec<(String, String)>,
    /// Seconds since start for each workstation and state, as judged at the time.
    pub seconds: Vec<(String, String, f64)>,
    /// Changes that could not be journalled yet.
    pub waiting: usize,
    /// It sends pictures, but too few of them can be judged.
    #[serde(default)]
    pub blind: bool,
}

/// A lesson that goes on, and the cameras that it names; none means all.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Current {
    pub class: ClassId,
    pub start: Timestamp,
    pub cameras: Vec<String>,
}

/// A watch that is running. Stops when dropped.
pub struct Service {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    state: Mutex<Vec<CameraWatch>>,
    progress: Arc<Progress>,
    stop: AtomicBool,
}

impl Service {
    /// Watches those of `cameras` that are recorded, as the plan wants it.
    pub fn start(config: &Config, journal: Arc<Journal>, cameras: Arc<Vec<Camera>>) -> Result<Service, std::io::Error> {
        let is_recorded = |name: &str| config.cameras.iter().any(|known| known.name == name && known.record);
        let watches: Vec<Watch> = cameras
            .iter()
            .enumerate()
            .filter(|(_, camera)| is_recorded(camera.name()))
            .map(|(at, camera)| Watch::new(at, camera.name(), &config.coverage))
            .collect();
        let state = watches.iter().map(|watch| watch.status(None)).collect();
        let shared = Arc::new(Shared { state: Mutex::new(state), progress: Arc::default(), stop: AtomicBool::new(false) });
        let (plan, minutes) = (Plan::new(config), config.recording.rollcall_minutes);
        let mut run = Run { shared: shared.clone(), journal, cameras, watches, plan, minutes, lessons: Vec::new() };
        let thread = Builder::new().name("coverage".into()).spawn(move || run.run())?;
        Ok(Service { shared, thread: Mutex::new(Some(thread)) })
    }

    /// How each camera's watch stands.
    pub fn status(&self) -> Vec<CameraWatch> {
        lock(&self.shared.state).clone()
    }

    /// How far it has come, for who makes the lessons' accounts.
    pub fn progress(&self) -> Arc<Progress> {
        self.shared.progress.clone()
    }

    /// Ends what goes on, and returns when that is written down.
    pub fn stop(&self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = lock(&self.thread).take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop();
    }
}

struct Run {
    shared: Arc<Shared>,
    journal: Arc<Journal>,
    cameras: Arc<Vec<Camera>>,
    watches: Vec<Watch>,
    plan: Plan,
    minutes: i64,
    lessons: Vec<Current>,
}

impl Run {
    fn run(&mut self) {
        let (mut planned, mut forgotten): (Option<Instant>, Option<Instant>) = (None, None);
        let mut trouble = Lasting::default();
        while !self.shared.stop.load(Ordering::Relaxed) {
            if planned.is_none_or(|planned| planned.elapsed() >= PLAN_EVERY) {
                planned = Some(Instant::now());
                if let Some(error) = trouble.due(self.look_at_plan()) {
                    // What went on before still does.
                    tracing::error!(%error, "the plan cannot be looked at; trying again");
                }
            }
            if self.lessons.is_empty() && forgotten.is_none_or(|forgotten| forgotten.elapsed() >= FORGET_EVERY) {
                forgotten = Some(Instant::now());
                if let Err(error) = forget(&self.journal, &mut self.plan, self.journal.clock().now()) {
                    tracing::error!(%error, "what was seen long ago cannot be forgotten; trying again in an hour");
                }
            }
            for watch in &mut self.watches {
                let camera = &self.cameras[watch.index()];
                let wants = |lesson: &&Current| {
                    lesson.cameras.is_empty() || lesson.cameras.iter().any(|name| name == camera.name())
                };
                let lesson = self.lessons.iter().find(wants);
                watch.turn(&self.journal, camera, lesson);
            }
            self.tell();
            std::thread::sleep(TURN);
        }
        for watch in &mut self.watches {
            watch.end(&self.journal);
        }
        self.tell();
    }

    fn look_at_plan(&mut self) -> Result<(), JournalError> {
        let now = self.journal.clock().now();
        self.lessons = current(&self.journal, &mut self.plan, now)?;
        rollcall::look(&self.journal, &mut self.plan, self.minutes, now)
    }

    fn tell(&self) {
        let status = |watch: &Watch| watch.status(Some(&self.lessons));
        *lock(&self.shared.state) = self.watches.iter().map(status).collect();
        self.shared.progress.tell(self.watches.iter().map(Watch::standing));
    }
}

/// The lessons that go on, roll call included.
fn current(journal: &Journal, plan: &mut Plan, now: Timestamp) -> Result<Vec<Current>, StoreError> {
    let of = |lesson: Lesson| Current { class: lesson.class, start: lesson.start, cameras: lesson.cameras };
    Ok(plan.lessons_at(journal, now)?.into_iter().map(of).collect())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
