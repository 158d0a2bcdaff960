//! The time that stands in records: never before the record before, unless a `clock` record says why.

use crate::clock::{Clock, StepWatch};
use evidence::record::ClockStep;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Unit};
use std::time::Duration;

/// Wall and monotonic time may drift apart by this much between two looks: slewing, not a step.
pub(super) const TOLERANCE: Duration = Duration::from_millis(500);

/// A time as records hold it: RFC 3339 with offset and milliseconds.
pub(super) fn text(time: Timestamp, zone: &TimeZone) -> String {
    time.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string()
}

#[derive(Clone)]
pub(super) struct Timekeeper {
    zone: TimeZone,
    watch: StepWatch,
    last: Option<Timestamp>,
}

impl Timekeeper {
    /// Continues after a record of this time.
    pub fn new(clock: &dyn Clock, zone: TimeZone, last: Option<&str>) -> Timekeeper {
        let last = last.and_then(|time| time.parse().ok());
        Timekeeper { zone, watch: StepWatch::new(clock, TOLERANCE), last }
    }

    /// Another process has appended a record of this time.
    pub fn another_wrote(&mut self, time: &str) {
        self.last = time.parse().ok().or(self.last);
    }

    /// A step since the last look, or against the last record (as after a restart with a clock that forgot).
    pub fn look(&mut self, clock: &dyn Clock) -> Option<ClockStep> {
        let seen = self.watch.look(clock);
        let now = clock.now();
        let before_last = self.last.filter(|last| last.duration_since(now).unsigned_abs() > TOLERANCE && *last > now);
        let expected = seen.map(|step| step.expected).or(before_last)?;
        Some(ClockStep { expected: self.text(expected), observed: self.text(now) })
    }

    /// The time of the next record. A clock that went back by less than the tolerance stands still instead;
    /// only the record of a step may lie before the one before it.
    pub fn stamp(&mut self, clock: &dyn Clock, is_step: bool) -> String {
        let now = clock.now().round(Unit::Millisecond).unwrap_or_else(|_| clock.now());
        let time = match self.last {
            Some(last) if last > now && !is_step => last,
            _ => now,
        };
        self.last = Some(time);
        self.text(time)
    }

    fn text(&self, time: Timestamp) -> String {
        text(time, &self.zone)
    }
}
