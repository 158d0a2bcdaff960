//! Watches what the cameras show while lessons go on: each camera's newest picture every two seconds, held against its
//! reference; findings and sights are written down. Outside lessons nothing is judged and nothing kept. One thread; it
//! never makes a camera wait.

use super::forget::forget;
use super::progress::Progress;
use super::rollcall;
use super::unseen::{self, LessonWatch, Marked, Unseen};
use super::watch::Watch;
use crate::camera::{Camera, CameraState};
use crate::class::ClassId;
use crate::config::Config;
use crate::journal::{Journal, JournalError};
use crate::lasting::Lasting;
use crate::pulse::Pulse;
use crate::recording::{Lesson, Plan};
use crate::store::StoreError;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
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
/// Workstations that lessons need and that nobody has marked are told of so long before.
const AHEAD: SignedDuration = SignedDuration::from_hours(24);

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
    /// Enough of its pictures can be judged, and have been for a while.
    #[serde(default)]
    pub steady: bool,
    /// How long ago the watch over the pictures was last at work, seconds. It is several times a second, unless it hangs.
    #[serde(default)]
    pub idle_seconds: f64,
}

/// A lesson that goes on, or is to begin, with the cameras and the workstations that it needs.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Current {
    pub class: ClassId,
    pub start: Timestamp,
    pub cameras: Vec<String>,
    pub workstations: Vec<String>,
}

impl From<Lesson> for Current {
    fn from(Lesson { class, start, cameras, workstations, .. }: Lesson) -> Current {
        Current { class, start, cameras, workstations }
    }
}

/// A watch that is running. Stops when dropped.
pub struct Service {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    state: Mutex<Vec<CameraWatch>>,
    lessons: Mutex<Vec<LessonWatch>>,
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
        let shared = Arc::new(Shared { state: Mutex::new(state), lessons: Mutex::default(), progress, pulse, stop });
        let (plan, minutes) = (Plan::new(config), config.recording.rollcall_minutes);
        let mut run = Run {
            shared: shared.clone(),
            journal,
            cameras,
            watches,
            plan,
            minutes,
            lessons: Vec::new(),
            ahead: Vec::new(),
            references: BTreeMap::new(),
            marked: Marked::new(),
            unseen: Unseen::default(),
        };
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

    /// How the workstations stand that lessons need.
    pub fn lessons(&self) -> Vec<LessonWatch> {
        lock(&self.shared.lessons).clone()
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
    /// Those that begin within a day.
    ahead: Vec<Current>,
    /// The record of each camera's reference, of which `marked` tells the workstations.
    references: BTreeMap<String, Option<u64>>,
    marked: Marked,
    unseen: Unseen,
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
        self.ahead = ahead(&self.journal, &mut self.plan, now)?;
        self.look_at_marks()?;
        rollcall::look(&self.journal, &mut self.plan, self.minutes, now)
    }

    /// Learns which workstations are marked in the pictures of the cameras that lessons need.
    fn look_at_marks(&mut self) -> Result<(), StoreError> {
        let reader = self.journal.store().read()?;
        for camera in self.lessons.iter().chain(&self.ahead).flat_map(|lesson| &lesson.cameras) {
            let seq = reader.reference_seq(camera)?;
            if self.references.get(camera) != Some(&seq) {
                let marked = reader.reference(camera)?.map(|row| row.workstations).unwrap_or_default();
                self.marked.insert(camera.clone(), marked.into_iter().map(|one| one.workstation).collect());
                self.references.insert(camera.clone(), seq);
            }
        }
        Ok(())
    }

    fn tell(&mut self) {
        let state: Vec<CameraWatch> = self.watches.iter().map(|watch| watch.status(Some(&self.lessons))).collect();
        // Of those that send nothing, or nothing that can be judged, that is told.
        let is_live = |watch: &Watch| self.cameras[watch.index()].status().state == CameraState::Live;
        let able = self.watches.iter().zip(&state).filter(|(watch, state)| !state.blind && is_live(watch));
        let able: Vec<&CameraWatch> = able.map(|(_, state)| state).collect();
        let is_known = |lesson: &Current, name: &str| unseen::is_known(lesson, name, &self.marked, &able);
        let mut lessons = self.unseen.take(Instant::now(), &self.lessons, is_known);
        lessons.extend(unseen::unmarked(&self.ahead, &self.marked));
        *lock(&self.shared.lessons) = lessons;
        *lock(&self.shared.state) = state;
        self.shared.progress.tell(self.watches.iter().map(Watch::standing));
    }
}

/// The lessons that go on, roll call included.
fn current(journal: &Journal, plan: &mut Plan, now: Timestamp) -> Result<Vec<Current>, StoreError> {
    Ok(plan.lessons_at(journal, now)?.into_iter().map(Current::from).collect())
}

/// The lessons that begin within a day, roll call included.
fn ahead(journal: &Journal, plan: &mut Plan, now: Timestamp) -> Result<Vec<Current>, StoreError> {
    let today = now.to_zoned_datetime(journal.zone().clone()).date();
    let mut ahead = Vec::new();
    for date in [Some(today), today.tomorrow().ok()].into_iter().flatten() {
        let lessons = plan.lessons_on(journal, date)?;
        ahead.extend(lessons.into_iter().filter(|lesson| now < lesson.span.from && lesson.span.from <= now + AHEAD));
    }
    Ok(ahead.into_iter().map(Current::from).collect())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{SystemClock, TestClock};
    use crate::journal::{PlanSource, testing};
    use evidence::record::MarkedWorkstation;

    #[test]
    fn what_nobody_has_marked_for_a_lesson_is_known_a_day_before() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("rollcall.toml");
        std::fs::write(&file, "[appliance]\nsite = \"site\"\nroom = \"301\"\nstate_dir = \"state\"\n")
            .expect("written");
        let config = Config::load(&file).expect("a config");
        // The evening before.
        let clock = Arc::new(TestClock::at("2026-11-22T12:00:00Z".parse().expect("a time")));
        let state = &config.appliance.state_dir;
        let journal = Journal::initialise(state, "site", "301", clock, config.timezone()).expect("initialised");
        let journal = Arc::new(journal);
        let mut class = testing::class("2026-001", &["1"], &["T1"]);
        class.lessons[0].cameras = vec!["back".into()];
        class.lessons[0].workstations = vec!["1".into(), "17".into()];
        journal.import_class(&class, &"00".repeat(32), PlanSource::File, "301").expect("imported");
        let mark = |names: &[&str]| {
            let polygon = vec![[0.1, 0.1], [0.4, 0.1], [0.4, 0.4]];
            let marked = |name: &&str| MarkedWorkstation { workstation: (*name).to_owned(), polygon: polygon.clone() };
            let marks: Vec<_> = names.iter().map(marked).collect();
            let jpeg = crate::picture::Picture::black(64, 36).to_jpeg(90).expect("encodes");
            journal.set_reference("back", &jpeg, &marks, "staff:T1").expect("set");
        };
        mark(&["1", "017"]);
        let service = Service::start(&config, journal.clone(), Arc::default()).expect("started");
        let wait_for = |unseen: &[&str]| {
            let end = Instant::now() + Duration::from_secs(30);
            loop {
                match &service.lessons()[..] {
                    [LessonWatch { has_begun: false, unseen: found, .. }] if found == unseen => return,
                    found => assert!(Instant::now() < end, "{found:?}"),
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        };
        wait_for(&["17"]);
        mark(&["1", "17"]);
        wait_for(&[]);
    }

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
