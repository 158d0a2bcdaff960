//! One camera's recording: coded pictures and the plan in, segments and gaps out.
//!
//! While a recording is wanted, every moment ends up in a segment or in a gap. A segment ends where the next one
//! begins. Durations come from monotonic time; the wall clock is read once for each segment.

mod segment;

use super::fact::{Fact, Now, Wanted};
use super::file::Written;
use super::space::Reserve;
use crate::camera::{CameraState, CameraStatus, Format, Track, Unit};
use crate::lasting::Lasting;
use evidence::record::{GapCause, Sound};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use segment::Open;
use std::mem;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(super) struct Settings {
    /// Where this camera's segments go, a folder a day.
    pub folder: PathBuf,
    pub zone: TimeZone,
    /// A segment ends at the first key frame after a multiple of this.
    pub segment: Duration,
    /// No picture for this long is the end of a segment.
    pub stall: Duration,
    /// What must stay free.
    pub reserve: Reserve,
}

/// A group of pictures is written when the next begins; one that does not end is written at this length.
const LONGEST_GROUP: Duration = Duration::from_secs(10);
/// … or at this size, bytes.
const LARGEST_GROUP: usize = 16 << 20;
/// Wall and monotonic time may drift apart by this much, within a segment or from one look to the next.
pub(super) const TOLERANCE: Duration = Duration::from_millis(500);
/// Sound that comes this soon after a span without sound may be of it still: cameras buffer.
const SOUND_LAG: Duration = Duration::from_secs(1);
/// A connection's first sound is waited for so long after its first picture, or to the end of the first group of pictures:
/// a file has a track for sound from its beginning, or it has none.
const SOUND_WAIT: Duration = Duration::from_secs(2);
/// A camera that has sent no sound for so long sends none.
const SOUND_PAUSE: Duration = Duration::from_secs(5);

/// A camera whose picture is late by this much at the end of a span shows nothing of its rest.
const LATE_PICTURE: Duration = Duration::from_secs(1);

pub(super) struct Recorder {
    settings: Settings,
    wanted: Option<Wanted>,
    /// Coded pictures and sound since the last key frame that are not written yet.
    group: Vec<Unit>,
    group_bytes: usize,
    open: Option<Open>,
    /// When the last picture came, and of which connection and format.
    last: Option<Last>,
    /// Up to here the wanted span is told of.
    accounted: Option<Timestamp>,
    /// Why nothing is recorded, when nothing is.
    cause: GapCause,
    /// Whether that is known. What is learnt before is the cause from the gap's beginning; what changes after ends the gap,
    /// and another begins.
    is_certain: bool,
    not_before: Option<Instant>,
    trouble: Lasting,
    /// The first moment of which recording has been wanted without a break.
    since: Option<Timestamp>,
    /// Sound that comes before this moment is not kept.
    quiet_until: Option<Instant>,
    /// The newest connection, and when its first picture came.
    connected: Option<(u64, Instant)>,
    /// Of which connection sound came last, kept or not, and when.
    heard: Option<(u64, Instant)>,
    /// The group of pictures at hand is to be recorded; it is waited for whether sound comes too.
    awaits_sound: bool,
    /// What is wanted has been told before.
    is_running: bool,
}

struct Last {
    arrived: Instant,
    connection: u64,
    format: Arc<Format>,
    /// How long pictures take.
    usual: Duration,
}

impl Recorder {
    /// `cause` is why nothing is recorded so far.
    pub(super) fn new(settings: Settings, cause: GapCause) -> Recorder {
        Recorder {
            settings,
            wanted: None,
            group: Vec::new(),
            group_bytes: 0,
            open: None,
            last: None,
            accounted: None,
            cause,
            is_certain: false,
            not_before: None,
            trouble: Lasting::default(),
            since: None,
            quiet_until: None,
            connected: None,
            heard: None,
            awaits_sound: false,
            is_running: false,
        }
    }

    /// What is being told of: up to when, and why nothing is recorded. For the next start, should this one end badly.
    pub(super) fn pending(&self) -> Option<(Timestamp, GapCause)> {
        match (&self.open, self.wanted) {
            (None, Some(wanted)) => Some((self.accounted.unwrap_or(wanted.from), self.cause)),
            _ => None,
        }
    }

