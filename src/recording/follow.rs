//! What the recorders share: the plan as it stands, followed by one thread, and what each of them has told.

use super::accounts::close_lessons;
use super::fact::{Now, Wanted};
use super::plan::{Lesson, Plan};
use crate::class::Span;
use crate::clock::{Step, StepWatch};
use crate::journal::{Journal, JournalError};
use crate::lasting::Lasting;
use crate::store::{AliveRow, StoreError, UnfinishedRow};
use evidence::record::{ClockQuality, GapCause};
use jiff::Timestamp;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// How often the plan is looked at, and a sign of life given.
pub(super) const PULSE: Duration = Duration::from_secs(1);
/// Every so many pulses it is looked whether a lesson is over.
const ACCOUNT_EVERY: u64 = 5;
/// A clock that nothing vouches for is taken at its word this long after it was stepped forward: an error that is put
/// right meanwhile must not close lessons that are yet to come.
const PATIENCE: Duration = Duration::from_secs(600);

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
    pub stop: AtomicBool,
    /// When the plan was last followed.
    pub followed: Mutex<Instant>,
}

/// How a recorder stands.
#[derive(Clone)]
pub(super) struct State {
    pub camera: String,
    pub wanted: bool,
    pub recording: bool,
    pub gap: Option<(Timestamp, GapCause)>,
    pub waiting: usize,
    /// When it was last at work.
    pub turned: Instant,
    /// Up to when all is told of what is wanted; `None`: nothing is left to tell.
    pub told: Option<Timestamp>,
    /// A lesson has ended here: what is not recorded is to be told up to then.
    pub border: Option<Timestamp>,
    /// The segment that is being written.
    pub unfinished: Option<UnfinishedRow>,
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
            recording: false,
            gap: None,
            waiting: 0,
            turned: Instant::now(),
            told: Some(Timestamp::MIN),
            border: None,
            unfinished: None,
            jumps: Vec::new(),
        }
    }
}

impl Shared {
    pub fn now(&self) -> Now {
        Now { wall: self.journal.clock().now(), monotonic: Instant::now() }
    }

    /// Follows the plan until the end. `clock` has been watched since the time before this run was told of.
    pub fn follow(&self, mut plan: Plan, mut clock: StepWatch) {
        let (mut beat, mut steps) = (0, Vec::new());
        let [mut unread, mut unmade, mut unnoted] = [(); 3].map(|()| Lasting::default());
        while !self.stop.load(Ordering::Relaxed) {
            *lock(&self.followed) = Instant::now();
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
            if beat % ACCOUNT_EVERY == 0
                && steps.is_empty()
                && let Some(error) = unmade.due(self.close_lessons(&mut plan, now))
            {
                tracing::error!(%error, "a lesson's account could not be made; trying again");
            }
            beat += 1;
            if let Some(error) = unnoted.due(self.give_sign_of_life(now, steps.is_empty())) {
                tracing::error!(%error, "no sign of life could be noted down");
            }
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

    fn close_lessons(&self, plan: &mut Plan, now: Timestamp) -> Result<(), JournalError> {
        let cameras: Vec<String> = lock(&self.recorders).iter().map(|state| state.camera.clone()).collect();
        let (share, minutes) = (self.required_share, self.rollcall_minutes);
        let is_told = |lesson: &Lesson| self.is_told(lesson);
        close_lessons(&self.journal, plan, &cameras, is_told, share, minutes, now)
    }

    /// Whether what became of a lesson is journalled by all of its cameras; what is not recorded is asked for. A segment
    /// that goes on over its end belongs into its account.
    fn is_told(&self, lesson: &Lesson) -> bool {
        let mut is_told = true;
        for state in &mut *lock(&self.recorders) {
            let is_behind = state.told.is_some_and(|told| told < lesson.span.until);
            if lesson.cameras.contains(&state.camera) && (is_behind || state.waiting > 0 || !state.jumps.is_empty()) {
                is_told = false;
                state.border = state.border.max(Some(lesson.span.until));
            }
        }
        is_told
    }

    /// The recorders are at work at `at`. `is_told`: up to then the next start has nothing to tell but what is in a
    /// recorder's gap.
    pub fn give_sign_of_life(&self, at: Timestamp, is_told: bool) -> Result<(), StoreError> {
        let states = lock(&self.recorders).clone();
        let rows = states
            .iter()
            .filter(|state| is_told && state.jumps.is_empty())
            .map(|state| AliveRow { camera: state.camera.clone(), at, gap: state.gap })
            .collect::<Vec<_>>();
        let write = self.journal.store().begin()?;
        for row in states.iter().filter_map(|state| state.unfinished.as_ref()) {
            write.put_unfinished(row)?;
        }
        write.set_alive(&rows)?;
        write.commit()
    }

    /// The recorders have told of everything up to now, and are stopped on purpose.
    pub fn note_stop(&self) -> Result<(), StoreError> {
        let at = self.journal.clock().now();
        for state in &mut *lock(&self.recorders) {
            state.gap = Some((at, GapCause::OperatorStop));
        }
        self.give_sign_of_life(at, true)
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
