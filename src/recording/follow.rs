//! What the recorders share: the plan as it stands, followed by one thread, and what each of them has told.

use super::fact::{Fact, Now, Wanted};
use super::journalling::Followed;
use super::plan::{Lesson, Plan};
use crate::class::{ClassId, Span};
use crate::clock::{Step, StepWatch};
use crate::config::Config;
use crate::coverage::Progress;
use crate::journal::Journal;
use crate::lasting::Lasting;
use crate::pulse::Pulse;
use crate::store::{StoreError, UnfinishedRow};
use evidence::record::{ClockQuality, GapCause};
use jiff::Timestamp;
use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

/// How often the plan is looked at, and a sign of life given.
pub(super) const PULSE: Duration = Duration::from_secs(1);
/// A clock that nothing vouches for is taken at its word this long after it was stepped forward: an error that is put
/// right meanwhile must not close lessons that are yet to come.
const PATIENCE: Duration = Duration::from_secs(600);

/// A lesson's account waits for the watch over the pictures for so long, while the database can be written: it needs a
/// second, unless it hangs.
const WATCH_PATIENCE: Duration = Duration::from_secs(120);

pub(super) struct Shared {
    pub journal: Arc<Journal>,
    pub root: PathBuf,
    pub required_share: f64,
    pub rollcall_minutes: i64,
    /// What each of the recorders is to record, in their order.
    pub wanted: Mutex<Vec<Vec<Wanted>>>,
    pub recorders: Mutex<Vec<State>>,
    /// Cameras that lessons need now and that are not recorded.
    pub missing: Mutex<Vec<(String, Span)>>,
    /// A recorder has told something.
    pub told: Condvar,
    pub stop: AtomicBool,
    /// The recorders have stopped, and tell nothing more.
    pub has_ended: AtomicBool,
    /// Of who follows the plan.
    pub pulse: Pulse,
    /// Of who journals what the recorders tell.
    pub journalling: Pulse,
    /// Since that was last looked at: the plan was followed.
    pub followed: Mutex<Option<Followed>>,
    /// How far the watch over the pictures has come, once it has begun.
    pub watch: OnceLock<Arc<Progress>>,
    pub lateness: Mutex<Lateness>,
}

/// Which lessons the watch over the pictures is late with.
#[derive(Default)]
pub(super) struct Lateness {
    /// Since when the database could be written without a break.
    writable: Option<Instant>,
    /// By lesson: since when all else is told of it.
    since: HashMap<(ClassId, Timestamp), Instant>,
}

impl Lateness {
    /// The database was written, or could not be.
    pub fn note(&mut self, is_written: bool, now: Instant) {
        self.writable = if is_written { self.writable.or(Some(now)) } else { None };
    }

    /// Whether there is reason to wait on. A watch that cannot write has done nothing wrong.
    fn waits(&mut self, class: &ClassId, start: Timestamp, now: Instant) -> bool {
        let since = *self.since.entry((class.clone(), start)).or_insert(now);
        let Some(writable) = self.writable else { return true };
        now.saturating_duration_since(since.max(writable)) < WATCH_PATIENCE
    }
}

/// How a recorder stands.
pub(super) struct State {
    pub camera: String,
    pub wanted: bool,
    /// When the segment that is being written began.
    pub begun: Option<Timestamp>,
    pub gap: Option<(Timestamp, GapCause)>,
    /// What it has told and is yet to be journalled, in order …
    pub facts: VecDeque<Fact>,
    /// … and since when the first of them is next.
    pub waits_since: Instant,
    /// When it was last at work.
    pub turned: Instant,
    /// Up to when all is told of what is wanted; `None`: nothing is left to tell.
    pub told: Option<Timestamp>,
    /// A lesson has ended here: what is not recorded is to be told up to then.
    pub border: Option<Timestamp>,
    /// The segment that is being written.
    pub unfinished: Option<UnfinishedRow>,
    /// It is not noted down yet.
    pub has_begun: bool,
    /// Steps of the clock whose time is yet to be told of.
    pub jumps: Vec<Jump>,
}

/// The clock was stepped forward, over something that had to be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Jump {
    /// What it showed after the step.
    pub to: Timestamp,
    /// What had to be recorded from the step on, of all that begins before [`Jump::to`].
    pub spans: Vec<Span>,
}

impl State {
    /// Of a recorder that has not looked yet.
    pub fn new(camera: &str) -> State {
        State {
            camera: camera.to_owned(),
            wanted: false,
            begun: None,
            gap: None,
            facts: VecDeque::new(),
            waits_since: Instant::now(),
            turned: Instant::now(),
            told: Some(Timestamp::MIN),
            border: None,
            unfinished: None,
            has_begun: false,
            jumps: Vec::new(),
        }
    }
}