    /// The first moment of which recording has been wanted without a break up to now, if it is wanted.
    pub(super) fn since(&self) -> Option<Timestamp> {
        self.wanted.and(self.since)
    }

    /// Whether `next` follows on what is wanted now without a break.
    pub(super) fn goes_on_in(&self, next: Wanted) -> bool {
        self.wanted.is_some_and(|wanted| next.from <= wanted.until)
    }

    /// The wall clock shows `now` where it would have shown `expected`. An open segment sees to it by itself.
    pub(super) fn stepped(&mut self, expected: Timestamp, now: Now) -> Vec<Fact> {
        let (Some(wanted), Some(accounted)) = (self.wanted, self.accounted) else { return Vec::new() };
        if self.open.is_some() || now.wall <= expected {
            return Vec::new();
        }
        self.accounted = Some(now.wall);
        let gap = |start: Timestamp, end: Timestamp, cause| Fact::Gap { start, end: end.min(wanted.until), cause };
        let mut facts =
            vec![gap(accounted, expected, self.cause), gap(expected.max(accounted), now.wall, GapCause::ClockStep)];
        facts.retain(|fact| !matches!(fact, Fact::Gap { start, end, .. } if end <= start));
        facts
    }

    /// Nothing is recorded, since `since`, because of `cause`.
    fn blame(&mut self, cause: GapCause, since: Timestamp, facts: &mut Vec<Fact>) {
        if let (Some(accounted), Some(wanted)) = (self.accounted, self.wanted)
            && self.is_certain
            && self.cause != cause
        {
            let end = since.min(wanted.until);
            if accounted < end {
                facts.push(Fact::Gap { start: accounted, end, cause: self.cause });
                self.accounted = Some(end);
            }
        }
        (self.cause, self.is_certain) = (cause, true);
    }

    /// Up to when all is told, as far as something is wanted; `None`: nothing is left to tell.
    pub(super) fn told(&self) -> Option<Timestamp> {
        let wanted = self.wanted?;
        Some(self.open.as_ref().map_or(self.accounted.unwrap_or(wanted.from), |open| open.begun.wall))
    }

    /// Tells of what is not recorded up to `moment` now, though it goes on: a lesson ends there, and its account is due.
    pub(super) fn tell_until(&mut self, moment: Timestamp) -> Option<Fact> {
        let start = self.accounted.filter(|accounted| self.open.is_none() && *accounted < moment)?;
        self.wanted.filter(|wanted| moment < wanted.until)?;
        self.accounted = Some(moment);
        Some(Fact::Gap { start, end: moment, cause: self.cause })
    }

    /// What is on disk of the segment that is being written.
    pub(super) fn unfinished(&self) -> Option<Written> {
        self.open.as_ref().map(|open| open.file.so_far())
    }

    /// When the segment that is being written began.
    pub(super) fn begun(&self) -> Option<Timestamp> {
        self.open.as_ref().map(|open| open.begun.wall)
    }

    /// The plan, as it stands now. `told` is the moment up to which an earlier run has told of a span that has begun.
    ///
    /// Where one span follows on another, the recording goes on: the segment ends at the next key frame if sound is kept
    /// in one of them only. Sound that is not to be kept is left out from the span's first moment.
    pub(super) fn set_wanted(&mut self, wanted: Option<Wanted>, told: Option<Timestamp>, now: Now) -> Vec<Fact> {
        let mut facts = Vec::new();
        let is_running = mem::replace(&mut self.is_running, true);
        if self.wanted == wanted {
            return facts;
        }
        let before = self.wanted;
        if let (Some(before), Some(next)) = (before, wanted)
            && self.goes_on_in(next)
        {
            if before.sound != next.sound {
                if let Some(open) = &mut self.open {
                    open.until = now.wall;
                }
                self.leave_quiet(before, now);
            }
            self.wanted = wanted;
            return facts;
        }
        self.end_wanted(now, &mut facts);
        self.wanted = wanted;
        self.accounted = wanted.map(|wanted| told.map_or(wanted.from, |told| told.max(wanted.from)));
        self.since = self.accounted;
        self.is_certain = false;
        if is_running {
            // What was the cause before the start, or of an earlier gap, is none of this span's.
            self.cause = GapCause::CameraStalled;
        }
        if let Some(next) = wanted.filter(|next| next.after_quiet)
            && let Ok(lag) = Duration::try_from((next.from + SOUND_LAG).duration_since(now.wall))
        {
            self.quiet_until = Some(now.monotonic + lag);
        }
        self.open_if_wanted(now, &mut facts);
        facts
    }

