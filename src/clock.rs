//! Wall time with its quality, monotonic time and the boot id, behind a trait so that tests own time.
//!
//! Every duration comes from [`Clock::monotonic`]; wall time only ever labels a record. `quality` is never
//! better than what the kernel vouches for: a probe that fails means `unset`, not `synced`.

use evidence::record::ClockQuality;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// What time it is, and how much that is worth.
pub trait Clock: Send + Sync {
    /// Wall time.
    fn now(&self) -> Timestamp;
    /// Time since some fixed moment; never goes back.
    fn monotonic(&self) -> Duration;
    /// How good [`Clock::now`] is.
    fn quality(&self) -> ClockQuality;
    /// Identifies this boot of the machine; empty when unknown.
    fn boot_id(&self) -> String;
}

/// A wall-clock reading in `zone`.
pub fn local(clock: &dyn Clock, zone: &TimeZone) -> ZonedDateTime {
    clock.now().to_zoned_datetime(zone.clone())
}

/// The machine's own clocks.
pub struct SystemClock {
    started: Instant,
    last_synced: Mutex<Option<Instant>>,
}

impl Default for SystemClock {
    fn default() -> Self {
        SystemClock { started: Instant::now(), last_synced: Mutex::new(None) }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    fn quality(&self) -> ClockQuality {
        let mut last_synced = self.last_synced.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if kernel_clock_is_synchronised() {
            *last_synced = Some(Instant::now());
            return ClockQuality::Synced;
        }
        match *last_synced {
            Some(then) => ClockQuality::Holdover { seconds: then.elapsed().as_secs() },
            None => ClockQuality::Unset,
        }
    }

    fn boot_id(&self) -> String {
        std::fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned()).unwrap_or_default()
    }
}

/// Whether the kernel's clock is disciplined: `adjtimex(2)` reports neither an error nor `STA_UNSYNC`.
#[allow(unsafe_code)]
fn kernel_clock_is_synchronised() -> bool {
    // SAFETY: `timex` is plain data for which all zeros is valid; with `modes` 0 the call only reads kernel state.
    let (state, status) = unsafe {
        let mut timex: libc::timex = std::mem::zeroed();
        let state = libc::adjtimex(&mut timex);
        (state, timex.status)
    };
    state >= 0 && state != libc::TIME_ERROR && status & libc::STA_UNSYNC == 0
}

/// A step of the wall clock against monotonic time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// What the wall clock would have shown.
    pub expected: Timestamp,
    /// What it shows.
    pub observed: Timestamp,
}

/// Notices steps of the wall clock: compares its advance with monotonic time's.
#[derive(Clone)]
pub struct StepWatch {
    wall: Timestamp,
    monotonic: Duration,
    tolerance: Duration,
}

impl StepWatch {
    /// Starts watching; differences up to `tolerance` between two looks are slewing, not a step.
    pub fn new(clock: &dyn Clock, tolerance: Duration) -> StepWatch {
        StepWatch { wall: clock.now(), monotonic: clock.monotonic(), tolerance }
    }

    /// Compares both clocks with the last look.
    pub fn look(&mut self, clock: &dyn Clock) -> Option<Step> {
        let (observed, monotonic) = (clock.now(), clock.monotonic());
        let expected = self.wall + monotonic.saturating_sub(self.monotonic);
        (self.wall, self.monotonic) = (observed, monotonic);
        let difference = observed.duration_since(expected).unsigned_abs();
        (difference > self.tolerance).then_some(Step { expected, observed })
    }
}

/// A clock that tests set and advance.
pub struct TestClock {
    state: Mutex<(Timestamp, Duration, ClockQuality)>,
}

impl TestClock {
    /// A synced clock that stands at `now`.
    pub fn at(now: Timestamp) -> TestClock {
        TestClock { state: Mutex::new((now, Duration::ZERO, ClockQuality::Synced)) }
    }

    /// Lets both clocks run by `by`.
    pub fn advance(&self, by: Duration) {
        let mut state = self.lock();
        state.0 += by;
        state.1 += by;
    }

    /// Sets the wall clock alone, as an operator or NTP would.
    pub fn step_to(&self, now: Timestamp) {
        self.lock().0 = now;
    }

    /// Sets what it is worth.
    pub fn set_quality(&self, quality: ClockQuality) {
        self.lock().2 = quality;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, (Timestamp, Duration, ClockQuality)> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        self.lock().0
    }
    fn monotonic(&self) -> Duration {
        self.lock().1
    }
    fn quality(&self) -> ClockQuality {
        self.lock().2.clone()
    }
    fn boot_id(&self) -> String {
        "test-boot".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stepped_wall_clock_is_noticed_and_a_running_one_is_not() {
        let clock = TestClock::at("2026-11-23T00:00:00Z".parse().expect("a timestamp"));
        let mut watch = StepWatch::new(&clock, Duration::from_millis(500));
        clock.advance(Duration::from_secs(3600));
        assert_eq!(watch.look(&clock), None);
        clock.step_to("2026-11-23T00:00:00Z".parse().expect("a timestamp"));
        let step = watch.look(&clock).expect("one hour back is a step");
        assert_eq!(step.expected.duration_since(step.observed).as_secs(), 3600);
        clock.advance(Duration::from_secs(1));
        assert_eq!(watch.look(&clock), None, "a step is reported once");
    }
}