impl Shared {
    /// What these recorders share, each of which is to record what `wanted` has in its place.
    pub fn new(config: &Config, journal: Arc<Journal>, recorders: Vec<State>, wanted: Vec<Vec<Wanted>>) -> Shared {
        Shared {
            journal,
            root: config.recordings(),
            required_share: config.recording.required_share,
            rollcall_minutes: config.recording.rollcall_minutes,
            wanted: Mutex::new(wanted),
            recorders: Mutex::new(recorders),
            missing: Mutex::default(),
            told: Condvar::new(),
            stop: AtomicBool::new(false),
            has_ended: AtomicBool::new(false),
            pulse: Pulse::default(),
            journalling: Pulse::default(),
            followed: Mutex::default(),
            watch: OnceLock::new(),
            lateness: Mutex::default(),
        }
    }

    pub fn now(&self) -> Now {
        Now { wall: self.journal.clock().now(), monotonic: Instant::now() }
    }

    /// Follows the plan until the end. `clock` has been watched since the time before this run was told of.
    pub fn follow(&self, mut plan: Plan, mut clock: StepWatch) {
        let (mut steps, mut unread) = (Vec::new(), Lasting::default());
        while !self.stop.load(Ordering::Relaxed) {
            self.pulse.beat();
            // A step after this moment is seen at the next pulse, before anything is done by the new time.
            let now = self.journal.clock().now();
            match clock.look(&**self.journal.clock()) {
                Some(step) if step.expected < step.observed => steps.push((step, Instant::now())),
                Some(step) => self.take_back(&mut steps, step.observed),
                None => {}
            }
            let result = self.tell_of_steps(&mut plan, &mut steps);
            // What was wanted before still is.
            if let Some(error) = unread.due(result.and_then(|()| self.read_plan(&mut plan, now))) {
                tracing::error!(%error, "the plan cannot be read");
            }
            *lock(&self.followed) = Some(Followed { at: now, is_told: steps.is_empty() });
            std::thread::sleep(PULSE);
        }
    }

    /// The clock was put back to `moment`: what it had jumped over after that is yet to come.
    fn take_back(&self, steps: &mut Vec<(Step, Instant)>, moment: Timestamp) {
        steps.retain_mut(|(step, _)| {
            step.observed = step.observed.min(moment);
            step.expected < step.observed
        });
        for state in &mut *lock(&self.recorders) {
            state.jumps.retain_mut(|jump| {
                jump.to = jump.to.min(moment);
                jump.spans.retain(|span| span.from < jump.to);
                !jump.spans.is_empty()
            });
        }
    }

    /// Leaves to each recorder to tell what the clock has jumped over.
    fn tell_of_steps(&self, plan: &mut Plan, steps: &mut Vec<(Step, Instant)>) -> Result<(), StoreError> {
        let is_vouched_for = self.journal.clock().quality() == ClockQuality::Synced;
        while let Some((Step { expected, observed }, since)) = steps.first().copied() {
            if !is_vouched_for && since.elapsed() < PATIENCE {
                return Ok(());
            }
            let cameras: Vec<String> = lock(&self.recorders).iter().map(|state| state.camera.clone()).collect();
            let over = Span { from: expected, until: observed };
            let spans = cameras.iter().map(|camera| plan.spans_between(&self.journal, camera, over));
            let spans = spans.collect::<Result<Vec<_>, _>>()?;
            for (state, spans) in lock(&self.recorders).iter_mut().zip(spans) {
                let spans: Vec<Span> = spans
                    .into_iter()
                    .filter(|span| span.from < observed && expected < span.until)
                    .map(|span| Span { from: span.from.max(expected), ..span })
                    .collect();
                if !spans.is_empty() {
                    state.jumps.push(Jump { to: observed, spans });
                }
            }
            steps.remove(0);
        }
        Ok(())
    }

    fn read_plan(&self, plan: &mut Plan, now: Timestamp) -> Result<(), StoreError> {
        let cameras: Vec<String> = lock(&self.recorders).iter().map(|state| state.camera.clone()).collect();
        let wanted = cameras.iter().map(|camera| plan.wanted(&self.journal, camera, now));
        let wanted = wanted.collect::<Result<Vec<_>, _>>()?;
        *lock(&self.wanted) = wanted;
        *lock(&self.missing) = plan.missing(&self.journal, now)?;
        Ok(())
    }