    /// What comes in the next moment may have been said before `before` ended.
    fn leave_quiet(&mut self, before: Wanted, now: Now) {
        if !before.sound {
            self.quiet_until = Some(now.monotonic + SOUND_LAG);
        }
    }

    /// Whether a piece of sound may be kept at all, be it in memory.
    fn keeps_sound(&self, arrived: Instant) -> bool {
        self.wanted.is_none_or(|wanted| wanted.sound) && self.quiet_until.is_none_or(|moment| moment <= arrived)
    }

    /// A piece of sound has come. A segment that began without a track for it ends at the next key frame.
    fn hear(&mut self, unit: &Unit, now: Now) {
        self.heard = Some((unit.connection, unit.arrived));
        let is_kept = self.wanted.is_some_and(|wanted| wanted.sound) && self.keeps_sound(unit.arrived);
        if let Some(open) = self.open.as_mut().filter(|open| is_kept && open.sound == Sound::None) {
            open.until = open.until.min(now.wall);
        }
    }

    /// Leaves out the sound that came before `wanted` began: somebody else's lesson may not be heard.
    fn drop_early_sound(&mut self, wanted: Wanted, now: Now) {
        let quiet_until = self.quiet_until;
        self.group.retain(|unit| {
            let is_early = now.at(unit.arrived) < wanted.from || quiet_until.is_some_and(|end| unit.arrived < end);
            unit.track == Track::Video || !is_early
        });
        self.group_bytes = self.group.iter().map(|unit| unit.data.len()).sum();
    }

    /// Time has passed; `status` is what the camera says of itself. `can_encode`: its pictures, where that is done here.
    pub(super) fn tick(&mut self, now: Now, status: &CameraStatus, can_encode: bool) -> Vec<Fact> {
        let mut facts = Vec::new();
        let stalled = |last: &Last| now.monotonic.saturating_duration_since(last.arrived) > self.settings.stall;
        if self.last.as_ref().is_none_or(stalled) {
            let since = self.last.as_ref().map_or(now.wall, |last| now.at(last.arrived + last.usual));
            self.interrupt(now, &mut facts);
            let cause = match status.state {
                // Until it is clear, what was so before is.
                _ if status.unclear => None,
                CameraState::Absent | CameraState::Stalled if status.unreachable => Some(GapCause::Network),
                CameraState::Absent => Some(GapCause::CameraAbsent),
                CameraState::Stalled => Some(GapCause::CameraStalled),
                CameraState::Live if !can_encode => Some(GapCause::WriteFailed),
                CameraState::Live | CameraState::Unknown => None,
            };
            if let Some(cause) = cause {
                self.blame(cause, since, &mut facts);
            }
        }
        if self.wanted.is_some_and(|wanted| wanted.until <= now.wall) {
            self.end_wanted(now, &mut facts);
            self.wanted = None;
        }
        facts
    }

