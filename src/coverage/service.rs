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
use crate::pulse::Pulse;
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
    /// How long ago the watch over the pictures was last at work, seconds. It is several times a second, unless it hangs.
    #[serde(default)]
    pub idle_seconds: f64,
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
    pulse: Pulse,
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
        let (progress, pulse, stop) = (Arc::default(), Pulse::default(), AtomicBool::new(false));
        let shared = Arc::new(Shared { state: Mutex::new(state), progress, pulse, stop });
        let (plan, minutes) = (Plan::new(config), config.recording.rollcall_minutes);
        let mut run = Run { shared: shared.clone(), journal, cameras, watches, plan, minutes, lessons: Vec::new() };
        let thread = Builder::new().name("coverage".into()).spawn(move || run.run())?;
        Ok(Service { shared, thread: Mutex::new(Some(thread)) })
    }

    /// How each camera's watch stands.
    pub fn status(&self) -> Vec<CameraWatch> {
        let idle_seconds = self.idle().as_secs_f64();
        let mut state = lock(&self.shared.state).clone();
        // Told by who asks: one that hangs says nothing of itself.
        state.iter_mut().for_each(|watch| watch.idle_seconds = idle_seconds);
        state
    }

    /// For how long the watch has not been at work.
    pub fn idle(&self) -> Duration {
        self.shared.pulse.idle()
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
                self.shared.pulse.beat();
            }
            self.tell();
            self.shared.pulse.beat();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    #[test]
    fn a_watch_that_hangs_gives_no_sign_of_life_until_it_goes_on() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("rollcall.toml");
        std::fs::write(&file, "[appliance]\nsite = \"site\"\nroom = \"301\"\nstate_dir = \"state\"\n")
            .expect("written");
        let config = Config::load(&file).expect("a config");
        let (state, clock) = (&config.appliance.state_dir, Arc::new(SystemClock::default()));
        let journal = Journal::initialise(state, "site", "301", clock, config.timezone()).expect("initialised");
        let service = Service::start(&config, Arc::new(journal), Arc::default()).expect("started");
        let wait_for = |what: &str, is_so: &dyn Fn() -> bool| {
            let end = Instant::now() + Duration::from_secs(30);
            while !is_so() {
                assert!(Instant::now() < end, "never {what}");
                std::thread::sleep(Duration::from_millis(10));
            }
        };
        let hold = lock(&service.shared.state);
        wait_for("idle", &|| service.idle() > TURN * 6);
        drop(hold);
        wait_for("at work again", &|| service.idle() < TURN * 2);
    }
}