    /// What a recorder is to record at `now`.
    pub fn wanted(&self, index: usize, now: Timestamp) -> Option<Wanted> {
        let wanted = lock(&self.wanted);
        wanted.get(index)?.iter().find(|wanted| wanted.from <= now && now < wanted.until).copied()
    }

    /// Whether what became of a lesson is journalled by all of its cameras, and by the watch over their pictures; what is
    /// not recorded is asked for. A segment that goes on over its end belongs into its account.
    pub fn is_told(&self, lesson: &Lesson) -> bool {
        let mut is_told = true;
        for state in &mut *lock(&self.recorders) {
            let is_behind = state.told.is_some_and(|told| told < lesson.span.until);
            if lesson.cameras.contains(&state.camera)
                && (is_behind || !state.facts.is_empty() || !state.jumps.is_empty())
            {
                is_told = false;
                state.border = state.border.max(Some(lesson.span.until));
            }
        }
        is_told && !self.waits_for_watch(lesson, Instant::now())
    }

    /// Whether what the watch over the pictures has to tell of the lesson is yet to come. One that hangs is given up.
    fn waits_for_watch(&self, lesson: &Lesson, now: Instant) -> bool {
        let Some(watch) = self.watch.get() else { return false };
        let is_behind = |camera: &&String| watch.is_behind(camera, &lesson.class, lesson.start);
        let Some(camera) = lesson.cameras.iter().find(is_behind) else {
            lock(&self.lateness).since.remove(&(lesson.class.clone(), lesson.start));
            return false;
        };
        let waits = lock(&self.lateness).waits(&lesson.class, lesson.start, now);
        if !waits {
            tracing::error!(
                camera, class = %lesson.class,
                "the watch over the pictures does not tell what it saw of a lesson; the account is made without"
            );
        }
        waits
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::class::{LessonKind, SoundPolicy};
    use crate::clock::TestClock;
    use crate::coverage::Standing;
    use jiff::tz::TimeZone;

    fn lesson() -> Lesson {
        let (from, until) = ("2026-11-23T00:00:00Z", "2026-11-23T02:00:00Z");
        let span = Span { from: from.parse().expect("a time"), until: until.parse().expect("a time") };
        Lesson {
            class: ClassId::new("2026-001").expect("valid"),
            start: span.from,
            span,
            topic: String::new(),
            kind: LessonKind::Theory,
            cameras: vec!["back".into()],
            workstations: Vec::new(),
            sound: SoundPolicy::Recorded,
        }
    }

    #[test]
    fn an_account_waits_for_the_watch_while_nothing_can_be_written_and_not_for_ever_for_one_that_hangs() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("rollcall.toml");
        std::fs::write(&file, "[appliance]\nsite = \"site\"\nroom = \"301\"\nstate_dir = \"state\"\n")
            .expect("written");
        let config = Config::load(&file).expect("a config");
        let (lesson, clock) = (lesson(), Arc::new(TestClock::at(lesson().span.until)));
        let journal = Journal::initialise(&config.appliance.state_dir, "site", "301", clock, TimeZone::UTC);
        let journal = journal.expect("initialised");
        // All is told of the recording.
        let recorder = State { told: None, ..State::new("back") };
        let shared = Shared::new(&config, Arc::new(journal), vec![recorder], Vec::new());
        assert!(shared.is_told(&lesson), "an appliance without a watch waits for none");
        let watch = Arc::new(Progress::default());
        assert!(shared.watch.set(watch.clone()).is_ok());
        assert!(shared.is_told(&lesson), "nobody watches this camera");

        let tell = |lesson: Option<&Lesson>, owes| {
            let lesson = lesson.map(|lesson| (lesson.class.clone(), lesson.start));
            watch.tell([("back".to_owned(), Standing { lesson, owes })]);
        };
        tell(Some(&lesson), false);
        assert!(!shared.is_told(&lesson), "it has not left the lesson");
        // Nothing can be written for hours: that is not the watch's fault.
        let (begun, minutes) = (Instant::now(), |minutes: u64| Duration::from_secs(60 * minutes));
        tell(None, true);
        assert!(shared.waits_for_watch(&lesson, begun) && shared.waits_for_watch(&lesson, begun + minutes(300)));
        lock(&shared.lateness).note(true, begun + minutes(300));
        assert!(shared.waits_for_watch(&lesson, begun + minutes(301)));
        tell(None, false);
        assert!(shared.is_told(&lesson), "all is written down");

        tell(Some(&lesson), false);
        assert!(shared.waits_for_watch(&lesson, begun + minutes(302)), "it is late again");
        assert!(!shared.waits_for_watch(&lesson, begun + minutes(305)), "it hangs");
    }
}