    /// A coded picture, or a piece of sound.
    pub(super) fn take(&mut self, unit: Unit, now: Now) -> Vec<Fact> {
        let mut facts = Vec::new();
        if unit.skipped > 0 {
            let was_open = self.open.is_some();
            self.interrupt(now, &mut facts);
            if was_open {
                self.blame(GapCause::WriteFailed, now.wall, &mut facts);
            }
        }
        if unit.track == Track::Audio {
            self.hear(&unit, now);
            if !self.group.is_empty() && self.keeps_sound(unit.arrived) {
                self.push(unit);
                self.open_if_wanted(now, &mut facts);
            }
            return facts;
        }
        let arrived = unit.arrived;
        if self.connected.is_none_or(|(connection, _)| connection != unit.connection) {
            self.connected = Some((unit.connection, arrived));
        }
        if let Some(last) = &self.last {
            let is_other = last.connection != unit.connection;
            let has_stalled = arrived.saturating_duration_since(last.arrived) > self.settings.stall;
            if is_other || last.format != unit.format || has_stalled {
                let was_open = self.open.is_some();
                self.interrupt(now, &mut facts);
                // What kept it from being recorded before still does.
                if was_open {
                    let cause = if is_other { GapCause::CameraAbsent } else { GapCause::CameraStalled };
                    self.blame(cause, now.wall, &mut facts);
                }
            }
        }
        let usual = self.last.as_ref().map_or(Duration::from_millis(40), |last| {
            let seen = arrived.saturating_duration_since(last.arrived).min(Duration::from_secs(1));
            (last.usual * 7 + seen) / 8
        });
        self.last = Some(Last { arrived, connection: unit.connection, format: unit.format.clone(), usual });
        if unit.is_key {
            self.write_group(Some(unit.time), now, &mut facts);
            let is_over = self.open.as_ref().is_some_and(|open| {
                let label = now.at(arrived);
                let stepped = label.duration_since(open.label(arrived)).unsigned_abs() > TOLERANCE;
                open.until <= label || stepped
            });
            if is_over {
                self.close(arrived, Some(now.at(arrived)), &mut facts);
            }
            self.push(unit);
        } else if !self.group.is_empty() {
            self.push(unit);
            let begun = self.group.first().map_or(arrived, |first| first.arrived);
            let is_long = arrived.saturating_duration_since(begun) > LONGEST_GROUP || self.group_bytes > LARGEST_GROUP;
            if is_long && (self.open.is_some() || self.awaits_sound) {
                self.write_group(None, now, &mut facts);
            } else if is_long {
                self.drop_group();
            }
        } else if self.open.is_some() {
            self.push(unit); // the rest of a group whose beginning is written
        }
        self.open_if_wanted(now, &mut facts);
        if self.wanted.is_some_and(|wanted| wanted.until <= now.at(arrived)) {
            self.end_wanted(now, &mut facts);
            self.wanted = None;
        }
        facts
    }

    /// Ends the recording, as when the appliance is stopped.
    pub(super) fn stop(&mut self, now: Now) -> Vec<Fact> {
        let mut facts = Vec::new();
        self.end_wanted(now, &mut facts);
        self.wanted = None;
        facts
    }

    fn push(&mut self, unit: Unit) {
        self.group_bytes += unit.data.len();
        self.group.push(unit);
    }

    fn drop_group(&mut self) {
        self.awaits_sound = false;
        self.group.clear();
        self.group_bytes = 0;
    }

    /// No more pictures come, for now: the segment ends with the last one.
    fn interrupt(&mut self, now: Now, facts: &mut Vec<Fact>) {
        let Some(last) = self.last.take() else { return };
        self.write_group(None, now, facts);
        self.close(last.arrived + last.usual, None, facts);
    }

    /// Up to when the open segment shows something, if its next picture is late at `now`: the camera may have begun to stand
    /// still. What a step of the clock has leapt over is told of as such.
    fn shown_until(&self, now: Now) -> Option<Instant> {
        let (open, last) = (self.open.as_ref()?, self.last.as_ref()?);
        let shown = last.arrived + last.usual;
        let is_late = now.monotonic.saturating_duration_since(shown) > LATE_PICTURE;
        let has_stepped = now.wall.duration_since(open.label(now.monotonic)).unsigned_abs() > TOLERANCE;
        (is_late && !has_stepped).then_some(shown)
    }

    fn end_wanted(&mut self, now: Now, facts: &mut Vec<Fact>) {
        let Some(wanted) = self.wanted else { return };
        self.leave_quiet(wanted, now);
        if self.open.is_some() || self.awaits_sound {
            self.write_group(None, now, facts);
            match self.shown_until(now) {
                Some(shown) => self.close(shown, None, facts),
                None => self.close(now.monotonic, Some(now.wall), facts),
            }
        }
        let until = wanted.until.min(now.wall);
        if let Some(accounted) = self.accounted
            && accounted < until
        {
            facts.push(Fact::Gap { start: accounted, end: until, cause: self.cause });
        }
        self.accounted = None;
    }
}

#[cfg(test)]
pub(super) mod tests;
